package peer

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"

	"github.com/mantle-iam/mantle/broker"
)

// Identify says who is at the other end of c, a TCP or Unix connection made
// on this host. Errors wrap [ErrGone] or [ErrElsewhere] where they apply. If
// Deep finds no process that it may inspect, the Caller has the user only.
func (k *Kernel) Identify(c net.Conn) (broker.Caller, error) {
	uid, holders, err := k.Find(c)
	if err != nil {
		return broker.Caller{}, err
	}
	return holders.Caller(uid), nil
}

// Find returns the user who owns the socket at the other end of c and, if
// Deep is set, the processes that hold it, by ascending PID.
func (k *Kernel) Find(c net.Conn) (int, Holders, error) {
	for {
		inner, ok := c.(interface{ NetConn() net.Conn })
		if !ok {
			break
		}
		c = inner.NetConn()
	}
	uid, holders, err := k.find(c)
	if err != nil {
		return -1, nil, fmt.Errorf("identify %s: %w", c.RemoteAddr(), err)
	}
	return uid, holders, nil
}

func (k *Kernel) find(c net.Conn) (int, Holders, error) {
	if u, ok := c.(*net.UnixConn); ok {
		return k.findUnix(u)
	}
	client, err := addrPort(c.RemoteAddr())
	if err != nil {
		return -1, nil, err
	}
	server, err := addrPort(c.LocalAddr())
	if err != nil {
		return -1, nil, err
	}
	s, err := socketOf(client, server)
	if err != nil {
		return -1, nil, err
	}
	if !k.Deep {
		return s.uid, nil, nil
	}
	holders, err := holdersOf(s.inode, s.uid)
	if err != nil {
		return -1, nil, err
	}
	// Still the same socket? The kernel gives each a cookie that is never
	// used again.
	again, err := socketOf(client, server)
	if err != nil {
		return -1, nil, err
	}
	if again != s {
		return -1, nil, errors.New("the connection changed hands while it was looked up")
	}
	return s.uid, holders, nil
}

// findUnix uses the credentials that the kernel took down when the client
// connected: they name the process that called connect(2), which may have
// handed the socket on.
func (k *Kernel) findUnix(u *net.UnixConn) (int, Holders, error) {
	raw, err := u.SyscallConn()
	if err != nil {
		return -1, nil, err
	}
	var cred *syscall.Ucred
	var cerr error
	if err := raw.Control(func(fd uintptr) {
		cred, cerr = syscall.GetsockoptUcred(int(fd), syscall.SOL_SOCKET, syscall.SO_PEERCRED)
	}); err != nil {
		return -1, nil, err
	}
	if cerr != nil {
		return -1, nil, fmt.Errorf("SO_PEERCRED: %w", cerr)
	}
	uid := int(cred.Uid)
	// PID 0 is a process outside our PID namespace.
	if !k.Deep || cred.Pid <= 0 {
		return uid, nil, nil
	}
	p, euid, err := inspect(int(cred.Pid))
	switch {
	case err != nil:
		// It may have ended, or not be ours to inspect.
		return uid, nil, nil
	case euid != uid:
		return -1, nil, fmt.Errorf("process %d connected as uid %d and is uid %d now", p.PID, uid, euid)
	}
	return uid, Holders{p}, nil
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
