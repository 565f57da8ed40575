package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"github.com/mantle-iam/mantle/sandbox"
)

// Docker is spoken to through its command line, which finds the engine as the
// user has set it up.

// chooseRunner tells whether Docker runs the containers: it has to be there,
// and to have every image.
func (e *env) chooseRunner(ctx context.Context, t sandbox.Task, p placement) (docker bool, err error) {
	if p.Runner == runnerProcess {
		return false, nil
	}
	missing := e.dockerLacks(ctx, t)
	if missing == nil && p.Network == networkOwn {
		missing = errors.New("with Docker a task is on the host's network: leave out --network own")
	}
	if missing != nil && p.Runner == runnerDocker {
		return false, &exitError{code: exitUsage, err: missing}
	}
	return missing == nil, nil
}

// dockerLacks says what keeps Docker from running the task, nil if nothing.
func (e *env) dockerLacks(ctx context.Context, t sandbox.Task) error {
	if runtime.GOOS != "linux" {
		return errors.New("the host network of Docker, on which the container endpoint is, is there on Linux only")
	}
	if _, err := exec.LookPath("docker"); err != nil {
		return fmt.Errorf("find Docker: %w", err)
	}
	if _, err := docker(ctx, "version", "--format", "{{.Server.Version}}"); err != nil {
		return fmt.Errorf("ask the Docker engine: %w", err)
	}
	for _, x := range t.Containers {
		if _, err := docker(ctx, "image", "inspect", "--format", "{{.Id}}", x.Image); err != nil {
			return fmt.Errorf("find image %s: %w", x.Image, err)
		}
	}
	return nil
}

// docker runs a command of Docker's and returns what it printed.
func docker(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "docker", args...)
	var out, problem bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &problem
	if err := cmd.Run(); err != nil {
		if line, _, _ := strings.Cut(strings.TrimSpace(problem.String()), "\n"); line != "" {
			return "", errors.New(line)
		}
		return "", err
	}
	return strings.TrimSpace(out.String()), nil
}

// Labels of the containers, as the ECS agent sets them.
// https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-metadata-endpoint-v4-response.html
const (
	labelTask      = "com.amazonaws.ecs.task-arn"
	labelCluster   = "com.amazonaws.ecs.cluster"
	labelFamily    = "com.amazonaws.ecs.task-definition-family"
	labelRevision  = "com.amazonaws.ecs.task-definition-version"
	labelContainer = "com.amazonaws.ecs.container-name"
)

// startDocker runs a container with Docker.
func (e *env) startDocker(ctx context.Context, s *site, t sandbox.Task, x sandbox.Container, mounts []mount, user string, out streams) (*running, error) {
	if len(x.Secrets) > 0 {
		return nil, usagef("container %s: the sandbox has neither Secrets Manager nor Parameter Store for secret %s", x.Name, x.Secrets[0].Name)
	}
	variables, err := e.dockerEnviron(s, x)
	if err != nil {
		return nil, err
	}
	id, err := docker(ctx, dockerCreate(t, x, mounts, user, variables)...)
	os.Remove(variables)
	if err != nil {
		return nil, failf(exitDenied, "container %s: %w", x.Name, err)
	}
	cmd := exec.Command("docker", "start", "--attach", id)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = nil, out.out, out.err
	if !out.shared {
		grouped(cmd)
	}
	return &running{name: x.Name, essential: x.Essential, as: started{Docker: id}, undo: func() {}, wait: func(ctx context.Context) (int, error) {
		// Versions of the command line differ in what they make of a signal:
		// the engine is asked to stop the container, and how it ended.
		beyond := context.WithoutCancel(ctx)
		defer context.AfterFunc(ctx, func() {
			docker(beyond, "stop", "--time", strconv.Itoa(int(patience.Seconds())), id)
		})()
		status, err := attended(beyond, cmd, (*exec.Cmd).Start, out.shared)
		out.close()
		if err == nil {
			status, err = dockerStatus(beyond, id, status)
		}
		// Whatever is left of it goes: the task has ended, or is ending.
		_, gone := docker(beyond, "rm", "--force", "--volumes", id)
		return status, errors.Join(err, gone)
	}}, nil
}

// dockerStatus is the exit status of a container, once it has ended; other if
// it never began.
func dockerStatus(ctx context.Context, id string, other int) (int, error) {
	state, err := docker(ctx, "inspect", "--format", "{{.State.Status}} {{.State.ExitCode}}", id)
	if err != nil {
		return 0, err
	}
	name, code, _ := strings.Cut(state, " ")
	switch name {
	case "created":
		return other, nil
	case "exited", "dead":
	default:
		if code, err = docker(ctx, "wait", id); err != nil {
			return 0, err
		}
	}
	return strconv.Atoi(code)
}

// dockerCreate are the arguments that make the container.
func dockerCreate(t sandbox.Task, x sandbox.Container, mounts []mount, user, variables string) []string {
	args := []string{
		"create", "--name", "mantle-" + t.ID + "-" + x.Name, "--network", "host", "--env-file", variables, "--init",
		"--label", labelTask + "=" + t.ARN, "--label", labelCluster + "=" + t.Cluster,
		"--label", labelFamily + "=" + t.Family, "--label", labelRevision + "=" + strconv.Itoa(int(t.Revision)),
		"--label", labelContainer + "=" + x.Name,
	}
	for _, k := range slices.Sorted(maps.Keys(x.Labels)) {
		args = append(args, "--label", k+"="+x.Labels[k])
	}
	for _, m := range inOrder(mounts) {
		spec := "type=bind,source=" + m.Source + ",target=" + m.Target
		if m.ReadOnly {
			spec += ",readonly"
		}
		args = append(args, "--mount", spec)
	}
	if user == "" {
		user = x.User
	}
	for _, o := range []struct{ flag, value string }{{"--user", user}, {"--workdir", x.WorkingDirectory}} {
		if o.value != "" {
			args = append(args, o.flag, o.value)
		}
	}
	for _, o := range []struct {
		flag  string
		value int32
		unit  string
	}{{"--cpu-shares", x.CPU, ""}, {"--memory", x.Memory, "m"}, {"--memory-reservation", x.MemoryReservation, "m"}} {
		if o.value > 0 {
			args = append(args, o.flag, strconv.Itoa(int(o.value))+o.unit)
		}
	}
	for _, o := range []struct {
		flag string
		is   bool
	}{{"--privileged", x.Privileged}, {"--read-only", x.ReadOnlyRoot}} {
		if o.is {
			args = append(args, o.flag)
		}
	}
	command := x.Command
	if len(x.EntryPoint) > 0 {
		args = append(args, "--entrypoint", x.EntryPoint[0])
		command = slices.Concat(x.EntryPoint[1:], x.Command)
	}
	return append(append(args, x.Image), command...)
}

// dockerEnviron writes the container's variables to a file that only this
// user can read: arguments can be read by all. The file is the caller's to
// remove.
func (e *env) dockerEnviron(s *site, x sandbox.Container) (string, error) {
	said := map[string]string{}
	for _, v := range x.Env {
		said[v.Name] = v.Value
	}
	variables := s.environ(nil, said)
	// The image's home is not the host's: what is in there is the task's.
	variables = slices.DeleteFunc(variables, func(kv string) bool {
		return kv == "AWS_CONFIG_FILE="+os.DevNull || kv == "AWS_SHARED_CREDENTIALS_FILE="+os.DevNull
	})
	for _, kv := range variables {
		if strings.ContainsAny(kv, "\r\n") {
			name, _, _ := strings.Cut(kv, "=")
			return "", usagef("container %s: variable %s has a line break, which Docker's --env-file cannot hold", x.Name, name).withHint("use --runner process")
		}
	}
	dir, err := e.runtimeDir()
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "env-"+filepath.Base(x.ARN))
	return path, replaceFile(path, []byte(strings.Join(variables, "\n")+"\n"))
}

// execDocker runs a command in a container of Docker's.
func (e *env) execDocker(ctx context.Context, id string, command []string) error {
	path, err := exec.LookPath("docker")
	if err != nil {
		return usagef("%w", err)
	}
	args := []string{"docker", "exec", "--interactive"}
	if isTerminal(e.Stdin) && isTerminal(e.Stdout) {
		args = append(args, "--tty")
	}
	cmd := &exec.Cmd{Path: path, Args: append(append(args, id), command...), Env: e.Environ}
	return e.handOn(ctx, cmd, (*exec.Cmd).Start)
}

// isTerminal tells whether a stream is a character device that a person may
// be at.
func isTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0 && f.Name() != os.DevNull
}
