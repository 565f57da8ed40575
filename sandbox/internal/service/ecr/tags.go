package ecr

import (
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/aws"
	api "github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecr/types"

	"github.com/mantle-iam/mantle/iam"
	"github.com/mantle-iam/mantle/sandbox/internal/service"
)

// Tags: https://docs.aws.amazon.com/AmazonECR/latest/userguide/ecr-using-tags.html

// maxTags bounds the tags of one repository.
const maxTags = 50

// checkTags checks the tags of a request.
func checkTags(tags []types.Tag) error {
	seen := map[string]bool{}
	for _, t := range tags {
		key := aws.ToString(t.Key)
		switch {
		case key == "" || utf8.RuneCountInString(key) > 128 || utf8.RuneCountInString(aws.ToString(t.Value)) > 256:
			return fail("InvalidTagParameterException", "Tag keys have 1 to 128 characters and values at most 256.")
		case strings.HasPrefix(strings.ToLower(key), "aws:"):
			return fail("InvalidTagParameterException", "Tag keys cannot start with aws:, which is reserved: %s", key)
		case seen[key]:
			return fail("InvalidTagParameterException", "Duplicate tag keys found: %s", key)
		}
		seen[key] = true
	}
	if len(tags) > maxTags {
		return fail("TooManyTagsException", "A repository can have %d tags.", maxTags)
	}
	return nil
}

// mergeTags adds tags to those of a repository; the result is never nil.
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

// byARN reads the ARN of a repository.
func (c *call) byARN(arn *string) (repository, error) {
	a, err := iam.ParseARN(aws.ToString(arn))
	name, ok := strings.CutPrefix(a.Resource, "repository/")
	if err != nil || !ok || a.Service != "ecr" || a.Partition != c.opt.Partition {
		return repository{}, invalid("resourceArn", "Invalid ARN")
	}
	return repository{registry{a.Account, a.Region}, name}, nil
}

// onResource checks the repository that an ARN names.
func onResource[In any](arn func(*In) *string, keys func(*In) []service.KV) checker[In] {
	return func(c *call, in *In) ([]service.Check, error) {
		r, err := c.byARN(arn(in))
		if err != nil {
			return nil, err
		}
		check, err := c.check(r, keys(in)...)
		return []service.Check{check}, err
	}
}

// owned finds the repository of an ARN.
func (c *call) owned(arn *string) (repository, repositoryRow, error) {
	r, err := c.byARN(arn)
	if err != nil {
		return r, repositoryRow{}, err
	}
	row, ok := repositories.Get(c.tx, r.key())
	if !ok {
		return r, row, r.missing()
	}
	return r, row, nil
}

func (c *call) tagResource(in *api.TagResourceInput) (*api.TagResourceOutput, error) {
	if err := checkTags(in.Tags); err != nil {
		return nil, err
	}
	r, row, err := c.owned(in.ResourceArn)
	if err != nil {
		return nil, err
	}
	if row.Tags = mergeTags(row.Tags, in.Tags); len(row.Tags) > maxTags {
		return nil, fail("TooManyTagsException", "A repository can have %d tags.", maxTags)
	}
	repositories.Put(c.tx, r.key(), row)
	return &api.TagResourceOutput{}, nil
}

func (c *call) untagResource(in *api.UntagResourceInput) (*api.UntagResourceOutput, error) {
	r, row, err := c.owned(in.ResourceArn)
	if err != nil {
		return nil, err
	}
	row.Tags = slices.DeleteFunc(mergeTags(row.Tags, nil), func(h types.Tag) bool { return slices.Contains(in.TagKeys, *h.Key) })
	repositories.Put(c.tx, r.key(), row)
	return &api.UntagResourceOutput{}, nil
}

func (c *call) listTagsForResource(in *api.ListTagsForResourceInput) (*api.ListTagsForResourceOutput, error) {
	_, row, err := c.owned(in.ResourceArn)
	if err != nil {
		return nil, err
	}
	return &api.ListTagsForResourceOutput{Tags: mergeTags(row.Tags, nil)}, nil
}
