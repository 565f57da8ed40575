package broker

import (
	"sync"
	"sync/atomic"
	"time"
)

const (
	// Promise is what is left, at least, of the credentials that a caller gets
	// while the Lender answers. SDKs renew with less than that left (the
	// earliest, botocore, Java v1 and .NET, at 15 minutes), and botocore's IMDS
	// reader does worse: what has less than 15 minutes and a random 2 to 10 left
	// it takes for an outage, and uses past its end (botocore utils.py,
	// IMDSFetcher). Sessions shorter than twice the promise keep half of their
	// life.
	Promise = 25 * time.Minute

	// margin is how long before their end credentials are no longer handed out:
	// a request signed with them has to arrive in time.
	margin = 15 * time.Second

	// slack is by how much the clocks of AWS and of this host may differ, as
	// far as can be told: the Date header has whole seconds.
	slack = 2 * time.Second
)

// lease is the cache of one loan: what was last lent, and whoever is fetching
// more. All callers whose loans have the same key share one lease.
//
// The broker owns it. Readers take the last credentials without a lock; only a
// caller that needs the Lender, and the flight that calls it, take mu.
type lease struct {
	loan Loan // resolved
	key  string

	good atomic.Pointer[good] // the last credentials; nil if there never were any
	used atomic.Int64         // when last asked for, in seconds since the broker's epoch
	gen  atomic.Uint64        // generation of the last rules that led here

	mu     sync.Mutex // guards the fields below; taken before Broker.mu
	flight *flight    // the call of the Lender under way, nil if none
	fails  int        // failures since the last success
	err    *LendError // the last failure, nil after a success
	retry  time.Time  // when to ask again after a failure
}

// flight is one call of the Lender and everybody who waits for it.
type flight struct {
	began time.Time
	done  chan struct{} // closed when err is set and the lease updated
	err   *LendError
}

// good is a set of credentials and what is known of its time. It is immutable.
type good struct {
	creds Credentials
	at    time.Time     // local time, wall and monotonic, at which its life began
	life  time.Duration // from its beginning to its end
	skew  time.Duration // AWS's clock less the local one, 0 if within slack
	floor time.Duration // with less left, a caller waits for new ones
	renew time.Duration // with less left, Run renews
}

// newGood dates credentials that were asked for at began and had at now. jitter,
// in [0,1), spreads the renewals of loans that began together.
func newGood(c Credentials, began, now time.Time, jitter float64) *good {
	g := &good{creds: c, at: began}
	if c.Issued.IsZero() {
		g.creds.Issued = now.Round(0)
	}
	if g.skew = g.creds.Issued.Sub(now.Round(0)); g.skew.Abs() <= slack {
		g.skew = 0
	}
	g.life = c.Expires.Sub(now.Round(0).Add(g.skew))
	g.floor = min(Promise, g.life/2)
	// At half-life or up to a tenth of the life before; for a short session a
	// twentieth earlier still, to be done before callers would have to wait.
	g.renew = max(g.life/2, g.floor+g.life/20) + time.Duration(jitter*float64(g.life/10))
	return g
}

// left is how much longer AWS accepts the credentials. Two clocks are asked and
// the pessimist believed: the monotonic one, which no step of the wall clock
// moves, and the wall clock, which goes on while the host is suspended.
func (g *good) left(now time.Time) time.Duration {
	return leftOf(g.life, now.Sub(g.at), g.creds.Expires, now.Add(g.skew))
}

func leftOf(life, elapsed time.Duration, expires, wall time.Time) time.Duration {
	return min(life-elapsed, expires.Sub(wall.Round(0)))
}

// backoff is how long to leave the Lender alone after the n-th failure in a row,
// counted from 1.
func backoff(k Kind, n int) time.Duration {
	first, most := time.Second, time.Minute
	switch k {
	case Denied, Invalid:
		// Only a change of policy helps, and one takes some seconds to spread.
		first, most = 5*time.Second, 5*time.Minute
	case Expired:
		// Somebody has to log in, and will want to see it work.
		first, most = 2*time.Second, 30*time.Second
	}
	for ; n > 1 && first < most; n-- {
		first *= 2
	}
	return min(first, most)
}
