//go:build e2e

// Package e2e runs real clients against mantle: terraform with the AWS
// provider, the AWS CLI, boto3, and the SDKs for Go and JavaScript, none of
// them changed. The set-up script installs what a machine lacks.
package e2e

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// workspace is a folder that lasts as long as the tests. TestMain makes it.
var workspace string

// binary is mantle, built once.
var binary = sync.OnceValues(func() (string, error) {
	out := filepath.Join(workspace, "mantle")
	cmd := exec.Command("go", "build", "-o", out, "../cmd/mantle")
	cmd.Stderr = os.Stderr
	return out, cmd.Run()
})

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "mantle-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	workspace = dir
	code := m.Run()
	endEngine()
	os.RemoveAll(dir)
	os.Exit(code)
}

func mantle(t *testing.T) string {
	t.Helper()
	b, err := binary()
	if err != nil {
		t.Fatalf("build mantle: %v", err)
	}
	return b
}

// tool finds a program that no package of this project brings.
func tool(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("%s is not in PATH", name)
	}
	return path
}

// aws is a running sandbox and the variables that lead a client to it.
type aws struct {
	t       *testing.T
	url     string
	runtime string // XDG_RUNTIME_DIR of this sandbox
	end     func()
	ended   *os.ProcessState // nil until end was called
}

// start starts a sandbox with two accounts.
func start(t *testing.T, args ...string) *aws {
	t.Helper()
	a := &aws{t: t, runtime: t.TempDir()}
	args = append([]string{"sandbox", "up", "--listen", "127.0.0.1:0", "--output", "json",
		"--account", "dev=111122223333", "--account", "shared=444455556666"}, args...)
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, mantle(t), args...)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 10 * time.Second
	cmd.Env = append(plainEnv(), "XDG_RUNTIME_DIR="+a.runtime)
	cmd.Stderr = &logWriter{t: t, prefix: "sandbox"}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	a.end = sync.OnceFunc(func() {
		cancel()
		cmd.Wait()
		a.ended = cmd.ProcessState
	})
	t.Cleanup(a.end)
	line, err := bufio.NewReader(out).ReadString('\n')
	var ready struct{ URL, Enforcement string }
	if err != nil || json.Unmarshal([]byte(line), &ready) != nil || ready.URL == "" {
		t.Fatalf("sandbox said %q (%v), want one line of JSON with its url", line, err)
	}
	if ready.Enforcement != "on" {
		t.Errorf("enforcement is %q, want on", ready.Enforcement)
	}
	go io.Copy(io.Discard, out)
	a.url = ready.URL
	return a
}

// env is the environment of a client that acts as the account's
// administrator, by way of what `mantle sandbox env` prints.
func (a *aws) env(account string) []string {
	a.t.Helper()
	cmd := exec.Command(mantle(a.t), "sandbox", "env", account, "--listen", strings.TrimPrefix(a.url, "http://"), "--output", "json")
	cmd.Env = append(plainEnv(), "XDG_RUNTIME_DIR="+a.runtime)
	out, err := cmd.Output()
	if err != nil {
		a.t.Fatalf("sandbox env %s: %v", account, err)
	}
	var x struct{ Set map[string]string }
	if err := json.Unmarshal(out, &x); err != nil {
		a.t.Fatal(err)
	}
	env := plainEnv()
	for k, v := range x.Set {
		env = append(env, k+"="+v)
	}
	return env
}

// as is the environment of a client with the given keys.
func (a *aws) as(c credentials) []string {
	env := append(plainEnv(), "AWS_ENDPOINT_URL="+a.url, "AWS_ENDPOINT_URL_STS="+a.url,
		"AWS_REGION=eu-west-1", "AWS_DEFAULT_REGION=eu-west-1", "AWS_EC2_METADATA_DISABLED=true",
		"AWS_ACCESS_KEY_ID="+c.AccessKeyID, "AWS_SECRET_ACCESS_KEY="+c.SecretAccessKey)
	if c.SessionToken != "" {
		env = append(env, "AWS_SESSION_TOKEN="+c.SessionToken)
	}
	return env
}

type credentials struct {
	AccessKeyID     string `json:"AccessKeyId"`
	SecretAccessKey string
	SessionToken    string
}

// plainEnv is this process's environment without anything of AWS or mantle,
// so that the tests mean the same on every machine.
func plainEnv() []string {
	var env []string
	for _, kv := range os.Environ() {
		if !strings.HasPrefix(kv, "AWS_") && !strings.HasPrefix(kv, "MANTLE_") && !strings.HasPrefix(kv, "TF_") {
			env = append(env, kv)
		}
	}
	return append(env, "AWS_EC2_METADATA_DISABLED=true", "AWS_CONFIG_FILE="+os.DevNull, "AWS_SHARED_CREDENTIALS_FILE="+os.DevNull)
}

// result is what a client said.
type result struct {
	stdout, stderr string
	code           int
}

// run runs a client to its end.
func run(t *testing.T, env []string, dir, name string, args ...string) result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env, cmd.Dir = env, dir
	var out, errs strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	if cmd.ProcessState == nil {
		t.Fatalf("%s: %v", name, err)
	}
	return result{out.String(), errs.String(), cmd.ProcessState.ExitCode()}
}

// must runs a client that has to succeed and returns what it printed.
func must(t *testing.T, env []string, dir, name string, args ...string) string {
	t.Helper()
	r := run(t, env, dir, name, args...)
	if r.code != 0 {
		t.Fatalf("%s %s: status %d\n%s%s", filepath.Base(name), strings.Join(args, " "), r.code, r.stdout, r.stderr)
	}
	return r.stdout
}

// logWriter hands a program's lines to the test's log.
type logWriter struct {
	t      *testing.T
	prefix string
	mu     sync.Mutex // guards the field below
	done   bool
}

func (l *logWriter) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.done && l.t.Context().Err() == nil {
		l.t.Logf("%s: %s", l.prefix, strings.TrimSuffix(string(b), "\n"))
	}
	return len(b), nil
}
