package store

import (
	"fmt"
	"testing"

	"github.com/mantle-iam/mantle/internal/pgtest"
)

// conformance is what a store does wherever it keeps its rows.
var conformance = []struct {
	name    string
	test    func(t *testing.T, place string)
	durable bool // makes sense only where something outlives the store
}{
	{"model", model, false},
	{"snapshot isolation", snapshotIsolation, false},
	{"readers and writers together", readersAndWritersTogether, false},
	{"misuse", misuse, false},
	{"revision only grows with changes", revisionOnlyGrowsWithChanges, false},
	{"reopen", reopen, true},
	{"row of another shape", rowOfAnotherShape, true},
	{"unwritable value", unwritableValue, true},
	{"export and import", exportImport, true},
	{"kill", kill, true},
}

func TestMemory(t *testing.T) {
	for _, c := range conformance {
		if !c.durable {
			t.Run(c.name, func(t *testing.T) { c.test(t, "") })
		}
	}
}

func TestSQLite(t *testing.T) {
	for _, c := range conformance {
		t.Run(c.name, func(t *testing.T) { c.test(t, t.TempDir()) })
	}
}

// TestPostgreSQL has all tests that need a server.
func TestPostgreSQL(t *testing.T) {
	pg := pgtest.Start(t)
	n := 0
	place := func() string {
		n++
		return pg.DSN(fmt.Sprint("schema", n))
	}
	for _, c := range conformance {
		t.Run(c.name, func(t *testing.T) { c.test(t, place()) })
	}
	for _, c := range shared {
		t.Run(c.name, func(t *testing.T) { c.test(t, pg, place()) })
	}
}
