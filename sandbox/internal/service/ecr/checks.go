package ecr

import (
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecr/types"

	"github.com/mantle-iam/mantle/sandbox/internal/service"
)

// The permissions of the API: "Actions, resources, and condition keys for
// Amazon Elastic Container Registry",
// https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonelasticcontainerregistry.html.
// A repository that does not exist is checked at the ARN it would have; only
// who may ask learns that it is missing.

func kv(key string, values ...string) service.KV { return service.KV{Key: key, Values: values} }

// onAll checks an action without resource-level permissions.
func onAll[In any](c *call, _ *In) ([]service.Check, error) {
	return []service.Check{{Action: c.action, Resource: "*"}}, nil
}

// check is the permission for a repository. Its policy takes part; for a
// repository of another account it has to allow.
func (c *call) check(r repository, keys ...service.KV) (service.Check, error) {
	out := service.Check{Action: c.action, Resource: c.arn(r), Context: keys}
	if r.account != c.req.Account() {
		out.Owner = r.account
	}
	row, ok := repositories.Get(c.tx, r.key())
	if !ok {
		return out, nil
	}
	out.Context = append(resourceTags(row.Tags), keys...)
	var err error
	out.Policy, err = c.policies.get(r.key(), out.Resource, row.Policy)
	return out, err
}

// on checks the repository that parameters name.
func on[In any](params func(*In) (id, name *string)) checker[In] {
	return func(c *call, in *In) ([]service.Check, error) {
		id, name := params(in)
		check, err := c.check(repository{c.registry(id), aws.ToString(name)})
		return []service.Check{check}, err
	}
}

// resourceTags are the keys that a repository's tags add. ECR has a prefix
// of its own beside the global one.
func resourceTags(tags []types.Tag) []service.KV {
	var out []service.KV
	for _, t := range tags {
		k, v := aws.ToString(t.Key), aws.ToString(t.Value)
		out = append(out, kv("aws:ResourceTag/"+k, v), kv("ecr:ResourceTag/"+k, v))
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
