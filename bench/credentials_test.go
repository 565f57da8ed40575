package bench

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mantle-iam/mantle/agent"
	"github.com/mantle-iam/mantle/broker"
)

const (
	role        = "arn:aws:iam::111122223333:role/alpha"
	connections = 16
)

// sts is a Lender that takes a while, counts its calls and lends for an hour.
type sts struct {
	calls atomic.Int64
	takes time.Duration
}

func (s *sts) Lend(ctx context.Context, l broker.Loan) (broker.Credentials, error) {
	n := s.calls.Add(1)
	select {
	case <-time.After(s.takes):
	case <-ctx.Done():
		return broker.Credentials{}, ctx.Err()
	}
	now := time.Now()
	return broker.Credentials{
		AccessKeyID: fmt.Sprintf("ASIAIOSFODNN7%07d", n), SecretAccessKey: strings.Repeat("s", 40),
		SessionToken: strings.Repeat("IQoJb3Jp", 100), // STS's are of some 800 bytes
		RoleARN:      l.Role, AccountID: "111122223333", Issued: now, Expires: now.Add(time.Hour),
	}, nil
}

// serve serves on a loopback port until the test ends.
func serve(t testing.TB, f func(context.Context, net.Listener) error) (addr string) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- f(ctx, ln) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return ln.Addr().String()
}

// world is an agent with a broker that audits, and a bare handler with the same
// answer.
type world struct {
	container, metadata, static string // addresses
	grant                       *agent.Grant
	sts                         *sts
	audited                     atomic.Int64
	plain                       bool // callers are known without a token
}

func newWorld(t testing.TB, takes time.Duration) *world {
	w := &world{sts: &sts{takes: takes}}
	// Other workloads are there too: finding the one is part of the work.
	rules := broker.Rules{{Name: "alpha", Loan: broker.Loan{Role: role}}}
	grants := agent.NewWorkloads()
	for i := range 100 {
		name := "other" + strconv.Itoa(i)
		rules = append(rules, broker.Rule{Name: name, Loan: broker.Loan{Role: role + name}})
		grants.Add(name)
	}
	w.grant = grants.Add("alpha")
	b := broker.New(rules, w.sts, broker.Options{Audit: func(e broker.Event) {
		if e.Outcome == broker.Lent {
			w.audited.Add(1)
		}
	}})
	const many = 2000 // connections of one caller
	w.container = serve(t, func(ctx context.Context, ln net.Listener) error {
		return agent.Serve(ctx, ln, agent.NewECS(b, grants, agent.ECSOptions{}), agent.ServeOptions{MaxConnsPerCaller: many})
	})
	w.metadata = serve(t, func(ctx context.Context, ln net.Listener) error {
		return agent.Serve(ctx, ln, agent.NewIMDS(b, agent.IMDSOptions{AllowV1: func(broker.Caller) bool { return true }}),
			agent.ServeOptions{Workload: "alpha", MaxConnsPerCaller: many})
	})
	return w
}

// warm fetches credentials once, and starts a bare server of the same answer.
func (w *world) warm(t testing.TB) {
	c := dial(t, w.container)
	defer c.Close()
	answer := c.exchange(t, w.ask())
	static := []byte(answer)
	w.static = serve(t, func(ctx context.Context, ln net.Listener) error {
		s := &http.Server{Handler: http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			rw.Header().Set("Content-Type", "application/json")
			rw.Write(static)
		})}
		go func() { <-ctx.Done(); s.Close() }()
		if err := s.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	})
}

// ask is a request for credentials, as the SDK for Go sends it.
func (w *world) ask() []byte {
	authorization := ""
	if !w.plain {
		authorization = "Authorization: " + w.grant.Token() + "\r\n"
	}
	return []byte("GET /v1/credentials HTTP/1.1\r\nHost: " + w.container + "\r\nUser-Agent: aws-sdk-go-v2/1.47.7 ua/2.1 os/linux lang/go#1.26\r\n" +
		"Accept: application/json\r\n" + authorization + "Accept-Encoding: gzip\r\n\r\n")
}

// conn is a client as light as can be, so that what is measured is the server.
type conn struct {
	net.Conn
	r *bufio.Reader
}

func dial(t testing.TB, addr string) *conn {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	return &conn{c, bufio.NewReaderSize(c, 8192)}
}

// exchange sends a request and returns the body of its answer, read by its
// Content-Length.
func (c *conn) exchange(t testing.TB, request []byte) string {
	n, err := c.do(request)
	if err != nil {
		t.Fatal(err)
	}
	b := make([]byte, n)
	if _, err := io.ReadFull(c.r, b); err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// do sends a request and reads the head of its answer, and returns how long the
// body is. A status other than 200 is an error.
func (c *conn) do(request []byte) (int, error) {
	if _, err := c.Write(request); err != nil {
		return 0, err
	}
	length := -1
	for first := true; ; first = false {
		line, err := c.r.ReadSlice('\n')
		if err != nil {
			return 0, err
		}
		if first && !strings.HasPrefix(string(line), "HTTP/1.1 200 ") {
			return 0, fmt.Errorf("answer %q", line)
		}
		if len(line) == 2 {
			break
		}
		const name = "Content-Length: "
		if len(line) > len(name) && string(line[:len(name)]) == name {
			if length, err = strconv.Atoi(string(line[len(name) : len(line)-2])); err != nil {
				return 0, err
			}
		}
	}
	if length < 0 {
		return 0, errors.New("answer without Content-Length")
	}
	return length, nil
}

// burst sends n requests over each connection, all at once, and returns how
// long it took.
func burst(t testing.TB, conns []*conn, request []byte, n int) time.Duration {
	began := time.Now()
	var wg sync.WaitGroup
	for _, c := range conns {
		wg.Go(func() {
			for range n {
				length, err := c.do(request)
				if err == nil {
					_, err = c.r.Discard(length)
				}
				if err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	return time.Since(began)
}

func dialAll(t testing.TB, addr string) []*conn {
	var conns []*conn
	for range connections {
		c := dial(t, addr)
		t.Cleanup(func() { c.Close() })
		conns = append(conns, c)
	}
	return conns
}

// BenchmarkCredentials compares a warm credential request, audit on, with a
// bare net/http handler that writes the same bytes: "share" is the throughput of
// the one over that of the other, with bursts of both in turn, so that whatever
// else the machine does falls on both alike, and the median over the rounds;
// "cpu-share" is the same of processor time, which other processes disturb less.
// Both count the client's part on either side.
func BenchmarkCredentials(b *testing.B) {
	w := newWorld(b, 0)
	w.warm(b)
	const perRound = 20 // requests of each connection
	agents, bare := dialAll(b, w.container), dialAll(b, w.static)
	ask := w.ask()
	burst(b, agents, ask, perRound)
	burst(b, bare, ask, perRound)
	var ours, theirs, oursCPU, theirsCPU time.Duration
	one := func() time.Duration {
		began := cpu()
		took := burst(b, agents, ask, perRound)
		ours, oursCPU = ours+took, oursCPU+cpu()-began
		return took
	}
	other := func() time.Duration {
		began := cpu()
		took := burst(b, bare, ask, perRound)
		theirs, theirsCPU = theirs+took, theirsCPU+cpu()-began
		return took
	}
	var shares []float64
	for rounds := 0; b.Loop(); rounds++ {
		var t1, t2 time.Duration
		if rounds%2 == 0 {
			t1, t2 = one(), other()
		} else {
			t2, t1 = other(), one()
		}
		shares = append(shares, float64(t2)/float64(t1))
	}
	slices.Sort(shares)
	total := float64(len(shares) * perRound * connections)
	b.ReportMetric(shares[len(shares)/2], "share")
	if oursCPU > 0 {
		b.ReportMetric(float64(theirsCPU)/float64(oursCPU), "cpu-share")
	}
	b.ReportMetric(total/ours.Seconds(), "agent-req/s")
	b.ReportMetric(total/theirs.Seconds(), "static-req/s")
	b.ReportMetric(0, "ns/op") // two bursts: means nothing
	if got, want := w.audited.Load(), int64(len(shares)+1)*perRound*connections+1; got != want {
		b.Errorf("%d loans in the audit, want %d", got, want)
	}
}

// BenchmarkContainer and BenchmarkMetadata are one warm request over one
// connection; BenchmarkStatic is the bare handler beside them.
func BenchmarkContainer(b *testing.B) {
	w := newWorld(b, 0)
	w.warm(b)
	one(b, w.container, w.ask())
}

func BenchmarkMetadata(b *testing.B) {
	w := newWorld(b, 0)
	w.warm(b)
	one(b, w.metadata, []byte("GET /latest/meta-data/iam/security-credentials/alpha HTTP/1.1\r\nHost: 169.254.169.254\r\n\r\n"))
}

func BenchmarkStatic(b *testing.B) {
	w := newWorld(b, 0)
	w.warm(b)
	one(b, w.static, w.ask())
}

func one(b *testing.B, addr string, request []byte) {
	c := dial(b, addr)
	defer c.Close()
	b.ReportAllocs()
	for b.Loop() {
		n, err := c.do(request)
		if err == nil {
			_, err = c.r.Discard(n)
		}
		if err != nil {
			b.Fatal(err)
		}
	}
}

// cold is a thousand callers who come at once, each over a connection of its
// own, while nothing is cached. It returns how long the slowest waited.
func cold(t testing.TB) time.Duration {
	const callers = 500 // two descriptors each, where a process may have 1024
	w := newWorld(t, 100*time.Millisecond)
	conns := make([]*conn, callers)
	for i := range conns {
		conns[i] = dial(t, w.container)
		defer conns[i].Close()
	}
	took := burst(t, conns, w.ask(), 2)
	if n := w.sts.calls.Load(); n != 1 {
		t.Errorf("%d cold callers made %d calls of STS, want 1", callers, n)
	}
	if n := w.audited.Load(); n != 2*callers {
		t.Errorf("%d loans in the audit, want %d", n, 2*callers)
	}
	return took
}

func TestColdCallers(t *testing.T) { cold(t) }

// BenchmarkCold is a cold start with STS answering after 100 ms: "over-sts" is
// what the slowest of the callers waited beyond that.
func BenchmarkCold(b *testing.B) {
	var sum time.Duration
	n := 0
	for b.Loop() {
		sum += cold(b)
		n++
	}
	b.ReportMetric(float64(sum.Milliseconds())/float64(n)-100, "ms-over-sts")
	b.ReportMetric(0, "ns/op")
}
