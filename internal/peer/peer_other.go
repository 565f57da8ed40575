//go:build !linux

package peer

import (
	"errors"
	"fmt"
	"net"
	"runtime"

	"github.com/mantle-iam/mantle/broker"
)

// Identify fails: only Linux is supported.
func (k *Kernel) Identify(net.Conn) (broker.Caller, error) {
	return broker.Caller{}, unsupported()
}

// Find fails: only Linux is supported.
func (k *Kernel) Find(net.Conn) (int, Holders, error) { return -1, nil, unsupported() }

// Look fails: only Linux is supported.
func (k *Kernel) Look(net.Conn, *Network) (Socket, error) { return Socket{}, unsupported() }

// Network is a network namespace, which only Linux has.
type Network struct{}

// NetworkOf fails: only Linux is supported.
func NetworkOf(int) (*Network, error) { return nil, unsupported() }

// Close does nothing: only Linux is supported.
func (*Network) Close() error { return nil }

// ID is empty: only Linux is supported.
func (*Network) ID() string { return "" }

// Own is false: only Linux is supported.
func (*Network) Own() bool { return false }

// InContainer fails: only Linux is supported.
func InContainer(int) (Container, error) { return Container{}, unsupported() }

// Member fails: only Linux is supported.
func Member(string) (int, Container, error) { return 0, Container{}, unsupported() }

// Started fails: only Linux is supported.
func Started(int) (uint64, error) { return 0, unsupported() }

// Descendant is false: only Linux is supported.
func Descendant(int, int) bool { return false }

func unsupported() error {
	return fmt.Errorf("identify the process behind a connection on %s: %w; give workloads tokens or listeners of their own instead", runtime.GOOS, errors.ErrUnsupported)
}
