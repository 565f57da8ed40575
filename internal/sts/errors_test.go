package sts

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mantle-iam/mantle/broker"
)

func TestErrorsAreSorted(t *testing.T) {
	user := "User: arn:aws:iam::111122223333:user/Bob is not authorized to perform: "
	tests := []struct {
		name  string
		fault fault
		kind  broker.Kind
		want  []string // parts of the error's text
		calls int
	}{
		{"denied", fault{status: 403, code: "AccessDenied", message: user + "sts:AssumeRole on resource: " + arn("web")}, broker.Denied,
			[]string{"borrow " + arn("web") + ": AccessDenied: User", "trust policy of " + arn("web") + " must allow sts:AssumeRole to arn:aws:iam::111122223333:user/Bob",
				"external id", "sts:TagSession as well", "sts:SetSourceIdentity as well"}, 1},
		{"denied to tag", fault{status: 403, code: "AccessDenied", message: user + "sts:TagSession on resource: " + arn("web")}, broker.Denied,
			[]string{"must allow sts:TagSession to"}, 1},
		{"expired", fault{status: 403, code: "ExpiredToken", message: "The security token included in the request is expired"}, broker.Expired, []string{"log in again"}, 1},
		{"unknown key", fault{status: 403, code: "InvalidClientTokenId", message: "The security token included in the request is invalid."}, broker.Expired, []string{"access key exists"}, 1},
		{"wrong secret", fault{status: 403, code: "SignatureDoesNotMatch", message: "The request signature we calculated does not match"}, broker.Invalid, []string{"check the secret key"}, 0},
		{"duration", fault{status: 400, code: "ValidationError", message: "The requested DurationSeconds exceeds the MaxSessionDuration set for this role."}, broker.Invalid, []string{"MaxSessionDuration at most"}, 1},
		{"session policy", fault{status: 400, code: "MalformedPolicyDocument", message: "Syntax errors in policy."}, broker.Invalid, []string{"correct the session policy"}, 1},
		{"packed", fault{status: 400, code: "PackedPolicyTooLarge", message: "Packed policy consumes 112% of allotted space, please use smaller policy."}, broker.Invalid, []string{"fewer session tags"}, 1},
		{"region", fault{status: 403, code: "RegionDisabledException", message: "STS is not activated in this region"}, broker.Invalid, []string{"activate STS"}, 1},
		{"throttled", fault{status: 400, code: "Throttling", message: "Rate exceeded"}, broker.Throttled, []string{"Rate exceeded"}, 3},
		{"too many", fault{status: 429, code: "WhateverItIs", message: "slow"}, broker.Throttled, []string{"slow"}, 1},
		{"failure", fault{status: 500, code: "InternalFailure", message: "We encountered an internal error."}, broker.Unreachable, []string{"STS itself has failed"}, 3},
		{"unavailable", fault{status: 503, raw: "<html>down</html>"}, broker.Unreachable, []string{"STS"}, 3},
		{"not STS", fault{status: 407, raw: "<html>who are you?</html>"}, broker.Unreachable, []string{"407"}, 1},
		{"something new", fault{status: 400, code: "TooWarm", message: "Open a window."}, broker.Failed, []string{"TooWarm: Open a window."}, 1},
		{"a new refusal", fault{status: 403, code: "NotOnSundays", message: "No."}, broker.Denied, []string{"NotOnSundays"}, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				sts := &service{fail: func(call) *fault { return &tt.fault }}
				c := New(base(sts), Options{})
				_, err := c.Lend(t.Context(), broker.Loan{
					Role: arn("web"), SessionName: "web", ExternalID: "ext", SourceIdentity: "me", Tags: map[string]string{"k": "v"},
				})
				var e *broker.LendError
				if !errors.As(err, &e) || e.Kind != tt.kind || e.Code != tt.fault.code && tt.fault.code != "" {
					t.Fatalf("got %v (%#v), want %v", err, e, tt.kind)
				}
				for _, want := range tt.want {
					if !strings.Contains(err.Error(), want) {
						t.Errorf("error %q\nlacks %q", err, want)
					}
				}
				if n := len(sts.seen()); tt.calls > 0 && n != tt.calls {
					t.Errorf("%d calls, want %d", n, tt.calls)
				}
			})
		})
	}
}

func TestRetryAfterOfSTS(t *testing.T) {
	tests := []struct {
		header, value string
		want          time.Duration
	}{
		{"Retry-After", "7", 7 * time.Second},
		{"Retry-After", "86400", 5 * time.Minute},
		{"Retry-After", "soon", 0},
		{"X-Amz-Retry-After", "1500", 1500 * time.Millisecond},
	}
	for _, tt := range tests {
		h := http.Header{}
		h.Set(tt.header, tt.value)
		if got := retryAfter(h); got != tt.want {
			t.Errorf("%s: %s is %v, want %v", tt.header, tt.value, got, tt.want)
		}
	}
	synctest.Test(t, func(t *testing.T) {
		sts := &service{fail: func(call) *fault {
			return &fault{status: 429, code: "TooManyRequestsException", message: "slow", header: map[string]string{"Retry-After": "7"}}
		}}
		_, err := New(base(sts), Options{Attempts: 1}).Lend(t.Context(), broker.Loan{Role: arn("web"), SessionName: "web"})
		var e *broker.LendError
		if !errors.As(err, &e) || e.RetryAfter != 7*time.Second {
			t.Errorf("got %v, to come again in %v", err, e.RetryAfter)
		}
	})
}

// What AWS says of a wrong clock is put into words that help. The SDK corrects
// the signature and tries again, so it has to be wrong twice to be seen.
func TestWrongClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sts := &service{clock: 8 * time.Minute, fail: func(call) *fault {
			return &fault{status: 403, code: "SignatureDoesNotMatch", message: "Signature expired: 20261122T060000Z is now earlier than 20261122T060300Z (20261122T060800Z - 5 min.)"}
		}}
		_, err := New(base(sts), Options{Attempts: 1}).Lend(t.Context(), broker.Loan{Role: arn("web"), SessionName: "web"})
		var e *broker.LendError
		if !errors.As(err, &e) || e.Kind != broker.Invalid || e.Cure != "set the clock of this host: it is 8m0s slow" {
			t.Errorf("got %v", err)
		}
	})
}

// One try that never ends does not use up the time of the others.
func TestHangingAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first := true
		sts := &service{fail: func(call) *fault {
			if first {
				first = false
				return &fault{hang: time.Hour}
			}
			return nil
		}}
		began := time.Now()
		lend(t, New(base(sts), Options{}), broker.Loan{Role: arn("web")})
		if took := time.Since(began); took < 5*time.Second || took > 7*time.Second {
			t.Errorf("took %v, want the 5 s of an attempt and a little", took)
		}
	})
}

func TestNoAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sts := &service{fail: func(call) *fault { return &fault{hang: time.Hour} }}
		began := time.Now()
		_, err := New(base(sts), Options{}).Lend(t.Context(), broker.Loan{Role: arn("web"), SessionName: "web"})
		var e *broker.LendError
		if !errors.As(err, &e) || e.Kind != broker.Unreachable || e.Message != "no answer from STS in time" {
			t.Errorf("got %v", err)
		}
		if took := time.Since(began); len(sts.seen()) != 3 || took > 20*time.Second {
			t.Errorf("%d attempts in %v", len(sts.seen()), took)
		}
	})
}

func TestUnreachable(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	endpoint := "http://" + ln.Addr().String()
	ln.Close()
	_, err = New(base(nil), Options{Endpoint: endpoint, Attempts: 1}).Lend(t.Context(), broker.Loan{Role: arn("web"), SessionName: "web"})
	var e *broker.LendError
	if !errors.As(err, &e) || e.Kind != broker.Unreachable || !strings.Contains(err.Error(), "connection refused") || strings.Contains(err.Error(), "operation error") {
		t.Errorf("got %v", err)
	}

	resolver := doer(func(*http.Request) (*http.Response, error) {
		return nil, &net.DNSError{Err: "no such host", Name: "sts.eu-wset-1.amazonaws.com", IsNotFound: true}
	})
	_, err = New(base(resolver), Options{Attempts: 1}).Lend(t.Context(), broker.Loan{Role: arn("web"), SessionName: "web"})
	if !errors.As(err, &e) || e.Kind != broker.Unreachable || !strings.Contains(err.Error(), "sts.eu-wset-1.amazonaws.com, does not resolve") {
		t.Errorf("got %v", err)
	}
}

type doer func(*http.Request) (*http.Response, error)

func (f doer) Do(r *http.Request) (*http.Response, error) { return f(r) }

// Broker and Client together: an outage of STS is not one of the workloads.
func TestWithBroker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sts := &service{}
		b := broker.New(broker.Rules{{Name: "web", Loan: broker.Loan{Role: arn("web")}}}, New(base(sts), Options{}), broker.Options{Host: broker.Host{Name: "box"}})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- b.Run(ctx) }()
		who := broker.Caller{Workload: "web", UID: -1, PID: -1, How: broker.ByToken}
		for i := range 180 {
			if i == 90 {
				sts.set(func(s *service) {
					s.fail = func(call) *fault { return &fault{status: 503, code: "ServiceUnavailable", message: "down"} }
				})
			}
			if i == 110 {
				sts.set(func(s *service) { s.fail = nil })
			}
			c, err := b.Credentials(t.Context(), who)
			if err != nil {
				t.Fatalf("minute %d: %v", i, err)
			}
			if left := time.Until(c.Expires); left < 5*time.Minute || i < 90 && left < broker.Promise {
				t.Fatalf("minute %d: %v left", i, left)
			}
			time.Sleep(time.Minute)
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		for i, call := range sts.seen() {
			if call.Get("RoleSessionName") != "web@box" {
				t.Errorf("call %d has session name %q", i, call.Get("RoleSessionName"))
			}
		}
	})
}

func ExampleClient_Lend() {
	no := &service{fail: func(call) *fault {
		return &fault{status: 403, code: "AccessDenied", message: "User: arn:aws:iam::111122223333:user/dev is not authorized to perform: sts:AssumeRole on resource: arn:aws:iam::111122223333:role/web"}
	}}
	_, err := New(base(no), Options{}).Lend(context.Background(), broker.Loan{Role: "arn:aws:iam::111122223333:role/web", SessionName: "web"})
	fmt.Println(strings.ReplaceAll(err.Error(), " (", "\n("))
	// Output:
	// borrow arn:aws:iam::111122223333:role/web: AccessDenied: User: arn:aws:iam::111122223333:user/dev is not authorized to perform: sts:AssumeRole on resource: arn:aws:iam::111122223333:role/web
	// (the trust policy of arn:aws:iam::111122223333:role/web must allow sts:AssumeRole to arn:aws:iam::111122223333:user/dev, and so must the caller's own policies unless it is named there as a principal of the same account; check that the role exists)
}
