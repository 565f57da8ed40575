//go:build linux

package bench

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/mantle-iam/mantle/agent"
	"github.com/mantle-iam/mantle/broker"
	"github.com/mantle-iam/mantle/internal/audit"
	places "github.com/mantle-iam/mantle/internal/host"
	"github.com/mantle-iam/mantle/internal/ledger"
	"github.com/mantle-iam/mantle/internal/metrics"
)

// newHostWorld is an agent as it runs on a host: callers are known by the
// kernel, each loan is written to a file, counted, and kept for ps.
func newHostWorld(t testing.TB) *world {
	w := &world{sts: &sts{}}
	rules := broker.Rules{{Name: "alpha", Match: broker.Match{UID: new(os.Getuid())}, Loan: broker.Loan{Role: role}}}
	for i := range 100 {
		name := "other" + strconv.Itoa(i)
		rules = append(rules, broker.Rule{Name: name, Match: broker.Match{UID: new(100_000 + i)}, Loan: broker.Loan{Role: role + name}})
	}
	log, err := audit.Open(filepath.Join(t.TempDir(), "audit.jsonl"), nil, audit.Options{})
	if err != nil {
		t.Fatal(err)
	}
	counts, book := metrics.New(metrics.Options{}), ledger.New()
	b := broker.New(rules, w.sts, broker.Options{Audit: func(e broker.Event) {
		counts.Event(e)
		book.Event(e)
		log.Event(e)
		if e.Outcome == broker.Lent {
			w.audited.Add(1)
		}
	}})
	t.Cleanup(func() { // after the listener has ended
		log.Close()
		if n := log.Lost(); n > 0 {
			t.Errorf("%d lines of the audit were lost", n)
		}
	})
	who := places.New(nil, places.Options{})
	w.container = serve(t, func(ctx context.Context, ln net.Listener) error {
		return agent.Serve(ctx, ln, agent.NewECS(b, nil, agent.ECSOptions{}), agent.ServeOptions{Identifier: who, MaxConnsPerCaller: 2000})
	})
	w.plain = true
	return w
}

// timed is burst with the time of each request.
func timed(t testing.TB, conns []*conn, request []byte, n int) []time.Duration {
	out := make([][]time.Duration, len(conns))
	var wg sync.WaitGroup
	for i, c := range conns {
		wg.Go(func() {
			for range n {
				began := time.Now()
				length, err := c.do(request)
				if err == nil {
					_, err = c.r.Discard(length)
				}
				if err != nil {
					t.Error(err)
					return
				}
				out[i] = append(out[i], time.Since(began))
			}
		})
	}
	wg.Wait()
	return slices.Concat(out...)
}

// BenchmarkIdentified is BenchmarkCredentials with all that an agent does on a
// host: "share" is its throughput over that of a bare handler, "p99-ratio" its
// 99th percentile over the handler's, each the median over rounds in turn.
func BenchmarkIdentified(b *testing.B) {
	for _, n := range []int{16, 256} {
		b.Run(fmt.Sprint("connections=", n), func(b *testing.B) {
			w := newHostWorld(b)
			w.warm(b)
			ask := w.ask()
			agents, bare := dialN(b, w.container, n), dialN(b, w.static, n)
			perRound := max(5, 2000/n)
			burst(b, agents, ask, 2) // identified once for each connection
			burst(b, bare, ask, 2)
			var shares, cpuShares, tails, ours, theirs []float64
			for rounds := 0; b.Loop(); rounds++ {
				var took [2]time.Duration
				var spent [2]time.Duration
				var p99 [2]time.Duration
				for k := range 2 {
					i := (rounds + k) % 2
					began, used := time.Now(), cpu()
					list := timed(b, [][]*conn{agents, bare}[i], ask, perRound)
					took[i], spent[i] = time.Since(began), cpu()-used
					slices.Sort(list)
					p99[i] = list[len(list)*99/100]
				}
				shares = append(shares, float64(took[1])/float64(took[0]))
				if spent[0] > 0 {
					cpuShares = append(cpuShares, float64(spent[1])/float64(spent[0]))
				}
				tails = append(tails, float64(p99[0])/float64(p99[1]))
				ours = append(ours, float64(n*perRound)/took[0].Seconds())
				theirs = append(theirs, float64(n*perRound)/took[1].Seconds())
			}
			b.ReportMetric(median(shares), "share")
			b.ReportMetric(median(cpuShares), "cpu-share")
			b.ReportMetric(median(tails), "p99-ratio")
			b.ReportMetric(median(ours), "agent-req/s")
			b.ReportMetric(median(theirs), "static-req/s")
			b.ReportMetric(0, "ns/op") // two bursts: means nothing
		})
	}
}

func median(list []float64) float64 {
	if len(list) == 0 {
		return 0
	}
	slices.Sort(list)
	return list[len(list)/2]
}

func dialN(t testing.TB, addr string, n int) []*conn {
	var conns []*conn
	for range n {
		c := dial(t, addr)
		t.Cleanup(func() { c.Close() })
		conns = append(conns, c)
	}
	return conns
}

// Ten thousand callers of a hundred roles come at once while nothing is cached:
// STS is asked once for each role.
func TestColdHost(t *testing.T) {
	const callers, roles = 10_000, 100
	w := &sts{takes: 300 * time.Millisecond}
	var rules broker.Rules
	for i := range roles {
		rules = append(rules, broker.Rule{Name: fmt.Sprint("w", i), Match: broker.Match{UID: new(i)}, Loan: broker.Loan{Role: role + strconv.Itoa(i)}})
	}
	b := broker.New(rules, w, broker.Options{Burst: roles})
	var wg sync.WaitGroup
	begin := make(chan struct{})
	for i := range callers {
		wg.Go(func() {
			<-begin
			c, err := b.Credentials(t.Context(), broker.Caller{UID: i % roles, GID: 1, PID: i, How: broker.ByPeer})
			if want := role + strconv.Itoa(i%roles); err != nil || c.RoleARN != want {
				t.Errorf("caller %d: %v, %v, want %s", i, c, err, want)
			}
		})
	}
	close(begin)
	wg.Wait()
	if n := w.calls.Load(); n != roles {
		t.Errorf("%d callers of %d roles made %d calls of STS", callers, roles, n)
	}
}
