package broker

import (
	"context"
	"sync"
	"time"
)

// budget is a token bucket over the calls of the Lender: it holds at most burst
// tokens and regains rate of them a second.
type budget struct {
	rate, burst float64

	mu     sync.Mutex // guards the fields below
	tokens float64    // negative while callers are waiting their turn
	at     time.Time  // when tokens was true
}

func newBudget(rate float64, burst int) *budget {
	return &budget{rate: rate, burst: float64(burst), tokens: float64(burst), at: time.Now()}
}

// refill brings the tokens up to now. b.mu is held.
func (b *budget) refill() {
	now := time.Now()
	if d := now.Sub(b.at); d > 0 {
		b.tokens = min(b.burst, b.tokens+d.Seconds()*b.rate)
		b.at = now
	}
}

// spare takes a token if there is no need to hurry those who wait for one: at
// least half of the burst must be at hand.
func (b *budget) spare() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.refill()
	if b.tokens < max(1, b.burst/2) {
		return false
	}
	b.tokens--
	return true
}

// wait takes a token, first come first served. It fails only if ctx ends.
func (b *budget) wait(ctx context.Context) error {
	b.mu.Lock()
	b.refill()
	b.tokens--
	short := -b.tokens
	b.mu.Unlock()
	if short <= 0 {
		return ctx.Err()
	}
	t := time.NewTimer(time.Duration(short / b.rate * float64(time.Second)))
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
