package ec2

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	api "github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/mantle-iam/mantle/sandbox/internal/service"
	"github.com/mantle-iam/mantle/sandbox/internal/wire"
)

// Security group rules: https://docs.aws.amazon.com/vpc/latest/userguide/security-group-rules.html

// rulesPerGroup is AWS's default quota, for each direction.
const rulesPerGroup = 60

// permissions shows the rules of one direction as EC2 groups them: by
// protocol and ports.
func permissions(rules []ruleRow, egress bool) []types.IpPermission {
	out := []types.IpPermission{}
	for _, r := range rules {
		if r.Egress != egress {
			continue
		}
		i := slices.IndexFunc(out, func(p types.IpPermission) bool {
			return *p.IpProtocol == r.Protocol && same(p.FromPort, r.From) && same(p.ToPort, r.To)
		})
		if i < 0 {
			i = len(out)
			out = append(out, types.IpPermission{IpProtocol: &r.Protocol, FromPort: r.From, ToPort: r.To,
				IpRanges: []types.IpRange{}, Ipv6Ranges: []types.Ipv6Range{}, PrefixListIds: []types.PrefixListId{}, UserIdGroupPairs: []types.UserIdGroupPair{}})
		}
		p, text := &out[i], optional(r.Description)
		switch {
		case r.CIDR4 != "":
			p.IpRanges = append(p.IpRanges, types.IpRange{CidrIp: &r.CIDR4, Description: text})
		case r.CIDR6 != "":
			p.Ipv6Ranges = append(p.Ipv6Ranges, types.Ipv6Range{CidrIpv6: &r.CIDR6, Description: text})
		case r.PrefixList != "":
			p.PrefixListIds = append(p.PrefixListIds, types.PrefixListId{PrefixListId: &r.PrefixList, Description: text})
		default:
			p.UserIdGroupPairs = append(p.UserIdGroupPairs, types.UserIdGroupPair{GroupId: &r.Group, UserId: &r.GroupOwner, Description: text})
		}
	}
	return out
}

func same(a, b *int32) bool { return a == nil && b == nil || a != nil && b != nil && *a == *b }

// protocols are the names that EC2 shows instead of numbers.
// https://www.iana.org/assignments/protocol-numbers/
var protocols = map[string]string{"1": "icmp", "6": "tcp", "17": "udp", "58": "icmpv6", "all": "-1"}

// parse turns permissions into rules without ids.
func (c *call) parse(list []types.IpPermission, egress bool, vpc string) ([]ruleRow, error) {
	var out []ruleRow
	for _, p := range list {
		base, err := portsOf(p)
		if err != nil {
			return nil, err
		}
		base.Egress = egress
		add := func(r ruleRow, text *string) { r.Description = aws.ToString(text); out = append(out, r) }
		n := len(out)
		for _, x := range p.IpRanges {
			r := base
			if r.CIDR4, err = cidrOf(aws.ToString(x.CidrIp), true); err != nil {
				return nil, err
			}
			add(r, x.Description)
		}
		for _, x := range p.Ipv6Ranges {
			r := base
			if r.CIDR6, err = cidrOf(aws.ToString(x.CidrIpv6), false); err != nil {
				return nil, err
			}
			add(r, x.Description)
		}
		for _, x := range p.PrefixListIds {
			r := base
			r.PrefixList = aws.ToString(x.PrefixListId)
			add(r, x.Description)
		}
		for _, x := range p.UserIdGroupPairs {
			r := base
			if r.Group, r.GroupOwner, err = c.peer(x, vpc); err != nil {
				return nil, err
			}
			add(r, x.Description)
		}
		if len(out) == n {
			return nil, wire.Fail("InvalidParameterValue", 400, "Invalid value 'null' for IpPermissions: a CIDR block, prefix list or security group is missing")
		}
	}
	return out, nil
}

// portsOf reads protocol and ports.
func portsOf(p types.IpPermission) (ruleRow, error) {
	if aws.ToString(p.IpProtocol) == "" {
		return ruleRow{}, lacking("ipProtocol")
	}
	proto := strings.ToLower(*p.IpProtocol)
	if name, ok := protocols[proto]; ok {
		proto = name
	}
	r := ruleRow{Protocol: proto}
	switch proto {
	case "-1":
		return r, nil // the ports do not count
	case "tcp", "udp":
		if p.FromPort == nil || p.ToPort == nil {
			return r, invalid("Invalid value 'Must specify both from and to ports with TCP/UDP.' for portRange.")
		}
		if *p.FromPort < 0 || *p.ToPort > 65535 || *p.FromPort > *p.ToPort {
			return r, wire.Fail("InvalidParameterValue", 400, "Invalid TCP/UDP port range (%d:%d)", *p.FromPort, *p.ToPort)
		}
	case "icmp", "icmpv6":
		if p.FromPort == nil {
			p.FromPort = new(int32(-1))
		}
		if p.ToPort == nil {
			p.ToPort = new(int32(-1))
		}
	default:
		if n, err := strconv.Atoi(proto); err != nil || n < 0 || n > 255 {
			return r, invalid("Invalid value '%s' for IP protocol. Unknown protocol.", *p.IpProtocol)
		}
		return r, nil
	}
	r.From, r.To = p.FromPort, p.ToPort
	return r, nil
}

func cidrOf(text string, four bool) (string, error) {
	p, err := netip.ParsePrefix(text)
	if err != nil || p.Addr().Is4() != four {
		return "", invalid("CIDR block %s is malformed", text)
	}
	if p != p.Masked() {
		return "", invalid("CIDR block %s is malformed: the host bits must be zero; did you mean %s?", text, p.Masked())
	}
	return p.String(), nil
}

// peer finds the security group at the other end of a rule.
func (c *call) peer(x types.UserIdGroupPair, vpc string) (id, owner string, err error) {
	owner = c.account
	if x.UserId != nil && *x.UserId != c.account {
		return "", "", unsupported("security groups of other accounts in rules")
	}
	if x.GroupId == nil && x.GroupName != nil {
		g, ok := c.groupNamed(vpc, *x.GroupName)
		if !ok {
			return "", "", groupNoun.gone(*x.GroupName)
		}
		return g.ID, owner, nil
	}
	g, err := c.group(x.GroupId, nil)
	return g.ID, owner, err
}

// equal compares what a rule does; ids and descriptions do not count.
func (r ruleRow) equal(o ruleRow) bool {
	return r.Egress == o.Egress && r.Protocol == o.Protocol && same(r.From, o.From) && same(r.To, o.To) &&
		r.CIDR4 == o.CIDR4 && r.CIDR6 == o.CIDR6 && r.PrefixList == o.PrefixList && r.Group == o.Group
}

// String names a rule as the error for a duplicate does.
func (r ruleRow) String() string {
	text := "peer: " + r.CIDR4 + r.CIDR6 + r.PrefixList + r.Group + ", "
	if r.Protocol == "-1" {
		return text + "ALL, ALLOW"
	}
	text += strings.ToUpper(r.Protocol)
	if r.From != nil {
		text += ", from port: " + strconv.Itoa(int(*r.From)) + ", to port: " + strconv.Itoa(int(*r.To))
	}
	return text + ", ALLOW"
}

func (c *call) ruleView(g groupRow, r ruleRow) types.SecurityGroupRule {
	view := types.SecurityGroupRule{
		SecurityGroupRuleId: &r.ID, SecurityGroupRuleArn: new(c.arn(ruleNoun, r.ID)), GroupId: &g.ID, GroupOwnerId: &c.account,
		IsEgress: &r.Egress, IpProtocol: &r.Protocol, FromPort: r.From, ToPort: r.To,
		CidrIpv4: optional(r.CIDR4), CidrIpv6: optional(r.CIDR6), PrefixListId: optional(r.PrefixList), Description: optional(r.Description),
		Tags: c.tags(r.ID),
	}
	// EC2 shows rules for all ports as -1 here, and leaves the ports out of
	// the permissions of a group.
	if view.FromPort == nil {
		view.FromPort, view.ToPort = new(int32(-1)), new(int32(-1))
	}
	if r.Group != "" {
		view.ReferencedGroupInfo = &types.ReferencedSecurityGroup{GroupId: &r.Group, UserId: &r.GroupOwner, VpcId: &g.VPC}
	}
	return view
}

// flat is the form of a permission that has a parameter for each field.
func flat(list []types.IpPermission, protocol *string, from, to *int32, cidr, group *string) ([]types.IpPermission, error) {
	if len(list) > 0 {
		if protocol != nil || cidr != nil || group != nil {
			return nil, combination("The parameter 'ipPermissions' may not be used in combination with 'ipProtocol', 'cidrIp' or 'sourceSecurityGroupName'")
		}
		return list, nil
	}
	switch {
	case group != nil && protocol == nil:
		// All of TCP, UDP and ICMP from the group.
		peer := []types.UserIdGroupPair{{GroupName: group}}
		return []types.IpPermission{
			{IpProtocol: new("tcp"), FromPort: new(int32(0)), ToPort: new(int32(65535)), UserIdGroupPairs: peer},
			{IpProtocol: new("udp"), FromPort: new(int32(0)), ToPort: new(int32(65535)), UserIdGroupPairs: peer},
			{IpProtocol: new("icmp"), UserIdGroupPairs: peer},
		}, nil
	case group != nil:
		return nil, combination("The parameter 'sourceSecurityGroupName' may not be used in combination with 'ipProtocol'")
	case protocol == nil && cidr == nil:
		return nil, lacking("ipPermissions")
	}
	p := types.IpPermission{IpProtocol: protocol, FromPort: from, ToPort: to}
	if cidr != nil {
		p.IpRanges = []types.IpRange{{CidrIp: cidr}}
	}
	return []types.IpPermission{p}, nil
}

// authorize adds rules to a group: all or none.
func (c *call) authorize(g groupRow, list []types.IpPermission, egress bool, specs []types.TagSpecification) ([]types.SecurityGroupRule, error) {
	tags, err := specified(specs, types.ResourceTypeSecurityGroupRule)
	if err != nil {
		return nil, err
	}
	add, err := c.parse(list, egress, g.VPC)
	if err != nil {
		return nil, err
	}
	g.Rules = slices.Clone(g.Rules)
	var views []types.SecurityGroupRule
	for _, r := range add {
		if slices.ContainsFunc(g.Rules, r.equal) {
			return nil, wire.Fail("InvalidPermission.Duplicate", 400, "the specified rule %q already exists", r.String())
		}
		r.ID = newID("sgr")
		g.Rules = append(g.Rules, r)
		if err := c.tag(r.ID, tags); err != nil {
			return nil, err
		}
		views = append(views, c.ruleView(g, r))
	}
	n := 0
	for _, r := range g.Rules {
		if r.Egress == egress {
			n++
		}
	}
	if n > rulesPerGroup {
		return nil, wire.Fail("RulesPerSecurityGroupLimitExceeded", 400, "The maximum number of rules per security group has been reached.")
	}
	groups.Put(c.tx, c.key(g.ID), g)
	return views, nil
}

// revoke takes rules from a group, by what they do or by id.
func (c *call) revoke(g groupRow, list []types.IpPermission, ids []string, egress bool) ([]types.RevokedSecurityGroupRule, error) {
	var out []types.RevokedSecurityGroupRule
	rules := slices.Clone(g.Rules)
	take := func(i int) {
		r := rules[i]
		rules = slices.Delete(rules, i, i+1)
		c.forget(r.ID)
		v := c.ruleView(g, r)
		out = append(out, types.RevokedSecurityGroupRule{
			SecurityGroupRuleId: v.SecurityGroupRuleId, GroupId: v.GroupId, IsEgress: v.IsEgress, IpProtocol: v.IpProtocol, FromPort: v.FromPort, ToPort: v.ToPort,
			CidrIpv4: v.CidrIpv4, CidrIpv6: v.CidrIpv6, PrefixListId: v.PrefixListId, ReferencedGroupId: optional(r.Group), Description: v.Description,
		})
	}
	for _, id := range ids {
		i := slices.IndexFunc(rules, func(r ruleRow) bool { return r.ID == id && r.Egress == egress })
		if i < 0 {
			return nil, ruleNoun.gone(id)
		}
		take(i)
	}
	parsed, err := c.parse(list, egress, g.VPC)
	if err != nil {
		return nil, err
	}
	for _, r := range parsed {
		i := slices.IndexFunc(rules, r.equal)
		if i < 0 {
			return nil, wire.Fail("InvalidPermission.NotFound", 400, "The specified rule does not exist in this security group.")
		}
		take(i)
	}
	g.Rules = rules
	groups.Put(c.tx, c.key(g.ID), g)
	return out, nil
}

// mayChangeRules checks the group; tags of new rules need more.
func (c *call) mayChangeRules(id, name *string, specs []types.TagSpecification) ([]service.Check, error) {
	out := []service.Check{c.check(groupNoun, c.groupID(id, name))}
	tags, err := specified(specs, types.ResourceTypeSecurityGroupRule)
	if err != nil {
		return nil, err
	}
	if len(tags) > 0 {
		out = append(out, c.may("ec2:"+c.op, c.arn(ruleNoun, "*"), requestTags(tags)...))
		out = append(out, c.tagging(ruleNoun, "*", tags)...)
	}
	return out, nil
}

func (c *call) mayAuthorizeIngress(in *api.AuthorizeSecurityGroupIngressInput) ([]service.Check, error) {
	return c.mayChangeRules(in.GroupId, in.GroupName, in.TagSpecifications)
}

func (c *call) authorizeIngress(in *api.AuthorizeSecurityGroupIngressInput) (*api.AuthorizeSecurityGroupIngressOutput, error) {
	g, err := c.group(in.GroupId, in.GroupName)
	if err != nil {
		return nil, err
	}
	list, err := flat(in.IpPermissions, in.IpProtocol, in.FromPort, in.ToPort, in.CidrIp, in.SourceSecurityGroupName)
	if err != nil {
		return nil, err
	}
	views, err := c.authorize(g, list, false, in.TagSpecifications)
	if err != nil {
		return nil, err
	}
	return &api.AuthorizeSecurityGroupIngressOutput{Return: new(true), SecurityGroupRules: views}, nil
}

func (c *call) mayAuthorizeEgress(in *api.AuthorizeSecurityGroupEgressInput) ([]service.Check, error) {
	return c.mayChangeRules(in.GroupId, nil, in.TagSpecifications)
}

func (c *call) authorizeEgress(in *api.AuthorizeSecurityGroupEgressInput) (*api.AuthorizeSecurityGroupEgressOutput, error) {
	g, err := c.group(in.GroupId, nil)
	if err != nil {
		return nil, err
	}
	list, err := flat(in.IpPermissions, in.IpProtocol, in.FromPort, in.ToPort, in.CidrIp, in.SourceSecurityGroupName)
	if err != nil {
		return nil, err
	}
	views, err := c.authorize(g, list, true, in.TagSpecifications)
	if err != nil {
		return nil, err
	}
	return &api.AuthorizeSecurityGroupEgressOutput{Return: new(true), SecurityGroupRules: views}, nil
}

func (c *call) mayRevokeIngress(in *api.RevokeSecurityGroupIngressInput) ([]service.Check, error) {
	return c.mayChangeRules(in.GroupId, in.GroupName, nil)
}

func (c *call) revokeIngress(in *api.RevokeSecurityGroupIngressInput) (*api.RevokeSecurityGroupIngressOutput, error) {
	g, err := c.group(in.GroupId, in.GroupName)
	if err != nil {
		return nil, err
	}
	list := in.IpPermissions
	if len(in.SecurityGroupRuleIds) == 0 {
		if list, err = flat(list, in.IpProtocol, in.FromPort, in.ToPort, in.CidrIp, in.SourceSecurityGroupName); err != nil {
			return nil, err
		}
	}
	gone, err := c.revoke(g, list, in.SecurityGroupRuleIds, false)
	if err != nil {
		return nil, err
	}
	return &api.RevokeSecurityGroupIngressOutput{Return: new(true), RevokedSecurityGroupRules: gone}, nil
}

func (c *call) mayRevokeEgress(in *api.RevokeSecurityGroupEgressInput) ([]service.Check, error) {
	return c.mayChangeRules(in.GroupId, nil, nil)
}

func (c *call) revokeEgress(in *api.RevokeSecurityGroupEgressInput) (*api.RevokeSecurityGroupEgressOutput, error) {
	g, err := c.group(in.GroupId, nil)
	if err != nil {
		return nil, err
	}
	list := in.IpPermissions
	if len(in.SecurityGroupRuleIds) == 0 {
		if list, err = flat(list, in.IpProtocol, in.FromPort, in.ToPort, in.CidrIp, in.SourceSecurityGroupName); err != nil {
			return nil, err
		}
	}
	gone, err := c.revoke(g, list, in.SecurityGroupRuleIds, true)
	if err != nil {
		return nil, err
	}
	return &api.RevokeSecurityGroupEgressOutput{Return: new(true), RevokedSecurityGroupRules: gone}, nil
}
