package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os/exec"
	"runtime"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// namespace is a network of a place's own, in which it can own the addresses
// that AWS gives to every machine. It exists as long as a process or a socket
// in it does.
//
// A network namespace belongs to a thread (network_namespaces(7)). One thread
// is given up to it, and everything that has to happen inside is handed to
// that thread: listening, and starting processes. The sockets stay inside
// wherever they are used afterwards.
type namespace struct {
	work   chan func()
	done   chan struct{}
	beyond *namespace // where the services of AWS are; nil: inside as well
}

// newNamespace makes a network with a loopback device that has the addresses
// besides its own. It needs CAP_SYS_ADMIN and CAP_NET_ADMIN; without them the
// error is errPrivilege.
func newNamespace(addresses ...string) (*namespace, error) {
	return enter(func() error {
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("make a network namespace: %w", privilege(err))
		}
		lo, err := netlink.LinkByName("lo")
		if err != nil {
			return fmt.Errorf("find the loopback device: %w", err)
		}
		if err := netlink.LinkSetUp(lo); err != nil {
			return fmt.Errorf("start the loopback device: %w", privilege(err))
		}
		for _, a := range addresses {
			addr, err := netlink.ParseAddr(a + "/32")
			if err != nil {
				return err
			}
			if err := netlink.AddrAdd(lo, addr); err != nil {
				return fmt.Errorf("take the address %s: %w", a, privilege(err))
			}
		}
		return nil
	})
}

// joinNamespace enters the network, the files and the process ids of a
// running process. Processes started there are its siblings.
func joinNamespace(pid int) (*namespace, error) {
	return enter(func() error {
		fd, err := unix.PidfdOpen(pid, 0)
		if err != nil {
			return fmt.Errorf("find process %d: %w", pid, err)
		}
		defer unix.Close(fd)
		// A thread that shares its working folder with others cannot change to
		// another tree of files (setns(2)).
		if err := unix.Unshare(unix.CLONE_FS); err != nil {
			return privilege(err)
		}
		if err := unix.Setns(fd, unix.CLONE_NEWNET|unix.CLONE_NEWNS|unix.CLONE_NEWPID); err != nil {
			return fmt.Errorf("enter the namespaces of process %d: %w", pid, privilege(err))
		}
		return nil
	})
}

// errPrivilege says that the kernel does not let us.
var errPrivilege = errors.New("that needs root, or CAP_SYS_ADMIN and CAP_NET_ADMIN")

func privilege(err error) error {
	if errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES) {
		return errPrivilege
	}
	return err
}

func enter(setUp func() error) (*namespace, error) {
	n := &namespace{work: make(chan func()), done: make(chan struct{})}
	ready := make(chan error)
	go func() {
		// Never unlocked: the thread ends with the goroutine, so that nothing
		// else ever runs on it.
		runtime.LockOSThread()
		err := setUp()
		ready <- err
		if err != nil {
			return
		}
		for {
			select {
			case f := <-n.work:
				f()
			case <-n.done:
				return
			}
		}
	}()
	if err := <-ready; err != nil {
		return nil, err
	}
	return n, nil
}

// do runs f inside and waits for it.
func (n *namespace) do(f func()) {
	done := make(chan struct{})
	n.work <- func() { defer close(done); f() }
	<-done
}

// listen listens inside.
func (n *namespace) listen(address string) (ln net.Listener, err error) {
	n.do(func() { ln, err = net.Listen("tcp", address) })
	return ln, err
}

// listenBeyond listens where the services of AWS are.
func (n *namespace) listenBeyond(address string) (net.Listener, error) {
	if n.beyond != nil {
		return n.beyond.listen(address)
	}
	return n.listen(address)
}

// dial connects from inside. Until the connection stands or is refused nothing
// else can happen there.
func (n *namespace) dial(ctx context.Context, network, address string) (conn net.Conn, err error) {
	n.do(func() { conn, err = new(net.Dialer).DialContext(ctx, network, address) })
	return conn, err
}

// start starts a process inside.
func (n *namespace) start(cmd *exec.Cmd) (err error) {
	n.do(func() { err = cmd.Start() })
	return err
}

// close lets the thread go. Processes and sockets inside live on.
func (n *namespace) close() {
	if n != nil {
		close(n.done)
		n.beyond.close()
	}
}

// walled gives the process its own files and its own process ids besides the
// network that it is started in. It ends when the thread that started it does.
func walled(cmd *exec.Cmd) {
	attr(cmd).Cloneflags |= unix.CLONE_NEWNS | unix.CLONE_NEWPID
}

// mortal ends the process when we end.
func mortal(cmd *exec.Cmd) { attr(cmd).Pdeathsig = unix.SIGKILL }

// privileged tells whether this process may give places networks of their own.
func privileged() error {
	n, err := newNamespace()
	if err == nil {
		n.close()
	}
	return err
}
