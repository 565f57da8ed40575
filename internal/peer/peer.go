// Package peer finds out which process is at the other end of a connection
// that was made on this host.
//
// The kernel knows: [Kernel.Identify] asks it for the client's socket
// (sock_diag(7) for TCP, SO_PEERCRED of unix(7) for Unix sockets), which
// names its user, and, if asked to look deeper, searches /proc for the
// process that holds the socket. Nothing that the client sends is believed.
//
// # What the answer is worth
//
// The user id is certain: it is that of the process that created the socket.
// The process is certain as long as it alone holds the socket; forked
// children and passed descriptors share it, see [Holders]. Program and unit
// separate workloads that mean no harm to each other. They are no defence
// between processes of one user, who may trace and inject into one another.
//
// The reader of a Caller that names a PID checks, before it acts on the PID
// later, that [Started] still answers the Caller's Started: numbers are
// reused.
package peer

import (
	"errors"
	"fmt"

	"github.com/mantle-iam/mantle/broker"
)

// Kernel identifies callers by asking the kernel. The zero value is ready
// and safe for concurrent use; it finds out the user and nothing else.
type Kernel struct {
	// Deep also looks for the process, its program and its systemd unit.
	// That reads the descriptors of every process on the host that this
	// one may inspect: milliseconds, where the user alone takes
	// microseconds. Without CAP_SYS_PTRACE only the processes of our own
	// user can be inspected; for others the PID stays -1.
	Deep bool
}

// ErrGone is returned for a connection whose client has closed its end. The
// kernel then names no owner, and the 0 it gives must not be taken for root.
var ErrGone = errors.New("the client has closed the connection")

// ErrElsewhere is returned for a connection that no process of this host and
// network namespace, or of the one that was looked in, made.
var ErrElsewhere = errors.New("the connection does not come from this host's network namespace; listen inside the container, or hand it a token")

// Process is one holder of a socket.
type Process struct {
	// PID is the process id, Started its start time in clock ticks since
	// boot (field 22 of /proc/PID/stat); together they name one process
	// for ever.
	PID     int
	Started uint64
	// Exe is the program's path, "" if it cannot be trusted: the path must
	// lead, as we see the file system, to the very file that runs. It does
	// not for a program in a container or replaced since it was started.
	Exe string
	// Unit is the systemd unit of the system manager, such as
	// "web.service", "" if none. Units that users start themselves count
	// as their user's ("user@1000.service"), because users name them.
	Unit string
	// UID and GID are its effective user and group.
	UID, GID int
	// Container is the container it lives in; the zero Container if none.
	Container Container
	// Apart is set if it has a pid namespace of its own (pid_namespaces(7)):
	// then it lives in something like a container, even if no name says so.
	Apart bool
}

// Socket is what is known of a client's socket.
type Socket struct {
	// UID is the user of the process that made it. GID is its group, or -1: the
	// kernel tells that of Unix sockets only.
	UID, GID int
	// Holders are the processes that hold it; none if they were not looked for
	// or may not be inspected.
	Holders Holders
}

// SameUser returns an error if a holder has another user than the socket: a
// program may drop its privileges after connecting, or be handed the socket of
// somebody greater.
func (s *Socket) SameUser() error {
	for _, h := range s.Holders {
		if h.UID != s.UID {
			return fmt.Errorf("the socket belongs to uid %d, and process %d, which holds it, is uid %d", s.UID, h.PID, h.UID)
		}
	}
	return nil
}

// Plain returns an error unless all holders are processes of the host itself,
// and of the socket's user.
func (s *Socket) Plain() error {
	for _, h := range s.Holders {
		switch {
		case h.Container.ID != "":
			return fmt.Errorf("process %d lives in container %.12s", h.PID, h.Container.ID)
		case h.Apart:
			return fmt.Errorf("process %d has a pid namespace of its own and belongs to no container that is known by its control group; give it a token", h.PID)
		}
	}
	return s.SameUser()
}

// Holders are all processes found to hold one socket.
type Holders []Process

// Caller is what can be said of the caller for certain: what all holders have
// in common. One holder is named with its PID. Of several, which share the
// connection (a process and its forked children), nobody can tell which one
// speaks: then PID is -1 and Started 0, and GID, Exe and Unit are set only if
// they are the same in all. It says nothing of containers.
func (h Holders) Caller(uid int) broker.Caller {
	c := broker.Caller{UID: uid, GID: -1, PID: -1, How: broker.ByPeer}
	if len(h) == 0 {
		return c
	}
	c.GID, c.Exe, c.Unit = h[0].GID, h[0].Exe, h[0].Unit
	for _, p := range h[1:] {
		if p.GID != c.GID {
			c.GID = -1
		}
		if p.Exe != c.Exe {
			c.Exe = ""
		}
		if p.Unit != c.Unit {
			c.Unit = ""
		}
	}
	if len(h) == 1 {
		c.PID, c.Started = h[0].PID, h[0].Started
	}
	return c
}
