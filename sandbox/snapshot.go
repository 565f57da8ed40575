package sandbox

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"time"

	"gocloud.dev/blob"
	"gocloud.dev/gcerrors"

	"github.com/mantle-iam/mantle/sandbox/internal/objects"
	"github.com/mantle-iam/mantle/sandbox/internal/store"
)

// A snapshot is a gzipped tar archive: first its mark, then the bytes of
// objects under their ids, at last the rows. The rows come last because they
// name the objects; a snapshot without them is not whole.
const (
	markEntry    = "mantle-sandbox-snapshot.json"
	objectPrefix = "objects/"
	rowsEntry    = "state.jsonl"

	snapshotVersion = 1
)

// Size tells how much a snapshot holds.
type Size struct {
	Rows    int   `json:"rows"`
	Objects int   `json:"objects"`
	Bytes   int64 `json:"bytes"` // of the objects
}

type mark struct {
	Format  string `json:"format"`
	Version int    `json:"version"`
}

const snapshotFormat = "mantle sandbox snapshot"

// ErrNoState is the error of taking a snapshot where there is nothing.
var ErrNoState = errors.New("there is no sandbox's state")

// ErrStateInUse is the error of restoring a snapshot where there is something.
var ErrStateInUse = errors.New("there is a state already, which would be lost")

// Snapshot writes everything that a state holds, which Options.State names:
// one moment of all accounts, with the bytes of their objects. It holds
// secrets. A folder must not be in use by a sandbox; a PostgreSQL database
// may.
func Snapshot(ctx context.Context, state string, w io.Writer) (Size, error) {
	if !store.Exists(state) {
		return Size{}, fmt.Errorf("%s: %w", placeName(state), ErrNoState)
	}
	st, bucket, err := openState(state)
	if err != nil {
		return Size{}, err
	}
	size, err := snapshot(ctx, st, bucket, w)
	if errors.Is(err, ErrNoState) {
		err = fmt.Errorf("%s: %w", placeName(state), err)
	}
	return size, errors.Join(err, bucket.Close(), st.Close())
}

func snapshot(ctx context.Context, st *store.Store, bucket *blob.Bucket, w io.Writer) (Size, error) {
	// The rows are taken first: every object that they name was there
	// before, and stays for a while even if it is deleted meanwhile.
	var rows bytes.Buffer
	if err := st.Export(&rows); err != nil {
		return Size{}, err
	}
	size := Size{Rows: bytes.Count(rows.Bytes(), []byte("\n")) - 2} // less header and trailer
	if size.Rows == 0 {
		return Size{}, ErrNoState
	}
	z := gzip.NewWriter(w)
	t := tar.NewWriter(z)
	first, err := json.Marshal(mark{snapshotFormat, snapshotVersion})
	if err != nil {
		return Size{}, err
	}
	if err := addEntry(t, markEntry, int64(len(first)), bytes.NewReader(first)); err != nil {
		return Size{}, err
	}
	named := words(rows.Bytes())
	err = objects.Each(ctx, bucket, func(id string, length int64) error {
		if !named[id] {
			return nil // deleted, or an upload that has not got its row
		}
		in, err := bucket.NewReader(ctx, id, nil)
		if gcerrors.Code(err) == gcerrors.NotFound {
			return nil // deleted long before the rows were taken
		}
		if err != nil {
			return fmt.Errorf("read object %s: %w", id, err)
		}
		defer in.Close()
		size.Objects++
		size.Bytes += length
		return addEntry(t, objectPrefix+id, length, in)
	})
	if err != nil {
		return Size{}, err
	}
	if err := addEntry(t, rowsEntry, int64(rows.Len()), &rows); err != nil {
		return Size{}, err
	}
	return size, errors.Join(t.Close(), z.Close())
}

// word is a JSON string that can be an object's id.
var word = regexp.MustCompile(`"([A-Za-z0-9_-]{1,128})"`)

// words are the strings of an export that can be ids of objects: a row names
// an object by a string, wherever in it.
func words(rows []byte) map[string]bool {
	out := map[string]bool{}
	for line := range bytes.Lines(rows) {
		for _, m := range word.FindAllSubmatch(line, -1) {
			out[string(m[1])] = true
		}
	}
	return out
}

func addEntry(t *tar.Writer, name string, size int64, in io.Reader) error {
	h := &tar.Header{Name: name, Size: size, Mode: 0o600, Typeflag: tar.TypeReg, Format: tar.FormatPAX, ModTime: time.Unix(0, 0)}
	if err := t.WriteHeader(h); err != nil {
		return err
	}
	if _, err := io.Copy(t, in); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	return nil
}

// Restore puts what Snapshot wrote into a state, all of it or nothing. A
// state that is not empty is refused unless it may be replaced as a whole. A
// folder must not be in use by a sandbox; sandboxes on a PostgreSQL database
// go on with what was restored. A state that was in a folder may be restored
// into a database and the other way round.
func Restore(ctx context.Context, state string, r io.Reader, replace bool) (Size, error) {
	st, bucket, err := openState(state)
	if err != nil {
		return Size{}, err
	}
	var size Size
	if st.Len() > 0 && !replace {
		err = fmt.Errorf("%s: %w", placeName(state), ErrStateInUse)
	} else {
		size, err = restore(ctx, st, bucket, r)
	}
	return size, errors.Join(err, bucket.Close(), st.Close())
}

func restore(ctx context.Context, st *store.Store, bucket *blob.Bucket, r io.Reader) (size Size, err error) {
	z, err := gzip.NewReader(r)
	if err != nil {
		return size, notSnapshot(err)
	}
	t := tar.NewReader(z)
	h, err := t.Next()
	if err != nil {
		return size, notSnapshot(err)
	}
	var m mark
	if h.Name != markEntry || json.NewDecoder(io.LimitReader(t, 1<<10)).Decode(&m) != nil || m.Format != snapshotFormat {
		return size, notSnapshot(nil)
	}
	if m.Version != snapshotVersion {
		return size, fmt.Errorf("a snapshot of format %d, this program reads %d", m.Version, snapshotVersion)
	}
	for {
		h, err := t.Next()
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return size, errCut
		}
		if err != nil {
			return size, fmt.Errorf("read the snapshot: %w", err)
		}
		if h.Name == rowsEntry {
			// Everything the rows name is there: this is the moment when the
			// state becomes the snapshot's. The archive must be whole before.
			var rows bytes.Buffer
			if _, err := io.Copy(&rows, t); err != nil {
				return size, fmt.Errorf("read the snapshot: %w", err)
			}
			if _, err := t.Next(); !errors.Is(err, io.EOF) {
				return size, errors.New("the snapshot is damaged: there is something after its rows")
			}
			if _, err := io.Copy(io.Discard, z); err != nil { // reads the checksum
				return size, fmt.Errorf("read the snapshot: %w", err)
			}
			if err := st.Import(&rows); err != nil {
				return size, err
			}
			size.Rows = st.Len()
			return size, nil
		}
		id, ok := strings.CutPrefix(h.Name, objectPrefix)
		if !ok || !isObjectID(id) || h.Typeflag != tar.TypeReg {
			return size, fmt.Errorf("the snapshot is damaged: %q does not belong into it", h.Name)
		}
		n, err := restoreObject(ctx, bucket, id, t)
		if errors.Is(err, io.ErrUnexpectedEOF) {
			return size, errCut
		}
		if err != nil {
			return size, fmt.Errorf("restore object %s: %w", id, err)
		}
		size.Objects++
		size.Bytes += n
	}
}

func restoreObject(ctx context.Context, bucket *blob.Bucket, id string, in io.Reader) (int64, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // a writer closed after cancel discards what it has
	w, err := bucket.NewWriter(ctx, id, &blob.WriterOptions{ContentType: "application/octet-stream"})
	if err != nil {
		return 0, err
	}
	n, err := io.Copy(w, in)
	if err != nil {
		cancel()
		_ = w.Close() // its error says only that the write was cancelled
		return 0, err
	}
	return n, w.Close()
}

var errCut = errors.New("the snapshot is cut: its end is missing")

func notSnapshot(err error) error {
	if err == nil {
		return errors.New("this is not a snapshot of a sandbox")
	}
	return fmt.Errorf("this is not a snapshot of a sandbox: %w", err)
}

// isObjectID tells whether an object may be called so: a name, not a path.
func isObjectID(id string) bool {
	return id != "" && len(id) <= 128 && strings.Trim(id, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") == ""
}

func openState(state string) (*store.Store, *blob.Bucket, error) {
	if state == "" {
		return nil, nil, errors.New("a state in memory ends with its sandbox; name a folder or a database")
	}
	st, err := store.Open(state)
	if err != nil {
		return nil, nil, fmt.Errorf("open state: %w", err)
	}
	bucket, err := objects.Open(state)
	if err != nil {
		return nil, nil, errors.Join(fmt.Errorf("open objects: %w", err), st.Close())
	}
	return st, bucket, nil
}

// placeName is what errors call a state: an address may hold a password.
func placeName(state string) string {
	if store.Shared(state) {
		return "the database"
	}
	return state
}
