package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/mantle-iam/mantle/broker"
)

// sealed is a source without a world: two files, one variable, one user.
func sealed() Source {
	files := map[string]string{
		"policy.json":  `{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}}`,
		"account.json": `{"RoleDetailList": []}`,
	}
	return Source{
		ReadFile: func(name string) ([]byte, error) {
			if s, ok := files[name]; ok {
				return []byte(s), nil
			}
			return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
		},
		IsDir:     func(name string) bool { return name == "service" },
		LookupEnv: func(name string) (string, bool) { return "x", name == "X" },
		LookupUser: func(name string) (int, error) {
			if name == "web" {
				return 33, nil
			}
			return 0, errors.New("unknown user")
		},
		LookupGroup: func(name string) (int, error) { return 50, nil },
	}
}

// Whatever the text, the answer is a configuration or an error with a place
// for each problem; and the canonical layout means what the original meant.
func FuzzParse(f *testing.F) {
	for _, dir := range []string{"testdata/good/", "testdata/bad/"} {
		entries, err := os.ReadDir(dir)
		if err != nil {
			f.Fatal(err)
		}
		for _, e := range entries {
			if src, err := os.ReadFile(dir + e.Name()); err == nil && (strings.HasSuffix(e.Name(), ".hcl") || strings.HasSuffix(e.Name(), ".hcl.json")) {
				f.Add(src, isJSON(e.Name()))
			}
		}
	}
	f.Add([]byte(example), false)
	f.Add([]byte(`base { region = role }`), false)
	f.Add([]byte(`role "a" { via = [{ name = "a", arn = null }, { name = "a", arn = 7 }] }`), false)
	f.Fuzz(func(t *testing.T, src []byte, asJSON bool) {
		name := "mantle.hcl"
		if asJSON {
			name += ".json"
		}
		c, err := Parse(name, src, sealed())
		if err != nil {
			checkError(t, err)
			return
		}
		rules, err := c.Rules()
		if err != nil {
			checkError(t, err)
		} else if len(rules) != len(c.Workloads) {
			t.Errorf("%d rules for %d workloads", len(rules), len(c.Workloads))
		}
		for _, r := range rules {
			if r.Loan.Role == "" {
				t.Errorf("workload %s has no role", r.Name)
			}
		}
		laid, err := Format(name, src)
		if err != nil {
			t.Fatalf("sound but not formatted: %v", err)
		}
		again, err := Parse(name, laid, sealed())
		if err != nil {
			t.Fatalf("formatting broke it: %v\n%s", err, laid)
		}
		if a, b := dump(t, c), dump(t, again); !bytes.Equal(a, b) {
			t.Errorf("formatting changed it:\n%s\n%s", a, b)
		}
	})
}

func dump(t *testing.T, c *Config) []byte {
	b, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func checkError(t *testing.T, err error) {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) || len(e.Problems) == 0 {
		t.Fatalf("got %v, want *Error with problems", err)
	}
	for _, p := range e.Problems {
		if p.Position.File == "" || p.Position.Line < 1 || p.Position.Column < 1 || p.Summary == "" {
			t.Errorf("problem without place or words: %+v", p)
		}
		if strings.ContainsAny(p.Summary+p.Hint, "\n\r") {
			t.Errorf("problem on more than one line: %q %q", p.Summary, p.Hint)
		}
	}
	if err := e.Write(io.Discard); err != nil {
		t.Error(err)
	}
}

// If a configuration is accepted, no process can fit two of its workloads.
func TestAcceptedMatchesAreApart(t *testing.T) {
	exes := []string{"", "/a", "/a*", "/b/?", "/b/*", "/*"}
	units := []string{"", "a.service", "a*.service", "b.scope"}
	rapid.Check(t, func(t *rapid.T) {
		var src strings.Builder
		src.WriteString("role \"r\" { arn = \"arn:aws:iam::111122223333:role/r\" }\n")
		for i := range rapid.IntRange(1, 4).Draw(t, "workloads") {
			fmt.Fprintf(&src, "workload \"w%d\" {\n  role = \"r\"\n  match {\n", i)
			exe, unit := rapid.SampledFrom(exes).Draw(t, "exe"), rapid.SampledFrom(units).Draw(t, "unit")
			who := rapid.SampledFrom([]string{"", "uid = 33", "uid = 0", `user = "web"`}).Draw(t, "who")
			if who == "" && exe == "" && unit == "" {
				who = "uid = 33"
			}
			fmt.Fprintln(&src, who)
			if exe != "" {
				fmt.Fprintf(&src, "exe = %q\n", exe)
			}
			if unit != "" {
				fmt.Fprintf(&src, "unit = %q\n", unit)
			}
			src.WriteString("  }\n}\n")
		}
		c, err := Parse("mantle.hcl", []byte(src.String()), sealed())
		if err != nil {
			return
		}
		rules, err := c.Rules()
		if err != nil {
			return
		}
		for _, uid := range []int{0, 33} {
			for _, exe := range []string{"/a", "/ab", "/b/c", "/b/cc"} {
				for _, unit := range []string{"", "a.service", "ab.service", "b.scope"} {
					caller := broker.Caller{UID: uid, PID: 1, Exe: exe, Unit: unit, How: broker.ByPeer}
					fit := 0
					for _, r := range rules {
						if r.Match.Fits(caller) {
							fit++
						}
					}
					if fit > 1 {
						t.Fatalf("%d workloads fit %s:\n%s", fit, caller, src.String())
					}
				}
			}
		}
	})
}

func TestNearest(t *testing.T) {
	known := []string{"listen", "metadata", "allow_remote", "arn"}
	for given, want := range map[string]string{
		"lisen": "listen", "lisetn": "listen", "LISTEN": "listen", "arm": "arn", "meta": "",
		"allow-remote": "allow_remote", "": "", "zebra": "", strings.Repeat("l", 100): "",
	} {
		if got := nearest(given, known); got != want {
			t.Errorf("nearest(%q) is %q, want %q", given, got, want)
		}
	}
}
