package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/mantle-iam/mantle/sandbox"
)

const stateUsage = "folder of the state, or postgres://… address of the database that has it"

func sandboxSnapshotCommand(e *env) *cobra.Command {
	var state string
	c := &cobra.Command{
		Use:   "snapshot FILE",
		Short: "Keep the whole of a sandbox's state in one file",
		Long: `Snapshot writes everything that a state holds into one file: accounts with
their keys, roles and policies, buckets, and the bytes of the objects in them.
The file holds secrets, and only you can read it. - stands for standard
output.

A folder must not be in use: stop its sandbox first. A database may be; the
snapshot shows one moment of it.`,
		Example: `  mantle sandbox snapshot before.tgz --state ./state
  mantle sandbox snapshot before.tgz --state postgres://mantle@db.internal/mantle`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if state == "" {
				return noState()
			}
			size, err := e.writeSnapshot(c.Context(), state, args[0])
			if err != nil {
				return snapshotError(err, state)
			}
			if args[0] == "-" {
				return nil
			}
			return e.sizeAnswer("snapshot", args[0], size)
		},
	}
	c.Flags().StringVar(&state, "state", "", stateUsage)
	return c
}

func sandboxRestoreCommand(e *env) *cobra.Command {
	var state string
	var replace bool
	c := &cobra.Command{
		Use:   "restore FILE",
		Short: "Put a snapshot into a sandbox's state",
		Long: `Restore puts what snapshot wrote into a state: all of it or, where something
is wrong with the file, nothing. What was in a folder may go into a database,
and the other way round. - stands for standard input.

A folder must not be in use: stop its sandbox first. Sandboxes on a database
go on with what was restored.`,
		Example: `  mantle sandbox restore before.tgz --state ./state --replace
  mantle sandbox restore before.tgz --state postgres://mantle@db.internal/mantle`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if state == "" {
				return noState()
			}
			in := e.Stdin
			if args[0] != "-" {
				f, err := os.Open(args[0])
				if err != nil {
					return usagef("%w", err)
				}
				defer f.Close()
				in = f
			}
			size, err := sandbox.Restore(c.Context(), state, in, replace)
			if err != nil {
				return snapshotError(err, state)
			}
			return e.sizeAnswer("restored", args[0], size)
		},
	}
	c.Flags().StringVar(&state, "state", "", stateUsage)
	c.Flags().BoolVar(&replace, "replace", false, "give up what the state holds now")
	return c
}

func noState() *exitError {
	return usagef("--state is missing").withHint("name the folder or the database that sandbox up was given")
}

// writeSnapshot writes the file beside its place and moves it there when it
// is whole, so that a failure leaves an older one as it was.
func (e *env) writeSnapshot(ctx context.Context, state, file string) (size sandbox.Size, err error) {
	if file == "-" {
		return sandbox.Snapshot(ctx, state, e.Stdout)
	}
	f, err := os.CreateTemp(filepath.Dir(file), ".snapshot-*") // readable by its owner only
	if err != nil {
		return size, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(f.Name()))
		}
	}()
	if size, err = sandbox.Snapshot(ctx, state, f); err != nil {
		return size, errors.Join(err, f.Close())
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return size, err
	}
	return size, os.Rename(f.Name(), file)
}

// snapshotError adds the cure.
func snapshotError(err error, state string) error {
	x := &exitError{code: exitUsage, err: err}
	switch {
	case errors.Is(err, context.Canceled):
		return err
	case errors.Is(err, sandbox.ErrUnreachable):
		x.code = exitUnreachable
		return x
	case errors.Is(err, sandbox.ErrNoState):
		return x.withHint("name the folder or the database that sandbox up was given with --state")
	case errors.Is(err, sandbox.ErrStateInUse):
		return x.withHint("take a snapshot of it first, then say --replace")
	case strings.Contains(err.Error(), "in use by another sandbox"):
		return x.withHint("stop the sandbox of " + stateName(state) + "; only a state in PostgreSQL can be read or restored while it is in use")
	}
	return x
}

func (e *env) sizeAnswer(what, file string, size sandbox.Size) error {
	answer := struct {
		Schema string `json:"schema"`
		Event  string `json:"event"`
		File   string `json:"file"`
		sandbox.Size
	}{schema, what, file, size}
	return e.answer(answer, func(w io.Writer) {
		fmt.Fprintf(w, "%s %s: %d rows, %d objects of %d bytes together\n", what, file, size.Rows, size.Objects, size.Bytes)
	})
}

// stateName is a state as banners and messages show it: without the password
// of a database.
func stateName(state string) string {
	if !strings.Contains(state, "://") {
		return state
	}
	u, err := url.Parse(state)
	if err != nil {
		return "a database"
	}
	if q := u.Query(); q.Has("password") {
		q.Set("password", "xxxxx")
		u.RawQuery = q.Encode()
	}
	return u.Redacted()
}
