package iam

import (
	"iter"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	api "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	policy "github.com/mantle-iam/mantle/iam"
	"github.com/mantle-iam/mantle/sandbox/internal/service"
	"github.com/mantle-iam/mantle/sandbox/internal/wire"
)

// policy finds the managed policy that a parameter names by ARN.
func (c *call) policy(arn *string) (*policyRow, error) {
	var bad inputs
	bad.arn("policyArn", arn)
	if err := bad.result(); err != nil {
		return nil, err
	}
	p, ok := c.attachable(*arn)
	if !ok {
		return nil, noSuchEntity("Policy %s was not found.", *arn)
	}
	return p, nil
}

// ownPolicy finds a policy of the caller's account, as a clone to change.
// Nobody may change those of AWS.
func (c *call) ownPolicy(operation string, arn *string) (*policyRow, error) {
	p, err := c.policy(arn)
	if err != nil {
		return nil, err
	}
	if p.Account != c.account() {
		return nil, wire.Fail("AccessDenied", 403, "User: %s is not authorized to perform: iam:%s on resource: policy %s", c.req.Caller.ARN, operation, p.ARN)
	}
	return p.clone(), nil
}

func (c *call) mayCreatePolicy(in *api.CreatePolicyInput) ([]service.Check, error) {
	return c.make(policyKind, in.Path, in.PolicyName, in.Tags)
}

func (c *call) createPolicy(in *api.CreatePolicyInput) (*api.CreatePolicyOutput, error) {
	var bad inputs
	bad.name("policyName", in.PolicyName, maxLongName)
	bad.path("path", in.Path, policyKind)
	bad.description(in.Description)
	bad.tags(in.Tags)
	if err := bad.result(); err != nil {
		return nil, err
	}
	tags, err := mergeTags(nil, in.Tags, policyKind)
	if err != nil {
		return nil, err
	}
	if err := c.managedDocument("CreatePolicy", in.PolicyDocument); err != nil {
		return nil, err
	}
	name := nameKey(c.account(), policyKind, *in.PolicyName)
	if names.Has(c.tx, name) {
		return nil, exists(policyKind, *in.PolicyName)
	}
	if names.Count(c.tx, nameKeys(c.account(), policyKind)) >= c.quotas.Policies {
		return nil, quotaExceeded("PoliciesPerAccount", c.quotas.Policies)
	}
	p := &policyRow{
		ID: c.NewID("ANPA", c.account()), Account: c.account(), Path: pathOf(in.Path), Name: *in.PolicyName,
		Description: aws.ToString(in.Description), Created: c.now(), Updated: c.now(), Tags: tags,
		Default: "v1", Next: 2,
		Versions: []version{{ID: "v1", Document: *in.PolicyDocument, Created: c.now()}},
	}
	p.ARN = c.arn(p.Account, policyKind, p.Path, p.Name)
	policies.Put(c.tx, p.ARN, p)
	names.Put(c.tx, name, p.ARN)
	return &api.CreatePolicyOutput{Policy: new(c.policyView(p, true))}, nil
}

// managedDocument checks the document of a customer managed policy.
func (c *call) managedDocument(operation string, doc *string) error {
	return c.document(policy.Identity, "policyDocument", doc, policy.ValidateOptions{Operation: operation})
}

// policyView is a managed policy as answers show it; lists leave out what
// full adds.
func (c *call) policyView(p *policyRow, full bool) types.Policy {
	v := types.Policy{
		Arn:              &p.ARN,
		PolicyId:         &p.ID,
		PolicyName:       &p.Name,
		Path:             &p.Path,
		DefaultVersionId: &p.Default,
		AttachmentCount:  new(int32(attachments.Count(c.tx, attachKeys(c.account(), p.ARN, attached)))),
		PermissionsBoundaryUsageCount: new(int32(
			attachments.Count(c.tx, attachKeys(c.account(), p.ARN, boundary)))),
		IsAttachable: true,
		CreateDate:   &p.Created,
		UpdateDate:   &p.Updated,
	}
	if full {
		v.Tags = tagViews(p.Tags)
		if p.Description != "" {
			v.Description = &p.Description
		}
	}
	return v
}

func (c *call) getPolicy(in *api.GetPolicyInput) (*api.GetPolicyOutput, error) {
	p, err := c.policy(in.PolicyArn)
	if err != nil {
		return nil, err
	}
	return &api.GetPolicyOutput{Policy: new(c.policyView(p, true))}, nil
}

func (c *call) listPolicies(in *api.ListPoliciesInput) (*api.ListPoliciesOutput, error) {
	var bad inputs
	if in.PathPrefix != nil {
		bad.pathPrefix(*in.PathPrefix)
	}
	if err := bad.result(); err != nil {
		return nil, err
	}
	used := func(p *policyRow, u use) bool {
		return attachments.Count(c.tx, attachKeys(c.account(), p.ARN, u)) > 0
	}
	page, err := paginate(in.Marker, in.MaxItems, where(c.everyPolicy(in.Scope), func(p *policyRow) bool {
		if !strings.HasPrefix(p.Path, aws.ToString(in.PathPrefix)) {
			return false
		}
		switch {
		case in.PolicyUsageFilter == types.PolicyUsageTypePermissionsBoundary:
			return used(p, boundary)
		case in.PolicyUsageFilter == types.PolicyUsageTypePermissionsPolicy, in.OnlyAttached:
			return used(p, attached)
		}
		return true
	}))
	if err != nil {
		return nil, err
	}
	out := &api.ListPoliciesOutput{Policies: []types.Policy{}, IsTruncated: page.more, Marker: page.marker}
	for _, p := range page.items {
		out.Policies = append(out.Policies, c.policyView(p, false))
	}
	return out, nil
}

// everyPolicy lists the managed policies of a scope: the account's, then
// AWS's.
func (c *call) everyPolicy(scope types.PolicyScopeType) func(after string) iter.Seq2[string, *policyRow] {
	const local, global = "1/", "2/"
	return func(after string) iter.Seq2[string, *policyRow] {
		return func(yield func(string, *policyRow) bool) {
			if scope != types.PolicyScopeTypeAws && after < global {
				for name, arn := range named(c.tx, c.account(), policyKind, strings.TrimPrefix(after, local)) {
					if p, ok := policies.Get(c.tx, arn); ok && !yield(local+name, p) {
						return
					}
				}
			}
			if scope != types.PolicyScopeTypeLocal {
				for _, p := range c.allManaged(c.tx) {
					if key := global + p.ARN; key > after && !yield(key, p) {
						return
					}
				}
			}
		}
	}
}

func (c *call) deletePolicy(in *api.DeletePolicyInput) (*api.DeletePolicyOutput, error) {
	p, err := c.ownPolicy("DeletePolicy", in.PolicyArn)
	if err != nil {
		return nil, err
	}
	switch {
	case attachments.Count(c.tx, attachKeys(p.Account, p.ARN, attached)) > 0:
		return nil, deleteConflict("Cannot delete a policy attached to entities.")
	case attachments.Count(c.tx, attachKeys(p.Account, p.ARN, boundary)) > 0:
		return nil, deleteConflict("Cannot delete a policy that is used as a permissions boundary.")
	case len(p.Versions) > 1:
		return nil, deleteConflict("This policy has more than one version. Before you delete a policy, you must delete the policy's versions. The default version is deleted with the policy.")
	}
	policies.Delete(c.tx, p.ARN)
	names.Delete(c.tx, nameKey(p.Account, policyKind, p.Name))
	c.cache.forget(p.ARN)
	return &api.DeletePolicyOutput{}, nil
}

func (c *call) listEntitiesForPolicy(in *api.ListEntitiesForPolicyInput) (*api.ListEntitiesForPolicyOutput, error) {
	p, err := c.policy(in.PolicyArn)
	if err != nil {
		return nil, err
	}
	uses := []use{attached, boundary}
	switch in.PolicyUsageFilter {
	case types.PolicyUsageTypePermissionsBoundary:
		uses = uses[1:]
	case types.PolicyUsageTypePermissionsPolicy:
		uses = uses[:1]
	}
	// One listing over both uses; an entity with both is shown once.
	found := map[string]*entity{}
	for _, u := range uses {
		prefix := attachKeys(c.account(), p.ARN, u)
		for key := range attachments.Range(c.tx, prefix) {
			if e, ok := entities.Get(c.tx, key[len(prefix):]); ok {
				found[e.ID] = e
			}
		}
	}
	page, err := paginate(in.Marker, in.MaxItems, where(sorted(sortedEntities(found), entityKey), func(e *entity) bool {
		wanted := map[types.EntityType]kind{types.EntityTypeRole: roleKind, types.EntityTypeUser: userKind, types.EntityTypeGroup: groupKind}
		if k, ok := wanted[in.EntityFilter]; ok && e.Kind != k {
			return false
		}
		return strings.HasPrefix(e.Path, aws.ToString(in.PathPrefix))
	}))
	if err != nil {
		return nil, err
	}
	out := &api.ListEntitiesForPolicyOutput{
		PolicyGroups: []types.PolicyGroup{}, PolicyRoles: []types.PolicyRole{}, PolicyUsers: []types.PolicyUser{},
		IsTruncated: page.more, Marker: page.marker,
	}
	for _, e := range page.items {
		switch e.Kind {
		case roleKind:
			out.PolicyRoles = append(out.PolicyRoles, types.PolicyRole{RoleId: &e.ID, RoleName: &e.Name})
		case userKind:
			out.PolicyUsers = append(out.PolicyUsers, types.PolicyUser{UserId: &e.ID, UserName: &e.Name})
		default:
			out.PolicyGroups = append(out.PolicyGroups, types.PolicyGroup{GroupId: &e.ID, GroupName: &e.Name})
		}
	}
	return out, nil
}
