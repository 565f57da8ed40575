package store

// Moment is one state of a store, for whoever wants to look at it again
// later. It costs the memory of the rows that have changed since.
type Moment struct{ at *state }

// Moment is the newest state that this process knows.
func (s *Store) Moment() Moment { return Moment{s.state.Load()} }

// ViewAt is View of an earlier moment of the same store.
func (s *Store) ViewAt(m Moment, fn func(*Tx) error) error {
	if s.closed.Load() {
		return ErrClosed
	}
	tx := &Tx{revision: m.at.stamp(), tables: m.at.tables}
	defer func() { tx.done = true }()
	if err := fn(tx); err != nil {
		return err
	}
	return tx.err
}
