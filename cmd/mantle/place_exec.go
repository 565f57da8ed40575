package main

import (
	"context"
	"errors"
	"os/exec"
	"slices"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/mantle-iam/mantle/internal/peer"
	"github.com/mantle-iam/mantle/sandbox"
)

func sandboxExecCommand(e *env) *cobra.Command {
	var listen, network, container string
	c := &cobra.Command{
		Use:   "exec INSTANCE|TASK [flags] -- COMMAND [ARGUMENT...]",
		Short: "Run a command on an instance or in a task of a running sandbox",
		Long: `Exec runs a command where an EC2 instance or an ECS task of the sandbox would
run it: the AWS SDK in it finds the instance's metadata service, or the task's
container endpoint, with the credentials of the instance profile's role or of
the task role, and the sandbox as its AWS.

As root the place has a network of its own, in which 169.254.169.254 or
169.254.170.2 is its endpoint, and from which only the sandbox is reached. Else,
or with --network host, the environment leads to an endpoint on a loopback
port, which only this command and what it starts can use. Standard error says
which.

In a task that mantle sandbox run-task runs, the command is in the container's
own network, files and processes, with its user and environment. The exit
status is the command's.`,
		Example: `  mantle sandbox exec i-0f3c9d2b7a1e4c5d6 -- aws s3 ls
  mantle sandbox exec i-0f3c9d2b7a1e4c5d6 -- mantle run --role app -- ./server
  mantle sandbox exec 158d1c8083dd49d6b527399fd6414f5c -- aws sts get-caller-identity`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if err := checkNetwork(network); err != nil {
				return err
			}
			ctl, err := e.controllerOf(listen)
			if err != nil {
				return err
			}
			n := c.ArgsLenAtDash()
			if n < 0 {
				n = 1
			}
			if n != 1 || len(args) < 2 {
				return usagef("exec takes the id of one instance or task, and a command").withHint("put the command and its arguments behind --")
			}
			id, command := args[0], args[1:]
			switch {
			case sandbox.IsInstanceID(id):
				return e.execInstance(c.Context(), ctl, id, network, command)
			case isTaskID(id):
				return e.execTask(c.Context(), ctl, id, container, network, command)
			}
			return usagef("%s is the id neither of an instance nor of a task", id).withHint("instances are i-…, tasks are 32 hexadecimal digits or an ARN: see aws ec2 describe-instances, aws ecs list-tasks")
		},
	}
	c.Flags().StringVar(&listen, "listen", "", "address of the sandbox (default that of AWS_ENDPOINT_URL, or "+defaultListen+")")
	c.Flags().StringVar(&network, "network", "", "own or host: whether the place has a network of its own (default where privileges allow)")
	c.Flags().StringVar(&container, "container", "", "container of the task (default its first)")
	return c
}

func (e *env) execInstance(ctx context.Context, c *controller, id, network string, command []string) error {
	i, err := c.instance(ctx, id)
	if err != nil {
		return absence(err)
	}
	if i.State != "running" {
		return failf(exitDenied, "instance %s is %s", id, i.State).withHint("start it: aws ec2 start-instances --instance-ids " + id)
	}
	path, err := exec.LookPath(command[0])
	if err != nil && !errors.Is(err, exec.ErrDot) {
		return usagef("%w", err).withHint("put the command and its arguments behind --")
	}
	s, err := e.openInstance(ctx, c, i, network)
	if err != nil {
		return err
	}
	defer s.close()
	e.talkf("mantle: %s\n", s.told())
	cmd := &exec.Cmd{Path: path, Args: command, Env: s.environ(e.Environ, e.noProxy())}
	return e.handOn(ctx, cmd, s.start)
}

func (e *env) execTask(ctx context.Context, c *controller, id, container, network string, command []string) error {
	t, err := c.task(ctx, id)
	if err != nil {
		return absence(err)
	}
	if t.Status == taskStopped {
		return failf(exitDenied, "task %s has stopped: %s", t.ID, t.StoppedReason)
	}
	x, err := containerOf(t.Task, container)
	if err != nil {
		return err
	}
	var runs started
	if t.Run != nil {
		runs = t.Run.Containers[x.Name]
	}
	switch {
	case runs.Docker != "":
		return e.execDocker(ctx, runs.Docker, command)
	case runs.Own && alive(runs):
		furnished(ctx, runs.PID)
		ns, err := joinNamespace(runs.PID)
		if err != nil {
			return failf(exitDenied, "task %s: %w", t.ID, err)
		}
		defer ns.close()
		spec := *runs.Spec
		spec.Command, spec.Fresh = command, false
		return e.handOnSpec(ctx, &spec, ns.start)
	}
	// Nobody runs the task here, or it runs on the host's network, where only
	// its own processes are let in: the command gets a place for itself.
	s, err := e.openTask(ctx, c, t.Task, network, false)
	if err != nil {
		return err
	}
	defer s.close()
	x.EntryPoint, x.Command = nil, command
	var mounts []mount
	user := ""
	if runs.Spec != nil {
		mounts, user = runs.Spec.Mounts, runs.Spec.userText()
	}
	p, err := e.processOf(s, x, mounts, user)
	if err != nil {
		return err
	}
	defer p.undo()
	e.talkf("mantle: %s\n", s.told())
	return e.handOnProcess(ctx, s, p)
}

// containerOf is the container of a task by name, or its first.
func containerOf(t sandbox.Task, name string) (sandbox.Container, error) {
	if name == "" && len(t.Containers) > 0 {
		return t.Containers[0], nil
	}
	i := slices.IndexFunc(t.Containers, func(c sandbox.Container) bool { return c.Name == name })
	if i < 0 {
		var names []string
		for _, c := range t.Containers {
			names = append(names, c.Name)
		}
		return sandbox.Container{}, usagef("task %s has no container %q", t.ID, name).withHint("it has " + joined(names))
	}
	return t.Containers[i], nil
}

// alive tells whether a container is still the process that was started.
func alive(s started) bool {
	began, err := peer.Started(s.PID)
	return err == nil && began == s.Began && s.Spec != nil
}

// absence is a problem with the exit status that it deserves.
func absence(err error) error {
	if x, ok := errors.AsType[refusal](err); ok {
		return &exitError{code: exitDenied, err: x}
	}
	return err
}

// handOn runs a command at the user's terminal and hands on its status.
func (e *env) handOn(ctx context.Context, cmd *exec.Cmd, start func(*exec.Cmd) error) error {
	cmd.Stdin, cmd.Stdout, cmd.Stderr = e.Stdin, e.Stdout, e.Stderr
	status, err := attended(ctx, cmd, start, true)
	if err != nil {
		return usagef("%w", err)
	}
	if status != 0 {
		return &exitError{code: status}
	}
	return nil
}

// handOnSpec is handOn for a command that goes through the first process of
// a place.
func (e *env) handOnSpec(ctx context.Context, spec *initSpec, start func(*exec.Cmd) error) error {
	cmd, tell, err := spec.command()
	if err != nil {
		return err
	}
	return e.handOn(ctx, cmd, func(cmd *exec.Cmd) error { return errors.Join(start(cmd), tell()) })
}

// handOnProcess is handOn for a container's process.
func (e *env) handOnProcess(ctx context.Context, s *site, p *process) error {
	cmd, start, err := p.command(s)
	if err != nil {
		return err
	}
	return e.handOn(ctx, cmd, start)
}

// attended runs a process and waits for it, as program.run does: when ctx
// ends the process is asked to end and, after a while, ended.
func attended(ctx context.Context, cmd *exec.Cmd, start func(*exec.Cmd) error, shared bool) (int, error) {
	p := &program{Shared: shared}
	cmd.WaitDelay = patience
	if err := start(cmd); err != nil {
		return 0, err
	}
	done := make(chan struct{})
	var ended sync.WaitGroup
	ended.Go(func() {
		select {
		case <-done:
			return
		case <-ctx.Done():
		}
		p.end(cmd.Process, false)
		select {
		case <-done:
		case <-time.After(patience):
			p.end(cmd.Process, true)
		}
	})
	err := cmd.Wait()
	close(done)
	ended.Wait()
	if x, ok := errors.AsType[*exec.ExitError](err); ok {
		return exitStatus(x.ProcessState), nil
	}
	if err != nil && !errors.Is(err, exec.ErrWaitDelay) {
		return 0, err
	}
	return exitStatus(cmd.ProcessState), nil
}
