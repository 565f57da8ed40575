package ec2

import (
	"encoding/json"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	api "github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/mantle-iam/mantle/sandbox/internal/service"
)

// estate is one resource of each kind, by the names of parameters.
func (w *world) estate() map[string]string {
	w.t.Helper()
	tags := func(t types.ResourceType) []types.TagSpecification {
		return []types.TagSpecification{{ResourceType: t, Tags: []types.Tag{{Key: new("stage"), Value: new("prod")}}}}
	}
	vpc := must[api.CreateVpcOutput](w, "CreateVpc", &api.CreateVpcInput{CidrBlock: new("10.0.0.0/16"), TagSpecifications: tags("vpc")}).Vpc.VpcId
	subnet := must[api.CreateSubnetOutput](w, "CreateSubnet", &api.CreateSubnetInput{VpcId: vpc, CidrBlock: new("10.0.0.0/24"), TagSpecifications: tags("subnet")}).Subnet.SubnetId
	table := must[api.CreateRouteTableOutput](w, "CreateRouteTable", &api.CreateRouteTableInput{VpcId: vpc, TagSpecifications: tags("route-table")}).RouteTable.RouteTableId
	gateway := must[api.CreateInternetGatewayOutput](w, "CreateInternetGateway", &api.CreateInternetGatewayInput{TagSpecifications: tags("internet-gateway")}).InternetGateway.InternetGatewayId
	group := must[api.CreateSecurityGroupOutput](w, "CreateSecurityGroup", &api.CreateSecurityGroupInput{VpcId: vpc, GroupName: new("web"), Description: new("web"), TagSpecifications: tags("security-group")}).GroupId
	rule := must[api.AuthorizeSecurityGroupIngressOutput](w, "AuthorizeSecurityGroupIngress", &api.AuthorizeSecurityGroupIngressInput{GroupId: group, IpProtocol: new("tcp"), FromPort: new(int32(80)), ToPort: new(int32(80)), CidrIp: new("0.0.0.0/0"), TagSpecifications: tags("security-group-rule")}).SecurityGroupRules[0].SecurityGroupRuleId
	must[api.ImportKeyPairOutput](w, "ImportKeyPair", &api.ImportKeyPairInput{KeyName: new("dev"), PublicKeyMaterial: []byte(someKey), TagSpecifications: tags("key-pair")})
	lt := must[api.CreateLaunchTemplateOutput](w, "CreateLaunchTemplate", &api.CreateLaunchTemplateInput{LaunchTemplateName: new("node"), LaunchTemplateData: &types.RequestLaunchTemplateData{InstanceType: "t3.micro"}, TagSpecifications: tags("launch-template")}).LaunchTemplate.LaunchTemplateId
	i := must[api.RunInstancesOutput](w, "RunInstances", &api.RunInstancesInput{MinCount: new(int32(1)), MaxCount: new(int32(1)), ImageId: new("ami-0c55b159cbfafe1f0"), InstanceType: "t3.micro", SubnetId: subnet,
		IamInstanceProfile: &types.IamInstanceProfileSpecification{Name: new("test_profile1")}, TagSpecifications: tags("instance")}).Instances[0]
	assoc := must[api.DescribeIamInstanceProfileAssociationsOutput](w, "DescribeIamInstanceProfileAssociations", &api.DescribeIamInstanceProfileAssociationsInput{}).IamInstanceProfileAssociations[0].AssociationId
	return map[string]string{
		"VpcId": *vpc, "SubnetId": *subnet, "RouteTableId": *table, "InternetGatewayId": *gateway, "GroupId": *group, "RuleId": *rule,
		"KeyName": "dev", "LaunchTemplateId": *lt, "InstanceId": *i.InstanceId, "AssociationId": *assoc,
		"VolumeId": *i.BlockDeviceMappings[0].Ebs.VolumeId, "InterfaceId": *i.NetworkInterfaces[0].NetworkInterfaceId,
	}
}

// filled is an input of an operation that names the estate.
func filled(op service.Operation, e map[string]string) any {
	in := op.Input()
	v := reflect.ValueOf(in).Elem()
	for i := range v.NumField() {
		name, f := v.Type().Field(i).Name, v.Field(i)
		if !f.CanSet() {
			continue
		}
		switch f.Interface().(type) {
		case *string:
			if s, ok := e[name]; ok {
				f.Set(reflect.ValueOf(&s))
			}
		case []string:
			switch name {
			case "InstanceIds":
				f.Set(reflect.ValueOf([]string{e["InstanceId"]}))
			case "Resources":
				f.Set(reflect.ValueOf([]string{e["VpcId"], e["SubnetId"], e["RouteTableId"], e["InternetGatewayId"], e["GroupId"], e["RuleId"], e["LaunchTemplateId"], e["InstanceId"], e["VolumeId"], e["InterfaceId"], "ami-0c55b159cbfafe1f0"}))
			}
		case []types.Tag:
			f.Set(reflect.ValueOf([]types.Tag{{Key: new("team"), Value: new("shop")}}))
		case []types.TagSpecification:
			kind, _ := strings.CutPrefix(op.Name, "Create")
			of := map[string]types.ResourceType{"Vpc": "vpc", "Subnet": "subnet", "RouteTable": "route-table", "InternetGateway": "internet-gateway",
				"SecurityGroup": "security-group", "KeyPair": "key-pair", "ImportKeyPair": "key-pair", "LaunchTemplate": "launch-template", "RunInstances": "instance",
				"AuthorizeSecurityGroupIngress": "security-group-rule", "AuthorizeSecurityGroupEgress": "security-group-rule"}[kind]
			if of != "" {
				f.Set(reflect.ValueOf([]types.TagSpecification{{ResourceType: of, Tags: []types.Tag{{Key: new("team"), Value: new("shop")}}}}))
			}
		case *types.IamInstanceProfileSpecification:
			f.Set(reflect.ValueOf(&types.IamInstanceProfileSpecification{Name: new("test_profile2")}))
		}
	}
	switch in := in.(type) {
	case *api.ModifyVpcAttributeInput:
		in.EnableDnsSupport = &types.AttributeBooleanValue{Value: new(true)}
	case *api.ModifySubnetAttributeInput:
		in.MapPublicIpOnLaunch = &types.AttributeBooleanValue{Value: new(true)}
	case *api.ModifyInstanceAttributeInput:
		in.Attribute, in.DisableApiStop = "", &types.AttributeBooleanValue{Value: new(true)}
	case *api.ModifyInstanceMetadataOptionsInput:
		in.HttpTokens, in.HttpPutResponseHopLimit = "required", new(int32(3))
	case *api.ModifySecurityGroupRulesInput:
		in.SecurityGroupRules = []types.SecurityGroupRuleUpdate{{SecurityGroupRuleId: new(e["RuleId"])}}
	case *api.RunInstancesInput:
		in.ImageId, in.InstanceType, in.MinCount, in.MaxCount = new("ami-0c55b159cbfafe1f0"), "t3.micro", new(int32(1)), new(int32(1))
		in.LaunchTemplate = &types.LaunchTemplateSpecification{LaunchTemplateId: new(e["LaunchTemplateId"])}
		in.SecurityGroupIds = []string{e["GroupId"]}
	}
	return in
}

// TestChecksFitReference compares the checks of every operation with the
// service authorization reference: the action exists, the resource is of a
// type that it has, every required type is checked, and no condition key is
// sent that the action on that resource does not have.
func TestChecksFitReference(t *testing.T) {
	src, err := os.ReadFile("testdata/actions.json")
	if err != nil {
		t.Fatal(err)
	}
	var reference map[string]struct {
		Keys      []string
		Resources map[string][]string
		Required  []string
	}
	if err := json.Unmarshal(src, &reference); err != nil {
		t.Fatal(err)
	}
	w := newWorld(t)
	e := w.estate()
	must[api.AttachInternetGatewayOutput](w, "AttachInternetGateway", &api.AttachInternetGatewayInput{InternetGatewayId: new(e["InternetGatewayId"]), VpcId: new(e["VpcId"])})
	routeAssoc := must[api.AssociateRouteTableOutput](w, "AssociateRouteTable", &api.AssociateRouteTableInput{RouteTableId: new(e["RouteTableId"]), SubnetId: new(e["SubnetId"])}).AssociationId
	for name, op := range w.Table {
		names := e
		if strings.Contains(name, "RouteTable") {
			names = map[string]string{"AssociationId": *routeAssoc, "RouteTableId": e["RouteTableId"], "SubnetId": e["SubnetId"], "VpcId": e["VpcId"]}
		}
		checks, err := op.Checks(&service.Request{Caller: w.caller, Region: testRegion, Now: w.Now()}, filled(op, names))
		if err != nil || len(checks) == 0 {
			t.Errorf("%s: checks %v, %v", name, checks, err)
			continue
		}
		if checks[0].Action != "ec2:"+name {
			t.Errorf("%s: the first check is for %s", name, checks[0].Action)
		}
		seen := map[string]bool{}
		for _, c := range checks {
			if c.Action == "iam:PassRole" {
				continue
			}
			action, ok := reference[strings.TrimPrefix(c.Action, "ec2:")]
			if !ok {
				t.Errorf("%s: there is no action %s", name, c.Action)
				continue
			}
			allowed := slices.Clone(action.Keys)
			if c.Resource == "*" {
				if len(action.Required) > 0 {
					t.Errorf("%s: checked on *, the reference has %v", name, action.Required)
				}
			} else {
				kind, _, _ := strings.Cut(c.Resource[strings.LastIndex(c.Resource, ":")+1:], "/")
				keys, ok := action.Resources[kind]
				if !ok {
					t.Errorf("%s: %s is not allowed on %s", name, c.Action, c.Resource)
				}
				if c.Action == "ec2:"+name {
					seen[kind] = true
				}
				allowed = append(allowed, keys...)
			}
			for _, kv := range c.Context {
				if !slices.ContainsFunc(allowed, func(k string) bool { return k == kv.Key || strings.HasSuffix(k, "/") && strings.HasPrefix(kv.Key, k) }) {
					t.Errorf("%s: %s on %s has no key %s", name, c.Action, c.Resource, kv.Key)
				}
			}
			if !slices.ContainsFunc(c.Context, func(kv service.KV) bool { return kv.Key == "ec2:Region" && kv.Values[0] == testRegion }) {
				t.Errorf("%s: %s on %s lacks ec2:Region", name, c.Action, c.Resource)
			}
		}
		for _, kind := range reference[name].Required {
			if !seen[kind] {
				t.Errorf("%s: the required resource %s is not checked", name, kind)
			}
		}
	}
}

// TestRunInstancesChecks spells out what the launch of an instance asks for.
func TestRunInstancesChecks(t *testing.T) {
	w := newWorld(t)
	e := w.estate()
	in := filled(w.Table["RunInstances"], e).(*api.RunInstancesInput)
	in.MetadataOptions = &types.InstanceMetadataOptionsRequest{HttpTokens: "required"}
	checks, err := w.Table["RunInstances"].Checks(&service.Request{Caller: w.caller, Region: testRegion, Now: w.Now()}, in)
	if err != nil {
		t.Fatal(err)
	}
	own := "arn:aws:ec2:" + testRegion + ":" + testAccount + ":"
	var got []string
	for _, c := range checks {
		got = append(got, c.Action+" "+c.Resource)
	}
	want := []string{
		"ec2:RunInstances " + own + "instance/*",
		"ec2:RunInstances " + own + "subnet/" + e["SubnetId"],
		"ec2:RunInstances " + own + "security-group/" + e["GroupId"],
		"ec2:RunInstances " + own + "network-interface/*",
		"ec2:RunInstances " + own + "volume/*",
		"ec2:RunInstances arn:aws:ec2:" + testRegion + "::image/ami-0c55b159cbfafe1f0",
		"ec2:RunInstances " + own + "key-pair/dev",
		"ec2:RunInstances " + own + "launch-template/" + e["LaunchTemplateId"],
		"ec2:CreateTags " + own + "instance/*",
		"iam:PassRole arn:aws:iam::" + testAccount + ":role/test_profile2_role",
	}
	if !slices.Equal(got, want) {
		t.Errorf("checks\n\t%s\nwant\n\t%s", strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
	}
	for _, k := range []struct {
		check      int
		key, value string
	}{
		{0, "ec2:InstanceType", "t3.micro"}, {0, "ec2:MetadataHttpTokens", "required"}, {0, "ec2:InstanceProfile", "arn:aws:iam::" + testAccount + ":instance-profile/test_profile2"},
		{0, "aws:RequestTag/team", "shop"}, {0, "ec2:LaunchTemplate", own + "launch-template/" + e["LaunchTemplateId"]}, {0, "ec2:IsLaunchTemplateResource", "false"},
		{1, "ec2:ResourceTag/stage", "prod"}, {1, "ec2:Vpc", own + "vpc/" + e["VpcId"]}, {3, "ec2:Subnet", own + "subnet/" + e["SubnetId"]},
		{4, "ec2:VolumeSize", "8"}, {5, "ec2:Owner", "amazon"}, {6, "ec2:KeyPairType", "ed25519"}, {7, "aws:ResourceTag/stage", "prod"},
		{8, "ec2:CreateAction", "RunInstances"}, {9, "iam:PassedToService", "ec2.amazonaws.com"}, {9, "aws:ResourceTag/team", "shop"},
	} {
		i := slices.IndexFunc(checks[k.check].Context, func(kv service.KV) bool { return kv.Key == k.key })
		if i < 0 || checks[k.check].Context[i].Values[0] != k.value {
			t.Errorf("%s: %s is %v, want %s", got[k.check], k.key, checks[k.check].Context, k.value)
		}
	}
}

// TestProfileChecks: replacing a profile passes the new role, and shows both
// profiles to conditions.
func TestProfileChecks(t *testing.T) {
	w := newWorld(t)
	e := w.estate()
	must[api.ReplaceIamInstanceProfileAssociationOutput](w, "ReplaceIamInstanceProfileAssociation", &api.ReplaceIamInstanceProfileAssociationInput{AssociationId: new(e["AssociationId"]), IamInstanceProfile: &types.IamInstanceProfileSpecification{Name: new("test_profile2")}})
	keys := map[string]string{}
	for _, c := range w.LastChecks() {
		for _, kv := range c.Context {
			keys[c.Action+" "+kv.Key] = kv.Values[0]
		}
	}
	for key, want := range map[string]string{
		"ec2:ReplaceIamInstanceProfileAssociation ec2:InstanceProfile":    "arn:aws:iam::" + testAccount + ":instance-profile/test_profile1",
		"ec2:ReplaceIamInstanceProfileAssociation ec2:NewInstanceProfile": "arn:aws:iam::" + testAccount + ":instance-profile/test_profile2",
		"iam:PassRole iam:AssociatedResourceArn":                          "arn:aws:ec2:" + testRegion + ":" + testAccount + ":instance/" + e["InstanceId"],
	} {
		if keys[key] != want {
			t.Errorf("%s is %q, want %q", key, keys[key], want)
		}
	}
	w.Decide(func(_ *service.Request, c service.Check) bool { return c.Action != "iam:PassRole" })
	assoc := must[api.DescribeIamInstanceProfileAssociationsOutput](w, "DescribeIamInstanceProfileAssociations", &api.DescribeIamInstanceProfileAssociationsInput{}).IamInstanceProfileAssociations[0].AssociationId
	fails(w, "ReplaceIamInstanceProfileAssociation", &api.ReplaceIamInstanceProfileAssociationInput{AssociationId: assoc, IamInstanceProfile: &types.IamInstanceProfileSpecification{Name: new("test_profile1")}},
		"UnauthorizedOperation", 403, "You are not authorized to perform this operation. User: "+w.caller.ARN+" is not authorized to perform: iam:PassRole on resource: arn:aws:iam::"+testAccount+":role/test_profile1_role")
	// A profile without a role passes none, and is not enough for a launch.
	must[api.ReplaceIamInstanceProfileAssociationOutput](w, "ReplaceIamInstanceProfileAssociation", &api.ReplaceIamInstanceProfileAssociationInput{AssociationId: assoc, IamInstanceProfile: &types.IamInstanceProfileSpecification{Name: new("empty")}})
	fails(w, "RunInstances", &api.RunInstancesInput{MinCount: new(int32(1)), MaxCount: new(int32(1)), ImageId: new("ami-0c55b159cbfafe1f0"), IamInstanceProfile: &types.IamInstanceProfileSpecification{Name: new("empty")}},
		"InvalidParameterValue", 400, `IAM Instance Profile "arn:aws:iam::`+testAccount+`:instance-profile/empty" has no associated IAM Roles`)
}

// TestListingRefused: refusals of listings carry no encoded message.
func TestListingRefused(t *testing.T) {
	w := newWorld(t)
	w.Decide(func(_ *service.Request, _ service.Check) bool { return false })
	_, err := try[api.DescribeInstancesOutput](w, "DescribeInstances", &api.DescribeInstancesInput{})
	if err == nil || strings.Contains(err.Error(), "Encoded") || !strings.HasPrefix(err.Error(), "UnauthorizedOperation: You are not authorized") {
		t.Errorf("got %v", err)
	}
}

// TestBrokenLaunchIsCheckedFirst: who may not launch learns nothing of what
// exists.
func TestBrokenLaunchIsCheckedFirst(t *testing.T) {
	w := newWorld(t)
	in := &api.RunInstancesInput{MinCount: new(int32(1)), MaxCount: new(int32(1)), ImageId: new("ami-0c55b159cbfafe1f0"), SubnetId: new("subnet-00000000000000000")}
	fails(w, "RunInstances", in, "InvalidSubnetID.NotFound", 400, "subnet-00000000000000000")
	w.Decide(func(_ *service.Request, _ service.Check) bool { return false })
	fails(w, "RunInstances", in, "UnauthorizedOperation", 403, "instance/*")
}
