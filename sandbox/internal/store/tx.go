package store

import (
	"hash/maphash"
	"maps"
)

// Tx is the view of the state that one View or Update has. It is valid until
// the function it was given to returns, and for one goroutine.
type Tx struct {
	seed     maphash.Seed
	revision uint64
	tables   map[string]*node // roots; the map is the transaction's own if owned
	owned    bool
	writable bool
	durable  bool
	done     bool
	wiped    bool // Import: forget every row on disk first
	writes   map[slot]change
	err      error
}

// slot names one row.
type slot struct{ table, key string }

// change is what a transaction did to a row, last write winning.
type change struct {
	raw     []byte // JSON text, only if the store is durable
	deleted bool
}

// Revision identifies the state that the transaction began with: two
// transactions of a process with the same Revision began with the same rows.
func (tx *Tx) Revision() uint64 {
	tx.check()
	return tx.revision
}

// check panics if the transaction is over: using it would read a state that
// has been replaced, or write to nowhere.
func (tx *Tx) check() {
	if tx.done {
		panic("store: transaction used after its function returned")
	}
}

func (tx *Tx) checkWritable() {
	tx.check()
	if !tx.writable {
		panic("store: write in View; use Update")
	}
}

// fail makes the transaction end with err; the first error wins.
func (tx *Tx) fail(err error) {
	if tx.err == nil {
		tx.err = err
	}
}

// set changes a row in the transaction; r nil deletes it, and the row must
// then be present.
func (tx *Tx) set(table, key string, r *row, raw []byte) {
	if !tx.owned {
		tx.tables, tx.owned = maps.Clone(tx.tables), true
	}
	root := tx.tables[table]
	if r == nil {
		root = root.del(key)
	} else {
		root = root.put(key, r, maphash.String(tx.seed, key))
	}
	tx.tables[table] = root
	tx.writes[slot{table, key}] = change{raw: raw, deleted: r == nil}
}
