package ask

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/rogpeppe/go-internal/diff"
)

// A Patch is a fix as text.
type Patch struct {
	// Diff is a unified diff: of the Terraform files if the policies were written
	// in some (it applies with patch -p1 in Dir), else of the documents.
	Diff string `json:"diff"`
	Dir  string `json:"dir,omitempty"`

	// Files are the changed files, whole, by path; nil if no files change.
	Files map[string][]byte `json:"-"`

	// Not says why no file is changed although the estate comes from files.
	Not string `json:"not,omitempty"`
}

// Patch writes a fix: as a change of the Terraform files where its policies were
// written there, else of the policies' documents.
func (a *Asker) Patch(f *Fix) (*Patch, error) {
	out := &Patch{}
	if len(f.Changes) == 0 {
		return out, nil
	}
	if len(a.estate.Terraform) > 0 {
		p, err := a.terraform(f)
		if err == nil {
			return p, nil
		}
		out.Not = err.Error()
	}
	for i := range f.Changes {
		c := &f.Changes[i]
		out.Diff += unified(c.file(), []byte(c.Before), []byte(c.After))
	}
	return out, nil
}

// file is what a document is called in a diff.
func (c *Change) file() string {
	name := strings.NewReplacer(":", "_", " ", "_").Replace(short(c.Entity))
	switch c.What {
	case "trust":
		return name + "/trust.json"
	case "inline":
		return name + "/" + c.Name + ".json"
	}
	return name + "/policy.json"
}

// unified is the unified diff of a file, with the names that patch -p1 and git
// apply read; empty if nothing changes.
func unified(name string, before, after []byte) string {
	if bytes.Equal(before, after) {
		return ""
	}
	from, to := "a/"+name, "b/"+name
	if len(before) == 0 {
		from = "/dev/null"
	}
	if len(after) == 0 {
		to = "/dev/null"
	}
	text := string(diff.Diff(from, before, to, after))
	// Its first line repeats the names in a form of its own.
	if first, rest, ok := strings.Cut(text, "\n"); ok && strings.HasPrefix(first, "diff ") {
		text = rest
	}
	return text
}

// why is an error about what cannot be written as a change of files.
func why(format string, args ...any) error {
	return fmt.Errorf("the change cannot be written into the Terraform files: "+format, args...)
}
