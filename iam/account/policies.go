package account

import (
	"fmt"
	"slices"
	"strings"

	"github.com/mantle-iam/mantle/iam"
)

// PoliciesOf returns the policies that bind a user or role of the account,
// named by its exact ARN: inline and attached ones, those of a user's groups,
// and the permissions boundary. It is an error if there is no such user or
// role, or if a policy it uses is not in the account's data.
func (a *Account) PoliciesOf(arn string) (iam.Policies, error) {
	var holders []Entity
	var boundary string
	if i := slices.IndexFunc(a.Users, func(u User) bool { return u.ARN == arn }); i >= 0 {
		u := a.Users[i]
		holders, boundary = append(holders, u.Entity), u.Boundary
		for _, name := range u.Groups {
			j := slices.IndexFunc(a.Groups, func(g Group) bool { return strings.EqualFold(g.Name, name) })
			if j < 0 {
				return iam.Policies{}, fmt.Errorf("account: user %s is in group %s, which is not in the data; list the groups too", u.Name, name)
			}
			holders = append(holders, a.Groups[j].Entity)
		}
	} else if i := slices.IndexFunc(a.Roles, func(r Role) bool { return r.ARN == arn }); i >= 0 {
		holders, boundary = append(holders, a.Roles[i].Entity), a.Roles[i].Boundary
	} else {
		return iam.Policies{}, fmt.Errorf("account: no user or role is %s in account %s", arn, a.ID)
	}
	var out iam.Policies
	for _, h := range holders {
		for _, in := range h.Inline {
			out.Identity = append(out.Identity, in.Document)
		}
		for _, attached := range h.Attached {
			p, err := a.managed(attached, h.ARN)
			if err != nil {
				return iam.Policies{}, err
			}
			out.Identity = append(out.Identity, p.Document())
		}
	}
	if boundary != "" {
		p, err := a.managed(boundary, arn)
		if err != nil {
			return iam.Policies{}, err
		}
		limit, err := iam.Parse(iam.Boundary, p.ARN, []byte(p.Document().Source()))
		if err != nil {
			return iam.Policies{}, err
		}
		out.Boundary = []*iam.Policy{limit}
	}
	return out, nil
}

func (a *Account) managed(arn, user string) (*ManagedPolicy, error) {
	i := slices.IndexFunc(a.Policies, func(p ManagedPolicy) bool { return p.ARN == arn })
	if i < 0 {
		return nil, fmt.Errorf("account: %s uses policy %s, which is not in the data; list the policies too", user, arn)
	}
	return &a.Policies[i], nil
}
