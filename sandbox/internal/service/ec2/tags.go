package ec2

import (
	"cmp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/aws"
	api "github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/mantle-iam/mantle/sandbox/internal/service"
	"github.com/mantle-iam/mantle/sandbox/internal/wire"
)

// Tags: https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/Using_Tags.html

const tagsPerResource = 50

// tags are the tags of a resource as answers show them; nil if there are
// none, so that the answer leaves them out.
func (c *call) tags(id string) []types.Tag {
	rows, _ := get(c, tagTable, id)
	var out []types.Tag
	for _, t := range rows {
		out = append(out, types.Tag{Key: new(t.Key), Value: new(t.Value)})
	}
	return out
}

// checkTags refuses tags that a user may not set.
func checkTags(tags []types.Tag) error {
	seen := map[string]bool{}
	for _, t := range tags {
		k, v := aws.ToString(t.Key), aws.ToString(t.Value)
		switch {
		case k == "":
			return invalid("Tag key cannot be empty.")
		case utf8.RuneCountInString(k) > 127:
			return invalid("Tag key exceeds the maximum length of 127 characters")
		case utf8.RuneCountInString(v) > 255:
			return invalid("Tag value exceeds the maximum length of 255 characters")
		case strings.HasPrefix(strings.ToLower(k), "aws:"):
			return invalid("Tag keys starting with 'aws:' are reserved for internal use")
		case seen[k]:
			return invalid("Duplicate tag key '%s' specified.", k)
		}
		seen[k] = true
	}
	if len(tags) > tagsPerResource {
		return wire.Fail("TagLimitExceeded", 400, "More than %d tags specified", tagsPerResource)
	}
	return nil
}

// tag adds tags to a resource.
func (c *call) tag(id string, tags []types.Tag) error {
	if len(tags) == 0 {
		return nil
	}
	rows, _ := get(c, tagTable, id)
	rows = slices.Clone(rows)
	for _, t := range tags {
		set := tag{*t.Key, aws.ToString(t.Value)}
		if i := slices.IndexFunc(rows, func(r tag) bool { return r.Key == set.Key }); i >= 0 {
			rows[i] = set
		} else {
			rows = append(rows, set)
		}
	}
	slices.SortFunc(rows, func(a, b tag) int { return cmp.Compare(a.Key, b.Key) })
	own := 0
	for _, r := range rows {
		if !strings.HasPrefix(r.Key, "aws:") {
			own++
		}
	}
	if own > tagsPerResource {
		return wire.Fail("TagLimitExceeded", 400, "The maximum number of Tags for a resource has been reached.")
	}
	tagTable.Put(c.tx, c.key(id), rows)
	return nil
}

// forget removes the tags of a resource that is no more.
func (c *call) forget(id string) { tagTable.Delete(c.tx, c.key(id)) }

// specified takes the tags for one type of resource out of the tag
// specifications of a creating call. Types other than the allowed are an
// error; no allowed types means just the one.
func specified(specs []types.TagSpecification, resource types.ResourceType, allowed ...types.ResourceType) ([]types.Tag, error) {
	var out []types.Tag
	for _, s := range specs {
		if s.ResourceType != resource && !slices.Contains(allowed, s.ResourceType) {
			return nil, invalid("'%s' is not a valid taggable resource type for this operation.", s.ResourceType)
		}
		if err := checkTags(s.Tags); err != nil {
			return nil, err
		}
		if s.ResourceType == resource {
			out = append(out, s.Tags...)
		}
	}
	return out, checkTags(out)
}

func (c *call) mayCreateTags(in *api.CreateTagsInput) ([]service.Check, error) {
	var out []service.Check
	for _, id := range in.Resources {
		n, ok := nounOf(id)
		if !ok {
			return nil, wire.Fail("InvalidID", 400, "The ID '%s' is not valid", id)
		}
		out = append(out, c.check(n, id, requestTags(in.Tags)...))
	}
	return out, nil
}

func (c *call) createTags(in *api.CreateTagsInput) (*api.CreateTagsOutput, error) {
	if len(in.Tags) == 0 {
		return nil, lacking("Tag")
	}
	if err := checkTags(in.Tags); err != nil {
		return nil, err
	}
	for _, id := range in.Resources {
		if err := c.taggable(id); err != nil {
			return nil, err
		}
		if i, ok := get(c, instances, id); ok && i.Metadata.Tags == types.InstanceMetadataTagsStateEnabled {
			if err := checkMetadataTags(in.Tags); err != nil {
				return nil, err
			}
		}
		if err := c.tag(id, in.Tags); err != nil {
			return nil, err
		}
	}
	return &api.CreateTagsOutput{}, nil
}

// taggable refuses ids that name nothing.
func (c *call) taggable(id string) error {
	n, ok := nounOf(id)
	if !ok {
		return wire.Fail("InvalidID", 400, "The ID '%s' is not valid", id)
	}
	if err := n.checkID(id); err != nil {
		return err
	}
	if !c.exists(n, id) {
		return n.gone(id)
	}
	return nil
}

// exists tells whether there is a resource of this id.
func (c *call) exists(n noun, id string) bool {
	key := c.key(id)
	switch n {
	case vpcNoun:
		return vpcs.Has(c.tx, key)
	case subnetNoun:
		return subnets.Has(c.tx, key)
	case tableNoun:
		return routeTables.Has(c.tx, key)
	case gatewayNoun:
		return gateways.Has(c.tx, key)
	case groupNoun:
		return groups.Has(c.tx, key)
	case ruleNoun:
		_, _, ok := c.rule(id)
		return ok
	case aclNoun:
		_, ok := c.vpcOfACL(id)
		return ok
	case keyNoun:
		_, ok := c.keyPair(id, "")
		return ok
	case templateNoun:
		return templates.Has(c.tx, key)
	case instanceNoun:
		i, ok := get(c, instances, id)
		return ok && !c.vanished(i)
	case interfaceNoun:
		_, ok := c.instanceOf(func(i instanceRow) bool { return i.Interface.ID == id })
		return ok
	case volumeNoun:
		_, ok := c.instanceOf(func(i instanceRow) bool {
			return slices.ContainsFunc(i.Volumes, func(v volumeRow) bool { return v.ID == id })
		})
		return ok
	case imageNoun:
		return true // every image id can be launched
	}
	return false
}

func (c *call) mayDeleteTags(in *api.DeleteTagsInput) ([]service.Check, error) {
	var out []service.Check
	for _, id := range in.Resources {
		n, ok := nounOf(id)
		if !ok {
			return nil, wire.Fail("InvalidID", 400, "The ID '%s' is not valid", id)
		}
		// Of the resource only its tags count here.
		out = append(out, c.may("ec2:DeleteTags", c.arn(n, c.arnID(n, id)), append(c.tagKeys(id), requestTags(in.Tags)...)...))
	}
	return out, nil
}

// deleteTags removes the named tags; with a value only where the value is
// that, without tags all of the user's.
func (c *call) deleteTags(in *api.DeleteTagsInput) (*api.DeleteTagsOutput, error) {
	for _, id := range in.Resources {
		if err := c.taggable(id); err != nil {
			return nil, err
		}
		rows, _ := get(c, tagTable, id)
		rows = slices.DeleteFunc(slices.Clone(rows), func(r tag) bool {
			if len(in.Tags) == 0 {
				return !strings.HasPrefix(r.Key, "aws:")
			}
			return slices.ContainsFunc(in.Tags, func(t types.Tag) bool {
				return aws.ToString(t.Key) == r.Key && (t.Value == nil || *t.Value == r.Value)
			})
		})
		if len(rows) == 0 {
			c.forget(id)
		} else {
			tagTable.Put(c.tx, c.key(id), rows)
		}
	}
	return &api.DeleteTagsOutput{}, nil
}

var tagFields = fields[types.TagDescription]{
	"key":           func(t types.TagDescription) []string { return str(t.Key) },
	"value":         func(t types.TagDescription) []string { return str(t.Value) },
	"resource-id":   func(t types.TagDescription) []string { return str(t.ResourceId) },
	"resource-type": func(t types.TagDescription) []string { return enum(t.ResourceType) },
}

func (c *call) describeTags(in *api.DescribeTagsInput) (*api.DescribeTagsOutput, error) {
	var found []types.TagDescription
	for key, rows := range tagTable.Range(c.tx, c.scope()) {
		id := key[len(c.scope()):]
		n, ok := nounOf(id)
		if !ok {
			continue
		}
		if i, ok := get(c, instances, id); ok && c.vanished(i) {
			continue
		}
		for _, t := range rows {
			found = append(found, types.TagDescription{
				Key: new(t.Key), Value: new(t.Value), ResourceId: &id, ResourceType: types.ResourceType(n.arn),
			})
		}
	}
	tagOf := func(t types.TagDescription) []types.Tag { return []types.Tag{{Key: t.Key, Value: t.Value}} }
	found, err := filter(found, in.Filters, tagFields, tagOf)
	if err != nil {
		return nil, err
	}
	page, next, err := paginate(found, in.MaxResults, in.NextToken, func(t types.TagDescription) string { return *t.ResourceId + "\x00" + *t.Key })
	if err != nil {
		return nil, err
	}
	return &api.DescribeTagsOutput{Tags: page, NextToken: next}, nil
}

// reservedTag tells the tags that AWS itself sets.
func reservedTag(key string) bool { return strings.HasPrefix(key, "aws:") }
