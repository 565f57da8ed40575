package ask

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/mantle-iam/mantle/iam"
	"github.com/mantle-iam/mantle/iam/graph"
)

// A Somebody is one who can do something, and how.
type Somebody struct {
	Principal  string      `json:"principal"`
	Verdict    Verdict     `json:"verdict"`
	How        string      `json:"how"` // "direct", "via account", "chain", …
	Chain      []string    `json:"chain,omitempty"`
	Conditions []Condition `json:"conditions,omitempty"`
	By         *Place      `json:"by,omitempty"` // the statement that allows it
	Unknown    []Gap       `json:"unknown,omitempty"`
	Admin      string      `json:"admin,omitempty"` // why it can do anything in its account

	conditionTexts []string
}

// A Crowd is who can do something.
type Crowd struct {
	Action   string     `json:"action"`
	Resource string     `json:"resource"`
	Who      []Somebody `json:"who"`

	// Admins can become every role of their account; they are left out of Who if
	// that is their only way.
	Admins []graph.Node `json:"admins,omitempty"`
	Notes  []string     `json:"notes,omitempty"`
}

// WhoCanAssume lists who can become a role: directly, through its account, as a
// service, or along a chain.
func (a *Asker) WhoCanAssume(role string, context *iam.Context) (*Crowd, error) {
	p, err := a.roleNamed(role)
	if err != nil {
		return nil, err
	}
	g, err := a.graph()
	if context.Len() > 0 {
		g, err = a.buildGraph(context)
	}
	if err != nil {
		return nil, err
	}
	paths, err := g.WhoCanAssume(p.arn)
	if err != nil {
		return nil, err
	}
	out := &Crowd{Action: "sts:AssumeRole", Resource: p.arn}
	for _, path := range paths {
		out.Who = append(out.Who, a.somebody(path))
	}
	for _, n := range g.Admins() {
		if n.Account == p.account && n.Kind != graph.Root {
			out.Admins = append(out.Admins, n)
		}
	}
	for _, u := range a.unknown[p.arn] {
		out.Notes = append(out.Notes, "cannot decide all: "+u.Why)
	}
	// Callers of whom something is not known may be able to as well.
	listed := map[string]bool{p.arn: true}
	for _, s := range out.Who {
		listed[s.Principal] = true
	}
	q := a.asking(context)
	for _, other := range a.order {
		if listed[other.arn] || len(a.unknown[other.arn]) == 0 {
			continue
		}
		c := of(other)
		m := q.matter(&Question{Action: "sts:AssumeRole"}, &c, p.arn)
		if q.verdict(&m) == Undecided {
			out.Who = append(out.Who, Somebody{Principal: other.arn, Verdict: Undecided, How: "cannot decide", Unknown: gaps(m.unknown)})
		}
	}
	return out, nil
}

func (a *Asker) somebody(path graph.Path) Somebody {
	s := Somebody{Principal: path.From(), Verdict: fromGraph(path.Verdict), How: path.Hops[0].How.String()}
	if len(path.Hops) > 1 {
		s.How = "chain"
		for _, h := range path.Hops[:len(path.Hops)-1] {
			s.Chain = append(s.Chain, h.To)
		}
	}
	if s.Verdict == Undecided {
		s.Unknown = []Gap{{Why: "the policies of " + path.From() + " are not in the data"}}
	}
	for _, h := range path.Hops {
		for _, c := range h.Conditions {
			if c.Key == "" {
				if text := c.String(); !slices.Contains(s.conditionTexts, text) {
					s.conditionTexts = append(s.conditionTexts, text)
				}
				continue
			}
			s.Conditions = append(s.Conditions, Condition{
				Place:  Place{Policy: c.Policy, Statement: c.Statement, Sid: c.Sid},
				Effect: c.Effect, Operator: c.Operator, Key: c.Key, Values: c.Values,
			})
		}
	}
	for _, e := range path.Hops[len(path.Hops)-1].Evidence {
		if e.Effect == iam.EffectAllow && (s.By == nil || e.Layer == iam.LayerTrust) {
			at := Place{Policy: e.Policy, Statement: e.Statement, Sid: e.Sid}
			if r := a.trusts[path.To()]; r != nil && e.Layer == iam.LayerTrust && r.Trust.Name() == e.Policy {
				at = a.place(r.Trust, e.Statement)
			}
			s.By = &at
		}
	}
	return s
}

func fromGraph(v graph.Verdict) Verdict {
	switch v {
	case graph.Allowed:
		return Allowed
	case graph.IfConditions:
		return IfConditions
	case graph.Unknown:
		return Undecided
	}
	return Denied
}

// WhoCan lists who can do something to a resource: by themselves, or by becoming
// a role that can.
func (a *Asker) WhoCan(action, resource string, context *iam.Context) (*Crowd, error) {
	if err := validAction(action); err != nil {
		return nil, err
	}
	arn, err := a.resource(action, resource)
	if err != nil {
		return nil, err
	}
	if p := a.people[arn]; p != nil && p.role != nil && strings.EqualFold(action, "sts:AssumeRole") {
		return a.WhoCanAssume(arn, context)
	}
	out := &Crowd{Action: action, Resource: arn}
	question := Question{Action: action, Resource: arn, Context: context}
	direct := a.direct(&question, arn)
	listed := map[string]int{}
	for _, s := range direct {
		listed[s.Principal] = len(out.Who)
		out.Who = append(out.Who, s)
	}
	g, err := a.graph()
	if context.Len() > 0 {
		g, err = a.buildGraph(context)
	}
	if err != nil {
		return nil, err
	}
	for _, role := range direct {
		if a.trusts[role.Principal] == nil {
			continue
		}
		paths, err := g.WhoCanAssume(role.Principal)
		if err != nil {
			return nil, err
		}
		for _, path := range paths {
			s := a.somebody(path)
			if role.Verdict != Allowed {
				s.Verdict = weaker(s.Verdict, role.Verdict)
				s.Conditions = append(s.Conditions, role.Conditions...)
				s.Unknown = append(s.Unknown, role.Unknown...)
			}
			s.Chain, s.How = append(s.Chain, role.Principal), "chain"
			s.By = role.By
			at, ok := listed[s.Principal]
			if !ok {
				listed[s.Principal] = len(out.Who)
				out.Who = append(out.Who, s)
			} else if strength(s.Verdict) > strength(out.Who[at].Verdict) {
				out.Who[at] = s
			}
		}
	}
	slices.SortStableFunc(out.Who, func(x, y Somebody) int {
		return cmp.Or(cmp.Compare(strength(y.Verdict), strength(x.Verdict)), cmp.Compare(len(x.Chain), len(y.Chain)), cmp.Compare(x.Principal, y.Principal))
	})
	if a.holder(arn) == nil && arn != "*" && a.people[arn] == nil {
		out.Notes = append(out.Notes, short(arn)+" is not in the data: taken to have no policy of its own")
	}
	return out, nil
}

func strength(v Verdict) int {
	return slices.Index([]Verdict{Denied, Undecided, IfConditions, Allowed}, v)
}

func weaker(x, y Verdict) Verdict {
	if strength(x) < strength(y) {
		return x
	}
	return y
}

// direct lists who can do it by themselves.
func (a *Asker) direct(question *Question, arn string) []Somebody {
	q := a.asking(question.Context)
	var out []Somebody
	for _, p := range a.order {
		c := of(p)
		m := q.matter(question, &c, arn)
		v := q.verdict(&m)
		if v == Denied {
			continue
		}
		s := Somebody{Principal: p.arn, Verdict: v, How: "direct"}
		if v == Undecided {
			s.Unknown = gaps(m.unknown)
		}
		s.Conditions = q.conditions(&m, v)
		best := q.world(&m, true, true)
		d, _ := all(&best, m.requests)
		if d.Layer == iam.LayerResource {
			s.How = "by the resource's policy"
		}
		if d.Policy != nil && d.Statement >= 0 {
			at := a.place(q.source(&m, d.Policy), d.Statement)
			s.By = &at
		}
		out = append(out, s)
	}
	return out
}

// source is the policy that a bound was made of.
func (q *asking) source(m *matter, bound *iam.Policy) *iam.Policy {
	for _, set := range slices.Concat([][]*iam.Policy{m.policies.Identity, m.policies.Boundary, m.policies.Session, {m.policies.Resource}}, m.policies.SCP, m.policies.RCP) {
		for _, p := range set {
			if p != nil && (p == bound || q.bounds[boundKey{p, m.class, m.role, true}] == bound) {
				return p
			}
		}
	}
	return bound
}

// WriteCrowd prints who can for people.
func (a *Asker) WriteCrowd(w io.Writer, c *Crowd) {
	what := c.Action + " on " + a.Name(c.Resource)
	if strings.EqualFold(c.Action, "sts:AssumeRole") {
		what = "assume " + a.Name(c.Resource)
	}
	if len(c.Who) == 0 {
		fmt.Fprintf(w, "nobody can %s\n", what)
	} else {
		fmt.Fprintf(w, "who can %s\n", what)
	}
	for _, s := range c.Who {
		how := s.How
		if len(s.Chain) > 0 {
			var via []string
			for _, v := range s.Chain {
				via = append(via, a.Name(v))
			}
			how = "via " + strings.Join(via, ", ")
		}
		text := fmt.Sprintf("  %-40s %-14s %s", a.Name(s.Principal), s.Verdict, how)
		if s.By != nil {
			text += "  " + s.By.String()
		}
		fmt.Fprintln(w, strings.TrimRight(text, " "))
		for _, cond := range s.Conditions {
			fmt.Fprintf(w, "      if %s\n", cond)
		}
		for _, text := range s.conditionTexts {
			fmt.Fprintf(w, "      if %s\n", text)
		}
		for _, u := range s.Unknown {
			fmt.Fprintf(w, "      not known: %s\n", u)
		}
	}
	if len(c.Admins) > 0 {
		var names []string
		for _, n := range c.Admins {
			names = append(names, a.Name(n.ARN))
		}
		const most = 5
		more := ""
		if len(names) > most {
			more = fmt.Sprintf(" and %d more", len(names)-most)
			names = names[:most]
		}
		fmt.Fprintf(w, "  administrators, who can become any role of the account: %s%s\n", strings.Join(names, ", "), more)
	}
	for _, n := range c.Notes {
		fmt.Fprintf(w, "  note  %s\n", n)
	}
}
