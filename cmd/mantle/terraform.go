package main

import (
	"github.com/spf13/cobra"

	"github.com/mantle-iam/mantle/internal/hostroles"
)

func terraformCommand(e *env) *cobra.Command {
	var setup hostroles.Setup
	c := &cobra.Command{
		Use:   "terraform [FILE|FOLDER]",
		Short: "Print the Terraform configuration of a host's roles",
		Long: `Terraform prints, from the roles of mantle.hcl, a Terraform configuration that
makes the host's role with an instance profile, and every role that it lends,
each letting in exactly who assumes it. It uses mantle's own modules; --source
says where they are.

What a workload may do under its role is not in a mantle.hcl: each role has a
place for it.`,
		Example: `  mantle terraform --host arn:aws:iam::111122223333:role/devbox > roles.tf
  mantle terraform examples/three-services --source ../modules > roles.tf`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			cfg, err := e.loadConfig(first(args))
			if err != nil {
				return e.configProblems(err)
			}
			if setup.Host, err = hostRole(cfg, setup.Host); err != nil {
				return err
			}
			setup.Region = cfg.Base.Region
			steps, err := stepsOf(cfg)
			if err != nil {
				return err
			}
			text, err := hostroles.Terraform(steps, setup)
			if err != nil {
				return &exitError{code: exitUsage, err: err}
			}
			if e.Output == "json" {
				return e.answer(map[string]any{"schema": schema, "host": setup.Host, "configuration": string(text)}, nil)
			}
			e.printf("%s", text)
			return nil
		},
	}
	c.Flags().StringVar(&setup.Host, "host", "", "ARN of the role that the host wears (default: that of the sandbox block)")
	c.Flags().BoolVar(&setup.Exists, "host-exists", false, "the host's role is there already: do not make it")
	c.Flags().StringVar(&setup.Source, "source", "git::https://github.com/mantle-iam/mantle.git//modules", "where Terraform finds mantle's modules: a path or an address")
	return c
}
