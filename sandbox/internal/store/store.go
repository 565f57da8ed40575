package store

import (
	"errors"
	"hash/maphash"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// ErrClosed is returned by View and Update after Close.
var ErrClosed = errors.New("store: closed")

// ErrUnreachable is returned where the database does not answer, or takes
// nobody in for the moment.
var ErrUnreachable = errors.New("cannot be reached")

// Options changes how a store is opened. The zero value is the safe one.
type Options struct {
	// Fast trades the last commits on loss of power for speed: SQLite runs
	// with synchronous=NORMAL instead of FULL, PostgreSQL with
	// synchronous_commit=off. kill -9 of the sandbox loses nothing either
	// way.
	Fast bool
	// MaxAge is how far behind the commits of other processes a View may be.
	// 0 is not at all: every View asks the database. Whoever gives more calls
	// Refresh where that is not good enough, such as at the start of a
	// request, whose Views then ask no more. Commits of this process are seen
	// at once in any case.
	MaxAge time.Duration
}

// Store is a set of tables. It is safe for concurrent use.
type Store struct {
	seed   maphash.Seed
	state  atomic.Pointer[state]
	back   backend // nil if the store is memory only
	closed atomic.Bool

	maxAge time.Duration // 0 unless others can write
	opened time.Time
	asked  atomic.Int64 // when the last answered question was put, since opened

	mu sync.Mutex // serialises Update, Import and Close
}

// state is one moment; it is never changed.
type state struct {
	revision uint64
	epoch    uint64 // counts how often the state was read anew as a whole
	tables   map[string]*node
}

// backend keeps the rows outside memory. All methods but refresh are called
// under Store.mu.
type backend interface {
	// refresh makes Store.state no older than the call.
	refresh(*Store) error
	// begin waits for the right to write and returns the state that a write
	// builds on. commit or abort gives the right up.
	begin(*Store) (*state, error)
	// commit writes what a transaction changed, all or nothing.
	commit(tx *Tx, revision uint64) error
	abort()
	close() error
}

// Open opens the store of a directory, making both if need be. An empty
// place gives a store that lives in memory only.
//
// A directory is held exclusively: a second Open fails while the first store
// is open, in this process or another. A file that is damaged, of a newer
// version or of another program is an error and is left as it is.
//
// A place that begins with postgres:// or postgresql:// is a PostgreSQL
// database, whose tables are made if they are not there; any number of stores
// may be open on it (postgres.go).
func Open(place string) (*Store, error) { return OpenOptions(place, Options{}) }

// OpenOptions is Open with options.
func OpenOptions(place string, opt Options) (*Store, error) {
	s := &Store{seed: maphash.MakeSeed(), opened: time.Now()}
	s.state.Store(&state{revision: 1, tables: map[string]*node{}})
	var err error
	switch {
	case place == "":
	case Shared(place):
		s.maxAge = opt.MaxAge
		s.back, err = openPostgres(s, place, opt)
	default:
		s.back, err = openDisk(s, place, opt)
	}
	if err != nil {
		return nil, err
	}
	return s, nil
}

// Shared tells whether a place is a database that several processes may have
// open at once, rather than a directory of one of them.
func Shared(place string) bool {
	return strings.HasPrefix(place, "postgres://") || strings.HasPrefix(place, "postgresql://")
}

// Close ends the store; calls that are running finish first. Closing twice
// is harmless.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed.Swap(true) || s.back == nil {
		return nil
	}
	return s.back.close()
}

// Revision identifies the newest state that this process knows. It grows with
// every Update that changed something, also from one process to the next.
func (s *Store) Revision() uint64 { return s.state.Load().revision }

// Refresh makes the store know every Update that any process has reported as
// done before the call, so that a View of this process that starts after it
// is no older than the call.
func (s *Store) Refresh() error {
	if s.closed.Load() {
		return ErrClosed
	}
	if s.back == nil {
		return nil
	}
	began := time.Since(s.opened)
	if err := s.back.refresh(s); err != nil {
		return err
	}
	if s.maxAge > 0 && s.asked.Load() < int64(began) {
		s.asked.Store(int64(began)) // a lesser one that overtakes costs a question
	}
	return nil
}

// View calls fn with one moment of the state and returns its error. That
// moment is not before the call, as far as other processes' commits go not
// more than [Options.MaxAge] before it. View takes no lock, so it may run
// beside any other View or Update.
func (s *Store) View(fn func(*Tx) error) error {
	if s.closed.Load() {
		return ErrClosed
	}
	if s.maxAge == 0 || time.Since(s.opened)-time.Duration(s.asked.Load()) > s.maxAge {
		if err := s.Refresh(); err != nil {
			return err
		}
	}
	now := s.state.Load()
	tx := &Tx{revision: now.stamp(), tables: now.tables}
	defer func() { tx.done = true }()
	if err := fn(tx); err != nil {
		return err
	}
	return tx.err
}

// Update calls fn, which may change the state, and commits: all changes or,
// if fn or the commit returns an error or fn panics, none. Updates run one
// after the other, those of other processes included; fn must not call Update
// itself. When Update returns nil the changes are on disk and every later
// View sees them.
//
// One error leaves the outcome open: a PostgreSQL connection that breaks
// while the commit is under way. The error says so, and the next View shows
// what became of it.
func (s *Store) Update(fn func(*Tx) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed.Load() {
		return ErrClosed
	}
	now := s.state.Load()
	if s.back != nil {
		var err error
		if now, err = s.back.begin(s); err != nil {
			return err
		}
	}
	tx := &Tx{
		seed:     s.seed,
		revision: now.stamp(),
		tables:   now.tables,
		writable: true,
		durable:  s.back != nil,
		writes:   map[slot]change{},
	}
	begun := s.back != nil
	defer func() {
		tx.done = true
		if begun {
			s.back.abort()
		}
	}()
	if err := fn(tx); err != nil {
		return err
	}
	if tx.err != nil {
		return tx.err
	}
	if len(tx.writes) == 0 && !tx.wiped {
		return nil
	}
	next := &state{revision: now.revision + 1, epoch: now.epoch, tables: tx.tables}
	if begun {
		begun = false
		if err := s.back.commit(tx, next.revision); err != nil {
			return err
		}
	}
	s.publish(next)
	return nil
}

// publish makes a committed state the current one, unless a reader that
// caught up with the database was faster.
func (s *Store) publish(next *state) {
	for {
		now := s.state.Load()
		next.epoch = max(next.epoch, now.epoch)
		if now.revision >= next.revision || s.state.CompareAndSwap(now, next) {
			return
		}
	}
}

// stamp differs between any two states that a process ever shows, even if a
// database that lost its last commits hands out their revisions again.
func (st *state) stamp() uint64 { return st.revision + st.epoch<<48 }

// Len is the number of rows that the process knows of.
func (s *Store) Len() int {
	n := 0
	for _, t := range s.state.Load().tables {
		n += t.len()
	}
	return n
}

// Exists tells whether there is a state in a place. A database counts as one:
// only opening it can tell.
func Exists(place string) bool {
	if place == "" || Shared(place) {
		return place != ""
	}
	_, err := os.Stat(filepath.Join(place, fileName))
	return err == nil
}
