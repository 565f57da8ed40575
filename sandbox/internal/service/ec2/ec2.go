package ec2

import (
	"github.com/mantle-iam/mantle/sandbox/internal/service"
	"github.com/mantle-iam/mantle/sandbox/internal/store"
)

// Profile is an instance profile of IAM.
type Profile struct {
	// Name, ARN and ID (AIPA…) name the profile.
	Name, ARN, ID string
	// RoleARN is the role in the profile, empty if it has none.
	RoleARN string
	// RoleTags are the role's tags: aws:ResourceTag of iam:PassRole.
	RoleTags map[string]string
}

// Profiles is what EC2 asks of IAM.
type Profiles interface {
	// InstanceProfile finds an instance profile of the account by its name
	// or its whole ARN.
	InstanceProfile(account, nameOrARN string) (Profile, bool)
}

// Options changes the service's behaviour. The zero value is AWS's.
type Options struct {
	// Partition is the first field of every ARN; empty means "aws".
	Partition string
	// Profiles finds instance profiles; nil means that there are none.
	Profiles Profiles
}

// EC2 is the service over one store. It is safe for concurrent use.
type EC2 struct {
	store     *store.Store
	partition string
	profiles  Profiles
}

var _ service.Service = (*EC2)(nil)

// New returns the service over a store.
func New(st *store.Store, opt Options) *EC2 {
	if opt.Partition == "" {
		opt.Partition = "aws"
	}
	if opt.Profiles == nil {
		opt.Profiles = noProfiles{}
	}
	return &EC2{store: st, partition: opt.Partition, profiles: opt.Profiles}
}

// Name is the service's signing name.
func (s *EC2) Name() string { return "ec2" }

type noProfiles struct{}

func (noProfiles) InstanceProfile(string, string) (Profile, bool) { return Profile{}, false }
