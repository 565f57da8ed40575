package tf_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"

	"github.com/mantle-iam/mantle/internal/tf"
)

// TestLikeTerraform reads configurations and holds every attribute to what
// Terraform 1.11.4 with the AWS provider 5.100.0 made of them: state.json is
// what terraform show -json printed after an apply.
func TestLikeTerraform(t *testing.T) {
	dirs, err := filepath.Glob("testdata/like/*")
	if err != nil || len(dirs) == 0 {
		t.Fatalf("no configurations (%v)", err)
	}
	for _, dir := range dirs {
		t.Run(filepath.Base(dir), func(t *testing.T) {
			data, err := os.ReadFile(filepath.Join(dir, "state.json"))
			if err != nil {
				t.Fatal(err)
			}
			want, err := tf.ReadState(data, "", tf.Options{})
			if err != nil {
				t.Fatal(err)
			}
			got, err := tf.Read(tf.Options{Dir: dir})
			if err != nil {
				t.Fatal(err)
			}
			for _, u := range got.Unknown {
				t.Errorf("%s %s.%s is not known: %s", u.Where.File, u.Address, u.Path, u.Why)
			}
			have := map[string]*tf.Resource{}
			for _, r := range got.Resources {
				have[r.Address] = r
			}
			compared := 0
			for _, w := range want.Resources {
				r := have[w.Address]
				if r == nil {
					t.Errorf("there is no %s", w.Address)
					continue
				}
				delete(have, w.Address)
				for name, v := range w.Values.AsValueMap() {
					if name == "id" || name == "output" || v.IsNull() || !r.Values.Type().HasAttribute(name) || name == "statement" {
						continue
					}
					compared++
					if g, w := render(t, r.Values.GetAttr(name)), render(t, v); g != w {
						t.Errorf("%s.%s = %s\nTerraform: %s", r.Address, name, g, w)
					}
				}
			}
			for address := range have {
				t.Errorf("Terraform has no %s", address)
			}
			if compared < 10 {
				t.Errorf("compared %d attributes, want at least 10", compared)
			}
		})
	}
}

// render writes a value as JSON, which knows no difference between lists, sets
// and tuples.
func render(t *testing.T, v cty.Value) string {
	t.Helper()
	if !v.IsWhollyKnown() {
		return "unknown"
	}
	b, err := ctyjson.Marshal(v, v.Type())
	if err != nil {
		t.Fatal(err)
	}
	var plain any
	if err := json.Unmarshal(b, &plain); err != nil {
		t.Fatal(err)
	}
	b, err = json.Marshal(plain)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
