package redirect

import (
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"sync/atomic"
)

// LinkLocal reports whether a is an address that only this host and its network
// know: no proxy is to be asked about it.
func LinkLocal(a netip.Addr) bool {
	a = a.Unmap()
	return a.IsLinkLocalUnicast() || slices.ContainsFunc(Doors(), func(d Door) bool { return slices.Contains(d.Addresses, a) })
}

// Listen wraps a listener of the door's port. Its connections tell as their
// local address the one that the client meant to reach, so that it can be found
// by that, and a Host header held against it. Connections from elsewhere that
// were not diverted are closed: the port is open on every address of the host,
// and should the rules be lost for a moment, no other machine gets in.
func Listen(ln net.Listener, d Door, log *slog.Logger) net.Listener {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &listener{Listener: ln, door: d, log: log}
}

type listener struct {
	net.Listener
	door   Door
	log    *slog.Logger
	strays atomic.Int64
}

var errStray = errors.New("not diverted")

func (l *listener) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		meant, err := l.meant(c)
		if err == nil {
			return &Conn{Conn: c, meant: meant}, nil
		}
		if n := l.strays.Add(1); n == 1 || n%1000 == 0 {
			l.log.Warn("connection closed: it came to the agent's port directly and not by an address of AWS's",
				"door", l.door.Name, "remote", c.RemoteAddr().String(), "local", c.LocalAddr().String(), "so_far", n)
		}
		c.Close()
	}
}

// meant is the address that the client asked for.
func (l *listener) meant(c net.Conn) (net.Addr, error) {
	t, ok := c.LocalAddr().(*net.TCPAddr)
	if !ok {
		return nil, errStray
	}
	local := t.AddrPort()
	if to, ok := Original(c); ok && to.Port() == HTTP && slices.Contains(l.door.Addresses, to.Addr()) {
		return net.TCPAddrFromAddrPort(to), nil
	}
	if local.Addr().Unmap().IsLoopback() || local.Port() == HTTP && slices.Contains(l.door.Addresses, local.Addr().Unmap()) {
		return t, nil
	}
	return nil, errStray
}

// Conn is a connection that may have been diverted. It is a syscall.Conn if the
// one below is.
type Conn struct {
	net.Conn
	meant net.Addr
}

// LocalAddr is the address that the client meant to reach.
func (c *Conn) LocalAddr() net.Addr { return c.meant }
