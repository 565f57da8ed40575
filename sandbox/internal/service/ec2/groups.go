package ec2

import (
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/aws"
	api "github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/mantle-iam/mantle/sandbox/internal/service"
	"github.com/mantle-iam/mantle/sandbox/internal/wire"
)

// Security groups: https://docs.aws.amazon.com/vpc/latest/userguide/vpc-security-groups.html

// groupText are the characters of names and descriptions.
const groupText = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 ._-:/()#,@[]+=&;{}!$*"

func (c *call) createSecurityGroup(in *api.CreateSecurityGroupInput) (*api.CreateSecurityGroupOutput, error) {
	name, text := aws.ToString(in.GroupName), aws.ToString(in.Description)
	for _, p := range []struct{ what, value string }{{"groupName", name}, {"groupDescription", text}} {
		switch {
		case p.value == "":
			return nil, lacking(strings.ToUpper(p.what[:1]) + p.what[1:])
		case utf8.RuneCountInString(p.value) > 255:
			return nil, invalid("Value (%s) for parameter %s is invalid. Character sets beyond ASCII are not supported, and the maximum length is 255.", p.value, p.what)
		case strings.Trim(p.value, groupText) != "":
			return nil, invalid("Value (%s) for parameter %s is invalid. Character sets beyond ASCII are not supported.", p.value, p.what)
		}
	}
	switch {
	case strings.HasPrefix(name, "sg-"):
		return nil, invalid("Value (%s) for parameter GroupName is invalid. Group names may not be in the format sg-*.", name)
	case name == "default":
		return nil, invalid("Cannot use reserved security group name: %s", name)
	}
	tags, err := specified(in.TagSpecifications, types.ResourceTypeSecurityGroup)
	if err != nil {
		return nil, err
	}
	v, err := c.groupVPC(in.VpcId)
	if err != nil {
		return nil, err
	}
	if _, ok := c.groupNamed(v.ID, name); ok {
		return nil, wire.Fail("InvalidGroup.Duplicate", 400, "The security group '%s' already exists for VPC '%s'", name, v.ID)
	}
	g := groupRow{ID: newID("sg"), Name: name, Description: text, VPC: v.ID, Rules: []ruleRow{openEgress(newID("sgr"))}}
	groups.Put(c.tx, c.key(g.ID), g)
	if err := c.tag(g.ID, tags); err != nil {
		return nil, err
	}
	return &api.CreateSecurityGroupOutput{GroupId: &g.ID, SecurityGroupArn: new(c.arn(groupNoun, g.ID)), Tags: c.tags(g.ID)}, nil
}

// groupVPC is the VPC of a new group: the default one if none is named.
func (c *call) groupVPC(id *string) (vpcRow, error) {
	if id != nil {
		return c.vpc(id)
	}
	v, ok := c.defaultVPC()
	if !ok {
		return v, wire.Fail("VPCIdNotSpecified", 400, "No default VPC for this user. VPC ID is required")
	}
	return v, nil
}

// groupNamed finds a group of a VPC by name.
func (c *call) groupNamed(vpc, name string) (groupRow, bool) {
	for _, g := range groups.Range(c.tx, c.scope()) {
		if g.VPC == vpc && g.Name == name {
			return g, true
		}
	}
	return groupRow{}, false
}

// group finds a group by id, or by name in the default VPC.
func (c *call) group(id, name *string) (groupRow, error) {
	switch {
	case aws.ToString(id) != "":
		if err := groupNoun.checkID(*id); err != nil {
			return groupRow{}, err
		}
		g, ok := get(c, groups, *id)
		if !ok {
			return g, groupNoun.gone(*id)
		}
		return g, nil
	case aws.ToString(name) != "":
		v, ok := c.defaultVPC()
		if !ok {
			return groupRow{}, wire.Fail("VPCIdNotSpecified", 400, "No default VPC for this user. GroupName is only supported for EC2-Classic and default VPC.")
		}
		g, ok := c.groupNamed(v.ID, *name)
		if !ok {
			return g, wire.Fail("InvalidGroup.NotFound", 400, "The security group '%s' does not exist in default VPC '%s'", *name, v.ID)
		}
		return g, nil
	}
	return groupRow{}, wire.Fail("MissingParameter", 400, "The request must contain the parameter groupName or groupId")
}

// groupID is the id of the group that parameters name, for a check; a name
// that names none stands for itself.
func (c *call) groupID(id, name *string) string {
	if g, err := c.group(id, name); err == nil {
		return g.ID
	}
	if id != nil {
		return *id
	}
	return aws.ToString(name)
}

func (c *call) mayCreateSecurityGroup(in *api.CreateSecurityGroupInput) ([]service.Check, error) {
	v, err := c.groupVPC(in.VpcId)
	if err != nil && in.VpcId == nil {
		return nil, err
	}
	vpc := v.ID
	if in.VpcId != nil {
		vpc = *in.VpcId
	}
	out, err := making(groupNoun, func(in *api.CreateSecurityGroupInput) []types.TagSpecification { return in.TagSpecifications })(c, in)
	return append(out, c.check(vpcNoun, vpc)), err
}

func (c *call) mayDeleteSecurityGroup(in *api.DeleteSecurityGroupInput) ([]service.Check, error) {
	return []service.Check{c.check(groupNoun, c.groupID(in.GroupId, in.GroupName))}, nil
}

func (c *call) deleteSecurityGroup(in *api.DeleteSecurityGroupInput) (*api.DeleteSecurityGroupOutput, error) {
	g, err := c.group(in.GroupId, in.GroupName)
	if err != nil {
		return nil, err
	}
	if g.Name == "default" {
		return nil, wire.Fail("CannotDelete", 400, "the specified group: %q name: %q cannot be deleted by a user", g.ID, g.Name)
	}
	inUse := dependency("resource %s has a dependent object", g.ID)
	for _, i := range instances.Range(c.tx, c.scope()) {
		if i.State != types.InstanceStateNameTerminated && slices.Contains(i.Groups, g.ID) {
			return nil, inUse
		}
	}
	for _, other := range groups.Range(c.tx, c.scope()) {
		if other.ID != g.ID && slices.ContainsFunc(other.Rules, func(r ruleRow) bool { return r.Group == g.ID }) {
			return nil, inUse
		}
	}
	groups.Delete(c.tx, c.key(g.ID))
	c.forget(g.ID)
	for _, r := range g.Rules {
		c.forget(r.ID)
	}
	return &api.DeleteSecurityGroupOutput{GroupId: &g.ID, Return: new(true)}, nil
}

func (c *call) groupView(g groupRow) types.SecurityGroup {
	return types.SecurityGroup{
		GroupId: &g.ID, GroupName: &g.Name, Description: &g.Description, VpcId: &g.VPC, OwnerId: &c.account,
		SecurityGroupArn: new(c.arn(groupNoun, g.ID)), Tags: c.tags(g.ID),
		IpPermissions: permissions(g.Rules, false), IpPermissionsEgress: permissions(g.Rules, true),
	}
}

func permissionFields(prefix string, of func(types.SecurityGroup) []types.IpPermission, into fields[types.SecurityGroup]) {
	add := func(name string, value func(types.IpPermission) []string) {
		into[prefix+name] = func(g types.SecurityGroup) []string { return each(of(g), value) }
	}
	add("cidr", func(p types.IpPermission) []string {
		return each(p.IpRanges, func(r types.IpRange) []string { return str(r.CidrIp) })
	})
	add("ipv6-cidr", func(p types.IpPermission) []string {
		return each(p.Ipv6Ranges, func(r types.Ipv6Range) []string { return str(r.CidrIpv6) })
	})
	add("group-id", func(p types.IpPermission) []string {
		return each(p.UserIdGroupPairs, func(r types.UserIdGroupPair) []string { return str(r.GroupId) })
	})
	add("user-id", func(p types.IpPermission) []string {
		return each(p.UserIdGroupPairs, func(r types.UserIdGroupPair) []string { return str(r.UserId) })
	})
	add("from-port", func(p types.IpPermission) []string { return number(p.FromPort) })
	add("to-port", func(p types.IpPermission) []string { return number(p.ToPort) })
	add("protocol", func(p types.IpPermission) []string { return str(p.IpProtocol) })
}

var groupFields = func() fields[types.SecurityGroup] {
	f := fields[types.SecurityGroup]{
		"description": func(g types.SecurityGroup) []string { return str(g.Description) },
		"group-id":    func(g types.SecurityGroup) []string { return str(g.GroupId) },
		"group-name":  func(g types.SecurityGroup) []string { return str(g.GroupName) },
		"owner-id":    func(g types.SecurityGroup) []string { return str(g.OwnerId) },
		"vpc-id":      func(g types.SecurityGroup) []string { return str(g.VpcId) },
	}
	permissionFields("ip-permission.", func(g types.SecurityGroup) []types.IpPermission { return g.IpPermissions }, f)
	permissionFields("egress.ip-permission.", func(g types.SecurityGroup) []types.IpPermission { return g.IpPermissionsEgress }, f)
	return f
}()

func (c *call) describeSecurityGroups(in *api.DescribeSecurityGroupsInput) (*api.DescribeSecurityGroupsOutput, error) {
	var views []types.SecurityGroup
	for _, g := range all(c, groups) {
		views = append(views, c.groupView(g))
	}
	for _, name := range in.GroupNames {
		if _, err := c.group(nil, &name); err != nil {
			return nil, err
		}
	}
	id := func(g types.SecurityGroup) string { return *g.GroupId }
	views, err := pick(views, in.GroupIds, groupNoun, id)
	if err != nil {
		return nil, err
	}
	if len(in.GroupNames) > 0 {
		v, _ := c.defaultVPC()
		views = slices.DeleteFunc(views, func(g types.SecurityGroup) bool {
			return *g.VpcId != v.ID || !slices.Contains(in.GroupNames, *g.GroupName)
		})
	}
	if views, err = filter(views, in.Filters, groupFields, func(g types.SecurityGroup) []types.Tag { return g.Tags }); err != nil {
		return nil, err
	}
	page, next, err := paginate(views, in.MaxResults, in.NextToken, id)
	if err != nil {
		return nil, err
	}
	return &api.DescribeSecurityGroupsOutput{SecurityGroups: page, NextToken: next}, nil
}
