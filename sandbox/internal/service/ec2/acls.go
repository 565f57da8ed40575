package ec2

import (
	api "github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

// Network ACLs: each VPC has its default one, which lets everything through
// and governs all subnets. Others cannot be made in the sandbox.
// https://docs.aws.amazon.com/vpc/latest/userguide/default-network-acl.html

// lastRule is the number of the rule that denies what no other rule allows.
const lastRule = 32767

// vpcOfACL finds the VPC of a network ACL.
func (c *call) vpcOfACL(id string) (vpcRow, bool) {
	for _, v := range vpcs.Range(c.tx, c.scope()) {
		if v.NetworkACL == id {
			return v, true
		}
	}
	return vpcRow{}, false
}

func (c *call) aclView(v vpcRow) types.NetworkAcl {
	view := types.NetworkAcl{
		NetworkAclId: &v.NetworkACL, VpcId: &v.ID, OwnerId: &c.account, IsDefault: new(true), Tags: c.tags(v.NetworkACL),
		Associations: []types.NetworkAclAssociation{},
	}
	for _, egress := range []bool{true, false} {
		view.Entries = append(view.Entries,
			types.NetworkAclEntry{Egress: new(egress), CidrBlock: new("0.0.0.0/0"), Protocol: new("-1"), RuleAction: types.RuleActionAllow, RuleNumber: new(int32(100))},
			types.NetworkAclEntry{Egress: new(egress), CidrBlock: new("0.0.0.0/0"), Protocol: new("-1"), RuleAction: types.RuleActionDeny, RuleNumber: new(int32(lastRule))})
	}
	for _, s := range all(c, subnets) {
		if s.VPC == v.ID {
			view.Associations = append(view.Associations, types.NetworkAclAssociation{
				NetworkAclAssociationId: &s.NetworkACLAssociation, NetworkAclId: &v.NetworkACL, SubnetId: &s.ID,
			})
		}
	}
	return view
}

var aclFields = fields[types.NetworkAcl]{
	"association.association-id": func(a types.NetworkAcl) []string {
		return each(a.Associations, func(a types.NetworkAclAssociation) []string { return str(a.NetworkAclAssociationId) })
	},
	"association.network-acl-id": func(a types.NetworkAcl) []string { return str(a.NetworkAclId) },
	"association.subnet-id": func(a types.NetworkAcl) []string {
		return each(a.Associations, func(a types.NetworkAclAssociation) []string { return str(a.SubnetId) })
	},
	"default":        func(a types.NetworkAcl) []string { return flag(a.IsDefault) },
	"network-acl-id": func(a types.NetworkAcl) []string { return str(a.NetworkAclId) },
	"owner-id":       func(a types.NetworkAcl) []string { return str(a.OwnerId) },
	"vpc-id":         func(a types.NetworkAcl) []string { return str(a.VpcId) },
}

func (c *call) describeNetworkACLs(in *api.DescribeNetworkAclsInput) (*api.DescribeNetworkAclsOutput, error) {
	var views []types.NetworkAcl
	for _, v := range all(c, vpcs) {
		views = append(views, c.aclView(v))
	}
	id := func(a types.NetworkAcl) string { return *a.NetworkAclId }
	sortBy(views, id)
	views, err := pick(views, in.NetworkAclIds, aclNoun, id)
	if err != nil {
		return nil, err
	}
	if views, err = filter(views, in.Filters, aclFields, func(a types.NetworkAcl) []types.Tag { return a.Tags }); err != nil {
		return nil, err
	}
	page, next, err := paginate(views, in.MaxResults, in.NextToken, id)
	if err != nil {
		return nil, err
	}
	return &api.DescribeNetworkAclsOutput{NetworkAcls: page, NextToken: next}, nil
}
