package iam

import (
	"sync"
	"time"

	api "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/mantle-iam/mantle/sandbox/internal/service"
	"github.com/mantle-iam/mantle/sandbox/internal/wire"
)

// holder is who has access keys: a user, or an account's root user.
type holder struct {
	user *entity     // nil for the root user
	root *accountRow // nil for a user
}

// holder finds the user that a parameter names, or the caller.
func (c *call) holder(name *string) (holder, error) {
	u, err := c.user(name)
	if err != nil || u != nil {
		return holder{user: u}, err
	}
	a, ok := accounts.Get(c.tx, c.account())
	if !ok {
		return holder{}, noSuchEntity("The account %s cannot be found.", c.account())
	}
	return holder{root: a}, nil
}

func (h holder) keys() []string {
	if h.user != nil {
		return h.user.Keys
	}
	return h.root.Keys
}

// name is what answers show: the user's, none for the root user.
func (h holder) name() *string {
	if h.user != nil {
		return &h.user.Name
	}
	return nil
}

// withKeys stores another list of keys.
func (c *call) withKeys(h holder, list []string) {
	if h.user != nil {
		u := h.user.clone()
		u.Keys = list
		c.save(u)
		return
	}
	a := *h.root
	a.Keys = list
	accounts.Put(c.tx, a.ID, &a)
}

func (c *call) createAccessKey(in *api.CreateAccessKeyInput) (*api.CreateAccessKeyOutput, error) {
	h, err := c.holder(in.UserName)
	if err != nil {
		return nil, err
	}
	if len(h.keys()) >= c.quotas.AccessKeysPerUser {
		return nil, quotaExceeded("AccessKeysPerUser", c.quotas.AccessKeysPerUser)
	}
	k := &keyRow{ID: c.NewID("AKIA", c.account()), Secret: newSecret(), Account: c.account(), Active: true, Created: c.now()}
	if h.user != nil {
		k.User = h.user.ID
	}
	keys.Put(c.tx, k.ID, k)
	c.withKeys(h, append(append([]string(nil), h.keys()...), k.ID))
	return &api.CreateAccessKeyOutput{AccessKey: &types.AccessKey{
		UserName: h.name(), AccessKeyId: &k.ID, SecretAccessKey: &k.Secret, Status: types.StatusTypeActive, CreateDate: &k.Created,
	}}, nil
}

func (k *keyRow) status() types.StatusType {
	if k.Active {
		return types.StatusTypeActive
	}
	return types.StatusTypeInactive
}

func (c *call) listAccessKeys(in *api.ListAccessKeysInput) (*api.ListAccessKeysOutput, error) {
	h, err := c.holder(in.UserName)
	if err != nil {
		return nil, err
	}
	out := &api.ListAccessKeysOutput{AccessKeyMetadata: []types.AccessKeyMetadata{}}
	for _, id := range h.keys() {
		if k, ok := keys.Get(c.tx, id); ok {
			out.AccessKeyMetadata = append(out.AccessKeyMetadata, types.AccessKeyMetadata{
				UserName: h.name(), AccessKeyId: &k.ID, Status: k.status(), CreateDate: &k.Created,
			})
		}
	}
	return out, nil
}

// key finds one of the holder's keys.
func (c *call) key(h holder, id *string) (*keyRow, error) {
	var bad inputs
	bad.length("accessKeyId", id, 16, 128)
	if err := bad.result(); err != nil {
		return nil, err
	}
	for _, have := range h.keys() {
		if k, ok := keys.Get(c.tx, have); ok && have == *id {
			return k, nil
		}
	}
	return nil, noSuchEntity("The Access Key with id %s cannot be found", *id)
}

func (c *call) updateAccessKey(in *api.UpdateAccessKeyInput) (*api.UpdateAccessKeyOutput, error) {
	if in.Status != types.StatusTypeActive && in.Status != types.StatusTypeInactive {
		var bad inputs
		bad.constraint("status", string(in.Status), "Member must satisfy enum value set: [Active, Inactive]")
		return nil, bad.result()
	}
	h, err := c.holder(in.UserName)
	if err != nil {
		return nil, err
	}
	k, err := c.key(h, in.AccessKeyId)
	if err != nil {
		return nil, err
	}
	changed := *k
	changed.Active = in.Status == types.StatusTypeActive
	keys.Put(c.tx, k.ID, &changed)
	return &api.UpdateAccessKeyOutput{}, nil
}

func (c *call) deleteAccessKey(in *api.DeleteAccessKeyInput) (*api.DeleteAccessKeyOutput, error) {
	h, err := c.holder(in.UserName)
	if err != nil {
		return nil, err
	}
	k, err := c.key(h, in.AccessKeyId)
	if err != nil {
		return nil, err
	}
	keys.Delete(c.tx, k.ID)
	rest, _ := without(append([]string(nil), h.keys()...), k.ID)
	c.withKeys(h, rest)
	return &api.DeleteAccessKeyOutput{}, nil
}

// mayGetAccessKeyLastUsed asks at the user who holds the key.
func (c *call) mayGetAccessKeyLastUsed(in *api.GetAccessKeyLastUsedInput) ([]service.Check, error) {
	var bad inputs
	bad.length("accessKeyId", in.AccessKeyId, 16, 128)
	if err := bad.result(); err != nil {
		return nil, err
	}
	k, ok := keys.Get(c.tx, *in.AccessKeyId)
	if !ok || k.Account != c.account() {
		return c.one(c.arn(c.account(), userKind, "/", "*")), nil
	}
	if u, ok := entities.Get(c.tx, k.User); ok {
		return c.one(c.entityARN(u), resourceTags(userKind, u.Tags)...), nil
	}
	return c.one(c.rootARN(c.account())), nil
}

func (c *call) getAccessKeyLastUsed(in *api.GetAccessKeyLastUsedInput) (*api.GetAccessKeyLastUsedOutput, error) {
	k, ok := keys.Get(c.tx, *in.AccessKeyId)
	if !ok || k.Account != c.account() {
		// AWS answers so for keys of other accounts too, not NoSuchEntity.
		return nil, wire.Fail("AccessDenied", 403, "User: %s is not authorized to perform: iam:GetAccessKeyLastUsed on resource: access key %s", c.req.Caller.ARN, *in.AccessKeyId)
	}
	out := &api.GetAccessKeyLastUsedOutput{AccessKeyLastUsed: c.used.key(k.ID)}
	if u, ok := entities.Get(c.tx, k.User); ok {
		out.UserName = &u.Name
	}
	return out, nil
}

// lastUsed remembers, in memory only, when access keys and roles were used.
type lastUsed struct {
	mu sync.Mutex // guards the fields below
	by map[string]usage
}

type usage struct {
	when            time.Time
	service, region string
}

// Touch notes that an access key, or the role with a unique id, was used for
// a service in a region. The notes live as long as the process.
func (s *IAM) Touch(id, service, region string, when time.Time) {
	s.used.mu.Lock()
	defer s.used.mu.Unlock()
	if s.used.by == nil {
		s.used.by = map[string]usage{}
	}
	s.used.by[id] = usage{when.UTC().Truncate(time.Second), service, region}
}

func (u *lastUsed) get(id string) (usage, bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	got, ok := u.by[id]
	return got, ok
}

// key is a key's last use; AWS writes N/A for a key that was never used.
func (u *lastUsed) key(id string) *types.AccessKeyLastUsed {
	got, ok := u.get(id)
	if !ok {
		return &types.AccessKeyLastUsed{ServiceName: new("N/A"), Region: new("N/A")}
	}
	return &types.AccessKeyLastUsed{LastUsedDate: &got.when, ServiceName: &got.service, Region: &got.region}
}

// role is a role's last use, an empty element for a role never used.
func (u *lastUsed) role(id string) *types.RoleLastUsed {
	got, ok := u.get(id)
	if !ok {
		return &types.RoleLastUsed{}
	}
	return &types.RoleLastUsed{LastUsedDate: &got.when, Region: &got.region}
}
