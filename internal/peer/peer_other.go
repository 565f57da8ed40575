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

// Started fails: only Linux is supported.
func Started(int) (uint64, error) { return 0, unsupported() }

// Descendant is false: only Linux is supported.
func Descendant(int, int) bool { return false }

func unsupported() error {
	return fmt.Errorf("identify the process behind a connection on %s: %w; give workloads tokens or listeners of their own instead", runtime.GOOS, errors.ErrUnsupported)
}
