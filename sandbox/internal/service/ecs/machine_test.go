package ecs

import (
	"testing"

	api "github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/mantle-iam/mantle/sandbox/internal/service"
)

// TestOwnMachine: only the credentials of an instance say which one it is.
func TestOwnMachine(t *testing.T) {
	const arn = "arn:aws:ec2:us-west-2:111122223333:instance/i-0123456789abcdef0"
	session := func(from, arn string) *service.Session {
		return &service.Session{Name: "i-0123456789abcdef0", FromService: from, Context: map[string]string{"ec2:SourceInstanceARN": arn}}
	}
	for _, c := range []struct {
		name    string
		session *service.Session
		want    string
	}{
		{"an instance", session("ec2.amazonaws.com", arn), "i-0123456789abcdef0"},
		{"a user", nil, ""},
		{"a task", session("ecs-tasks.amazonaws.com", arn), ""},
		{"a chained role with the instance's name", session("", arn), ""},
		{"an instance of another region", session("ec2.amazonaws.com", "arn:aws:ec2:eu-west-1:111122223333:instance/i-1"), ""},
		{"an instance of another account", session("ec2.amazonaws.com", "arn:aws:ec2:us-west-2:444455556666:instance/i-1"), ""},
		{"no instance", session("ec2.amazonaws.com", "arn:aws:ec2:us-west-2:111122223333:volume/vol-1"), ""},
		{"no ARN", session("ec2.amazonaws.com", ""), ""},
	} {
		r := &service.Request{Region: region}
		r.Caller.Account, r.Caller.Session = account, c.session
		got, ok := (&call{req: r}).ownMachine()
		if ok != (c.want != "") || ok && got.InstanceID != c.want {
			t.Errorf("%s: got %v %t, want %q", c.name, got, ok, c.want)
		}
	}
}

// TestGuests: a machine that came because a task needed one does not keep its
// cluster, one that was registered does.
func TestGuests(t *testing.T) {
	f := memory(t, Options{})
	ctx := t.Context()
	must[api.CreateClusterOutput](t)(f.api.CreateCluster(ctx, &api.CreateClusterInput{}))
	join := func(m Machine) string {
		t.Helper()
		arn, err := f.ecs.Join(account, region, "default", m, f.Now())
		if err != nil {
			t.Fatal(err)
		}
		return arn
	}
	join(Machine{ID: "i-0123456789abcdef0", Guest: true})
	kept := join(Machine{ID: "i-0123456789abcdef1"})
	_, err := f.api.DeleteCluster(ctx, &api.DeleteClusterInput{Cluster: new("default")})
	wantError(t, "delete of a cluster with a machine of its own", err, "ClusterContainsContainerInstancesException", "")
	must[api.DeregisterContainerInstanceOutput](t)(f.api.DeregisterContainerInstance(ctx, &api.DeregisterContainerInstanceInput{ContainerInstance: &kept}))

	must[api.RegisterTaskDefinitionOutput](t)(f.api.RegisterTaskDefinition(ctx, &api.RegisterTaskDefinitionInput{
		Family: new("app"), ContainerDefinitions: []types.ContainerDefinition{{Name: new("app"), Image: new("x"), Memory: new(int32(64))}}}))
	run := must[api.RunTaskOutput](t)(f.api.RunTask(ctx, &api.RunTaskInput{TaskDefinition: new("app")}))
	_, err = f.api.DeleteCluster(ctx, &api.DeleteClusterInput{Cluster: new("default")})
	wantError(t, "delete of a cluster whose guest runs a task", err, "ClusterContainsTasksException", "")
	must[api.StopTaskOutput](t)(f.api.StopTask(ctx, &api.StopTaskInput{Task: run.Tasks[0].TaskArn}))
	must[api.DeleteClusterOutput](t)(f.api.DeleteCluster(ctx, &api.DeleteClusterInput{Cluster: new("default")}))

	// The guest went with its cluster.
	must[api.CreateClusterOutput](t)(f.api.CreateCluster(ctx, &api.CreateClusterInput{}))
	if l := must[api.ListContainerInstancesOutput](t)(f.api.ListContainerInstances(ctx, &api.ListContainerInstancesInput{})); len(l.ContainerInstanceArns) != 0 {
		t.Errorf("a new cluster has %s", f.Body())
	}
}
