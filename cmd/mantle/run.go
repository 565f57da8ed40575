package main

import (
	"context"
	"errors"
	"os/exec"
	"path/filepath"
	"sync"

	"github.com/spf13/cobra"

	"github.com/mantle-iam/mantle/internal/config"
)

func runCommand(e *env) *cobra.Command {
	var f roleFlags
	var endpoint string
	c := &cobra.Command{
		Use:   "run [--role ROLE] [flags] -- COMMAND [ARGUMENT...]",
		Short: "Run a command under a role",
		Long: `Run starts the command with an endpoint of its own, from which the AWS SDK in
it fetches the role's credentials and renews them for as long as it runs. No
key stands in the environment, in a file, or on a command line.

Without --role the command gets what the agent of this host lends mantle run
itself, through the agent's socket.

The exit status is the command's own. If the role cannot be had, the command
is not started.`,
		Example: `  mantle run --role app -- ./server
  mantle run --role arn:aws:iam::111122223333:role/deploy --session-name '{instance_id}' -- terraform apply
  mantle run --role reader --chain arn:aws:iam::444455556666:role/jump -- aws s3 ls`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if endpoint != string(config.EndpointContainer) && endpoint != string(config.EndpointMetadata) {
				return usagef("there is no endpoint %q", endpoint).withHint("use --endpoint container or --endpoint metadata")
			}
			return e.run(c.Context(), &f, config.Endpoint(endpoint), args)
		},
	}
	f.add(c)
	c.Flags().StringVar(&endpoint, "endpoint", string(config.EndpointContainer), "what the command's SDK asks: container or metadata")
	c.Flags().SetInterspersed(false)
	return c
}

func (e *env) run(ctx context.Context, f *roleFlags, endpoint config.Endpoint, command []string) error {
	path, err := exec.LookPath(command[0])
	if err != nil && !errors.Is(err, exec.ErrDot) {
		return usagef("%w", err).withHint("put the command and its arguments behind --")
	}
	name := filepath.Base(path)
	lending, base, closeAudit, err := f.loan(ctx, e, name)
	if err != nil {
		return err
	}
	defer closeAudit()
	if _, err := lending.borrow(ctx, name); err != nil {
		return err
	}
	serving, end := context.WithCancel(context.WithoutCancel(ctx))
	var renewing sync.WaitGroup
	renewing.Go(func() { lending.Run(serving) })
	doors := newDoors(lending, e.log())
	defer doors.running.Wait()
	defer renewing.Wait()
	defer end()
	d, err := doors.open(serving, &config.Workload{Name: name, Endpoint: endpoint}, "127.0.0.1:0", base.Region)
	if err != nil {
		return err
	}
	p := &program{
		Command: append([]string{path}, command[1:]...),
		Environ: childEnviron(e.Environ, e.noProxy(), d.Env),
		Stdin:   e.Stdin, Stdout: e.Stdout, Stderr: e.Stderr,
		Started: func(pid int) { d.pid.Store(int64(pid)) },
		Shared:  true,
	}
	status, err := p.run(ctx)
	if err != nil {
		return usagef("%w", err)
	}
	if status != 0 {
		return &exitError{code: status}
	}
	return nil
}
