package iam

import (
	"sync"

	"github.com/mantle-iam/mantle/sandbox/internal/service"
	"github.com/mantle-iam/mantle/sandbox/internal/store"
)

// Options changes the service's behaviour. The zero value is AWS's.
type Options struct {
	// Partition is the first field of every ARN; empty means "aws".
	Partition string
	// Quotas replaces AWS's default quotas where it is not zero.
	Quotas Quotas
	// Visible is the state by which keys, policies and trust are judged; nil
	// is the newest. What the API's own operations read is always that.
	Visible func() store.Moment
}

// Quotas are limits per account, or per entity where the name says so. Zero
// means AWS's default. See "IAM and AWS STS quotas",
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html.
type Quotas struct {
	Roles, Users, Groups, Policies, InstanceProfiles int
	PoliciesPerRole, PoliciesPerUser                 int
	PoliciesPerGroup                                 int
	GroupsPerUser                                    int
	AccessKeysPerUser                                int
	// AssumeRolePolicySize is the size of a trust policy in characters
	// without white space.
	AssumeRolePolicySize int
}

// The quotas that AWS does not raise, in characters without white space for
// the sizes.
const (
	versionsPerPolicy  = 5
	managedPolicySize  = 6144
	inlineSizeOfUser   = 2048
	inlineSizeOfGroup  = 5120
	inlineSizeOfRole   = 10240
	tagsPerEntity      = 50
	maxDocument        = 131072 // of a parameter, white space included
	rolesPerProfile    = 1
	defaultSessionSecs = 3600
)

// defaults are AWS's default quotas.
func defaults() Quotas {
	return Quotas{
		Roles: 1000, Users: 5000, Groups: 300, Policies: 1500, InstanceProfiles: 1000,
		PoliciesPerRole: 10, PoliciesPerUser: 10, PoliciesPerGroup: 10,
		GroupsPerUser: 10, AccessKeysPerUser: 2, AssumeRolePolicySize: 2048,
	}
}

// or fills the zero fields of q from d.
func (q Quotas) or(d Quotas) Quotas {
	for _, f := range []struct{ q, d *int }{
		{&q.Roles, &d.Roles}, {&q.Users, &d.Users}, {&q.Groups, &d.Groups}, {&q.Policies, &d.Policies},
		{&q.InstanceProfiles, &d.InstanceProfiles}, {&q.PoliciesPerRole, &d.PoliciesPerRole},
		{&q.PoliciesPerUser, &d.PoliciesPerUser}, {&q.PoliciesPerGroup, &d.PoliciesPerGroup},
		{&q.GroupsPerUser, &d.GroupsPerUser}, {&q.AccessKeysPerUser, &d.AccessKeysPerUser},
		{&q.AssumeRolePolicySize, &d.AssumeRolePolicySize},
	} {
		if *f.q == 0 {
			*f.q = *f.d
		}
	}
	return q
}

// IAM is the service over one store. It is safe for concurrent use.
type IAM struct {
	store     *store.Store
	partition string
	quotas    Quotas
	visible   func() store.Moment
	aws       func() map[string]*policyRow // AWS's managed policies by ARN
	used      lastUsed
	cache     cache
}

var _ service.Service = (*IAM)(nil)

// New returns the service over a store.
func New(st *store.Store, opt Options) *IAM {
	if opt.Partition == "" {
		opt.Partition = "aws"
	}
	s := &IAM{store: st, partition: opt.Partition, quotas: opt.Quotas.or(defaults()), visible: opt.Visible, aws: managedPolicies}
	if opt.Partition != "aws" {
		s.aws = sync.OnceValue(func() map[string]*policyRow { return managedRows(opt.Partition) })
	}
	return s
}

// Name is the service's signing name.
func (s *IAM) Name() string { return "iam" }
