package store

import (
	"errors"
	"hash/maphash"
	"sync"
	"sync/atomic"
)

// ErrClosed is returned by View and Update after Close.
var ErrClosed = errors.New("store: closed")

// Options changes how a store is opened. The zero value is the safe one.
type Options struct {
	// Fast trades the last commits on loss of power for speed: SQLite runs
	// with synchronous=NORMAL instead of FULL. kill -9 loses nothing either
	// way.
	Fast bool
}

// Store is a set of tables. It is safe for concurrent use.
type Store struct {
	seed  maphash.Seed
	state atomic.Pointer[state]

	mu     sync.Mutex // serialises Update, Import and Close; guards the fields below
	disk   *disk      // nil if the store is memory only
	closed atomic.Bool
	broken error // a commit whose fate is unknown; no more writes
}

// state is one moment; it is never changed.
type state struct {
	revision uint64
	tables   map[string]*node
}

// Open opens the store of a directory, making both if need be. An empty dir
// gives a store that lives in memory only. The directory is held exclusively:
// a second Open fails while the first store is open, in this process or
// another. A file that is damaged, of a newer version or of another program
// is an error and is left as it is.
func Open(dir string) (*Store, error) { return OpenOptions(dir, Options{}) }

// OpenOptions is Open with options.
func OpenOptions(dir string, opt Options) (*Store, error) {
	s := &Store{seed: maphash.MakeSeed()}
	first := &state{revision: 1, tables: map[string]*node{}}
	if dir != "" {
		d, err := openDisk(dir, opt)
		if err != nil {
			return nil, err
		}
		if first, err = d.load(s.seed); err != nil {
			return nil, errors.Join(err, d.close())
		}
		s.disk = d
	}
	s.state.Store(first)
	return s, nil
}

// Close ends the store; calls that are running finish first. Closing twice
// is harmless.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed.Swap(true) || s.disk == nil {
		return nil
	}
	return s.disk.close()
}

// Revision identifies the current state. It grows with every Update that
// changed something, also from one process to the next.
func (s *Store) Revision() uint64 { return s.state.Load().revision }

// View calls fn with one moment of the state and returns its error. It takes
// no lock, so it may run beside any other View or Update.
func (s *Store) View(fn func(*Tx) error) error {
	if s.closed.Load() {
		return ErrClosed
	}
	now := s.state.Load()
	tx := &Tx{revision: now.revision, tables: now.tables}
	defer func() { tx.done = true }()
	if err := fn(tx); err != nil {
		return err
	}
	return tx.err
}

// Update calls fn, which may change the state, and commits: all changes or,
// if fn or the commit returns an error or fn panics, none. Updates run one
// after the other; fn must not call Update itself. When Update returns nil
// the changes are on disk and every later View sees them.
func (s *Store) Update(fn func(*Tx) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed.Load() {
		return ErrClosed
	}
	if s.broken != nil {
		return s.broken
	}
	now := s.state.Load()
	tx := &Tx{
		seed:     s.seed,
		revision: now.revision,
		tables:   now.tables,
		writable: true,
		durable:  s.disk != nil,
		writes:   map[slot]change{},
	}
	defer func() { tx.done = true }()
	if err := fn(tx); err != nil {
		return err
	}
	if tx.err != nil {
		return tx.err
	}
	if len(tx.writes) == 0 && !tx.wiped {
		return nil
	}
	next := &state{revision: now.revision + 1, tables: tx.tables}
	if s.disk != nil {
		if err := s.disk.commit(tx, next.revision); err != nil {
			s.broken = s.disk.fatal
			return err
		}
	}
	s.state.Store(next)
	return nil
}
