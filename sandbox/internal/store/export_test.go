package store

import (
	"bytes"
	"maps"
	"strings"
	"testing"
)

func exportImport(t *testing.T, dir string) {
	from := open(t, "")
	put(t, from, "a<b>", 1)
	err := from.Update(func(tx *Tx) error { things.Put(tx, "bytes\xff", thing{"odd key", 2}); return nil })
	if err != nil {
		t.Fatal(err)
	}
	want := contents(t, from)
	var first, second bytes.Buffer
	if err := from.Export(&first); err != nil {
		t.Fatal(err)
	}
	to := open(t, dir)
	put(t, to, "old", 9)
	if err := to.Import(bytes.NewReader(first.Bytes())); err != nil {
		t.Fatal(err)
	}
	if got := contents(t, to); !maps.Equal(got, want) {
		t.Errorf("after Import: %v, want %v", got, want)
	}
	to.Close()
	to = open(t, dir)
	if got := contents(t, to); !maps.Equal(got, want) {
		t.Errorf("after Import and reopening: %v, want %v", got, want)
	}
	if err := to.Export(&second); err != nil {
		t.Fatal(err)
	}
	_, a, _ := strings.Cut(first.String(), "\n")
	_, b, _ := strings.Cut(second.String(), "\n")
	if a != b {
		t.Errorf("export of the import differs:\n%s\n%s", a, b)
	}
}

func TestBadImports(t *testing.T) {
	const head = `{"format":"mantle sandbox state","version":1,"revision":4}` + "\n"
	const row = `{"table":"things","key":"x","value":{"Name":"x"}}` + "\n"
	for _, test := range []struct{ name, in, want string }{
		{"empty", "", "line 1: the export is cut"},
		{"another file", "{\"a\":1}\n", "line 1: this is not an export"},
		{"not JSON", "hello\n", "line 1: invalid character"},
		{"newer", strings.Replace(head, ":1,", ":7,", 1), "format 7, this program reads 1"},
		{"cut", head + row, "line 3: the export is cut"},
		{"cut in a line", head + row[:20], "line 2: unexpected end of JSON"},
		{"a row is missing", head + row + `{"rows":2}`, "says it has 2 rows, but 1 came"},
		{"twice", head + row + row + `{"rows":2}`, `line 3: row "x" of table things comes twice`},
		{"no table", head + `{"key":"x","value":1}` + "\n", "line 2: a row needs a table and a value"},
		{"more", head + row + `{"rows":1}` + "\nmore", "line 4: text after the end"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := open(t, "")
			put(t, s, "kept", 1)
			err := s.Import(strings.NewReader(test.in))
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("Import: %v, want an error with %q", err, test.want)
			}
			if got := contents(t, s); got["kept"] != 1 || len(got) != 1 {
				t.Errorf("a failed Import changed the state: %v", got)
			}
		})
	}
}

func FuzzImport(f *testing.F) {
	f.Add([]byte(`{"format":"mantle sandbox state","version":1,"revision":4}` + "\n" + `{"table":"things","key":"x","value":{"Name":"x"}}` + "\n" + `{"rows":1}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := Open("")
		if err != nil {
			t.Fatal(err)
		}
		if s.Import(bytes.NewReader(data)) != nil {
			return
		}
		var first, second bytes.Buffer
		if err := s.Export(&first); err != nil {
			t.Fatalf("export of an accepted import: %v", err)
		}
		if err := s.Import(bytes.NewReader(first.Bytes())); err != nil {
			t.Fatalf("import of an export: %v", err)
		}
		if err := s.Export(&second); err != nil {
			t.Fatal(err)
		}
	})
}
