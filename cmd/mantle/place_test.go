package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	ecstypes "github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/mantle-iam/mantle/internal/config"
)

// TestPlaces runs the scripts about instances and tasks. The condition netns
// holds where this process may give them networks of their own; without it
// the scripts go the other way only, by the environment.
func TestPlaces(t *testing.T) {
	own := privileged() == nil
	script := func(f func(*testscript.TestScript, *testWorld, []string) error) func(*testscript.TestScript, bool, []string) {
		return func(ts *testscript.TestScript, neg bool, args []string) {
			if neg {
				ts.Fatalf("unsupported: !")
			}
			w := ts.Value(worldKey{}).(*testWorld)
			if w.world == nil {
				e := &env{Stdout: io.Discard, Stderr: io.Discard, Environ: []string{"XDG_RUNTIME_DIR=" + ts.Getenv("XDG_RUNTIME_DIR")}}
				ts.Check(w.open(e))
				ts.Defer(func() { ts.Check(w.close()) })
			}
			ts.Check(f(ts, w, args))
		}
	}
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/place",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(e *testscript.Env) error {
			for _, kv := range os.Environ() {
				if name, _, _ := strings.Cut(kv, "="); strings.HasPrefix(name, "AWS_") {
					e.Setenv(name, "")
				}
			}
			e.Values[worldKey{}] = &testWorld{}
			e.Setenv("XDG_RUNTIME_DIR", filepath.Join(e.WorkDir, ".run"))
			return os.MkdirAll(filepath.Join(e.WorkDir, ".run"), 0o700)
		},
		Condition: func(name string) (bool, error) {
			if name == "netns" {
				return own, nil
			}
			return false, errors.New("unknown condition " + name)
		},
		// The commands that prepare a sandbox, as its administrator.
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"status": status,
			// sandbox starts one and points the script's AWS_… at it.
			"sandbox": script(func(ts *testscript.TestScript, w *testWorld, args []string) error {
				x, err := w.e.exportsOf(w.address(), "dev")
				if err != nil {
					return err
				}
				for k, v := range x.Set {
					ts.Setenv(k, v)
				}
				ts.Setenv("SANDBOX", w.address())
				return nil
			}),
			// role NAME SERVICE makes a role that trusts the service.
			"role": script(func(_ *testscript.TestScript, w *testWorld, args []string) error { return w.role(args[0], args[1]) }),
			// trust NAME FILE changes a role's trust policy.
			"trust": script(func(ts *testscript.TestScript, w *testWorld, args []string) error {
				_, err := iam.NewFromConfig(w.cfg).UpdateAssumeRolePolicy(context.Background(), &iam.UpdateAssumeRolePolicyInput{
					RoleName: &args[0], PolicyDocument: aws.String(ts.ReadFile(args[1]))})
				return err
			}),
			// allow NAME FILE gives a role the file's policy.
			"allow": script(func(ts *testscript.TestScript, w *testWorld, args []string) error {
				_, err := iam.NewFromConfig(w.cfg).PutRolePolicy(context.Background(), &iam.PutRolePolicyInput{
					RoleName: &args[0], PolicyName: aws.String("own"), PolicyDocument: aws.String(ts.ReadFile(args[1]))})
				return err
			}),
			// instance VAR ROLE [v1] [off] [tags] launches one (ROLE - for none).
			"instance": script(func(ts *testscript.TestScript, w *testWorld, args []string) error {
				id, err := w.instance(args[1], args[2:]...)
				ts.Setenv(args[0], id)
				return err
			}),
			"stop-instance": script(func(_ *testscript.TestScript, w *testWorld, args []string) error {
				_, err := ec2.NewFromConfig(w.cfg).StopInstances(context.Background(), &ec2.StopInstancesInput{InstanceIds: args})
				return err
			}),
			// definition FAMILY ROLE FILE registers the file's definition.
			"definition": script(func(ts *testscript.TestScript, w *testWorld, args []string) error {
				return w.definition(args[0], args[1], []byte(ts.ReadFile(args[2])))
			}),
			// run-api VAR FAMILY starts a task that nobody runs.
			"run-api": script(func(ts *testscript.TestScript, w *testWorld, args []string) error {
				id, err := w.task(args[1])
				ts.Setenv(args[0], id)
				return err
			}),
			// task VAR sets VAR to the id that was printed last.
			"task": func(ts *testscript.TestScript, neg bool, args []string) {
				ts.Setenv(args[0], strings.TrimSpace(ts.ReadFile("stdout")))
			},
			"stop-task": script(func(_ *testscript.TestScript, w *testWorld, args []string) error {
				_, err := ecs.NewFromConfig(w.cfg).StopTask(context.Background(), &ecs.StopTaskInput{Task: &args[0]})
				return err
			}),
			// close-sandbox ends the sandbox before the script.
			"close-sandbox": script(func(_ *testscript.TestScript, w *testWorld, _ []string) error { return w.close() }),
			// ended ID waits until the task has ended and prints why.
			"ended": script(func(ts *testscript.TestScript, w *testWorld, args []string) error {
				return w.ended(ts.Stdout(), args[0])
			}),
		},
	})
}

// testWorld is a sandbox with what the tests put into it.
type testWorld struct {
	*world
	e   *env
	cfg aws.Config // as the administrator

	closed bool
}

// close ends the sandbox, once.
func (w *testWorld) close() error {
	if w.closed {
		return nil
	}
	w.closed = true
	return w.world.close()
}

type worldKey struct{}

const testAccount = "111122223333"

func (w *testWorld) open(e *env) (err error) {
	accounts := []*config.Account{{Name: "dev", ID: testAccount}}
	if w.world, err = e.openWorld(context.Background(), worldOptions{listen: "127.0.0.1:0", region: "eu-west-1", accounts: accounts}); err != nil {
		return err
	}
	w.e = e
	w.cfg = aws.Config{Region: "eu-west-1", BaseEndpoint: &w.url, Credentials: w.admin(testAccount)}
	_, err = ecs.NewFromConfig(w.cfg).CreateCluster(context.Background(), &ecs.CreateClusterInput{})
	return err
}

func (w *testWorld) address() string { return strings.TrimPrefix(w.url, "http://") }

func roleARN(name string) string { return "arn:aws:iam::" + testAccount + ":role/" + name }

func (w *testWorld) role(name, service string) error {
	_, err := iam.NewFromConfig(w.cfg).CreateRole(context.Background(), &iam.CreateRoleInput{RoleName: &name, AssumeRolePolicyDocument: aws.String(
		`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"` + service + `"},"Action":"sts:AssumeRole"}]}`)})
	return err
}

func (w *testWorld) instance(role string, options ...string) (string, error) {
	ctx := context.Background()
	in := &ec2.RunInstancesInput{MinCount: aws.Int32(1), MaxCount: aws.Int32(1), InstanceType: ec2types.InstanceTypeT3Micro, MetadataOptions: &ec2types.InstanceMetadataOptionsRequest{HttpTokens: ec2types.HttpTokensStateRequired}}
	if role != "-" {
		c := iam.NewFromConfig(w.cfg)
		if _, err := c.CreateInstanceProfile(ctx, &iam.CreateInstanceProfileInput{InstanceProfileName: &role}); err != nil {
			return "", err
		}
		if _, err := c.AddRoleToInstanceProfile(ctx, &iam.AddRoleToInstanceProfileInput{InstanceProfileName: &role, RoleName: &role}); err != nil {
			return "", err
		}
		in.IamInstanceProfile = &ec2types.IamInstanceProfileSpecification{Name: &role}
	}
	for _, o := range options {
		switch o {
		case "v1":
			in.MetadataOptions.HttpTokens = ec2types.HttpTokensStateOptional
		case "off":
			in.MetadataOptions.HttpTokens, in.MetadataOptions.HttpEndpoint = "", ec2types.InstanceMetadataEndpointStateDisabled
		case "tags":
			in.MetadataOptions.InstanceMetadataTags = ec2types.InstanceMetadataTagsStateEnabled
			in.TagSpecifications = []ec2types.TagSpecification{{ResourceType: ec2types.ResourceTypeInstance, Tags: []ec2types.Tag{{Key: aws.String("Stage"), Value: aws.String("test")}}}}
		}
	}
	c := ec2.NewFromConfig(w.cfg)
	images, err := c.DescribeImages(ctx, &ec2.DescribeImagesInput{Owners: []string{"amazon"}, Filters: []ec2types.Filter{{Name: aws.String("architecture"), Values: []string{"x86_64"}}}})
	if err != nil {
		return "", err
	}
	in.ImageId = images.Images[0].ImageId
	out, err := c.RunInstances(ctx, in)
	if err != nil {
		return "", err
	}
	return *out.Instances[0].InstanceId, nil
}

// definition registers a task definition, given as RegisterTaskDefinition
// takes it; role is - for none.
func (w *testWorld) definition(family, role string, text []byte) error {
	in := &ecs.RegisterTaskDefinitionInput{Family: &family}
	if err := json.Unmarshal(text, in); err != nil {
		return err
	}
	if role != "-" {
		in.TaskRoleArn = aws.String(roleARN(role))
	}
	_, err := ecs.NewFromConfig(w.cfg).RegisterTaskDefinition(context.Background(), in)
	return err
}

// task starts a task by the API alone, on a machine that is nowhere.
func (w *testWorld) task(family string) (string, error) {
	if _, err := w.JoinCluster(testAccount, w.cfg.Region, "default", machineOfTest); err != nil {
		return "", err
	}
	out, err := ecs.NewFromConfig(w.cfg).RunTask(context.Background(), &ecs.RunTaskInput{TaskDefinition: &family})
	if err != nil {
		return "", err
	}
	if len(out.Tasks) != 1 {
		return "", fmt.Errorf("RunTask: %v", out.Failures)
	}
	_, id, _ := strings.Cut(*out.Tasks[0].TaskArn, ":task/default/")
	return id, nil
}

// ended waits until a task has ended and prints what the API says of it.
func (w *testWorld) ended(out io.Writer, id string) error {
	waiter := ecs.NewTasksStoppedWaiter(ecs.NewFromConfig(w.cfg), func(o *ecs.TasksStoppedWaiterOptions) { o.MinDelay = pulse; o.MaxDelay = pulse })
	got, err := waiter.WaitForOutput(context.Background(), &ecs.DescribeTasksInput{Tasks: []string{id}}, 10*patience)
	if err != nil {
		return err
	}
	t := got.Tasks[0]
	fmt.Fprintf(out, "%s: %s\n", t.StopCode, aws.ToString(t.StoppedReason))
	exits := map[string]ecstypes.Container{}
	for _, c := range t.Containers {
		exits[*c.Name] = c
	}
	for name, c := range maps.All(exits) {
		if c.ExitCode != nil {
			fmt.Fprintf(out, "container %s: exit %d\n", name, *c.ExitCode)
		}
	}
	return nil
}
