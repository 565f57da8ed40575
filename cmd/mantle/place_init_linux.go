package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"syscall"

	"golang.org/x/sys/unix"
)

// kept are the capabilities that root keeps in a container: Docker's default
// set, which is ECS's (Amazon ECS API Reference, KernelCapabilities). Without
// CAP_SYS_ADMIN and CAP_SYS_PTRACE it cannot enter the place of another task.
var kept = []uintptr{
	unix.CAP_CHOWN, unix.CAP_DAC_OVERRIDE, unix.CAP_FSETID, unix.CAP_FOWNER, unix.CAP_MKNOD, unix.CAP_NET_RAW, unix.CAP_SETGID, unix.CAP_SETUID,
	unix.CAP_SETFCAP, unix.CAP_SETPCAP, unix.CAP_NET_BIND_SERVICE, unix.CAP_SYS_CHROOT, unix.CAP_KILL, unix.CAP_AUDIT_WRITE,
}

// runInit is the first process of a place: it reads its spec from descriptor
// 3, makes the place, starts the command and hands on signals and the exit
// status. Failures are told as a shell does, with status 126 or 127.
func runInit() int {
	pipe := os.NewFile(3, "spec")
	unix.CloseOnExec(3)
	var s initSpec
	if err := json.NewDecoder(pipe).Decode(&s); err != nil {
		fmt.Fprintf(os.Stderr, "mantle: error: start in a place: %s\n", err)
		return 126
	}
	pipe.Close()
	// Signals are taken before the command runs, so that none is lost.
	signals := make(chan os.Signal, 16)
	signal.Notify(signals)
	signal.Reset(unix.SIGTTOU, unix.SIGTTIN, unix.SIGTSTP)
	if s.Fresh {
		if err := s.furnish(); err != nil {
			fmt.Fprintf(os.Stderr, "mantle: error: %s\n", err)
			return 126
		}
	}
	pid, err := s.spawn()
	if err != nil {
		fmt.Fprintf(os.Stderr, "mantle: error: start %s: %s\n", s.Command[0], err)
		return exitNoProgram
	}
	return attend(pid, signals)
}

// furnish makes the files of the place: its mounts, no trace of mantle's own
// sockets and keys, and a /proc that shows its own processes only.
//
// Nothing is mounted unless we are the first process of a process id
// namespace that is not the host's: then the mounts are a namespace's as well.
func (s *initSpec) furnish() error {
	if os.Getpid() != 1 {
		return errors.New("start in a place: this is not the first process of one")
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("keep mounts to the place: %w", err)
	}
	for _, m := range inOrder(s.Mounts) {
		if _, err := makeTarget(m); err != nil {
			return fmt.Errorf("mount %s: %w", m.Target, err)
		}
		err := unix.Mount(m.Source, m.Target, "", unix.MS_BIND|unix.MS_REC, "")
		if err == nil && m.ReadOnly {
			err = unix.Mount("", m.Target, "", unix.MS_REMOUNT|unix.MS_BIND|unix.MS_RDONLY, "")
		}
		if err != nil {
			return fmt.Errorf("mount %s on %s: %w", m.Source, m.Target, err)
		}
	}
	for _, dir := range s.Hidden {
		if err := unix.Mount("tmpfs", dir, "tmpfs", unix.MS_RDONLY|unix.MS_NOSUID|unix.MS_NODEV, "size=0,mode=0500"); err != nil && !errors.Is(err, unix.ENOENT) {
			return fmt.Errorf("hide %s: %w", dir, err)
		}
	}
	if err := unix.Mount("proc", "/proc", "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
		return fmt.Errorf("mount /proc: %w", err)
	}
	return nil
}

// spawn starts the command, with no more rights than a container has.
func (s *initSpec) spawn() (int, error) {
	// What a thread gives up is gone for the processes it starts.
	runtime.LockOSThread()
	for c := uintptr(0); c <= unix.CAP_LAST_CAP; c++ {
		if slices.Contains(kept, c) {
			continue
		}
		if err := unix.Prctl(unix.PR_CAPBSET_DROP, c, 0, 0, 0); err != nil && !errors.Is(err, unix.EINVAL) {
			return 0, fmt.Errorf("give up capabilities: %w", err)
		}
	}
	path, err := lookPath(s.Command[0], value(s.Env, "PATH"), s.Dir)
	if err != nil {
		return 0, err
	}
	attr := &syscall.SysProcAttr{Pdeathsig: unix.SIGKILL}
	if s.UID >= 0 {
		groups := make([]uint32, len(s.Groups))
		for i, g := range s.Groups {
			groups[i] = uint32(g)
		}
		attr.Credential = &syscall.Credential{Uid: uint32(s.UID), Gid: uint32(s.GID), Groups: groups}
	}
	return syscall.ForkExec(path, s.Command, &syscall.ProcAttr{Dir: s.Dir, Env: s.Env, Files: []uintptr{0, 1, 2}, Sys: attr})
}

// attend hands signals to the command and waits for it, and for whatever else
// ends in the place meanwhile: orphans are the first process's.
func attend(pid int, signals <-chan os.Signal) int {
	ended := make(chan int)
	go func() {
		for {
			var ws unix.WaitStatus
			got, err := unix.Wait4(-1, &ws, 0, nil)
			switch {
			case errors.Is(err, unix.EINTR):
			case err != nil:
				ended <- 126
				return
			case got == pid && ws.Signaled():
				ended <- 128 + int(ws.Signal())
				return
			case got == pid && ws.Exited():
				ended <- ws.ExitStatus()
				return
			}
		}
	}()
	for {
		select {
		case status := <-ended:
			return status
		case sig := <-signals:
			// The terminal gives Ctrl-C to all of its processes itself, and
			// the Go runtime interrupts its own threads with SIGURG.
			if sig == unix.SIGINT || sig == unix.SIGCHLD || sig == unix.SIGURG || sig == unix.SIGPIPE {
				continue
			}
			if n, ok := sig.(syscall.Signal); ok {
				unix.Kill(pid, n)
			}
		}
	}
}
