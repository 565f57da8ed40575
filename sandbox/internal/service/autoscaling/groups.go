package autoscaling

import (
	"crypto/rand"
	"encoding/hex"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	api "github.com/aws/aws-sdk-go-v2/service/autoscaling"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling/types"

	"github.com/mantle-iam/mantle/sandbox/internal/wire"
)

// newUUID makes a random (version 4) UUID, RFC 9562.
func newUUID() string {
	var b [16]byte
	rand.Read(b[:]) // never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	h := hex.EncodeToString(b[:])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}

func unsupported(what string) *wire.Error {
	return invalid("The sandbox does not implement %s in Auto Scaling groups.", what)
}

func (c *call) create(in *api.CreateAutoScalingGroupInput) (*api.CreateAutoScalingGroupOutput, error) {
	name := aws.ToString(in.AutoScalingGroupName)
	if groups.Has(c.tx, c.key(name)) {
		return nil, wire.Fail("AlreadyExists", 400, "AutoScalingGroup by this name already exists - A group with the name %s already exists", name)
	}
	if strings.ContainsAny(name, ":\x00") {
		return nil, invalid("Group name must not contain a colon: %q", name)
	}
	switch {
	case in.InstanceId != nil, in.LaunchConfigurationName != nil:
		return nil, unsupported("launch configurations")
	case in.MixedInstancesPolicy != nil:
		return nil, unsupported("mixed instances policies")
	case len(in.LoadBalancerNames)+len(in.TargetGroupARNs)+len(in.TrafficSources) > 0:
		return nil, unsupported("load balancers")
	case len(in.LifecycleHookSpecificationList) > 0:
		return nil, unsupported("lifecycle hooks")
	case aws.ToString(in.PlacementGroup) != "":
		return nil, unsupported("placement groups")
	case in.LaunchTemplate == nil:
		return nil, invalid("Valid requests must contain either launchTemplate, LaunchConfigurationName, InstanceId or MixedInstancesPolicy parameter.")
	}
	g := groupRow{
		Name: name, UUID: newUUID(), Created: c.now, Cooldown: 300, HealthCheck: "EC2", Policies: []string{"Default"},
		Role: "arn:" + c.partition + ":iam::" + c.account + ":role/aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling",
	}
	g.Min, g.Max, g.Desired = aws.ToInt32(in.MinSize), aws.ToInt32(in.MaxSize), aws.ToInt32(in.MinSize)
	if in.DesiredCapacity != nil {
		g.Desired = *in.DesiredCapacity
	}
	if len(in.AvailabilityZones) == 0 && aws.ToString(in.VPCZoneIdentifier) == "" {
		return nil, invalid("At least one Availability Zone or VPC Subnet is required.")
	}
	tags, err := tagRows(nil, in.Tags, name)
	if err != nil {
		return nil, err
	}
	g.Tags = tags
	err = c.set(&g, &api.UpdateAutoScalingGroupInput{
		AvailabilityZones: in.AvailabilityZones, VPCZoneIdentifier: in.VPCZoneIdentifier, LaunchTemplate: in.LaunchTemplate,
		DefaultCooldown: in.DefaultCooldown, HealthCheckType: in.HealthCheckType, HealthCheckGracePeriod: in.HealthCheckGracePeriod,
		TerminationPolicies: in.TerminationPolicies, NewInstancesProtectedFromScaleIn: in.NewInstancesProtectedFromScaleIn,
		ServiceLinkedRoleARN: in.ServiceLinkedRoleARN, MaxInstanceLifetime: in.MaxInstanceLifetime, CapacityRebalance: in.CapacityRebalance,
		Context: in.Context, DefaultInstanceWarmup: in.DefaultInstanceWarmup, AvailabilityZoneDistribution: in.AvailabilityZoneDistribution,
		InstanceMaintenancePolicy: in.InstanceMaintenancePolicy,
	})
	if err != nil {
		return nil, err
	}
	if err := g.bounds(); err != nil {
		return nil, err
	}
	c.scale(&g, "a user request created an AutoScalingGroup changing the desired capacity from 0 to "+count(g.Desired))
	c.put(g)
	return &api.CreateAutoScalingGroupOutput{}, nil
}

// bounds checks the sizes against each other.
func (g *groupRow) bounds() error {
	switch {
	case g.Min < 0 || g.Max < 0:
		return invalid("Min and max size must not be negative")
	case g.Max < g.Min:
		return invalid("Max bound, %d, must be greater than or equal to min bound, %d", g.Max, g.Min)
	case g.Desired < g.Min || g.Desired > g.Max:
		return invalid("Desired capacity:%d must be between the specified min size:%d and max size:%d", g.Desired, g.Min, g.Max)
	case g.Max > maxSize:
		return invalid("The sandbox does not make groups of more than %d instances.", maxSize)
	}
	return nil
}

// maxSize bounds a group: launches happen within the call.
const maxSize = 500

// set takes over what an update gives; sizes are the caller's.
func (c *call) set(g *groupRow, in *api.UpdateAutoScalingGroupInput) error {
	switch {
	case in.LaunchConfigurationName != nil:
		return unsupported("launch configurations")
	case in.MixedInstancesPolicy != nil:
		return unsupported("mixed instances policies")
	case aws.ToString(in.PlacementGroup) != "":
		return unsupported("placement groups")
	}
	if err := c.place(g, in); err != nil {
		return err
	}
	if spec := in.LaunchTemplate; spec != nil {
		version := aws.ToString(spec.Version)
		if version == "" {
			version = "$Default"
		}
		id, name, _, err := c.ec2.LaunchTemplate(c.tx, c.account, c.region, reference(spec), version)
		if err != nil {
			return malformed(reason(err))
		}
		if _, err := c.ec2.LaunchChecks(c.tx, c.account, c.region, id, version, g.Subnets[0]); err != nil {
			return malformed(reason(err))
		}
		g.TemplateID, g.TemplateName, g.TemplateVersion = id, name, version
	}
	take(&g.Cooldown, in.DefaultCooldown)
	take(&g.Grace, in.HealthCheckGracePeriod)
	take(&g.Protect, in.NewInstancesProtectedFromScaleIn)
	take(&g.Rebalance, in.CapacityRebalance)
	take(&g.Role, in.ServiceLinkedRoleARN)
	take(&g.Context, in.Context)
	if t := aws.ToString(in.HealthCheckType); t != "" {
		if t != "EC2" {
			return unsupported("health checks other than EC2's")
		}
		g.HealthCheck = t
	}
	if len(in.TerminationPolicies) > 0 {
		g.Policies = in.TerminationPolicies
	}
	if n := in.MaxInstanceLifetime; n != nil {
		if g.Lifetime = n; *n == 0 {
			g.Lifetime = nil
		}
	}
	if n := in.DefaultInstanceWarmup; n != nil {
		if g.Warmup = n; *n < 0 {
			g.Warmup = nil
		}
	}
	if d := in.AvailabilityZoneDistribution; d != nil {
		g.DistributionStrategy = string(d.CapacityDistributionStrategy)
	}
	if m := in.InstanceMaintenancePolicy; m != nil {
		g.MinHealthy, g.MaxHealthy = m.MinHealthyPercentage, m.MaxHealthyPercentage
		if aws.ToInt32(g.MinHealthy) < 0 {
			g.MinHealthy, g.MaxHealthy = nil, nil
		}
	}
	return nil
}

func take[T any](to *T, from *T) {
	if from != nil {
		*to = *from
	}
}

// place works out subnets and zones.
func (c *call) place(g *groupRow, in *api.UpdateAutoScalingGroupInput) error {
	list := split(aws.ToString(in.VPCZoneIdentifier))
	switch {
	case len(list) > 0:
		g.Subnets, g.Zones, g.BySubnet = nil, nil, true
		network := ""
		for _, s := range list {
			zone, vpc, ok := c.ec2.SubnetZone(c.tx, c.account, c.region, s)
			if !ok {
				return invalid("The subnet ID '%s' does not exist", s)
			}
			if network != "" && vpc != network {
				return invalid("The subnets %s do not belong to one VPC", strings.Join(list, ", "))
			}
			network = vpc
			g.Subnets = append(g.Subnets, s)
			if !slices.Contains(g.Zones, zone) {
				g.Zones = append(g.Zones, zone)
			}
		}
	case len(in.AvailabilityZones) > 0:
		g.Subnets, g.Zones, g.BySubnet = nil, nil, false
		for _, zone := range in.AvailabilityZones {
			s, ok := c.ec2.DefaultSubnet(c.tx, c.account, c.region, zone)
			if !ok {
				return invalid("No default subnet found in availability zone %s", zone)
			}
			g.Subnets, g.Zones = append(g.Subnets, s), append(g.Zones, zone)
		}
	}
	slices.Sort(g.Zones)
	return nil
}

func (c *call) update(in *api.UpdateAutoScalingGroupInput) (*api.UpdateAutoScalingGroupOutput, error) {
	g, err := c.group(in.AutoScalingGroupName)
	if err != nil {
		return nil, err
	}
	if err := c.set(&g, in); err != nil {
		return nil, err
	}
	from := g.Desired
	take(&g.Min, in.MinSize)
	take(&g.Max, in.MaxSize)
	if in.DesiredCapacity != nil {
		g.Desired = *in.DesiredCapacity
	} else if g.Max >= g.Min {
		// New bounds move the capacity.
		g.Desired = min(max(g.Desired, g.Min), g.Max)
	}
	if err := g.bounds(); err != nil {
		return nil, err
	}
	c.scale(&g, "a user request update of AutoScalingGroup constraints to min: "+count(g.Min)+", max: "+count(g.Max)+", desired: "+count(g.Desired)+" changing the desired capacity from "+count(from)+" to "+count(g.Desired))
	c.put(g)
	return &api.UpdateAutoScalingGroupOutput{}, nil
}

func (c *call) setDesired(in *api.SetDesiredCapacityInput) (*api.SetDesiredCapacityOutput, error) {
	g, err := c.group(in.AutoScalingGroupName)
	if err != nil {
		return nil, err
	}
	n := aws.ToInt32(in.DesiredCapacity)
	switch {
	case n < g.Min:
		return nil, invalid("New SetDesiredCapacity value %d is below min value %d for the AutoScalingGroup.", n, g.Min)
	case n > g.Max:
		return nil, invalid("New SetDesiredCapacity value %d is above max value %d for the AutoScalingGroup.", n, g.Max)
	}
	from := g.Desired
	g.Desired = n
	c.scale(&g, "a user request explicitly set group desired capacity changing the desired capacity from "+count(from)+" to "+count(n))
	c.put(g)
	return &api.SetDesiredCapacityOutput{}, nil
}

func (c *call) delete(in *api.DeleteAutoScalingGroupInput) (*api.DeleteAutoScalingGroupOutput, error) {
	g, err := c.group(in.AutoScalingGroupName)
	if err != nil {
		return nil, err
	}
	c.heed(&g)
	if len(g.Members) > 0 && !aws.ToBool(in.ForceDelete) {
		return nil, wire.Fail("ResourceInUse", 400, "You cannot delete an AutoScalingGroup while there are instances or pending Spot instance request(s) still in the group.")
	}
	for _, m := range g.Members {
		c.ec2.Terminate(c.tx, c.account, c.region, c.now, m.ID)
	}
	groups.Delete(c.tx, c.key(g.Name))
	for key := range activities.Range(c.tx, c.key(g.Name)+"\x00") {
		activities.Delete(c.tx, key)
	}
	return &api.DeleteAutoScalingGroupOutput{}, nil
}

func (g *groupRow) template() *types.LaunchTemplateSpecification {
	return &types.LaunchTemplateSpecification{LaunchTemplateId: &g.TemplateID, LaunchTemplateName: &g.TemplateName, Version: &g.TemplateVersion}
}
