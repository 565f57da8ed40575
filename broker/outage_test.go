package broker

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestOutage(t *testing.T) {
	for _, kind := range []error{
		errors.New("connection refused"),
		&LendError{Kind: Throttled, Code: "Throttling", RetryAfter: 3 * time.Second},
		denied(),
	} {
		t.Run(fmt.Sprintf("%T %v", kind, kind), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				sts := &bank{}
				b := New(Rules{rule("web")}, sts, Options{})
				defer run(t, b)()
				first, err := b.Credentials(t.Context(), token("web"))
				if err != nil {
					t.Fatal(err)
				}
				sts.set(func(s *bank) { s.fail = kind })
				for time.Until(first.Expires) > margin+time.Second {
					time.Sleep(time.Second)
					got, err := b.Credentials(t.Context(), token("web"))
					if err != nil || got.AccessKeyID != first.AccessKeyID {
						t.Fatalf("with %v left: %v, %v", time.Until(first.Expires), got, err)
					}
				}
				time.Sleep(2 * time.Second)
				got, err := b.Credentials(t.Context(), token("web"))
				var lend *LendError
				if !errors.As(err, &lend) || got != (Credentials{}) {
					t.Fatalf("at the end of the session: %v, %v", got, err)
				}
				if lend.RetryAfter <= 0 || lend.RetryAfter > 6*time.Minute || lend.Role != first.RoleARN {
					t.Errorf("the error says %q and to come again in %v", lend.Role, lend.RetryAfter)
				}

				// It is over: whoever waits as told gets new ones.
				sts.set(func(s *bank) { s.fail = nil })
				time.Sleep(lend.RetryAfter)
				if l := left(t, b, token("web")); l < 59*time.Minute {
					t.Errorf("after the outage: %v left", l)
				}
			})
		})
	}
}

// A storm of callers whose role is denied is one call per step of the backoff.
func TestDeniedStorm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sts := &bank{fail: denied()}
		b := New(Rules{rule("web")}, sts, Options{})
		defer run(t, b)()
		began := time.Now()
		for time.Since(began) < 10*time.Minute {
			_, err := b.Credentials(t.Context(), token("web"))
			var lend *LendError
			if !errors.As(err, &lend) || lend.Kind != Denied || lend.RetryAfter <= 0 {
				t.Fatalf("got %v", err)
			}
			time.Sleep(20 * time.Millisecond)
		}
		// At 0, 5, 15, 35, 75, 155 and 315 s, each pause up to a fifth longer.
		if n := sts.count(); n != 7 {
			t.Errorf("%d calls in 10 minutes, want 7", n)
		}
	})
}

func TestRetryAfterIsHonoured(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sts := &bank{fail: &LendError{Kind: Throttled, RetryAfter: 90 * time.Second}}
		b := New(Rules{rule("web")}, sts, Options{})
		for range 89 {
			b.Credentials(t.Context(), token("web"))
			time.Sleep(time.Second)
		}
		if n := sts.count(); n != 1 {
			t.Errorf("%d calls within what STS asked to wait", n)
		}
	})
}

// While STS hangs, a valid credential is not held back: SDKs wait half a second.
func TestHangingSTS(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sts := &bank{}
		b := New(Rules{rule("web")}, sts, Options{})
		left(t, b, token("web"))
		time.Sleep(50 * time.Minute)
		sts.set(func(s *bank) { s.delay = time.Hour })

		began := time.Now()
		if l := left(t, b, token("web")); l != 10*time.Minute-400*time.Millisecond {
			t.Errorf("%v left", l)
		}
		if waited := time.Since(began); waited != 400*time.Millisecond {
			t.Errorf("the first caller waited %v", waited)
		}
		began = time.Now()
		left(t, b, token("web"))
		if waited := time.Since(began); waited > 0 {
			t.Errorf("the second caller waited %v", waited)
		}
		time.Sleep(35 * time.Second) // the call has run out of time
		began = time.Now()
		for range 100 {
			left(t, b, token("web"))
			time.Sleep(time.Second)
		}
		if waited := time.Since(began) - 100*time.Second; waited > 2*time.Second {
			t.Errorf("100 callers waited %v together", waited)
		}
	})
}

func TestHangingSTSWithNothingAtHand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := New(Rules{rule("web")}, &bank{delay: time.Hour}, Options{Timeout: 10 * time.Second})
		began := time.Now()
		_, err := b.Credentials(t.Context(), token("web"))
		var lend *LendError
		if !errors.As(err, &lend) || lend.Kind != Unreachable || time.Since(began) != 10*time.Second {
			t.Errorf("after %v: %v", time.Since(began), err)
		}
	})
}

func TestUselessAnswers(t *testing.T) {
	now := time.Now()
	whole := Credentials{AccessKeyID: "ASIAX", SecretAccessKey: "s", SessionToken: "t", Expires: now.Add(time.Hour)}
	tests := []struct {
		name string
		edit func(*Credentials)
		want string
	}{
		{"no key", func(c *Credentials) { c.AccessKeyID = "" }, "lacks part"},
		{"no secret", func(c *Credentials) { c.SecretAccessKey = "" }, "lacks part"},
		{"no token", func(c *Credentials) { c.SessionToken = "" }, "lacks part"},
		{"no end", func(c *Credentials) { c.Expires = time.Time{} }, "lacks the end"},
		{"dead on arrival", func(c *Credentials) { c.Expires = now.Add(10 * time.Second) }, "end at"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := whole
			tt.edit(&c)
			b := New(Rules{rule("web")}, LenderFunc(func(context.Context, Loan) (Credentials, error) { return c, nil }), Options{})
			got, err := b.Credentials(t.Context(), token("web"))
			if err == nil || !strings.Contains(err.Error(), tt.want) || got != (Credentials{}) {
				t.Errorf("got %v, %v; want an error with %q", got, err, tt.want)
			}
		})
	}
}

func TestBackoff(t *testing.T) {
	tests := []struct {
		kind Kind
		want [4]time.Duration // after the first, second, third and hundredth failure
	}{
		{Denied, [4]time.Duration{5 * time.Second, 10 * time.Second, 20 * time.Second, 5 * time.Minute}},
		{Invalid, [4]time.Duration{5 * time.Second, 10 * time.Second, 20 * time.Second, 5 * time.Minute}},
		{Expired, [4]time.Duration{2 * time.Second, 4 * time.Second, 8 * time.Second, 30 * time.Second}},
		{Throttled, [4]time.Duration{time.Second, 2 * time.Second, 4 * time.Second, time.Minute}},
		{Unreachable, [4]time.Duration{time.Second, 2 * time.Second, 4 * time.Second, time.Minute}},
		{Failed, [4]time.Duration{time.Second, 2 * time.Second, 4 * time.Second, time.Minute}},
	}
	for _, tt := range tests {
		got := [4]time.Duration{backoff(tt.kind, 1), backoff(tt.kind, 2), backoff(tt.kind, 3), backoff(tt.kind, 100)}
		if got != tt.want {
			t.Errorf("%v: pauses %v, want %v", tt.kind, got, tt.want)
		}
	}
}
