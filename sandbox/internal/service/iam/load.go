package iam

import (
	"fmt"
	"slices"
	"strings"
	"time"

	policy "github.com/mantle-iam/mantle/iam"
	"github.com/mantle-iam/mantle/iam/account"
	"github.com/mantle-iam/mantle/sandbox/internal/store"
)

// Load brings an account in that was read from AWS: everything of it, or on
// an error nothing. Unique ids are kept, so principals of stored policies
// stay valid; quotas are not applied, for AWS may have raised them. id must
// be the account's, or empty. An account that does not exist yet is made, with
// keys as by [IAM.CreateAccount]; an existing one must not have entities of
// the same names.
//
// mark is called in the transaction of the load, which it can end with an
// error; nil for none.
//
// Managed policies of AWS that the data holds and the sandbox does not know
// become known. Principals of trust policies that name users and roles the
// sandbox does not have stay ARNs, until the account they are in is loaded.
func (s *IAM) Load(id string, a *account.Account, mark func(*store.Tx) error) error {
	if id == "" {
		id = a.ID
	}
	switch {
	case !isAccountID(id):
		return fmt.Errorf("iam: load account %q: an account id has 12 digits", id)
	case a.ID != "" && a.ID != id:
		return fmt.Errorf("iam: load account %s: the data is of account %s", id, a.ID)
	}
	err := s.store.Update(func(tx *store.Tx) error {
		l := &loader{call: &call{IAM: s, tx: tx}, id: id}
		if err := l.load(a); err != nil {
			return err
		}
		if !accounts.Has(tx, id) {
			s.newAccount(tx, id, "", time.Now())
		}
		if err := l.resolve(); err != nil || mark == nil {
			return err
		}
		return mark(tx)
	})
	if err != nil {
		return fmt.Errorf("iam: load account %s: %w", id, err)
	}
	return nil
}

// loader is a Load at work.
type loader struct {
	*call
	id string
}

func (l *loader) load(a *account.Account) error {
	for i := range a.Policies {
		if err := l.policy(&a.Policies[i]); err != nil {
			return err
		}
	}
	for _, g := range a.Groups {
		if err := l.entity(groupKind, g.Entity, "", nil, func(*entity) error { return nil }); err != nil {
			return err
		}
	}
	for _, u := range a.Users {
		if err := l.entity(userKind, u.Entity, u.Boundary, u.Tags, func(e *entity) error {
			for _, name := range u.Groups {
				g, ok := find(l.tx, l.id, groupKind, name)
				if !ok {
					return fmt.Errorf("group %s is not in the data; list the groups too", name)
				}
				l.join(e, g.ID)
			}
			return nil
		}); err != nil {
			return err
		}
	}
	for _, r := range a.Roles {
		if err := l.entity(roleKind, r.Entity, r.Boundary, r.Tags, func(e *entity) error { return l.role(e, &r) }); err != nil {
			return err
		}
	}
	return nil
}

// free makes sure that a name and an id are not taken.
func (l *loader) free(k kind, name, id string) error {
	if names.Has(l.tx, nameKey(l.id, k, name)) {
		return fmt.Errorf("%s %s exists already", k, name)
	}
	if entities.Has(l.tx, id) || profiles.Has(l.tx, id) {
		return fmt.Errorf("%s %s: the unique id %s exists already", k, name, id)
	}
	return nil
}

func (l *loader) policy(p *account.ManagedPolicy) error {
	if !strings.HasPrefix(p.ARN, "arn:"+l.partition+":") {
		return fmt.Errorf("policy %s is not in partition %s of the sandbox", p.ARN, l.partition)
	}
	row := &policyRow{
		ID: p.ID, ARN: p.ARN, Account: l.id, Path: p.Path, Name: p.Name, Description: p.Description,
		Created: p.Created, Updated: p.Updated, Default: p.Default, Next: 1,
	}
	for _, v := range p.Versions {
		ver := version{ID: v.ID, Document: v.Document.Source(), Created: v.Created}
		if !isVersionID(v.ID) {
			return fmt.Errorf("policy %s: %q is not a version id such as v1", p.ARN, v.ID)
		}
		row.Next = max(row.Next, ver.number()+1)
		row.Versions = append(row.Versions, ver)
	}
	slices.SortFunc(row.Versions, func(a, b version) int { return a.number() - b.number() })
	if p.Document() == nil {
		return fmt.Errorf("policy %s: the default version %s is missing", p.ARN, p.Default)
	}
	name := nameKey(l.id, policyKind, p.Name)
	if p.AWS() {
		if _, ok := l.findPolicy(l.tx, p.ARN); ok {
			return nil // every account has it
		}
		row.Account, name = "aws", nameKey("aws", policyKind, p.ARN)
	} else if names.Has(l.tx, name) {
		return fmt.Errorf("policy %s exists already", p.Name)
	}
	policies.Put(l.tx, row.ARN, row)
	names.Put(l.tx, name, row.ARN)
	return nil
}

// entity stores a user, group or role; more adds what only its kind has.
func (l *loader) entity(k kind, in account.Entity, limit string, tags []account.Tag, more func(*entity) error) error {
	if err := l.free(k, in.Name, in.ID); err != nil {
		return err
	}
	e := &entity{Kind: k, ID: in.ID, Account: l.id, Path: in.Path, Name: in.Name, Created: in.Created}
	if l.entityARN(e) != in.ARN {
		return fmt.Errorf("%s %s: the ARN %s is not of account %s in partition %s", k, in.Name, in.ARN, l.id, l.partition)
	}
	for _, p := range in.Inline {
		e.Inline = append(e.Inline, inline{p.Name, p.Document.Source()})
	}
	slices.SortFunc(e.Inline, func(a, b inline) int { return strings.Compare(a.Name, b.Name) })
	for _, t := range tags {
		e.Tags = append(e.Tags, tag(t))
	}
	for _, arn := range in.Attached {
		if _, ok := l.findPolicy(l.tx, arn); !ok {
			return unknownPolicy(k, in.Name, arn)
		}
		l.link(e, arn)
	}
	if limit != "" {
		if _, ok := l.findPolicy(l.tx, limit); !ok {
			return unknownPolicy(k, in.Name, limit)
		}
		e.Boundary = limit
		attachments.Put(l.tx, attachKey(l.id, limit, boundary, e.ID), struct{}{})
	}
	if err := more(e); err != nil {
		return fmt.Errorf("%s %s: %w", k, in.Name, err)
	}
	l.add(e)
	return nil
}

func unknownPolicy(k kind, name, arn string) error {
	return fmt.Errorf("%s %s uses policy %s, which is neither in the data nor among the managed policies that the sandbox has; list the policies too", k, name, arn)
}

func (l *loader) role(e *entity, r *account.Role) error {
	e.Trust = r.Trust.Source()
	e.MaxSession = defaultSessionSecs // the data does not tell
	if rest, ok := strings.CutPrefix(e.Path, linkedPath); ok {
		e.Service = strings.TrimSuffix(rest, "/")
	}
	for _, p := range r.Profiles {
		if err := l.free(profileKind, p.Name, p.ID); err != nil {
			return err
		}
		row := &profileRow{ID: p.ID, Account: l.id, Path: p.Path, Name: p.Name, Created: p.Created, Role: e.ID}
		for _, t := range p.Tags {
			row.Tags = append(row.Tags, tag(t))
		}
		profiles.Put(l.tx, row.ID, row)
		names.Put(l.tx, nameKey(l.id, profileKind, row.Name), row.ID)
		e.Profiles = append(e.Profiles, row.ID)
	}
	return nil
}

// resolve turns the ARNs in trust policies into unique ids wherever the user
// or role exists by now, in all accounts: an account that was loaded earlier
// may trust this one.
func (l *loader) resolve() error {
	for id, e := range entities.Range(l.tx, "") {
		if e.Kind != roleKind {
			continue
		}
		stored, err := rewritePrincipals([]byte(e.Trust), func(p string) (string, error) {
			if isAccountID(p) {
				return l.rootARN(p), nil
			}
			if who, ok := l.byARN(l.tx, p); ok {
				return who.ID, nil
			}
			return p, nil
		})
		if err != nil {
			return fmt.Errorf("trust policy of role %s: %w", e.Name, err)
		}
		if string(stored) == e.Trust {
			continue
		}
		if _, err := policy.Parse(policy.Trust, e.Name, stored); err != nil {
			return fmt.Errorf("trust policy of role %s: %w", e.Name, err)
		}
		changed := e.clone()
		changed.Trust = string(stored)
		entities.Put(l.tx, id, changed)
	}
	return nil
}
