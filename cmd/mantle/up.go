package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"sync"
	"text/tabwriter"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/spf13/cobra"

	"github.com/mantle-iam/mantle/internal/config"
)

type upFlags struct {
	once  bool
	audit string
}

func upCommand(e *env) *cobra.Command {
	var f upFlags
	c := &cobra.Command{
		Use:   "up [FILE|FOLDER]",
		Short: "Start the services of a configuration, each under its own role",
		Long: `Up reads mantle.hcl, starts the sandbox if the file has one, opens an endpoint
for each workload's credentials, and starts the workloads that have a command.
Their output appears here, each line behind the workload's name.

Nobody but a workload itself gets its credentials: a container endpoint asks
for a token that only the workload was given, a metadata endpoint answers only
the workload's own processes. No key is written to a file, an environment or a
command line.

Up runs until Ctrl-C. With --once it ends when the workloads have ended, with
status 0 only if each of them did.`,
		Example: `  mantle up examples/three-services
  mantle up --once examples/three-services
  mantle up --audit audit.jsonl`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return e.up(c.Context(), first(args), f)
		},
	}
	c.Flags().BoolVar(&f.once, "once", false, "end when the workloads have ended")
	c.Flags().StringVar(&f.audit, "audit", "", "append a JSON line for each loan and refusal to this file (- for standard error)")
	return c
}

func (e *env) up(ctx context.Context, path string, f upFlags) error {
	cfg, err := e.loadConfig(path)
	if err != nil {
		return e.configProblems(err)
	}
	rules, err := cfg.Rules()
	if err != nil {
		return &exitError{code: exitUsage, err: err}
	}
	audit, closeAudit, err := e.auditTo(f.audit)
	if err != nil {
		return err
	}
	defer closeAudit()

	ctx, end := context.WithCancel(ctx)
	defer end()
	base, world, err := e.base(ctx, cfg)
	if err != nil {
		return err
	}
	defer world.close()
	lending := e.lend(ctx, base, rules, audit)
	var renewing sync.WaitGroup
	renewing.Go(func() { lending.Run(ctx) })
	defer renewing.Wait()
	defer end()

	doors := newDoors(lending, e.log())
	defer doors.running.Wait()
	defer end()
	var list []*door
	for _, w := range cfg.Workloads {
		region := base.Region
		if r := cfg.Role(w.Role); r != nil && r.Region != "" {
			region = r.Region
		}
		d, err := doors.open(ctx, w, cfg.Agent.Listen, region)
		if err != nil {
			return err
		}
		list = append(list, d)
	}
	if err := e.banner(ctx, cfg, lending, world, list); err != nil {
		return err
	}
	// Every role is borrowed before anything starts: what cannot work is said
	// at once, and no service waits for its first credentials.
	for _, w := range cfg.Workloads {
		if _, err := lending.borrow(ctx, w.Name); err != nil {
			if x, ok := errors.AsType[*exitError](err); ok {
				x.err = fmt.Errorf("workload %s: %w", w.Name, x.err)
			}
			return err
		}
	}
	return e.services(ctx, cfg, list, world, f.once, doors.failed)
}

// base is what mantle starts from: the embedded sandbox with its host role,
// or the SDK's default chain.
func (e *env) base(ctx context.Context, cfg *config.Config) (aws.Config, *world, error) {
	if cfg.Sandbox == nil {
		base, err := e.baseFrom(ctx, cfg.Base, 0)
		return base, nil, err
	}
	w, err := e.startSandbox(ctx, cfg)
	if err != nil {
		return aws.Config{}, nil, err
	}
	return w.base, w, nil
}

// banner says where everything is and who wears what.
func (e *env) banner(ctx context.Context, cfg *config.Config, l *lending, w *world, list []*door) error {
	me, _, err := l.identity(ctx)
	if err != nil {
		return err
	}
	type workload struct {
		Name     string `json:"name"`
		Role     string `json:"role"`
		Endpoint string `json:"endpoint"`
		URL      string `json:"url"`
	}
	var workloads []workload
	for i, d := range list {
		workloads = append(workloads, workload{d.Workload, cfg.Role(cfg.Workloads[i].Role).ARN, string(d.Endpoint), d.URL})
	}
	if e.Output == "json" {
		out := map[string]any{"schema": schema, "event": "up", "base": me, "workloads": workloads}
		if w != nil {
			out["sandbox"] = w.url
		}
		e.printf("%s\n", oneLine(out))
		return nil
	}
	t := tabwriter.NewWriter(e.Stdout, 0, 4, 3, ' ', 0)
	if w != nil {
		fmt.Fprintf(t, "sandbox\t%s\tIAM enforcement: ON\tstate: %s\n", w.url, w.state)
	}
	fmt.Fprintf(t, "base\t%s\n", me)
	t.Flush()
	fmt.Fprintln(e.Stdout)
	t = tabwriter.NewWriter(e.Stdout, 0, 4, 3, ' ', 0)
	fmt.Fprintln(t, "WORKLOAD\tROLE\tENDPOINT\tADDRESS")
	for _, w := range workloads {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", w.Name, w.Role, w.Endpoint, w.URL)
	}
	t.Flush()
	fmt.Fprintln(e.Stdout)
	return nil
}

// services runs the workloads' commands.
func (e *env) services(ctx context.Context, cfg *config.Config, list []*door, w *world, once bool, broken <-chan error) error {
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	var (
		running sync.WaitGroup
		mu      sync.Mutex // guards Stdout among the programs, and bad
		bad     []string
		started int
	)
	width := 0
	for _, x := range cfg.Workloads {
		width = max(width, len(x.Name))
	}
	for i, x := range cfg.Workloads {
		if len(x.Command) == 0 {
			continue
		}
		started++
		p := &program{
			Name: x.Name, Command: x.Command, Dir: workDir(cfg, x),
			Environ: childEnviron(w.clean(e.Environ), e.noProxy(), list[i].Env, w.env(), x.Env),
			Started: func(pid int) { list[i].pid.Store(int64(pid)) },
		}
		out := &prefixed{mu: &mu, w: e.Stdout, prefix: fmt.Sprintf("%-*s | ", width, x.Name)}
		if e.Output == "json" {
			p.Stdout, p.Stderr = &jsonLines{mu: &mu, w: e.Stdout, name: x.Name, stream: "stdout"}, &jsonLines{mu: &mu, w: e.Stdout, name: x.Name, stream: "stderr"}
		} else {
			p.Stdout, p.Stderr = out, out
		}
		running.Go(func() {
			status, err := p.run(ctx)
			for _, s := range []io.Writer{p.Stdout, p.Stderr} {
				s.(io.Closer).Close()
			}
			mu.Lock()
			defer mu.Unlock()
			if ctx.Err() != nil {
				return
			}
			text := fmt.Sprintf("%s ended with status %d", x.Name, status)
			if err != nil {
				text = fmt.Sprintf("%s: %s", x.Name, err)
			}
			if err != nil || status != 0 {
				bad = append(bad, text)
			}
			e.talkf("mantle: %s\n", text)
		})
	}
	done := make(chan struct{})
	go func() { running.Wait(); close(done) }()
	var failure error
	select {
	case <-ctx.Done():
	case failure = <-broken:
	case <-done:
		if !once && len(cfg.Workloads) > 0 {
			if started > 0 {
				e.talkf("mantle: all services have ended; the endpoints stay open until Ctrl-C\n")
			}
			select {
			case <-ctx.Done():
			case failure = <-broken:
			}
		}
	}
	interrupted := ctx.Err() != nil
	end(nil)
	<-done
	switch {
	case failure != nil:
		return &exitError{code: exitUnreachable, err: failure}
	case len(bad) > 0 && once:
		return failf(exitDenied, "%d of %s failed: %s", len(bad), count(started, "service"), bad[0])
	case interrupted && once:
		return &exitError{code: exitInterrupt, err: errors.New("interrupted before the services had ended")}
	}
	return nil
}

// workDir is where a workload's command starts: its dir, else the folder of
// the configuration.
func workDir(cfg *config.Config, w *config.Workload) string {
	if w.Dir != "" {
		return w.Dir
	}
	dir := filepath.Dir(cfg.Path)
	if abs, err := filepath.Abs(dir); err == nil {
		return abs
	}
	return dir
}

// jsonLines wraps each line that a program writes into a JSON event.
type jsonLines struct {
	mu           *sync.Mutex // guards w among all that share it
	w            io.Writer
	name, stream string
	lines        prefixed
}

func (j *jsonLines) Write(b []byte) (int, error) {
	if j.lines.mu == nil {
		j.lines = prefixed{mu: new(sync.Mutex), w: lineFunc(func(line string) {
			j.mu.Lock()
			defer j.mu.Unlock()
			fmt.Fprintln(j.w, oneLine(map[string]any{"event": "output", "workload": j.name, "stream": j.stream, "line": line}))
		})}
	}
	return j.lines.Write(b)
}

func (j *jsonLines) Close() error {
	if j.lines.mu == nil {
		return nil
	}
	return j.lines.Close()
}

// lineFunc receives whole lines.
type lineFunc func(string)

func (f lineFunc) Write(b []byte) (int, error) {
	f(string(b[:max(0, len(b)-1)]))
	return len(b), nil
}
