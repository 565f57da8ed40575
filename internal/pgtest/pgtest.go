// Package pgtest runs a PostgreSQL server of one's own for the length of a
// test: a new cluster in a temporary folder, reached through a socket in it.
package pgtest

import (
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// Server is a running PostgreSQL.
type Server struct {
	tb   testing.TB
	bin  string // folder of initdb and postgres
	dir  string
	cred *syscall.Credential // nil unless we are root, whom PostgreSQL refuses
	cmd  *exec.Cmd
}

// Start makes and starts a server, which ends with the test. Without
// PostgreSQL's server programs the test is skipped.
func Start(tb testing.TB) *Server {
	tb.Helper()
	s := &Server{tb: tb, bin: folder(tb)}
	var err error
	// A socket's path has at most 107 bytes, which a test's own folder can
	// exceed.
	if s.dir, err = os.MkdirTemp("", "pgtest-"); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { os.RemoveAll(s.dir) })
	if os.Geteuid() == 0 {
		const nobody = 65534
		s.cred = &syscall.Credential{Uid: nobody, Gid: nobody}
		if err := os.Chown(s.dir, nobody, nobody); err != nil {
			tb.Fatal(err)
		}
	}
	init := s.command("initdb", "--pgdata", s.data(), "--username", "postgres", "--auth", "trust", "--no-sync", "--no-locale", "--encoding", "UTF8")
	if out, err := init.CombinedOutput(); err != nil {
		tb.Fatalf("initdb: %v\n%s", err, out)
	}
	s.Run()
	tb.Cleanup(s.Stop)
	return s
}

// folder finds the server programs, which Debian keeps out of PATH.
func folder(tb testing.TB) string {
	tb.Helper()
	if path, err := exec.LookPath("initdb"); err == nil {
		return filepath.Dir(path)
	}
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if len(found) == 0 {
		tb.Skip("initdb is not in PATH nor below /usr/lib/postgresql: install the package postgresql")
	}
	return filepath.Dir(slices.Max(found))
}

func (s *Server) data() string { return filepath.Join(s.dir, "data") }

func (s *Server) command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(s.bin, name), args...)
	cmd.Dir = s.dir
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: s.cred}
	return cmd
}

// Run starts the server again after Stop or Kill.
func (s *Server) Run() {
	s.tb.Helper()
	// Without fsync a crash of the machine would lose commits, but none of
	// the server, which is all that a test can do to it.
	s.cmd = s.command("postgres", "-D", s.data(), "-k", s.dir, "-c", "listen_addresses=", "-c", "fsync=off", "-c", "full_page_writes=off")
	log, err := os.OpenFile(filepath.Join(s.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		s.tb.Fatal(err)
	}
	defer log.Close()
	s.cmd.Stdout, s.cmd.Stderr = log, log
	if err := s.cmd.Start(); err != nil {
		s.tb.Fatalf("start postgres: %v", err)
	}
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		// The last line of the lock file says what the server is doing.
		pid, _ := os.ReadFile(filepath.Join(s.data(), "postmaster.pid"))
		if strings.HasPrefix(string(pid), fmt.Sprintln(s.cmd.Process.Pid)) && strings.HasSuffix(strings.TrimSpace(string(pid)), "ready") {
			return
		}
		if time.Now().After(deadline) {
			text, _ := os.ReadFile(filepath.Join(s.dir, "log"))
			s.tb.Fatalf("postgres does not get ready:\n%s", text)
		}
	}
}

// Stop ends the server and its sessions (a fast shutdown).
func (s *Server) Stop() { s.end(os.Interrupt) }

// Kill ends the server as a crash would, with an immediate shutdown.
func (s *Server) Kill() { s.end(syscall.SIGQUIT) }

func (s *Server) end(sig os.Signal) {
	if s.cmd == nil {
		return
	}
	s.cmd.Process.Signal(sig)
	s.cmd.Wait()
	s.cmd = nil
}

// DSN is the address of a new, empty schema of that name.
func (s *Server) DSN(name string) string {
	s.tb.Helper()
	address := "postgres:///postgres?" + url.Values{"host": {s.dir}, "user": {"postgres"}}.Encode()
	ctx := s.tb.Context()
	conn, err := pgx.Connect(ctx, address)
	if err != nil {
		s.tb.Fatal(err)
	}
	defer conn.Close(ctx)
	if _, err := conn.Exec(ctx, "CREATE SCHEMA "+pgx.Identifier{name}.Sanitize()); err != nil {
		s.tb.Fatalf("create schema %s: %v", name, err)
	}
	return address + "&search_path=" + url.QueryEscape(name)
}
