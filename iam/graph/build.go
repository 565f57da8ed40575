package graph

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/mantle-iam/mantle/iam"
	"github.com/mantle-iam/mantle/iam/account"
)

// Options are what the listing of an account does not say. The zero value knows
// nothing more: no organization, no request values, the services of [Services].
type Options struct {
	// SCP holds the service control policies over each account, by account id:
	// one entry for each level from the root of the organization down to the
	// account, as in [iam.Policies]. Leave out the management account.
	SCP map[string][][]*iam.Policy

	// RCP holds the resource control policies over each account, likewise.
	RCP map[string][][]*iam.Policy

	// Organizations is the organization id (o-…) of each account in one. If it
	// is nil, aws:PrincipalOrgID and aws:ResourceOrgID are not known.
	Organizations map[string]string

	// Context holds condition keys that every request is taken to carry, such
	// as aws:MultiFactorAuthPresent or sts:ExternalId. Conditions on them are
	// decided. It must not change after Build. Keys that the graph itself knows
	// of a caller or a role replace it.
	Context *iam.Context

	// Services replaces the table of ways to pass a role; nil means Services().
	Services []Service
}

// A Kind is what a node is.
type Kind uint8

const (
	User     Kind = iota + 1
	Role          // all sessions of a role
	Root          // the root user of an account, which cannot assume roles
	AWS           // an AWS service, such as ec2.amazonaws.com
	Provider      // an identity provider: SAML, OpenID Connect, Cognito, …
	Outsider      // a principal, an account ("arn:aws:iam::A:root") or everyone ("*") outside the accounts in the data
)

var kindNames = [...]string{"", "user", "role", "root", "service", "provider", "outsider"}

// String is the name of the kind in lower case.
func (k Kind) String() string {
	if int(k) < len(kindNames) && k > 0 {
		return kindNames[k]
	}
	return fmt.Sprintf("Kind(%d)", uint8(k))
}

// MarshalText writes the name of the kind.
func (k Kind) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// A Node is a principal.
type Node struct {
	// ARN is the ARN of the user or role, with its path; arn:aws:iam::A:root;
	// the name of the service; the provider; or, of an Outsider, the principal
	// as trust policies name it.
	ARN     string `json:"arn"`
	Kind    Kind   `json:"kind"`
	Account string `json:"account,omitempty"`
	Name    string `json:"name,omitempty"` // of users and roles, without path
	ID      string `json:"id,omitempty"`   // unique id (AIDA…, AROA…)

	// Admin says why the principal can become every role of its account; empty
	// if it cannot.
	Admin string `json:"admin,omitempty"`
}

// A Graph holds principals and answers who can become whom. It is immutable
// towards its users and safe for use by several goroutines. Decisions are made
// when they are asked for and kept.
type Graph struct {
	opt      Options
	services []Service
	nodes    []*node
	byARN    map[string]*node
	accounts map[string]*accountData
	readings map[*iam.Policy]*reading
	trusted  trustIndex
	anything []*iam.Policy // what the account of an outsider may have given it
}

// accountData is what concerns all principals of one account.
type accountData struct {
	id        string
	partition string
	people    []*node // users and roles, in order
	assumers  []*node // those with an Allow for sts:AssumeRole
	passers   []*node // those with an Allow for iam:PassRole and the calls of some service, admins left out
	roles     []*node
	scp, rcp  []levels
}

// levels are the readings of one level of SCPs or RCPs.
type levels []*reading

// A node is a Node with all that decisions about it need.
type node struct {
	Node
	index     int
	view      view
	principal iam.Principal
	tags      []account.Tag
	acct      *accountData

	identity, boundary []*reading
	sets               [worlds]callerSet
	undecided          bool // the worlds differ
	keyed              bool // the policies ask for condition keys
	keyedByRole        bool // and for some that are about the role
	context            atomic.Pointer[iam.Context]

	mayAssume bool
	mayPass   bool
	rows      uint64                     // the services whose calls some Allow covers
	calls     [maxServices]atomic.Uint32 // 1 + the verdict on a service's calls, once decided

	// Of roles.
	trust    *reading
	says     trustSays
	profiles []string

	in, out edges
}

// callerSet is what binds a caller, in one world.
type callerSet struct {
	identity, boundary []*iam.Policy
	scp                [][]*iam.Policy
}

// edges are decided once.
type edges struct {
	once sync.Once
	list []edge
}

// Build makes the graph of some accounts without further options. It is an error
// if an account comes twice, or if a principal uses a policy or is in a group
// that its account does not list.
func Build(accounts ...*account.Account) (*Graph, error) { return Options{}.Build(accounts...) }

// Build makes the graph of some accounts.
func (o Options) Build(accounts ...*account.Account) (*Graph, error) {
	g := &Graph{opt: o, services: o.Services, byARN: map[string]*node{}, accounts: map[string]*accountData{}, readings: map[*iam.Policy]*reading{}}
	if g.services == nil {
		g.services = Services()
	}
	if len(g.services) > maxServices {
		return nil, fmt.Errorf("graph: %d ways to pass a role; at most %d fit: leave some out", len(g.services), maxServices)
	}
	all, err := iam.Parse(iam.Identity, "policies that are not in the data", []byte(`{"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}`))
	if err != nil {
		return nil, err
	}
	g.anything = []*iam.Policy{all}
	accounts = slices.Clone(accounts)
	slices.SortStableFunc(accounts, func(a, b *account.Account) int { return cmp.Compare(a.ID, b.ID) })
	for _, a := range accounts {
		if a.ID == "" {
			continue // a listing without entities, or of AWS's policies alone
		}
		if g.accounts[a.ID] != nil {
			return nil, fmt.Errorf("graph: account %s comes twice; bring its parts together with account.Merge", a.ID)
		}
		if err := g.add(a); err != nil {
			return nil, err
		}
	}
	slices.SortFunc(g.nodes, compareNodes)
	g.indexTrust()
	slices.SortFunc(g.nodes, compareNodes)
	for i, n := range g.nodes {
		n.index = i
	}
	for _, n := range g.nodes {
		switch n.Kind {
		case User, Role, Root:
			g.prepare(n)
		}
	}
	for _, n := range g.nodes {
		if a := n.acct; a != nil && n.Kind != Root {
			a.people = append(a.people, n)
			if n.mayAssume {
				a.assumers = append(a.assumers, n)
			}
			if n.mayPass && n.Admin == "" {
				a.passers = append(a.passers, n)
			}
		}
	}
	return g, nil
}

func compareNodes(a, b *node) int {
	return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.ARN, b.ARN))
}

// lookups finds the parts of one account by name.
type lookups struct {
	account    *account.Account
	groups     map[string]*account.Group
	policies   map[string]*account.ManagedPolicy
	boundaries map[string]*reading
}

// add makes nodes of the principals of an account.
func (g *Graph) add(a *account.Account) error {
	data := &accountData{id: a.ID, partition: partition(a)}
	g.accounts[a.ID] = data
	for _, level := range g.opt.SCP[a.ID] {
		data.scp = append(data.scp, g.readAll(level))
	}
	for _, level := range g.opt.RCP[a.ID] {
		data.rcp = append(data.rcp, g.readAll(level))
	}
	l := lookups{a, map[string]*account.Group{}, map[string]*account.ManagedPolicy{}, map[string]*reading{}}
	for i := range a.Groups {
		l.groups[strings.ToLower(a.Groups[i].Name)] = &a.Groups[i]
	}
	for i := range a.Policies {
		l.policies[a.Policies[i].ARN] = &a.Policies[i]
	}
	for i := range a.Users {
		u := &a.Users[i]
		n := &node{Node: Node{ARN: u.ARN, Kind: User, Account: a.ID, Name: u.Name, ID: u.ID}, acct: data, view: userView, tags: u.Tags}
		n.principal = iam.Principal{Type: iam.User, ARN: u.ARN, Account: a.ID, ID: u.ID}
		holders := []*account.Entity{&u.Entity}
		for _, name := range u.Groups {
			group := l.groups[strings.ToLower(name)]
			if group == nil {
				return fmt.Errorf("graph: user %s is in group %s, which is not in the data; list the groups too", u.ARN, name)
			}
			holders = append(holders, &group.Entity)
		}
		if err := g.attach(n, &l, u.Boundary, holders...); err != nil {
			return err
		}
	}
	for i := range a.Roles {
		r := &a.Roles[i]
		if r.Trust == nil {
			return fmt.Errorf("graph: role %s has no trust policy in the data", r.ARN)
		}
		n := &node{Node: Node{ARN: r.ARN, Kind: Role, Account: a.ID, Name: r.Name, ID: r.ID}, acct: data, view: roleView, tags: r.Tags}
		n.principal = iam.Principal{Type: iam.AssumedRole, ARN: sessionARN(data, r.Name, anySession), Account: a.ID, Issuer: r.ARN, ID: r.ID}
		n.trust = g.read(r.Trust)
		if n.trust.may("sts:TagSession") {
			n.view = taggedRoleView
		}
		for _, p := range r.Profiles {
			n.profiles = append(n.profiles, p.Name)
		}
		data.roles = append(data.roles, n)
		if err := g.attach(n, &l, r.Boundary, &r.Entity); err != nil {
			return err
		}
	}
	root := &node{Node: Node{ARN: "arn:" + data.partition + ":iam::" + a.ID + ":root", Kind: Root, Account: a.ID}, acct: data, view: userView}
	root.principal = iam.Principal{Type: iam.Root, ARN: root.ARN, Account: a.ID}
	g.nodes = append(g.nodes, root)
	g.byARN[root.ARN] = root
	slices.SortFunc(data.roles, compareNodes)
	return nil
}

// anySession stands for the name of a session. It cannot be one, so that a trust
// policy that names a session does not name it.
const anySession = "(any session)"

func sessionARN(a *accountData, role, session string) string {
	return "arn:" + a.partition + ":sts::" + a.id + ":assumed-role/" + role + "/" + session
}

// partition is the partition of the account's ARNs.
func partition(a *account.Account) string {
	arn := ""
	switch {
	case len(a.Roles) > 0:
		arn = a.Roles[0].ARN
	case len(a.Users) > 0:
		arn = a.Users[0].ARN
	}
	if p, err := iam.ParseARN(arn); err == nil {
		return p.Partition
	}
	return "aws"
}

// attach collects the policies of a principal and makes it part of the graph.
func (g *Graph) attach(n *node, l *lookups, boundary string, holders ...*account.Entity) error {
	managed := func(arn string) (*account.ManagedPolicy, error) {
		p := l.policies[arn]
		if p == nil || p.Document() == nil {
			return nil, fmt.Errorf("graph: %s uses policy %s, which is not in the data; list the policies too", n.ARN, arn)
		}
		return p, nil
	}
	for _, h := range holders {
		for _, in := range h.Inline {
			n.identity = append(n.identity, g.read(in.Document))
		}
		for _, arn := range h.Attached {
			p, err := managed(arn)
			if err != nil {
				return err
			}
			n.identity = append(n.identity, g.read(p.Document()))
		}
	}
	if boundary != "" {
		r := l.boundaries[boundary]
		if r == nil {
			p, err := managed(boundary)
			if err != nil {
				return err
			}
			limit, err := iam.Parse(iam.Boundary, p.ARN, []byte(p.Document().Source()))
			if err != nil {
				return fmt.Errorf("graph: permissions boundary of %s: %w", n.ARN, err)
			}
			r = g.read(limit)
			l.boundaries[boundary] = r
		}
		n.boundary = []*reading{r}
	}
	if g.byARN[n.ARN] != nil {
		return fmt.Errorf("graph: %s comes twice", n.ARN)
	}
	g.nodes = append(g.nodes, n)
	g.byARN[n.ARN] = n
	return nil
}

func (g *Graph) read(p *iam.Policy) *reading {
	r := g.readings[p]
	if r == nil {
		r = read(p)
		g.readings[p] = r
	}
	return r
}

func (g *Graph) readAll(set []*iam.Policy) levels {
	out := make(levels, len(set))
	for i, p := range set {
		out[i] = g.read(p)
	}
	return out
}

// prepare puts together the policies of a principal and what they may be about.
func (g *Graph) prepare(n *node) {
	note := func(list []*reading) {
		for _, r := range list {
			n.keyed = n.keyed || len(r.keys) > 0
			n.keyedByRole = n.keyedByRole || slices.ContainsFunc(r.keys, aboutResource)
			n.undecided = n.undecided || !g.settled(r, n.view)
		}
	}
	note(n.identity)
	note(n.boundary)
	for _, level := range n.acct.scp {
		note(level)
	}
	may := func(action string) bool {
		return n.Kind == Root || slices.ContainsFunc(n.identity, func(r *reading) bool { return r.may(action) })
	}
	n.mayAssume = may(assumeRole)
	if may(passRole) {
		for i, s := range g.services {
			if !slices.ContainsFunc(s.Calls, func(c Call) bool { return !may(c.Action) }) {
				n.rows |= 1 << i
			}
		}
		n.mayPass = n.rows != 0
	}
	for w := range worlds {
		if w != open || n.mayPass { // open is for the calls of services
			n.sets[w] = callerSet{g.set(n.identity, n.view, w), g.set(n.boundary, n.view, w), g.levels(n.acct.scp, n.view, w)}
		}
	}
	n.Admin = g.admin(n, may)
}

func (g *Graph) set(list []*reading, v view, w world) []*iam.Policy {
	if len(list) == 0 {
		return nil
	}
	out := make([]*iam.Policy, len(list))
	for i, r := range list {
		out[i] = g.in(r, v, w)
	}
	return out
}

func (g *Graph) levels(list []levels, v view, w world) [][]*iam.Policy {
	if len(list) == 0 {
		return nil
	}
	out := make([][]*iam.Policy, len(list))
	for i, l := range list {
		out[i] = g.set(l, v, w)
	}
	return out
}

// Nodes returns all principals: users, roles, root users, services, providers,
// outsiders, each sorted by ARN.
func (g *Graph) Nodes() []Node {
	out := make([]Node, len(g.nodes))
	for i, n := range g.nodes {
		out[i] = n.Node
	}
	return out
}

// Node returns the principal with an ARN, a service name or a provider.
func (g *Graph) Node(arn string) (Node, bool) {
	n := g.byARN[arn]
	if n == nil {
		return Node{}, false
	}
	return n.Node, true
}

// Accounts returns the ids of the accounts in the data, sorted.
func (g *Graph) Accounts() []string { return slices.Sorted(maps.Keys(g.accounts)) }
