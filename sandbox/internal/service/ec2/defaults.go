package ec2

import (
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/mantle-iam/mantle/sandbox/internal/store"
)

// settle gives an account its default VPC in a region, once: what was
// deleted afterwards stays deleted.
// https://docs.aws.amazon.com/vpc/latest/userguide/default-vpc.html
func (s *EC2) settle(account, region string) error {
	key := scope(account, region)
	done := false
	err := s.store.View(func(tx *store.Tx) error {
		done = settled.Has(tx, key)
		return nil
	})
	if done || err != nil {
		return err
	}
	return s.store.Update(func(tx *store.Tx) error {
		if !settled.Has(tx, key) {
			s.call(tx, account, region, time.Time{}, "", "").settle()
		}
		return nil
	})
}

func (c *call) settle() {
	settled.Put(c.tx, c.scope(), true)
	id := func(prefix string, parts ...string) string {
		return derivedID(prefix, append([]string{c.account, c.region}, parts...)...)
	}
	vpc := vpcRow{
		ID: id("vpc"), CIDR: "172.31.0.0/16", CIDRAssociation: id("vpc-cidr-assoc"), Tenancy: types.TenancyDefault, Default: true,
		DNSSupport: true, DNSHostnames: true, NetworkACL: id("acl"), DHCPOptions: c.dhcpOptions(),
	}
	gateway := gatewayRow{ID: id("igw"), VPC: vpc.ID}
	c.furnish(vpc, id, types.Route{
		DestinationCidrBlock: new("0.0.0.0/0"), GatewayId: &gateway.ID,
		Origin: types.RouteOriginCreateRoute, State: types.RouteStateActive,
	})
	gateways.Put(c.tx, c.key(gateway.ID), gateway)
	for n, zone := range c.zones() {
		s := subnetRow{
			ID: id("subnet", zone), VPC: vpc.ID, Zone: zone, CIDR: fmt.Sprintf("172.31.%d.0/20", 16*n), Default: true, MapPublicIP: true,
			HostnameType: types.HostnameTypeIpName, NetworkACLAssociation: id("aclassoc", zone),
		}
		subnets.Put(c.tx, c.key(s.ID), s)
	}
}

// furnish stores a VPC with what every VPC has: a main route table and a
// default security group (its network ACL is part of its row).
func (c *call) furnish(vpc vpcRow, id func(prefix string, parts ...string) string, routes ...types.Route) {
	vpcs.Put(c.tx, c.key(vpc.ID), vpc)
	table := routeTableRow{
		ID: id("rtb"), VPC: vpc.ID, Routes: append([]types.Route{localRoute(vpc.CIDR)}, routes...),
		Associations: []associationRow{{ID: id("rtbassoc"), Main: true}},
	}
	routeTables.Put(c.tx, c.key(table.ID), table)
	group := groupRow{ID: id("sg"), Name: "default", Description: "default VPC security group", VPC: vpc.ID}
	group.Rules = []ruleRow{
		{ID: id("sgr", "in"), Protocol: "-1", Group: group.ID, GroupOwner: c.account},
		openEgress(id("sgr", "out")),
	}
	groups.Put(c.tx, c.key(group.ID), group)
}

func localRoute(cidr string) types.Route {
	return types.Route{DestinationCidrBlock: &cidr, GatewayId: new("local"), Origin: types.RouteOriginCreateRouteTable, State: types.RouteStateActive}
}

// openEgress is the rule that every new security group has.
func openEgress(id string) ruleRow {
	return ruleRow{ID: id, Egress: true, Protocol: "-1", CIDR4: "0.0.0.0/0"}
}

// dhcpOptions is the id of the region's default DHCP options.
func (c *call) dhcpOptions() string { return derivedID("dopt", c.account, c.region) }

// defaultVPC is the default VPC, if it has not been deleted.
func (c *call) defaultVPC() (vpcRow, bool) {
	for _, v := range vpcs.Range(c.tx, c.scope()) {
		if v.Default {
			return v, true
		}
	}
	return vpcRow{}, false
}
