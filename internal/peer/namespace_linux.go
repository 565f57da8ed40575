package peer

import (
	"fmt"
	"os"
	"runtime"
	"strconv"

	"golang.org/x/sys/unix"
)

// Network is a network namespace, held open so that it stays the same one.
type Network struct{ file *os.File }

// NetworkOf opens the network namespace of a process. The process may end, and
// its number be given to another, while it is opened: the caller makes sure
// afterwards that pid still is who it was. Errors wrap fs.ErrPermission where
// we may not look.
func NetworkOf(pid int) (*Network, error) {
	f, err := os.Open("/proc/" + strconv.Itoa(pid) + "/ns/net")
	if err != nil {
		return nil, err
	}
	return &Network{f}, nil
}

// Close lets go of the namespace.
func (n *Network) Close() error { return n.file.Close() }

// ID tells namespaces apart while they are held open.
func (n *Network) ID() string {
	var st unix.Stat_t
	if err := unix.Fstat(int(n.file.Fd()), &st); err != nil {
		return ""
	}
	return strconv.FormatUint(st.Dev, 10) + ":" + strconv.FormatUint(st.Ino, 10)
}

// Own reports whether it is the namespace that we are in ourselves.
func (n *Network) Own() bool {
	// The process's first thread, which /proc/self stands for, may be away in
	// another namespace for a moment; the thread that asks is not.
	ours, err := os.Stat("/proc/thread-self/ns/net")
	if err != nil {
		return false
	}
	it, err := n.file.Stat()
	return err == nil && os.SameFile(ours, it)
}

// within calls f on a thread in the namespace, ours if n is nil. It needs
// CAP_SYS_ADMIN; errors wrap fs.ErrPermission without it.
func (n *Network) within(f func() error) error {
	if n == nil {
		return f()
	}
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		home, err := os.Open("/proc/thread-self/ns/net")
		if err == nil {
			defer home.Close()
			err = unix.Setns(int(n.file.Fd()), unix.CLONE_NEWNET)
		}
		if err != nil {
			runtime.UnlockOSThread()
			done <- fmt.Errorf("enter the network namespace: %w", err)
			return
		}
		err = f()
		// A thread that does not come home is not given back: it ends with
		// this goroutine.
		if unix.Setns(int(home.Fd()), unix.CLONE_NEWNET) == nil {
			runtime.UnlockOSThread()
		}
		done <- err
	}()
	return <-done
}
