package iam

import (
	"fmt"
	"log/slog"
	"strings"
	"time"

	policy "github.com/mantle-iam/mantle/iam"
	"github.com/mantle-iam/mantle/sandbox/internal/service"
	"github.com/mantle-iam/mantle/sandbox/internal/store"
)

// Key is an access key and who it belongs to. Printing it hides the secret.
type Key struct {
	ID     string // AKIA…
	Secret string
	Active bool
	// Principal is the user or the root user that the key belongs to.
	Principal policy.Principal
	// UserName is the user's name, empty for the root user.
	UserName string
}

// String returns the key without its secret.
func (k Key) String() string { return fmt.Sprintf("%s of %s", k.ID, k.Principal.ARN) }

// GoString is String: %#v hides the secret too.
func (k Key) GoString() string { return k.String() }

// LogValue is String, for slog.
func (k Key) LogValue() slog.Value { return slog.StringValue(k.String()) }

// Caller is the caller that a signature made with the key stands for.
func (k Key) Caller() service.Caller {
	c := service.Caller{Principal: k.Principal, AccessKeyID: k.ID, Name: k.UserName, UserID: k.Principal.ID}
	if k.Principal.Type == policy.Root {
		c.UserID = k.Principal.Account
	}
	return c
}

// RootKey is what an account begins with: the root user's access key and
// that of an administrator. A key that was deleted since is empty.
type RootKey struct {
	Account, Alias string
	Key            Key
	Admin          Key
}

// String returns the keys without their secrets.
func (k RootKey) String() string {
	return fmt.Sprintf("account %s: %s, %s", k.Account, k.Key, k.Admin)
}

// GoString is String: %#v hides the secrets too.
func (k RootKey) GoString() string { return k.String() }

// LogValue is String, for slog.
func (k RootKey) LogValue() slog.Value { return slog.StringValue(k.String()) }

// AccountInfo describes an account.
type AccountInfo struct {
	ID, Alias string
	Created   time.Time
}

// CreateAccount makes an account with a root user, and an administrator, a
// user named ALIAS-admin ("admin" without alias) with AdministratorAccess,
// and an access key for each. If the account exists, it is left as it is and
// its first keys are returned, so that a sandbox may be started again with
// the same options.
func (s *IAM) CreateAccount(id, alias string) (RootKey, error) {
	if !isAccountID(id) {
		return RootKey{}, fmt.Errorf("iam: account %q is not an account id; it must be 12 digits", id)
	}
	if alias != "" && !goodAlias(alias) {
		return RootKey{}, fmt.Errorf("iam: account alias %q is not valid; use 3 to 63 lower-case letters, digits and single hyphens", alias)
	}
	var out RootKey
	err := s.store.Update(func(tx *store.Tx) error {
		a, ok := accounts.Get(tx, id)
		if !ok {
			if owner, taken := aliases.Get(tx, alias); taken {
				return fmt.Errorf("iam: account alias %q belongs to account %s", alias, owner)
			}
			a = s.newAccount(tx, id, alias, time.Now())
		}
		out = RootKey{Account: id, Alias: a.Alias}
		out.Key, _ = s.key(tx, a.Root)
		out.Admin, _ = s.key(tx, a.Admin)
		return nil
	})
	return out, err
}

// newAccount stores an account with its two keys.
func (s *IAM) newAccount(tx *store.Tx, id, alias string, now time.Time) *accountRow {
	now = now.UTC().Truncate(time.Second)
	root := &keyRow{ID: s.NewID("AKIA", id), Secret: newSecret(), Account: id, Active: true, Created: now}
	base := "admin"
	if alias != "" {
		base = alias + "-admin"
	}
	name := base
	for n := 2; names.Has(tx, nameKey(id, userKind, name)); n++ {
		name = fmt.Sprintf("%s-%d", base, n) // a loaded account may have the first choice
	}
	admin := &entity{Kind: userKind, ID: s.NewID("AIDA", id), Account: id, Path: "/", Name: name, Created: now}
	key := &keyRow{ID: s.NewID("AKIA", id), Secret: newSecret(), Account: id, User: admin.ID, Active: true, Created: now}
	admin.Keys = []string{key.ID}
	a := &accountRow{ID: id, Alias: alias, Created: now, Keys: []string{root.ID}, Root: root.ID, Admin: key.ID}

	c := &call{IAM: s, tx: tx}
	c.link(admin, "arn:"+s.partition+":iam::aws:policy/AdministratorAccess")
	c.add(admin)
	keys.Put(tx, root.ID, root)
	keys.Put(tx, key.ID, key)
	accounts.Put(tx, id, a)
	if alias != "" {
		aliases.Put(tx, alias, id)
	}
	return a
}

// Accounts are the sandbox's accounts by id.
func (s *IAM) Accounts() []AccountInfo {
	var out []AccountInfo
	s.view(func(tx *store.Tx) {
		for _, a := range accounts.Range(tx, "") {
			out = append(out, AccountInfo{a.ID, a.Alias, a.Created})
		}
	})
	return out
}

// view looks at the store where there is no error to return; a closed or
// damaged store reads as empty.
func (s *IAM) view(look func(*store.Tx)) {
	_ = s.judge(func(tx *store.Tx) error { look(tx); return nil })
}

// judge looks at the state that calls are judged by.
func (s *IAM) judge(look func(*store.Tx) error) error {
	if s.visible == nil {
		return s.store.View(look)
	}
	return s.store.ViewAt(s.visible(), look)
}

// AccessKey finds an access key; the caller must see whether it is active.
func (s *IAM) AccessKey(id string) (k Key, ok bool) {
	s.view(func(tx *store.Tx) { k, ok = s.key(tx, id) })
	return k, ok
}

func (s *IAM) key(tx *store.Tx, id string) (Key, bool) {
	row, ok := keys.Get(tx, id)
	if !ok {
		return Key{}, false
	}
	k := Key{ID: row.ID, Secret: row.Secret, Active: row.Active, Principal: policy.Principal{
		Type: policy.Root, ARN: s.rootARN(row.Account), Account: row.Account,
	}}
	if row.User != "" {
		u, ok := entities.Get(tx, row.User)
		if !ok {
			return Key{}, false
		}
		k.UserName = u.Name
		k.Principal.Type, k.Principal.ARN, k.Principal.ID = policy.User, s.entityARN(u), u.ID
	}
	return k, true
}

// Role is a role as other services need it.
type Role struct {
	Account, Path, Name string
	ID, ARN             string // ID is the unique id, AROA…
	MaxSession          time.Duration
	Tags                map[string]string // shared, not to be changed
	// Service is the service principal that a service-linked role belongs to.
	Service string
	// Trust is the compiled trust policy.
	Trust *policy.Policy
}

// Role finds a role by name; letters' case does not matter.
func (s *IAM) Role(account, name string) (r Role, ok bool) {
	s.view(func(tx *store.Tx) {
		if e, found := find(tx, account, roleKind, name); found {
			r, ok = s.role(tx, e.ID)
		}
	})
	return r, ok
}

// RoleByARN finds a role by its exact ARN, path included.
func (s *IAM) RoleByARN(arn string) (r Role, ok bool) {
	s.view(func(tx *store.Tx) {
		if e, found := s.byARN(tx, arn); found && e.Kind == roleKind {
			r, ok = s.role(tx, e.ID)
		}
	})
	return r, ok
}

// RoleByID finds a role by its unique id.
func (s *IAM) RoleByID(id string) (r Role, ok bool) {
	s.view(func(tx *store.Tx) { r, ok = s.role(tx, id) })
	return r, ok
}

func (s *IAM) role(tx *store.Tx, id string) (Role, bool) {
	b, ok := s.bundle(tx, id)
	if !ok || b.entity.Kind != roleKind {
		return Role{}, false
	}
	e := b.entity
	trust, err := b.trust()
	if err != nil {
		// Trust policies are checked when they are saved, so this is a
		// damaged state; a role without trust can be assumed by nobody.
		trust = nil
	}
	return Role{
		Account: e.Account, Path: e.Path, Name: e.Name, ID: e.ID, ARN: s.entityARN(e),
		MaxSession: time.Duration(max(e.MaxSession, defaultSessionSecs)) * time.Second,
		Tags:       b.tags, Service: e.Service, Trust: trust,
	}, true
}

// InstanceProfile is an instance profile as other services need it.
type InstanceProfile struct {
	Account, Path, Name string
	ID, ARN             string // ID is the unique id, AIPA…
	RoleID              string // unique id of the role, empty if there is none
}

// InstanceProfile finds an instance profile by name.
func (s *IAM) InstanceProfile(account, name string) (p InstanceProfile, ok bool) {
	s.view(func(tx *store.Tx) {
		if row, found := findProfile(tx, account, name); found {
			p, ok = s.instanceProfile(row), true
		}
	})
	return p, ok
}

// InstanceProfileByARN finds an instance profile by its exact ARN.
func (s *IAM) InstanceProfileByARN(arn string) (p InstanceProfile, ok bool) {
	account, service, resource, ok := s.splitPrincipal(arn)
	if !ok || service != "iam" {
		return p, false
	}
	p, ok = s.InstanceProfile(account, resource[strings.LastIndexByte(resource, '/')+1:])
	return p, ok && p.ARN == arn
}

func (s *IAM) instanceProfile(p *profileRow) InstanceProfile {
	return InstanceProfile{Account: p.Account, Path: p.Path, Name: p.Name, ID: p.ID, ARN: s.profileARN(p), RoleID: p.Role}
}
