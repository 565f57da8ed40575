package ecs

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/aws"
	api "github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/mantle-iam/mantle/sandbox/internal/service"
	"github.com/mantle-iam/mantle/sandbox/internal/wire"
)

// Tags: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs-using-tags.html

// maxTags bounds the tags of one resource.
const maxTags = 50

// checkTags checks the tags of a request.
func checkTags(tags []types.Tag) error {
	if len(tags) > maxTags {
		return invalidParameter("Too many tags: a resource can have %d.", maxTags)
	}
	seen := map[string]bool{}
	for _, t := range tags {
		key, value := aws.ToString(t.Key), aws.ToString(t.Value)
		switch {
		case key == "" || utf8.RuneCountInString(key) > 128:
			return invalidParameter("Tag keys must have 1 to 128 characters.")
		case utf8.RuneCountInString(value) > 256:
			return invalidParameter("The value of tag %s has more than 256 characters.", key)
		case !tagText(key) || !tagText(value):
			return invalidParameter("Some tags contain invalid characters. Valid characters: UTF-8 letters, spaces, numbers and _ . / = + - : @.")
		case strings.HasPrefix(strings.ToLower(key), "aws:"):
			return invalidParameter("Tag keys cannot start with aws:, which is reserved: %s", key)
		case seen[key]:
			return invalidParameter("Duplicate tag keys found: %s", key)
		}
		seen[key] = true
	}
	return nil
}

func tagText(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.In(r, unicode.Z, unicode.N) && !strings.ContainsRune("_.:/=+-@", r)
	})
}

// mergeTags adds tags to those of a resource; the result is never nil.
func mergeTags(have, add []types.Tag) []types.Tag {
	out := append([]types.Tag{}, have...)
	for _, t := range add {
		t := types.Tag{Key: t.Key, Value: new(aws.ToString(t.Value))}
		if i := slices.IndexFunc(out, func(h types.Tag) bool { return *h.Key == *t.Key }); i >= 0 {
			out[i] = t
		} else {
			out = append(out, t)
		}
	}
	return out
}

// taggable is a resource found by ARN: its tags and how to change them.
type taggable struct {
	home home
	tags []types.Tag
	put  func([]types.Tag)
}

// taggable finds the resource of an ARN. ok is false if there is none.
func (c *call) taggable(arn *string) (t taggable, ok bool, err error) {
	s := aws.ToString(arn)
	_, rest, _ := strings.Cut(s, ":ecs:")
	parts := strings.SplitN(rest, ":", 3)
	if len(parts) < 3 {
		return t, false, invalidParameter("Invalid identifier: %s is not the ARN of an ECS resource.", s)
	}
	kind, _, _ := strings.Cut(parts[2], "/")
	switch kind {
	case "cluster":
		k, err := c.cluster(arn)
		if err != nil {
			return t, false, err
		}
		row, ok := clusters.Get(c.tx, k.key())
		return taggable{k.home, row.View.Tags, func(tags []types.Tag) {
			row.View.Tags = tags
			clusters.Put(c.tx, k.key(), row)
		}}, ok && *row.View.Status == active, nil
	case "task-definition":
		d, err := c.definition(s)
		if err != nil {
			return t, false, err
		}
		row, ok := definitions.Get(c.tx, d.key())
		return taggable{d.home, row.Tags, func(tags []types.Tag) {
			row.Tags = tags
			definitions.Put(c.tx, d.key(), row)
		}}, ok, nil
	case "service", "task", "container-instance":
		m, err := c.member(kind, cluster{c.here(), "default"}, s)
		if err != nil {
			return t, false, err
		}
		return c.taggableMember(kind, m)
	}
	return t, false, invalidParameter("Invalid identifier: the sandbox has no resources of the kind %s.", kind)
}

func (c *call) taggableMember(kind string, m member) (taggable, bool, error) {
	t := taggable{home: m.home}
	switch kind {
	case "service":
		row, ok := services.Get(c.tx, m.key())
		t.tags, t.put = row.View.Tags, func(tags []types.Tag) {
			row.View.Tags = tags
			services.Put(c.tx, m.key(), row)
		}
		return t, ok && *row.View.Status != inactive, nil
	case "task":
		row, ok := tasks.Get(c.tx, m.key())
		t.tags, t.put = row.View.Tags, func(tags []types.Tag) {
			row.View.Tags = tags
			tasks.Put(c.tx, m.key(), row)
		}
		return t, ok && !c.forgotten(row), nil
	}
	row, ok := instances.Get(c.tx, m.key())
	t.tags, t.put = row.View.Tags, func(tags []types.Tag) {
		row.View.Tags = tags
		instances.Put(c.tx, m.key(), row)
	}
	return t, ok, nil
}

func errNoResource(arn string) error {
	return wire.Fail("ResourceNotFoundException", 400, "The specified resource could not be found: %s", arn)
}

// onResource checks the resource that an ARN names.
func onResource[In any](arn func(*In) *string, keys func(*In) []service.KV) checker[In] {
	return func(c *call, in *In) ([]service.Check, error) {
		t, _, err := c.taggable(arn(in))
		if err != nil {
			return nil, err
		}
		return c.one(t.home, *arn(in), append(resourceTags(t.tags), keys(in)...)...), nil
	}
}

func (c *call) tagResource(in *api.TagResourceInput) (*api.TagResourceOutput, error) {
	if err := checkTags(in.Tags); err != nil {
		return nil, err
	}
	t, ok, err := c.taggable(in.ResourceArn)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, errNoResource(*in.ResourceArn)
	}
	merged := mergeTags(t.tags, in.Tags)
	if len(merged) > maxTags {
		return nil, wire.Fail("LimitExceededException", 400, "A resource can have %d tags.", maxTags)
	}
	t.put(merged)
	return &api.TagResourceOutput{}, nil
}

func (c *call) untagResource(in *api.UntagResourceInput) (*api.UntagResourceOutput, error) {
	t, ok, err := c.taggable(in.ResourceArn)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, errNoResource(*in.ResourceArn)
	}
	t.put(slices.DeleteFunc(mergeTags(t.tags, nil), func(h types.Tag) bool { return slices.Contains(in.TagKeys, *h.Key) }))
	return &api.UntagResourceOutput{}, nil
}

func (c *call) listTagsForResource(in *api.ListTagsForResourceInput) (*api.ListTagsForResourceOutput, error) {
	t, ok, err := c.taggable(in.ResourceArn)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, errNoResource(*in.ResourceArn)
	}
	return &api.ListTagsForResourceOutput{Tags: orEmpty(t.tags)}, nil
}
