package iamtest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestScripts(t *testing.T) {
	files, err := filepath.Glob("../testdata/decide/*.txtar")
	if err != nil || len(files) < 12 {
		t.Fatalf("found %d scripts: %v", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			s, err := Parse(filepath.Base(file), data)
			if err != nil {
				t.Fatal(err)
			}
			if s.Title == "" {
				t.Error("no title")
			}
			for i := range s.Cases {
				c := &s.Cases[i]
				if err := c.Check(s.Decide(c)); err != nil {
					t.Errorf("%s:%d: %v\n%s", s.Name, c.Line, err, s.Policies.Explain(&c.Request))
				}
			}
		})
	}
}

func TestParseErrors(t *testing.T) {
	const identity = "-- identity.json --\n{\"Statement\": {\"Effect\": \"Allow\", \"Action\": \"*\", \"Resource\": \"*\"}}\n"
	tests := []struct{ name, src, want string }{
		{"no cases", "# nothing\n" + identity, "no cases"},
		{"no decision", "user/a s3:Get *\n" + identity, "does not say"},
		{"decision first", "\tallow\n" + identity, "without a case"},
		{"two decisions", "user/a s3:Get *\n\tallow\n\tallow\n" + identity, "already"},
		{"caller", "group/a s3:Get *\n\tallow\n" + identity, "is no caller"},
		{"words", "user/a s3:Get\n\tallow\n" + identity, "want caller, action and resource"},
		{"key", "user/a s3:Get * aws:username\n\tallow\n" + identity, "key=value"},
		{"list", "user/a s3:Get * k=[a\n\tallow\n" + identity, "not closed"},
		{"quote", "user/a s3:Get * k=\"a\n\tallow\n" + identity, "not closed"},
		{"outcome", "user/a s3:Get *\n\tmaybe\n" + identity, "want allow"},
		{"file", "user/a s3:Get *\n\tallow\n-- policy.json --\n{}\n", "not a kind"},
		{"suffix", "user/a s3:Get *\n\tallow\n-- identity.yaml --\n{}\n", ".json"},
		{"policy", "user/a s3:Get *\n\tallow\n-- identity.json --\n{}\n", "identity.json:1:1"},
		{"two resources", "user/a s3:Get *\n\tallow\n-- trust.json --\n{\"Statement\": {\"Effect\": \"Allow\", \"Action\": \"*\", \"Principal\": \"*\"}}\n-- resource.json --\n{\"Statement\": {\"Effect\": \"Allow\", \"Action\": \"*\", \"Principal\": \"*\"}}\n", "second resource policy"},
		{"marker", "user/a s3:Get *\n\tallow\n-- --\n", "without a name"},
		{"level", "user/a s3:Get *\n\tallow\n-- scp99.json --\n{}\n", "out of range"},
	}
	for _, test := range tests {
		if _, err := Parse(test.name, []byte(test.src)); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got %v, want an error with %q", test.name, err, test.want)
		}
	}
}

func TestCheckReportsDifferences(t *testing.T) {
	s, err := Parse("s", []byte("# t\nuser/a s3:GetObject arn:aws:s3:::b/k \"k=a b\"\n\texplicit deny scp scp.json:3 Sid\n-- identity.json --\n{\"Statement\": {\"Effect\": \"Allow\", \"Action\": \"*\", \"Resource\": \"*\"}}\n"))
	if err != nil {
		t.Fatal(err)
	}
	c := &s.Cases[0]
	if v, _ := c.Request.Context.Get("K"); len(v) != 1 || v[0] != "a b" {
		t.Errorf("key is %q", v)
	}
	err = c.Check(s.Decide(c))
	for _, want := range []string{"outcome is Allow", "layer is identity", "identity.json:1", "sid"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q in it", err, want)
		}
	}
}
