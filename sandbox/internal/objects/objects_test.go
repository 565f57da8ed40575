package objects

import (
	"bytes"
	"context"
	"io"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"gocloud.dev/blob"
	"gocloud.dev/gcerrors"

	"github.com/mantle-iam/mantle/internal/pgtest"
)

// conformance is what the rooms that keep objects rely on, wherever the bytes
// lie.
var conformance = []struct {
	name string
	test func(*testing.T, *blob.Bucket)
}{
	{"write and read", writeAndRead},
	{"ranges", ranges},
	{"replace", replace},
	{"cancelled write", cancelledWrite},
	{"missing", missing},
	{"copy", copied},
	{"each", each},
	{"together", together},
}

func TestMemory(t *testing.T) { conform(t, func() string { return "" }) }
func TestFolder(t *testing.T) { conform(t, t.TempDir) }

func conform(t *testing.T, place func() string) {
	for _, c := range conformance {
		t.Run(c.name, func(t *testing.T) { c.test(t, open(t, place())) })
	}
}

func open(t *testing.T, place string) *blob.Bucket {
	t.Helper()
	b, err := Open(place)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}

// noise is n bytes that repeat nowhere.
func noise(n int) []byte {
	out := make([]byte, n)
	rand.NewChaCha8([32]byte{1}).Read(out)
	return out
}

func write(t *testing.T, b *blob.Bucket, id string, content []byte) {
	t.Helper()
	w, err := b.NewWriter(t.Context(), id, &blob.WriterOptions{ContentType: contentType})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(w, bytes.NewReader(content)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
}

// sizes of objects around the borders of chunks.
var sizes = []int{0, 1, 1000, chunkSize - 1, chunkSize, chunkSize + 1, 2 * chunkSize, 3*chunkSize + 7}

func writeAndRead(t *testing.T, b *blob.Bucket) {
	for _, n := range sizes {
		want := noise(n)
		write(t, b, "id", want)
		got, err := b.ReadAll(t.Context(), "id")
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("object of %d bytes: read %d bytes, %v", n, len(got), err)
		}
		if a, err := b.Attributes(t.Context(), "id"); err != nil || a.Size != int64(n) {
			t.Errorf("object of %d bytes: attributes %+v, %v", n, a, err)
		}
	}
}

func ranges(t *testing.T, b *blob.Bucket) {
	content := noise(2*chunkSize + 100)
	write(t, b, "id", content)
	for _, r := range []struct{ offset, length int }{
		{0, -1}, {0, 10}, {5, -1}, {chunkSize - 3, 6}, {chunkSize, 1}, {chunkSize - 1, chunkSize + 2},
		{2*chunkSize + 90, 10}, {2*chunkSize + 90, 1000}, {len(content), -1}, {10, 0},
	} {
		end := len(content)
		if r.length >= 0 {
			end = min(end, r.offset+r.length)
		}
		in, err := b.NewRangeReader(t.Context(), "id", int64(r.offset), int64(r.length), nil)
		if err != nil {
			t.Errorf("bytes from %d, %d of them: %v", r.offset, r.length, err)
			continue
		}
		got, err := io.ReadAll(in)
		if err != nil || !bytes.Equal(got, content[r.offset:end]) {
			t.Errorf("bytes from %d, %d of them: got %d, %v, want %d", r.offset, r.length, len(got), err, end-r.offset)
		}
		in.Close()
	}
}

func replace(t *testing.T, b *blob.Bucket) {
	write(t, b, "id", noise(3*chunkSize))
	write(t, b, "id", []byte("short"))
	if got, err := b.ReadAll(t.Context(), "id"); err != nil || string(got) != "short" {
		t.Errorf("after replacing: %d bytes, %v", len(got), err)
	}
}

func cancelledWrite(t *testing.T, b *blob.Bucket) {
	for _, n := range []int{10, 3 * chunkSize} {
		ctx, cancel := context.WithCancel(t.Context())
		w, err := b.NewWriter(ctx, "id", &blob.WriterOptions{ContentType: contentType})
		if err != nil {
			t.Fatal(err)
		}
		w.Write(noise(n))
		cancel()
		if err := w.Close(); err == nil {
			t.Error("Close after cancel succeeded")
		}
		if ok, err := b.Exists(t.Context(), "id"); ok || err != nil {
			t.Errorf("a cancelled write left an object: %v, %v", ok, err)
		}
	}
}

func missing(t *testing.T, b *blob.Bucket) {
	_, read := b.NewReader(t.Context(), "none", nil)
	_, attributes := b.Attributes(t.Context(), "none")
	for name, err := range map[string]error{
		"read": read, "attributes": attributes,
		"delete": b.Delete(t.Context(), "none"), "copy": b.Copy(t.Context(), "to", "none", nil),
	} {
		if gcerrors.Code(err) != gcerrors.NotFound {
			t.Errorf("%s of an object that does not exist: %v, want NotFound", name, err)
		}
	}
}

func copied(t *testing.T, b *blob.Bucket) {
	want := noise(chunkSize + 5)
	write(t, b, "from", want)
	write(t, b, "to", []byte("old"))
	for range 2 {
		if err := b.Copy(t.Context(), "to", "from", nil); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := b.ReadAll(t.Context(), "to"); err != nil || !bytes.Equal(got, want) {
		t.Errorf("copy has %d bytes, %v", len(got), err)
	}
}

func each(t *testing.T, b *blob.Bucket) {
	want := map[string]int64{}
	for i := range 12 {
		id := string(rune('a' + i))
		write(t, b, id, noise(i))
		want[id] = int64(i)
	}
	got := map[string]int64{}
	if err := Each(t.Context(), b, func(id string, size int64) error { got[id] = size; return nil }); err != nil {
		t.Fatal(err)
	}
	if !maps.Equal(got, want) {
		t.Errorf("objects %v, want %v", got, want)
	}
}

func together(t *testing.T, b *blob.Bucket) {
	var wg sync.WaitGroup
	for i := range 2 * maxConnections {
		wg.Go(func() {
			id, want := string(rune('a'+i)), noise(chunkSize+i)
			write(t, b, id, want)
			if got, err := b.ReadAll(t.Context(), id); err != nil || !bytes.Equal(got, want) {
				t.Errorf("object %s: read %d bytes, %v", id, len(got), err)
			}
		})
	}
	wg.Wait()
}

// TestPostgreSQL has all tests that need a server.
func TestPostgreSQL(t *testing.T) {
	pg := pgtest.Start(t)
	n := 0
	place := func() string {
		n++
		return pg.DSN("schema" + string(rune('a'+n)))
	}
	conform(t, place)
	t.Run("shared", func(t *testing.T) { shared(t, place()) })
	t.Run("left behind", func(t *testing.T) { leftBehind(t, place()) })
	t.Run("server restarts", func(t *testing.T) {
		b := open(t, place())
		write(t, b, "id", noise(chunkSize+1))
		pg.Stop()
		if _, err := b.ReadAll(t.Context(), "id"); err == nil {
			t.Error("read without a server")
		}
		pg.Run()
		if got, err := b.ReadAll(t.Context(), "id"); err != nil || len(got) != chunkSize+1 {
			t.Errorf("after a restart: %d bytes, %v", len(got), err)
		}
	})
}

func query(t *testing.T, dsn, q string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	if _, err := conn.Exec(t.Context(), q); err != nil {
		t.Fatalf("%s: %v", q, err)
	}
}

// list is what a sweeper would see.
func list(t *testing.T, b *blob.Bucket) (ids []string) {
	t.Helper()
	for it := b.List(nil); ; {
		o, err := it.Next(t.Context())
		if err == io.EOF {
			return ids
		}
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, o.Key)
	}
}

// shared: one process neither takes bytes away from another that reads them,
// nor sweeps away those of an upload that has no row yet.
func shared(t *testing.T, dsn string) {
	a, b := open(t, dsn), open(t, dsn)
	want := noise(2*chunkSize + 1)
	write(t, a, "id", want)
	if ids := list(t, b); len(ids) != 0 {
		t.Errorf("a sweeper sees %v, which is too young to be swept", ids)
	}
	in, err := b.NewReader(t.Context(), "id", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	head := make([]byte, 10)
	io.ReadFull(in, head)
	if err := a.Delete(t.Context(), "id"); err != nil {
		t.Fatal(err)
	}
	open(t, dsn) // a start takes away what is old only
	rest, err := io.ReadAll(in)
	if got := slices.Concat(head, rest); err != nil || !bytes.Equal(got, want) {
		t.Errorf("read %d bytes of an object that was deleted meanwhile, %v", len(got), err)
	}
	if ok, err := b.Exists(t.Context(), "id"); ok || err != nil {
		t.Errorf("a deleted object exists: %v, %v", ok, err)
	}
}

// leftBehind: what is old enough is listed, and what nobody needs goes.
func leftBehind(t *testing.T, dsn string) {
	b := open(t, dsn)
	for _, id := range []string{"kept", "deleted", "dropped"} {
		write(t, b, id, []byte("x"))
	}
	if err := b.Delete(t.Context(), "deleted"); err != nil {
		t.Fatal(err)
	}
	query(t, dsn, `INSERT INTO mantle_sandbox_object (id, size, complete) VALUES ('upload', 1, false)`)
	query(t, dsn, `UPDATE mantle_sandbox_object SET written = written - interval '2 hours', deleted = deleted - interval '2 hours'`)
	if got, want := list(t, b), []string{"dropped", "kept"}; !slices.Equal(got, want) {
		t.Errorf("list is %v, want %v", got, want)
	}
	rows := func() (ids []string) {
		conn, err := pgx.Connect(t.Context(), dsn)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close(t.Context())
		found, _ := conn.Query(t.Context(), `SELECT id FROM mantle_sandbox_object ORDER BY id`)
		if ids, err = pgx.CollectRows(found, pgx.RowTo[string]); err != nil {
			t.Fatal(err)
		}
		return ids
	}
	if err := b.Delete(t.Context(), "dropped"); err != nil {
		t.Fatal(err)
	}
	if got, want := rows(), []string{"dropped", "kept", "upload"}; !slices.Equal(got, want) {
		t.Errorf("after a delete there are %v, want %v", got, want)
	}
	query(t, dsn, `UPDATE mantle_sandbox_object SET written = written - interval '2 days', deleted = deleted - interval '2 days'`)
	open(t, dsn)
	if got, want := rows(), []string{"kept"}; !slices.Equal(got, want) {
		t.Errorf("after a start there are %v, want %v", got, want)
	}
}
