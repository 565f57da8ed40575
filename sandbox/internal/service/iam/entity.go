package iam

import (
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/mantle-iam/mantle/sandbox/internal/store"
)

// kind is a kind of entity; its text is the resource type of ARNs.
type kind string

const (
	roleKind    kind = "role"
	userKind    kind = "user"
	groupKind   kind = "group"
	policyKind  kind = "policy"
	profileKind kind = "instance-profile"
	oidcKind    kind = "oidc-provider"
	samlKind    kind = "saml-provider"
)

// The tables. Keys are built by the functions below.
var (
	accounts    = store.NewTable[*accountRow]("iam.accounts")   // account id
	aliases     = store.NewTable[string]("iam.aliases")         // alias -> account id
	names       = store.NewTable[string]("iam.names")           // nameKey -> key in the kind's table
	entities    = store.NewTable[*entity]("iam.entities")       // unique id of a role, user or group
	policies    = store.NewTable[*policyRow]("iam.policies")    // ARN
	profiles    = store.NewTable[*profileRow]("iam.profiles")   // unique id
	keys        = store.NewTable[*keyRow]("iam.keys")           // access key id
	members     = store.NewTable[struct{}]("iam.members")       // group id/user id
	attachments = store.NewTable[struct{}]("iam.attachments")   // attachKey
	deletions   = store.NewTable[*deletionRow]("iam.deletions") // account/task id
	providers   = store.NewTable[*providerRow]("iam.providers") // ARN
)

// nameKey is the key of a name: unique per account and kind, whatever the
// path and the letters' case.
func nameKey(account string, k kind, name string) string {
	return nameKeys(account, k) + strings.ToLower(name)
}

// nameKeys is the prefix of all names of a kind.
func nameKeys(account string, k kind) string { return account + "/" + string(k) + "/" }

// use says how an entity uses a managed policy.
type use string

const (
	attached use = "a" // attached to a role, user or group
	boundary use = "b" // set as a permissions boundary
)

// attachKey is the key of one use of a managed policy.
func attachKey(account, arn string, u use, id string) string {
	return attachKeys(account, arn, u) + id
}

// attachKeys is the prefix of all uses of a managed policy in an account.
func attachKeys(account, arn string, u use) string {
	return account + "|" + arn + "|" + string(u) + "|"
}

// accountRow is one account.
type accountRow struct {
	ID      string    `json:"id"`
	Alias   string    `json:"alias,omitempty"`
	Created time.Time `json:"created"`
	Keys    []string  `json:"keys"`            // ids of the root user's access keys
	Root    string    `json:"root"`            // the first of them, made with the account
	Admin   string    `json:"admin,omitempty"` // the administrator's key made with the account
}

// entity is a role, a user or a group. Rows are shared: change a clone.
type entity struct {
	Kind     kind      `json:"kind"`
	ID       string    `json:"id"`
	Account  string    `json:"account"`
	Path     string    `json:"path"`
	Name     string    `json:"name"`
	Created  time.Time `json:"created"`
	Inline   []inline  `json:"inline,omitempty"`   // by name
	Attached []string  `json:"attached,omitempty"` // ARNs of managed policies
	Boundary string    `json:"boundary,omitempty"` // ARN of a managed policy
	Tags     []tag     `json:"tags,omitempty"`

	// Roles.
	Description string   `json:"description,omitempty"`
	Trust       string   `json:"trust,omitempty"`      // the trust policy, principals as unique ids
	MaxSession  int32    `json:"maxSession,omitempty"` // seconds
	Profiles    []string `json:"profiles,omitempty"`   // ids of instance profiles
	Service     string   `json:"service,omitempty"`    // service principal of a service-linked role

	// Users.
	Groups []string `json:"groups,omitempty"` // ids
	Keys   []string `json:"keys,omitempty"`   // access key ids
}

// inline is a policy that is part of an entity.
type inline struct {
	Name     string `json:"name"`
	Document string `json:"document"`
}

type tag struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

// policyRow is a customer managed policy.
type policyRow struct {
	ID          string    `json:"id"`
	ARN         string    `json:"arn"`
	Account     string    `json:"account"` // "aws" for the managed policies of AWS
	Path        string    `json:"path"`
	Name        string    `json:"name"`
	Description string    `json:"description,omitempty"`
	Created     time.Time `json:"created"`
	Updated     time.Time `json:"updated"`
	Default     string    `json:"default"`  // id of the version in force
	Versions    []version `json:"versions"` // oldest first
	Next        int       `json:"next"`     // number of the next version
	Tags        []tag     `json:"tags,omitempty"`
}

type version struct {
	ID       string    `json:"id"` // "v1"
	Document string    `json:"document"`
	Created  time.Time `json:"created"`
}

// document is the text of the version in force.
func (p *policyRow) document() string {
	i := slices.IndexFunc(p.Versions, func(v version) bool { return v.ID == p.Default })
	return p.Versions[i].Document
}

// profileRow is an instance profile.
type profileRow struct {
	ID      string    `json:"id"`
	Account string    `json:"account"`
	Path    string    `json:"path"`
	Name    string    `json:"name"`
	Created time.Time `json:"created"`
	Role    string    `json:"role,omitempty"` // id
	Tags    []tag     `json:"tags,omitempty"`
}

// keyRow is an access key.
type keyRow struct {
	ID      string    `json:"id"`
	Secret  string    `json:"secret"`
	Account string    `json:"account"`
	User    string    `json:"user,omitempty"` // unique id; empty for the root user's keys
	Active  bool      `json:"active"`
	Created time.Time `json:"created"`
}

// clone copies e so that the copy may be changed.
func (e *entity) clone() *entity {
	c := *e
	c.Inline, c.Attached, c.Tags = slices.Clone(e.Inline), slices.Clone(e.Attached), slices.Clone(e.Tags)
	c.Profiles, c.Groups, c.Keys = slices.Clone(e.Profiles), slices.Clone(e.Groups), slices.Clone(e.Keys)
	return &c
}

func (p *policyRow) clone() *policyRow {
	c := *p
	c.Versions, c.Tags = slices.Clone(p.Versions), slices.Clone(p.Tags)
	return &c
}

func (p *profileRow) clone() *profileRow {
	c := *p
	c.Tags = slices.Clone(p.Tags)
	return &c
}

// arn builds an entity's ARN; path begins and ends with a slash.
func (s *IAM) arn(account string, k kind, path, name string) string {
	return "arn:" + s.partition + ":iam::" + account + ":" + string(k) + path + name
}

func (s *IAM) entityARN(e *entity) string { return s.arn(e.Account, e.Kind, e.Path, e.Name) }

func (s *IAM) profileARN(p *profileRow) string {
	return s.arn(p.Account, profileKind, p.Path, p.Name)
}

// find looks a role, user or group up by name.
func find(tx *store.Tx, account string, k kind, name string) (*entity, bool) {
	id, ok := names.Get(tx, nameKey(account, k, name))
	if !ok {
		return nil, false
	}
	return entities.Get(tx, id)
}

// findProfile looks an instance profile up by name.
func findProfile(tx *store.Tx, account, name string) (*profileRow, bool) {
	id, ok := names.Get(tx, nameKey(account, profileKind, name))
	if !ok {
		return nil, false
	}
	return profiles.Get(tx, id)
}

// findPolicy looks a managed policy up by ARN: one of AWS's, or a customer's.
func (s *IAM) findPolicy(tx *store.Tx, arn string) (*policyRow, bool) {
	if p, ok := s.managed(arn); ok {
		return p, true
	}
	return policies.Get(tx, arn)
}

// named yields the keys that the names of a kind point to, in the order of
// the lower-case names, beginning after one of them.
func named(tx *store.Tx, account string, k kind, after string) iter.Seq2[string, string] {
	prefix := nameKeys(account, k)
	return func(yield func(string, string) bool) {
		for key, id := range names.After(tx, prefix, prefix+after) {
			if !yield(key[len(prefix):], id) {
				return
			}
		}
	}
}

// each yields the roles, users or groups of an account by name.
func each(tx *store.Tx, account string, k kind, after string) iter.Seq2[string, *entity] {
	return func(yield func(string, *entity) bool) {
		for name, id := range named(tx, account, k, after) {
			if e, ok := entities.Get(tx, id); ok && !yield(name, e) {
				return
			}
		}
	}
}

// String leaves the secret out of whatever prints a row.
func (k *keyRow) String() string { return k.ID }

// GoString is String, for %#v.
func (k *keyRow) GoString() string { return k.ID }
