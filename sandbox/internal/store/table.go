package store

import (
	"encoding/json"
	"fmt"
	"iter"
	"strings"
	"sync/atomic"
)

// Table is one ordered set of rows of type T in every store. It holds no
// rows itself: a Table is a name and a type, usually a package variable's
// worth of constant, and any transaction gives access to its rows.
//
// T must survive json.Marshal followed by json.Unmarshal. The values handed
// out are shared by all readers: treat them, and what they point to, as
// immutable, and put back a changed copy.
type Table[T any] struct{ name string }

// NewTable returns the table with that name. Two tables with the same name
// are the same table and must have the same T.
func NewTable[T any](name string) Table[T] { return Table[T]{name} }

// Name is the table's name in exports and error messages.
func (t Table[T]) Name() string { return t.name }

// Get returns the row with that key.
func (t Table[T]) Get(tx *Tx, key string) (T, bool) {
	tx.check()
	r := tx.tables[t.name].get(key)
	if r == nil {
		var zero T
		return zero, false
	}
	return decode[T](tx, t.name, key, r)
}

// Has tells whether there is a row with that key.
func (t Table[T]) Has(tx *Tx, key string) bool {
	tx.check()
	return tx.tables[t.name].get(key) != nil
}

// Put sets the row with that key. It panics in a View. A value that cannot
// be written as JSON fails the transaction.
func (t Table[T]) Put(tx *Tx, key string, v T) {
	tx.checkWritable()
	r := &row{}
	r.cell.Store(&cell{val: v})
	var raw []byte
	if tx.durable {
		var err error
		if raw, err = json.Marshal(v); err != nil {
			tx.fail(fmt.Errorf("store: row %q of table %s cannot be written as JSON: %w", key, t.name, err))
			return
		}
	}
	tx.set(t.name, key, r, raw)
}

// Delete removes the row with that key and tells whether there was one. It
// panics in a View.
func (t Table[T]) Delete(tx *Tx, key string) bool {
	tx.checkWritable()
	if tx.tables[t.name].get(key) == nil {
		return false
	}
	tx.set(t.name, key, nil, nil)
	return true
}

// Count returns the number of rows whose key begins with prefix, in
// logarithmic time.
func (t Table[T]) Count(tx *Tx, prefix string) int {
	tx.check()
	root := tx.tables[t.name]
	end := root.len()
	if after, ok := prefixEnd(prefix); ok {
		end = root.rank(after)
	}
	return end - root.rank(prefix)
}

// Range yields the rows whose key begins with prefix, in the byte order of
// their keys. The rows are those of the moment when the loop starts; the loop
// body may put and delete.
func (t Table[T]) Range(tx *Tx, prefix string) iter.Seq2[string, T] {
	return t.scan(tx, prefix, prefix, true)
}

// After yields the rows whose key begins with prefix and is greater than
// after: the next page after a key that was shown.
func (t Table[T]) After(tx *Tx, prefix, after string) iter.Seq2[string, T] {
	if after < prefix {
		return t.scan(tx, prefix, prefix, true)
	}
	return t.scan(tx, prefix, after, false)
}

func (t Table[T]) scan(tx *Tx, prefix, start string, inclusive bool) iter.Seq2[string, T] {
	return func(yield func(string, T) bool) {
		tx.check()
		tx.tables[t.name].from(start, func(n *node) bool {
			tx.check()
			if !strings.HasPrefix(n.key, prefix) {
				return false
			}
			if !inclusive && n.key == start {
				return true
			}
			v, ok := decode[T](tx, t.name, n.key, n.row)
			return !ok || yield(n.key, v)
		})
	}
}

// row is one value, decoded on first use: the store reads a file before it
// knows the types of its tables.
type row struct{ cell atomic.Pointer[cell] }

// cell is either the JSON text of a row or its value.
type cell struct {
	raw []byte
	val any
}

// decode returns the row's value. A row that is not a T fails the
// transaction and reads as absent.
func decode[T any](tx *Tx, table, key string, r *row) (T, bool) {
	c := r.cell.Load()
	if c.raw == nil {
		v, ok := c.val.(T)
		if !ok {
			tx.fail(fmt.Errorf("store: row %q of table %s holds %T, not %T", key, table, c.val, v))
		}
		return v, ok
	}
	var v T
	if err := json.Unmarshal(c.raw, &v); err != nil {
		tx.fail(fmt.Errorf("store: row %q of table %s cannot be read as %T: %w", key, table, v, err))
		var zero T
		return zero, false
	}
	r.cell.Store(&cell{val: v})
	return v, true
}

// encode returns the row as JSON.
func (r *row) encode() (json.RawMessage, error) {
	c := r.cell.Load()
	if c.raw != nil {
		return c.raw, nil
	}
	return json.Marshal(c.val)
}
