package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"

	"github.com/mantle-iam/mantle/broker"
)

// askedAgent is how long the agent has to answer: as long as it gives STS, and
// a little.
const askedAgent = 35 * time.Second

// askAgent asks the agent of this host for the credentials of the workload that
// this process is, as the kernel tells it.
func (e *env) askAgent(ctx context.Context) (broker.Credentials, error) {
	var none broker.Credentials
	path := e.socketPath()
	if path == "" {
		return none, failf(exitUnreachable, "no agent can be asked: there is no place for its socket").withHint("set XDG_RUNTIME_DIR or MANTLE_SOCKET, or name a role with --role")
	}
	ctx, cancel := context.WithTimeout(ctx, askedAgent)
	defer cancel()
	client := &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			c, err := (&net.Dialer{}).DialContext(ctx, "unix", path)
			if err != nil {
				return nil, err
			}
			// Whoever put a socket there could hand out credentials of their own.
			if uid, known := serverUser(c); known && uid != 0 && uid != os.Getuid() {
				c.Close()
				return nil, fmt.Errorf("%s is user %d's: an agent runs as root or as yourself", path, uid)
			}
			return c, nil
		},
	}}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://localhost/v1/credentials", nil)
	if err != nil {
		return none, err
	}
	resp, err := client.Do(req)
	if err != nil {
		return none, failf(exitUnreachable, "ask the agent: %w", errors.Unwrap(err)).withHint("start it with mantle agent, set MANTLE_SOCKET to its socket, or name a role with --role to borrow it without an agent")
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	if err != nil {
		return none, failf(exitUnreachable, "ask the agent: %w", err)
	}
	if resp.StatusCode != http.StatusOK {
		var said struct{ Message string }
		if json.Unmarshal(body, &said) != nil || said.Message == "" {
			said.Message = resp.Status
		}
		code := exitDenied
		if resp.StatusCode >= 500 {
			code = exitUnreachable
		}
		return none, failf(code, "the agent says: %s", said.Message)
	}
	var c struct {
		RoleARN         string `json:"RoleArn"`
		AccessKeyID     string `json:"AccessKeyId"`
		SecretAccessKey string
		Token           string
		AccountID       string `json:"AccountId"`
		Expiration      time.Time
	}
	if err := json.Unmarshal(body, &c); err != nil || c.AccessKeyID == "" {
		return none, failf(exitUnreachable, "what answers at %s is no agent", path)
	}
	return broker.Credentials{
		AccessKeyID: c.AccessKeyID, SecretAccessKey: c.SecretAccessKey, SessionToken: c.Token,
		RoleARN: c.RoleARN, AccountID: c.AccountID, Expires: c.Expiration,
	}, nil
}

// fromAgent lends what the agent lends this process, under the name of a
// workload. It fails if the agent lends nothing.
func (e *env) fromAgent(ctx context.Context, workload, region string, audit func(broker.Event)) (*lending, aws.Config, error) {
	had, err := e.askAgent(ctx)
	if err != nil {
		return nil, aws.Config{}, err
	}
	lender := broker.LenderFunc(func(ctx context.Context, l broker.Loan) (broker.Credentials, error) {
		if c := had; c.AccessKeyID != "" {
			had = broker.Credentials{}
			return c, nil
		}
		c, err := e.askAgent(ctx)
		if err != nil {
			x := &broker.LendError{Role: l.Role, Kind: broker.Unreachable, Message: err.Error()}
			if y, ok := errors.AsType[*exitError](err); ok && y.code == exitDenied {
				x.Kind = broker.Denied
			}
			return c, x
		}
		return c, nil
	})
	opts := []func(*awsconfig.LoadOptions) error{awsconfig.WithCredentialsProvider(aws.AnonymousCredentials{}), awsconfig.WithHTTPClient(localClient(0))}
	if region != "" {
		opts = append(opts, awsconfig.WithRegion(region))
	}
	cfg, err := awsconfig.LoadDefaultConfig(ctx, opts...)
	if err != nil {
		return nil, aws.Config{}, &exitError{code: exitUsage, err: err}
	}
	rules := broker.Rules{{Name: workload, Loan: broker.Loan{Role: had.RoleARN}}}
	return &lending{Broker: broker.New(rules, lender, broker.Options{Audit: audit}), rules: rules}, cfg, nil
}

// isRole reports whether an ARN is that of the role that a user named: the
// whole of it, or its name with or without its path.
func isRole(arn, named string) bool {
	if strings.HasPrefix(named, "arn:") {
		return arn == named
	}
	_, path, ok := strings.Cut(arn, ":role/")
	return ok && (path == strings.TrimPrefix(named, "/") || path[strings.LastIndexByte(path, '/')+1:] == named)
}
