//go:build !linux && !darwin

package agent

import (
	"errors"
	"net"
)

// setHopLimit is not known on this system.
func setHopLimit(net.Conn, int) error { return errors.ErrUnsupported }
