package ec2

import (
	"net/netip"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/aws"
	api "github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/mantle-iam/mantle/sandbox/internal/service"
	"github.com/mantle-iam/mantle/sandbox/internal/wire"
)

// VPCs: https://docs.aws.amazon.com/vpc/latest/userguide/configure-your-vpc.html

func (c *call) createVPC(in *api.CreateVpcInput) (*api.CreateVpcOutput, error) {
	switch {
	case aws.ToBool(in.AmazonProvidedIpv6CidrBlock) || in.Ipv6CidrBlock != nil || in.Ipv6Pool != nil || in.Ipv6IpamPoolId != nil:
		return nil, unsupported("IPv6 addresses of VPCs")
	case in.Ipv4IpamPoolId != nil:
		return nil, unsupported("IPAM pools")
	}
	cidr, err := block("cidrBlock", in.CidrBlock, "InvalidVpc.Range")
	if err != nil {
		return nil, err
	}
	tags, err := specified(in.TagSpecifications, types.ResourceTypeVpc)
	if err != nil {
		return nil, err
	}
	tenancy := in.InstanceTenancy
	if tenancy == "" {
		tenancy = types.TenancyDefault
	}
	v := vpcRow{
		ID: newID("vpc"), CIDR: cidr.String(), CIDRAssociation: newID("vpc-cidr-assoc"), Tenancy: tenancy,
		DNSSupport: true, NetworkACL: newID("acl"), DHCPOptions: c.dhcpOptions(),
	}
	c.furnish(v, func(prefix string, _ ...string) string { return newID(prefix) })
	if err := c.tag(v.ID, tags); err != nil {
		return nil, err
	}
	view := c.vpcView(v)
	view.State = types.VpcStatePending
	return &api.CreateVpcOutput{Vpc: &view}, nil
}

// block reads an IPv4 block of a VPC or subnet. EC2 takes the network out of
// "10.0.1.7/16" without asking.
func block(name string, text *string, code string) (netip.Prefix, error) {
	if text == nil {
		return netip.Prefix{}, lacking(name)
	}
	p, err := netip.ParsePrefix(*text)
	if err != nil || !p.Addr().Is4() {
		return netip.Prefix{}, invalid("Value (%s) for parameter %s is invalid. This is not a valid CIDR block.", *text, name)
	}
	if p.Bits() < 16 || p.Bits() > 28 {
		return netip.Prefix{}, wire.Fail(code, 400, "The CIDR '%s' is invalid.", *text)
	}
	return p.Masked(), nil
}

func (c *call) vpcView(v vpcRow) types.Vpc {
	return types.Vpc{
		VpcId: &v.ID, OwnerId: &c.account, CidrBlock: &v.CIDR, State: types.VpcStateAvailable, InstanceTenancy: v.Tenancy,
		IsDefault: &v.Default, DhcpOptionsId: &v.DHCPOptions, Tags: c.tags(v.ID),
		CidrBlockAssociationSet: []types.VpcCidrBlockAssociation{{
			AssociationId: &v.CIDRAssociation, CidrBlock: &v.CIDR,
			CidrBlockState: &types.VpcCidrBlockState{State: types.VpcCidrBlockStateCodeAssociated},
		}},
	}
}

var vpcFields = fields[types.Vpc]{
	"cidr":                                  func(v types.Vpc) []string { return str(v.CidrBlock) },
	"cidr-block-association.cidr-block":     func(v types.Vpc) []string { return str(v.CidrBlock) },
	"cidr-block-association.state":          func(types.Vpc) []string { return []string{"associated"} },
	"dhcp-options-id":                       func(v types.Vpc) []string { return str(v.DhcpOptionsId) },
	"is-default":                            func(v types.Vpc) []string { return flag(v.IsDefault) },
	"isDefault":                             func(v types.Vpc) []string { return flag(v.IsDefault) },
	"owner-id":                              func(v types.Vpc) []string { return str(v.OwnerId) },
	"state":                                 func(v types.Vpc) []string { return enum(v.State) },
	"vpc-id":                                func(v types.Vpc) []string { return str(v.VpcId) },
	"cidr-block-association.association-id": func(v types.Vpc) []string { return str(v.CidrBlockAssociationSet[0].AssociationId) },
}

func (c *call) describeVPCs(in *api.DescribeVpcsInput) (*api.DescribeVpcsOutput, error) {
	var views []types.Vpc
	for _, v := range all(c, vpcs) {
		views = append(views, c.vpcView(v))
	}
	id := func(v types.Vpc) string { return *v.VpcId }
	views, err := pick(views, in.VpcIds, vpcNoun, id)
	if err != nil {
		return nil, err
	}
	if views, err = filter(views, in.Filters, vpcFields, func(v types.Vpc) []types.Tag { return v.Tags }); err != nil {
		return nil, err
	}
	page, next, err := paginate(views, in.MaxResults, in.NextToken, id)
	if err != nil {
		return nil, err
	}
	return &api.DescribeVpcsOutput{Vpcs: page, NextToken: next}, nil
}

// vpc finds the VPC that a parameter names.
func (c *call) vpc(id *string) (vpcRow, error) {
	if aws.ToString(id) == "" {
		return vpcRow{}, lacking("vpcId")
	}
	v, ok := get(c, vpcs, *id)
	if !ok {
		return vpcRow{}, vpcNoun.gone(*id)
	}
	return v, nil
}

// deleteVPC deletes an empty VPC, and with it what every VPC has.
func (c *call) deleteVPC(in *api.DeleteVpcInput) (*api.DeleteVpcOutput, error) {
	v, err := c.vpc(in.VpcId)
	if err != nil {
		return nil, err
	}
	inUse := dependency("The vpc '%s' has dependencies and cannot be deleted.", v.ID)
	for _, s := range all(c, subnets) {
		if s.VPC == v.ID {
			return nil, inUse
		}
	}
	for _, g := range all(c, gateways) {
		if g.VPC == v.ID {
			return nil, inUse
		}
	}
	for _, g := range all(c, groups) {
		if g.VPC == v.ID && g.Name != "default" {
			return nil, inUse
		}
	}
	for _, t := range all(c, routeTables) {
		if t.VPC == v.ID && !t.main() {
			return nil, inUse
		}
	}
	for _, g := range all(c, groups) {
		if g.VPC == v.ID {
			groups.Delete(c.tx, c.key(g.ID))
			c.forget(g.ID)
			for _, r := range g.Rules {
				c.forget(r.ID)
			}
		}
	}
	for _, t := range all(c, routeTables) {
		if t.VPC == v.ID {
			routeTables.Delete(c.tx, c.key(t.ID))
			c.forget(t.ID)
		}
	}
	vpcs.Delete(c.tx, c.key(v.ID))
	c.forget(v.NetworkACL)
	c.forget(v.ID)
	return &api.DeleteVpcOutput{}, nil
}

func (c *call) describeVPCAttribute(in *api.DescribeVpcAttributeInput) (*api.DescribeVpcAttributeOutput, error) {
	v, err := c.vpc(in.VpcId)
	if err != nil {
		return nil, err
	}
	out := &api.DescribeVpcAttributeOutput{VpcId: &v.ID}
	switch in.Attribute {
	case types.VpcAttributeNameEnableDnsSupport:
		out.EnableDnsSupport = &types.AttributeBooleanValue{Value: &v.DNSSupport}
	case types.VpcAttributeNameEnableDnsHostnames:
		out.EnableDnsHostnames = &types.AttributeBooleanValue{Value: &v.DNSHostnames}
	case types.VpcAttributeNameEnableNetworkAddressUsageMetrics:
		out.EnableNetworkAddressUsageMetrics = &types.AttributeBooleanValue{Value: &v.NAUMetrics}
	default:
		return nil, invalid("Value (%s) for parameter attribute is invalid. Unknown VPC attribute.", in.Attribute)
	}
	return out, nil
}

// vpcAttribute finds the one attribute that a ModifyVpcAttribute sets.
func vpcAttribute(in *api.ModifyVpcAttributeInput) (name string, value *types.AttributeBooleanValue, err error) {
	for _, a := range []struct {
		name  string
		value *types.AttributeBooleanValue
	}{
		{"EnableDnsSupport", in.EnableDnsSupport}, {"EnableDnsHostnames", in.EnableDnsHostnames},
		{"EnableNetworkAddressUsageMetrics", in.EnableNetworkAddressUsageMetrics},
	} {
		if a.value == nil {
			continue
		}
		if value != nil {
			return "", nil, combination("Fields for multiple attribute types specified")
		}
		name, value = a.name, a.value
	}
	if value == nil || value.Value == nil {
		return "", nil, lacking("EnableDnsSupport")
	}
	return name, value, nil
}

func (c *call) mayModifyVPCAttribute(in *api.ModifyVpcAttributeInput) ([]service.Check, error) {
	name, value, err := vpcAttribute(in)
	if err != nil {
		return nil, err
	}
	return []service.Check{c.check(vpcNoun, aws.ToString(in.VpcId), attribute(name, strconv.FormatBool(*value.Value))...)}, nil
}

func (c *call) modifyVPCAttribute(in *api.ModifyVpcAttributeInput) (*api.ModifyVpcAttributeOutput, error) {
	v, err := c.vpc(in.VpcId)
	if err != nil {
		return nil, err
	}
	name, value, err := vpcAttribute(in)
	if err != nil {
		return nil, err
	}
	switch name {
	case "EnableDnsSupport":
		v.DNSSupport = *value.Value
	case "EnableDnsHostnames":
		v.DNSHostnames = *value.Value
	default:
		v.NAUMetrics = *value.Value
	}
	vpcs.Put(c.tx, c.key(v.ID), v)
	return &api.ModifyVpcAttributeOutput{}, nil
}
