package main

import (
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/mantle-iam/mantle/broker"
)

func envCommand(e *env) *cobra.Command {
	var f roleFlags
	var format string
	c := &cobra.Command{
		Use:   "env [--role ROLE]",
		Short: "Print a role's credentials for a shell to evaluate",
		Long: `Env borrows the role once and prints its credentials as variables. They are not
renewed: prefer mantle run, which keeps keys out of the environment and renews
them. Variables that would shadow or outlive them are unset.

Without --role the agent of this host is asked by its socket, and lends what it
lends this program: the role of the workload that the kernel says it is.`,
		Example: `  eval "$(mantle env --role app)"
  mantle env --role app --format fish | source
  mantle env --role app --format dotenv > .env.local`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			cred, region, err := e.borrowOnce(c, &f)
			if err != nil {
				return err
			}
			set := map[string]string{
				"AWS_ACCESS_KEY_ID": cred.AccessKeyID, "AWS_SECRET_ACCESS_KEY": cred.SecretAccessKey,
				"AWS_SESSION_TOKEN": cred.SessionToken,
			}
			if region != "" {
				set["AWS_REGION"], set["AWS_DEFAULT_REGION"] = region, region
			}
			if e.Output == "json" || format == "json" {
				e.Output = "json"
				return e.answer(map[string]any{"schema": schema, "set": set, "unset": stale, "expires": cred.Expires.UTC()}, nil)
			}
			var b strings.Builder
			if err := writeShell(&b, format, set, stale); err != nil {
				return err
			}
			_, err = io.WriteString(e.Stdout, b.String())
			return err
		},
	}
	f.add(c)
	c.Flags().StringVar(&format, "format", "sh", "sh, fish, pwsh, dotenv or json")
	return c
}

// stale are the variables that would shadow printed credentials, or make an
// SDK believe that the environment renews itself.
var stale = []string{
	"AWS_SECURITY_TOKEN", "AWS_CREDENTIAL_EXPIRATION", "AWS_PROFILE", "AWS_DEFAULT_PROFILE",
	"AWS_ROLE_ARN", "AWS_WEB_IDENTITY_TOKEN_FILE",
	"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI",
	"AWS_CONTAINER_AUTHORIZATION_TOKEN", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
}

// borrowOnce borrows the role for a command that prints it.
func (e *env) borrowOnce(c *cobra.Command, f *roleFlags) (broker.Credentials, string, error) {
	lending, base, done, err := f.loan(c.Context(), e, "mantle")
	if err != nil {
		return broker.Credentials{}, "", err
	}
	defer done()
	cred, err := lending.borrow(c.Context(), "mantle")
	return cred, base.Region, err
}

func credentialProcessCommand(e *env) *cobra.Command {
	var f roleFlags
	c := &cobra.Command{
		Use:   "credential-process [--role ROLE]",
		Short: "Be the credential_process of an AWS profile",
		Long: `Credential-process prints a role's credentials as the AWS SDKs read them from a
profile's credential_process. SDKs run it again when the session nears its end.

Without --role the agent of this host is asked by its socket, so that all who
ask share one session and STS is called once.`,
		Example: `  # ~/.aws/config
  [profile app]
  credential_process = mantle credential-process --config /etc/mantle/mantle.hcl --role app

  # with an agent on the host
  [profile mine]
  credential_process = mantle credential-process`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			cred, _, err := e.borrowOnce(c, &f)
			if err != nil {
				return err
			}
			// The members and their spelling: AWS SDKs and Tools Reference
			// Guide, "Process credential provider".
			e.printf("%s\n", oneLine(struct {
				Version         int
				AccessKeyID     string `json:"AccessKeyId"`
				SecretAccessKey string
				SessionToken    string `json:",omitempty"`
				Expiration      string
				AccountID       string `json:"AccountId,omitempty"`
			}{1, cred.AccessKeyID, cred.SecretAccessKey, cred.SessionToken, cred.Expires.UTC().Format(time.RFC3339), cred.AccountID}))
			return nil
		},
	}
	f.add(c)
	return c
}
