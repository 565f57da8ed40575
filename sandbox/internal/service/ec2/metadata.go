package ec2

import (
	"regexp"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/aws"
	api "github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/mantle-iam/mantle/sandbox/internal/service"
)

// Options of the metadata service:
// https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/configuring-instance-metadata-options.html

// metadataDefaults are the options of an instance that is launched without
// any.
func metadataDefaults(m imageRow) metadataRow {
	row := metadataRow{
		Tokens: types.HttpTokensStateOptional, Hops: 1, Endpoint: types.InstanceMetadataEndpointStateEnabled,
		IPv6: types.InstanceMetadataProtocolStateDisabled, Tags: types.InstanceMetadataTagsStateDisabled,
	}
	if m.IMDSv2 {
		row.Tokens, row.Hops = types.HttpTokensStateRequired, 2
	}
	return row
}

// set changes the options that are given.
func (m *metadataRow) set(in *api.ModifyInstanceMetadataOptionsInput) error {
	others := in.HttpTokens != "" || in.HttpPutResponseHopLimit != nil || in.HttpProtocolIpv6 != "" || in.InstanceMetadataTags != ""
	switch in.HttpEndpoint {
	case types.InstanceMetadataEndpointStateDisabled:
		if in.HttpTokens != "" || in.HttpPutResponseHopLimit != nil {
			return combination("The HttpTokens and HttpPutResponseHopLimit parameters may not be specified when HttpEndpoint is disabled")
		}
		m.Endpoint = in.HttpEndpoint
	case types.InstanceMetadataEndpointStateEnabled:
		m.Endpoint = in.HttpEndpoint
	case "":
		if !others {
			return lacking("HttpTokens, HttpPutResponseHopLimit, HttpEndpoint, HttpProtocolIpv6 or InstanceMetadataTags")
		}
	default:
		return invalid("Invalid value '%s' for HttpEndpoint", in.HttpEndpoint)
	}
	switch in.HttpTokens {
	case types.HttpTokensStateOptional, types.HttpTokensStateRequired:
		m.Tokens = in.HttpTokens
	case "":
	default:
		return invalid("Invalid value '%s' for HttpTokens", in.HttpTokens)
	}
	if n := in.HttpPutResponseHopLimit; n != nil {
		if *n < 1 || *n > 64 {
			return invalid("Value (%d) for parameter HttpPutResponseHopLimit is invalid. It must be between 1 and 64.", *n)
		}
		m.Hops = *n
	}
	switch in.HttpProtocolIpv6 {
	case types.InstanceMetadataProtocolStateEnabled, types.InstanceMetadataProtocolStateDisabled:
		m.IPv6 = in.HttpProtocolIpv6
	case "":
	default:
		return invalid("Invalid value '%s' for HttpProtocolIpv6", in.HttpProtocolIpv6)
	}
	switch in.InstanceMetadataTags {
	case types.InstanceMetadataTagsStateEnabled, types.InstanceMetadataTagsStateDisabled:
		m.Tags = in.InstanceMetadataTags
	case "":
	default:
		return invalid("Invalid value '%s' for InstanceMetadataTags", in.InstanceMetadataTags)
	}
	return nil
}

func (m metadataRow) view(state types.InstanceMetadataOptionsState) *types.InstanceMetadataOptionsResponse {
	return &types.InstanceMetadataOptionsResponse{
		State: state, HttpTokens: m.Tokens, HttpPutResponseHopLimit: &m.Hops, HttpEndpoint: m.Endpoint, HttpProtocolIpv6: m.IPv6, InstanceMetadataTags: m.Tags,
	}
}

// metadataTag is what a tag's key may be where tags are shown in metadata:
// it becomes part of a path.
// https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/work-with-tags-in-IMDS.html
var metadataTag = regexp.MustCompile(`^[0-9a-zA-Z\-_+=,.@:]{1,255}$`)

func checkMetadataTags(tags []types.Tag) error {
	for _, t := range tags {
		k := aws.ToString(t.Key)
		if !metadataTag.MatchString(k) || k == "." || k == ".." || k == "_index" {
			return invalid(`'%s' is not a valid tag key. Tag keys must match pattern ([0-9a-zA-Z\\-_+=,.@:]{1,255}), and must not be a reserved name ('.', '..', '_index')`, k)
		}
	}
	return nil
}

func (c *call) mayModifyMetadata(in *api.ModifyInstanceMetadataOptionsInput) ([]service.Check, error) {
	var keys []service.KV
	add := func(name, value string) {
		if value != "" {
			keys = append(keys, kv("ec2:Attribute/"+name, value))
		}
	}
	add("HttpTokens", string(in.HttpTokens))
	add("HttpEndpoint", string(in.HttpEndpoint))
	add("InstanceMetadataTags", string(in.InstanceMetadataTags))
	if in.HttpPutResponseHopLimit != nil {
		add("HttpPutResponseHopLimit", strconv.Itoa(int(*in.HttpPutResponseHopLimit)))
	}
	return []service.Check{c.check(instanceNoun, aws.ToString(in.InstanceId), keys...)}, nil
}

func (c *call) modifyMetadata(in *api.ModifyInstanceMetadataOptionsInput) (*api.ModifyInstanceMetadataOptionsOutput, error) {
	i, err := c.living(in.InstanceId)
	if err != nil {
		return nil, err
	}
	if err := i.Metadata.set(in); err != nil {
		return nil, err
	}
	if i.Metadata.Tags == types.InstanceMetadataTagsStateEnabled {
		var own []types.Tag
		for _, t := range c.tags(i.ID) {
			if !reservedTag(*t.Key) {
				own = append(own, t)
			}
		}
		if err := checkMetadataTags(own); err != nil {
			return nil, err
		}
	}
	c.put(i)
	return &api.ModifyInstanceMetadataOptionsOutput{InstanceId: &i.ID, InstanceMetadataOptions: i.Metadata.view(types.InstanceMetadataOptionsStatePending)}, nil
}
