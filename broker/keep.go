package broker

import (
	"slices"
	"strings"
	"time"
)

// Saved is a loan as it survives a restart: what it was for, and what was lent.
// It holds secrets, and prints without them, as its Credentials do.
type Saved struct {
	Key         string // Loan.Key of the resolved loan
	Credentials Credentials
	Life        time.Duration // from their beginning to their end
	Skew        time.Duration // AWS's clock less the local one
}

// Save is all that is lent and not yet at its end, by key.
func (b *Broker) Save() []Saved {
	now := time.Now()
	b.mu.Lock()
	defer b.mu.Unlock()
	var list []Saved
	for key, l := range b.leases {
		if g := l.good.Load(); g != nil && l.gen.Load() == b.gen && g.left(now) > margin {
			list = append(list, Saved{Key: key, Credentials: g.creds, Life: max(g.life, g.creds.Expires.Sub(g.creds.Issued)), Skew: g.skew})
		}
	}
	slices.SortFunc(list, func(x, y Saved) int { return strings.Compare(x.Key, y.Key) })
	return list
}

// Restore takes back what Save gave, in another process perhaps, and returns how
// much of it is still of use. It is lent to callers of exactly the same loan and
// to nobody else; rules that were changed meanwhile make it worthless. Renewal
// goes by the time that is left, as if it had been lent here.
//
// Between two processes there is only the wall clock. What would by it be
// longer-lived than it ever was, since the clock was set back, is not taken.
func (b *Broker) Restore(list []Saved) int {
	now := time.Now()
	b.mu.Lock()
	defer b.mu.Unlock()
	n := 0
	for _, s := range list {
		g := s.revive(now)
		if g == nil {
			continue
		}
		n++
		if l := b.leases[s.Key]; l != nil {
			l.good.CompareAndSwap(nil, g)
			continue
		}
		// The names of the loan depend on its caller: it waits for one.
		if b.saved == nil {
			b.saved = make(map[string]*good)
		}
		b.saved[s.Key] = g
	}
	return n
}

// revive dates saved credentials anew, nil if they are of no use.
func (s *Saved) revive(now time.Time) *good {
	c := s.Credentials
	left := c.Expires.Sub(now.Round(0).Add(s.Skew))
	switch {
	case c.AccessKeyID == "" || c.SecretAccessKey == "" || c.SessionToken == "":
		return nil
	case left <= margin || s.Life <= margin || left > s.Life+slack:
		return nil
	}
	g := &good{creds: c, at: now, life: left, skew: s.Skew, floor: min(Promise, s.Life/2)}
	g.renew = max(s.Life/2, g.floor+s.Life/20)
	return g
}
