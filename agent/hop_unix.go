//go:build linux || darwin

package agent

import (
	"errors"
	"net"
	"syscall"
)

// setHopLimit sets the IP TTL (IPv6: unicast hop limit) of what is sent on c
// from now on: a packet that outlives n routers is dropped, so an answer cannot
// be read further away. ip(7), ipv6(7).
func setHopLimit(c net.Conn, n int) error {
	sc, ok := c.(syscall.Conn)
	if !ok {
		return errors.ErrUnsupported
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return err
	}
	level, option := syscall.IPPROTO_IP, syscall.IP_TTL
	if t, ok := c.LocalAddr().(*net.TCPAddr); ok && t.AddrPort().Addr().Unmap().Is6() {
		level, option = syscall.IPPROTO_IPV6, syscall.IPV6_UNICAST_HOPS
	}
	var opErr error
	err = raw.Control(func(fd uintptr) { opErr = syscall.SetsockoptInt(int(fd), level, option, n) })
	if err != nil {
		return err
	}
	return opErr
}
