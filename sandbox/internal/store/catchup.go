package store

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash/maphash"
	"maps"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

const (
	headQuery = `SELECT revision FROM mantle_sandbox`
	// changesQuery is one statement, and so one moment of the database: the
	// newest revision and what has changed after another.
	changesQuery = `SELECT m.revision, m.floor, r.tbl, r.key, r.value FROM mantle_sandbox m LEFT JOIN mantle_sandbox_row r ON r.revision > $1`
	lockQuery    = `SELECT revision FROM mantle_sandbox FOR UPDATE`

	putQuery = `INSERT INTO mantle_sandbox_row (id, tbl, key, revision, value)
		SELECT id, tbl, key, $5, value FROM unnest($1::bytea[], $2::text[], $3::bytea[], $4::bytea[]) AS new (id, tbl, key, value)
		ON CONFLICT (id) DO UPDATE SET revision = excluded.revision, value = excluded.value`
	wipeQuery = `UPDATE mantle_sandbox_row SET revision = $1, value = NULL WHERE value IS NOT NULL`
	headWrite = `UPDATE mantle_sandbox SET revision = $1`

	pruneQuery = `DELETE FROM mantle_sandbox_row WHERE value IS NULL AND revision <= $1`
	floorWrite = `UPDATE mantle_sandbox SET floor = $1`
)

// The trace of a deleted row stays for at least traceRevisions commits; every
// pruneEvery-th removes older ones. A process that has slept through more
// reads the whole state again.
const (
	traceRevisions = 4096
	pruneEvery     = 1024
)

// flight is one question to the database, for everybody who asked before it
// was put.
type flight struct {
	done chan struct{}
	err  error
}

// refresh asks the database for what is new. An answer counts for a caller
// only if the question was put after the call: whoever comes while one is
// under way shares the next.
func (p *postgres) refresh(s *Store) error {
	p.mu.Lock()
	f := p.next
	if f != nil {
		p.mu.Unlock()
		<-f.done
		return f.err
	}
	f = &flight{done: make(chan struct{})}
	p.next = f
	p.mu.Unlock()

	p.asking.Lock()
	defer p.asking.Unlock()
	defer close(f.done)
	p.mu.Lock()
	p.next = nil
	p.mu.Unlock()
	f.err = ErrClosed
	if !p.closed {
		f.err = p.ask(s)
	}
	return f.err
}

// ask brings Store.state up to date.
func (p *postgres) ask(s *Store) error {
	ctx, cancel := context.WithTimeout(context.Background(), readTimeout)
	defer cancel()
	err := p.askOnce(ctx, s)
	if p.reader.worn(err) {
		// The server may have been restarted since the last question.
		err = p.askOnce(ctx, s)
	}
	if err != nil {
		return p.explain(err)
	}
	return nil
}

func (p *postgres) askOnce(ctx context.Context, s *Store) error {
	if err := p.reader.dial(ctx, p.cfg); err != nil {
		return err
	}
	now := s.state.Load()
	if p.reader.known {
		var head int64
		if err := p.reader.QueryRow(ctx, headQuery).Scan(&head); err != nil {
			return err
		}
		if uint64(head) == now.revision {
			return nil
		}
	}
	for {
		since := p.reader.since(now)
		rows, err := p.reader.Query(ctx, changesQuery, since)
		if err != nil {
			return err
		}
		next, err := read(rows, now, since, s.seed)
		if errors.Is(err, errTooOld) {
			p.reader.known = false
			continue
		}
		if err != nil {
			return err
		}
		if s.state.CompareAndSwap(now, next) {
			p.reader.known = true
			return nil
		}
		// An Update of this process was faster; what it published may or may
		// not have all that was read here.
		now = s.state.Load()
	}
}

// since is the revision after which changes are wanted; 0 wants everything. A
// new connection may lead to a server that has lost commits which this
// process has seen, so what it knows is worth nothing there.
func (l *link) since(now *state) int64 {
	if !l.known {
		return 0
	}
	return int64(now.revision)
}

// worn tells whether err came of a connection that had died unnoticed, and
// drops it.
func (l *link) worn(err error) bool {
	if err == nil {
		return false
	}
	if _, ok := errors.AsType[*pgconn.ConnectError](err); ok {
		return false // it is a new one that failed
	}
	if pe, ok := errors.AsType[*pgconn.PgError](err); ok && pe.SeverityUnlocalized != "FATAL" {
		return false // it is in order, the statement was not
	}
	l.drop()
	return true
}

// errTooOld says that the traces of deletions after a revision are gone.
var errTooOld = errors.New("store: too many revisions were missed")

// read applies the answer to changesQuery to a state.
func read(rows pgx.Rows, now *state, since int64, seed maphash.Seed) (*state, error) {
	defer rows.Close()
	next := &state{epoch: now.epoch}
	if since == 0 {
		next.epoch++
		next.tables = map[string]*node{}
	} else {
		next.tables = maps.Clone(now.tables)
	}
	for rows.Next() {
		var revision, floor int64
		var table *string
		var key, value []byte
		if err := rows.Scan(&revision, &floor, &table, &key, &value); err != nil {
			return nil, err
		}
		next.revision = uint64(revision)
		if since != 0 && (since < floor || revision < since) {
			return nil, errTooOld
		}
		if table == nil {
			continue // nothing has changed
		}
		root := next.tables[*table]
		if value == nil {
			if root.get(string(key)) != nil {
				root = root.del(string(key))
			}
		} else {
			r := &row{}
			r.cell.Store(&cell{raw: value})
			root = root.put(string(key), r, maphash.String(seed, string(key)))
		}
		next.tables[*table] = root
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	if next.revision == 0 {
		return nil, errors.New("the table mantle_sandbox is empty; restore a snapshot into another schema or database")
	}
	return next, nil
}

// begin takes the right to write and catches up, in one round trip.
func (p *postgres) begin(s *Store) (*state, error) {
	ctx, cancel := context.WithTimeout(context.Background(), writeTimeout)
	defer cancel()
	st, err := p.beginOnce(ctx, s)
	if err != nil && p.writer.worn(err) {
		st, err = p.beginOnce(ctx, s) // nothing was done yet
	}
	if err != nil {
		p.abort()
		if ctx.Err() != nil {
			err = fmt.Errorf("waited %v for the right to write, another sandbox keeps it: %w", writeTimeout, err)
		}
		return nil, p.explain(err)
	}
	return st, nil
}

func (p *postgres) beginOnce(ctx context.Context, s *Store) (*state, error) {
	if err := p.writer.dial(ctx, p.cfg); err != nil {
		return nil, err
	}
	now := s.state.Load()
	since := p.writer.since(now)
	var next *state
	b := &pgx.Batch{}
	b.Queue(`BEGIN`)
	b.Queue(lockQuery)
	// A statement of its own: it sees what was committed while the lock was
	// waited for.
	b.Queue(changesQuery, since).Query(func(rows pgx.Rows) (err error) {
		next, err = read(rows, now, since, s.seed)
		return err
	})
	err := p.writer.SendBatch(ctx, b).Close()
	if errors.Is(err, errTooOld) {
		since = 0
		var rows pgx.Rows
		if rows, err = p.writer.Query(ctx, changesQuery, since); err == nil {
			next, err = read(rows, now, since, s.seed)
		}
	}
	if err != nil {
		return nil, err
	}
	p.writer.known = true
	// Nobody commits while the right to write is held, so next is the newest
	// state there is.
	for next.revision != now.revision || next.epoch != now.epoch {
		if s.state.CompareAndSwap(now, next) {
			break
		}
		if now = s.state.Load(); now.revision == next.revision {
			return now, nil
		}
	}
	return s.state.Load(), nil
}

// commit writes the rows, the revision and the end of the transaction in one
// round trip.
func (p *postgres) commit(t *Tx, revision uint64) error {
	ctx, cancel := context.WithTimeout(context.Background(), writeTimeout)
	defer cancel()
	b := &pgx.Batch{}
	if t.wiped {
		b.Queue(wipeQuery, int64(revision))
	}
	ids, tables := make([][]byte, 0, len(t.writes)), make([]string, 0, len(t.writes))
	keys, values := make([][]byte, 0, len(t.writes)), make([][]byte, 0, len(t.writes))
	for at, c := range t.writes {
		ids, tables = append(ids, rowID(at)), append(tables, at.table)
		keys, values = append(keys, []byte(at.key)), append(values, c.raw) // nil if deleted
	}
	b.Queue(putQuery, ids, tables, keys, values, int64(revision))
	b.Queue(headWrite, int64(revision))
	if floor := int64(revision) - traceRevisions; floor > 0 && revision%pruneEvery == 0 {
		b.Queue(pruneQuery, floor)
		b.Queue(floorWrite, floor)
	}
	committed := false
	b.Queue(`COMMIT`).Exec(func(tag pgconn.CommandTag) error {
		committed = tag.String() == "COMMIT"
		return nil
	})
	err := p.writer.SendBatch(ctx, b).Close()
	if err == nil && !committed {
		err = errors.New("the transaction was rolled back")
	}
	if err == nil {
		return nil
	}
	p.abort()
	if _, answered := errors.AsType[*pgconn.PgError](err); !answered && p.writer.Conn == nil {
		return fmt.Errorf("store: %s: the connection broke during a commit, which may or may not have been kept: %w", p.name(), err)
	}
	return p.explain(err)
}

// abort gives up the right to write.
func (p *postgres) abort() {
	if p.writer.Conn == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), writeTimeout)
	defer cancel()
	if p.writer.PgConn().TxStatus() != 'I' || p.writer.IsClosed() {
		if _, err := p.writer.Exec(ctx, `ROLLBACK`); err != nil {
			p.writer.drop()
		}
	}
}

// rowID is the primary key of a row.
func rowID(at slot) []byte {
	h := sha256.New()
	h.Write([]byte(at.table))
	h.Write([]byte{0})
	h.Write([]byte(at.key))
	return h.Sum(nil)
}
