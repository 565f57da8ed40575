package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/spf13/cobra"

	"github.com/mantle-iam/mantle/internal/sts"
)

func whoamiCommand(e *env) *cobra.Command {
	var f roleFlags
	var of subjectFlags
	c := &cobra.Command{
		Use:   "whoami",
		Short: "Say which principal a program started here would be",
		Long: `Whoami asks STS who the credentials of the SDK's default chain belong to, or
those of a profile or a role, and says where they were found.

With --chain it follows the credential chain of an SDK as that SDK does: every
source in its order, why it was passed over, and who the program ends up as,
which differs between SDKs. That may be another process, or a program in a
container, on an instance or in a task.`,
		Example: `  mantle whoami
  mantle whoami --profile dev
  mantle whoami --role app --output json
  mantle whoami --chain --sdk js
  mantle whoami --chain --pid 4711`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			ctx := c.Context()
			// Alone, --chain asks for an SDK's chain; with role ARNs it is the
			// roles to assume first, as for every verb that borrows a role.
			alone := slices.Equal(f.chain, []string{sdkChain})
			if len(args) == 1 {
				if !alone || f.role == "" {
					return usagef("whoami takes no argument, and not %q", args[0])
				}
				f.chain, alone = strings.Split(args[0], ","), false
			}
			if alone {
				for _, name := range []string{"role", "profile", "region"} {
					if c.Flags().Changed(name) {
						return usagef("--chain follows what the environment says, and --%s is not part of it", name).withHint("set AWS_PROFILE or AWS_REGION as the program would have it")
					}
				}
				return e.whoamiChain(ctx, &of)
			}
			for _, name := range []string{"sdk", "pid", "in", "container"} {
				if c.Flags().Changed(name) {
					return usagef("--%s belongs to --chain", name)
				}
			}
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
	of.add(c)
	chain := c.Flags().Lookup("chain")
	chain.NoOptDefVal, chain.Usage = sdkChain, "alone: follow an SDK's chain of credential sources; with --role: role ARNs to assume first, in order"
	return c
}

// sdkChain is the value of --chain without one. No role is called that.
const sdkChain = "sdk"
