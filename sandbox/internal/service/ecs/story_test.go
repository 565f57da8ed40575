package ecs

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	api "github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/mantle-iam/mantle/sandbox/internal/store"
)

// app is the definition of the tests: a role for the task, a profile that is
// mounted from the host, a variable.
func app() *api.RegisterTaskDefinitionInput {
	return &api.RegisterTaskDefinitionInput{
		Family: new("app"), TaskRoleArn: new(roleA), NetworkMode: types.NetworkModeBridge,
		Volumes: []types.Volume{{Name: new("profile"), Host: &types.HostVolumeProperties{SourcePath: new("/opt/dummy-profile")}}},
		ContainerDefinitions: []types.ContainerDefinition{{
			Name: new("app"), Image: new("busybox"), Memory: new(int32(200)), Cpu: 10,
			Environment: []types.KeyValuePair{{Name: new("AWS_PROFILE"), Value: new("crossAccount")}, {Name: new("MODE"), Value: new("a")}},
			MountPoints: []types.MountPoint{{SourceVolume: new("profile"), ContainerPath: new("/home/app/.aws"), ReadOnly: new(true)}},
		}},
	}
}

// cluster makes the cluster "main", with a machine of 1024 CPU units and 500
// MiB, and registers app.
func (f *front) cluster(t *testing.T) {
	t.Helper()
	must[api.CreateClusterOutput](t)(f.api.CreateCluster(t.Context(), &api.CreateClusterInput{ClusterName: new("main")}))
	if _, err := f.ecs.Join(account, region, "main", Machine{ID: "i-0123456789abcdef0", CPU: 1024, Memory: 500}, f.Now()); err != nil {
		t.Fatal(err)
	}
	must[api.RegisterTaskDefinitionOutput](t)(f.api.RegisterTaskDefinition(t.Context(), app()))
}

func (f *front) run(t *testing.T, in *api.RunTaskInput) *api.RunTaskOutput {
	t.Helper()
	in.Cluster = new("main")
	if in.TaskDefinition == nil {
		in.TaskDefinition = new("app")
	}
	return must[api.RunTaskOutput](t)(f.api.RunTask(t.Context(), in))
}

func TestTaskFromStartToEnd(t *testing.T) {
	f := memory(t, Options{})
	f.cluster(t)
	out := f.run(t, &api.RunTaskInput{Overrides: &types.TaskOverride{ContainerOverrides: []types.ContainerOverride{{
		Name: new("app"), Command: []string{"aws", "s3", "ls"}, Environment: []types.KeyValuePair{{Name: new("MODE"), Value: new("b")}},
	}}}})
	if len(out.Tasks) != 1 || *out.Tasks[0].LastStatus != "RUNNING" {
		t.Fatalf("got %s", f.Body())
	}
	arn := *out.Tasks[0].TaskArn
	got, ok := f.ecs.Task(TaskID(arn))
	if !ok || got.ARN != arn || !strings.HasPrefix(arn, prefix+"task/main/") {
		t.Fatalf("task %s by id: %+v, %v", arn, got, ok)
	}
	if got.TaskRole != roleA || got.Family != "app" || got.Revision != 1 || got.Cluster != "main" || got.Account != account || got.Region != region || got.Instance != "i-0123456789abcdef0" || got.Memory != 200 || got.CPU != 10 {
		t.Errorf("got %+v", got)
	}
	c := got.Containers[0]
	if !slices.Equal(c.Env, []Variable{{"AWS_PROFILE", "crossAccount"}, {"MODE", "b"}}) || !slices.Equal(c.Command, []string{"aws", "s3", "ls"}) {
		t.Errorf("the overrides are not applied: %q %q", c.Env, c.Command)
	}
	if want := (Mount{"profile", "/opt/dummy-profile", "/home/app/.aws", true}); len(c.Mounts) != 1 || c.Mounts[0] != want {
		t.Errorf("got mounts %+v, want %+v", c.Mounts, want)
	}
	if err := f.ecs.Ended(arn, "", map[string]int32{"app": 3}, f.Now()); err != nil {
		t.Fatal(err)
	}
	d := must[api.DescribeTasksOutput](t)(f.api.DescribeTasks(t.Context(), &api.DescribeTasksInput{Cluster: new("main"), Tasks: []string{arn, "gone"}}))
	if v := d.Tasks[0]; *v.LastStatus != "STOPPED" || v.StopCode != types.TaskStopCodeEssentialContainerExited || *v.StoppedReason != "Essential container in task exited" || *v.Containers[0].ExitCode != 3 {
		t.Errorf("got %s", f.Body())
	}
	if len(d.Failures) != 1 || *d.Failures[0].Reason != "MISSING" || *d.Failures[0].Arn != prefix+"task/main/gone" {
		t.Errorf("got failures %s", f.Body())
	}
	f.Advance(stoppedLife + time.Minute)
	d = must[api.DescribeTasksOutput](t)(f.api.DescribeTasks(t.Context(), &api.DescribeTasksInput{Cluster: new("main"), Tasks: []string{arn}}))
	if len(d.Tasks) != 0 || len(d.Failures) != 1 {
		t.Errorf("a task that stopped long ago is still described: %s", f.Body())
	}
}

func TestTasksFillAnInstance(t *testing.T) {
	f := memory(t, Options{})
	f.cluster(t)
	out := f.run(t, &api.RunTaskInput{Count: new(int32(3))})
	if len(out.Tasks) != 2 || len(out.Failures) != 1 || *out.Failures[0].Reason != "RESOURCE:MEMORY" {
		t.Errorf("200 MiB three times in 500 MiB: got %s", f.Body())
	}
	list := must[api.ListContainerInstancesOutput](t)(f.api.ListContainerInstances(t.Context(), &api.ListContainerInstancesInput{Cluster: new("main")}))
	d := must[api.DescribeContainerInstancesOutput](t)(f.api.DescribeContainerInstances(t.Context(), &api.DescribeContainerInstancesInput{Cluster: new("main"), ContainerInstances: list.ContainerInstanceArns}))
	if i := d.ContainerInstances[0]; i.RunningTasksCount != 2 || resource(i.RemainingResources, "MEMORY") != 100 || resource(i.RegisteredResources, "MEMORY") != 500 {
		t.Errorf("got %s", f.Body())
	}
	_, err := f.api.DeregisterContainerInstance(t.Context(), &api.DeregisterContainerInstanceInput{Cluster: new("main"), ContainerInstance: &list.ContainerInstanceArns[0]})
	wantError(t, "deregister", err, "InvalidParameterException", "Found running tasks on the instance.")
	must[api.StopTaskOutput](t)(f.api.StopTask(t.Context(), &api.StopTaskInput{Cluster: new("main"), Task: out.Tasks[0].TaskArn, Reason: new("enough")}))
	if out := f.run(t, &api.RunTaskInput{}); len(out.Tasks) != 1 {
		t.Errorf("a stopped task still takes room: %s", f.Body())
	}
}

func TestRoleThatCannotBeAssumed(t *testing.T) {
	trusted := false
	var asked []string
	f := memory(t, Options{AssumeTaskRole: func(who, role, arn string) error {
		asked = append(asked, who+" "+role+" "+arn)
		if trusted {
			return nil
		}
		return errors.New("the trust policy names ec2.amazonaws.com")
	}})
	f.cluster(t)
	v := f.run(t, &api.RunTaskInput{}).Tasks[0]
	want := "ECS was unable to assume the role '" + roleA + "' that was provided for this task. Please verify that the role being passed has the proper trust relationship and permissions and that your IAM user has permissions to pass this role."
	if *v.LastStatus != "STOPPED" || v.StopCode != types.TaskStopCodeTaskFailedToStart || *v.StoppedReason != want || v.StartedAt != nil {
		t.Errorf("got %s", f.Body())
	}
	if len(asked) != 1 || asked[0] != account+" "+roleA+" "+*v.TaskArn {
		t.Errorf("asked %q", asked)
	}

	s := must[api.CreateServiceOutput](t)(f.api.CreateService(t.Context(), &api.CreateServiceInput{
		Cluster: new("main"), ServiceName: new("web"), TaskDefinition: new("app"), DesiredCount: new(int32(1)), LaunchType: types.LaunchTypeEc2}))
	if e := s.Service.Events; len(e) != 1 || *e[0].Message != "(service web) failed to launch a task with (error "+want+")." {
		t.Errorf("got %s", f.Body())
	}
	if d := s.Service.Deployments[0]; d.RolloutState != types.DeploymentRolloutStateInProgress || d.FailedTasks != 1 {
		t.Errorf("got deployment %+v", d)
	}
	trusted = true
	u := must[api.UpdateServiceOutput](t)(f.api.UpdateService(t.Context(), &api.UpdateServiceInput{Cluster: new("main"), Service: new("web"), ForceNewDeployment: true}))
	if u.Service.RunningCount != 1 || u.Service.Deployments[0].RolloutState != types.DeploymentRolloutStateCompleted {
		t.Errorf("the cure does not help: %s", f.Body())
	}
	if f.run(t, &api.RunTaskInput{}); !strings.Contains(f.Body(), `"lastStatus":"RUNNING"`) {
		t.Errorf("got %s", f.Body())
	}
}

// What Terraform reads back must hold what it sent, and absent things must
// stay absent: the provider takes an empty networkConfiguration for one.
func TestServiceReadsBack(t *testing.T) {
	f := memory(t, Options{})
	f.cluster(t)
	create := func(in *api.CreateServiceInput) types.Service {
		t.Helper()
		in.Cluster, in.DesiredCount = new(prefix+"cluster/main"), new(int32(0))
		must[api.CreateServiceOutput](t)(f.api.CreateService(t.Context(), in))
		d := must[api.DescribeServicesOutput](t)(f.api.DescribeServices(t.Context(), &api.DescribeServicesInput{
			Cluster: new("main"), Services: []string{*in.ServiceName}, Include: []types.ServiceField{types.ServiceFieldTags}}))
		return d.Services[0]
	}
	es := create(&api.CreateServiceInput{ServiceName: new("es"), TaskDefinition: new(prefix + "task-definition/app:1"), LaunchType: types.LaunchTypeEc2, AvailabilityZoneRebalancing: types.AvailabilityZoneRebalancingDisabled})
	for _, absent := range []string{"networkConfiguration", "roleArn", "healthCheckGracePeriodSeconds", "platformVersion", "capacityProviderStrategy", "deploymentCircuitBreaker"} {
		if strings.Contains(f.Body(), `"`+absent+`"`) {
			t.Errorf("%s is there: %s", absent, f.Body())
		}
	}
	if es.AvailabilityZoneRebalancing != types.AvailabilityZoneRebalancingDisabled || es.LaunchType != types.LaunchTypeEc2 || *es.TaskDefinition != prefix+"task-definition/app:1" ||
		*es.ClusterArn != prefix+"cluster/main" || *es.ServiceArn != prefix+"service/main/es" || *es.Status != "ACTIVE" || *es.DeploymentConfiguration.MaximumPercent != 200 {
		t.Errorf("got %s", f.Body())
	}
	must[api.RegisterTaskDefinitionOutput](t)(f.api.RegisterTaskDefinition(t.Context(), &api.RegisterTaskDefinitionInput{
		Family: new("extra"), NetworkMode: types.NetworkModeAwsvpc, Cpu: new("256"), Memory: new("512"), RequiresCompatibilities: []types.Compatibility{types.CompatibilityFargate},
		ContainerDefinitions: []types.ContainerDefinition{{Name: new("a"), Image: new("busybox"), Essential: new(true)}}}))
	extra := create(&api.CreateServiceInput{ServiceName: new("extra"), TaskDefinition: new("extra"), LaunchType: types.LaunchTypeFargate,
		NetworkConfiguration: &types.NetworkConfiguration{AwsvpcConfiguration: &types.AwsVpcConfiguration{Subnets: []string{"subnet-1"}}}})
	if n := extra.NetworkConfiguration.AwsvpcConfiguration; n.AssignPublicIp != types.AssignPublicIpDisabled || n.Subnets[0] != "subnet-1" || *extra.PlatformVersion != "LATEST" || extra.AvailabilityZoneRebalancing != types.AvailabilityZoneRebalancingEnabled {
		t.Errorf("got %s", f.Body())
	}
	if d := must[api.DeleteServiceOutput](t)(f.api.DeleteService(t.Context(), &api.DeleteServiceInput{Cluster: new("main"), Service: new("es")})); *d.Service.Status != "INACTIVE" {
		t.Errorf("got %s", f.Body())
	}
	_, err := f.api.UpdateService(t.Context(), &api.UpdateServiceInput{Cluster: new("main"), Service: new("es")})
	wantError(t, "update of a deleted service", err, "ServiceNotActiveException", "Service was not ACTIVE.")
	_, err = f.api.DeleteCluster(t.Context(), &api.DeleteClusterInput{Cluster: new("main")})
	wantError(t, "delete of a cluster in use", err, "ClusterContainsContainerInstancesException", "")
}

func TestServiceKeepsItsTasks(t *testing.T) {
	f := memory(t, Options{})
	f.cluster(t)
	s := must[api.CreateServiceOutput](t)(f.api.CreateService(t.Context(), &api.CreateServiceInput{
		Cluster: new("main"), ServiceName: new("web"), TaskDefinition: new("app"), DesiredCount: new(int32(1)), LaunchType: types.LaunchTypeEc2, PropagateTags: types.PropagateTagsService,
		Tags: []types.Tag{{Key: new("team"), Value: new("a")}}}))
	if s.Service.RunningCount != 1 || !strings.Contains(f.Body(), "has reached a steady state") {
		t.Fatalf("got %s", f.Body())
	}
	list := func() []string {
		t.Helper()
		return must[api.ListTasksOutput](t)(f.api.ListTasks(t.Context(), &api.ListTasksInput{Cluster: new("main"), ServiceName: new("web")})).TaskArns
	}
	if got := *s.Service.Events[0].Message; got != "(service web) has reached a steady state." {
		t.Errorf("the last event is %q", got)
	}
	first := list()
	task, _ := f.ecs.Task(first[0])
	if task.Service != "web" || task.Group != "service:web" || task.Tags["team"] != "a" {
		t.Errorf("got %+v", task)
	}
	must[api.StopTaskOutput](t)(f.api.StopTask(t.Context(), &api.StopTaskInput{Cluster: new("main"), Task: &first[0]}))
	second := list()
	if len(second) != 1 || second[0] == first[0] {
		t.Errorf("after the task was stopped: %q, before %q", second, first)
	}
	_, err := f.api.DeleteService(t.Context(), &api.DeleteServiceInput{Cluster: new("main"), Service: new("web")})
	wantError(t, "delete", err, "InvalidParameterException", "scaled above 0")
	u := must[api.UpdateServiceOutput](t)(f.api.UpdateService(t.Context(), &api.UpdateServiceInput{Cluster: new("main"), Service: new("web"), DesiredCount: new(int32(5))}))
	if u.Service.RunningCount != 2 || !strings.Contains(*u.Service.Events[0].Message, "insufficient memory") {
		t.Errorf("got %s", f.Body())
	}
	if _, err := f.ecs.Join(account, region, "main", Machine{ID: "i-2", Memory: 4000}, f.Now()); err != nil {
		t.Fatal(err)
	}
	if got := list(); len(got) != 5 {
		t.Errorf("with a second machine: %d tasks, want 5", len(got))
	}
}

func TestDefinitionReadsBack(t *testing.T) {
	f := memory(t, Options{})
	in := app()
	in.ContainerDefinitions[0].PortMappings = []types.PortMapping{{ContainerPort: new(int32(80))}}
	in.Tags = []types.Tag{{Key: new("team"), Value: new("a")}}
	must[api.RegisterTaskDefinitionOutput](t)(f.api.RegisterTaskDefinition(t.Context(), in))
	d := must[api.DescribeTaskDefinitionOutput](t)(f.api.DescribeTaskDefinition(t.Context(), &api.DescribeTaskDefinitionInput{TaskDefinition: new("app"), Include: []types.TaskDefinitionField{types.TaskDefinitionFieldTags}}))
	if len(d.Tags) != 1 || *d.Tags[0].Key != "team" {
		t.Errorf("tags: %s", f.Body())
	}
	var got struct {
		TaskDefinition struct {
			ContainerDefinitions []json.RawMessage `json:"containerDefinitions"`
			Volumes              json.RawMessage   `json:"volumes"`
			Compatibilities      []string          `json:"compatibilities"`
			Arn                  string            `json:"taskDefinitionArn"`
			By                   string            `json:"registeredBy"`
		} `json:"taskDefinition"`
	}
	if err := json.Unmarshal([]byte(f.Body()), &got); err != nil {
		t.Fatal(err)
	}
	want := `{"name":"app","image":"busybox","cpu":10,"memory":200,"portMappings":[{"containerPort":80,"hostPort":0,"protocol":"tcp"}],"essential":true,` +
		`"environment":[{"name":"AWS_PROFILE","value":"crossAccount"},{"name":"MODE","value":"a"}],"mountPoints":[{"sourceVolume":"profile","containerPath":"/home/app/.aws","readOnly":true}],"volumesFrom":[],"systemControls":[]}`
	if g := string(got.TaskDefinition.ContainerDefinitions[0]); g != want {
		t.Errorf("container:\n got %s\nwant %s", g, want)
	}
	if g := string(got.TaskDefinition.Volumes); g != `[{"name":"profile","host":{"sourcePath":"/opt/dummy-profile"}}]` {
		t.Errorf("volumes: %s", g)
	}
	if got.TaskDefinition.Arn != prefix+"task-definition/app:1" || !slices.Equal(got.TaskDefinition.Compatibilities, []string{"EXTERNAL", "EC2"}) || got.TaskDefinition.By != "arn:aws:iam::"+account+":user/alice" {
		t.Errorf("got %+v", got.TaskDefinition)
	}
}

func TestRevisions(t *testing.T) {
	f := memory(t, Options{})
	for range 3 {
		must[api.RegisterTaskDefinitionOutput](t)(f.api.RegisterTaskDefinition(t.Context(), app()))
	}
	one := app()
	one.Family = new("app-two")
	must[api.RegisterTaskDefinitionOutput](t)(f.api.RegisterTaskDefinition(t.Context(), one))
	must[api.DeregisterTaskDefinitionOutput](t)(f.api.DeregisterTaskDefinition(t.Context(), &api.DeregisterTaskDefinitionInput{TaskDefinition: new("app:3")}))
	if d := must[api.DescribeTaskDefinitionOutput](t)(f.api.DescribeTaskDefinition(t.Context(), &api.DescribeTaskDefinitionInput{TaskDefinition: new("app")})); d.TaskDefinition.Revision != 2 {
		t.Errorf("the latest ACTIVE is revision %d, want 2", d.TaskDefinition.Revision)
	}
	if d := must[api.DescribeTaskDefinitionOutput](t)(f.api.DescribeTaskDefinition(t.Context(), &api.DescribeTaskDefinitionInput{TaskDefinition: new("app:3")})); d.TaskDefinition.Status != "INACTIVE" {
		t.Errorf("got %s", f.Body())
	}
	del := must[api.DeleteTaskDefinitionsOutput](t)(f.api.DeleteTaskDefinitions(t.Context(), &api.DeleteTaskDefinitionsInput{TaskDefinitions: []string{"app:3", "app:1", "app:9"}}))
	if len(del.TaskDefinitions) != 1 || del.TaskDefinitions[0].Status != "DELETE_IN_PROGRESS" || len(del.Failures) != 2 {
		t.Errorf("got %s", f.Body())
	}
	if again := must[api.RegisterTaskDefinitionOutput](t)(f.api.RegisterTaskDefinition(t.Context(), app())); again.TaskDefinition.Revision != 4 {
		t.Errorf("revision %d after 3 was deleted, want 4", again.TaskDefinition.Revision)
	}
	for _, test := range []struct {
		in   api.ListTaskDefinitionsInput
		want string
	}{
		{api.ListTaskDefinitionsInput{FamilyPrefix: new("app")}, "app:1 app:2 app:4"},
		{api.ListTaskDefinitionsInput{FamilyPrefix: new("app"), Sort: types.SortOrderDesc}, "app:4 app:2 app:1"},
		{api.ListTaskDefinitionsInput{Status: types.TaskDefinitionStatusInactive}, ""},
		{api.ListTaskDefinitionsInput{}, "app-two:1 app:1 app:2 app:4"},
	} {
		var got []string
		in := test.in
		in.MaxResults = aws.Int32(2)
		for pages := api.NewListTaskDefinitionsPaginator(f.api, &in); pages.HasMorePages(); {
			page := must[api.ListTaskDefinitionsOutput](t)(pages.NextPage(t.Context()))
			for _, arn := range page.TaskDefinitionArns {
				got = append(got, strings.TrimPrefix(arn, prefix+"task-definition/"))
			}
		}
		if g := strings.Join(got, " "); g != test.want {
			t.Errorf("list %+v: got %s, want %s", test.in, g, test.want)
		}
	}
	if l := must[api.ListTaskDefinitionFamiliesOutput](t)(f.api.ListTaskDefinitionFamilies(t.Context(), &api.ListTaskDefinitionFamiliesInput{FamilyPrefix: new("app"), Status: types.TaskDefinitionFamilyStatusActive})); !slices.Equal(l.Families, []string{"app", "app-two"}) {
		t.Errorf("got families %q", l.Families)
	}
}

// Everything survives the end of the process.
func TestStateIsKept(t *testing.T) {
	dir := t.TempDir()
	st, err := store.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	f := newFront(t, st, Options{})
	f.cluster(t)
	must[api.CreateServiceOutput](t)(f.api.CreateService(t.Context(), &api.CreateServiceInput{
		Cluster: new("main"), ServiceName: new("web"), TaskDefinition: new("app"), DesiredCount: new(int32(1)), LaunchType: types.LaunchTypeEc2}))
	read := func() string {
		t.Helper()
		must[api.DescribeServicesOutput](t)(f.api.DescribeServices(t.Context(), &api.DescribeServicesInput{Cluster: new("main"), Services: []string{"web"}}))
		out := f.Body()
		must[api.DescribeTaskDefinitionOutput](t)(f.api.DescribeTaskDefinition(t.Context(), &api.DescribeTaskDefinitionInput{TaskDefinition: new("app")}))
		out += f.Body()
		list := must[api.ListTasksOutput](t)(f.api.ListTasks(t.Context(), &api.ListTasksInput{Cluster: new("main")}))
		must[api.DescribeTasksOutput](t)(f.api.DescribeTasks(t.Context(), &api.DescribeTasksInput{Cluster: new("main"), Tasks: list.TaskArns}))
		return out + f.Body()
	}
	before := read()
	st.Close()
	if st, err = store.Open(dir); err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	f = newFront(t, st, Options{})
	if after := read(); after != before {
		t.Errorf("got %s\nwant %s", after, before)
	}
}
