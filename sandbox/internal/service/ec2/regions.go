package ec2

import (
	"slices"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	api "github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

// regionRow is a region: its name, the letters of its zones as an account
// sees them, and how its zone ids begin.
type regionRow struct{ name, zones, id string }

// regionTable lists the regions that are on in every account. The sandbox
// answers in any region; one that is not in the table has zones a, b and c.
// https://docs.aws.amazon.com/global-infrastructure/latest/regions/aws-regions.html
var regionTable = []regionRow{
	{"ap-northeast-1", "acd", "apne1"}, {"ap-northeast-2", "abcd", "apne2"}, {"ap-northeast-3", "abc", "apne3"},
	{"ap-south-1", "abc", "aps1"}, {"ap-southeast-1", "abc", "apse1"}, {"ap-southeast-2", "abc", "apse2"},
	{"ca-central-1", "abd", "cac1"}, {"eu-central-1", "abc", "euc1"}, {"eu-north-1", "abc", "eun1"},
	{"eu-west-1", "abc", "euw1"}, {"eu-west-2", "abc", "euw2"}, {"eu-west-3", "abc", "euw3"},
	{"sa-east-1", "abc", "sae1"}, {"us-east-1", "abcdef", "use1"}, {"us-east-2", "abc", "use2"},
	{"us-west-1", "ac", "usw1"}, {"us-west-2", "abcd", "usw2"},
}

func region(name string) regionRow {
	for _, r := range regionTable {
		if r.name == name {
			return r
		}
	}
	return regionRow{name, "abc", strings.ReplaceAll(name, "-", "")}
}

// zones are the names of the call's zones.
func (c *call) zones() []string {
	r := region(c.region)
	out := make([]string, len(r.zones))
	for i, letter := range r.zones {
		out[i] = r.name + string(letter)
	}
	return out
}

// zoneID is the id of a zone, empty if the region has no such zone.
func (c *call) zoneID(name string) string {
	i := slices.Index(c.zones(), name)
	if i < 0 {
		return ""
	}
	return region(c.region).id + "-az" + strconv.Itoa(i+1)
}

var zoneFields = fields[types.AvailabilityZone]{
	"group-name":    func(z types.AvailabilityZone) []string { return str(z.GroupName) },
	"opt-in-status": func(z types.AvailabilityZone) []string { return enum(z.OptInStatus) },
	"region-name":   func(z types.AvailabilityZone) []string { return str(z.RegionName) },
	"state":         func(z types.AvailabilityZone) []string { return enum(z.State) },
	"zone-id":       func(z types.AvailabilityZone) []string { return str(z.ZoneId) },
	"zone-name":     func(z types.AvailabilityZone) []string { return str(z.ZoneName) },
	"zone-type":     func(z types.AvailabilityZone) []string { return str(z.ZoneType) },
}

func (c *call) describeAvailabilityZones(in *api.DescribeAvailabilityZonesInput) (*api.DescribeAvailabilityZonesOutput, error) {
	var out []types.AvailabilityZone
	for _, name := range c.zones() {
		id := c.zoneID(name)
		if len(in.ZoneNames) > 0 && !slices.Contains(in.ZoneNames, name) || len(in.ZoneIds) > 0 && !slices.Contains(in.ZoneIds, id) {
			continue
		}
		out = append(out, types.AvailabilityZone{
			State: types.AvailabilityZoneStateAvailable, OptInStatus: types.AvailabilityZoneOptInStatusOptInNotRequired,
			RegionName: &c.region, ZoneName: &name, ZoneId: &id, GroupName: &c.region, NetworkBorderGroup: &c.region,
			ZoneType: new("availability-zone"),
		})
	}
	for _, name := range in.ZoneNames {
		if !slices.Contains(c.zones(), name) {
			return nil, invalid("Invalid availability zone: [%s]", name)
		}
	}
	out, err := filter(out, in.Filters, zoneFields, nil)
	if err != nil {
		return nil, err
	}
	return &api.DescribeAvailabilityZonesOutput{AvailabilityZones: out}, nil
}

var regionFields = fields[types.Region]{
	"endpoint":      func(r types.Region) []string { return str(r.Endpoint) },
	"opt-in-status": func(r types.Region) []string { return str(r.OptInStatus) },
	"region-name":   func(r types.Region) []string { return str(r.RegionName) },
}

func (c *call) describeRegions(in *api.DescribeRegionsInput) (*api.DescribeRegionsOutput, error) {
	out := []types.Region{}
	for _, r := range regionTable {
		if len(in.RegionNames) == 0 || slices.Contains(in.RegionNames, r.name) {
			out = append(out, types.Region{
				RegionName: new(r.name), Endpoint: new("ec2." + r.name + ".amazonaws.com"), OptInStatus: new("opt-in-not-required"),
			})
		}
	}
	for _, name := range in.RegionNames {
		if !slices.ContainsFunc(regionTable, func(r regionRow) bool { return r.name == name }) {
			return nil, invalid("Invalid region: [%s]", name)
		}
	}
	out, err := filter(out, in.Filters, regionFields, nil)
	if err != nil {
		return nil, err
	}
	return &api.DescribeRegionsOutput{Regions: out}, nil
}

func (c *call) describeAccountAttributes(in *api.DescribeAccountAttributesInput) (*api.DescribeAccountAttributesOutput, error) {
	vpc := "none"
	if v, ok := c.defaultVPC(); ok {
		vpc = v.ID
	}
	out := []types.AccountAttribute{}
	for _, a := range []struct{ name, value string }{
		{"supported-platforms", "VPC"}, {"default-vpc", vpc}, {"max-instances", "20"},
		{"vpc-max-security-groups-per-interface", "5"}, {"max-elastic-ips", "5"}, {"vpc-max-elastic-ips", "5"},
	} {
		if len(in.AttributeNames) == 0 || slices.Contains(in.AttributeNames, types.AccountAttributeName(a.name)) {
			out = append(out, types.AccountAttribute{AttributeName: aws.String(a.name),
				AttributeValues: []types.AccountAttributeValue{{AttributeValue: aws.String(a.value)}}})
		}
	}
	return &api.DescribeAccountAttributesOutput{AccountAttributes: out}, nil
}
