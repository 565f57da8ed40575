package broker

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"
)

// wait answers a caller whose lease holds nothing, or nothing with enough time
// left: with what the Lender is asked for now, or with the last good
// credentials if it does not answer in time. cached reports the latter.
func (b *Broker) wait(ctx context.Context, l *lease, now time.Time) (_ Credentials, cached bool, _ error) {
	l.mu.Lock()
	g := l.good.Load()
	if g != nil && g.left(now) >= g.floor { // somebody else was quicker
		l.mu.Unlock()
		return g.creds, true, nil
	}
	f := b.fetch(l, now, false)
	failed, retry := l.err, l.retry
	l.mu.Unlock()

	valid := g != nil && g.left(now) > margin
	switch {
	case f == nil && valid:
		return g.creds, true, nil
	case f == nil && failed == nil:
		return Credentials{}, false, b.stopped(l)
	case f == nil:
		return Credentials{}, true, failed.after(retry.Sub(now))
	}

	var patience <-chan time.Time
	if valid {
		// Patience counts from the start of the call: while one hangs, only its
		// first callers wait at all.
		t := time.NewTimer(b.opt.Patience - now.Sub(f.began))
		defer t.Stop()
		patience = t.C
	}
	var err error
	for done := false; !done; {
		select {
		case <-f.done:
			if f.err == nil {
				now = time.Now()
				if g := l.good.Load(); g.left(now) > margin {
					return g.creds, false, nil
				}
				return b.wait(ctx, l, now) // the host slept over them
			}
			err, done = f.err, true
		case <-patience:
			if now = time.Now(); g.left(now) > margin {
				return g.creds, true, nil
			}
			patience = nil // it ran out meanwhile: there is nothing but to wait
		case <-ctx.Done():
			err, done = ctx.Err(), true
		}
	}
	if g != nil && g.left(time.Now()) > margin {
		return g.creds, true, nil
	}
	return Credentials{}, false, err
}

// fetch is the flight under way for the lease, or a new one; nil if the Lender
// is to be left alone because it has just failed, or because Run has ended. For
// a renewal ahead of need it is nil, too, if the budget has nothing to spare.
// l.mu is held.
func (b *Broker) fetch(l *lease, now time.Time, ahead bool) *flight {
	if l.flight != nil {
		return l.flight
	}
	if l.err != nil && now.Before(l.retry) {
		return nil
	}
	if ahead && !b.budget.spare() {
		return nil
	}
	f := &flight{began: now, done: make(chan struct{})}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ctx.Err() != nil {
		return nil
	}
	l.flight = f
	b.flying.Go(func() { b.fly(l, f, ahead) })
	return f
}

// fly calls the Lender once and puts the answer into the lease. It runs in a
// goroutine of its own, under the broker's context: a caller that gives up ends
// its own waiting and nothing else.
func (b *Broker) fly(l *lease, f *flight, paid bool) {
	var creds Credentials
	var failed *LendError
	if !paid {
		if err := b.budget.wait(b.ctx); err != nil {
			failed = b.stopped(l)
		}
	}
	began := time.Now()
	if failed == nil {
		creds, failed = b.ask(l)
	}

	now := time.Now()
	var g *good
	if failed == nil {
		g = newGood(creds, began, now, rand.Float64())
		failed = g.check(&l.loan)
	}
	var e Event
	l.mu.Lock()
	if failed == nil {
		l.good.Store(g)
		l.fails, l.err = 0, nil
		e = Event{Outcome: Issued, AccessKeyID: creds.AccessKeyID, Expires: creds.Expires}
	} else {
		l.fails++
		pause := backoff(failed.Kind, l.fails)
		pause += time.Duration(rand.Float64() * 0.2 * float64(pause))
		failed = failed.after(max(pause, failed.RetryAfter))
		l.err, l.retry = failed, now.Add(failed.RetryAfter)
		e = Event{Outcome: NotIssued, Err: failed}
		if g := l.good.Load(); g != nil && g.left(now) > margin {
			e.AccessKeyID, e.Expires = g.creds.AccessKeyID, g.creds.Expires
		}
	}
	l.flight = nil
	l.mu.Unlock()

	// Told before anybody is answered, so that the audit is in order.
	if b.opt.Audit != nil {
		e.Time, e.Took = now, now.Sub(began)
		e.Role, e.SessionName = l.loan.Role, l.loan.SessionName
		b.opt.Audit(e)
	}
	f.err = failed
	close(f.done)
}

// ask calls the Lender within the time it has, and sorts what it answers.
func (b *Broker) ask(l *lease) (Credentials, *LendError) {
	ctx, cancel := context.WithTimeout(b.ctx, b.opt.Timeout)
	defer cancel()
	creds, err := b.lender.Lend(ctx, l.loan)
	if err == nil {
		return creds, nil
	}
	if b.ctx.Err() != nil {
		return Credentials{}, b.stopped(l)
	}
	var known *LendError
	if errors.As(err, &known) {
		e := *known
		if e.Role == "" {
			e.Role = l.loan.Role
		}
		return Credentials{}, &e
	}
	e := &LendError{Role: l.loan.Role, Kind: Failed, Err: err}
	if ctx.Err() != nil || errors.Is(err, context.DeadlineExceeded) {
		e.Kind = Unreachable
		e.Message = fmt.Sprintf("no answer from STS within %v", b.opt.Timeout)
		e.Cure = "check the network path to STS and its endpoint"
	}
	return Credentials{}, e
}

// stopped says that the broker's Run has ended.
func (b *Broker) stopped(l *lease) *LendError {
	return &LendError{Role: l.loan.Role, Kind: Unreachable, Message: "the broker has stopped", Cure: "start it again", RetryAfter: time.Second}
}

// check refuses what no caller could use.
func (g *good) check(l *Loan) *LendError {
	e := &LendError{Role: l.Role, Kind: Failed}
	c := &g.creds
	switch {
	case c.AccessKeyID == "" || c.SecretAccessKey == "" || c.SessionToken == "":
		e.Message = "the answer lacks part of the credentials"
		e.Cure = "check that the STS endpoint is one"
	case c.Expires.IsZero():
		e.Message = "the answer lacks the end of the credentials"
		e.Cure = "check that the STS endpoint is one"
	case g.life <= margin:
		e.Message = fmt.Sprintf("the answer's credentials end at %s, and it is %s", c.Expires.UTC().Format(time.RFC3339), g.at.UTC().Format(time.RFC3339))
		e.Cure = "set the clock of this host"
	default:
		return nil
	}
	return e
}

// after is a copy of the error that says how long it holds: the one in a lease
// is shared by all who are told of it.
func (e *LendError) after(d time.Duration) *LendError {
	c := *e
	c.RetryAfter = max(d, 0)
	return &c
}
