package account

import (
	"strings"
	"time"

	"github.com/mantle-iam/mantle/iam"
)

// Account is one AWS account. Lists keep the order of the input.
type Account struct {
	// ID is the 12-digit account id, taken from the ARNs.
	ID       string
	Users    []User
	Groups   []Group
	Roles    []Role
	Policies []ManagedPolicy
}

// Entity is what users, groups and roles have in common.
type Entity struct {
	ARN     string
	ID      string // unique id: AIDA…, AGPA…, AROA…
	Name    string
	Path    string
	Created time.Time
	// Inline are the inline policies, Attached the managed ones by ARN.
	Inline   []Inline
	Attached []string
}

// Inline is a policy that is part of an entity.
type Inline struct {
	Name     string
	Document *iam.Policy
}

// Tag is a tag of a user, role or instance profile.
type Tag struct{ Key, Value string }

// User is an IAM user.
type User struct {
	Entity
	Groups   []string // by name
	Boundary string   // ARN of the permissions boundary, or empty
	Tags     []Tag
}

// Group is an IAM group.
type Group struct{ Entity }

// Role is an IAM role.
type Role struct {
	Entity
	Trust    *iam.Policy
	Boundary string // ARN of the permissions boundary, or empty
	Tags     []Tag
	Profiles []InstanceProfile
}

// InstanceProfile is an instance profile; it is listed with its role.
type InstanceProfile struct {
	ARN     string
	ID      string // unique id: AIPA…
	Name    string
	Path    string
	Created time.Time
	Tags    []Tag
}

// ManagedPolicy is a managed policy of the account or of AWS.
type ManagedPolicy struct {
	ARN         string
	ID          string // unique id: ANPA…
	Name        string
	Path        string
	Description string
	Created     time.Time
	Updated     time.Time
	Default     string // id of the version in force
	Versions    []Version
}

// Version is a version of a managed policy.
type Version struct {
	ID       string // "v1"
	Created  time.Time
	Document *iam.Policy
}

// AWS tells whether the policy is one of AWS, which every account has.
func (p *ManagedPolicy) AWS() bool { return strings.Contains(p.ARN, ":iam::aws:") }

// Document is the version in force.
func (p *ManagedPolicy) Document() *iam.Policy {
	for _, v := range p.Versions {
		if v.ID == p.Default {
			return v.Document
		}
	}
	return nil // Parse and Merge admit no such policy
}
