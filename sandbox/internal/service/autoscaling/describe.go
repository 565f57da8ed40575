package autoscaling

import (
	"encoding/base64"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	api "github.com/aws/aws-sdk-go-v2/service/autoscaling"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling/types"

	"github.com/mantle-iam/mantle/sandbox/internal/wire"
)

// all are the groups of the account and region, each brought to its desired
// capacity if an instance is gone.
func (c *call) all() (out []groupRow) {
	for _, g := range groups.Range(c.tx, c.scope()) {
		members, noted := len(g.Members), g.Activities
		c.scale(&g, "a difference between desired and actual capacity was found")
		if len(g.Members) != members || g.Activities != noted {
			c.put(g)
		}
		out = append(out, g)
	}
	return out
}

// page takes one page of a listing that is ordered by key.
func page[T any](items []T, limit *int32, token *string, most int, key func(T) string) ([]T, *string, error) {
	if t := aws.ToString(token); t != "" {
		raw, err := base64.RawURLEncoding.DecodeString(t)
		i := slices.IndexFunc(items, func(v T) bool { return key(v) == string(raw) })
		if err != nil || i < 0 {
			return nil, nil, wire.Fail("InvalidNextToken", 400, "The token '%s' is invalid.", t)
		}
		items = items[i+1:]
	}
	n := most
	if limit != nil && *limit > 0 && int(*limit) < most {
		n = int(*limit)
	}
	if len(items) > n {
		items = items[:n:n]
		return items, new(base64.RawURLEncoding.EncodeToString([]byte(key(items[n-1])))), nil
	}
	if items == nil {
		items = []T{}
	}
	return items, nil, nil
}

func (c *call) view(g groupRow) types.AutoScalingGroup {
	v := types.AutoScalingGroup{
		AutoScalingGroupName: &g.Name, AutoScalingGroupARN: new(c.arn(g.Name, g.UUID)), CreatedTime: &g.Created,
		MinSize: &g.Min, MaxSize: &g.Max, DesiredCapacity: &g.Desired, DefaultCooldown: &g.Cooldown,
		HealthCheckType: &g.HealthCheck, HealthCheckGracePeriod: &g.Grace, AvailabilityZones: g.Zones,
		LaunchTemplate: g.template(), TerminationPolicies: g.Policies, ServiceLinkedRoleARN: &g.Role,
		NewInstancesProtectedFromScaleIn: &g.Protect, CapacityRebalance: &g.Rebalance,
		MaxInstanceLifetime: g.Lifetime, DefaultInstanceWarmup: g.Warmup,
		Tags: tagViews(g), Instances: []types.Instance{}, LoadBalancerNames: []string{}, TargetGroupARNs: []string{},
		EnabledMetrics: []types.EnabledMetric{}, SuspendedProcesses: []types.SuspendedProcess{}, TrafficSources: []types.TrafficSourceIdentifier{},
	}
	if g.BySubnet {
		v.VPCZoneIdentifier = new(strings.Join(g.Subnets, ","))
	} else {
		v.VPCZoneIdentifier = new("")
	}
	if g.Context != "" {
		v.Context = &g.Context
	}
	if g.DistributionStrategy != "" {
		v.AvailabilityZoneDistribution = &types.AvailabilityZoneDistribution{CapacityDistributionStrategy: types.CapacityDistributionStrategy(g.DistributionStrategy)}
	}
	if g.MinHealthy != nil {
		v.InstanceMaintenancePolicy = &types.InstanceMaintenancePolicy{MinHealthyPercentage: g.MinHealthy, MaxHealthyPercentage: g.MaxHealthy}
	}
	for _, m := range g.Members {
		v.Instances = append(v.Instances, types.Instance{
			InstanceId: &m.ID, AvailabilityZone: &m.Zone, InstanceType: &m.Type, HealthStatus: new("Healthy"),
			LifecycleState: types.LifecycleStateInService, ProtectedFromScaleIn: &g.Protect,
			LaunchTemplate: &types.LaunchTemplateSpecification{LaunchTemplateId: &m.TemplateID, LaunchTemplateName: &m.TemplateName, Version: &m.Version},
		})
	}
	return v
}

func (c *call) describeGroups(in *api.DescribeAutoScalingGroupsInput) (*api.DescribeAutoScalingGroupsOutput, error) {
	list := c.all()
	if len(in.AutoScalingGroupNames) > 0 {
		list = slices.DeleteFunc(list, func(g groupRow) bool { return !slices.Contains(in.AutoScalingGroupNames, g.Name) })
	}
	for _, f := range in.Filters {
		name := aws.ToString(f.Name)
		key, isKey := strings.CutPrefix(name, "tag:")
		if !isKey && name != "tag-key" && name != "tag-value" {
			return nil, invalid("Filter type %s is not correct. Allowed Filter types are: tag-key, tag-value, tag:<key>", name)
		}
		list = slices.DeleteFunc(list, func(g groupRow) bool {
			return !slices.ContainsFunc(g.Tags, func(t tagRow) bool {
				switch {
				case name == "tag-key":
					return slices.Contains(f.Values, t.Key)
				case name == "tag-value":
					return slices.Contains(f.Values, t.Value)
				}
				return t.Key == key && slices.Contains(f.Values, t.Value)
			})
		})
	}
	shown, next, err := page(list, in.MaxRecords, in.NextToken, 100, func(g groupRow) string { return g.Name })
	if err != nil {
		return nil, err
	}
	out := &api.DescribeAutoScalingGroupsOutput{AutoScalingGroups: []types.AutoScalingGroup{}, NextToken: next}
	for _, g := range shown {
		out.AutoScalingGroups = append(out.AutoScalingGroups, c.view(g))
	}
	return out, nil
}

func (c *call) describeInstances(in *api.DescribeAutoScalingInstancesInput) (*api.DescribeAutoScalingInstancesOutput, error) {
	var list []types.AutoScalingInstanceDetails
	for _, g := range c.all() {
		for _, m := range g.Members {
			if len(in.InstanceIds) > 0 && !slices.Contains(in.InstanceIds, m.ID) {
				continue
			}
			list = append(list, types.AutoScalingInstanceDetails{
				AutoScalingGroupName: &g.Name, InstanceId: &m.ID, AvailabilityZone: &m.Zone, InstanceType: &m.Type, HealthStatus: new("HEALTHY"),
				LifecycleState: new(string(types.LifecycleStateInService)), ProtectedFromScaleIn: &g.Protect,
				LaunchTemplate: &types.LaunchTemplateSpecification{LaunchTemplateId: &m.TemplateID, LaunchTemplateName: &m.TemplateName, Version: &m.Version},
			})
		}
	}
	shown, next, err := page(list, in.MaxRecords, in.NextToken, 50, func(i types.AutoScalingInstanceDetails) string { return *i.InstanceId })
	if err != nil {
		return nil, err
	}
	return &api.DescribeAutoScalingInstancesOutput{AutoScalingInstances: shown, NextToken: next}, nil
}

// describeActivities shows the newest first. A group that is unknown has
// none; AWS says so in the same way as for one that has been deleted.
func (c *call) describeActivities(in *api.DescribeScalingActivitiesInput) (*api.DescribeScalingActivitiesOutput, error) {
	if len(in.Filters) > 0 {
		return nil, invalid("The sandbox does not implement filters of scaling activities.")
	}
	prefix := c.scope()
	if in.AutoScalingGroupName != nil {
		g, err := c.group(in.AutoScalingGroupName)
		if err != nil {
			return nil, err
		}
		prefix = c.key(g.Name) + "\x00"
	}
	c.all()
	var list []types.Activity
	for _, a := range activities.Range(c.tx, prefix) {
		if len(in.ActivityIds) > 0 && !slices.Contains(in.ActivityIds, a.ID) {
			continue
		}
		g, _ := groups.Get(c.tx, c.key(a.Group))
		v := types.Activity{
			ActivityId: &a.ID, AutoScalingGroupName: &a.Group, AutoScalingGroupARN: new(c.arn(g.Name, g.UUID)), Cause: &a.Cause, Description: &a.Description,
			Details: &a.Details, StartTime: &a.At, EndTime: &a.At, Progress: new(int32(100)), StatusCode: types.ScalingActivityStatusCode(a.Status),
		}
		if a.Message != "" {
			v.StatusMessage = &a.Message
		}
		list = append(list, v)
	}
	slices.Reverse(list)
	slices.SortStableFunc(list, func(a, b types.Activity) int { return b.StartTime.Compare(*a.StartTime) })
	shown, next, err := page(list, in.MaxRecords, in.NextToken, 100, func(a types.Activity) string { return *a.ActivityId })
	if err != nil {
		return nil, err
	}
	return &api.DescribeScalingActivitiesOutput{Activities: shown, NextToken: next}, nil
}
