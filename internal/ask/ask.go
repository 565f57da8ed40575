// Package ask answers questions about an estate: may this principal do that, who
// else may, why not, and what is the smallest change that would let it.
//
// A question is decided four times: with everything that a request could say
// (external id, address, tags) counted against the caller and for it, and with
// everything that the sources do not tell counted against the caller and for it.
// Where the answers agree that is the answer. Where they do not, the conditions or
// the missing data are named, and nothing is guessed.
//
// The files, in the order of the steps: question.go what is asked; names.go
// spellings; known.go what is known of a request; bound.go policies with the
// unknown counted one way; answer.go the decision; ladder.go its steps; who.go the
// question turned around; fix.go, candidates.go, change.go and opened.go changes,
// tried in memory; diff.go, terraform.go and terraform_write.go how they are
// written; errors.go what AWS and its clients print; role.go, task.go and oidc.go
// plain words; drawing.go and svg.go pictures.
package ask

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/mantle-iam/mantle/iam"
	"github.com/mantle-iam/mantle/iam/account"
	"github.com/mantle-iam/mantle/iam/graph"
	"github.com/mantle-iam/mantle/iam/managed"
	"github.com/mantle-iam/mantle/internal/estate"
	"github.com/mantle-iam/mantle/internal/tf"
)

// An Asker answers questions about one estate. It does not change the estate, and
// nobody may while it is in use. It is safe for use by several goroutines.
type Asker struct {
	estate    *estate.Estate
	accounts  map[string]*account.Account // with what is missing stood in for
	people    map[string]*person          // by ARN
	order     []*person
	resources map[string]*estate.Resource
	unknown   map[string][]tf.Unknown // by ARN of whom it concerns
	trusts    map[string]*account.Role
	byName    map[string][]*person // by lower-case name
	stand     everything
	asked     sync.Map // *iam.Policy to the condition keys it asks for

	graph func() (*graph.Graph, error)
}

// person is a user or role and what binds it.
type person struct {
	arn, account, name string
	kind               graph.Kind
	role               *account.Role // nil of a user
	user               *account.User // nil of a role
	principal          iam.Principal
	policies           iam.Policies // Identity, Boundary, SCP
	tags               []account.Tag
	class              class
}

// New makes an Asker. It is an error if the estate contradicts itself.
func New(e *estate.Estate) (*Asker, error) {
	a := &Asker{
		estate: e, accounts: map[string]*account.Account{}, people: map[string]*person{}, resources: map[string]*estate.Resource{},
		unknown: map[string][]tf.Unknown{}, trusts: map[string]*account.Role{}, byName: map[string][]*person{},
	}
	var err error
	if a.stand, err = parseEverything(); err != nil {
		return nil, err
	}
	for _, u := range e.Unknown {
		for _, arn := range u.Concerns {
			a.unknown[arn] = append(a.unknown[arn], u)
		}
	}
	for i := range e.Resources {
		a.resources[e.Resources[i].ARN] = &e.Resources[i]
	}
	for _, id := range slices.Sorted(maps.Keys(e.Accounts)) {
		if err := a.add(e.Accounts[id]); err != nil {
			return nil, err
		}
	}
	slices.SortFunc(a.order, func(x, y *person) int { return cmp.Or(cmp.Compare(x.kind, y.kind), cmp.Compare(x.arn, y.arn)) })
	a.graph = sync.OnceValues(func() (*graph.Graph, error) { return a.buildGraph(nil) })
	return a, nil
}

// Estate is what the Asker was made of.
func (a *Asker) Estate() *estate.Estate { return a.estate }

// Graph is who can become whom, built when it is first asked for.
func (a *Asker) Graph() (*graph.Graph, error) { return a.graph() }

func (a *Asker) buildGraph(context *iam.Context) (*graph.Graph, error) {
	var list []*account.Account
	for _, id := range slices.Sorted(maps.Keys(a.accounts)) {
		list = append(list, a.accounts[id])
	}
	return graph.Options{SCP: a.estate.SCPs, RCP: a.estate.RCPs, Context: context}.Build(list...)
}

// nothing is a policy that stands where one is missing.
func nothing(kind iam.Kind, name string) (*iam.Policy, error) {
	src := `{"Version": "2012-10-17", "Statement": {"Effect": "Deny", "Action": "none:None", "Resource": "*"}}`
	if kind == iam.Trust {
		src = `{"Version": "2012-10-17", "Statement": {"Effect": "Deny", "Action": "none:None", "Principal": {"AWS": "000000000000"}}}`
	}
	return iam.Parse(kind, name, []byte(src))
}

// miss notes that something is not in the data.
func (a *Asker) miss(why string, concerns ...string) {
	u := tf.Unknown{Why: why, Concerns: concerns}
	for _, arn := range concerns {
		if !slices.ContainsFunc(a.unknown[arn], func(o tf.Unknown) bool { return o.Why == why }) {
			a.unknown[arn] = append(a.unknown[arn], u)
		}
	}
}

// add takes in an account. What its entities use and it does not list is stood
// in for by policies that say nothing, and noted as unknown.
func (a *Asker) add(in *account.Account) error {
	acct := *in
	acct.Policies = slices.Clone(in.Policies)
	acct.Groups = slices.Clone(in.Groups)
	acct.Roles = slices.Clone(in.Roles)
	a.accounts[acct.ID] = &acct
	policies := map[string]*iam.Policy{}
	for i := range acct.Policies {
		if d := acct.Policies[i].Document(); d != nil {
			policies[acct.Policies[i].ARN] = d
		}
	}
	groups := map[string]*account.Group{}
	for i := range acct.Groups {
		groups[strings.ToLower(acct.Groups[i].Name)] = &acct.Groups[i]
	}
	missing := map[string]bool{}
	policy := func(arn, user string) (*iam.Policy, error) {
		if p := policies[arn]; p != nil {
			if missing[arn] {
				a.miss("policy "+arn+" is not in the data", user)
			}
			return p, nil
		}
		var doc *iam.Policy
		var err error
		if known, ok := managed.Find(arn); ok {
			doc, err = iam.Parse(iam.Identity, arn, []byte(known.Document))
		} else {
			missing[arn] = true
			a.miss("policy "+arn+" is not in the data", user)
			doc, err = nothing(iam.Identity, arn)
		}
		if err != nil {
			return nil, err
		}
		policies[arn] = doc
		acct.Policies = append(acct.Policies, account.ManagedPolicy{ARN: arn, Name: lastSegment(arn), Default: "v1", Versions: []account.Version{{ID: "v1", Document: doc}}})
		return doc, nil
	}
	limits := map[string]*iam.Policy{}
	gather := func(p *person, boundary string, holders ...*account.Entity) error {
		for _, h := range holders {
			for _, in := range h.Inline {
				p.policies.Identity = append(p.policies.Identity, in.Document)
			}
			for _, arn := range h.Attached {
				doc, err := policy(arn, p.arn)
				if err != nil {
					return err
				}
				p.policies.Identity = append(p.policies.Identity, doc)
			}
		}
		if boundary != "" {
			doc, err := policy(boundary, p.arn)
			if err != nil {
				return err
			}
			limit := limits[boundary]
			if limit == nil {
				if limit, err = iam.Parse(iam.Boundary, boundary, []byte(doc.Source())); err != nil {
					return fmt.Errorf("permissions boundary of %s: %w", p.arn, err)
				}
				limits[boundary] = limit
			}
			p.policies.Boundary = []*iam.Policy{limit}
		}
		p.policies.SCP = a.estate.SCPs[acct.ID]
		if a.people[p.arn] != nil {
			return fmt.Errorf("%s comes twice in the sources", p.arn)
		}
		a.people[p.arn] = p
		a.order = append(a.order, p)
		a.byName[strings.ToLower(p.name)] = append(a.byName[strings.ToLower(p.name)], p)
		return nil
	}
	for i := range acct.Users {
		u := &acct.Users[i]
		p := &person{arn: u.ARN, account: acct.ID, name: u.Name, kind: graph.User, user: u, tags: u.Tags, class: userClass}
		p.principal = iam.Principal{Type: iam.User, ARN: u.ARN, Account: acct.ID, ID: u.ID}
		holders := []*account.Entity{&u.Entity}
		for _, name := range u.Groups {
			g := groups[strings.ToLower(name)]
			if g == nil {
				a.miss("group "+name+" is not in the data", u.ARN)
				acct.Groups = append(acct.Groups, account.Group{Entity: account.Entity{ARN: "arn:aws:iam::" + acct.ID + ":group/" + name, Name: name}})
				g = &acct.Groups[len(acct.Groups)-1]
				groups[strings.ToLower(name)] = g
			}
			holders = append(holders, &g.Entity)
		}
		if err := gather(p, u.Boundary, holders...); err != nil {
			return err
		}
	}
	for i := range acct.Roles {
		r := &acct.Roles[i]
		if r.Trust == nil {
			a.miss("the trust policy of "+r.ARN+" is not in the data", r.ARN)
			var err error
			if r.Trust, err = nothing(iam.Trust, "trust policy of "+r.Name); err != nil {
				return err
			}
		}
		p := &person{arn: r.ARN, account: acct.ID, name: r.Name, kind: graph.Role, role: r, tags: r.Tags, class: roleClass}
		if mentions(r.Trust, "sts:tagsession") {
			p.class = taggedClass
		}
		p.principal = iam.Principal{Type: iam.AssumedRole, ARN: sessionARN(r.ARN, r.Name, anySession), Account: acct.ID, Issuer: r.ARN, ID: r.ID}
		if err := gather(p, r.Boundary, &r.Entity); err != nil {
			return err
		}
		a.trusts[r.ARN] = r
	}
	return nil
}

// anySession stands for the name of a session. It cannot be one, so that a policy
// that names a session does not name it.
const anySession = "(any session)"

func sessionARN(role, name, session string) string {
	arn, err := iam.ParseARN(role)
	if err != nil {
		return role
	}
	return "arn:" + arn.Partition + ":sts::" + arn.Account + ":assumed-role/" + name + "/" + session
}

func lastSegment(s string) string { return s[strings.LastIndexByte(s, '/')+1:] }

// mentions reports whether an Allow statement covers an action.
func mentions(p *iam.Policy, action string) bool {
	for s := range p.Statements() {
		if s.Effect == iam.EffectAllow && s.Covers(action) {
			return true
		}
	}
	return false
}

// short is an ARN without what nobody reads twice.
func short(arn string) string {
	f := strings.SplitN(arn, ":", 6)
	switch {
	case len(f) < 6 || f[0] != "arn":
		return arn
	case f[5] == "root":
		return f[4] + ":root"
	case f[2] == "s3", f[2] == "dynamodb":
		return f[5]
	}
	return f[5]
}

// Name is an ARN as people read it: "role/app (dev)". The account's name or id is
// left out of an estate with one account.
func (a *Asker) Name(arn string) string {
	p, err := iam.ParseARN(arn)
	if err != nil {
		return arn
	}
	s := short(arn)
	if p.Service == "sts" {
		s = strings.TrimSuffix(s, "/"+anySession)
		s = strings.Replace(s, "assumed-role/", "role/", 1)
	}
	if len(a.accounts) < 2 || p.Account == "" {
		return s
	}
	return s + " (" + a.AccountName(p.Account) + ")"
}

// AccountName is what people call an account, or its id.
func (a *Asker) AccountName(id string) string {
	switch {
	case a.estate.Names[id] != "":
		return a.estate.Names[id]
	case id == estate.Here:
		return "this account"
	case tf.Placeholder(id):
		return "another account"
	}
	return id
}
