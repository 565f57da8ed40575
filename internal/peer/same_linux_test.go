package peer

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestSame(t *testing.T) {
	sh, err := exec.LookPath("sh")
	if err != nil {
		t.Fatal(err)
	}
	if sh, err = filepath.EvalSymlinks(sh); err != nil {
		t.Fatal(err)
	}
	var p Processes
	// The shell becomes another program when it is told to.
	cmd := exec.Command(sh, "-c", "read x; exec sleep 30")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := false
	end := func() {
		if !ended {
			ended = true
			cmd.Process.Kill()
			cmd.Wait()
		}
	}
	defer end()
	pid := cmd.Process.Pid
	started, err := Started(pid)
	if err != nil {
		t.Fatal(err)
	}
	for range 3 { // opened, and then held open
		if err := p.Same(pid, started, sh); err != nil {
			t.Fatalf("the same process: %v", err)
		}
	}
	if err := p.Same(pid, started, ""); err != nil {
		t.Errorf("of a program that could not be told: %v", err)
	}
	if err := p.Same(pid, started+1, sh); err == nil {
		t.Error("a process of that number that started at another time is taken for the same")
	}
	in.Write([]byte("\n"))
	for range 300 {
		if err = p.Same(pid, started, sh); err != nil {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	if err == nil || !strings.Contains(err.Error(), "another program") {
		t.Errorf("a process that runs another program: %v", err)
	}
	if err := p.Same(pid, started, ""); err != nil {
		t.Errorf("it is still the same process: %v", err)
	}
	end()
	for _, exe := range []string{"", sh} {
		if err := p.Same(pid, started, exe); err == nil {
			t.Errorf("a process that has ended is taken for the same (%q)", exe)
		}
	}
	if n := len(p.open); n != 0 {
		t.Errorf("%d folders of ended processes are held", n)
	}
}

// However many processes ask, few folders are held open.
func TestSameIsBounded(t *testing.T) {
	var p Processes
	pid := os.Getpid()
	at, err := Started(pid)
	if err != nil {
		t.Fatal(err)
	}
	for i := range maxOpen + 10 {
		fd, err := openProcess(started{pid, at})
		if err != nil {
			t.Fatal(err)
		}
		p.keep(started{-i, 0}, fd)
		if n := len(p.open); n > maxOpen {
			t.Fatalf("%d folders are held", n)
		}
	}
	for k := range p.open {
		p.forget(k)
	}
}

func BenchmarkSame(b *testing.B) {
	var p Processes
	pid := os.Getpid()
	started, _ := Started(pid)
	exe, _ := os.Readlink("/proc/self/exe")
	b.ReportAllocs()
	for b.Loop() {
		if err := p.Same(pid, started, exe); err != nil {
			b.Fatal(err)
		}
	}
}
