package redirect

import (
	"fmt"
	"net/netip"
	"syscall"

	"golang.org/x/sys/unix"
)

// Control is a net.Dialer's: it marks sockets that go to one of AWS's link-local
// addresses, and no others, so that they pass the rules (socket(7), SO_MARK).
// Without a mark it does nothing.
func Control(mark uint32) func(network, address string, c syscall.RawConn) error {
	return func(_, address string, c syscall.RawConn) error {
		to, err := netip.ParseAddrPort(address)
		if err != nil || mark == 0 || !LinkLocal(to.Addr()) {
			return nil
		}
		var failed error
		if err := c.Control(func(fd uintptr) {
			failed = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_MARK, int(mark))
		}); err != nil {
			return err
		}
		if failed != nil {
			return fmt.Errorf("mark the connection to %s: %w; it takes CAP_NET_ADMIN", address, failed)
		}
		return nil
	}
}
