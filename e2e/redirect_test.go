//go:build e2e && linux

package e2e

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/mantle-iam/mantle/internal/redirect"
)

// ownNetwork moves the test into a network namespace of its own: it ends with the
// thread that is left locked.
func ownNetwork(t *testing.T) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("a network namespace needs root")
	}
	runtime.LockOSThread()
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		runtime.UnlockOSThread()
		t.Skipf("no network namespace of our own: %v", err)
	}
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		t.Fatal(err)
	}
	if err := netlink.LinkSetUp(lo); err != nil {
		t.Fatal(err)
	}
}

func tableState(t *testing.T) redirect.State {
	t.Helper()
	s, err := redirect.Current()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func tableWhole(t *testing.T, r redirect.Rules) bool {
	t.Helper()
	ok, err := r.Installed()
	if err != nil {
		t.Fatal(err)
	}
	return ok
}

func TestRedirectTable(t *testing.T) {
	ownNetwork(t)
	closed := redirect.Rules{Doors: redirect.Doors()}
	open := redirect.Rules{Doors: redirect.Doors(), Open: true, Mark: 77, UID: 0}
	if err := closed.Apply(); err != nil {
		if errors.Is(err, syscall.EPERM) {
			t.Skipf("no nftables here: %v", err)
		}
		t.Fatal(err)
	}
	if s := tableState(t); s != redirect.Closed || !tableWhole(t, closed) || tableWhole(t, open) {
		t.Errorf("after closing it is %s", s)
	}
	if err := open.Apply(); err != nil {
		t.Fatal(err)
	}
	if s := tableState(t); s != redirect.Open || !tableWhole(t, open) || tableWhole(t, closed) {
		t.Errorf("after opening it is %s", s)
	}
	other := open
	other.Mark++
	if tableWhole(t, other) {
		t.Error("the table of another run passes for this one's")
	}
	// An agent that died leaves its table; the next takes its place.
	if err := other.Apply(); err != nil {
		t.Fatal(err)
	}
	if !tableWhole(t, other) {
		t.Error("the second table did not take the first one's place")
	}
	if err := redirect.Remove(); err != nil {
		t.Fatal(err)
	}
	if s := tableState(t); s != redirect.Absent || tableWhole(t, other) {
		t.Errorf("after removal it is %s", s)
	}
	if err := redirect.Remove(); err != nil {
		t.Errorf("removing what is not there: %v", err)
	}
}

// What the library put there, nft reads as what String says.
func TestRedirectTextIsTheTable(t *testing.T) {
	nft := lookNft(t)
	ownNetwork(t)
	r := redirect.Rules{Doors: redirect.Doors(), Open: true, Mark: 0x1f2e3d4c, UID: 997}
	if err := r.Apply(); err != nil {
		t.Fatal(err)
	}
	applied := nft(t, "", "list", "table", "inet", redirect.Table)
	if err := redirect.Remove(); err != nil {
		t.Fatal(err)
	}
	nft(t, r.String(), "-f", "-")
	if read := nft(t, "", "list", "table", "inet", redirect.Table); read != applied {
		t.Errorf("nft -f of the text gives\n%s\nand the library\n%s", read, applied)
	}
	if !tableWhole(t, r) {
		t.Error("a table made by nft -f of the text is not taken for the agent's own")
	}
	nft(t, "", "add", "rule", "inet", redirect.Table, "output-nat", "accept")
	if s := tableState(t); s != redirect.Changed || tableWhole(t, r) {
		t.Errorf("with somebody's rule in it the table is %s", s)
	}
}

func TestRedirectLossIsSeen(t *testing.T) {
	ownNetwork(t)
	r := redirect.Rules{Doors: redirect.Doors(), Open: true, Mark: 5}
	if err := r.Apply(); err != nil {
		t.Fatal(err)
	}
	// Goroutines would leave this namespace, so the loop's body is run here as
	// Keep runs it; e2e runs the whole agent.
	if err := redirect.Remove(); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	if ok := tableWhole(t, r); ok {
		t.Fatal("the loss is not seen")
	}
	if err := r.Apply(); err != nil || !tableWhole(t, r) {
		t.Errorf("not repaired: %v", err)
	}
	t.Logf("seen and repaired in %v", time.Since(began))
}

func TestOwnAddresses(t *testing.T) {
	ownNetwork(t)
	a := redirect.Addresses{netip.MustParseAddr("169.254.169.254"), netip.MustParseAddr("fd00:ec2::254")}
	if ok, err := a.Installed(); ok || err != nil {
		t.Fatalf("installed at the start: %v, %v", ok, err)
	}
	for range 2 { // twice is as once
		if err := a.Apply(); err != nil {
			t.Fatal(err)
		}
	}
	if ok, err := a.Installed(); !ok || err != nil {
		t.Fatalf("installed: %v, %v", ok, err)
	}
	ln, err := net.Listen("tcp", "169.254.169.254:80")
	if err != nil {
		t.Fatal(err)
	}
	ln.Close()
	if err := a.Remove(); err != nil {
		t.Fatal(err)
	}
	if ok, _ := a.Installed(); ok {
		t.Error("still there after removal")
	}
	if err := a.Remove(); err != nil {
		t.Errorf("removing what is not there: %v", err)
	}
}

// An address that belongs to somebody else's endpoint is left alone.
func TestOwnAddressTaken(t *testing.T) {
	ownNetwork(t)
	veth := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "pod-id-link0"}, PeerName: "other"}
	if err := netlink.LinkAdd(veth); err != nil {
		t.Skipf("no veth here: %v", err)
	}
	taken, err := netlink.ParseAddr("169.254.170.23/32")
	if err != nil {
		t.Fatal(err)
	}
	if err := netlink.AddrAdd(veth, taken); err != nil {
		t.Fatal(err)
	}
	err = redirect.Addresses{netip.MustParseAddr("169.254.170.23")}.Apply()
	if err == nil || !strings.Contains(err.Error(), "pod-id-link0") {
		t.Errorf("got %v, want an error that names the interface", err)
	}
}

// lookNft finds nft(8), which runs in the namespace of the thread that starts it.
func lookNft(t *testing.T) func(t *testing.T, stdin string, args ...string) string {
	t.Helper()
	path, err := exec.LookPath("nft")
	if err != nil {
		t.Skip("nft is not in PATH")
	}
	return func(t *testing.T, stdin string, args ...string) string {
		t.Helper()
		cmd := exec.Command(path, args...)
		cmd.Stdin = strings.NewReader(stdin)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("nft %s: %v\n%s", strings.Join(args, " "), err, out)
		}
		return string(out)
	}
}
