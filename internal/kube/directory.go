package kube

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/mantle-iam/mantle/broker"
	"github.com/mantle-iam/mantle/internal/host"
)

// Options configure [Pods].
type Options struct {
	// Node is the name of the node whose pods are watched, as in spec.nodeName.
	// It must not be empty: the pods of the whole cluster are not this host's.
	Node string

	// Blind is for how long after the API server was last heard an address is
	// still taken for the pod that had it; 6 minutes if 0. Containers, which
	// are known by an id that is never used again, are known for ever.
	Blind time.Duration

	// Log hears of failures and of their end. Nil is silent.
	Log *slog.Logger
}

// Pods is a [host.Directory] of the pods of one node.
type Pods struct {
	client *Client
	opt    Options
	log    *slog.Logger
	pause  time.Duration // the first one after a failure

	mu        sync.Mutex // guards the fields below
	pods      map[string]*entry
	container map[string]host.Place
	address   map[netip.Addr][]host.Place
	changed   chan struct{}
	listed    bool
	heard     time.Time
	fault     error
}

var _ host.Directory = (*Pods)(nil)

// entry is one pod.
type entry struct {
	pod    broker.Pod // without a container
	over   bool
	places []host.Place
}

// State says how well [Pods] are informed.
type State struct {
	Pods  int       // how many are known
	Ready bool      // all have been listed once
	Heard time.Time // when the API server last said something, zero if never
	Fault error     // why it cannot be heard now, nil if it can
}

// NewPods returns the pods of a node, none of which are known before [Pods.Run].
func NewPods(c *Client, opt Options) (*Pods, error) {
	if opt.Node == "" {
		return nil, errors.New("the name of this node is not known; in a DaemonSet take it from spec.nodeName")
	}
	if opt.Blind == 0 {
		opt.Blind = 6 * time.Minute
	}
	log := opt.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	p := &Pods{client: c, opt: opt, log: log, pause: firstPause, changed: make(chan struct{})}
	p.reset(nil, false)
	return p, nil
}

// Name is "kubernetes".
func (p *Pods) Name() string { return "kubernetes" }

// Container finds a running container by its full identifier.
func (p *Pods) Container(id string) (host.Place, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	place, ok := p.container[id]
	return place, ok
}

// Address finds the running containers of the pods that have an address. While
// the API server has not been heard for [Options.Blind] there are none: the
// address may be another pod's by now.
func (p *Pods) Address(a netip.Addr) []host.Place {
	p.mu.Lock()
	defer p.mu.Unlock()
	if time.Since(p.heard) > p.opt.Blind {
		return nil
	}
	return slices.Clone(p.address[a.Unmap().WithZone("")])
}

// Pod finds a pod that has not ended, by its UID. Its Container is empty.
func (p *Pods) Pod(uid string) (broker.Pod, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	e, ok := p.pods[uid]
	if !ok || e.over {
		return broker.Pod{}, false
	}
	return e.pod, true
}

// Running are all running containers of the node's pods.
func (p *Pods) Running() []host.Place {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Collect(maps.Values(p.container))
}

// Changed returns a channel that is closed at the next change.
func (p *Pods) Changed() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.changed
}

// Ready reports whether all pods have been listed once.
func (p *Pods) Ready() bool { return p.State().Ready }

// State says how well the pods are known.
func (p *Pods) State() State {
	p.mu.Lock()
	defer p.mu.Unlock()
	return State{Pods: len(p.pods), Ready: p.listed, Heard: p.heard, Fault: p.fault}
}

// await waits until the pod is known or ctx ends.
func (p *Pods) await(ctx context.Context, uid string) (broker.Pod, bool) {
	for {
		changed := p.Changed() // before the look, so that no change is missed
		if pod, ok := p.Pod(uid); ok {
			return pod, true
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return broker.Pod{}, false
		}
	}
}

// reset makes a list all that is known.
func (p *Pods) reset(all []*object, listed bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.listed = listed
	p.pods = make(map[string]*entry, len(all))
	p.container = make(map[string]host.Place)
	p.address = make(map[netip.Addr][]host.Place)
	for _, o := range all {
		p.put(o)
	}
	p.wake()
}

// add makes one pod known, or known anew.
func (p *Pods) add(o *object) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.take(o.Metadata.UID)
	p.put(o)
	p.wake()
}

// remove forgets a pod.
func (p *Pods) remove(uid string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.take(uid)
	p.wake()
}

func (p *Pods) put(o *object) {
	if o.Metadata.UID == "" || o.Spec.NodeName != p.opt.Node {
		return
	}
	e := &entry{pod: o.pod(), over: o.over(), places: o.places()}
	p.pods[o.Metadata.UID] = e
	for _, place := range e.places {
		p.container[place.Container.ID] = place
		for _, a := range place.Addresses {
			p.address[a] = append(p.address[a], place)
		}
	}
}

func (p *Pods) take(uid string) {
	e, ok := p.pods[uid]
	if !ok {
		return
	}
	delete(p.pods, uid)
	for _, place := range e.places {
		delete(p.container, place.Container.ID)
		for _, a := range place.Addresses {
			p.address[a] = slices.DeleteFunc(p.address[a], func(x host.Place) bool { return x.Pod.UID == uid })
			if len(p.address[a]) == 0 {
				delete(p.address, a)
			}
		}
	}
}

func (p *Pods) wake() {
	close(p.changed)
	p.changed = make(chan struct{})
}

// hear notes that the API server has said something.
func (p *Pods) hear() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.fault != nil {
		p.log.Info("the pods of this node are watched again", "pods", len(p.pods))
	}
	p.heard, p.fault = time.Now(), nil
}

// fail notes that it cannot be heard. Of one failure in a row it writes once.
func (p *Pods) fail(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.fault == nil || p.fault.Error() != err.Error() {
		p.log.Warn("the pods of this node cannot be watched; what is known of them is kept", "err", err, "pods", len(p.pods))
	}
	p.fault = err
}
