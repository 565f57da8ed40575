package ec2

import (
	api "github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

// Network interfaces: each instance has its primary one; others cannot be
// made in the sandbox.

// attachedInterface is how an instance shows its interface.
func (c *call) attachedInterface(i instanceRow) types.InstanceNetworkInterface {
	name := c.internalName(i)
	v := types.InstanceNetworkInterface{
		NetworkInterfaceId: &i.Interface.ID, VpcId: &i.VPC, SubnetId: &i.Subnet, OwnerId: &c.account, MacAddress: &i.Interface.MAC,
		Description: &i.Interface.Description, InterfaceType: new("interface"), Status: types.NetworkInterfaceStatusInUse,
		PrivateIpAddress: &i.Interface.IP, PrivateDnsName: &name, SourceDestCheck: new(!i.Interface.NoCheck), Groups: c.groupNames(i.Groups),
		Attachment: &types.InstanceNetworkInterfaceAttachment{
			AttachmentId: &i.Interface.Attachment, AttachTime: &i.Launched, DeviceIndex: new(int32(0)), NetworkCardIndex: new(int32(0)),
			DeleteOnTermination: new(!i.Interface.Keep), Status: types.AttachmentStatusAttached,
		},
		Ipv6Addresses: []types.InstanceIpv6Address{},
	}
	private := types.InstancePrivateIpAddress{Primary: new(true), PrivateIpAddress: &i.Interface.IP, PrivateDnsName: &name}
	if i.PublicIP != "" {
		a := &types.InstanceNetworkInterfaceAssociation{PublicIp: &i.PublicIP, PublicDnsName: new(c.publicName(i)), IpOwnerId: new("amazon")}
		v.Association, private.Association = a, a
	}
	v.PrivateIpAddresses = []types.InstancePrivateIpAddress{private}
	return v
}

func (c *call) interfaceView(i instanceRow) types.NetworkInterface {
	name := c.internalName(i)
	v := types.NetworkInterface{
		NetworkInterfaceId: &i.Interface.ID, VpcId: &i.VPC, SubnetId: &i.Subnet, AvailabilityZone: &i.Zone, OwnerId: &c.account, MacAddress: &i.Interface.MAC,
		Description: &i.Interface.Description, InterfaceType: types.NetworkInterfaceTypeInterface, Status: types.NetworkInterfaceStatusInUse,
		PrivateIpAddress: &i.Interface.IP, PrivateDnsName: &name, SourceDestCheck: new(!i.Interface.NoCheck), Groups: c.groupNames(i.Groups),
		RequesterManaged: new(false), TagSet: c.tags(i.Interface.ID),
		Attachment: &types.NetworkInterfaceAttachment{
			AttachmentId: &i.Interface.Attachment, AttachTime: &i.Launched, DeviceIndex: new(int32(0)), NetworkCardIndex: new(int32(0)),
			InstanceId: &i.ID, InstanceOwnerId: &c.account, DeleteOnTermination: new(!i.Interface.Keep), Status: types.AttachmentStatusAttached,
		},
	}
	private := types.NetworkInterfacePrivateIpAddress{Primary: new(true), PrivateIpAddress: &i.Interface.IP, PrivateDnsName: &name}
	if i.PublicIP != "" {
		a := &types.NetworkInterfaceAssociation{PublicIp: &i.PublicIP, PublicDnsName: new(c.publicName(i)), IpOwnerId: new("amazon")}
		v.Association, private.Association = a, a
	}
	v.PrivateIpAddresses = []types.NetworkInterfacePrivateIpAddress{private}
	return v
}

func ofAttachment(value func(*types.NetworkInterfaceAttachment) []string) func(types.NetworkInterface) []string {
	return func(n types.NetworkInterface) []string { return value(n.Attachment) }
}

var interfaceFields = fields[types.NetworkInterface]{
	"addresses.private-ip-address": func(n types.NetworkInterface) []string { return str(n.PrivateIpAddress) },
	"association.public-ip": func(n types.NetworkInterface) []string {
		if n.Association == nil {
			return nil
		}
		return str(n.Association.PublicIp)
	},
	"attachment.attachment-id":     ofAttachment(func(a *types.NetworkInterfaceAttachment) []string { return str(a.AttachmentId) }),
	"attachment.device-index":      ofAttachment(func(a *types.NetworkInterfaceAttachment) []string { return number(a.DeviceIndex) }),
	"attachment.instance-id":       ofAttachment(func(a *types.NetworkInterfaceAttachment) []string { return str(a.InstanceId) }),
	"attachment.instance-owner-id": ofAttachment(func(a *types.NetworkInterfaceAttachment) []string { return str(a.InstanceOwnerId) }),
	"attachment.status":            ofAttachment(func(a *types.NetworkInterfaceAttachment) []string { return enum(a.Status) }),
	"availability-zone":            func(n types.NetworkInterface) []string { return str(n.AvailabilityZone) },
	"description":                  func(n types.NetworkInterface) []string { return str(n.Description) },
	"group-id": func(n types.NetworkInterface) []string {
		return each(n.Groups, func(g types.GroupIdentifier) []string { return str(g.GroupId) })
	},
	"group-name": func(n types.NetworkInterface) []string {
		return each(n.Groups, func(g types.GroupIdentifier) []string { return str(g.GroupName) })
	},
	"interface-type":       func(n types.NetworkInterface) []string { return enum(n.InterfaceType) },
	"mac-address":          func(n types.NetworkInterface) []string { return str(n.MacAddress) },
	"network-interface-id": func(n types.NetworkInterface) []string { return str(n.NetworkInterfaceId) },
	"owner-id":             func(n types.NetworkInterface) []string { return str(n.OwnerId) },
	"private-dns-name":     func(n types.NetworkInterface) []string { return str(n.PrivateDnsName) },
	"private-ip-address":   func(n types.NetworkInterface) []string { return str(n.PrivateIpAddress) },
	"requester-id":         func(n types.NetworkInterface) []string { return str(n.RequesterId) },
	"requester-managed":    func(n types.NetworkInterface) []string { return flag(n.RequesterManaged) },
	"source-dest-check":    func(n types.NetworkInterface) []string { return flag(n.SourceDestCheck) },
	"status":               func(n types.NetworkInterface) []string { return enum(n.Status) },
	"subnet-id":            func(n types.NetworkInterface) []string { return str(n.SubnetId) },
	"vpc-id":               func(n types.NetworkInterface) []string { return str(n.VpcId) },
}

func (c *call) describeInterfaces(in *api.DescribeNetworkInterfacesInput) (*api.DescribeNetworkInterfacesOutput, error) {
	var views []types.NetworkInterface
	for _, i := range all(c, instances) {
		if i.State != types.InstanceStateNameTerminated {
			views = append(views, c.interfaceView(i))
		}
	}
	id := func(n types.NetworkInterface) string { return *n.NetworkInterfaceId }
	sortBy(views, id)
	views, err := pick(views, in.NetworkInterfaceIds, interfaceNoun, id)
	if err != nil {
		return nil, err
	}
	if views, err = filter(views, in.Filters, interfaceFields, func(n types.NetworkInterface) []types.Tag { return n.TagSet }); err != nil {
		return nil, err
	}
	page, next, err := paginate(views, in.MaxResults, in.NextToken, id)
	if err != nil {
		return nil, err
	}
	return &api.DescribeNetworkInterfacesOutput{NetworkInterfaces: page, NextToken: next}, nil
}
