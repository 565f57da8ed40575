package main

import (
	"encoding/json"
	"slices"

	"github.com/spf13/cobra"

	"github.com/mantle-iam/mantle/iam/graph"
	"github.com/mantle-iam/mantle/internal/ask"
)

func graphCommand(e *env) *cobra.Command {
	var source sourceFlags
	var from, to, format string
	c := &cobra.Command{
		Use:   "graph",
		Short: "Draw who can become whom",
		Long: `Graph draws the roles of the accounts and who can take them on: a column for
each step, a colour for each account. Dashed arrows depend on conditions,
dotted ones on policies that are not in the data. The administrators of an
account are one node.`,
		Example: `  mantle graph --format svg > roles.svg
  mantle graph --from web --format mermaid
  mantle graph --to prod-data --terraform . --format dot | dot -Tpng > roles.png`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if e.Output == "json" {
				format = "json"
			}
			if !slices.Contains([]string{"dot", "svg", "mermaid", "json"}, format) {
				return usagef("there is no format %q", format).withHint("use --format dot, svg, mermaid or json")
			}
			a, err := e.asker(c.Context(), &source)
			if err != nil {
				return err
			}
			d, err := a.Drawing(from, to)
			if err != nil {
				return asked(err)
			}
			switch format {
			case "dot":
				return d.WriteDOT(e.Stdout)
			case "mermaid":
				return d.WriteMermaid(e.Stdout)
			case "svg":
				return ask.Draw(d, a.AccountName).WriteSVG(e.Stdout)
			}
			enc := json.NewEncoder(e.Stdout)
			enc.SetIndent("", "  ")
			enc.SetEscapeHTML(false)
			return enc.Encode(struct {
				Schema string `json:"schema"`
				*graph.Drawing
			}{schema, d})
		},
	}
	source.add(c)
	c.Flags().StringVar(&from, "from", "", "only what this principal can become")
	c.Flags().StringVar(&to, "to", "", "only who can become this role")
	c.Flags().StringVar(&format, "format", "dot", "dot, svg, mermaid or json")
	return c
}
