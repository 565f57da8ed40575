package main

import (
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/mantle-iam/mantle/agent"
	"github.com/mantle-iam/mantle/broker"
	"github.com/mantle-iam/mantle/internal/ledger"
)

// Another user than the agent's is told nothing; root may be.
func TestControlAsksTheKernel(t *testing.T) {
	path := filepath.Join(t.TempDir(), "agent.sock")
	ln, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	o := &operations{since: time.Now(), ledger: ledger.New(), run: &agentRun{env: &env{}}}
	o.run.now.Store(&view{rules: broker.Rules{{Name: "web", Loan: broker.Loan{Role: "arn:aws:iam::111122223333:role/web"}}}})
	ctx, stop := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- agent.Serve(ctx, ln, o.control(http.NotFoundHandler()), agent.ServeOptions{}) }()
	defer func() { stop(); <-served }()

	e := &env{Environ: []string{"MANTLE_SOCKET=" + path}}
	var out psAnswer
	if err := e.askControl(t.Context(), pathPs, &out); err != nil || len(out.Workloads) != 1 || out.Workloads[0].Workload != "web" {
		t.Errorf("the agent's own user is told %+v, %v", out, err)
	}
	if os.Getuid() != 0 {
		return // nobody else's process can be started
	}
	for _, dir := range []string{filepath.Dir(path), filepath.Dir(filepath.Dir(path))} {
		os.Chmod(dir, 0o755)
	}
	os.Chmod(path, 0o666)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(filepath.Dir(path), "mantle")
	text, err := os.ReadFile(self)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(program, text, 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, "agent", "ps")
	cmd.Env = []string{"MANTLE_SOCKET=" + path}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	said, err := cmd.CombinedOutput()
	if x, ok := errors.AsType[*exec.ExitError](err); !ok || x.ExitCode() != exitDenied || !strings.Contains(string(said), "only root and user 0") {
		t.Errorf("user 65534 is told %s, %v", said, err)
	}
}
