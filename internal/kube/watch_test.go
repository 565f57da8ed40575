package kube

import (
	"context"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mantle-iam/mantle/internal/host"
)

// follow watches the pods of node-1 until the test ends.
func follow(t *testing.T, s *apiServer, opt Options) *Pods {
	t.Helper()
	if opt.Node == "" {
		opt.Node = "node-1"
	}
	p, err := NewPods(s.client(t), opt)
	if err != nil {
		t.Fatal(err)
	}
	p.pause = 2 * time.Millisecond
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != context.Canceled {
			t.Errorf("Run: %v", err)
		}
	})
	return p
}

// until waits for a condition, woken by changes and looking every 10 ms for
// what is not told as one.
func until(t *testing.T, p *Pods, what string, ok func() bool) {
	t.Helper()
	late := time.After(5 * time.Second)
	for {
		changed := p.Changed()
		if ok() {
			return
		}
		select {
		case <-changed:
		case <-time.After(10 * time.Millisecond):
		case <-late:
			t.Fatalf("never: %s; %+v", what, p.State())
		}
	}
}

func ip(s string) netip.Addr { return netip.MustParseAddr(s) }

func names(places []host.Place) []string {
	var all []string
	for _, p := range places {
		all = append(all, p.Pod.Name+"/"+p.Container.ID)
	}
	slices.Sort(all)
	return all
}

func has(p *Pods, id string) bool { _, ok := p.Container(id); return ok }

func TestWatchFollows(t *testing.T) {
	s := newAPIServer(t)
	a := podOf("uid-a", "a", "reader", "10.0.0.7", "aaa")
	s.apply("ADDED", a)
	s.apply("ADDED", with(podOf("uid-z", "z", "reader", "10.0.9.9", "zzz"), "node-2", "spec", "nodeName"))
	p := follow(t, s, Options{})
	until(t, p, "ready", p.Ready)

	place, ok := p.Container("aaa")
	if !ok || place.Pod.ServiceAccount != "reader" || place.Pod.Namespace != "shop" || place.Pod.Container != "main" ||
		place.Pod.Labels["app"] != "a" || place.Container.Runtime != "containerd" || place.Container.Image != "registry.example/a:1" {
		t.Fatalf("aaa is %+v %+v, %v", place.Pod, place.Container, ok)
	}
	if has(p, "zzz") || len(p.Address(ip("10.0.9.9"))) != 0 {
		t.Error("a pod of another node is known")
	}

	if got := names(p.Running()); !slices.Equal(got, []string{"a/aaa"}) {
		t.Errorf("%v run, want a alone", got)
	}

	// The container starts again: another id, another generation.
	again := with(with(a, []any{map[string]any{"name": "main", "containerID": "containerd://aab", "restartCount": 1,
		"state": map[string]any{"running": map[string]any{}}}}, "status", "containerStatuses"), "Running", "status", "phase")
	s.apply("MODIFIED", again)
	until(t, p, "aab", func() bool { return has(p, "aab") })
	next, _ := p.Container("aab")
	if next.Generation == place.Generation || has(p, "aaa") {
		t.Errorf("after a restart: generation %q and %q, old one known: %v", place.Generation, next.Generation, has(p, "aaa"))
	}

	// The pod ends and is listed for a while; its address goes to another.
	s.apply("MODIFIED", with(again, "Succeeded", "status", "phase"))
	s.apply("ADDED", podOf("uid-b", "b", "writer", "10.0.0.7", "bbb"))
	until(t, p, "bbb", func() bool { return has(p, "bbb") })
	if got := names(p.Address(ip("10.0.0.7"))); !slices.Equal(got, []string{"b/bbb"}) {
		t.Errorf("10.0.0.7 belongs to %v, want b alone", got)
	}
	if _, ok := p.Pod("uid-a"); ok || has(p, "aab") {
		t.Error("a pod that has ended is known")
	}

	// Two that claim one address are both told of: nobody may choose.
	s.apply("ADDED", podOf("uid-c", "c", "writer", "10.0.0.7", "ccc"))
	until(t, p, "ccc", func() bool { return has(p, "ccc") })
	if got := names(p.Address(ip("::ffff:10.0.0.7"))); !slices.Equal(got, []string{"b/bbb", "c/ccc"}) {
		t.Errorf("10.0.0.7 belongs to %v, want b and c", got)
	}
	s.apply("DELETED", podOf("uid-b", "b", "writer", "10.0.0.7", "bbb"))
	until(t, p, "no bbb", func() bool { return !has(p, "bbb") })
	if got := names(p.Address(ip("10.0.0.7"))); !slices.Equal(got, []string{"c/ccc"}) {
		t.Errorf("10.0.0.7 belongs to %v, want c", got)
	}
}

// An API server that ignores the field selector must not make other nodes'
// pods this one's.
func TestWatchOtherNodes(t *testing.T) {
	s := newAPIServer(t)
	s.ignore = true
	s.apply("ADDED", with(podOf("uid-z", "z", "reader", "10.0.9.9", "zzz"), "node-2", "spec", "nodeName"))
	s.apply("ADDED", podOf("uid-a", "a", "reader", "10.0.0.7", "aaa"))
	p := follow(t, s, Options{})
	until(t, p, "aaa", func() bool { return has(p, "aaa") })
	s.apply("ADDED", with(podOf("uid-y", "y", "reader", "10.0.9.8", "yyy"), "node-2", "spec", "nodeName"))
	s.apply("ADDED", podOf("uid-b", "b", "reader", "10.0.0.8", "bbb"))
	until(t, p, "bbb", func() bool { return has(p, "bbb") })
	if has(p, "zzz") || has(p, "yyy") || p.State().Pods != 2 {
		t.Errorf("pods of node-2 are known: %+v", p.State())
	}
}

func TestWatchPages(t *testing.T) {
	s := newAPIServer(t)
	s.page = 2
	for _, n := range []string{"a", "b", "c", "d", "e"} {
		s.apply("ADDED", podOf("uid-"+n, n, "x", "10.0.0.1", n+n))
	}
	p := follow(t, s, Options{})
	until(t, p, "ready", p.Ready)
	if got := p.State().Pods; got != 5 {
		t.Errorf("%d pods of three pages, want 5", got)
	}
}

// A watch that breaks goes on where bookmarks have brought it, without a list;
// one that is too late begins with a new list, which also says what is gone.
func TestWatchResumes(t *testing.T) {
	s := newAPIServer(t)
	s.apply("ADDED", podOf("uid-a", "a", "x", "10.0.0.1", "aaa"))
	p := follow(t, s, Options{})
	until(t, p, "ready", p.Ready)
	lists := func() (n int) {
		s.set(func() {
			for _, q := range s.asked {
				if !strings.Contains(q, "watch=1") {
					n++
				}
			}
		})
		return n
	}
	s.apply("ADDED", with(podOf("uid-z", "z", "x", "10.0.9.9", "zzz"), "node-2", "spec", "nodeName")) // a bookmark is all we hear
	s.sever()
	s.apply("ADDED", podOf("uid-b", "b", "x", "10.0.0.2", "bbb"))
	until(t, p, "bbb", func() bool { return has(p, "bbb") })
	if n := lists(); n != 1 {
		t.Errorf("%d lists after a broken connection, want the first alone", n)
	}

	s.set(func() { s.down = true })
	s.sever()
	until(t, p, "a fault", func() bool { return p.State().Fault != nil })
	if !p.Ready() || !has(p, "bbb") || len(p.Address(ip("10.0.0.2"))) != 1 {
		t.Error("what was known was not kept while the API server was away")
	}
	s.apply("DELETED", podOf("uid-b", "b", "x", "10.0.0.2", "bbb"))
	s.apply("ADDED", podOf("uid-c", "c", "x", "10.0.0.2", "ccc"))
	s.compact()
	s.set(func() { s.down = false })
	until(t, p, "ccc", func() bool { return has(p, "ccc") })
	if has(p, "bbb") || lists() != 2 {
		t.Errorf("after 410 Gone: bbb known %v, %d lists, want 2", has(p, "bbb"), lists())
	}
	until(t, p, "no fault", func() bool { return p.State().Fault == nil })
	last := ""
	s.set(func() {
		for _, q := range s.asked {
			if !strings.Contains(q, "watch=1") {
				last = q
			}
		}
	})
	if !strings.Contains(last, "resourceVersionMatch=NotOlderThan") || strings.Contains(last, "resourceVersion=0&") {
		t.Errorf("the second list %s may be older than what was known", last)
	}
}

// An API server restored from a backup is behind what was known.
func TestWatchRestoredServer(t *testing.T) {
	s := newAPIServer(t)
	s.apply("ADDED", podOf("uid-a", "a", "x", "10.0.0.1", "aaa"))
	p := follow(t, s, Options{})
	until(t, p, "ready", p.Ready)
	s.set(func() { s.down = true })
	s.sever()
	until(t, p, "a fault", func() bool { return p.State().Fault != nil })
	s.set(func() { s.version, s.oldest, s.history, s.down = 50, 1000, nil, false }) // watches are 410, our version "too large"
	s.apply("ADDED", podOf("uid-d", "d", "x", "10.0.0.4", "ddd"))
	until(t, p, "ddd", func() bool { return has(p, "ddd") })
}

func TestWatchBlind(t *testing.T) {
	s := newAPIServer(t)
	s.apply("ADDED", podOf("uid-a", "a", "x", "10.0.0.1", "aaa"))
	p := follow(t, s, Options{Blind: 50 * time.Millisecond})
	until(t, p, "ready", p.Ready)
	s.set(func() { s.down = true })
	s.sever()
	until(t, p, "blindness", func() bool { return len(p.Address(ip("10.0.0.1"))) == 0 })
	if !has(p, "aaa") {
		t.Error("a container is forgotten while the API server is away, and its id is never used again")
	}
	s.set(func() { s.down = false })
	until(t, p, "sight", func() bool { return len(p.Address(ip("10.0.0.1"))) == 1 })
}

func TestWatchForbidden(t *testing.T) {
	s := newAPIServer(t)
	s.status = 403
	p := follow(t, s, Options{})
	until(t, p, "a fault", func() bool { return p.State().Fault != nil })
	for _, want := range []string{"403", "cannot list resource", "rbac.yaml"} {
		if got := p.State().Fault.Error(); !strings.Contains(got, want) {
			t.Errorf("fault %q does not say %q", got, want)
		}
	}
	if p.Ready() {
		t.Error("ready without a list")
	}
	s.set(func() { s.status = 0 }) // the grant has come
	until(t, p, "ready", p.Ready)
}

func TestNewPodsNeedsNode(t *testing.T) {
	if _, err := NewPods(newAPIServer(t).client(t), Options{}); err == nil {
		t.Error("pods of all nodes would be watched")
	}
}
