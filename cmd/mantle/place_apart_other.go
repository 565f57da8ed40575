//go:build !unix

package main

import (
	"os"
	"os/exec"
)

func apart(*exec.Cmd) {}

func grouped(*exec.Cmd) {}

func inherit(*os.File, bool) {}
