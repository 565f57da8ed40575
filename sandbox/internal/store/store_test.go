package store

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"
)

type thing struct {
	Name string
	N    int `json:",omitempty"`
}

var things = NewTable[thing]("things")

func open(t testing.TB, dir string) *Store {
	t.Helper()
	s, err := OpenOptions(dir, Options{Fast: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func put(t testing.TB, s *Store, key string, n int) {
	t.Helper()
	if err := s.Update(func(tx *Tx) error { things.Put(tx, key, thing{key, n}); return nil }); err != nil {
		t.Fatal(err)
	}
}

func contents(t testing.TB, s *Store) map[string]int {
	t.Helper()
	got := map[string]int{}
	err := s.View(func(tx *Tx) error {
		for k, v := range things.Range(tx, "") {
			got[k] = v.N
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// model drives a store with random transactions beside a plain map.
func model(t *testing.T, place string) {
	s := open(t, place)
	rapid.Check(t, func(rt *rapid.T) {
		s.Update(func(tx *Tx) error {
			for k := range things.Range(tx, "") {
				things.Delete(tx, k)
			}
			return nil
		})
		want := map[string]int{}
		key := rapid.StringMatching(`[ab]{0,3}(/[a-c]{0,2})?`)
		for range rapid.IntRange(1, 12).Draw(rt, "transactions") {
			next := maps.Clone(want)
			before := s.Revision()
			abort := rapid.Bool().Draw(rt, "abort")
			stop := errors.New("stop")
			err := s.Update(func(tx *Tx) error {
				for range rapid.IntRange(1, 10).Draw(rt, "steps") {
					k := key.Draw(rt, "key")
					if rapid.Bool().Draw(rt, "delete") {
						_, had := next[k]
						if got := things.Delete(tx, k); got != had {
							rt.Fatalf("Delete(%q) = %v, want %v", k, got, had)
						}
						delete(next, k)
					} else {
						n := rapid.Int().Draw(rt, "n")
						things.Put(tx, k, thing{N: n})
						next[k] = n
					}
				}
				compare(rt, tx, next, key.Draw(rt, "prefix"), key.Draw(rt, "after"))
				if abort {
					return stop
				}
				return nil
			})
			if abort {
				if !errors.Is(err, stop) || s.Revision() != before {
					rt.Fatalf("aborted Update: error %v, revision %d, want %v and %d", err, s.Revision(), stop, before)
				}
			} else {
				want = next
			}
			s.View(func(tx *Tx) error {
				compare(rt, tx, want, key.Draw(rt, "prefix"), key.Draw(rt, "after"))
				return nil
			})
		}
	})
}

// compare checks every way of reading against the map.
func compare(rt *rapid.T, tx *Tx, want map[string]int, prefix, after string) {
	var keys, later []string
	for _, k := range slices.Sorted(maps.Keys(want)) {
		if strings.HasPrefix(k, prefix) {
			keys = append(keys, k)
			if k > after {
				later = append(later, k)
			}
		}
		if v, ok := things.Get(tx, k); !ok || v.N != want[k] || !things.Has(tx, k) {
			rt.Fatalf("Get(%q) = %v, %v, want %d", k, v, ok, want[k])
		}
	}
	var got []string
	for k, v := range things.Range(tx, prefix) {
		if v.N != want[k] {
			rt.Fatalf("Range: %q is %d, want %d", k, v.N, want[k])
		}
		got = append(got, k)
	}
	if !slices.Equal(got, keys) {
		rt.Fatalf("Range(%q) = %q, want %q", prefix, got, keys)
	}
	if n := things.Count(tx, prefix); n != len(keys) {
		rt.Fatalf("Count(%q) = %d, want %d", prefix, n, len(keys))
	}
	got = nil
	for k := range things.After(tx, prefix, after) {
		got = append(got, k)
	}
	if !slices.Equal(got, later) {
		rt.Fatalf("After(%q, %q) = %q, want %q", prefix, after, got, later)
	}
}

func TestPrefixEnd(t *testing.T) {
	for _, test := range []struct {
		prefix, want string
		ok           bool
	}{
		{"", "", false}, {"a", "b", true}, {"a\xff", "b", true}, {"\xff\xff", "", false}, {"a/", "a0", true},
	} {
		if got, ok := prefixEnd(test.prefix); got != test.want || ok != test.ok {
			t.Errorf("prefixEnd(%q) = %q, %v, want %q, %v", test.prefix, got, ok, test.want, test.ok)
		}
	}
}

// TestDepth keeps the tree shallow for keys that come in order.
func TestDepth(t *testing.T) {
	s := open(t, "")
	const n = 1 << 14
	s.Update(func(tx *Tx) error {
		for i := range n {
			things.Put(tx, fmt.Sprintf("%08d", i), thing{})
		}
		return nil
	})
	var depth func(*node) int
	depth = func(n *node) int {
		if n == nil {
			return 0
		}
		return 1 + max(depth(n.left), depth(n.right))
	}
	if got := depth(s.state.Load().tables["things"]); got > 60 {
		t.Errorf("depth of %d ordered keys is %d, want about 35", n, got)
	}
}

func snapshotIsolation(t *testing.T, place string) {
	s := open(t, place)
	put(t, s, "a", 1)
	s.View(func(tx *Tx) error {
		put(t, s, "a", 2) // a writer is not blocked by this reader
		put(t, s, "b", 1)
		if v, _ := things.Get(tx, "a"); v.N != 1 {
			t.Errorf("reader sees %d, want the value of its start, 1", v.N)
		}
		if things.Has(tx, "b") {
			t.Error("reader sees a row that came after its start")
		}
		return nil
	})
	if got := contents(t, s)["a"]; got != 2 {
		t.Errorf("later reader sees %d, want 2", got)
	}
}

func readersAndWritersTogether(t *testing.T, place string) {
	s := open(t, place)
	const writers, each = 4, 25
	var wg sync.WaitGroup
	for range writers {
		wg.Go(func() {
			for range each {
				err := s.Update(func(tx *Tx) error {
					a, _ := things.Get(tx, "a")
					things.Put(tx, "a", thing{N: a.N + 1})
					things.Put(tx, "b", thing{N: a.N + 1})
					return nil
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
		wg.Go(func() {
			for range each * 10 {
				s.View(func(tx *Tx) error {
					a, _ := things.Get(tx, "a")
					if b, _ := things.Get(tx, "b"); a.N != b.N {
						t.Errorf("reader sees half an update: a=%d b=%d", a.N, b.N)
					}
					return nil
				})
			}
		})
	}
	wg.Wait()
	if got := contents(t, s)["a"]; got != writers*each {
		t.Errorf("counter is %d, want %d", got, writers*each)
	}
}

func mustPanic(t *testing.T, want string, f func()) {
	t.Helper()
	defer func() {
		t.Helper()
		if got := fmt.Sprint(recover()); !strings.Contains(got, want) {
			t.Errorf("panic %q, want one with %q", got, want)
		}
	}()
	f()
}

func misuse(t *testing.T, place string) {
	s := open(t, place)
	put(t, s, "a", 1)
	var kept *Tx
	s.View(func(tx *Tx) error { kept = tx; return nil })
	mustPanic(t, "after its function returned", func() { things.Get(kept, "a") })
	mustPanic(t, "after its function returned", func() {
		for range things.Range(kept, "") {
		}
	})
	mustPanic(t, "write in View", func() {
		s.View(func(tx *Tx) error { things.Put(tx, "b", thing{}); return nil })
	})
	mustPanic(t, "boom", func() {
		s.Update(func(tx *Tx) error { kept = tx; things.Put(tx, "b", thing{}); panic("boom") })
	})
	mustPanic(t, "after its function returned", func() { things.Put(kept, "c", thing{}) })
	put(t, s, "d", 1) // the lock is free again
	if got, want := contents(t, s), (map[string]int{"a": 1, "d": 1}); !maps.Equal(got, want) {
		t.Errorf("after a panic: %v, want %v", got, want)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Errorf("second Close: %v", err)
	}
	if err := s.View(func(*Tx) error { return nil }); !errors.Is(err, ErrClosed) {
		t.Errorf("View after Close: %v, want %v", err, ErrClosed)
	}
	if err := s.Update(func(*Tx) error { return nil }); !errors.Is(err, ErrClosed) {
		t.Errorf("Update after Close: %v, want %v", err, ErrClosed)
	}
}

func revisionOnlyGrowsWithChanges(t *testing.T, place string) {
	s := open(t, place)
	was := s.Revision()
	s.Update(func(tx *Tx) error { things.Get(tx, "a"); return nil })
	if got := s.Revision(); got != was {
		t.Errorf("revision %d after an Update that wrote nothing, want %d", got, was)
	}
	put(t, s, "a", 1)
	if got := s.Revision(); got <= was {
		t.Errorf("revision %d after a write, want more than %d", got, was)
	}
}

func BenchmarkGet(b *testing.B) {
	s := open(b, "")
	keys := make([]string, 10_000)
	s.Update(func(tx *Tx) error {
		for i := range keys {
			keys[i] = fmt.Sprintf("111122223333/role-%05d", i)
			things.Put(tx, keys[i], thing{N: i})
		}
		return nil
	})
	b.RunParallel(func(pb *testing.PB) {
		for i := 0; pb.Next(); i++ {
			s.View(func(tx *Tx) error {
				if _, ok := things.Get(tx, keys[i%len(keys)]); !ok {
					b.Error("row is missing")
				}
				return nil
			})
		}
	})
}

func BenchmarkRange1000(b *testing.B) {
	s := open(b, "")
	s.Update(func(tx *Tx) error {
		for i := range 1000 {
			things.Put(tx, fmt.Sprintf("%05d", i), thing{N: i})
		}
		return nil
	})
	for b.Loop() {
		s.View(func(tx *Tx) error {
			for range things.Range(tx, "") {
			}
			return nil
		})
	}
}

func BenchmarkUpdate(b *testing.B) {
	for _, mode := range []struct {
		name string
		opt  Options
		disk bool
	}{{"memory", Options{}, false}, {"fast", Options{Fast: true}, true}, {"full", Options{}, true}} {
		b.Run(mode.name, func(b *testing.B) {
			dir := ""
			if mode.disk {
				dir = b.TempDir()
			}
			s, err := OpenOptions(dir, mode.opt)
			if err != nil {
				b.Fatal(err)
			}
			defer s.Close()
			pad := strings.Repeat("x", 700)
			for i := 0; b.Loop(); i++ {
				key := fmt.Sprintf("%08d", i%5000)
				if err := s.Update(func(tx *Tx) error { things.Put(tx, key, thing{pad, i}); return nil }); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
