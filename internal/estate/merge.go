package estate

import (
	"fmt"
	"maps"
	"slices"

	"github.com/mantle-iam/mantle/iam/account"
)

// Merge brings estates together. What several of them know is taken from the
// first, and has to have the same ARN; entities of one account may come from
// several sources.
func Merge(list ...*Estate) (*Estate, error) {
	out := New()
	for _, e := range list {
		out.Source = append(out.Source, e.Source...)
		for id, name := range e.Names {
			if out.Names[id] == "" {
				out.Names[id] = name
			}
		}
		for id, levels := range e.SCPs {
			if out.SCPs[id] != nil {
				return nil, fmt.Errorf("two sources know service control policies over account %s; name one of them", id)
			}
			out.SCPs[id] = levels
		}
		for id, levels := range e.RCPs {
			if out.RCPs[id] != nil {
				return nil, fmt.Errorf("two sources know resource control policies over account %s; name one of them", id)
			}
			out.RCPs[id] = levels
		}
		for _, id := range slices.Sorted(maps.Keys(e.Accounts)) {
			a, in := out.account(id), e.Accounts[id]
			a.Users = firsts(a.Users, in.Users, func(u account.User) string { return u.ARN })
			a.Groups = firsts(a.Groups, in.Groups, func(g account.Group) string { return g.ARN })
			a.Roles = firsts(a.Roles, in.Roles, func(r account.Role) string { return r.ARN })
			a.Policies = firsts(a.Policies, in.Policies, func(p account.ManagedPolicy) string { return p.ARN })
		}
		out.Resources = firsts(out.Resources, e.Resources, func(r Resource) string { return r.ARN })
		out.Uses = firsts(out.Uses, e.Uses, func(u Use) string { return u.Role + " " + u.Kind + " " + u.Name })
		maps.Copy(out.Written, e.Written)
		for arn, at := range e.Entities {
			if _, ok := out.Entities[arn]; !ok {
				out.Entities[arn] = at
			}
		}
		for _, u := range e.Unknown {
			out.miss(u)
		}
		out.Terraform = append(out.Terraform, e.Terraform...)
	}
	out.settle()
	return out, nil
}

// firsts adds what is not there yet.
func firsts[T any](have, more []T, name func(T) string) []T {
	seen := map[string]bool{}
	for _, x := range have {
		seen[name(x)] = true
	}
	for _, x := range more {
		if !seen[name(x)] {
			have = append(have, x)
		}
	}
	return have
}
