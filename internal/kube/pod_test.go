package kube

import (
	"encoding/json"
	"os"
	"slices"
	"testing"
)

// testdata/pod.json has what an API server of Kubernetes 1.33 says of a pod
// with an init container, a sidecar, a debug container and two addresses.
func TestPlaces(t *testing.T) {
	b, err := os.ReadFile("testdata/pod.json")
	if err != nil {
		t.Fatal(err)
	}
	var o object
	if err := json.Unmarshal(b, &o); err != nil {
		t.Fatal(err)
	}
	type want struct{ id, runtime, name, image string }
	var got []want
	for _, p := range o.places() {
		got = append(got, want{p.Container.ID, p.Container.Runtime, p.Pod.Container, p.Container.Image})
		if p.Pod.UID != "5f1c2a34-97a7-4a0e-8d3b-4f4e3f7f0c11" || p.Pod.Namespace != "shop" || p.Pod.Name != "web-0" || p.Pod.ServiceAccount != "web" || p.Pod.Labels["app"] != "web" {
			t.Errorf("%s is of %+v", p.Container.ID, p.Pod)
		}
		if p.PID != 0 || p.HostNetwork || len(p.Addresses) != 2 || p.Addresses[0] != ip("10.244.1.17") || p.Addresses[1] != ip("fd00:10:244:1::11") {
			t.Errorf("%s has pid %d, host network %v, addresses %v", p.Container.ID, p.PID, p.HostNetwork, p.Addresses)
		}
	}
	all := []want{ // the first init container has ended
		{"2222222222222222222222222222222222222222222222222222222222222222", "containerd", "proxy", "registry.example/proxy:2"},
		{"3333333333333333333333333333333333333333333333333333333333333333", "containerd", "web", "registry.example/web@sha256:0a1b"},
		{"5555555555555555555555555555555555555555555555555555555555555555", "containerd", "debug", "busybox"},
	}
	if !slices.Equal(got, all) {
		t.Errorf("got  %v\nwant %v", got, all)
	}

	o.Spec.HostNetwork = true
	for _, p := range o.places() {
		if !p.HostNetwork || len(p.Addresses) != 0 {
			t.Errorf("on the host's network %s has the addresses %v", p.Container.ID, p.Addresses)
		}
	}
	for _, phase := range []string{"Succeeded", "Failed"} {
		o.Status.Phase = phase
		if got := o.places(); len(got) != 0 {
			t.Errorf("a pod that has %s has places %v", phase, got)
		}
	}
}

func FuzzEvent(f *testing.F) {
	b, err := os.ReadFile("testdata/pod.json")
	if err != nil {
		f.Fatal(err)
	}
	f.Add("ADDED", b)
	f.Add("BOOKMARK", []byte(`{"metadata":{"resourceVersion":"7"}}`))
	f.Add("ERROR", []byte(`{"kind":"Status","code":410}`))
	f.Add("DELETED", []byte(`{}`))
	f.Fuzz(func(t *testing.T, kind string, b []byte) {
		p, err := NewPods(nil, Options{Node: "node-1"})
		if err != nil {
			t.Fatal(err)
		}
		w := watcher{p: p}
		w.apply(kind, b)
		for id, place := range p.container {
			if id == "" || place.Pod.UID == "" || p.pods[place.Pod.UID] == nil {
				t.Errorf("container %q of nobody: %+v", id, place)
			}
		}
	})
}
