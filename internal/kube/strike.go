package kube

import (
	"net/netip"
	"sync"
	"time"
)

// strikes counts the tokens that proved nothing, by where they came from: each
// may cost a question to the API server. Of a sender with maxStrikes only
// tokens that were verified already are looked at, and one more every
// strikePause; those of other addresses are not kept waiting.
type strikes struct {
	mu   sync.Mutex // guards the field below
	from map[netip.Addr]struck
}

// struck is an account of strikes as of a moment: one is forgiven every
// strikePause.
type struck struct {
	n  int
	at time.Time
}

const (
	maxStrikes  = 20
	strikePause = time.Second
	maxStruck   = 4096 // addresses remembered
)

func (s struck) now(t time.Time) int { return max(0, s.n-int(t.Sub(s.at)/strikePause)) }

// may reports whether a token of the address is looked at.
func (s *strikes) may(from netip.Addr) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.from[from].now(time.Now()) < maxStrikes
}

// strike counts a token that proved nothing.
func (s *strikes) strike(from netip.Addr) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	if s.from == nil {
		s.from = map[netip.Addr]struck{}
	}
	if len(s.from) >= maxStruck {
		for a, x := range s.from {
			if x.now(now) == 0 {
				delete(s.from, a)
			}
		}
		if len(s.from) >= maxStruck {
			clear(s.from) // a flood of addresses: remembering none beats remembering all
		}
	}
	s.from[from] = struck{n: s.from[from].now(now) + 1, at: now}
}
