package ec2

import (
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	api "github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/mantle-iam/mantle/sandbox/internal/service"
	"github.com/mantle-iam/mantle/sandbox/internal/wire"
)

// Rules by their own ids.

// rule finds a rule and its group.
func (c *call) rule(id string) (groupRow, ruleRow, bool) {
	for _, g := range groups.Range(c.tx, c.scope()) {
		for _, r := range g.Rules {
			if r.ID == id {
				return g, r, true
			}
		}
	}
	return groupRow{}, ruleRow{}, false
}

var ruleFields = fields[types.SecurityGroupRule]{
	"group-id":               func(r types.SecurityGroupRule) []string { return str(r.GroupId) },
	"security-group-rule-id": func(r types.SecurityGroupRule) []string { return str(r.SecurityGroupRuleId) },
}

func (c *call) describeRules(in *api.DescribeSecurityGroupRulesInput) (*api.DescribeSecurityGroupRulesOutput, error) {
	var views []types.SecurityGroupRule
	for _, g := range all(c, groups) {
		for _, r := range g.Rules {
			views = append(views, c.ruleView(g, r))
		}
	}
	id := func(r types.SecurityGroupRule) string { return *r.SecurityGroupRuleId }
	sortBy(views, id)
	views, err := pick(views, in.SecurityGroupRuleIds, ruleNoun, id)
	if err != nil {
		return nil, err
	}
	if views, err = filter(views, in.Filters, ruleFields, func(r types.SecurityGroupRule) []types.Tag { return r.Tags }); err != nil {
		return nil, err
	}
	page, next, err := paginate(views, in.MaxResults, in.NextToken, id)
	if err != nil {
		return nil, err
	}
	return &api.DescribeSecurityGroupRulesOutput{SecurityGroupRules: page, NextToken: next}, nil
}

func (c *call) mayModifyRules(in *api.ModifySecurityGroupRulesInput) ([]service.Check, error) {
	out := []service.Check{c.check(groupNoun, aws.ToString(in.GroupId))}
	for _, u := range in.SecurityGroupRules {
		out = append(out, c.check(ruleNoun, aws.ToString(u.SecurityGroupRuleId)))
	}
	return out, nil
}

// modifyRules replaces what rules do; their ids and tags stay.
func (c *call) modifyRules(in *api.ModifySecurityGroupRulesInput) (*api.ModifySecurityGroupRulesOutput, error) {
	g, err := c.group(in.GroupId, nil)
	if err != nil {
		return nil, err
	}
	g.Rules = slices.Clone(g.Rules)
	for _, u := range in.SecurityGroupRules {
		id, q := aws.ToString(u.SecurityGroupRuleId), u.SecurityGroupRule
		i := slices.IndexFunc(g.Rules, func(r ruleRow) bool { return r.ID == id })
		if i < 0 {
			return nil, ruleNoun.gone(id)
		}
		if q == nil {
			return nil, lacking("SecurityGroupRule.SecurityGroupRule")
		}
		p := types.IpPermission{IpProtocol: q.IpProtocol, FromPort: q.FromPort, ToPort: q.ToPort}
		switch {
		case q.CidrIpv4 != nil:
			p.IpRanges = []types.IpRange{{CidrIp: q.CidrIpv4, Description: q.Description}}
		case q.CidrIpv6 != nil:
			p.Ipv6Ranges = []types.Ipv6Range{{CidrIpv6: q.CidrIpv6, Description: q.Description}}
		case q.PrefixListId != nil:
			p.PrefixListIds = []types.PrefixListId{{PrefixListId: q.PrefixListId, Description: q.Description}}
		case q.ReferencedGroupId != nil:
			p.UserIdGroupPairs = []types.UserIdGroupPair{{GroupId: q.ReferencedGroupId, Description: q.Description}}
		}
		parsed, err := c.parse([]types.IpPermission{p}, g.Rules[i].Egress, g.VPC)
		if err != nil {
			return nil, err
		}
		r := parsed[0]
		r.ID = id
		if j := slices.IndexFunc(g.Rules, r.equal); j >= 0 && j != i {
			return nil, wire.Fail("InvalidPermission.Duplicate", 400, "the specified rule %q already exists", r.String())
		}
		g.Rules[i] = r
	}
	groups.Put(c.tx, c.key(g.ID), g)
	return &api.ModifySecurityGroupRulesOutput{Return: new(true)}, nil
}
