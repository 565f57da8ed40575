package ec2

import (
	"context"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/pem"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	api "github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/mantle-iam/mantle/sandbox/internal/service"
	"github.com/mantle-iam/mantle/sandbox/internal/store"
)

func one() *int32 { return new(int32(1)) }

// launch is a RunInstances with the least.
func launch(change ...func(*api.RunInstancesInput)) *api.RunInstancesInput {
	in := &api.RunInstancesInput{ImageId: new("ami-0c55b159cbfafe1f0"), InstanceType: "t3.micro", MinCount: one(), MaxCount: one()}
	for _, f := range change {
		f(in)
	}
	return in
}

func (w *world) run(change ...func(*api.RunInstancesInput)) types.Instance {
	w.t.Helper()
	return must[api.RunInstancesOutput](w, "RunInstances", launch(change...)).Instances[0]
}

// TestInputsFitModel: the codec can fill every input of the table.
func TestInputsFitModel(t *testing.T) {
	w := newWorld(t)
	for name, op := range w.Table {
		if err := w.Model.Check(name, op.Input(), nil); err != nil {
			t.Error(err)
		}
	}
}

// TestErrors are the errors that clients branch on, in AWS's words.
func TestErrors(t *testing.T) {
	w := newWorld(t)
	e := w.estate()
	vpc := must[api.DescribeVpcsOutput](w, "DescribeVpcs", &api.DescribeVpcsInput{Filters: filters("is-default", "true")}).Vpcs[0].VpcId
	kept := w.run(func(in *api.RunInstancesInput) { in.DisableApiTermination = new(true) })
	arm := must[api.DescribeImagesOutput](w, "DescribeImages", &api.DescribeImagesInput{Filters: filters("architecture", "arm64")}).Images[0].ImageId
	profile := func(name, arn *string) *types.IamInstanceProfileSpecification {
		return &types.IamInstanceProfileSpecification{Name: name, Arn: arn}
	}
	tags := func(kind types.ResourceType, keys ...string) []types.TagSpecification {
		s := types.TagSpecification{ResourceType: kind}
		for _, k := range keys {
			s.Tags = append(s.Tags, types.Tag{Key: new(k), Value: new("v")})
		}
		return []types.TagSpecification{s}
	}
	ssh := &api.AuthorizeSecurityGroupIngressInput{GroupId: new(e["GroupId"]), IpProtocol: new("tcp"), FromPort: new(int32(80)), ToPort: new(int32(80)), CidrIp: new("0.0.0.0/0")}
	for _, test := range []struct {
		operation string
		in        any
		code      string
		message   string
	}{
		{"DescribeInstances", &api.DescribeInstancesInput{InstanceIds: []string{"i-0123456789abcdef0"}}, "InvalidInstanceID.NotFound", "The instance ID 'i-0123456789abcdef0' does not exist"},
		{"DescribeInstances", &api.DescribeInstancesInput{InstanceIds: []string{"i-0123456789abcdef0", "i-1123456789abcdef0"}}, "InvalidInstanceID.NotFound", "The instance IDs 'i-0123456789abcdef0, i-1123456789abcdef0' do not exist"},
		{"DescribeInstances", &api.DescribeInstancesInput{InstanceIds: []string{"web"}}, "InvalidInstanceID.Malformed", `Invalid id: "web"`},
		{"DescribeInstances", &api.DescribeInstancesInput{Filters: filters("colour", "red")}, "InvalidParameterValue", "The filter 'colour' is invalid"},
		{"DescribeInstances", &api.DescribeInstancesInput{NextToken: new("?")}, "InvalidNextToken", ""},
		{"DescribeVpcs", &api.DescribeVpcsInput{VpcIds: []string{"vpc-0123456789abcdef0"}}, "InvalidVpcID.NotFound", "The vpc ID 'vpc-0123456789abcdef0' does not exist"},
		{"DescribeSubnets", &api.DescribeSubnetsInput{SubnetIds: []string{"subnet-0123456789abcdef0"}}, "InvalidSubnetID.NotFound", ""},
		{"DescribeSecurityGroups", &api.DescribeSecurityGroupsInput{GroupIds: []string{"sg-0123456789abcdef0"}}, "InvalidGroup.NotFound", "The security group 'sg-0123456789abcdef0' does not exist"},
		{"DescribeSecurityGroups", &api.DescribeSecurityGroupsInput{GroupNames: []string{"nobody"}}, "InvalidGroup.NotFound", "does not exist in default VPC"},
		{"DescribeKeyPairs", &api.DescribeKeyPairsInput{KeyNames: []string{"lost"}}, "InvalidKeyPair.NotFound", "The key pair 'lost' does not exist"},
		{"DescribeInstanceTypes", &api.DescribeInstanceTypesInput{InstanceTypes: []types.InstanceType{"t9.huge"}}, "InvalidInstanceType", "[t9.huge]"},
		{"DescribeImages", &api.DescribeImagesInput{ImageIds: []string{"ubuntu"}}, "InvalidAMIID.Malformed", ""},
		{"DescribeLaunchTemplates", &api.DescribeLaunchTemplatesInput{LaunchTemplateNames: []string{"lost"}}, "InvalidLaunchTemplateName.NotFoundException", ""},
		{"DescribeLaunchTemplateVersions", &api.DescribeLaunchTemplateVersionsInput{LaunchTemplateId: new(e["LaunchTemplateId"]), Versions: []string{"7"}}, "InvalidLaunchTemplateId.VersionNotFound", "7"},

		{"RunInstances", launch(func(in *api.RunInstancesInput) { in.IamInstanceProfile = profile(new("x"), nil) }), "InvalidParameterValue", "Value (x) for parameter iamInstanceProfile.name is invalid. Invalid IAM Instance Profile name"},
		{"RunInstances", launch(func(in *api.RunInstancesInput) {
			in.IamInstanceProfile = profile(nil, new("arn:aws:iam::1:instance-profile/x"))
		}), "InvalidParameterValue", "Value (arn:aws:iam::1:instance-profile/x) for parameter iamInstanceProfile.arn is invalid. Invalid IAM Instance Profile ARN"},
		{"RunInstances", launch(func(in *api.RunInstancesInput) { in.IamInstanceProfile = profile(new("a"), new("b")) }), "InvalidParameterCombination", "may not be used together"},
		{"RunInstances", launch(func(in *api.RunInstancesInput) { in.ImageId = nil }), "MissingParameter", "ImageId"},
		{"RunInstances", launch(func(in *api.RunInstancesInput) { in.ImageId = new("ubuntu") }), "InvalidAMIID.Malformed", ""},
		{"RunInstances", launch(func(in *api.RunInstancesInput) { in.ImageId = arm }), "InvalidParameterValue", "does not match the architecture 'arm64'"},
		{"RunInstances", launch(func(in *api.RunInstancesInput) { in.InstanceType = "t9.huge" }), "InvalidParameterValue", "Invalid value 't9.huge' for InstanceType."},
		{"RunInstances", launch(func(in *api.RunInstancesInput) { in.KeyName = new("lost") }), "InvalidKeyPair.NotFound", "lost"},
		{"RunInstances", launch(func(in *api.RunInstancesInput) { in.SecurityGroupIds = []string{"sg-0123456789abcdef0"} }), "InvalidGroup.NotFound", ""},
		{"RunInstances", launch(func(in *api.RunInstancesInput) { in.SecurityGroupIds = []string{e["GroupId"]} }), "InvalidParameter", "belong to different networks"},
		{"RunInstances", launch(func(in *api.RunInstancesInput) { in.SubnetId = new("subnet-0123456789abcdef0") }), "InvalidSubnetID.NotFound", ""},
		{"RunInstances", launch(func(in *api.RunInstancesInput) { in.UserData = new("%%%") }), "InvalidParameterValue", "Invalid BASE64 encoding of user data."},
		{"RunInstances", launch(func(in *api.RunInstancesInput) { in.MinCount, in.MaxCount = new(int32(2)), one() }), "InvalidParameterValue", "maxCount"},
		{"RunInstances", launch(func(in *api.RunInstancesInput) { in.MaxCount = new(int32(maxInstances + 1)) }), "InstanceLimitExceeded", ""},
		{"RunInstances", launch(func(in *api.RunInstancesInput) {
			in.InstanceMarketOptions = &types.InstanceMarketOptionsRequest{MarketType: "spot"}
		}), "UnsupportedOperation", "spot instances"},
		{"RunInstances", launch(func(in *api.RunInstancesInput) {
			in.MetadataOptions = &types.InstanceMetadataOptionsRequest{HttpPutResponseHopLimit: new(int32(65))}
		}), "InvalidParameterValue", "between 1 and 64"},
		{"RunInstances", launch(func(in *api.RunInstancesInput) {
			in.MetadataOptions = &types.InstanceMetadataOptionsRequest{InstanceMetadataTags: "enabled"}
			in.TagSpecifications = tags("instance", "my team")
		}), "InvalidParameterValue", "'my team' is not a valid tag key"},
		{"RunInstances", launch(func(in *api.RunInstancesInput) { in.TagSpecifications = tags("vpc", "a") }), "InvalidParameterValue", "'vpc' is not a valid taggable resource type for this operation."},
		{"RunInstances", launch(func(in *api.RunInstancesInput) { in.TagSpecifications = tags("instance", "a", "a") }), "InvalidParameterValue", "Duplicate tag key 'a' specified."},
		{"RunInstances", launch(func(in *api.RunInstancesInput) { in.TagSpecifications = tags("instance", "aws:x") }), "InvalidParameterValue", "Tag keys starting with 'aws:' are reserved for internal use"},
		{"RunInstances", launch(func(in *api.RunInstancesInput) {
			in.LaunchTemplate = &types.LaunchTemplateSpecification{LaunchTemplateId: new("lt-0123456789abcdef0")}
		}), "InvalidLaunchTemplateId.NotFound", "lt-0123456789abcdef0"},
		{"RunInstances", launch(func(in *api.RunInstancesInput) {
			in.BlockDeviceMappings = []types.BlockDeviceMapping{{DeviceName: new("/dev/xvda"), Ebs: &types.EbsBlockDevice{VolumeSize: one()}}}
		}), "InvalidBlockDeviceMapping", "expect size>= 8GB"},

		{"TerminateInstances", &api.TerminateInstancesInput{InstanceIds: []string{*kept.InstanceId}}, "OperationNotPermitted", "disableApiTermination"},
		{"AssociateIamInstanceProfile", &api.AssociateIamInstanceProfileInput{InstanceId: new(e["InstanceId"]), IamInstanceProfile: profile(new("empty"), nil)}, "IncorrectState", "There is an existing association for instance " + e["InstanceId"]},
		{"ModifyInstanceMetadataOptions", &api.ModifyInstanceMetadataOptionsInput{InstanceId: new(e["InstanceId"]), HttpEndpoint: "disabled", HttpTokens: "required"}, "InvalidParameterCombination", ""},
		{"ModifyInstanceAttribute", &api.ModifyInstanceAttributeInput{InstanceId: new(e["InstanceId"]), InstanceType: text("t3.small")}, "IncorrectInstanceState", "not in the 'stopped' state"},
		{"CreateTags", &api.CreateTagsInput{Resources: []string{"vpc-0123456789abcdef0"}, Tags: []types.Tag{{Key: new("a"), Value: new("b")}}}, "InvalidVpcID.NotFound", ""},
		{"CreateTags", &api.CreateTagsInput{Resources: []string{"nothing"}, Tags: []types.Tag{{Key: new("a"), Value: new("b")}}}, "InvalidID", "The ID 'nothing' is not valid"},
		{"ImportKeyPair", &api.ImportKeyPairInput{KeyName: new("dev"), PublicKeyMaterial: []byte(someKey)}, "InvalidKeyPair.Duplicate", ""},
		{"ImportKeyPair", &api.ImportKeyPairInput{KeyName: new("bad"), PublicKeyMaterial: []byte("ssh-rsa nonsense")}, "InvalidKey.Format", ""},
		{"CreateSecurityGroup", &api.CreateSecurityGroupInput{VpcId: new(e["VpcId"]), GroupName: new("web"), Description: new("again")}, "InvalidGroup.Duplicate", "The security group 'web' already exists for VPC"},
		{"AuthorizeSecurityGroupIngress", ssh, "InvalidPermission.Duplicate", `the specified rule "peer: 0.0.0.0/0, TCP, from port: 80, to port: 80, ALLOW" already exists`},
		{"DeleteSecurityGroup", &api.DeleteSecurityGroupInput{GroupName: new("default")}, "CannotDelete", ""},
		{"DeleteSubnet", &api.DeleteSubnetInput{SubnetId: new(e["SubnetId"])}, "DependencyViolation", "has dependencies and cannot be deleted"},
		{"CreateVpc", &api.CreateVpcInput{CidrBlock: new("10.0.0.0/8")}, "InvalidVpc.Range", ""},
		{"CreateVpc", &api.CreateVpcInput{CidrBlock: new("ten")}, "InvalidParameterValue", ""},
		{"CreateSubnet", &api.CreateSubnetInput{VpcId: new(e["VpcId"]), CidrBlock: new("10.0.0.128/25")}, "InvalidSubnet.Conflict", ""},
		{"CreateSubnet", &api.CreateSubnetInput{VpcId: new(e["VpcId"]), CidrBlock: new("10.1.0.0/24")}, "InvalidSubnet.Range", ""},
		{"CreateSubnet", &api.CreateSubnetInput{VpcId: vpc, CidrBlock: new("172.31.240.0/24"), AvailabilityZone: new("moon-1a")}, "InvalidParameterValue", "moon-1a"},
		{"CreateLaunchTemplate", &api.CreateLaunchTemplateInput{LaunchTemplateName: new("node"), LaunchTemplateData: &types.RequestLaunchTemplateData{InstanceType: "t3.micro"}}, "InvalidLaunchTemplateName.AlreadyExistsException", ""},
		{"DisassociateIamInstanceProfile", &api.DisassociateIamInstanceProfileInput{AssociationId: new("iip-assoc-0")}, "NoSuchAssociation", "An invalid association-id of 'iip-assoc-0' was given"},
	} {
		fails(w, test.operation, test.in, test.code, 400, test.message)
	}
}

// TestDryRun: the answer says that all is well, and nothing happens.
func TestDryRun(t *testing.T) {
	w := newWorld(t)
	fails(w, "RunInstances", launch(func(in *api.RunInstancesInput) { in.DryRun = new(true) }), "DryRunOperation", 412, "Request would have succeeded, but DryRun flag is set.")
	if n := len(w.Instances(testAccount, testRegion)); n != 0 {
		t.Errorf("a dry run launched %d instances", n)
	}
	fails(w, "DescribeInstances", &api.DescribeInstancesInput{DryRun: new(true)}, "DryRunOperation", 412, "")
	w.Decide(func(_ *service.Request, _ service.Check) bool { return false })
	fails(w, "RunInstances", launch(func(in *api.RunInstancesInput) { in.DryRun = new(true) }), "UnauthorizedOperation", 403, "")
}

// TestDefaultsAreAlike: every sandbox gives an account the same default VPC;
// accounts and regions differ, and what is deleted stays so.
func TestDefaultsAreAlike(t *testing.T) {
	ids := func(w *world) string {
		v := must[api.DescribeVpcsOutput](w, "DescribeVpcs", &api.DescribeVpcsInput{}).Vpcs[0]
		s := must[api.DescribeSubnetsOutput](w, "DescribeSubnets", &api.DescribeSubnetsInput{}).Subnets
		g := must[api.DescribeSecurityGroupsOutput](w, "DescribeSecurityGroups", &api.DescribeSecurityGroupsInput{}).SecurityGroups[0]
		return strings.Join([]string{*v.VpcId, *s[0].SubnetId, *g.GroupId, *g.VpcId}, " ")
	}
	a, b := newWorld(t), newWorld(t)
	if x, y := ids(a), ids(b); x != y {
		t.Errorf("two sandboxes: %s and %s", x, y)
	}
	first := ids(a)
	a.region = "us-east-1"
	if second := ids(a); second == first {
		t.Error("two regions share a VPC")
	}
	if n := len(must[api.DescribeSubnetsOutput](a, "DescribeSubnets", &api.DescribeSubnetsInput{}).Subnets); n != 6 {
		t.Errorf("us-east-1 has %d default subnets, want 6", n)
	}
	for _, s := range must[api.DescribeSubnetsOutput](b, "DescribeSubnets", &api.DescribeSubnetsInput{}).Subnets {
		must[api.DeleteSubnetOutput](b, "DeleteSubnet", &api.DeleteSubnetInput{SubnetId: s.SubnetId})
	}
	g := must[api.DescribeInternetGatewaysOutput](b, "DescribeInternetGateways", &api.DescribeInternetGatewaysInput{}).InternetGateways[0]
	v := g.Attachments[0].VpcId
	must[api.DetachInternetGatewayOutput](b, "DetachInternetGateway", &api.DetachInternetGatewayInput{InternetGatewayId: g.InternetGatewayId, VpcId: v})
	must[api.DeleteVpcOutput](b, "DeleteVpc", &api.DeleteVpcInput{VpcId: v})
	if n := len(must[api.DescribeVpcsOutput](b, "DescribeVpcs", &api.DescribeVpcsInput{}).Vpcs); n != 0 {
		t.Errorf("%d VPCs after the default one was deleted", n)
	}
	fails(b, "RunInstances", launch(), "VPCIdNotSpecified", 400, "No default VPC for this user")
}

// TestLifeOfAnInstance walks through the states.
func TestLifeOfAnInstance(t *testing.T) {
	w := newWorld(t)
	i := w.run()
	id := []string{*i.InstanceId}
	before, ok := w.Instance(testAccount, testRegion, id[0])
	if !ok || before.State != "running" || !before.PublicIP.IsValid() || !netip.MustParsePrefix("198.18.0.0/15").Contains(before.PublicIP) {
		t.Fatalf("running: %+v", before)
	}
	must[api.StopInstancesOutput](w, "StopInstances", &api.StopInstancesInput{InstanceIds: id})
	must[api.ModifyInstanceAttributeOutput](w, "ModifyInstanceAttribute", &api.ModifyInstanceAttributeInput{InstanceId: &id[0], InstanceType: text("t3.small")})
	stopped, _ := w.Instance(testAccount, testRegion, id[0])
	if stopped.State != "stopped" || stopped.PublicIP.IsValid() || stopped.PrivateIP != before.PrivateIP {
		t.Errorf("stopped: %+v", stopped)
	}
	start := must[api.StartInstancesOutput](w, "StartInstances", &api.StartInstancesInput{InstanceIds: id})
	if s := start.StartingInstances[0]; s.PreviousState.Name != "stopped" || s.CurrentState.Name != "pending" {
		t.Errorf("start answers %+v", s)
	}
	again, _ := w.Instance(testAccount, testRegion, id[0])
	if again.Type != "t3.small" || again.PublicIP == before.PublicIP || !again.PublicIP.IsValid() {
		t.Errorf("started again: %+v", again)
	}
	must[api.RebootInstancesOutput](w, "RebootInstances", &api.RebootInstancesInput{InstanceIds: id})
	must[api.TerminateInstancesOutput](w, "TerminateInstances", &api.TerminateInstancesInput{InstanceIds: id})
	if _, ok := w.Instance(testAccount, testRegion, id[0]); ok {
		t.Error("a terminated instance is found")
	}
	fails(w, "StartInstances", &api.StartInstancesInput{InstanceIds: id}, "IncorrectInstanceState", 400, id[0])
	if n := len(must[api.DescribeVolumesOutput](w, "DescribeVolumes", &api.DescribeVolumesInput{}).Volumes); n != 0 {
		t.Errorf("%d volumes are left", n)
	}
	// The token of a launch outlives the instance.
	w.run(func(in *api.RunInstancesInput) { in.ClientToken = new("t") })
	fails(w, "RunInstances", launch(func(in *api.RunInstancesInput) { in.ClientToken, in.InstanceType = new("t"), "t3.nano" }), "IdempotentParameterMismatch", 400, "")
}

// TestAddresses: addresses are given in order, used again, and run out.
func TestAddresses(t *testing.T) {
	w := newWorld(t)
	vpc := must[api.CreateVpcOutput](w, "CreateVpc", &api.CreateVpcInput{CidrBlock: new("10.0.0.0/24")}).Vpc.VpcId
	s := must[api.CreateSubnetOutput](w, "CreateSubnet", &api.CreateSubnetInput{VpcId: vpc, CidrBlock: new("10.0.0.0/28")}).Subnet
	in := func(n int32) func(*api.RunInstancesInput) {
		return func(in *api.RunInstancesInput) { in.SubnetId, in.MinCount, in.MaxCount = s.SubnetId, &n, &n }
	}
	first := w.run(in(11))
	if *first.PrivateIpAddress != "10.0.0.4" || *s.AvailableIpAddressCount != 11 || first.PublicIpAddress != nil {
		t.Errorf("the first of %d is %s", *s.AvailableIpAddressCount, *first.PrivateIpAddress)
	}
	fails(w, "RunInstances", launch(in(1)), "InsufficientFreeAddressesInSubnet", 400, "")
	must[api.TerminateInstancesOutput](w, "TerminateInstances", &api.TerminateInstancesInput{InstanceIds: []string{*first.InstanceId}})
	if again := w.run(in(1)); *again.PrivateIpAddress != "10.0.0.4" {
		t.Errorf("got %s, want the free 10.0.0.4", *again.PrivateIpAddress)
	}
	fails(w, "RunInstances", launch(in(1), func(in *api.RunInstancesInput) { in.PrivateIpAddress = new("10.0.0.5") }), "InvalidIPAddress.InUse", 400, "")
}

// TestMetadataOptions: defaults by image, changes, and what the lookup says.
func TestMetadataOptions(t *testing.T) {
	w := newWorld(t)
	newer := must[api.DescribeImagesOutput](w, "DescribeImages", &api.DescribeImagesInput{Filters: filters("name", "al2023-ami-2023*x86_64")}).Images[0]
	if newer.ImdsSupport != "v2.0" {
		t.Errorf("imds-support of %s is %q", *newer.Name, newer.ImdsSupport)
	}
	plain := w.run()
	strict := w.run(func(in *api.RunInstancesInput) { in.ImageId = newer.ImageId })
	a, _ := w.Instance(testAccount, testRegion, *plain.InstanceId)
	b, _ := w.Instance(testAccount, testRegion, *strict.InstanceId)
	if want := (Metadata{Enabled: true, HopLimit: 1}); a.Metadata != want {
		t.Errorf("an image without wishes: %+v, want %+v", a.Metadata, want)
	}
	if want := (Metadata{Enabled: true, HopLimit: 2, TokensRequired: true}); b.Metadata != want {
		t.Errorf("an image that wants version 2: %+v, want %+v", b.Metadata, want)
	}
	out := must[api.ModifyInstanceMetadataOptionsOutput](w, "ModifyInstanceMetadataOptions", &api.ModifyInstanceMetadataOptionsInput{InstanceId: plain.InstanceId, HttpTokens: "required", HttpPutResponseHopLimit: new(int32(64)), InstanceMetadataTags: "enabled"})
	if out.InstanceMetadataOptions.State != "pending" {
		t.Errorf("the answer to a change is %q", out.InstanceMetadataOptions.State)
	}
	a, _ = w.InstanceByID(*plain.InstanceId)
	if want := (Metadata{Enabled: true, HopLimit: 64, TokensRequired: true, Tags: true}); a.Metadata != want {
		t.Errorf("after the change: %+v, want %+v", a.Metadata, want)
	}
	fails(w, "CreateTags", &api.CreateTagsInput{Resources: []string{a.ID}, Tags: []types.Tag{{Key: new("a/b"), Value: new("")}}}, "InvalidParameterValue", 400, "'a/b' is not a valid tag key")
	must[api.ModifyInstanceMetadataOptionsOutput](w, "ModifyInstanceMetadataOptions", &api.ModifyInstanceMetadataOptionsInput{InstanceId: plain.InstanceId, HttpEndpoint: "disabled"})
	if a, _ = w.InstanceByID(a.ID); a.Metadata.Enabled {
		t.Error("the endpoint is still on")
	}
}

// TestProfiles: one profile at a time, and each association has its own id.
func TestProfiles(t *testing.T) {
	w := newWorld(t)
	i := w.run()
	name := func(n string) *types.IamInstanceProfileSpecification {
		return &types.IamInstanceProfileSpecification{Name: &n}
	}
	a := must[api.AssociateIamInstanceProfileOutput](w, "AssociateIamInstanceProfile", &api.AssociateIamInstanceProfileInput{InstanceId: i.InstanceId, IamInstanceProfile: name("test_profile1")}).IamInstanceProfileAssociation
	if a.State != "associating" {
		t.Errorf("state %s", a.State)
	}
	got, _ := w.Instance(testAccount, testRegion, *i.InstanceId)
	if got.Profile == nil || got.Profile.AssociationID != *a.AssociationId || got.Profile.ID != someProfiles()["test_profile1"].ID || got.Profile.Since.IsZero() {
		t.Errorf("the lookup shows %+v", got.Profile)
	}
	d := must[api.DisassociateIamInstanceProfileOutput](w, "DisassociateIamInstanceProfile", &api.DisassociateIamInstanceProfileInput{AssociationId: a.AssociationId}).IamInstanceProfileAssociation
	if d.State != "disassociating" {
		t.Errorf("state %s", d.State)
	}
	if got, _ := w.Instance(testAccount, testRegion, *i.InstanceId); got.Profile != nil {
		t.Error("the profile is still there")
	}
	b := must[api.AssociateIamInstanceProfileOutput](w, "AssociateIamInstanceProfile", &api.AssociateIamInstanceProfileInput{InstanceId: i.InstanceId, IamInstanceProfile: name("test_profile1")}).IamInstanceProfileAssociation
	if *b.AssociationId == *a.AssociationId || !strings.HasPrefix(*b.AssociationId, "iip-assoc-0") {
		t.Errorf("two associations are %s and %s", *a.AssociationId, *b.AssociationId)
	}
}

// TestTags: tags on anything, by value, and quotas.
func TestTags(t *testing.T) {
	w := newWorld(t)
	e := w.estate()
	key := must[api.DescribeKeyPairsOutput](w, "DescribeKeyPairs", &api.DescribeKeyPairsInput{}).KeyPairs[0]
	ids := []string{e["VpcId"], e["RuleId"], e["VolumeId"], e["InterfaceId"], *key.KeyPairId, "ami-0c55b159cbfafe1f0"}
	must[api.CreateTagsOutput](w, "CreateTags", &api.CreateTagsInput{Resources: ids, Tags: []types.Tag{{Key: new("team"), Value: new("a")}, {Key: new("empty")}}})
	if want := ":key-pair/dev"; !strings.HasSuffix(w.LastChecks()[4].Resource, want) {
		t.Errorf("the key pair was checked as %s", w.LastChecks()[4].Resource)
	}
	all := must[api.DescribeTagsOutput](w, "DescribeTags", &api.DescribeTagsInput{Filters: filters("key", "team")}).Tags
	if len(all) != len(ids) {
		t.Errorf("%d resources are tagged, want %d", len(all), len(ids))
	}
	page := must[api.DescribeTagsOutput](w, "DescribeTags", &api.DescribeTagsInput{Filters: filters("key", "team"), MaxResults: new(int32(4))})
	rest := must[api.DescribeTagsOutput](w, "DescribeTags", &api.DescribeTagsInput{Filters: filters("key", "team"), MaxResults: new(int32(4)), NextToken: page.NextToken})
	if len(page.Tags) != 4 || len(rest.Tags) != 2 || rest.NextToken != nil || *rest.Tags[0].ResourceId <= *page.Tags[3].ResourceId {
		t.Errorf("pages of %d and %d", len(page.Tags), len(rest.Tags))
	}
	must[api.DeleteTagsOutput](w, "DeleteTags", &api.DeleteTagsInput{Resources: ids[:1], Tags: []types.Tag{{Key: new("team"), Value: new("b")}, {Key: new("stage")}}})
	v := must[api.DescribeVpcsOutput](w, "DescribeVpcs", &api.DescribeVpcsInput{VpcIds: ids[:1]}).Vpcs[0]
	if len(v.Tags) != 2 || *v.Tags[1].Key != "team" {
		t.Errorf("tags after deleting by value: %v", v.Tags)
	}
	var many []types.Tag
	for n := range tagsPerResource {
		many = append(many, types.Tag{Key: new(strings.Repeat("k", n+1)), Value: new("")})
	}
	fails(w, "CreateTags", &api.CreateTagsInput{Resources: ids[:1], Tags: many}, "TagLimitExceeded", 400, "")
}

// TestRules: equal rules are one, whatever order and names they come in.
func TestRules(t *testing.T) {
	w := newWorld(t)
	g := must[api.CreateSecurityGroupOutput](w, "CreateSecurityGroup", &api.CreateSecurityGroupInput{GroupName: new("a"), Description: new("a")}).GroupId
	p := types.IpPermission{IpProtocol: new("6"), FromPort: new(int32(1)), ToPort: new(int32(2)), IpRanges: []types.IpRange{{CidrIp: new("10.0.0.0/8")}, {CidrIp: new("192.168.0.0/16")}},
		UserIdGroupPairs: []types.UserIdGroupPair{{GroupId: g}}, Ipv6Ranges: []types.Ipv6Range{{CidrIpv6: new("::/0")}}}
	out := must[api.AuthorizeSecurityGroupIngressOutput](w, "AuthorizeSecurityGroupIngress", &api.AuthorizeSecurityGroupIngressInput{GroupId: g, IpPermissions: []types.IpPermission{p}})
	if len(out.SecurityGroupRules) != 4 || *out.SecurityGroupRules[0].IpProtocol != "tcp" {
		t.Fatalf("rules %+v", out.SecurityGroupRules)
	}
	seen := must[api.DescribeSecurityGroupsOutput](w, "DescribeSecurityGroups", &api.DescribeSecurityGroupsInput{Filters: filters("ip-permission.cidr", "192.168.*")}).SecurityGroups
	if len(seen) != 1 || len(seen[0].IpPermissions) != 1 || len(seen[0].IpPermissions[0].IpRanges) != 2 || *seen[0].IpPermissions[0].UserIdGroupPairs[0].UserId != testAccount {
		t.Errorf("the group shows %+v", seen)
	}
	id := *out.SecurityGroupRules[1].SecurityGroupRuleId
	must[api.ModifySecurityGroupRulesOutput](w, "ModifySecurityGroupRules", &api.ModifySecurityGroupRulesInput{GroupId: g, SecurityGroupRules: []types.SecurityGroupRuleUpdate{{SecurityGroupRuleId: &id,
		SecurityGroupRule: &types.SecurityGroupRuleRequest{IpProtocol: new("udp"), FromPort: new(int32(53)), ToPort: new(int32(53)), CidrIpv4: new("10.0.0.0/8")}}}})
	r := must[api.DescribeSecurityGroupRulesOutput](w, "DescribeSecurityGroupRules", &api.DescribeSecurityGroupRulesInput{SecurityGroupRuleIds: []string{id}}).SecurityGroupRules[0]
	if *r.IpProtocol != "udp" || *r.FromPort != 53 || *r.CidrIpv4 != "10.0.0.0/8" || *r.IsEgress {
		t.Errorf("the changed rule is %+v", r)
	}
	must[api.RevokeSecurityGroupIngressOutput](w, "RevokeSecurityGroupIngress", &api.RevokeSecurityGroupIngressInput{GroupId: g, SecurityGroupRuleIds: []string{id}})
	must[api.RevokeSecurityGroupIngressOutput](w, "RevokeSecurityGroupIngress", &api.RevokeSecurityGroupIngressInput{GroupId: g, IpPermissions: []types.IpPermission{{IpProtocol: new("TCP"), FromPort: p.FromPort, ToPort: p.ToPort, Ipv6Ranges: p.Ipv6Ranges}}})
	left := must[api.DescribeSecurityGroupRulesOutput](w, "DescribeSecurityGroupRules", &api.DescribeSecurityGroupRulesInput{Filters: filters("group-id", *g)}).SecurityGroupRules
	if len(left) != 3 { // two of ingress, the default egress
		t.Errorf("%d rules are left, want 3", len(left))
	}
}

// TestKeyPairs: fingerprints are those of OpenSSH and OpenSSL.
func TestKeyPairs(t *testing.T) {
	w := newWorld(t)
	// ssh-keygen -lf prints this with "SHA256:" before it and no "=".
	in := must[api.ImportKeyPairOutput](w, "ImportKeyPair", &api.ImportKeyPairInput{KeyName: new("a"), PublicKeyMaterial: []byte(someKey)})
	if want := "R5odU2J/sqzWnSteAAqcUWum0Ebe4eKR3M+rvEzoybQ="; *in.KeyFingerprint != want {
		t.Errorf("fingerprint %s, want %s", *in.KeyFingerprint, want)
	}
	ed := must[api.CreateKeyPairOutput](w, "CreateKeyPair", &api.CreateKeyPairInput{KeyName: new("b"), KeyType: "ed25519"})
	block, _ := pem.Decode([]byte(*ed.KeyMaterial))
	if block == nil || block.Type != "OPENSSH PRIVATE KEY" {
		t.Fatalf("key material of type %v", block)
	}
	rest, ok := strings.CutPrefix(string(block.Bytes), "openssh-key-v1\x00")
	if !ok {
		t.Fatal("no OpenSSH magic")
	}
	head, _ := sshFields([]byte(rest[:4+4+4+4+4])) // cipher, KDF, options
	if len(head) != 3 || string(head[0]) != "none" {
		t.Errorf("header %q", head)
	}
	body, ok := sshFields([]byte(rest[20+4:]))
	if !ok || len(body) != 2 || len(body[1])%8 != 0 {
		t.Fatalf("public and private part: %d, %v", len(body), ok)
	}
	secret, _ := sshFields(body[1][8 : 8+4+11+4+32+4+64])
	public, _ := sshFields(body[0])
	if key := ed25519.PrivateKey(secret[2]); string(key.Public().(ed25519.PublicKey)) != string(public[1]) {
		t.Error("the private key is not that of the public key")
	}
	rsa := must[api.CreateKeyPairOutput](w, "CreateKeyPair", &api.CreateKeyPairInput{KeyName: new("c")})
	block, _ = pem.Decode([]byte(*rsa.KeyMaterial))
	if _, err := x509.ParsePKCS1PrivateKey(block.Bytes); err != nil || len(*rsa.KeyFingerprint) != 59 {
		t.Errorf("RSA key: %v, fingerprint %s", err, *rsa.KeyFingerprint)
	}
	seen := must[api.DescribeKeyPairsOutput](w, "DescribeKeyPairs", &api.DescribeKeyPairsInput{KeyNames: []string{"c"}, IncludePublicKey: new(true)}).KeyPairs[0]
	text, kind, print, err := readPublicKey([]byte(*seen.PublicKey))
	if err != nil || kind != "rsa" || text != *seen.PublicKey || len(print) != 47 {
		t.Errorf("the public key reads as %s, %s, %v", kind, print, err)
	}
	must[api.DeleteKeyPairOutput](w, "DeleteKeyPair", &api.DeleteKeyPairInput{KeyName: new("c")})
	must[api.DeleteKeyPairOutput](w, "DeleteKeyPair", &api.DeleteKeyPairInput{KeyName: new("c")})
}

// TestRunOfAnotherService is what Auto Scaling does.
func TestRunOfAnotherService(t *testing.T) {
	w := newWorld(t)
	lt := must[api.CreateLaunchTemplateOutput](w, "CreateLaunchTemplate", &api.CreateLaunchTemplateInput{LaunchTemplateName: new("node"), LaunchTemplateData: &types.RequestLaunchTemplateData{
		ImageId: new("ami-0c55b159cbfafe1f0"), InstanceType: "t3.micro", IamInstanceProfile: &types.LaunchTemplateIamInstanceProfileSpecificationRequest{Name: new("test_profile1")},
		NetworkInterfaces: []types.LaunchTemplateInstanceNetworkInterfaceSpecificationRequest{{DeviceIndex: new(int32(0)), AssociatePublicIpAddress: new(false)}},
	}}).LaunchTemplate
	var subnet, id string
	err := w.store.Update(func(tx *store.Tx) (err error) {
		tid, name, number, err := w.LaunchTemplate(tx, testAccount, testRegion, "node", "$Latest")
		if err != nil || tid != *lt.LaunchTemplateId || name != "node" || number != "1" {
			t.Errorf("the template is %s %s %s, %v", tid, name, number, err)
		}
		subnet, _ = w.DefaultSubnet(tx, testAccount, testRegion, testRegion+"b")
		checks, err := w.LaunchChecks(tx, testAccount, testRegion, tid, "", subnet)
		if err != nil || !slices.ContainsFunc(checks, func(c service.Check) bool { return c.Action == "iam:PassRole" }) {
			t.Errorf("checks %v, %v", checks, err)
		}
		id, err = w.Launch(tx, testAccount, testRegion, w.Now(), "node", number, subnet, map[string]string{"aws:autoscaling:groupName": "g", "k": "v"})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	i, ok := w.Instance(testAccount, testRegion, id)
	if !ok || i.Subnet != subnet || i.Zone != testRegion+"b" || i.PublicIP.IsValid() || i.Tags["k"] != "v" || i.Tags["aws:autoscaling:groupName"] != "g" || i.ZoneID != "apse2-az2" {
		t.Errorf("launched %+v", i)
	}
	err = w.store.Update(func(tx *store.Tx) error {
		if zone, kind, ok := w.Running(tx, testAccount, testRegion, id); !ok || zone != i.Zone || kind != "t3.micro" {
			t.Errorf("running: %s %s %v", zone, kind, ok)
		}
		w.Terminate(tx, testAccount, testRegion, w.Now(), id, "i-0123456789abcdef0")
		return nil
	})
	if _, ok := w.Instance(testAccount, testRegion, id); ok || err != nil {
		t.Errorf("it still runs, %v", err)
	}
}

// TestSurvivesRestart: all is there after the store was opened again.
func TestSurvivesRestart(t *testing.T) {
	dir := t.TempDir()
	st, err := store.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	w := worldOver(t, st)
	e := w.estate()
	before, _ := w.Instance(testAccount, testRegion, e["InstanceId"])
	lt := must[api.DescribeLaunchTemplateVersionsOutput](w, "DescribeLaunchTemplateVersions", &api.DescribeLaunchTemplateVersionsInput{LaunchTemplateId: new(e["LaunchTemplateId"])}).LaunchTemplateVersions
	st.Close()
	if st, err = store.Open(dir); err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	w = worldOver(t, st)
	after, ok := w.Instance(testAccount, testRegion, e["InstanceId"])
	if !ok || after.PrivateIP != before.PrivateIP || after.Profile.AssociationID != before.Profile.AssociationID || after.Tags["stage"] != "prod" || !after.Launched.Equal(before.Launched) {
		t.Errorf("after a restart %+v, before %+v", after, before)
	}
	again := must[api.DescribeLaunchTemplateVersionsOutput](w, "DescribeLaunchTemplateVersions", &api.DescribeLaunchTemplateVersionsInput{LaunchTemplateId: new(e["LaunchTemplateId"])}).LaunchTemplateVersions
	if len(again) != 1 || again[0].LaunchTemplateData.InstanceType != lt[0].LaunchTemplateData.InstanceType {
		t.Errorf("the template's versions are %v, were %v", again, lt)
	}
}

// TestWildcard compares the filters' matcher with regular expressions.
func TestWildcard(t *testing.T) {
	for _, test := range []struct {
		pattern, s string
		want       bool
	}{
		{"*", "", true}, {"a*b", "ab", true}, {"a*b", "axxb", true}, {"a*b", "axxbc", false}, {"?", "", false}, {"?x", "ax", true},
		{`\*`, "*", true}, {`\*`, "a", false}, {`a\?b`, "a?b", true}, {"A", "a", false}, {"*a*a*a*a*b", strings.Repeat("a", 5000), false},
	} {
		if got := wildcard(test.pattern, test.s); got != test.want {
			t.Errorf("wildcard(%q, %.20q) is %v", test.pattern, test.s, got)
		}
	}
}

func FuzzWildcard(f *testing.F) {
	f.Add("a*b?c", "aXXbXc")
	f.Add("**", "x")
	f.Fuzz(func(t *testing.T, pattern, s string) {
		if len(pattern) > 50 || len(s) > 200 || strings.Contains(pattern, `\`) || strings.ContainsFunc(pattern+s, func(r rune) bool { return r > 126 || r < 32 }) {
			return
		}
		want := regexp.MustCompile("^" + strings.NewReplacer(`\*`, ".*", `\?`, ".").Replace(regexp.QuoteMeta(pattern)) + "$").MatchString(s)
		if got := wildcard(pattern, s); got != want {
			t.Errorf("wildcard(%q, %q) is %v", pattern, s, got)
		}
	})
}

// FuzzReadPublicKey: no key material breaks the reader, and what it accepts
// it accepts again.
func FuzzReadPublicKey(f *testing.F) {
	f.Add([]byte(someKey))
	f.Add([]byte("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----"))
	f.Add([]byte("ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAgQ=="))
	f.Fuzz(func(t *testing.T, material []byte) {
		text, kind, print, err := readPublicKey(material)
		if err != nil {
			return
		}
		text2, kind2, print2, err := readPublicKey([]byte(text))
		if err != nil || text2 != text || kind2 != kind || print2 != print {
			t.Errorf("%q reads back as %q %s %s, %v", text, text2, kind2, print2, err)
		}
	})
}

// TestConcurrentLaunches: two calls never share an address.
func TestConcurrentLaunches(t *testing.T) {
	w := newWorld(t)
	op := w.Table["RunInstances"]
	done := make(chan error)
	for range 8 {
		go func() {
			_, err := op.Handle(context.Background(), &service.Request{Caller: w.caller, Region: testRegion, Now: time.Unix(1800000000, 0)}, launch())
			done <- err
		}()
	}
	for range 8 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	seen := map[netip.Addr]bool{}
	for _, i := range w.Instances(testAccount, testRegion) {
		seen[i.PrivateIP] = true
	}
	if len(seen) != 8 {
		t.Errorf("8 instances have %d addresses", len(seen))
	}
}
