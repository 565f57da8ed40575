package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"os/user"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/mantle-iam/mantle/internal/chain"
	"github.com/mantle-iam/mantle/internal/chain/live"
	"github.com/mantle-iam/mantle/internal/doctor"
	"github.com/mantle-iam/mantle/sandbox"
)

// subjectFlags name the program that is examined, and the SDK that it has.
type subjectFlags struct {
	pid                        int
	in, container, listen, sdk string
}

func (f *subjectFlags) add(c *cobra.Command) {
	fs := c.Flags()
	fs.StringVar(&f.sdk, "sdk", "cli", "whose rules to follow: "+strings.Join(chain.Names(), ", "))
	fs.IntVar(&f.pid, "pid", 0, "examine this process instead of a program started here (Linux; root, or its user)")
	fs.StringVar(&f.in, "in", "", "examine a program in this container, or on this instance or in this task of the sandbox")
	fs.StringVar(&f.container, "container", "", "container of the task (default its first)")
	fs.StringVar(&f.listen, "listen", "", "address of the sandbox (default that of AWS_ENDPOINT_URL, or "+defaultListen+")")
}

// subject is the program that is examined.
type subject struct {
	what      string
	s         *chain.Surroundings
	w         *live.World
	sdk       *chain.SDK
	container bool
	dirs      []string // where it may have its packages
}

// elsewhere says that the question was answered by mantle itself, started where
// the program would be. err is how that ended.
type elsewhere struct{ err error }

func (elsewhere) Error() string { return "answered elsewhere" }

// subject finds the program. With an [elsewhere] error the verb with the
// arguments has run in the place and the answer is printed.
func (e *env) subject(ctx context.Context, f *subjectFlags, verb ...string) (*subject, error) {
	sdk := chain.ByName(f.sdk)
	if sdk == nil {
		return nil, usagef("there are no rules for SDK %q", f.sdk).withHint("use one of " + strings.Join(chain.Names(), ", "))
	}
	if f.pid != 0 && f.in != "" {
		return nil, usagef("--pid and --in name two programs").withHint("leave out one of them")
	}
	if f.container != "" && !isTaskID(f.in) {
		return nil, usagef("--container belongs to a task, which --in has to name")
	}
	x := &subject{sdk: sdk}
	var err error
	switch {
	case f.pid != 0:
		x.what = "process " + strconv.Itoa(f.pid)
		if dir, err := os.Readlink("/proc/" + strconv.Itoa(f.pid) + "/cwd"); err == nil {
			x.dirs = append(x.dirs, dir)
		}
		x.s, x.w, err = live.Process(f.pid)
	case sandbox.IsInstanceID(f.in) || isTaskID(f.in):
		err = e.subjectInSandbox(ctx, f, x, append(verb, "--sdk", f.sdk, "--output", e.Output))
	case f.in != "":
		err = e.subjectInDocker(ctx, f.in, x)
	default:
		x.what = "a program started here"
		name, home := strconv.Itoa(os.Getuid()), ""
		if me, err := user.Current(); err == nil {
			name, home = me.Username, me.HomeDir
		}
		x.s, x.w = live.Surroundings(e.Environ, name, home), live.Own(e.Environ)
		x.container = x.inContainer()
		return x, nil
	}
	if err != nil {
		return nil, unseen(err)
	}
	x.container = x.w.Apart()
	return x, nil
}

// unseen is a failure to look at another program.
func unseen(err error) error {
	switch {
	case errors.Is(err, fs.ErrPermission):
		return (&exitError{code: exitUnknown, err: err}).withHint("run as root, or as the user whose process it is")
	case errors.Is(err, fs.ErrNotExist):
		return &exitError{code: exitUsage, err: err}
	}
	return err
}

// subjectInDocker is the first process of a container of Docker's.
func (e *env) subjectInDocker(ctx context.Context, name string, x *subject) error {
	out, err := docker(ctx, "inspect", "--type", "container", "--format", "{{.State.Pid}} {{.Config.WorkingDir}}", name)
	if err != nil {
		return usagef("--in %s: %w", name, err).withHint("name a container of Docker's, or an instance (i-…) or task of the sandbox")
	}
	number, dir, _ := strings.Cut(out, " ")
	pid, err := strconv.Atoi(number)
	if err != nil || pid == 0 {
		return failf(exitUnknown, "container %s does not run", name).withHint("start it, then ask again")
	}
	x.what, x.dirs = "container "+name, []string{dir}
	x.s, x.w, err = live.Process(pid)
	return err
}

// subjectInSandbox is a program on an instance, or in a task.
func (e *env) subjectInSandbox(ctx context.Context, f *subjectFlags, x *subject, verb []string) error {
	ctl, err := e.controllerOf(f.listen)
	if err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	if sandbox.IsInstanceID(f.in) {
		return elsewhere{e.execInstance(ctx, ctl, f.in, networkAuto, append([]string{self}, verb...))}
	}
	t, err := ctl.task(ctx, f.in)
	if err != nil {
		return absence(err)
	}
	c, err := containerOf(t.Task, f.container)
	if err != nil {
		return err
	}
	var runs started
	if t.Run != nil {
		runs = t.Run.Containers[c.Name]
	}
	x.what = fmt.Sprintf("container %s of task %s", c.Name, t.ID)
	switch {
	case runs.Docker != "":
		return e.subjectInDocker(ctx, runs.Docker, x)
	case runs.Own && alive(runs):
		who := live.User{UID: runs.Spec.UID, GID: runs.Spec.GID}
		if who.UID < 0 {
			who.UID, who.GID = os.Getuid(), os.Getgid()
		}
		for _, g := range runs.Spec.Groups {
			who.Groups = append(who.Groups, uint32(g))
		}
		x.dirs = []string{runs.Spec.Dir}
		furnished(ctx, runs.PID)
		x.s, x.w, err = live.Beside(runs.PID, runs.Spec.Env, who)
		return err
	}
	return elsewhere{e.execTask(ctx, ctl, f.in, f.container, networkAuto, append([]string{self}, verb...))}
}

// furnished waits until the first process of a place has made it ready, which
// it has once it has started the command. A place that takes too long is taken
// as it is.
func furnished(ctx context.Context, pid int) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		// A child belongs to the thread that started it.
		threads, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
		if err != nil {
			return
		}
		for _, t := range threads {
			children, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%s/children", pid, t.Name()))
			if err != nil || len(children) > 0 {
				return
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// inContainer tells whether this process is in a container.
func (x *subject) inContainer() bool {
	for _, name := range []string{"ECS_CONTAINER_METADATA_URI_V4", "ECS_CONTAINER_METADATA_URI", "KUBERNETES_SERVICE_HOST"} {
		if x.s.Environ[name] != "" {
			return true
		}
	}
	for _, file := range []string{"/.dockerenv", "/run/.containerenv"} {
		if _, err := x.w.Look(file); err == nil {
			return true
		}
	}
	return false
}

// examined is a program with what was found of it.
type examined struct {
	*subject
	trace    *chain.Trace
	identity chain.Identity
	err      error // of asking STS who it is
	checks   []doctor.Check
}

// examine walks the program's chain, asks STS who it ends up as, and applies
// the rules.
func (x *subject) examine(ctx context.Context) *examined {
	out := &examined{subject: x, trace: chain.Walk(ctx, x.w, x.s, x.sdk)}
	t := out.trace
	p := &doctor.Program{Surroundings: x.s, Trace: t, Look: x.w.Look, Container: x.container}
	if t.Credentials != nil {
		out.identity, out.err = x.w.Identity(ctx, *t.Credentials, t.Endpoint)
		p.Identity, p.Now = out.identity, time.Now()
	}
	if x.container && t.ContainerURL != "" && t.Metadata == nil {
		const address = "http://169.254.169.254/latest/api/token"
		if a, err := x.w.Do(ctx, http.MethodPut, address, http.Header{"X-Aws-Ec2-Metadata-Token-Ttl-Seconds": {"60"}}); err == nil {
			p.Metadata = a.Status
		}
	}
	if t.ContainerURL != "" {
		for _, s := range x.w.SDKs(x.dirs...) {
			p.SDKs = append(p.SDKs, doctor.SDK(s))
		}
	}
	out.checks = doctor.Examine(p)
	return out
}

// blocked is what a call of the program would fail with, "" if none would.
func (x *examined) blocked() string {
	switch t := x.trace; {
	case t.Blocked != "":
		return t.Blocked
	case t.Err != "":
		return t.Err
	case x.err != nil:
		return "An error occurred " + x.err.Error()
	}
	return ""
}

// outcome is the exit status of the question who the program is.
func (x *examined) outcome() error {
	why := x.blocked()
	switch {
	case x.trace.Undecided != "":
		return failf(exitUnknown, "cannot tell who it is: %s", x.trace.Undecided)
	case why == "":
		return nil
	case strings.Contains(why, "STS does not answer"):
		return failf(exitUnreachable, "%s", strings.TrimPrefix(why, "An error occurred "))
	}
	return &exitError{code: exitDenied}
}

// told is the program in the words of an answer.
func (x *examined) told() string {
	home := "no HOME"
	if x.s.Home != "" {
		home = "HOME=" + x.s.Home
	}
	return fmt.Sprintf("%s: user %s, %s, %s", x.what, x.s.User, home, x.sdk.Title)
}
