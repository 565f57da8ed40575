package objects

import (
	"context"
	"fmt"
	"io"

	"github.com/jackc/pgx/v5"
	"gocloud.dev/blob/driver"
)

// reader reads chunk by chunk and holds no connection in between.
type reader struct {
	ctx   context.Context
	pool  *pool
	id    string
	buf   []byte // read and not yet handed out
	at    int64  // the byte after buf
	end   int64  // the byte after the last wanted
	attrs driver.ReaderAttributes
}

// NewRangeReader reads bytes of an object. One that was deleted can be read
// for a while.
func (b *bucket) NewRangeReader(ctx context.Context, id string, offset, length int64, opt *driver.ReaderOptions) (driver.Reader, error) {
	r := &reader{ctx: ctx, pool: b.pool, id: id, at: offset, attrs: driver.ReaderAttributes{ContentType: contentType}}
	if opt.BeforeRead != nil {
		if err := opt.BeforeRead(func(any) bool { return false }); err != nil {
			return nil, err
		}
	}
	// The first chunk comes with the object: most objects have one.
	first := int64(chunkSize)
	if length >= 0 {
		first = length
	}
	err := b.pool.do(ctx, func(conn *pgx.Conn) error {
		return conn.QueryRow(ctx, `SELECT o.size, o.written, coalesce(substr(c.bytes, $3, $4), '')
			FROM mantle_sandbox_object o LEFT JOIN mantle_sandbox_chunk c ON c.object = o.id AND c.number = $2
			WHERE o.id = $1 AND o.complete`, id, int32(offset/chunkSize), int32(offset%chunkSize)+1, int32(min(first, chunkSize))).
			Scan(&r.attrs.Size, &r.attrs.ModTime, &r.buf)
	})
	if err != nil {
		return nil, err
	}
	r.at += int64(len(r.buf))
	r.end = r.attrs.Size
	if length >= 0 {
		r.end = min(r.end, offset+length)
	}
	return r, nil
}

// Read hands out what is at hand, or fetches the next chunk.
func (r *reader) Read(p []byte) (int, error) {
	for len(r.buf) == 0 {
		if r.at >= r.end {
			return 0, io.EOF
		}
		err := r.pool.do(r.ctx, func(conn *pgx.Conn) error {
			return conn.QueryRow(r.ctx, `SELECT substr(bytes, $3, $4) FROM mantle_sandbox_chunk WHERE object = $1 AND number = $2`,
				r.id, int32(r.at/chunkSize), int32(r.at%chunkSize)+1, int32(min(r.end-r.at, chunkSize))).Scan(&r.buf)
		})
		if err != nil {
			return 0, err
		}
		if len(r.buf) == 0 {
			return 0, fmt.Errorf("object %s ends at byte %d of %d: %w", r.id, r.at, r.end, io.ErrUnexpectedEOF)
		}
		r.at += int64(len(r.buf))
	}
	n := copy(p, r.buf)
	r.buf = r.buf[n:]
	return n, nil
}

// Close has nothing to let go of.
func (r *reader) Close() error { return nil }

// Attributes are those of the object.
func (r *reader) Attributes() *driver.ReaderAttributes { return &r.attrs }

// As gives nothing away.
func (r *reader) As(any) bool { return false }
