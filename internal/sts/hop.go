package sts

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/mantle-iam/mantle/broker"
)

const (
	// hopLife is asked for the sessions along a chain: AWS grants no more to a
	// role that a role assumes, and every role grants it.
	hopLife = broker.MaxChained

	// hopSpare is what must be left of a session to start from. What is made
	// with it outlives it.
	hopSpare = 5 * time.Minute

	// hopGrudge is for how long a hop that was refused is not asked for again,
	// so that a hundred loans that lead through it are one refusal to STS.
	hopGrudge = 5 * time.Second

	// manyHops is when to look for hops that are of no more use.
	manyHops = 256
)

// source is a set of credentials to call STS with.
type source struct {
	creds     aws.Credentials
	drop      func() // forgets them, because STS says they are dead
	renewable bool   // dropping them may bring better ones
}

// hop is the session of one role along a chain. The turn is held by whoever
// looks after it: a channel and not a mutex, so that those who wait can leave.
type hop struct {
	turn  chan struct{} // holds one token while nobody looks after the hop
	creds broker.Credentials
	began time.Time         // local time, with its monotonic clock, of creds
	life  time.Duration     // of creds
	err   *broker.LendError // the last refusal, until retry
	retry time.Time
}

// way leads through the roles of the chain and answers with the credentials of
// the last, or with the base credentials if there is none.
func (c *Client) way(ctx context.Context, region string, chain []broker.Hop) (*source, *broker.LendError) {
	from, err := c.start(ctx)
	if err != nil {
		return nil, err
	}
	var key strings.Builder
	key.WriteString(region)
	for i := range chain {
		step := &chain[i]
		fmt.Fprintf(&key, "\n%q %q %q", step.Role, step.ExternalID, step.SessionName)
		if from, err = c.step(ctx, region, key.String(), from, step); err != nil {
			if err.Hop == "" {
				err.Hop = step.Role
			}
			return nil, err
		}
	}
	return from, nil
}

// start is where every way starts: the credentials of mantle itself.
func (c *Client) start(ctx context.Context) (*source, *broker.LendError) {
	if c.base == nil {
		return nil, noBase(fmt.Errorf("there are no credentials to start from"))
	}
	creds, err := c.base.Retrieve(ctx)
	if err != nil {
		if ctx.Err() != nil {
			return nil, &broker.LendError{
				Kind: broker.Unreachable, Err: err,
				Message: "the credentials to start from did not come in time",
				Cure:    "check the source of the base credentials",
			}
		}
		return nil, noBase(err)
	}
	if creds.Expired() {
		return nil, noBase(fmt.Errorf("the credentials to start from (%s) expired at %s", creds.AccessKeyID, creds.Expires.UTC().Format(time.RFC3339)))
	}
	from := &source{creds: creds, drop: func() {}}
	if cache, ok := c.base.(interface{ Invalidate() }); ok {
		from.drop, from.renewable = cache.Invalidate, true
	}
	return from, nil
}

// step is the session of one more role, kept or new.
func (c *Client) step(ctx context.Context, region, key string, from *source, step *broker.Hop) (*source, *broker.LendError) {
	c.mu.Lock()
	h := c.hops[key]
	if h == nil {
		c.prune()
		h = &hop{turn: make(chan struct{}, 1)}
		h.turn <- struct{}{}
		c.hops[key] = h
	}
	c.mu.Unlock()

	select {
	case <-h.turn:
	case <-ctx.Done():
		return nil, &broker.LendError{
			Hop: step.Role, Kind: broker.Unreachable, Err: ctx.Err(),
			Message: "no answer from STS in time",
			Cure:    "check the network path to STS and its endpoint",
		}
	}
	defer func() { h.turn <- struct{}{} }()

	now := time.Now()
	if h.usable(now) {
		return c.sourceOf(key, h), nil
	}
	if h.err != nil && now.Before(h.retry) {
		e := *h.err
		e.RetryAfter = max(e.RetryAfter, h.retry.Sub(now))
		return nil, &e
	}
	in := &sts.AssumeRoleInput{
		RoleArn:         aws.String(step.Role),
		RoleSessionName: aws.String(step.SessionName),
		DurationSeconds: aws.Int32(int32(hopLife / time.Second)),
	}
	if step.ExternalID != "" {
		in.ExternalId = aws.String(step.ExternalID)
	}
	creds, err := c.assume(ctx, region, from.creds, in)
	if err != nil {
		if err.Kind == broker.Expired {
			from.drop()
		}
		if err.Kind == broker.Denied || err.Kind == broker.Invalid {
			h.err, h.retry = err, now.Add(hopGrudge)
		}
		e := *err
		return nil, &e
	}
	h.creds, h.began, h.err = creds, now, nil
	issued := creds.Issued
	if issued.IsZero() {
		issued = now.Round(0)
	}
	h.life = creds.Expires.Sub(issued)
	return c.sourceOf(key, h), nil
}

// prune forgets hops that hold nothing of use, once there are many: session
// names may hold words that differ from caller to caller. c.mu is held.
func (c *Client) prune() {
	if len(c.hops) < manyHops {
		return
	}
	now := time.Now()
	for key, h := range c.hops {
		select {
		case <-h.turn:
			if !h.usable(now) {
				delete(c.hops, key)
			}
			h.turn <- struct{}{}
		default: // in use
		}
	}
}

// usable reports whether enough is left of the session, by the clock that
// promises least: neither a step of the wall clock nor a suspended host makes it
// look younger than it is.
func (h *hop) usable(now time.Time) bool {
	if h.creds.AccessKeyID == "" {
		return false
	}
	left := min(h.life-now.Sub(h.began), h.life-now.Round(0).Sub(h.began.Round(0)))
	return left > hopSpare
}

// sourceOf hands out the session of a hop. Its turn is held.
func (c *Client) sourceOf(key string, h *hop) *source {
	return &source{
		creds: aws.Credentials{
			AccessKeyID:     h.creds.AccessKeyID,
			SecretAccessKey: h.creds.SecretAccessKey,
			SessionToken:    h.creds.SessionToken,
			Source:          "mantle",
		},
		renewable: true,
		drop: func() {
			c.mu.Lock()
			defer c.mu.Unlock()
			if c.hops[key] == h {
				delete(c.hops, key)
			}
		},
	}
}
