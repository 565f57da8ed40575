package ec2

import (
	"encoding/base64"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	api "github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/mantle-iam/mantle/sandbox/internal/service"
	"github.com/mantle-iam/mantle/sandbox/internal/wire"
)

// plan is what a RunInstances comes to: the parameters with those of the
// launch template, everything that they name looked up.
type plan struct {
	in      api.RunInstancesInput
	image   imageRow
	kind    kind
	subnet  subnetRow
	profile *Profile
	// proto is an instance as it will be, but for ids, address and time.
	proto    instanceRow
	tags     map[types.ResourceType][]types.Tag
	public   bool
	template templateRow
	// fromTemplate tells which members the launch template has given.
	fromTemplate map[string]bool
}

// taggedAtLaunch are the resources that RunInstances can tag.
var taggedAtLaunch = []types.ResourceType{types.ResourceTypeInstance, types.ResourceTypeVolume, types.ResourceTypeNetworkInterface}

// plan works out what a RunInstances asks for.
func (c *call) plan(in *api.RunInstancesInput) (*plan, error) {
	p := &plan{in: *in, fromTemplate: map[string]bool{}}
	for _, step := range []func(*plan) error{
		c.planTemplate, refuseUnsupported, c.planImage, c.planPlace, c.planGroups, c.planProfile, c.planOptions, c.planVolumes, c.planTags,
	} {
		if err := step(p); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// planTemplate fills what the call leaves open from the launch template.
func (c *call) planTemplate(p *plan) error {
	spec := p.in.LaunchTemplate
	if spec == nil {
		return nil
	}
	t, err := c.template(spec.LaunchTemplateId, spec.LaunchTemplateName)
	if err != nil {
		return err
	}
	v, err := c.version(t, aws.ToString(spec.Version))
	if err != nil {
		return err
	}
	var base api.RunInstancesInput
	if err := convert(v.Data, &base); err != nil {
		return err
	}
	for name, is := range map[string]struct{ given, have bool }{
		"image":          {p.in.ImageId != nil, base.ImageId != nil},
		"instance":       {p.in.InstanceType != "", base.InstanceType != ""},
		"key-pair":       {p.in.KeyName != nil, base.KeyName != nil},
		"security-group": {len(p.in.SecurityGroupIds)+len(p.in.SecurityGroups) > 0, len(base.SecurityGroupIds)+len(base.SecurityGroups) > 0},
		"volume":         {len(p.in.BlockDeviceMappings) > 0, len(base.BlockDeviceMappings) > 0},
		"subnet":         {p.in.SubnetId != nil || len(p.in.NetworkInterfaces) > 0, len(base.NetworkInterfaces) > 0},
	} {
		p.fromTemplate[name] = is.have && !is.given
	}
	// Tags of the call come on top of the template's.
	tags := append(slices.Clone(base.TagSpecifications), p.in.TagSpecifications...)
	// Groups by name and by id are one choice.
	if len(p.in.SecurityGroupIds)+len(p.in.SecurityGroups) > 0 {
		base.SecurityGroupIds, base.SecurityGroups = nil, nil
	}
	overlay(&base, &p.in)
	base.TagSpecifications = tags
	// The subnet of a service's launch goes to the template's interface.
	if c.caller == "" && len(base.NetworkInterfaces) == 1 && base.SubnetId != nil {
		base.NetworkInterfaces[0].SubnetId, base.SubnetId = base.SubnetId, nil
	}
	p.in, p.template = base, t
	p.proto.Template, p.proto.TemplateV = t.ID, versionText(v.Number)
	return nil
}

// refuseUnsupported names what the sandbox's instances do not have, rather
// than leave it out silently.
func refuseUnsupported(p *plan) error {
	in := &p.in
	for _, x := range []struct {
		is   bool
		what string
	}{
		{in.InstanceMarketOptions != nil, "spot instances"},
		{len(in.Ipv6Addresses) > 0 || in.Ipv6AddressCount != nil && *in.Ipv6AddressCount > 0, "IPv6 addresses of instances"},
		{in.HibernationOptions != nil && aws.ToBool(in.HibernationOptions.Configured), "hibernation"},
		{in.EnclaveOptions != nil && aws.ToBool(in.EnclaveOptions.Enabled), "enclaves"},
		{in.Placement != nil && (aws.ToString(in.Placement.GroupName) != "" || aws.ToString(in.Placement.HostId) != ""), "placement groups and dedicated hosts"},
		{len(in.ElasticGpuSpecification) > 0 || len(in.ElasticInferenceAccelerators) > 0, "accelerators"},
		{len(in.LicenseSpecifications) > 0, "license configurations"},
		{in.CpuOptions != nil, "CPU options"},
		{aws.ToString(in.KernelId) != "" || aws.ToString(in.RamdiskId) != "", "kernels and RAM disks"},
		{len(in.NetworkInterfaces) > 1, "more than one network interface"},
		{len(in.NetworkInterfaces) == 1 && in.NetworkInterfaces[0].NetworkInterfaceId != nil, "existing network interfaces"},
		{len(in.SecondaryInterfaces) > 0, "secondary interfaces"},
	} {
		if x.is {
			return unsupported(x.what)
		}
	}
	return nil
}

// planImage finds image and instance type, and checks that they fit.
func (c *call) planImage(p *plan) error {
	id := aws.ToString(p.in.ImageId)
	if id == "" {
		return lacking("ImageId")
	}
	if strings.HasPrefix(id, "resolve:ssm:") {
		return unsupported("images by SSM parameter; name the image's id")
	}
	if err := imageNoun.checkID(id); err != nil {
		return err
	}
	name := string(p.in.InstanceType)
	if name == "" {
		name = "m1.small"
	}
	k, ok := kindOf(name)
	if !ok {
		return invalid("Invalid value '%s' for InstanceType.", name)
	}
	p.image, p.kind = c.image(id), k
	arch := types.ArchitectureValues(k.arch)
	if a := p.image.Architecture; a != "" && a != arch {
		return invalid("The architecture '%s' of the specified instance type does not match the architecture '%s' of the specified AMI. Specify an instance type and an AMI that have matching architectures, and try again. You can use 'describe-instance-types' or 'describe-images' to discover the architecture of the instance type or AMI.", arch, a)
	}
	p.proto.Image, p.proto.Type, p.proto.Architecture, p.proto.RootDevice = id, name, arch, p.image.Root
	if p.in.KeyName != nil {
		if _, ok := c.keyPair("", *p.in.KeyName); !ok {
			return keyNoun.gone(*p.in.KeyName)
		}
		p.proto.Key = *p.in.KeyName
	}
	return nil
}

// planPlace finds the subnet: the one named, or the default one of the zone.
func (c *call) planPlace(p *plan) error {
	id := p.in.SubnetId
	if len(p.in.NetworkInterfaces) == 1 {
		if id != nil {
			return combination("Network interfaces and an instance-level subnet ID may not be specified on the same request")
		}
		id = p.in.NetworkInterfaces[0].SubnetId
	}
	var zone string
	if p.in.Placement != nil {
		zone = aws.ToString(p.in.Placement.AvailabilityZone)
		p.proto.Tenancy = p.in.Placement.Tenancy
	}
	if aws.ToString(id) != "" {
		s, err := c.subnet(id)
		if err != nil {
			return err
		}
		if zone != "" && zone != s.Zone {
			return invalid("The availability zone '%s' does not match the subnet's '%s'", zone, s.Zone)
		}
		p.subnet = s
	} else {
		if zone != "" && !slices.Contains(c.zones(), zone) {
			return invalid("Invalid availability zone: [%s]", zone)
		}
		v, ok := c.defaultVPC()
		if !ok {
			return wire.Fail("VPCIdNotSpecified", 400, "No default VPC for this user. GroupName is only supported for EC2-Classic and default VPC.")
		}
		for _, s := range all(c, subnets) {
			if s.Default && s.VPC == v.ID && (zone == "" || s.Zone == zone) && (p.subnet.ID == "" || s.Zone < p.subnet.Zone) {
				p.subnet = s
			}
		}
		if p.subnet.ID == "" {
			return wire.Fail("MissingInput", 400, "No subnets found for the default VPC '%s'. Please specify a subnet.", v.ID)
		}
	}
	v, _ := get(c, vpcs, p.subnet.VPC)
	if p.proto.Tenancy == "" {
		p.proto.Tenancy = v.Tenancy
	}
	p.public = p.subnet.MapPublicIP
	if len(p.in.NetworkInterfaces) == 1 && p.in.NetworkInterfaces[0].AssociatePublicIpAddress != nil {
		p.public = *p.in.NetworkInterfaces[0].AssociatePublicIpAddress
	}
	p.proto.VPC, p.proto.Subnet, p.proto.Zone, p.proto.PublicAddress = p.subnet.VPC, p.subnet.ID, p.subnet.Zone, p.public
	return nil
}

// planGroups finds the security groups; without any it is the VPC's default.
func (c *call) planGroups(p *plan) error {
	ids, names := p.in.SecurityGroupIds, p.in.SecurityGroups
	if len(p.in.NetworkInterfaces) == 1 {
		if len(ids)+len(names) > 0 {
			return combination("Network interfaces and an instance-level security groups may not be specified on the same request")
		}
		ids = p.in.NetworkInterfaces[0].Groups
	}
	for _, id := range ids {
		g, err := c.group(&id, nil)
		if err != nil {
			return err
		}
		if g.VPC != p.subnet.VPC {
			return wire.Fail("InvalidParameter", 400, "Security group %s and subnet %s belong to different networks.", g.ID, p.subnet.ID)
		}
		p.proto.Groups = append(p.proto.Groups, g.ID)
	}
	for _, name := range names {
		g, ok := c.groupNamed(p.subnet.VPC, name)
		if !ok {
			return groupNoun.gone(name)
		}
		p.proto.Groups = append(p.proto.Groups, g.ID)
	}
	if len(p.proto.Groups) == 0 {
		g, _ := c.groupNamed(p.subnet.VPC, "default")
		p.proto.Groups = []string{g.ID}
	}
	return nil
}

// planProfile finds the instance profile.
func (c *call) planProfile(p *plan) error {
	if p.in.IamInstanceProfile == nil {
		return nil
	}
	found, err := c.findProfile(p.in.IamInstanceProfile)
	if err != nil {
		return err
	}
	if found.RoleARN == "" {
		// A launch needs the role; a bare profile can only be associated later.
		return invalid("IAM Instance Profile %q has no associated IAM Roles", found.ARN)
	}
	p.profile = &found
	p.proto.Profile = &profileRow{ARN: found.ARN, Name: found.Name, ID: found.ID}
	return nil
}

// planOptions reads the remaining settings of the instance.
func (c *call) planOptions(p *plan) error {
	in, i := &p.in, &p.proto
	if in.UserData != nil {
		raw, err := base64.StdEncoding.DecodeString(*in.UserData)
		if err != nil {
			return invalid("Invalid BASE64 encoding of user data.")
		}
		if len(raw) > 16384 {
			return invalid("User data is limited to 16384 bytes")
		}
		i.UserData = *in.UserData
	}
	i.ClientToken = aws.ToString(in.ClientToken)
	i.Monitoring = in.Monitoring != nil && aws.ToBool(in.Monitoring.Enabled)
	i.EBSOptimized = aws.ToBool(in.EbsOptimized)
	i.KeepTermination, i.KeepStop = aws.ToBool(in.DisableApiTermination), aws.ToBool(in.DisableApiStop)
	if i.Shutdown = in.InstanceInitiatedShutdownBehavior; i.Shutdown == "" {
		i.Shutdown = types.ShutdownBehaviorStop
	}
	if p.kind.burstable {
		// https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/burstable-performance-instances-unlimited-mode.html
		i.Credits = "unlimited"
		if p.kind.xen {
			i.Credits = "standard"
		}
		if in.CreditSpecification != nil {
			i.Credits = aws.ToString(in.CreditSpecification.CpuCredits)
			if i.Credits != "standard" && i.Credits != "unlimited" {
				return invalid("Invalid value '%s' for CpuCredits. Valid values are standard and unlimited.", i.Credits)
			}
		}
	}
	i.HostnameType = p.subnet.HostnameType
	i.ResourceNameA = p.subnet.ResourceNameA
	if o := in.PrivateDnsNameOptions; o != nil {
		if o.HostnameType != "" {
			i.HostnameType = o.HostnameType
		}
		if o.EnableResourceNameDnsARecord != nil {
			i.ResourceNameA = *o.EnableResourceNameDnsARecord
		}
	}
	if len(in.NetworkInterfaces) == 1 {
		n := in.NetworkInterfaces[0]
		i.Interface.Description = aws.ToString(n.Description)
		i.Interface.Keep = n.DeleteOnTermination != nil && !*n.DeleteOnTermination
	}
	i.Metadata = metadataDefaults(p.image)
	if m := in.MetadataOptions; m != nil {
		err := i.Metadata.set(&api.ModifyInstanceMetadataOptionsInput{
			HttpEndpoint: m.HttpEndpoint, HttpTokens: m.HttpTokens, HttpPutResponseHopLimit: m.HttpPutResponseHopLimit,
			HttpProtocolIpv6: m.HttpProtocolIpv6, InstanceMetadataTags: m.InstanceMetadataTags,
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// planTags sorts the tags by what they are for.
func (c *call) planTags(p *plan) error {
	p.tags = map[types.ResourceType][]types.Tag{}
	for _, s := range p.in.TagSpecifications {
		switch {
		case s.ResourceType == types.ResourceTypeSpotInstancesRequest:
			continue // there are none in this launch
		case !slices.Contains(taggedAtLaunch, s.ResourceType):
			return invalid("'%s' is not a valid taggable resource type for this operation.", s.ResourceType)
		}
		if err := checkTags(s.Tags); err != nil {
			return err
		}
		// A tag of the call replaces the template's of the same key.
		for _, t := range s.Tags {
			have := slices.DeleteFunc(slices.Clone(p.tags[s.ResourceType]), func(h types.Tag) bool { return *h.Key == *t.Key })
			p.tags[s.ResourceType] = append(have, t)
		}
	}
	if p.proto.Metadata.Tags == types.InstanceMetadataTagsStateEnabled {
		return checkMetadataTags(p.tags[types.ResourceTypeInstance])
	}
	return nil
}

// mayRunInstances checks every resource that the launch touches. A launch
// that cannot be worked out is checked as far as the instance, so that only
// who may launch at all is told what is wrong with it.
// https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/ExamplePolicies_EC2.html#iam-example-runinstances
func (c *call) mayRunInstances(in *api.RunInstancesInput) ([]service.Check, error) {
	p, err := c.plan(in)
	if err != nil {
		return []service.Check{c.may("ec2:RunInstances", c.arn(instanceNoun, "*"))}, nil
	}
	return c.launchChecks(p), nil
}

func (c *call) launchChecks(p *plan) []service.Check {
	const action = "ec2:RunInstances"
	var out []service.Check
	add := func(n noun, id string, keys []service.KV) {
		if p.template.ID != "" {
			keys = append(keys, kv("ec2:LaunchTemplate", c.arn(templateNoun, p.template.ID)))
			from := "false"
			if p.fromTemplate[n.arn] {
				from = "true"
			}
			keys = append(keys, kv("ec2:IsLaunchTemplateResource", from))
		}
		out = append(out, c.may(action, c.arn(n, id), keys...))
	}
	tagged := func(t types.ResourceType) []service.KV { return requestTags(p.tags[t]) }
	add(instanceNoun, "*", append(c.instanceKeys(p.proto), tagged(types.ResourceTypeInstance)...))
	add(subnetNoun, p.subnet.ID, c.keysOf(subnetNoun, p.subnet.ID))
	for _, id := range p.proto.Groups {
		add(groupNoun, id, c.keysOf(groupNoun, id))
	}
	public := "false"
	if p.public {
		public = "true"
	}
	add(interfaceNoun, "*", append([]service.KV{
		kv("ec2:Vpc", c.arn(vpcNoun, p.subnet.VPC)), kv("ec2:Subnet", c.arn(subnetNoun, p.subnet.ID)),
		kv("ec2:AvailabilityZone", p.subnet.Zone), kv("ec2:AssociatePublicIpAddress", public),
	}, tagged(types.ResourceTypeNetworkInterface)...))
	for _, v := range p.proto.Volumes {
		add(volumeNoun, "*", append(c.volumeKeys(p.subnet.Zone, v), tagged(types.ResourceTypeVolume)...))
	}
	add(imageNoun, p.image.ID, c.keysOf(imageNoun, p.image.ID))
	if k, ok := c.keyPair("", p.proto.Key); ok && p.proto.Key != "" {
		add(keyNoun, k.Name, c.keysOf(keyNoun, k.ID))
	}
	if p.template.ID != "" {
		add(templateNoun, p.template.ID, c.keysOf(templateNoun, p.template.ID))
	}
	for _, t := range []struct {
		of types.ResourceType
		n  noun
	}{{types.ResourceTypeInstance, instanceNoun}, {types.ResourceTypeVolume, volumeNoun}, {types.ResourceTypeNetworkInterface, interfaceNoun}} {
		if tags := p.tags[t.of]; len(tags) > 0 {
			out = append(out, c.may("ec2:CreateTags", c.arn(t.n, "*"), append(requestTags(tags), kv("ec2:CreateAction", "RunInstances"))...))
		}
	}
	if p.profile != nil {
		out = append(out, c.passing(*p.profile, "*")...)
	}
	return out
}
