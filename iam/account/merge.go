package account

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/mantle-iam/mantle/iam"
)

// Merge brings the parts of one account together: pages of one listing, or
// listings with different filters. What is in several parts must be the same
// in all; names must be unique within their kind whatever their case, as IAM
// demands.
func Merge(parts ...*Account) (*Account, error) {
	out := &Account{}
	for _, p := range parts {
		if out.ID == "" {
			out.ID = p.ID
		}
		if p.ID != "" && p.ID != out.ID {
			return nil, fmt.Errorf("account: cannot merge account %s with account %s; give each a file of its own", out.ID, p.ID)
		}
		out.Users = append(out.Users, p.Users...)
		out.Groups = append(out.Groups, p.Groups...)
		out.Roles = append(out.Roles, p.Roles...)
		out.Policies = append(out.Policies, p.Policies...)
	}
	var err error
	if out.Users, err = unique("user", out.Users, func(u User) string { return u.Name }, sameUser); err != nil {
		return nil, err
	}
	if out.Groups, err = unique("group", out.Groups, func(g Group) string { return g.Name }, func(a, b Group) bool { return sameEntity(a.Entity, b.Entity) }); err != nil {
		return nil, err
	}
	if out.Roles, err = unique("role", out.Roles, func(r Role) string { return r.Name }, sameRole); err != nil {
		return nil, err
	}
	// AWS's policies may have the names of the account's.
	name := func(p ManagedPolicy) string {
		if p.AWS() {
			return p.ARN
		}
		return p.Name
	}
	if out.Policies, err = unique("policy", out.Policies, name, samePolicy); err != nil {
		return nil, err
	}
	return out, nil
}

// unique drops repetitions and refuses contradictions.
func unique[T any](kind string, list []T, name func(T) string, same func(a, b T) bool) ([]T, error) {
	first := map[string]T{}
	var out []T
	for _, item := range list {
		key := strings.ToLower(name(item))
		have, ok := first[key]
		switch {
		case !ok:
			first[key] = item
			out = append(out, item)
		case !same(have, item):
			return nil, fmt.Errorf("account: %s %s comes twice with different contents; use outputs of one moment", kind, name(item))
		}
	}
	return out, nil
}

func sameEntity(a, b Entity) bool {
	return a.ARN == b.ARN && a.ID == b.ID && a.Created.Equal(b.Created) && slices.Equal(a.Attached, b.Attached) &&
		slices.EqualFunc(a.Inline, b.Inline, func(a, b Inline) bool { return a.Name == b.Name && sameDocument(a.Document, b.Document) })
}

func sameUser(a, b User) bool {
	return sameEntity(a.Entity, b.Entity) && a.Boundary == b.Boundary && slices.Equal(a.Groups, b.Groups) && slices.Equal(a.Tags, b.Tags)
}

func sameRole(a, b Role) bool {
	return sameEntity(a.Entity, b.Entity) && a.Boundary == b.Boundary && slices.Equal(a.Tags, b.Tags) && sameDocument(a.Trust, b.Trust) &&
		slices.EqualFunc(a.Profiles, b.Profiles, func(a, b InstanceProfile) bool { return a.ARN == b.ARN && a.ID == b.ID })
}

func samePolicy(a, b ManagedPolicy) bool {
	return a.ARN == b.ARN && a.ID == b.ID && a.Default == b.Default &&
		slices.EqualFunc(a.Versions, b.Versions, func(a, b Version) bool { return a.ID == b.ID && sameDocument(a.Document, b.Document) })
}

// sameDocument compares documents but for the white space between their
// parts.
func sameDocument(a, b *iam.Policy) bool {
	if a == nil || b == nil {
		return a == b
	}
	var x, y bytes.Buffer
	return a.Source() == b.Source() ||
		json.Compact(&x, []byte(a.Source())) == nil && json.Compact(&y, []byte(b.Source())) == nil && bytes.Equal(x.Bytes(), y.Bytes())
}
