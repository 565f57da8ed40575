package peer

import (
	"encoding/binary"
	"net"
	"net/netip"
	"syscall"
	"unsafe"
)

// Options of linux/netfilter_ipv4.h and linux/netfilter_ipv6/ip6_tables.h.
const (
	soOriginalDst   = 80
	ip6tOriginalDst = 80
)

// Destination is the address that the client of c connected to: c's own, or
// what it was before the host's firewall redirected the connection.
func Destination(c net.Conn) (netip.AddrPort, error) {
	c = bare(c)
	local, err := addrPort(c.LocalAddr())
	if err != nil {
		return netip.AddrPort{}, err
	}
	if t, ok := c.(*net.TCPConn); ok {
		if d, ok := originalDestination(t, local.Addr().Is4()); ok {
			return d, nil
		}
	}
	return local, nil
}

// originalDestination asks connection tracking. It is false where nothing is
// tracked, which is where nothing is redirected.
func originalDestination(c *net.TCPConn, v4 bool) (netip.AddrPort, bool) {
	raw, err := c.SyscallConn()
	if err != nil {
		return netip.AddrPort{}, false
	}
	var sa [sizeofSockaddr6]byte
	var errno syscall.Errno
	err = raw.Control(func(fd uintptr) {
		level, option, size := uintptr(syscall.SOL_IP), uintptr(soOriginalDst), uint32(sizeofSockaddr4)
		if !v4 {
			level, option, size = syscall.SOL_IPV6, ip6tOriginalDst, sizeofSockaddr6
		}
		_, _, errno = syscall.Syscall6(syscall.SYS_GETSOCKOPT, fd, level, option,
			uintptr(unsafe.Pointer(&sa)), uintptr(unsafe.Pointer(&size)), 0)
	})
	if err != nil || errno != 0 {
		return netip.AddrPort{}, false
	}
	return parseSockaddr(sa[:])
}

// Sizes of struct sockaddr_in and sockaddr_in6.
const (
	sizeofSockaddr4 = 16
	sizeofSockaddr6 = 28
)

// parseSockaddr reads a struct sockaddr_in or sockaddr_in6.
func parseSockaddr(b []byte) (netip.AddrPort, bool) {
	port := binary.BigEndian.Uint16(b[2:])
	switch binary.NativeEndian.Uint16(b) {
	case syscall.AF_INET:
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte(b[4:8])), port), true
	case syscall.AF_INET6:
		return netip.AddrPortFrom(netip.AddrFrom16([16]byte(b[8:24])).Unmap(), port), true
	}
	return netip.AddrPort{}, false
}
