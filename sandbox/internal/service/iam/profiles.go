package iam

import (
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	api "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/mantle-iam/mantle/sandbox/internal/service"
)

// Instance profiles: https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_use_switch-role-ec2_instance-profiles.html

func (c *call) mayCreateInstanceProfile(in *api.CreateInstanceProfileInput) ([]service.Check, error) {
	return c.make(profileKind, in.Path, in.InstanceProfileName, in.Tags)
}

func (c *call) createInstanceProfile(in *api.CreateInstanceProfileInput) (*api.CreateInstanceProfileOutput, error) {
	var bad inputs
	bad.name("instanceProfileName", in.InstanceProfileName, maxLongName)
	bad.path("path", in.Path, profileKind)
	bad.tags(in.Tags)
	if err := bad.result(); err != nil {
		return nil, err
	}
	tags, err := mergeTags(nil, in.Tags, profileKind)
	if err != nil {
		return nil, err
	}
	name := nameKey(c.account(), profileKind, *in.InstanceProfileName)
	if names.Has(c.tx, name) {
		return nil, exists(profileKind, *in.InstanceProfileName)
	}
	if names.Count(c.tx, nameKeys(c.account(), profileKind)) >= c.quotas.InstanceProfiles {
		return nil, quotaExceeded("InstanceProfilesPerAccount", c.quotas.InstanceProfiles)
	}
	p := &profileRow{
		ID: c.NewID("AIPA", c.account()), Account: c.account(), Path: pathOf(in.Path),
		Name: *in.InstanceProfileName, Created: c.now(), Tags: tags,
	}
	profiles.Put(c.tx, p.ID, p)
	names.Put(c.tx, name, p.ID)
	return &api.CreateInstanceProfileOutput{InstanceProfile: new(c.profileView(p, true))}, nil
}

// profileView is an instance profile as answers show it; lists leave out the
// tags.
func (c *call) profileView(p *profileRow, full bool) types.InstanceProfile {
	v := types.InstanceProfile{
		Arn:                 new(c.profileARN(p)),
		InstanceProfileId:   &p.ID,
		InstanceProfileName: &p.Name,
		Path:                &p.Path,
		CreateDate:          &p.Created,
		Roles:               []types.Role{},
	}
	if e, ok := entities.Get(c.tx, p.Role); ok {
		v.Roles = append(v.Roles, c.roleView(e, false))
	}
	if full {
		v.Tags = tagViews(p.Tags)
	}
	return v
}

func (c *call) getInstanceProfile(in *api.GetInstanceProfileInput) (*api.GetInstanceProfileOutput, error) {
	p, err := c.profile(in.InstanceProfileName)
	if err != nil {
		return nil, err
	}
	return &api.GetInstanceProfileOutput{InstanceProfile: new(c.profileView(p, true))}, nil
}

func (c *call) profileViews(items []*profileRow) []types.InstanceProfile {
	out := []types.InstanceProfile{}
	for _, p := range items {
		out = append(out, c.profileView(p, false))
	}
	return out
}

// eachProfile yields the instance profiles of the account by name.
func (c *call) eachProfile(after string) seq[*profileRow] {
	return func(yield func(string, *profileRow) bool) {
		for name, id := range named(c.tx, c.account(), profileKind, after) {
			if p, ok := profiles.Get(c.tx, id); ok && !yield(name, p) {
				return
			}
		}
	}
}

func (c *call) listInstanceProfiles(in *api.ListInstanceProfilesInput) (*api.ListInstanceProfilesOutput, error) {
	var bad inputs
	if in.PathPrefix != nil {
		bad.pathPrefix(*in.PathPrefix)
	}
	if err := bad.result(); err != nil {
		return nil, err
	}
	page, err := paginate(in.Marker, in.MaxItems, where(c.eachProfile,
		func(p *profileRow) bool { return strings.HasPrefix(p.Path, aws.ToString(in.PathPrefix)) }))
	if err != nil {
		return nil, err
	}
	return &api.ListInstanceProfilesOutput{InstanceProfiles: c.profileViews(page.items), IsTruncated: page.more, Marker: page.marker}, nil
}

func (c *call) listInstanceProfilesForRole(in *api.ListInstanceProfilesForRoleInput) (*api.ListInstanceProfilesForRoleOutput, error) {
	e, err := c.named(roleKind, in.RoleName)
	if err != nil {
		return nil, err
	}
	page, err := paginate(in.Marker, in.MaxItems, sorted(c.profilesOf(e), func(p *profileRow) string { return strings.ToLower(p.Name) }))
	if err != nil {
		return nil, err
	}
	return &api.ListInstanceProfilesForRoleOutput{InstanceProfiles: c.profileViews(page.items), IsTruncated: page.more, Marker: page.marker}, nil
}

// mayAddRoleToInstanceProfile asks for the profile and for passing the role
// to EC2. https://docs.aws.amazon.com/IAM/latest/APIReference/API_AddRoleToInstanceProfile.html
func (c *call) mayAddRoleToInstanceProfile(in *api.AddRoleToInstanceProfileInput) ([]service.Check, error) {
	if err := checkName(roleKind, in.RoleName); err != nil {
		return nil, err
	}
	checks, err := onProfile(func(in *api.AddRoleToInstanceProfileInput) *string { return in.InstanceProfileName })(c, in)
	if err != nil {
		return nil, err
	}
	_, arn, tags := c.at(roleKind, *in.RoleName)
	return append(checks, service.Check{
		Action: "iam:PassRole", Resource: arn,
		Context: append(tags, kv(keyPassedTo, "ec2.amazonaws.com")),
	}), nil
}

func (c *call) addRoleToInstanceProfile(in *api.AddRoleToInstanceProfileInput) (*api.AddRoleToInstanceProfileOutput, error) {
	p, err := c.profile(in.InstanceProfileName)
	if err != nil {
		return nil, err
	}
	e, err := c.change(roleKind, in.RoleName)
	if err != nil {
		return nil, err
	}
	if p.Role != "" {
		return nil, quotaExceeded("InstanceSessionsPerInstanceProfile", rolesPerProfile)
	}
	p.Role = e.ID
	e.Profiles = append(e.Profiles, p.ID)
	profiles.Put(c.tx, p.ID, p)
	c.save(e)
	return &api.AddRoleToInstanceProfileOutput{}, nil
}

func (c *call) removeRoleFromInstanceProfile(in *api.RemoveRoleFromInstanceProfileInput) (*api.RemoveRoleFromInstanceProfileOutput, error) {
	p, err := c.profile(in.InstanceProfileName)
	if err != nil {
		return nil, err
	}
	e, err := c.change(roleKind, in.RoleName)
	if err != nil {
		return nil, err
	}
	if p.Role != e.ID {
		return nil, noSuchEntity("Role %s in instance profile %s cannot be found.", e.Name, p.Name)
	}
	p.Role = ""
	e.Profiles, _ = without(e.Profiles, p.ID)
	profiles.Put(c.tx, p.ID, p)
	c.save(e)
	return &api.RemoveRoleFromInstanceProfileOutput{}, nil
}

func (c *call) deleteInstanceProfile(in *api.DeleteInstanceProfileInput) (*api.DeleteInstanceProfileOutput, error) {
	p, err := c.profile(in.InstanceProfileName)
	if err != nil {
		return nil, err
	}
	if p.Role != "" {
		return nil, deleteConflict("Cannot delete entity, must remove roles from instance profile first.")
	}
	profiles.Delete(c.tx, p.ID)
	names.Delete(c.tx, nameKey(p.Account, profileKind, p.Name))
	return &api.DeleteInstanceProfileOutput{}, nil
}

// profilesOf are the instance profiles that a role is in, by name.
func (c *call) profilesOf(e *entity) []*profileRow {
	var out []*profileRow
	for _, id := range e.Profiles {
		if p, ok := profiles.Get(c.tx, id); ok {
			out = append(out, p)
		}
	}
	slices.SortFunc(out, func(a, b *profileRow) int { return strings.Compare(strings.ToLower(a.Name), strings.ToLower(b.Name)) })
	return out
}
