package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"github.com/mantle-iam/mantle/iam"
	"github.com/mantle-iam/mantle/iam/iamtest"
)

func decideCommand(e *env) *cobra.Command {
	var why bool
	c := &cobra.Command{
		Use:   "decide SCRIPT|FOLDER...",
		Short: "Hold policies to what they are to decide",
		Long: `Decide reads decision scripts, files that hold policies and questions with the
answers wanted, has the policy engine answer, and says which answers differ.
Exit status 0 means that none does, 1 that some do.

A script is a txtar archive: questions first, then policies.

  # an explicit deny beats any allow
  role/web s3:GetObject arn:aws:s3:::photos/cat.jpg
      explicit deny boundary
  -- identity.json --
  {"Statement": {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}}
  -- boundary.json --
  {"Statement": {"Effect": "Deny", "Action": "s3:Get*", "Resource": "*"}}`,
		Example: `  mantle decide policies/*.txtar
  mantle decide --explain trust.txtar
  mantle decide policies --output json`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error { return e.decide(args, why) },
	}
	c.Flags().BoolVar(&why, "explain", false, "print how each decision came about")
	return c
}

// verdict is one answer beside the answer that was wanted.
type verdict struct {
	File      string           `json:"file"`
	Line      int              `json:"line"`
	Principal string           `json:"principal"`
	Action    string           `json:"action"`
	Resource  string           `json:"resource"`
	Decision  string           `json:"decision"`
	Layer     string           `json:"layer,omitempty"`
	OK        bool             `json:"ok"`
	Differs   string           `json:"differs,omitempty"`
	Why       *iam.Explanation `json:"explanation,omitempty"`
}

func (e *env) decide(args []string, why bool) error {
	files, err := scripts(args)
	if err != nil {
		return err
	}
	var all []verdict
	wrong := 0
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			return usagef("%w", err)
		}
		s, err := iamtest.Parse(file, data)
		if err != nil {
			return &exitError{code: exitUsage, err: err}
		}
		for i := range s.Cases {
			v := judge(s, &s.Cases[i], why)
			v.File = file
			if !v.OK {
				wrong++
			}
			all = append(all, v)
		}
	}
	if err := e.answer(map[string]any{"schema": schema, "cases": all, "wrong": wrong}, func(w io.Writer) {
		for _, v := range all {
			mark := "ok  "
			if !v.OK {
				mark = "BAD "
			}
			fmt.Fprintf(w, "%s %s:%d  %s  %s  %s  →  %s\n", mark, v.File, v.Line, v.Principal, v.Action, v.Resource, v.Decision)
			if !v.OK {
				fmt.Fprintf(w, "     %s\n", v.Differs)
			}
			if v.Why != nil {
				fmt.Fprintln(w, v.Why)
			}
		}
		fmt.Fprintf(w, "%s, %d wrong\n", count(len(all), "decision"), wrong)
	}); err != nil {
		return err
	}
	if wrong > 0 {
		return &exitError{code: exitDenied}
	}
	return nil
}

// judge asks the engine one question.
func judge(s *iamtest.Script, c *iamtest.Case, why bool) verdict {
	d, action := s.Decide(c)
	v := verdict{
		Line: c.Line, Principal: c.Request.Principal.ARN, Action: c.Request.Action, Resource: c.Request.Resource,
		Decision: d.Outcome.String(), Layer: d.Layer.String(), OK: true,
	}
	if err := c.Check(d, action); err != nil {
		v.OK, v.Differs = false, err.Error()
	}
	if why {
		if s.Policies.Trust {
			v.Why = s.Policies.ExplainAssume(c.Assume())
		} else {
			v.Why = s.Policies.Explain(&c.Request)
		}
	}
	return v
}

// scripts are the files that arguments name: files themselves, or the
// *.txtar of a folder.
func scripts(args []string) ([]string, error) {
	var out []string
	for _, a := range args {
		info, err := os.Stat(a)
		if err != nil {
			return nil, usagef("%w", err)
		}
		if !info.IsDir() {
			out = append(out, a)
			continue
		}
		found, err := filepath.Glob(filepath.Join(a, "*.txtar"))
		if err != nil {
			return nil, err
		}
		if len(found) == 0 {
			return nil, usagef("%s holds no *.txtar", a)
		}
		slices.Sort(found)
		out = append(out, found...)
	}
	return out, nil
}
