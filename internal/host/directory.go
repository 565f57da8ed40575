// Package host finds out which process, container, task or pod is at the other
// end of a connection to the agent.
//
// The kernel says which process holds the client's socket and which container
// it lives in ([github.com/mantle-iam/mantle/internal/peer]); a [Directory]
// says what that container is. [Identifier] puts both together.
package host

import (
	"context"
	"net/netip"

	"github.com/mantle-iam/mantle/broker"
)

// Directory knows what runs in containers: Docker, Podman, a container runtime
// of Kubernetes, or Kubernetes itself. Its methods but Run answer from memory
// and may be called by many goroutines.
type Directory interface {
	// Name says whose containers these are: "docker", "podman", "cri",
	// "kubernetes".
	Name() string

	// Container finds a running container by its full identifier.
	Container(id string) (Place, bool)

	// Address finds the running places that own an address now. Several of
	// them own it if they share a network namespace, as the containers of a
	// pod do.
	Address(netip.Addr) []Place

	// Changed returns a channel that is closed when what the Directory knows
	// changes next.
	Changed() <-chan struct{}

	// Ready reports whether all that runs has been listed once.
	Ready() bool

	// Run watches until ctx ends, and connects again whenever it must. Its
	// error is ctx's, or says why the Directory can never work.
	Run(context.Context) error
}

// Place is one running container and what it belongs to.
type Place struct {
	Container *broker.Container
	Task      *broker.Task // nil if it belongs to none
	Pod       *broker.Pod  // nil if it belongs to none

	// PID is the container's first process in the host's pid namespace, 0 if
	// not known.
	PID int

	// Generation differs for each start of the container.
	Generation string

	// HostNetwork is set if the container has no network namespace of its own.
	HostNetwork bool

	// Addresses are those that the container's network namespace has, as far
	// as they are known; none for HostNetwork.
	Addresses []netip.Addr
}
