package docker

import (
	"context"
	"errors"
	"net/netip"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/mantle-iam/mantle/broker"
	"github.com/mantle-iam/mantle/internal/host"
)

var _ host.Directory = (*Directory)(nil)

// watch runs a Directory of the engine until the test ends.
func watch(t *testing.T, e *engine, opt Options) *Directory {
	t.Helper()
	opt.Socket = "unix://" + e.socket
	if opt.Retry == 0 {
		opt.Retry = 5 * time.Millisecond
	}
	d, err := New(opt)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- d.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("Run ended with %v", err)
		}
	})
	return d
}

// until waits for a condition, woken by the Directory's changes alone.
func until(t *testing.T, d *Directory, what string, ok func() bool) {
	t.Helper()
	late := time.After(10 * time.Second)
	for {
		changed := d.Changed()
		if ok() {
			return
		}
		select {
		case <-changed:
		case <-late:
			t.Fatalf("not in time: %s", what)
		}
	}
}

func (d *Directory) has(id string) bool {
	_, ok := d.Container(id)
	return ok
}

// at are the names of the containers that have an address.
func (d *Directory) at(a string) string {
	var names []string
	for _, p := range d.Address(netip.MustParseAddr(a)) {
		names = append(names, p.Container.Name)
	}
	slices.Sort(names)
	out := ""
	for _, n := range names {
		out += n + " "
	}
	return out
}

func TestPlaces(t *testing.T) {
	e := newEngine(t)
	compose := map[string]string{broker.LabelComposeProject: "shop", broker.LabelComposeService: "api"}
	e.run(fake{id: id("web"), name: "web", image: "nginx:1", labels: compose, pid: 7, addresses: map[string]string{"bridge": "172.17.0.2", "shop": "172.18.0.3", "six": "fd00::5"}})
	e.run(fake{id: id("host"), name: "host", mode: "host", addresses: map[string]string{"host": ""}})
	e.run(fake{id: id("none"), name: "none", mode: "none", addresses: map[string]string{"none": ""}})
	e.run(fake{id: id("side"), name: "side", mode: "container:" + id("web")})
	e.run(fake{id: id("task"), name: "ecs-orders-3-app", addresses: map[string]string{"bridge": "172.17.0.9"}, labels: map[string]string{
		"com.amazonaws.ecs.task-arn": "arn:aws:ecs:eu-west-1:111122223333:task/prod/0123", "com.amazonaws.ecs.cluster": "arn:aws:ecs:eu-west-1:111122223333:cluster/prod",
		"com.amazonaws.ecs.task-definition-family": "orders", "com.amazonaws.ecs.task-definition-version": "3", "com.amazonaws.ecs.container-name": "app"}})
	e.run(fake{id: id("pod"), name: "k8s_main_orders-0_shop", labels: map[string]string{
		"io.kubernetes.pod.uid": "u-1", "io.kubernetes.pod.name": "orders-0", "io.kubernetes.pod.namespace": "shop", "io.kubernetes.container.name": "main"}, mode: "none"})
	d := watch(t, e, Options{Name: "podman"})
	until(t, d, "ready", d.Ready)

	web, _ := d.Container(id("web"))
	if want := (&broker.Container{Runtime: "podman", ID: id("web"), Name: "web", Image: "nginx:1", Labels: compose}); !reflect.DeepEqual(web.Container, want) || web.PID != 7 || web.HostNetwork || web.Task != nil || web.Pod != nil {
		t.Errorf("got %+v (%+v)", web.Container, web)
	}
	task, _ := d.Container(id("task"))
	if want := (broker.Task{ARN: "arn:aws:ecs:eu-west-1:111122223333:task/prod/0123", Cluster: "prod", Family: "orders", Revision: "3", Container: "app"}); task.Task == nil || *task.Task != want {
		t.Errorf("got %+v, want %+v", task.Task, want)
	}
	pod, _ := d.Container(id("pod"))
	if want := (broker.Pod{UID: "u-1", Namespace: "shop", Name: "orders-0", Container: "main"}); pod.Pod == nil || !reflect.DeepEqual(*pod.Pod, want) {
		t.Errorf("got %+v, want %+v", pod.Pod, want)
	}
	if p, _ := d.Container(id("host")); !p.HostNetwork || len(p.Addresses) > 0 {
		t.Errorf("got %+v", p)
	}
	for a, want := range map[string]string{
		"172.17.0.2": "side web ", "172.18.0.3": "side web ", "fd00::5": "side web ", "172.17.0.9": "ecs-orders-3-app ", "172.17.0.3": "", "0.0.0.0": "",
	} {
		if got := d.at(a); got != want {
			t.Errorf("%s belongs to %q, want %q", a, got, want)
		}
	}
	if n := len(d.Running()); n != 6 {
		t.Errorf("%d containers run, want 6", n)
	}
	var names []string
	for _, p := range d.Unaddressed() {
		names = append(names, p.Container.Name)
	}
	if slices.Sort(names); !slices.Equal(names, []string{"k8s_main_orders-0_shop", "none"}) {
		t.Errorf("without an address are %q", names)
	}
}

func TestEvents(t *testing.T) {
	e := newEngine(t)
	d := watch(t, e, Options{})
	until(t, d, "ready", d.Ready)

	web := fake{id: id("web"), name: "web", addresses: map[string]string{"bridge": "172.17.0.2"}}
	e.run(web)
	until(t, d, "started", func() bool { return d.at("172.17.0.2") == "web " })
	first, _ := d.Container(web.id)

	e.run(web) // again: docker restart
	until(t, d, "a new generation", func() bool {
		p, ok := d.Container(web.id)
		return ok && p.Generation != first.Generation
	})

	web.addresses = map[string]string{"bridge": "172.17.0.2", "shop": "172.18.0.2"}
	e.mu.Lock()
	e.containers[web.id].addresses = web.addresses
	e.mu.Unlock()
	e.say("network", "connect", "net", map[string]string{"container": web.id, "name": "shop"})
	until(t, d, "connected", func() bool { return d.at("172.18.0.2") == "web " })

	e.mu.Lock()
	e.containers[web.id].addresses = map[string]string{"bridge": "172.17.0.2"}
	e.containers[web.id].name = "new"
	e.mu.Unlock()
	e.say("network", "disconnect", "net", map[string]string{"container": web.id, "name": "shop"})
	until(t, d, "disconnected", func() bool { return d.at("172.18.0.2") == "" && d.at("172.17.0.2") == "new " })

	e.end(web.id)
	until(t, d, "ended", func() bool { return !d.has(web.id) && d.at("172.17.0.2") == "" })
	e.run(web)
	until(t, d, "started", func() bool { return d.has(web.id) })
	if n := e.connections(); n != 1 {
		t.Errorf("%d connections, want one: a container that is gone is no fault of the engine's", n)
	}
}

// An address goes from one container to the next within a moment. It is not the
// old one's when the engine has said that it ended, even if it is slow to say
// more.
func TestAddressUsedAgain(t *testing.T) {
	e := newEngine(t)
	d := watch(t, e, Options{})
	until(t, d, "ready", d.Ready)
	e.run(fake{id: id("old"), name: "old", addresses: map[string]string{"bridge": "172.17.0.2"}})
	until(t, d, "started", func() bool { return d.at("172.17.0.2") == "old " })

	hold := make(chan struct{})
	e.mu.Lock()
	e.hold = hold
	e.mu.Unlock()
	e.end(id("old"))
	e.run(fake{id: id("new"), name: "new", addresses: map[string]string{"bridge": "172.17.0.2"}})
	until(t, d, "nobody has it", func() bool { return d.at("172.17.0.2") == "" })
	close(hold)
	until(t, d, "the new one has it", func() bool { return d.at("172.17.0.2") == "new " })
}

// The engine goes away while containers end and start.
func TestReconnect(t *testing.T) {
	e := newEngine(t)
	e.run(fake{id: id("stays"), name: "stays", addresses: map[string]string{"bridge": "172.17.0.2"}})
	e.run(fake{id: id("ends"), name: "ends", addresses: map[string]string{"bridge": "172.17.0.3"}})
	d := watch(t, e, Options{})
	until(t, d, "ready", d.Ready)

	e.stop()
	e.end(id("ends"))
	e.run(fake{id: id("starts"), name: "starts", addresses: map[string]string{"bridge": "172.17.0.3"}})
	if d.at("172.17.0.2") != "stays " {
		t.Error("what was known is forgotten with the connection")
	}
	e.listen()
	until(t, d, "listed again", func() bool { return d.at("172.17.0.3") == "starts " && !d.has(id("ends")) && d.has(id("stays")) })
}

// It is there before its engine, as it is when a host boots.
func TestEngineComesLater(t *testing.T) {
	e := newEngine(t)
	e.stop()
	d := watch(t, e, Options{})
	time.Sleep(20 * time.Millisecond)
	if d.Ready() {
		t.Error("ready without an engine")
	}
	e.listen()
	until(t, d, "ready", d.Ready)
}

func TestMissedEvents(t *testing.T) {
	e := newEngine(t)
	d := watch(t, e, Options{Resync: 30 * time.Millisecond})
	until(t, d, "ready", d.Ready)
	e.mu.Lock()
	e.mute = true
	e.mu.Unlock()
	e.run(fake{id: id("web"), name: "web", addresses: map[string]string{"bridge": "172.17.0.2"}})
	until(t, d, "found by listing", func() bool { return d.at("172.17.0.2") == "web " })
	e.end(id("web"))
	until(t, d, "gone by listing", func() bool { return !d.has(id("web")) })
}

// The kernel has seen a container that no event told of.
func TestSeek(t *testing.T) {
	e := newEngine(t)
	d := watch(t, e, Options{})
	until(t, d, "ready", d.Ready)
	e.mu.Lock()
	e.mute = true
	e.mu.Unlock()
	e.run(fake{id: id("web"), name: "web"})
	d.Seek(id("none"))
	d.Seek(id("web"))
	until(t, d, "found", func() bool { return d.has(id("web")) })

	// Whoever asks for the same thing a thousand times has it asked for once.
	hold := make(chan struct{})
	e.mu.Lock()
	e.hold, e.inspected = hold, 0
	e.mu.Unlock()
	d.Seek(id("first"))
	for range 1000 {
		d.Seek(id("same"))
	}
	close(hold)
	e.mu.Lock()
	e.hold = nil
	e.mu.Unlock()
	e.run(fake{id: id("last"), name: "last"})
	d.Seek(id("last"))
	until(t, d, "all sought", func() bool { return d.has(id("last")) })
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.opened != 1 {
		t.Errorf("%d connections, want one", e.opened)
	}
	if e.inspected > 4 {
		t.Errorf("%d questions, want one for each container", e.inspected)
	}
}

func TestNewRefusesAnAddressThatIsNone(t *testing.T) {
	if _, err := New(Options{Socket: "/var/run/docker.sock"}); err == nil {
		t.Error("got no error")
	}
}
