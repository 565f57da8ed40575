package ecs

import (
	"cmp"
	"iter"
	"slices"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/aws"
	api "github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/mantle-iam/mantle/iam"
	"github.com/mantle-iam/mantle/sandbox/internal/service"
)

// Services: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs_services.html

func (c *call) mayCreateService(in *api.CreateServiceInput) ([]service.Check, error) {
	if err := checkTags(in.Tags); err != nil {
		return nil, err
	}
	k, err := c.cluster(in.Cluster)
	if err != nil {
		return nil, err
	}
	m, err := c.member("service", k, aws.ToString(in.ServiceName))
	if err != nil {
		return nil, err
	}
	d, err := c.definition(aws.ToString(in.TaskDefinition))
	if err != nil {
		return nil, err
	}
	d = c.latest(d)
	def, _ := c.own(d)
	arn := c.memberARN("service", m)
	keys := slices.Concat(requestTags(in.Tags), []service.KV{c.inClusterKey(k), kv("ecs:task-definition", c.definitionARN(d)),
		kv("ecs:enable-ecs-managed-tags", strconv.FormatBool(in.EnableECSManagedTags)),
		kv("ecs:enable-execute-command", strconv.FormatBool(in.EnableExecuteCommand)),
	}, sizeKeys(def.View.Cpu, def.View.Memory), c.providerKeys(strategyNames(in.CapacityProviderStrategy)), networkKeys(in.NetworkConfiguration))
	if in.PropagateTags != "" {
		keys = append(keys, kv("ecs:propagate-tags", string(in.PropagateTags)))
	}
	role, err := c.role(in.Role)
	if err != nil {
		return nil, err
	}
	return slices.Concat(
		c.one(k.home, arn, keys...),
		c.passing("ecs.amazonaws.com", role),
		c.passing(tasksPrincipal, aws.ToString(def.View.TaskRoleArn), aws.ToString(def.View.ExecutionRoleArn)),
		c.tagging(k.home, arn, in.Tags)), nil
}

// networkKeys are ecs:subnet, by id, and ecs:auto-assign-public-ip.
func networkKeys(n *types.NetworkConfiguration) []service.KV {
	if n == nil || n.AwsvpcConfiguration == nil {
		return nil
	}
	public := cmp.Or(n.AwsvpcConfiguration.AssignPublicIp, types.AssignPublicIpDisabled)
	out := []service.KV{kv("ecs:auto-assign-public-ip", string(public))}
	if s := n.AwsvpcConfiguration.Subnets; len(s) > 0 {
		out = append(out, kv("ecs:subnet", s...))
	}
	return out
}

// beyond refuses what the sandbox has no counterpart for; to take it and do
// nothing would be worse.
func beyond(controller *types.DeploymentController, connect *types.ServiceConnectConfiguration, deployment *types.DeploymentConfiguration, lattice []types.VpcLatticeConfiguration) error {
	switch {
	case controller != nil && controller.Type != "" && controller.Type != types.DeploymentControllerTypeEcs:
		return unsupported("The sandbox has no task sets and no CodeDeploy: use the deployment controller ECS instead of %s.", controller.Type)
	case connect != nil && connect.Enabled:
		return unsupported("The sandbox has no Service Connect: leave out serviceConnectConfiguration.")
	case len(lattice) > 0:
		return unsupported("The sandbox has no VPC Lattice: leave out vpcLatticeConfigurations.")
	case deployment != nil && (len(deployment.LifecycleHooks) > 0 || deployment.Strategy != "" && deployment.Strategy != types.DeploymentStrategyRolling):
		return unsupported("The sandbox has rolling deployments without lifecycle hooks only.")
	}
	return nil
}

func (c *call) createService(in *api.CreateServiceInput) (*api.CreateServiceOutput, error) {
	k, cl, err := c.liveCluster(in.Cluster)
	if err != nil {
		return nil, err
	}
	m, err := c.member("service", k, *in.ServiceName)
	if err != nil {
		return nil, err
	}
	if old, ok := services.Get(c.tx, m.key()); ok && *old.View.Status == active {
		if token := aws.ToString(in.ClientToken); token != "" && token == old.Token {
			return &api.CreateServiceOutput{Service: new(c.serviceView(m, old, true))}, nil
		}
		return nil, invalidParameter("Creation of service was not idempotent.")
	}
	if err := beyond(in.DeploymentController, in.ServiceConnectConfiguration, in.DeploymentConfiguration, in.VpcLatticeConfigurations); err != nil {
		return nil, err
	}
	strategy := cmp.Or(in.SchedulingStrategy, types.SchedulingStrategyReplica)
	switch daemon := strategy == types.SchedulingStrategyDaemon; {
	case daemon && in.DesiredCount != nil:
		return nil, invalidParameter("The daemon scheduling strategy does not support a desired count for services. Remove the desired count value and try again")
	case !daemon && in.DesiredCount == nil:
		return nil, invalidParameter("desiredCount is required for the scheduling strategy REPLICA.")
	case aws.ToInt32(in.DesiredCount) < 0:
		return nil, invalidParameter("desiredCount must not be negative.")
	}
	d, def, err := c.launchable(in.TaskDefinition)
	if err != nil {
		return nil, err
	}
	on, _, err := where(cl, in.LaunchType, in.CapacityProviderStrategy)
	if err != nil {
		return nil, err
	}
	if strategy == types.SchedulingStrategyDaemon && on == types.LaunchTypeFargate {
		return nil, invalidParameter("The daemon scheduling strategy is not supported on Fargate.")
	}
	if err := checkLaunch(def, on, in.NetworkConfiguration); err != nil {
		return nil, err
	}
	v := types.Service{
		ServiceArn:                    new(c.memberARN("service", m)),
		ServiceName:                   &m.id,
		ClusterArn:                    new(c.clusterARN(k)),
		Status:                        new(active),
		TaskDefinition:                new(c.definitionARN(d)),
		DesiredCount:                  aws.ToInt32(in.DesiredCount),
		SchedulingStrategy:            strategy,
		CapacityProviderStrategy:      in.CapacityProviderStrategy,
		LoadBalancers:                 orEmpty(in.LoadBalancers),
		ServiceRegistries:             orEmpty(in.ServiceRegistries),
		PlacementConstraints:          orEmpty(in.PlacementConstraints),
		PlacementStrategy:             orEmpty(in.PlacementStrategy),
		NetworkConfiguration:          network(in.NetworkConfiguration),
		DeploymentConfiguration:       deploymentConfiguration(strategy, nil, in.DeploymentConfiguration),
		DeploymentController:          &types.DeploymentController{Type: types.DeploymentControllerTypeEcs},
		EnableECSManagedTags:          in.EnableECSManagedTags,
		EnableExecuteCommand:          in.EnableExecuteCommand,
		PropagateTags:                 cmp.Or(in.PropagateTags, types.PropagateTagsNone),
		HealthCheckGracePeriodSeconds: in.HealthCheckGracePeriodSeconds,
		AvailabilityZoneRebalancing:   rebalancing(in, strategy, on),
		CreatedAt:                     new(c.now()),
		CreatedBy:                     new(cmp.Or(c.req.Caller.Issuer, c.req.Caller.ARN)),
		Events:                        []types.ServiceEvent{},
		Tags:                          mergeTags(nil, in.Tags),
	}
	if len(in.CapacityProviderStrategy) == 0 {
		if in.LaunchType == "" && len(cl.View.DefaultCapacityProviderStrategy) > 0 {
			v.CapacityProviderStrategy = cl.View.DefaultCapacityProviderStrategy
		} else {
			v.LaunchType = on
		}
	}
	if on == types.LaunchTypeFargate {
		v.PlatformVersion, v.PlatformFamily = cmp.Or(in.PlatformVersion, new("LATEST")), new("Linux")
	}
	if role, err := c.role(in.Role); err != nil {
		return nil, err
	} else if role != "" {
		v.RoleArn = &role
	} else if len(v.LoadBalancers) > 0 {
		v.RoleArn = new(iam.ARN{Partition: c.opt.Partition, Service: "iam", Account: c.account(),
			Resource: "role/aws-service-role/ecs.amazonaws.com/AWSServiceRoleForECS"}.String())
	}
	row := serviceRow{View: v, Volumes: in.VolumeConfigurations, Token: aws.ToString(in.ClientToken)}
	c.deploy(&row)
	services.Put(c.tx, m.key(), row)
	c.reconcile(m)
	row, _ = services.Get(c.tx, m.key())
	return &api.CreateServiceOutput{Service: new(c.serviceView(m, row, true))}, nil
}

// serviceView is a service as answers show it.
func (c *call) serviceView(m member, row serviceRow, withTags bool) types.Service {
	v := row.View
	v.DesiredCount = int32(c.wanted(m, &row))
	v.RunningCount = int32(len(c.running(m)))
	v.Deployments = slices.Clone(v.Deployments)
	for i := range v.Deployments {
		v.Deployments[i].DesiredCount, v.Deployments[i].RunningCount = v.DesiredCount, v.RunningCount
	}
	if !withTags {
		v.Tags = nil
	}
	return v
}

func (c *call) mayUpdateService(in *api.UpdateServiceInput) ([]service.Check, error) {
	k, err := c.cluster(in.Cluster)
	if err != nil {
		return nil, err
	}
	m, err := c.member("service", k, aws.ToString(in.Service))
	if err != nil {
		return nil, err
	}
	row, _ := services.Get(c.tx, m.key())
	keys := slices.Concat(resourceTags(row.View.Tags), []service.KV{c.inClusterKey(m.cluster)},
		c.providerKeys(strategyNames(in.CapacityProviderStrategy)), networkKeys(in.NetworkConfiguration))
	if in.EnableECSManagedTags != nil {
		keys = append(keys, kv("ecs:enable-ecs-managed-tags", strconv.FormatBool(*in.EnableECSManagedTags)))
	}
	if in.EnableExecuteCommand != nil {
		keys = append(keys, kv("ecs:enable-execute-command", strconv.FormatBool(*in.EnableExecuteCommand)))
	}
	if in.PropagateTags != "" {
		keys = append(keys, kv("ecs:propagate-tags", string(in.PropagateTags)))
	}
	var passed []service.Check
	// The roles of the definition that the service has, or is to have, are
	// passed again by an update that starts tasks.
	if name := cmp.Or(in.TaskDefinition, row.View.TaskDefinition); name != nil {
		d, err := c.definition(*name)
		if err != nil {
			return nil, err
		}
		d = c.latest(d)
		def, _ := c.own(d)
		if in.TaskDefinition != nil {
			keys = append(keys, kv("ecs:task-definition", c.definitionARN(d)))
			keys = append(keys, sizeKeys(def.View.Cpu, def.View.Memory)...)
		}
		if in.TaskDefinition != nil || in.ForceNewDeployment {
			passed = c.passing(tasksPrincipal, aws.ToString(def.View.TaskRoleArn), aws.ToString(def.View.ExecutionRoleArn))
		}
	}
	return append(c.one(m.home, c.memberARN("service", m), keys...), passed...), nil
}

// liveService finds a service for a call that needs it to be ACTIVE.
func (c *call) liveService(cl, name *string) (member, serviceRow, error) {
	k, _, err := c.liveCluster(cl)
	if err != nil {
		return member{}, serviceRow{}, err
	}
	m, err := c.member("service", k, aws.ToString(name))
	if err != nil {
		return m, serviceRow{}, err
	}
	row, ok := services.Get(c.tx, m.key())
	switch {
	case !ok || m.cluster != k:
		return m, row, errNoService()
	case *row.View.Status != active:
		return m, row, errInactiveService()
	}
	return m, row, nil
}

func (c *call) updateService(in *api.UpdateServiceInput) (*api.UpdateServiceOutput, error) {
	m, row, err := c.liveService(in.Cluster, in.Service)
	if err != nil {
		return nil, err
	}
	if err := beyond(in.DeploymentController, in.ServiceConnectConfiguration, in.DeploymentConfiguration, in.VpcLatticeConfigurations); err != nil {
		return nil, err
	}
	v := &row.View
	anew := in.ForceNewDeployment
	if in.DesiredCount != nil {
		switch {
		case v.SchedulingStrategy == types.SchedulingStrategyDaemon:
			return nil, invalidParameter("The daemon scheduling strategy does not support a desired count for services. Remove the desired count value and try again")
		case *in.DesiredCount < 0:
			return nil, invalidParameter("desiredCount must not be negative.")
		}
		v.DesiredCount = *in.DesiredCount
	}
	if in.TaskDefinition != nil {
		d, _, err := c.launchable(in.TaskDefinition)
		if err != nil {
			return nil, err
		}
		arn := c.definitionARN(d)
		anew = anew || arn != *v.TaskDefinition
		v.TaskDefinition = &arn
	}
	if in.NetworkConfiguration != nil {
		v.NetworkConfiguration, anew = network(in.NetworkConfiguration), true
	}
	if in.PlatformVersion != nil {
		v.PlatformVersion, anew = in.PlatformVersion, true
	}
	if in.CapacityProviderStrategy != nil {
		// An empty strategy goes back to the launch type.
		v.CapacityProviderStrategy, anew = in.CapacityProviderStrategy, true
		if len(in.CapacityProviderStrategy) > 0 {
			v.LaunchType = ""
		}
	}
	if in.VolumeConfigurations != nil {
		row.Volumes, anew = in.VolumeConfigurations, true
	}
	update(in, v)
	cl, _ := clusters.Get(c.tx, m.cluster.key())
	on, _, err := where(cl, v.LaunchType, v.CapacityProviderStrategy)
	if err != nil {
		return nil, err
	}
	if len(v.CapacityProviderStrategy) == 0 {
		v.LaunchType = on
	}
	d, err := c.definition(*v.TaskDefinition)
	if err != nil {
		return nil, err
	}
	if def, ok := definitions.Get(c.tx, d.key()); ok {
		if err := checkLaunch(def, on, v.NetworkConfiguration); err != nil {
			return nil, err
		}
	}
	if anew {
		c.deploy(&row)
	}
	services.Put(c.tx, m.key(), row)
	c.reconcile(m)
	row, _ = services.Get(c.tx, m.key())
	return &api.UpdateServiceOutput{Service: new(c.serviceView(m, row, true))}, nil
}

// update takes over what needs no new tasks.
func update(in *api.UpdateServiceInput, v *types.Service) {
	v.DeploymentConfiguration = deploymentConfiguration(v.SchedulingStrategy, v.DeploymentConfiguration, in.DeploymentConfiguration)
	v.AvailabilityZoneRebalancing = cmp.Or(in.AvailabilityZoneRebalancing, v.AvailabilityZoneRebalancing)
	v.HealthCheckGracePeriodSeconds = cmp.Or(in.HealthCheckGracePeriodSeconds, v.HealthCheckGracePeriodSeconds)
	v.PropagateTags = cmp.Or(in.PropagateTags, v.PropagateTags)
	v.EnableECSManagedTags = aws.ToBool(cmp.Or(in.EnableECSManagedTags, &v.EnableECSManagedTags))
	v.EnableExecuteCommand = aws.ToBool(cmp.Or(in.EnableExecuteCommand, &v.EnableExecuteCommand))
	if in.LoadBalancers != nil {
		v.LoadBalancers = in.LoadBalancers
	}
	if in.ServiceRegistries != nil {
		v.ServiceRegistries = in.ServiceRegistries
	}
	if in.PlacementConstraints != nil {
		v.PlacementConstraints = in.PlacementConstraints
	}
	if in.PlacementStrategy != nil {
		v.PlacementStrategy = in.PlacementStrategy
	}
}

// deleteService leaves an INACTIVE service, which can be described until its
// name is used again.
func (c *call) deleteService(in *api.DeleteServiceInput) (*api.DeleteServiceOutput, error) {
	m, row, err := c.liveService(in.Cluster, in.Service)
	if err != nil {
		return nil, err
	}
	if row.View.SchedulingStrategy == types.SchedulingStrategyReplica && row.View.DesiredCount > 0 && !aws.ToBool(in.Force) {
		return nil, invalidParameter("The service cannot be stopped while it is scaled above 0.")
	}
	row.View.Status = new(inactive)
	row.View.DesiredCount = 0
	services.Put(c.tx, m.key(), row)
	c.reconcile(m)
	row, _ = services.Get(c.tx, m.key())
	return &api.DeleteServiceOutput{Service: new(c.serviceView(m, row, true))}, nil
}

// maxServices bounds one DescribeServices.
const maxServices = 10

func (c *call) describeServices(in *api.DescribeServicesInput) (*api.DescribeServicesOutput, error) {
	k, _, err := c.liveCluster(in.Cluster)
	if err != nil {
		return nil, err
	}
	switch n := len(in.Services); {
	case n == 0:
		return nil, invalidParameter("Services cannot be empty.")
	case n > maxServices:
		return nil, invalidParameter("Services can not have more than %d elements.", maxServices)
	}
	out := &api.DescribeServicesOutput{Services: []types.Service{}, Failures: []types.Failure{}}
	for _, s := range in.Services {
		m, err := c.member("service", k, s)
		if err != nil {
			return nil, err
		}
		row, ok := services.Get(c.tx, m.key())
		if !ok || m.cluster != k {
			out.Failures = append(out.Failures, missing(c.memberARN("service", m)))
			continue
		}
		out.Services = append(out.Services, c.serviceView(m, row, slices.Contains(in.Include, types.ServiceFieldTags)))
	}
	return out, nil
}

func mayListServices(c *call, in *api.ListServicesInput) ([]service.Check, error) {
	k, err := c.cluster(in.Cluster)
	if err != nil {
		return nil, err
	}
	return c.one(c.here(), "*", c.inClusterKey(k)), nil
}

func (c *call) listServices(in *api.ListServicesInput) (*api.ListServicesOutput, error) {
	k, _, err := c.liveCluster(in.Cluster)
	if err != nil {
		return nil, err
	}
	if k.home != c.here() {
		return nil, errNoCluster()
	}
	prefix := k.members()
	arns, next, err := paginate(in.NextToken, in.MaxResults,
		func(after string) iter.Seq2[string, serviceRow] {
			return below(services.After(c.tx, prefix, prefix+after), prefix)
		},
		func(row serviceRow) (string, bool) {
			v := &row.View
			return *v.ServiceArn, *v.Status != inactive &&
				(in.LaunchType == "" || v.LaunchType == in.LaunchType) &&
				(in.SchedulingStrategy == "" || v.SchedulingStrategy == in.SchedulingStrategy)
		})
	if err != nil {
		return nil, err
	}
	return &api.ListServicesOutput{ServiceArns: arns, NextToken: next}, nil
}
