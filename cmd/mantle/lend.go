package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/feature/ec2/imds"

	"github.com/mantle-iam/mantle/broker"
	"github.com/mantle-iam/mantle/internal/sts"
)

// baseConfig is the AWS configuration that mantle itself starts from: the
// SDK's default chain, or a profile.
func (e *env) baseConfig(ctx context.Context, profile, region string) (aws.Config, error) {
	var opts []func(*awsconfig.LoadOptions) error
	if profile != "" {
		opts = append(opts, awsconfig.WithSharedConfigProfile(profile))
	}
	if region != "" {
		opts = append(opts, awsconfig.WithRegion(region))
	}
	cfg, err := awsconfig.LoadDefaultConfig(ctx, opts...)
	if err != nil {
		x := &exitError{code: exitUsage, err: fmt.Errorf("base credentials: %w", err)}
		if _, ok := errors.AsType[awsconfig.SharedConfigProfileNotExistError](err); ok {
			x.hint = "see aws configure list-profiles, or leave out the profile to use the default chain"
		}
		return cfg, x
	}
	if cfg.Region == "" {
		return cfg, usagef("no region is set").withHint("set AWS_REGION, region in the profile, or region in the base block")
	}
	return cfg, nil
}

// lending is a broker over real or embedded STS.
type lending struct {
	*broker.Broker
	client *sts.Client
	rules  broker.Rules
}

// lend makes the broker for the rules. audit may be nil.
func (e *env) lend(ctx context.Context, cfg aws.Config, rules broker.Rules, audit func(broker.Event)) *lending {
	client := sts.New(cfg, sts.Options{Log: e.log()})
	host := broker.Host{}
	host.Name, _ = os.Hostname()
	if needsInstanceID(rules) {
		host.InstanceID = e.instanceID(ctx, cfg)
	}
	return &lending{broker.New(rules, client, broker.Options{Host: host, Audit: audit}), client, rules}
}

func needsInstanceID(rules broker.Rules) bool {
	for _, r := range rules {
		texts := []string{r.Loan.SessionName, r.Loan.SourceIdentity}
		for _, h := range r.Loan.Chain {
			texts = append(texts, h.SessionName)
		}
		for _, v := range r.Loan.Tags {
			texts = append(texts, v)
		}
		for _, t := range texts {
			if strings.Contains(t, "{instance_id}") {
				return true
			}
		}
	}
	return false
}

// instanceID asks the metadata service which instance this is; empty where
// there is none.
func (e *env) instanceID(ctx context.Context, cfg aws.Config) string {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	out, err := imds.NewFromConfig(cfg).GetMetadata(ctx, &imds.GetMetadataInput{Path: "instance-id"})
	if err != nil {
		return ""
	}
	defer out.Content.Close()
	b, err := io.ReadAll(io.LimitReader(out.Content, 64))
	if err != nil {
		return ""
	}
	return string(b)
}

// borrow is one loan now, with the failure in terms of an exit status.
func (l *lending) borrow(ctx context.Context, workload string) (broker.Credentials, error) {
	c, err := l.Credentials(ctx, broker.Caller{Workload: workload, UID: -1, PID: -1, How: broker.ByToken})
	if err != nil {
		return c, lendFailure(err)
	}
	return c, nil
}

// lendFailure picks the exit status of a loan that did not come about.
func lendFailure(err error) error {
	if x, ok := errors.AsType[*broker.RefusedError](err); ok {
		return &exitError{code: exitDenied, err: x}
	}
	x, ok := errors.AsType[*broker.LendError](err)
	if !ok {
		return err
	}
	code := exitDenied
	switch x.Kind {
	case broker.Unreachable, broker.Throttled, broker.Failed:
		code = exitUnreachable
	case broker.Expired:
		code = exitHuman
	case broker.Invalid:
		code = exitUsage
	}
	plain := *x
	plain.Cure = ""
	return &exitError{code: code, err: &plain, hint: x.Cure}
}

// identity asks STS who mantle itself is.
func (l *lending) identity(ctx context.Context) (arn, account string, err error) {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	if arn, account, err = l.client.Identity(ctx); err != nil {
		return "", "", lendFailure(err)
	}
	return arn, account, nil
}

// auditTo opens the audit log: one JSON line for each loan and refusal, to a
// file that is appended to, or to standard error for "-".
func (e *env) auditTo(path string) (func(broker.Event), func() error, error) {
	if path == "" {
		return nil, func() error { return nil }, nil
	}
	w, done := e.Stderr, func() error { return nil }
	if path != "-" {
		f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if err != nil {
			return nil, nil, usagef("open audit log: %w", err)
		}
		w, done = f, f.Close
	}
	log := slog.New(slog.NewJSONHandler(w, nil))
	return func(ev broker.Event) {
		log.LogAttrs(context.Background(), slog.LevelInfo, "loan", slog.Any("event", ev))
	}, done, nil
}

// oneLine is JSON without an end of line and without HTML escapes.
func oneLine(v any) string {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.Encode(v)
	return strings.TrimSuffix(b.String(), "\n")
}
