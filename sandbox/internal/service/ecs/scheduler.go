package ecs

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/mantle-iam/mantle/sandbox/internal/wire"
)

// The service scheduler. It runs inside of the call that gives it something
// to do: a service was made or changed, one of its tasks ended, a container
// instance came or went.
// https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs_services.html

// maxEvents is how many events a service keeps.
const maxEvents = 100

// reconcileAll sees to every service of a cluster.
func (c *call) reconcileAll(k cluster) {
	for name := range below(services.Range(c.tx, k.members()), k.members()) {
		c.reconcile(member{k, name})
	}
}

// reconcile starts and stops tasks until the service has what it wants, or
// cannot have it.
func (c *call) reconcile(m member) {
	row, ok := services.Get(c.tx, m.key())
	if !ok {
		return
	}
	n := len(row.View.Events)
	before := *row.View.Status == active && len(row.View.Deployments) > 0 && row.View.Deployments[0].RolloutState == types.DeploymentRolloutStateCompleted
	started, ended, problem := c.adjust(m, &row)
	if len(ended) > 0 {
		c.event(&row, "has stopped %d running tasks: %s.", len(ended), taskList(ended))
	}
	if len(started) > 0 {
		c.event(&row, "has started %d tasks: %s.", len(started), taskList(started))
	}
	if problem != "" {
		c.event(&row, "%s", problem)
	}
	c.rollout(m, &row, len(started)+len(ended) > 0, problem != "")
	if len(row.View.Events) == n && before {
		return // nothing happened
	}
	services.Put(c.tx, m.key(), row)
}

func taskList(ids []string) string {
	var b strings.Builder
	for i, id := range ids {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString("(task " + id + ")")
	}
	return b.String()
}

// event notes what happened, the latest first. What was the latest event
// already is not said again.
func (c *call) event(row *serviceRow, format string, args ...any) {
	message := "(service " + *row.View.ServiceName + ") " + fmt.Sprintf(format, args...)
	old := row.View.Events
	if len(old) > 0 && *old[0].Message == message {
		return
	}
	row.View.Events = append([]types.ServiceEvent{{Id: new(newUUID()), CreatedAt: new(c.now()), Message: &message}}, old[:min(len(old), maxEvents-1)]...)
}

// running are the running tasks of a service, by key.
func (c *call) running(m member) map[string]taskRow {
	out := map[string]taskRow{}
	for key, t := range tasks.Range(c.tx, m.members()) {
		if t.Service == m.id && *t.View.LastStatus == running {
			out[key] = t
		}
	}
	return out
}

// wanted is how many tasks a service is to have.
func (c *call) wanted(m member, row *serviceRow) int {
	switch {
	case *row.View.Status != active:
		return 0
	case row.View.SchedulingStrategy != types.SchedulingStrategyDaemon:
		return int(row.View.DesiredCount)
	}
	n := 0
	for _, i := range instances.Range(c.tx, m.members()) {
		if *i.View.Status == active {
			n++
		}
	}
	return n
}

// adjust stops what belongs to an older deployment and what is too much, and
// starts what is missing.
func (c *call) adjust(m member, row *serviceRow) (started, ended []string, problem string) {
	have := c.running(m)
	deployment := ""
	if len(row.View.Deployments) > 0 {
		deployment = *row.View.Deployments[0].Id
	}
	want := c.wanted(m, row)
	kept := 0
	for _, key := range slices.Sorted(maps.Keys(have)) {
		t := have[key]
		if aws.ToString(t.View.StartedBy) == deployment && kept < want {
			kept++
			continue
		}
		t.stop(types.TaskStopCodeServiceSchedulerInitiated, "Scaling activity initiated by (deployment "+deployment+")", nil, c)
		tasks.Put(c.tx, key, t)
		ended = append(ended, TaskID(*t.View.TaskArn))
	}
	if kept >= want {
		return nil, ended, ""
	}
	l, err := c.serviceLaunch(m, row)
	if err != nil {
		return nil, ended, "was unable to start a task. Reason: " + reason(err)
	}
	if why := c.refusal(l.roles, m.account, c.memberARN("task", member{m.cluster, newHex()})); why != "" {
		return nil, ended, "failed to launch a task with (error " + why + ")."
	}
	for kept < want {
		instance, problem := c.placeService(m, row, l)
		if problem != "" {
			return started, ended, problem
		}
		t := c.start(l, instance)
		started = append(started, TaskID(*t.View.TaskArn))
		kept++
	}
	return started, ended, ""
}

// reason is an error without its code.
func reason(err error) string {
	if e, ok := errors.AsType[*wire.Error](err); ok {
		return e.Message
	}
	return err.Error()
}

// placeService finds the container instance for the next task of a service;
// a daemon wants one that has none yet.
func (c *call) placeService(m member, row *serviceRow, l *launch) (*instanceRow, string) {
	on := l.overview.LaunchType
	if on == types.LaunchTypeFargate {
		return nil, ""
	}
	if row.View.SchedulingStrategy == types.SchedulingStrategyDaemon {
		taken := map[string]bool{}
		for _, t := range c.running(m) {
			taken[aws.ToString(t.View.ContainerInstanceArn)] = true
		}
		for _, i := range instances.Range(c.tx, m.members()) {
			if *i.View.Status == active && !taken[*i.View.ContainerInstanceArn] {
				return &i, ""
			}
		}
		return nil, ""
	}
	cpu, memory := size(l.def, nil)
	i, failures, err := c.place(m.cluster, on, cpu, memory)
	switch {
	case err != nil:
		return nil, "was unable to place a task because no container instance met all of its requirements. Reason: " + reason(err) +
			" For more information, see the Troubleshooting section of the Amazon ECS Developer Guide."
	case i == nil:
		lack := "memory"
		if *failures[len(failures)-1].Reason == "RESOURCE:CPU" {
			lack = "CPU units"
		}
		return nil, "was unable to place a task because no container instance met all of its requirements. The closest matching (container-instance " +
			TaskID(*failures[len(failures)-1].Arn) + ") has insufficient " + lack + " available. For more information, see the Troubleshooting section of the Amazon ECS Developer Guide."
	}
	return i, ""
}

// serviceLaunch is the wish of a service for a task.
func (c *call) serviceLaunch(m member, row *serviceRow) (*launch, error) {
	d, err := c.definition(*row.View.TaskDefinition)
	if err != nil {
		return nil, err
	}
	def, ok := definitions.Get(c.tx, d.key())
	if !ok {
		return nil, clientError("TaskDefinition not found.")
	}
	r, err := c.rolesOf(def, nil)
	if err != nil {
		return nil, err
	}
	var tags []types.Tag
	switch row.View.PropagateTags {
	case types.PropagateTagsService:
		tags = row.View.Tags
	case types.PropagateTagsTaskDefinition:
		tags = def.Tags
	}
	cl, _ := clusters.Get(c.tx, m.cluster.key())
	on, provider, err := where(cl, row.View.LaunchType, row.View.CapacityProviderStrategy)
	if err != nil {
		return nil, err
	}
	l := &launch{cluster: m.cluster, def: def, roles: r, network: row.View.NetworkConfiguration, service: m.id}
	l.overview = types.Task{
		Group: new("service:" + m.id), StartedBy: row.View.Deployments[0].Id, Tags: mergeTags(nil, tags),
		LaunchType: on, PlatformVersion: row.View.PlatformVersion, EnableExecuteCommand: row.View.EnableExecuteCommand,
	}
	if provider != "" {
		l.overview.CapacityProviderName = &provider
	}
	return l, nil
}

// rollout brings the state of the deployment up to date, after tasks may
// have changed or could not be started.
func (c *call) rollout(m member, row *serviceRow, changed, failed bool) {
	if *row.View.Status != active || len(row.View.Deployments) == 0 {
		row.View.Deployments = []types.Deployment{}
		return
	}
	d := row.View.Deployments[0]
	was := d.RolloutState
	switch {
	case len(c.running(m)) == c.wanted(m, row):
		d.RolloutState = types.DeploymentRolloutStateCompleted
		d.RolloutStateReason = new("ECS deployment " + *d.Id + " completed.")
		if was != d.RolloutState {
			c.event(row, "(deployment %s) deployment completed.", *d.Id)
		}
		if was != d.RolloutState || changed {
			c.event(row, "has reached a steady state.")
		}
	case failed && breaks(row.View.DeploymentConfiguration) && was != types.DeploymentRolloutStateCompleted:
		d.RolloutState = types.DeploymentRolloutStateFailed
		d.RolloutStateReason = new("ECS deployment circuit breaker: tasks failed to start.")
	case was != types.DeploymentRolloutStateFailed && was != types.DeploymentRolloutStateCompleted:
		d.RolloutState = types.DeploymentRolloutStateInProgress
		d.RolloutStateReason = new("ECS deployment " + *d.Id + " in progress.")
	}
	if failed {
		d.FailedTasks++
	}
	if d.RolloutState != was || failed {
		d.UpdatedAt = new(c.now())
	}
	row.View.Deployments = []types.Deployment{d}
}

// breaks tells whether the deployment circuit breaker is on.
func breaks(d *types.DeploymentConfiguration) bool {
	return d != nil && d.DeploymentCircuitBreaker != nil && d.DeploymentCircuitBreaker.Enable
}
