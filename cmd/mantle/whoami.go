package main

import (
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/spf13/cobra"

	"github.com/mantle-iam/mantle/internal/sts"
)

func whoamiCommand(e *env) *cobra.Command {
	var f roleFlags
	c := &cobra.Command{
		Use:   "whoami",
		Short: "Say which principal a program started here would be",
		Long: `Whoami asks STS who the credentials of the SDK's default chain belong to, or
those of a profile or a role, and says where they were found.`,
		Example: `  mantle whoami
  mantle whoami --profile dev
  mantle whoami --role app --output json`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			ctx := c.Context()
			var cfg aws.Config
			source := ""
			if f.role != "" {
				lending, base, done, err := f.loan(ctx, e, "mantle")
				if err != nil {
					return err
				}
				defer done()
				cred, err := lending.borrow(ctx, "mantle")
				if err != nil {
					return err
				}
				cfg = base
				cfg.Credentials = credentials.NewStaticCredentialsProvider(cred.AccessKeyID, cred.SecretAccessKey, cred.SessionToken)
				source = "role " + cred.RoleARN
			} else {
				var err error
				if cfg, err = e.baseConfig(ctx, f.profile, f.region); err != nil {
					return err
				}
			}
			l := &lending{client: sts.New(cfg, sts.Options{Log: e.log()})}
			arn, account, err := l.identity(ctx)
			if err != nil {
				return err
			}
			if source == "" {
				if cred, err := cfg.Credentials.Retrieve(ctx); err == nil {
					source = cred.Source
				}
			}
			out := struct {
				Schema  string `json:"schema"`
				ARN     string `json:"arn"`
				Account string `json:"account"`
				Region  string `json:"region"`
				Source  string `json:"source"`
			}{schema, arn, account, cfg.Region, source}
			return e.answer(out, func(w io.Writer) {
				t := tabwriter.NewWriter(w, 0, 4, 3, ' ', 0)
				fmt.Fprintf(t, "arn\t%s\naccount\t%s\nregion\t%s\nsource\t%s\n", out.ARN, out.Account, out.Region, out.Source)
				t.Flush()
			})
		},
	}
	f.add(c)
	c.Flags().Lookup("role").Annotations = nil // here a role is a choice
	return c
}
