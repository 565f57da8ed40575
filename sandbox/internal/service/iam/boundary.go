package iam

import (
	api "github.com/aws/aws-sdk-go-v2/service/iam"
)

// setBoundary makes a managed policy the boundary of e, a clone.
func (c *call) setBoundary(e *entity, arn *string) error {
	var bad inputs
	bad.length("permissionsBoundary", arn, 20, 2048)
	if err := bad.result(); err != nil {
		return err
	}
	if _, _, ok := splitPolicyARN(*arn); !ok {
		return invalidInput("ARN %s is not valid.", *arn)
	}
	if _, ok := c.attachable(*arn); !ok {
		return noSuchEntity("Scope ARN: %s does not exist or is not attachable.", *arn)
	}
	c.clearBoundary(e)
	e.Boundary = *arn
	attachments.Put(c.tx, attachKey(e.Account, *arn, boundary, e.ID), struct{}{})
	return nil
}

// clearBoundary takes the boundary of e, a clone, away and tells whether
// there was one.
func (c *call) clearBoundary(e *entity) bool {
	if e.Boundary == "" {
		return false
	}
	attachments.Delete(c.tx, attachKey(e.Account, e.Boundary, boundary, e.ID))
	e.Boundary = ""
	return true
}

func (c *call) putBoundary(k kind, name, arn *string) error {
	e, err := c.change(k, name)
	if err != nil {
		return err
	}
	if err := c.setBoundary(e, arn); err != nil {
		return err
	}
	c.save(e)
	return nil
}

func (c *call) deleteBoundary(k kind, name *string) error {
	e, err := c.change(k, name)
	if err != nil {
		return err
	}
	if !c.clearBoundary(e) {
		return noSuchEntity("Permissions boundary for %s %s cannot be found.", k, e.Name)
	}
	c.save(e)
	return nil
}

func (c *call) putRolePermissionsBoundary(in *api.PutRolePermissionsBoundaryInput) (*api.PutRolePermissionsBoundaryOutput, error) {
	if err := c.putBoundary(roleKind, in.RoleName, in.PermissionsBoundary); err != nil {
		return nil, err
	}
	return &api.PutRolePermissionsBoundaryOutput{}, nil
}

func (c *call) deleteRolePermissionsBoundary(in *api.DeleteRolePermissionsBoundaryInput) (*api.DeleteRolePermissionsBoundaryOutput, error) {
	if err := c.deleteBoundary(roleKind, in.RoleName); err != nil {
		return nil, err
	}
	return &api.DeleteRolePermissionsBoundaryOutput{}, nil
}

func (c *call) putUserPermissionsBoundary(in *api.PutUserPermissionsBoundaryInput) (*api.PutUserPermissionsBoundaryOutput, error) {
	if err := c.putBoundary(userKind, in.UserName, in.PermissionsBoundary); err != nil {
		return nil, err
	}
	return &api.PutUserPermissionsBoundaryOutput{}, nil
}

func (c *call) deleteUserPermissionsBoundary(in *api.DeleteUserPermissionsBoundaryInput) (*api.DeleteUserPermissionsBoundaryOutput, error) {
	if err := c.deleteBoundary(userKind, in.UserName); err != nil {
		return nil, err
	}
	return &api.DeleteUserPermissionsBoundaryOutput{}, nil
}
