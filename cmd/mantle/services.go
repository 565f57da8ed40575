package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/mantle-iam/mantle/sandbox"
)

func sandboxServicesCommand(e *env) *cobra.Command {
	var absent bool
	c := &cobra.Command{
		Use:   "services [SERVICE...]",
		Short: "List what the sandbox has of each AWS API, and what it lacks",
		Long: `Services lists the operations that the sandbox answers, from the tables that
answer them. Whatever is not listed is refused by name.`,
		Example: `  mantle sandbox services
  mantle sandbox services iam --absent
  mantle sandbox services --output json`,
		RunE: func(_ *cobra.Command, args []string) error {
			all, err := coverage()
			if err != nil {
				return err
			}
			if len(args) > 0 {
				for _, a := range args {
					if !slices.ContainsFunc(all, func(c sandbox.Coverage) bool { return c.Service == a }) {
						return usagef("the sandbox knows no service %q", a)
					}
				}
				all = slices.DeleteFunc(all, func(c sandbox.Coverage) bool { return !slices.Contains(args, c.Service) })
			}
			return e.answer(map[string]any{"schema": schema, "services": all}, func(w io.Writer) {
				for _, c := range all {
					fmt.Fprintf(w, "%-12s %d of %d operations\n", c.Service, len(c.Implemented), len(c.Implemented)+len(c.Absent))
					if len(args) == 0 && !absent {
						continue
					}
					list := c.Implemented
					if absent {
						list = c.Absent
					}
					for _, op := range list {
						if lacks := c.Partial[op]; lacks != "" {
							op += "   partial: " + lacks
						}
						fmt.Fprintf(w, "  %s\n", op)
					}
				}
			})
		},
	}
	c.Flags().BoolVar(&absent, "absent", false, "list what is missing instead")
	return c
}

func coverage() ([]sandbox.Coverage, error) {
	s, err := sandbox.New(sandbox.Options{})
	if err != nil {
		return nil, err
	}
	defer s.Close()
	return s.Conformance()
}

// conformance is docs/sandbox-services.md.
func conformance(all []sandbox.Coverage) string {
	var b strings.Builder
	b.WriteString("# What the sandbox has of AWS\n\nGenerated from the tables that answer the calls. Whatever is not listed is refused by name with a client error. `mantle sandbox services --absent` lists that as well.\n")
	for _, c := range all {
		fmt.Fprintf(&b, "\n## %s\n\n", c.Service)
		if len(c.Implemented) == 0 {
			fmt.Fprintf(&b, "Not implemented; its %d operations are refused.\n", len(c.Absent))
			continue
		}
		fmt.Fprintf(&b, "%d of %d operations: %s.\n", len(c.Implemented), len(c.Implemented)+len(c.Absent), strings.Join(c.Implemented, ", "))
		for _, op := range slices.Sorted(maps.Keys(c.Partial)) {
			fmt.Fprintf(&b, "\n- %s: %s", op, c.Partial[op])
		}
		if len(c.Partial) > 0 {
			b.WriteString("\n")
		}
	}
	return b.String()
}
