package ec2

import (
	"net/netip"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	api "github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/mantle-iam/mantle/sandbox/internal/service"
	"github.com/mantle-iam/mantle/sandbox/internal/store"
)

// Instance is an instance as the rest of the sandbox sees it: all that its
// metadata service and its credentials need.
type Instance struct {
	ID, ARN, Account, Region string
	// State is "running", "stopped" or "terminated".
	State string
	// Launched is when it was started last.
	Launched time.Time
	// Type, Image, Architecture and Key are what it was launched with; Key
	// is the name of the key pair, empty if there is none.
	Type, Image, Architecture, Key string
	// PublicKey is the key pair's public half in OpenSSH's form.
	PublicKey string
	// ReservationID and LaunchIndex place it in its launch.
	ReservationID string
	LaunchIndex   int
	// Zone and ZoneID are its availability zone.
	Zone, ZoneID string
	// VPC, VPCCIDR, Subnet and SubnetCIDR are its network.
	VPC, VPCCIDR, Subnet, SubnetCIDR string
	// Interface and MAC are its network interface.
	Interface, MAC string
	// PrivateIP is always valid; PublicIP is not, if it has none.
	PrivateIP, PublicIP netip.Addr
	// PrivateName and PublicName are its DNS names.
	PrivateName, PublicName string
	// SecurityGroups are the names of its groups, SecurityGroupIDs the ids.
	SecurityGroups, SecurityGroupIDs []string
	// Tags are its tags.
	Tags map[string]string
	// UserData is what user data decodes to.
	UserData string
	// Metadata are the options of its metadata service.
	Metadata Metadata
	// Profile is its instance profile; nil if it has none.
	Profile *AssociatedProfile
}

// Metadata are the options of an instance's metadata service. See
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_InstanceMetadataOptionsResponse.html
type Metadata struct {
	// Enabled is HttpEndpoint, IPv6 is HttpProtocolIpv6.
	Enabled, IPv6 bool
	// TokensRequired is HttpTokens: version 1 is refused.
	TokensRequired bool
	// HopLimit is HttpPutResponseHopLimit, 1 to 64.
	HopLimit int
	// Tags tells whether tags are shown.
	Tags bool
}

// AssociatedProfile is the instance profile on an instance, as it was when
// it was associated. IAM knows which role is in it now.
type AssociatedProfile struct {
	// AssociationID is iip-assoc-…; ARN, Name and ID (AIPA…) are the
	// profile's; Since is when it was put on the instance.
	AssociationID, ARN, Name, ID string
	Since                        time.Time
}

// Instance finds an instance that is not terminated.
func (s *EC2) Instance(account, region, id string) (out Instance, ok bool) {
	s.view(func(tx *store.Tx) {
		c := s.call(tx, account, region, time.Time{}, "", "")
		if i, found := get(c, instances, id); found && i.State != types.InstanceStateNameTerminated {
			out, ok = c.export(i), true
		}
	})
	return out, ok
}

// InstanceByID finds an instance that is not terminated in any account and
// region: ids are unique.
func (s *EC2) InstanceByID(id string) (out Instance, ok bool) {
	for _, i := range s.instances("") {
		if i.ID == id {
			return i, true
		}
	}
	return out, false
}

// Instances lists the instances of an account in a region that are not
// terminated, by id.
func (s *EC2) Instances(account, region string) []Instance {
	return s.instances(scope(account, region))
}

func (s *EC2) instances(prefix string) (out []Instance) {
	s.view(func(tx *store.Tx) {
		for key, i := range instances.Range(tx, prefix) {
			if i.State == types.InstanceStateNameTerminated {
				continue
			}
			account, region := splitKey(key)
			out = append(out, s.call(tx, account, region, time.Time{}, "", "").export(i))
		}
	})
	return out
}

// view reads; a store that is closed has nothing to show.
func (s *EC2) view(fn func(*store.Tx)) {
	_ = s.store.View(func(tx *store.Tx) error { fn(tx); return nil })
}

func (c *call) export(i instanceRow) Instance {
	v, _ := get(c, vpcs, i.VPC)
	s, _ := get(c, subnets, i.Subnet)
	k, _ := c.keyPair("", i.Key)
	out := Instance{
		ID: i.ID, ARN: c.arn(instanceNoun, i.ID), Account: c.account, Region: c.region, State: string(i.State), Launched: i.Launched,
		Type: i.Type, Image: i.Image, Architecture: string(i.Architecture), Key: i.Key, PublicKey: k.PublicKey,
		ReservationID: i.Reservation, LaunchIndex: int(i.Index), Zone: i.Zone, ZoneID: c.zoneID(i.Zone),
		VPC: i.VPC, VPCCIDR: v.CIDR, Subnet: i.Subnet, SubnetCIDR: s.CIDR, Interface: i.Interface.ID, MAC: i.Interface.MAC,
		PrivateName: c.internalName(i), PublicName: c.publicName(i), SecurityGroupIDs: i.Groups, Tags: map[string]string{},
		UserData: decoded(i.UserData),
		Metadata: Metadata{
			Enabled:        i.Metadata.Endpoint == types.InstanceMetadataEndpointStateEnabled,
			IPv6:           i.Metadata.IPv6 == types.InstanceMetadataProtocolStateEnabled,
			TokensRequired: i.Metadata.Tokens == types.HttpTokensStateRequired,
			HopLimit:       int(i.Metadata.Hops),
			Tags:           i.Metadata.Tags == types.InstanceMetadataTagsStateEnabled,
		},
	}
	out.PrivateIP, _ = netip.ParseAddr(i.Interface.IP)
	out.PublicIP, _ = netip.ParseAddr(i.PublicIP)
	for _, g := range c.groupNames(i.Groups) {
		out.SecurityGroups = append(out.SecurityGroups, aws.ToString(g.GroupName))
	}
	for _, t := range c.tags(i.ID) {
		out.Tags[*t.Key] = *t.Value
	}
	if p := i.Profile; p != nil {
		out.Profile = &AssociatedProfile{p.Association, p.ARN, p.Name, p.ID, p.Since}
	}
	return out
}

// The operations below are for services that launch instances for their
// users. They work in the transaction of the caller.

// Settle gives the account its default VPC in the region, if it has not got
// one yet. It is to be called outside of a transaction.
func (s *EC2) Settle(account, region string) error { return s.settle(account, region) }

// LaunchTemplate finds a launch template by id ("lt-…") or name and a
// version of it by number, "$Latest", "$Default" or "" (the default). The
// errors are EC2's.
func (s *EC2) LaunchTemplate(tx *store.Tx, account, region, template, version string) (id, name, number string, err error) {
	c := s.call(tx, account, region, time.Time{}, "RunInstances", "")
	t, err := c.template(c.reference(template))
	if err != nil {
		return "", "", "", err
	}
	v, err := c.version(t, version)
	return t.ID, t.Name, versionText(v.Number), err
}

// reference tells ids of launch templates from names.
func (c *call) reference(template string) (id, name *string) {
	if templateNoun.checkID(template) == nil {
		return &template, nil
	}
	return nil, &template
}

// LaunchChecks are the permissions that the caller of a service needs so
// that it may launch instances of a template for him.
func (s *EC2) LaunchChecks(tx *store.Tx, account, region, template, version, subnet string) ([]service.Check, error) {
	c := s.call(tx, account, region, time.Time{}, "RunInstances", "")
	p, err := c.plan(c.fromTemplate(template, version, subnet, nil))
	if err != nil {
		return nil, err
	}
	return c.launchChecks(p), nil
}

// Launch starts one instance of a launch template in a subnet (or, if that
// is empty, in the default VPC), with further tags. The errors are EC2's.
func (s *EC2) Launch(tx *store.Tx, account, region string, now time.Time, template, version, subnet string, tags map[string]string) (id string, err error) {
	c := s.call(tx, account, region, now, "RunInstances", "")
	p, err := c.plan(c.fromTemplate(template, version, subnet, tags))
	if err != nil {
		return "", err
	}
	rows, err := c.launch(p, 1)
	if err != nil {
		return "", err
	}
	// Tags that a user could not set are put on afterwards.
	var reserved []types.Tag
	for k, v := range tags {
		if reservedTag(k) {
			reserved = append(reserved, types.Tag{Key: &k, Value: &v})
		}
	}
	return rows[0].ID, c.tag(rows[0].ID, reserved)
}

// fromTemplate is the call that launches one instance of a template.
func (c *call) fromTemplate(template, version, subnet string, tags map[string]string) *api.RunInstancesInput {
	id, name := c.reference(template)
	in := &api.RunInstancesInput{
		MinCount: new(int32(1)), MaxCount: new(int32(1)),
		LaunchTemplate: &types.LaunchTemplateSpecification{LaunchTemplateId: id, LaunchTemplateName: name, Version: &version},
	}
	if subnet != "" {
		in.SubnetId = &subnet
	}
	var own []types.Tag
	for k, v := range tags {
		if !reservedTag(k) {
			own = append(own, types.Tag{Key: &k, Value: &v})
		}
	}
	if len(own) > 0 {
		in.TagSpecifications = []types.TagSpecification{{ResourceType: types.ResourceTypeInstance, Tags: own}}
	}
	return in
}

// Terminate ends instances, whatever their termination protection; those
// that are gone already are left alone.
func (s *EC2) Terminate(tx *store.Tx, account, region string, now time.Time, ids ...string) {
	c := s.call(tx, account, region, now, "TerminateInstances", "")
	for _, id := range ids {
		if i, ok := get(c, instances, id); ok && i.State != types.InstanceStateNameTerminated {
			c.end(i)
		}
	}
}

// Running tells whether an instance is running, and where: its zone and its
// type.
func (s *EC2) Running(tx *store.Tx, account, region, id string) (zone, kind string, ok bool) {
	i, ok := get(s.call(tx, account, region, time.Time{}, "", ""), instances, id)
	return i.Zone, i.Type, ok && i.State == types.InstanceStateNameRunning
}

// SubnetZone is the zone of a subnet and its VPC.
func (s *EC2) SubnetZone(tx *store.Tx, account, region, subnet string) (zone, vpc string, ok bool) {
	row, ok := get(s.call(tx, account, region, time.Time{}, "", ""), subnets, subnet)
	return row.Zone, row.VPC, ok
}

// DefaultSubnet is the default subnet of a zone.
func (s *EC2) DefaultSubnet(tx *store.Tx, account, region, zone string) (subnet string, ok bool) {
	for _, row := range all(s.call(tx, account, region, time.Time{}, "", ""), subnets) {
		if row.Default && row.Zone == zone {
			return row.ID, true
		}
	}
	return "", false
}
