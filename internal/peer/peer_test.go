//go:build linux

package peer

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/mantle-iam/mantle/broker"
)

// TestMain lets the test binary play the client: real connections of real
// processes are what this package is about.
func TestMain(m *testing.M) {
	switch role := os.Getenv("PEER_TEST_ROLE"); role {
	case "":
		os.Exit(m.Run())
	default:
		if err := client(role, os.Args[1:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
}

func client(role string, args []string) error {
	switch role {
	case "dial": // from address, to address
		d := net.Dialer{}
		if args[0] != "" {
			a, err := net.ResolveTCPAddr("tcp", args[0])
			if err != nil {
				return err
			}
			d.LocalAddr = a
		}
		network := "tcp"
		if strings.HasPrefix(args[1], "/") {
			network = "unix"
		}
		c, err := d.Dial(network, args[1])
		if err != nil {
			return err
		}
		defer c.Close()
	case "share": // dial and let a child inherit the connection
		c, err := net.Dial("tcp", args[0])
		if err != nil {
			return err
		}
		f, err := c.(*net.TCPConn).File()
		if err != nil {
			return err
		}
		child := exec.Command("/proc/self/exe")
		child.Env = append(os.Environ(), "PEER_TEST_ROLE=wait")
		child.ExtraFiles = []*os.File{f}
		child.Stdin, child.Stdout, child.Stderr = os.Stdin, os.Stdout, os.Stderr
		if err := child.Start(); err != nil {
			return err
		}
		fmt.Println(child.Process.Pid)
		return child.Wait()
	case "wait":
	default:
		return errors.New("no such role")
	}
	fmt.Println(os.Getpid())
	_, err := io.Copy(io.Discard, os.Stdin) // until the test ends
	return err
}

// process starts the test binary in a role; lines gives what it prints.
func process(t *testing.T, path, role string, args ...string) (pid int, lines *bufio.Scanner) {
	t.Helper()
	cmd := exec.Command(path, args...)
	// The race detector would have every child linger for a second.
	cmd.Env = append(os.Environ(), "PEER_TEST_ROLE="+role, "GORACE=atexit_sleep_ms=0")
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		cmd.Wait()
	})
	lines = bufio.NewScanner(out)
	if !lines.Scan() {
		t.Fatalf("%s %s printed nothing", role, args)
	}
	return cmd.Process.Pid, lines
}

func listen(t *testing.T, network, addr string) net.Listener {
	t.Helper()
	l, err := net.Listen(network, addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func acceptOne(t *testing.T, l net.Listener) net.Conn {
	t.Helper()
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func self(t *testing.T) string {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return exe
}

func TestIdentify(t *testing.T) {
	for _, tt := range []struct{ name, network, addr string }{
		{"tcp4", "tcp4", "127.0.0.1:0"},
		{"tcp6", "tcp6", "[::1]:0"},
		{"both families", "tcp", ":0"},
		{"unix", "unix", filepath.Join(t.TempDir(), "s")},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := listen(t, tt.network, tt.addr)
			to := l.Addr().String()
			if tt.name == "both families" {
				to = fmt.Sprintf("127.0.0.1:%d", l.Addr().(*net.TCPAddr).Port)
			}
			pid, _ := process(t, self(t), "dial", "", to)
			c := acceptOne(t, l)

			got, err := new(Kernel).Identify(c)
			if err != nil {
				t.Fatal(err)
			}
			want := broker.Caller{UID: os.Getuid(), GID: -1, PID: -1, How: broker.ByPeer}
			if tt.network == "unix" {
				want.GID = os.Getgid()
			}
			if got != want {
				t.Errorf("user only: got %+v, want %+v", got, want)
			}

			got, err = (&Kernel{Deep: true}).Identify(c)
			if err != nil {
				t.Fatal(err)
			}
			started, err := Started(pid)
			if err != nil {
				t.Fatal(err)
			}
			want = broker.Caller{UID: os.Getuid(), GID: os.Getgid(), PID: pid, Started: started, Exe: self(t), Unit: got.Unit, How: broker.ByPeer}
			if got != want {
				t.Errorf("deep: got %+v, want %+v", got, want)
			}
			if started == 0 {
				t.Error("the process started at boot")
			}
		})
	}
}

// A connection is found in a namespace that is entered, if that is allowed.
func TestLookInNamespace(t *testing.T) {
	l := listen(t, "tcp", "127.0.0.1:0")
	pid, _ := process(t, self(t), "dial", "", l.Addr().String())
	c := acceptOne(t, l)
	n, err := NetworkOf(pid)
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	ours, err := NetworkOf(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	defer ours.Close()
	if !n.Own() || n.ID() == "" || n.ID() != ours.ID() {
		t.Errorf("a child's namespace %s is not ours, %s", n.ID(), ours.ID())
	}
	s, err := (&Kernel{Deep: true}).Look(c, n)
	switch {
	case errors.Is(err, fs.ErrPermission) && os.Geteuid() != 0:
	case err != nil:
		t.Error(err)
	case len(s.Holders) != 1 || s.Holders[0].PID != pid || s.Holders[0].Apart:
		t.Errorf("got %+v, want pid %d", s, pid)
	}
	if _, err := NetworkOf(1 << 30); err == nil {
		t.Error("a process that is not there has a namespace")
	}
}

// Who has connected and ended is nobody.
func TestUnixPeerEnded(t *testing.T) {
	l := listen(t, "unix", filepath.Join(t.TempDir(), "s"))
	cmd := exec.Command(self(t), "", l.Addr().String())
	cmd.Env = append(os.Environ(), "PEER_TEST_ROLE=dial", "GORACE=atexit_sleep_ms=0") // its input ends at once
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	c := acceptOne(t, l)
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	s, err := (&Kernel{Deep: true}).Look(c, nil)
	if err != nil || len(s.Holders) != 0 || s.UID != os.Getuid() || s.GID != os.Getgid() {
		t.Errorf("got %+v, %v, want a user without processes", s, err)
	}
}

func TestDestination(t *testing.T) {
	l := listen(t, "tcp", "127.0.0.1:0")
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	got, err := Destination(wrapped{acceptOne(t, l)})
	if err != nil || got.String() != l.Addr().String() {
		t.Errorf("got %v, %v, want %v", got, err, l.Addr())
	}
}

func TestParseSockaddr(t *testing.T) {
	six := append([]byte{syscall.AF_INET6, 0, 0, 80, 0, 0, 0, 0}, netip.MustParseAddr("fd00:ec2::254").AsSlice()...)
	for _, tt := range []struct {
		in   []byte
		want string
	}{
		{[]byte{syscall.AF_INET, 0, 0, 80, 169, 254, 169, 254}, "169.254.169.254:80"},
		{six, "[fd00:ec2::254]:80"},
		{[]byte{syscall.AF_UNIX, 0, 0, 80}, "invalid AddrPort"},
	} {
		b := make([]byte, sizeofSockaddr6)
		copy(b, tt.in)
		if binary.NativeEndian.Uint16([]byte{1, 0}) != 1 { // the family is in the machine's order
			b[0], b[1] = b[1], b[0]
		}
		if got, ok := parseSockaddr(b); got.String() != tt.want || ok != got.IsValid() {
			t.Errorf("%v: got %v, %v, want %s", tt.in, got, ok, tt.want)
		}
	}
}

// wrapped is a connection in a connection, like a tls.Conn.
type wrapped struct{ net.Conn }

func (w wrapped) NetConn() net.Conn { return w.Conn }

func TestIdentifyWrapped(t *testing.T) {
	l := listen(t, "tcp", "127.0.0.1:0")
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	got, err := (&Kernel{Deep: true}).Identify(wrapped{acceptOne(t, l)})
	if err != nil || got.PID != os.Getpid() {
		t.Errorf("got %+v, %v; want our own pid %d", got, err, os.Getpid())
	}
}

// TestSamePorts has two processes use one pair of ports, from different
// addresses: a lookup by ports would confuse them.
func TestSamePorts(t *testing.T) {
	l := listen(t, "tcp4", "127.0.0.1:0")
	one, _ := process(t, self(t), "dial", "127.0.0.1:0", l.Addr().String())
	c1 := acceptOne(t, l)
	port := c1.RemoteAddr().(*net.TCPAddr).Port
	two, _ := process(t, self(t), "dial", fmt.Sprintf("127.0.0.2:%d", port), l.Addr().String())
	c2 := acceptOne(t, l)
	k := &Kernel{Deep: true}
	for _, tt := range []struct {
		c    net.Conn
		want int
	}{{c1, one}, {c2, two}} {
		got, err := k.Identify(tt.c)
		if err != nil || got.PID != tt.want {
			t.Errorf("%s: got %+v, %v; want pid %d", tt.c.RemoteAddr(), got, err, tt.want)
		}
	}
}

// TestMapped connects an IPv6 socket to an IPv4 address.
func TestMapped(t *testing.T) {
	l := listen(t, "tcp4", "127.0.0.1:0")
	fd, err := syscall.Socket(syscall.AF_INET6, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(fd)
	to := &syscall.SockaddrInet6{Port: l.Addr().(*net.TCPAddr).Port, Addr: netip.MustParseAddr("::ffff:127.0.0.1").As16()}
	if err := syscall.Connect(fd, to); err != nil {
		t.Fatal(err)
	}
	got, err := (&Kernel{Deep: true}).Identify(acceptOne(t, l))
	if err != nil || got.PID != os.Getpid() {
		t.Errorf("got %+v, %v; want our own pid %d", got, err, os.Getpid())
	}
}

// TestGone is about the trap that an ownerless socket claims to be root's.
func TestGone(t *testing.T) {
	l := listen(t, "tcp", "127.0.0.1:0")
	client, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	c := acceptOne(t, l)
	client.Close()
	for range 100 { // the kernel takes a moment
		if _, err = new(Kernel).Identify(c); err != nil {
			break
		}
		time.Sleep(time.Millisecond)
	}
	if !errors.Is(err, ErrGone) && !errors.Is(err, ErrElsewhere) {
		t.Errorf("got %v, want %v", err, ErrGone)
	}
}

// TestElsewhere asks about a connection that this host does not have; the
// kernel would answer with the listener.
func TestElsewhere(t *testing.T) {
	l := listen(t, "tcp", "127.0.0.1:0")
	listener := netip.MustParseAddrPort(l.Addr().String())
	_, err := socketOf(listener, netip.MustParseAddrPort("127.0.0.9:9"))
	if !errors.Is(err, ErrElsewhere) {
		t.Errorf("got %v, want %v", err, ErrElsewhere)
	}
}

func TestPipe(t *testing.T) {
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	if _, err := new(Kernel).Identify(a); err == nil || !strings.Contains(err.Error(), "only TCP and Unix") {
		t.Errorf("got %v", err)
	}
}

func TestShared(t *testing.T) {
	l := listen(t, "tcp", "127.0.0.1:0")
	parent, lines := process(t, self(t), "share", l.Addr().String())
	var child int
	if _, err := fmt.Sscan(lines.Text(), &child); err != nil {
		t.Fatal(err)
	}
	c := acceptOne(t, l)
	k := &Kernel{Deep: true}
	_, holders, err := k.Find(c)
	if err != nil {
		t.Fatal(err)
	}
	var pids []int
	for _, h := range holders {
		pids = append(pids, h.PID)
	}
	want := []int{min(parent, child), max(parent, child)}
	if fmt.Sprint(pids) != fmt.Sprint(want) {
		t.Errorf("holders: got %v, want %v", pids, want)
	}
	got, err := k.Identify(c)
	if err != nil {
		t.Fatal(err)
	}
	if got.PID != -1 || got.Started != 0 || got.Exe != self(t) || got.UID != os.Getuid() {
		t.Errorf("got %+v; want no pid, but the program both run", got)
	}
	for _, tt := range []struct {
		pid, ancestor int
		want          bool
	}{
		{child, parent, true}, {child, os.Getpid(), true}, {child, child, true}, {child, 1, true},
		{parent, child, false}, {os.Getpid(), parent, false}, {0, 1, false}, {child, 0, false}, {1 << 30, 1, false},
	} {
		if got := Descendant(tt.pid, tt.ancestor); got != tt.want {
			t.Errorf("Descendant(%d, %d): got %v, want %v", tt.pid, tt.ancestor, got, tt.want)
		}
	}
}

func TestHolders(t *testing.T) {
	a := Process{PID: 3, Started: 30, Exe: "/bin/a", Unit: "a.service", GID: 8}
	b := Process{PID: 4, Started: 40, Exe: "/bin/b", Unit: "a.service", GID: 9}
	for _, tt := range []struct {
		holders Holders
		want    broker.Caller
	}{
		{nil, broker.Caller{UID: 7, GID: -1, PID: -1, How: "peer"}},
		{Holders{a}, broker.Caller{UID: 7, GID: 8, PID: 3, Started: 30, Exe: "/bin/a", Unit: "a.service", How: "peer"}},
		{Holders{a, b}, broker.Caller{UID: 7, GID: -1, PID: -1, Unit: "a.service", How: "peer"}},
	} {
		if got := tt.holders.Caller(7); got != tt.want {
			t.Errorf("%v: got %+v, want %+v", tt.holders, got, tt.want)
		}
	}
}

// TestDroppedPrivileges: a holder of another user than the socket's is no
// answer. The socket is ours, so we ask about a user who is not.
func TestDroppedPrivileges(t *testing.T) {
	l := listen(t, "tcp", "127.0.0.1:0")
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	server := acceptOne(t, l)
	client, _ := addrPort(server.RemoteAddr())
	us, _ := addrPort(server.LocalAddr())
	s, err := socketOf(client, us)
	if err != nil {
		t.Fatal(err)
	}
	h, err := holdersOf(s.inode)
	if err != nil || len(h) != 1 {
		t.Errorf("got %v, %v; want ourselves", h, err)
	}
	same, other := Socket{UID: s.uid, Holders: h}, Socket{UID: s.uid + 1, Holders: h}
	if err := same.SameUser(); err != nil {
		t.Error(err)
	}
	if err := other.SameUser(); err == nil {
		t.Error("a holder of another user is no error")
	}
}

// TestReplacedProgram runs a program and puts another in its place.
func TestReplacedProgram(t *testing.T) {
	exe := filepath.Join(t.TempDir(), "web")
	if err := os.Link(self(t), exe); err != nil {
		src, err := os.ReadFile(self(t))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(exe, src, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	pid, _ := process(t, exe, "wait")
	p, err := inspect(pid)
	if err != nil || p.Exe != exe || p.UID != os.Geteuid() || p.GID != os.Getegid() {
		t.Errorf("got %+v, %v; want %s", p, err, exe)
	}
	if err := os.Remove(exe); err != nil {
		t.Fatal(err)
	}
	// What the link now says, as a path of its own: must not pass either.
	for _, name := range []string{exe, exe + " (deleted)"} {
		if err := os.WriteFile(name, []byte("#!/bin/sh\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if p, err := inspect(pid); err != nil || p.Exe != "" {
		t.Errorf("replaced: got %+v, %v; want no program", p, err)
	}
}

func TestUnitOf(t *testing.T) {
	for _, tt := range []struct{ cgroup, want string }{
		{"0::/system.slice/web.service\n", "web.service"},
		{"0::/system.slice/web.service/worker.service\n", "web.service"},
		{"0::/system.slice/system-getty.slice/getty@tty1.service\n", "getty@tty1.service"},
		{"0::/user.slice/user-1000.slice/user@1000.service/app.slice/web.service\n", "user@1000.service"},
		{"0::/user.slice/user-1000.slice/session-3.scope\n", "session-3.scope"},
		{"0::/system.slice/docker-0af3.scope\n", "docker-0af3.scope"},
		{"0::/init.scope\n", "init.scope"},
		{"12:pids:/x\n1:name=systemd:/system.slice/web.service\n0::/\n", "web.service"},
		{"1:name=systemd:/a.slice/b:c.service\n", "b:c.service"},
		{"0::/system.slice/_cgroup.x.service\n", "cgroup.x.service"},
		{"0::/kubepods/pod1/web.service\n", ""},
		{"0::/../web.service\n", ""},
		{"0::/\n", ""},
		{"", ""},
		{"garbage\n", ""},
	} {
		if got := unitOf(tt.cgroup); got != tt.want {
			t.Errorf("%q: got %q, want %q", tt.cgroup, got, tt.want)
		}
	}
}

func TestParseStat(t *testing.T) {
	tail := " S 41 1 1 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 987654 1 2"
	for _, tt := range []struct {
		in   string
		want stat
		ok   bool
	}{
		{"42 (web)" + tail, stat{41, 987654}, true},
		{"42 (a) S 1 1) x)" + tail, stat{41, 987654}, true}, // a program that forges fields
		{"42 (web) S 41", stat{}, false},
		{"42 web S 41", stat{}, false},
		{"", stat{}, false},
	} {
		got, err := parseStat([]byte(tt.in))
		if got != tt.want || (err == nil) != tt.ok {
			t.Errorf("%q: got %v, %v", tt.in, got, err)
		}
	}
}

func FuzzParseStat(f *testing.F) {
	f.Add([]byte("42 (web) S 41 1 1 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 987654 1 2"))
	f.Fuzz(func(t *testing.T, b []byte) { parseStat(b) })
}

func FuzzParseResponse(f *testing.F) {
	local, remote := netip.MustParseAddrPort("127.0.0.1:1"), netip.MustParseAddrPort("127.0.0.1:2")
	good := make([]byte, sizeofResponse)
	copy(good, []byte{2, 1, 0, 0, 0, 1, 0, 2, 127, 0, 0, 1})
	copy(good[24:], []byte{127, 0, 0, 1})
	good[68] = 5
	if s, err := parseResponse(good, local, remote); err != nil || s.inode != 5 {
		f.Fatalf("got %+v, %v", s, err)
	}
	f.Add(good)
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := parseResponse(b, local, remote)
		if err == nil && s.inode == 0 {
			t.Errorf("a socket without an owner: %+v", s)
		}
	})
}

func FuzzUnitOf(f *testing.F) {
	f.Add("0::/system.slice/web.service\n")
	f.Fuzz(func(t *testing.T, s string) {
		if u := unitOf(s); strings.Contains(u, "/") || u != "" && !strings.Contains(s, u) {
			t.Errorf("%q: got %q", s, u)
		}
	})
}

func benchIdentify(b *testing.B, k *Kernel) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	d, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		b.Fatal(err)
	}
	defer d.Close()
	c, err := l.Accept()
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := k.Identify(c); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkIdentifyUser(b *testing.B) { benchIdentify(b, &Kernel{}) }

func BenchmarkIdentifyDeep(b *testing.B) { benchIdentify(b, &Kernel{Deep: true}) }
