package ec2

import (
	"strconv"

	"github.com/mantle-iam/mantle/sandbox/internal/service"
)

// keysOf are the condition keys of an existing resource; nothing if there is
// none of the id.
func (c *call) keysOf(n noun, id string) []service.KV {
	var out []service.KV
	if n != imageNoun && !c.exists(n, id) {
		return nil
	}
	switch n {
	case vpcNoun:
		v, _ := get(c, vpcs, id)
		out = append(out, kv("ec2:VpcID", id), kv("ec2:Tenancy", string(v.Tenancy)))
	case subnetNoun:
		s, _ := get(c, subnets, id)
		out = append(out, kv("ec2:SubnetID", id), kv("ec2:Vpc", c.arn(vpcNoun, s.VPC)),
			kv("ec2:AvailabilityZone", s.Zone), kv("ec2:AvailabilityZoneId", c.zoneID(s.Zone)))
	case tableNoun:
		t, _ := get(c, routeTables, id)
		out = append(out, kv("ec2:RouteTableID", id), kv("ec2:Vpc", c.arn(vpcNoun, t.VPC)))
	case gatewayNoun:
		out = append(out, kv("ec2:InternetGatewayID", id))
	case groupNoun:
		g, _ := get(c, groups, id)
		out = append(out, kv("ec2:SecurityGroupID", id), kv("ec2:Vpc", c.arn(vpcNoun, g.VPC)))
	case keyNoun:
		k, _ := c.keyPair(id, "")
		out = append(out, kv("ec2:KeyPairName", k.Name), kv("ec2:KeyPairType", string(k.Type)))
	case instanceNoun:
		i, _ := get(c, instances, id)
		out = append(out, kv("ec2:InstanceID", id))
		out = append(out, c.instanceKeys(i)...)
	case volumeNoun:
		i, v := c.volume(id)
		out = append(out, kv("ec2:VolumeID", id))
		out = append(out, c.volumeKeys(i.Zone, v)...)
	case interfaceNoun:
		i, _ := c.instanceOf(func(i instanceRow) bool { return i.Interface.ID == id })
		out = append(out, kv("ec2:NetworkInterfaceID", id), kv("ec2:Vpc", c.arn(vpcNoun, i.VPC)),
			kv("ec2:Subnet", c.arn(subnetNoun, i.Subnet)), kv("ec2:AvailabilityZone", i.Zone))
	case imageNoun:
		m := c.image(id)
		owner := m.Owner
		if m.Alias != "" {
			owner = m.Alias
		}
		out = append(out, kv("ec2:ImageID", id), kv("ec2:ImageType", "machine"), kv("ec2:Owner", owner),
			kv("ec2:Public", "true"), kv("ec2:RootDeviceType", "ebs"))
	}
	return append(out, c.tagKeys(id)...)
}

// tagKeys are the keys of a resource's tags.
func (c *call) tagKeys(id string) (out []service.KV) {
	for _, t := range c.tags(id) {
		out = append(out, kv("aws:ResourceTag/"+*t.Key, *t.Value), kv("ec2:ResourceTag/"+*t.Key, *t.Value))
	}
	return out
}

// instanceKeys are the keys of an instance, made or to be made.
func (c *call) instanceKeys(i instanceRow) []service.KV {
	out := []service.KV{
		kv("ec2:InstanceType", i.Type), kv("ec2:AvailabilityZone", i.Zone), kv("ec2:AvailabilityZoneId", c.zoneID(i.Zone)),
		kv("ec2:Tenancy", string(i.Tenancy)), kv("ec2:EbsOptimized", strconv.FormatBool(i.EBSOptimized)),
		kv("ec2:RootDeviceType", "ebs"), kv("ec2:InstanceMarketType", "on-demand"),
		kv("ec2:MetadataHttpTokens", string(i.Metadata.Tokens)), kv("ec2:MetadataHttpEndpoint", string(i.Metadata.Endpoint)),
		kv("ec2:MetadataHttpPutResponseHopLimit", strconv.Itoa(int(i.Metadata.Hops))),
	}
	if c.op != "StartInstances" { // the one that does not have it
		out = append(out, kv("ec2:InstanceMetadataTags", string(i.Metadata.Tags)))
	}
	if i.Profile != nil {
		out = append(out, kv("ec2:InstanceProfile", i.Profile.ARN))
	}
	return out
}

// volumeKeys are the keys of a volume, made or to be made.
func (c *call) volumeKeys(zone string, v volumeRow) []service.KV {
	out := []service.KV{
		kv("ec2:AvailabilityZone", zone), kv("ec2:AvailabilityZoneId", c.zoneID(zone)),
		kv("ec2:VolumeSize", strconv.Itoa(int(v.Size))), kv("ec2:VolumeType", string(v.Type)),
		kv("ec2:Encrypted", strconv.FormatBool(v.Encrypted)),
	}
	if v.IOPS != 0 {
		out = append(out, kv("ec2:VolumeIops", strconv.Itoa(int(v.IOPS))))
	}
	if v.Throughput != 0 {
		out = append(out, kv("ec2:VolumeThroughput", strconv.Itoa(int(v.Throughput))))
	}
	if v.Snapshot != "" {
		out = append(out, kv("ec2:ParentSnapshot", "arn:"+c.partition+":ec2:"+c.region+"::snapshot/"+v.Snapshot))
	}
	return out
}
