// Package live is the world of a running program, as package chain asks it: its
// files with its user's rights, its network, and STS.
package live

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"

	"github.com/mantle-iam/mantle/internal/chain"
)

// timeout is how long an endpoint may take, as most SDKs have it; calls of STS
// may take as long as patience.
const (
	timeout  = time.Second
	patience = 15 * time.Second
)

// World is that of this process, or of another one. Close it when it is no
// longer asked.
type World struct {
	environ []string // what a credential_process is run with; nil: none is run
	read    func(string) ([]byte, error)
	client  *http.Client // for endpoints
	sts     *http.Client
	resolve *net.Resolver
	done    func()

	look  func(string) ([]byte, error) // with our own rights
	exe   string                       // the program's file, as we see it
	root  string                       // its root folder, as we see it
	apart bool                         // its network is not ours
}

// User is who files are read as.
type User struct {
	UID, GID int
	Groups   []uint32
}

// Surroundings are those of a program that was started with an environment, by
// a user whose home the user database knows.
func Surroundings(environ []string, user, home string) *chain.Surroundings {
	s := &chain.Surroundings{Environ: map[string]string{}, User: user}
	for _, kv := range environ {
		if k, v, ok := strings.Cut(kv, "="); ok {
			s.Environ[k] = v
		}
	}
	// SDKs believe HOME, and without it most ask the user database.
	if s.Home = s.Environ["HOME"]; s.Home == "" {
		s.Home = home
	}
	return s
}

type dialer func(ctx context.Context, network, address string) (net.Conn, error)

// Own is the world of this process, with the environment that a
// credential_process is run with.
func Own(environ []string) *World {
	w := open(environ, os.ReadFile, new(net.Dialer).DialContext, http.ProxyFromEnvironment, func() {})
	w.look, w.root = os.ReadFile, "/"
	return w
}

func open(environ []string, read func(string) ([]byte, error), dial dialer, proxy func(*http.Request) (*url.URL, error), done func()) *World {
	still := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &World{
		environ: environ, read: read, done: done,
		client: &http.Client{Timeout: timeout, CheckRedirect: still, Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}},
		sts: &http.Client{Timeout: patience, CheckRedirect: still, Transport: &http.Transport{
			DialContext: dial, DisableKeepAlives: true, TLSHandshakeTimeout: 5 * time.Second,
			Proxy: func(r *http.Request) (*url.URL, error) {
				if a, err := netip.ParseAddr(r.URL.Hostname()); proxy == nil || err == nil && (a.IsLoopback() || a.IsLinkLocalUnicast()) {
					return nil, nil
				}
				return proxy(r)
			},
		}},
		resolve: &net.Resolver{PreferGo: true, Dial: dial},
	}
}

// Close lets go of the other process.
func (w *World) Close() { w.done() }

// Look reads a file of the program's with our own rights, which may be more
// than its user's.
func (w *World) Look(path string) ([]byte, error) { return w.look(path) }

// Apart reports whether the program has another network than we have.
func (w *World) Apart() bool { return w.apart }

// ReadFile reads a file as the program would.
func (w *World) ReadFile(path string) ([]byte, error) { return w.read(path) }

// Do sends one request through no proxy. It waits for a second.
func (w *World) Do(ctx context.Context, method, at string, header http.Header) (chain.Answer, error) {
	r, err := http.NewRequestWithContext(ctx, method, at, nil)
	if err != nil {
		return chain.Answer{}, err
	}
	r.Header = header.Clone()
	resp, err := w.client.Do(r)
	if err != nil {
		return chain.Answer{}, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	if err != nil {
		return chain.Answer{}, err
	}
	return chain.Answer{Status: resp.StatusCode, Header: resp.Header, Body: body}, nil
}

// LookupHost resolves a name.
func (w *World) LookupHost(ctx context.Context, host string) ([]netip.Addr, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*timeout)
	defer cancel()
	return w.resolve.LookupNetIP(ctx, "ip", host)
}

// Run runs a credential_process of this program's own.
func (w *World) Run(ctx context.Context, command string, shell bool) ([]byte, error) {
	if w.environ == nil {
		return nil, chain.ErrNotRun
	}
	argv := []string{"sh", "-c", command}
	if !shell {
		var err error
		if argv, err = split(command); err != nil {
			return nil, err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Env, cmd.WaitDelay = w.environ, timeout
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		if text := strings.TrimSpace(errs.String()); text != "" {
			err = fmt.Errorf("%w: %s", err, text)
		}
		return nil, err
	}
	return out, nil
}

// split takes a command line apart as Python's shlex does: quotes and
// backslashes, and nothing else of a shell.
func split(s string) (out []string, err error) {
	var word strings.Builder
	in, quote := false, rune(0)
	escaped := false
	for _, r := range s {
		switch {
		case escaped:
			if quote == '"' && r != '"' && r != '\\' {
				word.WriteRune('\\')
			}
			word.WriteRune(r)
			escaped = false
		case r == '\\' && quote != '\'':
			escaped, in = true, true
		case quote != 0 && r == quote:
			quote = 0
		case quote != 0:
			word.WriteRune(r)
		case r == '\'' || r == '"':
			quote, in = r, true
		case r == ' ' || r == '\t' || r == '\n' || r == '\r':
			if in {
				out = append(out, word.String())
				word.Reset()
				in = false
			}
		default:
			word.WriteRune(r)
			in = true
		}
	}
	if quote != 0 || escaped {
		return nil, errors.New("a quote has no end")
	}
	if in {
		out = append(out, word.String())
	}
	if len(out) == 0 {
		return nil, errors.New("it is empty")
	}
	return out, nil
}

// service is an STS client of the program.
func (w *World) service(with *chain.Credentials, at chain.Endpoint) *sts.Client {
	opt := sts.Options{Region: cmp.Or(at.Region, "us-east-1"), HTTPClient: w.sts, RetryMaxAttempts: 2}
	if at.URL != "" {
		opt.BaseEndpoint = &at.URL
	}
	opt.Credentials = aws.AnonymousCredentials{}
	if with != nil {
		opt.Credentials = credentials.NewStaticCredentialsProvider(with.AccessKeyID, with.SecretAccessKey, with.SessionToken)
	}
	return sts.New(opt)
}

// AssumeRole calls sts:AssumeRole.
func (w *World) AssumeRole(ctx context.Context, with chain.Credentials, at chain.Endpoint, in chain.Assume) (chain.Credentials, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	out, err := w.service(&with, at).AssumeRole(ctx, &sts.AssumeRoleInput{
		RoleArn: &in.RoleARN, RoleSessionName: &in.SessionName, ExternalId: optional(in.ExternalID), DurationSeconds: seconds(in.Duration),
	})
	if err != nil {
		return chain.Credentials{}, said("AssumeRole", err)
	}
	return chain.Credentials{
		AccessKeyID: aws.ToString(out.Credentials.AccessKeyId), SecretAccessKey: aws.ToString(out.Credentials.SecretAccessKey),
		SessionToken: aws.ToString(out.Credentials.SessionToken), Expires: aws.ToTime(out.Credentials.Expiration),
	}, nil
}

// AssumeRoleWithWebIdentity calls sts:AssumeRoleWithWebIdentity.
func (w *World) AssumeRoleWithWebIdentity(ctx context.Context, at chain.Endpoint, in chain.Assume, token string) (chain.Credentials, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	out, err := w.service(nil, at).AssumeRoleWithWebIdentity(ctx, &sts.AssumeRoleWithWebIdentityInput{
		RoleArn: &in.RoleARN, RoleSessionName: &in.SessionName, WebIdentityToken: &token,
	})
	if err != nil {
		return chain.Credentials{}, said("AssumeRoleWithWebIdentity", err)
	}
	return chain.Credentials{
		AccessKeyID: aws.ToString(out.Credentials.AccessKeyId), SecretAccessKey: aws.ToString(out.Credentials.SecretAccessKey),
		SessionToken: aws.ToString(out.Credentials.SessionToken), Expires: aws.ToTime(out.Credentials.Expiration),
	}, nil
}

// Identity calls sts:GetCallerIdentity. The date is there even if STS refuses.
func (w *World) Identity(ctx context.Context, with chain.Credentials, at chain.Endpoint) (chain.Identity, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	out, err := w.service(&with, at).GetCallerIdentity(ctx, nil)
	if err != nil {
		id := chain.Identity{}
		if x, ok := errors.AsType[*awshttp.ResponseError](err); ok {
			id.Date, _ = http.ParseTime(x.Response.Header.Get("Date"))
		}
		return id, said("GetCallerIdentity", err)
	}
	id := chain.Identity{ARN: aws.ToString(out.Arn), Account: aws.ToString(out.Account)}
	id.Date, _ = awsmiddleware.GetServerTime(out.ResultMetadata)
	return id, nil
}

func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

func seconds(d time.Duration) *int32 {
	if d == 0 {
		return nil
	}
	return aws.Int32(int32(d / time.Second))
}

// said is an error of STS as botocore puts it, behind "An error occurred".
func said(operation string, err error) error {
	if x, ok := errors.AsType[smithy.APIError](err); ok {
		return fmt.Errorf("(%s) when calling the %s operation: %s", x.ErrorCode(), operation, x.ErrorMessage())
	}
	var why error = err
	if u, ok := errors.AsType[*url.Error](err); ok {
		why = u.Err
	}
	return &Unreachable{operation, why}
}

// Unreachable says that STS did not answer.
type Unreachable struct {
	Operation string
	Err       error
}

// Error names the operation and what went wrong.
func (e *Unreachable) Error() string {
	return fmt.Sprintf("when calling the %s operation: STS does not answer: %v", e.Operation, e.Err)
}

// Unwrap is what went wrong.
func (e *Unreachable) Unwrap() error { return e.Err }
