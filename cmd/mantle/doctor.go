package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/mantle-iam/mantle/internal/doctor"
)

func doctorCommand(e *env) *cobra.Command {
	var f subjectFlags
	var host bool
	c := &cobra.Command{
		Use:   "doctor [--pid PID | --in CONTAINER|INSTANCE|TASK]",
		Short: "Find what keeps a program from the role that it is meant to have",
		Long: `Doctor examines a program's environment, its user's AWS files as that user sees
them, and the endpoints that it reaches, and says what is wrong with the cure:
a profile file that another user has, keys that shadow a role, an endpoint that
the SDK refuses, a hop limit, a clock that is off.

Without flags that is a program started here; else a process, a container of
Docker's, or an instance or a task of the sandbox. It calls sts:GetCallerIdentity,
and sts:AssumeRole if a profile says so, as the program would; a
credential_process of another program is not run.

The exit status is 1 if there are warnings or errors, or if the program has no
credentials.`,
		Example: `  mantle doctor
  mantle doctor --pid 4711 --sdk python
  mantle doctor --in web-1
  mantle doctor --in 158d1c8083dd49d6b527399fd6414f5c`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if host {
				return e.doctorHost(c.Context())
			}
			return e.doctor(c.Context(), &f)
		},
	}
	f.add(c)
	c.Flags().BoolVar(&host, "host", false, "look over this host instead: the agent, its doors and rules, the clock, instance metadata")
	c.MarkFlagsMutuallyExclusive("host", "pid", "in")
	return c
}

func (e *env) doctor(ctx context.Context, f *subjectFlags) error {
	x, err := e.subject(ctx, f, "doctor")
	if away, ok := errors.AsType[elsewhere](err); ok {
		return away.err
	}
	if err != nil {
		return err
	}
	defer x.w.Close()
	found := x.examine(ctx)
	err = e.answer(found.answer(), func(w io.Writer) {
		fmt.Fprintln(w, found.told())
		printChecks(w, found.checks)
		found.printEnd(w)
		if len(found.checks) == 0 && found.blocked() == "" && found.trace.Undecided == "" {
			fmt.Fprintln(w, "nothing is wrong")
		}
	})
	if err != nil {
		return err
	}
	if err := found.outcome(); err != nil {
		return err
	}
	if doctor.Worst(found.checks) >= doctor.Warning {
		return &exitError{code: exitDenied}
	}
	return nil
}
