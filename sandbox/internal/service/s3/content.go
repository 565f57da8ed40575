package s3

import (
	"context"
	"crypto/md5"
	"errors"
	"fmt"
	"hash"
	"io"
	"slices"
	"sync"

	"gocloud.dev/blob"

	"github.com/mantle-iam/mantle/sandbox/internal/store"
	"github.com/mantle-iam/mantle/sandbox/internal/wire"
)

// maxSinglePut and maxPart are the size limits of one upload in bytes.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html
const (
	maxSinglePut = 5 << 30
	maxPart      = 5 << 30
)

// contents keeps bytes in blobs and knows which of them are being read.
type contents struct {
	blobs *blob.Bucket

	mu     sync.Mutex      // guards the fields below
	pinned map[string]int  // blobs with readers
	doomed map[string]bool // pinned blobs to delete when the last reader is done
}

// received is what came out of reading an upload.
type received struct {
	piece
	md5 []byte
	sum []byte // the wanted checksum, raw
}

// receive stores a body as one blob. want makes the checksum to compute and
// may be nil. Nothing is left behind when it fails.
func (c *contents) receive(ctx context.Context, body io.Reader, limit int64, want func() hash.Hash) (received, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // a writer closed after cancel discards what it has
	r := received{piece: piece{Blob: newID()}}
	w, err := c.blobs.NewWriter(ctx, r.Blob, &blob.WriterOptions{ContentType: "application/octet-stream"})
	if err != nil {
		return r, fmt.Errorf("store the bytes of an upload: %w", err)
	}
	etag := md5.New()
	sinks := []io.Writer{w, etag}
	var sum hash.Hash
	if want != nil {
		sum = want()
		sinks = append(sinks, sum)
	}
	r.Size, err = io.Copy(io.MultiWriter(sinks...), io.LimitReader(body, limit+1))
	if err == nil && r.Size > limit {
		err = wire.Fail("EntityTooLarge", 400, "Your proposed upload exceeds the maximum allowed size").With("MaxSizeAllowed", fmt.Sprint(limit))
	}
	if err != nil {
		cancel()
		_ = w.Close() // its error says only that the write was cancelled
		return r, bodyError(err)
	}
	if err := w.Close(); err != nil {
		return r, fmt.Errorf("store the bytes of an upload: %w", err)
	}
	r.md5 = etag.Sum(nil)
	if sum != nil {
		r.sum = sum.Sum(nil)
	}
	return r, nil
}

// bodyError is the answer to a body that could not be read to its end.
func bodyError(err error) error {
	var e *wire.Error
	switch {
	case errors.As(err, &e):
		return e
	case errors.Is(err, io.ErrUnexpectedEOF):
		return wire.Fail("IncompleteBody", 400, "You did not provide the number of bytes specified by the Content-Length HTTP header")
	}
	return fmt.Errorf("read the body: %w", err)
}

// pin keeps the blobs of pieces until unpin.
func (c *contents) pin(pieces []piece) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, p := range pieces {
		c.pinned[p.Blob]++
	}
}

// unpin ends a pin and deletes what was dropped meanwhile.
func (c *contents) unpin(pieces []piece) {
	var dead []string
	c.mu.Lock()
	for _, p := range pieces {
		if c.pinned[p.Blob]--; c.pinned[p.Blob] > 0 {
			continue
		}
		delete(c.pinned, p.Blob)
		if c.doomed[p.Blob] {
			delete(c.doomed, p.Blob)
			dead = append(dead, p.Blob)
		}
	}
	c.mu.Unlock()
	c.delete(dead)
}

// drop deletes the blobs of pieces that no row names any more, those that
// are being read when their readers are done.
func (c *contents) drop(pieces []piece) {
	var dead []string
	c.mu.Lock()
	for _, p := range pieces {
		if c.pinned[p.Blob] > 0 {
			c.doomed[p.Blob] = true
		} else {
			dead = append(dead, p.Blob)
		}
	}
	c.mu.Unlock()
	c.delete(dead)
}

// delete removes blobs. One that resists is an orphan, which the next sweep
// takes: the rows are what counts, and they are gone.
func (c *contents) delete(ids []string) {
	for _, id := range ids {
		_ = c.blobs.Delete(context.Background(), id)
	}
}

// open finds an object and makes its bytes stay until the reader is closed.
// The row is read again after pinning: a delete that was committed between
// the two would otherwise take the blobs away under the reader.
func (s *S3) open(ctx context.Context, bucket, key, id string) (version, *reader, error) {
	for {
		v, err := s.find(bucket, key, id)
		if err != nil {
			return v, nil, err
		}
		s.contents.pin(v.Pieces)
		again, err := s.find(bucket, key, id)
		if err == nil && again.Seq == v.Seq && slices.Equal(again.Pieces, v.Pieces) {
			return v, &reader{ctx: ctx, contents: &s.contents, pieces: v.Pieces, size: v.Size}, nil
		}
		s.contents.unpin(v.Pieces)
	}
}

// find is lookup in a transaction of its own; the bucket must exist.
func (s *S3) find(bucket, key, id string) (v version, err error) {
	err = s.st.View(func(tx *store.Tx) error {
		if _, err := findBucket(tx, bucket); err != nil {
			return err
		}
		v, err = lookup(tx, bucket, key, id)
		return err
	})
	return v, err
}

// reader reads the pieces of an object one after the other. It implements
// io.ReadSeekCloser; blobs are opened when their bytes are wanted.
type reader struct {
	ctx      context.Context
	contents *contents
	pieces   []piece
	size     int64
	at       int64         // the next byte to read
	open     io.ReadCloser // reads at, nil if none
	left     int64         // how many bytes open has to give
}

func (r *reader) Read(p []byte) (int, error) {
	for r.at < r.size {
		if r.open == nil {
			if err := r.next(); err != nil {
				return 0, err
			}
		}
		n, err := r.open.Read(p)
		r.at += int64(n)
		r.left -= int64(n)
		switch {
		case err == io.EOF && r.left > 0:
			err = fmt.Errorf("read the bytes of an object: a blob is shorter than its row says: %w", io.ErrUnexpectedEOF)
		case err == io.EOF:
			err = r.shut()
		}
		if n > 0 || err != nil {
			return n, err
		}
	}
	return 0, io.EOF
}

// next opens the blob that holds the byte at r.at.
func (r *reader) next() error {
	off := r.at
	for _, p := range r.pieces {
		if off < p.Size {
			in, err := r.contents.blobs.NewRangeReader(r.ctx, p.Blob, off, -1, nil)
			if err != nil {
				return fmt.Errorf("read the bytes of an object: %w", err)
			}
			r.open, r.left = in, p.Size-off
			return nil
		}
		off -= p.Size
	}
	return io.ErrUnexpectedEOF
}

func (r *reader) shut() error {
	if r.open == nil {
		return nil
	}
	err := r.open.Close()
	r.open = nil
	return err
}

func (r *reader) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += r.at
	case io.SeekEnd:
		offset += r.size
	}
	if offset < 0 {
		return r.at, errors.New("seek before the first byte of an object")
	}
	if offset != r.at {
		if err := r.shut(); err != nil {
			return r.at, err
		}
		r.at = offset
	}
	return offset, nil
}

// Close lets go of the bytes.
func (r *reader) Close() error {
	err := r.shut()
	r.contents.unpin(r.pieces)
	return err
}

// Sweep deletes the blobs that no row names: the traces of uploads that a
// crash cut short. Others are the services whose rows name blobs as well; each
// adds them. Call it after opening the store, before serving.
func (s *S3) Sweep(ctx context.Context, others ...func(*store.Tx, map[string]bool)) error {
	named := map[string]bool{}
	err := s.st.View(func(tx *store.Tx) error {
		for _, add := range others {
			add(tx, named)
		}
		for _, t := range []store.Table[version]{current, older} {
			for _, v := range t.Range(tx, "") {
				for _, p := range v.Pieces {
					named[p.Blob] = true
				}
			}
		}
		for _, p := range parts.Range(tx, "") {
			named[p.Blob] = true
		}
		return nil
	})
	if err != nil {
		return err
	}
	var orphans []string
	for it := s.contents.blobs.List(nil); ; {
		o, err := it.Next(ctx)
		if err == io.EOF {
			break
		}
		if err != nil {
			return fmt.Errorf("list the bytes kept for objects: %w", err)
		}
		if !named[o.Key] {
			orphans = append(orphans, o.Key)
		}
	}
	for _, id := range orphans {
		if err := s.contents.blobs.Delete(ctx, id); err != nil {
			return fmt.Errorf("delete bytes that no object names: %w", err)
		}
	}
	return nil
}
