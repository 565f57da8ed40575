package ecs

import (
	"cmp"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	api "github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
)

// Deployments: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/deployment-type-ecs.html

// network is a network configuration with what ECS fills in; nil stays nil,
// because a client takes an empty one for one with content.
func network(n *types.NetworkConfiguration) *types.NetworkConfiguration {
	if n == nil || n.AwsvpcConfiguration == nil {
		return nil
	}
	v := *n.AwsvpcConfiguration
	v.AssignPublicIp = cmp.Or(v.AssignPublicIp, types.AssignPublicIpDisabled)
	v.SecurityGroups = orEmpty(v.SecurityGroups)
	return &types.NetworkConfiguration{AwsvpcConfiguration: &v}
}

// deploymentConfiguration is what was there, or the defaults, changed by
// what a call sets.
// https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_DeploymentConfiguration.html
func deploymentConfiguration(strategy types.SchedulingStrategy, have, set *types.DeploymentConfiguration) *types.DeploymentConfiguration {
	out := types.DeploymentConfiguration{MaximumPercent: aws.Int32(200), MinimumHealthyPercent: aws.Int32(100)}
	if strategy == types.SchedulingStrategyDaemon {
		out = types.DeploymentConfiguration{MaximumPercent: aws.Int32(100), MinimumHealthyPercent: aws.Int32(0)}
	}
	if have != nil {
		out = *have
	}
	if set == nil {
		return &out
	}
	out.MaximumPercent = cmp.Or(set.MaximumPercent, out.MaximumPercent)
	out.MinimumHealthyPercent = cmp.Or(set.MinimumHealthyPercent, out.MinimumHealthyPercent)
	out.DeploymentCircuitBreaker = cmp.Or(set.DeploymentCircuitBreaker, out.DeploymentCircuitBreaker)
	out.Alarms = cmp.Or(set.Alarms, out.Alarms)
	out.BakeTimeInMinutes = cmp.Or(set.BakeTimeInMinutes, out.BakeTimeInMinutes)
	out.Strategy = cmp.Or(set.Strategy, out.Strategy)
	return &out
}

// rebalancing is what the call says of Availability Zone rebalancing, or
// that it is on for every service that can have it.
// https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-rebalancing.html
func rebalancing(in *api.CreateServiceInput, strategy types.SchedulingStrategy, on types.LaunchType) types.AvailabilityZoneRebalancing {
	const zone = "attribute:ecs.availability-zone"
	switch {
	case in.AvailabilityZoneRebalancing != "":
		return in.AvailabilityZoneRebalancing
	case strategy == types.SchedulingStrategyDaemon, on == types.LaunchTypeExternal:
		return types.AvailabilityZoneRebalancingDisabled
	case len(in.PlacementStrategy) > 0 && (in.PlacementStrategy[0].Type != types.PlacementStrategyTypeSpread || aws.ToString(in.PlacementStrategy[0].Field) != zone):
		return types.AvailabilityZoneRebalancingDisabled
	case slices.ContainsFunc(in.LoadBalancers, func(l types.LoadBalancer) bool { return l.LoadBalancerName != nil }):
		return types.AvailabilityZoneRebalancingDisabled
	}
	return types.AvailabilityZoneRebalancingEnabled
}

// deploy begins a deployment of a service as it now is. It takes the place
// of the one before at once.
func (c *call) deploy(row *serviceRow) {
	var b [8]byte
	rand.Read(b[:]) // never fails
	v := &row.View
	v.Deployments = []types.Deployment{{
		Id:                       new(fmt.Sprintf("ecs-svc/%019d", binary.BigEndian.Uint64(b[:])>>1)),
		Status:                   new(primary),
		TaskDefinition:           v.TaskDefinition,
		CreatedAt:                new(c.now()),
		UpdatedAt:                new(c.now()),
		LaunchType:               v.LaunchType,
		CapacityProviderStrategy: v.CapacityProviderStrategy,
		PlatformVersion:          v.PlatformVersion,
		PlatformFamily:           v.PlatformFamily,
		NetworkConfiguration:     v.NetworkConfiguration,
		VolumeConfigurations:     row.Volumes,
	}}
}
