package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

// commands is the whole of the command line: a verb is a row here and a
// file of its own.
var commands = []func(*env) *cobra.Command{
	upCommand,
	agentCommand,
	runCommand,
	envCommand,
	credentialProcessCommand,
	whoamiCommand,
	sandboxCommand,
	decideCommand,
	checkCommand,
	configCommand,
	canCommand,
	whoCanCommand,
	explainCommand,
	graphCommand,
	policyCommand,
	terraformCommand,
	recordCommand,
	doctorCommand,
	metaCommand,
	versionCommand,
	manCommand,
}

func rootCommand(e *env) *cobra.Command {
	root := &cobra.Command{
		Use:   "mantle",
		Short: "Every workload wears its own AWS role",
		Long: `mantle hands every workload of a host (a process, a unit, a service of a
compose file) the short-lived credentials of its own AWS role, through the
endpoints that AWS SDKs already speak. The application does not change.

It carries an AWS of its own to try things in (mantle sandbox), with IAM
always enforced, so that none of this needs an account.`,
		Example: `  mantle up examples/three-services          # three services, three roles, no AWS account
  mantle run --role app -- ./server          # one program under one role
  mantle sandbox up --account dev=111122223333
  mantle config validate mantle.hcl`,
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          cobra.NoArgs,
		RunE:          func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	root.PersistentFlags().StringVarP(&e.Output, "output", "o", "text", "what results look like: text or json")
	root.SetIn(e.Stdin)
	root.SetOut(e.Stdout)
	root.SetErr(e.Stderr)
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return &exitError{code: exitUsage, err: err, hint: fmt.Sprintf("see %s --help", c.CommandPath())}
	})
	root.SetUsageTemplate(usage)
	for _, verb := range commands {
		root.AddCommand(verb(e))
	}
	return root
}

// usage puts the examples first: they are what most people look for.
const usage = `{{if .HasExample}}Examples:
{{.Example}}

{{end}}Usage:
  {{.UseLine}}{{if .HasAvailableSubCommands}}
  {{.CommandPath}} [command]

Commands:{{range .Commands}}{{if .IsAvailableCommand}}
  {{rpad .Name .NamePadding}} {{.Short}}{{end}}{{end}}{{end}}{{if .HasAvailableLocalFlags}}

Flags:
{{.LocalFlags.FlagUsages | trimTrailingWhitespaces}}{{end}}{{if .HasAvailableInheritedFlags}}

Flags of every command:
{{.InheritedFlags.FlagUsages | trimTrailingWhitespaces}}{{end}}
`

// run is the program without the process around it. It returns the exit
// status.
func run(ctx context.Context, args []string, e *env) int {
	root := rootCommand(e)
	root.SetArgs(args)
	err := e.check()
	if err == nil {
		root.PersistentPreRunE = func(c *cobra.Command, _ []string) error {
			if e.Output != "text" && e.Output != "json" && (e.Output == "" || e.Output != c.Annotations["outputs"]) {
				return usagef("there is no output format %q", e.Output).withHint("use --output text or --output json")
			}
			return nil
		}
		err = root.ExecuteContext(ctx)
	}
	return e.report(ctx, err)
}

// report tells the user about an error and picks the exit status.
func (e *env) report(ctx context.Context, err error) int {
	if err == nil {
		return exitOK
	}
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		return exitInterrupt
	}
	x, ok := errors.AsType[*exitError](err)
	if !ok {
		// What cobra itself finds wrong with a command line has no type.
		x = &exitError{code: exitUsage, err: err}
		if !strings.HasPrefix(err.Error(), "unknown command") && !strings.Contains(err.Error(), "flag") && !strings.Contains(err.Error(), "arg") {
			x.code = exitDenied
		}
	}
	x.write(e.Stderr)
	return x.code
}

// check refuses settings that mantle would otherwise ignore without a word.
func (e *env) check() error {
	for _, kv := range e.Environ {
		name, _, _ := strings.Cut(kv, "=")
		if !strings.HasPrefix(name, "MANTLE_") || strings.HasPrefix(name, "MANTLE_TEST_") {
			continue
		}
		if _, ok := settings[name]; !ok {
			return usagef("there is no setting %s", name).withHint("mantle reads " + strings.Join(settingNames(), ", ") + "; remove what it does not know")
		}
	}
	return nil
}
