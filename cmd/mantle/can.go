package main

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/mantle-iam/mantle/iam"
	"github.com/mantle-iam/mantle/internal/ask"
)

// canFlags are what a question says of its request.
type canFlags struct {
	source      sourceFlags
	context     []string
	tags, ident bool
	expect      string
	ladder      bool
}

func (f *canFlags) request(c *cobra.Command) {
	c.Flags().StringArrayVar(&f.context, "context", nil, "`KEY=VALUE` of a condition key of the request, repeatable")
	c.Flags().BoolVar(&f.tags, "tags", false, "the session is to have tags (sts:TagSession is needed as well)")
	c.Flags().BoolVar(&f.ident, "source-identity", false, "a source identity is set or handed on (sts:SetSourceIdentity is needed as well)")
}

func canCommand(e *env) *cobra.Command {
	var f canFlags
	c := &cobra.Command{
		Use:   "can PRINCIPAL assume ROLE | can PRINCIPAL ACTION RESOURCE",
		Short: "Ask whether a principal may do something",
		Long: `Can answers one question with the policies of a sandbox, of Terraform (written,
planned or applied), of account details or of a live account, and says which
side refuses. Nothing is tried out.

Exit status 0 means allowed, 1 denied, and 3 that it cannot be decided: data is
missing, or it depends on what the request says, which --context can tell. With
--expect 0 means that it is as expected.

A principal is a name (app), a kind and a name (role/app), with the account in
front where several have it (dev/app), an ARN, a Terraform address
(aws_iam_role.app) or a service (ec2.amazonaws.com).`,
		Example: `  mantle can app-task assume dynamo-access
  mantle can dev/app-task assume shared/dynamo-access --expect allow
  mantle can web s3:GetObject s3://photos/cat.jpg --explain
  mantle can ci assume deploy --context sts:ExternalId=k-77 --terraform .`,
		Args: cobra.ExactArgs(3),
		RunE: func(c *cobra.Command, args []string) error { return e.can(c.Context(), args, &f) },
	}
	f.source.add(c)
	f.request(c)
	c.Flags().StringVar(&f.expect, "expect", "", "what the answer has to be: allow, deny or explicit-deny")
	c.Flags().BoolVar(&f.ladder, "explain", false, "print every step of the decision")
	return c
}

func (e *env) can(ctx context.Context, args []string, f *canFlags) error {
	switch f.expect {
	case "", "allow", "deny", "explicit-deny":
	default:
		return usagef("--expect %s is none of allow, deny and explicit-deny", f.expect)
	}
	q, err := question(args)
	if err != nil {
		return err
	}
	q.Tags, q.SourceIdentity = f.tags, f.ident
	if q.Context, err = contextKeys(f.context); err != nil {
		return err
	}
	a, err := e.asker(ctx, &f.source)
	if err != nil {
		return err
	}
	x, err := a.Ask(q)
	if err != nil {
		return asked(err)
	}
	status := statusOf(x.Verdict)
	out := struct {
		Schema string `json:"schema"`
		*ask.Answer
		Expect string `json:"expect,omitempty"`
		OK     *bool  `json:"asExpected,omitempty"`
	}{Schema: schema, Answer: x, Expect: f.expect}
	if f.expect != "" {
		good := f.expect == "allow" && x.Verdict == ask.Allowed || f.expect == "deny" && x.Verdict == ask.Denied ||
			f.expect == "explicit-deny" && x.Verdict == ask.Denied && x.Outcome == iam.ExplicitDeny
		out.OK = &good
		switch {
		case good:
			status = exitOK
		case status != exitUnknown:
			status = exitDenied
		}
	}
	if err := e.answer(out, func(w io.Writer) {
		a.Write(w, x, f.ladder)
		if out.OK != nil && !*out.OK {
			fmt.Fprintf(w, "  expected    %s\n", f.expect)
		}
	}); err != nil {
		return err
	}
	if status == exitOK {
		return nil
	}
	return &exitError{code: status}
}

func whoCanCommand(e *env) *cobra.Command {
	var source sourceFlags
	var keys []string
	c := &cobra.Command{
		Use:   "who-can assume ROLE | who-can ACTION RESOURCE",
		Short: "List who may do something, and how",
		Long: `Who-can turns the question around: who may assume a role, directly, by way of
its account or along a chain of roles, or who may do something to a resource,
themselves or as a role that they can become. Conditions are shown.

Exit status 0 means that somebody can, 1 that nobody can, 3 that it depends on
data that is missing.`,
		Example: `  mantle who-can assume deploy
  mantle who-can s3:GetObject s3://prod-data/report.csv
  mantle who-can dynamodb:Scan orders --terraform . --output json`,
		Args: cobra.ExactArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			context, err := contextKeys(keys)
			if err != nil {
				return err
			}
			a, err := e.asker(c.Context(), &source)
			if err != nil {
				return err
			}
			var crowd *ask.Crowd
			if args[0] == "assume" {
				crowd, err = a.WhoCanAssume(args[1], context)
			} else {
				crowd, err = a.WhoCan(args[0], args[1], context)
			}
			if err != nil {
				return asked(err)
			}
			if err := e.answer(struct {
				Schema string `json:"schema"`
				*ask.Crowd
			}{schema, crowd}, func(w io.Writer) { a.WriteCrowd(w, crowd) }); err != nil {
				return err
			}
			status := exitDenied
			for _, s := range crowd.Who {
				if s.Verdict == ask.Allowed || s.Verdict == ask.IfConditions {
					return nil
				}
				status = exitUnknown
			}
			return &exitError{code: status}
		},
	}
	source.add(c)
	c.Flags().StringArrayVar(&keys, "context", nil, "`KEY=VALUE` of a condition key of every request, repeatable")
	return c
}
