package sandbox

import (
	"fmt"
	"strings"

	engine "github.com/mantle-iam/mantle/iam"
	"github.com/mantle-iam/mantle/sandbox/internal/service"
	"github.com/mantle-iam/mantle/sandbox/internal/service/ec2"
	"github.com/mantle-iam/mantle/sandbox/internal/service/iam"
	"github.com/mantle-iam/mantle/sandbox/internal/service/sts"
)

// directory is what the other services ask of IAM.
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

// Provider finds the OpenID Connect provider that an account has for an
// issuer.
func (d directory) Provider(account, issuer string) (sts.Provider, bool) {
	p, ok := d.OIDCProvider(account, issuer)
	return sts.Provider{ARN: p.ARN, Issuer: p.Issuer, ClientIDs: p.ClientIDs}, ok
}

// SAMLProvider finds a SAML provider by its ARN.
func (d directory) SAMLProvider(arn string) (sts.SAMLProvider, bool) {
	p, ok := d.IAM.SAMLProvider(arn)
	return sts.SAMLProvider{ARN: p.ARN, Account: p.Account, Name: p.Name, Metadata: p.Metadata, ValidUntil: p.ValidUntil}, ok
}

// InstanceProfile finds an instance profile of the account by name or ARN,
// with the role that is in it.
func (d directory) InstanceProfile(account, nameOrARN string) (ec2.Profile, bool) {
	var p iam.InstanceProfile
	var ok bool
	if strings.HasPrefix(nameOrARN, "arn:") {
		if p, ok = d.InstanceProfileByARN(nameOrARN); ok {
			ok = p.Account == account
		}
	} else {
		p, ok = d.IAM.InstanceProfile(account, nameOrARN)
	}
	if !ok {
		return ec2.Profile{}, false
	}
	out := ec2.Profile{Name: p.Name, ARN: p.ARN, ID: p.ID}
	if r, ok := d.RoleByID(p.RoleID); ok && p.RoleID != "" {
		out.RoleARN, out.RoleTags = r.ARN, r.Tags
	}
	return out, true
}

// roleTags are the tags of a role, nil if there is none such.
func (d directory) roleTags(arn string) map[string]string {
	r, _ := d.RoleByARN(arn)
	return r.Tags
}

// assumableByTask tells whether ECS may assume a role for a task: it exists
// and its trust policy lets ecs-tasks.amazonaws.com in.
func (s *Server) assumableByTask(account, roleARN, taskARN string) error {
	role, ok := directory{s.iam}.Role(roleARN)
	if !ok || role.Account != account {
		return fmt.Errorf("account %s has no role %s", account, roleARN)
	}
	x := engine.NewContext()
	x.Set("aws:SourceAccount", account)
	x.Set("aws:SourceArn", taskARN)
	trust := engine.Policies{Resource: role.Trust, Trust: true}
	d := trust.Decide(&engine.Request{
		Principal: engine.Principal{Type: engine.Service, ARN: "ecs-tasks.amazonaws.com"},
		Action:    "sts:AssumeRole", Resource: role.ARN, ResourceAccount: role.Account, Context: x,
	})
	if !d.Allowed() {
		return fmt.Errorf("the trust policy of %s does not let ecs-tasks.amazonaws.com in", roleARN)
	}
	return nil
}
