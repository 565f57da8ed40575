package host

import (
	"errors"
	"net"

	"github.com/mantle-iam/mantle/broker"
	"github.com/mantle-iam/mantle/internal/peer"
)

// system is what is asked of the kernel.
type system interface {
	// look finds the client's socket in a network namespace, ours if nil.
	look(net.Conn, namespace) (peer.Socket, error)
	// network opens the network namespace of a process.
	network(pid int) (namespace, error)
	// container is the container that a process lives in.
	container(pid int) (peer.Container, error)
	// member is a process of a container.
	member(id string) (pid int, err error)
	// same returns an error if a caller is no longer the same process running
	// the same program.
	same(broker.Caller) error
}

// namespace is a network namespace, held open.
type namespace interface {
	// identity tells namespaces apart, and whether it is our own.
	identity() (key any, own bool)
	Close() error
}

// kernel asks the kernel.
type kernel struct{ processes *peer.Processes }

type network struct{ *peer.Network }

func (n network) identity() (any, bool) { return n.ID(), n.Own() }

func (kernel) look(c net.Conn, in namespace) (peer.Socket, error) {
	k := peer.Kernel{Deep: true}
	if in == nil {
		return k.Look(c, nil)
	}
	return k.Look(c, in.(network).Network)
}

func (kernel) network(pid int) (namespace, error) {
	n, err := peer.NetworkOf(pid)
	if err != nil {
		return nil, err
	}
	return network{n}, nil
}

func (kernel) container(pid int) (peer.Container, error) { return peer.InContainer(pid) }

func (kernel) member(id string) (int, error) {
	pid, _, err := peer.Member(id)
	return pid, err
}

// same looks at the process itself, which costs little; to find it again would
// not.
func (k kernel) same(c broker.Caller) error {
	if c.PID < 0 {
		return errors.New("the connection is shared by several processes")
	}
	return k.processes.Same(c.PID, c.Started, c.Exe)
}
