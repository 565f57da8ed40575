package agent_test

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mantle-iam/mantle/agent"
	"github.com/mantle-iam/mantle/broker"
)

// lend is a Broker that is a function.
// brokerCaller keeps tables short.
type brokerCaller = broker.Caller

type lend func(context.Context, broker.Caller) (broker.Credentials, error)

func (f lend) Credentials(ctx context.Context, c broker.Caller) (broker.Credentials, error) {
	return f(ctx, c)
}

const (
	testRole   = "arn:aws:iam::111122223333:role/svc/alpha"
	testSecret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
)

func credentials(role string) broker.Credentials {
	now := time.Now()
	return broker.Credentials{
		AccessKeyID: "ASIAIOSFODNN7EXAMPLE", SecretAccessKey: testSecret, SessionToken: "IQoJb3JpZ2luX2VjEXAMPLE==",
		RoleARN: role, AccountID: "111122223333", Issued: now, Expires: now.Add(time.Hour),
	}
}

// byWorkload lends a role named for the workload, and to nobody else.
func byWorkload(_ context.Context, c broker.Caller) (broker.Credentials, error) {
	if c.Workload == "" {
		return broker.Credentials{}, &broker.RefusedError{Caller: c, Decision: broker.Decision{Reason: "no rule fits"}}
	}
	return credentials("arn:aws:iam::111122223333:role/svc/" + c.Workload), nil
}

// always is a Broker with one answer.
func always(creds broker.Credentials, err error) lend {
	return func(context.Context, broker.Caller) (broker.Credentials, error) { return creds, err }
}

// lines is a log that tests read.
type lines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) { l.mu.Lock(); defer l.mu.Unlock(); return l.b.Write(p) }
func (l *lines) String() string              { l.mu.Lock(); defer l.mu.Unlock(); return l.b.String() }
func (l *lines) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(l, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// start serves h on a loopback port until the test ends and returns its URL.
func start(t testing.TB, h http.Handler, opt agent.ServeOptions) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- agent.Serve(ctx, ln, h, opt) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	return "http://" + ln.Addr().String()
}

// request asks a handler, as a server would that knows the caller who; nil is a
// caller it does not know. Headers are "Name: value".
func request(h http.Handler, who *broker.Caller, method, target string, headers ...string) *http.Response {
	r := httptest.NewRequest(method, "/", nil)
	r.RequestURI = target
	if u, err := r.URL.Parse(target); err == nil {
		r.URL = u
	}
	r.Host = "localhost"
	for _, line := range headers {
		name, value, _ := strings.Cut(line, ": ")
		if name == "Host" {
			r.Host = value
			continue
		}
		r.Header.Add(name, value)
	}
	if who != nil {
		r = r.WithContext(agent.WithCaller(r.Context(), *who))
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

func body(t testing.TB, r *http.Response) string {
	t.Helper()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	r.Body.Close()
	return string(b)
}

func listener(workload string) *broker.Caller {
	return &broker.Caller{Workload: workload, UID: -1, PID: -1, How: broker.ByListener}
}

// identify is an Identifier that is a function.
type identify func(net.Conn) (broker.Caller, error)

func (f identify) Identify(c net.Conn) (broker.Caller, error) { return f(c) }
