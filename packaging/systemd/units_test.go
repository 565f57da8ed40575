// Package systemd_test holds the units to the command line and to systemd.
package systemd_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/mantle-iam/mantle/internal/config"
	"github.com/mantle-iam/mantle/internal/redirect"
)

// values are what a unit sets a key to.
func values(t *testing.T, unit, key string) []string {
	t.Helper()
	b, err := os.ReadFile(unit)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for line := range strings.Lines(string(b)) {
		if k, v, ok := strings.Cut(strings.TrimSpace(line), "="); ok && k == key {
			out = append(out, v)
		}
	}
	return out
}

// Every flag of every command line stands in the reference of the command line,
// which is generated from the commands themselves.
func TestExecStart(t *testing.T) {
	reference, err := os.ReadFile("../../docs/cli.md")
	if err != nil {
		t.Fatal(err)
	}
	units, err := filepath.Glob("*.service")
	if err != nil || len(units) != 2 {
		t.Fatalf("units %v, %v", units, err)
	}
	for _, unit := range units {
		for _, line := range values(t, unit, "ExecStart") {
			words := strings.Fields(line)
			if words[0] != "/usr/bin/mantle" {
				t.Errorf("%s starts %s", unit, words[0])
			}
			verb := "mantle"
			for _, w := range words[1:] {
				if strings.HasPrefix(w, "-") || strings.HasPrefix(w, "/") {
					break
				}
				verb += " " + w
			}
			_, help, ok := strings.Cut(string(reference), "\n## "+verb+"\n")
			if !ok {
				t.Errorf("%s: there is no command %q", unit, verb)
				continue
			}
			help, _, _ = strings.Cut(help, "\n## ")
			for _, w := range words[1:] {
				if name, _, _ := strings.Cut(w, "="); strings.HasPrefix(name, "--") && !regexp.MustCompile(`\s`+name+`\s`).MatchString(help) {
					t.Errorf("%s: %s has no flag %s", unit, verb, name)
				}
			}
		}
	}
}

// The sockets are those that the agent takes over, at the ports that its rules
// divert to.
func TestSockets(t *testing.T) {
	ports := map[string]string{}
	for _, d := range redirect.Doors() {
		ports[d.Name] = fmt.Sprint(":", d.Port)
	}
	units, err := filepath.Glob("*.socket")
	if err != nil || len(units) != 3 {
		t.Fatalf("units %v, %v", units, err)
	}
	for _, unit := range units {
		name := values(t, unit, "FileDescriptorName")
		if len(name) != 1 || unit != "mantle-"+name[0]+".socket" {
			t.Errorf("%s hands over %q", unit, name)
			continue
		}
		for _, at := range values(t, unit, "ListenStream") {
			if name[0] != "socket" && !strings.HasSuffix(at, ports[name[0]]) {
				t.Errorf("%s listens on %s, and the rules divert to %s", unit, at, ports[name[0]])
			}
		}
	}
}

func TestConfiguration(t *testing.T) {
	c, err := config.Source{}.Load("mantle.hcl")
	if err != nil {
		t.Fatal(err)
	}
	if c.Agent.Interception != config.InterceptRedirect || c.Agent.Metrics == "" {
		t.Errorf("%+v", c.Agent)
	}
}

// systemd itself finds nothing wrong with the units.
func TestVerify(t *testing.T) {
	tool, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("systemd-analyze is not in PATH")
	}
	dir := t.TempDir()
	program := filepath.Join(dir, "mantle")
	if err := os.WriteFile(program, []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	units, err := filepath.Glob("mantle*.s*")
	if err != nil {
		t.Fatal(err)
	}
	args := []string{"verify", "--man=no", "--recursive-errors=no"}
	for _, unit := range units {
		text, err := os.ReadFile(unit)
		if err != nil {
			t.Fatal(err)
		}
		at := filepath.Join(dir, unit)
		if err := os.WriteFile(at, []byte(strings.ReplaceAll(string(text), "/usr/bin/mantle", program)), 0o644); err != nil {
			t.Fatal(err)
		}
		args = append(args, at)
	}
	out, err := exec.Command(tool, args...).CombinedOutput()
	for line := range strings.Lines(string(out)) {
		if strings.Contains(line, dir) || strings.Contains(line, "mantle") {
			t.Errorf("systemd: %s", strings.TrimSpace(line))
		}
	}
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
