//go:build unix

package main

import (
	"os"
	"os/exec"
	"syscall"
)

// apart starts the process in a session of its own: it outlives the terminal.
func apart(cmd *exec.Cmd) { attr(cmd).Setsid = true }

// grouped is ownGroup for a process that has other attributes as well.
func grouped(cmd *exec.Cmd) { attr(cmd).Setpgid = true }

func attr(cmd *exec.Cmd) *syscall.SysProcAttr {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	return cmd.SysProcAttr
}

// inherit says whether the programs we start get a descriptor as well.
func inherit(f *os.File, yes bool) {
	if !yes {
		syscall.CloseOnExec(int(f.Fd()))
	}
}
