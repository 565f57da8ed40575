//go:build unix

package main

import (
	"os"
	"os/exec"
	"syscall"
)

// ownGroup gives the program a process group of its own, so that whatever it
// starts ends with it and a Ctrl-C reaches it only through mantle.
func ownGroup(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }

func endGroup(p *os.Process, now bool) { syscall.Kill(-p.Pid, ending(now)) }

func endOne(p *os.Process, now bool) { p.Signal(ending(now)) }

func ending(now bool) syscall.Signal {
	if now {
		return syscall.SIGKILL
	}
	return syscall.SIGTERM
}

// exitStatus is the status as a shell would give it.
func exitStatus(s *os.ProcessState) int {
	if ws, ok := s.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		return 128 + int(ws.Signal())
	}
	return s.ExitCode()
}

func ownedByMe(info os.FileInfo) bool {
	st, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(st.Uid) == os.Getuid()
}
