package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/aws/smithy-go"
	"github.com/spf13/cobra"

	"github.com/mantle-iam/mantle/agent"
	"github.com/mantle-iam/mantle/iam"
	"github.com/mantle-iam/mantle/sandbox"
)

// taskFlags say which task to start and how to run it.
type taskFlags struct {
	listen, profile, region         string
	cluster, launchType, container  string
	subnets, groups                 []string
	mounts, env                     []string
	user, network, runner, taskRole string
	detach                          bool
	command                         []string
}

func runTaskCommand(e *env) *cobra.Command {
	var f taskFlags
	c := &cobra.Command{
		Use:   "run-task FAMILY[:REVISION] [flags] [-- COMMAND [ARGUMENT...]]",
		Short: "Start an ECS task of a running sandbox and run its containers here",
		Long: `Run-task calls ecs:DescribeTaskDefinition and ecs:RunTask as the profile of the
environment (see mantle sandbox env) and then runs the task's containers on
this host: with Docker where the engine answers and has the images, else as
processes of this host, for which the container, or --, has to name a command.
This host joins the cluster if the task needs a container instance and there is
none; it leaves when the cluster is deleted.

Each task has a container endpoint of its own with the credentials of its task
role. As root its processes have a network, process ids and mounts of their
own, and the endpoint is at 169.254.170.2; else, and with Docker, the
environment leads to an endpoint that only they can use. The execution role's
credentials are handed to nobody.

Processes get the environment, user, working directory and mounts of their
container. Images, limits of CPU and memory, and ports mean something to Docker
only. The exit status is that of the first essential container that ends.
--detach prints the task's id and leaves it running; mantle sandbox exec, or
aws ecs stop-task, finds it by that.`,
		Example: `  mantle sandbox run-task app
  mantle sandbox run-task app:3 --cluster prod --env LOG=debug
  mantle sandbox run-task sample --cluster sample -- node sample.js
  id=$(mantle sandbox run-task app --detach --mount ./profile:/home/app/.aws:ro --user app)`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if n := c.ArgsLenAtDash(); n >= 0 {
				f.command, args = args[n:], args[:n]
			}
			if len(args) != 1 {
				return usagef("run-task takes one task definition, not %d", len(args)).withHint("put the command and its arguments behind --")
			}
			return e.runTask(c.Context(), args[0], &f)
		},
	}
	fs := c.Flags()
	fs.StringVar(&f.listen, "listen", "", "address of the sandbox (default that of AWS_ENDPOINT_URL, or "+defaultListen+")")
	fs.StringVar(&f.profile, "profile", "", "profile of the sandbox that calls RunTask, such as dev (default: the SDK's chain)")
	fs.StringVar(&f.region, "region", "", "region of the task (default the profile's)")
	fs.StringVar(&f.cluster, "cluster", "default", "cluster to run in")
	fs.StringVar(&f.launchType, "launch-type", "", "EC2, FARGATE or EXTERNAL (default FARGATE for definitions that require it, else EC2)")
	fs.StringSliceVar(&f.subnets, "subnet", nil, "subnet of a task with network mode awsvpc, repeatable (default the account's default subnets)")
	fs.StringSliceVar(&f.groups, "security-group", nil, "security group of a task with network mode awsvpc, repeatable")
	fs.StringVar(&f.taskRole, "task-role", "", "ARN of a role instead of the definition's task role")
	fs.StringVar(&f.container, "container", "", "container that --env, --user and the command are for (default the first)")
	fs.StringArrayVar(&f.mounts, "mount", nil, "SRC:DST[:ro] shows a file or folder of the host in every container, repeatable")
	fs.StringArrayVar(&f.env, "env", nil, "KEY=VALUE of the container's environment, repeatable")
	fs.StringVar(&f.user, "user", "", "user of the container, NAME or ID[:GROUP], instead of the definition's")
	fs.StringVar(&f.network, "network", "", "own or host: whether processes have a network of their own (default where privileges allow)")
	fs.StringVar(&f.runner, "runner", "", "docker or process (default docker where engine and images are there)")
	fs.BoolVar(&f.detach, "detach", false, "print the task's id and leave it running")
	return c
}

// placement is how a task's containers are run: what the runner is told
// besides the task itself.
type placement struct {
	Task, Address   string
	Mounts          []mount
	Container, User string
	Network, Runner string
}

func (e *env) runTask(ctx context.Context, definition string, f *taskFlags) error {
	if err := checkNetwork(f.network); err != nil {
		return err
	}
	if err := checkRunner(f.runner); err != nil {
		return err
	}
	p := placement{Container: f.container, User: f.user, Network: f.network, Runner: f.runner}
	for _, s := range f.mounts {
		m, err := readMount(s)
		if err != nil {
			return err
		}
		p.Mounts = append(p.Mounts, m)
	}
	ctl, err := e.controllerOf(f.listen)
	if err != nil {
		return err
	}
	p.Address = ctl.address
	cfg, err := e.callerConfig(ctx, ctl, f)
	if err != nil {
		return err
	}
	arn, err := e.startTask(ctx, ctl, cfg, definition, f)
	if err != nil {
		return err
	}
	p.Task = arn
	if f.detach {
		return e.detach(ctx, ctl, p)
	}
	return e.runHere(ctx, ctl, p)
}

// callerConfig is who calls RunTask. Whatever the environment's endpoint is,
// the call goes to the sandbox.
func (e *env) callerConfig(ctx context.Context, c *controller, f *taskFlags) (aws.Config, error) {
	var opts []func(*awsconfig.LoadOptions) error
	if f.profile != "" {
		at, err := e.placeOf(c.address)
		if err != nil {
			return aws.Config{}, err
		}
		opts = append(opts, awsconfig.WithSharedConfigFiles([]string{at.Profiles}), awsconfig.WithSharedCredentialsFiles(nil), awsconfig.WithSharedConfigProfile(f.profile))
	}
	if f.region != "" {
		opts = append(opts, awsconfig.WithRegion(f.region))
	}
	cfg, err := awsconfig.LoadDefaultConfig(ctx, opts...)
	if err == nil {
		_, err = cfg.Credentials.Retrieve(ctx)
	}
	if err != nil {
		return cfg, usagef("credentials to call RunTask with: %w", err).withHint(`run eval "$(mantle sandbox env dev` + listenFlag(c.url()) + `)" first, or name a profile of the sandbox with --profile`)
	}
	if cfg.Region == "" {
		cfg.Region = sandbox.DefaultRegion
	}
	cfg.BaseEndpoint = aws.String(c.url())
	return cfg, nil
}

// startTask has the API start the task and returns its ARN.
func (e *env) startTask(ctx context.Context, c *controller, cfg aws.Config, definition string, f *taskFlags) (string, error) {
	api := ecs.NewFromConfig(cfg, func(o *ecs.Options) { o.BaseEndpoint = cfg.BaseEndpoint })
	found, err := api.DescribeTaskDefinition(ctx, &ecs.DescribeTaskDefinitionInput{TaskDefinition: &definition})
	if err != nil {
		return "", said(err)
	}
	def := found.TaskDefinition
	in := &ecs.RunTaskInput{TaskDefinition: def.TaskDefinitionArn, Cluster: &f.cluster, LaunchType: types.LaunchType(f.launchType)}
	if in.Overrides, err = overrides(def, f); err != nil {
		return "", err
	}
	if in.LaunchType == "" && len(def.RequiresCompatibilities) == 1 {
		in.LaunchType = types.LaunchType(def.RequiresCompatibilities[0])
	}
	if def.NetworkMode == types.NetworkModeAwsvpc {
		if in.NetworkConfiguration, err = network(ctx, cfg, f); err != nil {
			return "", err
		}
	}
	out, err := api.RunTask(ctx, in)
	if lacksMachine(err) {
		if err := e.joinCluster(ctx, c, *def.TaskDefinitionArn, f.cluster); err != nil {
			return "", err
		}
		out, err = api.RunTask(ctx, in)
	}
	if err != nil {
		x := said(err)
		if api, ok := errors.AsType[smithy.APIError](err); ok && api.ErrorCode() == "ClusterNotFoundException" {
			x.hint = "name the cluster with --cluster, or make it: aws ecs create-cluster --cluster-name " + f.cluster
		}
		return "", x
	}
	if len(out.Tasks) == 0 {
		var why []string
		for _, x := range out.Failures {
			why = append(why, strings.TrimSpace(aws.ToString(x.Reason)+" "+aws.ToString(x.Arn)))
		}
		return "", failf(exitDenied, "no task was started: %s", joined(why))
	}
	t := out.Tasks[0]
	if aws.ToString(t.LastStatus) == taskStopped {
		return "", failf(exitDenied, "task %s has stopped: %s", aws.ToString(t.TaskArn), aws.ToString(t.StoppedReason))
	}
	return aws.ToString(t.TaskArn), nil
}

// said is an error of the AWS API in AWS's words.
func said(err error) *exitError {
	x, ok := errors.AsType[smithy.APIError](err)
	if !ok {
		return &exitError{code: exitUnreachable, err: err}
	}
	operation := "call"
	if op, ok := errors.AsType[*smithy.OperationError](err); ok {
		operation = op.Operation()
	}
	return failf(exitDenied, "%s: %s: %s", operation, x.ErrorCode(), x.ErrorMessage())
}

// lacksMachine tells the error of a cluster without container instances.
func lacksMachine(err error) bool {
	x, ok := errors.AsType[smithy.APIError](err)
	return ok && x.ErrorCode() == "InvalidParameterException" && strings.Contains(x.ErrorMessage(), "No Container Instances were found")
}

// overrides are what the flags change of the definition.
func overrides(def *types.TaskDefinition, f *taskFlags) (*types.TaskOverride, error) {
	over := &types.TaskOverride{}
	if f.taskRole != "" {
		over.TaskRoleArn = &f.taskRole
	}
	o := types.ContainerOverride{Command: f.command}
	for _, kv := range f.env {
		k, v, ok := strings.Cut(kv, "=")
		if !ok || k == "" {
			return nil, usagef("--env %s is not KEY=VALUE", kv)
		}
		o.Environment = append(o.Environment, types.KeyValuePair{Name: &k, Value: &v})
	}
	if len(o.Command) > 0 || len(o.Environment) > 0 {
		name := f.container
		if name == "" && len(def.ContainerDefinitions) > 0 {
			name = aws.ToString(def.ContainerDefinitions[0].Name)
		}
		o.Name = &name
		over.ContainerOverrides = []types.ContainerOverride{o}
	}
	if over.TaskRoleArn == nil && over.ContainerOverrides == nil {
		return nil, nil
	}
	return over, nil
}

// network is where a task with network mode awsvpc is attached.
func network(ctx context.Context, cfg aws.Config, f *taskFlags) (*types.NetworkConfiguration, error) {
	subnets := f.subnets
	if len(subnets) == 0 {
		out, err := ec2.NewFromConfig(cfg).DescribeSubnets(ctx, &ec2.DescribeSubnetsInput{
			Filters: []ec2types.Filter{{Name: aws.String("default-for-az"), Values: []string{"true"}}},
		})
		if err != nil {
			return nil, said(err).withHint("name a subnet with --subnet")
		}
		for _, s := range out.Subnets {
			subnets = append(subnets, aws.ToString(s.SubnetId))
		}
	}
	if len(subnets) == 0 {
		return nil, usagef("the task needs a subnet, and the account has no default ones").withHint("name one with --subnet")
	}
	return &types.NetworkConfiguration{AwsvpcConfiguration: &types.AwsVpcConfiguration{Subnets: subnets, SecurityGroups: f.groups}}, nil
}

// roomy is a machine that no task is too large for: what limits tasks here is
// this host itself.
const roomyCPU, roomyMemory = 256 << 10, 4 << 20

// joinCluster makes this host a container instance, which it is: it is about
// to run a task.
func (e *env) joinCluster(ctx context.Context, c *controller, definition, cluster string) error {
	a, err := iam.ParseARN(definition)
	if err != nil {
		return err
	}
	if x, err := iam.ParseARN(cluster); err == nil {
		_, cluster, _ = strings.Cut(x.Resource, "/")
	}
	name, err := os.Hostname()
	if err != nil {
		return err
	}
	id := agent.InstanceID("container instance", name, a.Account, a.Region)
	arn, err := c.join(ctx, joining{a.Account, a.Region, cluster, sandbox.Machine{ID: id, CPU: roomyCPU, Memory: roomyMemory, Guest: true}})
	if err != nil {
		return absence(fmt.Errorf("join cluster %s: %w", cluster, err))
	}
	e.talkf("mantle: this host joined the cluster as %s\n", arn)
	return nil
}
