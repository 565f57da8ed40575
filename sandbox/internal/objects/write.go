package objects

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
	"gocloud.dev/blob/driver"
)

// contentType is that of every object: what a client called its bytes is the
// business of the row that names them.
const contentType = "application/octet-stream"

// writer collects chunks. An object of one chunk is written in one round trip
// at the end; of a longer one the object's row comes with the first chunk,
// and is completed with the last.
type writer struct {
	ctx  context.Context
	pool *pool
	id   string
	buf  []byte
	sent int // chunks
}

// NewTypedWriter writes an object, which exists once the writer is closed.
func (b *bucket) NewTypedWriter(ctx context.Context, id, _ string, _ *driver.WriterOptions) (driver.Writer, error) {
	return &writer{ctx: ctx, pool: b.pool, id: id}, nil
}

// Write takes bytes.
func (w *writer) Write(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 {
		if len(w.buf) == chunkSize {
			if err := w.send(false); err != nil {
				return 0, err
			}
		}
		take := min(len(p), chunkSize-len(w.buf))
		w.buf, p = append(w.buf, p[:take]...), p[take:]
	}
	return n, nil
}

// send writes the chunk at hand. It is repeatable: an id is random, and what
// is there under it is of this writer.
func (w *writer) send(last bool) error {
	err := w.pool.do(w.ctx, func(conn *pgx.Conn) error {
		b := &pgx.Batch{} // one transaction
		if w.sent == 0 {
			b.Queue(`DELETE FROM mantle_sandbox_object WHERE id = $1`, w.id)
			b.Queue(`INSERT INTO mantle_sandbox_object (id, size, complete) VALUES ($1, $2, $3)`, w.id, int64(len(w.buf)), last)
		} else {
			b.Queue(`UPDATE mantle_sandbox_object SET size = $2, complete = $3, written = now() WHERE id = $1`, w.id, int64(w.sent)*chunkSize+int64(len(w.buf)), last)
		}
		b.Queue(`INSERT INTO mantle_sandbox_chunk (object, number, bytes) VALUES ($1, $2, $3) ON CONFLICT (object, number) DO UPDATE SET bytes = excluded.bytes`, w.id, w.sent, w.buf)
		return conn.SendBatch(w.ctx, b).Close()
	})
	if err != nil {
		return err
	}
	w.sent, w.buf = w.sent+1, w.buf[:0]
	return nil
}

// Close completes the object, or removes what there is of it if the context
// has ended.
func (w *writer) Close() error {
	if w.buf == nil {
		w.buf = []byte{} // not NULL
	}
	err := w.ctx.Err()
	if err == nil {
		err = w.send(true)
	}
	if err != nil && w.sent > 0 {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(w.ctx), 10*time.Second)
		defer cancel()
		err = errors.Join(err, w.pool.do(ctx, func(conn *pgx.Conn) error {
			_, err := conn.Exec(ctx, `DELETE FROM mantle_sandbox_object WHERE id = $1`, w.id)
			return err
		}))
	}
	return err
}
