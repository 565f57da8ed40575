package sandbox_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsec2 "github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	awsecs "github.com/aws/aws-sdk-go-v2/service/ecs"
	ecstypes "github.com/aws/aws-sdk-go-v2/service/ecs/types"
	awsiam "github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/mantle-iam/mantle/sandbox"
)

// profile makes an instance profile with a role of the same name in it.
func (c *client) profile(name string) {
	c.t.Helper()
	if _, err := c.iam.CreateInstanceProfile(c.t.Context(), &awsiam.CreateInstanceProfileInput{InstanceProfileName: &name}); err != nil {
		c.t.Fatal(err)
	}
	if _, err := c.iam.AddRoleToInstanceProfile(c.t.Context(), &awsiam.AddRoleToInstanceProfileInput{InstanceProfileName: &name, RoleName: &name}); err != nil {
		c.t.Fatal(err)
	}
}

// launch starts an instance with a profile, "" for none.
func (c *client) launch(profile string) string {
	c.t.Helper()
	api := awsec2.NewFromConfig(c.cfg)
	images, err := api.DescribeImages(c.t.Context(), &awsec2.DescribeImagesInput{Owners: []string{"amazon"}, Filters: []ec2types.Filter{{Name: aws.String("architecture"), Values: []string{"x86_64"}}}})
	if err != nil {
		c.t.Fatal(err)
	}
	in := &awsec2.RunInstancesInput{ImageId: images.Images[0].ImageId, InstanceType: ec2types.InstanceTypeT3Micro, MinCount: aws.Int32(1), MaxCount: aws.Int32(1)}
	if profile != "" {
		in.IamInstanceProfile = &ec2types.IamInstanceProfileSpecification{Name: &profile}
	}
	out, err := api.RunInstances(c.t.Context(), in)
	if err != nil {
		c.t.Fatal(err)
	}
	return *out.Instances[0].InstanceId
}

// TestInstanceRole: the session of an instance is that of the role in its
// profile, named after the instance and bound to it.
func TestInstanceRole(t *testing.T) {
	w := newWorld(t, "")
	admin := w.admin(dev)
	admin.role("host", trusts(`{"Service":"ec2.amazonaws.com"}`), "")
	admin.profile("host")
	one, two, bare := admin.launch("host"), admin.launch("host"), admin.launch("")
	policy := statement(`"Effect":"Allow","Action":"s3:ListAllMyBuckets","Resource":"*","Condition":{"ArnEquals":{"ec2:SourceInstanceARN":"arn:aws:ec2:eu-west-1:111122223333:instance/` + one + `"}}`)
	if _, err := admin.iam.PutRolePolicy(t.Context(), &awsiam.PutRolePolicyInput{RoleName: aws.String("host"), PolicyName: aws.String("own"), PolicyDocument: &policy}); err != nil {
		t.Fatal(err)
	}
	for id, want := range map[string]string{one: "", two: "AccessDenied"} {
		i, ok := w.srv.Instance(id)
		if !ok || i.Role != roleARN(dev, "host") || i.Account != dev || i.Region != "eu-west-1" || i.State != "running" {
			t.Fatalf("instance %+v, %v", i, ok)
		}
		s, err := w.srv.RoleSession(i)
		if err != nil {
			t.Fatal(err)
		}
		c := w.as(s.AccessKeyID, s.SecretAccessKey, s.SessionToken)
		if got, want := c.arn(), "arn:aws:sts::111122223333:assumed-role/host/"+id; got != want || s.ARN != want {
			t.Errorf("session is %s, %s, want %s", got, s.ARN, want)
		}
		if _, err := c.s3.ListBuckets(t.Context(), nil); code(err) != want {
			t.Errorf("ListBuckets from %s: %v, want %q", id, err, want)
		}
	}
	if i, ok := w.srv.Instance(bare); !ok || i.Role != "" {
		t.Errorf("instance without a profile: %+v, %v", i, ok)
	} else if _, err := w.srv.RoleSession(i); !errors.Is(err, sandbox.ErrNoRole) {
		t.Errorf("session of an instance without a profile: %v", err)
	}
	if _, ok := w.srv.Instance("i-00000000000000000"); ok {
		t.Error("an instance that is not there was found")
	}

	// The role goes out of the profile, and a profile of the same name is not
	// the one that the instance has.
	name := aws.String("host")
	if _, err := admin.iam.RemoveRoleFromInstanceProfile(t.Context(), &awsiam.RemoveRoleFromInstanceProfileInput{InstanceProfileName: name, RoleName: name}); err != nil {
		t.Fatal(err)
	}
	if i, _ := w.srv.Instance(one); i.Role != "" {
		t.Errorf("the role was taken out of the profile, and is %s", i.Role)
	}
	if _, err := admin.iam.DeleteInstanceProfile(t.Context(), &awsiam.DeleteInstanceProfileInput{InstanceProfileName: name}); err != nil {
		t.Fatal(err)
	}
	admin.profile("host")
	if i, _ := w.srv.Instance(one); i.Role != "" {
		t.Errorf("the profile was made again, and the role is %s", i.Role)
	}
}

// TestTaskRole: the session of a task is that of its task role, if the trust
// policy lets ECS in for this task.
func TestTaskRole(t *testing.T) {
	w := newWorld(t, "")
	admin := w.admin(dev)
	guarded := func(account string) string {
		return statement(`"Effect":"Allow","Principal":{"Service":"ecs-tasks.amazonaws.com"},"Action":"sts:AssumeRole",` +
			`"Condition":{"StringEquals":{"aws:SourceAccount":"` + account + `"},"ArnLike":{"aws:SourceArn":"arn:aws:ecs:eu-west-1:` + account + `:*"}}`)
	}
	admin.role("worker", guarded(dev), "")
	api := awsecs.NewFromConfig(admin.cfg)
	if _, err := api.CreateCluster(t.Context(), &awsecs.CreateClusterInput{}); err != nil {
		t.Fatal(err)
	}
	def := func(family string, role *string) {
		if _, err := api.RegisterTaskDefinition(t.Context(), &awsecs.RegisterTaskDefinitionInput{
			Family: &family, TaskRoleArn: role,
			ContainerDefinitions: []ecstypes.ContainerDefinition{{Name: aws.String("app"), Image: aws.String("x"), Memory: aws.Int32(64)}},
		}); err != nil {
			t.Fatal(err)
		}
	}
	def("app", aws.String(roleARN(dev, "worker")))
	def("bare", nil)
	if _, err := w.srv.JoinCluster(dev, "eu-west-1", "default", sandbox.Machine{ID: "i-0123456789abcdef0"}); err != nil {
		t.Fatal(err)
	}
	start := func(family string) sandbox.Task {
		out, err := api.RunTask(t.Context(), &awsecs.RunTaskInput{TaskDefinition: &family})
		if err != nil || len(out.Tasks) != 1 {
			t.Fatalf("RunTask: %v, %+v", err, out)
		}
		task, ok := w.srv.Task(*out.Tasks[0].TaskArn)
		if !ok {
			t.Fatalf("task %s is not found", *out.Tasks[0].TaskArn)
		}
		return task
	}
	task := start("app")
	s, err := w.srv.TaskSession(task)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := w.as(s.AccessKeyID, s.SecretAccessKey, s.SessionToken).arn(), "arn:aws:sts::111122223333:assumed-role/worker/"+task.ID; got != want {
		t.Errorf("session is %s, want %s", got, want)
	}
	if strings.Contains(s.String(), s.SecretAccessKey) {
		t.Error("the session prints its secret")
	}
	if _, err := w.srv.TaskSession(start("bare")); !errors.Is(err, sandbox.ErrNoRole) {
		t.Errorf("session of a task without a task role: %v", err)
	}
	// The trust policy changes while the task runs.
	trust := guarded(shared)
	if _, err := admin.iam.UpdateAssumeRolePolicy(t.Context(), &awsiam.UpdateAssumeRolePolicyInput{RoleName: aws.String("worker"), PolicyDocument: &trust}); err != nil {
		t.Fatal(err)
	}
	_, err = w.srv.TaskSession(task)
	if x, ok := errors.AsType[*sandbox.AssumeError](err); !ok || x.Role != roleARN(dev, "worker") {
		t.Errorf("session whose trust policy names another account: %v", err)
	}

	if err := w.srv.EndTask(task, "", map[string]int32{"app": 3}); err != nil {
		t.Fatal(err)
	}
	out, err := api.DescribeTasks(t.Context(), &awsecs.DescribeTasksInput{Tasks: []string{task.ID}})
	if err != nil {
		t.Fatal(err)
	}
	if got := out.Tasks[0]; aws.ToString(got.LastStatus) != "STOPPED" || aws.ToInt32(got.Containers[0].ExitCode) != 3 {
		t.Errorf("an ended task is %s with exit code %v", aws.ToString(got.LastStatus), got.Containers[0].ExitCode)
	}
}
