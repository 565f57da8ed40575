package iam

import (
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/aws"
	api "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	policy "github.com/mantle-iam/mantle/iam"
	"github.com/mantle-iam/mantle/sandbox/internal/service"
)

func creationOfRole(in *api.CreateRoleInput) creation {
	return creation{roleKind, in.Path, in.RoleName, in.PermissionsBoundary, in.Tags}
}

func (c *call) mayCreateRole(in *api.CreateRoleInput) ([]service.Check, error) {
	return c.mayCreate(creationOfRole(in))
}

func (c *call) createRole(in *api.CreateRoleInput) (*api.CreateRoleOutput, error) {
	e, err := c.create(creationOfRole(in), func(bad *inputs) {
		bad.description(in.Description)
		bad.maxSession(in.MaxSessionDuration)
	}, func(e *entity) (err error) {
		e.Description, e.MaxSession = aws.ToString(in.Description), defaultSessionSecs
		if in.MaxSessionDuration != nil {
			e.MaxSession = *in.MaxSessionDuration
		}
		e.Trust, err = c.trust("CreateRole", "assumeRolePolicyDocument", in.AssumeRolePolicyDocument)
		return err
	})
	if err != nil {
		return nil, err
	}
	role := c.roleView(e, true)
	return &api.CreateRoleOutput{Role: &role}, nil
}

// add stores a new entity and its name.
func (c *call) add(e *entity) {
	entities.Put(c.tx, e.ID, e)
	names.Put(c.tx, nameKey(e.Account, e.Kind, e.Name), e.ID)
}

// remove deletes an entity and its name.
func (c *call) remove(e *entity) {
	entities.Delete(c.tx, e.ID)
	names.Delete(c.tx, nameKey(e.Account, e.Kind, e.Name))
	c.cache.forget(e.ID)
}

// trust checks a trust policy and returns it as it is stored.
func (c *call) trust(operation, field string, doc *string) (string, error) {
	if err := c.document(policy.Trust, field, doc, policy.ValidateOptions{Operation: operation}); err != nil {
		return "", err
	}
	stored, err := c.storePrincipals(c.tx, []byte(*doc))
	if err != nil {
		return "", err
	}
	return string(stored), nil
}

func (in *inputs) description(d *string) {
	if d != nil && utf8.RuneCountInString(*d) > 1000 {
		in.constraint("description", *d, "Member must have length less than or equal to 1000")
	}
}

func (in *inputs) maxSession(seconds *int32) {
	switch {
	case seconds == nil:
	case *seconds < 3600:
		in.constraint("maxSessionDuration", strconv.Itoa(int(*seconds)), "Member must have value greater than or equal to 3600")
	case *seconds > 43200:
		in.constraint("maxSessionDuration", strconv.Itoa(int(*seconds)), "Member must have value less than or equal to 43200")
	}
}

// roleView is a role as answers show it; lists leave out what full adds.
func (c *call) roleView(e *entity, full bool) types.Role {
	r := types.Role{
		Arn:                      new(c.entityARN(e)),
		RoleId:                   &e.ID,
		RoleName:                 &e.Name,
		Path:                     &e.Path,
		CreateDate:               &e.Created,
		AssumeRolePolicyDocument: encoded(c.showPrincipals(c.tx, e.Trust)),
		MaxSessionDuration:       new(max(e.MaxSession, defaultSessionSecs)),
	}
	if e.Description != "" {
		r.Description = &e.Description
	}
	if full {
		r.PermissionsBoundary = boundaryView(e)
		r.Tags = tagViews(e.Tags)
	}
	return r
}

func boundaryView(e *entity) *types.AttachedPermissionsBoundary {
	if e.Boundary == "" {
		return nil
	}
	return &types.AttachedPermissionsBoundary{
		PermissionsBoundaryArn:  &e.Boundary,
		PermissionsBoundaryType: types.PermissionsBoundaryAttachmentTypePolicy,
	}
}

func (c *call) getRole(in *api.GetRoleInput) (*api.GetRoleOutput, error) {
	e, err := c.named(roleKind, in.RoleName)
	if err != nil {
		return nil, err
	}
	role := c.roleView(e, true)
	role.RoleLastUsed = c.used.role(e.ID)
	return &api.GetRoleOutput{Role: &role}, nil
}

// entityPage is one page of the roles, users or groups under a path.
func (c *call) entityPage(k kind, prefix, marker *string, limit *int32) (page[*entity], error) {
	var bad inputs
	if prefix != nil {
		bad.pathPrefix(*prefix)
	}
	if err := bad.result(); err != nil {
		return page[*entity]{}, err
	}
	return paginate(marker, limit, where(
		func(after string) seq[*entity] { return each(c.tx, c.account(), k, after) },
		func(e *entity) bool { return strings.HasPrefix(e.Path, aws.ToString(prefix)) }))
}

// pathPrefix checks a PathPrefix, which need not end with a slash.
func (in *inputs) pathPrefix(p string) {
	if in.length("pathPrefix", &p, 1, 512) && !strings.HasPrefix(p, "/") {
		in.err = validationError("The specified value for pathPrefix is invalid. It must begin with / and contain only alphanumeric characters and/or / characters.")
	}
}

func (c *call) listRoles(in *api.ListRolesInput) (*api.ListRolesOutput, error) {
	p, err := c.entityPage(roleKind, in.PathPrefix, in.Marker, in.MaxItems)
	if err != nil {
		return nil, err
	}
	out := &api.ListRolesOutput{Roles: []types.Role{}, IsTruncated: p.more, Marker: p.marker}
	for _, e := range p.items {
		out.Roles = append(out.Roles, c.roleView(e, false))
	}
	return out, nil
}

func (c *call) updateRole(in *api.UpdateRoleInput) (*api.UpdateRoleOutput, error) {
	var bad inputs
	bad.description(in.Description)
	bad.maxSession(in.MaxSessionDuration)
	if err := bad.result(); err != nil {
		return nil, err
	}
	e, err := c.change(roleKind, in.RoleName)
	if err != nil {
		return nil, err
	}
	if in.Description != nil {
		e.Description = *in.Description
	}
	if in.MaxSessionDuration != nil {
		e.MaxSession = *in.MaxSessionDuration
	}
	c.save(e)
	return &api.UpdateRoleOutput{}, nil
}

// updateRoleDescription is the one change that service-linked roles allow.
func (c *call) updateRoleDescription(in *api.UpdateRoleDescriptionInput) (*api.UpdateRoleDescriptionOutput, error) {
	var bad inputs
	bad.length("description", in.Description, 0, 1000)
	if err := bad.result(); err != nil {
		return nil, err
	}
	found, err := c.named(roleKind, in.RoleName)
	if err != nil {
		return nil, err
	}
	e := found.clone()
	e.Description = *in.Description
	c.save(e)
	role := c.roleView(e, true)
	return &api.UpdateRoleDescriptionOutput{Role: &role}, nil
}

func (c *call) updateAssumeRolePolicy(in *api.UpdateAssumeRolePolicyInput) (*api.UpdateAssumeRolePolicyOutput, error) {
	e, err := c.change(roleKind, in.RoleName)
	if err != nil {
		return nil, err
	}
	if e.Trust, err = c.trust("UpdateAssumeRolePolicy", "policyDocument", in.PolicyDocument); err != nil {
		return nil, err
	}
	c.save(e)
	return &api.UpdateAssumeRolePolicyOutput{}, nil
}

func (c *call) deleteRole(in *api.DeleteRoleInput) (*api.DeleteRoleOutput, error) {
	e, err := c.change(roleKind, in.RoleName)
	if err != nil {
		return nil, err
	}
	switch {
	case len(e.Profiles) > 0:
		return nil, deleteConflict("Cannot delete entity, must remove roles from instance profile first.")
	case len(e.Attached) > 0:
		return nil, deleteConflict("Cannot delete entity, must detach all policies first.")
	case len(e.Inline) > 0:
		return nil, deleteConflict("Cannot delete entity, must delete policies first.")
	}
	c.clearBoundary(e)
	c.remove(e)
	return &api.DeleteRoleOutput{}, nil
}

// without returns list without the first s, and whether s was there.
func without(list []string, s string) ([]string, bool) {
	i := slices.Index(list, s)
	if i < 0 {
		return list, false
	}
	return slices.Delete(list, i, i+1), true
}
