package graph

import (
	"fmt"
	"slices"
	"strings"

	"github.com/mantle-iam/mantle/iam"
)

func (g *Graph) role(arn string) (*node, error) {
	n := g.byARN[arn]
	if n == nil || n.Kind != Role {
		return nil, fmt.Errorf("graph: no role is %s in the data; write the ARN with its path", arn)
	}
	return n, nil
}

// WhoCanAssume returns the ways to become a role: for each user, role, service,
// provider or outsider that can, the shortest path, and a less certain one where
// that is shorter. They are sorted by verdict, length and start. It is an error if
// the data has no such role.
func (g *Graph) WhoCanAssume(role string) ([]Path, error) {
	n, err := g.role(role)
	if err != nil {
		return nil, err
	}
	return g.paths(g.search(n, g.backwards(), nil)), nil
}

// Reach returns the roles that a principal can become, likewise. What an admin
// can take on by its power over the account is not listed: see [Graph.Admins].
func (g *Graph) Reach(principal string) ([]Path, error) {
	n := g.byARN[principal]
	if n == nil {
		return nil, fmt.Errorf("graph: no principal is %s in the data; write the ARN with its path, or the name of a service", principal)
	}
	return g.paths(g.search(n, g.forwards(), nil)), nil
}

// Hops returns all hops that are not denied, sorted by caller and role, those of
// admins by passing left out. On large accounts there are many.
func (g *Graph) Hops() []Hop {
	var out []Hop
	for _, n := range g.nodes {
		for _, e := range g.outgoing(n) {
			out = append(out, g.hop(e))
		}
	}
	return out
}

// Admins returns the users, roles and root users that can become every role of
// their account; Node.Admin says why.
func (g *Graph) Admins() []Node {
	var out []Node
	for _, n := range g.nodes {
		if n.Admin != "" {
			out = append(out, n.Node)
		}
	}
	return out
}

// An Orphan is a role that nobody can assume.
type Orphan struct {
	Role    string   `json:"role"`
	Reasons []string `json:"reasons"` // for each principal that its trust policy allows, why that does not help
}

// Orphans returns the roles that nobody can assume, whatever the request, themselves
// apart, sorted by ARN.
func (g *Graph) Orphans() []Orphan {
	var out []Orphan
	for _, n := range g.nodes {
		if n.Kind != Role || len(g.incoming(n)) > 0 {
			continue
		}
		o := Orphan{Role: n.ARN}
		add := func(format string, args ...any) { o.Reasons = append(o.Reasons, fmt.Sprintf(format, args...)) }
		for _, s := range n.says.strangers {
			add("its trust policy names %s, which is not in the data: deleted, or written without its path", s)
		}
		for _, a := range n.says.accounts {
			add("its trust policy delegates to account %s, where no identity policy allows sts:AssumeRole on it", a)
		}
		for _, list := range [][]*node{n.says.named, n.says.services, n.says.providers, n.says.outsiders} {
			for _, who := range list {
				if who == n {
					add("its trust policy names itself")
					continue
				}
				c := g.assumption(who, n)
				f := g.find(&c, who, n, false)
				add("its trust policy names %s, but: %s", who.ARN, f.best.Reason)
			}
		}
		if len(o.Reasons) == 0 {
			add("its trust policy allows nobody")
		}
		out = append(out, o)
	}
	return out
}

// A Side is what one side of a request says.
type Side struct {
	Verdict Verdict `json:"verdict"`
	Note    string  `json:"note"`
}

// An Answer says whether one principal can take on a role in one step, by
// sts:AssumeRole or its like.
type Answer struct {
	From    string  `json:"from"`
	To      string  `json:"to"`
	Verdict Verdict `json:"verdict"`
	How     How     `json:"how,omitzero"` // unless denied
	Reason  string  `json:"reason"`

	// Caller and Trust are the two sides. Across accounts, and where the trust
	// policy names the account, both must allow; within an account a trust policy
	// that names the caller suffices.
	Caller Side `json:"caller"`
	Trust  Side `json:"trust"`

	Conditions []Condition `json:"conditions,omitempty"`
	Evidence   []Evidence  `json:"evidence,omitempty"`

	// Around lists, unless the step is Allowed, other ways: along other roles or
	// by passing the role to a service.
	Around []Path `json:"around,omitempty"`
}

// CanAssume answers whether a principal can take on a role. from is the ARN of a
// user, role or root user, a service or a provider; it may also be a principal of
// an account that is not in the data. It is an error if the data has no such
// principal or role.
func (g *Graph) CanAssume(from, to string) (Answer, error) {
	r, err := g.role(to)
	if err != nil {
		return Answer{}, err
	}
	n := g.byARN[from]
	if n == nil {
		if n, err = g.stranger(from); err != nil {
			return Answer{}, err
		}
	}
	e := g.assume(n, r)
	a := Answer{From: from, To: to, Verdict: e.verdict}
	c := g.assumption(n, r)
	f, bySession := g.findAssume(&c, n, r)
	a.Caller = side(f.least.Caller, f.best.Caller)
	a.Trust = side(f.least.ResourceSide, f.best.ResourceSide)
	if len(bySession) > 0 && a.Trust.Verdict == Allowed {
		a.Trust = Side{IfConditions, a.Trust.Note + ", for some sessions"}
	}
	switch {
	case n.Kind == Outsider:
		a.Caller = Side{Unknown, "the caller's own policies are not in the data"}
	case n.Kind == Root:
		a.Caller = Side{Denied, "the root user cannot assume roles"}
		a.Trust = Side{Unknown, "not asked"}
	}
	a.Evidence = f.evidence
	a.Reason = f.best.Reason
	if a.Verdict != Denied {
		a.How = e.how
		a.Evidence, a.Conditions = g.why(e)
	}
	switch a.Verdict {
	case IfConditions:
		var on []string
		for _, c := range a.Conditions {
			on = appendNew(on, c.String())
		}
		a.Reason = "depends on the request: " + strings.Join(on, ", ")
	case Unknown:
		a.Reason = a.Trust.Note + "; " + a.Caller.Note
	}
	if a.Verdict != Allowed && g.byARN[from] != nil && n != r {
		routes := g.search(r, g.backwards(), n)
		routes = slices.DeleteFunc(routes, func(x route) bool { return len(x.edges) == 1 && x.edges[0].how != PassRole })
		a.Around = g.paths(routes)
		if n.mayPass && len(a.Around) == 0 {
			if e := g.pass(n, r); e.verdict != Denied { // an admin's
				a.Around = g.paths([]route{{n, e.verdict, []edge{e}}})
			}
		}
	}
	return a, nil
}

// stranger is a principal that no account in the data has and no trust policy
// names.
func (g *Graph) stranger(from string) (*node, error) {
	if strings.HasSuffix(from, ".amazonaws.com") && !strings.Contains(from, ":") {
		return g.service(from), nil
	}
	arn, err := iam.ParseARN(from)
	switch {
	case err != nil:
		return nil, fmt.Errorf("graph: %q is neither an ARN nor a service such as ec2.amazonaws.com", from)
	case strings.Contains(arn.Resource, "-provider/"):
		return &node{Node: Node{ARN: from, Kind: Provider}, view: providerView, principal: iam.Principal{Type: iam.Federated, ARN: from}}, nil
	case g.accounts[arn.Account] != nil || !isAccount(arn.Account):
		return nil, fmt.Errorf("graph: no principal is %s in the data; write the ARN with its path, and of a session that of its role", from)
	}
	return &node{Node: Node{ARN: from, Kind: Outsider, Account: arn.Account}, view: outsiderView, principal: outsider(from, arn.Account)}, nil
}

// side puts together what one side says in both worlds.
func side(least, best iam.Side) Side {
	switch {
	case least.Result == iam.ResultAllow || least.Result == iam.ResultSkipped:
		return Side{Allowed, least.Note}
	case best.Result == iam.ResultAllow:
		return Side{IfConditions, best.Note + ", if conditions hold"}
	}
	return Side{Denied, best.Note}
}
