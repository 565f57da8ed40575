package agent_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mantle-iam/mantle/agent"
	"github.com/mantle-iam/mantle/broker"
)

func get(t *testing.T, c *http.Client, url string, headers ...string) (int, string) {
	t.Helper()
	r, err := http.NewRequest("GET", url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range headers {
		name, value, _ := strings.Cut(line, ": ")
		r.Header.Set(name, value)
	}
	resp, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	return resp.StatusCode, body(t, resp)
}

func client(t *testing.T) *http.Client {
	tr := &http.Transport{}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, Timeout: 5 * time.Second}
}

// byUID lends to users 1001 and 1002 a role each.
func byUID(_ context.Context, c broker.Caller) (broker.Credentials, error) {
	switch c.UID {
	case 1001:
		return credentials("arn:aws:iam::111122223333:role/one"), nil
	case 1002:
		return credentials("arn:aws:iam::111122223333:role/two"), nil
	}
	return broker.Credentials{}, &broker.RefusedError{Caller: c, Decision: broker.Decision{Reason: "no rule fits"}}
}

// kernel is an Identifier and a Checker whose word can change.
type kernel struct {
	uid              atomic.Int64
	asked, checked   atomic.Int64
	failing, stopped atomic.Bool
}

func (k *kernel) Identify(net.Conn) (broker.Caller, error) {
	k.asked.Add(1)
	if k.failing.Load() {
		return broker.Caller{}, errors.New("no such process")
	}
	return broker.Caller{UID: int(k.uid.Load()), PID: 42, How: broker.ByPeer}, nil
}

func (k *kernel) Check(_ net.Conn, c broker.Caller) error {
	k.checked.Add(1)
	if k.stopped.Load() {
		return errors.New("process 42 has ended")
	}
	return nil
}

// The kernel is asked once per connection, and a caller that is gone gets
// nothing on it.
func TestServeIdentity(t *testing.T) {
	k := new(kernel)
	k.uid.Store(1001)
	url := start(t, agent.NewECS(lend(byUID), nil, agent.ECSOptions{}), agent.ServeOptions{Identifier: k}) + "/v1/credentials"
	c := client(t)
	for range 3 {
		if status, text := get(t, c, url); status != 200 || !strings.Contains(text, "role/one") {
			t.Fatalf("status %d: %s", status, text)
		}
	}
	if asked, checked := k.asked.Load(), k.checked.Load(); asked != 1 || checked != 3 {
		t.Errorf("three requests on one connection: identified %d times and checked %d; want 1 and 3", asked, checked)
	}
	k.stopped.Store(true)
	if status, text := get(t, c, url); status != 403 || strings.Contains(text, "ASIA") || !strings.Contains(text, "process 42 has ended") {
		t.Errorf("a caller that is gone: status %d: %s", status, text)
	}
	// Whoever has the connection now is found anew.
	k.uid.Store(1002)
	k.stopped.Store(false)
	if status, text := get(t, c, url); status != 200 || !strings.Contains(text, "role/two") {
		t.Errorf("its successor: status %d: %s", status, text)
	}
	k.uid.Store(1003)
	if status, text := get(t, client(t), url); status != 403 || !strings.Contains(text, "no rule fits") {
		t.Errorf("a user without a rule: status %d: %s", status, text)
	}
}

// An Identifier that cannot check is asked once for every request.
func TestServeIdentifyAgain(t *testing.T) {
	var uid, asked atomic.Int64
	uid.Store(1001)
	id := identify(func(net.Conn) (broker.Caller, error) {
		asked.Add(1)
		return broker.Caller{UID: int(uid.Load()), PID: 42, How: broker.ByPeer}, nil
	})
	url := start(t, agent.NewECS(lend(byUID), nil, agent.ECSOptions{}), agent.ServeOptions{Identifier: id}) + "/v1/credentials"
	c := client(t)
	for i, tt := range []struct {
		uid    int64
		status int
		want   string
	}{{1001, 200, "role/one"}, {1002, 200, "role/two"}, {1003, 403, "no rule fits"}, {1001, 200, "role/one"}} {
		uid.Store(tt.uid)
		if status, text := get(t, c, url); status != tt.status || !strings.Contains(text, tt.want) {
			t.Errorf("user %d on the connection: status %d: %s", tt.uid, status, text)
		}
		if n := asked.Load(); n != int64(i+1) {
			t.Errorf("%d requests: identified %d times", i+1, n)
		}
	}
}

// A process that the kernel does not know yet is found on its next request.
func TestServeIdentifyLater(t *testing.T) {
	k := new(kernel)
	k.uid.Store(1001)
	k.failing.Store(true)
	url := start(t, agent.NewECS(lend(byUID), nil, agent.ECSOptions{}), agent.ServeOptions{Identifier: k}) + "/v1/credentials"
	c := client(t)
	if status, text := get(t, c, url); status != 403 || !strings.Contains(text, "no such process") {
		t.Errorf("unknown: status %d: %s", status, text)
	}
	k.failing.Store(false)
	if status, _ := get(t, c, url); status != 200 {
		t.Errorf("known: status %d", status)
	}
}

func TestServeAdmit(t *testing.T) {
	w := agent.NewWorkloads()
	alpha, beta := w.Add("alpha"), w.Add("beta")
	k := new(kernel)
	k.uid.Store(1001)
	admit := func(c broker.Caller) error {
		if c.UID != 1001 {
			return errors.New("this endpoint is user 1001's")
		}
		return nil
	}
	url := start(t, agent.NewECS(lend(byWorkload), w, agent.ECSOptions{}), agent.ServeOptions{Workload: "alpha", Identifier: k, Admit: admit}) + "/v1/credentials"
	for _, tt := range []struct {
		name    string
		uid     int64
		headers []string
		status  int
		want    string
	}{
		{"its user", 1001, nil, 200, "role/svc/alpha"},
		{"its user with a token", 1001, []string{"Authorization: " + alpha.Token()}, 200, "role/svc/alpha"},
		{"its user with another's token", 1001, []string{"Authorization: " + beta.Token()}, 403, "belongs to workload"},
		{"another user", 1002, nil, 403, "user 1001's"},
		{"another user with a token", 1002, []string{"Authorization: " + alpha.Token()}, 403, "user 1001's"},
	} {
		k.uid.Store(tt.uid)
		if status, text := get(t, client(t), url, tt.headers...); status != tt.status || !strings.Contains(text, tt.want) {
			t.Errorf("%s: status %d: %s", tt.name, status, text)
		}
	}
}

// A caller with many connections keeps nobody else out.
func TestServeConnectionLimit(t *testing.T) {
	id := identify(func(c net.Conn) (broker.Caller, error) {
		return broker.Caller{UID: 1001, PID: 1, How: broker.ByPeer}, nil
	})
	w := agent.NewWorkloads()
	alpha, beta := w.Add("alpha"), w.Add("beta")
	for _, tt := range []struct {
		name    string
		opt     agent.ServeOptions
		headers []string
		other   []string // of a caller with a budget of its own
	}{
		{"listener", agent.ServeOptions{Workload: "alpha"}, nil, nil},
		{"process", agent.ServeOptions{Identifier: id}, nil, nil},
		{"token", agent.ServeOptions{}, []string{"Authorization: " + alpha.Token()}, []string{"Authorization: " + beta.Token()}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.opt.MaxConnsPerCaller = 3
			b := always(credentials(testRole), nil)
			url := start(t, agent.NewECS(b, w, agent.ECSOptions{}), tt.opt) + "/v1/credentials"
			var held []*http.Client
			for range 3 {
				c := client(t)
				if status, text := get(t, c, url, tt.headers...); status != 200 {
					t.Fatalf("status %d: %s", status, text)
				}
				held = append(held, c)
			}
			if status, text := get(t, client(t), url, tt.headers...); status != 429 || !strings.Contains(text, "TooManyConnections") {
				t.Errorf("one more: status %d: %s", status, text)
			}
			if tt.other != nil {
				if status, _ := get(t, client(t), url, tt.other...); status != 200 {
					t.Errorf("another caller: status %d", status)
				}
			}
			if status, _ := get(t, held[0], url, tt.headers...); status != 200 {
				t.Errorf("a connection it has: status %d", status)
			}
			held[0].CloseIdleConnections()
			for wait := time.Now().Add(2 * time.Second); ; time.Sleep(time.Millisecond) {
				status, _ := get(t, client(t), url, tt.headers...)
				if status == 200 {
					break
				}
				if time.Now().After(wait) {
					t.Fatalf("after one was closed: status %d", status)
				}
			}
		})
	}
}

func TestServeMaxConns(t *testing.T) {
	url := start(t, agent.NewECS(always(credentials(testRole), nil), nil, agent.ECSOptions{}), agent.ServeOptions{Workload: "alpha", MaxConns: 2}) + "/v1/credentials"
	for range 2 {
		if status, _ := get(t, client(t), url); status != 200 {
			t.Fatalf("status %d", status)
		}
	}
	if r, err := client(t).Get(url); err == nil {
		t.Errorf("a third connection: status %d", r.StatusCode)
	}
}

// A request under way is answered when the server ends, and Serve returns.
func TestServeDrain(t *testing.T) {
	entered, release := make(chan struct{}), make(chan struct{})
	b := lend(func(context.Context, broker.Caller) (broker.Credentials, error) {
		close(entered)
		<-release
		return credentials(testRole), nil
	})
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		done <- agent.Serve(ctx, ln, agent.NewECS(b, nil, agent.ECSOptions{}), agent.ServeOptions{Workload: "alpha"})
	}()
	var wg sync.WaitGroup
	wg.Go(func() {
		if status, _ := get(t, client(t), "http://"+ln.Addr().String()+"/v1/credentials"); status != 200 {
			t.Errorf("status %d", status)
		}
	})
	<-entered
	cancel()
	// Only once the listener is closed does the broker answer.
	for {
		c, err := net.Dial("tcp", ln.Addr().String())
		if err != nil {
			break
		}
		c.Close()
		time.Sleep(time.Millisecond)
	}
	close(release)
	wg.Wait()
	if err := <-done; err != nil {
		t.Errorf("Serve: %v", err)
	}
}

func TestServeFails(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ln.Close()
	if err := agent.Serve(t.Context(), ln, http.NotFoundHandler(), agent.ServeOptions{}); err == nil || !strings.Contains(err.Error(), ln.Addr().String()) {
		t.Errorf("serving a closed listener: %v", err)
	}
}

// The broker hears of a client that hangs up while its role is being borrowed.
func TestServeHangUp(t *testing.T) {
	entered, left := make(chan struct{}), make(chan struct{})
	b := lend(func(ctx context.Context, c broker.Caller) (broker.Credentials, error) {
		close(entered)
		<-ctx.Done()
		close(left)
		return broker.Credentials{}, ctx.Err()
	})
	url := start(t, agent.NewECS(b, nil, agent.ECSOptions{}), agent.ServeOptions{Workload: "alpha"})
	c, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(c, "GET /v1/credentials HTTP/1.1\r\nHost: localhost\r\n\r\n")
	<-entered
	c.Close()
	select {
	case <-left:
	case <-time.After(5 * time.Second):
		t.Fatal("the broker was not told")
	}
}

// A request whose context has ended is not answered 200 without credentials.
func TestLate(t *testing.T) {
	ctx, cancel := context.WithCancel(agent.WithCaller(t.Context(), *listener("alpha")))
	cancel()
	b := lend(func(ctx context.Context, c broker.Caller) (broker.Credentials, error) {
		return broker.Credentials{}, ctx.Err()
	})
	v1 := func(broker.Caller) bool { return true }
	for _, tt := range []struct {
		h    http.Handler
		path string
	}{
		{agent.NewECS(b, nil, agent.ECSOptions{}), "/v1/credentials"},
		{agent.NewIMDS(b, agent.IMDSOptions{AllowV1: v1}), iamPath + "security-credentials/"},
		{agent.NewIMDS(b, agent.IMDSOptions{AllowV1: v1}), iamPath + "security-credentials/alpha"},
		{agent.NewIMDS(&planner{lend: b, role: testRole}, agent.IMDSOptions{AllowV1: v1}), iamPath + "security-credentials/alpha"},
	} {
		r := httptest.NewRequest("GET", tt.path, nil).WithContext(ctx)
		r.Host = "localhost"
		w := httptest.NewRecorder()
		tt.h.ServeHTTP(w, r)
		if w.Code != 503 || w.Header().Get("Retry-After") == "" || !strings.Contains(w.Body.String(), "in time") {
			t.Errorf("%T %s: status %d: %s", tt.h, tt.path, w.Code, w.Body)
		}
	}
}

// Answers of any size go out in one piece: nothing is chunked, and HEAD tells
// how long GET would be.
func TestServeLength(t *testing.T) {
	for _, size := range []int{10, 1500, 1800, 2100, 5000, 60000} {
		creds := credentials(testRole)
		creds.SessionToken = strings.Repeat("t", size)
		url := start(t, agent.NewECS(always(creds, nil), nil, agent.ECSOptions{}), agent.ServeOptions{Workload: "alpha"}) + "/v1/credentials"
		c := client(t)
		r, err := c.Get(url)
		if err != nil {
			t.Fatal(err)
		}
		if n := len(body(t, r)); r.ContentLength != int64(n) || n < size {
			t.Errorf("GET: %d bytes, Content-Length %d", n, r.ContentLength)
		}
		h, err := c.Head(url)
		if err != nil {
			t.Fatal(err)
		}
		if body(t, h); h.ContentLength != r.ContentLength {
			t.Errorf("HEAD: Content-Length %d, want %d", h.ContentLength, r.ContentLength)
		}
	}
}
