package host

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mantle-iam/mantle/agent"
	"github.com/mantle-iam/mantle/broker"
	"github.com/mantle-iam/mantle/internal/peer"
)

var (
	_ agent.Identifier = (*Identifier)(nil)
	_ agent.Checker    = (*Identifier)(nil)
)

// container is a place with a name, a first process and addresses.
func container(name string, pid int, addresses ...string) Place {
	p := Place{Container: &broker.Container{Runtime: "docker", ID: name, Name: name}, PID: pid, Generation: fmt.Sprint(name, "@", pid)}
	for _, a := range addresses {
		p.Addresses = append(p.Addresses, netip.MustParseAddr(a))
	}
	return p
}

func inPod(p Place, uid, account string) Place {
	p.Pod = &broker.Pod{UID: uid, Namespace: "shop", Name: uid, ServiceAccount: account, Container: p.Container.Name}
	return p
}

func TestIdentify(t *testing.T) {
	type result struct {
		container string
		uid, pid  int
		unit      string
	}
	for _, tt := range []struct {
		name string
		set  func(w *world) (*conn, []Directory)
		want result
		err  string // "" if there is none
	}{
		{"a process of the host", func(w *world) (*conn, []Directory) {
			return w.connect("host", "127.0.0.1:4000", w.start(7, "", "host")), nil
		}, result{"", 1001, 7, "u.service"}, ""},
		{"a process of the host, which has directories", func(w *world) (*conn, []Directory) {
			return w.connect("host", "127.0.0.1:4000", w.start(7, "", "host")), []Directory{newDirectory("docker")}
		}, result{"", 1001, 7, "u.service"}, ""},
		{"a container on the host's network", func(w *world) (*conn, []Directory) {
			w.start(6, "a", "host")
			return w.connect("host", "127.0.0.1:4000", w.start(7, "a", "host")), []Directory{newDirectory("docker", container("a", 6))}
		}, result{"a", 1001, 7, ""}, ""},
		{"the same, with nobody to ask", func(w *world) (*conn, []Directory) {
			return w.connect("host", "127.0.0.1:4000", w.start(7, "a", "host")), nil
		}, result{}, "no container engine is asked"},
		{"the same, and nobody knows it", func(w *world) (*conn, []Directory) {
			return w.connect("host", "127.0.0.1:4000", w.start(7, "a", "host")), []Directory{newDirectory("docker", container("b", 6)), newDirectory("podman")}
		}, result{}, "lives in container a, which none of docker, podman knows"},
		{"a container on a bridge", func(w *world) (*conn, []Directory) {
			w.start(6, "a", "net-a")
			return w.connect("net-a", "172.17.0.2:4000", w.start(7, "a", "net-a")), []Directory{newDirectory("docker", container("a", 6, "172.17.0.2"))}
		}, result{"a", 1001, 7, ""}, ""},
		{"a container on the network of another", func(w *world) (*conn, []Directory) {
			w.start(6, "a", "net-a")
			w.start(8, "b", "net-a")
			return w.connect("net-a", "172.17.0.2:4000", w.start(9, "b", "net-a")), []Directory{newDirectory("docker", container("a", 6, "172.17.0.2"), container("b", 8, "172.17.0.2"))}
		}, result{"b", 1001, 9, ""}, ""},
		{"a container whose address something else gave it", func(w *world) (*conn, []Directory) {
			w.start(6, "a", "net-a")
			w.start(8, "b", "net-b")
			d := newDirectory("docker", container("a", 6), container("b", 8))
			d.loose = []Place{container("a", 6), container("b", 8)}
			return w.connect("net-b", "10.0.7.2:4000", w.start(9, "b", "net-b")), []Directory{d}
		}, result{"b", 1001, 9, ""}, ""},
		{"a container of which Kubernetes knows no process", func(w *world) (*conn, []Directory) {
			return w.connect("net-a", "10.1.0.2:4000", w.start(7, "a", "net-a")), []Directory{newDirectory("kubernetes", inPod(container("a", 0, "10.1.0.2"), "p", "orders"))}
		}, result{"a", 1001, 7, ""}, ""},
		{"the address is nobody's", func(w *world) (*conn, []Directory) {
			return w.connect("net-a", "172.17.0.2:4000", w.start(7, "a", "net-a")), []Directory{newDirectory("docker")}
		}, result{}, "no container that is known has the address 172.17.0.2"},
		{"the address is nobody's, and nobody is asked", func(w *world) (*conn, []Directory) {
			return w.connect("net-a", "172.17.0.2:4000", w.start(7, "a", "net-a")), nil
		}, result{}, "no container engine is asked"},
		{"an address that was another's a moment ago", func(w *world) (*conn, []Directory) {
			w.start(6, "old", "net-old") // its end is not yet known
			return w.connect("net-new", "172.17.0.2:4000", w.start(7, "new", "net-new")), []Directory{newDirectory("docker", container("old", 6, "172.17.0.2"))}
		}, result{}, "container old has the address 172.17.0.2 and not the connection"},
		{"the same, and the other has ended", func(w *world) (*conn, []Directory) {
			return w.connect("net-new", "172.17.0.2:4000", w.start(7, "new", "net-new")), []Directory{newDirectory("docker", container("old", 6, "172.17.0.2"))}
		}, result{}, "the first process of container old has ended"},
		{"the same, and its process number is another's", func(w *world) (*conn, []Directory) {
			w.start(6, "new", "net-new")
			return w.connect("net-new", "172.17.0.2:4000", w.start(7, "new", "net-new")), []Directory{newDirectory("docker", container("old", 6, "172.17.0.2"), container("new", 6, "172.17.0.3"))}
		}, result{}, "the first process of container old has ended"},
		{"two have the address, one of them the connection", func(w *world) (*conn, []Directory) {
			w.start(6, "old", "net-old")
			w.start(8, "new", "net-new")
			return w.connect("net-new", "172.17.0.2:4000", w.start(7, "new", "net-new")), []Directory{newDirectory("docker", container("old", 6, "172.17.0.2"), container("new", 8, "172.17.0.2"))}
		}, result{"new", 1001, 7, ""}, ""},
		{"two have the address and the connection", func(w *world) (*conn, []Directory) {
			w.start(6, "a", "net-a")
			w.start(8, "b", "net-b")
			w.connect("net-a", "172.17.0.2:4000", w.start(7, "a", "net-a"))
			return w.connect("net-b", "172.17.0.2:4000", w.start(9, "b", "net-b")), []Directory{newDirectory("docker", container("a", 6, "172.17.0.2"), container("b", 8, "172.17.0.2"))}
		}, result{}, "2 network namespaces have the connection"},
		{"a process of the host in a container's network", func(w *world) (*conn, []Directory) {
			w.start(6, "a", "net-a")
			return w.connect("net-a", "172.17.0.2:4000", w.start(7, "", "net-a")), []Directory{newDirectory("docker", container("a", 6, "172.17.0.2"))}
		}, result{}, "uses the network of a container and does not live in one"},
		{"shared by two containers", func(w *world) (*conn, []Directory) {
			w.start(6, "a", "net-a")
			return w.connect("net-a", "172.17.0.2:4000", w.start(7, "a", "net-a"), w.start(9, "b", "net-a")), []Directory{newDirectory("docker", container("a", 6, "172.17.0.2"), container("b", 9))}
		}, result{}, "do not live in the same container"},
		{"shared by host and container", func(w *world) (*conn, []Directory) {
			w.start(6, "a", "host")
			return w.connect("host", "127.0.0.1:4000", w.start(7, "", "host"), w.start(9, "a", "host")), []Directory{newDirectory("docker", container("a", 6))}
		}, result{}, "do not live in the same container"},
		{"shared by two of one container", func(w *world) (*conn, []Directory) {
			w.start(6, "a", "host")
			return w.connect("host", "127.0.0.1:4000", w.start(7, "a", "host"), w.start(9, "a", "host")), []Directory{newDirectory("docker", container("a", 6))}
		}, result{"a", 1001, -1, ""}, ""},
		{"a control group named after a container", func(w *world) (*conn, []Directory) {
			w.start(6, "a", "host")
			p := w.start(7, "", "host")
			p.Container = peer.Container{ID: "a", Path: ":/system.slice/evil.service/docker-a.scope", Delegated: true}
			return w.connect("host", "127.0.0.1:4000", p), []Directory{newDirectory("docker", container("a", 6))}
		}, result{}, "has the name of container a and is not its"},
		{"the same, of which no process is known", func(w *world) (*conn, []Directory) {
			p := w.start(7, "", "host")
			p.Container = peer.Container{ID: "a", Path: ":/system.slice/evil.service/docker-a.scope", Delegated: true}
			return w.connect("host", "127.0.0.1:4000", p), []Directory{newDirectory("kubernetes", inPod(container("a", 0), "p", "orders"))}
		}, result{}, "which a service may have made"},
		{"something like a container", func(w *world) (*conn, []Directory) {
			p := w.start(7, "", "host")
			p.Apart = true
			return w.connect("host", "127.0.0.1:4000", p), []Directory{newDirectory("docker")}
		}, result{}, "a pid namespace of its own"},
		{"a process that may not be inspected", func(w *world) (*conn, []Directory) {
			return w.connect("host", "127.0.0.1:4000"), nil
		}, result{}, "CAP_SYS_PTRACE"},
		{"another user's than the socket's", func(w *world) (*conn, []Directory) {
			p := w.start(7, "", "host")
			p.UID = 0
			return w.connect("host", "127.0.0.1:4000", p), nil
		}, result{}, "the socket belongs to uid 1001"},
		{"a loopback address that is not ours", func(w *world) (*conn, []Directory) {
			return w.connect("net-a", "127.0.0.1:4000", w.start(7, "a", "net-a")), []Directory{newDirectory("docker", container("a", 7, "127.0.0.1"))}
		}, result{}, "does not come from this host's network namespace"},
		{"part of the truth about a pod", func(w *world) (*conn, []Directory) {
			w.start(6, "a", "net-a")
			return w.connect("net-a", "10.1.0.2:4000", w.start(7, "a", "net-a")), []Directory{newDirectory("docker", inPod(container("a", 6, "10.1.0.2"), "p", "")), newDirectory("kubernetes")}
		}, result{}, "of which Kubernetes has not told yet"},
		{"without the right to enter namespaces", func(w *world) (*conn, []Directory) {
			w.start(6, "a", "net-a")
			w.forbidden = true
			return w.connect("net-a", "172.17.0.2:4000", w.start(7, "a", "net-a")), []Directory{newDirectory("docker", container("a", 6, "172.17.0.2"))}
		}, result{"a", -1, -1, ""}, ""},
		{"the same, and two have the address", func(w *world) (*conn, []Directory) {
			w.start(6, "a", "net-a")
			w.start(8, "b", "net-b")
			w.forbidden = true
			return w.connect("net-a", "172.17.0.2:4000", w.start(7, "a", "net-a")), []Directory{newDirectory("docker", container("a", 6, "172.17.0.2"), container("b", 8, "172.17.0.2"))}
		}, result{}, "containers a and b both have the address"},
		{"the same, and nobody has it", func(w *world) (*conn, []Directory) {
			w.start(6, "a", "net-a")
			w.forbidden = true
			d := newDirectory("docker", container("a", 6))
			d.loose = []Place{container("a", 6)}
			return w.connect("net-a", "172.17.0.2:4000", w.start(7, "a", "net-a")), []Directory{d}
		}, result{}, "their network namespaces cannot be entered"},
		{"the same, by a Unix socket", func(w *world) (*conn, []Directory) {
			w.start(6, "a", "net-a")
			w.forbidden = true
			return w.connect("host", "@", w.start(7, "a", "net-a")), []Directory{newDirectory("docker", container("a", 6, "172.17.0.2"))}
		}, result{"a", 1001, 7, ""}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld()
				c, dirs := tt.set(w)
				who, err := newIdentifier(dirs, Options{}, w).Identify(c)
				if tt.err != "" {
					if err == nil || !strings.Contains(err.Error(), tt.err) || who != (broker.Caller{}) {
						t.Fatalf("got %v, %v, want %s", who, err, tt.err)
					}
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				got := result{uid: who.UID, pid: who.PID, unit: who.Unit}
				if who.Container != nil {
					got.container = who.Container.ID
				}
				if got != tt.want || who.How != broker.ByPeer {
					t.Errorf("got %+v, want %+v", got, tt.want)
				}
			})
		})
	}
}

// The pod is known by its address if nothing better is; which of its containers
// calls is then not known.
func TestPodByAddress(t *testing.T) {
	w := newWorld()
	w.start(6, "a", "net-p")
	w.start(8, "b", "net-p")
	w.forbidden = true
	c := w.connect("net-p", "10.1.0.2:4000", w.start(7, "a", "net-p"))
	d := newDirectory("kubernetes", inPod(container("a", 6, "10.1.0.2"), "p", "orders"), inPod(container("b", 8, "10.1.0.2"), "p", "orders"))
	d.pods["p"] = true
	i := newIdentifier([]Directory{d}, Options{}, w)
	who, err := i.Identify(c)
	if err != nil || who.Pod == nil || who.Pod.ServiceAccount != "orders" || who.Pod.Container != "" || who.Container != nil {
		t.Fatalf("got %v, %v", who, err)
	}
	if err := i.Check(c, who); err != nil {
		t.Error(err)
	}
	d.pods["p"] = false
	if err := i.Check(c, who); err == nil {
		t.Error("the pod has ended, and nobody minds")
	}
}

// A runtime knows the container and Kubernetes the pod.
func TestJoined(t *testing.T) {
	w := newWorld()
	w.start(6, "a", "net-p")
	c := w.connect("net-p", "10.1.0.2:4000", w.start(7, "a", "net-p"))
	cri := inPod(container("a", 6), "p", "")
	cri.Container.Image = "web:1"
	kube := inPod(container("a", 0, "10.1.0.2"), "p", "orders")
	kube.Container.Image = "by hash"
	who, err := newIdentifier([]Directory{newDirectory("cri", cri), newDirectory("kubernetes", kube)}, Options{}, w).Identify(c)
	if err != nil || who.Pod.ServiceAccount != "orders" || who.Container.Image != "web:1" || who.PID != 7 {
		t.Fatalf("got %v, %v", who, err)
	}
}

func TestCheck(t *testing.T) {
	w := newWorld()
	w.start(6, "a", "net-a")
	c := w.connect("net-a", "172.17.0.2:4000", w.start(7, "a", "net-a"), w.start(8, "a", "net-a"))
	plain := w.connect("host", "127.0.0.1:4000", w.start(9, "", "host"))
	d := newDirectory("docker", container("a", 6, "172.17.0.2"))
	i := newIdentifier([]Directory{d}, Options{}, w)
	who, err := i.Identify(c)
	if err != nil {
		t.Fatal(err)
	}
	process, err := i.Identify(plain)
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range []struct {
		c *conn
		w broker.Caller
	}{{c, who}, {plain, process}} {
		if err := i.Check(x.c, x.w); err != nil {
			t.Errorf("%v: %v", x.w, err)
		}
	}
	w.changed = errors.New("another program by now")
	if i.Check(plain, process) == nil {
		t.Error("the process is another, and nobody minds")
	}
	w.changed = nil

	w.end(6)
	if err := i.Check(c, who); err == nil || !strings.Contains(err.Error(), "has ended") {
		t.Errorf("its first process has ended: got %v", err)
	}
	w.start(6, "b", "net-b")
	if err := i.Check(c, who); err == nil || !strings.Contains(err.Error(), "has ended") {
		t.Errorf("its first process is another's: got %v", err)
	}
	w.start(6, "a", "net-a")
	d.change(func(p map[string]Place) {
		again := container("a", 6, "172.17.0.2")
		again.Generation = "a@later"
		p["a"] = again
	})
	if err := i.Check(c, who); err == nil || !strings.Contains(err.Error(), "started again") {
		t.Errorf("started again: got %v", err)
	}
	d.change(func(p map[string]Place) { delete(p, "a") })
	if err := i.Check(c, who); err == nil {
		t.Error("removed, and nobody minds")
	}
}

// A container that is not known yet is waited for, and not a moment longer than
// until it is.
func TestHold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.start(6, "a", "net-a")
		c := w.connect("net-a", "172.17.0.2:4000", w.start(7, "a", "net-a"))
		other, d := newDirectory("podman"), newDirectory("docker")
		i := newIdentifier([]Directory{other, d}, Options{Hold: 3 * time.Second}, w)
		began := time.Now()
		go func() {
			time.Sleep(500 * time.Millisecond)
			d.change(func(p map[string]Place) { p["b"] = container("b", 8, "172.17.0.9") })
			time.Sleep(500 * time.Millisecond)
			d.change(func(p map[string]Place) { p["a"] = container("a", 6, "172.17.0.2") })
		}()
		who, err := i.Identify(c)
		if took := time.Since(began); err != nil || who.Container.ID != "a" || took != time.Second {
			t.Errorf("got %v, %v after %v; want a, after 1 s", who, err, took)
		}

		// One that never becomes known: held once, though asked for twice.
		began = time.Now()
		c = w.connect("net-x", "172.17.0.7:4000", w.start(17, "x", "net-x"))
		for _, want := range []time.Duration{3 * time.Second, 3 * time.Second} {
			if _, err := i.Identify(c); err == nil || time.Since(began) != want {
				t.Errorf("got %v after %v, want an error after %v", err, time.Since(began), want)
			}
		}
		// What was let go is forgotten in time.
		time.Sleep(2 * forget)
		c = w.connect("net-x", "172.17.0.8:4000", w.start(18, "x", "net-x"))
		i.Identify(c)
		if n := len(i.held.before); n != 1 {
			t.Errorf("%d connections are remembered, want 1", n)
		}
	})
}

// Nobody can have all connections held by opening many.
func TestHoldIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		i := newIdentifier([]Directory{newDirectory("docker")}, Options{HeldPerAddress: 2}, w)
		began := time.Now()
		var wg sync.WaitGroup
		var mu sync.Mutex
		at := map[time.Duration]int{}
		for n := range 10 {
			c := &conn{client: fmt.Sprintf("172.17.0.2:%d", 4000+n)}
			wg.Go(func() {
				i.Identify(c)
				mu.Lock()
				defer mu.Unlock()
				at[time.Since(began)]++
			})
		}
		wg.Wait()
		if at[0] != 8 || at[4*time.Second] != 2 {
			t.Errorf("answered after %v", at)
		}
		if len(i.held.now) != 0 {
			t.Errorf("still counted: %v", i.held.now)
		}
	})
}

// A container that the kernel sees and no Directory knows is looked for.
func TestSeeks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		d := newDirectory("docker")
		i := newIdentifier([]Directory{d}, Options{}, w)
		i.Identify(w.connect("host", "127.0.0.1:4000", w.start(7, "a", "host")))
		if len(d.sought) == 0 || d.sought[0] != "a" {
			t.Errorf("sought %q, want a", d.sought)
		}
	})
}

// Addresses change hands all the time, and the Directory is always behind:
// nobody ever is taken for another.
func TestAddressesChangeHands(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		d := newDirectory("docker")
		i := newIdentifier([]Directory{d}, Options{Hold: time.Second}, w)
		known := 0
		for n := range 2000 {
			id, old := fmt.Sprint("c", n), fmt.Sprint("c", n-3)
			address := fmt.Sprintf("172.17.0.%d", 2+n%3)
			pid := 100 + n%5 // numbers are used again, too
			w.start(pid, id, "net-"+id)
			// The end of the former owner and this start become known some
			// time in the next milliseconds, in either order.
			wait := time.Duration(n%7) * time.Millisecond
			go func() {
				time.Sleep(wait)
				if n%2 == 0 {
					d.change(func(p map[string]Place) { delete(p, old) })
				}
				d.change(func(p map[string]Place) { p[id] = container(id, pid, address) })
				if n%2 == 1 {
					d.change(func(p map[string]Place) { delete(p, old) })
				}
			}()
			c := w.connect("net-"+id, fmt.Sprintf("%s:%d", address, 2000+n), w.start(pid, id, "net-"+id))
			who, err := i.Identify(c)
			if err == nil {
				known++
				if who.Container.ID != id {
					t.Fatalf("%s was taken for %s", id, who.Container.ID)
				}
			}
		}
		if known != 2000 {
			t.Errorf("%d of 2000 were known", known)
		}
	})
}
