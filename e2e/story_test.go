//go:build e2e

package e2e

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// A story is an example: a folder below examples with its Terraform and a
// README. The README is the test: its console blocks are run as they are
// written, one after the other in one shell, and must print what they show.
// What can go wrong on top of that is told in the tests.
type story struct {
	t   *testing.T
	aws *aws
	dir string   // a copy of the example
	env []string // the account's administrator
	sh  *shell
}

// tell starts a sandbox with two accounts and a shell in a copy of the
// example, as dev's administrator.
func tell(t *testing.T, example string) *story {
	t.Helper()
	tool(t, "aws")
	// The examples find the modules by path.
	root := t.TempDir()
	s := &story{t: t, aws: start(t), dir: filepath.Join(root, "examples", example)}
	copyConfiguration(t, s.dir, filepath.Join("../examples", example))
	copyConfiguration(t, filepath.Join(root, "modules"), "../modules")
	s.env = append(terraformEnv(t, s.aws.env("dev")), "XDG_RUNTIME_DIR="+s.aws.runtime)
	s.sh = newShell(t, s.env, s.dir)
	s.bill()
	return s
}

// bill logs, when the story has ended, what it took of the sandbox: how long
// its calls were on their way, which other work on the machine stretches, and
// the processor's time, start and end included. The figures are in
// docs/performance.md.
func (s *story) bill() {
	s.t.Cleanup(func() {
		cmd := exec.Command(mantle(s.t), "sandbox", "log", "--listen", strings.TrimPrefix(s.aws.url, "http://"), "--output", "json")
		cmd.Env = s.env
		out, err := cmd.Output()
		calls, spent := 0, time.Duration(0)
		for line := range strings.Lines(string(out)) {
			var x struct{ DurationMicroseconds int64 }
			if err := json.Unmarshal([]byte(line), &x); err != nil {
				s.t.Errorf("the trail has %q: %v", line, err)
			}
			calls++
			spent += time.Duration(x.DurationMicroseconds) * time.Microsecond
		}
		if err != nil || calls == 0 {
			s.t.Errorf("the trail has %d calls: %v", calls, err)
		}
		s.aws.end()
		cpu := s.aws.ended.UserTime() + s.aws.ended.SystemTime()
		s.t.Logf("the sandbox answered %d calls in %s, with %s of a processor", calls, spent.Round(time.Millisecond), cpu.Round(time.Millisecond))
		if cpu > 2*time.Second {
			s.t.Errorf("the sandbox needed %s of a processor for one story", cpu)
		}
	})
}

// readme runs the console blocks of a README of the example.
func (s *story) readme(file string) {
	s.t.Helper()
	s.blocks(file, "")
}

// blocks runs the console blocks below the heading with the given title, or
// of the whole file if that is empty.
func (s *story) blocks(file, heading string) {
	s.t.Helper()
	text, err := os.ReadFile(filepath.Join(s.dir, file))
	if err != nil {
		s.t.Fatal(err)
	}
	list := section(string(text), heading)
	if len(list) == 0 {
		s.t.Fatalf("%s has no console block below %q", file, heading)
	}
	for _, c := range list {
		s.step(c)
	}
}

// step runs a command in the story's shell and holds it to what is shown. A
// command that shows an error has to fail, any other has to succeed; where
// one that should succeed does not, the story ends.
func (s *story) step(c command) {
	s.t.Helper()
	began := time.Now()
	out, status := s.sh.run(c.line)
	s.t.Logf("%5.1fs $ %s", time.Since(began).Seconds(), c.line)
	switch fails := c.fails(); {
	case status != 0 && !fails:
		s.t.Fatalf("$ %s\nstatus %d\n%s", c.line, status, out)
	case status == 0 && fails:
		s.t.Errorf("$ %s\nwas to fail with\n%s\nbut said\n%s", c.line, strings.Join(c.shown, "\n"), out)
	}
	if missing, ok := holds(c.shown, out); !ok {
		s.t.Errorf("$ %s\nshows\n\t%s\nwhich was not printed:\n%s", c.line, missing, out)
	}
}

// says runs a command that has to succeed and returns what it printed,
// without the space around it.
func (s *story) says(line string) string {
	s.t.Helper()
	out, status := s.sh.run(line)
	if status != 0 {
		s.t.Fatalf("$ %s\nstatus %d\n%s", line, status, out)
	}
	return strings.TrimSpace(out)
}

// denies runs a command that has to fail with the words.
func (s *story) denies(line, words string) {
	s.t.Helper()
	out, status := s.sh.run(line)
	if status == 0 || !strings.Contains(plain(out), words) {
		s.t.Errorf("$ %s\nstatus %d, said\n%s\nwant a failure with\n%s", line, status, out, words)
	}
}

// frame is what terraform draws around an error.
var frame = regexp.MustCompile(`[\s│╷╵]+`)

// plain is a text without frames and line breaks.
func plain(s string) string { return frame.ReplaceAllString(s, " ") }

// command is a command of a README and what is shown below it.
type command struct {
	line  string
	shown []string
}

func (c command) fails() bool {
	for _, l := range c.shown {
		if strings.Contains(l, "An error occurred") || strings.HasPrefix(l, "mantle: error:") || strings.HasPrefix(l, "Error:") || strings.HasPrefix(l, "error:") {
			return true
		}
	}
	return false
}

// section lists the commands of the console blocks below a heading.
func section(text, heading string) []command {
	var list []command
	at, inside, continued := heading == "", false, false
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		switch {
		case !inside && strings.HasPrefix(line, "#"):
			at = heading == "" || strings.TrimLeft(line, "# ") == heading
		case line == "```console":
			inside = true
		case strings.HasPrefix(line, "```"):
			inside = false
		case !inside || !at:
		case continued:
			c := &list[len(list)-1]
			c.line += "\n" + line
			continued = strings.HasSuffix(line, `\`)
		case strings.HasPrefix(line, "$ "):
			list = append(list, command{line: line[2:]})
			continued = strings.HasSuffix(line, `\`)
		case len(list) > 0:
			c := &list[len(list)-1]
			c.shown = append(c.shown, line)
		}
	}
	return list
}

// holds tells whether the shown lines were printed in their order, with
// others between them. "…" stands for anything in a line, and by itself for
// any lines.
func holds(shown []string, out string) (missing string, ok bool) {
	printed := strings.Split(out, "\n")
	for _, w := range shown {
		if w == "…" || w == "" {
			continue
		}
		re := regexp.MustCompile("^" + strings.ReplaceAll(regexp.QuoteMeta(w), "…", ".*") + "$")
		found := false
		for i, p := range printed {
			if re.MatchString(strings.TrimRight(p, " \r")) {
				printed, found = printed[i+1:], true
				break
			}
		}
		if !found {
			return w, false
		}
	}
	return "", true
}

// TestHolds holds the way in which READMEs are read to its own rules.
func TestHolds(t *testing.T) {
	list := section("# A\n```console\n$ one \\\n  --two\nshown\n\n$ three\nAn error occurred (X)\n```\n## B\n```sh\n$ not this\n```\n```console\n$ four\n```\n", "A")
	if len(list) != 2 || list[0].line != "one \\\n  --two" || list[0].fails() || !list[1].fails() {
		t.Fatalf("got %+v", list)
	}
	for _, c := range []struct {
		shown, out string
		want       bool
	}{
		{"a\nb", "a\nx\nb\n", true},
		{"b\na", "a\nb\n", false},
		{"a…c", "abc", true},
		{"a.c", "abc", false},
		{"a", "xa", false},
	} {
		if _, got := holds(strings.Split(c.shown, "\n"), c.out); got != c.want {
			t.Errorf("%q in %q: %v", c.shown, c.out, got)
		}
	}
}

// shell is a bash that keeps its folder and its variables from one command
// to the next.
type shell struct {
	t    *testing.T
	in   io.Writer
	out  *bufio.Reader
	mark string
	kill context.CancelFunc
}

func newShell(t *testing.T, env []string, dir string) *shell {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, tool(t, "bash"), "--noprofile", "--norc")
	// The program under test is called mantle, as in the READMEs.
	cmd.Env = append(env, "PATH="+filepath.Dir(mantle(t))+":"+os.Getenv("PATH"), "HOME="+t.TempDir())
	cmd.Dir = dir
	cmd.WaitDelay = 5 * time.Second
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	r, w := io.Pipe()
	cmd.Stdout, cmd.Stderr = w, w
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var ended sync.WaitGroup
	ended.Go(func() { w.CloseWithError(fmt.Errorf("the shell ended: %v", cmd.Wait())) })
	t.Cleanup(func() {
		in.Close()
		late := time.AfterFunc(5*time.Second, cancel)
		ended.Wait()
		late.Stop()
		cancel()
	})
	return &shell{t: t, in: in, out: bufio.NewReader(r), mark: "--" + rand.Text(), kill: cancel}
}

// run runs one command and returns what it printed, errors included, and its
// status.
func (s *shell) run(line string) (string, int) {
	s.t.Helper()
	stuck := time.AfterFunc(5*time.Minute, s.kill)
	defer stuck.Stop()
	if _, err := fmt.Fprintf(s.in, "{ %s\n} </dev/null 2>&1; printf '\\n%%s %%d\\n' %s $?\n", line, s.mark); err != nil {
		s.t.Fatal(err)
	}
	var b strings.Builder
	for {
		l, err := s.out.ReadString('\n')
		if err != nil {
			s.t.Fatalf("$ %s\n%s%v", line, b.String(), err)
		}
		if rest, ok := strings.CutPrefix(l, s.mark+" "); ok {
			status, err := strconv.Atoi(strings.TrimSpace(rest))
			if err != nil {
				s.t.Fatal(err)
			}
			return strings.TrimSuffix(b.String(), "\n"), status
		}
		b.WriteString(l)
	}
}

// terraformEnv adds to an environment what terraform is run with: no
// configuration of the user's, no colours, no questions. Every command of
// terraform's reads the provider's whole schema, of which half the time goes
// into collecting garbage: GOGC saves a third of the processor's time.
func terraformEnv(t *testing.T, env []string) []string {
	t.Helper()
	tool(t, "terraform")
	if found, _ := filepath.Glob(filepath.Join(os.Getenv("HOME"), ".terraform.d/plugins/registry.terraform.io/hashicorp/aws/5.100.0/*/terraform-provider-aws_v*")); len(found) == 0 {
		t.Skip("the AWS provider 5.100.0 is not on this machine")
	}
	// The stories have homes of their own, where no plugins are.
	rc := filepath.Join(t.TempDir(), "terraformrc")
	text := fmt.Sprintf("disable_checkpoint = true\nprovider_installation {\n  filesystem_mirror {\n    path = %q\n  }\n}\n", filepath.Join(os.Getenv("HOME"), ".terraform.d/plugins"))
	if err := os.WriteFile(rc, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return append(env, "TF_CLI_CONFIG_FILE="+rc, "TF_IN_AUTOMATION=1", "TF_INPUT=0", "TF_CLI_ARGS=-no-color", "CHECKPOINT_DISABLE=1", "GOGC=400")
}

// copyConfiguration copies a folder without what terraform or npm have left
// in it.
func copyConfiguration(t *testing.T, to, from string) {
	t.Helper()
	err := filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		switch name := d.Name(); {
		case name == ".terraform" || name == "node_modules":
			return filepath.SkipDir
		case strings.HasPrefix(name, ".terraform") || strings.Contains(name, ".tfstate") || strings.HasSuffix(name, "_override.tf"):
			return nil
		case d.IsDir():
			return os.MkdirAll(filepath.Join(to, rel), 0o755)
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(to, rel), b, 0o644)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// cycle runs a configuration through its life: init, apply, a plan that
// finds nothing to do, and later destroy.
func (s *story) cycle(args string) {
	s.t.Helper()
	s.step(command{line: "terraform init"})
	s.step(command{line: "terraform apply -auto-approve " + args})
	s.settled(args)
}

// settled checks that a second plan is empty.
func (s *story) settled(args string) {
	s.t.Helper()
	if out, status := s.sh.run("terraform plan -detailed-exitcode " + args); status != 0 {
		s.t.Errorf("the second plan is not empty (status %d):\n%s", status, out)
	}
}
