package objects

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"gocloud.dev/blob"
	"gocloud.dev/blob/driver"
	"gocloud.dev/gcerrors"

	"github.com/mantle-iam/mantle/sandbox/internal/store"
)

// chunkSize is how many bytes of an object lie in one row. It is part of the
// format.
const chunkSize = 1 << 20

const (
	// grace is how long deleted bytes stay readable, and how old bytes must
	// be to be listed. A process cannot know that another is reading them,
	// or is about to write the row that names them.
	grace = "interval '1 hour'"
	// patience is how long an upload may go without a chunk before its bytes
	// are taken for those of a process that died.
	patience = "interval '1 day'"
)

// schema is the layout. Rows are never changed into other bytes: an id is
// written once.
var schema = []string{
	`CREATE TABLE IF NOT EXISTS mantle_sandbox_object (
		id text COLLATE "C" PRIMARY KEY,
		size bigint NOT NULL,
		written timestamptz NOT NULL DEFAULT now(),
		complete boolean NOT NULL,
		deleted timestamptz
	)`,
	`CREATE TABLE IF NOT EXISTS mantle_sandbox_chunk (
		object text COLLATE "C" NOT NULL REFERENCES mantle_sandbox_object ON DELETE CASCADE,
		number integer NOT NULL,
		bytes bytea NOT NULL,
		PRIMARY KEY (object, number)
	)`,
	// Objects are often compressed already; uncompressed, a part of a chunk
	// can be read without the rest.
	`ALTER TABLE mantle_sandbox_chunk ALTER COLUMN bytes SET STORAGE EXTERNAL`,
	`CREATE INDEX IF NOT EXISTS mantle_sandbox_object_deleted ON mantle_sandbox_object (deleted) WHERE deleted IS NOT NULL`,
	`CREATE INDEX IF NOT EXISTS mantle_sandbox_object_incomplete ON mantle_sandbox_object (written) WHERE NOT complete`,
}

// lockID is the advisory lock under which the tables are made: "mobj".
const lockID = 0x6d6f626a

// bucket is a driver of gocloud.dev/blob on two tables.
type bucket struct{ pool *pool }

func openPostgres(dsn string) (*blob.Bucket, error) {
	cfg, err := store.ParseDSN(dsn)
	if err != nil {
		return nil, err
	}
	b := &bucket{newPool(cfg)}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := b.pool.do(ctx, func(conn *pgx.Conn) error { return prepare(ctx, conn) }); err != nil {
		return nil, errors.Join(fmt.Errorf("prepare the tables for objects: %w", err), b.Close())
	}
	return blob.NewBucket(b), nil
}

// prepare makes the tables if they are not there and removes what nobody
// waits for any more.
func prepare(ctx context.Context, conn *pgx.Conn) error {
	var made bool
	if err := conn.QueryRow(ctx, `SELECT to_regclass('mantle_sandbox_object') IS NOT NULL`).Scan(&made); err != nil {
		return err
	}
	if !made {
		return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
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
	}
	_, err := conn.Exec(ctx, `DELETE FROM mantle_sandbox_object WHERE deleted < now() - `+grace+` OR NOT complete AND written < now() - `+patience)
	return err
}

// Close ends the connections.
func (b *bucket) Close() error { return b.pool.close() }

var (
	errNotFound    = errors.New("there is no object with this id")
	errUnsupported = errors.New("objects in PostgreSQL have no URL of their own")
)

// ErrorCode says what kind of error one is.
func (b *bucket) ErrorCode(err error) gcerrors.ErrorCode {
	switch {
	case errors.Is(err, errNotFound), errors.Is(err, pgx.ErrNoRows):
		return gcerrors.NotFound
	case errors.Is(err, errUnsupported):
		return gcerrors.Unimplemented
	case errors.Is(err, context.Canceled):
		return gcerrors.Canceled
	case errors.Is(err, context.DeadlineExceeded):
		return gcerrors.DeadlineExceeded
	}
	return gcerrors.Unknown
}

// As gives nothing away.
func (b *bucket) As(any) bool { return false }

// ErrorAs makes the errors of pgx available.
func (b *bucket) ErrorAs(err error, target any) bool { return errors.As(err, target) }

// Attributes of an object that has been written to its end.
func (b *bucket) Attributes(ctx context.Context, id string) (*driver.Attributes, error) {
	a := &driver.Attributes{ContentType: contentType}
	err := b.pool.do(ctx, func(conn *pgx.Conn) error {
		return conn.QueryRow(ctx, `SELECT size, written FROM mantle_sandbox_object WHERE id = $1 AND complete AND deleted IS NULL`, id).Scan(&a.Size, &a.ModTime)
	})
	if err != nil {
		return nil, err
	}
	a.CreateTime = a.ModTime
	return a, nil
}

// listing is what [Each] changes of a list.
type listing struct{ all bool }

// ListPaged lists the objects that are older than the grace period: who lists
// them looks for those that no row names, and a younger one may get its row
// in a moment. Delimiters are not known here.
func (b *bucket) ListPaged(ctx context.Context, opt *driver.ListOptions) (*driver.ListPage, error) {
	var l listing
	if opt.BeforeList != nil {
		err := opt.BeforeList(func(target any) bool {
			p, ok := target.(**listing)
			if ok {
				*p = &l
			}
			return ok
		})
		if err != nil {
			return nil, err
		}
	}
	if opt.Delimiter != "" {
		return nil, fmt.Errorf("list with delimiter %q: %w", opt.Delimiter, errors.ErrUnsupported)
	}
	limit := opt.PageSize
	if limit == 0 {
		limit = 1000
	}
	page := &driver.ListPage{}
	err := b.pool.do(ctx, func(conn *pgx.Conn) error {
		page.Objects = page.Objects[:0]
		rows, err := conn.Query(ctx, `SELECT id, size, written FROM mantle_sandbox_object
			WHERE id > $1 AND starts_with(id, $2) AND complete AND ($3 OR deleted IS NULL AND written < now() - `+grace+`) ORDER BY id LIMIT $4`,
			string(opt.PageToken), opt.Prefix, l.all, limit)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			o := &driver.ListObject{}
			if err := rows.Scan(&o.Key, &o.Size, &o.ModTime); err != nil {
				return err
			}
			page.Objects = append(page.Objects, o)
		}
		return rows.Err()
	})
	if n := len(page.Objects); err == nil && n == limit {
		page.NextPageToken = []byte(page.Objects[n-1].Key)
	}
	return page, err
}

// Copy makes another object of the same bytes.
func (b *bucket) Copy(ctx context.Context, to, from string, _ *driver.CopyOptions) error {
	if to == from {
		_, err := b.Attributes(ctx, from)
		return err
	}
	return b.pool.do(ctx, func(conn *pgx.Conn) error {
		return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
			if _, err := tx.Exec(ctx, `DELETE FROM mantle_sandbox_object WHERE id = $1`, to); err != nil {
				return err
			}
			tag, err := tx.Exec(ctx, `INSERT INTO mantle_sandbox_object (id, size, complete)
				SELECT $1, size, true FROM mantle_sandbox_object WHERE id = $2 AND complete AND deleted IS NULL`, to, from)
			if err == nil && tag.RowsAffected() == 0 {
				err = errNotFound
			}
			if err != nil {
				return err
			}
			_, err = tx.Exec(ctx, `INSERT INTO mantle_sandbox_chunk SELECT $1, number, bytes FROM mantle_sandbox_chunk WHERE object = $2`, to, from)
			return err
		})
	})
}

// Delete marks an object. Its bytes go after the grace period, with a later
// Delete or the next start.
func (b *bucket) Delete(ctx context.Context, id string, _ *driver.DeleteOptions) error {
	return b.pool.do(ctx, func(conn *pgx.Conn) error {
		found := false
		batch := &pgx.Batch{}
		batch.Queue(`UPDATE mantle_sandbox_object SET deleted = coalesce(deleted, now()) WHERE id = $1 AND complete RETURNING true`, id).QueryRow(func(row pgx.Row) error {
			err := row.Scan(&found)
			if errors.Is(err, pgx.ErrNoRows) {
				return nil
			}
			return err
		})
		batch.Queue(`DELETE FROM mantle_sandbox_object WHERE id IN
			(SELECT id FROM mantle_sandbox_object WHERE deleted < now() - ` + grace + ` LIMIT 16 FOR UPDATE SKIP LOCKED)`)
		if err := conn.SendBatch(ctx, batch).Close(); err != nil {
			return err
		}
		if !found {
			return errNotFound
		}
		return nil
	})
}

// SignedURL is not offered: S3 itself signs.
func (b *bucket) SignedURL(context.Context, string, *driver.SignedURLOptions) (string, error) {
	return "", errUnsupported
}
