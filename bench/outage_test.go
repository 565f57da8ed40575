package bench

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mantle-iam/mantle/agent"
	"github.com/mantle-iam/mantle/broker"
)

// host is a broker that renews and the endpoint in front of it, in a test's
// bubble of time.
type host struct {
	handler http.Handler
	calls   atomic.Int64
	fail    atomic.Pointer[broker.LendError] // what STS answers; nil is credentials
}

func newHost(t *testing.T) *host {
	h := new(host)
	lender := broker.LenderFunc(func(ctx context.Context, l broker.Loan) (broker.Credentials, error) {
		n := h.calls.Add(1)
		time.Sleep(200 * time.Millisecond)
		if err := h.fail.Load(); err != nil {
			failed := *err
			return broker.Credentials{}, &failed
		}
		now := time.Now()
		return broker.Credentials{
			AccessKeyID: "ASIA" + string(rune('A'+n%26)), SecretAccessKey: "s", SessionToken: "t",
			RoleARN: l.Role, AccountID: "111122223333", Issued: now, Expires: now.Add(l.Life()),
		}, nil
	})
	b := broker.New(broker.Rules{{Name: "alpha", Loan: broker.Loan{Role: role}}}, lender, broker.Options{})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- b.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	h.handler = agent.NewECS(b, nil, agent.ECSOptions{})
	return h
}

// ask returns the status and how long the credentials in the answer last.
func (h *host) ask(t *testing.T) (status int, left time.Duration) {
	t.Helper()
	r := httptest.NewRequest("GET", "/v1/credentials", nil)
	r.Host = "localhost"
	r = r.WithContext(agent.WithCaller(r.Context(), broker.Caller{Workload: "alpha", UID: -1, PID: -1, How: broker.ByListener}))
	w := httptest.NewRecorder()
	h.handler.ServeHTTP(w, r)
	var got struct{ Expiration time.Time }
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	return w.Code, time.Until(got.Expiration)
}

// A day of a workload that asks every minute: every answer has the time left
// that SDKs need, and STS is called about twice an hour.
func TestDay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHost(t)
		least := time.Hour
		for range 24 * 60 {
			status, left := h.ask(t)
			if status != http.StatusOK {
				t.Fatalf("status %d", status)
			}
			least = min(least, left)
			time.Sleep(time.Minute)
		}
		// Over instance metadata botocore stretches what has less than 25 minutes.
		if least < 25*time.Minute {
			t.Errorf("an answer had %v left, want 25 minutes or more", least)
		}
		if n := h.calls.Load(); n < 40 || n > 60 {
			t.Errorf("%d calls of STS in a day, want about 48", n)
		}
	})
}

// STS is down for longer than a session lasts: every answer is good until the
// last credentials end, none is expired, and after the outage all is well
// within the broker's longest pause.
func TestOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHost(t)
		if status, _ := h.ask(t); status != http.StatusOK {
			t.Fatalf("status %d", status)
		}
		time.Sleep(10 * time.Minute)
		h.fail.Store(&broker.LendError{Role: role, Kind: broker.Unreachable, Message: "no answer"})
		_, left := h.ask(t)
		end := time.Now().Add(left)
		for time.Now().Before(end.Add(-20 * time.Second)) {
			status, left := h.ask(t)
			if status != http.StatusOK || left <= 0 {
				t.Fatalf("%v before the end: status %d, %v left", time.Until(end), status, left)
			}
			time.Sleep(5 * time.Second)
		}
		time.Sleep(time.Until(end))
		before := h.calls.Load()
		for range 60 {
			if status, _ := h.ask(t); status != http.StatusServiceUnavailable {
				t.Fatalf("after the end: status %d, want 503", status)
			}
			time.Sleep(time.Minute)
		}
		if n := h.calls.Load() - before; n > 60 {
			t.Errorf("%d calls of STS in an hour of its outage", n)
		}
		h.fail.Store(nil)
		time.Sleep(5*time.Minute + time.Second)
		h.ask(t) // whoever asks first may still be told of the last failure
		time.Sleep(time.Second)
		if status, left := h.ask(t); status != http.StatusOK || left < 50*time.Minute {
			t.Errorf("after the outage: status %d, %v left", status, left)
		}
	})
}

// A role that AWS denies, asked for every second for an hour.
func TestDenialStorm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHost(t)
		h.fail.Store(&broker.LendError{Role: role, Kind: broker.Denied, Code: "AccessDenied", Message: "not allowed"})
		for range 60 * 60 {
			if status, _ := h.ask(t); status != http.StatusForbidden {
				t.Fatalf("status %d, want 403", status)
			}
			time.Sleep(time.Second)
		}
		// 5 s, 10 s, 20 s … 5 minutes apart: some eighteen in an hour.
		if n := h.calls.Load(); n > 30 {
			t.Errorf("%d calls of STS in an hour of denials", n)
		}
	})
}
