package autoscaling

import (
	"context"
	"time"

	"github.com/mantle-iam/mantle/sandbox/internal/service"
	"github.com/mantle-iam/mantle/sandbox/internal/store"
	"github.com/mantle-iam/mantle/sandbox/internal/wire"
)

// Instances is what Auto Scaling asks of EC2. The methods with a transaction
// work in it, so that a group and its instances change together.
type Instances interface {
	// Settle prepares the account's region; it is called outside of
	// transactions.
	Settle(account, region string) error
	// LaunchTemplate finds a launch template by id or name, and a version.
	LaunchTemplate(tx *store.Tx, account, region, template, version string) (id, name, number string, err error)
	// LaunchChecks are the permissions to launch an instance of a template.
	LaunchChecks(tx *store.Tx, account, region, template, version, subnet string) ([]service.Check, error)
	// Launch starts an instance.
	Launch(tx *store.Tx, account, region string, now time.Time, template, version, subnet string, tags map[string]string) (id string, err error)
	// Terminate ends instances.
	Terminate(tx *store.Tx, account, region string, now time.Time, ids ...string)
	// Running tells whether an instance runs, its zone and its type.
	Running(tx *store.Tx, account, region, id string) (zone, kind string, ok bool)
	// SubnetZone is the zone and the VPC of a subnet.
	SubnetZone(tx *store.Tx, account, region, subnet string) (zone, vpc string, ok bool)
	// DefaultSubnet is the default subnet of a zone.
	DefaultSubnet(tx *store.Tx, account, region, zone string) (subnet string, ok bool)
}

// Options changes the service's behaviour. The zero value is AWS's.
type Options struct {
	// Partition is the first field of every ARN; empty means "aws".
	Partition string
}

// AutoScaling is the service over one store. It is safe for concurrent use.
type AutoScaling struct {
	store     *store.Store
	ec2       Instances
	partition string
}

var _ service.Service = (*AutoScaling)(nil)

// New returns the service over a store and the EC2 over the same store.
func New(st *store.Store, ec2 Instances, opt Options) *AutoScaling {
	if opt.Partition == "" {
		opt.Partition = "aws"
	}
	return &AutoScaling{store: st, ec2: ec2, partition: opt.Partition}
}

// Name is the service's signing name.
func (s *AutoScaling) Name() string { return "autoscaling" }

// Operations is the table of the API.
func (s *AutoScaling) Operations() []service.Operation {
	return []service.Operation{
		row(s, "CreateAutoScalingGroup", (*call).mayCreate, (*call).create),
		row(s, "UpdateAutoScalingGroup", (*call).mayUpdate, (*call).update),
		row(s, "SetDesiredCapacity", (*call).maySetDesired, (*call).setDesired),
		row(s, "DeleteAutoScalingGroup", (*call).mayDelete, (*call).delete),
		row(s, "DescribeAutoScalingGroups", onAll, (*call).describeGroups),
		row(s, "DescribeAutoScalingInstances", onAll, (*call).describeInstances),
		row(s, "DescribeScalingActivities", onAll, (*call).describeActivities),
		row(s, "CreateOrUpdateTags", (*call).mayCreateTags, (*call).createTags),
		row(s, "DeleteTags", (*call).mayDeleteTags, (*call).deleteTags),
		row(s, "DescribeTags", onAll, (*call).describeTags),
	}
}

// call is one API call at work, in one account and region.
type call struct {
	*AutoScaling
	tx              *store.Tx
	account, region string
	now             time.Time
	op              string
}

// row makes a row. Every handler may write: also a listing replaces
// instances that are gone.
func row[In, Out any](s *AutoScaling, name string, check func(*call, *In) ([]service.Check, error), handle func(*call, *In) (*Out, error)) service.Operation {
	at := func(tx *store.Tx, r *service.Request) *call {
		return &call{s, tx, r.Account(), r.Region, r.Now.UTC(), name}
	}
	return service.Op(name,
		func(r *service.Request, in *In) (checks []service.Check, err error) {
			if err := s.ec2.Settle(r.Account(), r.Region); err != nil {
				return nil, err
			}
			err = s.store.View(func(tx *store.Tx) error {
				checks, err = check(at(tx, r), in)
				return err
			})
			return checks, err
		},
		func(_ context.Context, r *service.Request, in *In) (out *Out, err error) {
			err = s.store.Update(func(tx *store.Tx) error {
				out, err = handle(at(tx, r), in)
				return err
			})
			return out, err
		})
}

// The tables. Keys are ACCOUNT/REGION/NAME, and for activities
// ACCOUNT/REGION/NAME then a number that grows.
var (
	groups     = store.NewTable[groupRow]("autoscaling.group")
	activities = store.NewTable[activityRow]("autoscaling.activity")
)

type groupRow struct {
	Name, UUID               string
	Created                  time.Time
	Min, Max, Desired        int32
	Cooldown, Grace          int32
	HealthCheck              string
	Subnets, Zones           []string
	BySubnet                 bool   // Subnets were named, not Zones
	TemplateID, TemplateName string // of the launch template
	TemplateVersion          string // as it was given
	Policies                 []string
	Role, Context            string
	Protect, Rebalance       bool
	Lifetime, Warmup         *int32
	Tags                     []tagRow
	Members                  []memberRow
	Activities               int // how many there have been
	DistributionStrategy     string
	MinHealthy, MaxHealthy   *int32
}

type tagRow struct {
	Key, Value string
	Propagate  bool
}

// memberRow is an instance of a group.
type memberRow struct{ ID, Zone, Type, TemplateID, TemplateName, Version string }

type activityRow struct {
	ID, Group, Description, Cause, Message, Details string
	Status                                          string
	At                                              time.Time
}

func (c *call) scope() string { return c.account + "/" + c.region + "/" }

func (c *call) key(name string) string { return c.scope() + name }

// put stores a changed group.
func (c *call) put(g groupRow) { groups.Put(c.tx, c.key(g.Name), g) }

// group finds a group by name.
func (c *call) group(name *string) (groupRow, error) {
	if name == nil || *name == "" {
		return groupRow{}, invalid("AutoScalingGroupName is required")
	}
	g, ok := groups.Get(c.tx, c.key(*name))
	if !ok {
		return g, invalid("AutoScalingGroup name not found - AutoScalingGroup '%s' not found", *name)
	}
	return g, nil
}

func invalid(format string, args ...any) *wire.Error {
	return wire.Fail("ValidationError", 400, format, args...)
}
