//go:build !unix

package main

import (
	"os"
	"os/exec"
)

func ownGroup(*exec.Cmd) {}

func endGroup(p *os.Process, _ bool) { p.Kill() }

func endOne(p *os.Process, _ bool) { p.Kill() }

func exitStatus(s *os.ProcessState) int { return s.ExitCode() }

func ownedByMe(os.FileInfo) bool { return true }
