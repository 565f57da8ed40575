package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/spf13/cobra"

	"github.com/mantle-iam/mantle/agent"
	"github.com/mantle-iam/mantle/broker"
	"github.com/mantle-iam/mantle/internal/config"
	"github.com/mantle-iam/mantle/internal/redirect"
)

func agentCommand(e *env) *cobra.Command {
	var audit string
	c := &cobra.Command{
		Use:   "agent [FILE|FOLDER]",
		Short: "Serve the workloads of this host, known by the kernel",
		Long: `Agent opens the endpoints that the agent block of mantle.hcl names, and gives
every process that a workload's match block describes the credentials of that
workload's role. Who calls is what the kernel says of the connection: the
user, the program, the systemd unit. A caller that no workload matches, or
more than one, gets nothing.

With interception = "redirect" or "address" a process needs nothing: what its
SDK asks of 169.254.169.254 or 169.254.170.2 comes to the agent. Without, it
finds the container endpoint by
AWS_CONTAINER_CREDENTIALS_FULL_URI=http://ADDRESS/v1/credentials, the metadata
endpoint by AWS_EC2_METADATA_SERVICE_ENDPOINT=http://ADDRESS, and the socket by
mantle credential-process.

The configuration is read again when it changes, and on SIGHUP. One that is
not sound changes nothing. Under systemd the agent takes over the sockets that
it is given (FileDescriptorName=container, metadata, pod_identity, socket), so
that a restart leaves no gap.`,
		Example: `  mantle agent /etc/mantle/mantle.hcl
  mantle agent --audit /var/log/mantle/audit.jsonl
  mantle agent ps --watch
  mantle agent rules --print /etc/mantle/mantle.hcl`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return e.agent(c.Context(), first(args), audit)
		},
	}
	c.Flags().StringVar(&audit, "audit", "", "write a JSON line for each loan and refusal to this file, to - (standard error) or to journald")
	c.AddCommand(agentRulesCommand(e), agentPsCommand(e), agentStatusCommand(e))
	return c
}

// agentRun is one running agent.
type agentRun struct {
	*env
	path      string // of the configuration, as it was named
	now       atomic.Pointer[view]
	base      aws.Config
	mark      uint32
	lending   *lending
	doors     *doors
	who       agent.Identifier
	places    *directories
	inherited map[string][]net.Listener // by name, until they are taken
	record    *slog.Logger              // the audit log, nil without one
	ops       *operations
	tokens    *tokenFolder // nil without one
}

// view is what a new configuration replaces while the agent runs.
type view struct {
	cfg   *config.Config
	rules broker.Rules
	v1    map[string]bool        // workloads whose metadata needs no token
	in    map[string]string      // the region of each workload
	allow func(path string) bool // what is handed on of real metadata
}

func newView(cfg *config.Config, base string) (*view, error) {
	rules, err := cfg.Rules()
	if err != nil {
		return nil, err
	}
	v := &view{cfg: cfg, rules: rules, v1: map[string]bool{}, in: map[string]string{}}
	for _, w := range cfg.Workloads {
		v.v1[w.Name] = w.IMDSv1
		v.in[w.Name] = base
		if r := cfg.Role(w.Role); r != nil && r.Region != "" {
			v.in[w.Name] = r.Region
		}
	}
	v.allow, err = agent.MetadataPaths(cfg.Agent.Allow...)
	return v, err
}

func (e *env) agent(ctx context.Context, path, auditFile string) error {
	cfg, err := e.loadConfig(path)
	if err != nil {
		return e.configProblems(err)
	}
	if cfg.Sandbox != nil {
		return usagef("%s: the agent does not start a sandbox", cfg.Sandbox.Where.Position).withHint("use mantle up for this file, or take the sandbox block out and point base at a running sandbox")
	}
	if e.get("GOGC") == "" {
		// An agent makes little garbage and waits most of the time: less memory
		// is worth more than the processor time of a few more collections.
		debug.SetGCPercent(50)
	}
	a := &agentRun{env: e, path: path}
	if cfg.Agent.Interception == config.InterceptRedirect {
		a.mark = redirect.NewMark()
	}
	if a.base, err = e.baseFrom(ctx, cfg.Base, a.mark); err != nil {
		return err
	}
	v, err := newView(cfg, a.base.Region)
	if err != nil {
		return &exitError{code: exitUsage, err: err}
	}
	a.now.Store(v)
	if a.ops, err = e.operations(a, auditFile); err != nil {
		return err
	}
	defer a.ops.close()
	if a.ops.audit != nil {
		a.record = a.ops.audit.Logger()
	}
	keeping, err := a.openCache(cfg)
	if err != nil {
		return err
	}
	audit := a.ops.event
	if keeping != nil {
		audit = keeping.tee(audit)
	}
	a.lending = e.lend(ctx, a.base, v.rules, audit)
	if keeping != nil {
		keeping.restore(a.lending.Broker)
	}
	if a.inherited, err = handedOver(); err != nil {
		return err
	}

	// The doors stay open a moment longer than ctx, until the addresses lead
	// elsewhere.
	serving, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	a.doors = newDoors(a.lending, e.log())
	var working sync.WaitGroup
	defer working.Wait()
	defer end()
	a.places = newDirectories(serving, &working, e.log(), a.lending.Prefetch)
	a.places.get = e.get
	if err := a.places.follow(cfg); err != nil {
		return usagef("%w", err)
	}
	a.who = notSelf{a.places.who}
	working.Go(func() { a.lending.Run(serving) })
	if keeping != nil {
		working.Go(func() { keeping.run(serving) })
	}
	defer a.doors.running.Wait()
	defer end()

	if err := a.ops.serve(serving, &working, cfg.Agent.Metrics); err != nil {
		return err
	}
	opened, err := a.open(serving, cfg)
	if err != nil {
		return err
	}
	if cfg.Agent.Tokens != "" {
		if a.tokens, err = openTokens(cfg.Agent.Tokens, containerURL(opened), a.doors.workloads, v.rules); err != nil {
			return &exitError{code: exitUsage, err: err}
		}
		defer func() {
			end()
			working.Wait() // a reload may be writing there
			a.tokens.close()
		}()
	}
	diverting, err := a.divert(serving, &working, cfg, opened)
	if err != nil {
		return err
	}
	a.ops.opened(opened, diverting)
	working.Go(func() { a.watch(serving) })
	working.Go(func() { a.prefetch(serving) })
	a.announce(opened, cfg)
	notify("READY=1")
	working.Go(func() { watchdog(serving) })
	working.Go(func() { lightenLater(serving) })
	select {
	case <-ctx.Done():
		notify("STOPPING=1")
		return diverting.stop()
	case err := <-a.doors.failed:
		diverting.stop()
		return &exitError{code: exitUnreachable, err: err}
	}
}

// notSelf finds out who calls, and knows nobody in the agent itself: its own SDK
// may look for credentials at an address that leads back here, and would wait
// for an answer that waits for its own.
type notSelf struct {
	identifier
}

// identifier is an agent.Identifier that can look again.
type identifier interface {
	agent.Identifier
	agent.Checker
}

// Identify is that of the identifier below, for everybody else.
func (n notSelf) Identify(c net.Conn) (broker.Caller, error) {
	who, err := n.identifier.Identify(c)
	if err == nil && who.PID == os.Getpid() {
		return broker.Caller{}, errors.New("the agent does not lend to itself; name the source of its own credentials in the base block")
	}
	return who, err
}

// prefetch has the credentials of every workload made whose names depend on
// nothing but the workload, so that the first to ask need not wait. Many are
// made one after the other: who asks meanwhile must find room in the budget of
// calls.
func (a *agentRun) prefetch(ctx context.Context) {
	for i, r := range a.now.Load().rules {
		if i >= prefetchAtOnce {
			select {
			case <-ctx.Done():
				return
			case <-time.After(prefetchEvery):
			}
		}
		// Whom no loan can be made for yet is told when it asks.
		_ = a.lending.Prefetch(broker.Caller{Workload: r.Name, UID: -1, GID: -1, PID: -1, How: broker.ByListener})
	}
}

// Half of the budget's burst and of its rate, see broker.Options.
const (
	prefetchAtOnce = 50
	prefetchEvery  = 40 * time.Millisecond
)

// announce says where the doors are, in one line of JSON or for people.
func (a *agentRun) announce(opened []*openDoor, cfg *config.Config) {
	if a.Output == "json" {
		out := map[string]any{"schema": schema, "event": "ready"}
		for _, o := range opened {
			if _, said := out[o.name]; !said {
				out[o.name] = o.url
			}
		}
		if a.ops.address != "" {
			out["metrics"] = a.ops.address
		}
		if m := cfg.Agent.Interception; m != "" && m != config.InterceptNone {
			out["interception"] = m
		}
		a.printf("%s\n", oneLine(out))
		return
	}
	a.answer(nil, func(w io.Writer) {
		for _, o := range opened {
			where := o.url
			if o.name == config.DoorContainer {
				where += "/v1/credentials"
			}
			fmt.Fprintf(w, "mantle agent  %-12s %s\n", o.name, where)
		}
		if a.ops.address != "" {
			fmt.Fprintf(w, "mantle agent  %-12s %s/metrics\n", "metrics", a.ops.address)
		}
		if doors := cfg.Agent.Intercepts(); len(doors) > 0 {
			var to []string
			for _, d := range redirect.Named(doors...) {
				for _, addr := range d.Addresses {
					to = append(to, addr.String())
				}
			}
			fmt.Fprintf(w, "mantle agent  %-12s %s\n", cfg.Agent.Interception, strings.Join(to, ", "))
		}
		fmt.Fprintf(w, "%s known\n", count(len(a.now.Load().rules), "workload"))
	})
}
