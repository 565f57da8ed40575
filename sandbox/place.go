package sandbox

import (
	"errors"
	"strings"

	"github.com/mantle-iam/mantle/sandbox/internal/service"
	"github.com/mantle-iam/mantle/sandbox/internal/service/ec2"
	"github.com/mantle-iam/mantle/sandbox/internal/service/ecs"
	"github.com/mantle-iam/mantle/sandbox/internal/service/sts"
)

// Instance is an EC2 instance, with all that its metadata service shows.
type Instance struct {
	ec2.Instance
	// Role is the ARN of the role that is in its instance profile now,
	// empty if there is none.
	Role string
}

// Task is an ECS task with its containers; overrides are applied.
type Task = ecs.Task

// Container is one container of a Task.
type Container = ecs.Container

// ErrNoRole is the error of a session for an instance without a role, or for
// a task without a task role.
var ErrNoRole = errors.New("no role is attached")

// AssumeError says that a service could not assume the role of its workload:
// there is no such role, or its trust policy does not let the service in.
type AssumeError struct {
	Role string
	Err  error
}

// Error is the cause, which names service and role.
func (e *AssumeError) Error() string { return e.Err.Error() }

// Unwrap is the cause.
func (e *AssumeError) Unwrap() error { return e.Err }

// Instance finds an instance by its id, in whatever account and region. One
// that is terminated is no longer found.
func (s *Server) Instance(id string) (Instance, bool) {
	i, ok := s.ec2.InstanceByID(id)
	if !ok {
		return Instance{}, false
	}
	out := Instance{Instance: i}
	if i.Profile == nil {
		return out, true
	}
	// The instance holds on to the profile by its id: one that was made again
	// under the same name is another.
	if p, ok := s.iam.InstanceProfileByARN(i.Profile.ARN); ok && p.ID == i.Profile.ID {
		if r, ok := s.iam.RoleByID(p.RoleID); ok {
			out.Role = r.ARN
		}
	}
	return out, true
}

// RoleSession makes the credentials that the instance finds at its metadata
// service: those of InstanceSession for the role in its profile. The error is
// ErrNoRole or an *AssumeError.
func (s *Server) RoleSession(i Instance) (Session, error) {
	if i.Role == "" {
		return Session{}, ErrNoRole
	}
	// The keys that the sessions of instances carry: IAM User Guide, "AWS
	// global condition context keys", ec2:RoleDelivery and "Using instance
	// metadata" of the EC2 User Guide.
	in := sts.VendInput{
		Service: "ec2.amazonaws.com", SessionName: i.ID, Now: s.clock.now().UTC(),
		Context: map[string]string{"ec2:RoleDelivery": "2.0", "ec2:SourceInstanceARN": i.ARN},
	}
	if i.VPC != "" {
		in.Context["aws:Ec2InstanceSourceVpc"] = i.VPC
	}
	if i.PrivateIP.IsValid() {
		in.Context["aws:Ec2InstanceSourcePrivateIPv4"] = i.PrivateIP.String()
	}
	return s.workloadSession(i.Role, in)
}

// Task finds a task by ARN or id, in whatever account, region and cluster.
// Stopped tasks are found for an hour.
func (s *Server) Task(arnOrID string) (Task, bool) {
	return s.ecs.Task(arnOrID)
}

// TaskSession makes the credentials that the containers of the task find at
// their endpoint. The execution role is not handed out to anyone. The error is
// ErrNoRole or an *AssumeError.
func (s *Server) TaskSession(t Task) (Session, error) {
	if t.TaskRole == "" {
		return Session{}, ErrNoRole
	}
	return s.workloadSession(t.TaskRole, sts.VendInput{
		Service: "ecs-tasks.amazonaws.com", SessionName: t.ID, Now: s.clock.now().UTC(),
		Trust: taskTrust(t.Account, t.ARN),
	})
}

// taskTrust are the keys against which a trust policy can guard itself from
// the confused deputy.
// https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-iam-roles.html
func taskTrust(account, arn string) []service.KV {
	return []service.KV{
		{Key: "aws:SourceAccount", Values: []string{account}},
		{Key: "aws:SourceArn", Values: []string{arn}},
	}
}

// EndTask notes that the containers of a task have ended, with their exit
// codes by name. A service that had the task starts another.
func (s *Server) EndTask(t Task, reason string, exits map[string]int32) error {
	return s.ecs.Ended(t.ARN, reason, exits, s.clock.now().UTC())
}

// Machine is a machine that tasks can run on: ID as EC2 instances have one,
// CPU in units of which 1024 are a processor, Memory in MiB.
type Machine = ecs.Machine

// JoinCluster makes a machine a container instance of a cluster, as the ECS
// agent on it would, and returns the container instance's ARN.
func (s *Server) JoinCluster(account, region, cluster string, m Machine) (string, error) {
	return s.ecs.Join(account, region, cluster, m, s.clock.now().UTC())
}

// workloadSession is serviceSession with the role in its error.
func (s *Server) workloadSession(role string, in sts.VendInput) (Session, error) {
	session, err := s.serviceSession(role, in)
	if err != nil {
		return Session{}, &AssumeError{Role: role, Err: err}
	}
	return session, nil
}

// IsInstanceID tells the ids of instances from those of tasks.
// https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/resource-ids.html
func IsInstanceID(s string) bool { return strings.HasPrefix(s, "i-") }
