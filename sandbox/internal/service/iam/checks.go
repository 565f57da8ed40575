package iam

import (
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/mantle-iam/mantle/sandbox/internal/service"
)

// The permissions of the API: "Actions, resources, and condition keys for AWS
// Identity and Access Management",
// https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsidentityandaccessmanagementiam.html.
// An entity that does not exist is checked at the ARN it would have; only
// who may ask learns that it is missing.

// Condition keys.
const (
	keyPolicyARN = "iam:PolicyARN"
	keyBoundary  = "iam:PermissionsBoundary"
	keyPassedTo  = "iam:PassedToService"
	keyService   = "iam:AWSServiceName"
)

func kv(key string, values ...string) service.KV { return service.KV{Key: key, Values: values} }

// one is the usual outcome: one permission.
func (c *call) one(resource string, keys ...service.KV) []service.Check {
	return []service.Check{{Action: c.action, Resource: resource, Context: keys}}
}

// at is where an entity is, or would be: its ARN and resource tags. e is nil
// if there is none.
func (c *call) at(k kind, name string) (e *entity, arn string, tags []service.KV) {
	e, ok := find(c.tx, c.account(), k, name)
	if !ok {
		return nil, c.arn(c.account(), k, "/", name), nil
	}
	return e, c.entityARN(e), resourceTags(e.Kind, e.Tags)
}

// resourceTags are the keys that a resource's tags add. IAM has a prefix of
// its own for users and roles beside the global one.
func resourceTags(k kind, tags []tag) []service.KV {
	var out []service.KV
	for _, t := range tags {
		out = append(out, kv("aws:ResourceTag/"+t.Key, t.Value))
		if k == roleKind || k == userKind {
			out = append(out, kv("iam:ResourceTag/"+t.Key, t.Value))
		}
	}
	return out
}

// requestTags are the keys that the tags of a request add.
func requestTags(tags []types.Tag) []service.KV {
	var out []service.KV
	var all []string
	for _, t := range tags {
		if t.Key != nil && t.Value != nil {
			out = append(out, kv("aws:RequestTag/"+*t.Key, *t.Value))
			all = append(all, *t.Key)
		}
	}
	return append(out, tagKeys(all)...)
}

func tagKeys(keys []string) []service.KV {
	if len(keys) == 0 {
		return nil
	}
	return []service.KV{kv("aws:TagKeys", keys...)}
}

// keysOf adds condition keys to a check; e is nil if the entity is missing.
type keysOf[In any] func(c *call, in *In, e *entity) []service.KV

// on checks the role, user or group that a parameter names.
func on[In any](k kind, name func(*In) *string, more ...keysOf[In]) checker[In] {
	return func(c *call, in *In) ([]service.Check, error) {
		if err := checkName(k, name(in)); err != nil {
			return nil, err
		}
		e, arn, keys := c.at(k, *name(in))
		for _, add := range more {
			keys = append(keys, add(c, in, e)...)
		}
		return c.one(arn, keys...), nil
	}
}

// onProfile checks the instance profile that a parameter names.
func onProfile[In any](name func(*In) *string, more ...keysOf[In]) checker[In] {
	return func(c *call, in *In) ([]service.Check, error) {
		if err := checkName(profileKind, name(in)); err != nil {
			return nil, err
		}
		arn := c.arn(c.account(), profileKind, "/", *name(in))
		var keys []service.KV
		if p, ok := findProfile(c.tx, c.account(), *name(in)); ok {
			arn, keys = c.profileARN(p), resourceTags(profileKind, p.Tags)
		}
		for _, add := range more {
			keys = append(keys, add(c, in, nil)...)
		}
		return c.one(arn, keys...), nil
	}
}

// onPolicy checks the managed policy that a parameter names by ARN.
func onPolicy[In any](arn func(*In) *string, more ...keysOf[In]) checker[In] {
	return func(c *call, in *In) ([]service.Check, error) {
		var bad inputs
		bad.arn("policyArn", arn(in))
		if err := bad.result(); err != nil {
			return nil, err
		}
		var keys []service.KV
		if p, ok := policies.Get(c.tx, *arn(in)); ok && p.Account == c.account() {
			keys = resourceTags(policyKind, p.Tags)
		}
		for _, add := range more {
			keys = append(keys, add(c, in, nil)...)
		}
		return c.one(*arn(in), keys...), nil
	}
}

// onOwnPolicy is onPolicy for operations that change the policy. AWS's
// managed policies belong to another account, so no identity policy can
// grant that.
func onOwnPolicy[In any](arn func(*In) *string, more ...keysOf[In]) checker[In] {
	check := onPolicy(arn, more...)
	return func(c *call, in *In) ([]service.Check, error) {
		checks, err := check(c, in)
		if err == nil {
			if owner, _, _ := splitPolicyARN(*arn(in)); owner != c.account() {
				checks[0].Owner = owner
			}
		}
		return checks, err
	}
}

// onSelf checks a user, the caller's own where the parameter is left out.
func onSelf[In any](name func(*In) *string) checker[In] {
	return func(c *call, in *In) ([]service.Check, error) {
		if name(in) == nil {
			who, err := c.self()
			if err != nil {
				return nil, err
			}
			if who == nil {
				return c.one("arn:" + c.partition + ":iam::" + c.account() + ":root"), nil
			}
			return c.one(c.entityARN(who), resourceTags(userKind, who.Tags)...), nil
		}
		return on(userKind, name)(c, in)
	}
}

// onAll checks a listing of a kind. AWS names the collection as the resource,
// e.g. arn:aws:iam::111122223333:role/ and the path prefix asked for.
func onAll[In any](k kind, prefix func(*In) *string) checker[In] {
	return func(c *call, in *In) ([]service.Check, error) {
		path := "/"
		if p := prefix(in); p != nil && strings.HasPrefix(*p, "/") {
			path = *p
		}
		return c.one(c.arn(c.account(), k, path, "")), nil
	}
}

// onAccount checks an action without resource-level permissions.
func onAccount[In any](c *call, _ *In) ([]service.Check, error) { return c.one("*"), nil }

// withBoundary adds the boundary that the entity has.
func withBoundary[In any](_ *call, _ *In, e *entity) []service.KV {
	if e == nil || e.Boundary == "" {
		return nil
	}
	return []service.KV{kv(keyBoundary, e.Boundary)}
}

// setsBoundary adds the boundary that the call is about to set.
func setsBoundary[In any](arn func(*In) *string) keysOf[In] {
	return func(_ *call, in *In, _ *entity) []service.KV {
		if a := arn(in); a != nil {
			return []service.KV{kv(keyBoundary, *a)}
		}
		return nil
	}
}

// withPolicy adds the managed policy that is attached or detached.
func withPolicy[In any](arn func(*In) *string) keysOf[In] {
	return func(_ *call, in *In, _ *entity) []service.KV {
		if a := arn(in); a != nil {
			return []service.KV{kv(keyPolicyARN, *a)}
		}
		return nil
	}
}

// withTags adds the tags of the request.
func withTags[In any](tags func(*In) []types.Tag) keysOf[In] {
	return func(_ *call, in *In, _ *entity) []service.KV { return requestTags(tags(in)) }
}

// withTagKeys adds the tag keys of the request.
func withTagKeys[In any](keys func(*In) []string) keysOf[In] {
	return func(_ *call, in *In, _ *entity) []service.KV { return tagKeys(keys(in)) }
}

// make checks a creation at the ARN that the entity will have. Creating with
// tags needs the permission to tag as well.
func (c *call) make(k kind, path, name *string, tags []types.Tag, keys ...service.KV) ([]service.Check, error) {
	var in inputs
	field, limit := k.field()
	in.name(field, name, limit)
	in.path("path", path, k)
	if err := in.result(); err != nil {
		return nil, err
	}
	p := "/"
	if path != nil {
		p = *path
	}
	arn := c.arn(c.account(), k, p, *name)
	tagged := requestTags(tags)
	checks := c.one(arn, slices.Concat(keys, tagged)...)
	if len(tags) > 0 {
		checks = append(checks, service.Check{Action: "iam:Tag" + tagNoun[k], Resource: arn, Context: tagged})
	}
	return checks, nil
}

// tagNoun is the end of the tagging action of a kind.
var tagNoun = map[kind]string{
	roleKind: "Role", userKind: "User", policyKind: "Policy", profileKind: "InstanceProfile",
	oidcKind: "OpenIDConnectProvider", samlKind: "SAMLProvider",
}
