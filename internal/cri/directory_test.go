package cri

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/mantle-iam/mantle/internal/host"
)

// engine is a container runtime that speaks the CRI on a Unix socket.
type engine struct {
	cri.UnimplementedRuntimeServiceServer
	address string

	mu         sync.Mutex // guards the fields below
	server     *grpc.Server
	containers map[string]*cri.Container
	pids       map[string]int
	boxes      map[string]*cri.PodSandboxStatus
	tells      bool
	events     chan *cri.ContainerEventResponse
	asked      map[string]int
}

func newEngine(t *testing.T) *engine {
	e := &engine{containers: map[string]*cri.Container{}, pids: map[string]int{}, boxes: map[string]*cri.PodSandboxStatus{},
		events: make(chan *cri.ContainerEventResponse, 10), asked: map[string]int{},
		address: "unix://" + filepath.Join(t.TempDir(), "cri.sock")}
	t.Cleanup(e.stop)
	return e
}

func (e *engine) start(t *testing.T) {
	t.Helper()
	ln, err := net.Listen("unix", strings.TrimPrefix(e.address, "unix://"))
	if err != nil {
		t.Fatal(err)
	}
	s := grpc.NewServer()
	cri.RegisterRuntimeServiceServer(s, e)
	e.set(func() { e.server = s })
	go s.Serve(ln)
}

func (e *engine) stop() {
	e.mu.Lock()
	s := e.server
	e.server = nil
	e.mu.Unlock()
	if s != nil {
		s.Stop()
	}
}

func (e *engine) set(f func()) { e.mu.Lock(); defer e.mu.Unlock(); f() }

func (e *engine) count(call string) int { e.mu.Lock(); defer e.mu.Unlock(); return e.asked[call] }

// run starts a container in a sandbox.
func (e *engine) run(id, box, name string, pid int) {
	e.set(func() {
		e.containers[id] = &cri.Container{Id: id, PodSandboxId: box, State: cri.ContainerState_CONTAINER_RUNNING, CreatedAt: int64(pid) * 1e9,
			Metadata: &cri.ContainerMetadata{Name: name}, Image: &cri.ImageSpec{Image: "sha256:0a", UserSpecifiedImage: "registry.example/" + name + ":1"},
			Labels: map[string]string{labelContainer: name, labelPod: "p", labelUID: "u", "team": "web"}}
		e.pids[id] = pid
	})
}

func (e *engine) sandbox(id, uid, name, ip string, more ...string) {
	s := &cri.PodSandboxStatus{Id: id, State: cri.PodSandboxState_SANDBOX_READY, Network: &cri.PodSandboxNetworkStatus{Ip: ip},
		Linux:  &cri.LinuxPodSandboxStatus{Namespaces: &cri.Namespace{Options: &cri.NamespaceOption{}}},
		Labels: map[string]string{labelPod: name, labelNamespace: "shop", labelUID: uid, "app": name}}
	for _, a := range more {
		s.Network.AdditionalIps = append(s.Network.AdditionalIps, &cri.PodIP{Ip: a})
	}
	if ip == "" {
		s.Linux.Namespaces.Options.Network = cri.NamespaceMode_NODE
	}
	e.set(func() { e.boxes[id] = s })
}

func (e *engine) Version(context.Context, *cri.VersionRequest) (*cri.VersionResponse, error) {
	return &cri.VersionResponse{Version: "0.1.0", RuntimeName: "containerd", RuntimeVersion: "v2", RuntimeApiVersion: "v1"}, nil
}

func (e *engine) ListContainers(_ context.Context, r *cri.ListContainersRequest) (*cri.ListContainersResponse, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.asked["list"]++
	if r.GetFilter().GetState().GetState() != cri.ContainerState_CONTAINER_RUNNING {
		return nil, errors.New("only what runs should be asked for")
	}
	return &cri.ListContainersResponse{Containers: slices.Collect(maps.Values(e.containers))}, nil
}

func (e *engine) ContainerStatus(_ context.Context, r *cri.ContainerStatusRequest) (*cri.ContainerStatusResponse, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.asked["status"]++
	c, ok := e.containers[r.GetContainerId()]
	if !ok {
		return nil, status.Error(codes.NotFound, "no such container")
	}
	info := map[string]string{}
	if r.GetVerbose() {
		info["info"] = fmt.Sprintf(`{"sandboxID":%q,"pid":%d,"config":{"labels":{"x":"y"}}}`, c.PodSandboxId, e.pids[c.Id])
	}
	return &cri.ContainerStatusResponse{Status: &cri.ContainerStatus{Id: c.Id}, Info: info}, nil
}

func (e *engine) PodSandboxStatus(_ context.Context, r *cri.PodSandboxStatusRequest) (*cri.PodSandboxStatusResponse, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.asked["sandbox"]++
	s, ok := e.boxes[r.GetPodSandboxId()]
	if !ok {
		return nil, status.Error(codes.NotFound, "no such sandbox")
	}
	return &cri.PodSandboxStatusResponse{Status: s}, nil
}

func (e *engine) GetContainerEvents(_ *cri.GetEventsRequest, out cri.RuntimeService_GetContainerEventsServer) error {
	e.mu.Lock()
	tells := e.tells
	e.mu.Unlock()
	if !tells {
		return status.Error(codes.Unimplemented, "method GetContainerEvents not implemented")
	}
	for {
		select {
		case ev := <-e.events:
			if err := out.Send(ev); err != nil {
				return err
			}
		case <-out.Context().Done():
			return nil
		}
	}
}

// follow looks at the engine until the test ends.
func follow(t *testing.T, e *engine, opt Options) *Directory {
	t.Helper()
	d, err := New(e.address, opt)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- d.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != context.Canceled {
			t.Errorf("Run: %v", err)
		}
	})
	return d
}

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
		case <-time.After(10 * time.Millisecond):
		case <-late:
			_, fault := d.Fault()
			t.Fatalf("never: %s; fault %v", what, fault)
		}
	}
}

func has(d *Directory, id string) bool { _, ok := d.Container(id); return ok }

func ids(places []host.Place) []string {
	var all []string
	for _, p := range places {
		all = append(all, p.Container.ID)
	}
	slices.Sort(all)
	return all
}

const soon = 20 * time.Millisecond

func TestDirectory(t *testing.T) {
	e := newEngine(t)
	e.sandbox("box-a", "uid-a", "a", "10.0.0.7", "fd00::7")
	e.run("a1", "box-a", "web", 4711)
	e.run("a2", "box-a", "proxy", 4712)
	e.sandbox("box-h", "uid-h", "h", "")
	e.run("h1", "box-h", "node", 99)
	e.run("lost", "box-none", "x", 5) // its sandbox is gone already
	e.start(t)
	d := follow(t, e, Options{Every: soon})
	until(t, d, "ready", d.Ready)

	p, ok := d.Container("a1")
	if !ok || p.PID != 4711 || p.HostNetwork || p.Container.Runtime != "containerd" || p.Container.Name != "web" || p.Container.Image != "registry.example/web:1" {
		t.Fatalf("a1 is %+v %+v, %v", p, p.Container, ok)
	}
	if pod := p.Pod; pod == nil || pod.UID != "uid-a" || pod.Namespace != "shop" || pod.Name != "a" || pod.Container != "web" || pod.ServiceAccount != "" ||
		!maps.Equal(pod.Labels, map[string]string{"app": "a"}) {
		t.Errorf("a1 is of %+v", pod)
	}
	if !maps.Equal(p.Container.Labels, map[string]string{"team": "web"}) {
		t.Errorf("labels %v", p.Container.Labels)
	}
	for _, a := range []string{"10.0.0.7", "fd00::7", "::ffff:10.0.0.7"} {
		if got := ids(d.Address(netip.MustParseAddr(a))); !slices.Equal(got, []string{"a1", "a2"}) {
			t.Errorf("%s belongs to %v", a, got)
		}
	}
	if h, ok := d.Container("h1"); !ok || !h.HostNetwork || len(h.Addresses) != 0 {
		t.Errorf("h1 is %+v, %v", h, ok)
	}
	if has(d, "lost") {
		t.Error("a container without a sandbox is known")
	}

	// What is known is not asked about again.
	before := e.count("status")
	lists := e.count("list")
	until(t, d, "more looks", func() bool { return e.count("list") > lists+3 })
	if after := e.count("status"); after != before {
		t.Errorf("%d more questions about containers that are known", after-before)
	}

	// The address goes from one sandbox to another.
	e.set(func() { delete(e.containers, "a1"); delete(e.containers, "a2"); delete(e.boxes, "box-a") })
	e.sandbox("box-b", "uid-b", "b", "10.0.0.7")
	e.run("b1", "box-b", "web", 5000)
	until(t, d, "b1", func() bool { return has(d, "b1") })
	if got := ids(d.Address(netip.MustParseAddr("10.0.0.7"))); !slices.Equal(got, []string{"b1"}) || has(d, "a1") {
		t.Errorf("10.0.0.7 belongs to %v; a1 known: %v", got, has(d, "a1"))
	}
}

// A sandbox has its address a moment after it is listed.
func TestDirectoryLateAddress(t *testing.T) {
	e := newEngine(t)
	e.sandbox("box-a", "uid-a", "a", "none yet")
	e.run("a1", "box-a", "web", 1)
	e.start(t)
	d := follow(t, e, Options{Every: soon})
	until(t, d, "a1", func() bool { return has(d, "a1") })
	if got := ids(d.Unaddressed()); !slices.Equal(got, []string{"a1"}) {
		t.Errorf("without an address: %v", got)
	}
	e.sandbox("box-a", "uid-a", "a", "10.0.0.9")
	until(t, d, "the address", func() bool { return len(d.Address(netip.MustParseAddr("10.0.0.9"))) == 1 })
	if got := d.Unaddressed(); len(got) != 0 {
		t.Errorf("without an address: %v", got)
	}
}

func TestDirectoryEvents(t *testing.T) {
	e := newEngine(t)
	e.tells = true
	e.sandbox("box-a", "uid-a", "a", "10.0.0.7")
	e.start(t)
	d := follow(t, e, Options{Every: 300 * time.Millisecond})
	until(t, d, "ready", d.Ready)
	// Once it has told of something it is looked at every 4.5 s, or when it tells.
	e.events <- &cri.ContainerEventResponse{}
	until(t, d, "an event", func() bool { d.mu.Lock(); defer d.mu.Unlock(); return d.told })
	until(t, d, "rest", func() bool {
		n := e.count("list")
		time.Sleep(400 * time.Millisecond)
		return e.count("list") == n
	})
	e.run("a1", "box-a", "web", 1)
	e.events <- &cri.ContainerEventResponse{ContainerId: "a1", ContainerEventType: cri.ContainerEventType_CONTAINER_STARTED_EVENT}
	began := time.Now()
	until(t, d, "a1", func() bool { return has(d, "a1") })
	if took := time.Since(began); took > time.Second {
		t.Errorf("known %v after it was told", took)
	}
}

func TestDirectorySeek(t *testing.T) {
	e := newEngine(t)
	e.sandbox("box-a", "uid-a", "a", "10.0.0.7")
	e.start(t)
	d := follow(t, e, Options{Every: time.Hour})
	until(t, d, "ready", d.Ready)
	e.run("a1", "box-a", "web", 1)
	d.Seek("a1")
	until(t, d, "a1", func() bool { return has(d, "a1") })
}

func TestDirectoryAway(t *testing.T) {
	e := newEngine(t)
	d := follow(t, e, Options{Every: soon, Blind: 60 * time.Millisecond})
	until(t, d, "a fault", func() bool { _, err := d.Fault(); return err != nil })
	if _, err := d.Fault(); !strings.Contains(err.Error(), "cannot be reached") || d.Ready() {
		t.Errorf("without a runtime: %v, ready %v", err, d.Ready())
	}
	e.sandbox("box-a", "uid-a", "a", "10.0.0.7")
	e.run("a1", "box-a", "web", 1)
	e.start(t)
	until(t, d, "a1", func() bool { return has(d, "a1") })
	e.stop()
	until(t, d, "blindness", func() bool { return len(d.Address(netip.MustParseAddr("10.0.0.7"))) == 0 })
	if !has(d, "a1") {
		t.Error("a container is forgotten while the runtime restarts")
	}
	e.start(t)
	until(t, d, "sight", func() bool { return len(d.Address(netip.MustParseAddr("10.0.0.7"))) == 1 })
}

// A containerd whose CRI plugin is off, as Docker's package has it.
func TestDirectoryNoCRI(t *testing.T) {
	path := filepath.Join(t.TempDir(), "c.sock")
	ln, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	s := grpc.NewServer()
	go s.Serve(ln)
	defer s.Stop()
	d, err := New("unix://"+path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Run(t.Context()); !errors.Is(err, ErrNoCRI) || !strings.Contains(err.Error(), "disabled_plugins") {
		t.Errorf("Run: %v", err)
	}
	if d.Ready() {
		t.Error("ready")
	}
}

func TestNewAddress(t *testing.T) {
	for _, a := range []string{"", "/run/containerd/containerd.sock", "tcp://10.0.0.1:1", "unix://relative"} {
		if _, err := New(a, Options{}); err == nil {
			t.Errorf("%q was accepted", a)
		}
	}
}

func FuzzPID(f *testing.F) {
	f.Add(`{"pid":7}`)
	f.Add(`{"pid":-7}`)
	f.Add(`[`)
	f.Fuzz(func(t *testing.T, info string) {
		if n := pidOf(map[string]string{"info": info}); n < 0 {
			t.Errorf("pid %d", n)
		}
	})
}
