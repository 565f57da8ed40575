package main

import (
	"bytes"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/mantle-iam/mantle/internal/check"
)

var update = flag.Bool("update", false, "rewrite generated documents")

// reference is docs/cli.md: every verb with its help, from the same table
// that the command line is made of.
func reference() string {
	e := &env{Stdout: io.Discard, Stderr: io.Discard}
	root := rootCommand(e)
	root.InitDefaultCompletionCmd()
	var b strings.Builder
	b.WriteString("# The command line\n\nGenerated from the commands themselves; `mantle VERB --help` prints the same.\n\n")
	b.WriteString("| exit status | |\n|---|---|\n| 0 | done, allowed |\n| 1 | a truthful no: denied, refused, a service failed |\n| 2 | the command line or the configuration is wrong |\n| 3 | cannot decide: data is missing |\n| 4 | a person has to do something, such as log in |\n| 5 | nothing answers: the agent, the sandbox or AWS |\n| 130 | ended by Ctrl-C |\n\n`mantle run` hands on its command's own status.\n\n")
	b.WriteString("| variable | |\n|---|---|\n")
	for _, name := range settingNames() {
		b.WriteString("| `" + name + "` | " + settings[name] + " |\n")
	}
	b.WriteString("\nAn unknown `MANTLE_…` variable is an error.\n")
	var walk func(*cobra.Command)
	walk = func(c *cobra.Command) {
		if c.Name() == "help" || c.Name() == "completion" || c.Hidden {
			return
		}
		var help bytes.Buffer
		c.SetOut(&help)
		c.InitDefaultHelpFlag()
		c.Help()
		b.WriteString("\n## " + c.CommandPath() + "\n\n```text\n" + strings.TrimSpace(help.String()) + "\n```\n")
		for _, sub := range c.Commands() {
			walk(sub)
		}
	}
	walk(root)
	return b.String()
}

// rules is docs/checks.md: every rule of mantle check and doctor, from the
// table that they decide by.
func rules() string {
	var b strings.Builder
	b.WriteString("# The rules\n\nGenerated from the rules themselves; `mantle check --explain ID` prints the same. A rule whose data is missing is listed as not checked; it never passes. A comment `mantle:ignore ID reason` above a block, or beside what is found, silences one rule there.\n\n")
	b.WriteString("| id | severity | finds | decided by |\n|---|---|---|---|\n")
	list := check.Rules()
	for _, r := range list {
		fmt.Fprintf(&b, "| [%s](#%s) | %s | %s | `mantle %s` |\n", r.ID, strings.ToLower(r.ID), r.Severity, strings.ReplaceAll(r.Title, "|", `\|`), r.Verb)
	}
	for _, r := range list {
		fmt.Fprintf(&b, "\n## %s\n\n%s. %s\n", r.ID, strings.ToUpper(r.Title[:1])+r.Title[1:], r.Why)
		if r.Bad != "" {
			fmt.Fprintf(&b, "\nFound:\n\n```text\n%s\n```\n", strings.TrimSpace(r.Bad))
		}
		if r.Good != "" {
			fmt.Fprintf(&b, "\nRepaired:\n\n```text\n%s\n```\n", strings.TrimSpace(r.Good))
		}
		if r.Page != "" {
			fmt.Fprintf(&b, "\nSee <%s>.\n", r.Page)
		}
	}
	return b.String()
}

func TestReferenceUpToDate(t *testing.T) {
	all, err := coverage()
	if err != nil {
		t.Fatal(err)
	}
	upToDate(t, "../../docs/cli.md", reference())
	upToDate(t, "../../docs/sandbox-services.md", conformance(all))
	upToDate(t, "../../docs/checks.md", rules())
}

func upToDate(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s is out of date: go test ./cmd/mantle -run TestReferenceUpToDate -update", file)
	}
}

var fenced = regexp.MustCompile("(?ms)^```console\n(.*?)^```$")

// TestConsoleBlocks runs every console block of the documents as it is
// written. "…" stands for anything, a line of its own for any lines.
func TestConsoleBlocks(t *testing.T) {
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	bin := filepath.Join(t.TempDir(), "mantle")
	if out, err := exec.Command("go", "build", "-o", bin, ".").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	for _, file := range []string{"README.md", "docs/denied.md", "examples/three-services/README.md"} {
		text, err := os.ReadFile(filepath.Join(root, file))
		if err != nil {
			t.Fatal(err)
		}
		blocks := fenced.FindAllStringSubmatch(string(text), -1)
		if len(blocks) == 0 {
			t.Errorf("%s has no console block", file)
		}
		for _, block := range blocks {
			lines := strings.Split(strings.TrimRight(block[1], "\n"), "\n")
			command, ok := strings.CutPrefix(lines[0], "$ ")
			if !ok {
				t.Errorf("%s: a console block begins with %q, want a command", file, lines[0])
				continue
			}
			cmd := exec.CommandContext(t.Context(), "sh", "-c", command)
			cmd.Dir = filepath.Join(root, filepath.Dir(file))
			cmd.Env = append(os.Environ(), "PATH="+filepath.Dir(bin)+":"+os.Getenv("PATH"), "XDG_RUNTIME_DIR="+t.TempDir())
			out, err := cmd.Output()
			if err != nil {
				t.Errorf("%s: $ %s: %v", file, command, err)
				continue
			}
			shown(t, file, lines[1:], strings.Split(strings.TrimRight(string(out), "\n"), "\n"))
		}
	}
}

// shown checks that the output has the lines that the document shows. Lines
// of services come in any order.
func shown(t *testing.T, file string, want, got []string) {
	t.Helper()
	for _, w := range want {
		if w == "…" {
			continue
		}
		pattern := "^" + strings.ReplaceAll(regexp.QuoteMeta(w), "…", ".*") + "$"
		// Columns move with what stands in them.
		re := regexp.MustCompile(regexp.MustCompile(` {2,}`).ReplaceAllString(pattern, ` +`))
		found := false
		for _, g := range got {
			found = found || re.MatchString(strings.TrimRight(g, " "))
		}
		if !found {
			t.Errorf("%s shows\n\t%s\nwhich was not printed:\n%s", file, w, strings.Join(got, "\n"))
		}
	}
}
