package iam

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"
)

// A statement is compiled: every string is a pattern, every value has its type.
type statement struct {
	deny        bool
	nobody      bool // resource policy without Principal: never applies
	notAction   bool
	notResource bool
	anyResource bool // no Resource element: covers what the policy is attached to
	actions     []actionPattern
	resources   []resourcePattern
	principals  *principals // nil where the kind names none
	conditions  []condition
	raw         *rawStatement
}

// compile turns a checked document into a policy.
func compile(kind Kind, name string, d *document) *Policy {
	p := &Policy{kind: kind, name: name, doc: d, stmts: make([]statement, len(d.statements))}
	vars := d.version.str == "2012-10-17"
	// One slab per type of part keeps a policy of a thousand statements to a few
	// allocations, and its statements close together in memory.
	var nAct, nRes, nCond, nOps int
	for i := range d.statements {
		raw := &d.statements[i]
		nAct += len(raw.action.vals)
		nRes += len(raw.resource.vals)
		nCond += len(raw.condition)
		for j := range raw.condition {
			nOps += len(raw.condition[j].vals)
		}
	}
	actions := make([]actionPattern, 0, nAct)
	resources := make([]resourcePattern, 0, nRes)
	conditions := make([]condition, 0, nCond)
	operands := make([]operand, 0, nOps)
	keys := make(map[string]contextKey)
	seen := make(map[string]actionPattern) // documents repeat their actions

	for i := range d.statements {
		raw := &d.statements[i]
		s := &p.stmts[i]
		*s = statement{deny: raw.effect.str == "Deny", notAction: raw.action.not, notResource: raw.resource.not, anyResource: !raw.resource.present, raw: raw}
		at := len(actions)
		for _, v := range raw.action.vals {
			a, ok := seen[v.str]
			if !ok {
				a = compileAction(v.str)
				seen[v.str] = a
			}
			actions = append(actions, a)
		}
		s.actions = actions[at:len(actions):len(actions)]
		at = len(resources)
		for _, v := range raw.resource.vals {
			resources = append(resources, compileResource(v.str, kind, vars))
		}
		s.resources = resources[at:len(resources):len(resources)]
		if kind.namesPrincipals() {
			s.principals = compilePrincipals(&raw.principal)
			s.nobody = s.principals == nil && kind != Endpoint
		}
		at = len(conditions)
		for j := range raw.condition {
			rc := &raw.condition[j]
			c := condition{parsedOperator: rc.parsed, raw: rc}
			key, ok := keys[rc.key]
			if !ok {
				key = makeContextKey(rc.key)
				keys[rc.key] = key
			}
			c.key = key
			first := len(operands)
			for _, v := range rc.vals {
				operands = append(operands, compileOperand(c.op, v.str, vars))
			}
			c.operands = operands[first:len(operands):len(operands)]
			conditions = append(conditions, c)
		}
		s.conditions = conditions[at:len(conditions):len(conditions)]
		slices.SortStableFunc(s.conditions, func(a, b condition) int { return cmp.Compare(a.cost(), b.cost()) })
	}
	p.allow.build(p.stmts, false)
	p.deny.build(p.stmts, true)
	return p
}

// An eval is the state of one decision. It lives on the stack of Decide.
type eval struct {
	r       *Request
	ctx     *Context
	bounded bool  // the caller has a permissions boundary
	grant   Grant // of the resource policy, once it has been asked

	split    int8   // 0 not tried, 1 resource is an ARN, -1 it is not
	resource colons // of r.Resource
	hash     uint32 // of r.Action
	hashed   bool

	// The last address that a condition read: statements repeat it.
	addrText string
	addrVal  netip.Addr
}

func (ev *eval) splitResource() bool {
	if ev.split == 0 {
		ev.split = -1
		if splitARN(ev.r.Resource, &ev.resource) {
			ev.split = 1
		}
	}
	return ev.split > 0
}

func (ev *eval) actionHash() uint32 {
	if !ev.hashed {
		ev.hash, ev.hashed = actionHash(ev.r.Action), true
	}
	return ev.hash
}

// addr reads an address; the zero Addr means that s is none.
func (ev *eval) addr(s string) netip.Addr {
	if s != ev.addrText {
		ev.addrText = s
		ev.addrVal, _ = parseAddr(s)
	}
	return ev.addrVal
}

// match reports how closely the statement names the caller if it applies to the
// request, and GrantNone if it does not. Statements that name nobody in
// particular (identity policies) apply directly.
func (s *statement) match(ev *eval) Grant {
	if s.matchAction(ev.r.Action) {
		return s.matchRest(ev)
	}
	return GrantNone
}

// matchRest is match for a statement whose actions are known to match.
func (s *statement) matchRest(ev *eval) Grant {
	if s.nobody {
		return GrantNone
	}
	g := GrantDirect
	if s.principals != nil {
		if g = s.principals.applies(&ev.r.Principal, ev.bounded); g == GrantNone {
			return GrantNone
		}
	}
	if !s.matchResource(ev) {
		return GrantNone
	}
	for i := range s.conditions {
		if !s.conditions[i].holds(ev) {
			return GrantNone
		}
	}
	return g
}

func (s *statement) matchAction(action string) bool {
	for i := range s.actions {
		if s.actions[i].match(action) {
			return !s.notAction
		}
	}
	return s.notAction
}

// matchResource is true for a statement without Resource: it covers what the
// policy is attached to.
func (s *statement) matchResource(ev *eval) bool {
	for i := range s.resources {
		p := &s.resources[i]
		if p.kind == plainResource {
			if !strings.HasPrefix(ev.r.Resource, p.begin) {
				continue
			}
			if p.last.kind == prefixPattern {
				return !s.notResource
			}
		}
		if p.match(ev) {
			return !s.notResource
		}
	}
	return s.notResource || s.anyResource
}
