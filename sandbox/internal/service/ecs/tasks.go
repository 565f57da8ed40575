package ecs

import (
	"cmp"
	"iter"
	"slices"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/aws"
	api "github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/mantle-iam/mantle/sandbox/internal/service"
	"github.com/mantle-iam/mantle/sandbox/internal/wire"
)

// Tasks: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/standalone-tasks.html

// maxStarted bounds the tasks of one RunTask, and the instances of one
// StartTask.
const maxStarted = 10

func (c *call) mayRunTask(in *api.RunTaskInput) ([]service.Check, error) {
	keys := append(c.providerKeys(strategyNames(in.CapacityProviderStrategy)),
		kv("ecs:enable-execute-command", strconv.FormatBool(in.EnableExecuteCommand)),
		kv("ecs:enable-ebs-volumes", strconv.FormatBool(len(in.VolumeConfigurations) > 0)))
	return c.mayLaunch(in.TaskDefinition, in.Overrides, in.Cluster, in.Tags, keys...)
}

func (c *call) runTask(in *api.RunTaskInput) (*api.RunTaskOutput, error) {
	k, cl, err := c.liveCluster(in.Cluster)
	if err != nil {
		return nil, err
	}
	count := aws.ToInt32(cmp.Or(in.Count, aws.Int32(1)))
	if count < 1 || count > maxStarted {
		return nil, invalidParameter("count must be between 1 and %d.", maxStarted)
	}
	d, def, err := c.launchable(in.TaskDefinition)
	if err != nil {
		return nil, err
	}
	if again, err := c.repeated(k, aws.ToString(in.ClientToken), def, count); again != nil || err != nil {
		return again, err
	}
	on, provider, err := where(cl, in.LaunchType, in.CapacityProviderStrategy)
	if err != nil {
		return nil, err
	}
	if err := checkLaunch(def, on, in.NetworkConfiguration); err != nil {
		return nil, err
	}
	l, err := c.newLaunch(k, d, def, in.Overrides, in.Group, in.PropagateTags, in.Tags)
	if err != nil {
		return nil, err
	}
	l.network, l.volumes, l.token = in.NetworkConfiguration, in.VolumeConfigurations, aws.ToString(in.ClientToken)
	l.overview.LaunchType, l.overview.PlatformVersion = on, in.PlatformVersion
	l.overview.StartedBy, l.overview.EnableExecuteCommand = in.StartedBy, in.EnableExecuteCommand
	if provider != "" {
		l.overview.CapacityProviderName = &provider
	}
	out := &api.RunTaskOutput{Tasks: []types.Task{}, Failures: []types.Failure{}}
	cpu, memory := size(def, in.Overrides)
	for range count {
		var instance *instanceRow
		if on != types.LaunchTypeFargate {
			var failures []types.Failure
			if instance, failures, err = c.place(k, on, cpu, memory); err != nil {
				return nil, err
			}
			out.Failures = append(out.Failures, failures...)
			if instance == nil {
				continue
			}
		}
		out.Tasks = append(out.Tasks, c.start(l, instance).View)
	}
	return out, nil
}

// repeated answers a RunTask whose token was seen before.
// https://docs.aws.amazon.com/AmazonECS/latest/APIReference/ECS_Idempotency.html
func (c *call) repeated(k cluster, token string, def definitionRow, count int32) (*api.RunTaskOutput, error) {
	if token == "" {
		return nil, nil
	}
	out := &api.RunTaskOutput{Tasks: []types.Task{}, Failures: []types.Failure{}}
	for _, t := range tasks.Range(c.tx, k.members()) {
		if t.Token == token && !c.forgotten(t) {
			if *t.View.TaskDefinitionArn != *def.View.TaskDefinitionArn || int(count) < len(out.Tasks)+1 {
				return nil, wire.Fail("ConflictException", 400, "The RunTask request could not be processed due to conflicts. The provided clientToken is already in use with a different RunTask request.")
			}
			out.Tasks = append(out.Tasks, t.View)
		}
	}
	if len(out.Tasks) == 0 {
		return nil, nil
	}
	return out, nil
}

// newLaunch makes the wish that RunTask and StartTask share.
func (c *call) newLaunch(k cluster, d definition, def definitionRow, over *types.TaskOverride, group *string, propagate types.PropagateTags, tags []types.Tag) (*launch, error) {
	if err := checkOverrides(def, over); err != nil {
		return nil, err
	}
	r, err := c.rolesOf(def, over)
	if err != nil {
		return nil, err
	}
	var inherited []types.Tag
	switch propagate {
	case types.PropagateTagsTaskDefinition:
		inherited = def.Tags
	case types.PropagateTagsService:
		return nil, invalidParameter("The SERVICE option for propagateTags is only for the tasks of services.")
	}
	l := &launch{cluster: k, def: def, roles: r}
	l.overview = types.Task{Overrides: over, Group: cmp.Or(group, new("family:"+d.family)), Tags: mergeTags(inherited, tags)}
	return l, nil
}

func (c *call) mayStartTask(in *api.StartTaskInput) ([]service.Check, error) {
	k, err := c.cluster(in.Cluster)
	if err != nil {
		return nil, err
	}
	var arns []string
	for _, id := range in.ContainerInstances {
		m, err := c.member("container-instance", k, id)
		if err != nil {
			return nil, err
		}
		arns = append(arns, c.memberARN("container-instance", m))
	}
	keys := []service.KV{kv("ecs:enable-execute-command", strconv.FormatBool(in.EnableExecuteCommand)),
		kv("ecs:enable-ebs-volumes", strconv.FormatBool(len(in.VolumeConfigurations) > 0))}
	if len(arns) > 0 {
		keys = append(keys, kv("ecs:container-instances", arns...))
	}
	return c.mayLaunch(in.TaskDefinition, in.Overrides, in.Cluster, in.Tags, keys...)
}

func (c *call) startTask(in *api.StartTaskInput) (*api.StartTaskOutput, error) {
	k, _, err := c.liveCluster(in.Cluster)
	if err != nil {
		return nil, err
	}
	d, def, err := c.launchable(in.TaskDefinition)
	if err != nil {
		return nil, err
	}
	if n := len(in.ContainerInstances); n < 1 || n > maxStarted {
		return nil, invalidParameter("You must specify between 1 and %d container instances.", maxStarted)
	}
	l, err := c.newLaunch(k, d, def, in.Overrides, in.Group, in.PropagateTags, in.Tags)
	if err != nil {
		return nil, err
	}
	l.network, l.volumes = in.NetworkConfiguration, in.VolumeConfigurations
	l.overview.StartedBy, l.overview.EnableExecuteCommand = in.StartedBy, in.EnableExecuteCommand
	out := &api.StartTaskOutput{Tasks: []types.Task{}, Failures: []types.Failure{}}
	cpu, memory := size(def, in.Overrides)
	for _, id := range in.ContainerInstances {
		m, err := c.member("container-instance", k, id)
		if err != nil {
			return nil, err
		}
		i, ok := instances.Get(c.tx, m.key())
		if !ok || m.cluster != k {
			out.Failures = append(out.Failures, missing(c.memberARN("container-instance", m)))
			continue
		}
		if err := checkLaunch(def, i.Type, in.NetworkConfiguration); err != nil {
			return nil, err
		}
		freeCPU, freeMemory := c.free(k, i)
		switch {
		case freeMemory < memory:
			out.Failures = append(out.Failures, types.Failure{Arn: i.View.ContainerInstanceArn, Reason: new("RESOURCE:MEMORY")})
		case freeCPU < cpu:
			out.Failures = append(out.Failures, types.Failure{Arn: i.View.ContainerInstanceArn, Reason: new("RESOURCE:CPU")})
		default:
			l.overview.LaunchType = i.Type
			out.Tasks = append(out.Tasks, c.start(l, &i).View)
		}
	}
	return out, nil
}

func (c *call) stopTask(in *api.StopTaskInput) (*api.StopTaskOutput, error) {
	k, _, err := c.liveCluster(in.Cluster)
	if err != nil {
		return nil, err
	}
	m, err := c.member("task", k, aws.ToString(in.Task))
	if err != nil {
		return nil, err
	}
	t, ok := tasks.Get(c.tx, m.key())
	if !ok || m.cluster != k || c.forgotten(t) {
		return nil, invalidParameter("The referenced task was not found.")
	}
	if *t.View.LastStatus != stopped {
		t.stop(types.TaskStopCodeUserInitiated, cmp.Or(aws.ToString(in.Reason), "Task stopped by user"), nil, c)
		tasks.Put(c.tx, m.key(), t)
		if t.Service != "" {
			c.reconcile(member{k, t.Service})
		}
	}
	return &api.StopTaskOutput{Task: &t.View}, nil
}

func (c *call) describeTasks(in *api.DescribeTasksInput) (*api.DescribeTasksOutput, error) {
	k, _, err := c.liveCluster(in.Cluster)
	if err != nil {
		return nil, err
	}
	switch n := len(in.Tasks); {
	case n == 0:
		return nil, invalidParameter("Tasks cannot be empty.")
	case n > maxPage:
		return nil, invalidParameter("Tasks can not have more than %d elements.", maxPage)
	}
	out := &api.DescribeTasksOutput{Tasks: []types.Task{}, Failures: []types.Failure{}}
	for _, s := range in.Tasks {
		m, err := c.member("task", k, s)
		if err != nil {
			return nil, err
		}
		t, ok := tasks.Get(c.tx, m.key())
		if !ok || m.cluster != k || c.forgotten(t) {
			out.Failures = append(out.Failures, missing(c.memberARN("task", m)))
			continue
		}
		v := t.View
		if !slices.Contains(in.Include, types.TaskFieldTags) {
			v.Tags = []types.Tag{}
		}
		out.Tasks = append(out.Tasks, v)
	}
	return out, nil
}

// mayListTasks checks the container instance that is asked about, or all of
// the cluster.
func (c *call) mayListTasks(in *api.ListTasksInput) ([]service.Check, error) {
	k, err := c.cluster(in.Cluster)
	if err != nil {
		return nil, err
	}
	if in.ContainerInstance == nil {
		return c.one(k.home, c.arn(k.home, "container-instance/"+k.name+"/*"), c.inClusterKey(k)), nil
	}
	return inCluster("container-instance", func(in *api.ListTasksInput) *string { return in.Cluster },
		func(in *api.ListTasksInput) []string { return just(in.ContainerInstance) }, (*call).instanceTags)(c, in)
}

func (c *call) listTasks(in *api.ListTasksInput) (*api.ListTasksOutput, error) {
	k, _, err := c.liveCluster(in.Cluster)
	if err != nil {
		return nil, err
	}
	instance := ""
	if in.ContainerInstance != nil {
		m, err := c.member("container-instance", k, *in.ContainerInstance)
		if err != nil {
			return nil, err
		}
		instance = c.memberARN("container-instance", m)
	}
	service := ""
	if in.ServiceName != nil {
		m, err := c.member("service", k, *in.ServiceName)
		if err != nil {
			return nil, err
		}
		if !services.Has(c.tx, m.key()) {
			return nil, errNoService()
		}
		service = m.id
	}
	status := cmp.Or(string(in.DesiredStatus), running)
	family := aws.ToString(in.Family)
	prefix := k.members()
	arns, next, err := paginate(in.NextToken, in.MaxResults,
		func(after string) iter.Seq2[string, taskRow] {
			return below(tasks.After(c.tx, prefix, prefix+after), prefix)
		},
		func(t taskRow) (string, bool) {
			v := &t.View
			d, err := c.definition(*v.TaskDefinitionArn)
			return *v.TaskArn, err == nil && *v.DesiredStatus == status && !c.forgotten(t) &&
				(family == "" || d.family == family) &&
				(instance == "" || aws.ToString(v.ContainerInstanceArn) == instance) &&
				(service == "" || t.Service == service) &&
				(in.LaunchType == "" || v.LaunchType == in.LaunchType) &&
				(in.StartedBy == nil || aws.ToString(v.StartedBy) == *in.StartedBy)
		})
	if err != nil {
		return nil, err
	}
	return &api.ListTasksOutput{TaskArns: arns, NextToken: next}, nil
}
