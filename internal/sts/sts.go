// Package sts calls the one AWS API the broker needs: AssumeRole.
//
// A Client is a broker.Lender. It starts from the credentials of mantle itself,
// goes through the roles of the loan's chain — whose sessions it keeps, and all
// loans share — and sorts what may go wrong by who can do something about it.
//
// Files: sts.go, hop.go (sessions along the way), errors.go (what went wrong),
// timeout.go (one attempt).
package sts

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/aws-sdk-go-v2/service/sts/types"

	"github.com/mantle-iam/mantle/broker"
)

// Options of a Client. The zero value is fit for production.
type Options struct {
	// Region is the region whose STS is asked by loans that do not say; "" means
	// that of the base configuration.
	Region string

	// Endpoint is the URL of STS; "" means that of the base configuration (in
	// which AWS_ENDPOINT_URL and AWS_ENDPOINT_URL_STS have had their say), or
	// else the region's, https://docs.aws.amazon.com/general/latest/gr/sts.html.
	Endpoint string

	// Attempts is how often one call is tried when STS throttles, fails or does
	// not answer; 0 means 3. The broker tries again later by itself.
	Attempts int

	// AttemptTimeout bounds one try; 0 means 5 s.
	AttemptTimeout time.Duration

	// Log is told of what is worth a look and no failure: a session that had to
	// be shorter than asked, a clock that is wrong. nil means nobody is.
	Log *slog.Logger
}

// Client lends roles by assuming them. Its methods may be called by many
// goroutines.
type Client struct {
	api  *sts.Client
	base aws.CredentialsProvider
	opt  Options

	region string // of loans that do not say

	skew atomic.Int64 // AWS's clock less ours as last told to Log, in seconds

	mu      sync.Mutex          // guards the fields below
	hops    map[string]*hop     // by the way that leads to it
	chained map[string]struct{} // roles whose sessions turned out to be capped
}

// New makes a Client that starts from the credentials, the region and the
// endpoint of base. It calls nobody.
func New(base aws.Config, opt Options) *Client {
	if opt.Attempts <= 0 {
		opt.Attempts = 3
	}
	if opt.AttemptTimeout <= 0 {
		opt.AttemptTimeout = 5 * time.Second
	}
	if opt.Log == nil {
		opt.Log = slog.New(slog.DiscardHandler)
	}
	c := &Client{
		base:    base.Credentials,
		opt:     opt,
		hops:    make(map[string]*hop),
		chained: make(map[string]struct{}),
	}
	c.api = sts.NewFromConfig(base, func(o *sts.Options) {
		if opt.Region != "" {
			o.Region = opt.Region
		}
		if opt.Endpoint != "" {
			o.BaseEndpoint = &opt.Endpoint
		}
		if o.Region == "" && o.BaseEndpoint != nil {
			// A given endpoint needs a region to sign for and no more.
			o.Region = "us-east-1"
		}
		c.region = o.Region
		o.HTTPClient = limit(o.HTTPClient, opt.AttemptTimeout)
		o.Retryer = retry.NewStandard(func(r *retry.StandardOptions) {
			r.MaxAttempts = opt.Attempts
			r.MaxBackoff = time.Second
		})
		o.APIOptions = append(o.APIOptions, middleware.AddUserAgentKey("mantle"))
	})
	return c
}

// Lend assumes the roles of the chain and then the role. Its errors are
// *broker.LendError.
func (c *Client) Lend(ctx context.Context, l broker.Loan) (broker.Credentials, error) {
	region := l.Region
	if region == "" {
		region = c.region
	}
	if region == "" {
		return broker.Credentials{}, &broker.LendError{
			Role: l.Role, Kind: broker.Invalid,
			Message: "it is not known which region's STS to ask",
			Cure:    "set the region of the base credentials or of the role, or AWS_REGION",
		}
	}

	creds, err := c.lend(ctx, region, l)
	if err != nil {
		err.Role = l.Role
		return broker.Credentials{}, err
	}
	return creds, nil
}

// lend makes the last step, once more if the session it was to start from turns
// out to be dead (its role was deleted and made again, say).
func (c *Client) lend(ctx context.Context, region string, l broker.Loan) (broker.Credentials, *broker.LendError) {
	for again := true; ; again = false {
		from, err := c.way(ctx, region, l.Chain)
		if err != nil {
			return broker.Credentials{}, err
		}
		creds, err := c.assume(ctx, region, from.creds, c.input(l))
		if err == nil {
			return creds, nil
		}
		if err.Kind != broker.Expired {
			return broker.Credentials{}, err
		}
		from.drop()
		if !again || !from.renewable {
			return broker.Credentials{}, err
		}
	}
}

// input is the request for the role itself.
func (c *Client) input(l broker.Loan) *sts.AssumeRoleInput {
	in := &sts.AssumeRoleInput{
		RoleArn:           aws.String(l.Role),
		RoleSessionName:   aws.String(l.SessionName),
		DurationSeconds:   aws.Int32(int32(c.life(l) / time.Second)),
		TransitiveTagKeys: l.Transitive,
	}
	text := func(s string) *string {
		if s == "" {
			return nil
		}
		return &s
	}
	in.ExternalId = text(l.ExternalID)
	in.SourceIdentity = text(l.SourceIdentity)
	in.Policy = text(l.Policy)
	for _, arn := range l.PolicyARNs {
		in.PolicyArns = append(in.PolicyArns, types.PolicyDescriptorType{Arn: aws.String(arn)})
	}
	for _, k := range slices.Sorted(maps.Keys(l.Tags)) {
		in.Tags = append(in.Tags, types.Tag{Key: aws.String(k), Value: aws.String(l.Tags[k])})
	}
	return in
}

// life is how long a session to ask for: what the loan says, or an hour where
// AWS grants no more because the role is assumed by a role.
func (c *Client) life(l broker.Loan) time.Duration {
	life := l.Life()
	if life <= broker.MaxChained {
		return life
	}
	if len(l.Chain) > 0 {
		c.cap(l.Role, life)
		return broker.MaxChained
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, capped := c.chained[l.Role]; capped {
		return broker.MaxChained
	}
	return life
}

// cap notes that sessions of the role last an hour, and says so once.
func (c *Client) cap(role string, asked time.Duration) {
	c.mu.Lock()
	_, said := c.chained[role]
	c.chained[role] = struct{}{}
	c.mu.Unlock()
	if !said {
		c.opt.Log.Warn("session shortened to one hour: AWS grants no more to a role that a role assumes",
			"role", role, "asked", asked, "hint", "set its duration to 1h, or start from credentials that are no role's")
	}
}

// assume makes one AssumeRole call with the given credentials.
func (c *Client) assume(ctx context.Context, region string, from aws.Credentials, in *sts.AssumeRoleInput) (broker.Credentials, *broker.LendError) {
	role := aws.ToString(in.RoleArn)
	out, err := c.api.AssumeRole(ctx, in, func(o *sts.Options) {
		o.Region = region
		o.Credentials = credentials.StaticCredentialsProvider{Value: from}
	})
	if err != nil && tooLongForChain(err) && aws.ToInt32(in.DurationSeconds) > int32(broker.MaxChained/time.Second) {
		// The base credentials are themselves a role's, which their look does
		// not tell.
		c.cap(role, time.Duration(*in.DurationSeconds)*time.Second)
		in.DurationSeconds = aws.Int32(int32(broker.MaxChained / time.Second))
		return c.assume(ctx, region, from, in)
	}
	if err != nil {
		return broker.Credentials{}, sorted(err, in)
	}
	if out.Credentials == nil || out.Credentials.Expiration == nil {
		return broker.Credentials{}, &broker.LendError{
			Hop: role, Kind: broker.Failed,
			Message: "the answer to AssumeRole holds no credentials",
			Cure:    "check that the STS endpoint is one",
		}
	}
	account, _ := broker.RoleAccount(role)
	creds := broker.Credentials{
		AccessKeyID:     aws.ToString(out.Credentials.AccessKeyId),
		SecretAccessKey: aws.ToString(out.Credentials.SecretAccessKey),
		SessionToken:    aws.ToString(out.Credentials.SessionToken),
		Expires:         out.Credentials.Expiration.UTC(),
		RoleARN:         role,
		AccountID:       account,
	}
	if at, ok := middleware.GetServerTime(out.ResultMetadata); ok {
		creds.Issued = at.UTC()
		c.noteSkew(at)
	}
	return creds, nil
}

// noteSkew says once, and again when it changes by a minute, that AWS's clock
// and this host's differ: AWS refuses signatures that are five minutes off, and
// what mantle gets right its clients may not.
func (c *Client) noteSkew(server time.Time) {
	skew := server.Sub(time.Now().Round(0)).Round(time.Second)
	told := time.Duration(c.skew.Load()) * time.Second
	if skew.Abs() < time.Minute && told == 0 || (skew-told).Abs() < time.Minute {
		return
	}
	if skew.Abs() < time.Minute {
		skew = 0
	}
	if !c.skew.CompareAndSwap(int64(told/time.Second), int64(skew/time.Second)) {
		return // another answer has just said it
	}
	if skew == 0 {
		c.opt.Log.Info("the clock of this host is right again")
		return
	}
	c.opt.Log.Warn("the clock of this host is wrong", "off_by", -skew, "hint", "set it; AWS refuses signatures that are more than 5 minutes off")
}

// tooLongForChain recognises STS's answer to a session of more than an hour
// asked for with a role's credentials.
func tooLongForChain(err error) bool {
	return strings.Contains(err.Error(), "1 hour session limit for roles assumed by role chaining")
}

// Identity is the ARN and the account of the credentials that everything starts
// from, by GetCallerIdentity, which needs no permission. The error is a
// *broker.LendError without a role.
func (c *Client) Identity(ctx context.Context) (arn, account string, err error) {
	from, lendErr := c.start(ctx)
	if lendErr != nil {
		return "", "", lendErr
	}
	out, err := c.api.GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{}, func(o *sts.Options) {
		o.Credentials = credentials.StaticCredentialsProvider{Value: from.creds}
	})
	if err != nil {
		failure := sorted(err, &sts.AssumeRoleInput{})
		if failure.Kind == broker.Denied {
			failure.Cure = "no policy can deny this call: the credentials themselves were refused"
		}
		return "", "", failure
	}
	return aws.ToString(out.Arn), aws.ToString(out.Account), nil
}
