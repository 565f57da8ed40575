// Package store keeps the sandbox's state: ordered tables in memory, and, if
// a place is given, the same rows in one SQLite file or in a PostgreSQL
// database.
//
// Every read is answered from memory. The whole state hangs on one pointer to
// persistent (never modified) trees, so a reader takes the pointer and then
// sees one moment in time for as long as it likes, without a lock: readers
// block neither each other nor the writer. [Store.Update] builds the next
// state beside the current one, writes the changed rows in one SQL
// transaction, and only then lets others see it.
//
// # What survives
//
// With a directory, a row that [Store.Update] reported as written survives
// the death of the process at any moment (kill -9) and the loss of power:
// SQLite runs in write-ahead-log mode with synchronous=FULL, which flushes
// the log at every commit. [Options.Fast] lowers that to synchronous=NORMAL:
// still nothing is lost by kill -9, but the last commits may be lost, as a
// whole and in order, when the machine loses power. A database keeps as much:
// synchronous_commit is on, whatever the server's default, or off with Fast.
//
// # Several processes
//
// A database may be the state of several processes at once. Memory is then a
// copy that is brought up to date by asking for the rows that changed after
// the last revision known, a question that costs one round trip and is shared
// by all who ask at the same time. A View begins with it ([Options.MaxAge]
// makes that rarer), so what one process has acknowledged the next View of
// any other shows. Nothing is pushed: a notification says when to ask, and a
// reader that must not be behind has to ask anyway. An Update takes the lock
// on the one row of the revision, catches up, calls its function on the
// newest state, and writes rows and revision before it gives the lock up; two
// round trips in all, one after the other across all processes.
//
// The lock belongs to a database session. It ends with the process, and with
// the patience of the server if the process hangs; what was not committed by
// then never is.
//
// # Secrets
//
// Rows are stored as they are given. The sandbox must know the secret half of
// access keys to check signatures, so the state file holds secrets in clear:
// it is created readable by its owner only, and so should be any export and
// any database.
//
// The files, in the order in which a row passes them: table.go (typed access),
// tx.go (transactions), tree.go (memory), disk.go (SQLite), postgres.go and
// catchup.go (PostgreSQL), export.go (snapshot as JSON lines), store.go (open,
// close and the current state).
package store
