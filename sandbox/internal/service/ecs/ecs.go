package ecs

import (
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/mantle-iam/mantle/sandbox/internal/store"
)

// Options are what ECS needs of the rest of the sandbox. The zero value is
// an ECS in which every role can be assumed and no role has tags.
type Options struct {
	// Partition of the ARNs; empty is "aws".
	Partition string
	// AssumeTaskRole tells whether ecs-tasks.amazonaws.com may assume the
	// role for the task: nil if the role exists and trusts it. It is asked
	// for the task role and for the execution role, with the task's full ARN
	// (see [TaskID] for the session name).
	AssumeTaskRole func(account, roleARN, taskARN string) error
	// RoleTags returns the tags of a role, for conditions on iam:PassRole.
	RoleTags func(roleARN string) map[string]string
	// VerifyIdentity checks the signature of an instance identity document;
	// nil believes every one that is of the caller's account and region.
	VerifyIdentity func(document, signature string) error
}

// ECS is the service.
type ECS struct {
	store *store.Store
	opt   Options
}

// New opens the service on a store.
func New(st *store.Store, opt Options) *ECS {
	if opt.Partition == "" {
		opt.Partition = "aws"
	}
	return &ECS{store: st, opt: opt}
}

// Name is the signing name.
func (s *ECS) Name() string { return "ecs" }

// The rows. Their views hold what was given and what does not change by
// itself; counts are computed when a row is shown. Rows are shared and
// immutable: a handler changes a copy.
type (
	clusterRow struct {
		View types.Cluster
	}
	definitionRow struct {
		View types.TaskDefinition
		Tags []types.Tag
	}
	serviceRow struct {
		View types.Service
		// Volumes are shown with the deployments only.
		Volumes []types.ServiceVolumeConfiguration
		Token   string // the idempotency token of its creation
	}
	taskRow struct {
		View types.Task
		// Roles are those in force: the definition's, or the overrides'.
		TaskRole, ExecutionRole string
		Service                 string // name, if a service started it
		Token                   string // the idempotency token of RunTask
		CPU, Memory             int32  // reserved on the container instance
		Volumes                 []types.TaskVolumeConfiguration
	}
	instanceRow struct {
		View types.ContainerInstance
		// Type is EC2, or EXTERNAL for a machine outside of AWS.
		Type types.LaunchType
		// Guest is that of its [Machine].
		Guest bool
	}
)

var (
	// clusters by account/region/name; services, tasks and instances are
	// below their cluster's key.
	clusters  = store.NewTable[clusterRow]("ecs.cluster")
	services  = store.NewTable[serviceRow]("ecs.service")
	tasks     = store.NewTable[taskRow]("ecs.task")
	instances = store.NewTable[instanceRow]("ecs.instance")
	// definitions by account/region/family/revision, the revision in ten
	// digits so that keys sort as numbers do.
	definitions = store.NewTable[definitionRow]("ecs.definition")
	// revisions is the last revision that a family ever had: deleting one
	// does not make its number free again.
	revisions = store.NewTable[int32]("ecs.revision")
	// settings by account/region/principal ARN/name; the account's default
	// has no principal.
	settings = store.NewTable[string]("ecs.setting")
)

// stoppedLife is how long a stopped task can be described.
// https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_DescribeTasks.html
const stoppedLife = time.Hour

// The states of resources.
const (
	active        = "ACTIVE"
	inactive      = "INACTIVE"
	draining      = "DRAINING"
	running       = "RUNNING"
	stopped       = "STOPPED"
	primary       = "PRIMARY"
	deregistering = "DEREGISTERING"
)

// forgotten tells whether a task stopped so long ago that nobody can ask for
// it any more.
func (c *call) forgotten(t taskRow) bool {
	return *t.View.LastStatus == stopped && c.req.Now.Sub(*t.View.StoppedAt) > stoppedLife
}
