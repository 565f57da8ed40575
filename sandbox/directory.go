package sandbox

import (
	"github.com/mantle-iam/mantle/sandbox/internal/service"
	"github.com/mantle-iam/mantle/sandbox/internal/service/iam"
	"github.com/mantle-iam/mantle/sandbox/internal/service/sts"
)

// directory is what STS asks of IAM.
type directory struct{ *iam.IAM }

// Role finds a role by its ARN.
func (d directory) Role(arn string) (sts.Role, bool) {
	r, ok := d.RoleByARN(arn)
	if !ok {
		return sts.Role{}, false
	}
	return sts.Role{
		ARN: r.ARN, Name: r.Name, ID: r.ID, Account: r.Account, Trust: r.Trust,
		MaxSession: r.MaxSession, Tags: r.Tags,
	}, true
}

// Policy tells whether the account can use the managed policy.
func (d directory) Policy(account, arn string) bool { return d.HasPolicy(account, arn) }

// AccountOf reads the account out of an access key id.
func (d directory) AccountOf(id string) (string, bool) { return iam.AccountOfID(id) }

// Tags are the caller's principal tags.
func (d directory) Tags(c *service.Caller) map[string]string { return d.PrincipalTags(c) }
