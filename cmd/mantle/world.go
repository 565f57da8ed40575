package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"

	"github.com/mantle-iam/mantle/internal/config"
	"github.com/mantle-iam/mantle/sandbox"
)

// world is a running sandbox, as up and sandbox up start one.
type world struct {
	*sandbox.Server
	url      string
	accounts []sandbox.Account
	// propagation is for the banner.
	propagation time.Duration
	state       string     // what the banner says of the state
	base        aws.Config // the host's own credentials inside
	exports     string     // the profile file of `sandbox env`
	trail       *trailFile
	control     *control   // what sandbox exec and run-task speak to
	proxy       *proxyDoor // nil without --proxy
	end         context.CancelFunc
	running     sync.WaitGroup
	failed      chan error
}

// worldOptions say what sandbox to start.
type worldOptions struct {
	listen, state, region string
	proxy                 string // where its HTTPS proxy listens; empty: nowhere
	accounts              []*config.Account
	faults                []sandbox.Fault
	propagation           time.Duration
}

// openWorld starts a sandbox on an address and puts accounts into it.
func (e *env) openWorld(ctx context.Context, o worldOptions) (*world, error) {
	listen, state, accounts, region := o.listen, o.state, o.accounts, o.region
	ln, err := listenOn(listen)
	if err != nil {
		return nil, err
	}
	w := &world{url: "http://" + ln.Addr().String(), state: "memory", propagation: o.propagation, failed: make(chan error, 1)}
	if state != "" {
		w.state = stateName(state)
	}
	if w.trail, err = e.openTrail(ln.Addr().String(), state); err != nil {
		ln.Close()
		return nil, &exitError{code: exitUsage, err: err}
	}
	if w.Server, err = sandbox.New(sandbox.Options{State: state, Log: e.log(), Trail: w.trail.add, Faults: o.faults, Propagation: o.propagation}); err != nil {
		ln.Close()
		x := &exitError{code: exitUsage, err: errors.Join(err, w.trail.Close())}
		if errors.Is(err, sandbox.ErrUnreachable) {
			x.code = exitUnreachable
		}
		return nil, x
	}
	for _, a := range accounts {
		if _, err := w.AddAccount(a.Name, a.ID); err != nil {
			ln.Close()
			return nil, &exitError{code: exitUsage, err: errors.Join(err, w.Server.Close())}
		}
		var files [][]byte
		var names []string
		for _, f := range a.Load {
			files, names = append(files, f.Data), append(names, f.Path)
		}
		if len(files) == 0 {
			continue
		}
		if err := w.Load(a.ID, files...); err != nil {
			ln.Close()
			return nil, &exitError{code: exitUsage, err: fmt.Errorf("load %s: %w", strings.Join(names, ", "), errors.Join(err, w.Server.Close()))}
		}
	}
	if w.accounts, err = w.Accounts(); err != nil {
		ln.Close()
		return nil, &exitError{code: exitUsage, err: errors.Join(err, w.Server.Close())}
	}
	ctx, w.end = context.WithCancel(ctx)
	w.running.Go(func() {
		if err := w.Serve(ctx, ln); err != nil {
			w.failed <- err
		}
	})
	if err := w.export(e, ln.Addr().String(), region); err != nil {
		w.close()
		return nil, err
	}
	if w.control, err = e.openControl(w, ln.Addr().String()); err != nil {
		w.close()
		return nil, err
	}
	w.running.Go(func() {
		if err := w.control.serve(); err != nil {
			w.failed <- err
		}
	})
	if o.proxy != "" {
		if w.proxy, err = e.openProxy(w, o.proxy, state); err != nil {
			return nil, errors.Join(err, w.close())
		}
	}
	return w, nil
}

// close ends the sandbox and takes its profile file away.
func (w *world) close() error {
	if w == nil {
		return nil
	}
	w.proxy.close()
	w.end()
	ended := w.control.close()
	w.running.Wait()
	if w.exports != "" {
		os.Remove(w.exports)
	}
	return errors.Join(ended, w.Server.Close(), w.trail.Close(), os.Remove(w.trail.link))
}

// startSandbox starts the sandbox of a configuration, with its accounts,
// buckets and the role that the host wears in it.
func (e *env) startSandbox(ctx context.Context, cfg *config.Config) (*world, error) {
	region := cfg.Base.Region
	if region == "" {
		region = sandbox.DefaultRegion
	}
	w, err := e.openWorld(ctx, worldOptions{listen: cfg.Sandbox.Listen, state: cfg.Sandbox.State, accounts: cfg.Sandbox.Accounts, region: region})
	if err != nil {
		return nil, err
	}
	for _, a := range cfg.Sandbox.Accounts {
		for _, b := range a.Buckets {
			if err := w.makeBucket(ctx, a, b, region); err != nil {
				return nil, errors.Join(fmt.Errorf("bucket %s of account %s: %w", b.Name, a.Name, err), w.close())
			}
		}
	}
	w.base = aws.Config{Region: region, BaseEndpoint: aws.String(w.url)}
	if cfg.Sandbox.Host == "" {
		w.base.Credentials = w.admin(cfg.Sandbox.Accounts[0].ID)
		return w, nil
	}
	// The host is an instance of the sandbox: it has an id, and new
	// credentials whenever the old ones near their end.
	instance := newInstanceID()
	provider := w.hostCredentials(cfg.Sandbox.Host, instance)
	if _, err := provider.Retrieve(ctx); err != nil {
		x := &exitError{code: exitDenied, err: fmt.Errorf("%s: sandbox host: %w", cfg.Sandbox.Where.At("host"), err)}
		return nil, errors.Join(x, w.close())
	}
	w.base.Credentials = provider
	return w, nil
}

// hostProvider are the credentials of the host inside, made anew ten minutes
// before they end. That is by the sandbox's clock, which can be moved.
type hostProvider struct {
	make  func() (sandbox.Session, error)
	clock *sandbox.Server

	mu   sync.Mutex // guards the field below
	have sandbox.Session
}

func (w *world) hostCredentials(role, instance string) *hostProvider {
	return &hostProvider{make: func() (sandbox.Session, error) { return w.InstanceSession(role, instance, 0) }, clock: w.Server}
}

// Retrieve returns what lasts, by this host's clock.
func (p *hostProvider) Retrieve(context.Context) (aws.Credentials, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.clock.Now().Add(10 * time.Minute).After(p.have.Expires) {
		s, err := p.make()
		if err != nil {
			return aws.Credentials{}, err
		}
		p.have = s
	}
	return aws.Credentials{
		AccessKeyID: p.have.AccessKeyID, SecretAccessKey: p.have.SecretAccessKey, SessionToken: p.have.SessionToken,
		CanExpire: true, Expires: p.have.Expires.Add(-p.clock.Offset()), Source: "sandbox instance",
	}, nil
}

func newInstanceID() string {
	var b [9]byte
	rand.Read(b[:])
	return "i-" + hex.EncodeToString(b[:])[:17]
}

// admin are the long-term credentials of an account's administrator.
func (w *world) admin(account string) aws.CredentialsProvider {
	for _, a := range w.accounts {
		if a.ID == account {
			return credentials.NewStaticCredentialsProvider(a.Admin.ID, a.Admin.Secret, "")
		}
	}
	return aws.AnonymousCredentials{}
}

// makeBucket makes a bucket through the front door, as the account's
// administrator. A bucket that exists is left as it is.
func (w *world) makeBucket(ctx context.Context, a *config.Account, b *config.Bucket, region string) error {
	if b.Region != "" {
		region = b.Region
	}
	c := s3.New(s3.Options{Region: region, BaseEndpoint: aws.String(w.url), UsePathStyle: true, Credentials: w.admin(a.ID)})
	in := &s3.CreateBucketInput{Bucket: aws.String(b.Name)}
	if region != "us-east-1" {
		in.CreateBucketConfiguration = &types.CreateBucketConfiguration{LocationConstraint: types.BucketLocationConstraint(region)}
	}
	if _, err := c.CreateBucket(ctx, in); err != nil {
		if x, ok := errors.AsType[smithy.APIError](err); ok && x.ErrorCode() == "BucketAlreadyOwnedByYou" {
			return nil
		}
		return err
	}
	put := func(key string, content []byte) error {
		_, err := c.PutObject(ctx, &s3.PutObjectInput{Bucket: aws.String(b.Name), Key: aws.String(key), Body: bytes.NewReader(content)})
		return err
	}
	for _, key := range slices.Sorted(maps.Keys(b.Objects)) {
		if err := put(key, []byte(b.Objects[key])); err != nil {
			return err
		}
	}
	if b.Folder != "" {
		err := filepath.WalkDir(b.Folder, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			content, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			key, err := filepath.Rel(b.Folder, path)
			if err != nil {
				return err
			}
			return put(filepath.ToSlash(key), content)
		})
		if err != nil {
			return err
		}
	}
	if b.Policy != "" {
		_, err := c.PutBucketPolicy(ctx, &s3.PutBucketPolicyInput{Bucket: aws.String(b.Name), Policy: aws.String(b.Policy)})
		return err
	}
	return nil
}

// clean is the environment without what would lead a program past the
// sandbox to AWS itself.
func (w *world) clean(environ []string) []string {
	if w == nil {
		return environ
	}
	return slices.DeleteFunc(slices.Clone(environ), func(kv string) bool {
		return strings.HasPrefix(kv, "AWS_ENDPOINT_URL") || strings.HasPrefix(kv, "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS=")
	})
}

// env points a program at the sandbox. The endpoint of STS is named as well:
// Terraform's provider asks for it alone when a profile assumes a role.
func (w *world) env() map[string]string {
	if w == nil {
		return nil
	}
	return map[string]string{"AWS_ENDPOINT_URL": w.url, "AWS_ENDPOINT_URL_STS": w.url}
}
