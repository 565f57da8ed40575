package s3

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/mantle-iam/mantle/sandbox/internal/store"
)

// modelVersion is a version as the model has it, newest first in a list.
type modelVersion struct {
	id     string
	marker bool
	blob   string
}

// TestVersionsModel compares the rows with a plain list of versions per key,
// under random writes, deletes and changes of the versioning state; keys are
// prefixes of each other and hold the separator.
func TestVersionsModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		st, err := store.Open("")
		if err != nil {
			t.Fatal(err)
		}
		defer st.Close()
		keys := []string{"a", "a\x00", "a\x00b", "a/b", "ab"}
		b := bucket{Name: "photos"}
		model := map[string][]modelVersion{}
		live := map[string]bool{} // blobs that some version names
		dropped := map[string]bool{}
		n := 0
		dropNullOf := func(key string) {
			model[key] = slices.DeleteFunc(model[key], func(v modelVersion) bool {
				if v.id == null {
					delete(live, v.blob)
				}
				return v.id == null
			})
		}
		steps := rapid.IntRange(1, 40).Draw(t, "steps")
		for range steps {
			key := rapid.SampledFrom(keys).Draw(t, "key")
			err := st.Update(func(tx *store.Tx) error {
				var gone []piece
				switch rapid.SampledFrom([]string{"put", "put", "delete", "version", "state"}).Draw(t, "op") {
				case "put":
					n++
					blob := fmt.Sprint("blob", n)
					var v version
					v, gone = write(tx, b, version{Key: key, Pieces: []piece{{Blob: blob}}, Modified: time.Unix(int64(n), 0)})
					if b.Versioning != versioned {
						dropNullOf(key)
					}
					model[key] = slices.Insert(model[key], 0, modelVersion{id: v.ID, blob: blob})
					live[blob] = true
				case "delete":
					var m *version
					m, gone = remove(tx, b, key, time.Unix(int64(n), 0))
					if b.Versioning != versioned {
						dropNullOf(key)
					}
					if (m != nil) != (b.Versioning != "") {
						t.Fatalf("marker %v in state %q", m, b.Versioning)
					}
					if m != nil {
						model[key] = slices.Insert(model[key], 0, modelVersion{id: m.ID, marker: true})
					}
				case "version":
					id := "none"
					if have := model[key]; len(have) > 0 {
						id = have[rapid.IntRange(0, len(have)-1).Draw(t, "which")].id
					}
					v, ok := removeVersion(tx, b.Name, key, id)
					if ok != (id != "none") {
						t.Fatalf("remove version %s of %q: %v", id, key, ok)
					}
					gone = v.Pieces
					model[key] = slices.DeleteFunc(model[key], func(v modelVersion) bool {
						if v.id == id {
							delete(live, v.blob)
						}
						return v.id == id
					})
				case "state":
					if b.Versioning == "" || rapid.Bool().Draw(t, "suspend") {
						b.Versioning = versioned
					} else {
						b.Versioning = suspended
					}
				}
				for _, p := range gone {
					dropped[p.Blob] = true
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			compareVersions(t, st, b.Name, keys, model)
			for blob := range live {
				if dropped[blob] {
					t.Fatalf("%s is dropped while a version names it", blob)
				}
			}
		}
		if len(live)+len(dropped) != n {
			t.Fatalf("of %d blobs %d are named and %d dropped", n, len(live), len(dropped))
		}
	})
}

func compareVersions(t *rapid.T, st *store.Store, bucket string, keys []string, model map[string][]modelVersion) {
	err := st.View(func(tx *store.Tx) error {
		rows := 0
		for _, key := range keys {
			var got []modelVersion
			add := func(v version) {
				m := modelVersion{id: v.ID, marker: v.Marker}
				if len(v.Pieces) > 0 {
					m.blob = v.Pieces[0].Blob
				}
				got = append(got, m)
			}
			if v, ok := latest(tx, bucket, key); ok {
				add(v)
			}
			for _, v := range olderVersions(tx, bucket, key) {
				add(v)
			}
			if !slices.Equal(got, model[key]) {
				t.Fatalf("key %q has %v, want %v", key, got, model[key])
			}
			rows += len(got)
			for _, v := range got {
				if found, err := lookup(tx, bucket, key, v.id); err != nil || found.ID != v.id {
					t.Fatalf("version %s of %q is not found: %v", v.id, key, err)
				}
			}
		}
		if n := current.Count(tx, "") + older.Count(tx, ""); n != rows {
			t.Fatalf("%d rows, want %d", n, rows)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestListModel compares listings with the definition: keys with the prefix,
// rolled up at the first delimiter behind it, in order, page by page.
func TestListModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		st, err := store.Open("")
		if err != nil {
			t.Fatal(err)
		}
		defer st.Close()
		s := New(st, nil, Options{})
		key := rapid.StringMatching(`[ab/ü]{1,5}`)
		keys := rapid.SliceOfDistinct(key, func(k string) string { return k }).Draw(t, "keys")
		err = st.Update(func(tx *store.Tx) error {
			for _, name := range []string{"photos", "photos2"} {
				buckets.Put(tx, name, bucket{Name: name})
				for _, k := range keys {
					write(tx, bucket{Name: name}, version{Key: k})
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		prefix := rapid.StringMatching(`[ab/ü]{0,2}`).Draw(t, "prefix")
		delimiter := rapid.SampledFrom([]string{"", "/", "a", "ü", "/a"}).Draw(t, "delimiter")
		after := rapid.StringMatching(`[ab/ü]{0,3}`).Draw(t, "after")
		limit := rapid.IntRange(1, 5).Draw(t, "limit")
		want := map[string]bool{}
		for _, k := range keys {
			rest, ok := strings.CutPrefix(k, prefix)
			if !ok {
				continue
			}
			if i := strings.Index(rest, delimiter); delimiter != "" && i >= 0 {
				k = prefix + rest[:i+len(delimiter)] + "*"
			}
			if strings.TrimSuffix(k, "*") > after {
				want[k] = true
			}
		}
		var got []string
		l := listing{prefix: prefix, delimiter: delimiter, after: after, limit: limit}
		for {
			p, err := s.list("photos", l, false)
			if err != nil {
				t.Fatal(err)
			}
			for _, o := range p.contents {
				got = append(got, *o.Key)
			}
			for _, c := range p.prefixes {
				got = append(got, *c.Prefix+"*")
			}
			if n := len(p.contents) + len(p.prefixes); n > limit || p.truncated && n < limit {
				t.Fatalf("a page of %d holds %d", limit, n)
			}
			if !p.truncated {
				break
			}
			l.after = p.last
		}
		slices.Sort(got)
		if list := slices.Sorted(maps.Keys(want)); !slices.Equal(got, list) {
			t.Fatalf("listed %q, want %q", got, list)
		}
	})
}
