package ecs

import (
	"cmp"
	"encoding/json"
	"iter"
	"maps"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	api "github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/mantle-iam/mantle/iam"
	"github.com/mantle-iam/mantle/sandbox/internal/service"
)

// Container instances: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/create-capacity.html

func (c *call) mayRegisterContainerInstance(in *api.RegisterContainerInstanceInput) ([]service.Check, error) {
	k, err := c.cluster(in.Cluster)
	if err != nil {
		return nil, err
	}
	if err := checkTags(in.Tags); err != nil {
		return nil, err
	}
	keys := slices.Concat(c.clusterTags(k), requestTags(in.Tags))
	return append(c.one(k.home, c.clusterARN(k), keys...),
		c.tagging(k.home, c.arn(k.home, "container-instance/"+k.name+"/*"), in.Tags)...), nil
}

// identity is what ECS reads from an instance identity document.
// https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instance-identity-documents.html
type identity struct {
	InstanceID       string `json:"instanceId"`
	AccountID        string `json:"accountId"`
	Region           string `json:"region"`
	AvailabilityZone string `json:"availabilityZone"`
	InstanceType     string `json:"instanceType"`
	ImageID          string `json:"imageId"`
}

// whoIs reads the document with which an agent proves which machine it is
// on. It must belong to the caller's account and region.
func (c *call) whoIs(in *api.RegisterContainerInstanceInput) (id identity, err error) {
	doc, signature := aws.ToString(in.InstanceIdentityDocument), aws.ToString(in.InstanceIdentityDocumentSignature)
	if doc == "" && signature == "" {
		if machine, ok := c.ownMachine(); ok {
			return machine, nil
		}
	}
	if doc == "" || signature == "" {
		return id, clientError("An instance identity document and its signature are required.")
	}
	if err := json.Unmarshal([]byte(doc), &id); err != nil || !validName(id.InstanceID) {
		return id, clientError("Could not parse the instance identity document.")
	}
	if id.AccountID != c.account() || id.Region != c.req.Region {
		return id, clientError("The instance identity document is of account %q and region %q, the request of account %s and region %s.", id.AccountID, id.Region, c.account(), c.req.Region)
	}
	if c.opt.VerifyIdentity != nil && c.opt.VerifyIdentity(doc, signature) != nil {
		return id, clientError("The signature of the instance identity document is not valid.")
	}
	return id, nil
}

// ownMachine is the instance that the caller's credentials were handed to by
// its metadata service. That proves as much as a signed document does, so
// that a machine may be registered without an agent, by hand.
func (c *call) ownMachine() (identity, bool) {
	session := c.req.Caller.Session
	if session == nil || session.FromService != "ec2.amazonaws.com" {
		return identity{}, false
	}
	a, err := iam.ParseARN(session.Context["ec2:SourceInstanceARN"])
	id, ok := strings.CutPrefix(a.Resource, "instance/")
	return identity{InstanceID: id, AccountID: a.Account, Region: a.Region}, err == nil && ok && a.Account == c.account() && a.Region == c.req.Region
}

func (c *call) registerContainerInstance(in *api.RegisterContainerInstanceInput) (*api.RegisterContainerInstanceOutput, error) {
	k, _, err := c.liveCluster(in.Cluster)
	if err != nil {
		return nil, err
	}
	id, err := c.whoIs(in)
	if err != nil {
		return nil, err
	}
	m := member{k, newHex()}
	if arn := aws.ToString(in.ContainerInstanceArn); arn != "" {
		if m, err = c.member("container-instance", k, arn); err != nil {
			return nil, err
		}
		if old, ok := instances.Get(c.tx, m.key()); !ok || m.cluster != k || *old.View.Ec2InstanceId != id.InstanceID {
			return nil, clientError("The container instance %s is not registered for this machine.", arn)
		}
	} else if known, ok := c.machine(k, id.InstanceID); ok {
		m = known
	}
	attributes := slices.Concat(in.Attributes, []types.Attribute{
		{Name: new("ecs.instance-type"), Value: &id.InstanceType},
		{Name: new("ecs.ami-id"), Value: &id.ImageID},
		{Name: new("ecs.availability-zone"), Value: &id.AvailabilityZone},
	})
	attributes = slices.DeleteFunc(attributes, func(a types.Attribute) bool { return a.Value != nil && *a.Value == "" })
	row := c.addInstance(m, id.InstanceID, in.TotalResources, attributes, in.VersionInfo, in.Tags)
	return &api.RegisterContainerInstanceOutput{ContainerInstance: new(c.instanceView(m, row, true))}, nil
}

// machine finds the container instance of a machine.
func (c *call) machine(k cluster, id string) (member, bool) {
	for key, i := range below(instances.Range(c.tx, k.members()), k.members()) {
		if *i.View.Ec2InstanceId == id {
			return member{k, key}, true
		}
	}
	return member{}, false
}

// addInstance registers a machine, or registers it again, and lets services
// that wait for one have it.
func (c *call) addInstance(m member, machine string, total []types.Resource, attributes []types.Attribute, version *types.VersionInfo, tags []types.Tag) instanceRow {
	old, again := instances.Get(c.tx, m.key())
	row := instanceRow{Type: types.LaunchTypeEc2, View: types.ContainerInstance{
		ContainerInstanceArn: new(c.memberARN("container-instance", m)),
		Ec2InstanceId:        &machine,
		Status:               new(active),
		AgentConnected:       true,
		RegisteredAt:         new(c.now()),
		RegisteredResources:  orEmpty(total),
		Attributes:           orEmpty(attributes),
		Attachments:          []types.Attachment{},
		VersionInfo:          version,
		Tags:                 mergeTags(old.View.Tags, tags),
		Version:              old.View.Version + 1,
	}}
	if again {
		row.View.RegisteredAt, row.View.Status = old.View.RegisteredAt, old.View.Status
	}
	// Machines outside of AWS have ids of Systems Manager.
	if strings.HasPrefix(machine, "mi-") {
		row.Type = types.LaunchTypeExternal
	}
	instances.Put(c.tx, m.key(), row)
	c.reconcileAll(m.cluster)
	return row
}

// instanceView is an instance as answers show it.
func (c *call) instanceView(m member, row instanceRow, withTags bool) types.ContainerInstance {
	v := row.View
	v.RunningTasksCount = int32(len(c.on(m.cluster, *v.ContainerInstanceArn)))
	cpu, memory := c.free(m.cluster, row)
	v.RemainingResources = slices.Clone(v.RegisteredResources)
	for i := range v.RemainingResources {
		switch r := &v.RemainingResources[i]; strings.ToUpper(aws.ToString(r.Name)) {
		case "CPU":
			r.IntegerValue = cpu
		case "MEMORY":
			r.IntegerValue = memory
		}
	}
	if !withTags {
		v.Tags = []types.Tag{}
	}
	return v
}

func (c *call) deregisterContainerInstance(in *api.DeregisterContainerInstanceInput) (*api.DeregisterContainerInstanceOutput, error) {
	k, _, err := c.liveCluster(in.Cluster)
	if err != nil {
		return nil, err
	}
	m, err := c.member("container-instance", k, aws.ToString(in.ContainerInstance))
	if err != nil {
		return nil, err
	}
	row, ok := instances.Get(c.tx, m.key())
	if !ok || m.cluster != k {
		return nil, invalidParameter("Referenced container instance %s not found.", m.id)
	}
	here := c.on(k, *row.View.ContainerInstanceArn)
	if len(here) > 0 && !aws.ToBool(in.Force) {
		return nil, invalidParameter("Found running tasks on the instance.")
	}
	instances.Delete(c.tx, m.key())
	for _, key := range slices.Sorted(maps.Keys(here)) {
		t := here[key]
		t.stop(types.TaskStopCodeTerminationNotice, "Container instance deregistration forced by user", nil, c)
		tasks.Put(c.tx, key, t)
	}
	c.reconcileAll(k)
	v := c.instanceView(m, row, true)
	v.Status, v.AgentConnected = new(inactive), false
	return &api.DeregisterContainerInstanceOutput{ContainerInstance: &v}, nil
}

func (c *call) describeContainerInstances(in *api.DescribeContainerInstancesInput) (*api.DescribeContainerInstancesOutput, error) {
	k, _, err := c.liveCluster(in.Cluster)
	if err != nil {
		return nil, err
	}
	switch n := len(in.ContainerInstances); {
	case n == 0:
		return nil, clientError("Container instances cannot be empty.")
	case n > maxPage:
		return nil, invalidParameter("Container instances can not have more than %d elements.", maxPage)
	}
	out := &api.DescribeContainerInstancesOutput{ContainerInstances: []types.ContainerInstance{}, Failures: []types.Failure{}}
	for _, s := range in.ContainerInstances {
		m, err := c.member("container-instance", k, s)
		if err != nil {
			return nil, err
		}
		row, ok := instances.Get(c.tx, m.key())
		if !ok || m.cluster != k {
			out.Failures = append(out.Failures, missing(c.memberARN("container-instance", m)))
			continue
		}
		out.ContainerInstances = append(out.ContainerInstances, c.instanceView(m, row, slices.Contains(in.Include, types.ContainerInstanceFieldTags)))
	}
	return out, nil
}

func (c *call) listContainerInstances(in *api.ListContainerInstancesInput) (*api.ListContainerInstancesOutput, error) {
	k, _, err := c.liveCluster(in.Cluster)
	if err != nil {
		return nil, err
	}
	if aws.ToString(in.Filter) != "" {
		return nil, invalidParameter("The sandbox has no cluster query language: leave out filter.")
	}
	prefix := k.members()
	arns, next, err := paginate(in.NextToken, in.MaxResults,
		func(after string) iter.Seq2[string, instanceRow] {
			return below(instances.After(c.tx, prefix, prefix+after), prefix)
		},
		func(i instanceRow) (string, bool) {
			return *i.View.ContainerInstanceArn, in.Status == "" || string(in.Status) == *i.View.Status
		})
	if err != nil {
		return nil, err
	}
	return &api.ListContainerInstancesOutput{ContainerInstanceArns: arns, NextToken: next}, nil
}

// maxStates bounds one UpdateContainerInstancesState.
const maxStates = 10

// updateContainerInstancesState sets instances to ACTIVE or DRAINING. A
// draining instance gets no new tasks, and loses those of services.
// https://docs.aws.amazon.com/AmazonECS/latest/developerguide/container-instance-draining.html
func (c *call) updateContainerInstancesState(in *api.UpdateContainerInstancesStateInput) (*api.UpdateContainerInstancesStateOutput, error) {
	k, _, err := c.liveCluster(in.Cluster)
	if err != nil {
		return nil, err
	}
	if in.Status != types.ContainerInstanceStatusActive && in.Status != types.ContainerInstanceStatusDraining {
		return nil, invalidParameter("Container instance status should be one of [ACTIVE,DRAINING]")
	}
	if len(in.ContainerInstances) > maxStates {
		return nil, invalidParameter("Container instances can not have more than %d elements.", maxStates)
	}
	out := &api.UpdateContainerInstancesStateOutput{ContainerInstances: []types.ContainerInstance{}, Failures: []types.Failure{}}
	var changed []member
	for _, s := range in.ContainerInstances {
		m, err := c.member("container-instance", k, s)
		if err != nil {
			return nil, err
		}
		row, ok := instances.Get(c.tx, m.key())
		if !ok || m.cluster != k {
			out.Failures = append(out.Failures, missing(c.memberARN("container-instance", m)))
			continue
		}
		row.View.Status = new(string(in.Status))
		row.View.Version++
		instances.Put(c.tx, m.key(), row)
		changed = append(changed, m)
		if in.Status == types.ContainerInstanceStatusDraining {
			c.drain(k, *row.View.ContainerInstanceArn)
		}
	}
	c.reconcileAll(k)
	for _, m := range changed {
		row, _ := instances.Get(c.tx, m.key())
		out.ContainerInstances = append(out.ContainerInstances, c.instanceView(m, row, false))
	}
	return out, nil
}

func (c *call) drain(k cluster, instanceARN string) {
	here := c.on(k, instanceARN)
	for _, key := range slices.Sorted(maps.Keys(here)) {
		if t := here[key]; t.Service != "" {
			t.stop(types.TaskStopCodeServiceSchedulerInitiated, "Container instance is in DRAINING status.", nil, c)
			tasks.Put(c.tx, key, t)
		}
	}
}

// machineSize is what a machine has that says nothing.
func machineSize(cpu, memory int32) []types.Resource {
	return []types.Resource{
		{Name: new("CPU"), Type: new("INTEGER"), IntegerValue: cmp.Or(cpu, 2048)},
		{Name: new("MEMORY"), Type: new("INTEGER"), IntegerValue: cmp.Or(memory, 3904)},
		{Name: new("PORTS"), Type: new("STRINGSET"), StringSetValue: []string{"22", "2375", "2376", "51678", "51679"}},
		{Name: new("PORTS_UDP"), Type: new("STRINGSET"), StringSetValue: []string{}},
	}
}
