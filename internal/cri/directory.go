package cri

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"slices"
	"sync"
	"time"

	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/mantle-iam/mantle/internal/host"
)

// Options configure a [Directory]. The zero value is fit for production.
type Options struct {
	// Every is the time between two looks at a runtime that does not tell of
	// changes (containerd before 1.7, CRI-O without enable_pod_events); 2 s if
	// 0. One that does is looked at when it tells, and every fifteenth time
	// besides.
	Every time.Duration

	// Blind is for how long after the runtime was last heard an address is
	// still taken for the pod that had it; 1 minute if 0.
	Blind time.Duration

	// Log hears of failures and of their end. Nil is silent.
	Log *slog.Logger
}

// Directory is a [host.Directory] of what a runtime runs.
type Directory struct {
	address string
	client  cri.RuntimeServiceClient
	close   func() error
	opt     Options
	log     *slog.Logger
	look    chan struct{} // has it looked at now

	mu      sync.Mutex // guards the fields below
	places  map[string]host.Place
	changed chan struct{}
	listed  bool
	heard   time.Time
	fault   error

	// Of Run alone.
	runtime string
	boxes   map[string]*sandbox // by id; what a sandbox is does not change while it is ready
	told    bool                // it tells of changes
}

var _ host.Directory = (*Directory)(nil)

// New returns what the runtime at a unix:// address runs, nothing of which is
// known before [Directory.Run].
func New(address string, opt Options) (*Directory, error) {
	c, client, err := connect(address)
	if err != nil {
		return nil, err
	}
	if opt.Every == 0 {
		opt.Every = 2 * time.Second
	}
	if opt.Blind == 0 {
		opt.Blind = time.Minute
	}
	log := opt.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Directory{address: address, client: client, close: c.Close, opt: opt, log: log,
		look: make(chan struct{}, 1), changed: make(chan struct{}),
		places: map[string]host.Place{}, boxes: map[string]*sandbox{}}, nil
}

// pauses are those between two attempts to connect.
func pauses() backoff.Config {
	return backoff.Config{BaseDelay: 200 * time.Millisecond, Multiplier: 2, Jitter: 0.2, MaxDelay: 5 * time.Second}
}

// Name is "cri".
func (d *Directory) Name() string { return "cri" }

// Container finds a running container by its full identifier.
func (d *Directory) Container(id string) (host.Place, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	p, ok := d.places[id]
	return p, ok
}

// Address finds the running containers of the sandboxes that have an address;
// none while the runtime has not been heard for [Options.Blind].
func (d *Directory) Address(a netip.Addr) []host.Place {
	a = a.Unmap().WithZone("")
	d.mu.Lock()
	defer d.mu.Unlock()
	if time.Since(d.heard) > d.opt.Blind {
		return nil
	}
	var all []host.Place
	for _, p := range d.places {
		if slices.Contains(p.Addresses, a) {
			all = append(all, p)
		}
	}
	return all
}

// Unaddressed are the running containers with a network namespace of their own
// of whose addresses the runtime says nothing.
func (d *Directory) Unaddressed() []host.Place {
	d.mu.Lock()
	defer d.mu.Unlock()
	var all []host.Place
	for _, p := range d.places {
		if !p.HostNetwork && len(p.Addresses) == 0 {
			all = append(all, p)
		}
	}
	return all
}

// Seek has the runtime looked at now, in case a container was missed.
func (d *Directory) Seek(string) {
	select {
	case d.look <- struct{}{}:
	default:
	}
}

// Changed returns a channel that is closed at the next change.
func (d *Directory) Changed() <-chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.changed
}

// Ready reports whether all containers have been listed once.
func (d *Directory) Ready() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.listed
}

// Fault says when the runtime was last heard, and why it cannot be heard now,
// nil if it can.
func (d *Directory) Fault() (heard time.Time, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.heard, d.fault
}

// Run looks at what runs until ctx ends, and closes the connection then. It
// fails at once if the runtime is one that does not speak the CRI.
func (d *Directory) Run(ctx context.Context) error {
	defer d.close()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var telling sync.WaitGroup
	defer telling.Wait()
	defer cancel()
	started := false
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-timer.C:
		case <-d.look:
		}
		err := d.refresh(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if errors.Is(err, ErrNoCRI) {
			d.fail(err)
			return err
		}
		if err != nil {
			d.fail(err)
		} else if !started {
			started = true
			telling.Go(func() { d.listen(ctx) })
		}
		every := d.opt.Every
		d.mu.Lock()
		if d.told && err == nil {
			every *= 15
		}
		d.mu.Unlock()
		timer.Reset(every)
		// Bursts of events, and those who seek, share a look.
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// listen has the runtime tell of changes, if it can.
func (d *Directory) listen(ctx context.Context) {
	pause := time.Second
	for ctx.Err() == nil {
		stream, err := d.client.GetContainerEvents(ctx, &cri.GetEventsRequest{})
		for err == nil {
			if _, err = stream.Recv(); err == nil {
				d.tells(true)
				d.Seek("")
				pause = time.Second
			}
		}
		d.tells(false)
		if status.Code(err) == codes.Unimplemented {
			return // it is looked at every now and then
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause/2 + rand.N(pause)):
		}
		pause = min(2*pause, time.Minute)
		d.Seek("") // what happened meanwhile was not told
	}
}

// tells notes whether the runtime tells of changes. A stream that is open says
// nothing yet: some runtimes open it and send nothing.
func (d *Directory) tells(yes bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.told = yes
}

// refresh looks at what runs now.
func (d *Directory) refresh(ctx context.Context) error {
	if d.runtime == "" {
		name, err := version(ctx, d.client)
		if err != nil {
			return explain(d.address, err)
		}
		d.runtime = name
	}
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	running, err := d.client.ListContainers(ctx, &cri.ListContainersRequest{
		Filter: &cri.ContainerFilter{State: &cri.ContainerStateValue{State: cri.ContainerState_CONTAINER_RUNNING}}})
	if err != nil {
		d.runtime = "" // another one may be there next
		return explain(d.address, err)
	}
	d.mu.Lock()
	known := d.places
	d.mu.Unlock()
	places := make(map[string]host.Place, len(running.GetContainers()))
	boxes := make(map[string]*sandbox)
	same := len(known) == len(running.GetContainers())
	for _, c := range running.GetContainers() {
		if c.GetState() != cri.ContainerState_CONTAINER_RUNNING {
			same = false
			continue
		}
		id := c.GetPodSandboxId()
		box := boxes[id]
		if box == nil {
			if box, err = d.sandbox(ctx, id); err != nil {
				return err
			}
			if box == nil {
				same = false
				continue // ended in between
			}
			boxes[id] = box
		}
		if p, ok := known[c.GetId()]; ok && slices.Equal(p.Addresses, box.addresses) {
			places[c.GetId()] = p // what a running container is does not change
			continue
		}
		same = false
		s, err := d.client.ContainerStatus(ctx, &cri.ContainerStatusRequest{ContainerId: c.GetId(), Verbose: true})
		if status.Code(err) == codes.NotFound {
			continue
		}
		if err != nil {
			return explain(d.address, err)
		}
		places[c.GetId()] = placeOf(d.runtime, c, box, pidOf(s.GetInfo()))
	}
	d.boxes = boxes
	d.settle(places, same)
	return nil
}

// sandbox finds out what a sandbox is, nil if it is no longer there. One whose
// addresses are known is not asked about again.
func (d *Directory) sandbox(ctx context.Context, id string) (*sandbox, error) {
	if box := d.boxes[id]; box != nil && (box.hostNetwork || len(box.addresses) > 0) {
		return box, nil
	}
	s, err := d.client.PodSandboxStatus(ctx, &cri.PodSandboxStatusRequest{PodSandboxId: id, Verbose: true})
	if status.Code(err) == codes.NotFound {
		return nil, nil
	}
	if err != nil {
		return nil, explain(d.address, err)
	}
	return sandboxOf(s.GetStatus(), s.GetInfo()), nil
}

// settle makes places what is known.
func (d *Directory) settle(places map[string]host.Place, same bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.fault != nil {
		d.log.Info("the containers of this host are known again", "runtime", d.address, "containers", len(places))
	}
	first := !d.listed
	d.listed, d.heard, d.fault = true, time.Now(), nil
	d.places = places
	if !same || first {
		close(d.changed)
		d.changed = make(chan struct{})
	}
}

// fail notes that the runtime cannot be heard. What is known is kept.
func (d *Directory) fail(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.fault == nil || d.fault.Error() != err.Error() {
		d.log.Warn("the containers of this host cannot be listed; what is known of them is kept", "err", err, "containers", len(d.places))
	}
	d.fault = err
}
