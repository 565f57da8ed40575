package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"time"
)

// patience is how long a program has between being asked to end and being
// ended.
const patience = 5 * time.Second

// shadowing are the variables through which a program could find other
// credentials than its own, or another place to ask for them. A program that
// mantle starts inherits none of them.
var shadowing = []string{
	"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN",
	"AWS_ACCESS_KEY", "AWS_SECRET_KEY", "AWS_CREDENTIAL_EXPIRATION", "AWS_CREDENTIAL_SCOPE", "AWS_ACCOUNT_ID",
	"AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_ROLE_ARN", "AWS_ROLE_SESSION_NAME", "AWS_WEB_IDENTITY_TOKEN_FILE",
	"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI",
	"AWS_CONTAINER_AUTHORIZATION_TOKEN", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
	"AWS_EC2_METADATA_DISABLED", "AWS_EC2_METADATA_SERVICE_ENDPOINT", "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE",
	"AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE",
}

// childEnviron is the environment of a program: the parent's without
// shadowing variables, then what is added, later entries winning.
func childEnviron(parent []string, added ...map[string]string) []string {
	drop := func(kv string) bool {
		name, _, _ := strings.Cut(kv, "=")
		if slices.Contains(shadowing, name) {
			return true
		}
		for _, m := range added {
			if _, ok := m[name]; ok {
				return true
			}
		}
		return false
	}
	out := slices.DeleteFunc(slices.Clone(parent), drop)
	last := map[string]string{}
	for _, m := range added {
		for k, v := range m {
			last[k] = v
		}
	}
	names := make([]string, 0, len(last))
	for k := range last {
		names = append(names, k)
	}
	slices.Sort(names)
	for _, k := range names {
		out = append(out, k+"="+last[k])
	}
	return out
}

// program is one command that mantle starts and ends.
type program struct {
	Name    string // what its output is prefixed with; empty: nothing
	Command []string
	Dir     string
	Environ []string
	Stdin   io.Reader
	Stdout  io.Writer
	Stderr  io.Writer
	// Started is called with the process id once the program runs and may
	// be nil.
	Started func(pid int)
	// Shared leaves the program in the terminal's process group: it reads
	// from the terminal and gets the terminal's Ctrl-C itself.
	Shared bool
}

// run starts the program and waits for it. When ctx ends the program and
// whatever it started are asked to end and, after a while, ended. It returns
// the exit status; an error means that there is none, because the program
// could not be started.
func (p *program) run(ctx context.Context) (int, error) {
	cmd := exec.Command(p.Command[0], p.Command[1:]...)
	cmd.Dir, cmd.Env, cmd.Stdin, cmd.Stdout, cmd.Stderr = p.Dir, p.Environ, p.Stdin, p.Stdout, p.Stderr
	cmd.WaitDelay = patience
	if !p.Shared {
		ownGroup(cmd)
	}
	if err := cmd.Start(); err != nil {
		return 0, fmt.Errorf("start %s: %w", p.Command[0], err)
	}
	if p.Started != nil {
		p.Started(cmd.Process.Pid)
	}
	done := make(chan struct{})
	var ended sync.WaitGroup
	ended.Go(func() {
		select {
		case <-done:
			return
		case <-ctx.Done():
		}
		p.end(cmd.Process, false)
		select {
		case <-done:
		case <-time.After(patience):
			p.end(cmd.Process, true)
		}
	})
	err := cmd.Wait()
	close(done)
	ended.Wait()
	if x, ok := errors.AsType[*exec.ExitError](err); ok {
		return exitStatus(x.ProcessState), nil
	}
	if err != nil && !errors.Is(err, exec.ErrWaitDelay) {
		return 0, fmt.Errorf("run %s: %w", p.Command[0], err)
	}
	return exitStatus(cmd.ProcessState), nil
}

func (p *program) end(process *os.Process, now bool) {
	if p.Shared {
		endOne(process, now)
	} else {
		endGroup(process, now)
	}
}

// prefixed writes whole lines, each behind a name, to a writer that several
// programs share.
type prefixed struct {
	mu     *sync.Mutex // guards w among all that share it
	w      io.Writer
	prefix string
	rest   bytes.Buffer
}

// longLine is where a line without an end is broken, so that a program
// cannot fill the memory with one.
const longLine = 64 << 10

func (p *prefixed) Write(b []byte) (int, error) {
	n := len(b)
	for len(b) > 0 {
		line, rest, whole := bytes.Cut(b, []byte("\n"))
		p.rest.Write(line)
		b = rest
		if whole || p.rest.Len() > longLine {
			p.flush()
		}
	}
	return n, nil
}

func (p *prefixed) flush() {
	p.mu.Lock()
	defer p.mu.Unlock()
	fmt.Fprintf(p.w, "%s%s\n", p.prefix, p.rest.Bytes())
	p.rest.Reset()
}

// Close writes what is left of a last line without an end.
func (p *prefixed) Close() error {
	if p.rest.Len() > 0 {
		p.flush()
	}
	return nil
}
