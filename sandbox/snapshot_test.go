package sandbox

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gocloud.dev/blob"

	"github.com/mantle-iam/mantle/internal/pgtest"
	"github.com/mantle-iam/mantle/sandbox/internal/store"
)

var papers = store.NewTable[string]("test.papers")

// fill puts a row and the object that it names into a state, and an object
// that no row names.
func fill(t *testing.T, state, text string) {
	t.Helper()
	st, bucket, err := openState(state)
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	defer bucket.Close()
	for _, id := range []string{"named", "orphan"} {
		if err := bucket.WriteAll(t.Context(), id, []byte(text), &blob.WriterOptions{ContentType: "application/octet-stream"}); err != nil {
			t.Fatal(err)
		}
	}
	if err := st.Update(func(tx *store.Tx) error { papers.Put(tx, "paper", "named"); return nil }); err != nil {
		t.Fatal(err)
	}
}

// paper is the object that the row names, "" if there is no row.
func paper(t *testing.T, state string) string {
	t.Helper()
	st, bucket, err := openState(state)
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	defer bucket.Close()
	var id string
	st.View(func(tx *store.Tx) error { id, _ = papers.Get(tx, "paper"); return nil })
	if id == "" {
		return ""
	}
	b, err := bucket.ReadAll(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestSnapshot(t *testing.T) {
	round(t, t.TempDir(), t.TempDir())
}

func TestSnapshotPostgreSQL(t *testing.T) {
	pg := pgtest.Start(t)
	folder, database := t.TempDir(), pg.DSN("one")
	round(t, folder, database)
	round(t, pg.DSN("two"), t.TempDir())
	if got := paper(t, database); got != "first" {
		t.Errorf("the database has %q, want %q", got, "first")
	}
}

// round takes a snapshot from one empty place to another.
func round(t *testing.T, from, to string) {
	t.Helper()
	fill(t, from, "first")
	var file bytes.Buffer
	size, err := Snapshot(t.Context(), from, &file)
	if want := (Size{Rows: 1, Objects: 1, Bytes: 5}); err != nil || size != want {
		t.Fatalf("Snapshot: %+v, %v, want %+v: orphans stay behind", size, err, want)
	}
	again, err := Restore(t.Context(), to, bytes.NewReader(file.Bytes()), false)
	if err != nil || again != size {
		t.Fatalf("Restore: %+v, %v, want %+v", again, err, size)
	}
	if got := paper(t, to); got != "first" {
		t.Errorf("restored object is %q, want %q", got, "first")
	}
	// Never over something, unless told to.
	if _, err := Restore(t.Context(), to, bytes.NewReader(file.Bytes()), false); !errors.Is(err, ErrStateInUse) {
		t.Errorf("Restore over a state: %v, want %v", err, ErrStateInUse)
	}
	st, bucket, err := openState(to)
	if err != nil {
		t.Fatal(err)
	}
	st.Update(func(tx *store.Tx) error { papers.Put(tx, "later", "x"); return nil })
	st.Close()
	bucket.Close()
	if _, err := Restore(t.Context(), to, bytes.NewReader(file.Bytes()), true); err != nil {
		t.Fatal(err)
	}
	st, bucket, err = openState(to)
	if err != nil {
		t.Fatal(err)
	}
	defer bucket.Close()
	defer st.Close()
	if st.Len() != 1 {
		t.Errorf("after replacing there are %d rows, want 1", st.Len())
	}
}

func TestSnapshotOfNothing(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "none")
	if _, err := Snapshot(t.Context(), dir, io.Discard); !errors.Is(err, ErrNoState) {
		t.Errorf("Snapshot of a folder that does not exist: %v, want %v", err, ErrNoState)
	}
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("Snapshot made the folder: %v", err)
	}
}

func TestSnapshotOfFolderInUse(t *testing.T) {
	dir := t.TempDir()
	s, err := New(Options{State: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := Snapshot(t.Context(), dir, io.Discard); err == nil || !strings.Contains(err.Error(), "in use by another sandbox") {
		t.Errorf("Snapshot: %v, want an error that says the folder is in use", err)
	}
	if _, err := Restore(t.Context(), dir, strings.NewReader(""), true); err == nil || !strings.Contains(err.Error(), "in use by another sandbox") {
		t.Errorf("Restore: %v, want an error that says the folder is in use", err)
	}
}

// TestBadSnapshots: whatever is wrong with a file, the state stays as it was.
func TestBadSnapshots(t *testing.T) {
	from, to := t.TempDir(), t.TempDir()
	fill(t, from, strings.Repeat("long ", 1000))
	var file bytes.Buffer
	if _, err := Snapshot(t.Context(), from, &file); err != nil {
		t.Fatal(err)
	}
	z, err := gzip.NewReader(bytes.NewReader(file.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	archive, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	packed := func(b []byte) []byte {
		var out bytes.Buffer
		w := gzip.NewWriter(&out)
		w.Write(b)
		w.Close()
		return out.Bytes()
	}
	edited := func(old, new string) []byte {
		if !bytes.Contains(archive, []byte(old)) || len(old) != len(new) {
			t.Fatalf("cannot replace %q by %q", old, new)
		}
		return packed(bytes.Replace(archive, []byte(old), []byte(new), 1))
	}
	wrong := bytes.Clone(file.Bytes())
	wrong[len(wrong)-6] ^= 1 // in the checksum
	fill(t, to, "kept")
	for _, test := range []struct {
		name string
		in   []byte
		want string
	}{
		{"empty", nil, "not a snapshot"},
		{"text", []byte("not a snapshot at all, but long enough to have a header"), "not a snapshot"},
		{"another archive", edited("mantle sandbox snapshot", "another sandbox snapsho"), "not a snapshot"},
		{"newer", edited(`"version":1`, `"version":7`), "format 7, this program reads 1"},
		{"cut", file.Bytes()[:file.Len()/2], "the snapshot is cut"},
		{"cut in an object", packed(archive[:4*512]), "the snapshot is cut"},
		{"cut before an object", packed(archive[:2*512]), "the snapshot is cut"},
		{"wrong checksum", wrong, "checksum"},
		{"bad rows", edited(`{"rows":1}`, `{"rows":2}`), "says it has 2 rows, but 1 came"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if _, err := Restore(t.Context(), to, bytes.NewReader(test.in), true); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("Restore: %v, want an error with %q", err, test.want)
			}
			st, bucket, err := openState(to)
			if err != nil {
				t.Fatal(err)
			}
			defer st.Close()
			defer bucket.Close()
			if st.Len() != 1 {
				t.Errorf("a failed Restore left %d rows, want the 1 that was there", st.Len())
			}
		})
	}
}
