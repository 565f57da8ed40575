package estate

import (
	"cmp"
	"slices"
	"strings"

	"github.com/mantle-iam/mantle/iam"
	"github.com/mantle-iam/mantle/iam/account"
	"github.com/mantle-iam/mantle/internal/tf"
)

// target finds the entity that a resource is about. The attribute may hold a
// name or, of roles, an ARN.
func (b *builder) target(r *tf.Resource, from map[string]*holder, path string) *holder {
	name, known := read(at(r, path))
	if !known || name == "" {
		b.unknown(r, path, "whom it is attached to")
		return nil
	}
	return b.named(r, from, path, name)
}

func (b *builder) named(r *tf.Resource, from map[string]*holder, path, name string) *holder {
	name = name[strings.LastIndexByte(name, '/')+1:]
	h := find(from, r, name)
	if h == nil {
		what := map[string]string{"role": "role", "roles": "role", "user": "user", "users": "user", "group": "group", "groups": "group"}[path]
		b.e.miss(tf.Unknown{Where: r.Where.Position, Address: r.Address, Path: path, Why: what + " " + name + " is not in the configuration: what else it may do is not known"})
		return nil
	}
	b.maybe(r, h.ARN)
	return h
}

// policies attaches policies to the entities.
func (b *builder) policies() {
	for _, k := range []struct {
		kind string
		from map[string]*holder
	}{{"role", b.roles}, {"user", b.users}, {"group", b.groups}} {
		for _, r := range b.byType["aws_iam_"+k.kind+"_policy"] {
			h := b.target(r, k.from, k.kind)
			if h == nil {
				continue
			}
			name, _ := read(at(r, "name"))
			if doc := b.document(r, iam.Identity, "inline policy "+name+" of "+k.kind+" "+h.Name, "policy", at(r, "policy"), b.concerned(h)...); doc != nil {
				h.inline(name, doc)
			}
		}
		for _, r := range b.byType["aws_iam_"+k.kind+"_policy_attachment"] {
			h := b.target(r, k.from, k.kind)
			if h == nil {
				continue
			}
			arn, known := read(at(r, "policy_arn"))
			if !known {
				b.unknown(r, "policy_arn", "the attached policy", b.concerned(h)...)
			}
			h.add(arn)
		}
	}
	for _, r := range b.byType["aws_iam_policy_attachment"] {
		arn, arnKnown := read(at(r, "policy_arn"))
		for _, k := range []struct {
			path string
			from map[string]*holder
		}{{"roles", b.roles}, {"users", b.users}, {"groups", b.groups}} {
			names, known := list(at(r, k.path))
			if !known {
				b.unknown(r, k.path, "whom it is attached to")
			}
			for _, name := range names {
				h := b.named(r, k.from, k.path, name)
				if h == nil {
					continue
				}
				if !arnKnown {
					b.unknown(r, "policy_arn", "the attached policy", b.concerned(h)...)
				}
				h.add(arn)
			}
		}
	}
}

// members puts users into their groups.
func (b *builder) members() {
	member := func(r *tf.Resource, user, group string) {
		if h := b.named(r, b.users, "users", user); h != nil {
			if group = group[strings.LastIndexByte(group, '/')+1:]; !slices.Contains(h.groups, group) {
				h.groups = append(h.groups, group)
			}
		}
	}
	for _, r := range b.byType["aws_iam_group_membership"] {
		group, ok := read(at(r, "group"))
		users, known := list(at(r, "users"))
		if !known || !ok {
			b.unknown(r, "users", "who is in the group")
		}
		for _, u := range users {
			member(r, u, group)
		}
	}
	for _, r := range b.byType["aws_iam_user_group_membership"] {
		user, ok := read(at(r, "user"))
		groups, known := list(at(r, "groups"))
		if !known || !ok {
			b.unknown(r, "groups", "the groups of the user")
		}
		for _, g := range groups {
			member(r, user, g)
		}
	}
}

// concerned are those whom a policy of an entity binds: of a group its
// members.
func (b *builder) concerned(h *holder) []string {
	out := []string{h.ARN}
	for _, u := range b.users {
		if slices.Contains(u.groups, h.Name) {
			out = append(out, u.ARN)
		}
	}
	slices.Sort(out[1:])
	return out
}

// finish turns the entities into those of the accounts.
func (b *builder) finish() {
	sorted := func(m map[string]*holder) []*holder {
		var out []*holder
		for _, h := range m {
			out = append(out, h)
		}
		slices.SortFunc(out, func(x, y *holder) int { return cmp.Or(cmp.Compare(x.account, y.account), cmp.Compare(x.Name, y.Name)) })
		return out
	}
	for _, h := range sorted(b.users) {
		a := b.e.account(h.account)
		a.Users = append(a.Users, account.User{Entity: h.Entity, Groups: h.groups, Boundary: h.boundary, Tags: h.tags})
	}
	for _, h := range sorted(b.groups) {
		a := b.e.account(h.account)
		a.Groups = append(a.Groups, account.Group{Entity: h.Entity})
	}
	for _, h := range sorted(b.roles) {
		a := b.e.account(h.account)
		a.Roles = append(a.Roles, account.Role{Entity: h.Entity, Trust: h.trust, Boundary: h.boundary, Tags: h.tags, Profiles: h.profiles})
	}
	for _, a := range b.e.Accounts {
		slices.SortFunc(a.Policies, func(x, y account.ManagedPolicy) int { return cmp.Compare(x.ARN, y.ARN) })
	}
}

// spread makes what concerns a managed policy concern those who have it.
func (b *builder) spread() {
	users := map[string][]string{}
	for _, m := range []map[string]*holder{b.roles, b.users, b.groups} {
		for _, h := range m {
			for _, arn := range append(slices.Clone(h.Attached), h.boundary) {
				if arn != "" {
					users[arn] = append(users[arn], b.concerned(h)...)
				}
			}
		}
	}
	for i := range b.e.Unknown {
		u := &b.e.Unknown[i]
		all := slices.Clone(u.Concerns)
		for _, arn := range u.Concerns {
			all = append(all, users[arn]...)
		}
		if len(all) > len(u.Concerns) {
			slices.Sort(all)
			u.Concerns = slices.Compact(all)
		}
	}
}
