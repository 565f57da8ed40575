package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/mantle-iam/mantle/sandbox"
)

// Runners of containers.
const (
	runnerAuto    = ""
	runnerDocker  = "docker"
	runnerProcess = "process"
)

func checkRunner(runner string) error {
	if !slices.Contains([]string{runnerAuto, runnerDocker, runnerProcess}, runner) {
		return usagef("there is no runner %q", runner).withHint("use --runner docker or --runner process")
	}
	return nil
}

// pulse is how often a runner looks whether its task is still wanted, and
// heartbeats how often the sandbox may fail to answer.
const (
	pulse      = 300 * time.Millisecond
	heartbeats = 5
)

// running is a container that runs: a process or what Docker says.
type running struct {
	name      string
	essential bool
	wait      func(context.Context) (status int, err error)
	as        started
	undo      func() // takes away what was made for it on the host
}

// outcome is how a container ended.
type outcome struct {
	name      string
	essential bool
	status    int
	err       error
}

// runHere runs the containers of a task at this terminal.
func (e *env) runHere(ctx context.Context, c *controller, p placement) error {
	_, id, _ := strings.Cut(p.Task, ":task/")
	id = id[strings.LastIndexByte(id, '/')+1:]
	e.talkf("mantle: task %s\n", id)
	status, err := e.runContainers(ctx, c, p, true, func() {})
	if err != nil {
		return err
	}
	if status != 0 {
		return &exitError{code: status}
	}
	return nil
}

// runContainers runs the containers of a task until the first essential one
// ends, the API stops the task, or ctx ends. It returns the status of the
// essential container that ended first. A single container has the terminal to
// itself, if there is one. ready is called once all run.
func (e *env) runContainers(ctx context.Context, c *controller, p placement, terminal bool, ready func()) (status int, err error) {
	t, err := c.task(ctx, p.Task)
	if err != nil {
		return 0, absence(err)
	}
	exits := map[string]int32{}
	reason := ""
	defer func() {
		if err != nil {
			reason = err.Error()
		}
		// The sandbox is told even if this run was interrupted. If it is gone,
		// nobody is left to tell.
		c.ended(context.WithoutCancel(ctx), p.Task, taskEnd{Reason: reason, Exits: exits})
	}()
	docker, err := e.chooseRunner(ctx, t.Task, p)
	if err != nil {
		return 0, err
	}
	network := p.Network
	if docker {
		// An SDK speaks to loopback only, and the host's is where we are.
		network = networkHost
	}
	s, err := e.openTask(ctx, c, t.Task, network, docker)
	if err != nil {
		return 0, err
	}
	defer s.close()
	e.talkf("mantle: %s\n", s.told())

	ctx, stop := context.WithCancel(ctx)
	defer stop()
	volumes, done, err := scratch(t.Task)
	if err != nil {
		return 0, err
	}
	defer done()
	ended := make(chan outcome)
	// What was made for containers goes last first: a folder that one made for
	// its mount may hold that of the next.
	var undo []func()
	defer func() {
		for _, f := range slices.Backward(undo) {
			f()
		}
	}()
	var all sync.WaitGroup
	defer all.Wait()
	defer stop()
	r := taskRun{Runner: runnerProcess, Containers: map[string]started{}}
	if docker {
		r.Runner = runnerDocker
	}
	out := e.outputs(t.Task, terminal)
	for i, x := range t.Containers {
		mounts := slices.Concat(mountsOf(x, volumes), p.Mounts)
		user := ""
		if x.Name == p.Container || p.Container == "" && i == 0 {
			user = p.User
		}
		start := e.startProcess
		if docker {
			start = e.startDocker
		}
		run, err := start(ctx, s, t.Task, x, mounts, user, out(x.Name))
		if err != nil {
			stop()
			go func() { all.Wait(); close(ended) }()
			for range ended { // those that were started end first
			}
			return 0, err
		}
		r.Containers[x.Name] = run.as
		undo = append(undo, run.undo)
		all.Go(func() {
			status, err := run.wait(ctx)
			ended <- outcome{x.Name, x.Essential, status, err}
		})
	}
	// While containers may end before the sandbox knows of them, their
	// outcomes wait.
	if err := c.started(ctx, p.Task, r); err != nil && ctx.Err() == nil {
		stop()
		go func() { all.Wait(); close(ended) }()
		for range ended {
		}
		return 0, absence(err)
	}
	ready()
	watched := make(chan error, 1)
	all.Go(func() { watched <- watch(ctx, c, p.Task) })
	lost := watched
	left := len(t.Containers)
	first := true
	for left > 0 {
		select {
		case failure := <-lost:
			if failure != nil {
				err = failure
			}
			stop()
			lost = nil
		case o := <-ended:
			left--
			exits[o.name] = int32(o.status)
			if o.err != nil {
				err = errors.Join(err, o.err)
			}
			if first && (o.essential || left == 0) {
				status, first = o.status, false
				stop()
			}
		}
	}
	return status, err
}

// watch returns when the task is no longer wanted: nil if it was stopped or
// ctx has ended, an error if the sandbox is gone.
func watch(ctx context.Context, c *controller, id string) error {
	missed := 0
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pulse):
		}
		t, err := c.task(ctx, id)
		switch {
		case ctx.Err() != nil:
			return nil
		case err == nil && t.Status == taskStopped:
			return nil
		case err == nil:
			missed = 0
		case missed < heartbeats:
			missed++
		default:
			return absence(err)
		}
	}
}

// startProcess runs a container as a process of this host.
func (e *env) startProcess(_ context.Context, s *site, _ sandbox.Task, x sandbox.Container, mounts []mount, user string, out streams) (*running, error) {
	p, err := e.processOf(s, x, mounts, user)
	if err != nil {
		return nil, err
	}
	cmd, start, err := p.command(s)
	if err != nil {
		p.undo()
		return nil, err
	}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = out.in, out.out, out.err
	if !out.shared {
		grouped(cmd)
	}
	r := &running{name: x.Name, essential: x.Essential, undo: p.undo}
	begun := make(chan error, 1)
	ended := make(chan outcome, 1)
	stopping, stop := context.WithCancel(context.Background())
	go func() {
		status, err := attended(stopping, cmd, func(cmd *exec.Cmd) error {
			err := start(cmd)
			if err == nil {
				// It runs, or has ended and is not waited for yet.
				r.as = p.startedAs(s, cmd.Process.Pid)
			}
			begun <- err
			return err
		}, out.shared)
		out.close()
		ended <- outcome{status: status, err: err}
	}()
	if err := <-begun; err != nil {
		stop()
		p.undo()
		return nil, usagef("container %s: start %s: %w", x.Name, p.spec.Command[0], err)
	}
	r.wait = func(ctx context.Context) (int, error) {
		defer context.AfterFunc(ctx, stop)()
		defer stop()
		o := <-ended
		return o.status, o.err
	}
	return r, nil
}

// scratch makes the folders of the volumes that belong to the task alone.
func scratch(t sandbox.Task) (volumes map[string]string, done func(), err error) {
	volumes = map[string]string{}
	done = func() {
		for _, dir := range volumes {
			os.RemoveAll(dir)
		}
	}
	for _, x := range t.Containers {
		for _, m := range x.Mounts {
			if m.Host != "" || volumes[m.Volume] != "" {
				continue
			}
			if volumes[m.Volume], err = os.MkdirTemp("", "mantle-volume-"); err != nil {
				done()
				return nil, nil, err
			}
			// As Docker's volumes: whoever the container runs as may write.
			if err := os.Chmod(volumes[m.Volume], 0o777); err != nil {
				done()
				return nil, nil, err
			}
		}
	}
	return volumes, done, nil
}

func mountsOf(x sandbox.Container, volumes map[string]string) (list []mount) {
	for _, m := range x.Mounts {
		source := m.Host
		if source == "" {
			source = volumes[m.Volume]
		}
		list = append(list, mount{Source: source, Target: filepath.Clean(m.Path), ReadOnly: m.ReadOnly})
	}
	return list
}

// streams are what a container reads and writes.
type streams struct {
	in       io.Reader
	out, err io.Writer
	shared   bool // the container has the terminal to itself
	close    func()
}

// outputs gives a single container the terminal, and marks the lines of
// several.
func (e *env) outputs(t sandbox.Task, terminal bool) func(name string) streams {
	if len(t.Containers) == 1 {
		return func(string) streams { return streams{e.Stdin, e.Stdout, e.Stderr, terminal, func() {}} }
	}
	mu := new(sync.Mutex)
	width := 0
	for _, x := range t.Containers {
		width = max(width, len(x.Name))
	}
	return func(name string) streams {
		p := &prefixed{mu: mu, w: e.Stdout, prefix: fmt.Sprintf("%-*s | ", width, name)}
		return streams{nil, p, p, false, func() { p.Close() }}
	}
}

// detach leaves the task with a process of its own and prints its id.
func (e *env) detach(ctx context.Context, c *controller, p placement) error {
	dir, err := e.runtimeDir()
	if err != nil {
		return err
	}
	_, id, _ := strings.Cut(p.Task, ":task/")
	id = id[strings.LastIndexByte(id, '/')+1:]
	logFile := filepath.Join(dir, "task-"+id+".log")
	log, err := os.OpenFile(logFile, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	self, err := os.Executable()
	if err != nil {
		return err
	}
	spec, tell, err := os.Pipe()
	if err != nil {
		return err
	}
	answer, ready, err := os.Pipe()
	if err != nil {
		return err
	}
	defer answer.Close()
	cmd := &exec.Cmd{
		Path: self, Args: []string{os.Args[0], "sandbox", "place", "task"}, Env: e.Environ,
		Stdout: log, Stderr: log, ExtraFiles: []*os.File{spec, ready},
	}
	apart(cmd)
	err = cmd.Start()
	spec.Close()
	ready.Close()
	if err == nil {
		err = json.NewEncoder(tell).Encode(p)
	}
	tell.Close()
	if err != nil {
		return fmt.Errorf("start the task's runner: %w", err)
	}
	if line, err := bufio.NewReader(answer).ReadString('\n'); err != nil || line != "ready\n" {
		cmd.Wait()
		text, _ := os.ReadFile(logFile) // what there is of it
		os.Remove(logFile)
		return failf(exitDenied, "the task's containers were not started:\n%s", strings.TrimSpace(string(text)))
	}
	if e.Output == "json" {
		e.printf("%s\n", oneLine(map[string]any{"schema": schema, "event": "running", "task": id, "arn": p.Task, "log": logFile}))
		return nil
	}
	e.talkf("mantle: its output goes to %s\n", logFile)
	e.printf("%s\n", id)
	return nil
}

// placeCommand is not for people: mantle starts itself with it.
func placeCommand(e *env) *cobra.Command {
	return &cobra.Command{
		Use: "place", Hidden: true, Args: cobra.ExactArgs(1),
		Short: "Be a process that mantle starts itself",
		Long: `Place is how mantle starts itself: as the first process in the namespaces of a
task (init), or as the runner of a task that was detached (task). What to do
it reads from descriptor 3.`,
		RunE: func(c *cobra.Command, args []string) error {
			switch args[0] {
			case "init":
				return e.status(runInit())
			case "task":
				return e.runDetached(c.Context())
			}
			return usagef("mantle starts this command itself")
		},
	}
}

func (e *env) status(code int) error {
	if code == 0 {
		return nil
	}
	return &exitError{code: code}
}

// runDetached runs the task that descriptor 3 names, and says on descriptor 4
// when it runs.
func (e *env) runDetached(ctx context.Context) error {
	spec, answer := os.NewFile(3, "spec"), os.NewFile(4, "ready")
	var p placement
	if err := json.NewDecoder(spec).Decode(&p); err != nil {
		return usagef("mantle starts this command itself: %w", err)
	}
	spec.Close()
	inherit(answer, false)
	c, err := e.controllerOf(p.Address)
	if err != nil {
		return err
	}
	status, err := e.runContainers(ctx, c, p, false, func() {
		fmt.Fprintln(answer, "ready")
		answer.Close()
	})
	if err != nil {
		return err
	}
	return e.status(status)
}
