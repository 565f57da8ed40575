package main

import (
	"context"
	"net/http"
	"strings"

	"github.com/spf13/cobra"

	"github.com/mantle-iam/mantle/internal/chain/live"
)

func metaCommand(e *env) *cobra.Command {
	return &cobra.Command{
		Use:   "meta [PATH]",
		Short: "Read instance metadata by its second version",
		Long: `Meta fetches a token and prints a path of the instance metadata service, as
scripts need where version 1 is switched off. Paths are below meta-data unless
they begin with dynamic or user-data; without one meta-data is listed.

Credentials are not printed: mantle env and mantle credential-process do that,
and SDKs need neither.`,
		Example: `  mantle meta instance-id
  mantle meta placement/region
  mantle meta dynamic/instance-identity/document`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			path := ""
			if len(args) == 1 {
				path = args[0]
			}
			return e.meta(c.Context(), path)
		},
	}
}

// meta prints a path of instance metadata.
//
// https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-data-retrieval.html
func (e *env) meta(ctx context.Context, path string) error {
	path = strings.TrimPrefix(strings.TrimPrefix(path, "/"), "latest/")
	if first, _, _ := strings.Cut(path, "/"); first != "meta-data" && first != "dynamic" && first != "user-data" {
		path = "meta-data/" + path
	}
	if strings.ContainsAny(path, "%?#;\\") || strings.Contains(path, "..") || strings.Contains(path, "//") {
		return usagef("%s is not a path of instance metadata", path)
	}
	for _, below := range []string{"security-credentials/", "security-credentials-extended/"} {
		if _, name, ok := strings.Cut(path, below); ok && name != "" {
			return usagef("%s holds credentials, which mantle does not print", path).withHint("SDKs find them by themselves; mantle run --role hands a program another role")
		}
	}
	if strings.EqualFold(e.get("AWS_EC2_METADATA_DISABLED"), "true") {
		return usagef("AWS_EC2_METADATA_DISABLED is true").withHint("unset it to have instance metadata read")
	}
	base := strings.TrimSuffix(e.get("AWS_EC2_METADATA_SERVICE_ENDPOINT"), "/")
	switch {
	case base != "":
	case strings.EqualFold(e.get("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE"), "ipv6"):
		base = "http://[fd00:ec2::254]"
	default:
		base = "http://169.254.169.254"
	}
	w := live.Own(nil)
	defer w.Close()
	a, err := w.Do(ctx, http.MethodPut, base+"/latest/api/token", http.Header{"X-Aws-Ec2-Metadata-Token-Ttl-Seconds": {"60"}})
	if err != nil {
		return failf(exitUnreachable, "instance metadata gives no token: %w", err).withHint("is this an EC2 instance? In a container behind a bridge the hop limit has to be 2")
	}
	if a.Status != http.StatusOK {
		return failf(exitUnreachable, "instance metadata answers the request for a token with %d", a.Status)
	}
	token := string(a.Body)
	a, err = w.Do(ctx, http.MethodGet, base+"/latest/"+path, http.Header{"X-Aws-Ec2-Metadata-Token": {token}})
	if err != nil {
		return failf(exitUnreachable, "instance metadata does not answer: %w", err)
	}
	switch a.Status {
	case http.StatusOK:
	case http.StatusNotFound:
		return failf(exitDenied, "instance metadata has no %s", path).withHint("mantle meta lists what there is; a folder ends with /")
	default:
		return failf(exitDenied, "instance metadata answers %d for %s", a.Status, path)
	}
	value := strings.TrimSuffix(string(a.Body), "\n")
	if e.Output == "json" {
		return e.answer(map[string]any{"schema": schema, "path": path, "value": value}, nil)
	}
	e.printf("%s\n", value)
	return nil
}
