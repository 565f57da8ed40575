package peer

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"syscall"

	"github.com/vishvananda/netlink/nl"
)

// socket is what sock_diag says of one TCP socket.
type socket struct {
	uid    int
	inode  uint32
	cookie uint64
}

// Values of linux/inet_diag.h and net/tcp_states.h.
const (
	sizeofRequest  = 56
	sizeofResponse = 72
	noCookie       = ^uint32(0)

	tcpEstablished = 1
	tcpFinWait1    = 4
	tcpFinWait2    = 5
	tcpCloseWait   = 8
)

// request is struct inet_diag_req_v2.
type request [sizeofRequest]byte

func (r *request) Len() int          { return len(r) }
func (r *request) Serialize() []byte { return r[:] }

func newRequest(local, remote netip.AddrPort) *request {
	r := &request{0: syscall.AF_INET, 1: syscall.IPPROTO_TCP}
	if local.Addr().Is6() {
		r[0] = syscall.AF_INET6
	}
	binary.NativeEndian.PutUint32(r[4:], ^uint32(0)) // every state
	binary.BigEndian.PutUint16(r[8:], local.Port())
	binary.BigEndian.PutUint16(r[10:], remote.Port())
	copy(r[12:28], local.Addr().AsSlice())
	copy(r[28:44], remote.Addr().AsSlice())
	binary.NativeEndian.PutUint32(r[48:], noCookie)
	binary.NativeEndian.PutUint32(r[52:], noCookie)
	return r
}

// socketOf asks for the socket whose own address is local and whose peer is
// remote. It asks for that one socket and not for a dump: dumps are filtered
// by port alone, and 127.0.0.2 may use the ports of 127.0.0.1.
func socketOf(local, remote netip.AddrPort) (socket, error) {
	if local.Addr().Is4() != remote.Addr().Is4() {
		return socket{}, fmt.Errorf("%s and %s are of different families", local, remote)
	}
	req := nl.NewNetlinkRequest(nl.SOCK_DIAG_BY_FAMILY, 0)
	req.AddData(newRequest(local, remote))
	msgs, err := req.Execute(syscall.NETLINK_INET_DIAG, nl.SOCK_DIAG_BY_FAMILY)
	switch {
	case errors.Is(err, syscall.ENOENT):
		return socket{}, ErrElsewhere
	case err != nil:
		return socket{}, fmt.Errorf("sock_diag: %w", err)
	case len(msgs) != 1:
		return socket{}, fmt.Errorf("sock_diag: %d answers to one question", len(msgs))
	}
	return parseResponse(msgs[0], local, remote)
}

// parseResponse reads struct inet_diag_msg. The kernel falls back to a
// listening socket where there is no connection, so the answer must be
// compared with the question.
func parseResponse(b []byte, local, remote netip.AddrPort) (socket, error) {
	if len(b) < sizeofResponse {
		return socket{}, fmt.Errorf("sock_diag: answer of %d bytes, want %d", len(b), sizeofResponse)
	}
	addr := func(b []byte) netip.Addr {
		if local.Addr().Is4() && isV4(b) {
			return netip.AddrFrom4([4]byte(b[:4]))
		}
		return netip.AddrFrom16([16]byte(b[:16])).Unmap()
	}
	gotLocal := netip.AddrPortFrom(addr(b[8:24]), binary.BigEndian.Uint16(b[4:]))
	gotRemote := netip.AddrPortFrom(addr(b[24:40]), binary.BigEndian.Uint16(b[6:]))
	if gotLocal != local || gotRemote != remote {
		return socket{}, ErrElsewhere
	}
	s := socket{
		uid:    int(binary.NativeEndian.Uint32(b[64:])),
		inode:  binary.NativeEndian.Uint32(b[68:]),
		cookie: binary.NativeEndian.Uint64(b[44:]),
	}
	switch b[1] {
	case tcpEstablished, tcpFinWait1, tcpFinWait2, tcpCloseWait:
	default:
		return socket{}, ErrGone
	}
	// A socket without a process has inode 0, and uid 0 with it.
	if s.inode == 0 {
		return socket{}, ErrGone
	}
	return s, nil
}

// isV4 tells an IPv4 address, which fills four bytes of the field, from the
// IPv4-mapped address of an IPv6 socket.
func isV4(b []byte) bool {
	for _, c := range b[4:16] {
		if c != 0 {
			return false
		}
	}
	return true
}
