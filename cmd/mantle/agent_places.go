package main

import (
	"context"
	"log/slog"
	"sync"

	"github.com/mantle-iam/mantle/broker"
	"github.com/mantle-iam/mantle/internal/config"
	engines "github.com/mantle-iam/mantle/internal/docker"
	places "github.com/mantle-iam/mantle/internal/host"
)

// directories are the container engines that the agent asks who is who: those
// that the configuration of the moment needs.
type directories struct {
	who      *places.Identifier
	log      *slog.Logger
	prefetch func(broker.Caller) error

	ctx     context.Context
	running *sync.WaitGroup
	mu      sync.Mutex // guards the field below
	open    map[string]*watched

	get      func(string) string // a variable of the environment
	reviewed reviewed            // what the Pod Identity endpoint asks
}

// watched is a Directory that runs.
type watched struct {
	places.Directory
	stop context.CancelFunc
}

// source is a Directory that a configuration needs. Two of one key are the same.
type source struct {
	key  string
	open func() (places.Directory, error)
}

// newDirectories makes an Identifier whose directories run until ctx ends.
func newDirectories(ctx context.Context, running *sync.WaitGroup, log *slog.Logger, prefetch func(broker.Caller) error) *directories {
	return &directories{
		who: places.New(nil, places.Options{}), log: log, prefetch: prefetch,
		ctx: ctx, running: running, open: map[string]*watched{},
	}
}

// sources are the directories that the configuration needs.
func (d *directories) sources(cfg *config.Config) []source {
	engine := func(name, socket string) source {
		return source{name + " " + socket, func() (places.Directory, error) {
			return engines.New(engines.Options{Name: name, Socket: socket, Log: d.log})
		}}
	}
	var out []source
	inDocker, inPodman := cfg.Engines()
	if inDocker != "" {
		out = append(out, engine("docker", inDocker))
	}
	if inPodman != "" {
		out = append(out, engine("podman", inPodman))
	}
	return append(out, d.cluster(cfg)...)
}

// follow starts the directories that the configuration needs and do not run
// yet, and ends those that it no longer needs.
func (d *directories) follow(cfg *config.Config) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	needed := map[string]bool{}
	var dirs []places.Directory
	for _, s := range d.sources(cfg) {
		needed[s.key] = true
		w := d.open[s.key]
		if w == nil {
			dir, err := s.open()
			if err != nil {
				return err
			}
			ctx, stop := context.WithCancel(d.ctx)
			w = &watched{dir, stop}
			d.open[s.key] = w
			d.running.Go(func() {
				if err := dir.Run(ctx); err != nil && ctx.Err() == nil {
					d.log.Error("containers are no longer watched", "directory", dir.Name(), "err", err)
				}
			})
			if r, ok := dir.(lister); ok {
				d.running.Go(func() { d.welcome(ctx, r) })
			}
		}
		dirs = append(dirs, w.Directory)
	}
	d.who.Replace(dirs)
	for key, w := range d.open {
		if !needed[key] {
			w.stop()
			delete(d.open, key)
		}
	}
	return nil
}

// lister is a Directory that can tell all that runs.
type lister interface {
	places.Directory
	Running() []places.Place
}

// welcome has the role of each container that starts borrowed before its
// program asks: SDKs give up after a second.
func (d *directories) welcome(ctx context.Context, from lister) {
	seen := map[string]bool{}
	for {
		changed := from.Changed()
		now := map[string]bool{}
		for _, p := range from.Running() {
			now[p.Generation] = true
			if seen[p.Generation] {
				continue
			}
			// Whom no workload fits is refused when it asks, and not before.
			_ = d.prefetch(broker.Caller{
				UID: -1, GID: -1, PID: -1, How: broker.ByPeer,
				Container: p.Container, Task: p.Task, Pod: p.Pod, Generation: p.Generation,
			})
		}
		seen = now
		select {
		case <-ctx.Done():
			return
		case <-changed:
		}
	}
}
