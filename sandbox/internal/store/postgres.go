package store

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Bounds on waiting. A process that hangs in the middle of an Update holds up
// all others until PostgreSQL ends its session; they wait longer than that.
const (
	dialTimeout   = 10 * time.Second
	readTimeout   = 30 * time.Second
	writeTimeout  = 30 * time.Second
	holdTimeoutMs = "10000" // idle_in_transaction_session_timeout
)

// lockID is the advisory lock under which the tables are made.
const lockID = applicationID

// schema is the layout in PostgreSQL.
//
// mantle_sandbox is one row: the revision of the newest commit, and the
// revision up to which the traces of deleted rows may have been removed. The
// lock on it is the right to write.
//
// mantle_sandbox_row has the rows, each with the revision that last changed
// it, and those deleted lately with a null value, so that "what has changed
// since revision n" is a range of one index. id is a hash of table and key:
// keys may be longer than an index of PostgreSQL can take. Values are JSON:
//
//	SELECT tbl, convert_from(key, 'UTF8'), convert_from(value, 'UTF8')::jsonb
//	FROM mantle_sandbox_row WHERE value IS NOT NULL
var schema = []string{
	`CREATE TABLE IF NOT EXISTS mantle_sandbox (
		one boolean PRIMARY KEY DEFAULT true CHECK (one),
		format integer NOT NULL,
		revision bigint NOT NULL,
		floor bigint NOT NULL
	) WITH (fillfactor = 10)`, // room for new versions of the one row in its page
	`CREATE TABLE IF NOT EXISTS mantle_sandbox_row (
		id bytea PRIMARY KEY,
		tbl text NOT NULL,
		key bytea NOT NULL,
		revision bigint NOT NULL,
		value bytea
	)`,
	`CREATE INDEX IF NOT EXISTS mantle_sandbox_row_revision ON mantle_sandbox_row (revision)`,
	`CREATE INDEX IF NOT EXISTS mantle_sandbox_row_deleted ON mantle_sandbox_row (revision) WHERE value IS NULL`,
	fmt.Sprintf(`INSERT INTO mantle_sandbox (format, revision, floor) VALUES (%d, 1, 1) ON CONFLICT DO NOTHING`, schemaVersion),
}

// postgres is the PostgreSQL side of a store: one connection that writes and
// one that asks what others have written.
type postgres struct {
	cfg    *pgx.ConnConfig
	writer link // used under Store.mu

	mu   sync.Mutex // guards the field below
	next *flight    // the question that has not been asked yet

	asking sync.Mutex // serialises questions and guards the fields below
	reader link
	closed bool
}

// link is a connection that is made when it is wanted.
type link struct {
	*pgx.Conn      // nil if there is none
	known     bool // the state has been read through it as a whole
}

func openPostgres(s *Store, dsn string, opt Options) (backend, error) {
	cfg, err := ParseDSN(dsn)
	if err != nil {
		return nil, err
	}
	if cfg.RuntimeParams["idle_in_transaction_session_timeout"] == "" {
		cfg.RuntimeParams["idle_in_transaction_session_timeout"] = holdTimeoutMs
	}
	// Rows come by index; a plan for few rows is not worth compiling.
	cfg.RuntimeParams["jit"] = "off"
	if opt.Fast {
		cfg.AfterConnect = nil
		cfg.RuntimeParams["synchronous_commit"] = "off"
	}
	p := &postgres{cfg: cfg}
	ctx, cancel := context.WithTimeout(context.Background(), writeTimeout)
	defer cancel()
	if err := p.writer.dial(ctx, p.cfg); err != nil {
		return nil, p.explain(err)
	}
	if err := p.prepare(ctx); err != nil {
		return nil, errors.Join(p.explain(err), p.close())
	}
	if err := p.refresh(s); err != nil {
		return nil, errors.Join(err, p.close())
	}
	p.writer.known = true // the state was read after it was made
	return p, nil
}

// ParseDSN reads the address of a PostgreSQL database. Unless it says
// otherwise, a server that takes no writes is passed over: a standby would
// show a state of the past. What is committed through a connection made from
// the result is on the server's disk.
func ParseDSN(dsn string) (*pgx.ConnConfig, error) {
	cfg, err := pgx.ParseConfig(dsn)
	if err != nil {
		return nil, fmt.Errorf("store: the address of the PostgreSQL database cannot be read: %w", redacted(err))
	}
	if cfg.ValidateConnect == nil {
		cfg.ValidateConnect = pgconn.ValidateConnectTargetSessionAttrsReadWrite
	}
	cfg.AfterConnect = func(ctx context.Context, conn *pgconn.PgConn) error {
		// A server may be set up to acknowledge before it has written.
		_, err := conn.Exec(ctx, `SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'`).ReadAll()
		return err
	}
	if cfg.ConnectTimeout == 0 {
		cfg.ConnectTimeout = dialTimeout
	}
	if cfg.RuntimeParams["application_name"] == "" {
		cfg.RuntimeParams["application_name"] = "mantle"
	}
	return cfg, nil
}

// redacted is a parser's error without the address, which may hold a
// password in a place where the parser did not expect one.
func redacted(err error) error {
	if pe, ok := errors.AsType[*pgconn.ParseConfigError](err); ok {
		if cause := pe.Unwrap(); cause != nil && !strings.Contains(cause.Error(), "://") {
			return cause
		}
	}
	return errors.New("want postgres://USER:PASSWORD@HOST:PORT/DATABASE, with special characters of the password percent-encoded")
}

// dial makes the connection if there is none.
func (l *link) dial(ctx context.Context, cfg *pgx.ConnConfig) error {
	if l.Conn != nil && !l.IsClosed() {
		return nil
	}
	conn, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		return err
	}
	*l = link{Conn: conn}
	return nil
}

// drop ends the connection; the next dial makes another.
func (l *link) drop() error {
	if l.Conn == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	err := l.Close(ctx)
	*l = link{}
	return err
}

// prepare makes the tables if they are not there and checks their format.
func (p *postgres) prepare(ctx context.Context) error {
	var there bool
	if err := p.writer.QueryRow(ctx, `SELECT to_regclass('mantle_sandbox') IS NOT NULL`).Scan(&there); err != nil {
		return err
	}
	if !there {
		err := pgx.BeginFunc(ctx, p.writer.Conn, func(tx pgx.Tx) error {
			if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock($1)`, int64(lockID)); err != nil {
				return err
			}
			// Another process may have been faster, which to_regclass, with
			// its cached answer, would not notice.
			for _, q := range schema {
				if _, err := tx.Exec(ctx, q); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	var format int
	if err := p.writer.QueryRow(ctx, `SELECT format FROM mantle_sandbox`).Scan(&format); err != nil {
		return err
	}
	if format > schemaVersion {
		return &fileError{p.name(), fmt.Sprintf("has format %d, this program reads up to %d; use the newer program, or an export of it", format, schemaVersion)}
	}
	return nil
}

func (p *postgres) close() error {
	p.asking.Lock()
	defer p.asking.Unlock()
	p.closed = true
	return errors.Join(p.writer.drop(), p.reader.drop())
}

// name is what errors call the database. It has no password in it.
func (p *postgres) name() string {
	return fmt.Sprintf("database %s on %s", p.cfg.Database, p.cfg.Host)
}

// explain turns PostgreSQL's errors into ones that say what to do.
func (p *postgres) explain(err error) error {
	if pe, ok := errors.AsType[*pgconn.PgError](err); ok {
		switch pe.Code {
		case "42501": // insufficient_privilege
			return &fileError{p.name(), fmt.Sprintf("may not be used by user %s (%s); let it own a schema, or grant it the tables", p.cfg.User, pe.Message)}
		case "28P01", "28000": // invalid_password, invalid_authorization_specification
			return &fileError{p.name(), fmt.Sprintf("refuses user %s (%s)", p.cfg.User, pe.Message)}
		case "3D000": // invalid_catalog_name
			return &fileError{p.name(), "does not exist; make it with: createdb " + p.cfg.Database}
		case "53100": // disk_full
			return &fileError{p.name(), "cannot grow: the disk is full; nothing of this change was kept"}
		case "57P03", "53300": // cannot_connect_now, too_many_connections
			return fmt.Errorf("store: %s %w: %w", p.name(), ErrUnreachable, err)
		case "25P03": // idle_in_transaction_session_timeout
			return &fileError{p.name(), "ended the session: a change took too long; nothing of it was kept"}
		}
		return fmt.Errorf("store: %s: %w", p.name(), err)
	}
	if ce, ok := errors.AsType[*pgconn.ConnectError](err); ok {
		return fmt.Errorf("store: %s %w: %w", p.name(), ErrUnreachable, ce)
	}
	if _, ok := errors.AsType[*fileError](err); ok || errors.Is(err, ErrClosed) {
		return err
	}
	return fmt.Errorf("store: %s: %w", p.name(), err)
}
