package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/feature/ec2/imds"

	"github.com/mantle-iam/mantle/broker"
	"github.com/mantle-iam/mantle/internal/audit"
	"github.com/mantle-iam/mantle/internal/sts"
)

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

// auditTo is what a broker tells of loans and refusals, for the audit log; nil
// without a path.
func (e *env) auditTo(path string) (func(broker.Event), func() error, error) {
	log, err := e.auditLog(path)
	if log == nil || err != nil {
		return nil, func() error { return nil }, err
	}
	return log.Event, log.Close, nil
}

// auditLog opens the audit log: one JSON line for each event, to a file that is
// appended to, to standard error for "-", or to systemd's journal for
// "journald"; nil without a path.
func (e *env) auditLog(path string) (*audit.Log, error) {
	if path == "" {
		return nil, nil
	}
	log, err := audit.Open(path, e.Stderr, audit.Options{Log: e.log()})
	if err != nil {
		return nil, &exitError{code: exitUsage, err: err}
	}
	return log, nil
}

// oneLine is JSON without an end of line and without HTML escapes.
func oneLine(v any) string {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.Encode(v)
	return strings.TrimSuffix(b.String(), "\n")
}
