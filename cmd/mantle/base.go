package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"os/exec"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/credentials/ec2rolecreds"
	"github.com/aws/aws-sdk-go-v2/credentials/endpointcreds"
	"github.com/aws/aws-sdk-go-v2/credentials/processcreds"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/feature/ec2/imds"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/mantle-iam/mantle/internal/config"
	"github.com/mantle-iam/mantle/internal/redirect"
)

// baseConfig is the AWS configuration that mantle itself starts from: the
// SDK's default chain, or a profile.
func (e *env) baseConfig(ctx context.Context, profile, region string) (aws.Config, error) {
	return e.baseFrom(ctx, config.Base{Profile: profile, Region: region}, 0)
}

// baseFrom is the AWS configuration that a base block describes. Requests to
// link-local addresses carry the mark, so that they pass the agent's own rules.
func (e *env) baseFrom(ctx context.Context, b config.Base, mark uint32) (aws.Config, error) {
	source := b.From()
	fail := func(hint, format string, args ...any) (aws.Config, error) {
		err := fmt.Errorf(format, args...)
		if at := b.Where.At("source"); at.Line > 0 {
			err = fmt.Errorf("%s: %w", at, err)
		}
		return aws.Config{}, &exitError{code: exitUsage, err: err, hint: hint}
	}
	opts := []func(*awsconfig.LoadOptions) error{awsconfig.WithHTTPClient(localClient(mark))}
	if b.Profile != "" {
		opts = append(opts, awsconfig.WithSharedConfigProfile(b.Profile))
	}
	if b.Region != "" {
		opts = append(opts, awsconfig.WithRegion(b.Region))
	}
	if b.FIPS {
		opts = append(opts, awsconfig.WithUseFIPSEndpoint(aws.FIPSEndpointStateEnabled))
	}
	if b.DualStack {
		opts = append(opts, awsconfig.WithUseDualStackEndpoint(aws.DualStackEndpointStateEnabled))
	}
	if b.CABundle != "" {
		f, err := os.Open(b.CABundle)
		if err != nil {
			return fail("name a PEM file, or leave ca_bundle out for the system's certificates", "ca_bundle: %w", err)
		}
		defer f.Close()
		opts = append(opts, awsconfig.WithCustomCABundle(f))
	}
	if source != config.BaseAuto && source != config.BaseProfile {
		// So that the chain is not looked through for what is not wanted.
		opts = append(opts, awsconfig.WithCredentialsProvider(aws.AnonymousCredentials{}))
	}
	cfg, err := awsconfig.LoadDefaultConfig(ctx, opts...)
	if err != nil {
		x := &exitError{code: exitUsage, err: fmt.Errorf("base credentials: %w", err)}
		if _, ok := errors.AsType[awsconfig.SharedConfigProfileNotExistError](err); ok {
			x.hint = "see aws configure list-profiles, or leave out the profile to use the default chain"
		}
		return cfg, x
	}
	if source == config.BaseInstance && cfg.Region == "" {
		if cfg.Region, err = e.instanceRegion(ctx, cfg); err != nil {
			return fail("is this an EC2 instance, and may its metadata be read? Else set region in the base block", "ask instance metadata for the region: %w", err)
		}
	}
	if cfg.Region == "" {
		return cfg, usagef("no region is set").withHint("set AWS_REGION, region in the profile, or region in the base block")
	}
	if b.Endpoint != "" {
		cfg.BaseEndpoint = aws.String(b.Endpoint)
	}

	var from aws.CredentialsProvider
	cure := ""
	switch source {
	case config.BaseInstance:
		from = ec2rolecreds.New(func(o *ec2rolecreds.Options) { o.Client = metadataClient(cfg) })
		cure = "attach an instance profile with a role to the instance, and see that its metadata may be read"
	case config.BaseContainer:
		if from, err = e.containerBase(cfg); err != nil {
			return fail("give the task a task role, or the pod a role by Pod Identity; or choose another source", "base credentials: %w", err)
		}
		cure = "see that the task or pod that mantle runs in has a role"
	case config.BaseEnvironment:
		id, secret := e.get("AWS_ACCESS_KEY_ID"), e.get("AWS_SECRET_ACCESS_KEY")
		if id == "" || secret == "" {
			return fail("set AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and, for a session, AWS_SESSION_TOKEN", "base credentials: the environment has none")
		}
		from = credentials.NewStaticCredentialsProvider(id, secret, e.get("AWS_SESSION_TOKEN"))
	case config.BaseWebIdentity:
		name := "mantle"
		if host, err := os.Hostname(); err == nil && len(host) < 57 {
			name = "mantle-" + host
		}
		from = stscreds.NewWebIdentityRoleProvider(sts.NewFromConfig(cfg), b.RoleARN, stscreds.IdentityTokenFile(b.TokenFile), func(o *stscreds.WebIdentityRoleOptions) {
			o.RoleSessionName = name
		})
		cure = "see that token_file holds a token, and that the role trusts its issuer, audience and subject"
	case config.BaseProcess:
		from = processcreds.NewProviderCommand(processcreds.NewCommandBuilderFunc(func(ctx context.Context) (*exec.Cmd, error) {
			cmd := exec.CommandContext(ctx, b.Command[0], b.Command[1:]...)
			cmd.Env, cmd.Stderr = e.Environ, e.Stderr
			return cmd, nil
		}))
		cure = "run the command by hand: it has to print what a profile's credential_process does"
	default:
		return cfg, nil
	}
	cfg.Credentials = aws.NewCredentialsCache(&named{from, source, cure}, func(o *aws.CredentialsCacheOptions) {
		o.ExpiryWindow, o.ExpiryWindowJitterFrac = 10*time.Minute, 0.5
	})
	return cfg, nil
}

// named says in its errors where credentials were looked for and what to do.
type named struct {
	aws.CredentialsProvider
	source, cure string
}

// Retrieve is the source's.
func (n *named) Retrieve(ctx context.Context) (aws.Credentials, error) {
	c, err := n.CredentialsProvider.Retrieve(ctx)
	if err != nil {
		if n.cure != "" {
			err = fmt.Errorf("%w (%s)", err, n.cure)
		}
		return c, fmt.Errorf("base source %s: %w", n.source, err)
	}
	return c, nil
}

// HandleFailToRefresh lets sources that know better keep what they had.
func (n *named) HandleFailToRefresh(ctx context.Context, had aws.Credentials, err error) (aws.Credentials, error) {
	if s, ok := n.CredentialsProvider.(aws.HandleFailRefreshCredentialsCacheStrategy); ok {
		return s.HandleFailToRefresh(ctx, had, err)
	}
	if had.HasKeys() && !had.Expired() {
		return had, nil
	}
	return aws.Credentials{}, err
}

// AdjustExpiresBy lets sources that know better choose when to renew.
func (n *named) AdjustExpiresBy(c aws.Credentials, d time.Duration) (aws.Credentials, error) {
	if s, ok := n.CredentialsProvider.(aws.AdjustExpiresByCredentialsCacheStrategy); ok {
		return s.AdjustExpiresBy(c, d)
	}
	if c.CanExpire {
		c.Expires = c.Expires.Add(d)
	}
	return c, nil
}

// localClient is an HTTP client that asks no proxy about addresses of this host
// and its link, and marks its connections to the latter.
func localClient(mark uint32) *awshttp.BuildableClient {
	return awshttp.NewBuildableClient().
		WithDialerOptions(func(d *net.Dialer) { d.Control = redirect.Control(mark) }).
		WithTransportOptions(func(t *http.Transport) {
			t.Proxy = func(r *http.Request) (*url.URL, error) {
				if isLocal(r.URL.Hostname()) {
					return nil, nil
				}
				return http.ProxyFromEnvironment(r)
			}
		})
}

// isLocal reports whether a host is this one or on its link.
func isLocal(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && (ip.IsLoopback() || redirect.LinkLocal(ip))
}

// metadataClient reads real instance metadata, even if mantle's own
// environment tells SDKs not to: it was asked for by name.
func metadataClient(cfg aws.Config) *imds.Client {
	return imds.NewFromConfig(cfg, func(o *imds.Options) { o.ClientEnableState = imds.ClientEnabled })
}

func (e *env) instanceRegion(ctx context.Context, cfg aws.Config) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	out, err := metadataClient(cfg).GetRegion(ctx, &imds.GetRegionInput{})
	if err != nil {
		return "", err
	}
	return out.Region, nil
}

// containerBase is the container endpoint that mantle's own environment names.
//
// https://docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html
func (e *env) containerBase(cfg aws.Config) (aws.CredentialsProvider, error) {
	at := e.get("AWS_CONTAINER_CREDENTIALS_FULL_URI")
	if rel := e.get("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"); rel != "" {
		at = "http://169.254.170.2" + rel
	}
	if at == "" {
		return nil, errors.New("neither AWS_CONTAINER_CREDENTIALS_RELATIVE_URI nor AWS_CONTAINER_CREDENTIALS_FULL_URI is set")
	}
	u, err := url.Parse(at)
	switch {
	case err != nil || u.Host == "":
		return nil, fmt.Errorf("the container endpoint %q is no URL", at)
	case u.Scheme != "https" && !isLocal(u.Hostname()):
		return nil, fmt.Errorf("the container endpoint %s is on another machine, and not https", u.Host)
	}
	return endpointcreds.New(at, func(o *endpointcreds.Options) {
		o.HTTPClient = cfg.HTTPClient
		o.AuthorizationToken = e.get("AWS_CONTAINER_AUTHORIZATION_TOKEN")
		if file := e.get("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"); file != "" {
			o.AuthorizationTokenProvider = endpointcreds.TokenProviderFunc(func() (string, error) {
				b, err := os.ReadFile(file)
				return string(b), err
			})
		}
	}), nil
}
