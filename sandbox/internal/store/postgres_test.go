package store

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/mantle-iam/mantle/internal/pgtest"
)

// shared is what several stores on one database do.
var shared = []struct {
	name string
	test func(t *testing.T, pg *pgtest.Server, dsn string)
}{
	{"open together", openTogether},
	{"others see a write at once", othersSeeAWriteAtOnce},
	{"max age", maxAge},
	{"contended", contended},
	{"import reaches others", importReachesOthers},
	{"traces are pruned", tracesArePruned},
	{"rewound", rewound},
	{"slow update", slowUpdate},
	{"long keys", longKeys},
	{"newer format", newerFormat},
	{"server restarts", serverRestarts},
}

// query runs SQL behind the stores' backs.
func query(t *testing.T, dsn, q string, into ...any) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(t.Context()))
	if len(into) == 0 {
		_, err = conn.Exec(t.Context(), q)
	} else {
		err = conn.QueryRow(t.Context(), q).Scan(into...)
	}
	if err != nil {
		t.Fatalf("%s: %v", q, err)
	}
}

func openTogether(t *testing.T, _ *pgtest.Server, dsn string) {
	var wg sync.WaitGroup
	for i := range 6 {
		wg.Go(func() {
			s, err := Open(dsn)
			if err != nil {
				t.Error(err)
				return
			}
			defer s.Close()
			if err := s.Update(func(tx *Tx) error { things.Put(tx, fmt.Sprint(i), thing{N: i}); return nil }); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if got := contents(t, open(t, dsn)); len(got) != 6 {
		t.Errorf("six stores wrote a row each, there are %v", got)
	}
}

// othersSeeAWriteAtOnce holds View to its word: what any store has
// acknowledged is seen by a View that starts afterwards in another, also when
// many Views share a question.
func othersSeeAWriteAtOnce(t *testing.T, _ *pgtest.Server, dsn string) {
	a, b := open(t, dsn), open(t, dsn)
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for range 4 { // so that there is always a question under way
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					b.View(func(*Tx) error { return nil })
				}
			}
		})
	}
	for i := range 40 {
		put(t, a, "a", i)
		if got := contents(t, b)["a"]; got != i {
			t.Fatalf("the other store reads %d after %d was acknowledged", got, i)
		}
	}
	close(stop)
	wg.Wait()
	put(t, b, "b", 1)
	a.Update(func(tx *Tx) error { things.Delete(tx, "a"); return nil })
	if got, want := contents(t, b), (map[string]int{"b": 1}); !maps.Equal(got, want) {
		t.Errorf("after a delete: %v, want %v", got, want)
	}
	if a.Revision() != b.Revision() {
		t.Errorf("revisions %d and %d of the same state", a.Revision(), b.Revision())
	}
}

func maxAge(t *testing.T, _ *pgtest.Server, dsn string) {
	writer := open(t, dsn)
	put(t, writer, "a", 1)
	patient, err := OpenOptions(dsn, Options{MaxAge: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	defer patient.Close()
	impatient, err := OpenOptions(dsn, Options{MaxAge: 20 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer impatient.Close()
	put(t, writer, "a", 2)
	if got := contents(t, patient)["a"]; got != 1 {
		t.Errorf("a store that may be an hour behind asked: it reads %d, want 1", got)
	}
	time.Sleep(25 * time.Millisecond)
	if got := contents(t, impatient)["a"]; got != 2 {
		t.Errorf("a store that may be 20 ms behind reads %d after 25, want 2", got)
	}
	put(t, patient, "b", 1)
	if got, want := contents(t, patient), (map[string]int{"a": 2, "b": 1}); !maps.Equal(got, want) {
		t.Errorf("after an Update of its own: %v, want %v", got, want)
	}
	put(t, writer, "a", 3)
	if err := patient.Refresh(); err != nil {
		t.Fatal(err)
	}
	if got := contents(t, patient)["a"]; got != 3 {
		t.Errorf("after Refresh: %d, want 3", got)
	}
}

func contended(t *testing.T, _ *pgtest.Server, dsn string) {
	const stores, writers, each = 3, 2, 20
	var wg sync.WaitGroup
	for range stores {
		s := open(t, dsn)
		for range writers {
			wg.Go(func() {
				for range each {
					err := s.Update(func(tx *Tx) error {
						v, _ := things.Get(tx, "counter")
						things.Put(tx, "counter", thing{N: v.N + 1})
						return nil
					})
					if err != nil {
						t.Error(err)
					}
				}
			})
		}
	}
	wg.Wait()
	if got, want := contents(t, open(t, dsn))["counter"], stores*writers*each; got != want {
		t.Errorf("counter is %d, want %d", got, want)
	}
}

func importReachesOthers(t *testing.T, _ *pgtest.Server, dsn string) {
	a, b := open(t, dsn), open(t, dsn)
	put(t, a, "old", 1)
	put(t, a, "both", 1)
	contents(t, b)
	in := `{"format":"mantle sandbox state","version":1,"revision":4}
{"table":"things","key":"both","value":{"Name":"both","N":2}}
{"table":"things","key":"new","value":{"Name":"new","N":3}}
{"rows":2}`
	if err := a.Import(strings.NewReader(in)); err != nil {
		t.Fatal(err)
	}
	want := map[string]int{"both": 2, "new": 3}
	for name, s := range map[string]*Store{"the same store": a, "the other store": b, "a new store": open(t, dsn)} {
		if got := contents(t, s); !maps.Equal(got, want) {
			t.Errorf("%s has %v after Import, want %v", name, got, want)
		}
	}
}

// tracesArePruned lets one store sleep until the trace of a deletion that it
// missed is gone.
func tracesArePruned(t *testing.T, _ *pgtest.Server, dsn string) {
	awake, asleep := open(t, dsn), open(t, dsn)
	put(t, awake, "deleted", 1)
	put(t, awake, "kept", 1)
	contents(t, asleep)
	awake.Update(func(tx *Tx) error { things.Delete(tx, "deleted"); return nil })
	query(t, dsn, fmt.Sprintf(`UPDATE mantle_sandbox SET revision = %d`, traceRevisions+2*pruneEvery-1))
	put(t, awake, "more", 1)
	var traces int
	var floor int64
	query(t, dsn, `SELECT (SELECT count(*) FROM mantle_sandbox_row WHERE value IS NULL), floor FROM mantle_sandbox`, &traces, &floor)
	if traces != 0 || floor != 2*pruneEvery {
		t.Errorf("%d traces above floor %d are left, want 0 above %d", traces, floor, 2*pruneEvery)
	}
	want := map[string]int{"kept": 1, "more": 1}
	if got := contents(t, asleep); !maps.Equal(got, want) {
		t.Errorf("the store that slept has %v, want %v", got, want)
	}
	// The same, found out by a write.
	asleep = open(t, dsn)
	awake.Update(func(tx *Tx) error { things.Delete(tx, "more"); return nil })
	query(t, dsn, fmt.Sprintf(`UPDATE mantle_sandbox SET revision = %d`, 2*traceRevisions+4*pruneEvery-1))
	put(t, awake, "yet more", 1)
	put(t, asleep, "own", 1)
	want = map[string]int{"kept": 1, "yet more": 1, "own": 1}
	if got := contents(t, asleep); !maps.Equal(got, want) {
		t.Errorf("the store that slept has %v after a write, want %v", got, want)
	}
}

// rewound is a server that has lost its last commits, as a standby may have
// that took over.
func rewound(t *testing.T, _ *pgtest.Server, dsn string) {
	s := open(t, dsn)
	put(t, s, "a", 1)
	stamp := func() (n uint64) {
		s.View(func(tx *Tx) error { n = tx.Revision(); return nil })
		return n
	}
	put(t, s, "lost", 1)
	before := stamp()
	query(t, dsn, `DELETE FROM mantle_sandbox_row WHERE key = 'lost'`)
	query(t, dsn, `UPDATE mantle_sandbox SET revision = revision - 1`)
	if got, want := contents(t, s), (map[string]int{"a": 1}); !maps.Equal(got, want) {
		t.Errorf("after the server lost a commit: %v, want %v", got, want)
	}
	put(t, s, "other", 1)
	if stamp() == before {
		t.Error("two states have the same Tx.Revision")
	}
}

// slowUpdate: a process that hangs in an Update loses the right to write, and
// what it then commits is refused.
func slowUpdate(t *testing.T, _ *pgtest.Server, dsn string) {
	slow := open(t, dsn+"&idle_in_transaction_session_timeout=50ms")
	other := open(t, dsn)
	put(t, slow, "a", 1)
	err := slow.Update(func(tx *Tx) error {
		things.Put(tx, "a", thing{N: 2})
		put(t, other, "a", 3) // waits until the server has ended the session
		return nil
	})
	if err == nil {
		t.Error("an Update that had lost the right to write was acknowledged")
	}
	if got := contents(t, slow)["a"]; got != 3 {
		t.Errorf("row is %d, want 3", got)
	}
	put(t, slow, "a", 4) // on a new connection
	if got := contents(t, other)["a"]; got != 4 {
		t.Errorf("row is %d, want 4", got)
	}
}

func longKeys(t *testing.T, _ *pgtest.Server, dsn string) {
	var key strings.Builder
	for i := range 4000 { // does not compress well
		fmt.Fprintf(&key, "%x", i*2654435761)
	}
	put(t, open(t, dsn), key.String(), 1)
	if got := contents(t, open(t, dsn))[key.String()]; got != 1 {
		t.Errorf("row with a key of %d bytes is %d, want 1", key.Len(), got)
	}
}

func newerFormat(t *testing.T, _ *pgtest.Server, dsn string) {
	open(t, dsn)
	query(t, dsn, `UPDATE mantle_sandbox SET format = 99`)
	if _, err := Open(dsn); err == nil || !strings.Contains(err.Error(), "has format 99, this program reads up to 1") {
		t.Errorf("Open: %v, want an error that names both formats", err)
	}
}

// serverRestarts: while there is no server every call is an error, afterwards
// none is, and nothing that was acknowledged is lost in a crash.
func serverRestarts(t *testing.T, pg *pgtest.Server, dsn string) {
	s, err := Open(dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	put(t, s, "a", 1)
	pg.Kill()
	if err := s.View(func(*Tx) error { return nil }); err == nil || !strings.Contains(err.Error(), "cannot be reached") {
		t.Errorf("View without a server: %v, want an error that says so", err)
	}
	if err := s.Update(func(tx *Tx) error { things.Put(tx, "a", thing{N: 2}); return nil }); err == nil {
		t.Error("an Update without a server was acknowledged")
	}
	pg.Run()
	if got := contents(t, s)["a"]; got != 1 {
		t.Errorf("after a crash of the server the row is %d, want 1", got)
	}
	put(t, s, "a", 3)
	pg.Stop()
	pg.Run()
	put(t, s, "b", 1) // the write finds the dead connection
	if got, want := contents(t, s), (map[string]int{"a": 3, "b": 1}); !maps.Equal(got, want) {
		t.Errorf("after a restart: %v, want %v", got, want)
	}
	// A crash in the middle of writing.
	acknowledged := make(chan int)
	go func() {
		defer close(acknowledged)
		for i := 0; ; i++ {
			if s.Update(func(tx *Tx) error { things.Put(tx, "c", thing{N: i}); return nil }) != nil {
				return
			}
			acknowledged <- i
		}
	}()
	last := 0
	killed := make(chan struct{})
	for i := range acknowledged {
		if last = i; i == 50 {
			go func() {
				defer close(killed)
				pg.Kill()
			}()
		}
	}
	<-killed
	pg.Run()
	if got := contents(t, s)["c"]; got != last && got != last+1 {
		t.Errorf("row is %d after a crash, want %d, or %d if the last commit was done and not reported", got, last, last+1)
	}
}

// TestAddresses: an address that leads nowhere is an error that says what to
// do and shows no password.
func TestAddresses(t *testing.T) {
	for _, test := range []struct{ dsn, want string }{
		{"postgres://mantle:s3cret@127.0.0.1:1/mantle", "database mantle on 127.0.0.1 cannot be reached"},
		{"postgres://mantle:s3cret@:x/mantle", "address of the PostgreSQL database cannot be read"},
		{"postgres://mantle:s3c%ret@127.0.0.1/mantle", "percent-encoded"},
		{"postgres://mantle:s3cret@127.0.0.1/mantle?sslmode=sometimes", "sslmode"},
	} {
		began := time.Now()
		_, err := Open(test.dsn)
		if err == nil {
			t.Errorf("Open(%s) succeeded", test.dsn)
			continue
		}
		if !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "s3c") {
			t.Errorf("Open(%s): %v, want an error with %q and without the password", test.dsn, err, test.want)
		}
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("Open(%s) took %v", test.dsn, took)
		}
		if errors.Is(err, ErrClosed) {
			t.Errorf("Open(%s): %v", test.dsn, err)
		}
	}
}
