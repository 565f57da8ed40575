package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"hash/maphash"
	"net/url"
	"os"
	"path/filepath"

	"modernc.org/sqlite"
	lib "modernc.org/sqlite/lib"
)

const (
	// fileName is the database's name in the store's directory.
	fileName = "sandbox.db"
	// applicationID marks the file as ours (SQLite's PRAGMA
	// application_id): "mntl".
	applicationID = 0x6d6e746c
	// schemaVersion is the layout that this code reads and writes (PRAGMA
	// user_version). A change of layout gets the next number and a step in
	// prepare that brings older files up.
	schemaVersion = 1
)

// disk is the SQLite side of a store. It is used under Store.mu.
type disk struct {
	path  string
	db    *sql.DB
	conn  *sql.Conn
	fatal error // set when a commit's fate is unknown

	put, del, rev *sql.Stmt
}

// openDisk opens or makes the file, takes the exclusive lock, checks that the
// file is one we can read, and reads it.
func openDisk(s *Store, dir string, opt Options) (backend, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("store: make the state directory: %w", err)
	}
	path := filepath.Join(dir, fileName)
	// The file holds secrets: make it with tight permissions ourselves,
	// SQLite would use the umask. Its WAL inherits them.
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("store: open the state file: %w", err)
	}
	if err := f.Close(); err != nil {
		return nil, fmt.Errorf("store: open the state file: %w", err)
	}
	// Exclusive locking comes first: it makes WAL mode work without shared
	// memory, and holds the lock until close. Nothing here may write: the
	// file may turn out not to be ours.
	dsn := (&url.URL{Scheme: "file", Opaque: (&url.URL{Path: path}).EscapedPath(), RawQuery: url.Values{
		"_pragma": {"locking_mode(EXCLUSIVE)", "busy_timeout(0)"},
	}.Encode()}).String()
	db, err := sql.Open("sqlite", dsn)
	if err != nil {
		return nil, fmt.Errorf("store: open %s: %w", path, err)
	}
	db.SetMaxOpenConns(1)
	d := &disk{path: path, db: db}
	if err := d.prepare(opt); err != nil {
		return nil, errors.Join(d.explain(err), d.close())
	}
	first, err := d.load(s.seed)
	if err != nil {
		return nil, errors.Join(err, d.close())
	}
	s.state.Store(first)
	return d, nil
}

// refresh has nothing to do: nobody else can write.
func (d *disk) refresh(*Store) error { return nil }

func (d *disk) begin(s *Store) (*state, error) { return s.state.Load(), d.fatal }

func (d *disk) abort() {}

// prepare takes the lock, checks the file's identity and makes the schema.
func (d *disk) prepare(opt Options) error {
	ctx := context.Background()
	var err error
	if d.conn, err = d.db.Conn(ctx); err != nil {
		return err
	}
	var app, version, objects int64
	if err := d.conn.QueryRowContext(ctx, `PRAGMA application_id`).Scan(&app); err != nil {
		return err
	}
	if err := d.conn.QueryRowContext(ctx, `PRAGMA user_version`).Scan(&version); err != nil {
		return err
	}
	if err := d.conn.QueryRowContext(ctx, `SELECT count(*) FROM sqlite_schema`).Scan(&objects); err != nil {
		return err
	}
	fresh := app == 0 && version == 0 && objects == 0
	switch {
	case fresh:
	case app != applicationID:
		return &fileError{d.path, "is an SQLite database of another program; give the sandbox a directory of its own"}
	case version > schemaVersion:
		return &fileError{d.path, fmt.Sprintf("has format %d, this program reads up to %d; use the newer program, or an export of it", version, schemaVersion)}
	case version < schemaVersion:
		return &fileError{d.path, fmt.Sprintf("has format %d, which never existed", version)}
	}
	if !fresh {
		var verdict string
		if err := d.conn.QueryRowContext(ctx, `PRAGMA quick_check(1)`).Scan(&verdict); err != nil {
			return err
		}
		if verdict != "ok" {
			return &fileError{d.path, "is damaged (" + verdict + "); it was not changed: restore it from an export, or move it away to start afresh"}
		}
	}
	// The file is ours, from here on we write.
	setup := []string{`PRAGMA journal_mode = WAL`, `PRAGMA synchronous = FULL`}
	if opt.Fast {
		setup[1] = `PRAGMA synchronous = NORMAL`
	}
	for _, q := range setup {
		if _, err := d.conn.ExecContext(ctx, q); err != nil {
			return err
		}
	}
	if fresh {
		if err := d.create(ctx); err != nil {
			return err
		}
	}
	for _, s := range []struct {
		stmt **sql.Stmt
		q    string
	}{
		{&d.put, `INSERT INTO row (tbl, key, value) VALUES (?, ?, ?) ON CONFLICT (tbl, key) DO UPDATE SET value = excluded.value`},
		{&d.del, `DELETE FROM row WHERE tbl = ? AND key = ?`},
		{&d.rev, `UPDATE meta SET value = ? WHERE name = 'revision'`},
	} {
		if *s.stmt, err = d.conn.PrepareContext(ctx, s.q); err != nil {
			return err
		}
	}
	return nil
}

// create makes the schema in an empty file.
func (d *disk) create(ctx context.Context) error {
	tx, err := d.conn.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() // after Commit a no-op
	for _, q := range []string{
		`CREATE TABLE row (tbl TEXT NOT NULL, key BLOB NOT NULL, value BLOB NOT NULL, PRIMARY KEY (tbl, key)) WITHOUT ROWID`,
		`CREATE TABLE meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID`,
		`INSERT INTO meta VALUES ('revision', 1)`,
		fmt.Sprintf(`PRAGMA application_id = %d`, applicationID),
		fmt.Sprintf(`PRAGMA user_version = %d`, schemaVersion),
	} {
		if _, err := tx.ExecContext(ctx, q); err != nil {
			return err
		}
	}
	return tx.Commit()
}

// load reads every row.
func (d *disk) load(seed maphash.Seed) (*state, error) {
	ctx := context.Background()
	st := &state{tables: map[string]*node{}}
	if err := d.conn.QueryRowContext(ctx, `SELECT value FROM meta WHERE name = 'revision'`).Scan(&st.revision); err != nil {
		return nil, d.explain(err)
	}
	rows, err := d.conn.QueryContext(ctx, `SELECT tbl, key, value FROM row`)
	if err != nil {
		return nil, d.explain(err)
	}
	defer rows.Close()
	for rows.Next() {
		var table string
		var key, value []byte
		if err := rows.Scan(&table, &key, &value); err != nil {
			return nil, d.explain(err)
		}
		r := &row{}
		r.cell.Store(&cell{raw: value})
		st.tables[table] = st.tables[table].put(string(key), r, maphash.String(seed, string(key)))
	}
	if err := rows.Err(); err != nil {
		return nil, d.explain(err)
	}
	return st, nil
}

// commit writes what tx changed.
func (d *disk) commit(t *Tx, revision uint64) error {
	ctx := context.Background()
	tx, err := d.conn.BeginTx(ctx, nil)
	if err != nil {
		return d.explain(err)
	}
	if err := d.write(ctx, tx, t, revision); err != nil {
		if rerr := tx.Rollback(); rerr != nil {
			d.fatal = fmt.Errorf("store: %s cannot be written since a failed commit (%w); restart the sandbox", d.path, err)
		}
		return d.explain(err)
	}
	if err := tx.Commit(); err != nil {
		// The rows may or may not be on disk. Memory keeps the old state;
		// going on would let the two drift apart.
		d.fatal = fmt.Errorf("store: %s cannot be written since a failed commit (%w); restart the sandbox", d.path, err)
		return d.explain(err)
	}
	return nil
}

func (d *disk) write(ctx context.Context, tx *sql.Tx, t *Tx, revision uint64) error {
	if t.wiped {
		if _, err := tx.ExecContext(ctx, `DELETE FROM row`); err != nil {
			return err
		}
	}
	put, del := tx.StmtContext(ctx, d.put), tx.StmtContext(ctx, d.del)
	for at, c := range t.writes {
		var err error
		if c.deleted {
			_, err = del.ExecContext(ctx, at.table, []byte(at.key))
		} else {
			_, err = put.ExecContext(ctx, at.table, []byte(at.key), c.raw)
		}
		if err != nil {
			return err
		}
	}
	_, err := tx.StmtContext(ctx, d.rev).ExecContext(ctx, int64(revision))
	return err
}

func (d *disk) close() error {
	var errs []error
	for _, s := range []*sql.Stmt{d.put, d.del, d.rev} {
		if s != nil {
			errs = append(errs, s.Close())
		}
	}
	if d.conn != nil {
		errs = append(errs, d.conn.Close())
	}
	return errors.Join(append(errs, d.db.Close())...)
}

// fileError says what is wrong with the state file.
type fileError struct{ path, what string }

func (e *fileError) Error() string { return "store: " + e.path + " " + e.what }

// explain turns SQLite's errors into ones that say what to do.
func (d *disk) explain(err error) error {
	var se *sqlite.Error
	if !errors.As(err, &se) {
		return err
	}
	switch se.Code() & 0xff { // the primary result code
	case lib.SQLITE_BUSY, lib.SQLITE_LOCKED:
		return &fileError{d.path, "is in use by another sandbox; stop it, or give this one another directory"}
	case lib.SQLITE_NOTADB:
		return &fileError{d.path, "is not a state file; it was not changed: move it away, or give the sandbox another directory"}
	case lib.SQLITE_CORRUPT:
		return &fileError{d.path, "is damaged (" + se.Error() + "); it was not changed: restore it from an export, or move it away to start afresh"}
	case lib.SQLITE_FULL:
		return &fileError{d.path, "cannot grow: the disk is full; nothing of this change was kept"}
	case lib.SQLITE_READONLY:
		return &fileError{d.path, "cannot be written; check its permissions"}
	}
	return fmt.Errorf("store: %s: %w", d.path, err)
}
