package broker

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// What every answer holds while STS is up, whatever the length of the session,
// and what it costs.
func TestADayOfRenewals(t *testing.T) {
	tests := []struct {
		life     time.Duration
		promise  time.Duration
		maxCalls int
	}{
		{15 * time.Minute, 7*time.Minute + 30*time.Second, 24 * 11},
		{40 * time.Minute, 20 * time.Minute, 24 * 4},
		{time.Hour, 30 * time.Minute, 24*60/24 + 1},
		{12 * time.Hour, 6 * time.Hour, 6},
	}
	for _, tt := range tests {
		t.Run(tt.life.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				sts := &bank{life: tt.life, delay: 200 * time.Millisecond}
				b := New(Rules{rule("web")}, sts, Options{})
				defer run(t, b)()
				left(t, b, token("web"))
				for range 24 * 60 {
					time.Sleep(time.Minute)
					began := time.Now()
					if l := left(t, b, token("web")); l < tt.promise-slowLook {
						t.Fatalf("handed out with %v left, want %v", l, tt.promise)
					}
					if waited := time.Since(began); waited > 0 {
						t.Fatalf("a warm caller waited %v", waited)
					}
				}
				if n := sts.count(); n > tt.maxCalls {
					t.Errorf("%d calls in a day, want %d at most", n, tt.maxCalls)
				}
			})
		})
	}
}

// Without Run, a caller renews for itself and those with it.
func TestRenewalOnDemand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sts := &bank{}
		b := New(Rules{rule("web")}, sts, Options{})
		left(t, b, token("web"))
		for range 200 {
			time.Sleep(time.Minute)
			if l := left(t, b, token("web")); l < Promise {
				t.Fatalf("handed out with %v left", l)
			}
		}
		if n := sts.count(); n > 6 {
			t.Errorf("%d calls for 200 minutes of one-hour sessions, want 6 at most", n)
		}
	})
}

// A dead workload costs nothing for ever.
func TestIdleLoansAreNotRenewed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sts := &bank{}
		r := rule("web")
		r.Match, r.Loan.SessionName = Match{Exe: "/usr/bin/*"}, "{exe}"
		b := New(Rules{r}, sts, Options{Burst: 300})
		defer run(t, b)()
		for i := range 200 {
			left(t, b, Caller{UID: 1, PID: 2, Exe: fmt.Sprintf("/usr/bin/job%d", i), How: ByPeer})
		}
		time.Sleep(4 * time.Hour)
		if n := sts.count(); n > 200*5 {
			t.Errorf("%d calls for 200 sessions nobody asked for again", n)
		}
		n := sts.count()
		time.Sleep(24 * time.Hour)
		if got := sts.count(); got != n {
			t.Errorf("%d calls for sessions idle since yesterday", got-n)
		}
		b.mu.Lock()
		held := len(b.leases) + len(b.book.Load().varied)
		b.mu.Unlock()
		if held != 0 {
			t.Errorf("%d of them are still held", held)
		}
		left(t, b, Caller{UID: 1, PID: 2, Exe: "/usr/bin/job7", How: ByPeer})
	})
}

func TestUnusedRulesCostNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sts := &bank{}
		b := New(Rules{rule("web"), rule("db")}, sts, Options{})
		defer run(t, b)()
		time.Sleep(6 * time.Hour)
		if n := sts.count(); n != 0 || len(b.Standings()) != 0 {
			t.Errorf("%d calls and %v, though nobody asked", n, b.Standings())
		}
		left(t, b, token("web"))
	})
}

func TestBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sts := &bank{}
		var rules Rules
		for i := range 300 {
			rules = append(rules, rule(fmt.Sprintf("w%03d", i)))
		}
		b := New(rules, sts, Options{})
		defer run(t, b)()
		began := time.Now()
		var wg sync.WaitGroup
		for _, r := range rules {
			wg.Go(func() { left(t, b, token(r.Name)) })
		}
		wg.Wait()
		if took := time.Since(began).Round(100 * time.Millisecond); took != 4*time.Second {
			t.Errorf("300 cold roles took %v; want 4s, 100 at once and 50 a second", took)
		}

		// The renewals spread, and leave half of the burst to who cannot wait.
		most := 0
		for range 2 * 60 * 60 {
			n := sts.count()
			time.Sleep(time.Second)
			most = max(most, sts.count()-n)
			for _, r := range rules[:3] {
				left(t, b, token(r.Name))
			}
		}
		if most > 50 {
			t.Errorf("%d renewals in one second", most)
		}
	})
}

func TestReplace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sts := &bank{}
		b := New(Rules{rule("web"), rule("db")}, sts, Options{})
		defer run(t, b)()
		before, _ := b.Credentials(t.Context(), token("web"))
		left(t, b, token("db"))

		b.Replace(Rules{rule("web")})
		after, err := b.Credentials(t.Context(), token("web"))
		if err != nil || after.AccessKeyID != before.AccessKeyID {
			t.Errorf("a rule that stays: %v, %v; want the credentials it had", after, err)
		}
		var refused *RefusedError
		if _, err := b.Credentials(t.Context(), token("db")); !errors.As(err, &refused) {
			t.Errorf("a rule that went: %v", err)
		}
		time.Sleep(3 * time.Hour)
		if n := sts.names()["db"]; n != 1 {
			t.Errorf("%d calls for the rule that went, want the first alone", n)
		}
		if len(b.Standings()) != 1 {
			t.Errorf("standings %v, want that of web", b.Standings())
		}
	})
}

func TestPrefetch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sts := &bank{delay: 2 * time.Second}
		b := New(Rules{rule("web")}, sts, Options{})
		began := time.Now()
		if err := b.Prefetch(token("web")); err != nil || time.Since(began) > 0 {
			t.Errorf("Prefetch took %v: %v", time.Since(began), err)
		}
		time.Sleep(3 * time.Second)
		began = time.Now()
		left(t, b, token("web"))
		if waited := time.Since(began); waited > 0 || sts.count() != 1 {
			t.Errorf("the first caller waited %v, for %d calls", waited, sts.count())
		}
		var refused *RefusedError
		if err := b.Prefetch(token("nobody")); !errors.As(err, &refused) {
			t.Errorf("Prefetch for nobody: %v", err)
		}
	})
}

func TestRunEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sts := &bank{}
		b := New(Rules{rule("web"), rule("db")}, sts, Options{})
		stop := run(t, b)
		left(t, b, token("web"))
		sts.set(func(s *bank) { s.delay = time.Hour })
		var wg sync.WaitGroup
		wg.Go(func() {
			if _, err := b.Credentials(t.Context(), token("db")); err == nil {
				t.Error("credentials of a call that was cut off")
			}
		})
		synctest.Wait()
		began := time.Now()
		stop()
		wg.Wait()
		if took := time.Since(began); took > 0 {
			t.Errorf("Run took %v to end", took)
		}
		left(t, b, token("web"))
		time.Sleep(2 * time.Hour)
		n := sts.count()
		if _, err := b.Credentials(t.Context(), token("web")); err == nil || sts.count() != n {
			t.Errorf("after Run: %v and %d calls", err, sts.count()-n)
		}
	})
}

// All renewals fall due at once, as after a long sleep of the host: they take
// half of the burst, and a caller that has nothing yet is served at once.
func TestRenewalsLeaveRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sts := &bank{}
		var rules Rules
		for i := range 301 {
			rules = append(rules, rule(fmt.Sprintf("w%03d", i)))
		}
		b := New(rules, sts, Options{})
		for _, r := range rules[:300] {
			left(t, b, token(r.Name))
		}
		time.Sleep(time.Minute)
		for _, l := range b.book.Load().fixed[:300] {
			g := *l.good.Load()
			g.skew += 31 * time.Minute
			l.good.Store(&g)
		}
		n := sts.count()
		if next := b.look(time.Now()); next != quickLook {
			t.Errorf("the next look is in %v, want %v", next, quickLook)
		}
		synctest.Wait()
		if got := sts.count() - n; got != 51 {
			t.Errorf("%d renewals at once; want 51, which leaves 49 of 100", got)
		}
		began := time.Now()
		left(t, b, token("w300"))
		left(t, b, token("w299"))
		if waited := time.Since(began); waited > 0 {
			t.Errorf("a cold caller and a warm one waited %v", waited)
		}
		stop := run(t, b)
		time.Sleep(10 * time.Second)
		stop()
		if got := sts.count() - n; got != 301 {
			t.Errorf("%d calls in 10 s, want the 300 renewals and one", got)
		}
	})
}

func TestRunWaitsForTheLender(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		done := false
		b := New(Rules{rule("web")}, LenderFunc(func(ctx context.Context, _ Loan) (Credentials, error) {
			<-ctx.Done()
			time.Sleep(time.Second) // it tidies up
			done = true
			return Credentials{}, ctx.Err()
		}), Options{})
		stop := run(t, b)
		if err := b.Prefetch(token("web")); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		stop()
		if !done {
			t.Error("Run ended before the call of the Lender")
		}
	})
}
