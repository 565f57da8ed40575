package graph

import (
	"slices"

	"github.com/mantle-iam/mantle/iam"
)

// Evidence is a statement that decided a hop.
type Evidence struct {
	Action    string     `json:"action"` // the request it decided: sts:AssumeRole, iam:PassRole, ec2:RunInstances, …
	Layer     iam.Layer  `json:"layer"`  // trust, identity, boundary, scp, rcp
	Policy    string     `json:"policy"` // its name
	Statement int        `json:"statement"`
	Sid       string     `json:"sid,omitempty"`
	Effect    iam.Effect `json:"effect"`
	Line      int        `json:"line"` // in the document
	Column    int        `json:"column"`
}

// A Condition is something that the graph could not decide. Those of one
// statement must hold together; of several Allow statements of one layer, one
// suffices; those of Deny statements must not hold.
type Condition struct {
	Evidence

	// Operator is a condition operator; Resource or NotResource if what the
	// caller acts on must match; or empty if Note says it all.
	Operator string   `json:"operator,omitempty"`
	Key      string   `json:"key,omitempty"`
	Values   []string `json:"values,omitempty"`
	Note     string   `json:"note,omitempty"`
}

// String is the condition in a few words, such as sts:ExternalId.
func (c Condition) String() string {
	s := c.Key
	switch {
	case s != "":
	case c.Operator != "":
		s = c.Operator + " of " + c.Action
	default:
		return c.Note
	}
	if c.Effect == iam.EffectDeny {
		s = "no deny by " + s
	}
	return s
}

// A finding is what an inquiry into one request found.
type finding struct {
	evidence   []Evidence
	conditions []Condition
	least      *iam.Explanation
	best       *iam.Explanation // in the better world; least if they are the same
}

// find explains a check on the policies of n and of the role to.
func (g *Graph) find(c *check, n, to *node, choosy bool) finding {
	f := finding{least: c.policies[0].Explain(&c.request)}
	f.best = f.least
	if !c.same {
		f.best = c.policies[1].Explain(&c.request)
	}
	deciding := f.best
	if f.least.Outcome == iam.Allow {
		deciding = f.least
	}
	// Within an account a direct grant needs nothing from the caller's side.
	alone := !deciding.CrossAccount && deciding.Grant >= iam.GrantIssuer
	for i := range deciding.Layers {
		l := &deciding.Layers[i]
		var pick *iam.StatementReport
		for j := range l.Statements {
			s := &l.Statements[j]
			if s.Matched && (s.Effect == iam.EffectDeny) == (deciding.Outcome == iam.ExplicitDeny) && (pick == nil || s.Grant > pick.Grant) {
				pick = s
			}
		}
		switch {
		case pick == nil || deciding.Outcome == iam.ImplicitDeny:
		case deciding.Outcome == iam.Allow && (l.Layer == iam.LayerSCP || l.Layer == iam.LayerRCP || l.Layer == iam.LayerBoundary || alone && l.Layer == iam.LayerIdentity):
		default:
			if e, _, ok := g.evidence(c, n, to, l, pick); ok {
				f.evidence = append(f.evidence, e)
			}
		}
	}
	if f.least.Outcome == iam.Allow || f.best.Outcome != iam.Allow {
		return f
	}
	for i := range f.best.Layers {
		lower, upper := &f.least.Layers[i], &f.best.Layers[i]
		idle := alone && upper.Layer == iam.LayerIdentity && f.least.Grant == iam.GrantNone
		for j := range upper.Statements {
			s := &upper.Statements[j]
			// An Allow that needs nothing makes others of its layer superfluous.
			needless := slices.ContainsFunc(lower.Statements, func(o iam.StatementReport) bool {
				return o.Matched && o.Effect == iam.EffectAllow && o.Grant >= s.Grant
			})
			if s.Matched && s.Effect == iam.EffectAllow && !needless && !idle {
				f.conditions = append(f.conditions, g.conditions(c, n, to, upper, s, choosy)...)
			}
		}
		for j := range lower.Statements {
			if s := &lower.Statements[j]; s.Matched && s.Effect == iam.EffectDeny {
				f.conditions = append(f.conditions, g.conditions(c, n, to, lower, s, choosy)...)
			}
		}
	}
	return f
}

// evidence turns a report on a rewritten policy into one on the policy as it was
// written. It is not ok for policies that the graph made up.
func (g *Graph) evidence(c *check, n, to *node, l *iam.LayerReport, s *iam.StatementReport) (e Evidence, r *reading, ok bool) {
	var list []*reading
	switch l.Layer {
	case iam.LayerTrust:
		list = []*reading{to.trust}
	case iam.LayerIdentity:
		list = n.identity
	case iam.LayerBoundary:
		list = n.boundary
	case iam.LayerSCP:
		list = n.acct.scp[l.Level]
	case iam.LayerRCP:
		list = to.acct.rcp[l.Level]
	}
	i := slices.IndexFunc(list, func(r *reading) bool {
		return r.policy.Name() == s.Policy && s.Index < len(r.statements) && r.statements[s.Index].Effect == s.Effect && r.statements[s.Index].Sid == s.Sid
	})
	if i < 0 {
		return e, nil, false
	}
	o := &list[i].statements[s.Index]
	return Evidence{c.request.Action, l.Layer, s.Policy, s.Index, s.Sid, s.Effect, o.Line, o.Column}, list[i], true
}

// conditions lists what is undecided in one statement.
func (g *Graph) conditions(c *check, n, to *node, l *iam.LayerReport, s *iam.StatementReport, choosy bool) []Condition {
	e, r, ok := g.evidence(c, n, to, l, s)
	if !ok {
		return nil
	}
	o := &r.statements[s.Index]
	conds, resources := g.undecided(r, o, n.view)
	var out []Condition
	for _, u := range conds {
		out = append(out, Condition{Evidence: e, Operator: u.Operator, Key: u.Key, Values: u.Values})
	}
	if choosy && !slices.Contains(o.Resources, "*") {
		resources = o.Resources
	}
	if len(resources) > 0 {
		operator := "Resource"
		if o.NotResources {
			operator = "NotResource"
		}
		out = append(out, Condition{Evidence: e, Operator: operator, Values: resources})
	}
	return out
}

// why finds what decided a hop, and what was left undecided.
func (g *Graph) why(e edge) (evidence []Evidence, conditions []Condition) {
	take := func(f finding) {
		for _, x := range f.evidence {
			evidence = appendNew(evidence, x)
		}
		for _, x := range f.conditions {
			if !slices.ContainsFunc(conditions, func(y Condition) bool {
				return x.Evidence == y.Evidence && x.Operator == y.Operator && x.Key == y.Key && slices.Equal(x.Values, y.Values)
			}) {
				conditions = append(conditions, x)
			}
		}
	}
	if e.how != PassRole {
		c := g.assumption(e.from, e.to)
		f, by := g.findAssume(&c, e.from, e.to)
		conditions = by
		take(f)
		if e.from.Kind == Outsider && e.verdict == Unknown {
			conditions = append(conditions, Condition{Note: "the caller's own policies are not in the data", Evidence: Evidence{Action: assumeRole, Effect: iam.EffectAllow, Statement: -1}})
		}
		return evidence, conditions
	}
	s := &g.services[e.row]
	service := g.service(s.Principal)
	c := g.assumption(service, e.to)
	take(g.find(&c, service, e.to, false))
	c = g.passing(e.from, e.to, s.Principal)
	take(g.find(&c, e.from, e.to, false))
	calls := s.Calls
	if s.Profile && len(e.to.profiles) == 0 {
		calls = append(slices.Clone(calls), addToProfile()...)
		conditions = append(conditions, Condition{Note: "the role is in no instance profile; the caller may add it to one without role", Evidence: Evidence{Action: addToProfile()[0].Action, Effect: iam.EffectAllow, Statement: -1}})
	}
	for _, c := range g.calling(e.from, calls) {
		take(g.find(&c, e.from, e.to, true))
	}
	return evidence, conditions
}

// findAssume is find for taking on a role, the sessions that its trust policy
// names included: it reports on the one that fares best. If it matters which
// session it is, that is a condition.
func (g *Graph) findAssume(c *check, n, to *node) (finding, []Condition) {
	verdict, _ := c.verdict()
	best, differs := *c, false
	top := verdict
	for _, arn := range to.says.sessions[n] {
		other := *c
		other.request.Principal.ARN = arn
		v, _ := other.verdict()
		differs = differs || v != verdict
		if v > top {
			best, top = other, v
		}
	}
	var by []Condition
	if differs {
		by = append(by, Condition{Values: to.says.sessions[n], Note: "the trust policy names sessions of the caller", Evidence: Evidence{Action: c.request.Action, Layer: iam.LayerTrust, Policy: to.trust.policy.Name(), Effect: iam.EffectAllow, Statement: -1}})
	}
	return g.find(&best, n, to, false), by
}
