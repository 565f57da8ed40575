package ecs

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/mantle-iam/mantle/iam"
	"github.com/mantle-iam/mantle/sandbox/internal/service"
)

// The permissions of the API: "Actions, resources, and condition keys for
// Amazon Elastic Container Service",
// https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonelasticcontainerservice.html.
// What does not exist is checked at the ARN it would have; only who may ask
// learns that it is missing.

func kv(key string, values ...string) service.KV { return service.KV{Key: key, Values: values} }

func (c *call) one(h home, resource string, keys ...service.KV) []service.Check {
	return []service.Check{{Action: c.action, Resource: resource, Owner: c.foreign(h), Context: keys}}
}

// onAll checks an action without resource-level permissions.
func onAll[In any](c *call, _ *In) ([]service.Check, error) { return c.one(c.here(), "*"), nil }

// onCluster checks the cluster that a parameter names.
func onCluster[In any](name func(*In) *string) checker[In] {
	return func(c *call, in *In) ([]service.Check, error) {
		k, err := c.cluster(name(in))
		if err != nil {
			return nil, err
		}
		return c.one(k.home, c.clusterARN(k), c.clusterTags(k)...), nil
	}
}

func (c *call) clusterTags(k cluster) []service.KV {
	row, _ := clusters.Get(c.tx, k.key())
	return resourceTags(row.View.Tags)
}

// inCluster checks things in a cluster, each on its own.
func inCluster[In any](kind string, name func(*In) *string, ids func(*In) []string, tags func(*call, member) []types.Tag) checker[In] {
	return func(c *call, in *In) ([]service.Check, error) {
		k, err := c.cluster(name(in))
		if err != nil {
			return nil, err
		}
		var checks []service.Check
		for _, id := range ids(in) {
			m, err := c.member(kind, k, id)
			if err != nil {
				return nil, err
			}
			keys := append(resourceTags(tags(c, m)), c.inClusterKey(m.cluster))
			checks = append(checks, c.one(m.home, c.memberARN(kind, m), keys...)...)
		}
		if checks == nil {
			// Nothing is named: the handler refuses, but not just anyone is
			// to learn that.
			checks = c.one(k.home, c.arn(k.home, kind+"/"+k.name+"/*"), c.inClusterKey(k))
		}
		return checks, nil
	}
}

func just(p *string) []string { return []string{aws.ToString(p)} }

func (c *call) inClusterKey(k cluster) service.KV { return kv("ecs:cluster", c.clusterARN(k)) }

func (c *call) serviceTags(m member) []types.Tag {
	row, _ := services.Get(c.tx, m.key())
	return row.View.Tags
}

func (c *call) taskTags(m member) []types.Tag {
	row, _ := tasks.Get(c.tx, m.key())
	return row.View.Tags
}

func (c *call) instanceTags(m member) []types.Tag {
	row, _ := instances.Get(c.tx, m.key())
	return row.View.Tags
}

// resourceTags are the keys that a resource's tags add. ECS has a prefix of
// its own beside the global one.
func resourceTags(tags []types.Tag) []service.KV {
	var out []service.KV
	for _, t := range tags {
		k, v := aws.ToString(t.Key), aws.ToString(t.Value)
		out = append(out, kv("aws:ResourceTag/"+k, v), kv("ecs:ResourceTag/"+k, v))
	}
	return out
}

// requestTags are the keys that the tags of a request add.
func requestTags(tags []types.Tag) []service.KV {
	var out []service.KV
	var keys []string
	for _, t := range tags {
		k := aws.ToString(t.Key)
		out = append(out, kv("aws:RequestTag/"+k, aws.ToString(t.Value)))
		keys = append(keys, k)
	}
	return append(out, tagKeys(keys)...)
}

func tagKeys(keys []string) []service.KV {
	if len(keys) == 0 {
		return nil
	}
	return []service.KV{kv("aws:TagKeys", keys...)}
}

// tagging is the permission that creating something with tags needs too.
// https://docs.aws.amazon.com/AmazonECS/latest/developerguide/supported-iam-actions-tagging.html
func (c *call) tagging(h home, arn string, tags []types.Tag) []service.Check {
	if len(tags) == 0 {
		return nil
	}
	_, operation, _ := strings.Cut(c.action, ":")
	return []service.Check{{
		Action: "ecs:TagResource", Resource: arn, Owner: c.foreign(h),
		Context: append(requestTags(tags), kv("ecs:CreateAction", operation)),
	}}
}

// tasksPrincipal is who assumes the roles of tasks.
// https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-iam-roles.html
const tasksPrincipal = "ecs-tasks.amazonaws.com"

// passing is the permission to hand each of the roles to a service.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_use_passrole.html
func (c *call) passing(to string, roles ...string) []service.Check {
	var checks []service.Check
	for i, role := range roles {
		if role == "" || slices.Contains(roles[:i], role) {
			continue
		}
		keys := []service.KV{kv("iam:PassedToService", to)}
		if c.opt.RoleTags != nil {
			tags := c.opt.RoleTags(role)
			for _, k := range slices.Sorted(maps.Keys(tags)) {
				keys = append(keys, kv("aws:ResourceTag/"+k, tags[k]), kv("iam:ResourceTag/"+k, tags[k]))
			}
		}
		checks = append(checks, service.Check{Action: "iam:PassRole", Resource: role, Context: keys})
	}
	return checks
}

// role reads a parameter that names a role by name or ARN. A role of another
// account can never be passed.
func (c *call) role(p *string) (string, error) {
	s := aws.ToString(p)
	if s == "" {
		return "", nil
	}
	if !strings.HasPrefix(s, "arn:") {
		if !validRole(s) {
			return "", clientError("Role is not valid")
		}
		return iam.ARN{Partition: c.opt.Partition, Service: "iam", Account: c.account(), Resource: "role/" + s}.String(), nil
	}
	a, err := iam.ParseARN(s)
	name, ok := strings.CutPrefix(a.Resource, "role/")
	if err != nil || !ok || a.Service != "iam" || a.Region != "" || a.Partition != c.opt.Partition || !validRole(name[strings.LastIndexByte(name, '/')+1:]) {
		return "", clientError("Role is not valid")
	}
	if a.Account != c.account() {
		return "", accessDenied("Cross-account pass role is not allowed.")
	}
	return s, nil
}

// validRole tells whether a text can be the name of a role.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
func validRole(s string) bool {
	if s == "" || len(s) > 64 {
		return false
	}
	return strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+=,.@-_") == ""
}

// sizeKeys are ecs:task-cpu and ecs:task-memory, in CPU units and MiB.
func sizeKeys(cpu, memory *string) []service.KV {
	var out []service.KV
	if n, ok := cpuUnits(aws.ToString(cpu)); ok {
		out = append(out, kv("ecs:task-cpu", strconv.Itoa(int(n))))
	}
	if n, ok := mebibytes(aws.ToString(memory)); ok {
		out = append(out, kv("ecs:task-memory", strconv.Itoa(int(n))))
	}
	return out
}

// providerKeys is ecs:capacity-provider, by ARN.
func (c *call) providerKeys(names []string) []service.KV {
	if len(names) == 0 {
		return nil
	}
	var arns []string
	for _, n := range names {
		arns = append(arns, c.arn(c.here(), "capacity-provider/"+n))
	}
	return []service.KV{kv("ecs:capacity-provider", arns...)}
}

func strategyNames(items []types.CapacityProviderStrategyItem) []string {
	var out []string
	for _, i := range items {
		out = append(out, aws.ToString(i.CapacityProvider))
	}
	return out
}
