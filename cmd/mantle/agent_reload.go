package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/mantle-iam/mantle/broker"
	"github.com/mantle-iam/mantle/internal/config"
)

// quiet is how long the files of a configuration must be left alone before they
// are read: editors write, rename and write again, and Kubernetes swaps links.
const quiet = 250 * time.Millisecond

// watch reads the configuration again when one of its files changes and on
// SIGHUP, until ctx ends.
func (a *agentRun) watch(ctx context.Context) {
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	defer signal.Stop(hup)

	var events <-chan fsnotify.Event
	var lost <-chan error
	watcher, err := fsnotify.NewWatcher()
	if err != nil {
		a.doors.log.Warn("changes of the configuration are not noticed; send SIGHUP", "error", err)
	} else {
		defer watcher.Close()
		events, lost = watcher.Events, watcher.Errors
	}
	watched := map[string]bool{}
	follow := func() {
		if watcher == nil {
			return
		}
		// Folders, not files: a file that is replaced is another file.
		for _, f := range a.now.Load().cfg.Files() {
			dir := filepath.Dir(f)
			if !watched[dir] && watcher.Add(dir) == nil {
				watched[dir] = true
			}
		}
	}
	follow()
	read := a.sum()
	var settled <-chan time.Time
	for {
		select {
		case <-ctx.Done():
			return
		case <-hup:
			a.ops.reopen()
			read, settled = a.sum(), nil
			a.reload(ctx, "SIGHUP")
			follow()
		case <-events:
			settled = time.After(quiet)
		case <-lost: // some events are: look
			settled = time.After(quiet)
		case <-settled:
			settled = nil
			if now := a.sum(); now != read {
				read = now
				a.reload(ctx, "a changed file")
				follow()
			}
		}
	}
}

// sum is that of the files the configuration consists of.
func (a *agentRun) sum() string {
	h := sha256.New()
	for _, f := range a.now.Load().cfg.Files() {
		text, err := os.ReadFile(f)
		fmt.Fprintln(h, f, err, len(text))
		h.Write(text)
	}
	return string(h.Sum(nil))
}

// reload puts the configuration as it is now in the place of the one in use. If
// it is not sound, nothing changes but the log.
func (a *agentRun) reload(ctx context.Context, why string) {
	notify(reloading())
	defer notify("READY=1")
	cfg, err := a.loadConfig(a.path)
	var v *view
	if err == nil && cfg.Sandbox != nil {
		err = fmt.Errorf("%s: the agent does not start a sandbox", cfg.Sandbox.Where.Position)
	}
	if err == nil {
		v, err = newView(cfg, a.base.Region)
	}
	if err == nil {
		err = a.places.follow(cfg)
	}
	a.ops.metrics.Reloaded(err == nil)
	if err != nil {
		a.talkf("mantle: the configuration is not sound; the one in use stays (read because of %s)\n", why)
		if x, ok := errors.AsType[*exitError](err); ok {
			x.write(a.Stderr)
		} else {
			(&exitError{err: err}).write(a.Stderr)
		}
		if a.record != nil {
			a.record.Warn("reload", "outcome", "refused", "why", why, "error", err.Error())
		}
		return
	}
	old := a.now.Load()
	changes := changesOf(old, v)
	a.lending.Replace(v.rules)
	a.now.Store(v)
	a.ops.ledger.Follow(v.rules)
	if a.tokens != nil {
		if err := a.tokens.follow(v.rules); err != nil {
			a.doors.log.Error("some workloads have no token", "error", err)
		}
	}
	go a.prefetch(ctx)
	a.talkf("mantle: the configuration was read because of %s: %s\n", why, changes)
	if a.record != nil {
		a.record.Info("reload", "outcome", "done", "why", why, "added", changes.added, "removed", changes.removed, "changed", changes.changed, "after_restart", changes.later)
	}
}

// changes are what a new configuration brings, by the names of workloads; later
// are blocks that take a restart.
type changes struct{ added, removed, changed, later []string }

func (c changes) String() string {
	var parts []string
	for _, x := range []struct {
		what string
		list []string
	}{{"added", c.added}, {"removed", c.removed}, {"changed", c.changed}} {
		if len(x.list) > 0 {
			parts = append(parts, x.what+" "+strings.Join(x.list, ", "))
		}
	}
	if len(parts) == 0 {
		parts = []string{"no workload changed"}
	}
	if len(c.later) > 0 {
		parts = append(parts, "restart the agent for the "+strings.Join(c.later, " and ")+" block to take effect")
	}
	return strings.Join(parts, "; ")
}

func changesOf(old, v *view) (c changes) {
	find := func(rules broker.Rules, name string) *broker.Rule {
		if i := slices.IndexFunc(rules, func(r broker.Rule) bool { return r.Name == name }); i >= 0 {
			return &rules[i]
		}
		return nil
	}
	for _, r := range v.rules {
		switch was := find(old.rules, r.Name); {
		case was == nil:
			c.added = append(c.added, r.Name)
		case !reflect.DeepEqual(*was, r) || old.v1[r.Name] != v.v1[r.Name] || old.in[r.Name] != v.in[r.Name]:
			c.changed = append(c.changed, r.Name)
		}
	}
	for _, r := range old.rules {
		if find(v.rules, r.Name) == nil {
			c.removed = append(c.removed, r.Name)
		}
	}
	if !same(old.cfg.Base, v.cfg.Base) {
		c.later = append(c.later, "base")
	}
	was, is := old.cfg.Agent, v.cfg.Agent
	was.Allow, is.Allow = nil, nil // takes effect at once
	if !same(was, is) {
		c.later = append(c.later, "agent")
	}
	return c
}

// same compares blocks without their places.
func same[T config.Base | config.Agent](a, b T) bool {
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	return errX == nil && errY == nil && bytes.Equal(x, y)
}
