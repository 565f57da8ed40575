package config

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/mantle-iam/mantle/broker"
)

func TestReferenceUpToDate(t *testing.T) {
	golden(t, "../../docs/config.md", []byte(Reference()))
}

// The example of the reference is sound and well laid out.
func TestExample(t *testing.T) {
	c, err := Parse(FileName, []byte(example), Source{})
	if err != nil {
		t.Fatal(problemText(err))
	}
	if len(c.Workloads) != 2 || c.Role("reports").Via[0].ARN != "arn:aws:iam::111122223333:role/jump" {
		t.Errorf("the example means something else: %+v", c)
	}
	if f, err := Format(FileName, []byte(example)); err != nil || string(f) != example {
		t.Errorf("not formatted (%v):\n%s", err, f)
	}
}

// Every argument has its meaning written down and stands in a good file, so
// that no row of the tables is untried.
func TestReferenceComplete(t *testing.T) {
	used := map[string]bool{}
	var walk func(path string, body *hclsyntax.Body)
	walk = func(path string, body *hclsyntax.Body) {
		for name := range body.Attributes {
			used[path+name] = true
		}
		for _, b := range body.Blocks {
			used[path+b.Type] = true
			walk(path+b.Type+".", b.Body)
		}
	}
	for _, name := range glob(t, "testdata/good/*.hcl") {
		src, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		f, diags := hclsyntax.ParseConfig(src, name, hcl.InitialPos)
		if diags.HasErrors() {
			t.Fatal(diags)
		}
		walk("", f.Body.(*hclsyntax.Body))
	}
	text := Reference()
	var check func(path string, d description)
	check = func(path string, d description) {
		for _, f := range d.fields {
			if !used[path+f.name] {
				t.Errorf("no good file sets %s%s", path, f.name)
			}
			if f.doc == "" || f.want == "" || !strings.HasSuffix(f.doc, ".") {
				t.Errorf("%s%s is not documented: takes %q, means %q", path, f.name, f.want, f.doc)
			}
			if !strings.Contains(text, "| `"+f.name+"` | "+cell(f.want)) {
				t.Errorf("the reference has no %s%s", path, f.name)
			}
		}
		for _, c := range d.children {
			if !used[path+c.name] {
				t.Errorf("no good file has %s%s", path, c.name)
			}
			if c.doc == "" {
				t.Errorf("%s%s is not documented", path, c.name)
			}
			check(path+c.name+".", c.description)
		}
	}
	check("", rootBlock().describe())

	functions := (&decoder{}).functions()
	for _, f := range functionDocs {
		name, _, _ := strings.Cut(f.call, "(")
		if _, ok := functions[name]; !ok {
			t.Errorf("function %s is documented but missing", name)
		}
		delete(functions, name)
	}
	for name := range functions {
		t.Errorf("function %s is not documented", name)
	}
	var documented []string
	for _, p := range placeholderDocs {
		documented = append(documented, p.name)
	}
	if want := broker.Placeholders(); !slices.Equal(documented, want) {
		t.Errorf("documented placeholders are %q, want %q", documented, want)
	}
}
