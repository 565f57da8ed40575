package ec2

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	api "github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/mantle-iam/mantle/sandbox/internal/service"
	"github.com/mantle-iam/mantle/sandbox/internal/wire"
)

// Route tables: https://docs.aws.amazon.com/vpc/latest/userguide/VPC_Route_Tables.html

// main tells whether the table is the main one of its VPC.
func (t routeTableRow) main() bool {
	return slices.ContainsFunc(t.Associations, func(a associationRow) bool { return a.Main })
}

func (c *call) createRouteTable(in *api.CreateRouteTableInput) (*api.CreateRouteTableOutput, error) {
	v, err := c.vpc(in.VpcId)
	if err != nil {
		return nil, err
	}
	tags, err := specified(in.TagSpecifications, types.ResourceTypeRouteTable)
	if err != nil {
		return nil, err
	}
	t := routeTableRow{ID: newID("rtb"), VPC: v.ID, Routes: []types.Route{localRoute(v.CIDR)}}
	routeTables.Put(c.tx, c.key(t.ID), t)
	if err := c.tag(t.ID, tags); err != nil {
		return nil, err
	}
	return &api.CreateRouteTableOutput{RouteTable: new(c.tableView(t))}, nil
}

func (c *call) tableView(t routeTableRow) types.RouteTable {
	view := types.RouteTable{
		RouteTableId: &t.ID, VpcId: &t.VPC, OwnerId: &c.account, Routes: t.Routes, Tags: c.tags(t.ID),
		Associations: []types.RouteTableAssociation{}, PropagatingVgws: []types.PropagatingVgw{},
	}
	for _, a := range t.Associations {
		view.Associations = append(view.Associations, types.RouteTableAssociation{
			RouteTableAssociationId: &a.ID, RouteTableId: &t.ID, Main: &a.Main, SubnetId: optional(a.Subnet), GatewayId: optional(a.Gateway),
			AssociationState: &types.RouteTableAssociationState{State: types.RouteTableAssociationStateCodeAssociated},
		})
	}
	return view
}

// optional is nil for an empty text.
func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

var tableFields = fields[types.RouteTable]{
	"association.gateway-id": func(t types.RouteTable) []string {
		return each(t.Associations, func(a types.RouteTableAssociation) []string { return str(a.GatewayId) })
	},
	"association.main": func(t types.RouteTable) []string {
		return each(t.Associations, func(a types.RouteTableAssociation) []string { return flag(a.Main) })
	},
	"association.route-table-association-id": func(t types.RouteTable) []string {
		return each(t.Associations, func(a types.RouteTableAssociation) []string { return str(a.RouteTableAssociationId) })
	},
	"association.route-table-id": func(t types.RouteTable) []string {
		return each(t.Associations, func(a types.RouteTableAssociation) []string { return str(a.RouteTableId) })
	},
	"association.subnet-id": func(t types.RouteTable) []string {
		return each(t.Associations, func(a types.RouteTableAssociation) []string { return str(a.SubnetId) })
	},
	"owner-id": func(t types.RouteTable) []string { return str(t.OwnerId) },
	"route.destination-cidr-block": func(t types.RouteTable) []string {
		return each(t.Routes, func(r types.Route) []string { return str(r.DestinationCidrBlock) })
	},
	"route.gateway-id": func(t types.RouteTable) []string {
		return each(t.Routes, func(r types.Route) []string { return str(r.GatewayId) })
	},
	"route.instance-id": func(t types.RouteTable) []string {
		return each(t.Routes, func(r types.Route) []string { return str(r.InstanceId) })
	},
	"route.origin": func(t types.RouteTable) []string {
		return each(t.Routes, func(r types.Route) []string { return enum(r.Origin) })
	},
	"route.state": func(t types.RouteTable) []string {
		return each(t.Routes, func(r types.Route) []string { return enum(r.State) })
	},
	"route-table-id": func(t types.RouteTable) []string { return str(t.RouteTableId) },
	"vpc-id":         func(t types.RouteTable) []string { return str(t.VpcId) },
}

func (c *call) describeRouteTables(in *api.DescribeRouteTablesInput) (*api.DescribeRouteTablesOutput, error) {
	var views []types.RouteTable
	for _, t := range all(c, routeTables) {
		views = append(views, c.tableView(t))
	}
	id := func(t types.RouteTable) string { return *t.RouteTableId }
	views, err := pick(views, in.RouteTableIds, tableNoun, id)
	if err != nil {
		return nil, err
	}
	if views, err = filter(views, in.Filters, tableFields, func(t types.RouteTable) []types.Tag { return t.Tags }); err != nil {
		return nil, err
	}
	page, next, err := paginate(views, in.MaxResults, in.NextToken, id)
	if err != nil {
		return nil, err
	}
	return &api.DescribeRouteTablesOutput{RouteTables: page, NextToken: next}, nil
}

// table finds the route table that a parameter names.
func (c *call) table(id *string) (routeTableRow, error) {
	if aws.ToString(id) == "" {
		return routeTableRow{}, lacking("routeTableId")
	}
	t, ok := get(c, routeTables, *id)
	if !ok {
		return routeTableRow{}, tableNoun.gone(*id)
	}
	return t, nil
}

func (c *call) deleteRouteTable(in *api.DeleteRouteTableInput) (*api.DeleteRouteTableOutput, error) {
	t, err := c.table(in.RouteTableId)
	if err != nil {
		return nil, err
	}
	if len(t.Associations) > 0 {
		return nil, dependency("The routeTable '%s' has dependencies and cannot be deleted.", t.ID)
	}
	routeTables.Delete(c.tx, c.key(t.ID))
	c.forget(t.ID)
	return &api.DeleteRouteTableOutput{}, nil
}

// route makes a route out of the parameters that Create and Replace share.
func (c *call) route(t routeTableRow, in *api.CreateRouteInput) (types.Route, error) {
	none := types.Route{}
	switch {
	case in.DestinationIpv6CidrBlock != nil:
		return none, unsupported("IPv6 routes")
	case in.DestinationPrefixListId != nil:
		return none, unsupported("prefix lists")
	case in.NatGatewayId != nil, in.TransitGatewayId != nil, in.VpcPeeringConnectionId != nil, in.VpcEndpointId != nil,
		in.EgressOnlyInternetGatewayId != nil, in.LocalGatewayId != nil, in.CarrierGatewayId != nil, in.CoreNetworkArn != nil:
		return none, unsupported("routes to anything but internet gateways, instances and network interfaces")
	case in.DestinationCidrBlock == nil:
		return none, lacking("destinationCidrBlock")
	}
	p, err := netip.ParsePrefix(*in.DestinationCidrBlock)
	if err != nil || !p.Addr().Is4() {
		return none, invalid("Value (%s) for parameter destinationCidrBlock is invalid. This is not a valid CIDR block.", *in.DestinationCidrBlock)
	}
	r := types.Route{DestinationCidrBlock: new(p.Masked().String()), Origin: types.RouteOriginCreateRoute, State: types.RouteStateActive}
	switch {
	case in.GatewayId != nil:
		g, ok := get(c, gateways, *in.GatewayId)
		if !ok {
			return none, wire.Fail("InvalidGatewayID.NotFound", 400, "The gateway ID '%s' does not exist", *in.GatewayId)
		}
		if g.VPC != t.VPC {
			return none, wire.Fail("InvalidParameterValue", 400, "route table %s and network gateway %s belong to different networks", t.ID, g.ID)
		}
		r.GatewayId = &g.ID
	case in.InstanceId != nil:
		i, err := c.instance(in.InstanceId)
		if err != nil {
			return none, err
		}
		r.InstanceId, r.InstanceOwnerId, r.NetworkInterfaceId = &i.ID, &c.account, &i.Interface.ID
	case in.NetworkInterfaceId != nil:
		i, ok := c.instanceOf(func(i instanceRow) bool { return i.Interface.ID == *in.NetworkInterfaceId })
		if !ok {
			return none, interfaceNoun.gone(*in.NetworkInterfaceId)
		}
		r.InstanceId, r.InstanceOwnerId, r.NetworkInterfaceId = &i.ID, &c.account, &i.Interface.ID
	default:
		return none, lacking("gatewayId")
	}
	return r, nil
}

// routeTo finds the place of a destination in a table, -1 if it has none.
func (t routeTableRow) routeTo(cidr string) int {
	if p, err := netip.ParsePrefix(cidr); err == nil {
		cidr = p.Masked().String()
	}
	return slices.IndexFunc(t.Routes, func(r types.Route) bool { return *r.DestinationCidrBlock == cidr })
}

func (c *call) createRoute(in *api.CreateRouteInput) (*api.CreateRouteOutput, error) {
	t, err := c.table(in.RouteTableId)
	if err != nil {
		return nil, err
	}
	r, err := c.route(t, in)
	if err != nil {
		return nil, err
	}
	if i := t.routeTo(*r.DestinationCidrBlock); i >= 0 {
		return nil, wire.Fail("RouteAlreadyExists", 400, "The route identified by %s already exists.", *r.DestinationCidrBlock)
	}
	t.Routes = append(slices.Clone(t.Routes), r)
	routeTables.Put(c.tx, c.key(t.ID), t)
	return &api.CreateRouteOutput{Return: new(true)}, nil
}

func (c *call) replaceRoute(in *api.ReplaceRouteInput) (*api.ReplaceRouteOutput, error) {
	if aws.ToBool(in.LocalTarget) || in.OdbNetworkArn != nil {
		return nil, unsupported("replacing a route by the local one")
	}
	t, err := c.table(in.RouteTableId)
	if err != nil {
		return nil, err
	}
	r, err := c.route(t, &api.CreateRouteInput{
		RouteTableId: in.RouteTableId, DestinationCidrBlock: in.DestinationCidrBlock, DestinationIpv6CidrBlock: in.DestinationIpv6CidrBlock,
		DestinationPrefixListId: in.DestinationPrefixListId, GatewayId: in.GatewayId, InstanceId: in.InstanceId,
		NetworkInterfaceId: in.NetworkInterfaceId, NatGatewayId: in.NatGatewayId, TransitGatewayId: in.TransitGatewayId,
		VpcPeeringConnectionId: in.VpcPeeringConnectionId, EgressOnlyInternetGatewayId: in.EgressOnlyInternetGatewayId,
		LocalGatewayId: in.LocalGatewayId, CarrierGatewayId: in.CarrierGatewayId, CoreNetworkArn: in.CoreNetworkArn,
	})
	if err != nil {
		return nil, err
	}
	i := t.routeTo(*r.DestinationCidrBlock)
	if i < 0 {
		return nil, invalid("There is no route defined for '%s' in the route table. Use CreateRoute instead.", *r.DestinationCidrBlock)
	}
	t.Routes = slices.Clone(t.Routes)
	t.Routes[i] = r
	routeTables.Put(c.tx, c.key(t.ID), t)
	return &api.ReplaceRouteOutput{}, nil
}

func (c *call) deleteRoute(in *api.DeleteRouteInput) (*api.DeleteRouteOutput, error) {
	t, err := c.table(in.RouteTableId)
	if err != nil {
		return nil, err
	}
	if in.DestinationCidrBlock == nil {
		return nil, lacking("destinationCidrBlock")
	}
	i := t.routeTo(*in.DestinationCidrBlock)
	if i < 0 {
		return nil, wire.Fail("InvalidRoute.NotFound", 400, "no route with destination-cidr-block %s in route table %s", *in.DestinationCidrBlock, t.ID)
	}
	if aws.ToString(t.Routes[i].GatewayId) == "local" {
		return nil, invalid("cannot remove local route %s in route table %s", *in.DestinationCidrBlock, t.ID)
	}
	t.Routes = slices.Delete(slices.Clone(t.Routes), i, i+1)
	routeTables.Put(c.tx, c.key(t.ID), t)
	return &api.DeleteRouteOutput{}, nil
}

// association finds a route table's association by id.
func (c *call) association(id *string) (routeTableRow, associationRow, error) {
	for _, t := range all(c, routeTables) {
		for _, a := range t.Associations {
			if a.ID == aws.ToString(id) {
				return t, a, nil
			}
		}
	}
	return routeTableRow{}, associationRow{}, wire.Fail("InvalidAssociationID.NotFound", 400, "The association ID '%s' does not exist", aws.ToString(id))
}

func (c *call) associateRouteTable(in *api.AssociateRouteTableInput) (*api.AssociateRouteTableOutput, error) {
	t, err := c.table(in.RouteTableId)
	if err != nil {
		return nil, err
	}
	a := associationRow{ID: newID("rtbassoc")}
	switch {
	case in.PublicIpv4Pool != nil:
		return nil, unsupported("route tables of address pools")
	case in.SubnetId != nil && in.GatewayId != nil:
		return nil, combination("subnetId and gatewayId exclude each other")
	case in.GatewayId != nil:
		if !c.exists(gatewayNoun, *in.GatewayId) {
			return nil, gatewayNoun.gone(*in.GatewayId)
		}
		a.Gateway = *in.GatewayId
	default:
		s, err := c.subnet(in.SubnetId)
		if err != nil {
			return nil, err
		}
		if s.VPC != t.VPC {
			return nil, invalid("route table %s and subnet %s belong to different networks", t.ID, s.ID)
		}
		a.Subnet = s.ID
	}
	for _, other := range all(c, routeTables) {
		for _, b := range other.Associations {
			if b.Subnet != a.Subnet || b.Gateway != a.Gateway || b.Main {
				continue
			}
			if other.ID == t.ID {
				return &api.AssociateRouteTableOutput{AssociationId: &b.ID, AssociationState: associated()}, nil
			}
			return nil, wire.Fail("Resource.AlreadyAssociated", 400, "the specified association for route table %s conflicts with an existing association", t.ID)
		}
	}
	t.Associations = append(slices.Clone(t.Associations), a)
	routeTables.Put(c.tx, c.key(t.ID), t)
	return &api.AssociateRouteTableOutput{AssociationId: &a.ID, AssociationState: associated()}, nil
}

func associated() *types.RouteTableAssociationState {
	return &types.RouteTableAssociationState{State: types.RouteTableAssociationStateCodeAssociated}
}

func (c *call) mayChangeAssociation(id *string) []service.Check {
	t, a, err := c.association(id)
	if err != nil {
		return []service.Check{c.check(tableNoun, "*")}
	}
	out := []service.Check{c.check(tableNoun, t.ID)}
	if a.Subnet != "" {
		out = append(out, c.check(subnetNoun, a.Subnet))
	}
	if a.Gateway != "" {
		out = append(out, c.check(gatewayNoun, a.Gateway))
	}
	return out
}

func (c *call) mayAssociateRouteTable(in *api.AssociateRouteTableInput) ([]service.Check, error) {
	out := []service.Check{c.check(tableNoun, aws.ToString(in.RouteTableId))}
	if in.SubnetId != nil {
		out = append(out, c.check(subnetNoun, *in.SubnetId))
	}
	if in.GatewayId != nil {
		out = append(out, c.check(gatewayNoun, *in.GatewayId))
	}
	return out, nil
}

func (c *call) mayDisassociateRouteTable(in *api.DisassociateRouteTableInput) ([]service.Check, error) {
	return c.mayChangeAssociation(in.AssociationId), nil
}

func (c *call) disassociateRouteTable(in *api.DisassociateRouteTableInput) (*api.DisassociateRouteTableOutput, error) {
	t, a, err := c.association(in.AssociationId)
	if err != nil {
		return nil, err
	}
	if a.Main {
		return nil, invalid("cannot disassociate the main route table association %s", a.ID)
	}
	t.Associations = slices.DeleteFunc(slices.Clone(t.Associations), func(b associationRow) bool { return b.ID == a.ID })
	routeTables.Put(c.tx, c.key(t.ID), t)
	return &api.DisassociateRouteTableOutput{}, nil
}

func (c *call) mayReplaceAssociation(in *api.ReplaceRouteTableAssociationInput) ([]service.Check, error) {
	out := c.mayChangeAssociation(in.AssociationId)
	if id := aws.ToString(in.RouteTableId); !strings.HasSuffix(out[0].Resource, "/"+id) {
		out = append(out, c.check(tableNoun, id))
	}
	return out, nil
}

// replaceAssociation moves a subnet, or being the main table, to another
// table of the same VPC.
func (c *call) replaceAssociation(in *api.ReplaceRouteTableAssociationInput) (*api.ReplaceRouteTableAssociationOutput, error) {
	from, a, err := c.association(in.AssociationId)
	if err != nil {
		return nil, err
	}
	to, err := c.table(in.RouteTableId)
	if err != nil {
		return nil, err
	}
	if to.VPC != from.VPC {
		return nil, invalid("route tables %s and %s belong to different networks", from.ID, to.ID)
	}
	from.Associations = slices.DeleteFunc(slices.Clone(from.Associations), func(b associationRow) bool { return b.ID == a.ID })
	if to.ID == from.ID {
		to = from
	}
	a.ID = newID("rtbassoc")
	to.Associations = append(slices.Clone(to.Associations), a)
	routeTables.Put(c.tx, c.key(from.ID), from)
	routeTables.Put(c.tx, c.key(to.ID), to)
	return &api.ReplaceRouteTableAssociationOutput{NewAssociationId: &a.ID, AssociationState: associated()}, nil
}
