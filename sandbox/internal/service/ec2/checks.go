package ec2

import (
	"maps"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/mantle-iam/mantle/sandbox/internal/service"
	"github.com/mantle-iam/mantle/sandbox/internal/wire"
)

// The permissions of the API: "Actions, resources, and condition keys for
// Amazon EC2",
// https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonec2.html.
// A call is checked once for each resource that it touches. A resource that
// does not exist is checked at the ARN it would have, and one that the call
// makes at TYPE/*.

func kv(key string, values ...string) service.KV { return service.KV{Key: key, Values: values} }

// arn is the ARN of a resource. Images belong to no account.
func (c *call) arn(n noun, id string) string {
	account := c.account
	if n == imageNoun {
		account = ""
	}
	return "arn:" + c.partition + ":ec2:" + c.region + ":" + account + ":" + n.arn + "/" + id
}

// check is the permission for the call's own action on a resource, with the
// keys that the resource has and those that are added.
func (c *call) check(n noun, id string, keys ...service.KV) service.Check {
	return c.may("ec2:"+c.op, c.arn(n, c.arnID(n, id)), append(c.keysOf(n, id), keys...)...)
}

// arnID is how the ARN of a resource ends: in its id, but for key pairs in
// their name.
func (c *call) arnID(n noun, id string) string {
	if k, ok := c.keyPair(id, ""); n == keyNoun && ok {
		return k.Name
	}
	return id
}

// may is the permission for an action of EC2.
func (c *call) may(action, resource string, keys ...service.KV) service.Check {
	return service.Check{
		Action: action, Resource: resource,
		Context: append(keys, kv("ec2:Region", c.region)),
		Denied:  denied,
	}
}

// denied words a refusal. https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/security_iam_troubleshoot.html
// The message ends in the sealed reason where the server gives it one.
func denied(message string) *wire.Error {
	return wire.Fail("UnauthorizedOperation", 403, "You are not authorized to perform this operation. %s", message)
}

// onAll checks an action that has no resource-level permissions.
func onAll[In any](c *call, _ *In) ([]service.Check, error) {
	return []service.Check{c.may("ec2:"+c.op, "*")}, nil
}

// on checks the resource that a parameter names.
func on[In any](n noun, id func(*In) *string, more ...func(*In) []service.KV) checker[In] {
	return func(c *call, in *In) ([]service.Check, error) {
		var keys []service.KV
		for _, add := range more {
			keys = append(keys, add(in)...)
		}
		return []service.Check{c.check(n, aws.ToString(id(in)), keys...)}, nil
	}
}

// onEach checks each resource that a parameter lists.
func onEach[In any](n noun, ids func(*In) []string) checker[In] {
	return func(c *call, in *In) ([]service.Check, error) {
		var out []service.Check
		for _, id := range ids(in) {
			out = append(out, c.check(n, id))
		}
		return out, nil
	}
}

// both joins the checks of two resources.
func both[In any](a, b checker[In]) checker[In] {
	return func(c *call, in *In) ([]service.Check, error) {
		out, err := a(c, in)
		if err != nil {
			return nil, err
		}
		more, err := b(c, in)
		return append(out, more...), err
	}
}

// making checks the creation of a resource, with its tags; the tags need
// ec2:CreateTags as well.
func making[In any](n noun, specs func(*In) []types.TagSpecification) checker[In] {
	return func(c *call, in *In) ([]service.Check, error) {
		tags, err := specified(specs(in), types.ResourceType(n.arn))
		if err != nil {
			return nil, err
		}
		out := []service.Check{c.may("ec2:"+c.op, c.arn(n, "*"), requestTags(tags)...)}
		return append(out, c.tagging(n, "*", tags)...), nil
	}
}

// tagging is the permission to tag a resource while it is made; nothing if
// there are no tags.
func (c *call) tagging(n noun, id string, tags []types.Tag) []service.Check {
	if len(tags) == 0 {
		return nil
	}
	return []service.Check{c.may("ec2:CreateTags", c.arn(n, id), append(requestTags(tags), kv("ec2:CreateAction", c.op))...)}
}

// passing is the permission to hand the role of an instance profile to EC2;
// nothing if the profile has no role.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_use_passrole.html
func (c *call) passing(p Profile, instance string) []service.Check {
	if p.RoleARN == "" {
		return nil
	}
	keys := []service.KV{kv("iam:PassedToService", "ec2.amazonaws.com"), kv("iam:AssociatedResourceArn", c.arn(instanceNoun, instance))}
	for _, k := range slices.Sorted(maps.Keys(p.RoleTags)) {
		keys = append(keys, kv("aws:ResourceTag/"+k, p.RoleTags[k]), kv("iam:ResourceTag/"+k, p.RoleTags[k]))
	}
	return []service.Check{{Action: "iam:PassRole", Resource: p.RoleARN, Context: keys, Denied: denied}}
}

// requestTags are the keys that the tags of a request add.
func requestTags(tags []types.Tag) []service.KV {
	var out []service.KV
	var all []string
	for _, t := range tags {
		if t.Key == nil {
			continue
		}
		if t.Value != nil {
			out = append(out, kv("aws:RequestTag/"+*t.Key, *t.Value))
		}
		all = append(all, *t.Key)
	}
	if len(all) > 0 {
		out = append(out, kv("aws:TagKeys", all...))
	}
	return out
}

// attribute are the keys of an operation that changes one attribute.
func attribute(name, value string) []service.KV {
	return []service.KV{kv("ec2:Attribute", name), kv("ec2:Attribute/"+name, value)}
}
