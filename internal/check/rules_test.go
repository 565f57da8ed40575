package check

import (
	"flag"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/mantle-iam/mantle/internal/config"
	"github.com/mantle-iam/mantle/internal/estate"
	"github.com/mantle-iam/mantle/internal/tf"
)

var update = flag.Bool("update", false, "write what the rules say into testdata/rules")

// checkDir checks a folder as the verb does, in account 111122223333.
func checkDir(t *testing.T, dir string) []Section {
	t.Helper()
	groups, err := Collect(dir)
	if err != nil {
		t.Fatal(err)
	}
	var out []Section
	for _, g := range groups {
		in := &Input{Files: g.Files}
		if g.Root {
			w, err := tf.Read(tf.Options{Dir: g.Dir, Account: "111122223333", Region: "us-west-2"})
			if err != nil {
				t.Fatal(err)
			}
			in.Estate = estate.FromWorld(w, g.Dir)
		}
		for _, p := range g.Configs {
			c, err := config.Load(p)
			if err != nil {
				t.Fatal(err)
			}
			in.Configs = append(in.Configs, c)
		}
		out = append(out, Section{g.Dir, Run(in)})
	}
	return out
}

// unpack writes the files of an archive to the working folder.
func unpack(t *testing.T, a *txtar.Archive) {
	t.Helper()
	for _, f := range a.Files {
		if err := os.MkdirAll(filepath.Dir(f.Name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(f.Name, f.Data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func findings(sections []Section) (out []Finding) {
	for _, s := range sections {
		out = append(out, s.Result.Findings...)
	}
	return out
}

// TestRules holds every rule to its archive: the files below bad/ have what it
// finds, and the report on them is "want"; those below good/ have neither that
// nor anything else worse than worth knowing.
func TestRules(t *testing.T) {
	for _, r := range Rules() {
		if r.Check == nil {
			continue
		}
		t.Run(r.ID, func(t *testing.T) {
			path, err := filepath.Abs(filepath.Join("testdata", "rules", r.ID+".txtar"))
			if err != nil {
				t.Fatal(err)
			}
			a, err := txtar.ParseFile(path)
			if err != nil {
				t.Fatalf("a rule has an archive with a case that it finds and one that it does not: %v", err)
			}
			t.Chdir(t.TempDir())
			unpack(t, a)
			bad, good := checkDir(t, "bad"), checkDir(t, "good")
			is := func(f Finding) bool { return f.Rule == r.ID }
			if !slices.ContainsFunc(findings(bad), is) {
				t.Error("the bad case is not found")
			}
			for _, f := range findings(good) {
				if is(f) || f.Severity > Info {
					t.Errorf("the good case has %s %s %s", f.Rule, placeOf(f.Where, f.Address), f.Message)
				}
			}
			var got strings.Builder
			if err := WriteText(&got, bad); err != nil {
				t.Fatal(err)
			}
			i := slices.IndexFunc(a.Files, func(f txtar.File) bool { return f.Name == "want" })
			if i < 0 {
				t.Fatal("the archive has no want")
			}
			if want := string(a.Files[i].Data); got.String() != want {
				if *update {
					a.Files[i].Data = []byte(got.String())
					if err := os.WriteFile(path, txtar.Format(a), 0o644); err != nil {
						t.Fatal(err)
					}
					return
				}
				t.Errorf("got:\n%s\nwant:\n%s", got.String(), want)
			}
			holdEdits(t, bad)
		})
	}
}

// holdEdits makes the edits of the bad case and checks that what they repair
// is gone, and that nothing worse has come.
func holdEdits(t *testing.T, before []Section) {
	edits := Edits(findings(before))
	if len(edits) == 0 {
		return
	}
	if err := Write(edits, nil); err != nil {
		t.Fatal(err)
	}
	after := findings(checkDir(t, "bad"))
	for _, f := range findings(before) {
		if f.Edit != nil && slices.ContainsFunc(after, func(g Finding) bool { return g.Rule == f.Rule && g.Message == f.Message }) {
			t.Errorf("%s is still found after its edit: %s", f.Rule, f.Message)
		}
	}
	if len(after) > len(findings(before))-len(slices.Collect(maps.Keys(edits))) && worst(after) > worst(findings(before)) {
		t.Errorf("the edits made it worse: %v", after)
	}
}

// TestAllRulesAreListed holds the table to the ids of the 73 rules, whichever
// verb decides them, and those about the check itself.
func TestAllRulesAreListed(t *testing.T) {
	var want []string
	for _, x := range []struct {
		letter     string
		hundred, n int
	}{{"T", 1, 21}, {"P", 2, 13}, {"I", 3, 9}, {"E", 4, 9}, {"C", 5, 9}, {"S", 6, 3}, {"F", 7, 4}, {"K", 8, 3}, {"R", 9, 2}, {"A", 0, 3}} {
		for i := range x.n {
			want = append(want, x.letter+string(rune('0'+x.hundred))+string(rune('0'+(i+1)/10))+string(rune('0'+(i+1)%10)))
		}
	}
	var got []string
	for _, r := range Rules() {
		got = append(got, r.ID)
		if r.Title == "" || r.Why == "" || r.Bad == "" || r.Good == "" || !strings.HasPrefix(r.Page, "https://") || r.Severity == 0 {
			t.Errorf("%s is not documented", r.ID)
		}
		if (r.Check == nil) == (r.Verb == "check") {
			t.Errorf("%s is checked by %q", r.ID, r.Verb)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}
