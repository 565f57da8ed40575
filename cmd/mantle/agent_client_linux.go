package main

import (
	"net"
	"syscall"
)

// serverUser is the user who listens at the other end of a Unix connection
// (SO_PEERCRED of unix(7)).
func serverUser(c net.Conn) (uid int, known bool) {
	u, ok := c.(*net.UnixConn)
	if !ok {
		return -1, false
	}
	raw, err := u.SyscallConn()
	if err != nil {
		return -1, false
	}
	raw.Control(func(fd uintptr) {
		if cred, err := syscall.GetsockoptUcred(int(fd), syscall.SOL_SOCKET, syscall.SO_PEERCRED); err == nil {
			uid, known = int(cred.Uid), true
		}
	})
	return uid, known
}
