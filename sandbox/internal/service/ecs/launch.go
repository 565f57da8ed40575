package ecs

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/mantle-iam/mantle/sandbox/internal/service"
)

// launch is a wish for tasks: what RunTask, StartTask and services have in
// common.
type launch struct {
	cluster  cluster
	def      definitionRow
	overview types.Task // what all of the tasks show: group, startedBy, tags, …
	roles    roles
	network  *types.NetworkConfiguration
	volumes  []types.TaskVolumeConfiguration
	service  string
	token    string
}

// roles are the roles of a task.
type roles struct{ task, execution string }

func (r roles) list() []string { return []string{r.task, r.execution} }

// rolesOf are the roles of a definition, as overridden.
func (c *call) rolesOf(def definitionRow, over *types.TaskOverride) (r roles, err error) {
	r = roles{aws.ToString(def.View.TaskRoleArn), aws.ToString(def.View.ExecutionRoleArn)}
	if over == nil {
		return r, nil
	}
	task, err := c.role(over.TaskRoleArn)
	if err != nil {
		return r, err
	}
	execution, err := c.role(over.ExecutionRoleArn)
	return roles{cmp.Or(task, r.task), cmp.Or(execution, r.execution)}, err
}

// launchable finds the definition that tasks are to be started from.
func (c *call) launchable(p *string) (definition, definitionRow, error) {
	d, err := c.definition(aws.ToString(p))
	if err != nil {
		return d, definitionRow{}, err
	}
	d = c.latest(d)
	row, ok := c.own(d)
	switch {
	case !ok:
		return d, row, clientError("TaskDefinition not found.")
	case row.View.Status != active:
		return d, row, clientError("TaskDefinition is inactive")
	}
	return d, row, nil
}

// mayLaunch checks a definition that tasks are to be started from, the
// handing over of its roles, and the tags.
func (c *call) mayLaunch(p *string, over *types.TaskOverride, cl *string, tags []types.Tag, keys ...service.KV) ([]service.Check, error) {
	d, err := c.definition(aws.ToString(p))
	if err != nil {
		return nil, err
	}
	k, err := c.cluster(cl)
	if err != nil {
		return nil, err
	}
	if err := checkTags(tags); err != nil {
		return nil, err
	}
	d = c.latest(d)
	def, _ := c.own(d)
	r, err := c.rolesOf(def, over)
	if err != nil {
		return nil, err
	}
	keys = slices.Concat(resourceTags(def.Tags), requestTags(tags), []service.KV{c.inClusterKey(k)}, keys)
	return slices.Concat(
		c.one(d.home, c.definitionARN(d), keys...),
		c.passing(tasksPrincipal, r.list()...),
		c.tagging(k.home, c.arn(k.home, "task/"+k.name+"/*"), tags)), nil
}

// where settles on what tasks run: the launch type that is named, the
// capacity provider strategy, or the cluster's default strategy.
func where(row clusterRow, launchType types.LaunchType, strategy []types.CapacityProviderStrategyItem) (types.LaunchType, string, error) {
	if launchType != "" && len(strategy) > 0 {
		return "", "", invalidParameter("Specifying both a launch type and capacity provider strategy is not supported. Remove one and try again.")
	}
	if launchType != "" {
		return launchType, "", nil
	}
	if len(strategy) == 0 {
		strategy = row.View.DefaultCapacityProviderStrategy
	}
	if err := checkStrategy(strategy); err != nil || len(strategy) == 0 {
		return types.LaunchTypeEc2, "", err
	}
	// Tasks are not spread: all go to the provider that has the base, or
	// else to the one with the most weight.
	best := slices.MaxFunc(strategy, func(a, b types.CapacityProviderStrategyItem) int {
		return cmp.Or(cmp.Compare(a.Base, b.Base), cmp.Compare(a.Weight, b.Weight))
	})
	name := *best.CapacityProvider
	if !slices.Contains(row.View.CapacityProviders, name) {
		return "", "", invalidParameter("The specified capacity provider strategy cannot contain a capacity provider that is not associated with the cluster. Associate the capacity provider with the cluster and try again.")
	}
	if name == "FARGATE" || name == "FARGATE_SPOT" {
		return types.LaunchTypeFargate, name, nil
	}
	return types.LaunchTypeEc2, name, nil
}

// checkLaunch tells whether a definition can run as asked.
func checkLaunch(def definitionRow, on types.LaunchType, network *types.NetworkConfiguration) error {
	if !slices.Contains(def.View.Compatibilities, types.Compatibility(on)) {
		return invalidParameter("Task definition does not support launch_type %s.", on)
	}
	has := network != nil && network.AwsvpcConfiguration != nil
	switch needs := def.View.NetworkMode == types.NetworkModeAwsvpc; {
	case needs && !has:
		return invalidParameter("Network Configuration must be provided when networkMode 'awsvpc' is specified.")
	case has && !needs:
		return invalidParameter("Network Configuration is not valid for the given networkMode of this task definition.")
	case has && len(network.AwsvpcConfiguration.Subnets) == 0:
		return invalidParameter("subnets can not be empty.")
	}
	return nil
}

// checkOverrides checks the overrides of a launch.
func checkOverrides(def definitionRow, over *types.TaskOverride) error {
	if over == nil {
		return nil
	}
	for _, o := range over.ContainerOverrides {
		name := aws.ToString(o.Name)
		if name == "" {
			return invalidParameter("Container override should have a name.")
		}
		if !slices.ContainsFunc(def.View.ContainerDefinitions, func(x types.ContainerDefinition) bool { return *x.Name == name }) {
			return invalidParameter("Override for container named %s is not a container in the TaskDefinition.", name)
		}
	}
	if _, ok := cpuUnits(aws.ToString(over.Cpu)); over.Cpu != nil && !ok {
		return invalidParameter("Invalid 'cpu' setting for task.")
	}
	if _, ok := mebibytes(aws.ToString(over.Memory)); over.Memory != nil && !ok {
		return invalidParameter("Invalid 'memory' setting for task.")
	}
	return nil
}

// size is what a task reserves: that of the task, or the sum of its
// containers.
func size(def definitionRow, over *types.TaskOverride) (cpu, memory int32) {
	if over == nil {
		over = &types.TaskOverride{}
	}
	cpu, _ = cpuUnits(cmp.Or(aws.ToString(over.Cpu), aws.ToString(def.View.Cpu)))
	memory, _ = mebibytes(cmp.Or(aws.ToString(over.Memory), aws.ToString(def.View.Memory)))
	var cpus, memories int32
	for i := range def.View.ContainerDefinitions {
		x := overridden(&def.View.ContainerDefinitions[i], over)
		cpus += x.Cpu
		memories += cmp.Or(aws.ToInt32(x.MemoryReservation), aws.ToInt32(x.Memory))
	}
	return cmp.Or(cpu, cpus), cmp.Or(memory, memories)
}

// overridden is a container with the overrides of a task: a command replaces
// the definition's, variables add to it.
// https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ContainerOverride.html
func overridden(x *types.ContainerDefinition, over *types.TaskOverride) types.ContainerDefinition {
	out := *x
	if over == nil {
		return out
	}
	i := slices.IndexFunc(over.ContainerOverrides, func(o types.ContainerOverride) bool { return aws.ToString(o.Name) == *x.Name })
	if i < 0 {
		return out
	}
	o := over.ContainerOverrides[i]
	if len(o.Command) > 0 {
		out.Command = o.Command
	}
	out.Cpu = cmp.Or(aws.ToInt32(o.Cpu), out.Cpu)
	out.Memory = cmp.Or(o.Memory, out.Memory)
	out.MemoryReservation = cmp.Or(o.MemoryReservation, out.MemoryReservation)
	out.Environment = slices.Clone(out.Environment)
	for _, e := range o.Environment {
		if i := slices.IndexFunc(out.Environment, func(h types.KeyValuePair) bool { return aws.ToString(h.Name) == aws.ToString(e.Name) }); i >= 0 {
			out.Environment[i] = e
		} else {
			out.Environment = append(out.Environment, e)
		}
	}
	return out
}

// unassumable is the text for a role that ecs-tasks.amazonaws.com may not
// assume, whatever the cause.
func unassumable(role string) string {
	return "ECS was unable to assume the role '" + role + "' that was provided for this task. Please verify that the role being passed has the proper trust relationship and permissions and that your IAM user has permissions to pass this role."
}

// refusal is why ECS cannot start a task with these roles, "" if it can.
func (c *call) refusal(r roles, account, taskARN string) string {
	if c.opt.AssumeTaskRole == nil {
		return ""
	}
	for _, role := range []string{r.execution, r.task} {
		if role != "" && c.opt.AssumeTaskRole(account, role, taskARN) != nil {
			return unassumable(role)
		}
	}
	return ""
}

// start starts one task, on a container instance or on Fargate (instance
// nil). A task whose role cannot be assumed is there too, stopped.
func (c *call) start(l *launch, instance *instanceRow) taskRow {
	c.prune(l.cluster)
	now := c.now()
	m := member{l.cluster, newHex()}
	arn := c.memberARN("task", m)
	t := taskRow{
		View: l.overview, Service: l.service, Token: l.token, Volumes: l.volumes,
		TaskRole: l.roles.task, ExecutionRole: l.roles.execution,
	}
	t.CPU, t.Memory = size(l.def, l.overview.Overrides)
	v := &t.View
	v.TaskArn, v.ClusterArn, v.TaskDefinitionArn = &arn, new(c.clusterARN(l.cluster)), l.def.View.TaskDefinitionArn
	v.LastStatus, v.DesiredStatus = new(running), new(running)
	v.CreatedAt, v.ConnectivityAt, v.PullStartedAt, v.PullStoppedAt, v.StartedAt = &now, &now, &now, &now, &now
	v.Connectivity = types.ConnectivityConnected
	v.Cpu, v.Memory = new(strconv.Itoa(int(t.CPU))), new(strconv.Itoa(int(t.Memory)))
	v.HealthStatus = types.HealthStatusUnknown
	v.AvailabilityZone = new(l.cluster.region + "a")
	v.Attributes = []types.Attribute{{Name: new("ecs.cpu-architecture"), Value: new("x86_64")}}
	v.InferenceAccelerators = []types.InferenceAccelerator{}
	v.Version = 1
	if v.LaunchType == types.LaunchTypeFargate {
		v.PlatformFamily = new("Linux")
		if p := aws.ToString(v.PlatformVersion); p == "" || p == "LATEST" {
			v.PlatformVersion = new("1.4.0")
		}
	} else {
		v.PlatformVersion = nil
	}
	if instance != nil {
		v.ContainerInstanceArn = instance.View.ContainerInstanceArn
	}
	v.Attachments = attachments(l.network)
	v.Containers = c.containers(l, m)
	v.Overrides = overrideView(l.def, v.Overrides)
	if why := c.refusal(l.roles, l.cluster.account, arn); why != "" {
		v.StartedAt, v.PullStartedAt, v.PullStoppedAt = nil, nil, nil
		t.stop(types.TaskStopCodeTaskFailedToStart, why, nil, c)
	}
	tasks.Put(c.tx, m.key(), t)
	return t
}

func attachments(network *types.NetworkConfiguration) []types.Attachment {
	if network == nil || network.AwsvpcConfiguration == nil {
		return []types.Attachment{}
	}
	return []types.Attachment{{
		Id: new(newUUID()), Type: new("ElasticNetworkInterface"), Status: new("ATTACHED"),
		Details: []types.KeyValuePair{{Name: new("subnetId"), Value: &network.AwsvpcConfiguration.Subnets[0]}},
	}}
}

func (c *call) containers(l *launch, m member) []types.Container {
	var out []types.Container
	taskARN := c.memberARN("task", m)
	for i := range l.def.View.ContainerDefinitions {
		x := overridden(&l.def.View.ContainerDefinitions[i], l.overview.Overrides)
		v := types.Container{
			ContainerArn:      new(c.arn(m.home, "container/"+m.name+"/"+m.id+"/"+newUUID())),
			TaskArn:           &taskARN,
			Name:              x.Name,
			Image:             x.Image,
			RuntimeId:         new(newHex() + newHex()),
			LastStatus:        new(running),
			NetworkBindings:   []types.NetworkBinding{},
			NetworkInterfaces: []types.NetworkInterface{},
			HealthStatus:      types.HealthStatusUnknown,
			Cpu:               new(strconv.Itoa(int(x.Cpu))),
		}
		if x.Memory != nil {
			v.Memory = new(strconv.Itoa(int(*x.Memory)))
		}
		if x.MemoryReservation != nil {
			v.MemoryReservation = new(strconv.Itoa(int(*x.MemoryReservation)))
		}
		out = append(out, v)
	}
	return out
}

// overrideView shows overrides as ECS does, with an entry for each
// container.
func overrideView(def definitionRow, over *types.TaskOverride) *types.TaskOverride {
	v := types.TaskOverride{}
	if over != nil {
		v = *over
	}
	given := v.ContainerOverrides
	v.ContainerOverrides = []types.ContainerOverride{}
	v.InferenceAcceleratorOverrides = orEmpty(v.InferenceAcceleratorOverrides)
	for _, x := range def.View.ContainerDefinitions {
		o := types.ContainerOverride{Name: x.Name}
		if i := slices.IndexFunc(given, func(g types.ContainerOverride) bool { return aws.ToString(g.Name) == *x.Name }); i >= 0 {
			o = given[i]
		}
		v.ContainerOverrides = append(v.ContainerOverrides, o)
	}
	return &v
}

// stop changes a task to STOPPED. Exit codes are by container name.
func (t *taskRow) stop(code types.TaskStopCode, reason string, exits map[string]int32, c *call) {
	now := c.now()
	v := &t.View
	v.LastStatus, v.DesiredStatus = new(stopped), new(stopped)
	v.StopCode, v.StoppedReason = code, &reason
	v.StoppingAt, v.StoppedAt, v.ExecutionStoppedAt = &now, &now, &now
	v.Connectivity = types.ConnectivityDisconnected
	v.Version++
	v.Containers = slices.Clone(v.Containers)
	for i := range v.Containers {
		x := &v.Containers[i]
		x.LastStatus = new(stopped)
		if exit, ok := exits[*x.Name]; ok {
			x.ExitCode = &exit
		}
	}
	v.Attachments = slices.Clone(v.Attachments)
	for i := range v.Attachments {
		v.Attachments[i].Status = new("DELETED")
	}
}

// prune forgets the tasks of a cluster that stopped long ago.
func (c *call) prune(k cluster) {
	for key, t := range tasks.Range(c.tx, k.members()) {
		if c.forgotten(t) {
			tasks.Delete(c.tx, key)
		}
	}
}

// place finds a container instance for a task: of those with room, the one
// with the most memory left. If there is none the failures say what each
// instance lacks.
func (c *call) place(k cluster, on types.LaunchType, cpu, memory int32) (*instanceRow, []types.Failure, error) {
	var best *instanceRow
	var most int32
	var failures []types.Failure
	found := false
	for _, i := range instances.Range(c.tx, k.members()) {
		if i.Type != on || *i.View.Status != active {
			continue
		}
		found = true
		freeCPU, freeMemory := c.free(k, i)
		switch {
		case freeMemory < memory:
			failures = append(failures, types.Failure{Arn: i.View.ContainerInstanceArn, Reason: new("RESOURCE:MEMORY")})
		case freeCPU < cpu:
			failures = append(failures, types.Failure{Arn: i.View.ContainerInstanceArn, Reason: new("RESOURCE:CPU")})
		case best == nil || freeMemory > most:
			best, most = &i, freeMemory
		}
	}
	if !found {
		return nil, nil, invalidParameter("No Container Instances were found in your cluster.")
	}
	if best == nil {
		return nil, failures, nil
	}
	return best, nil, nil
}

// free is what the running tasks leave of an instance.
func (c *call) free(k cluster, i instanceRow) (cpu, memory int32) {
	cpu, memory = resource(i.View.RegisteredResources, "CPU"), resource(i.View.RegisteredResources, "MEMORY")
	for _, t := range c.on(k, *i.View.ContainerInstanceArn) {
		cpu -= t.CPU
		memory -= t.Memory
	}
	return cpu, memory
}

// on are the running tasks of an instance, by key.
func (c *call) on(k cluster, instanceARN string) map[string]taskRow {
	out := map[string]taskRow{}
	for key, t := range tasks.Range(c.tx, k.members()) {
		if *t.View.LastStatus == running && aws.ToString(t.View.ContainerInstanceArn) == instanceARN {
			out[key] = t
		}
	}
	return out
}

func resource(list []types.Resource, name string) int32 {
	for _, r := range list {
		if strings.EqualFold(aws.ToString(r.Name), name) {
			return r.IntegerValue
		}
	}
	return 0
}
