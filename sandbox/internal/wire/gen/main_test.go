package main

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// version is the release of botocore that the models come from.
const version = "1.43.11"

// TestUpToDate regenerates the models from botocore, if Python has the very
// release that they come from, and wants the same texts.
func TestUpToDate(t *testing.T) {
	notice, err := os.ReadFile("../models/NOTICE")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(notice, []byte(version)) {
		t.Fatalf("../models/NOTICE does not name botocore %s", version)
	}
	text, err := exec.Command("python3", "-c", "import botocore, os; print(botocore.__version__); print(os.path.join(os.path.dirname(botocore.__file__), 'data'))").Output()
	got, data, _ := strings.Cut(strings.TrimSpace(string(text)), "\n")
	if err != nil || got != version {
		t.Skipf("python3 has not botocore %s (it has %q)", version, got)
	}
	dir := t.TempDir()
	if err := run(data, dir, io.Discard); err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile("../models/SHA256SUMS")
	if err != nil {
		t.Fatal(err)
	}
	sums, err := os.ReadFile(filepath.Join(dir, "SHA256SUMS"))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(sums, want) {
		t.Errorf("regenerating changes the models: run go generate ./sandbox/internal/wire\ngot:\n%s\nwant:\n%s", sums, want)
	}
}

func TestTranslate(t *testing.T) {
	for _, test := range []struct{ in, want string }{
		{`[\w+=,.@-]+`, `[\w+=,.@-]+`},
		{`[\u0009\u000A\u000D\u0020-\u00FF]+`, `[\x{9}\x{A}\x{D}\x{20}-\x{FF}]+`},
		{`(\u002F)|(\u002F[\u0021-\u007E]+\u002F)`, `(\x{2F})|(\x{2F}[\x{21}-\x{7E}]+\x{2F})`},
		{`[\u0020-\uD7FF\uE000-\uFFFD\uD800\uDC00-\uDBFF\uDFFF\r\n\t]*`, `[\x{20}-\x{D7FF}\x{E000}-\x{FFFD}\x{10000}-\x{10FFFF}\r\n\t]*`},
		{`\p{Print}+`, `[[:print:]]+`},
		{`a(?!b)`, ""},
	} {
		got, err := translate(test.in)
		if (err != nil) != (test.want == "") || got != test.want {
			t.Errorf("%s: got %q, %v, want %q", test.in, got, err, test.want)
		}
	}
}

func TestTrimErrors(t *testing.T) {
	for _, test := range []struct{ in, want string }{
		{`{`, "unexpected end"},
		{`{"operations":{"X":{"name":"X","input":{"shape":"XRequest"}}}}`, "X: shape XRequest is missing"},
		{`{"operations":{"X":{"name":"X","errors":[{"shape":"Bad"}]}}}`, "X: error shape Bad is missing"},
		{`{"shapes":{"S":{"type":"structure","members":[]}}}`, "want an object"},
	} {
		if _, _, err := trim("x", []byte(test.in)); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got %v, want %q", test.in, err, test.want)
		}
	}
}
