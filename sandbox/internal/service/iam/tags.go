package iam

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	api "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
)

// Tags: https://docs.aws.amazon.com/IAM/latest/UserGuide/id_tags.html. Keys
// keep their case but two keys may not differ in case only.

// tags checks the tags of a request.
func (in *inputs) tags(tags []types.Tag) {
	if len(tags) > tagsPerEntity {
		in.constraint("tags", "[…]", "Member must have length less than or equal to %d", tagsPerEntity)
	}
	seen := map[string]bool{}
	for _, t := range tags {
		if in.length("tags.member.key", t.Key, 1, 128) {
			in.tagText("tags.member.key", *t.Key)
			key := strings.ToLower(*t.Key)
			if seen[key] && in.err == nil {
				in.err = invalidInput("Duplicate tag keys found. Please note that Tag keys are case insensitive.")
			}
			seen[key] = true
			if strings.HasPrefix(key, "aws:") && in.err == nil {
				in.err = invalidInput("Tag keys with the prefix aws: are reserved for AWS; choose another key than %s.", *t.Key)
			}
		}
		if in.length("tags.member.value", t.Value, 0, 256) {
			in.tagText("tags.member.value", *t.Value)
		}
	}
}

// tagText checks the pattern [\p{L}\p{Z}\p{N}_.:/=+\-@]*.
func (in *inputs) tagText(field, text string) {
	if !utf8.ValidString(text) || strings.ContainsFunc(text, notTagRune) {
		in.constraint(field, text, `Member must satisfy regular expression pattern: [\p{L}\p{Z}\p{N}_.:/=+\-@]*`)
	}
}

// mergeTags adds the tags of a request to those of an entity; a key that is
// there in another case is replaced, as AWS does.
func mergeTags(have []tag, add []types.Tag, k kind) ([]tag, error) {
	have = slices.Clone(have)
	for _, t := range add {
		set := tag{Key: *t.Key, Value: *t.Value}
		if i := slices.IndexFunc(have, func(h tag) bool { return strings.EqualFold(h.Key, set.Key) }); i >= 0 {
			have[i] = set
		} else {
			have = append(have, set)
		}
	}
	if len(have) > tagsPerEntity {
		return nil, quotaExceeded("TagsPer"+tagNoun[k], tagsPerEntity)
	}
	return have, nil
}

// removeTags takes tags away; keys that are not there are no error.
func removeTags(have []tag, keys []string) []tag {
	return slices.DeleteFunc(slices.Clone(have), func(h tag) bool {
		return slices.ContainsFunc(keys, func(k string) bool { return strings.EqualFold(h.Key, k) })
	})
}

func tagViews(tags []tag) []types.Tag {
	var out []types.Tag
	for _, t := range tags {
		out = append(out, types.Tag{Key: new(t.Key), Value: new(t.Value)})
	}
	return out
}

func (c *call) tagEntity(k kind, name *string, tags []types.Tag) error {
	var bad inputs
	bad.tags(tags)
	if err := bad.result(); err != nil {
		return err
	}
	e, err := c.change(k, name)
	if err != nil {
		return err
	}
	if e.Tags, err = mergeTags(e.Tags, tags, k); err != nil {
		return err
	}
	c.save(e)
	return nil
}

func (c *call) untagEntity(k kind, name *string, keys []string) error {
	e, err := c.change(k, name)
	if err != nil {
		return err
	}
	e.Tags = removeTags(e.Tags, keys)
	c.save(e)
	return nil
}

func tagPage(tags []tag, marker *string, limit *int32) (page[types.Tag], error) {
	views := tagViews(tags)
	slices.SortFunc(views, func(a, b types.Tag) int { return strings.Compare(*a.Key, *b.Key) })
	p, err := paginate(marker, limit, sorted(views, func(t types.Tag) string { return *t.Key }))
	if p.items == nil {
		p.items = []types.Tag{}
	}
	return p, err
}

func (c *call) tagRole(in *api.TagRoleInput) (*api.TagRoleOutput, error) {
	if err := c.tagEntity(roleKind, in.RoleName, in.Tags); err != nil {
		return nil, err
	}
	return &api.TagRoleOutput{}, nil
}

func (c *call) untagRole(in *api.UntagRoleInput) (*api.UntagRoleOutput, error) {
	if err := c.untagEntity(roleKind, in.RoleName, in.TagKeys); err != nil {
		return nil, err
	}
	return &api.UntagRoleOutput{}, nil
}

func (c *call) listRoleTags(in *api.ListRoleTagsInput) (*api.ListRoleTagsOutput, error) {
	e, err := c.named(roleKind, in.RoleName)
	if err != nil {
		return nil, err
	}
	p, err := tagPage(e.Tags, in.Marker, in.MaxItems)
	if err != nil {
		return nil, err
	}
	return &api.ListRoleTagsOutput{Tags: p.items, IsTruncated: p.more, Marker: p.marker}, nil
}

func (c *call) tagUser(in *api.TagUserInput) (*api.TagUserOutput, error) {
	if err := c.tagEntity(userKind, in.UserName, in.Tags); err != nil {
		return nil, err
	}
	return &api.TagUserOutput{}, nil
}

func (c *call) untagUser(in *api.UntagUserInput) (*api.UntagUserOutput, error) {
	if err := c.untagEntity(userKind, in.UserName, in.TagKeys); err != nil {
		return nil, err
	}
	return &api.UntagUserOutput{}, nil
}

func (c *call) listUserTags(in *api.ListUserTagsInput) (*api.ListUserTagsOutput, error) {
	e, err := c.named(userKind, in.UserName)
	if err != nil {
		return nil, err
	}
	p, err := tagPage(e.Tags, in.Marker, in.MaxItems)
	if err != nil {
		return nil, err
	}
	return &api.ListUserTagsOutput{Tags: p.items, IsTruncated: p.more, Marker: p.marker}, nil
}

func (c *call) tagPolicy(in *api.TagPolicyInput) (*api.TagPolicyOutput, error) {
	var bad inputs
	bad.tags(in.Tags)
	if err := bad.result(); err != nil {
		return nil, err
	}
	p, err := c.ownPolicy("TagPolicy", in.PolicyArn)
	if err != nil {
		return nil, err
	}
	if p.Tags, err = mergeTags(p.Tags, in.Tags, policyKind); err != nil {
		return nil, err
	}
	policies.Put(c.tx, p.ARN, p)
	return &api.TagPolicyOutput{}, nil
}

func (c *call) untagPolicy(in *api.UntagPolicyInput) (*api.UntagPolicyOutput, error) {
	p, err := c.ownPolicy("UntagPolicy", in.PolicyArn)
	if err != nil {
		return nil, err
	}
	p.Tags = removeTags(p.Tags, in.TagKeys)
	policies.Put(c.tx, p.ARN, p)
	return &api.UntagPolicyOutput{}, nil
}

func (c *call) listPolicyTags(in *api.ListPolicyTagsInput) (*api.ListPolicyTagsOutput, error) {
	p, err := c.policy(in.PolicyArn)
	if err != nil {
		return nil, err
	}
	tags, err := tagPage(p.Tags, in.Marker, in.MaxItems)
	if err != nil {
		return nil, err
	}
	return &api.ListPolicyTagsOutput{Tags: tags.items, IsTruncated: tags.more, Marker: tags.marker}, nil
}

func (c *call) tagInstanceProfile(in *api.TagInstanceProfileInput) (*api.TagInstanceProfileOutput, error) {
	var bad inputs
	bad.tags(in.Tags)
	if err := bad.result(); err != nil {
		return nil, err
	}
	p, err := c.profile(in.InstanceProfileName)
	if err != nil {
		return nil, err
	}
	if p.Tags, err = mergeTags(p.Tags, in.Tags, profileKind); err != nil {
		return nil, err
	}
	profiles.Put(c.tx, p.ID, p)
	return &api.TagInstanceProfileOutput{}, nil
}

func (c *call) untagInstanceProfile(in *api.UntagInstanceProfileInput) (*api.UntagInstanceProfileOutput, error) {
	p, err := c.profile(in.InstanceProfileName)
	if err != nil {
		return nil, err
	}
	p.Tags = removeTags(p.Tags, in.TagKeys)
	profiles.Put(c.tx, p.ID, p)
	return &api.UntagInstanceProfileOutput{}, nil
}

func (c *call) listInstanceProfileTags(in *api.ListInstanceProfileTagsInput) (*api.ListInstanceProfileTagsOutput, error) {
	p, err := c.profile(in.InstanceProfileName)
	if err != nil {
		return nil, err
	}
	tags, err := tagPage(p.Tags, in.Marker, in.MaxItems)
	if err != nil {
		return nil, err
	}
	return &api.ListInstanceProfileTagsOutput{Tags: tags.items, IsTruncated: tags.more, Marker: tags.marker}, nil
}

func notTagRune(r rune) bool {
	return !unicode.IsLetter(r) && !unicode.In(r, unicode.Z, unicode.N) && !strings.ContainsRune("_.:/=+-@", r)
}
