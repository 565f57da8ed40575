package iam

import (
	"slices"
	"strings"

	api "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/mantle-iam/mantle/sandbox/internal/service"
)

func creationOfGroup(in *api.CreateGroupInput) creation {
	return creation{kind: groupKind, path: in.Path, name: in.GroupName}
}

func (c *call) mayCreateGroup(in *api.CreateGroupInput) ([]service.Check, error) {
	return c.mayCreate(creationOfGroup(in))
}

func (c *call) createGroup(in *api.CreateGroupInput) (*api.CreateGroupOutput, error) {
	e, err := c.create(creationOfGroup(in), nil, nil)
	if err != nil {
		return nil, err
	}
	return &api.CreateGroupOutput{Group: new(c.groupView(e))}, nil
}

func (c *call) groupView(e *entity) types.Group {
	return types.Group{Arn: new(c.entityARN(e)), GroupId: &e.ID, GroupName: &e.Name, Path: &e.Path, CreateDate: &e.Created}
}

// memberKeys is the prefix of a group's rows in the members table.
func memberKeys(group string) string { return group + "/" }

func (c *call) getGroup(in *api.GetGroupInput) (*api.GetGroupOutput, error) {
	g, err := c.named(groupKind, in.GroupName)
	if err != nil {
		return nil, err
	}
	found := map[string]*entity{}
	prefix := memberKeys(g.ID)
	for key := range members.Range(c.tx, prefix) {
		if e, ok := entities.Get(c.tx, key[len(prefix):]); ok {
			found[e.ID] = e
		}
	}
	p, err := paginate(in.Marker, in.MaxItems, sorted(sortedEntities(found), entityKey))
	if err != nil {
		return nil, err
	}
	out := &api.GetGroupOutput{Group: new(c.groupView(g)), Users: []types.User{}, IsTruncated: p.more, Marker: p.marker}
	for _, e := range p.items {
		out.Users = append(out.Users, c.userView(e, false))
	}
	return out, nil
}

func (c *call) groupViews(items []*entity) []types.Group {
	out := []types.Group{}
	for _, e := range items {
		out = append(out, c.groupView(e))
	}
	return out
}

func (c *call) listGroups(in *api.ListGroupsInput) (*api.ListGroupsOutput, error) {
	p, err := c.entityPage(groupKind, in.PathPrefix, in.Marker, in.MaxItems)
	if err != nil {
		return nil, err
	}
	return &api.ListGroupsOutput{Groups: c.groupViews(p.items), IsTruncated: p.more, Marker: p.marker}, nil
}

func (c *call) mayUpdateGroup(in *api.UpdateGroupInput) ([]service.Check, error) {
	return c.mayRename(groupKind, in.GroupName, in.NewPath, in.NewGroupName)
}

func (c *call) updateGroup(in *api.UpdateGroupInput) (*api.UpdateGroupOutput, error) {
	if err := c.rename(groupKind, in.GroupName, in.NewPath, in.NewGroupName); err != nil {
		return nil, err
	}
	return &api.UpdateGroupOutput{}, nil
}

func (c *call) deleteGroup(in *api.DeleteGroupInput) (*api.DeleteGroupOutput, error) {
	e, err := c.change(groupKind, in.GroupName)
	if err != nil {
		return nil, err
	}
	switch {
	case members.Count(c.tx, memberKeys(e.ID)) > 0:
		return nil, deleteConflict("Cannot delete entity, must remove users from group first.")
	case len(e.Attached) > 0:
		return nil, deleteConflict("Cannot delete entity, must detach all policies first.")
	case len(e.Inline) > 0:
		return nil, deleteConflict("Cannot delete entity, must delete policies first.")
	}
	c.remove(e)
	return &api.DeleteGroupOutput{}, nil
}

func (c *call) addUserToGroup(in *api.AddUserToGroupInput) (*api.AddUserToGroupOutput, error) {
	g, err := c.named(groupKind, in.GroupName)
	if err != nil {
		return nil, err
	}
	u, err := c.change(userKind, in.UserName)
	if err != nil {
		return nil, err
	}
	if !slices.Contains(u.Groups, g.ID) { // adding twice is no error
		if len(u.Groups) >= c.quotas.GroupsPerUser {
			return nil, quotaExceeded("GroupsPerUser", c.quotas.GroupsPerUser)
		}
		c.join(u, g.ID)
		c.save(u)
	}
	return &api.AddUserToGroupOutput{}, nil
}

// join makes u, a clone, a member of a group.
func (c *call) join(u *entity, group string) {
	u.Groups = append(u.Groups, group)
	members.Put(c.tx, memberKeys(group)+u.ID, struct{}{})
}

func (c *call) removeUserFromGroup(in *api.RemoveUserFromGroupInput) (*api.RemoveUserFromGroupOutput, error) {
	g, err := c.named(groupKind, in.GroupName)
	if err != nil {
		return nil, err
	}
	u, err := c.change(userKind, in.UserName)
	if err != nil {
		return nil, err
	}
	rest, ok := without(u.Groups, g.ID)
	if !ok {
		return nil, noSuchEntity("User %s not in group %s", u.Name, g.Name)
	}
	u.Groups = rest
	members.Delete(c.tx, memberKeys(g.ID)+u.ID)
	c.save(u)
	return &api.RemoveUserFromGroupOutput{}, nil
}

func (c *call) groupsOf(u *entity) []*entity {
	var out []*entity
	for _, id := range u.Groups {
		if g, ok := entities.Get(c.tx, id); ok {
			out = append(out, g)
		}
	}
	slices.SortFunc(out, func(a, b *entity) int { return strings.Compare(entityKey(a), entityKey(b)) })
	return out
}

func (c *call) listGroupsForUser(in *api.ListGroupsForUserInput) (*api.ListGroupsForUserOutput, error) {
	u, err := c.named(userKind, in.UserName)
	if err != nil {
		return nil, err
	}
	p, err := paginate(in.Marker, in.MaxItems, sorted(c.groupsOf(u), entityKey))
	if err != nil {
		return nil, err
	}
	return &api.ListGroupsForUserOutput{Groups: c.groupViews(p.items), IsTruncated: p.more, Marker: p.marker}, nil
}
