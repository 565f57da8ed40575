package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	awsiam "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/mantle-iam/mantle/iam"
	"github.com/mantle-iam/mantle/internal/ask"
	"github.com/mantle-iam/mantle/sandbox"
)

// secretArgument reads an argument that should not stand in a process list.
func (e *env) secretArgument(flag, value string) (string, error) {
	const limit = 64 << 10
	switch {
	case value == "-":
		text, err := io.ReadAll(io.LimitReader(e.Stdin, limit))
		return string(text), err
	case strings.HasPrefix(value, "@"):
		text, err := os.ReadFile(value[1:])
		if err != nil {
			return "", usagef("%s: %w", flag, err)
		}
		return string(text), nil
	}
	return value, nil
}

// sourceAddress is where the sandbox is that the flags name; "" if the source
// is not a sandbox.
func (e *env) sourceAddress(f *sourceFlags) string {
	at := f.sandbox
	if at == anySandbox {
		if at = e.get("AWS_ENDPOINT_URL"); at == "" {
			at = defaultListen
		}
	}
	if u, err := url.Parse(at); err == nil && u.Host != "" {
		return u.Host
	}
	return at
}

// explainLast explains the last denial in the trail of the sandbox.
func (e *env) explainLast(ctx context.Context, f *explainFlags) error {
	if _, err := path.Match(f.session, ""); err != nil {
		return usagef("%q is not a glob: %w", f.session, err)
	}
	at := sourceFlags{sandbox: f.can.source.sandbox}
	if at.sandbox == "" {
		at.sandbox = anySandbox
	}
	r, err := e.lastDenial(e.sourceAddress(&at), f.session)
	if err != nil {
		return err
	}
	q, err := questionOf(r)
	if err != nil {
		return err
	}
	source := &f.can.source
	if source.sandbox == "" && source.terraform == "" && source.plan == "" && source.state == "" && len(source.details) == 0 {
		source.sandbox = at.sandbox
	}
	if source.sandbox == "" && source.as == "" {
		source.as = r.UserIdentity.AccountID // the configuration was applied there
	}
	return e.explainQuestion(ctx, *q, f, nil)
}

// lastDenial is the last record of a call that a policy denied.
func (e *env) lastDenial(address, session string) (*sandbox.Record, error) {
	place, err := e.placeOf(address)
	if err != nil {
		return nil, err
	}
	file, err := os.Open(place.Trail)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, failf(exitUnreachable, "the sandbox at %s keeps no trail", address)
	}
	if err != nil {
		return nil, err
	}
	defer file.Close()
	want := logFlags{session: session, denied: true}
	var last *sandbox.Record
	in := bufio.NewReader(file)
	for {
		line, err := in.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			break // what stands there is a line that is being written
		}
		if err != nil {
			return nil, err
		}
		var r sandbox.Record
		if err := json.Unmarshal(line, &r); err != nil {
			return nil, failf(exitUnknown, "the trail has a line that is no record: %w", err)
		}
		if want.wants(&r) {
			last = &r
		}
	}
	if last == nil {
		return nil, failf(exitUnknown, "the sandbox at %s has denied nothing yet", address).withHint("see what it answered: mantle sandbox log")
	}
	return last, nil
}

// questionOf is what a denied call asked for.
func questionOf(r *sandbox.Record) (*ask.Question, error) {
	for _, d := range r.Decisions {
		if d.Outcome == iam.Allow {
			continue
		}
		q := &ask.Question{Principal: r.UserIdentity.ARN, Action: d.Action, Resource: d.Resource, Observed: true}
		if q.Principal == "" {
			q.Principal = "anonymous"
		}
		switch {
		case strings.EqualFold(d.Action, "sts:TagSession"):
			q.Action, q.Tags = "sts:AssumeRole", true
		case strings.EqualFold(d.Action, "sts:SetSourceIdentity"):
			q.Action, q.SourceIdentity = "sts:AssumeRole", true
		}
		return q, nil
	}
	return nil, failf(exitUnknown, "%s was refused without a decision about a permission: %s", r.EventName, r.ErrorMessage).
		withHint(`explain its text: mantle explain "` + r.ErrorCode + ": " + r.ErrorMessage + `"`)
}

// fix fills in the fix with a letter, and makes the change if that is asked for.
func (e *env) fix(ctx context.Context, a *ask.Asker, out *explained, f *explainFlags) error {
	if out.Answer.Verdict == ask.Allowed {
		return usagef("there is nothing to fix: it is allowed")
	}
	fix, ok := out.Fixes.Find(f.fix)
	if !ok {
		var labels []string
		for _, x := range out.Fixes.List {
			labels = append(labels, x.Label)
		}
		hint := "there is none: " + strings.Join(out.Fixes.Advice, "; ")
		if len(labels) > 0 {
			hint = "there are " + strings.Join(labels, ", ")
		}
		return usagef("there is no fix %s", f.fix).withHint(hint)
	}
	out.Fix = fix
	var err error
	if out.Patch, err = a.Patch(fix); err != nil {
		return err
	}
	if out.Patch.Not != "" {
		e.talkf("mantle: %s\n", out.Patch.Not)
		if e.Output == "diff" {
			return failf(exitUnknown, "there is no patch of the files for fix %s", fix.Label).withHint("leave out --output diff to see the documents' change")
		}
	}
	if err := e.reread(ctx, out, f); err != nil {
		return err
	}
	if !f.apply {
		return nil
	}
	source := f.can.source
	if err := e.defaultSource(&source); err != nil {
		return err
	}
	if source.sandbox == "" {
		return usagef("--apply changes a sandbox only").withHint("for files: mantle explain … --fix " + fix.Label + " --output diff | patch -p1")
	}
	if len(fix.Changes) == 0 {
		return usagef("fix %s changes no policy: %s", fix.Label, fix.Title)
	}
	out.Applied, err = e.apply(ctx, a, fix, e.sourceAddress(&source))
	return err
}

// reread reads the configuration as the patch makes it and asks again: what was
// tried in memory has to hold of what is written.
func (e *env) reread(ctx context.Context, out *explained, f *explainFlags) error {
	source := f.can.source
	if len(out.Patch.Files) == 0 || source.plan != "" || source.state != "" {
		return nil
	}
	source.changed = out.Patch.Files
	after, err := e.asker(ctx, &source)
	if err != nil {
		return err
	}
	if !after.Helps(out.Answer, out.Fix) {
		return failf(exitUnknown, "fix %s does not help as it would be written into the files", out.Fix.Label).withHint("leave out --terraform to see the documents' change, and report the configuration")
	}
	return nil
}

// writeFix prints a fix and its change.
func (e *env) writeFix(w io.Writer, a *ask.Asker, out *explained) {
	a.WriteFixes(w, out.Answer, &ask.Fixes{List: []ask.Fix{*out.Fix}, Advice: out.Fixes.Advice}, "")
	if out.Patch.Diff != "" {
		fmt.Fprintf(w, "\n%s", out.Patch.Diff)
	}
	for _, line := range out.Applied {
		fmt.Fprintf(w, "applied  %s\n", line)
	}
}

// sandboxAccount is the SDK's configuration for the administrator of an account of the
// sandbox.
func (e *env) sandboxAccount(address, name string) (aws.Config, error) {
	place, err := e.placeOf(address)
	if err != nil {
		return aws.Config{}, err
	}
	profiles, err := readProfiles(place.Profiles)
	if err != nil {
		return aws.Config{}, err
	}
	i := slices.IndexFunc(profiles, func(p profile) bool { return p.name == name })
	if i < 0 && name == "" && len(profiles) > 0 {
		i = 0
	}
	if i < 0 {
		return aws.Config{}, failf(exitUnknown, "the sandbox at %s has no account %q", address, name)
	}
	p := profiles[i]
	return aws.Config{Region: p.region, BaseEndpoint: aws.String("http://" + address), Credentials: credentials.NewStaticCredentialsProvider(p.id, p.secret, "")}, nil
}

// apply makes the changes of a fix, each with the account's administrator.
func (e *env) apply(ctx context.Context, a *ask.Asker, fix *ask.Fix, address string) ([]string, error) {
	var done []string
	for i := range fix.Changes {
		c := &fix.Changes[i]
		cfg, err := e.sandboxAccount(address, a.AccountName(c.Account))
		if err != nil {
			return done, err
		}
		call, err := store(ctx, cfg, c)
		if err != nil {
			return done, failf(exitDenied, "%s: %w", call, err)
		}
		done = append(done, call+" in "+a.AccountName(c.Account))
	}
	return done, nil
}

// store makes one change and returns the call that makes it.
func store(ctx context.Context, cfg aws.Config, c *ask.Change) (call string, err error) {
	client := awsiam.NewFromConfig(cfg)
	name := c.Entity[strings.LastIndexByte(c.Entity, '/')+1:]
	user := strings.Contains(c.Entity, ":user/")
	switch {
	case c.What == "trust":
		call = "iam:UpdateAssumeRolePolicy " + name
		_, err = client.UpdateAssumeRolePolicy(ctx, &awsiam.UpdateAssumeRolePolicyInput{RoleName: &name, PolicyDocument: &c.After})
	case c.What == "inline" && strings.Contains(c.Entity, ":group/") && c.After == "":
		call = "iam:DeleteGroupPolicy " + name
		_, err = client.DeleteGroupPolicy(ctx, &awsiam.DeleteGroupPolicyInput{GroupName: &name, PolicyName: &c.Name})
	case c.What == "inline" && strings.Contains(c.Entity, ":group/"):
		call = "iam:PutGroupPolicy " + name
		_, err = client.PutGroupPolicy(ctx, &awsiam.PutGroupPolicyInput{GroupName: &name, PolicyName: &c.Name, PolicyDocument: &c.After})
	case c.What == "inline" && user && c.After == "":
		call = "iam:DeleteUserPolicy " + name
		_, err = client.DeleteUserPolicy(ctx, &awsiam.DeleteUserPolicyInput{UserName: &name, PolicyName: &c.Name})
	case c.What == "inline" && user:
		call = "iam:PutUserPolicy " + name
		_, err = client.PutUserPolicy(ctx, &awsiam.PutUserPolicyInput{UserName: &name, PolicyName: &c.Name, PolicyDocument: &c.After})
	case c.What == "inline" && c.After == "":
		call = "iam:DeleteRolePolicy " + name
		_, err = client.DeleteRolePolicy(ctx, &awsiam.DeleteRolePolicyInput{RoleName: &name, PolicyName: &c.Name})
	case c.What == "inline":
		call = "iam:PutRolePolicy " + name
		_, err = client.PutRolePolicy(ctx, &awsiam.PutRolePolicyInput{RoleName: &name, PolicyName: &c.Name, PolicyDocument: &c.After})
	case c.What == "managed":
		call = "iam:CreatePolicyVersion " + name
		_, err = client.CreatePolicyVersion(ctx, &awsiam.CreatePolicyVersionInput{PolicyArn: &c.Entity, PolicyDocument: &c.After, SetAsDefault: true})
	case strings.HasPrefix(c.Entity, "arn:aws:s3:::"):
		bucket := strings.TrimPrefix(c.Entity, "arn:aws:s3:::")
		client := s3.NewFromConfig(cfg, func(o *s3.Options) { o.UsePathStyle = true })
		if c.After == "" {
			call = "s3:DeleteBucketPolicy " + bucket
			_, err = client.DeleteBucketPolicy(ctx, &s3.DeleteBucketPolicyInput{Bucket: &bucket})
			break
		}
		call = "s3:PutBucketPolicy " + bucket
		_, err = client.PutBucketPolicy(ctx, &s3.PutBucketPolicyInput{Bucket: &bucket, Policy: &c.After})
	case strings.Contains(c.Entity, ":dynamodb:") && c.After != "":
		call = "dynamodb:PutResourcePolicy " + name
		_, err = dynamodb.NewFromConfig(cfg).PutResourcePolicy(ctx, &dynamodb.PutResourcePolicyInput{ResourceArn: &c.Entity, Policy: &c.After})
	default:
		return "store the policy of " + c.Entity, fmt.Errorf("mantle knows no call for it; the document is in --output json")
	}
	return call, err
}

// decoded is what sts:DecodeAuthorizationMessage answers.
type decoded struct {
	Context struct {
		Principal  struct{ ARN string }
		Action     string
		Resource   string
		Conditions struct {
			Items []struct {
				Key    string
				Values struct{ Items []struct{ Value string } }
			}
		}
	}
}

// decode reads an encoded authorization failure message, with the administrator of
// the sandbox or the credentials of --live.
func (e *env) decode(ctx context.Context, message string, f *sourceFlags) (*ask.Question, error) {
	var configs []aws.Config
	switch {
	case f.sandbox != "":
		address := e.sourceAddress(f)
		place, err := e.placeOf(address)
		if err != nil {
			return nil, err
		}
		profiles, err := readProfiles(place.Profiles)
		if err != nil {
			return nil, err
		}
		for _, p := range profiles {
			cfg, err := e.sandboxAccount(address, p.name)
			if err != nil {
				return nil, err
			}
			configs = append(configs, cfg)
		}
	case len(f.live) > 0:
		name := f.live[0]
		if name == "default" {
			name = ""
		}
		cfg, err := e.baseConfig(ctx, name, f.region)
		if err != nil {
			return nil, err
		}
		configs = append(configs, cfg)
	default:
		return nil, fmt.Errorf("only STS can, and neither --sandbox nor --live is given")
	}
	var failed error
	for _, cfg := range configs {
		out, err := sts.NewFromConfig(cfg).DecodeAuthorizationMessage(ctx, &sts.DecodeAuthorizationMessageInput{EncodedMessage: &message})
		if err != nil {
			failed = err
			continue
		}
		return readDecoded(aws.ToString(out.DecodedMessage))
	}
	return nil, failed
}

func readDecoded(text string) (*ask.Question, error) {
	var d decoded
	if err := json.Unmarshal([]byte(text), &d); err != nil {
		return nil, fmt.Errorf("the decoded message is no JSON: %w", err)
	}
	if d.Context.Action == "" || d.Context.Principal.ARN == "" {
		return nil, fmt.Errorf("the decoded message does not say who asked for what")
	}
	q := &ask.Question{Principal: d.Context.Principal.ARN, Action: d.Context.Action, Resource: d.Context.Resource, Context: iam.NewContext(), Observed: true}
	if q.Resource == "" {
		q.Resource = "*"
	}
	for _, item := range d.Context.Conditions.Items {
		var values []string
		for _, v := range item.Values.Items {
			values = append(values, v.Value)
		}
		if len(values) > 0 && strings.Contains(item.Key, ":") {
			q.Context.Set(item.Key, values...)
		}
	}
	return q, nil
}
