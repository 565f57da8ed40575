//go:build e2e && linux

package e2e

import (
	"bufio"
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/mantle-iam/mantle/agent"
	"github.com/mantle-iam/mantle/broker"
	"github.com/mantle-iam/mantle/internal/host"
)

// hearsay is a Directory that hears of starts and ends late and in any order.
type hearsay struct {
	mu      sync.Mutex
	places  map[string]host.Place
	changed chan struct{}
}

func (d *hearsay) Name() string              { return "hearsay" }
func (d *hearsay) Ready() bool               { return true }
func (d *hearsay) Run(context.Context) error { return nil }

func (d *hearsay) Container(id string) (host.Place, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	p, ok := d.places[id]
	return p, ok
}

func (d *hearsay) Address(a netip.Addr) (out []host.Place) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, p := range d.places {
		if slices.Contains(p.Addresses, a) {
			out = append(out, p)
		}
	}
	return out
}

func (d *hearsay) Changed() <-chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.changed
}

// hear learns something in a moment.
func (d *hearsay) hear(learn func(map[string]host.Place)) {
	wait := time.Duration(rand.IntN(20)) * time.Millisecond
	time.AfterFunc(wait, func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		learn(d.places)
		close(d.changed)
		d.changed = make(chan struct{})
	})
}

// nameBroker lends each container the role of its name.
type nameBroker struct{}

func (nameBroker) Credentials(_ context.Context, c broker.Caller) (broker.Credentials, error) {
	if c.Container == nil {
		return broker.Credentials{}, &broker.RefusedError{Caller: c, Decision: broker.Decision{Reason: "it lives in no container"}}
	}
	return broker.Credentials{
		AccessKeyID: "ASIATESTIDENTIFY0001", SecretAccessKey: "secret", SessionToken: "token",
		Expires: time.Now().Add(time.Hour), RoleARN: "arn:aws:iam::111122223333:role/" + c.Container.Name, AccountID: "111122223333",
	}, nil
}

// group makes a control group of a name, and removes it with the test.
func group(t *testing.T, name string) string {
	t.Helper()
	for _, root := range []string{"/sys/fs/cgroup/pids", "/sys/fs/cgroup"} {
		if _, err := os.Stat(filepath.Join(root, "cgroup.procs")); err != nil {
			continue
		}
		dir := filepath.Join(root, name)
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Skipf("no control group of our own: %v", err)
		}
		return dir
	}
	t.Skip("no control groups are mounted")
	return ""
}

// TestIdentifyChurn has 2000 network namespaces come and go on one bridge, with
// eight addresses for all of them, and a Directory that is always late. Whoever
// is answered gets the role of its own container.
func TestIdentifyChurn(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("network namespaces need root")
	}
	const rounds, hands = 2000, 8
	program := buildAsker(t)
	// A bridge without an address of its own takes the least of its ports', and
	// those who have asked for it would talk to nobody when that port goes.
	bridge := &netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: fmt.Sprint("mtc", os.Getpid()), HardwareAddr: net.HardwareAddr{2, 0, 10, 215, 0, 1}}}
	if err := netlink.LinkAdd(bridge); err != nil {
		t.Skipf("no bridge of our own: %v", err)
	}
	t.Cleanup(func() { netlink.LinkDel(bridge) })
	subnet := netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 215, byte(os.Getpid()), 1}), 24)
	address := func(a netip.Addr) *netlink.Addr {
		return &netlink.Addr{IPNet: &net.IPNet{IP: a.AsSlice(), Mask: net.CIDRMask(24, 32)}}
	}
	if err := netlink.AddrAdd(bridge, address(subnet.Addr())); err != nil {
		t.Fatal(err)
	}
	if err := netlink.LinkSetUp(bridge); err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", subnet.Addr().String()+":0")
	if err != nil {
		t.Fatal(err)
	}
	dir := &hearsay{places: map[string]host.Place{}, changed: make(chan struct{})}
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	who := host.New([]host.Directory{dir}, host.Options{Hold: 2 * time.Second})
	go func() {
		served <- agent.Serve(ctx, ln, agent.NewECS(nameBroker{}, agent.NewWorkloads(), agent.ECSOptions{}), agent.ServeOptions{Identifier: who})
	}()
	defer func() {
		cancel()
		if err := <-served; err != nil {
			t.Error(err)
		}
	}()
	url := "http://" + ln.Addr().String() + "/v1/credentials"
	groups := group(t, fmt.Sprint("mantle-churn-", os.Getpid()))
	t.Cleanup(func() { os.Remove(groups) })

	// one is a container from its start to its end.
	one := func(n, hand int) (answered, error) {
		id := hex.EncodeToString(fmt.Appendf(nil, "%032d", n))
		ip := netip.AddrFrom4([4]byte{10, 215, byte(os.Getpid()), byte(10 + hand)})
		cmd := exec.CommandContext(t.Context(), program, "-wait", url)
		cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, Pdeathsig: 0}
		in, err := cmd.StdinPipe()
		if err != nil {
			return answered{}, err
		}
		out, err := cmd.StdoutPipe()
		if err != nil {
			return answered{}, err
		}
		if err := cmd.Start(); err != nil {
			return answered{}, err
		}
		defer cmd.Wait()
		defer in.Close()
		pid := cmd.Process.Pid
		own := filepath.Join(groups, "docker-"+id+".scope")
		if err := os.Mkdir(own, 0o755); err != nil {
			return answered{}, err
		}
		// The group can go when the process has.
		defer func() {
			in.Close()
			cmd.Wait()
			os.Remove(own)
		}()
		if err := os.WriteFile(filepath.Join(own, "cgroup.procs"), []byte(strconv.Itoa(pid)), 0o644); err != nil {
			return answered{}, err
		}
		outer, err := plug(bridge, pid, fmt.Sprintf("mc%d-%d", os.Getpid()%10000, hand), address(ip))
		if err != nil {
			return answered{}, err
		}
		defer netlink.LinkDel(outer)
		place := host.Place{
			Container: &broker.Container{Runtime: "docker", ID: id, Name: fmt.Sprint("c", n)},
			PID:       pid, Generation: id, Addresses: []netip.Addr{ip},
		}
		dir.hear(func(p map[string]host.Place) { p[id] = place })
		// That it ends is heard of long after the next has its address.
		defer time.AfterFunc(30*time.Millisecond, func() { dir.hear(func(p map[string]host.Place) { delete(p, id) }) })
		if _, err := in.Write([]byte("now\n")); err != nil {
			return answered{}, err
		}
		line, err := bufio.NewReader(out).ReadString('\n')
		if err != nil {
			return answered{}, err
		}
		var got answered
		return got, json.Unmarshal([]byte(line), &got)
	}

	var mu sync.Mutex
	var right, refused int
	var wg sync.WaitGroup
	began := time.Now()
	for hand := range hands {
		wg.Go(func() {
			for n := hand; n < rounds; n += hands {
				got, err := one(n, hand)
				if err != nil {
					t.Errorf("container %d: %v", n, err)
					return
				}
				mu.Lock()
				switch want := fmt.Sprint("arn:aws:iam::111122223333:role/c", n); {
				case got.RoleArn == want:
					right++
				case got.RoleArn != "":
					t.Errorf("container %d was given %s", n, got.RoleArn)
				default:
					refused++
					t.Logf("container %d: %+v", n, got)
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	t.Logf("%d of %d got their own role, %d none, nobody another's, in %v", right, rounds, refused, time.Since(began).Round(time.Millisecond))
	if refused > rounds/100 {
		t.Errorf("%d of %d were refused", refused, rounds)
	}
}

// plug connects a process's network namespace with the bridge and returns the
// bridge's end.
func plug(bridge netlink.Link, pid int, name string, a *netlink.Addr) (netlink.Link, error) {
	err := netlink.LinkAdd(&netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: name, MasterIndex: bridge.Attrs().Index}, PeerName: "eth0", PeerNamespace: netlink.NsPid(pid)})
	if err != nil {
		return nil, fmt.Errorf("add %s: %w", name, err)
	}
	outer, err := netlink.LinkByName(name)
	if err != nil {
		return nil, err
	}
	if err := netlink.LinkSetUp(outer); err != nil {
		return outer, err
	}
	return outer, within(pid, func(h *netlink.Handle) error {
		inner, err := h.LinkByName("eth0")
		if err != nil {
			return err
		}
		if err := h.AddrAdd(inner, a); err != nil {
			return err
		}
		return h.LinkSetUp(inner)
	})
}

// within hands f a handle of the network namespace of a process.
func within(pid int, f func(*netlink.Handle) error) error {
	there, err := os.Open(fmt.Sprintf("/proc/%d/ns/net", pid))
	if err != nil {
		return err
	}
	defer there.Close()
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		home, err := os.Open("/proc/thread-self/ns/net")
		if err != nil {
			done <- err
			return
		}
		defer home.Close()
		if err := unix.Setns(int(there.Fd()), unix.CLONE_NEWNET); err != nil {
			done <- err
			return
		}
		h, err := netlink.NewHandle()
		if unix.Setns(int(home.Fd()), unix.CLONE_NEWNET) == nil {
			runtime.UnlockOSThread()
		}
		if err == nil {
			defer h.Close()
			err = f(h)
		}
		done <- err
	}()
	return <-done
}
