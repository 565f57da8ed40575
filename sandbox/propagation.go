package sandbox

import (
	"sync"
	"time"

	"github.com/mantle-iam/mantle/sandbox/internal/store"
)

// propagation makes changes of IAM count late, as they do on AWS (IAM User
// Guide, "Troubleshoot IAM", "Changes that I make are not always immediately
// visible"): what a call reads back is there at once, but keys, policies and
// trust are judged by the state of a while ago.
type propagation struct {
	delay time.Duration
	now   func() time.Time
	store *store.Store

	mu   sync.Mutex // guards the field below
	past []seen     // oldest first; the first is what counts at least
}

type seen struct {
	at     time.Time
	moment store.Moment
	stamp  uint64
}

// note remembers the state after a call.
func (p *propagation) note() {
	if p.delay == 0 {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	stamp := p.store.Revision()
	if n := len(p.past); n == 0 || p.past[n-1].stamp != stamp {
		p.past = append(p.past, seen{p.now(), p.store.Moment(), stamp})
	}
}

// settle makes everything that there is count at once.
func (p *propagation) settle() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.past = []seen{{time.Time{}, p.store.Moment(), p.store.Revision()}}
}

// visible is the state that counts now.
func (p *propagation) visible() store.Moment {
	if p.delay == 0 {
		return p.store.Moment()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	until := p.now().Add(-p.delay)
	for len(p.past) > 1 && !p.past[1].at.After(until) {
		p.past = p.past[1:]
	}
	if len(p.past) == 0 {
		return p.store.Moment()
	}
	return p.past[0].moment
}
