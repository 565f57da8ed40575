package iam

import (
	"slices"
	"strings"

	api "github.com/aws/aws-sdk-go-v2/service/iam"
	policy "github.com/mantle-iam/mantle/iam"
)

// Inline policies of roles, users and groups.

// search finds an inline policy; they are kept in the order of names.
func (e *entity) search(name string) (int, bool) {
	return slices.BinarySearchFunc(e.Inline, name, func(p inline, name string) int { return strings.Compare(p.Name, name) })
}

func (c *call) putInline(operation string, k kind, entityName, policyName, doc *string) error {
	var bad inputs
	field, limit := k.field()
	bad.name(field, entityName, limit)
	bad.name("policyName", policyName, maxLongName)
	if err := bad.result(); err != nil {
		return err
	}
	e, err := c.change(k, entityName)
	if err != nil {
		return err
	}
	used := 0 // by the policies that stay
	for _, other := range e.Inline {
		if other.Name != *policyName {
			used += size(other.Document)
		}
	}
	if err := c.document(policy.Identity, "policyDocument", doc, policy.ValidateOptions{Operation: operation, Used: used, Name: e.Name}); err != nil {
		return err
	}
	p := inline{Name: *policyName, Document: *doc}
	if i, ok := e.search(p.Name); ok {
		e.Inline[i] = p
	} else {
		e.Inline = slices.Insert(e.Inline, i, p)
	}
	c.save(e)
	return nil
}

func (c *call) getInline(k kind, entityName, policyName *string) (*entity, *inline, error) {
	var bad inputs
	bad.name("policyName", policyName, maxLongName)
	if err := bad.result(); err != nil {
		return nil, nil, err
	}
	e, err := c.named(k, entityName)
	if err != nil {
		return nil, nil, err
	}
	i, ok := e.search(*policyName)
	if !ok {
		return nil, nil, noSuchEntity("The %s policy with name %s cannot be found.", k, *policyName)
	}
	return e, &e.Inline[i], nil
}

func (c *call) listInline(k kind, entityName, marker *string, limit *int32) (page[string], error) {
	e, err := c.named(k, entityName)
	if err != nil {
		return page[string]{}, err
	}
	all := make([]string, len(e.Inline))
	for i, p := range e.Inline {
		all[i] = p.Name
	}
	p, err := paginate(marker, limit, sorted(all, func(s string) string { return s }))
	if p.items == nil {
		p.items = []string{} // an empty list, not an absent one
	}
	return p, err
}

func (c *call) deleteInline(k kind, entityName, policyName *string) error {
	var bad inputs
	bad.name("policyName", policyName, maxLongName)
	if err := bad.result(); err != nil {
		return err
	}
	e, err := c.change(k, entityName)
	if err != nil {
		return err
	}
	i, ok := e.search(*policyName)
	if !ok {
		return noSuchEntity("The %s policy with name %s cannot be found.", k, *policyName)
	}
	e.Inline = slices.Delete(e.Inline, i, i+1)
	c.save(e)
	return nil
}

func (c *call) putRolePolicy(in *api.PutRolePolicyInput) (*api.PutRolePolicyOutput, error) {
	if err := c.putInline("PutRolePolicy", roleKind, in.RoleName, in.PolicyName, in.PolicyDocument); err != nil {
		return nil, err
	}
	return &api.PutRolePolicyOutput{}, nil
}

func (c *call) putUserPolicy(in *api.PutUserPolicyInput) (*api.PutUserPolicyOutput, error) {
	if err := c.putInline("PutUserPolicy", userKind, in.UserName, in.PolicyName, in.PolicyDocument); err != nil {
		return nil, err
	}
	return &api.PutUserPolicyOutput{}, nil
}

func (c *call) putGroupPolicy(in *api.PutGroupPolicyInput) (*api.PutGroupPolicyOutput, error) {
	if err := c.putInline("PutGroupPolicy", groupKind, in.GroupName, in.PolicyName, in.PolicyDocument); err != nil {
		return nil, err
	}
	return &api.PutGroupPolicyOutput{}, nil
}

func (c *call) getRolePolicy(in *api.GetRolePolicyInput) (*api.GetRolePolicyOutput, error) {
	e, p, err := c.getInline(roleKind, in.RoleName, in.PolicyName)
	if err != nil {
		return nil, err
	}
	return &api.GetRolePolicyOutput{RoleName: &e.Name, PolicyName: &p.Name, PolicyDocument: encoded(p.Document)}, nil
}

func (c *call) getUserPolicy(in *api.GetUserPolicyInput) (*api.GetUserPolicyOutput, error) {
	e, p, err := c.getInline(userKind, in.UserName, in.PolicyName)
	if err != nil {
		return nil, err
	}
	return &api.GetUserPolicyOutput{UserName: &e.Name, PolicyName: &p.Name, PolicyDocument: encoded(p.Document)}, nil
}

func (c *call) getGroupPolicy(in *api.GetGroupPolicyInput) (*api.GetGroupPolicyOutput, error) {
	e, p, err := c.getInline(groupKind, in.GroupName, in.PolicyName)
	if err != nil {
		return nil, err
	}
	return &api.GetGroupPolicyOutput{GroupName: &e.Name, PolicyName: &p.Name, PolicyDocument: encoded(p.Document)}, nil
}

func (c *call) listRolePolicies(in *api.ListRolePoliciesInput) (*api.ListRolePoliciesOutput, error) {
	p, err := c.listInline(roleKind, in.RoleName, in.Marker, in.MaxItems)
	if err != nil {
		return nil, err
	}
	return &api.ListRolePoliciesOutput{PolicyNames: p.items, IsTruncated: p.more, Marker: p.marker}, nil
}

func (c *call) listUserPolicies(in *api.ListUserPoliciesInput) (*api.ListUserPoliciesOutput, error) {
	p, err := c.listInline(userKind, in.UserName, in.Marker, in.MaxItems)
	if err != nil {
		return nil, err
	}
	return &api.ListUserPoliciesOutput{PolicyNames: p.items, IsTruncated: p.more, Marker: p.marker}, nil
}

func (c *call) listGroupPolicies(in *api.ListGroupPoliciesInput) (*api.ListGroupPoliciesOutput, error) {
	p, err := c.listInline(groupKind, in.GroupName, in.Marker, in.MaxItems)
	if err != nil {
		return nil, err
	}
	return &api.ListGroupPoliciesOutput{PolicyNames: p.items, IsTruncated: p.more, Marker: p.marker}, nil
}

func (c *call) deleteRolePolicy(in *api.DeleteRolePolicyInput) (*api.DeleteRolePolicyOutput, error) {
	if err := c.deleteInline(roleKind, in.RoleName, in.PolicyName); err != nil {
		return nil, err
	}
	return &api.DeleteRolePolicyOutput{}, nil
}

func (c *call) deleteUserPolicy(in *api.DeleteUserPolicyInput) (*api.DeleteUserPolicyOutput, error) {
	if err := c.deleteInline(userKind, in.UserName, in.PolicyName); err != nil {
		return nil, err
	}
	return &api.DeleteUserPolicyOutput{}, nil
}

func (c *call) deleteGroupPolicy(in *api.DeleteGroupPolicyInput) (*api.DeleteGroupPolicyOutput, error) {
	if err := c.deleteInline(groupKind, in.GroupName, in.PolicyName); err != nil {
		return nil, err
	}
	return &api.DeleteGroupPolicyOutput{}, nil
}
