package graph

import (
	"cmp"
	"fmt"
	"math/bits"
	"slices"
	"strings"

	"github.com/mantle-iam/mantle/iam"
)

// A Verdict is the answer to whether one principal can become another. The
// greater, the easier.
type Verdict uint8

const (
	Denied       Verdict = iota // no request is allowed
	Unknown                     // the role would let the caller in, but the caller's own policies are not in the data
	IfConditions                // it depends on the request
	Allowed                     // every request is allowed
)

var verdictNames = [...]string{"denied", "unknown", "if conditions hold", "allowed"}

// String is denied, unknown, if conditions hold, or allowed.
func (v Verdict) String() string { return verdictNames[v] }

// MarshalText writes the same words.
func (v Verdict) MarshalText() ([]byte, error) { return []byte(v.String()), nil }

// How is by which way one principal becomes another.
type How uint8

const (
	Direct     How = iota + 1 // the trust policy names the caller: the user, the role, its session, or everyone
	ViaAccount                // the trust policy names the caller's account, whose identity policies decide
	AsService                 // an AWS service takes the role on
	AsProfile                 // EC2 takes the role on for instances with its instance profile
	Federation                // an identity provider vouches for the caller
	PassRole                  // the caller passes the role to a service and has it act
)

var howNames = [...]string{"", "direct", "via account", "service", "instance profile", "federation", "pass role"}

// String is direct, via account, service, instance profile, federation or pass
// role.
func (h How) String() string {
	if int(h) < len(howNames) && h > 0 {
		return howNames[h]
	}
	return fmt.Sprintf("How(%d)", uint8(h))
}

// MarshalText writes the same words.
func (h How) MarshalText() ([]byte, error) { return []byte(h.String()), nil }

// edge is one hop that is not denied.
type edge struct {
	from, to *node
	how      How
	verdict  Verdict
	row      int8 // of services, for PassRole
}

// check is one request in the worlds that matter.
type check struct {
	policies [2]iam.Policies // in least and most, or open
	request  iam.Request
	same     bool // the worlds do not differ
}

// verdict decides the request; the grant is that of the deciding world.
func (c *check) verdict() (Verdict, iam.Grant) {
	d := c.policies[0].Decide(&c.request)
	if d.Allowed() {
		return Allowed, d.Grant
	}
	if c.same {
		return Denied, d.Grant
	}
	if d = c.policies[1].Decide(&c.request); d.Allowed() {
		return IfConditions, d.Grant
	}
	return Denied, d.Grant
}

// assumption is the request of n to take on the role to.
func (g *Graph) assumption(n, to *node) check {
	c := check{same: !n.undecided && g.settled(to.trust, n.view)}
	for i, w := range [2]world{least, most} {
		c.policies[i] = iam.Policies{
			Identity: n.sets[w].identity, Boundary: n.sets[w].boundary, SCP: n.sets[w].scp,
			Resource: g.in(to.trust, n.view, w), Trust: true, RCP: g.levels(to.acct.rcp, n.view, w),
		}
	}
	keyed := n.keyed || len(to.trust.keys) > 0
	byRole := n.keyedByRole || slices.ContainsFunc(to.trust.keys, aboutResource)
	for _, level := range to.acct.rcp {
		for _, r := range level {
			keyed = keyed || len(r.keys) > 0
			byRole = byRole || slices.ContainsFunc(r.keys, aboutResource)
			c.same = c.same && g.settled(r, n.view)
		}
	}
	c.request = iam.Request{Principal: n.principal, Action: assumeRole, Resource: to.ARN, ResourceAccount: to.Account}
	switch n.Kind {
	case Provider:
		c.request.Action = assumeIdentity
		if strings.Contains(n.ARN, ":saml-provider/") {
			c.request.Action = assumeSAML
		}
	case Outsider:
		c.policies[0].Identity, c.policies[1].Identity = g.anything, g.anything
	}
	if byRole {
		c.request.Context = g.context(n, to)
	} else if keyed {
		c.request.Context = g.ownContext(n)
	}
	return c
}

// assume decides whether n can take on the role to.
func (g *Graph) assume(n, to *node) edge {
	c := g.assumption(n, to)
	e := edge{from: n, to: to, row: -1}
	var grant iam.Grant
	e.verdict, grant = c.verdict()
	// A trust policy that names sessions of the caller treats them apart.
	for _, arn := range to.says.sessions[n] {
		c.request.Principal.ARN = arn
		if v, by := c.verdict(); v != e.verdict {
			e.verdict, grant = IfConditions, max(grant, by)
		}
	}
	switch {
	case n.Kind == AWS && n.ARN == "ec2.amazonaws.com" && len(to.profiles) > 0:
		e.how = AsProfile
	case n.Kind == AWS:
		e.how = AsService
	case n.Kind == Provider:
		e.how = Federation
	case grant == iam.GrantAccount:
		e.how = ViaAccount
	default:
		e.how = Direct
	}
	if n.Kind == Outsider && e.verdict != Denied {
		e.verdict = Unknown
	}
	return e
}

// passing is the request of n to pass the role to a service.
func (g *Graph) passing(n, to *node, service string) check {
	c := g.own(n, most, iam.Request{Principal: n.principal, Action: passRole, Resource: to.ARN, ResourceAccount: to.Account})
	if n.keyed {
		c.request.Context = g.context(n, to)
		c.request.Context.Set("iam:PassedToService", service)
	}
	return c
}

// own is a request that only the caller's policies decide; w is the better world.
func (g *Graph) own(n *node, w world, r iam.Request) check {
	c := check{same: !n.undecided && w == most, request: r}
	for i, w := range [2]world{least, w} {
		s := &n.sets[w]
		c.policies[i] = iam.Policies{Identity: s.identity, Boundary: s.boundary, SCP: s.scp}
	}
	return c
}

// calling lists the requests of n to make a service's calls.
func (g *Graph) calling(n *node, calls []Call) []check {
	var out []check
	for _, call := range calls {
		for _, resource := range call.Resources {
			resource = strings.NewReplacer("{partition}", n.acct.partition, "{account}", n.Account).Replace(resource)
			c := g.own(n, open, iam.Request{Principal: n.principal, Action: call.Action, Resource: resource, ResourceAccount: n.Account})
			if n.keyed {
				c.request.Context = g.context(n, n)
			}
			out = append(out, c)
		}
	}
	return out
}

// calls decides whether n can make the calls of a service, once.
func (g *Graph) calls(n *node, row int) Verdict {
	if v := n.calls[row].Load(); v > 0 {
		return Verdict(v - 1)
	}
	v := worst(g.calling(n, g.services[row].Calls))
	n.calls[row].Store(1 + uint32(v))
	return v
}

func worst(checks []check) Verdict {
	v := Allowed
	for i := range checks {
		if v == Denied {
			break
		}
		one, _ := checks[i].verdict()
		v = min(v, one)
	}
	return v
}

// addToProfile is what it takes to use a role without instance profile on EC2.
func addToProfile() []Call {
	return []Call{{"iam:AddRoleToInstanceProfile", []string{"arn:{partition}:iam::{account}:instance-profile/(any)"}}}
}

// pass decides whether n can become the role to by passing it, and by which of
// the ways in the table: the easiest, and of those the first.
func (g *Graph) pass(n, to *node) edge {
	best := edge{from: n, to: to, how: PassRole, row: -1}
	// The role must be in the caller's account: "Grant a user permissions to pass
	// a role to an AWS service".
	if n.acct != to.acct || n.acct == nil {
		return best
	}
	last, trusted, passed := "", Denied, Denied
	for rows := n.rows; rows != 0; rows &= rows - 1 {
		row := bits.TrailingZeros64(rows)
		s := &g.services[row]
		if s.Principal != last {
			last, trusted = s.Principal, Denied
			if service := g.byARN[s.Principal]; to.says.everyone || service != nil && slices.Contains(to.says.services, service) {
				trusted = g.assume(g.service(s.Principal), to).verdict
			}
			if trusted != Denied {
				c := g.passing(n, to, s.Principal)
				passed, _ = c.verdict()
			}
		}
		v := min(trusted, passed)
		if v <= best.verdict {
			continue
		}
		if v = min(v, g.calls(n, row)); s.Profile && len(to.profiles) == 0 {
			// It takes a profile without role, and whether there is one is not known.
			v = min(v, IfConditions, worst(g.calling(n, addToProfile())))
		}
		if v > best.verdict {
			best.verdict, best.row = v, int8(row)
		}
	}
	return best
}

// service is the node of a service, or a passing one if no role names it.
func (g *Graph) service(name string) *node {
	if n := g.byARN[name]; n != nil {
		return n
	}
	return &node{Node: Node{ARN: name, Kind: AWS}, view: serviceView, principal: iam.Principal{Type: iam.Service, ARN: name}}
}

// incoming returns the hops to a role, each caller's own one before the one by
// passing. Hops of admins by passing are left out, and a role's to itself.
func (g *Graph) incoming(to *node) []edge {
	to.in.once.Do(func() {
		var callers []*node
		says := &to.says
		callers = append(callers, says.named...)
		callers = append(callers, says.services...)
		callers = append(callers, says.providers...)
		callers = append(callers, says.outsiders...)
		for _, a := range says.accounts {
			callers = append(callers, g.accounts[a].assumers...)
		}
		if says.everyone {
			callers = append(callers, to.acct.people...)
			callers = append(callers, g.trusted.services...)
			callers = append(callers, g.trusted.providers...)
			for _, a := range g.accounts {
				callers = append(callers, a.assumers...)
			}
		}
		list := g.assumptions(callers, func(n *node) (from, target *node) { return n, to })
		if says.everyone || len(says.services) > 0 {
			for _, n := range to.acct.passers {
				if n == to {
					continue
				}
				if e := g.pass(n, to); e.verdict != Denied {
					list = append(list, e)
				}
			}
		}
		to.in.list = list
		slices.SortStableFunc(list, func(a, b edge) int { return cmp.Compare(a.from.index, b.from.index) })
	})
	return to.in.list
}

// outgoing returns the hops of a caller, likewise.
func (g *Graph) outgoing(n *node) []edge {
	n.out.once.Do(func() {
		t := &g.trusted
		var roles []*node
		roles = append(roles, t.byNode[n]...)
		switch n.Kind {
		case AWS, Provider:
			roles = append(roles, t.everyone...)
		case User, Role:
			roles = append(roles, t.everyone...)
			if n.mayAssume {
				roles = append(roles, t.byAccount[n.Account]...)
			}
		}
		list := g.assumptions(roles, func(r *node) (from, target *node) { return n, r })
		if n.mayPass && n.Admin == "" && (n.Kind == User || n.Kind == Role) {
			for _, r := range n.acct.roles {
				if n == r {
					continue
				}
				if e := g.pass(n, r); e.verdict != Denied {
					list = append(list, e)
				}
			}
		}
		n.out.list = list
		slices.SortStableFunc(list, func(a, b edge) int { return cmp.Compare(a.to.index, b.to.index) })
	})
	return n.out.list
}

// assumptions decides about each of the nodes once, and keeps what is not denied.
func (g *Graph) assumptions(nodes []*node, pair func(*node) (from, to *node)) []edge {
	slices.SortFunc(nodes, func(a, b *node) int { return cmp.Compare(a.index, b.index) })
	var list []edge
	for _, n := range slices.Compact(nodes) {
		from, to := pair(n)
		if from == to || from.Kind == Root {
			continue
		}
		if e := g.assume(from, to); e.verdict != Denied {
			list = append(list, e)
		}
	}
	return list
}

// admin says why n can become every role of its account, or nothing: whoever
// holds one of these permissions can take the rest, unless a permissions boundary
// limits it ("Permissions boundaries for IAM entities"). Roles that some policy
// singles out for protection are not looked for.
func (g *Graph) admin(n *node, may func(action string) bool) string {
	if n.Kind == Root {
		return "is the root user of the account"
	}
	allowed := func(action string, to *node) bool {
		if !may(action) {
			return false
		}
		c := g.own(n, most, iam.Request{Principal: n.principal, Action: action, Resource: to.ARN, ResourceAccount: n.Account})
		if n.keyed {
			c.request.Context = g.context(n, to)
		}
		v, _ := c.verdict()
		return v == Allowed
	}
	// No policy names this role, so what allows it allows any.
	any := &node{Node: Node{ARN: "arn:" + n.acct.partition + ":iam::" + n.Account + ":role/(any)", Account: n.Account}}
	if allowed("iam:UpdateAssumeRolePolicy", any) {
		return "may change the trust policy of any role (iam:UpdateAssumeRolePolicy)"
	}
	if len(n.boundary) > 0 {
		return ""
	}
	self := [2]string{"iam:PutUserPolicy", "iam:AttachUserPolicy"}
	if n.Kind == Role {
		self = [2]string{"iam:PutRolePolicy", "iam:AttachRolePolicy"}
	}
	for _, action := range self {
		if allowed(action, n) {
			return "may give itself any permission (" + action + ")"
		}
	}
	return ""
}
