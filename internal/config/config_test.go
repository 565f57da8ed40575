package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/mantle-iam/mantle/broker"
)

var update = flag.Bool("update", false, "rewrite testdata and docs/config.md")

// source reads the real files, an environment of one variable, and a user
// database of two.
func source() Source {
	return Source{
		LookupEnv: func(name string) (string, bool) {
			return "from-env", name == "EXTERNAL_ID"
		},
		LookupUser: func(name string) (int, error) {
			switch name {
			case "beta":
				return 1002, nil
			case "web":
				return 33, nil
			}
			return 0, fmt.Errorf("unknown user %s", name)
		},
		LookupGroup: func(name string) (int, error) {
			if name == "staff" {
				return 50, nil
			}
			return 0, fmt.Errorf("unknown group %s", name)
		},
	}
}

func glob(t *testing.T, patterns ...string) []string {
	t.Helper()
	var out []string
	for _, p := range patterns {
		names, err := filepath.Glob(p)
		if err != nil || len(names) == 0 {
			t.Fatalf("glob %s: %d files, %v", p, len(names), err)
		}
		out = append(out, names...)
	}
	return out
}

// A good file has beside it what it means, as NAME.want; both forms of a file
// mean the same.
func TestGood(t *testing.T) {
	for _, name := range glob(t, "testdata/good/*.hcl", "testdata/good/*.hcl.json") {
		t.Run(filepath.Base(name), func(t *testing.T) {
			c, err := source().Load(name)
			if err != nil {
				t.Fatal(problemText(err))
			}
			c.Path = "" // the only difference between the two forms
			got, err := json.MarshalIndent(c, "", "  ")
			if err != nil {
				t.Fatal(err)
			}
			if src, _ := os.ReadFile(name); !isJSON(name) {
				if f, err := Format(name, src); err != nil || !bytes.Equal(f, src) {
					t.Errorf("not formatted (%v):\n%s", err, f)
				}
			}
			golden(t, strings.TrimSuffix(name, ".json")+".want", append(got, '\n'))
		})
	}
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(name, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s: run with -update and read the difference; got:\n%s", name, got)
	}
}

func problemText(err error) string {
	var e *Error
	if !errors.As(err, &e) {
		return fmt.Sprint(err)
	}
	var b strings.Builder
	e.Write(&b)
	return b.String()
}

// A bad file begins with what must be said of it: a want line for each
// problem, and a hint line below it if there is one. The JSON form keeps both
// in NAME.want, for it has no comments.
func TestBad(t *testing.T) {
	for _, name := range glob(t, "testdata/bad/*.hcl", "testdata/bad/*.hcl.json") {
		t.Run(filepath.Base(name), func(t *testing.T) {
			src, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			if isJSON(name) {
				golden(t, name+".want", []byte(strings.Join(verdict(t, name, src), "\n")+"\n"))
				return
			}
			header, body := split(string(src))
			if *update {
				n := len(verdict(t, name, src))
				for range 2 { // the second time with the header's length right
					pad := strings.Repeat("#\n", n)
					header = verdict(t, name, []byte(pad+"\n"+body))
					n = len(header)
				}
				if err := os.WriteFile(name, []byte(strings.Join(header, "\n")+"\n\n"+body), 0o644); err != nil {
					t.Fatal(err)
				}
				src, _ = os.ReadFile(name)
			}
			got, want := strings.Join(verdict(t, name, src), "\n"), strings.Join(header, "\n")
			if got != want {
				t.Errorf("got:\n%s\nwant:\n%s", got, want)
			}
		})
	}
}

// split parts the leading comment from the rest.
func split(src string) (header []string, body string) {
	for strings.HasPrefix(src, "# want: ") || strings.HasPrefix(src, "# hint: ") {
		var l string
		l, src, _ = strings.Cut(src, "\n")
		header = append(header, l)
	}
	return header, strings.TrimPrefix(src, "\n")
}

// verdict is the comment that says what is wrong with a file.
func verdict(t *testing.T, name string, src []byte) []string {
	t.Helper()
	c, err := Parse(name, src, source())
	if err == nil {
		_, err = c.Rules()
	}
	var e *Error
	if !errors.As(err, &e) {
		t.Fatalf("error is %v, want *Error", err)
	}
	var out []string
	dir := filepath.Dir(name) + "/"
	for _, p := range e.Problems {
		at := strings.TrimPrefix(p.Position.String(), name+":")
		out = append(out, "# want: "+strings.ReplaceAll(strings.TrimPrefix(at, dir)+": "+p.Summary, dir, ""))
		if p.Hint != "" {
			out = append(out, "# hint: "+strings.ReplaceAll(strings.ReplaceAll(p.Hint, name+":", ""), dir, ""))
		}
		if p.Position.Line < 1 || p.Position.Column < 1 {
			t.Errorf("%s has no place", p)
		}
	}
	return out
}

func TestWrite(t *testing.T) {
	src := "role \"a\" {\n\tarn = \"arn:aws:iam::1:role/a\"\n}\nworkload \"w\" {\n  role = \"b\"\n}\n"
	_, err := Parse("mantle.hcl", []byte(src), source())
	const want = `mantle.hcl:2:8: arn has no account id of 12 digits: "1"
  	arn = "arn:aws:iam::1:role/a"
  	      ^

mantle.hcl:5:10: there is no role "b"
    role = "b"
           ^
hint: did you mean "a"?
`
	if got := problemText(err); got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
	const short = `mantle.hcl:2:8: arn has no account id of 12 digits: "1" (and 1 more problem)`
	if err.Error() != short {
		t.Errorf("got %s, want %s", err, short)
	}
}

// What may be a secret is not repeated by an error about it, nor by one about
// something else on the same line.
func TestSecretsAreNotShown(t *testing.T) {
	src, err := os.ReadFile("testdata/bad/secrets.hcl")
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{
		string(src),
		`workload "w" { env = { DB_PASSWORD = "wJalr", PORT = 8080 } }`,
		`workload "w" { env = { "secret" : "wJalr", PORT = 8080 } }`,
		`workload "w" { env = { X = "AKIAIOSFODNN7EXAMPLE" PORT = 8080 } }`,
		`{"workload": {"w": {"env": {"AWS_SESSION_TOKEN": "wJalr", "PORT": 8080}}}}`,
	} {
		name := "mantle.hcl"
		if text[0] == '{' {
			name += ".json"
		}
		_, err := Parse(name, []byte(text), source())
		shown := problemText(err)
		if err == nil || strings.Contains(shown, "wJalr") || strings.Contains(shown, "AKIAIO") {
			t.Errorf("%s: a secret is shown, or no error:\n%s", text, shown)
		}
	}
}

// A sound configuration remembers where it says what, for those who find out
// later that it cannot be.
func TestWhere(t *testing.T) {
	c, err := source().Load("testdata/good/blocks.hcl")
	if err != nil {
		t.Fatal(problemText(err))
	}
	w := c.Role("far").Where
	for argument, want := range map[string]string{
		"":         "testdata/good/blocks.hcl:3:1",
		"region":   "testdata/good/blocks.hcl:5:14",
		"duration": "testdata/good/blocks.hcl:3:1", // null: left out
		"policy":   "testdata/good/blocks.hcl:3:1",
	} {
		if got := w.At(argument).String(); got != want || w.Has(argument) != (argument == "region") {
			t.Errorf("%s is at %s (set: %t), want %s", argument, got, w.Has(argument), want)
		}
	}
	if c.Role("none") != nil || c.Workload("none") != nil || c.Workload("d") == nil {
		t.Error("found what is not there, or not what is")
	}
}

func TestLoad(t *testing.T) {
	role := []byte(`role "a" { arn = "arn:aws:iam::111122223333:role/a" }`)
	asJSON := []byte(`{"role": {"b": {"arn": "arn:aws:iam::111122223333:role/b"}}}`)
	for name, c := range map[string]struct {
		files map[string][]byte
		path  string
		role  string
		err   string
	}{
		"file":            {map[string][]byte{"x/other.hcl": role}, "x/other.hcl", "a", ""},
		"directory":       {map[string][]byte{"x/mantle.hcl": role}, "x", "a", ""},
		"JSON":            {map[string][]byte{"x/mantle.hcl.json": asJSON}, "x", "b", ""},
		"HCL before JSON": {map[string][]byte{"x/mantle.hcl": role, "x/mantle.hcl.json": asJSON}, "x", "a", ""},
		"no file":         {nil, "x/other.hcl", "", "read configuration: open x/other.hcl: file does not exist"},
		"empty directory": {nil, "x", "", "read configuration: no mantle.hcl or mantle.hcl.json in x: file does not exist"},
	} {
		t.Run(name, func(t *testing.T) {
			s := Source{
				IsDir: func(n string) bool { return n == "x" },
				ReadFile: func(n string) ([]byte, error) {
					if b, ok := c.files[n]; ok {
						return b, nil
					}
					return nil, &fs.PathError{Op: "open", Path: n, Err: fs.ErrNotExist}
				},
			}
			got, err := s.Load(c.path)
			if c.err != "" {
				if err == nil || err.Error() != c.err || !errors.Is(err, fs.ErrNotExist) {
					t.Fatalf("got %v, want %s", err, c.err)
				}
				return
			}
			if err != nil {
				t.Fatal(problemText(err))
			}
			if got.Role(c.role) == nil {
				t.Errorf("role %s is missing", c.role)
			}
		})
	}
}

// The environment is closed unless the caller opens it.
func TestEnvironmentClosed(t *testing.T) {
	t.Setenv("MANTLE_TEST_PROFILE", "dev")
	src := []byte(`base { profile = env("MANTLE_TEST_PROFILE") }`)
	_, err := Parse("mantle.hcl", src, Source{})
	if err == nil || !strings.Contains(err.Error(), "the environment may not be read here") {
		t.Errorf("got %v, want a refusal", err)
	}
	c, err := Parse("mantle.hcl", src, Source{LookupEnv: os.LookupEnv})
	if err != nil || c.Base.Profile != "dev" {
		t.Errorf("got %+v, %v, want profile dev", c, err)
	}
}

func TestRules(t *testing.T) {
	c, err := source().Load("testdata/good/full.hcl")
	if err != nil {
		t.Fatal(problemText(err))
	}
	got, err := c.Rules()
	if err != nil {
		t.Fatal(problemText(err))
	}
	want := broker.Rules{
		{Name: "alpha", Match: broker.Match{UID: new(1001), Exe: "/usr/bin/foo*", Unit: "foo.service"}, Loan: broker.Loan{
			Role: "arn:aws:iam::444455556666:role/app/alpha",
			Chain: []broker.Hop{
				{Role: "arn:aws:iam::111122223333:role/jump", ExternalID: "jump-1"},
				{Role: "arn:aws:iam::444455556666:role/second"},
				{Role: "arn:aws:iam::444455556666:role/third", ExternalID: "x/3", SessionName: "third-{host}"},
			},
			ExternalID: "from-env", SessionName: "{workload}@{host}", SourceIdentity: "{workload}",
			Policy:     `{"Statement":[{"Action":"s3:GetObject","Effect":"Allow","Resource":"*"}],"Version":"2012-10-17"}`,
			PolicyARNs: []string{"arn:aws:iam::aws:policy/ReadOnlyAccess", "arn:aws:iam::444455556666:policy/limit"},
			Tags:       map[string]string{"team": "a", "Service": "{workload}"}, Transitive: []string{"team"},
			Duration: 30 * time.Minute, Region: "us-east-1",
		}},
		{Name: "beta", Match: broker.Match{UID: new(1002)}, Loan: broker.Loan{Role: "arn:aws:iam::111122223333:role/beta", Duration: 12 * time.Hour, Region: "eu-west-1"}},
		{Name: "gamma", Loan: broker.Loan{Role: "arn:aws:iam::111122223333:role/beta", Duration: 12 * time.Hour, Region: "eu-west-1"}},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v\nwant %+v", got, want)
	}
	if d := got.Decide(broker.Caller{UID: 1002, PID: 9, How: broker.ByPeer}); d.Rule != "beta" {
		t.Errorf("uid 1002 fits %q (%s), want beta", d.Rule, d.Reason)
	}
}

// A user name and a uid can only be told apart where the users are known.
func TestRulesLookUpUsers(t *testing.T) {
	const role = `role "a" { arn = "arn:aws:iam::111122223333:role/a" }` + "\n"
	workload := func(name, match string) string {
		return "workload \"" + name + "\" {\n  role = \"a\"\n  match {\n    " + match + "\n  }\n}\n"
	}
	for name, c := range map[string]struct{ src, err string }{
		"apart":   {workload("one", "user = \"beta\"") + workload("two", "uid = 1003"), ""},
		"same":    {workload("one", "user = \"beta\"") + workload("two", "uid = 1002"), `mantle.hcl:10:3: a process can fit workload "two" and workload "one" (mantle.hcl:4:3)`},
		"unknown": {workload("one", "user = \"bet\"") + workload("two", "uid = 1002"), `mantle.hcl:5:12: workload "one": user "bet": unknown user bet`},
	} {
		t.Run(name, func(t *testing.T) {
			cfg, err := Parse("mantle.hcl", []byte(role+c.src), source())
			if err != nil {
				t.Fatal(problemText(err))
			}
			rules, err := cfg.Rules()
			if got := fmt.Sprint(err); c.err != "" && got != c.err || c.err == "" && (err != nil || len(rules) != 2) {
				t.Errorf("got %d rules, %v, want %q", len(rules), err, c.err)
			}
		})
	}
}

func TestFormat(t *testing.T) {
	got, err := Format("mantle.hcl", []byte("role \"a\" {\narn=\"x\"\n  region   = \"y\"\n}\n"))
	const want = "role \"a\" {\n  arn    = \"x\"\n  region = \"y\"\n}\n"
	if err != nil || string(got) != want {
		t.Errorf("got %q, %v, want %q", got, err, want)
	}
	if _, err := Format("mantle.hcl", []byte("role {")); err == nil {
		t.Error("broken syntax is no error")
	}
	if got, err := Format("mantle.hcl.json", []byte("{ }")); err != nil || string(got) != "{ }" {
		t.Errorf("JSON: got %q, %v, want it untouched", got, err)
	}
}
