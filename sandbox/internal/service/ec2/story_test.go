package ec2

import (
	"encoding/base64"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	api "github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/smithy-go"
)

const someKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ1Q2vrZy3yPzTg7cZ7mYh0qkY0m3f5w6o8n4l2d1c0b demo"

func codeOf(err error) string {
	var e smithy.APIError
	if errors.As(err, &e) {
		return e.ErrorCode()
	}
	if err != nil {
		return err.Error()
	}
	return ""
}

func filters(kv ...string) (out []types.Filter) {
	for i := 0; i < len(kv); i += 2 {
		out = append(out, types.Filter{Name: &kv[i], Values: strings.Split(kv[i+1], ",")})
	}
	return out
}

// TestInstanceOverTheWire makes the calls that Terraform makes for a key
// pair, a security group and an instance with a profile, with AWS's client.
func TestInstanceOverTheWire(t *testing.T) {
	w := newWorld(t)
	c, ctx := w.client(testAccount), t.Context()
	key, err := c.ImportKeyPair(ctx, &api.ImportKeyPairInput{KeyName: new("dev-key"), PublicKeyMaterial: []byte(someKey)})
	if err != nil || !strings.HasPrefix(*key.KeyPairId, "key-0") {
		t.Fatalf("import key: %v, %v", key, err)
	}
	group, err := c.CreateSecurityGroup(ctx, &api.CreateSecurityGroupInput{GroupName: new("ssh"), Description: new("ssh in, everything out"),
		TagSpecifications: []types.TagSpecification{{ResourceType: types.ResourceTypeSecurityGroup, Tags: []types.Tag{{Key: new("Name"), Value: new("ssh")}}}}})
	if err != nil {
		t.Fatal(err)
	}
	open := func(cidr string) []types.IpPermission {
		p := types.IpPermission{IpProtocol: new("-1"), FromPort: new(int32(0)), ToPort: new(int32(0))}
		if strings.Contains(cidr, ":") {
			p.Ipv6Ranges = []types.Ipv6Range{{CidrIpv6: &cidr}}
		} else {
			p.IpRanges = []types.IpRange{{CidrIp: &cidr}}
		}
		return []types.IpPermission{p}
	}
	if _, err := c.RevokeSecurityGroupEgress(ctx, &api.RevokeSecurityGroupEgressInput{GroupId: group.GroupId, IpPermissions: open("0.0.0.0/0")}); err != nil {
		t.Errorf("revoke the default egress: %v", err)
	}
	_, err = c.RevokeSecurityGroupEgress(ctx, &api.RevokeSecurityGroupEgressInput{GroupId: group.GroupId, IpPermissions: open("::/0")})
	if got := codeOf(err); got != "InvalidPermission.NotFound" {
		t.Errorf("revoke what is not there: got %q", got)
	}
	ssh := []types.IpPermission{{IpProtocol: new("tcp"), FromPort: new(int32(22)), ToPort: new(int32(22)), IpRanges: []types.IpRange{{CidrIp: new("203.0.113.0/24"), Description: new("office")}}}}
	if _, err := c.AuthorizeSecurityGroupIngress(ctx, &api.AuthorizeSecurityGroupIngressInput{GroupId: group.GroupId, IpPermissions: ssh}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.AuthorizeSecurityGroupEgress(ctx, &api.AuthorizeSecurityGroupEgressInput{GroupId: group.GroupId, IpPermissions: open("0.0.0.0/0")}); err != nil {
		t.Fatal(err)
	}
	seen, err := c.DescribeSecurityGroups(ctx, &api.DescribeSecurityGroupsInput{GroupIds: []string{*group.GroupId}})
	if err != nil {
		t.Fatal(err)
	}
	g := seen.SecurityGroups[0]
	if len(g.IpPermissions) != 1 || *g.IpPermissions[0].IpRanges[0].Description != "office" || *g.IpPermissions[0].FromPort != 22 ||
		len(g.IpPermissionsEgress) != 1 || g.IpPermissionsEgress[0].FromPort != nil || *g.Tags[0].Value != "ssh" {
		t.Errorf("the group reads back as %+v", g)
	}

	run := &api.RunInstancesInput{
		ImageId: new("ami-ff4ea59d"), InstanceType: "t2.micro", MinCount: new(int32(1)), MaxCount: new(int32(1)), KeyName: new("dev-key"),
		ClientToken: new("terraform-1"), DisableApiTermination: new(false), EbsOptimized: new(false),
		IamInstanceProfile: &types.IamInstanceProfileSpecification{Name: new("test_profile1")}, SecurityGroupIds: []string{*group.GroupId},
		HibernationOptions: &types.HibernationOptionsRequest{Configured: new(false)}, Monitoring: &types.RunInstancesMonitoringEnabled{Enabled: new(false)},
		MetadataOptions: &types.InstanceMetadataOptionsRequest{HttpEndpoint: "enabled", HttpTokens: "required", HttpPutResponseHopLimit: new(int32(2)), InstanceMetadataTags: "enabled"},
		Placement:       &types.Placement{AvailabilityZone: new("")},
		UserData:        new(base64.StdEncoding.EncodeToString([]byte("#!/bin/sh\n"))),
		TagSpecifications: []types.TagSpecification{
			{ResourceType: types.ResourceTypeInstance, Tags: []types.Tag{{Key: new("Name"), Value: new("x")}}},
			{ResourceType: types.ResourceTypeVolume, Tags: []types.Tag{{Key: new("Disk"), Value: new("root")}}}},
	}
	ran, err := c.RunInstances(ctx, run)
	if err != nil {
		t.Fatal(err)
	}
	id := *ran.Instances[0].InstanceId
	if s := ran.Instances[0].State; s.Name != "pending" || *s.Code != 0 {
		t.Errorf("first state %v, want pending", s)
	}
	again, err := c.RunInstances(ctx, run)
	if err != nil || *again.Instances[0].InstanceId != id {
		t.Errorf("the same client token launched another instance: %v", err)
	}
	out, err := c.DescribeInstances(ctx, &api.DescribeInstancesInput{InstanceIds: []string{id}})
	if err != nil {
		t.Fatal(err)
	}
	i := out.Reservations[0].Instances[0]
	if i.State.Name != "running" || i.MetadataOptions.HttpTokens != "required" || *i.MetadataOptions.HttpPutResponseHopLimit != 2 || i.MetadataOptions.State != "applied" ||
		*i.IamInstanceProfile.Id != someProfiles()["test_profile1"].ID || *i.SecurityGroups[0].GroupName != "ssh" || *i.Tags[0].Value != "x" ||
		i.PublicIpAddress == nil || !strings.HasPrefix(*i.PrivateIpAddress, "172.31.") || *i.NetworkInterfaces[0].Attachment.DeviceIndex != 0 {
		t.Errorf("the instance reads back as %+v", i)
	}
	data, err := c.DescribeInstanceAttribute(ctx, &api.DescribeInstanceAttributeInput{InstanceId: &id, Attribute: "userData"})
	if err != nil || *data.UserData.Value != *run.UserData {
		t.Errorf("user data %v, %v", data, err)
	}
	for _, a := range []types.InstanceAttributeName{"disableApiStop", "disableApiTermination", "instanceInitiatedShutdownBehavior"} {
		if _, err := c.DescribeInstanceAttribute(ctx, &api.DescribeInstanceAttributeInput{InstanceId: &id, Attribute: a}); err != nil {
			t.Errorf("attribute %s: %v", a, err)
		}
	}
	vols, err := c.DescribeVolumes(ctx, &api.DescribeVolumesInput{Filters: filters("attachment.instance-id", id, "tag:Disk", "root")})
	if err != nil || len(vols.Volumes) != 1 || *vols.Volumes[0].Size != 8 {
		t.Errorf("volumes %v, %v", vols, err)
	}
	credit, err := c.DescribeInstanceCreditSpecifications(ctx, &api.DescribeInstanceCreditSpecificationsInput{InstanceIds: []string{id}})
	if err != nil || *credit.InstanceCreditSpecifications[0].CpuCredits != "standard" {
		t.Errorf("credits %v, %v", credit, err)
	}
	kinds, err := c.DescribeInstanceTypes(ctx, &api.DescribeInstanceTypesInput{InstanceTypes: []types.InstanceType{"t2.micro"}})
	if err != nil || *kinds.InstanceTypes[0].MemoryInfo.SizeInMiB != 1024 {
		t.Errorf("types %v, %v", kinds, err)
	}
	tags, err := c.DescribeTags(ctx, &api.DescribeTagsInput{Filters: filters("resource-id", id)})
	if err != nil || len(tags.Tags) != 1 || tags.Tags[0].ResourceType != "instance" {
		t.Errorf("tags %v, %v", tags, err)
	}

	// A new instance profile: Terraform looks until the instance shows it.
	found, err := c.DescribeIamInstanceProfileAssociations(ctx, &api.DescribeIamInstanceProfileAssociationsInput{Filters: filters("instance-id", id, "state", "associated,associating")})
	if err != nil || len(found.IamInstanceProfileAssociations) != 1 {
		t.Fatalf("associations %v, %v", found, err)
	}
	old := *found.IamInstanceProfileAssociations[0].AssociationId
	repl, err := c.ReplaceIamInstanceProfileAssociation(ctx, &api.ReplaceIamInstanceProfileAssociationInput{AssociationId: &old, IamInstanceProfile: &types.IamInstanceProfileSpecification{Name: new("test_profile2")}})
	if err != nil || *repl.IamInstanceProfileAssociation.AssociationId == old {
		t.Errorf("replace: %v, %v", repl, err)
	}
	out, _ = c.DescribeInstances(ctx, &api.DescribeInstancesInput{InstanceIds: []string{id}})
	if p := out.Reservations[0].Instances[0].IamInstanceProfile; !strings.HasSuffix(*p.Arn, "/test_profile2") {
		t.Errorf("the instance still shows %s", *p.Arn)
	}

	if _, err := c.DeleteSecurityGroup(ctx, &api.DeleteSecurityGroupInput{GroupId: group.GroupId}); codeOf(err) != "DependencyViolation" {
		t.Errorf("delete a group in use: %v", err)
	}
	if _, err := c.ModifyInstanceAttribute(ctx, &api.ModifyInstanceAttributeInput{InstanceId: &id, DisableApiTermination: &types.AttributeBooleanValue{Value: new(false)}}); err != nil {
		t.Error(err)
	}
	end, err := c.TerminateInstances(ctx, &api.TerminateInstancesInput{InstanceIds: []string{id}})
	if err != nil || end.TerminatingInstances[0].CurrentState.Name != "shutting-down" || end.TerminatingInstances[0].PreviousState.Name != "running" {
		t.Errorf("terminate: %v, %v", end, err)
	}
	out, err = c.DescribeInstances(ctx, &api.DescribeInstancesInput{InstanceIds: []string{id}})
	if err != nil || out.Reservations[0].Instances[0].State.Name != "terminated" {
		t.Errorf("after the end: %v, %v", out, err)
	}
	if _, err := c.DeleteSecurityGroup(ctx, &api.DeleteSecurityGroupInput{GroupId: group.GroupId}); err != nil {
		t.Error(err)
	}
	if _, err := c.DescribeSecurityGroups(ctx, &api.DescribeSecurityGroupsInput{GroupIds: []string{*group.GroupId}}); codeOf(err) != "InvalidGroup.NotFound" {
		t.Errorf("a deleted group: %v", err)
	}
	w.Advance(afterlife)
	if _, err := c.DescribeInstances(ctx, &api.DescribeInstancesInput{InstanceIds: []string{id}}); codeOf(err) != "InvalidInstanceID.NotFound" {
		t.Errorf("an hour after the end: %v", err)
	}
}

// TestNetworkOverTheWire makes the calls of a VPC with two subnets, a route
// to the internet, and the way back.
func TestNetworkOverTheWire(t *testing.T) {
	w := newWorld(t)
	c, ctx := w.client(testAccount), t.Context()
	made, err := c.CreateVpc(ctx, &api.CreateVpcInput{CidrBlock: new("10.20.0.0/16"), TagSpecifications: []types.TagSpecification{{ResourceType: "vpc", Tags: []types.Tag{{Key: new("Name"), Value: new("dev")}}}}})
	if err != nil {
		t.Fatal(err)
	}
	vpc := made.Vpc.VpcId
	if _, err := c.ModifyVpcAttribute(ctx, &api.ModifyVpcAttributeInput{VpcId: vpc, EnableDnsHostnames: &types.AttributeBooleanValue{Value: new(true)}}); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[types.VpcAttributeName]bool{"enableDnsHostnames": true, "enableDnsSupport": true, "enableNetworkAddressUsageMetrics": false} {
		a, err := c.DescribeVpcAttribute(ctx, &api.DescribeVpcAttributeInput{VpcId: vpc, Attribute: name})
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range []*types.AttributeBooleanValue{a.EnableDnsHostnames, a.EnableDnsSupport, a.EnableNetworkAddressUsageMetrics} {
			if v != nil && *v.Value != want {
				t.Errorf("%s is %v, want %v", name, *v.Value, want)
			}
		}
	}
	var subnets []string
	for n, cidr := range []string{"10.20.0.0/24", "10.20.1.0/24"} {
		s, err := c.CreateSubnet(ctx, &api.CreateSubnetInput{VpcId: vpc, CidrBlock: &cidr, AvailabilityZone: new(testRegion + string("ab"[n]))})
		if err != nil {
			t.Fatal(err)
		}
		subnets = append(subnets, *s.Subnet.SubnetId)
	}
	acls, err := c.DescribeNetworkAcls(ctx, &api.DescribeNetworkAclsInput{Filters: filters("vpc-id", *vpc, "default", "true")})
	if err != nil || len(acls.NetworkAcls) != 1 || len(acls.NetworkAcls[0].Associations) != 2 {
		t.Errorf("network ACLs %v, %v", acls, err)
	}
	mains, err := c.DescribeRouteTables(ctx, &api.DescribeRouteTablesInput{Filters: filters("vpc-id", *vpc, "association.main", "true")})
	if err != nil || len(mains.RouteTables) != 1 || *mains.RouteTables[0].Routes[0].GatewayId != "local" {
		t.Errorf("main route table %v, %v", mains, err)
	}
	defaults, err := c.DescribeSecurityGroups(ctx, &api.DescribeSecurityGroupsInput{Filters: filters("vpc-id", *vpc, "group-name", "default")})
	if err != nil || len(defaults.SecurityGroups) != 1 {
		t.Errorf("default security group %v, %v", defaults, err)
	}
	gw, err := c.CreateInternetGateway(ctx, &api.CreateInternetGatewayInput{})
	if err != nil {
		t.Fatal(err)
	}
	igw := gw.InternetGateway.InternetGatewayId
	if _, err := c.AttachInternetGateway(ctx, &api.AttachInternetGatewayInput{InternetGatewayId: igw, VpcId: vpc}); err != nil {
		t.Fatal(err)
	}
	rt, err := c.CreateRouteTable(ctx, &api.CreateRouteTableInput{VpcId: vpc})
	if err != nil {
		t.Fatal(err)
	}
	table := rt.RouteTable.RouteTableId
	if _, err := c.CreateRoute(ctx, &api.CreateRouteInput{RouteTableId: table, DestinationCidrBlock: new("0.0.0.0/0"), GatewayId: igw}); err != nil {
		t.Fatal(err)
	}
	as, err := c.AssociateRouteTable(ctx, &api.AssociateRouteTableInput{RouteTableId: table, SubnetId: &subnets[0]})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.DeleteVpc(ctx, &api.DeleteVpcInput{VpcId: vpc}); codeOf(err) != "DependencyViolation" {
		t.Errorf("delete a VPC in use: %v", err)
	}
	if _, err := c.DeleteRouteTable(ctx, &api.DeleteRouteTableInput{RouteTableId: table}); codeOf(err) != "DependencyViolation" {
		t.Errorf("delete a table in use: %v", err)
	}
	steps := []func() error{
		func() error {
			_, err := c.DisassociateRouteTable(ctx, &api.DisassociateRouteTableInput{AssociationId: as.AssociationId})
			return err
		},
		func() error {
			_, err := c.DeleteRoute(ctx, &api.DeleteRouteInput{RouteTableId: table, DestinationCidrBlock: new("0.0.0.0/0")})
			return err
		},
		func() error {
			_, err := c.DeleteRouteTable(ctx, &api.DeleteRouteTableInput{RouteTableId: table})
			return err
		},
		func() error {
			_, err := c.DetachInternetGateway(ctx, &api.DetachInternetGatewayInput{InternetGatewayId: igw, VpcId: vpc})
			return err
		},
		func() error {
			_, err := c.DeleteInternetGateway(ctx, &api.DeleteInternetGatewayInput{InternetGatewayId: igw})
			return err
		},
		func() error { _, err := c.DeleteSubnet(ctx, &api.DeleteSubnetInput{SubnetId: &subnets[0]}); return err },
		func() error { _, err := c.DeleteSubnet(ctx, &api.DeleteSubnetInput{SubnetId: &subnets[1]}); return err },
		func() error { _, err := c.DeleteVpc(ctx, &api.DeleteVpcInput{VpcId: vpc}); return err },
	}
	for n, step := range steps {
		if err := step(); err != nil {
			t.Errorf("step %d of the way back: %v", n, err)
		}
	}
	if _, err := c.DescribeVpcs(ctx, &api.DescribeVpcsInput{VpcIds: []string{*vpc}}); codeOf(err) != "InvalidVpcID.NotFound" {
		t.Errorf("a deleted VPC: %v", err)
	}
	for _, row := range allRows(w) {
		if strings.Contains(row, *vpc) {
			t.Errorf("%s is left of the VPC", row)
		}
	}
}

// allRows lists tags, groups and tables that a VPC could leave behind.
func allRows(w *world) (out []string) {
	g := must[api.DescribeSecurityGroupsOutput](w, "DescribeSecurityGroups", &api.DescribeSecurityGroupsInput{})
	for _, g := range g.SecurityGroups {
		out = append(out, "group of "+*g.VpcId)
	}
	r := must[api.DescribeRouteTablesOutput](w, "DescribeRouteTables", &api.DescribeRouteTablesInput{})
	for _, r := range r.RouteTables {
		out = append(out, "table of "+*r.VpcId)
	}
	for _, t := range must[api.DescribeTagsOutput](w, "DescribeTags", &api.DescribeTagsInput{}).Tags {
		out = append(out, "tag of "+*t.ResourceId)
	}
	return out
}

// TestLaunchTemplateOverTheWire makes a template with what the stories set,
// reads it back, and launches from it.
func TestLaunchTemplateOverTheWire(t *testing.T) {
	w := newWorld(t)
	c, ctx := w.client(testAccount), t.Context()
	g, err := c.CreateSecurityGroup(ctx, &api.CreateSecurityGroupInput{GroupName: new("node"), Description: new("nodes")})
	if err != nil {
		t.Fatal(err)
	}
	data := &types.RequestLaunchTemplateData{
		ImageId: new("ami-0c55b159cbfafe1f0"), InstanceType: "t3.small", UserData: new("ZWNobyBoaQ=="), SecurityGroupIds: []string{*g.GroupId},
		IamInstanceProfile: &types.LaunchTemplateIamInstanceProfileSpecificationRequest{Name: new("test_profile1")},
		MetadataOptions:    &types.LaunchTemplateInstanceMetadataOptionsRequest{HttpTokens: "required"},
		BlockDeviceMappings: []types.LaunchTemplateBlockDeviceMappingRequest{{DeviceName: new("/dev/xvda"), Ebs: &types.LaunchTemplateEbsBlockDeviceRequest{
			VolumeSize: new(int32(20)), VolumeType: "gp3", Encrypted: new(true)}}},
		TagSpecifications: []types.LaunchTemplateTagSpecificationRequest{{ResourceType: "instance", Tags: []types.Tag{{Key: new("Name"), Value: new("node")}, {Key: new("team"), Value: new("a")}}}},
	}
	lt, err := c.CreateLaunchTemplate(ctx, &api.CreateLaunchTemplateInput{LaunchTemplateName: new("es-dev-1"), LaunchTemplateData: data})
	if err != nil {
		t.Fatal(err)
	}
	id := lt.LaunchTemplate.LaunchTemplateId
	v, err := c.CreateLaunchTemplateVersion(ctx, &api.CreateLaunchTemplateVersionInput{LaunchTemplateId: id, SourceVersion: new("1"), LaunchTemplateData: &types.RequestLaunchTemplateData{InstanceType: "t3.micro"}})
	if err != nil || *v.LaunchTemplateVersion.VersionNumber != 2 || *v.LaunchTemplateVersion.LaunchTemplateData.ImageId != *data.ImageId {
		t.Fatalf("version 2: %v, %v", v, err)
	}
	for which, want := range map[string]types.InstanceType{"1": "t3.small", "$Latest": "t3.micro", "$Default": "t3.small"} {
		got, err := c.DescribeLaunchTemplateVersions(ctx, &api.DescribeLaunchTemplateVersionsInput{LaunchTemplateId: id, Versions: []string{which}})
		if err != nil || len(got.LaunchTemplateVersions) != 1 {
			t.Fatalf("version %s: %v", which, err)
		}
		d := got.LaunchTemplateVersions[0].LaunchTemplateData
		if d.InstanceType != want || *d.UserData != "ZWNobyBoaQ==" || d.MetadataOptions.HttpTokens != "required" || !slices.Equal(d.SecurityGroupIds, data.SecurityGroupIds) || *d.BlockDeviceMappings[0].Ebs.VolumeSize != 20 {
			t.Errorf("version %s reads back as %+v", which, d)
		}
	}
	if _, err := c.ModifyLaunchTemplate(ctx, &api.ModifyLaunchTemplateInput{LaunchTemplateId: id, DefaultVersion: new("2")}); err != nil {
		t.Fatal(err)
	}
	ran, err := c.RunInstances(ctx, &api.RunInstancesInput{MinCount: new(int32(1)), MaxCount: new(int32(2)), LaunchTemplate: &types.LaunchTemplateSpecification{LaunchTemplateName: new("es-dev-1")},
		TagSpecifications: []types.TagSpecification{{ResourceType: "instance", Tags: []types.Tag{{Key: new("team"), Value: new("b")}}}}})
	if err != nil || len(ran.Instances) != 2 {
		t.Fatalf("run: %v, %v", ran, err)
	}
	i, _ := w.Instance(testAccount, testRegion, *ran.Instances[1].InstanceId)
	if i.Type != "t3.micro" || i.Profile.Name != "test_profile1" || !i.Metadata.TokensRequired || i.UserData != "echo hi" ||
		i.Tags["team"] != "b" || i.Tags["Name"] != "node" || i.Tags["aws:ec2launchtemplate:version"] != "2" {
		t.Errorf("launched %+v", i)
	}
	vol, err := c.DescribeVolumes(ctx, &api.DescribeVolumesInput{Filters: filters("attachment.instance-id", i.ID)})
	if err != nil || *vol.Volumes[0].Size != 20 || !*vol.Volumes[0].Encrypted || *vol.Volumes[0].Iops != 3000 {
		t.Errorf("volume %+v, %v", vol, err)
	}
	if _, err := c.DeleteLaunchTemplate(ctx, &api.DeleteLaunchTemplateInput{LaunchTemplateId: id}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.DescribeLaunchTemplates(ctx, &api.DescribeLaunchTemplatesInput{LaunchTemplateIds: []string{*id}}); codeOf(err) != "InvalidLaunchTemplateId.NotFound" {
		t.Errorf("a deleted template: %v", err)
	}
}

// TestLookupsOverTheWire are the data sources that configurations begin with.
func TestLookupsOverTheWire(t *testing.T) {
	w := newWorld(t)
	c, ctx := w.client(testAccount), t.Context()
	vpc, err := c.DescribeVpcs(ctx, &api.DescribeVpcsInput{Filters: filters("isDefault", "true")})
	if err != nil || len(vpc.Vpcs) != 1 || *vpc.Vpcs[0].CidrBlock != "172.31.0.0/16" {
		t.Fatalf("default VPC %v, %v", vpc, err)
	}
	sub, err := c.DescribeSubnets(ctx, &api.DescribeSubnetsInput{Filters: filters("vpc-id", *vpc.Vpcs[0].VpcId)})
	if err != nil || len(sub.Subnets) != 3 {
		t.Errorf("default subnets %v, %v", sub, err)
	}
	zones, err := c.DescribeAvailabilityZones(ctx, &api.DescribeAvailabilityZonesInput{Filters: filters("state", "available")})
	if err != nil || len(zones.AvailabilityZones) != 3 || *zones.AvailabilityZones[0].ZoneId != "apse2-az1" {
		t.Errorf("zones %v, %v", zones, err)
	}
	for _, look := range []struct {
		owner, name, want string
	}{
		{"amazon", "amzn2-ami-hvm-*-x86_64-gp2", "amzn2-ami-hvm-2.0.20260109.1-x86_64-gp2"},
		{"amazon", "al2023-ami-2023*-kernel-6.1-arm64", "al2023-ami-2023.10.20260105.0-kernel-6.1-arm64"},
		{"amazon", "amzn2-ami-ecs-hvm-*-x86_64-ebs", "amzn2-ami-ecs-hvm-2.0.20260112-x86_64-ebs"},
		{"099720109477", "ubuntu/images/hvm-ssd/ubuntu-jammy-22.04-amd64-server-*", "ubuntu/images/hvm-ssd/ubuntu-jammy-22.04-amd64-server-20260108"},
	} {
		out, err := c.DescribeImages(ctx, &api.DescribeImagesInput{Owners: []string{look.owner}, Filters: filters("name", look.name)})
		if err != nil || len(out.Images) < 2 {
			t.Errorf("%s: %d images, %v", look.name, len(out.Images), err)
			continue
		}
		newest := slices.MaxFunc(out.Images, func(a, b types.Image) int { return strings.Compare(*a.CreationDate, *b.CreationDate) })
		if *newest.Name != look.want {
			t.Errorf("%s: newest is %s, want %s", look.name, *newest.Name, look.want)
		}
		if _, err := time.Parse(time.RFC3339, *newest.CreationDate); err != nil {
			t.Error(err)
		}
	}
	// Another account has a VPC of its own.
	theirs, err := w.client(otherAccount).DescribeVpcs(ctx, &api.DescribeVpcsInput{})
	if err != nil || *theirs.Vpcs[0].VpcId == *vpc.Vpcs[0].VpcId || aws.ToString(theirs.Vpcs[0].OwnerId) != otherAccount {
		t.Errorf("the other account's VPC %v, %v", theirs, err)
	}
}
