package ecs

import (
	"cmp"
	"fmt"
	"iter"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/mantle-iam/mantle/iam"
	"github.com/mantle-iam/mantle/sandbox/internal/service"
	"github.com/mantle-iam/mantle/sandbox/internal/store"
)

// Task is a task as the one who runs it needs it: overrides are applied.
type Task struct {
	// ARN and ID name the task; ID is the session name of its roles.
	ARN, ID string
	// Account, Region and Cluster (a name) say where it is.
	Account, Region, Cluster string
	// Definition is the ARN of its definition, of Family and Revision.
	Definition, Family string
	Revision           int32
	// TaskRole is the ARN of the role that the containers act as and
	// ExecutionRole of that which ECS itself uses; empty for none.
	TaskRole, ExecutionRole string
	// LaunchType is EC2, FARGATE or EXTERNAL; NetworkMode is bridge, host,
	// awsvpc, none or empty for the platform's default.
	LaunchType, NetworkMode string
	// Status is RUNNING or STOPPED.
	Status, StopCode, StoppedReason string
	// Group is family:NAME or service:NAME; Service is the service's name.
	Group, Service, StartedBy string
	// ContainerInstance is an ARN and Instance the machine's id; both are
	// empty on Fargate.
	ContainerInstance, Instance string
	// CPU is in units of which 1024 are a processor, Memory in MiB.
	CPU, Memory int32
	Containers  []Container
	Tags        map[string]string
	// Created and Stopped are the zero time where they did not happen.
	Created, Stopped time.Time
}

// Container is a container of a task.
type Container struct {
	ARN, Name, Image string
	// EntryPoint and Command are empty to take the image's.
	EntryPoint, Command []string
	// Env is the environment, as the definition and the overrides have it,
	// in order. Secrets are not part of it.
	Env []Variable
	// Secrets are variables whose values lie elsewhere: the value is the ARN
	// or the name of a parameter.
	Secrets []Variable
	// User is a name or id, with or without a group; WorkingDirectory is an
	// absolute path. Empty takes the image's.
	User, WorkingDirectory string
	Mounts                 []Mount
	// Essential containers end the task when they end.
	Essential, Privileged, ReadOnlyRoot bool
	// CPU is in units of which 1024 are a processor; Memory is the hard
	// limit and MemoryReservation the soft one, in MiB, 0 for none.
	CPU, Memory, MemoryReservation int32
	Ports                          []Port
	Labels                         map[string]string
	// Status is RUNNING or STOPPED.
	Status string
}

// Variable is an environment variable.
type Variable struct{ Name, Value string }

// String shows the name: values may be secrets.
func (v Variable) String() string { return v.Name + "=…" }

// GoString is String.
func (v Variable) GoString() string { return v.String() }

// Mount is a volume in a container.
type Mount struct {
	// Volume is its name and Host the path on the machine, empty for a
	// volume that belongs to the task alone.
	Volume, Host string
	// Path is where it is in the container.
	Path     string
	ReadOnly bool
}

// Port is a port of a container; Host is 0 for any that is free.
type Port struct {
	Container, Host int32
	Protocol        string // tcp or udp
}

// Task finds a task by ARN or id. Stopped tasks can be found as long as they
// can be described.
func (s *ECS) Task(arnOrID string) (t Task, ok bool) {
	id := TaskID(arnOrID)
	for candidate := range s.Tasks() {
		if candidate.ID == id && (id == arnOrID || candidate.ARN == arnOrID) {
			return candidate, true
		}
	}
	return Task{}, false
}

// Tasks yields every task, running or stopped, of every account. They are
// those of the moment when the loop starts.
func (s *ECS) Tasks() iter.Seq[Task] {
	return func(yield func(Task) bool) {
		// The rows of a View stay valid after it; a View can only fail on a
		// store that is closed, which has no tasks.
		_ = s.store.View(func(tx *store.Tx) error {
			for key, row := range tasks.Range(tx, "") {
				if !yield(s.task(tx, key, row)) {
					break
				}
			}
			return nil
		})
	}
}

func (s *ECS) task(tx *store.Tx, key string, row taskRow) Task {
	at := strings.Split(key, "/") // account, region, cluster, id
	v := &row.View
	t := Task{
		ARN: *v.TaskArn, ID: at[3], Account: at[0], Region: at[1], Cluster: at[2],
		Definition: *v.TaskDefinitionArn, TaskRole: row.TaskRole, ExecutionRole: row.ExecutionRole,
		LaunchType: string(v.LaunchType), Status: *v.LastStatus, StopCode: string(v.StopCode), StoppedReason: aws.ToString(v.StoppedReason),
		Group: aws.ToString(v.Group), Service: row.Service, StartedBy: aws.ToString(v.StartedBy),
		ContainerInstance: aws.ToString(v.ContainerInstanceArn), CPU: row.CPU, Memory: row.Memory,
		Tags: map[string]string{}, Created: *v.CreatedAt, Stopped: aws.ToTime(v.StoppedAt),
	}
	for _, tag := range v.Tags {
		t.Tags[*tag.Key] = *tag.Value
	}
	if t.ContainerInstance != "" {
		k := cluster{home{t.Account, t.Region}, t.Cluster}
		if i, ok := instances.Get(tx, k.members()+TaskID(t.ContainerInstance)); ok {
			t.Instance = *i.View.Ec2InstanceId
		}
	}
	def := row.definition(tx, home{t.Account, t.Region})
	t.Family, t.Revision, t.NetworkMode = aws.ToString(def.Family), def.Revision, string(def.NetworkMode)
	for i := range def.ContainerDefinitions {
		x := overridden(&def.ContainerDefinitions[i], v.Overrides)
		c := containerOf(&x, def.Volumes)
		if j := slices.IndexFunc(v.Containers, func(h types.Container) bool { return *h.Name == c.Name }); j >= 0 {
			c.ARN, c.Status = *v.Containers[j].ContainerArn, *v.Containers[j].LastStatus
		}
		t.Containers = append(t.Containers, c)
	}
	return t
}

// definition is the definition of a task. It is empty if it has been deleted
// under the task.
func (t taskRow) definition(tx *store.Tx, h home) types.TaskDefinition {
	a, err := iam.ParseARN(*t.View.TaskDefinitionArn)
	if err != nil {
		return types.TaskDefinition{}
	}
	d := definition{home: h}
	if _, err := fmt.Sscanf(strings.Replace(a.Resource, ":", " ", 1), "task-definition/%s %d", &d.family, &d.revision); err != nil {
		return types.TaskDefinition{}
	}
	row, _ := definitions.Get(tx, d.key())
	return row.View
}

func containerOf(x *types.ContainerDefinition, volumes []types.Volume) Container {
	c := Container{
		Name: *x.Name, Image: *x.Image, EntryPoint: x.EntryPoint, Command: x.Command,
		User: aws.ToString(x.User), WorkingDirectory: aws.ToString(x.WorkingDirectory),
		Essential: x.Essential == nil || *x.Essential, Privileged: aws.ToBool(x.Privileged), ReadOnlyRoot: aws.ToBool(x.ReadonlyRootFilesystem),
		CPU: x.Cpu, Memory: aws.ToInt32(x.Memory), MemoryReservation: aws.ToInt32(x.MemoryReservation), Labels: x.DockerLabels,
	}
	for _, e := range x.Environment {
		c.Env = append(c.Env, Variable{aws.ToString(e.Name), aws.ToString(e.Value)})
	}
	for _, e := range x.Secrets {
		c.Secrets = append(c.Secrets, Variable{aws.ToString(e.Name), aws.ToString(e.ValueFrom)})
	}
	for _, p := range x.PortMappings {
		c.Ports = append(c.Ports, Port{aws.ToInt32(p.ContainerPort), aws.ToInt32(p.HostPort), string(p.Protocol)})
	}
	for _, m := range x.MountPoints {
		mount := Mount{Volume: aws.ToString(m.SourceVolume), Path: aws.ToString(m.ContainerPath), ReadOnly: aws.ToBool(m.ReadOnly)}
		for _, v := range volumes {
			if aws.ToString(v.Name) == mount.Volume && v.Host != nil {
				mount.Host = aws.ToString(v.Host.SourcePath)
			}
		}
		c.Mounts = append(c.Mounts, mount)
	}
	return c
}

// inside makes a call of the server's own, in an account.
func (s *ECS) inside(tx *store.Tx, h home, now time.Time) *call {
	r := &service.Request{Region: h.region, Now: now, Source: netip.Addr{}}
	r.Caller.Account = h.account
	r.Caller.ARN = iam.ARN{Partition: s.opt.Partition, Service: "iam", Account: h.account, Resource: "root"}.String()
	return &call{ECS: s, tx: tx, req: r}
}

// Ended notes that the containers of a task have ended, with their exit
// codes by container name; the reason may be empty. A service that had the
// task starts another. A task that is stopped already, or is not there, is
// left as it is.
func (s *ECS) Ended(taskARN, reason string, exits map[string]int32, now time.Time) error {
	return s.store.Update(func(tx *store.Tx) error {
		a, err := iam.ParseARN(taskARN)
		if err != nil {
			return err
		}
		c := s.inside(tx, home{a.Account, a.Region}, now)
		m, err := c.member("task", cluster{c.here(), "default"}, taskARN)
		if err != nil {
			return err
		}
		t, ok := tasks.Get(tx, m.key())
		if !ok || *t.View.LastStatus == stopped {
			return nil
		}
		t.stop(types.TaskStopCodeEssentialContainerExited, cmp.Or(reason, "Essential container in task exited"), exits, c)
		tasks.Put(tx, m.key(), t)
		if t.Service != "" {
			c.reconcile(member{m.cluster, t.Service})
		}
		return nil
	})
}

// Machine is a machine that can run tasks.
type Machine struct {
	// ID is the id of an EC2 instance (i-…), or of a machine outside of AWS
	// (mi-…).
	ID string
	// CPU is in units of which 1024 are a processor, Memory in MiB; 0 takes
	// those of a small instance.
	CPU, Memory int32
	// Guest is a machine that nobody registered: it came because a task
	// needed one. It does not keep its cluster from being deleted, and goes
	// with it.
	Guest bool
}

// Join makes a machine a container instance of a cluster, as the ECS agent
// on it would, and returns the container instance's ARN. A machine that is
// one already stays it. Services that waited for a machine start their
// tasks.
func (s *ECS) Join(account, region, clusterName string, machine Machine, now time.Time) (arn string, err error) {
	err = s.store.Update(func(tx *store.Tx) error {
		c := s.inside(tx, home{account, region}, now)
		k, _, err := c.liveCluster(&clusterName)
		if err != nil {
			return err
		}
		if !validName(machine.ID) {
			return fmt.Errorf("%q is not the id of a machine", machine.ID)
		}
		m, ok := c.machine(k, machine.ID)
		if !ok {
			m = member{k, newHex()}
		}
		row := c.addInstance(m, machine.ID, machineSize(machine.CPU, machine.Memory), nil, &types.VersionInfo{AgentVersion: new("1.0.0")}, nil)
		if row.Guest = machine.Guest; row.Guest {
			instances.Put(tx, m.key(), row)
		}
		arn = *row.View.ContainerInstanceArn
		return nil
	})
	return arn, err
}
