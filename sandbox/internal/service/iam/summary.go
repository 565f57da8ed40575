package iam

import (
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	api "github.com/aws/aws-sdk-go-v2/service/iam"
)

// The account: its alias and its numbers.

// goodAlias checks the pattern ^[a-z0-9]([a-z0-9]|-(?!-)){1,61}[a-z0-9]$.
func goodAlias(a string) bool {
	if len(a) < 3 || len(a) > 63 || strings.Contains(a, "--") || a[0] == '-' || a[len(a)-1] == '-' {
		return false
	}
	return !strings.ContainsFunc(a, func(r rune) bool {
		return r != '-' && (r < 'a' || r > 'z') && (r < '0' || r > '9')
	})
}

func (in *inputs) alias(a *string) {
	if in.length("accountAlias", a, 3, 63) && !goodAlias(*a) {
		in.constraint("accountAlias", *a, `Member must satisfy regular expression pattern: ^[a-z0-9]([a-z0-9]|-(?!-)){1,61}[a-z0-9]$`)
	}
}

func (c *call) createAccountAlias(in *api.CreateAccountAliasInput) (*api.CreateAccountAliasOutput, error) {
	var bad inputs
	bad.alias(in.AccountAlias)
	if err := bad.result(); err != nil {
		return nil, err
	}
	if owner, ok := aliases.Get(c.tx, *in.AccountAlias); ok && owner != c.account() {
		return nil, alreadyExists("The account alias %s already exists.", *in.AccountAlias)
	}
	a, ok := accounts.Get(c.tx, c.account())
	if !ok {
		return nil, noSuchEntity("The account %s cannot be found.", c.account())
	}
	c.setAlias(a, *in.AccountAlias) // an account has one alias, a new one replaces it
	return &api.CreateAccountAliasOutput{}, nil
}

// setAlias stores the account with another alias, or none.
func (c *call) setAlias(a *accountRow, alias string) {
	if a.Alias != "" {
		aliases.Delete(c.tx, a.Alias)
	}
	changed := *a
	changed.Alias = alias
	accounts.Put(c.tx, a.ID, &changed)
	if alias != "" {
		aliases.Put(c.tx, alias, a.ID)
	}
}

func (c *call) listAccountAliases(*api.ListAccountAliasesInput) (*api.ListAccountAliasesOutput, error) {
	out := &api.ListAccountAliasesOutput{AccountAliases: []string{}}
	if a, ok := accounts.Get(c.tx, c.account()); ok && a.Alias != "" {
		out.AccountAliases = append(out.AccountAliases, a.Alias)
	}
	return out, nil
}

func (c *call) deleteAccountAlias(in *api.DeleteAccountAliasInput) (*api.DeleteAccountAliasOutput, error) {
	a, ok := accounts.Get(c.tx, c.account())
	if !ok || a.Alias == "" || a.Alias != aws.ToString(in.AccountAlias) {
		return nil, noSuchEntity("The account alias %s cannot be found.", aws.ToString(in.AccountAlias))
	}
	c.setAlias(a, "")
	return &api.DeleteAccountAliasOutput{}, nil
}

func (c *call) getAccountPasswordPolicy(*api.GetAccountPasswordPolicyInput) (*api.GetAccountPasswordPolicyOutput, error) {
	return nil, noSuchEntity("The Password Policy with domain name %s cannot be found.", c.account())
}

func (c *call) getAccountSummary(*api.GetAccountSummaryInput) (*api.GetAccountSummaryOutput, error) {
	count := func(k kind) int { return names.Count(c.tx, nameKeys(c.account(), k)) }
	versions := 0
	for _, arn := range named(c.tx, c.account(), policyKind, "") {
		if p, ok := policies.Get(c.tx, arn); ok {
			versions += len(p.Versions)
		}
	}
	rootKeys := 0
	if a, ok := accounts.Get(c.tx, c.account()); ok && len(a.Keys) > 0 {
		rootKeys = 1 // a flag, not a count
	}
	out := &api.GetAccountSummaryOutput{SummaryMap: map[string]int32{}}
	for key, n := range map[string]int{
		"Users": count(userKind), "UsersQuota": c.quotas.Users,
		"Groups": count(groupKind), "GroupsQuota": c.quotas.Groups,
		"Roles": count(roleKind), "RolesQuota": c.quotas.Roles,
		"Policies": count(policyKind), "PoliciesQuota": c.quotas.Policies,
		"InstanceProfiles": count(profileKind), "InstanceProfilesQuota": c.quotas.InstanceProfiles,
		"PolicyVersionsInUse": versions, "PolicyVersionsInUseQuota": 10000, "VersionsPerPolicyQuota": versionsPerPolicy,
		"PolicySizeQuota": managedPolicySize, "AssumeRolePolicySizeQuota": c.quotas.AssumeRolePolicySize,
		"RolePolicySizeQuota": inlineSizeOfRole, "UserPolicySizeQuota": inlineSizeOfUser, "GroupPolicySizeQuota": inlineSizeOfGroup,
		"AttachedPoliciesPerRoleQuota": c.quotas.PoliciesPerRole, "AttachedPoliciesPerUserQuota": c.quotas.PoliciesPerUser,
		"AttachedPoliciesPerGroupQuota": c.quotas.PoliciesPerGroup, "GroupsPerUserQuota": c.quotas.GroupsPerUser,
		"AccessKeysPerUserQuota": c.quotas.AccessKeysPerUser, "AccountAccessKeysPresent": rootKeys,
		"AccountMFAEnabled": 0, "AccountPasswordPresent": 1, "AccountSigningCertificatesPresent": 0,
		"MFADevices": 0, "MFADevicesInUse": 0, "SigningCertificatesPerUserQuota": 2,
		"ServerCertificates": 0, "ServerCertificatesQuota": 20, "Providers": c.countProviders(), "GlobalEndpointTokenVersion": 1,
	} {
		out.SummaryMap[key] = int32(n)
	}
	return out, nil
}
