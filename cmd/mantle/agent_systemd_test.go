//go:build linux

package main

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// supervised is a mantle agent as systemd would start it.
type supervised struct {
	cmd  *exec.Cmd
	done chan struct{}
}

// supervise starts an agent with a socket and a place to tell how it is.
func supervise(t *testing.T, program, config, tells string, socket *os.File, name string) *supervised {
	t.Helper()
	// LISTEN_PID has to be the agent's, so the shell becomes the agent.
	cmd := exec.Command("sh", "-c", `LISTEN_PID=$$ exec "$@"`, "sh", program, "agent", config)
	cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"), "LISTEN_FDS=1", "LISTEN_FDNAMES=" + name, "NOTIFY_SOCKET=" + tells, "WATCHDOG_USEC=200000",
		"AWS_ACCESS_KEY_ID=AKIAIOSFODNN7EXAMPLE", "AWS_SECRET_ACCESS_KEY=x", "AWS_EC2_METADATA_DISABLED=true",
		"AWS_CONFIG_FILE=" + os.DevNull, "AWS_SHARED_CREDENTIALS_FILE=" + os.DevNull,
	}
	cmd.ExtraFiles = []*os.File{socket}
	cmd.Stderr = t.Output()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	s := &supervised{cmd, make(chan struct{})}
	go func() { cmd.Wait(); close(s.done) }()
	t.Cleanup(func() { cmd.Process.Kill(); <-s.done })
	return s
}

// told waits for a notice.
func told(t *testing.T, from *net.UnixConn, want string) {
	t.Helper()
	buf := make([]byte, 4096)
	from.SetReadDeadline(time.Now().Add(10 * time.Second))
	for {
		n, err := from.Read(buf)
		if err != nil {
			t.Fatalf("%s was not told: %v", want, err)
		}
		if strings.Contains(string(buf[:n]), want) {
			return
		}
	}
}

// A restart under systemd leaves no gap: who asks meanwhile waits, and is
// answered by the next agent.
func TestSocketActivation(t *testing.T) {
	dir := t.TempDir()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(dir, "mantle")
	if err := os.Symlink(self, program); err != nil {
		t.Fatal(err)
	}
	tells := filepath.Join(dir, "notify")
	notices, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: tells, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer notices.Close()
	config := filepath.Join(dir, "mantle.hcl")
	text := fmt.Sprintf(`
base {
  region   = "eu-west-1"
  endpoint = "http://127.0.0.1:1"
}
agent { socket = "none" }
role "a" { arn = "arn:aws:iam::111122223333:role/a" }
workload "a" {
  role = role.a
  match { uid = %d }
}
`, os.Getuid()+1)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	socket, err := ln.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	url := "http://" + ln.Addr().String() + "/v1/credentials"
	ln.Close() // the file keeps it open, as systemd does

	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 20 * time.Second}
	get := func() (int, error) {
		r, err := client.Get(url)
		if err != nil {
			return 0, err
		}
		r.Body.Close()
		return r.StatusCode, nil
	}
	first := supervise(t, program, config, tells, socket, "container")
	told(t, notices, "READY=1")
	if status, err := get(); status != http.StatusForbidden {
		t.Fatalf("the first agent: %d, %v", status, err)
	}
	told(t, notices, "WATCHDOG=1")
	first.cmd.Process.Signal(syscall.SIGHUP)
	told(t, notices, "RELOADING=1")
	told(t, notices, "READY=1")
	first.cmd.Process.Signal(syscall.SIGTERM)
	told(t, notices, "STOPPING=1")
	<-first.done

	answered := make(chan string, 1)
	go func() {
		status, err := get()
		answered <- fmt.Sprint(status, err)
	}()
	time.Sleep(100 * time.Millisecond)
	select {
	case a := <-answered:
		t.Fatalf("between two agents somebody answers: %s", a)
	default:
	}
	supervise(t, program, config, tells, socket, "container")
	if a := <-answered; a != "403 <nil>" {
		t.Errorf("who asked between two agents was answered %s", a)
	}
}

// A socket of a name that means nothing is an error, and not ignored.
func TestSocketActivationUnknownName(t *testing.T) {
	dir := t.TempDir()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(dir, "mantle")
	if err := os.Symlink(self, program); err != nil {
		t.Fatal(err)
	}
	config := filepath.Join(dir, "mantle.hcl")
	if err := os.WriteFile(config, []byte(`base { region = "eu-west-1" }`), 0o600); err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	socket, err := ln.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	s := supervise(t, program, config, "", socket, "imds")
	<-s.done
	if code := s.cmd.ProcessState.ExitCode(); code != exitUsage {
		t.Errorf("status %d, want %d", code, exitUsage)
	}
}
