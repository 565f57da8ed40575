package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/mantle-iam/mantle/internal/ask"
)

// explainFlags choose what is explained and what is done about it.
type explainFlags struct {
	can     canFlags
	last    bool
	session string
	fix     string
	apply   bool
}

// again is the command that asks the same once more, for people to copy.
func (f *explainFlags) again(q *ask.Question) string {
	if f.last {
		return "mantle explain --last"
	}
	return fmt.Sprintf("mantle explain %s %s %s", quoteSh(q.Principal), q.Action, quoteSh(q.Resource))
}

func explainCommand(e *env) *cobra.Command {
	var f explainFlags
	c := &cobra.Command{
		Use:   "explain PRINCIPAL ACTION RESOURCE | explain \"ERROR TEXT\" | explain - | explain --last",
		Short: "Say why something is denied, and what the smallest fix is",
		Long: `Explain tells why a call is denied or allowed: every layer of policies in turn,
the statement that decides, with file and line, and the two sides of a matter
between accounts. For a denial it looks for the smallest change that lets the
call through, tries it in memory, and says what else it would open.

What to explain is a question, the text of an error as AWS, its clients or
Terraform print it (from the standard input with -), or with --last the last
denial of the sandbox.

--fix prints one of the fixes, with --output diff as a patch: of the Terraform
files if that is the source (patch -p1 applies it in the folder; the files of
modules are left alone), else of the policies' documents. --apply makes the change in the sandbox. Fixes never touch
service control policies or permissions boundaries, which are named instead.`,
		Example: `  mantle explain --last
  mantle explain --last --fix A --apply
  mantle explain web s3:ListBucket s3://photos
  mantle explain web assume deploy --terraform . --fix A --output diff | patch -p1
  terraform apply 2>&1 | mantle explain -
  mantle explain "The config profile (dev) could not be found"`,
		Args:        cobra.ArbitraryArgs,
		Annotations: map[string]string{"outputs": "diff"},
		RunE:        func(c *cobra.Command, args []string) error { return e.explain(c.Context(), args, &f) },
	}
	f.can.source.add(c)
	f.can.request(c)
	c.Flags().BoolVar(&f.last, "last", false, "explain the last call that the sandbox denied")
	c.Flags().StringVar(&f.session, "session", "", "with --last: glob over the caller's session name")
	c.Flags().StringVar(&f.fix, "fix", "", "print the fix with this letter")
	c.Flags().BoolVar(&f.apply, "apply", false, "with --fix: make the change in the sandbox")
	c.AddCommand(explainRoleCommand(e), explainTaskCommand(e), explainECSTaskCommand(e), explainOIDCCommand(e))
	return c
}

func (e *env) explain(ctx context.Context, args []string, f *explainFlags) error {
	if f.apply && f.fix == "" {
		return usagef("--apply says nothing of which fix").withHint("name one: --fix A --apply")
	}
	if f.session != "" && !f.last {
		return usagef("--session goes with --last")
	}
	switch {
	case f.last && len(args) > 0:
		return usagef("--last and a question are two things to explain")
	case f.last:
		return e.explainLast(ctx, f)
	case len(args) == 3:
		q, err := question(args)
		if err != nil {
			return err
		}
		return e.explainQuestion(ctx, q, f, nil)
	case len(args) == 1 && args[0] == "-":
		const limit = 1 << 20
		text, err := io.ReadAll(io.LimitReader(e.Stdin, limit))
		if err != nil {
			return err
		}
		return e.explainText(ctx, string(text), f)
	case len(args) > 0:
		return e.explainText(ctx, strings.Join(args, " "), f)
	}
	return usagef("nothing says what to explain").withHint("a question, the text of an error, - or --last; see mantle explain --help")
}

// explained is the answer of explain.
type explained struct {
	Schema    string         `json:"schema"`
	Diagnosis *ask.Diagnosis `json:"diagnosis,omitempty"`
	Answer    *ask.Answer    `json:"answer,omitempty"`
	*ask.Fixes
	Fix     *ask.Fix   `json:"fix,omitempty"`
	Patch   *ask.Patch `json:"patch,omitempty"`
	Applied []string   `json:"applied,omitempty"`
}

// explainQuestion answers a question with every step, and with what can be done.
func (e *env) explainQuestion(ctx context.Context, q ask.Question, f *explainFlags, d *ask.Diagnosis) error {
	given, err := contextKeys(f.can.context)
	if err != nil {
		return err
	}
	if q.Context == nil {
		q.Context = given
	} else {
		for k, v := range given.All() {
			if given.IsList(k) {
				q.Context.SetList(k, v)
			} else {
				q.Context.Set(k, v...)
			}
		}
	}
	q.Tags, q.SourceIdentity = q.Tags || f.can.tags, q.SourceIdentity || f.can.ident
	a, err := e.asker(ctx, &f.can.source)
	if err != nil {
		return err
	}
	x, err := a.Ask(q)
	if err != nil {
		return asked(err)
	}
	fixes, err := a.Fix(x)
	if err != nil {
		return err
	}
	out := &explained{Schema: schema, Diagnosis: d, Answer: x, Fixes: fixes}
	if f.fix != "" {
		if err := e.fix(ctx, a, out, f); err != nil {
			return err
		}
	}
	if e.Output == "diff" {
		if out.Patch == nil {
			return usagef("--output diff goes with --fix").withHint("name one: --fix A --output diff")
		}
		_, err := io.WriteString(e.Stdout, out.Patch.Diff)
		return err
	}
	if err := e.answer(out, func(w io.Writer) {
		if d != nil && d.Layer == 0 && d.Action != "" {
			fmt.Fprintf(w, "the text does not say which side refused; the policies do:\n")
		}
		a.Write(w, x, true)
		if out.Fix == nil {
			a.WriteFixes(w, x, fixes, f.again(&q)+" --fix A --output diff")
			return
		}
		e.writeFix(w, a, out)
	}); err != nil {
		return err
	}
	if x.Verdict == ask.Undecided {
		return &exitError{code: exitUnknown}
	}
	return nil
}

// explainText explains the text of an error: from the policies if it says who
// asked for what, else in general.
func (e *env) explainText(ctx context.Context, text string, f *explainFlags) error {
	d, ok := ask.ReadError(text)
	if !ok {
		return failf(exitUnknown, "the text says nothing that mantle knows").withHint("give it the whole error, or ask a question: mantle explain PRINCIPAL ACTION RESOURCE")
	}
	source := f.can.source
	has := e.defaultSource(&source) == nil
	if d.Encoded != "" && has {
		if q, err := e.decode(ctx, d.Encoded, &source); err == nil {
			d.Principal, d.Action, d.Resource = q.Principal, q.Action, q.Resource
			return e.explainQuestion(ctx, *q, f, d)
		} else if d.Principal == "" {
			e.talkf("mantle: the message was not decoded: %v\n", err)
		}
	}
	switch {
	case d.Kind == "denied" && d.Principal != "" && has:
		return e.explainQuestion(ctx, ask.Question{Principal: d.Principal, Action: d.Action, Resource: d.Resource, Observed: true}, f, d)
	case d.Kind == "task-role" && has:
		return e.explainECSTask(ctx, d.Role, "", &source)
	}
	if f.fix != "" {
		return usagef("there is no fix to print").withHint("a fix needs the policies and a text that says who asked for what")
	}
	if has {
		if a, err := e.asker(ctx, &source); err == nil {
			a.Settle(d)
		}
	}
	if err := e.answer(&explained{Schema: schema, Diagnosis: d}, func(w io.Writer) {
		fmt.Fprintf(w, "%s\n", d.Cause)
		if d.Principal != "" {
			fmt.Fprintf(w, "  who   %s\n  what  %s on %s\n", d.Principal, d.Action, d.Resource)
		}
		for _, line := range d.Cure {
			fmt.Fprintf(w, "  fix   %s\n", strings.ReplaceAll(line, "\n", "\n        "))
		}
		if d.Encoded != "" {
			fmt.Fprintf(w, "  fix   aws sts decode-authorization-message --encoded-message=%s\n", d.Encoded)
		}
		if d.Rule != "" {
			fmt.Fprintf(w, "  rule  %s (mantle check --explain %s)\n", d.Rule, d.Rule)
		}
	}); err != nil {
		return err
	}
	if d.Kind == "denied" {
		return failf(exitUnknown, "the text alone does not say what to change").withHint("name the policies: --sandbox, --terraform DIR, --details FILE or --live")
	}
	return nil
}

func explainRoleCommand(e *env) *cobra.Command {
	var source sourceFlags
	c := &cobra.Command{
		Use:   "role ROLE",
		Short: "Tell of a role who may become it, what it may do, who uses it, and its traps",
		Example: `  mantle explain role web
  mantle explain role shared/dynamo-access --terraform .`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			a, err := e.asker(c.Context(), &source)
			if err != nil {
				return err
			}
			s, err := a.ExplainRole(args[0])
			if err != nil {
				return asked(err)
			}
			return e.answer(struct {
				Schema string `json:"schema"`
				*ask.RoleStory
			}{schema, s}, func(w io.Writer) { a.WriteRole(w, s) })
		},
	}
	source.add(c)
	return c
}

func explainTaskCommand(e *env) *cobra.Command {
	var source sourceFlags
	c := &cobra.Command{
		Use:   "task NAME",
		Short: "List the four roles around an ECS task: who wears each, when, and what breaks without",
		Example: `  mantle explain task web
  mantle explain task aws_ecs_task_definition.app --terraform .`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			a, err := e.asker(c.Context(), &source)
			if err != nil {
				return err
			}
			rows, err := a.ExplainTask(args[0])
			if err != nil {
				return asked(err)
			}
			return e.answer(map[string]any{"schema": schema, "task": args[0], "roles": rows}, func(w io.Writer) { a.WriteTask(w, args[0], rows) })
		},
	}
	source.add(c)
	return c
}

func explainECSTaskCommand(e *env) *cobra.Command {
	var source sourceFlags
	var by string
	c := &cobra.Command{
		Use:   "ecs-task NAME",
		Short: "Find out why \"ECS was unable to assume the role\"",
		Long: `The one text has five causes: the role is missing, its trust policy names
another service, task role and execution role are swapped, whoever starts the
task may not pass the role, or the role is too new. They are tested in order.

NAME is a task definition (web, web:7, a Terraform address) or a role. Exit
status 1 means that a cause was found.`,
		Example: `  mantle explain ecs-task web:7
  mantle explain ecs-task web --by deployer --terraform .`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return e.explainECSTask(c.Context(), args[0], by, &source)
		},
	}
	source.add(c)
	c.Flags().StringVar(&by, "by", "", "the principal that registers or starts the task")
	return c
}

func (e *env) explainECSTask(ctx context.Context, name, by string, source *sourceFlags) error {
	a, err := e.asker(ctx, source)
	if err != nil {
		return err
	}
	t, err := a.ExplainECSTask(name, by, time.Now())
	if err != nil {
		return asked(err)
	}
	var fixes *ask.Fixes
	if t.Answer != nil && t.Answer.Verdict == ask.Denied {
		if fixes, err = a.Fix(t.Answer); err != nil {
			return err
		}
	}
	if err := e.answer(struct {
		Schema string `json:"schema"`
		*ask.TaskCase
		*ask.Fixes
	}{schema, t, fixes}, func(w io.Writer) {
		a.WriteTaskCase(w, t)
		if fixes != nil {
			a.WriteFixes(w, t.Answer, fixes, "mantle explain ecs-tasks.amazonaws.com assume "+t.Role+" --fix A --output diff")
		}
	}); err != nil {
		return err
	}
	if t.Found() != nil {
		return &exitError{code: exitDenied}
	}
	return nil
}

func explainOIDCCommand(e *env) *cobra.Command {
	var source sourceFlags
	var token, role string
	c := &cobra.Command{
		Use:   "oidc --token TOKEN --role ROLE",
		Short: "Hold the claims of a token against a role's trust policy",
		Long: `Oidc compares a token of an OpenID Connect provider (GitHub Actions, GitLab,
Azure DevOps, EKS) with what a role's trust policy asks of it, claim by claim.
The token is read and not checked: its signature is AWS's business. A token is a
secret while it lasts; --token - reads it from the standard input, --token
@FILE from a file, and it is printed nowhere.`,
		Example: `  mantle explain oidc --role deploy --token - < token
  mantle explain oidc --role deploy --token @/var/run/secrets/token --terraform .`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			text, err := e.secretArgument("--token", token)
			if err != nil {
				return err
			}
			a, err := e.asker(c.Context(), &source)
			if err != nil {
				return err
			}
			t, err := a.ExplainToken(text, role, time.Now())
			if err != nil {
				return asked(err)
			}
			if err := e.answer(struct {
				Schema string `json:"schema"`
				*ask.TokenCase
			}{schema, t}, func(w io.Writer) { a.WriteToken(w, t) }); err != nil {
				return err
			}
			if status := statusOf(t.Verdict); status != exitOK {
				return &exitError{code: status}
			}
			return nil
		},
	}
	source.add(c)
	c.Flags().StringVar(&token, "token", "", "the token: -, @FILE or the token itself")
	c.Flags().StringVar(&role, "role", "", "the role to assume")
	c.MarkFlagRequired("token")
	c.MarkFlagRequired("role")
	return c
}
