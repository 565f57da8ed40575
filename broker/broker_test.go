package broker

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// bank is a Lender with an account of what it did. Its clock may be off from
// ours, its answers may take their time and fail.
type bank struct {
	mu    sync.Mutex // guards the fields below
	calls int
	by    map[string]int // calls by session name

	life  time.Duration // of a session; 0 means what the loan asks for
	delay time.Duration // of an answer
	clock time.Duration // how far the bank's clock is ahead of ours
	fail  error         // what it answers instead
}

func (b *bank) Lend(ctx context.Context, l Loan) (Credentials, error) {
	b.mu.Lock()
	b.calls++
	n := b.calls
	if b.by == nil {
		b.by = make(map[string]int)
	}
	b.by[l.SessionName]++
	delay, fail, life, clock := b.delay, b.fail, b.life, b.clock
	b.mu.Unlock()
	if delay > 0 {
		select {
		case <-time.After(delay):
		case <-ctx.Done():
			return Credentials{}, ctx.Err()
		}
	}
	if fail != nil {
		return Credentials{}, fail
	}
	if life == 0 {
		life = l.Life()
	}
	now := time.Now().Add(clock)
	return Credentials{
		AccessKeyID: fmt.Sprintf("ASIA%016d", n), SecretAccessKey: "very-secret", SessionToken: "token-secret",
		Issued: now, Expires: now.Add(life), RoleARN: l.Role, AccountID: "111122223333",
	}, nil
}

// set changes how the bank behaves from now on.
func (b *bank) set(f func(*bank)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	f(b)
}

func (b *bank) count() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.calls
}

// names is the number of calls by session name.
func (b *bank) names() map[string]int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return maps.Clone(b.by)
}

func denied() error {
	return &LendError{Kind: Denied, Code: "AccessDenied", Message: "User: x is not authorized to perform: sts:AssumeRole"}
}

func rule(name string) Rule {
	return Rule{Name: name, Loan: Loan{Role: "arn:aws:iam::111122223333:role/" + name}}
}

func token(workload string) Caller { return Caller{Workload: workload, UID: -1, PID: -1, How: ByToken} }

// run runs the broker until the returned function is called.
func run(t *testing.T, b *Broker) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := b.Run(ctx); err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	return func() { cancel(); wg.Wait() }
}

// left asks for credentials and tells how long they last.
func left(t *testing.T, b *Broker, c Caller) time.Duration {
	t.Helper()
	creds, err := b.Credentials(t.Context(), c)
	if err != nil {
		t.Fatalf("at %v: %v", time.Now().UTC().Format(time.TimeOnly), err)
	}
	return time.Until(creds.Expires)
}

func TestColdCallersMakeOneCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sts := &bank{delay: 500 * time.Millisecond}
		b := New(Rules{rule("web")}, sts, Options{})
		began := time.Now()
		keys := make(map[string]int)
		var mu sync.Mutex
		var wg sync.WaitGroup
		for range 1000 {
			wg.Go(func() {
				c, err := b.Credentials(t.Context(), token("web"))
				if err != nil {
					t.Error(err)
				}
				mu.Lock()
				keys[c.AccessKeyID]++
				mu.Unlock()
			})
		}
		wg.Wait()
		if n := sts.count(); n != 1 || len(keys) != 1 {
			t.Errorf("%d calls, %d sets of credentials; want one of each", n, len(keys))
		}
		if took := time.Since(began); took != 500*time.Millisecond {
			t.Errorf("took %v, want what the one call takes", took)
		}
	})
}

// kiam's first caller took everybody with it.
func TestFirstCallerGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sts := &bank{delay: time.Second}
		b := New(Rules{rule("web")}, sts, Options{})
		hasty, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		var wg sync.WaitGroup
		wg.Go(func() {
			if _, err := b.Credentials(hasty, token("web")); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("the hasty caller got %v", err)
			}
		})
		synctest.Wait()
		wg.Go(func() {
			if _, err := b.Credentials(t.Context(), token("web")); err != nil {
				t.Errorf("the patient caller got %v", err)
			}
		})
		wg.Wait()
		if n := sts.count(); n != 1 {
			t.Errorf("%d calls, want 1", n)
		}
	})
}

func TestExternalIDsAreApart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sts := &bank{}
		var rules Rules
		for _, id := range []string{"", "tenant-1", "tenant-2"} {
			r := rule("shared")
			r.Name, r.Loan.ExternalID, r.Loan.SessionName = "workload"+id, id, "same"
			rules = append(rules, r)
		}
		b := New(rules, sts, Options{})
		seen := make(map[string]bool)
		for _, r := range rules {
			for range 2 {
				c, err := b.Credentials(t.Context(), token(r.Name))
				if err != nil {
					t.Fatal(err)
				}
				seen[c.AccessKeyID] = true
			}
		}
		if len(seen) != 3 || sts.count() != 3 {
			t.Errorf("%d sets of credentials of %d calls; want one for each external id", len(seen), sts.count())
		}
	})
}

func TestEqualLoansAreShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sts := &bank{}
		a, c := rule("web"), rule("web")
		a.Loan.SessionName, c.Loan.SessionName = "same", "same"
		c.Name = "web2"
		b := New(Rules{a, c}, sts, Options{})
		left(t, b, token("web"))
		left(t, b, token("web2"))
		if n := sts.count(); n != 1 {
			t.Errorf("%d calls for two rules that lend the same; want 1", n)
		}
	})
}

// A session name is evidence, and MSK closes connections whose name changes.
func TestSessionNameIsStable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sts := &bank{}
		for range 2 { // a restart
			b := New(Rules{rule("web")}, sts, Options{Host: Host{Name: "box"}})
			stop := run(t, b)
			for range 5 {
				left(t, b, token("web"))
				time.Sleep(time.Hour)
			}
			stop()
		}
		if by := sts.names(); len(by) != 1 || by["web@box"] < 8 {
			t.Errorf("session names %v, want web@box only", by)
		}
	})
}

func TestPlaceholdersOfTheCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sts := &bank{}
		r := rule("jobs")
		r.Match, r.Loan.SessionName = Match{Unit: "job@*.service"}, "{uid}"
		b := New(Rules{r}, sts, Options{})
		for pid := range 10 {
			for _, uid := range []int{1001, 1002} {
				left(t, b, Caller{UID: uid, PID: pid, Exe: fmt.Sprint("/bin/", pid), Unit: "job@1.service", How: ByPeer})
			}
		}
		if by := sts.names(); len(by) != 2 || by["1001"] != 1 || by["1002"] != 1 {
			t.Errorf("calls by session name: %v; want one for each uid", by)
		}
		_, err := b.Credentials(t.Context(), Caller{Workload: "jobs", UID: -1, How: ByToken})
		var refused *RefusedError
		if !errors.As(err, &refused) || !strings.Contains(err.Error(), "{uid}") {
			t.Errorf("a caller without a uid: %v", err)
		}
	})
}

func TestDecideFillsPlaceholders(t *testing.T) {
	b := New(Rules{rule("web")}, &bank{}, Options{Host: Host{Name: "box"}})
	if d := b.Decide(token("web")); !d.Granted() || d.Loan.SessionName != "web@box" {
		t.Errorf("Decide = %+v", d)
	}
	if d := b.Decide(token("x")); d.Granted() {
		t.Errorf("Decide = %+v", d)
	}
}

// TestRace is for the race detector: everything at once on real threads.
func TestRace(t *testing.T) {
	sts := &bank{}
	r := rule("web")
	r.Match, r.Loan.SessionName = Match{UID: new(7)}, "{exe}"
	rules := Rules{r, rule("db")}
	b := New(rules, sts, Options{Burst: 1000, Audit: func(Event) {}})
	stop := run(t, b)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for j := range 200 {
				if _, err := b.Credentials(t.Context(), Caller{UID: 7, PID: 1, Exe: fmt.Sprint("/bin/", j%5), How: ByPeer}); err != nil {
					t.Error(err)
				}
				b.Credentials(t.Context(), token("db"))
				if j%50 == i {
					b.Replace(rules)
					b.Standings()
					b.look(time.Now())
				}
			}
		})
	}
	wg.Wait()
	stop()
	if n := sts.count(); n != 6 {
		t.Errorf("%d calls for 6 loans", n)
	}
}
