package ec2

import (
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	api "github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/mantle-iam/mantle/sandbox/internal/wire"
)

// Internet gateways: https://docs.aws.amazon.com/vpc/latest/userguide/VPC_Internet_Gateway.html

func (c *call) createInternetGateway(in *api.CreateInternetGatewayInput) (*api.CreateInternetGatewayOutput, error) {
	tags, err := specified(in.TagSpecifications, types.ResourceTypeInternetGateway)
	if err != nil {
		return nil, err
	}
	g := gatewayRow{ID: newID("igw")}
	gateways.Put(c.tx, c.key(g.ID), g)
	if err := c.tag(g.ID, tags); err != nil {
		return nil, err
	}
	return &api.CreateInternetGatewayOutput{InternetGateway: new(c.gatewayView(g))}, nil
}

func (c *call) gatewayView(g gatewayRow) types.InternetGateway {
	view := types.InternetGateway{InternetGatewayId: &g.ID, OwnerId: &c.account, Tags: c.tags(g.ID), Attachments: []types.InternetGatewayAttachment{}}
	if g.VPC != "" {
		// The state of an attached gateway is "available", which the
		// enumeration of the API does not have.
		view.Attachments = append(view.Attachments, types.InternetGatewayAttachment{VpcId: &g.VPC, State: "available"})
	}
	return view
}

var gatewayFields = fields[types.InternetGateway]{
	"attachment.state": func(g types.InternetGateway) []string {
		return each(g.Attachments, func(a types.InternetGatewayAttachment) []string { return enum(a.State) })
	},
	"attachment.vpc-id": func(g types.InternetGateway) []string {
		return each(g.Attachments, func(a types.InternetGatewayAttachment) []string { return str(a.VpcId) })
	},
	"internet-gateway-id": func(g types.InternetGateway) []string { return str(g.InternetGatewayId) },
	"owner-id":            func(g types.InternetGateway) []string { return str(g.OwnerId) },
}

func (c *call) describeInternetGateways(in *api.DescribeInternetGatewaysInput) (*api.DescribeInternetGatewaysOutput, error) {
	var views []types.InternetGateway
	for _, g := range all(c, gateways) {
		views = append(views, c.gatewayView(g))
	}
	id := func(g types.InternetGateway) string { return *g.InternetGatewayId }
	views, err := pick(views, in.InternetGatewayIds, gatewayNoun, id)
	if err != nil {
		return nil, err
	}
	if views, err = filter(views, in.Filters, gatewayFields, func(g types.InternetGateway) []types.Tag { return g.Tags }); err != nil {
		return nil, err
	}
	page, next, err := paginate(views, in.MaxResults, in.NextToken, id)
	if err != nil {
		return nil, err
	}
	return &api.DescribeInternetGatewaysOutput{InternetGateways: page, NextToken: next}, nil
}

// gateway finds the internet gateway that a parameter names.
func (c *call) gateway(id *string) (gatewayRow, error) {
	g, ok := get(c, gateways, aws.ToString(id))
	if !ok {
		return g, gatewayNoun.gone(aws.ToString(id))
	}
	return g, nil
}

func (c *call) deleteInternetGateway(in *api.DeleteInternetGatewayInput) (*api.DeleteInternetGatewayOutput, error) {
	g, err := c.gateway(in.InternetGatewayId)
	if err != nil {
		return nil, err
	}
	if g.VPC != "" {
		return nil, dependency("The internetGateway '%s' has dependencies and cannot be deleted.", g.ID)
	}
	gateways.Delete(c.tx, c.key(g.ID))
	c.forget(g.ID)
	return &api.DeleteInternetGatewayOutput{}, nil
}

func (c *call) attachInternetGateway(in *api.AttachInternetGatewayInput) (*api.AttachInternetGatewayOutput, error) {
	g, err := c.gateway(in.InternetGatewayId)
	if err != nil {
		return nil, err
	}
	v, err := c.vpc(in.VpcId)
	if err != nil {
		return nil, err
	}
	if g.VPC != "" {
		return nil, wire.Fail("Resource.AlreadyAssociated", 400, "resource %s is already attached to network %s", g.ID, g.VPC)
	}
	for _, other := range all(c, gateways) {
		if other.VPC == v.ID {
			return nil, invalid("Network %s already has an internet gateway attached", v.ID)
		}
	}
	g.VPC = v.ID
	gateways.Put(c.tx, c.key(g.ID), g)
	return &api.AttachInternetGatewayOutput{}, nil
}

// detachInternetGateway detaches a gateway that no public address depends
// on; routes to it become blackholes.
func (c *call) detachInternetGateway(in *api.DetachInternetGatewayInput) (*api.DetachInternetGatewayOutput, error) {
	g, err := c.gateway(in.InternetGatewayId)
	if err != nil {
		return nil, err
	}
	v, err := c.vpc(in.VpcId)
	if err != nil {
		return nil, err
	}
	if g.VPC != v.ID {
		return nil, wire.Fail("Gateway.NotAttached", 400, "resource %s is not attached to network %s", g.ID, v.ID)
	}
	for _, i := range instances.Range(c.tx, c.scope()) {
		if i.VPC == v.ID && i.PublicIP != "" {
			return nil, dependency("Network %s has some mapped public address(es). Please unmap those public address(es) before detaching the gateway.", v.ID)
		}
	}
	for _, t := range all(c, routeTables) {
		if t.VPC != v.ID {
			continue
		}
		t.Routes = slices.Clone(t.Routes)
		for n, r := range t.Routes {
			if aws.ToString(r.GatewayId) == g.ID {
				t.Routes[n].State = types.RouteStateBlackhole
			}
		}
		routeTables.Put(c.tx, c.key(t.ID), t)
	}
	g.VPC = ""
	gateways.Put(c.tx, c.key(g.ID), g)
	return &api.DetachInternetGatewayOutput{}, nil
}
