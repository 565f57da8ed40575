package main

import (
	"context"
	"fmt"
	"io"
	"sync"

	"github.com/spf13/cobra"

	"github.com/mantle-iam/mantle/agent"
	"github.com/mantle-iam/mantle/broker"
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

A process finds the container endpoint by
AWS_CONTAINER_CREDENTIALS_FULL_URI=http://ADDRESS/v1/credentials, the metadata
endpoint by AWS_EC2_METADATA_SERVICE_ENDPOINT=http://ADDRESS.`,
		Example: `  mantle agent /etc/mantle/mantle.hcl
  mantle agent --audit /var/log/mantle/audit.jsonl`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return e.agent(c.Context(), first(args), audit)
		},
	}
	c.Flags().StringVar(&audit, "audit", "", "append a JSON line for each loan and refusal to this file (- for standard error)")
	return c
}

func (e *env) agent(ctx context.Context, path, auditFile string) error {
	cfg, err := e.loadConfig(path)
	if err != nil {
		return e.configProblems(err)
	}
	if cfg.Sandbox != nil {
		return usagef("%s: the agent does not start a sandbox", cfg.Sandbox.Where.Position).withHint("use mantle up for this file, or take the sandbox block out and point base at a running sandbox")
	}
	rules, err := cfg.Rules()
	if err != nil {
		return &exitError{code: exitUsage, err: err}
	}
	audit, closeAudit, err := e.auditTo(auditFile)
	if err != nil {
		return err
	}
	defer closeAudit()
	base, err := e.baseConfig(ctx, cfg.Base.Profile, cfg.Base.Region)
	if err != nil {
		return err
	}
	lending := e.lend(ctx, base, rules, audit)

	container, err := listenOn(cfg.Agent.Listen)
	if err != nil {
		return err
	}
	ctx, end := context.WithCancel(ctx)
	defer end()
	doors := newDoors(lending, e.log())
	var renewing sync.WaitGroup
	renewing.Go(func() { lending.Run(ctx) })
	defer renewing.Wait()
	defer doors.running.Wait()
	defer end()
	opt := agent.ServeOptions{Identifier: doors.kernel, Log: doors.log}
	doors.serve(ctx, container, agent.NewECS(lending, doors.workloads, agent.ECSOptions{Log: doors.log}), opt)
	out := map[string]any{"schema": schema, "event": "ready", "container": "http://" + container.Addr().String()}
	if cfg.Agent.Metadata != "" {
		ln, err := listenOn(cfg.Agent.Metadata)
		if err != nil {
			return err
		}
		out["metadata"] = "http://" + ln.Addr().String()
		v1 := map[string]bool{}
		for _, w := range cfg.Workloads {
			v1[w.Name] = w.IMDSv1
		}
		doors.serve(ctx, ln, agent.NewIMDS(lending, agent.IMDSOptions{
			Instance: func(c broker.Caller) agent.Instance {
				return agent.Instance{ID: agent.InstanceID(rules.Decide(c).Rule), Region: base.Region}
			},
			AllowV1: func(c broker.Caller) bool { return v1[rules.Decide(c).Rule] },
			Log:     doors.log,
		}), opt)
	}
	if e.Output == "json" {
		e.printf("%s\n", oneLine(out))
	} else {
		e.answer(nil, func(w io.Writer) {
			fmt.Fprintf(w, "mantle agent  container %s/v1/credentials\n", out["container"])
			if m, ok := out["metadata"]; ok {
				fmt.Fprintf(w, "mantle agent  metadata  %s\n", m)
			}
			fmt.Fprintf(w, "%s known\n", count(len(rules), "workload"))
		})
	}
	select {
	case <-ctx.Done():
		return nil
	case err := <-doors.failed:
		return &exitError{code: exitUnreachable, err: err}
	}
}
