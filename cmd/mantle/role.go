package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/spf13/cobra"

	"github.com/mantle-iam/mantle/broker"
	"github.com/mantle-iam/mantle/iam"
	"github.com/mantle-iam/mantle/internal/config"
)

// roleFlags say which role a command wants and how it is to be asked for.
type roleFlags struct {
	role, config, profile, region string
	session, external, source     string
	duration                      time.Duration
	tags                          map[string]string
	transitive, chain             []string
	policy                        string
	policyARNs                    []string
	audit                         string
}

func (f *roleFlags) add(c *cobra.Command) {
	fs := c.Flags()
	fs.StringVar(&f.role, "role", "", "a role block of mantle.hcl, a role ARN, or the name of a role in the account of the base credentials (default: the role that the agent of this host lends this program)")
	fs.StringVar(&f.config, "config", "", "configuration file or folder (default ./mantle.hcl where there is one)")
	fs.StringVar(&f.profile, "profile", "", "profile of the base credentials (default: the SDK's chain)")
	fs.StringVar(&f.region, "region", "", "region of STS and of the command")
	fs.StringVar(&f.session, "session-name", "", "role session name; may hold {workload}, {host}, {uid}, {instance_id}")
	fs.StringVar(&f.external, "external-id", "", "external ID that the role's trust policy asks for")
	fs.StringVar(&f.source, "source-identity", "", "source identity of the session")
	fs.DurationVar(&f.duration, "duration", 0, "length of the session, 15m to 12h (default 1h)")
	fs.StringToStringVar(&f.tags, "tag", nil, "session tag KEY=VALUE, repeatable")
	fs.StringSliceVar(&f.transitive, "transitive-tag", nil, "key of a session tag that later sessions of a chain inherit, repeatable")
	fs.StringSliceVar(&f.chain, "chain", nil, "role ARNs to assume first, in order")
	fs.StringVar(&f.policy, "policy", "", "file with an inline session policy")
	fs.StringSliceVar(&f.policyARNs, "policy-arn", nil, "managed session policy, repeatable")
	fs.StringVar(&f.audit, "audit", "", "append a JSON line for each loan and refusal to this file (- for standard error)")
}

// loan is the loan that the flags describe, and the configuration to borrow
// it with. The rule's name is the command's, for {workload}.
func (f *roleFlags) loan(ctx context.Context, e *env, workload string) (*lending, aws.Config, func() error, error) {
	fail := func(err error) (*lending, aws.Config, func() error, error) { return nil, aws.Config{}, nil, err }
	if f.role == "" && !f.plain() {
		return fail(usagef("the flags say how to borrow a role, and not which").withHint("add --role; without it the agent of this host is asked, which knows how"))
	}
	file, err := e.optionalConfig(f.config)
	if err != nil {
		return fail(err)
	}
	// Who names no role, or names the one that the agent lends anyway, shares
	// the agent's session. Whoever has a configuration that says otherwise, or
	// flags, borrows for himself.
	if f.role == "" || f.plain() && (file == nil || file.Role(f.role) == nil) {
		audit, done, err := e.auditTo(f.audit)
		if err != nil {
			return fail(err)
		}
		l, base, err := e.fromAgent(ctx, workload, f.region, audit)
		if err == nil && (f.role == "" || isRole(l.rules[0].Loan.Role, f.role) && base.Region != "") {
			return l, base, done, nil
		}
		done()
		if f.role == "" {
			return fail(err)
		}
	}
	var from config.Base
	var loan broker.Loan
	if file != nil {
		from = file.Base
		if r := file.Role(f.role); r != nil {
			loan = r.Loan()
		}
	}
	if f.profile != "" {
		from.Source, from.Profile = config.BaseProfile, f.profile
	}
	if f.region != "" {
		from.Region = f.region
	}
	base, err := e.baseFrom(ctx, from, 0)
	if err != nil {
		return fail(err)
	}
	if loan.Role == "" {
		if loan.Role, err = f.arn(ctx, e, base, file); err != nil {
			return fail(err)
		}
	}
	if err := f.override(&loan); err != nil {
		return fail(err)
	}
	audit, done, err := e.auditTo(f.audit)
	if err != nil {
		return fail(err)
	}
	if loan.Region == "" {
		loan.Region = base.Region
	}
	base.Region = loan.Region
	return e.lend(ctx, base, broker.Rules{{Name: workload, Loan: loan}}, audit), base, done, nil
}

// plain reports whether no flag says how the role is to be borrowed.
func (f *roleFlags) plain() bool {
	return f.profile == "" && f.session == "" && f.external == "" && f.source == "" && f.duration == 0 &&
		len(f.tags)+len(f.transitive)+len(f.chain)+len(f.policyARNs) == 0 && f.policy == ""
}

// arn turns --role into an ARN: it is one, or the name of a role in the
// account of the base credentials.
func (f *roleFlags) arn(ctx context.Context, e *env, base aws.Config, file *config.Config) (string, error) {
	if strings.HasPrefix(f.role, "arn:") {
		a, err := iam.ParseARN(f.role)
		if err != nil || a.Service != "iam" || !strings.HasPrefix(a.Resource, "role/") {
			return "", usagef("--role %s is not the ARN of a role", f.role).withHint("arn:aws:iam::ACCOUNT:role/NAME")
		}
		return f.role, nil
	}
	if file != nil && len(file.Roles) > 0 && !strings.Contains(f.role, "/") {
		var names []string
		for _, r := range file.Roles {
			names = append(names, r.Name)
		}
		if near := nearest(f.role, names); near != "" {
			return "", usagef("%s has no role %q", file.Path, f.role).withHint(fmt.Sprintf("did you mean %q? It has %s", near, strings.Join(names, ", ")))
		}
	}
	me, account, err := e.lend(ctx, base, nil, nil).identity(ctx)
	if err != nil {
		return "", err
	}
	a, err := iam.ParseARN(me)
	if err != nil {
		return "", failf(exitUnknown, "STS says that this is %q, which is no ARN: %w", me, err)
	}
	return fmt.Sprintf("arn:%s:iam::%s:role/%s", a.Partition, account, strings.TrimPrefix(f.role, "/")), nil
}

// override lets flags win over the role block.
func (f *roleFlags) override(l *broker.Loan) error {
	set := func(to *string, from string) {
		if from != "" {
			*to = from
		}
	}
	set(&l.SessionName, f.session)
	set(&l.ExternalID, f.external)
	set(&l.SourceIdentity, f.source)
	if f.duration != 0 {
		if f.duration < 15*time.Minute || f.duration > 12*time.Hour {
			return usagef("--duration %s is not between 15m and 12h", f.duration)
		}
		l.Duration = f.duration
	}
	if len(f.tags) > 0 {
		l.Tags = f.tags
	}
	if len(f.transitive) > 0 {
		l.Transitive = f.transitive
	}
	for _, k := range f.transitive {
		if _, ok := l.Tags[k]; !ok {
			return usagef("--transitive-tag %s is not among the tags", k).withHint("add --tag " + k + "=VALUE")
		}
	}
	if len(f.chain) > 0 {
		l.Chain = nil
		for _, arn := range f.chain {
			if a, err := iam.ParseARN(arn); err != nil || a.Service != "iam" || !strings.HasPrefix(a.Resource, "role/") {
				return usagef("--chain %s is not the ARN of a role", arn)
			}
			l.Chain = append(l.Chain, broker.Hop{Role: arn})
		}
	}
	if f.policy != "" {
		text, err := os.ReadFile(f.policy)
		if err != nil {
			return usagef("--policy: %w", err)
		}
		if _, err := iam.Parse(iam.Session, f.policy, text); err != nil {
			return &exitError{code: exitUsage, err: err}
		}
		l.Policy = string(text)
	}
	if len(f.policyARNs) > 0 {
		l.PolicyARNs = f.policyARNs
	}
	return nil
}

// nearest is the name that a mistyped one most likely meant, or "".
func nearest(name string, names []string) string {
	best, at := "", min(3, len(name)/2+1)
	for _, n := range names {
		if d := distance(name, n); d < at {
			best, at = n, d
		}
	}
	return best
}

// distance counts the letters to add, drop or change (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		last := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := last
			if a[i] != b[j] {
				cost++
			}
			last = row[j+1]
			row[j+1] = min(cost, row[j]+1, last+1)
		}
	}
	return row[len(b)]
}
