package main

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/spf13/cobra"

	"github.com/mantle-iam/mantle/iam"
	"github.com/mantle-iam/mantle/internal/config"
	"github.com/mantle-iam/mantle/internal/record"
	"github.com/mantle-iam/mantle/sandbox"
)

// recordFlags say what is recorded and where the draft goes.
type recordFlags struct {
	role       roleFlags
	listen     string
	principal  string
	file       string
	format     string
	generalize []string
}

func recordCommand(e *env) *cobra.Command {
	f := &recordFlags{}
	c := &cobra.Command{
		Use:   "record [--role ROLE] [flags] -- COMMAND [ARGUMENT...]",
		Short: "Run a command against the sandbox and draft the least policy that it needed",
		Long: `Record runs a command against a running sandbox and drafts, from the calls that
were made meanwhile, a policy that allows exactly those: the actions with the
resources that they were asked for, iam:PassRole with the service that the role
was passed to. Denied calls count as well, so that a draft can start from a role
that may do nothing. The policy engine then confirms that the draft allows every
call, and that no action of it can be spared.

With --role the command runs under that role, as with mantle run. Calls of
several principals make a draft each; the one that runs the command is left out
if there are others, so that a task started by mantle sandbox run-task is drafted
for without its starter. --principal chooses.

The exit status is the command's own.`,
		Example: `  mantle record --policy-file policy.json -- mantle sandbox run-task aws-nodejs-sample
  mantle record --role deploy --format terraform -- terraform apply
  mantle record --generalize 'arn:aws:s3:::node-sdk-sample-*/*' -- node sample.js`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error { return e.record(c.Context(), f, args) },
	}
	f.role.add(c)
	fs := c.Flags()
	fs.StringVar(&f.listen, "listen", "", "address of the sandbox (default: AWS_ENDPOINT_URL, or "+defaultListen+")")
	fs.StringVar(&f.principal, "principal", "", "glob over the ARNs of the principals to draft for: roles and users, not sessions")
	fs.StringVar(&f.file, "policy-file", "", "write the draft to this file instead of standard output")
	fs.StringVar(&f.format, "format", "json", "what the draft is written as: json or terraform")
	fs.StringArrayVar(&f.generalize, "generalize", nil, "pattern of resource ARNs that stands for each that it covers, repeatable")
	fs.SetInterspersed(false)
	return c
}

// drafted is the draft for one principal.
type drafted struct {
	Principal string        `json:"principal"`
	Policy    record.Policy `json:"policy"`
	Used      []record.Used `json:"used"`

	draft *record.Draft
}

func (e *env) record(ctx context.Context, f *recordFlags, command []string) error {
	if f.format != "json" && f.format != "terraform" {
		return usagef("there is no format %q", f.format).withHint("use --format json or --format terraform")
	}
	if _, err := path.Match(f.principal, ""); err != nil {
		return usagef("--principal: %q is not a glob: %w", f.principal, err)
	}
	if _, err := record.New(nil, record.Options{Generalize: f.generalize}); err != nil {
		return usagef("--generalize: %w", err)
	}
	if _, err := exec.LookPath(command[0]); err != nil && !errors.Is(err, exec.ErrDot) {
		return usagef("%w", err).withHint("put the command and its arguments behind --")
	}
	address := e.sandboxAddress(f.listen)
	if e.get("AWS_ENDPOINT_URL") == "" {
		return usagef("AWS_ENDPOINT_URL is not set: the command would call AWS itself").withHint(`eval "$(mantle sandbox env)" leads it to the sandbox`)
	}
	place, err := e.placeOf(address)
	if err != nil {
		return err
	}
	starter, err := e.starter(ctx, &f.role)
	if err != nil {
		return err
	}
	from, err := trailEnd(place.Trail)
	if err != nil {
		return err
	}
	status := 0
	if f.role.role != "" {
		err = e.run(ctx, &f.role, config.EndpointContainer, command)
	} else {
		err = e.runPlain(ctx, command)
	}
	if x, ok := errors.AsType[*exitError](err); ok && x.err == nil {
		status, err = x.code, nil
	}
	if err != nil {
		return err
	}
	records, err := trailSince(ctx, place.Trail, from)
	if err != nil {
		return err
	}
	drafts, err := f.drafts(records, starter)
	if err != nil {
		return err
	}
	if err := e.printDrafts(f, drafts); err != nil {
		return err
	}
	if status != 0 {
		e.talkf("mantle: the command ended with status %d; the draft allows what it did until then\n", status)
		return &exitError{code: status}
	}
	return nil
}

// starter is the role or user whom the command is started by, whose own calls
// (such as starting a task) are not the work that is recorded.
func (e *env) starter(ctx context.Context, f *roleFlags) (string, error) {
	base, err := e.baseConfig(ctx, f.profile, f.region)
	if err != nil {
		return "", err
	}
	me, err := sts.NewFromConfig(base).GetCallerIdentity(ctx, nil)
	if err != nil {
		return "", failf(exitUnreachable, "ask the sandbox who runs the command: %w", err)
	}
	return issuerOf(aws.ToString(me.Arn)), nil
}

// issuerOf is the role behind a session's ARN (without its path, which the ARN
// does not have), or the ARN itself.
func issuerOf(arn string) string {
	a, err := iam.ParseARN(arn)
	if err != nil || a.Service != "sts" {
		return arn
	}
	f := strings.Split(a.Resource, "/")
	if len(f) == 3 && f[0] == "assumed-role" {
		return "arn:" + a.Partition + ":iam::" + a.Account + ":role/" + f[1]
	}
	return arn
}

// runPlain runs the command as it is.
func (e *env) runPlain(ctx context.Context, command []string) error {
	p := &program{Command: command, Environ: e.Environ, Stdin: e.Stdin, Stdout: e.Stderr, Stderr: e.Stderr, Shared: true}
	if e.Output != "json" {
		p.Stdout = e.Stdout
	}
	status, err := p.run(ctx)
	if err != nil {
		return usagef("%w", err)
	}
	if status != 0 {
		return &exitError{code: status}
	}
	return nil
}

// trailEnd is how long the trail is now.
func trailEnd(file string) (int64, error) {
	info, err := os.Stat(file)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, failf(exitUnreachable, "the sandbox keeps no trail")
	}
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// trailSince reads the records behind an offset, once no more come: the record
// of a call is written when its answer is on its way.
func trailSince(ctx context.Context, file string, from int64) ([]sandbox.Record, error) {
	size := int64(-1)
	for {
		now, err := trailEnd(file)
		if err != nil {
			return nil, err
		}
		if now < from {
			return nil, failf(exitUnknown, "the trail was set aside while the command ran, as it had grown too long").withHint("record a shorter piece of work, or start the sandbox anew")
		}
		if now == size {
			break
		}
		size = now
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
	in, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	if _, err := in.Seek(from, io.SeekStart); err != nil {
		return nil, err
	}
	var out []sandbox.Record
	lines := bufio.NewReader(in)
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			return out, nil // a line without an end is a call that is just being answered
		}
		var r sandbox.Record
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			return nil, failf(exitUnknown, "the trail has a line that is no record: %w", err)
		}
		out = append(out, r)
	}
}

// drafts are the drafts for the principals that the flags choose, sorted.
func (f *recordFlags) drafts(records []sandbox.Record, starter string) ([]drafted, error) {
	calls := map[string][]record.Call{}
	for _, r := range records {
		who := r.UserIdentity.ARN
		if s := r.UserIdentity.SessionContext; s != nil && s.SessionIssuer != nil {
			who = s.SessionIssuer.ARN
		}
		if who == "" {
			continue // nobody who could have a policy: a web identity, or a call that was not signed well
		}
		for _, d := range r.Decisions {
			calls[who] = append(calls[who], record.Call{
				Action: d.Action, Resource: d.Resource, Account: ownerOf(&r, d.Resource), PassedTo: d.PassedToService,
				Denied: d.Outcome != iam.Allow, Principal: r.UserIdentity.ARN, Agent: agentName(r.UserAgent),
			})
		}
	}
	chosen := slices.Sorted(maps.Keys(calls))
	switch {
	case f.principal != "":
		chosen = slices.DeleteFunc(chosen, func(who string) bool {
			ok, _ := path.Match(strings.ReplaceAll(f.principal, "/", "\x00"), strings.ReplaceAll(who, "/", "\x00"))
			return !ok
		})
	case len(chosen) > 1:
		// The role's own ARN may have a path, which the starter's session has not.
		chosen = slices.DeleteFunc(chosen, func(who string) bool { return withoutPath(who) == starter || who == starter })
	}
	var out []drafted
	for _, who := range chosen {
		d, err := record.New(calls[who], record.Options{Generalize: f.generalize})
		if err != nil {
			return nil, usagef("--generalize: %w", err)
		}
		if len(d.Used) == 0 {
			continue
		}
		if err := d.Check(); err != nil {
			return nil, failf(exitUnknown, "the draft for %s does not hold: %w", who, err)
		}
		out = append(out, drafted{who, d.Policy, d.Used, d})
	}
	return out, nil
}

// withoutPath is a role's ARN as its sessions show it.
func withoutPath(arn string) string {
	i := strings.Index(arn, ":role/")
	if i < 0 {
		return arn
	}
	return arn[:i] + ":role/" + arn[strings.LastIndex(arn, "/")+1:]
}

// ownerOf is the account that owns a resource of a call.
func ownerOf(r *sandbox.Record, resource string) string {
	for _, x := range r.Resources {
		if x.ARN == resource && x.AccountID != "" {
			return x.AccountID
		}
	}
	return cmp.Or(r.RecipientAccountID, r.UserIdentity.AccountID)
}

// agentName is the first word of a user agent: the program, without the long
// tail of versions.
func agentName(agent string) string {
	name, _, _ := strings.Cut(agent, " ")
	return name
}

func (e *env) printDrafts(f *recordFlags, drafts []drafted) error {
	if len(drafts) == 0 {
		e.talkf("mantle: nothing was recorded: the command made no call that needs a permission\n")
		return e.answer(map[string]any{"schema": schema, "drafts": []drafted{}}, func(io.Writer) {})
	}
	for _, d := range drafts {
		where := ""
		if f.file != "" {
			where = " → " + f.file
		}
		e.talkf("recorded %s of %s%s\n", count(len(d.Used), "permission"), d.Principal, where)
		for _, u := range d.Used {
			note := ""
			if u.Denied > 0 {
				note = fmt.Sprintf("  (denied %d×)", u.Denied)
			}
			e.talkf("  %3d×  %s  %s%s\n", u.Calls, u.Action, u.Resource, note)
		}
	}
	if f.file == "" {
		return e.answer(map[string]any{"schema": schema, "drafts": drafts}, func(w io.Writer) {
			for _, d := range drafts {
				w.Write(d.text(f.format))
			}
		})
	}
	if len(drafts) > 1 {
		var who []string
		for _, d := range drafts {
			who = append(who, d.Principal)
		}
		return usagef("there are drafts for %s, and one file", strings.Join(who, ", ")).withHint("choose with --principal")
	}
	if err := replaceFile(f.file, drafts[0].text(f.format)); err != nil {
		return err
	}
	return e.answer(map[string]any{"schema": schema, "file": f.file, "drafts": drafts}, func(io.Writer) {})
}

func (d *drafted) text(format string) []byte {
	if format == "terraform" {
		name := d.Principal[strings.LastIndexAny(d.Principal, "/:")+1:]
		return d.draft.Terraform(strings.Map(func(r rune) rune {
			if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '_' || r == '-' {
				return r
			}
			return '_'
		}, name))
	}
	return d.Policy.JSON()
}
