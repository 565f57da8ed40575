package host

import (
	"net"
	"net/netip"
	"sync"
	"time"
)

// holding counts the connections that are held, and remembers those that were:
// each is held once, however many requests come on it.
type holding struct {
	max int

	mu     sync.Mutex // guards the fields below
	now    map[netip.Addr]int
	before map[net.Conn]time.Time // when it was let go
}

func newHolding(max int) *holding {
	return &holding{max: max, now: map[netip.Addr]int{}, before: map[net.Conn]time.Time{}}
}

// count is how many connections are held now.
func (h *holding) count() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	n := 0
	for _, k := range h.now {
		n += k
	}
	return n
}

// forget is how long a connection that was held is remembered.
const forget = time.Minute

// begin is asked before a connection is held. It is false if that is not to be;
// else end is called when it is over.
func (h *holding) begin(c net.Conn) (end func(), ok bool) {
	for {
		inner, ok := c.(interface{ NetConn() net.Conn })
		if !ok {
			break
		}
		c = inner.NetConn()
	}
	a, _ := remoteAddr(c) // the zero address stands for all Unix sockets
	h.mu.Lock()
	defer h.mu.Unlock()
	if _, held := h.before[c]; held || h.now[a] >= h.max {
		return nil, false
	}
	h.now[a]++
	return func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		if h.now[a]--; h.now[a] == 0 {
			delete(h.now, a)
		}
		now := time.Now()
		for c, t := range h.before {
			if now.Sub(t) > forget {
				delete(h.before, c)
			}
		}
		h.before[c] = now
	}, true
}
