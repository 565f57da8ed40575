package host

import (
	"cmp"
	"context"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"

	"github.com/mantle-iam/mantle/broker"
	"github.com/mantle-iam/mantle/internal/peer"
)

// directory is what a test says that runs.
type directory struct {
	name string

	mu      sync.Mutex
	places  map[string]Place
	pods    map[string]bool
	loose   []Place // without addresses
	sought  []string
	changed chan struct{}
	ready   bool
}

func newDirectory(name string, places ...Place) *directory {
	d := &directory{name: name, places: map[string]Place{}, pods: map[string]bool{}, changed: make(chan struct{}), ready: true}
	for _, p := range places {
		d.places[p.Container.ID] = p
	}
	return d
}

func (d *directory) Name() string              { return d.name }
func (d *directory) Ready() bool               { return d.ready }
func (d *directory) Run(context.Context) error { return nil }

func (d *directory) Container(id string) (Place, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	p, ok := d.places[id]
	return p, ok
}

func (d *directory) Address(a netip.Addr) []Place {
	d.mu.Lock()
	defer d.mu.Unlock()
	var out []Place
	for _, p := range d.places {
		if slices.Contains(p.Addresses, a) {
			out = append(out, p)
		}
	}
	slices.SortFunc(out, func(a, b Place) int { return cmp.Compare(a.Container.ID, b.Container.ID) })
	return out
}

func (d *directory) Unaddressed() []Place {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.loose
}

func (d *directory) Pod(uid string) (broker.Pod, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return broker.Pod{UID: uid}, d.pods[uid]
}

func (d *directory) Seek(id string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.sought = append(d.sought, id)
}

func (d *directory) Changed() <-chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.changed
}

// change changes what runs and says so.
func (d *directory) change(f func(map[string]Place)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	f(d.places)
	close(d.changed)
	d.changed = make(chan struct{})
}

// world is a kernel: processes, in containers and network namespaces.
type world struct {
	mu        sync.Mutex
	processes map[int]process
	sockets   map[string]map[string]peer.Socket // by namespace and client
	forbidden bool                              // no namespace but ours may be entered
	changed   error                             // what same answers
}

type process struct {
	container peer.Container
	net       string // "host" is ours
}

func newWorld() *world {
	return &world{processes: map[int]process{}, sockets: map[string]map[string]peer.Socket{}}
}

// start starts a process.
func (w *world) start(pid int, id, net string) peer.Process {
	w.mu.Lock()
	defer w.mu.Unlock()
	p := process{net: net}
	if id != "" {
		p.container = inGroup(id)
	}
	w.processes[pid] = p
	return peer.Process{PID: pid, Started: uint64(pid) * 10, UID: 1001, GID: 50, Container: p.container, Unit: "u.service"}
}

func inGroup(id string) peer.Container {
	return peer.Container{Runtime: "docker", ID: id, Path: ":/docker/" + id}
}

// connect has processes of one namespace connect to us.
func (w *world) connect(net, client string, holders ...peer.Process) *conn {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.sockets[net] == nil {
		w.sockets[net] = map[string]peer.Socket{}
	}
	w.sockets[net][client] = peer.Socket{UID: 1001, GID: -1, Holders: holders}
	return &conn{client: client}
}

func (w *world) end(pid int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.processes, pid)
}

func (w *world) look(c net.Conn, in namespace) (peer.Socket, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	where := "host"
	if in != nil {
		where = string(in.(name))
	}
	s, ok := w.sockets[where][c.(*conn).client]
	if !ok {
		return peer.Socket{}, peer.ErrElsewhere
	}
	return s, nil
}

type name string

func (n name) identity() (any, bool) { return n, n == "host" }
func (n name) Close() error          { return nil }

func (w *world) network(pid int) (namespace, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	p, ok := w.processes[pid]
	switch {
	case !ok:
		return nil, fs.ErrNotExist
	case w.forbidden:
		return nil, fmt.Errorf("open: %w", fs.ErrPermission)
	}
	return name(p.net), nil
}

func (w *world) container(pid int) (peer.Container, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	p, ok := w.processes[pid]
	if !ok {
		return peer.Container{}, fs.ErrNotExist
	}
	return p.container, nil
}

func (w *world) member(id string) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for pid, p := range w.processes {
		if p.container.ID == id && !p.container.Delegated {
			return pid, nil
		}
	}
	return 0, fmt.Errorf("no process of container %.12s is running", id)
}

func (w *world) same(broker.Caller) error { return w.changed }

// conn is a connection of a client.
type conn struct {
	net.Conn
	client string
}

func (c *conn) RemoteAddr() net.Addr {
	if strings.HasPrefix(c.client, "@") {
		return &net.UnixAddr{Name: c.client, Net: "unix"}
	}
	return net.TCPAddrFromAddrPort(netip.MustParseAddrPort(c.client))
}
