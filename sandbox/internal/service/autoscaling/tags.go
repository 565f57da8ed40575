package autoscaling

import (
	"cmp"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	api "github.com/aws/aws-sdk-go-v2/service/autoscaling"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling/types"

	"github.com/mantle-iam/mantle/sandbox/internal/wire"
)

// Tags: https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-tagging.html

const tagsPerGroup = 50

// tagRows adds the tags of a request to those of a group.
func tagRows(have []tagRow, add []types.Tag, group string) ([]tagRow, error) {
	have = slices.Clone(have)
	for _, t := range add {
		key := aws.ToString(t.Key)
		switch {
		case key == "":
			return nil, invalid("Tag keys must not be empty")
		case strings.HasPrefix(strings.ToLower(key), "aws:"):
			return nil, invalid("Tag keys starting with 'aws:' are reserved for internal use: %s", key)
		case t.ResourceId != nil && *t.ResourceId != group:
			return nil, invalid("The tag %s names the group %s, not %s", key, *t.ResourceId, group)
		}
		set := tagRow{key, aws.ToString(t.Value), aws.ToBool(t.PropagateAtLaunch)}
		if i := slices.IndexFunc(have, func(h tagRow) bool { return h.Key == key }); i >= 0 {
			have[i] = set
		} else {
			have = append(have, set)
		}
	}
	if len(have) > tagsPerGroup {
		return nil, wire.Fail("LimitExceeded", 400, "Tags per group must not exceed %d", tagsPerGroup)
	}
	slices.SortFunc(have, func(a, b tagRow) int { return cmp.Compare(a.Key, b.Key) })
	return have, nil
}

func tagViews(g groupRow) []types.TagDescription {
	out := []types.TagDescription{}
	for _, t := range g.Tags {
		out = append(out, types.TagDescription{
			Key: &t.Key, Value: &t.Value, PropagateAtLaunch: &t.Propagate, ResourceId: &g.Name, ResourceType: new("auto-scaling-group"),
		})
	}
	return out
}

func (c *call) createTags(in *api.CreateOrUpdateTagsInput) (*api.CreateOrUpdateTagsOutput, error) {
	for _, t := range in.Tags {
		g, err := c.group(t.ResourceId)
		if err != nil {
			return nil, err
		}
		if g.Tags, err = tagRows(g.Tags, []types.Tag{t}, g.Name); err != nil {
			return nil, err
		}
		c.put(g)
	}
	return &api.CreateOrUpdateTagsOutput{}, nil
}

// deleteTags removes tags by key; with a value only where the value is that.
func (c *call) deleteTags(in *api.DeleteTagsInput) (*api.DeleteTagsOutput, error) {
	for _, t := range in.Tags {
		g, err := c.group(t.ResourceId)
		if err != nil {
			return nil, err
		}
		g.Tags = slices.DeleteFunc(slices.Clone(g.Tags), func(h tagRow) bool {
			return h.Key == aws.ToString(t.Key) && (t.Value == nil || *t.Value == h.Value)
		})
		c.put(g)
	}
	return &api.DeleteTagsOutput{}, nil
}

func (c *call) describeTags(in *api.DescribeTagsInput) (*api.DescribeTagsOutput, error) {
	var list []types.TagDescription
	for _, g := range groups.Range(c.tx, c.scope()) {
		list = append(list, tagViews(g)...)
	}
	for _, f := range in.Filters {
		var of func(types.TagDescription) string
		switch aws.ToString(f.Name) {
		case "auto-scaling-group":
			of = func(t types.TagDescription) string { return *t.ResourceId }
		case "key":
			of = func(t types.TagDescription) string { return *t.Key }
		case "value":
			of = func(t types.TagDescription) string { return *t.Value }
		case "propagate-at-launch":
			of = func(t types.TagDescription) string {
				if *t.PropagateAtLaunch {
					return "true"
				}
				return "false"
			}
		default:
			return nil, invalid("Filter type %s is not correct. Allowed Filter types are: auto-scaling-group, key, value, propagate-at-launch", aws.ToString(f.Name))
		}
		list = slices.DeleteFunc(list, func(t types.TagDescription) bool { return !slices.Contains(f.Values, of(t)) })
	}
	shown, next, err := page(list, in.MaxRecords, in.NextToken, 100, func(t types.TagDescription) string { return *t.ResourceId + "\x00" + *t.Key })
	if err != nil {
		return nil, err
	}
	return &api.DescribeTagsOutput{Tags: shown, NextToken: next}, nil
}
