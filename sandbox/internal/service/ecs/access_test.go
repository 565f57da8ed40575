package ecs

import (
	"slices"
	"strings"
	"testing"

	api "github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
)

func TestChecks(t *testing.T) {
	ctx := t.Context()
	f := memory(t, Options{RoleTags: func(role string) map[string]string {
		if role == roleA {
			return map[string]string{"kind": "task"}
		}
		return nil
	}})
	f.cluster(t)
	tag := []types.Tag{{Key: new("team"), Value: new("a")}}
	pass := "iam:PassRole " + roleA + " iam:PassedToService=ecs-tasks.amazonaws.com"

	f.api.CreateCluster(ctx, &api.CreateClusterInput{ClusterName: new("two"), Tags: tag})
	f.wantChecks(t, "CreateCluster", []string{
		"ecs:CreateCluster cluster/two aws:RequestTag/team=a aws:TagKeys=team",
		"ecs:TagResource cluster/two aws:RequestTag/team=a aws:TagKeys=team ecs:CreateAction=CreateCluster",
	}, "aws:RequestTag/", "aws:TagKeys", "ecs:CreateAction")
	f.api.DescribeClusters(ctx, &api.DescribeClustersInput{Clusters: []string{"two", "none"}})
	f.wantChecks(t, "DescribeClusters", []string{"ecs:DescribeClusters cluster/two ecs:ResourceTag/team=a", "ecs:DescribeClusters cluster/none"}, "ecs:ResourceTag/")

	both := app()
	both.ExecutionRoleArn, both.Tags, both.RequiresCompatibilities = new(roleX), tag, []types.Compatibility{types.CompatibilityEc2}
	f.api.RegisterTaskDefinition(ctx, both)
	f.wantChecks(t, "RegisterTaskDefinition", []string{
		"ecs:RegisterTaskDefinition task-definition/app:2 ecs:privileged=false ecs:compute-compatibility=EC2",
		pass, strings.Replace(pass, roleA, roleX, 1),
		"ecs:TagResource task-definition/app:2 ecs:CreateAction=RegisterTaskDefinition",
	}, "ecs:", "iam:PassedToService")
	f.wantChecks(t, "RegisterTaskDefinition", []string{
		"ecs:RegisterTaskDefinition task-definition/app:2", "iam:PassRole " + roleA + " iam:ResourceTag/kind=task", "iam:PassRole " + roleX, "ecs:TagResource task-definition/app:2",
	}, "iam:ResourceTag/")

	f.run(t, &api.RunTaskInput{TaskDefinition: new("app:1"), Tags: tag, EnableExecuteCommand: true})
	f.wantChecks(t, "RunTask", []string{
		"ecs:RunTask task-definition/app:1 ecs:cluster=cluster/main ecs:enable-execute-command=true",
		pass, "ecs:TagResource task/main/* ecs:CreateAction=RunTask",
	}, "ecs:cluster", "ecs:enable-execute-command", "ecs:CreateAction", "iam:PassedToService")
	f.run(t, &api.RunTaskInput{Overrides: &types.TaskOverride{TaskRoleArn: new("arn:aws:iam::111122223333:role/x/other")}})
	f.wantChecks(t, "RunTask with overrides", []string{
		"ecs:RunTask task-definition/app:2", "iam:PassRole arn:aws:iam::111122223333:role/x/other", "iam:PassRole " + roleX,
	})
	f.api.RunTask(ctx, &api.RunTaskInput{TaskDefinition: new("none")})
	f.wantChecks(t, "RunTask of nothing", []string{"ecs:RunTask task-definition/none:* ecs:cluster=cluster/default"}, "ecs:cluster")

	f.api.StopTask(ctx, &api.StopTaskInput{Cluster: new("main"), Task: new("abc")})
	f.wantChecks(t, "StopTask", []string{"ecs:StopTask task/main/abc ecs:cluster=cluster/main"}, "ecs:cluster")
	f.api.StopTask(ctx, &api.StopTaskInput{Task: new(prefix + "task/main/abc")})
	f.wantChecks(t, "StopTask by ARN", []string{"ecs:StopTask task/main/abc ecs:cluster=cluster/main"}, "ecs:cluster")
	f.api.ListTasks(ctx, &api.ListTasksInput{Cluster: new("main")})
	f.wantChecks(t, "ListTasks", []string{"ecs:ListTasks container-instance/main/* ecs:cluster=cluster/main"}, "ecs:cluster")

	f.api.CreateService(ctx, &api.CreateServiceInput{Cluster: new("main"), ServiceName: new("web"), TaskDefinition: new("app"), Tags: tag, DesiredCount: new(int32(0))})
	f.wantChecks(t, "CreateService", []string{
		"ecs:CreateService service/main/web ecs:cluster=cluster/main ecs:task-definition=task-definition/app:2",
		"iam:PassRole " + roleA, "iam:PassRole " + roleX, "ecs:TagResource service/main/web",
	}, "ecs:cluster", "ecs:task-definition")
	f.api.UpdateService(ctx, &api.UpdateServiceInput{Cluster: new("main"), Service: new("web"), DesiredCount: new(int32(0))})
	f.wantChecks(t, "UpdateService of the count", []string{"ecs:UpdateService service/main/web aws:ResourceTag/team=a"}, "aws:ResourceTag/")
	f.api.UpdateService(ctx, &api.UpdateServiceInput{Cluster: new("main"), Service: new("web"), TaskDefinition: new("app:1")})
	f.wantChecks(t, "UpdateService of the definition", []string{"ecs:UpdateService service/main/web ecs:task-definition=task-definition/app:1", "iam:PassRole " + roleA}, "ecs:task-definition")
	f.api.ListServices(ctx, &api.ListServicesInput{Cluster: new("main")})
	f.wantChecks(t, "ListServices", []string{"ecs:ListServices * ecs:cluster=cluster/main"}, "ecs:cluster")

	f.api.TagResource(ctx, &api.TagResourceInput{ResourceArn: new(prefix + "service/main/web"), Tags: []types.Tag{{Key: new("b"), Value: new("c")}}})
	f.wantChecks(t, "TagResource", []string{"ecs:TagResource service/main/web ecs:ResourceTag/team=a aws:RequestTag/b=c"}, "ecs:ResourceTag/", "aws:RequestTag/")
	f.api.DescribeTaskDefinition(ctx, &api.DescribeTaskDefinitionInput{TaskDefinition: new("app")})
	f.wantChecks(t, "DescribeTaskDefinition", []string{"ecs:DescribeTaskDefinition *"})
	f.api.PutAccountSetting(ctx, &api.PutAccountSettingInput{Name: "containerInsights", Value: new("enabled")})
	f.wantChecks(t, "PutAccountSetting", []string{"ecs:PutAccountSetting * ecs:account-setting=containerInsights"}, "ecs:")
	f.api.RegisterContainerInstance(ctx, &api.RegisterContainerInstanceInput{Cluster: new("main")})
	f.wantChecks(t, "RegisterContainerInstance", []string{"ecs:RegisterContainerInstance cluster/main"})
}

// What belongs to another account is checked as that account's.
func TestOtherAccount(t *testing.T) {
	f := memory(t, Options{})
	for name, call := range map[string]func() error{
		"DescribeClusters": func() error {
			_, err := f.api.DescribeClusters(t.Context(), &api.DescribeClustersInput{Clusters: []string{"arn:aws:ecs:us-west-2:444455556666:cluster/main"}})
			return err
		},
		"RunTask": func() error {
			_, err := f.api.RunTask(t.Context(), &api.RunTaskInput{TaskDefinition: new("arn:aws:ecs:us-west-2:444455556666:task-definition/app:1")})
			return err
		},
		"TagResource": func() error {
			_, err := f.api.TagResource(t.Context(), &api.TagResourceInput{ResourceArn: new("arn:aws:ecs:us-west-2:444455556666:cluster/main"), Tags: []types.Tag{}})
			return err
		},
	} {
		call()
		if len(f.LastChecks()) == 0 || f.LastChecks()[0].Owner != "444455556666" {
			t.Errorf("%s: got checks %+v, want the owner 444455556666", name, f.LastChecks())
		}
	}
	in := app()
	in.TaskRoleArn = new("arn:aws:iam::444455556666:role/r")
	_, err := f.api.RegisterTaskDefinition(t.Context(), in)
	wantError(t, "role of another account", err, "AccessDeniedException", "Cross-account pass role is not allowed.")
}

func TestDenialStopsTheCall(t *testing.T) {
	f := memory(t, Options{})
	f.cluster(t)
	f.Deny("iam:PassRole")
	_, err := f.api.RunTask(t.Context(), &api.RunTaskInput{Cluster: new("main"), TaskDefinition: new("app")})
	wantError(t, "RunTask without iam:PassRole", err, "AccessDeniedException", "iam:PassRole on resource: "+roleA)
	for range f.ecs.Tasks() {
		t.Error("a task was started all the same")
	}
}

func TestRefusals(t *testing.T) {
	f := memory(t, Options{})
	f.cluster(t)
	ctx := t.Context()
	register := func(change func(*api.RegisterTaskDefinitionInput)) func() error {
		return func() error {
			in := app()
			change(in)
			_, err := f.api.RegisterTaskDefinition(ctx, in)
			return err
		}
	}
	fargate := func(in *api.RegisterTaskDefinitionInput) {
		in.RequiresCompatibilities, in.NetworkMode, in.Volumes = []types.Compatibility{types.CompatibilityFargate}, types.NetworkModeAwsvpc, nil
		in.Cpu, in.Memory, in.ContainerDefinitions[0].MountPoints = new("256"), new("512"), nil
	}
	for _, test := range []struct {
		name, code, text string
		call             func() error
	}{
		{"no memory", "ClientException", "Invalid setting for container 'app'. At least one of 'memory' or 'memoryReservation' must be specified.",
			register(func(in *api.RegisterTaskDefinitionInput) { in.ContainerDefinitions[0].Memory = nil })},
		{"no image", "ClientException", "Container.image should not be null or empty.", register(func(in *api.RegisterTaskDefinitionInput) { in.ContainerDefinitions[0].Image = nil })},
		{"no volume", "ClientException", "Unknown volume 'profile'.", register(func(in *api.RegisterTaskDefinitionInput) { in.Volumes = nil })},
		{"bad role", "ClientException", "Role is not valid", register(func(in *api.RegisterTaskDefinitionInput) { in.TaskRoleArn = new("arn:aws::iam::111122223333:role/r") })},
		{"bad family", "ClientException", "Family contains invalid characters.", register(func(in *api.RegisterTaskDefinitionInput) { in.Family = new("a b") })},
		{"secrets", "ClientException", "When you are specifying container secrets, you must also specify a value for 'executionRoleArn'.",
			register(func(in *api.RegisterTaskDefinitionInput) {
				in.ContainerDefinitions[0].Secrets = []types.Secret{{Name: new("S"), ValueFrom: new("s")}}
			})},
		{"host ports", "ClientException", "When networkMode=host, the host ports and container ports in port mappings must match.",
			register(func(in *api.RegisterTaskDefinitionInput) {
				in.NetworkMode = types.NetworkModeHost
				in.ContainerDefinitions[0].PortMappings = []types.PortMapping{{ContainerPort: new(int32(80)), HostPort: new(int32(8080))}}
			})},
		{"fargate size", "ClientException", "No Fargate configuration exists for given values", register(func(in *api.RegisterTaskDefinitionInput) { fargate(in); in.Memory = new("600") })},
		{"fargate ECR", "ClientException", "Fargate requires task definition to have execution role ARN to support ECR images.",
			register(func(in *api.RegisterTaskDefinitionInput) {
				fargate(in)
				in.ContainerDefinitions[0].Image = new("111122223333.dkr.ecr.us-west-2.amazonaws.com/app:v1")
			})},
		{"unknown definition", "ClientException", "Unable to describe task definition.", func() error {
			_, err := f.api.DescribeTaskDefinition(ctx, &api.DescribeTaskDefinitionInput{TaskDefinition: new("none")})
			return err
		}},
		{"definition to run", "ClientException", "TaskDefinition not found.", func() error {
			_, err := f.api.RunTask(ctx, &api.RunTaskInput{Cluster: new("main"), TaskDefinition: new("none")})
			return err
		}},
		{"launch type", "InvalidParameterException", "Task definition does not support launch_type FARGATE.", func() error {
			_, err := f.api.RunTask(ctx, &api.RunTaskInput{Cluster: new("main"), TaskDefinition: new("app"), LaunchType: types.LaunchTypeFargate})
			return err
		}},
		{"network", "InvalidParameterException", "Network Configuration is not valid for the given networkMode", func() error {
			_, err := f.api.RunTask(ctx, &api.RunTaskInput{Cluster: new("main"), TaskDefinition: new("app"),
				NetworkConfiguration: &types.NetworkConfiguration{AwsvpcConfiguration: &types.AwsVpcConfiguration{Subnets: []string{"s"}}}})
			return err
		}},
		{"override", "InvalidParameterException", "Override for container named web is not a container in the TaskDefinition.", func() error {
			_, err := f.api.RunTask(ctx, &api.RunTaskInput{Cluster: new("main"), TaskDefinition: new("app"),
				Overrides: &types.TaskOverride{ContainerOverrides: []types.ContainerOverride{{Name: new("web")}}}})
			return err
		}},
		{"no cluster", "ClusterNotFoundException", "Cluster not found.", func() error {
			_, err := f.api.ListTasks(ctx, &api.ListTasksInput{})
			return err
		}},
		{"no machines", "InvalidParameterException", "No Container Instances were found in your cluster.", func() error {
			if _, err := f.api.CreateCluster(ctx, &api.CreateClusterInput{ClusterName: new("empty")}); err != nil {
				return err
			}
			_, err := f.api.RunTask(ctx, &api.RunTaskInput{Cluster: new("empty"), TaskDefinition: new("app")})
			return err
		}},
		{"no task", "InvalidParameterException", "The referenced task was not found.", func() error {
			_, err := f.api.StopTask(ctx, &api.StopTaskInput{Cluster: new("main"), Task: new("abc")})
			return err
		}},
		{"no proof", "ClientException", "An instance identity document and its signature are required.", func() error {
			_, err := f.api.RegisterContainerInstance(ctx, &api.RegisterContainerInstanceInput{Cluster: new("main")})
			return err
		}},
		{"another's proof", "ClientException", `account "444455556666"`, func() error {
			_, err := f.api.RegisterContainerInstance(ctx, &api.RegisterContainerInstanceInput{Cluster: new("main"), InstanceIdentityDocumentSignature: new("s"),
				InstanceIdentityDocument: new(`{"instanceId":"i-1","accountId":"444455556666","region":"us-west-2"}`)})
			return err
		}},
		{"CodeDeploy", "UnsupportedFeatureException", "CODE_DEPLOY", func() error {
			_, err := f.api.CreateService(ctx, &api.CreateServiceInput{Cluster: new("main"), ServiceName: new("s"), TaskDefinition: new("app"), DesiredCount: new(int32(0)),
				DeploymentController: &types.DeploymentController{Type: types.DeploymentControllerTypeCodeDeploy}})
			return err
		}},
		{"tag of AWS", "InvalidParameterException", "aws:", func() error {
			_, err := f.api.TagResource(ctx, &api.TagResourceInput{ResourceArn: new(prefix + "cluster/main"), Tags: []types.Tag{{Key: new("aws:x"), Value: new("")}}})
			return err
		}},
		{"tag of nothing", "ResourceNotFoundException", "cluster/none", func() error {
			_, err := f.api.TagResource(ctx, &api.TagResourceInput{ResourceArn: new(prefix + "cluster/none"), Tags: []types.Tag{{Key: new("x"), Value: new("")}}})
			return err
		}},
		{"setting", "InvalidParameterException", "Invalid value for setting containerInsights", func() error {
			_, err := f.api.PutAccountSetting(ctx, &api.PutAccountSettingInput{Name: types.SettingNameContainerInsights, Value: new("maybe")})
			return err
		}},
		{"token", "InvalidParameterException", "Invalid token", func() error {
			_, err := f.api.ListClusters(ctx, &api.ListClustersInput{NextToken: new("%%")})
			return err
		}},
	} {
		wantError(t, test.name, test.call(), test.code, test.text)
	}
}

func TestClusters(t *testing.T) {
	f := memory(t, Options{})
	ctx := t.Context()
	create := func() *api.CreateClusterOutput {
		t.Helper()
		return must[api.CreateClusterOutput](t)(f.api.CreateCluster(ctx, &api.CreateClusterInput{ClusterName: new("main"),
			Settings: []types.ClusterSetting{{Name: types.ClusterSettingNameContainerInsights, Value: new("disabled")}}, Tags: []types.Tag{{Key: new("a"), Value: new("b")}}}))
	}
	first := create()
	if again := create(); *again.Cluster.ClusterArn != *first.Cluster.ClusterArn || *first.Cluster.ClusterArn != prefix+"cluster/main" {
		t.Errorf("creating twice: %s", f.Body())
	}
	all := []types.ClusterField{types.ClusterFieldTags, types.ClusterFieldSettings, types.ClusterFieldConfigurations}
	d := must[api.DescribeClustersOutput](t)(f.api.DescribeClusters(ctx, &api.DescribeClustersInput{Clusters: []string{"main", "none"}, Include: all}))
	c := d.Clusters[0]
	if *c.Status != "ACTIVE" || *c.Settings[0].Value != "disabled" || *c.Tags[0].Value != "b" || strings.Contains(f.Body(), `"configuration"`) {
		t.Errorf("got %s", f.Body())
	}
	if len(d.Failures) != 1 || *d.Failures[0].Reason != "MISSING" || *d.Failures[0].Arn != prefix+"cluster/none" {
		t.Errorf("got failures %s", f.Body())
	}
	p := must[api.PutClusterCapacityProvidersOutput](t)(f.api.PutClusterCapacityProviders(ctx, &api.PutClusterCapacityProvidersInput{Cluster: new("main"), CapacityProviders: []string{"FARGATE"},
		DefaultCapacityProviderStrategy: []types.CapacityProviderStrategyItem{{CapacityProvider: new("FARGATE"), Weight: 1}}}))
	if !slices.Equal(p.Cluster.CapacityProviders, []string{"FARGATE"}) {
		t.Errorf("got %s", f.Body())
	}
	must[api.TagResourceOutput](t)(f.api.TagResource(ctx, &api.TagResourceInput{ResourceArn: c.ClusterArn, Tags: []types.Tag{{Key: new("c"), Value: new("d")}}}))
	must[api.UntagResourceOutput](t)(f.api.UntagResource(ctx, &api.UntagResourceInput{ResourceArn: c.ClusterArn, TagKeys: []string{"a"}}))
	if l := must[api.ListTagsForResourceOutput](t)(f.api.ListTagsForResource(ctx, &api.ListTagsForResourceInput{ResourceArn: c.ClusterArn})); len(l.Tags) != 1 || *l.Tags[0].Key != "c" {
		t.Errorf("got tags %s", f.Body())
	}
	if l := must[api.ListClustersOutput](t)(f.api.ListClusters(ctx, &api.ListClustersInput{})); !slices.Equal(l.ClusterArns, []string{*c.ClusterArn}) {
		t.Errorf("got %s", f.Body())
	}
	must[api.DeleteClusterOutput](t)(f.api.DeleteCluster(ctx, &api.DeleteClusterInput{Cluster: c.ClusterArn}))
	d = must[api.DescribeClustersOutput](t)(f.api.DescribeClusters(ctx, &api.DescribeClustersInput{Clusters: []string{"main"}}))
	if *d.Clusters[0].Status != "INACTIVE" {
		t.Errorf("got %s", f.Body())
	}
	if l := must[api.ListClustersOutput](t)(f.api.ListClusters(ctx, &api.ListClustersInput{})); len(l.ClusterArns) != 0 {
		t.Errorf("a deleted cluster is listed: %s", f.Body())
	}
	if create(); !strings.Contains(f.Body(), `"ACTIVE"`) {
		t.Errorf("got %s", f.Body())
	}
}

func TestSettings(t *testing.T) {
	f := memory(t, Options{})
	ctx := t.Context()
	value := func() string {
		t.Helper()
		l := must[api.ListAccountSettingsOutput](t)(f.api.ListAccountSettings(ctx, &api.ListAccountSettingsInput{EffectiveSettings: true, Name: types.SettingNameContainerInsights}))
		return *l.Settings[0].Value
	}
	if got := value(); got != "disabled" {
		t.Errorf("preset: got %s", got)
	}
	must[api.PutAccountSettingDefaultOutput](t)(f.api.PutAccountSettingDefault(ctx, &api.PutAccountSettingDefaultInput{Name: types.SettingNameContainerInsights, Value: new("enhanced")}))
	if got := value(); got != "enhanced" {
		t.Errorf("account's default: got %s", got)
	}
	c := must[api.CreateClusterOutput](t)(f.api.CreateCluster(ctx, &api.CreateClusterInput{}))
	if *c.Cluster.ClusterName != "default" || *c.Cluster.Settings[0].Value != "enhanced" {
		t.Errorf("got %s", f.Body())
	}
	must[api.PutAccountSettingOutput](t)(f.api.PutAccountSetting(ctx, &api.PutAccountSettingInput{Name: types.SettingNameContainerInsights, Value: new("enabled")}))
	if got := value(); got != "enabled" {
		t.Errorf("own setting: got %s", got)
	}
	must[api.DeleteAccountSettingOutput](t)(f.api.DeleteAccountSetting(ctx, &api.DeleteAccountSettingInput{Name: types.SettingNameContainerInsights}))
	if got := value(); got != "enhanced" {
		t.Errorf("after own setting is gone: got %s", got)
	}
}

func TestAgentRegisters(t *testing.T) {
	f := memory(t, Options{})
	f.cluster(t)
	in := &api.RegisterContainerInstanceInput{Cluster: new("main"), InstanceIdentityDocumentSignature: new("s"),
		InstanceIdentityDocument: new(`{"instanceId":"i-1","accountId":"111122223333","region":"us-west-2","instanceType":"t3.small"}`),
		TotalResources:           machineSize(512, 256)}
	one := must[api.RegisterContainerInstanceOutput](t)(f.api.RegisterContainerInstance(t.Context(), in))
	if i := one.ContainerInstance; *i.Ec2InstanceId != "i-1" || !i.AgentConnected || *i.Status != "ACTIVE" || !strings.HasPrefix(*i.ContainerInstanceArn, prefix+"container-instance/main/") {
		t.Errorf("got %s", f.Body())
	}
	in.ContainerInstanceArn = one.ContainerInstance.ContainerInstanceArn
	two := must[api.RegisterContainerInstanceOutput](t)(f.api.RegisterContainerInstance(t.Context(), in))
	if *two.ContainerInstance.ContainerInstanceArn != *one.ContainerInstance.ContainerInstanceArn {
		t.Error("registering again makes another container instance")
	}
	u := must[api.UpdateContainerInstancesStateOutput](t)(f.api.UpdateContainerInstancesState(t.Context(), &api.UpdateContainerInstancesStateInput{
		Cluster: new("main"), ContainerInstances: []string{*in.ContainerInstanceArn}, Status: types.ContainerInstanceStatusDraining}))
	if *u.ContainerInstances[0].Status != "DRAINING" {
		t.Errorf("got %s", f.Body())
	}
	s := must[api.StartTaskOutput](t)(f.api.StartTask(t.Context(), &api.StartTaskInput{Cluster: new("main"), TaskDefinition: new("app"), ContainerInstances: []string{*in.ContainerInstanceArn, "none"}}))
	if len(s.Tasks) != 1 || *s.Tasks[0].ContainerInstanceArn != *in.ContainerInstanceArn || len(s.Failures) != 1 || *s.Failures[0].Reason != "MISSING" {
		t.Errorf("got %s", f.Body())
	}
	d := must[api.DeregisterContainerInstanceOutput](t)(f.api.DeregisterContainerInstance(t.Context(), &api.DeregisterContainerInstanceInput{Cluster: new("main"), ContainerInstance: in.ContainerInstanceArn, Force: new(true)}))
	if *d.ContainerInstance.Status != "INACTIVE" {
		t.Errorf("got %s", f.Body())
	}
	if task, _ := f.ecs.Task(*s.Tasks[0].TaskArn); task.Status != "STOPPED" {
		t.Errorf("the task of a machine that left is %s", task.Status)
	}
}

func TestRunTaskTwiceWithOneToken(t *testing.T) {
	f := memory(t, Options{})
	f.cluster(t)
	one := f.run(t, &api.RunTaskInput{ClientToken: new("t")})
	two := f.run(t, &api.RunTaskInput{ClientToken: new("t")})
	if len(two.Tasks) != 1 || *two.Tasks[0].TaskArn != *one.Tasks[0].TaskArn {
		t.Errorf("got %s", f.Body())
	}
	must[api.RegisterTaskDefinitionOutput](t)(f.api.RegisterTaskDefinition(t.Context(), app()))
	_, err := f.api.RunTask(t.Context(), &api.RunTaskInput{Cluster: new("main"), TaskDefinition: new("app"), ClientToken: new("t")})
	wantError(t, "another task with the same token", err, "ConflictException", "clientToken")
}

func TestAmounts(t *testing.T) {
	for in, want := range map[string]int32{"256": 256, ".25 vCPU": 256, "1vcpu": 1024, "": 0, "-1": 0, "x": 0, "NaN vCPU": 0, "1e99 vCPU": 0} {
		if got, ok := cpuUnits(in); got != want || ok != (want > 0) {
			t.Errorf("cpuUnits(%q) = %d, %v, want %d", in, got, ok, want)
		}
	}
	for in, want := range map[string]int32{"512": 512, "0.5GB": 512, "30 gb": 30720} {
		if got, _ := mebibytes(in); got != want {
			t.Errorf("mebibytes(%q) = %d, want %d", in, got, want)
		}
	}
}

// FuzzNames reads what a parameter may hold: whatever is accepted has an ARN
// that reads back as the same.
func FuzzNames(f *testing.F) {
	for _, s := range []string{"app", "app:1", "arn:aws:ecs:us-west-2:111122223333:task-definition/app:7", prefix + "task/main/abc", prefix + "task/abc", "a:b", ":", "arn:"} {
		f.Add(s)
	}
	front := memory(f, Options{})
	f.Fuzz(func(t *testing.T, s string) {
		c := front.ecs.inside(nil, home{account, region}, front.Now())
		if d, err := c.definition(s); err == nil && d.revision > 0 {
			if again, err := c.definition(c.definitionARN(d)); err != nil || again != d {
				t.Errorf("definition %q: %+v, then %+v, %v", s, d, again, err)
			}
		}
		if m, err := c.member("task", cluster{c.here(), "default"}, s); err == nil {
			if again, err := c.member("task", cluster{c.here(), "other"}, c.memberARN("task", m)); err != nil || again != m {
				t.Errorf("task %q: %+v, then %+v, %v", s, m, again, err)
			}
		}
	})
}
