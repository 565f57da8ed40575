// Package store keeps the sandbox's state: ordered tables in memory, and, if
// a directory is given, the same rows in one SQLite file.
//
// Every read is answered from memory. The whole state hangs on one pointer to
// persistent (never modified) trees, so a reader takes the pointer and then
// sees one moment in time for as long as it likes, without a lock: readers
// block neither each other nor the writer. [Store.Update] builds the next
// state beside the current one, writes the changed rows to disk in one SQL
// transaction, and only then lets others see it.
//
// # What survives
//
// With a directory, a row that [Store.Update] reported as written survives
// the death of the process at any moment (kill -9) and the loss of power:
// SQLite runs in write-ahead-log mode with synchronous=FULL, which flushes
// the log at every commit. [Options.Fast] lowers that to synchronous=NORMAL:
// still nothing is lost by kill -9, but the last commits may be lost, as a
// whole and in order, when the machine loses power.
//
// # Secrets
//
// Rows are stored as they are given. The sandbox must know the secret half of
// access keys to check signatures, so the state file holds secrets in clear:
// it is created readable by its owner only, and so should be any export.
//
// The files, in the order in which a row passes them: table.go (typed access),
// tx.go (transactions), tree.go (memory), disk.go (SQLite), export.go
// (snapshot as JSON lines), store.go (open, close and the current state).
package store
