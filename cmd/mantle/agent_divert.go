package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"sync"

	"github.com/spf13/cobra"

	"github.com/mantle-iam/mantle/internal/config"
	"github.com/mantle-iam/mantle/internal/redirect"
)

// diversion is what brings AWS's addresses to the agent while it runs.
type diversion struct {
	rules    redirect.Rules
	own      redirect.Addresses
	mode     config.Interception
	onStop   config.OnStop
	heldOpen bool // systemd listens when we are gone
	kept     redirect.Kept
	end      func()
}

// divert puts the interception in place and looks after it until its stop.
func (a *agentRun) divert(ctx context.Context, working *sync.WaitGroup, cfg *config.Config, opened []*openDoor) (*diversion, error) {
	d := &diversion{mode: cfg.Agent.Interception, onStop: cfg.Agent.OnStop, end: func() {}}
	doors := redirect.Named(cfg.Agent.Intercepts()...)
	var kept redirect.Kept
	switch d.mode {
	case config.InterceptRedirect:
		d.rules = redirect.Rules{Doors: doors, Open: true, Mark: a.mark, UID: uint32(os.Geteuid())}
		d.heldOpen = !slices.ContainsFunc(opened, func(o *openDoor) bool { return o.diverted && !o.inherited })
		kept = d.rules
	case config.InterceptAddress:
		for _, x := range doors {
			d.own = append(d.own, x.Addresses...)
		}
		kept = d.own
	default:
		return d, nil
	}
	if err := kept.Apply(); err != nil {
		return nil, &exitError{code: exitUsage, err: err}
	}
	d.kept = kept
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	d.end = func() { cancel(); <-done }
	working.Go(func() {
		defer close(done)
		redirect.Keep(ctx, kept, 0, func(err error) {
			a.ops.metrics.Repaired(err == nil)
			if err != nil {
				a.doors.log.Error("the interception is not in place and cannot be put back", "mode", d.mode, "error", err)
				return
			}
			a.doors.log.Warn("the interception was taken away by somebody and has been put back", "mode", d.mode)
		})
	})
	return d, nil
}

// stop leaves the addresses as the configuration wants them without an agent.
func (d *diversion) stop() error {
	d.end()
	var err error
	switch {
	case d.mode == config.InterceptRedirect && d.onStop == config.StopRemove:
		err = redirect.Remove()
	case d.mode == config.InterceptRedirect && d.heldOpen:
		// Connections wait in the sockets that systemd holds until the next
		// agent takes them. Nobody passes meanwhile.
		d.rules.Mark = 0
		err = d.rules.Apply()
	case d.mode == config.InterceptRedirect:
		d.rules.Open, d.rules.Mark = false, 0
		err = d.rules.Apply()
	case d.mode == config.InterceptAddress && d.onStop == config.StopRemove:
		err = d.own.Remove()
	}
	if err != nil {
		return &exitError{code: exitDenied, err: fmt.Errorf("end the interception: %w", err), hint: "mantle agent rules --remove takes it away"}
	}
	return nil
}

func agentRulesCommand(e *env) *cobra.Command {
	var print, dry, install, remove bool
	c := &cobra.Command{
		Use:   "rules [FILE|FOLDER]",
		Short: "Show, install or remove the rules that bring AWS's addresses to the agent",
		Long: `Rules is about interception = "redirect": the table "inet mantle" of nftables.

Without a flag it says how the table of this host stands: absent, closed (the
addresses are refused to everybody), open (they lead to the agent) or changed
by somebody else. The exit status is 0 if it is open or closed, 1 if not.

--install closes the addresses: a unit that runs it before the network is up
makes sure that no workload reaches the role of the host before the agent is
there. A running agent opens them again within seconds. --remove takes the
table away, and off lo the addresses of interception = "address". Both need
CAP_NET_ADMIN. --dry-run says what they would do.`,
		Example: `  mantle agent rules --print /etc/mantle/mantle.hcl
  mantle agent rules --install
  mantle agent rules --remove`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			if install && remove {
				return usagef("--install and --remove are opposites")
			}
			doors := []string{config.DoorMetadata, config.DoorContainer}
			cfg, err := e.optionalConfig(first(args))
			if err != nil {
				return e.configProblems(err)
			}
			if cfg != nil && cfg.Agent.Intercepts() != nil {
				doors = cfg.Agent.Intercepts()
			}
			return e.agentRules(doors, print, dry, install, remove)
		},
	}
	c.Flags().BoolVar(&print, "print", false, "print the table of a running agent in the syntax of nft, or with --install the closed one")
	c.Flags().BoolVar(&dry, "dry-run", false, "change nothing and say what would be changed")
	c.Flags().BoolVar(&install, "install", false, "refuse the addresses to everybody until an agent runs")
	c.Flags().BoolVar(&remove, "remove", false, "take the table away")
	return c
}

func (e *env) agentRules(names []string, print, dry, install, remove bool) error {
	doors := redirect.Named(names...)
	if print {
		// What a running agent installs, but for the mark that lets itself
		// through, which is made at its start.
		e.printf("%s", redirect.Rules{Doors: doors, Open: !install})
		return nil
	}
	before, err := redirect.Current()
	if err != nil {
		return &exitError{code: exitUnknown, err: err}
	}
	after := before
	switch {
	case install:
		after = redirect.Closed
		if !dry {
			err = redirect.Rules{Doors: doors}.Apply()
		}
	case remove:
		after = redirect.Absent
		if !dry {
			var own redirect.Addresses
			for _, d := range redirect.Doors() {
				own = append(own, d.Addresses...)
			}
			if err = redirect.Remove(); err == nil {
				err = own.Remove()
			}
		}
	}
	if err != nil {
		return &exitError{code: exitUsage, err: err}
	}
	out := map[string]any{"schema": schema, "table": "inet " + redirect.Table, "state": before}
	if install || remove {
		out["state"], out["before"], out["dry_run"] = after, before, dry
	}
	e.answer(out, func(w io.Writer) {
		switch {
		case dry && before != after:
			fmt.Fprintf(w, "table inet %s is %s and would be %s\n", redirect.Table, before, after)
		case before != after:
			fmt.Fprintf(w, "table inet %s was %s and is %s\n", redirect.Table, before, after)
		default:
			fmt.Fprintf(w, "table inet %s is %s\n", redirect.Table, before)
		}
	})
	if !install && !remove && before != redirect.Open && before != redirect.Closed {
		return &exitError{code: exitDenied}
	}
	return nil
}
