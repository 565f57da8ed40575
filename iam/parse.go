package iam

import (
	"fmt"
	"iter"
	"strings"
)

// A Kind says where a policy is attached, which decides what its statements may
// and must contain, and what they mean.
type Kind uint8

const (
	Identity Kind = iota // attached to a user, group or role
	Boundary             // the permissions boundary of a user or role
	Session              // passed when a session was made
	Trust                // the trust policy of a role: who may assume it
	Resource             // attached to a resource: bucket, queue, key
	SCP                  // service control policy of an organization
	RCP                  // resource control policy of an organization
	Endpoint             // attached to a VPC endpoint
)

var kindNames = [...]string{"identity", "boundary", "session", "trust", "resource", "scp", "rcp", "endpoint"}

// String is the name of the kind in lower case.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return fmt.Sprintf("Kind(%d)", k)
}

// ParseKind is the inverse of String.
func ParseKind(s string) (Kind, error) {
	for i, name := range kindNames {
		if name == s {
			return Kind(i), nil
		}
	}
	return 0, fmt.Errorf("%q is not a kind of policy: want one of %s", s, strings.Join(kindNames[:], ", "))
}

// namesPrincipals reports whether statements of this kind say to whom they apply.
func (k Kind) namesPrincipals() bool { return k == Trust || k == Resource || k == RCP || k == Endpoint }

// A Policy is a compiled policy document. It never changes and may be shared by
// any number of goroutines.
type Policy struct {
	kind  Kind
	name  string
	doc   *document
	stmts []statement
	allow index
	deny  index
}

// Parse reads a policy document and compiles it. It is strict: a document with an
// unknown key, operator or effect, with a key twice, or with text after its end
// is refused as a whole, so that no statement is dropped in silence. The error is
// a *SyntaxError with the position.
//
// Parse accepts what means something to the engine; whether AWS would store the
// document is for Validate to say. name is what decisions call the policy: an
// ARN, a file name, "inline policy X".
func Parse(kind Kind, name string, src []byte) (*Policy, error) {
	d, f := readDocument(string(src))
	if f == nil {
		f = d.check(kind)
	}
	if f != nil {
		line, column := position(string(src), int(f.off))
		return nil, &SyntaxError{Name: name, Line: line, Column: column, Summary: f.summary, Hint: f.hint, Rule: f.rule}
	}
	return compile(kind, name, d), nil
}

// check refuses documents that follow the grammar but cannot mean anything.
func (d *document) check(kind Kind) *flaw {
	for i := range d.statements {
		s := &d.statements[i]
		switch {
		case s.effect.str != "Allow" && s.effect.str != "Deny":
			return newFlaw(ruleEffectCase, s.effect.off, `write "Allow" or "Deny"`, "effect %q: case matters", s.effect.str)
		case !s.action.present || len(s.action.vals) == 0:
			return newFlaw(ruleNoAction, s.off, `add an "Action"`, "statement has no actions")
		case s.resource.present && kind == Trust:
			return newFlaw(ruleNoResource, s.resource.off, "remove it: a trust policy is about its own role", "trust policy with a resource")
		case !s.resource.present && (kind == Identity || kind == Boundary || kind == Session || kind == SCP):
			return newFlaw(ruleNoResource, s.off, `add a "Resource"`, "statement has no resources")
		case s.resource.present && len(s.resource.vals) == 0:
			return newFlaw(ruleNoResource, s.resource.off, `add a resource, or "*"`, "list of resources is empty")
		case s.principal.present && !kind.namesPrincipals():
			return newFlaw(rulePrincipal, s.principal.off, fmt.Sprintf("remove it: %s policies apply to whom they are attached to", kind), "%s policy names a principal", kind)
		case s.principal.not && s.effect.str == "Allow":
			return newFlaw(ruleNotPrincipal, s.principal.off, "list whom to allow, or use a condition", "Allow with NotPrincipal")
		}
		for j := range s.condition {
			c := &s.condition[j]
			if c.parsed.op < dateEquals {
				continue
			}
			for _, v := range c.vals {
				if _, ok := parseDate(v.str); !ok {
					return newFlaw(ruleDate, v.off, "write 2026-01-31, 2026-01-31T12:00:00Z or seconds since 1970; dates take no variables", "%q is not a date", v.str)
				}
			}
		}
	}
	return nil
}

// A SyntaxError says why a document is not a policy, and where.
type SyntaxError struct {
	Name         string // of the document, as given to Parse
	Line, Column int    // from 1; columns count bytes
	Summary      string // what is wrong
	Hint         string // how to cure it; may be empty
	Rule         string // stable id of the rule that was broken, such as unknown-key
}

// Error is name:line:column: summary.
func (e *SyntaxError) Error() string {
	s := fmt.Sprintf("%s:%d:%d: %s", e.Name, e.Line, e.Column, e.Summary)
	if e.Hint != "" {
		s += " (hint: " + e.Hint + ")"
	}
	return s
}

// Kind is where the policy is attached.
func (p *Policy) Kind() Kind { return p.kind }

// Name is the name given to Parse.
func (p *Policy) Name() string { return p.name }

// Source is the document as it was read.
func (p *Policy) Source() string { return p.doc.src }

// Version is the version of the policy language: 2008-10-17 if the document says
// nothing.
func (p *Policy) Version() string {
	if p.doc.version.present {
		return p.doc.version.str
	}
	return "2008-10-17"
}

// ID is the Id of the document, or "".
func (p *Policy) ID() string { return p.doc.id.str }

// Len is the number of statements.
func (p *Policy) Len() int { return len(p.stmts) }

// An Effect is what a statement does when it applies.
type Effect uint8

const (
	EffectDeny Effect = iota
	EffectAllow
)

// String is Allow or Deny.
func (e Effect) String() string {
	if e == EffectAllow {
		return "Allow"
	}
	return "Deny"
}

// MarshalText writes Allow or Deny.
func (e Effect) MarshalText() ([]byte, error) { return []byte(e.String()), nil }

// A Statement is one statement of a policy as it was written, for reading.
type Statement struct {
	Index        int
	Sid          string
	Effect       Effect
	Line, Column int // where it starts

	Principals    []StatementPrincipal
	NotPrincipals bool // Principals come from NotPrincipal
	HasPrincipal  bool // there is a Principal or NotPrincipal element
	Actions       []string
	NotActions    bool // Actions come from NotAction
	Resources     []string
	NotResources  bool // Resources come from NotResource
	Conditions    []StatementCondition
}

// A StatementPrincipal is one entry of Principal. "*" as a string reads as
// {"AWS": "*"}.
type StatementPrincipal struct {
	Kind  string // AWS, Service, Federated, CanonicalUser
	Value string
}

// A StatementCondition is one operator with one key.
type StatementCondition struct {
	Operator string
	Key      string
	Values   []string
}

// Statement returns statement i, counted from 0.
func (p *Policy) Statement(i int) Statement {
	raw := &p.doc.statements[i]
	s := Statement{
		Index:         i,
		Sid:           raw.sid.str,
		Actions:       raw.action.strings(),
		NotActions:    raw.action.not,
		Resources:     raw.resource.strings(),
		NotResources:  raw.resource.not,
		HasPrincipal:  raw.principal.present,
		NotPrincipals: raw.principal.not,
	}
	s.Line, s.Column = position(p.doc.src, int(raw.off))
	if raw.effect.str == "Allow" {
		s.Effect = EffectAllow
	}
	if raw.principal.star {
		s.Principals = []StatementPrincipal{{awsPrincipal, "*"}}
	}
	for _, e := range raw.principal.entries {
		s.Principals = append(s.Principals, StatementPrincipal{e.kind, e.str})
	}
	for j := range raw.condition {
		c := &raw.condition[j]
		s.Conditions = append(s.Conditions, StatementCondition{c.operator, c.key, texts(c.vals)})
	}
	return s
}

// Statements yields the statements in the order they were written.
func (p *Policy) Statements() iter.Seq[Statement] {
	return func(yield func(Statement) bool) {
		for i := range p.stmts {
			if !yield(p.Statement(i)) {
				return
			}
		}
	}
}

func (l *rawList) strings() []string { return texts(l.vals) }

func texts(vals []text) []string {
	out := make([]string, len(vals))
	for i, v := range vals {
		out[i] = v.str
	}
	return out
}
