package peer

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/mantle-iam/mantle/broker"
)

// Identify says who is at the other end of c, a TCP or Unix connection that a
// process of this host made; one in a container is refused, for its users are
// not the host's. Errors wrap [ErrGone] or [ErrElsewhere] where they apply. If
// Deep finds no process that it may inspect, the Caller has the user only.
func (k *Kernel) Identify(c net.Conn) (broker.Caller, error) {
	s, err := k.Look(c, nil)
	if err != nil {
		return broker.Caller{}, err
	}
	if err := s.Plain(); err != nil {
		return broker.Caller{}, fmt.Errorf("identify %s: %w", c.RemoteAddr(), err)
	}
	who := s.Holders.Caller(s.UID)
	if len(s.Holders) == 0 {
		who.GID = s.GID
	}
	return who, nil
}

// Find returns the user who owns the socket at the other end of c and, if
// Deep is set, the processes that hold it, by ascending PID. It fails if one of
// them has another user than the socket.
func (k *Kernel) Find(c net.Conn) (int, Holders, error) {
	s, err := k.Look(c, nil)
	if err != nil {
		return -1, nil, err
	}
	if err := s.SameUser(); err != nil {
		return -1, nil, fmt.Errorf("identify %s: %w", c.RemoteAddr(), err)
	}
	return s.UID, s.Holders, nil
}

// Look finds the socket at the other end of c in a network namespace, nil for
// our own. A connection that the host's firewall redirected is found by where
// it was made to.
func (k *Kernel) Look(c net.Conn, in *Network) (Socket, error) {
	inner := bare(c)
	var s Socket
	var err error
	if u, ok := inner.(*net.UnixConn); ok {
		s, err = k.lookUnix(u)
	} else {
		s, err = k.lookTCP(inner, in)
	}
	if err != nil {
		return Socket{}, fmt.Errorf("identify %s: %w", c.RemoteAddr(), err)
	}
	return s, nil
}

// bare takes off what is wrapped around a connection.
func bare(c net.Conn) net.Conn {
	for {
		inner, ok := c.(interface{ NetConn() net.Conn })
		if !ok {
			return c
		}
		c = inner.NetConn()
	}
}

func (k *Kernel) lookTCP(c net.Conn, in *Network) (Socket, error) {
	client, err := addrPort(c.RemoteAddr())
	if err != nil {
		return Socket{}, err
	}
	server, err := Destination(c)
	if err != nil {
		return Socket{}, err
	}
	var s socket
	find := func() (err error) {
		s, err = socketOf(client, server)
		return err
	}
	if err := in.within(find); err != nil {
		return Socket{}, err
	}
	out := Socket{UID: s.uid, GID: -1}
	if !k.Deep {
		return out, nil
	}
	if out.Holders, err = holdersOf(s.inode); err != nil {
		return Socket{}, err
	}
	// Still the same socket? The kernel gives each a cookie that is never
	// used again.
	before := s
	if err := in.within(find); err != nil {
		return Socket{}, err
	}
	if before != s {
		return Socket{}, errors.New("the connection changed hands while it was looked up")
	}
	return out, nil
}

// lookUnix uses the credentials that the kernel took down when the client
// connected: they name the process that called connect(2), which may have
// handed the socket on.
func (k *Kernel) lookUnix(u *net.UnixConn) (Socket, error) {
	raw, err := u.SyscallConn()
	if err != nil {
		return Socket{}, err
	}
	var cred *syscall.Ucred
	var cerr error
	var pidfd *os.File
	if err := raw.Control(func(fd uintptr) {
		if cred, cerr = syscall.GetsockoptUcred(int(fd), syscall.SOL_SOCKET, syscall.SO_PEERCRED); cerr == nil && k.Deep {
			pidfd = peerProcess(int(fd))
		}
	}); err != nil {
		return Socket{}, err
	}
	if cerr != nil {
		return Socket{}, fmt.Errorf("SO_PEERCRED: %w", cerr)
	}
	out := Socket{UID: int(cred.Uid), GID: int(cred.Gid)}
	if pidfd != nil {
		defer pidfd.Close()
	}
	// PID 0 is a process outside our PID namespace.
	if !k.Deep || cred.Pid <= 0 {
		return out, nil
	}
	p, err := inspect(int(cred.Pid))
	if err != nil || pidfd != nil && !alive(pidfd) {
		return out, nil // it has ended, or is not ours to inspect
	}
	out.Holders = Holders{p}
	return out, nil
}

// peerProcess is a handle of the process that connected, nil where the kernel
// has none (before Linux 6.5): its number alone may by now be another's.
func peerProcess(fd int) *os.File {
	n, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_PEERPIDFD)
	if err != nil {
		return nil
	}
	return os.NewFile(uintptr(n), "pidfd")
}

// alive reports whether the process of a handle has not ended: a handle can be
// read when it has.
func alive(pidfd *os.File) bool {
	fds := []unix.PollFd{{Fd: int32(pidfd.Fd()), Events: unix.POLLIN}}
	n, err := unix.Poll(fds, 0)
	return err == nil && n == 0
}

func addrPort(a net.Addr) (netip.AddrPort, error) {
	t, ok := a.(*net.TCPAddr)
	if !ok {
		return netip.AddrPort{}, fmt.Errorf("a %T has no process; only TCP and Unix connections can be looked up", a)
	}
	ap := t.AddrPort()
	// The zone of a link-local address is not part of what sock_diag is
	// asked for.
	return netip.AddrPortFrom(ap.Addr().Unmap().WithZone(""), ap.Port()), nil
}
