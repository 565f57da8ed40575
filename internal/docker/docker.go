// Package docker knows which containers of Docker, or of Podman, which serves
// the same API, run on this host.
package docker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"sync"
	"time"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/events"
	"github.com/moby/moby/client"

	"github.com/mantle-iam/mantle/internal/host"
)

// Options of a Directory. The zero value is Docker at its usual socket.
type Options struct {
	// Name is "docker" or "podman", "docker" if empty. It is what containers
	// have as their runtime.
	Name string

	// Socket is the address of the engine, unix:///PATH;
	// unix:///var/run/docker.sock if empty.
	Socket string

	// Resync is how often everything is listed anew though no event says so,
	// for the engine drops events of slow readers. 0 means 5 minutes.
	Resync time.Duration

	// Retry is how long to wait at first before connecting again; it doubles up
	// to 64 times as long. 0 means 250 ms.
	Retry time.Duration

	// Timeout bounds one question to the engine. 0 means 10 s.
	Timeout time.Duration

	// Log hears of connections lost and won. Nil is silent.
	Log *slog.Logger
}

// Directory is a [host.Directory] of one engine. While the engine cannot be
// reached it goes on telling what it knew: whether that still is so is for the
// kernel to say.
type Directory struct {
	opt    Options
	client *client.Client
	sought chan string // containers to look at, see Seek

	mu      sync.RWMutex // guards the fields below
	places  map[string]place
	owners  map[netip.Addr]map[string]bool // who has an address
	joined  map[string]map[string]bool     // who uses the network of a container
	pending map[string]bool                // what is in sought
	changed chan struct{}
	ready   bool
}

// place is a running container.
type place struct {
	host.Place
	joins string // the container whose network it uses, "" if none
}

// New makes a Directory. It fails if the address is none; whether an engine is
// there shows when Run connects.
func New(opt Options) (*Directory, error) {
	if opt.Name == "" {
		opt.Name = "docker"
	}
	if opt.Socket == "" {
		opt.Socket = "unix:///var/run/docker.sock"
	}
	if opt.Resync <= 0 {
		opt.Resync = 5 * time.Minute
	}
	if opt.Retry <= 0 {
		opt.Retry = 250 * time.Millisecond
	}
	if opt.Timeout <= 0 {
		opt.Timeout = 10 * time.Second
	}
	if opt.Log == nil {
		opt.Log = slog.New(slog.DiscardHandler)
	}
	c, err := client.New(client.WithHost(opt.Socket))
	if err != nil {
		return nil, fmt.Errorf("%s at %s: %w", opt.Name, opt.Socket, err)
	}
	return &Directory{
		opt:     opt,
		client:  c,
		sought:  make(chan string, 256),
		places:  make(map[string]place),
		owners:  make(map[netip.Addr]map[string]bool),
		joined:  make(map[string]map[string]bool),
		pending: make(map[string]bool),
		changed: make(chan struct{}),
	}, nil
}

// Name is the engine's.
func (d *Directory) Name() string { return d.opt.Name }

// Ready reports whether all containers have been listed once.
func (d *Directory) Ready() bool {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return d.ready
}

// Changed returns a channel that is closed at the next change.
func (d *Directory) Changed() <-chan struct{} {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return d.changed
}

// Container finds a running container by its full identifier.
func (d *Directory) Container(id string) (host.Place, bool) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	p, ok := d.places[id]
	return p.Place, ok
}

// Address finds the containers that have an address: the one that the engine
// gave it to and those that use its network.
func (d *Directory) Address(a netip.Addr) []host.Place {
	d.mu.RLock()
	defer d.mu.RUnlock()
	var out []host.Place
	for id := range d.owners[a] {
		out = append(out, d.places[id].Place)
		for guest := range d.joined[id] {
			out = append(out, d.places[guest].Place)
		}
	}
	return out
}

// Unaddressed are the containers with a network namespace of their own of whose
// addresses the engine knows nothing: something else gave them theirs, as the
// ECS agent does in awsvpc mode.
func (d *Directory) Unaddressed() []host.Place {
	d.mu.RLock()
	defer d.mu.RUnlock()
	var out []host.Place
	for _, p := range d.places {
		if p.joins == "" && !p.HostNetwork && len(p.Addresses) == 0 {
			out = append(out, p.Place)
		}
	}
	return out
}

// Running are all containers that run, in no order.
func (d *Directory) Running() []host.Place {
	d.mu.RLock()
	defer d.mu.RUnlock()
	out := make([]host.Place, 0, len(d.places))
	for _, p := range d.places {
		out = append(out, p.Place)
	}
	return out
}

// Seek has a container looked at that the kernel says is there, in case an
// event was missed. It does not wait.
func (d *Directory) Seek(id string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.pending[id] {
		return
	}
	select {
	case d.sought <- id:
		d.pending[id] = true
	default: // hundreds are waiting already
	}
}

// Run watches the engine until ctx ends. It waits for an engine that is not
// there or goes away.
func (d *Directory) Run(ctx context.Context) error {
	defer d.client.Close()
	pause, told := d.opt.Retry, false
	for {
		began := time.Now()
		err := d.watch(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if time.Since(began) > 64*d.opt.Retry {
			pause, told = d.opt.Retry, false
		}
		if !told {
			told = true // once, not at every attempt
			d.opt.Log.Warn("the container engine cannot be reached; containers that start now are not known until it can", "engine", d.opt.Name, "socket", d.opt.Socket, "err", err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
		pause = min(2*pause, 64*d.opt.Retry)
	}
}

// watch listens to one stream of events until it breaks.
func (d *Directory) watch(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	// The stream begins before the listing, so that nothing falls between.
	stream := d.client.Events(ctx, client.EventsListOptions{
		Filters: make(client.Filters).Add("type", string(events.ContainerEventType), string(events.NetworkEventType)),
	})
	select {
	case err := <-stream.Err:
		return orClosed(err)
	default:
	}
	if err := d.sync(ctx); err != nil {
		return err
	}
	d.opt.Log.Debug("watching containers", "engine", d.opt.Name, "socket", d.opt.Socket)
	again := time.NewTicker(d.opt.Resync)
	defer again.Stop()
	for {
		select {
		case m := <-stream.Messages:
			if err := d.event(ctx, m); err != nil {
				return err
			}
		case id := <-d.sought:
			d.mu.Lock()
			delete(d.pending, id)
			d.mu.Unlock()
			if err := d.refresh(ctx, id); err != nil {
				return err
			}
		case <-again.C:
			if err := d.sync(ctx); err != nil {
				return err
			}
		case err := <-stream.Err:
			return orClosed(err)
		}
	}
}

func orClosed(err error) error {
	if err == nil || errors.Is(err, io.EOF) {
		return errors.New("the engine closed the stream of events")
	}
	return err
}

// event brings what is known of the container of an event up to date. An event
// says only which one: what it is like now is asked for.
func (d *Directory) event(ctx context.Context, m events.Message) error {
	switch m.Type {
	case events.ContainerEventType:
		switch m.Action {
		case events.ActionDie, events.ActionDestroy, events.ActionRemove:
			// At once: its address may be another's by the time of an answer.
			d.drop(m.Actor.ID)
		case events.ActionStart, events.ActionRestart, events.ActionRename, events.ActionUpdate:
		default:
			return nil
		}
		return d.refresh(ctx, m.Actor.ID)
	case events.NetworkEventType:
		id := m.Actor.Attributes["container"]
		if id == "" || m.Action != events.ActionConnect && m.Action != events.ActionDisconnect {
			return nil
		}
		return d.refresh(ctx, id)
	}
	return nil
}

// sync makes what is known what is running.
func (d *Directory) sync(ctx context.Context) error {
	asking, cancel := context.WithTimeout(ctx, d.opt.Timeout)
	list, err := d.client.ContainerList(asking, client.ContainerListOptions{})
	cancel()
	if err != nil {
		return fmt.Errorf("list containers: %w", err)
	}
	running := make(map[string]bool, len(list.Items))
	for _, c := range list.Items {
		running[c.ID] = true
	}
	d.mu.Lock()
	for id := range d.places {
		if !running[id] {
			d.dropLocked(id)
		}
	}
	d.mu.Unlock()
	// Some at a time: the engine has others to serve.
	var wg sync.WaitGroup
	turn, errs := make(chan struct{}, 4), make(chan error, len(running))
	for id := range running {
		turn <- struct{}{}
		wg.Go(func() {
			defer func() { <-turn }()
			errs <- d.refresh(ctx, id)
		})
	}
	wg.Wait()
	close(errs)
	for err := range errs {
		if err != nil {
			return err
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.ready {
		d.ready = true
		d.wakeLocked()
	}
	return nil
}

// refresh asks the engine about one container. The error is about the engine;
// a container that is gone is none.
func (d *Directory) refresh(ctx context.Context, id string) error {
	ctx, cancel := context.WithTimeout(ctx, d.opt.Timeout)
	defer cancel()
	got, err := d.client.ContainerInspect(ctx, id, client.ContainerInspectOptions{})
	switch {
	case errdefs.IsNotFound(err):
		d.drop(id)
		return nil
	case err != nil:
		return fmt.Errorf("inspect container %.12s: %w", id, err)
	}
	p, ok := d.placeOf(&got.Container)
	if !ok || p.Container.ID != id {
		d.drop(id)
		return nil
	}
	d.put(p)
	return nil
}

// put notes a running container.
func (d *Directory) put(p place) {
	d.mu.Lock()
	defer d.mu.Unlock()
	id := p.Container.ID
	d.removeLocked(id)
	d.places[id] = p
	for _, a := range p.Addresses {
		add(d.owners, a, id)
	}
	if p.joins != "" {
		add(d.joined, p.joins, id)
	}
	d.wakeLocked()
}

// drop forgets a container.
func (d *Directory) drop(id string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.dropLocked(id)
}

func (d *Directory) dropLocked(id string) {
	if _, known := d.places[id]; known {
		d.removeLocked(id)
		d.wakeLocked()
	}
}

func (d *Directory) removeLocked(id string) {
	p, known := d.places[id]
	if !known {
		return
	}
	delete(d.places, id)
	for _, a := range p.Addresses {
		remove(d.owners, a, id)
	}
	if p.joins != "" {
		remove(d.joined, p.joins, id)
	}
}

func (d *Directory) wakeLocked() {
	close(d.changed)
	d.changed = make(chan struct{})
}

func add[K comparable](m map[K]map[string]bool, k K, id string) {
	if m[k] == nil {
		m[k] = make(map[string]bool, 1)
	}
	m[k][id] = true
}

func remove[K comparable](m map[K]map[string]bool, k K, id string) {
	if delete(m[k], id); len(m[k]) == 0 {
		delete(m, k)
	}
}
