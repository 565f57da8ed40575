package broker

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestClockOfAWS(t *testing.T) {
	for _, clock := range []time.Duration{-7 * time.Minute, 7 * time.Minute, 20 * time.Hour, -20 * time.Hour} {
		t.Run(clock.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				sts := &bank{clock: clock}
				b := New(Rules{rule("web")}, sts, Options{})
				for range 300 {
					c, err := b.Credentials(t.Context(), token("web"))
					if err != nil {
						t.Fatal(err)
					}
					if l := c.Expires.Sub(time.Now().Add(clock)); l < Promise {
						t.Fatalf("handed out with %v left by AWS's clock", l)
					}
					time.Sleep(time.Minute)
				}
				if n := sts.count(); n > 10 {
					t.Errorf("%d calls in 5 hours", n)
				}
			})
		})
	}
}

// The host's clock is stepped, or the host sleeps, while credentials are held.
// The skew of the held ones stands for the step: it is what the wall clock is
// off by from then on.
func TestClockStep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sts := &bank{}
		b := New(Rules{rule("web")}, sts, Options{})
		step := func(d time.Duration) {
			l := b.book.Load().fixed[0]
			g := *l.good.Load()
			g.skew += d
			l.good.Store(&g)
		}
		first, _ := b.Credentials(t.Context(), token("web"))

		step(2 * time.Hour) // suspended for two hours: the monotonic clock stood still
		second, err := b.Credentials(t.Context(), token("web"))
		if err != nil || second.AccessKeyID == first.AccessKeyID {
			t.Fatalf("after two hours of sleep: %v, %v", second, err)
		}

		step(-2 * time.Hour) // the wall clock is set back
		time.Sleep(61 * time.Minute)
		third, err := b.Credentials(t.Context(), token("web"))
		if err != nil || third.AccessKeyID == second.AccessKeyID {
			t.Fatalf("61 minutes later by the monotonic clock: %v, %v", third, err)
		}

		step(2 * time.Hour)
		sts.set(func(s *bank) { s.fail = denied() })
		if c, err := b.Credentials(t.Context(), token("web")); err == nil {
			t.Errorf("expired credentials handed out: %v", c)
		}
	})
}

func TestLeft(t *testing.T) {
	noon := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	tests := []struct {
		name    string
		elapsed time.Duration // by the monotonic clock
		wall    time.Time
		want    time.Duration
	}{
		{"new", 0, noon, time.Hour},
		{"half", 30 * time.Minute, noon.Add(30 * time.Minute), 30 * time.Minute},
		{"suspended", time.Minute, noon.Add(50 * time.Minute), 10 * time.Minute},
		{"set back", 50 * time.Minute, noon.Add(-3 * time.Hour), 10 * time.Minute},
		{"set ahead", 10 * time.Minute, noon.Add(3 * time.Hour), -2 * time.Hour},
	}
	for _, tt := range tests {
		if got := leftOf(time.Hour, tt.elapsed, noon.Add(time.Hour), tt.wall); got != tt.want {
			t.Errorf("%s: %v left, want %v", tt.name, got, tt.want)
		}
	}
}
