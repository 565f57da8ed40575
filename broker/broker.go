package broker

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// Options of a Broker. The zero value is fit for production.
type Options struct {
	// Host fills {host} and {instance_id} in names.
	Host Host

	// Audit, if set, is called for every loan and refusal before the caller is
	// answered, and for every call of the Lender. It must be quick and may be
	// called by many goroutines at once.
	Audit func(Event)

	// Patience is how long a caller waits for a renewal while valid credentials
	// with little time left are at hand. 0 means 400 ms: SDKs wait half a second
	// to a second for an answer, and then believe there are no credentials.
	Patience time.Duration

	// Timeout bounds one call of the Lender. 0 means 30 s.
	Timeout time.Duration

	// Idle is how long after it was last asked for a loan is still renewed, so
	// that workloads that have ended cost nothing. 0 means 90 minutes. It is
	// never less than the life of the session, since an SDK may not ask for so
	// long.
	Idle time.Duration

	// CallsPerSecond and Burst are the budget of Lender calls. 0 means 50 a
	// second and 100 at once; STS grants 600 a second to all of an account's
	// callers in a region.
	CallsPerSecond float64
	Burst          int
}

// Broker lends roles to callers. Its methods may be called by many goroutines.
type Broker struct {
	lender Lender
	opt    Options
	budget *budget
	epoch  time.Time // what leases count their last use from

	book atomic.Pointer[book]

	ctx  context.Context // ends with Run; every call of the Lender is made under it
	stop context.CancelFunc

	mu     sync.Mutex        // guards the fields below
	leases map[string]*lease // by Loan.Key
	saved  map[string]*good  // restored, and waiting for a caller, by Loan.Key
	gen    uint64            // counts Replace
	flying sync.WaitGroup    // calls of the Lender; added to under mu while ctx lives
}

// New makes a Broker. It starts nothing: Run renews ahead of need, and without
// it loans are renewed when they are asked for. It does not judge the rules:
// Rules.Validate does.
func New(rules Rules, lender Lender, opt Options) *Broker {
	if opt.Patience <= 0 {
		opt.Patience = 400 * time.Millisecond
	}
	if opt.Timeout <= 0 {
		opt.Timeout = 30 * time.Second
	}
	if opt.Idle <= 0 {
		opt.Idle = 90 * time.Minute
	}
	if opt.CallsPerSecond <= 0 {
		opt.CallsPerSecond = 50
	}
	if opt.Burst <= 0 {
		opt.Burst = 100
	}
	b := &Broker{
		lender: lender,
		opt:    opt,
		budget: newBudget(opt.CallsPerSecond, opt.Burst),
		epoch:  time.Now(),
		leases: make(map[string]*lease),
	}
	b.ctx, b.stop = context.WithCancel(context.Background())
	b.Replace(rules)
	return b
}

// Replace puts other rules in the place of the present ones. Callers that ask
// from now on are judged by the new rules; loans that both lend keep their
// credentials; loans that only the old rules lend are no longer renewed, and
// nobody gets them. (AWS goes on accepting what was handed out before, until it
// expires.)
func (b *Broker) Replace(rules Rules) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.gen++
	b.book.Store(newBook(rules, b.opt.Host, b.leaseLocked))
}

// leaseFor is the one lease of a resolved loan.
func (b *Broker) leaseFor(l Loan) *lease {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.leaseLocked(l)
}

func (b *Broker) leaseLocked(loan Loan) *lease {
	key := loan.Key()
	l := b.leases[key]
	if l == nil {
		l = &lease{loan: loan, key: key}
		if g := b.saved[key]; g != nil {
			l.good.Store(g)
			delete(b.saved, key)
		}
		b.leases[key] = l
	}
	l.gen.Store(b.gen)
	return l
}

// Decide is the decision the broker takes for a caller, with the placeholders
// of the loan filled in. It asks nobody and lends nothing.
func (b *Broker) Decide(c Caller) Decision {
	d := b.book.Load().rules.Decide(c)
	if !d.Granted() {
		return d
	}
	l, err := d.Loan.Resolve(d.Rule, c, b.opt.Host)
	if err != nil {
		return Decision{Reason: err.Error()}
	}
	d.Loan = l
	return d
}

// Credentials answers a caller with valid credentials, with a *RefusedError,
// with a *LendError, or with ctx's error if that ends first.
//
// While the Lender answers, what it returns has Promise left, or half of its
// life if that is shorter. While it does not, it is the last that was had, until
// 15 s before its end.
func (b *Broker) Credentials(ctx context.Context, c Caller) (Credentials, error) {
	began := time.Now()
	k := b.book.Load()
	i := k.find(&c)
	if i < 0 {
		return Credentials{}, b.refuse(c, "", k.rules.reason(c), began)
	}
	l, reason := k.lease(i, &c, b.opt.Host, b.leaseFor)
	if l == nil {
		return Credentials{}, b.refuse(c, k.rules[i].Name, reason, began)
	}
	l.touch(b.epoch, began)

	var creds Credentials
	var err error
	var took time.Duration
	cached := false
	if g := l.good.Load(); g != nil && g.left(began) >= g.floor {
		creds, cached = g.creds, true
	} else {
		creds, cached, err = b.wait(ctx, l, began)
		took = time.Since(began)
	}

	if b.opt.Audit != nil {
		e := Event{
			Time: began, Caller: c, Rule: k.rules[i].Name,
			Role: l.loan.Role, SessionName: l.loan.SessionName,
			AccessKeyID: creds.AccessKeyID, Expires: creds.Expires,
			Cached: cached, Took: took, Err: err,
		}
		if err != nil {
			e.Outcome = NotLent
		}
		b.opt.Audit(e)
	}
	return creds, err
}

// Prefetch has the credentials of a caller made before it asks, and does not
// wait for them: whoever starts a workload calls it, since SDKs give up after a
// second. The error is a *RefusedError.
func (b *Broker) Prefetch(c Caller) error {
	began := time.Now()
	k := b.book.Load()
	i := k.find(&c)
	if i < 0 {
		return &RefusedError{Caller: c, Decision: Decision{Reason: k.rules.reason(c)}}
	}
	l, reason := k.lease(i, &c, b.opt.Host, b.leaseFor)
	if l == nil {
		return &RefusedError{Caller: c, Decision: Decision{Reason: reason}}
	}
	l.touch(b.epoch, began)
	if g := l.good.Load(); g == nil || g.left(began) < g.floor {
		l.mu.Lock()
		b.fetch(l, began, false)
		l.mu.Unlock()
	}
	return nil
}

func (b *Broker) refuse(c Caller, rule, reason string, began time.Time) error {
	err := &RefusedError{Caller: c, Decision: Decision{Reason: reason}}
	if b.opt.Audit != nil {
		b.opt.Audit(Event{Time: began, Outcome: Refused, Caller: c, Rule: rule, Cached: true, Err: err})
	}
	return err
}

// touch notes that the loan was asked for.
func (l *lease) touch(epoch, now time.Time) {
	// Only the first caller in a second writes: a store would take the line
	// from all other cores.
	if s := int64(now.Sub(epoch) / time.Second); l.used.Load() != s {
		l.used.Store(s)
	}
}
