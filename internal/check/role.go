package check

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/mantle-iam/mantle/iam"
	"github.com/mantle-iam/mantle/iam/account"
	"github.com/mantle-iam/mantle/iam/managed"
	"github.com/mantle-iam/mantle/internal/estate"
	"github.com/mantle-iam/mantle/internal/tf"
)

// A role is a role or user with everything that binds it.
type role struct {
	*account.Entity
	account  string
	user     bool
	trust    *document // nil of users, and of roles whose trust policy is not known
	boundary *iam.Policy
	profiles []account.InstanceProfile
	uses     []estate.Use
	where    tf.Range
	address  string
	resource *tf.Resource // nil if it does not come from Terraform

	policies []*iam.Policy // identity policies that are known
	missing  []string      // ARNs of policies that nobody has seen, and what else is not known
	loose    []*iam.Policy // the same without conditions; made when asked for
	looseB   []*iam.Policy
}

// title is what people call it.
func (r *role) title() string {
	if r.user {
		return "user " + r.Name
	}
	return "role " + r.Name
}

func (r *role) found(message, cure string) Finding {
	return Finding{Where: r.where, Address: r.address, Message: message, Cure: cure}
}

// readRoles gathers the roles and users of the estate.
func (f *facts) readRoles() {
	e := f.estate
	if e == nil {
		return
	}
	byTrust := map[*iam.Policy]*document{}
	byAddress := map[string]*document{}
	for _, d := range f.documents {
		if d.kind == iam.Trust && d.policy != nil {
			byTrust[d.policy] = d
			byAddress[d.address] = d
		}
	}
	at := map[tf.Position]*tf.Resource{}
	for _, w := range f.worlds {
		for _, kind := range []string{"aws_iam_role", "aws_iam_user"} {
			for _, r := range f.index[w].types[kind] {
				if r.Where.File != "" {
					at[r.Where.Position] = r
				}
			}
		}
	}
	uses := map[string][]estate.Use{}
	for _, u := range e.Uses {
		uses[u.Role] = append(uses[u.Role], u)
	}
	open := map[string][]string{}
	for _, u := range e.Unknown {
		for _, arn := range u.Concerns {
			open[arn] = append(open[arn], u.Why)
		}
	}
	for _, id := range sortedKeys(e.Accounts) {
		a := e.Accounts[id]
		byARN := map[string]*iam.Policy{}
		for i := range a.Policies {
			byARN[a.Policies[i].ARN] = a.Policies[i].Document()
		}
		fill := func(r *role, boundary string, entity *account.Entity, more ...*account.Entity) {
			r.Entity, r.account = entity, id
			r.where, r.address = e.Entities[entity.ARN], r.title()
			if w := f.resourceOf(r, at); w != nil {
				r.resource, r.address = w, w.Address
			}
			r.uses = uses[entity.ARN]
			for _, x := range append([]*account.Entity{entity}, more...) {
				for _, in := range x.Inline {
					if in.Document != nil {
						r.policies = append(r.policies, in.Document)
					}
				}
				for _, arn := range x.Attached {
					if p := f.attached(byARN, arn); p != nil {
						r.policies = append(r.policies, p)
					} else {
						r.missing = append(r.missing, "the document of policy "+arn)
					}
				}
			}
			if boundary != "" {
				if r.boundary = f.attached(byARN, boundary); r.boundary == nil {
					r.missing = append(r.missing, "the document of boundary "+boundary)
				}
			}
			r.missing = append(r.missing, open[entity.ARN]...)
			f.roles = append(f.roles, r)
			f.byARN[entity.ARN] = r
			if !r.user {
				f.byName[entity.Name] = append(f.byName[entity.Name], r)
			}
		}
		for i := range a.Roles {
			x := &a.Roles[i]
			r := &role{profiles: x.Profiles}
			fill(r, x.Boundary, &x.Entity)
			if r.trust = byTrust[x.Trust]; r.trust == nil {
				r.trust = byAddress[r.address]
			}
			if r.trust == nil && x.Trust != nil {
				// Another document with the same text stands for it.
				r.trust = &document{kind: iam.Trust, policy: x.Trust, address: r.address, name: "trust policy of " + r.title(), account: id}
				if w, ok := e.Written[x.Trust]; ok {
					r.trust.source = source{ranges: []tf.Range{w.Range}, files: f.filesOf(w.File)}
				}
				if root, err := readNode([]byte(x.Trust.Source())); err == nil {
					r.trust.raw, r.trust.root = x.Trust.Source(), root
					r.trust.readStatements(e.Written[x.Trust].Statements)
				}
			}
			if r.trust != nil {
				f.trusts[r.trust] = append(f.trusts[r.trust], r)
			}
		}
		for i := range a.Users {
			x := &a.Users[i]
			var groups []*account.Entity
			for j := range a.Groups {
				if slices.Contains(x.Groups, a.Groups[j].Name) {
					groups = append(groups, &a.Groups[j].Entity)
				}
			}
			fill(&role{user: true}, x.Boundary, &x.Entity, groups...)
		}
	}
}

// attached is the document of a managed policy: the account's, or AWS's own.
func (f *facts) attached(have map[string]*iam.Policy, arn string) *iam.Policy {
	if p := have[arn]; p != nil {
		return p
	}
	if p, ok := f.managed[arn]; ok {
		return p
	}
	var out *iam.Policy
	if m, ok := managed.Find(arn); ok {
		out, _ = iam.Parse(iam.Identity, arn, []byte(m.Document))
	}
	f.managed[arn] = out
	return out
}

// resourceOf is the resource of Terraform that makes a role.
func (f *facts) resourceOf(r *role, at map[tf.Position]*tf.Resource) *tf.Resource {
	if w, ok := at[r.where.Position]; ok && r.where.File != "" {
		// A block with count makes several; the name tells them apart.
		kind := "aws_iam_role"
		if r.user {
			kind = "aws_iam_user"
		}
		if name, known := str(w.Values, "name"); known && name != "" && name != r.Name {
			for _, world := range f.worlds {
				if x := f.index[world].named(kind, "name", r.Name); x != nil && x.Where.Position == r.where.Position {
					return x
				}
			}
		}
		return w
	}
	for _, world := range f.worlds {
		kind := "aws_iam_role"
		if r.user {
			kind = "aws_iam_user"
		}
		if x := f.index[world].named(kind, "name", r.Name); x != nil {
			return x
		}
	}
	return nil
}

func (f *facts) filesOf(name string) map[string][]byte {
	for _, w := range f.worlds {
		if _, ok := w.Files[name]; ok {
			return w.Files
		}
	}
	return nil
}

// An answer is what is known of a permission.
type answer uint8

const (
	no      answer = iota
	unknown        // a policy that nobody has seen may grant it
	yes            // under some conditions at least
)

// may answers whether the role can ever do something, as far as its own
// policies and boundary go. All conditions count in its favour, so that a no
// is a no for every request.
func (r *role) may(action, resource string) answer {
	if r.loose == nil {
		for _, p := range r.policies {
			r.loose = append(r.loose, loosened(p))
		}
		if r.boundary != nil {
			r.looseB = []*iam.Policy{loosened(r.boundary)}
		}
	}
	pols := iam.Policies{Identity: r.loose, Boundary: r.looseB}
	if pols.Decide(&iam.Request{Principal: r.session(), Action: action, Resource: resource}).Allowed() {
		return yes
	}
	if len(r.missing) > 0 {
		return unknown
	}
	return no
}

// session is a caller that has the role.
func (r *role) session() iam.Principal {
	if r.user {
		return iam.Principal{Type: iam.User, ARN: r.ARN, Account: r.account, ID: r.ID}
	}
	a, _ := iam.ParseARN(r.ARN)
	return iam.Principal{
		Type: iam.AssumedRole, Account: r.account, Issuer: r.ARN, ID: r.ID,
		ARN: fmt.Sprintf("arn:%s:sts::%s:assumed-role/%s/session", a.Partition, a.Account, r.Name),
	}
}

// loosened is the policy with every condition counting in the caller's favour.
func loosened(p *iam.Policy) *iam.Policy {
	src, err := json.Marshal(p)
	if err != nil {
		return p
	}
	var doc map[string]any
	if json.Unmarshal(src, &doc) != nil {
		return p
	}
	list, ok := doc["Statement"].([]any)
	if !ok {
		list = []any{doc["Statement"]}
	}
	var kept []any
	for _, x := range list {
		s, ok := x.(map[string]any)
		if !ok {
			continue
		}
		if _, conditional := s["Condition"]; conditional && s["Effect"] == "Deny" {
			continue
		}
		delete(s, "Condition")
		kept = append(kept, s)
	}
	if kept == nil {
		kept = []any{map[string]any{"Effect": "Deny", "Action": "mantle:None", "Resource": "*"}}
		if p.Kind() == iam.Trust || p.Kind() == iam.Resource {
			kept = []any{map[string]any{"Effect": "Deny", "Principal": "*", "Action": "sts:AssumeRole"}}
		}
	}
	doc["Statement"] = kept
	out, err := json.Marshal(doc)
	if err != nil {
		return p
	}
	q, err := iam.Parse(p.Kind(), p.Name(), out)
	if err != nil {
		return p
	}
	return q
}

// worn reports whether something that runs has the role: an instance, a task.
func (r *role) worn() bool { return len(r.uses) > 0 || len(r.profiles) > 0 }

// trusts reports whether the trust policy lets a service in.
func (d *document) trusts(service string) bool {
	return slices.ContainsFunc(d.statements, func(s statement) bool {
		return s.allows() && !s.not && s.covers("sts:AssumeRole") && slices.ContainsFunc(s.principal, func(p principal) bool {
			return p.kind == "Service" && (sameService(p.text, service) || p.text == "*" || computed(p.text))
		})
	})
}

// sameService compares service principals; those of China end in
// amazonaws.com.cn.
func sameService(a, b string) bool {
	trim := func(s string) string { return strings.TrimSuffix(strings.ToLower(s), ".cn") }
	return trim(a) == trim(b)
}

// services are the service principals that the trust policy lets in.
func (d *document) services() (out []string) {
	for _, s := range d.statements {
		for _, p := range s.principal {
			if s.allows() && p.kind == "Service" && !slices.Contains(out, p.text) {
				out = append(out, p.text)
			}
		}
	}
	return out
}

// A reach is who of an account may assume which roles, as far as patterns tell:
// by the ARN where statements name one, else whoever has a wildcard or policies
// that are not known. It spares asking everybody about every role.
type reach struct {
	exact map[string][]*role
	wide  []*role
}

// mayAssume are the principals of an account that could assume a role by their
// own policies; what they really may is for [role.may].
func (f *facts) mayAssume(account, arn string) []*role {
	if f.reach == nil {
		f.reach = map[string]*reach{}
		for _, r := range f.roles {
			at := f.reach[r.account]
			if at == nil {
				at = &reach{exact: map[string][]*role{}}
				f.reach[r.account] = at
			}
			targets, wide := r.assumes()
			if wide {
				at.wide = append(at.wide, r)
				continue
			}
			for _, t := range targets {
				at.exact[t] = append(at.exact[t], r)
			}
		}
	}
	at := f.reach[account]
	if at == nil {
		return nil
	}
	return append(slices.Clone(at.exact[arn]), at.wide...)
}

// assumes are the roles that a principal's policies name for sts:AssumeRole;
// wide says that there is more than names.
func (r *role) assumes() (targets []string, wide bool) {
	if len(r.missing) > 0 {
		return nil, true
	}
	for _, p := range r.policies {
		for s := range p.Statements() {
			if s.Effect != iam.EffectAllow || !s.NotActions && !slices.ContainsFunc(s.Actions, func(a string) bool { return iam.MatchAction(a, "sts:AssumeRole") }) {
				continue
			}
			if s.NotResources || slices.ContainsFunc(s.Resources, func(x string) bool { return strings.ContainsAny(x, "*?$") }) {
				return nil, true
			}
			targets = append(targets, s.Resources...)
		}
	}
	slices.Sort(targets)
	return slices.Compact(targets), false
}

// documentsOf are the written identity policies of a role.
func (f *facts) documentsOf(r *role) (out []*document) {
	f.linkDocuments()
	for _, p := range r.policies {
		for _, d := range f.byText[p.Source()] {
			if !slices.Contains(out, d) {
				out = append(out, d)
			}
		}
	}
	return out
}

// owners are the roles and users that have an identity policy.
func (f *facts) owners(d *document) []*role {
	f.linkDocuments()
	return f.ownersOf[d.raw]
}

func (f *facts) linkDocuments() {
	if f.byText != nil {
		return
	}
	f.byText, f.ownersOf = map[string][]*document{}, map[string][]*role{}
	for _, d := range f.documents {
		if d.kind == iam.Identity && d.attached {
			f.byText[d.raw] = append(f.byText[d.raw], d)
		}
	}
	for _, r := range f.roles {
		for _, p := range r.policies {
			f.ownersOf[p.Source()] = append(f.ownersOf[p.Source()], r)
		}
	}
}
