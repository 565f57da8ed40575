package ec2

import (
	"net/netip"
	"slices"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/aws"
	api "github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/mantle-iam/mantle/sandbox/internal/service"
	"github.com/mantle-iam/mantle/sandbox/internal/wire"
)

// Subnets: https://docs.aws.amazon.com/vpc/latest/userguide/configure-subnets.html

// reserved are the addresses of a subnet that EC2 keeps for itself: the first
// four and the last.
const reserved = 5

func (c *call) createSubnet(in *api.CreateSubnetInput) (*api.CreateSubnetOutput, error) {
	if in.Ipv6CidrBlock != nil || aws.ToBool(in.Ipv6Native) || in.Ipv6IpamPoolId != nil || in.Ipv4IpamPoolId != nil || in.OutpostArn != nil {
		return nil, unsupported("IPv6, IPAM and Outposts in subnets")
	}
	v, err := c.vpc(in.VpcId)
	if err != nil {
		return nil, err
	}
	cidr, err := block("cidrBlock", in.CidrBlock, "InvalidSubnet.Range")
	if err != nil {
		return nil, err
	}
	tags, err := specified(in.TagSpecifications, types.ResourceTypeSubnet)
	if err != nil {
		return nil, err
	}
	whole := netip.MustParsePrefix(v.CIDR)
	if cidr.Bits() < whole.Bits() || !whole.Contains(cidr.Addr()) {
		return nil, wire.Fail("InvalidSubnet.Range", 400, "The CIDR '%s' is invalid.", cidr)
	}
	for _, s := range all(c, subnets) {
		if s.VPC == v.ID && netip.MustParsePrefix(s.CIDR).Overlaps(cidr) {
			return nil, wire.Fail("InvalidSubnet.Conflict", 400, "The CIDR '%s' conflicts with another subnet", cidr)
		}
	}
	zone, err := c.zone(in.AvailabilityZone, in.AvailabilityZoneId)
	if err != nil {
		return nil, err
	}
	s := subnetRow{
		ID: newID("subnet"), VPC: v.ID, Zone: zone, CIDR: cidr.String(),
		HostnameType: types.HostnameTypeIpName, NetworkACLAssociation: newID("aclassoc"),
	}
	subnets.Put(c.tx, c.key(s.ID), s)
	if err := c.tag(s.ID, tags); err != nil {
		return nil, err
	}
	view := c.subnetView(s)
	view.State = types.SubnetStatePending
	return &api.CreateSubnetOutput{Subnet: &view}, nil
}

// zone finds a zone by name or id; without either it is the first.
func (c *call) zone(name, id *string) (string, error) {
	for _, z := range c.zones() {
		if name == nil && id == nil || aws.ToString(name) == z || name == nil && *id == c.zoneID(z) {
			return z, nil
		}
	}
	what := "availabilityZone"
	if name == nil {
		what, name = "availabilityZoneId", id
	}
	return "", invalid("Value (%s) for parameter %s is invalid. Subnets can currently only be created in the following availability zones: %s.", *name, what, joined(c.zones()))
}

func joined(list []string) string {
	var out string
	for i, s := range list {
		if i > 0 {
			out += ", "
		}
		out += s
	}
	return out
}

func (c *call) subnetView(s subnetRow) types.Subnet {
	free := 1<<(32-netip.MustParsePrefix(s.CIDR).Bits()) - reserved - len(c.addresses(s.ID))
	return types.Subnet{
		SubnetId: &s.ID, VpcId: &s.VPC, OwnerId: &c.account, SubnetArn: new(c.arn(subnetNoun, s.ID)), CidrBlock: &s.CIDR,
		AvailabilityZone: &s.Zone, AvailabilityZoneId: new(c.zoneID(s.Zone)), AvailableIpAddressCount: new(int32(free)),
		State: types.SubnetStateAvailable, DefaultForAz: &s.Default, MapPublicIpOnLaunch: &s.MapPublicIP,
		MapCustomerOwnedIpOnLaunch: new(false), AssignIpv6AddressOnCreation: new(false), EnableDns64: &s.DNS64, Ipv6Native: new(false),
		Ipv6CidrBlockAssociationSet: []types.SubnetIpv6CidrBlockAssociation{},
		PrivateDnsNameOptionsOnLaunch: &types.PrivateDnsNameOptionsOnLaunch{
			HostnameType: s.HostnameType, EnableResourceNameDnsARecord: &s.ResourceNameA, EnableResourceNameDnsAAAARecord: &s.ResourceNameAAAA,
		},
		Tags: c.tags(s.ID),
	}
}

// addresses are the private addresses in use in a subnet.
func (c *call) addresses(subnet string) map[string]bool {
	out := map[string]bool{}
	for _, i := range instances.Range(c.tx, c.scope()) {
		if i.Subnet == subnet && i.State != types.InstanceStateNameTerminated {
			out[i.Interface.IP] = true
		}
	}
	return out
}

// address takes the next free address of a subnet, or the wanted one.
func (c *call) address(s subnetRow, want string) (string, error) {
	p, used := netip.MustParsePrefix(s.CIDR), c.addresses(s.ID)
	if want != "" {
		a, err := netip.ParseAddr(want)
		if err != nil || !p.Contains(a) {
			return "", invalid("Address %s does not fall within the subnet's address range", want)
		}
		if used[want] {
			return "", wire.Fail("InvalidIPAddress.InUse", 400, "Address %s is in use.", want)
		}
		return want, nil
	}
	a := p.Addr()
	for range reserved - 1 {
		a = a.Next()
	}
	// The last address is the broadcast address, not for use.
	for ; p.Contains(a.Next()); a = a.Next() {
		if !used[a.String()] {
			return a.String(), nil
		}
	}
	return "", wire.Fail("InsufficientFreeAddressesInSubnet", 400, "The specified subnet does not have enough free addresses to satisfy the request.")
}

var subnetFields = fields[types.Subnet]{
	"availability-zone":          func(s types.Subnet) []string { return str(s.AvailabilityZone) },
	"availabilityZone":           func(s types.Subnet) []string { return str(s.AvailabilityZone) },
	"availability-zone-id":       func(s types.Subnet) []string { return str(s.AvailabilityZoneId) },
	"availabilityZoneId":         func(s types.Subnet) []string { return str(s.AvailabilityZoneId) },
	"available-ip-address-count": func(s types.Subnet) []string { return number(s.AvailableIpAddressCount) },
	"cidr":                       func(s types.Subnet) []string { return str(s.CidrBlock) },
	"cidrBlock":                  func(s types.Subnet) []string { return str(s.CidrBlock) },
	"cidr-block":                 func(s types.Subnet) []string { return str(s.CidrBlock) },
	"default-for-az":             func(s types.Subnet) []string { return flag(s.DefaultForAz) },
	"defaultForAz":               func(s types.Subnet) []string { return flag(s.DefaultForAz) },
	"map-public-ip-on-launch":    func(s types.Subnet) []string { return flag(s.MapPublicIpOnLaunch) },
	"owner-id":                   func(s types.Subnet) []string { return str(s.OwnerId) },
	"state":                      func(s types.Subnet) []string { return enum(s.State) },
	"subnet-arn":                 func(s types.Subnet) []string { return str(s.SubnetArn) },
	"subnet-id":                  func(s types.Subnet) []string { return str(s.SubnetId) },
	"vpc-id":                     func(s types.Subnet) []string { return str(s.VpcId) },
}

func (c *call) describeSubnets(in *api.DescribeSubnetsInput) (*api.DescribeSubnetsOutput, error) {
	var views []types.Subnet
	for _, s := range all(c, subnets) {
		views = append(views, c.subnetView(s))
	}
	id := func(s types.Subnet) string { return *s.SubnetId }
	views, err := pick(views, in.SubnetIds, subnetNoun, id)
	if err != nil {
		return nil, err
	}
	if views, err = filter(views, in.Filters, subnetFields, func(s types.Subnet) []types.Tag { return s.Tags }); err != nil {
		return nil, err
	}
	page, next, err := paginate(views, in.MaxResults, in.NextToken, id)
	if err != nil {
		return nil, err
	}
	return &api.DescribeSubnetsOutput{Subnets: page, NextToken: next}, nil
}

// subnet finds the subnet that a parameter names.
func (c *call) subnet(id *string) (subnetRow, error) {
	if aws.ToString(id) == "" {
		return subnetRow{}, lacking("subnetId")
	}
	s, ok := get(c, subnets, *id)
	if !ok {
		return subnetRow{}, subnetNoun.gone(*id)
	}
	return s, nil
}

func (c *call) deleteSubnet(in *api.DeleteSubnetInput) (*api.DeleteSubnetOutput, error) {
	s, err := c.subnet(in.SubnetId)
	if err != nil {
		return nil, err
	}
	if len(c.addresses(s.ID)) > 0 {
		return nil, dependency("The subnet '%s' has dependencies and cannot be deleted.", s.ID)
	}
	for _, t := range all(c, routeTables) {
		t.Associations = slices.DeleteFunc(slices.Clone(t.Associations), func(a associationRow) bool { return a.Subnet == s.ID })
		routeTables.Put(c.tx, c.key(t.ID), t)
	}
	subnets.Delete(c.tx, c.key(s.ID))
	c.forget(s.ID)
	return &api.DeleteSubnetOutput{}, nil
}

// subnetAttribute finds the one attribute that a ModifySubnetAttribute sets:
// its name, its value as a text, and how a subnet takes it.
func subnetAttribute(in *api.ModifySubnetAttributeInput) (name, value string, set func(*subnetRow), err error) {
	found := 0
	take := func(n string, v *types.AttributeBooleanValue, to func(*subnetRow, bool)) {
		if v != nil {
			b := aws.ToBool(v.Value)
			name, value, set = n, strconv.FormatBool(b), func(s *subnetRow) { to(s, b) }
			found++
		}
	}
	take("MapPublicIpOnLaunch", in.MapPublicIpOnLaunch, func(s *subnetRow, b bool) { s.MapPublicIP = b })
	take("EnableDns64", in.EnableDns64, func(s *subnetRow, b bool) { s.DNS64 = b })
	take("EnableResourceNameDnsARecordOnLaunch", in.EnableResourceNameDnsARecordOnLaunch, func(s *subnetRow, b bool) { s.ResourceNameA = b })
	take("EnableResourceNameDnsAAAARecordOnLaunch", in.EnableResourceNameDnsAAAARecordOnLaunch, func(s *subnetRow, b bool) { s.ResourceNameAAAA = b })
	take("AssignIpv6AddressOnCreation", in.AssignIpv6AddressOnCreation, func(*subnetRow, bool) {})
	if t := in.PrivateDnsHostnameTypeOnLaunch; t != "" {
		name, value, set = "PrivateDnsHostnameTypeOnLaunch", string(t), func(s *subnetRow) { s.HostnameType = t }
		found++
	}
	switch {
	case in.AssignIpv6AddressOnCreation != nil && aws.ToBool(in.AssignIpv6AddressOnCreation.Value):
		return "", "", nil, unsupported("IPv6 addresses of subnets")
	case in.MapCustomerOwnedIpOnLaunch != nil || in.CustomerOwnedIpv4Pool != nil || in.EnableLniAtDeviceIndex != nil:
		return "", "", nil, unsupported("Outposts in subnets")
	case found > 1:
		return "", "", nil, combination("Only one attribute can be modified at a time")
	case found == 0:
		return "", "", nil, lacking("MapPublicIpOnLaunch")
	}
	return name, value, set, nil
}

func (c *call) mayModifySubnetAttribute(in *api.ModifySubnetAttributeInput) ([]service.Check, error) {
	name, value, _, err := subnetAttribute(in)
	if err != nil {
		return nil, err
	}
	return []service.Check{c.check(subnetNoun, aws.ToString(in.SubnetId), attribute(name, value)...)}, nil
}

func (c *call) modifySubnetAttribute(in *api.ModifySubnetAttributeInput) (*api.ModifySubnetAttributeOutput, error) {
	s, err := c.subnet(in.SubnetId)
	if err != nil {
		return nil, err
	}
	_, _, set, err := subnetAttribute(in)
	if err != nil {
		return nil, err
	}
	set(&s)
	subnets.Put(c.tx, c.key(s.ID), s)
	return &api.ModifySubnetAttributeOutput{}, nil
}
