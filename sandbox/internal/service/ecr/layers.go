package ecr

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/http"
	"time"

	"gocloud.dev/blob"

	"github.com/mantle-iam/mantle/sandbox/internal/service"
	"github.com/mantle-iam/mantle/sandbox/internal/store"
	"github.com/mantle-iam/mantle/sandbox/internal/wire"
)

// maxLayer is the size limit of a layer in bytes.
// https://docs.aws.amazon.com/AmazonECR/latest/userguide/service-quotas.html
const maxLayer = 52_000 << 20

// piece is a run of bytes that lies in one object.
type piece struct {
	Blob string
	Size int64
}

// layerRow is a layer, or an image's configuration, of a repository.
type layerRow struct {
	Pieces []piece
	Size   int64
}

// uploadRow is a layer of which not all is there.
type uploadRow struct {
	Repository string // its key
	Pieces     []piece
	Size       int64
	Hash       []byte // the state of SHA-256 after what is there
	Begun      time.Time
}

var (
	// layers by the repository's key, ":" and the digest.
	layers = store.NewTable[layerRow]("ecr.layer")
	// uploads by the repository's key, ":" and a random id.
	uploads = store.NewTable[uploadRow]("ecr.upload")
)

// Blobs adds the objects that rows of ECR name.
func Blobs(tx *store.Tx, named map[string]bool) {
	for _, l := range layers.Range(tx, "") {
		for _, p := range l.Pieces {
			named[p.Blob] = true
		}
	}
	for _, u := range uploads.Range(tx, "") {
		for _, p := range u.Pieces {
			named[p.Blob] = true
		}
	}
}

// drop deletes bytes that no row names any more. What resists is taken when
// the sandbox starts next; a client that is reading it asks again.
func (s *ECR) drop(pieces []piece) {
	for _, p := range pieces {
		_ = s.opt.Blobs.Delete(context.Background(), p.Blob)
	}
}

func random() string {
	var id [16]byte
	rand.Read(id[:])
	return hex.EncodeToString(id[:])
}

// exists is the error of a repository that is not there.
func (r repository) exists(tx *store.Tx) error {
	if _, ok := repositories.Get(tx, r.key()); !ok {
		return r.missing()
	}
	return nil
}

func (t *target) layer() string { return t.images() + t.ref }

func noUpload() error {
	return wire.Fail("BLOB_UPLOAD_UNKNOWN", http.StatusNotFound, "the upload is not known, or has ended")
}

// initiateUpload begins an upload. Mounting a layer of another repository is
// not done, as in a registry without blob mounting: the client uploads it.
func (s *ECR) initiateUpload() service.Operation {
	return s.serving("InitiateLayerUpload", func(w http.ResponseWriter, _ *http.Request, r *service.Request, t *target) error {
		id := random()
		err := s.store.Update(func(tx *store.Tx) error {
			if err := t.exists(tx); err != nil {
				return err
			}
			uploads.Put(tx, t.images()+id, uploadRow{Repository: t.key(), Begun: r.Now.UTC()})
			return nil
		})
		if err != nil {
			return err
		}
		t.ref = id
		t.progress(w, 0, http.StatusAccepted)
		return nil
	})
}

// progress tells a client how far its upload is.
func (t *target) progress(w http.ResponseWriter, size int64, status int) {
	h := w.Header()
	h.Set("Location", t.base+"/blobs/uploads/"+t.ref)
	h.Set("Docker-Upload-Uuid", t.ref)
	h.Set("Range", fmt.Sprintf("0-%d", max(size-1, 0)))
	h.Set("Content-Length", "0")
	w.WriteHeader(status)
}

func (s *ECR) upload(t *target) (row uploadRow, err error) {
	err = s.store.View(func(tx *store.Tx) error {
		if err := t.exists(tx); err != nil {
			return err
		}
		var ok bool
		if row, ok = uploads.Get(tx, t.images()+t.ref); !ok {
			return noUpload()
		}
		return nil
	})
	return row, err
}

func (s *ECR) uploadStatus() service.Operation {
	return s.serving("UploadLayerPart", func(w http.ResponseWriter, _ *http.Request, _ *service.Request, t *target) error {
		row, err := s.upload(t)
		if err != nil {
			return err
		}
		t.progress(w, row.Size, http.StatusNoContent)
		return nil
	})
}

func (s *ECR) uploadPart() service.Operation {
	return s.serving("UploadLayerPart", func(w http.ResponseWriter, h *http.Request, _ *service.Request, t *target) error {
		row, err := s.receive(h, t)
		if err != nil {
			return err
		}
		t.progress(w, row.Size, http.StatusAccepted)
		return nil
	})
}

// receive appends a request's body to its upload.
func (s *ECR) receive(h *http.Request, t *target) (uploadRow, error) {
	row, err := s.upload(t)
	if err != nil {
		return row, err
	}
	outOfOrder := wire.Fail("BLOB_UPLOAD_INVALID", http.StatusRequestedRangeNotSatisfiable, "the part does not begin where the upload ends, at byte %d", row.Size)
	if text := h.Header.Get("Content-Range"); text != "" {
		var first, last int64
		if n, _ := fmt.Sscanf(text, "%d-%d", &first, &last); n != 2 || first != row.Size {
			return row, outOfOrder
		}
	}
	sum, err := resume(row.Hash)
	if err != nil {
		return row, err
	}
	p, err := s.keep(h.Context(), h.Body, sum, maxLayer-row.Size)
	if err != nil || p.Size == 0 {
		return row, err
	}
	before := row.Size
	err = s.store.Update(func(tx *store.Tx) error {
		var ok bool
		if row, ok = uploads.Get(tx, t.images()+t.ref); !ok {
			return noUpload()
		}
		if row.Size != before { // another part came in the meantime
			return outOfOrder
		}
		row.Pieces = append(append([]piece{}, row.Pieces...), p)
		row.Size += p.Size
		if row.Hash, err = sum.(encoding.BinaryMarshaler).MarshalBinary(); err != nil {
			return err
		}
		uploads.Put(tx, t.images()+t.ref, row)
		return nil
	})
	if err != nil {
		s.drop([]piece{p})
	}
	return row, err
}

// resume is SHA-256 after the bytes that led to a state.
func resume(state []byte) (hash.Hash, error) {
	sum := sha256.New()
	if state == nil {
		return sum, nil
	}
	if err := sum.(encoding.BinaryUnmarshaler).UnmarshalBinary(state); err != nil {
		return nil, fmt.Errorf("go on with the digest of an upload: %w", err)
	}
	return sum, nil
}

// keep writes a body into an object of its own. Nothing is left behind when
// it fails or was empty.
func (s *ECR) keep(ctx context.Context, body io.Reader, sum hash.Hash, limit int64) (piece, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // a writer closed after cancel discards what it has
	p := piece{Blob: random()}
	w, err := s.opt.Blobs.NewWriter(ctx, p.Blob, &blob.WriterOptions{ContentType: "application/octet-stream"})
	if err != nil {
		return p, fmt.Errorf("store a layer: %w", err)
	}
	p.Size, err = io.Copy(io.MultiWriter(w, sum), io.LimitReader(body, limit+1))
	switch {
	case err != nil:
		err = wire.Fail("BLOB_UPLOAD_INVALID", http.StatusBadRequest, "the body could not be read to its end, or not be kept")
	case p.Size > limit:
		err = wire.Fail("SIZE_INVALID", http.StatusRequestEntityTooLarge, "a layer has %d bytes at most", int64(maxLayer))
	}
	if err != nil || p.Size == 0 {
		cancel()
		_ = w.Close() // its error says only that the write was cancelled
		return p, err
	}
	if err := w.Close(); err != nil {
		return p, fmt.Errorf("store a layer: %w", err)
	}
	return p, nil
}

// completeUpload makes an upload a layer, if its digest is what the client
// says. The last part may come with the request.
func (s *ECR) completeUpload() service.Operation {
	return s.serving("CompleteLayerUpload", func(w http.ResponseWriter, h *http.Request, _ *service.Request, t *target) error {
		digest := h.URL.Query().Get("digest")
		if !digests.MatchString(digest) {
			return wire.Fail("DIGEST_INVALID", http.StatusBadRequest, "%q is not a digest of SHA-256", digest)
		}
		row, err := s.receive(h, t)
		if err != nil {
			return err
		}
		sum, err := resume(row.Hash)
		if err != nil {
			return err
		}
		var surplus []piece
		if got := "sha256:" + hex.EncodeToString(sum.Sum(nil)); got != digest {
			if err := s.end(t); err != nil {
				return err
			}
			return wire.Fail("DIGEST_INVALID", http.StatusBadRequest, "the layer's digest is %s, not %s", got, digest)
		}
		err = s.store.Update(func(tx *store.Tx) error {
			again, ok := uploads.Get(tx, t.images()+t.ref)
			if !ok || again.Size != row.Size {
				return noUpload()
			}
			uploads.Delete(tx, t.images()+t.ref)
			if _, ok := layers.Get(tx, t.images()+digest); ok {
				surplus = row.Pieces
				return nil
			}
			layers.Put(tx, t.images()+digest, layerRow{row.Pieces, row.Size})
			return nil
		})
		if err != nil {
			return err
		}
		s.drop(surplus)
		w.Header().Set("Location", t.base+"/blobs/"+digest)
		w.Header().Set("Docker-Content-Digest", digest)
		w.Header().Set("Content-Length", "0")
		w.WriteHeader(http.StatusCreated)
		return nil
	})
}

// end forgets an upload.
func (s *ECR) end(t *target) error {
	var row uploadRow
	err := s.store.Update(func(tx *store.Tx) (err error) {
		if err := t.exists(tx); err != nil {
			return err
		}
		var ok bool
		if row, ok = uploads.Get(tx, t.images()+t.ref); !ok {
			return noUpload()
		}
		uploads.Delete(tx, t.images()+t.ref)
		return nil
	})
	if err == nil {
		s.drop(row.Pieces)
	}
	return err
}

func (s *ECR) cancelUpload() service.Operation {
	return s.serving("UploadLayerPart", func(w http.ResponseWriter, _ *http.Request, _ *service.Request, t *target) error {
		if err := s.end(t); err != nil {
			return err
		}
		w.WriteHeader(http.StatusNoContent)
		return nil
	})
}

func (s *ECR) layerAvailable() service.Operation {
	return s.serving("BatchCheckLayerAvailability", s.serveLayer)
}

func (s *ECR) downloadLayer() service.Operation {
	return s.serving("GetDownloadUrlForLayer", s.serveLayer)
}

// serveLayer hands out a layer's bytes, or those of them that are asked for.
func (s *ECR) serveLayer(w http.ResponseWriter, h *http.Request, _ *service.Request, t *target) error {
	var row layerRow
	err := s.store.View(func(tx *store.Tx) error {
		if err := t.exists(tx); err != nil {
			return err
		}
		var ok bool
		if row, ok = layers.Get(tx, t.layer()); !ok {
			return wire.Fail("BLOB_UNKNOWN", http.StatusNotFound, "the repository with name '%s' has no layer %s", t.name, t.ref)
		}
		return nil
	})
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Docker-Content-Digest", t.ref)
	w.Header().Set("Etag", `"`+t.ref+`"`)
	in := &reader{ctx: h.Context(), blobs: s.opt.Blobs, layerRow: row}
	defer in.shut()
	http.ServeContent(w, h, "", time.Time{}, in)
	return nil
}

// reader reads the pieces of a layer one after the other; an object is
// opened when its bytes are wanted.
type reader struct {
	ctx   context.Context
	blobs *blob.Bucket
	layerRow
	at   int64         // the next byte to read
	open io.ReadCloser // reads at, nil if none
	left int64         // how many bytes open has to give
}

func (r *reader) Read(b []byte) (int, error) {
	for r.at < r.Size {
		if r.open == nil {
			if err := r.next(); err != nil {
				return 0, err
			}
		}
		n, err := r.open.Read(b)
		r.at, r.left = r.at+int64(n), r.left-int64(n)
		switch {
		case err == io.EOF && r.left > 0:
			err = fmt.Errorf("read a layer: an object is shorter than its row says: %w", io.ErrUnexpectedEOF)
		case err == io.EOF:
			r.shut()
			err = nil
		}
		if n > 0 || err != nil {
			return n, err
		}
	}
	return 0, io.EOF
}

func (r *reader) next() (err error) {
	off := r.at
	for _, p := range r.Pieces {
		if off < p.Size {
			if r.open, err = r.blobs.NewRangeReader(r.ctx, p.Blob, off, -1, nil); err != nil {
				r.open = nil
				return fmt.Errorf("read a layer: %w", err)
			}
			r.left = p.Size - off
			return nil
		}
		off -= p.Size
	}
	return io.ErrUnexpectedEOF
}

func (r *reader) shut() {
	if r.open != nil {
		r.open.Close()
		r.open = nil
	}
}

// Seek moves to another byte.
func (r *reader) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += r.at
	case io.SeekEnd:
		offset += r.Size
	}
	if offset < 0 {
		return r.at, errors.New("seek before the first byte of a layer")
	}
	if offset != r.at {
		r.shut()
		r.at = offset
	}
	return offset, nil
}
