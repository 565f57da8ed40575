package estate

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/mantle-iam/mantle/iam"
	"github.com/mantle-iam/mantle/iam/account"
	"github.com/mantle-iam/mantle/iam/managed"
	"github.com/mantle-iam/mantle/internal/tf"
)

// New is an estate with nothing in it.
func New(source ...string) *Estate {
	return &Estate{
		Source: source, Accounts: map[string]*account.Account{}, Names: map[string]string{},
		SCPs: map[string][][]*iam.Policy{}, RCPs: map[string][][]*iam.Policy{},
		Written: map[*iam.Policy]Written{}, Entities: map[string]tf.Range{},
	}
}

// account is an account of the estate, which it makes if it is not there.
func (e *Estate) account(id string) *account.Account {
	a, ok := e.Accounts[id]
	if !ok {
		a = &account.Account{ID: id}
		e.Accounts[id] = a
	}
	return a
}

// miss lists something unknown, once.
func (e *Estate) miss(u tf.Unknown) {
	for _, i := range e.about(u.Address) {
		o := &e.Unknown[i]
		if o.Where == u.Where && o.Path == u.Path && o.Why == u.Why {
			o.Concerns = union(o.Concerns, u.Concerns)
			return
		}
	}
	e.Unknown = append(e.Unknown, u)
}

// about are the places in Unknown of what is unknown of an address.
func (e *Estate) about(address string) []int {
	if e.index == nil || e.count > len(e.Unknown) {
		e.index, e.count = map[string][]int{}, 0
	}
	for ; e.count < len(e.Unknown); e.count++ {
		a := e.Unknown[e.count].Address
		e.index[a] = append(e.index[a], e.count)
	}
	return e.index[address]
}

// attached adds the documents of AWS's policies that entities of the account
// use, and lists the policies that nobody has the document of.
func (e *Estate) attached(a *account.Account) {
	have := map[string]bool{}
	for _, p := range a.Policies {
		have[p.ARN] = true
	}
	missing := map[string][]string{}
	need := func(user string, arns ...string) {
		for _, arn := range arns {
			if arn == "" || have[arn] {
				continue
			}
			p, ok := managed.Find(arn)
			if !ok {
				missing[arn] = append(missing[arn], user)
				continue
			}
			doc, err := iam.Parse(iam.Identity, p.ARN, []byte(p.Document))
			if err != nil {
				missing[arn] = append(missing[arn], user)
				continue
			}
			have[arn] = true
			a.Policies = append(a.Policies, account.ManagedPolicy{
				ARN: p.ARN, ID: managed.ID(p.ARN), Name: p.Name, Path: p.Path, Created: p.Created, Updated: p.Updated, Default: p.Default,
				Versions: []account.Version{{ID: p.Default, Created: p.Updated, Document: doc}},
			})
		}
	}
	for i := range a.Users {
		u := &a.Users[i]
		need(u.ARN, append(slices.Clone(u.Attached), u.Boundary)...)
	}
	for i := range a.Roles {
		r := &a.Roles[i]
		need(r.ARN, append(slices.Clone(r.Attached), r.Boundary)...)
	}
	for i := range a.Groups {
		g := &a.Groups[i]
		for _, arn := range g.Attached {
			need(g.ARN, arn)
			for _, u := range a.Users {
				if slices.ContainsFunc(u.Groups, func(n string) bool { return strings.EqualFold(n, g.Name) }) {
					need(u.ARN, arn)
				}
			}
		}
	}
	for _, arn := range slices.Sorted(maps.Keys(missing)) {
		users := missing[arn]
		slices.Sort(users)
		why := "policy " + arn + " is not in the data"
		if strings.Contains(arn, ":iam::aws:policy/") {
			why = "mantle does not have the document of AWS's policy " + arn
		}
		e.miss(tf.Unknown{Why: why, Concerns: slices.Compact(users)})
	}
}

// settle puts an estate in order.
func (e *Estate) settle() {
	for _, id := range slices.Sorted(maps.Keys(e.Accounts)) {
		e.attached(e.Accounts[id])
	}
	slices.SortStableFunc(e.Resources, func(a, b Resource) int {
		return cmp.Or(cmp.Compare(a.Account, b.Account), cmp.Compare(a.ARN, b.ARN))
	})
	slices.SortStableFunc(e.Uses, func(a, b Use) int {
		return cmp.Or(cmp.Compare(a.Role, b.Role), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Name, b.Name))
	})
}

// union is a list with what it lacks of another.
func union(list, more []string) []string {
	for _, s := range more {
		if !slices.Contains(list, s) {
			list = append(slices.Clip(list), s)
		}
	}
	return list
}
