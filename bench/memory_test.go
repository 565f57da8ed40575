package bench

import (
	"fmt"
	"runtime"
	"strconv"
	"testing"

	"github.com/mantle-iam/mantle/broker"
	"github.com/mantle-iam/mantle/internal/ledger"
)

// Ten thousand workloads, each with a session of its own that is lent: what an
// agent keeps of them.
func TestMemory(t *testing.T) {
	const workloads = 10_000
	heap := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := heap()
	var rules broker.Rules
	for i := range workloads {
		rules = append(rules, broker.Rule{Name: fmt.Sprint("workload-", i), Match: broker.Match{UID: new(i)}, Loan: broker.Loan{Role: role + strconv.Itoa(i%100)}})
	}
	book := ledger.New()
	b := broker.New(rules, &sts{}, broker.Options{Audit: book.Event, CallsPerSecond: 1e9, Burst: workloads})
	for i := range workloads {
		if _, err := b.Credentials(t.Context(), broker.Caller{UID: i, GID: i, PID: i, Exe: "/usr/bin/program", Unit: "program.service", How: broker.ByPeer}); err != nil {
			t.Fatal(err)
		}
	}
	kept := heap() - before
	t.Logf("%d workloads with a session each keep %.1f MB, %d bytes each", workloads, float64(kept)/1e6, kept/workloads)
	if kept > 40e6 {
		t.Errorf("%.1f MB are kept, want 40 at most", float64(kept)/1e6)
	}
	runtime.KeepAlive(b)
	runtime.KeepAlive(book)
}
