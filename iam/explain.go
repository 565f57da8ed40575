package iam

import (
	"fmt"
	"slices"
	"strings"
)

// An Explanation says why a decision fell as it did: what every layer said, which
// statements matched, and which nearly did. It marshals to JSON; String is the
// same for people.
type Explanation struct {
	Principal       Principal `json:"principal"`
	Action          string    `json:"action"`
	Resource        string    `json:"resource"`
	ResourceAccount string    `json:"resourceAccount,omitempty"`
	CrossAccount    bool      `json:"crossAccount"` // caller and resource belong to different accounts
	Outcome         Outcome   `json:"outcome"`
	Layer           Layer     `json:"layer"` // see Decision.Layer
	Grant           Grant     `json:"grant"` // how closely the resource policy names the caller, where it allows

	// Reason is the decision in one sentence.
	Reason string `json:"reason"`

	// Deciding is the statement that decided; nil for implicit denies and for
	// decisions without a policy.
	Deciding *StatementReport `json:"deciding,omitempty"`

	// Caller and ResourceSide are the two halves of the matter. Across accounts,
	// and for trust policies and KMS keys that name the account, both must allow.
	Caller       Side `json:"callerSide"`
	ResourceSide Side `json:"resourceSide"`

	// Layers is the ladder, in the order in which layers are named for a
	// denial.
	Layers []LayerReport `json:"layers"`
}

// A Side is what one side of a request says.
type Side struct {
	Result Result `json:"result"`
	Note   string `json:"note,omitempty"`
}

// A Result is what a layer, or a side, says to a request.
type Result string

const (
	ResultAllow   Result = "allow"
	ResultDeny    Result = "deny"           // an explicit deny
	ResultSilent  Result = "silent"         // policies, but no statement that allows
	ResultNone    Result = "none"           // no policies
	ResultSkipped Result = "not applicable" // policies that do not reach this caller or service
)

// A LayerReport is what one layer says.
type LayerReport struct {
	Layer Layer `json:"layer"`

	// Level counts SCP and RCP levels from the root of the organization, which
	// is 0; -1 for other layers.
	Level int `json:"level"`

	Result Result `json:"result"`
	Stops  bool   `json:"stops"` // the request ends here
	Note   string `json:"note,omitempty"`

	// Statements are those that matched, and then the near misses: those that
	// are about the action, or about all but the action.
	Statements []StatementReport `json:"statements,omitempty"`
}

// A StatementReport is one statement and how it fared.
type StatementReport struct {
	Policy  string   `json:"policy"` // its name
	Index   int      `json:"statement"`
	Sid     string   `json:"sid,omitempty"`
	Effect  Effect   `json:"effect"`
	Line    int      `json:"line"`
	Column  int      `json:"column"`
	Matched bool     `json:"matched"`
	Grant   Grant    `json:"grant"`            // how closely it names the caller, if it matched
	Failed  *Failure `json:"failed,omitempty"` // the first part that did not match
}

// A Failure is why a statement does not apply.
type Failure struct {
	Part     string   `json:"part"`               // action, principal, resource or condition
	Operator string   `json:"operator,omitempty"` // of a condition
	Key      string   `json:"key,omitempty"`      // of a condition
	Not      bool     `json:"not,omitempty"`      // the request must match none of Want
	Want     []string `json:"want"`               // what the policy says, variables replaced
	Got      []string `json:"got"`                // what the request has; empty if Absent
	Absent   bool     `json:"absent,omitempty"`   // the request has no such key
	Note     string   `json:"note,omitempty"`
}

// Explain decides r again, slowly, and records every step.
func (p *Policies) Explain(r *Request) *Explanation {
	d := p.Decide(r)
	e := &Explanation{
		Principal: r.Principal, Action: r.Action, Resource: r.Resource, ResourceAccount: r.ResourceAccount,
		CrossAccount: r.crossAccount() && !r.Principal.Type.outsider(), Outcome: d.Outcome, Layer: d.Layer, Grant: d.Grant,
	}
	if _, ok := preordained(r); ok {
		e.Reason = reasonWithoutPolicy(r, d)
		e.Caller, e.ResourceSide = Side{Result: ResultSkipped}, Side{Result: ResultSkipped}
		return e
	}
	sc := p.scope(r)
	ev := eval{r: r, ctx: r.Context, bounded: sc.boundary}
	x := &explainer{ev: &ev, sc: sc, d: d, e: e}
	x.levels(LayerSCP, p.SCP, sc.scp, "SCPs do not reach "+x.unreached())
	x.levels(LayerRCP, p.RCP, sc.rcp, "RCPs do not reach "+x.unreachedRCP(r))
	x.layer(LayerEndpoint, -1, p.Endpoint, true, "")
	var resource []*Policy
	if p.Resource != nil {
		resource = []*Policy{p.Resource}
	}
	x.layer(p.resourceLayer(), -1, resource, true, "")
	outsider := "only resource policies speak about " + x.unreached()
	x.layer(LayerBoundary, -1, p.Boundary, sc.boundary, outsider)
	x.layer(LayerSession, -1, p.Session, sc.caller, outsider)
	x.layer(LayerIdentity, -1, p.Identity, sc.caller, outsider)
	x.finish(p, d)
	return e
}

type explainer struct {
	ev *eval
	sc scope
	d  Decision
	e  *Explanation
}

func (x *explainer) unreached() string {
	switch p := &x.ev.r.Principal; {
	case p.Type == Root:
		return "the root user"
	case p.serviceLinked():
		return "service-linked roles"
	case p.Type == Service:
		return "AWS services"
	case p.Type == Anonymous:
		return "anonymous callers"
	case p.Type == Federated:
		return "identity providers"
	}
	return "this caller"
}

func (x *explainer) unreachedRCP(r *Request) string {
	if !rcpCovers(r.Action) {
		return r.Action
	}
	if strings.Contains(r.Resource, ":role/aws-service-role/") {
		return "service-linked roles"
	}
	return x.unreached()
}

func (x *explainer) levels(layer Layer, levels [][]*Policy, applies bool, why string) {
	if len(levels) == 0 {
		x.layer(layer, -1, nil, applies, why)
	}
	for i, set := range levels {
		x.layer(layer, i, set, applies, why)
		if l := &x.e.Layers[len(x.e.Layers)-1]; l.Result == ResultNone {
			// An empty level of SCPs allows nothing; RCPFullAWSAccess is implied at
			// every level of RCPs.
			l.Result = ResultSilent
			if layer == LayerRCP {
				l.Result = ResultAllow
			}
		}
	}
}

// layer reports on one set of policies.
func (x *explainer) layer(layer Layer, level int, set []*Policy, applies bool, why string) {
	l := LayerReport{Layer: layer, Level: level, Result: ResultNone}
	defer func() { x.e.Layers = append(x.e.Layers, l) }()
	if len(set) == 0 {
		return
	}
	if !applies {
		l.Result, l.Note = ResultSkipped, why
		return
	}
	l.Result = ResultSilent
	if layer == LayerRCP {
		l.Result, l.Note = ResultAllow, "RCPFullAWSAccess"
	}
	var misses []StatementReport
	for _, p := range set {
		for i := range p.stmts {
			rep, near := x.statement(p, i)
			switch {
			case rep.Matched:
				l.Statements = append(l.Statements, rep)
				if p == x.d.Policy && i == x.d.Statement && layer == x.d.Layer {
					x.e.Deciding = &rep
				}
				if rep.Effect == EffectDeny {
					l.Result = ResultDeny
				} else if l.Result != ResultDeny {
					l.Result = ResultAllow
				}
			case near:
				misses = append(misses, rep)
			}
		}
	}
	l.Statements = append(l.Statements, misses...)
}

// statement reports on one statement, and whether it is worth showing if it did
// not match.
func (x *explainer) statement(p *Policy, i int) (rep StatementReport, near bool) {
	s := &p.stmts[i]
	rep = StatementReport{Policy: p.name, Index: i, Sid: s.raw.sid.str, Effect: EffectAllow}
	if s.deny {
		rep.Effect = EffectDeny
	}
	rep.Line, rep.Column = position(p.doc.src, int(s.raw.off))
	if g := s.match(x.ev); g != GrantNone {
		rep.Matched, rep.Grant = true, g
		return rep, false
	}
	rep.Failed = x.failure(s)
	if rep.Failed.Part != "action" {
		return rep, true
	}
	// Another action of the same service, where all the rest fits.
	service := actionService(x.ev.r.Action) + ":"
	near = !s.notAction && s.matchRest(x.ev) != GrantNone &&
		slices.ContainsFunc(s.actions, func(a actionPattern) bool { return foldPrefix(lowerASCII(service), a.text) })
	return rep, near
}

// failure finds the first part of s that does not match.
func (x *explainer) failure(s *statement) *Failure {
	r, ctx := x.ev.r, x.ev.ctx
	if !s.matchAction(r.Action) {
		return &Failure{Part: "action", Not: s.notAction, Want: s.raw.action.strings(), Got: []string{r.Action}}
	}
	if s.nobody {
		return &Failure{Part: "principal", Got: []string{r.Principal.ARN}, Note: "the statement names no principal and never applies"}
	}
	if s.principals != nil && s.principals.applies(&r.Principal, x.ev.bounded) == GrantNone {
		return x.principalFailure(s)
	}
	if !s.matchResource(x.ev) {
		f := &Failure{Part: "resource", Not: s.notResource, Got: []string{r.Resource}}
		for i := range s.resources {
			q := &s.resources[i]
			f.Want = append(f.Want, q.substitute(ctx))
			switch {
			case f.Note != "" || f.Not:
			case q.kind == noResource:
				f.Note = fmt.Sprintf("%q is not a complete ARN and matches nothing", q.text)
			case !q.last.resolved(ctx):
				f.Note = "a variable has no value, so its pattern matches nothing"
			case r.Resource == "*":
				f.Note = r.Action + ` has no resource-level permissions here: only "*" covers it`
			}
		}
		return f
	}
	for i := range s.conditions {
		if c := &s.conditions[i]; !c.holds(x.ev) {
			return c.failure(x.ev)
		}
	}
	return &Failure{Part: "nothing"}
}

func (x *explainer) principalFailure(s *statement) *Failure {
	p := &x.ev.r.Principal
	f := &Failure{Part: "principal", Not: s.principals.not, Want: []string{s.raw.principal.describe()}, Got: []string{p.ARN}}
	if p.Issuer != "" {
		f.Got = append(f.Got, p.Issuer)
	}
	if p.ID != "" {
		f.Got = append(f.Got, p.ID)
	}
	if f.Not {
		return f
	}
	for _, e := range s.raw.principal.entries {
		switch {
		case strings.HasPrefix(e.str, "AROA") || strings.HasPrefix(e.str, "AIDA"):
			f.Note = fmt.Sprintf("%s is the unique id of a role or user that was deleted, or is not the caller; one re-created under the same name has another id", e.str)
		case p.Issuer != "" && e.kind == awsPrincipal && path(e.str) != path(p.Issuer) && lastSegment(e.str) == lastSegment(p.Issuer):
			f.Note = fmt.Sprintf("the role's ARN with its path is %s", p.Issuer)
		}
	}
	return f
}

func path(arn string) string { return arn[:len(arn)-len(lastSegment(arn))] }

func lastSegment(arn string) string { return arn[strings.LastIndexByte(arn, '/')+1:] }

// failure reports why the condition does not hold.
func (c *condition) failure(ev *eval) *Failure {
	f := &Failure{Part: "condition", Operator: c.raw.operator, Key: c.raw.key, Not: c.negated}
	for i := range c.operands {
		o := &c.operands[i]
		want := c.raw.vals[i].str
		if o.pat.vars {
			want = o.pat.substitute(ev.ctx)
			if !o.pat.resolved(ev.ctx) {
				f.Note = "a variable has no value, so its pattern matches nothing"
			}
		}
		f.Want = append(f.Want, want)
		if o.bad {
			f.Note = fmt.Sprintf("%q is no value for %s", want, c.raw.operator)
		}
	}
	v := ev.ctx.lookup(c.key)
	switch {
	case v == nil:
		f.Absent = true
	case v.multi:
		f.Got = slices.Clone(v.list)
		if c.set == noSet && c.op != null {
			f.Note = "the key is multivalued: test it with ForAnyValue or ForAllValues"
		}
	default:
		f.Got = []string{v.one}
		if !c.typed(v.one) {
			f.Note = fmt.Sprintf("%q is no value for %s", v.one, c.raw.operator)
		} else if lower := strings.ToLower(v.one); c.op == stringEquals && !c.negated && f.Note == "" &&
			slices.ContainsFunc(f.Want, func(w string) bool { return strings.ToLower(w) == lower }) {
			f.Note = "they differ in case only"
		}
	}
	return f
}

// typed reports whether s is of the operator's type.
func (c *condition) typed(s string) (ok bool) {
	switch c.op {
	case stringEquals, stringEqualsIgnoreCase, stringLike, null, binaryEquals:
		return true
	case boolean:
		_, ok = parseBool(s)
	case arnLike:
		_, err := ParseARN(s)
		ok = err == nil
	case ipAddress:
		_, ok = parseAddr(s)
	case dateEquals, dateLess, dateLessEquals, dateGreater, dateGreaterEquals:
		_, ok = parseDate(s)
	default:
		_, ok = parseNumber(s)
	}
	return ok
}

// ExplainAssume explains the action of a that decides: the first one that is
// denied, or the assuming itself.
func (p *Policies) ExplainAssume(a *AssumeRequest) *Explanation {
	set := *p
	set.Trust = true
	action := p.DecideAssume(a).Action
	for _, r := range a.Checks() {
		if r.Action == action {
			return set.Explain(&r)
		}
	}
	panic("unreachable: the deciding action is one of the checks")
}
