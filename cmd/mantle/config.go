package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/spf13/cobra"

	"github.com/mantle-iam/mantle/internal/config"
)

func configCommand(e *env) *cobra.Command {
	c := &cobra.Command{
		Use:   "config",
		Short: "Look at a configuration",
		Args:  cobra.NoArgs,
		RunE:  func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(configValidateCommand(e), configReferenceCommand(e))
	return c
}

func configValidateCommand(e *env) *cobra.Command {
	return &cobra.Command{
		Use:   "validate [FILE|FOLDER]",
		Short: "Check a configuration and say everything that is wrong with it",
		Long: `Validate reads mantle.hcl (or its JSON form), checks it, and prints every
problem with its position, the line and the cure. Exit status 0 means that
the file is sound, 2 that it is not.`,
		Example: `  mantle config validate
  mantle config validate examples/three-services --output json`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			c, err := e.loadConfig(first(args))
			if err != nil {
				return e.configProblems(err)
			}
			return e.answer(map[string]any{"schema": schema, "file": c.Path, "valid": true, "roles": len(c.Roles), "workloads": len(c.Workloads)},
				func(w io.Writer) {
					fmt.Fprintf(w, "%s is sound: %s, %s\n", c.Path, count(len(c.Roles), "role"), count(len(c.Workloads), "workload"))
				})
		},
	}
}

// configProblems prints the problems of a file as JSON where that is asked
// for; the error alone is for people.
func (e *env) configProblems(err error) error {
	bad, ok := errors.AsType[*config.Error](err)
	if !ok || e.Output != "json" {
		return err
	}
	type problem struct {
		File    string `json:"file"`
		Line    int    `json:"line"`
		Column  int    `json:"column"`
		Summary string `json:"summary"`
		Hint    string `json:"hint,omitempty"`
	}
	var list []problem
	for _, p := range bad.Problems {
		list = append(list, problem{p.Position.File, p.Position.Line, p.Position.Column, p.Summary, p.Hint})
	}
	e.answer(map[string]any{"schema": schema, "valid": false, "problems": list}, nil)
	return &exitError{code: exitUsage}
}

func configReferenceCommand(e *env) *cobra.Command {
	return &cobra.Command{
		Use:     "reference",
		Short:   "Print every block and argument of mantle.hcl",
		Example: `  mantle config reference`,
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			e.printf("%s", config.Reference())
			return nil
		},
	}
}

// loadConfig reads the configuration that the user names, else MANTLE_CONFIG,
// else the one in the working folder.
func (e *env) loadConfig(path string) (*config.Config, error) {
	if path == "" {
		path = e.get("MANTLE_CONFIG")
	}
	if path == "" {
		path = "."
	}
	c, err := config.Source{LookupEnv: e.lookup}.Load(path)
	if err == nil {
		return c, nil
	}
	x := &exitError{code: exitUsage, err: err}
	if errors.Is(err, fs.ErrNotExist) {
		x.hint = "name a file or a folder that has a mantle.hcl, or start from examples/three-services"
	}
	return nil, x
}

// optionalConfig is loadConfig where there need not be a configuration.
func (e *env) optionalConfig(path string) (*config.Config, error) {
	if path == "" && e.get("MANTLE_CONFIG") == "" {
		if _, err := os.Stat(config.FileName); err != nil {
			if _, err := os.Stat(config.FileName + ".json"); err != nil {
				return nil, nil
			}
		}
	}
	return e.loadConfig(path)
}

func first(args []string) string {
	if len(args) == 0 {
		return ""
	}
	return args[0]
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
