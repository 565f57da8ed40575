//go:build !linux

package redirect

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"
)

var errOther = fmt.Errorf("interception needs Linux: %w", errors.ErrUnsupported)

// Apply needs Linux.
func (r Rules) Apply() error { return errOther }

// Installed needs Linux.
func (r Rules) Installed() (bool, error) { return false, errOther }

// Remove needs Linux.
func Remove() error { return errOther }

// Current needs Linux.
func Current() (State, error) { return "", errOther }

// Addresses are addresses that this host owns while the agent runs.
type Addresses []netip.Addr

// Apply needs Linux.
func (a Addresses) Apply() error { return errOther }

// Installed needs Linux.
func (a Addresses) Installed() (bool, error) { return false, errOther }

// Remove needs Linux.
func (a Addresses) Remove() error { return errOther }

// Control marks nothing but on Linux.
func Control(uint32) func(network, address string, c syscall.RawConn) error {
	return func(string, string, syscall.RawConn) error { return nil }
}

// Original knows nothing but on Linux.
func Original(net.Conn) (netip.AddrPort, bool) { return netip.AddrPort{}, false }

func changes(context.Context) <-chan struct{} { return nil }
