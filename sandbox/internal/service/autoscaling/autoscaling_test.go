package autoscaling

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	api "github.com/aws/aws-sdk-go-v2/service/autoscaling"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling/types"

	"github.com/mantle-iam/mantle/sandbox/internal/service"
	"github.com/mantle-iam/mantle/sandbox/internal/service/servicetest"
	"github.com/mantle-iam/mantle/sandbox/internal/store"
	"github.com/mantle-iam/mantle/sandbox/internal/wire"
)

const (
	account = "111122223333"
	region  = "eu-central-1"
)

// machine is an instance of the fake EC2.
type machine struct {
	Subnet, Template, Version string
	Tags                      map[string]string
	Gone                      bool
}

var machines = store.NewTable[machine]("test.machine")

// fakeEC2 has the template lt-1 ("node") with versions 1 and 2, and two
// subnets of one VPC. It keeps its instances in the store, as the real one.
type fakeEC2 struct {
	full bool // no more launches
}

func (f *fakeEC2) Settle(string, string) error { return nil }

func (f *fakeEC2) LaunchTemplate(_ *store.Tx, _, _, template, version string) (id, name, number string, err error) {
	if template != "lt-1" && template != "node" {
		return "", "", "", wire.Fail("InvalidLaunchTemplateId.NotFound", 400, "The specified launch template, with template ID %s, does not exist.", template)
	}
	switch version {
	case "$Latest":
		version = "2"
	case "", "$Default":
		version = "1"
	}
	return "lt-1", "node", version, nil
}

func (f *fakeEC2) LaunchChecks(tx *store.Tx, a, r, template, version, subnet string) ([]service.Check, error) {
	if _, _, _, err := f.LaunchTemplate(tx, a, r, template, version); err != nil {
		return nil, err
	}
	return []service.Check{
		{Action: "ec2:RunInstances", Resource: "arn:aws:ec2:" + r + ":" + a + ":instance/*"},
		{Action: "iam:PassRole", Resource: "arn:aws:iam::" + a + ":role/node", Denied: func(m string) *wire.Error {
			return wire.Fail("UnauthorizedOperation", 403, "You are not authorized to perform this operation. %s", m)
		}},
	}, nil
}

func (f *fakeEC2) Launch(tx *store.Tx, _, _ string, _ time.Time, template, version, subnet string, tags map[string]string) (string, error) {
	if f.full {
		return "", wire.Fail("InsufficientFreeAddressesInSubnet", 400, "The specified subnet does not have enough free addresses to satisfy the request.")
	}
	id := fmt.Sprintf("i-%02d", machines.Count(tx, "")+1)
	machines.Put(tx, id, machine{Subnet: subnet, Template: template, Version: version, Tags: tags})
	return id, nil
}

func (f *fakeEC2) Terminate(tx *store.Tx, _, _ string, _ time.Time, ids ...string) {
	for _, id := range ids {
		m, _ := machines.Get(tx, id)
		m.Gone = true
		machines.Put(tx, id, m)
	}
}

func (f *fakeEC2) Running(tx *store.Tx, _, _, id string) (zone, kind string, ok bool) {
	m, ok := machines.Get(tx, id)
	return zones[m.Subnet], "t3.micro", ok && !m.Gone
}

var zones = map[string]string{"subnet-a": region + "a", "subnet-b": region + "b"}

func (f *fakeEC2) SubnetZone(_ *store.Tx, _, _, subnet string) (zone, vpc string, ok bool) {
	return zones[subnet], "vpc-1", zones[subnet] != ""
}

func (f *fakeEC2) DefaultSubnet(_ *store.Tx, _, _, zone string) (string, bool) {
	for s, z := range zones {
		if z == zone {
			return s, true
		}
	}
	return "", false
}

// front is the service behind a server.
type front struct {
	*AutoScaling
	*servicetest.Front
	ec2 *fakeEC2
}

func newFront(t *testing.T) (*front, *api.Client) {
	t.Helper()
	st, err := store.Open("")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { st.Close() })
	ec2 := &fakeEC2{}
	s := New(st, ec2, Options{})
	f := servicetest.New(t, s, servicetest.Options{User: "mira", Start: time.Date(2026, 1, 20, 10, 0, 0, 0, time.UTC), Step: time.Second})
	for name, op := range f.Table {
		if err := f.Model.Check(name, op.Input(), nil); err != nil {
			t.Error(err)
		}
	}
	return &front{s, f, ec2}, api.NewFromConfig(f.Config(account, region))
}

func wantError(t *testing.T, what string, err error, code, message string) {
	t.Helper()
	servicetest.WantError(t, what, err, code, message)
}

func group(desired int32, change ...func(*api.CreateAutoScalingGroupInput)) *api.CreateAutoScalingGroupInput {
	in := &api.CreateAutoScalingGroupInput{
		AutoScalingGroupName: new("node"), MinSize: new(int32(0)), MaxSize: new(int32(4)), DesiredCapacity: &desired, VPCZoneIdentifier: new("subnet-a,subnet-b"),
		LaunchTemplate: &types.LaunchTemplateSpecification{LaunchTemplateId: new("lt-1"), Version: new("$Latest")},
		Tags:           []types.Tag{{Key: new("k"), Value: new("v"), PropagateAtLaunch: new(true)}, {Key: new("own"), Value: new("v")}},
	}
	for _, f := range change {
		f(in)
	}
	return in
}

func show(t *testing.T, c *api.Client) types.AutoScalingGroup {
	t.Helper()
	out, err := c.DescribeAutoScalingGroups(t.Context(), &api.DescribeAutoScalingGroupsInput{AutoScalingGroupNames: []string{"node"}})
	if err != nil || len(out.AutoScalingGroups) != 1 {
		t.Fatalf("describe: %v, %v", out, err)
	}
	return out.AutoScalingGroups[0]
}

// running are the living instances, with their subnets.
func (f *front) running(t *testing.T) (out []string) {
	t.Helper()
	err := f.store.View(func(tx *store.Tx) error {
		for id, m := range machines.Range(tx, "") {
			if !m.Gone {
				out = append(out, id+" "+m.Subnet)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestLifeOfAGroup goes up, down and away, with AWS's own client.
func TestLifeOfAGroup(t *testing.T) {
	f, c := newFront(t)
	ctx := t.Context()
	if _, err := c.CreateAutoScalingGroup(ctx, group(3)); err != nil {
		t.Fatal(err)
	}
	g := show(t, c)
	if len(g.Instances) != 3 || *g.VPCZoneIdentifier != "subnet-a,subnet-b" || *g.LaunchTemplate.Version != "$Latest" || *g.Instances[0].LaunchTemplate.Version != "2" ||
		len(g.Tags) != 2 || !slices.Equal(g.AvailabilityZones, []string{region + "a", region + "b"}) || *g.HealthCheckType != "EC2" || *g.DefaultCooldown != 300 {
		t.Errorf("the group reads back as %+v", g)
	}
	if got, want := f.running(t), []string{"i-01 subnet-a", "i-02 subnet-b", "i-03 subnet-a"}; !slices.Equal(got, want) {
		t.Errorf("instances %v, want %v", got, want)
	}
	_ = f.store.View(func(tx *store.Tx) error {
		m, _ := machines.Get(tx, "i-01")
		if m.Tags["k"] != "v" || m.Tags["own"] != "" || m.Tags["aws:autoscaling:groupName"] != "node" {
			t.Errorf("tags of an instance: %v", m.Tags)
		}
		return nil
	})
	// The fullest zone loses its oldest.
	if _, err := c.UpdateAutoScalingGroup(ctx, &api.UpdateAutoScalingGroupInput{AutoScalingGroupName: new("node"), MaxSize: new(int32(2))}); err != nil {
		t.Fatal(err)
	}
	if got, want := f.running(t), []string{"i-02 subnet-b", "i-03 subnet-a"}; !slices.Equal(got, want) || *show(t, c).DesiredCapacity != 2 {
		t.Errorf("instances %v, want %v", got, want)
	}
	// An instance that somebody ends is replaced in its place.
	_ = f.store.Update(func(tx *store.Tx) error { f.ec2.Terminate(tx, account, region, f.Now(), "i-02"); return nil })
	if g := show(t, c); len(g.Instances) != 2 {
		t.Errorf("%d instances after one was ended", len(g.Instances))
	}
	if got, want := f.running(t), []string{"i-03 subnet-a", "i-04 subnet-b"}; !slices.Equal(got, want) {
		t.Errorf("instances %v, want %v", got, want)
	}
	acts, err := c.DescribeScalingActivities(ctx, &api.DescribeScalingActivitiesInput{AutoScalingGroupName: new("node"), MaxRecords: new(int32(2))})
	if err != nil || len(acts.Activities) != 2 || acts.NextToken == nil || *acts.Activities[0].Description != "Launching a new EC2 instance: i-04" || acts.Activities[0].StatusCode != "Successful" {
		t.Errorf("activities %+v, %v", acts, err)
	}
	rest, err := c.DescribeScalingActivities(ctx, &api.DescribeScalingActivitiesInput{AutoScalingGroupName: new("node"), NextToken: acts.NextToken})
	if err != nil || len(rest.Activities) != 3 {
		t.Errorf("the rest of 5 activities: %d, %v", len(rest.Activities), err)
	}
	who, err := c.DescribeAutoScalingInstances(ctx, &api.DescribeAutoScalingInstancesInput{InstanceIds: []string{"i-04"}})
	if err != nil || len(who.AutoScalingInstances) != 1 || *who.AutoScalingInstances[0].AutoScalingGroupName != "node" {
		t.Errorf("whose is i-04: %v, %v", who, err)
	}
	_, err = c.DeleteAutoScalingGroup(ctx, &api.DeleteAutoScalingGroupInput{AutoScalingGroupName: new("node")})
	wantError(t, "delete a group with instances", err, "ResourceInUse", "")
	if _, err := c.UpdateAutoScalingGroup(ctx, &api.UpdateAutoScalingGroupInput{AutoScalingGroupName: new("node"), MinSize: new(int32(0)), MaxSize: new(int32(0)), DesiredCapacity: new(int32(0))}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.DeleteAutoScalingGroup(ctx, &api.DeleteAutoScalingGroupInput{AutoScalingGroupName: new("node")}); err != nil {
		t.Fatal(err)
	}
	if left := f.running(t); len(left) != 0 {
		t.Errorf("%v are left", left)
	}
	out, err := c.DescribeAutoScalingGroups(ctx, &api.DescribeAutoScalingGroupsInput{})
	if err != nil || len(out.AutoScalingGroups) != 0 {
		t.Errorf("after the end: %v, %v", out, err)
	}
	if n := f.count(t); n != 0 {
		t.Errorf("%d activities are left", n)
	}
}

func (f *front) count(t *testing.T) (n int) {
	t.Helper()
	_ = f.store.View(func(tx *store.Tx) error { n = activities.Count(tx, ""); return nil })
	return n
}

// TestFailedLaunch: the group stays, and the activity tells why, once.
func TestFailedLaunch(t *testing.T) {
	f, c := newFront(t)
	f.ec2.full = true
	if _, err := c.CreateAutoScalingGroup(t.Context(), group(1)); err != nil {
		t.Fatal(err)
	}
	show(t, c)
	show(t, c)
	acts, err := c.DescribeScalingActivities(t.Context(), &api.DescribeScalingActivitiesInput{AutoScalingGroupName: new("node")})
	if err != nil || len(acts.Activities) != 1 || acts.Activities[0].StatusCode != "Failed" || !strings.HasPrefix(*acts.Activities[0].StatusMessage, "The specified subnet does not have enough free addresses") {
		t.Errorf("activities %+v, %v", acts, err)
	}
	f.ec2.full = false
	if g := show(t, c); len(g.Instances) != 1 {
		t.Errorf("%d instances when there is room again", len(g.Instances))
	}
}

// TestErrors are the errors that clients branch on.
func TestErrors(t *testing.T) {
	_, c := newFront(t)
	if _, err := c.CreateAutoScalingGroup(t.Context(), group(0, func(in *api.CreateAutoScalingGroupInput) { in.AutoScalingGroupName = new("there") })); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		what, code, message string
		change              func(*api.CreateAutoScalingGroupInput)
	}{
		{"a second of the name", "AlreadyExists", "A group with the name there already exists", func(in *api.CreateAutoScalingGroupInput) { in.AutoScalingGroupName = new("there") }},
		{"no template", "ValidationError", "Valid requests must contain either launchTemplate", func(in *api.CreateAutoScalingGroupInput) { in.LaunchTemplate = nil }},
		{"a lost template", "ValidationError", "You must use a valid fully-formed launch template. The specified launch template, with template ID lt-9, does not exist.", func(in *api.CreateAutoScalingGroupInput) { in.LaunchTemplate.LaunchTemplateId = new("lt-9") }},
		{"no place", "ValidationError", "At least one Availability Zone or VPC Subnet is required.", func(in *api.CreateAutoScalingGroupInput) { in.VPCZoneIdentifier = nil }},
		{"a lost subnet", "ValidationError", "The subnet ID 'subnet-z' does not exist", func(in *api.CreateAutoScalingGroupInput) { in.VPCZoneIdentifier = new("subnet-z") }},
		{"too many", "ValidationError", "Desired capacity:1 must be between the specified min size:0 and max size:0", func(in *api.CreateAutoScalingGroupInput) { in.MaxSize = new(int32(0)) }},
		{"bounds", "ValidationError", "Max bound, 1, must be greater than or equal to min bound, 2", func(in *api.CreateAutoScalingGroupInput) { in.MinSize, in.MaxSize = new(int32(2)), new(int32(1)) }},
		{"load balancers", "ValidationError", "The sandbox does not implement load balancers in Auto Scaling groups.", func(in *api.CreateAutoScalingGroupInput) { in.LoadBalancerNames = []string{"x"} }},
	} {
		_, err := c.CreateAutoScalingGroup(t.Context(), group(1, test.change))
		wantError(t, test.what, err, test.code, test.message)
	}
	_, err := c.UpdateAutoScalingGroup(t.Context(), &api.UpdateAutoScalingGroupInput{AutoScalingGroupName: new("lost")})
	wantError(t, "update a lost group", err, "ValidationError", "AutoScalingGroup name not found")
	_, err = c.SetDesiredCapacity(t.Context(), &api.SetDesiredCapacityInput{AutoScalingGroupName: new("there"), DesiredCapacity: new(int32(9))})
	wantError(t, "too much", err, "ValidationError", "is above max value 4")
}

// TestChecks: who makes a group must be allowed to launch its instances.
func TestChecks(t *testing.T) {
	f, c := newFront(t)
	arn := "arn:aws:autoscaling:" + region + ":" + account + ":autoScalingGroup:*:autoScalingGroupName/node"
	f.Decide(func(_ *service.Request, check service.Check) bool { return check.Action != "iam:PassRole" })
	_, err := c.CreateAutoScalingGroup(t.Context(), group(1))
	wantError(t, "without PassRole", err, "ValidationError", "You must use a valid fully-formed launch template. You are not authorized to perform this operation. User: arn:aws:iam::111122223333:user/mira is not authorized to perform: iam:PassRole")
	f.Decide(func(_ *service.Request, check service.Check) bool { return check.Action != "ec2:RunInstances" })
	_, err = c.CreateAutoScalingGroup(t.Context(), group(1))
	wantError(t, "without RunInstances", err, "AccessDenied", "You are not authorized to use launch template: lt-1")
	if n := len(f.running(t)); n != 0 {
		t.Errorf("%d instances were launched without permission", n)
	}
	f.Decide(nil)
	if _, err := c.CreateAutoScalingGroup(t.Context(), group(1)); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, check := range f.LastChecks() {
		got = append(got, check.Action+" "+check.Resource)
	}
	want := []string{"autoscaling:CreateAutoScalingGroup " + arn, "ec2:RunInstances arn:aws:ec2:" + region + ":" + account + ":instance/*", "iam:PassRole arn:aws:iam::" + account + ":role/node"}
	if !slices.Equal(got, want) {
		t.Errorf("checks %v, want %v", got, want)
	}
	if _, err := c.DeleteAutoScalingGroup(t.Context(), &api.DeleteAutoScalingGroupInput{AutoScalingGroupName: new("node"), ForceDelete: new(true)}); err != nil {
		t.Fatal(err)
	}
	check := f.LastChecks()[0]
	if strings.Contains(check.Resource, ":*:") || !slices.ContainsFunc(check.Context, func(kv service.KV) bool { return kv.Key == "aws:ResourceTag/k" && kv.Values[0] == "v" }) {
		t.Errorf("delete is checked as %+v", check)
	}
}

// TestTags changes tags of a group that exists.
func TestTags(t *testing.T) {
	_, c := newFront(t)
	ctx := t.Context()
	if _, err := c.CreateAutoScalingGroup(ctx, group(0)); err != nil {
		t.Fatal(err)
	}
	tag := func(key, value string) types.Tag {
		return types.Tag{Key: &key, Value: &value, ResourceId: new("node"), ResourceType: new("auto-scaling-group"), PropagateAtLaunch: new(true)}
	}
	if _, err := c.CreateOrUpdateTags(ctx, &api.CreateOrUpdateTagsInput{Tags: []types.Tag{tag("own", "w"), tag("new", "x")}}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.DeleteTags(ctx, &api.DeleteTagsInput{Tags: []types.Tag{tag("k", "v"), tag("new", "other")}}); err != nil {
		t.Fatal(err)
	}
	out, err := c.DescribeTags(ctx, &api.DescribeTagsInput{Filters: []types.Filter{{Name: new("auto-scaling-group"), Values: []string{"node"}}}})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, t := range out.Tags {
		got = append(got, fmt.Sprint(*t.Key, "=", *t.Value, " ", *t.PropagateAtLaunch))
	}
	if want := []string{"new=x true", "own=w true"}; !slices.Equal(got, want) {
		t.Errorf("tags %v, want %v", got, want)
	}
	_, err = c.CreateOrUpdateTags(ctx, &api.CreateOrUpdateTagsInput{Tags: []types.Tag{tag("aws:x", "")}})
	wantError(t, "a reserved key", err, "ValidationError", "reserved")
}
