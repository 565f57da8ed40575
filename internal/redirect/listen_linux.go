package redirect

import (
	"encoding/binary"
	"net"
	"net/netip"
	"syscall"

	"golang.org/x/sys/unix"
)

// Original is where a diverted connection was sent by its client, as conntrack
// remembers (SO_ORIGINAL_DST of linux/netfilter_ipv4.h). It is false if nothing
// is remembered.
func Original(c net.Conn) (netip.AddrPort, bool) {
	sc, ok := c.(syscall.Conn)
	if !ok {
		return netip.AddrPort{}, false
	}
	t, ok := c.LocalAddr().(*net.TCPAddr)
	if !ok {
		return netip.AddrPort{}, false
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return netip.AddrPort{}, false
	}
	var to netip.AddrPort
	raw.Control(func(fd uintptr) {
		if t.AddrPort().Addr().Unmap().Is4() {
			// struct sockaddr_in, in a struct that is large enough.
			if m, err := unix.GetsockoptIPv6Mreq(int(fd), unix.SOL_IP, unix.SO_ORIGINAL_DST); err == nil {
				to = netip.AddrPortFrom(netip.AddrFrom4([4]byte(m.Multiaddr[4:8])), binary.BigEndian.Uint16(m.Multiaddr[2:4]))
			}
			return
		}
		if m, err := unix.GetsockoptIPv6MTUInfo(int(fd), unix.SOL_IPV6, unix.SO_ORIGINAL_DST); err == nil {
			port := binary.NativeEndian.AppendUint16(nil, m.Addr.Port) // as it came, in network order
			to = netip.AddrPortFrom(netip.AddrFrom16(m.Addr.Addr), binary.BigEndian.Uint16(port))
		}
	})
	return to, to.IsValid()
}

// SyscallConn is that of the connection below.
func (c *Conn) SyscallConn() (syscall.RawConn, error) {
	sc, ok := c.Conn.(syscall.Conn)
	if !ok {
		return nil, syscall.EINVAL
	}
	return sc.SyscallConn()
}
