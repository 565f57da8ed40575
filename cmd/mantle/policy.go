package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/mantle-iam/mantle/broker"
	"github.com/mantle-iam/mantle/internal/config"
	"github.com/mantle-iam/mantle/internal/hostroles"
)

func policyCommand(e *env) *cobra.Command {
	c := &cobra.Command{
		Use:   "policy",
		Short: "Print the policies that a configuration needs",
		Args:  cobra.NoArgs,
		RunE:  func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(policyHostCommand(e))
	return c
}

func policyHostCommand(e *env) *cobra.Command {
	var host string
	c := &cobra.Command{
		Use:   "host [FILE|FOLDER]",
		Short: "Print the least policy of the host's role, and the trust of each target",
		Long: `Host prints, from the roles of mantle.hcl, what the host's own role and the
roles along each chain must be allowed, and the statements by which each
target's trust policy lets in exactly its callers: with the external id, the
tag keys and the source identity that are sent.

Within an account the trust policy alone would do, as it names the role; the
caller's half is printed all the same, so that either side tells the story.`,
		Example: `  mantle policy host --host arn:aws:iam::111122223333:role/devbox
  mantle policy host examples/three-services --output json`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			cfg, err := e.loadConfig(first(args))
			if err != nil {
				return e.configProblems(err)
			}
			host, err := hostRole(cfg, host)
			if err != nil {
				return err
			}
			return e.policyHost(cfg, host)
		},
	}
	c.Flags().StringVar(&host, "host", "", "ARN of the role that the host wears (default: that of the sandbox block)")
	return c
}

// hostRole is the ARN of the role that the host wears.
func hostRole(cfg *config.Config, flag string) (string, error) {
	if flag == "" && cfg.Sandbox != nil {
		flag = cfg.Sandbox.Host
	}
	if flag == "" {
		return "", usagef("the configuration does not say which role the host wears").withHint("name it: --host arn:aws:iam::ACCOUNT:role/NAME")
	}
	if _, err := broker.RoleAccount(flag); err != nil {
		return "", usagef("--host: %w", err)
	}
	return flag, nil
}

// stepsOf are the steps to every role of the configuration, whether a workload
// wears it or only mantle run asks for it.
func stepsOf(cfg *config.Config) ([]hostroles.Step, error) {
	var loans []broker.Loan
	for _, r := range cfg.Roles {
		loans = append(loans, r.Loan())
	}
	if len(loans) == 0 {
		return nil, usagef("%s has no role, so nothing is needed", cfg.Path).withHint(`add role "NAME" { arn = "…" } blocks`)
	}
	return hostroles.Steps(loans), nil
}

func (e *env) policyHost(cfg *config.Config, host string) error {
	steps, err := stepsOf(cfg)
	if err != nil {
		return err
	}
	type half struct {
		Role     string             `json:"role"`
		Document hostroles.Document `json:"document"`
	}
	out := struct {
		Schema   string `json:"schema"`
		Host     string `json:"host"`
		Policies []half `json:"policies"`
		Trust    []half `json:"trust"`
	}{Schema: schema, Host: host}
	for _, from := range hostroles.Callers(steps) {
		arn := from
		if arn == "" {
			arn = host
		}
		out.Policies = append(out.Policies, half{arn, hostroles.CallerPolicy(steps, from)})
	}
	for _, to := range hostroles.Targets(steps) {
		out.Trust = append(out.Trust, half{to, hostroles.Trust(steps, to, host)})
	}
	return e.answer(out, func(w io.Writer) {
		for _, h := range out.Policies {
			what := "must be allowed"
			if h.Role == host {
				what = "is the host's role and must be allowed"
			}
			fmt.Fprintf(w, "# %s %s\n%s\n\n", h.Role, what, indented(h.Document))
		}
		for i, h := range out.Trust {
			if i > 0 {
				fmt.Fprintln(w)
			}
			fmt.Fprintf(w, "# the trust policy of %s must let in\n%s\n", h.Role, indented(h.Document))
		}
	})
}

func indented(v any) string {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	enc.Encode(v) // a policy document always can be
	return strings.TrimSuffix(b.String(), "\n")
}
