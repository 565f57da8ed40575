//go:build e2e && linux

package e2e

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// held opens a listening socket in a namespace that outlives agents, as systemd
// does.
func (m *machine) held(address string) *os.File {
	m.t.Helper()
	type opened struct {
		f   *os.File
		err error
	}
	got := make(chan opened)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends here
		ns, err := os.Open("/run/netns/" + m.name)
		if err == nil {
			defer ns.Close()
			err = unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET)
		}
		if err != nil {
			got <- opened{nil, err}
			return
		}
		ln, err := net.Listen("tcp4", address)
		if err != nil {
			got <- opened{nil, err}
			return
		}
		defer ln.Close()
		f, err := ln.(*net.TCPListener).File()
		got <- opened{f, err}
	}()
	o := <-got
	if o.err != nil {
		m.t.Fatalf("listen on %s: %v", address, o.err)
	}
	m.t.Cleanup(func() { o.f.Close() })
	return o.f
}

// TestDoorsActivation: under systemd a restart of an agent that redirects leaves
// no gap and no way to the host's role: who asks meanwhile is answered by the
// next agent.
func TestDoorsActivation(t *testing.T) {
	m := newMachine(t)
	config := doorsConfig(`interception = "redirect"
  intercept = ["metadata"]`, `source = "instance"`)
	m.files = []*os.File{m.held("0.0.0.0:954")}
	start := func() *runningAgent {
		// LISTEN_PID has to be the agent's, so the shell becomes the agent.
		return m.agent(config, "sh", "-c", `LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=metadata exec "$@"`, "sh")
	}
	a := start()
	ask := func() string {
		token := m.said(m.name, uidWeb, "curl", "-s", "-m", "20", "-X", "PUT", "-H", "X-aws-ec2-metadata-token-ttl-seconds: 60", "http://169.254.169.254/latest/api/token")
		return m.said(m.name, uidWeb, "curl", "-s", "-m", "20", "-H", "X-aws-ec2-metadata-token: "+token, "http://169.254.169.254/latest/meta-data/iam/security-credentials/")
	}
	if got := ask(); got != "web" {
		t.Fatalf("the first agent: %s\n%s", got, a.stderr)
	}
	// A container behind a bridge is no router away: the answer to its request
	// for a token gets there with a hop limit of 1.
	if got := m.get(m.name+"-in", 0, "http://169.254.169.254/latest/api/token", "-X", "PUT", "-H", "X-aws-ec2-metadata-token-ttl-seconds: 60"); !strings.HasSuffix(got, "|200") {
		t.Errorf("a token for a container: %s", got)
	}
	a.signal(syscall.SIGTERM)
	if s := m.table(); s != "open" {
		t.Errorf("between two agents the table is %s", s)
	}
	if rules := m.said(m.name, 0, "nft", "list", "table", "inet", "mantle"); strings.Contains(rules, "meta mark") {
		t.Errorf("between two agents a mark lets somebody pass:\n%s", rules)
	}
	answered := make(chan string, 1)
	go func() { answered <- ask() }()
	time.Sleep(300 * time.Millisecond)
	select {
	case got := <-answered:
		t.Fatalf("between two agents somebody answers: %s", got)
	default:
	}
	a = start()
	if got := <-answered; got != "web" {
		t.Errorf("who asked between two agents got %s\n%s", got, a.stderr)
	}
	if n := m.leaks.Load(); n > 0 {
		t.Errorf("%d requests reached real instance metadata", n)
	}
	a.signal(syscall.SIGTERM)
}

// TestDoorsRestart: an agent that starts while STS is down hands out what its
// predecessor had, from the sealed cache.
func TestDoorsRestart(t *testing.T) {
	m := newMachine(t)
	if err := os.WriteFile(filepath.Join(m.dir, "key"), []byte(strings.Repeat("k", 32)), 0o600); err != nil {
		t.Fatal(err)
	}
	config := doorsConfig(fmt.Sprintf(`interception = "redirect"
  intercept = ["metadata"]
  cache     = %q
  cache_key = %q`, filepath.Join(m.dir, "loans"), filepath.Join(m.dir, "key")), `source = "instance"`)
	a := m.agent(config)
	path := "http://169.254.169.254/latest/meta-data/iam/security-credentials/web"
	creds := func() string {
		token := m.said(m.name, uidWeb, "curl", "-s", "-X", "PUT", "-H", "X-aws-ec2-metadata-token-ttl-seconds: 60", "http://169.254.169.254/latest/api/token")
		var c struct {
			AccessKeyID string `json:"AccessKeyId"`
		}
		text := m.said(m.name, uidWeb, "curl", "-s", "-H", "X-aws-ec2-metadata-token: "+token, path)
		json.Unmarshal([]byte(text), &c)
		return c.AccessKeyID
	}
	first := creds()
	if first == "" {
		t.Fatalf("no credentials at first\n%s", a.stderr)
	}
	m.term(a)
	m.stsDown.Store(true)
	a = m.agent(config)
	if got := creds(); got != first {
		t.Errorf("while STS is down after a restart: key %q, want %s\n%s", got, first, a.stderr)
	}
	sealed, err := os.ReadFile(filepath.Join(m.dir, "loans"))
	if err != nil || strings.Contains(string(sealed), first) {
		t.Errorf("the cache: %v, in the clear: %v", err, strings.Contains(string(sealed), first))
	}
	m.kill(a)
	a = m.agent(config)
	if got := creds(); got != first {
		t.Errorf("after a crash: key %q, want %s\n%s", got, first, a.stderr)
	}
	m.stsDown.Store(false)
	m.term(a)
}
