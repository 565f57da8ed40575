// Command mantle gives every workload its own AWS role.
//
// Its verbs are the rows of the table in root.go, one file each. Results go
// to standard output, talk to standard error; docs/cli.md is generated from
// the same table.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], &env{
		Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Environ: os.Environ(),
	})
	stop()
	os.Exit(code)
}
