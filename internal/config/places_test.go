package config

import (
	"reflect"
	"strings"
	"testing"

	"github.com/mantle-iam/mantle/broker"
)

func TestEngines(t *testing.T) {
	const head = `role "a" { arn = "arn:aws:iam::111122223333:role/a" }` + "\n"
	for _, tt := range []struct{ name, src, docker, podman string }{
		{"processes only", `agent { docker = "/d" }
workload "w" {
  role = "a"
  match { uid = 1 }
}`, "", ""},
		{"pods only", `workload "w" {
  role = "a"
  pod { namespace = "n" }
}`, "", ""},
		{"container", `workload "w" {
  role = "a"
  container { name = "n" }
}`, DockerSocket, ""},
		{"task", `workload "w" {
  role = "a"
  task { family = "n" }
}`, DockerSocket, ""},
		{"container, with podman only", `agent { podman = "/p" }
workload "w" {
  role = "a"
  container { name = "n" }
}`, "", "unix:///p"},
		{"container of podman", `workload "w" {
  role = "a"
  container { runtime = "podman" }
}`, "", PodmanSocket},
		{"container of containerd", `workload "w" {
  role = "a"
  container { runtime = "containerd" }
}`, "", ""},
		{"each", `agent { docker = "unix:///d" }
workload "v" {
  role = "a"
  container { runtime = "podman" }
}
workload "w" {
  role = "a"
  task { family = "f" }
}`, "unix:///d", PodmanSocket},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, err := Parse("mantle.hcl", []byte(head+tt.src), source())
			if err != nil {
				t.Fatal(problemText(err))
			}
			if d, p := c.Engines(); d != tt.docker || p != tt.podman {
				t.Errorf("got %q and %q, want %q and %q", d, p, tt.docker, tt.podman)
			}
		})
	}
}

func TestRulesOfPlaces(t *testing.T) {
	c, err := source().Load("testdata/good/places.hcl")
	if err != nil {
		t.Fatal(problemText(err))
	}
	rules, err := c.Rules()
	if err != nil {
		t.Fatal(problemText(err))
	}
	got := rules[0]
	if want := (broker.Match{GID: new(7), Exe: "/usr/bin/a"}); !reflect.DeepEqual(got.Match, want) {
		t.Errorf("got %+v, want %+v", got.Match, want)
	}
	if want := []broker.Match{{GID: new(50), Unit: "a.service"}}; !reflect.DeepEqual(got.Or, want) {
		t.Errorf("got %+v, want %+v", got.Or, want)
	}
	for _, tt := range []struct {
		caller broker.Caller
		want   string
	}{
		{broker.Caller{GID: 50, Unit: "a.service", How: broker.ByPeer}, "process"},
		{broker.Caller{How: broker.ByPeer, Container: &broker.Container{Name: "web-1", Labels: map[string]string{"com.example/tier": "front-1", "empty": ""}}}, "container"},
		{broker.Caller{How: broker.ByPeer, Container: &broker.Container{Name: "web-1", Labels: map[string]string{"com.example/tier": "front-1"}}}, ""},
		{broker.Caller{How: broker.ByPeer, Pod: &broker.Pod{Namespace: "shop", Name: "returns-5", Labels: map[string]string{"app": "returns"}}}, "pod"},
		{broker.Caller{How: broker.ByPeer, Task: &broker.Task{Cluster: "prod", Family: "orders", Container: "app"}}, "task"},
	} {
		if d := rules.Decide(tt.caller); d.Rule != tt.want {
			t.Errorf("%v: got %q (%s), want %q", tt.caller, d.Rule, d.Reason, tt.want)
		}
	}
}

// Whether a group's name and a number are one group shows where groups are
// known.
func TestRulesLookUpGroups(t *testing.T) {
	src := `role "a" { arn = "arn:aws:iam::111122223333:role/a" }
workload "one" {
  role = "a"
  match { group = "staff" }
}
workload "two" {
  role = "a"
  match { gid = 50 }
}
workload "three" {
  role = "a"
  match { group = "none" }
}
`
	c, err := Parse("mantle.hcl", []byte(src), source())
	if err != nil {
		t.Fatal(problemText(err))
	}
	_, err = c.Rules()
	got := problemText(err)
	for _, want := range []string{
		`mantle.hcl:8:3: a process can fit workload "two" and workload "one" (mantle.hcl:4:3)`,
		`mantle.hcl:12:19: workload "three": group "none": unknown group none`,
	} {
		if !strings.Contains(got, want) {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}
