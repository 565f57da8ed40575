package iam

import (
	"slices"
	"strings"

	api "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	policy "github.com/mantle-iam/mantle/iam"
	"github.com/mantle-iam/mantle/sandbox/internal/service"
)

func creationOfUser(in *api.CreateUserInput) creation {
	return creation{userKind, in.Path, in.UserName, in.PermissionsBoundary, in.Tags}
}

func (c *call) mayCreateUser(in *api.CreateUserInput) ([]service.Check, error) {
	return c.mayCreate(creationOfUser(in))
}

func (c *call) createUser(in *api.CreateUserInput) (*api.CreateUserOutput, error) {
	e, err := c.create(creationOfUser(in), nil, nil)
	if err != nil {
		return nil, err
	}
	return &api.CreateUserOutput{User: new(c.userView(e, true))}, nil
}

// userView is a user as answers show it; lists leave out what full adds.
func (c *call) userView(e *entity, full bool) types.User {
	u := types.User{Arn: new(c.entityARN(e)), UserId: &e.ID, UserName: &e.Name, Path: &e.Path, CreateDate: &e.Created}
	if full {
		u.PermissionsBoundary = boundaryView(e)
		u.Tags = tagViews(e.Tags)
	}
	return u
}

// self is the caller's own user, nil for the root user.
func (c *call) self() (*entity, error) {
	switch c.req.Caller.Type {
	case policy.Root:
		return nil, nil
	case policy.User:
		if e, ok := entities.Get(c.tx, c.req.Caller.ID); ok {
			return e, nil
		}
		return nil, missing(userKind, c.req.Caller.Name)
	}
	return nil, validationError("Must specify userName when calling with non-User credentials")
}

// user finds the user that a parameter names, or the caller's own.
func (c *call) user(name *string) (*entity, error) {
	if name == nil {
		return c.self()
	}
	return c.named(userKind, name)
}

func (c *call) getUser(in *api.GetUserInput) (*api.GetUserOutput, error) {
	e, err := c.user(in.UserName)
	if err != nil {
		return nil, err
	}
	if e != nil {
		return &api.GetUserOutput{User: new(c.userView(e, true))}, nil
	}
	// The root user has no name and no path; AWS shows the account.
	a, ok := accounts.Get(c.tx, c.account())
	if !ok {
		return nil, noSuchEntity("The account %s cannot be found.", c.account())
	}
	name := a.Alias
	if name == "" {
		name = a.ID
	}
	return &api.GetUserOutput{User: &types.User{
		Arn: new(c.rootARN(a.ID)), UserId: &a.ID, UserName: &name, Path: new("/"), CreateDate: &a.Created,
	}}, nil
}

func (s *IAM) rootARN(account string) string {
	return "arn:" + s.partition + ":iam::" + account + ":root"
}

func (c *call) listUsers(in *api.ListUsersInput) (*api.ListUsersOutput, error) {
	p, err := c.entityPage(userKind, in.PathPrefix, in.Marker, in.MaxItems)
	if err != nil {
		return nil, err
	}
	out := &api.ListUsersOutput{Users: []types.User{}, IsTruncated: p.more, Marker: p.marker}
	for _, e := range p.items {
		out.Users = append(out.Users, c.userView(e, false))
	}
	return out, nil
}

// mayRename asks for a change at the present ARN and at the one that a new
// path or name makes.
func (c *call) mayRename(k kind, name, newPath, newName *string) ([]service.Check, error) {
	var bad inputs
	field, limit := k.field()
	bad.name(field, name, limit)
	if newName != nil {
		bad.name("new"+strings.ToUpper(field[:1])+field[1:], newName, limit)
	}
	bad.path("newPath", newPath, k)
	if err := bad.result(); err != nil {
		return nil, err
	}
	e, arn, tags := c.at(k, *name)
	checks := c.one(arn, tags...)
	path, to := "/", *name
	if e != nil {
		path, to = e.Path, e.Name
	}
	if newPath != nil {
		path = *newPath
	}
	if newName != nil {
		to = *newName
	}
	if target := c.arn(c.account(), k, path, to); target != arn {
		checks = append(checks, c.one(target, tags...)...)
	}
	return checks, nil
}

func (c *call) mayUpdateUser(in *api.UpdateUserInput) ([]service.Check, error) {
	return c.mayRename(userKind, in.UserName, in.NewPath, in.NewUserName)
}

func (c *call) updateUser(in *api.UpdateUserInput) (*api.UpdateUserOutput, error) {
	if err := c.rename(userKind, in.UserName, in.NewPath, in.NewUserName); err != nil {
		return nil, err
	}
	return &api.UpdateUserOutput{}, nil
}

// rename moves a user or group; its id, and all that refers to it, stays.
func (c *call) rename(k kind, name, newPath, newName *string) error {
	var bad inputs
	_, limit := k.field()
	if newName != nil {
		bad.name("newName", newName, limit)
	}
	bad.path("newPath", newPath, k)
	if err := bad.result(); err != nil {
		return err
	}
	e, err := c.change(k, name)
	if err != nil {
		return err
	}
	if newPath != nil {
		e.Path = *newPath
	}
	if newName != nil {
		if id, ok := names.Get(c.tx, nameKey(e.Account, k, *newName)); ok && id != e.ID {
			return exists(k, *newName)
		}
		names.Delete(c.tx, nameKey(e.Account, k, e.Name))
		e.Name = *newName
		names.Put(c.tx, nameKey(e.Account, k, e.Name), e.ID)
	}
	c.save(e)
	return nil
}

func (c *call) deleteUser(in *api.DeleteUserInput) (*api.DeleteUserOutput, error) {
	e, err := c.change(userKind, in.UserName)
	if err != nil {
		return nil, err
	}
	switch {
	case len(e.Keys) > 0:
		return nil, deleteConflict("Cannot delete entity, must delete access keys first.")
	case len(e.Groups) > 0:
		return nil, deleteConflict("Cannot delete entity, must remove users from group first.")
	case len(e.Attached) > 0:
		return nil, deleteConflict("Cannot delete entity, must detach all policies first.")
	case len(e.Inline) > 0:
		return nil, deleteConflict("Cannot delete entity, must delete policies first.")
	}
	c.clearBoundary(e)
	c.remove(e)
	return &api.DeleteUserOutput{}, nil
}

// sortedEntities puts entities in the order of entityKey.
func sortedEntities(m map[string]*entity) []*entity {
	out := make([]*entity, 0, len(m))
	for _, e := range m {
		out = append(out, e)
	}
	slices.SortFunc(out, func(a, b *entity) int { return strings.Compare(entityKey(a), entityKey(b)) })
	return out
}

// entityKey orders entities of several kinds: by kind, then by name.
func entityKey(e *entity) string { return string(e.Kind) + "/" + strings.ToLower(e.Name) }

// What users of the sandbox do not have: passwords, SSH keys, MFA devices,
// signing certificates and service-specific credentials. Clients that clean
// a user up before deleting it ask for all of them.

func (c *call) getLoginProfile(in *api.GetLoginProfileInput) (*api.GetLoginProfileOutput, error) {
	return nil, c.noLoginProfile(in.UserName)
}

func (c *call) deleteLoginProfile(in *api.DeleteLoginProfileInput) (*api.DeleteLoginProfileOutput, error) {
	return nil, c.noLoginProfile(in.UserName)
}

func (c *call) noLoginProfile(name *string) error {
	e, err := c.user(name)
	switch {
	case err != nil:
		return err
	case e == nil:
		return validationError("Must specify userName when calling with non-User credentials")
	}
	return noSuchEntity("Login Profile for User %s cannot be found.", e.Name)
}

func (c *call) listSSHPublicKeys(in *api.ListSSHPublicKeysInput) (*api.ListSSHPublicKeysOutput, error) {
	if _, err := c.user(in.UserName); err != nil {
		return nil, err
	}
	return &api.ListSSHPublicKeysOutput{SSHPublicKeys: []types.SSHPublicKeyMetadata{}}, nil
}

func (c *call) listMFADevices(in *api.ListMFADevicesInput) (*api.ListMFADevicesOutput, error) {
	if _, err := c.user(in.UserName); err != nil {
		return nil, err
	}
	return &api.ListMFADevicesOutput{MFADevices: []types.MFADevice{}}, nil
}

func (c *call) listVirtualMFADevices(*api.ListVirtualMFADevicesInput) (*api.ListVirtualMFADevicesOutput, error) {
	return &api.ListVirtualMFADevicesOutput{VirtualMFADevices: []types.VirtualMFADevice{}}, nil
}

func (c *call) listSigningCertificates(in *api.ListSigningCertificatesInput) (*api.ListSigningCertificatesOutput, error) {
	if _, err := c.user(in.UserName); err != nil {
		return nil, err
	}
	return &api.ListSigningCertificatesOutput{Certificates: []types.SigningCertificate{}}, nil
}

func (c *call) listServiceSpecificCredentials(in *api.ListServiceSpecificCredentialsInput) (*api.ListServiceSpecificCredentialsOutput, error) {
	if _, err := c.user(in.UserName); err != nil {
		return nil, err
	}
	return &api.ListServiceSpecificCredentialsOutput{ServiceSpecificCredentials: []types.ServiceSpecificCredentialMetadata{}}, nil
}
