package iam

import (
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	api "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
)

// Managed policies attached to roles, users and groups.

// attachable finds a managed policy that entities of the caller's account
// may use: one of the account, or one of AWS.
func (c *call) attachable(arn string) (*policyRow, bool) {
	p, ok := c.findPolicy(c.tx, arn)
	return p, ok && (p.Account == c.account() || p.Account == "aws")
}

func (c *call) attachQuota(k kind) (string, int) {
	switch k {
	case roleKind:
		return "PoliciesPerRole", c.quotas.PoliciesPerRole
	case userKind:
		return "PoliciesPerUser", c.quotas.PoliciesPerUser
	default:
		return "PoliciesPerGroup", c.quotas.PoliciesPerGroup
	}
}

func (c *call) attach(k kind, name, arn *string) error {
	var bad inputs
	bad.arn("policyArn", arn)
	if err := bad.result(); err != nil {
		return err
	}
	e, err := c.change(k, name)
	if err != nil {
		return err
	}
	p, ok := c.attachable(*arn)
	if !ok {
		return noSuchEntity("Policy %s does not exist or is not attachable.", *arn)
	}
	if p.Account == "aws" && strings.HasPrefix(p.Path, "/aws-service-role/") {
		return policyNotAttachable(*arn)
	}
	if slices.Contains(e.Attached, p.ARN) {
		return nil // attaching twice is no error
	}
	if quota, most := c.attachQuota(k); len(e.Attached) >= most {
		return quotaExceeded(quota, most)
	}
	c.link(e, p.ARN)
	c.save(e)
	return nil
}

// link attaches a managed policy to e, a clone.
func (c *call) link(e *entity, arn string) {
	e.Attached = append(e.Attached, arn)
	attachments.Put(c.tx, attachKey(e.Account, arn, attached, e.ID), struct{}{})
}

func (c *call) detach(k kind, name, arn *string) error {
	var bad inputs
	bad.arn("policyArn", arn)
	if err := bad.result(); err != nil {
		return err
	}
	e, err := c.change(k, name)
	if err != nil {
		return err
	}
	rest, ok := without(e.Attached, *arn)
	if !ok {
		return noSuchEntity("Policy %s was not found.", *arn)
	}
	e.Attached = rest
	attachments.Delete(c.tx, attachKey(e.Account, *arn, attached, e.ID))
	c.save(e)
	return nil
}

// attachedViews are the attached policies of e by name.
func attachedViews(e *entity) []types.AttachedPolicy {
	out := make([]types.AttachedPolicy, 0, len(e.Attached))
	for _, arn := range e.Attached {
		out = append(out, types.AttachedPolicy{PolicyArn: new(arn), PolicyName: new(arn[strings.LastIndexByte(arn, '/')+1:])})
	}
	slices.SortFunc(out, func(a, b types.AttachedPolicy) int { return strings.Compare(attachedKey(a), attachedKey(b)) })
	return out
}

// attachedKey orders attached policies: by name, and by ARN where an account
// has a policy with the name of one of AWS's.
func attachedKey(p types.AttachedPolicy) string { return *p.PolicyName + "\x00" + *p.PolicyArn }

func (c *call) listAttached(k kind, name, prefix, marker *string, limit *int32) (page[types.AttachedPolicy], error) {
	e, err := c.named(k, name)
	if err != nil {
		return page[types.AttachedPolicy]{}, err
	}
	views := slices.DeleteFunc(attachedViews(e), func(p types.AttachedPolicy) bool {
		_, resource, _ := splitPolicyARN(*p.PolicyArn)
		path := resource[:strings.LastIndexByte(resource, '/')+1]
		return !strings.HasPrefix(path, aws.ToString(prefix))
	})
	p, err := paginate(marker, limit, sorted(views, attachedKey))
	if p.items == nil {
		p.items = []types.AttachedPolicy{}
	}
	return p, err
}

func (c *call) attachRolePolicy(in *api.AttachRolePolicyInput) (*api.AttachRolePolicyOutput, error) {
	if err := c.attach(roleKind, in.RoleName, in.PolicyArn); err != nil {
		return nil, err
	}
	return &api.AttachRolePolicyOutput{}, nil
}

func (c *call) attachUserPolicy(in *api.AttachUserPolicyInput) (*api.AttachUserPolicyOutput, error) {
	if err := c.attach(userKind, in.UserName, in.PolicyArn); err != nil {
		return nil, err
	}
	return &api.AttachUserPolicyOutput{}, nil
}

func (c *call) attachGroupPolicy(in *api.AttachGroupPolicyInput) (*api.AttachGroupPolicyOutput, error) {
	if err := c.attach(groupKind, in.GroupName, in.PolicyArn); err != nil {
		return nil, err
	}
	return &api.AttachGroupPolicyOutput{}, nil
}

func (c *call) detachRolePolicy(in *api.DetachRolePolicyInput) (*api.DetachRolePolicyOutput, error) {
	if err := c.detach(roleKind, in.RoleName, in.PolicyArn); err != nil {
		return nil, err
	}
	return &api.DetachRolePolicyOutput{}, nil
}

func (c *call) detachUserPolicy(in *api.DetachUserPolicyInput) (*api.DetachUserPolicyOutput, error) {
	if err := c.detach(userKind, in.UserName, in.PolicyArn); err != nil {
		return nil, err
	}
	return &api.DetachUserPolicyOutput{}, nil
}

func (c *call) detachGroupPolicy(in *api.DetachGroupPolicyInput) (*api.DetachGroupPolicyOutput, error) {
	if err := c.detach(groupKind, in.GroupName, in.PolicyArn); err != nil {
		return nil, err
	}
	return &api.DetachGroupPolicyOutput{}, nil
}

func (c *call) listAttachedRolePolicies(in *api.ListAttachedRolePoliciesInput) (*api.ListAttachedRolePoliciesOutput, error) {
	p, err := c.listAttached(roleKind, in.RoleName, in.PathPrefix, in.Marker, in.MaxItems)
	if err != nil {
		return nil, err
	}
	return &api.ListAttachedRolePoliciesOutput{AttachedPolicies: p.items, IsTruncated: p.more, Marker: p.marker}, nil
}

func (c *call) listAttachedUserPolicies(in *api.ListAttachedUserPoliciesInput) (*api.ListAttachedUserPoliciesOutput, error) {
	p, err := c.listAttached(userKind, in.UserName, in.PathPrefix, in.Marker, in.MaxItems)
	if err != nil {
		return nil, err
	}
	return &api.ListAttachedUserPoliciesOutput{AttachedPolicies: p.items, IsTruncated: p.more, Marker: p.marker}, nil
}

func (c *call) listAttachedGroupPolicies(in *api.ListAttachedGroupPoliciesInput) (*api.ListAttachedGroupPoliciesOutput, error) {
	p, err := c.listAttached(groupKind, in.GroupName, in.PathPrefix, in.Marker, in.MaxItems)
	if err != nil {
		return nil, err
	}
	return &api.ListAttachedGroupPoliciesOutput{AttachedPolicies: p.items, IsTruncated: p.more, Marker: p.marker}, nil
}
