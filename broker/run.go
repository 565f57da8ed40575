package broker

import (
	"cmp"
	"context"
	"slices"
	"time"
)

// Run looks over the leases as often as they need, at most once a second and at
// least every ten: often enough for the shortest session STS makes (15 minutes),
// and to notice soon that the host was suspended.
const (
	quickLook = time.Second
	slowLook  = 10 * time.Second
)

// Run renews loans ahead of need until ctx ends: at half of their life or up to
// a tenth of it earlier, so that loans made together are not renewed together.
// It forgets loans that nobody has asked for in Options.Idle.
//
// When ctx ends, so do the calls of the Lender; Run waits for them and returns
// nil. From then on the broker answers from what it has and lends nothing new,
// so Run is called once.
func (b *Broker) Run(ctx context.Context) error {
	t := time.NewTimer(0)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			b.mu.Lock()
			b.stop() // under mu: no flight starts after it
			b.mu.Unlock()
			b.flying.Wait()
			return nil
		case <-t.C:
			t.Reset(min(max(b.look(time.Now()), quickLook), slowLook))
		}
	}
}

// look starts the renewals that are due and answers how long until the next.
func (b *Broker) look(now time.Time) time.Duration {
	k := b.book.Load()
	b.mu.Lock()
	gen := b.gen
	all := make([]*lease, 0, len(b.leases))
	for _, l := range b.leases {
		all = append(all, l)
	}
	b.mu.Unlock()

	next := slowLook
	gone := make(map[*lease]bool)
	var due []*lease
	for _, l := range all {
		idle := now.Sub(b.epoch) - time.Duration(l.used.Load())*time.Second
		g := l.good.Load()
		if g == nil {
			// Callers ask for what there never was; nobody else does.
			if idle > b.opt.Idle {
				gone[l] = true
			}
			continue
		}
		left := g.left(now)
		if idle > max(b.opt.Idle, g.life) || l.gen.Load() != gen {
			if left <= margin {
				gone[l] = true
			}
			continue
		}
		if left > g.renew {
			next = min(next, left-g.renew)
			continue
		}
		due = append(due, l)
	}

	// Who ends first is renewed first, in case the budget does not suffice.
	slices.SortFunc(due, func(x, y *lease) int {
		return cmp.Compare(x.good.Load().left(now), y.good.Load().left(now))
	})
	for _, l := range due {
		l.mu.Lock()
		started := l.flight != nil || b.fetch(l, now, true) != nil
		if l.err != nil && now.Before(l.retry) {
			next = min(next, l.retry.Sub(now))
		} else if !started {
			next = quickLook
		}
		l.mu.Unlock()
	}
	b.forget(k, gone)
	return next
}

// forget removes leases that are of no more use. Those the book holds for its
// rules stay: there is one per rule at most.
func (b *Broker) forget(k *book, gone map[*lease]bool) {
	if len(gone) == 0 {
		return
	}
	for _, l := range k.fixed {
		delete(gone, l)
	}
	b.mu.Lock()
	for l := range gone {
		delete(b.leases, l.key)
	}
	b.mu.Unlock()
	k.drop(gone)
}

// Standing is how one loan stands.
type Standing struct {
	Role, SessionName string

	// AccessKeyID and Expires of the last credentials, Left what is left of them
	// by the clock that promises least; zero if there are none.
	AccessKeyID string
	Expires     time.Time
	Left        time.Duration

	// Idle is for how long nobody has asked.
	Idle time.Duration

	// Err is the last failure since the last success, nil if there was none. Its
	// RetryAfter counts from now.
	Err *LendError
}

// Standings tells of all loans that were asked for, by role and session name.
func (b *Broker) Standings() []Standing {
	now := time.Now()
	b.mu.Lock()
	all := make([]*lease, 0, len(b.leases))
	for _, l := range b.leases {
		all = append(all, l)
	}
	b.mu.Unlock()

	var list []Standing
	for _, l := range all {
		s := Standing{Role: l.loan.Role, SessionName: l.loan.SessionName}
		s.Idle = now.Sub(b.epoch) - time.Duration(l.used.Load())*time.Second
		l.mu.Lock()
		failed, retry, flying := l.err, l.retry, l.flight != nil
		l.mu.Unlock()
		if failed != nil {
			s.Err = failed.after(retry.Sub(now))
		}
		g := l.good.Load()
		if g == nil && failed == nil && !flying {
			continue // a rule that nobody has used
		}
		if g != nil {
			s.AccessKeyID, s.Expires, s.Left = g.creds.AccessKeyID, g.creds.Expires, max(g.left(now), 0)
		}
		list = append(list, s)
	}
	slices.SortFunc(list, func(x, y Standing) int {
		return cmp.Or(cmp.Compare(x.Role, y.Role), cmp.Compare(x.SessionName, y.SessionName))
	})
	return list
}
