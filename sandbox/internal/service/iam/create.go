package iam

import (
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"github.com/mantle-iam/mantle/sandbox/internal/service"
)

// creation is what CreateUser, CreateRole and CreateGroup have in common.
type creation struct {
	kind       kind
	path, name *string
	boundary   *string
	tags       []types.Tag
}

// creature tells of a kind that can be created so what its name is called and
// how long it may be, how its ids begin, and its quota.
func (c *call) creature(k kind) (param string, longest int, prefix, quota string, most int) {
	switch k {
	case roleKind:
		return "roleName", maxName, "AROA", "RolesPerAccount", c.quotas.Roles
	case userKind:
		return "userName", maxName, "AIDA", "UsersPerAccount", c.quotas.Users
	}
	return "groupName", maxLongName, "AGPA", "GroupsPerAccount", c.quotas.Groups
}

// mayCreate are the checks of a creation.
func (c *call) mayCreate(n creation) ([]service.Check, error) {
	var keys []service.KV
	if n.boundary != nil {
		keys = append(keys, kv(keyBoundary, *n.boundary))
	}
	return c.make(n.kind, n.path, n.name, n.tags, keys...)
}

// create makes an entity and stores it. more checks the parameters that its
// kind alone has, and fill adds what comes of them; both may be nil.
func (c *call) create(n creation, more func(*inputs), fill func(*entity) error) (*entity, error) {
	param, longest, prefix, quota, most := c.creature(n.kind)
	var bad inputs
	bad.name(param, n.name, longest)
	bad.path("path", n.path, n.kind)
	if more != nil {
		more(&bad)
	}
	bad.tags(n.tags)
	if err := bad.result(); err != nil {
		return nil, err
	}
	tags, err := mergeTags(nil, n.tags, n.kind)
	if err != nil {
		return nil, err
	}
	if names.Has(c.tx, nameKey(c.account(), n.kind, *n.name)) {
		return nil, exists(n.kind, *n.name)
	}
	e := &entity{
		Kind: n.kind, ID: c.NewID(prefix, c.account()), Account: c.account(),
		Path: pathOf(n.path), Name: *n.name, Created: c.now(), Tags: tags,
	}
	if fill != nil {
		if err := fill(e); err != nil {
			return nil, err
		}
	}
	if names.Count(c.tx, nameKeys(c.account(), n.kind)) >= most {
		return nil, quotaExceeded(quota, most)
	}
	if n.boundary != nil {
		if err := c.setBoundary(e, n.boundary); err != nil {
			return nil, err
		}
	}
	c.add(e)
	return e, nil
}

func pathOf(path *string) string {
	if path == nil {
		return "/"
	}
	return *path
}
