package main

import (
	"context"
	"errors"
	"strings"

	"github.com/mantle-iam/mantle/iam"
	"github.com/mantle-iam/mantle/internal/ask"
)

// asker answers questions about what the flags name as source.
func (e *env) asker(ctx context.Context, f *sourceFlags) (*ask.Asker, error) {
	whole, err := e.estate(ctx, f)
	if err != nil {
		return nil, err
	}
	a, err := ask.New(whole)
	if err != nil {
		return nil, &exitError{code: exitUsage, err: err}
	}
	return a, nil
}

// asked gives an error of a question its status and its cure.
func asked(err error) error {
	if err == nil {
		return nil
	}
	if name, ok := errors.AsType[*ask.NameError](err); ok {
		return usagef("%w", name).withHint(name.Hint())
	}
	if _, ok := errors.AsType[*exitError](err); ok {
		return err
	}
	return usagef("%w", err)
}

// contextKeys reads --context: KEY=VALUE, or KEY=[VALUE,VALUE] for a multivalued key.
func contextKeys(list []string) (*iam.Context, error) {
	c := iam.NewContext()
	for _, s := range list {
		key, value, ok := strings.Cut(s, "=")
		if !ok || !strings.Contains(key, ":") {
			return nil, usagef("--context %s is not KEY=VALUE", s).withHint("for example --context sts:ExternalId=k-77, or --context aws:TagKeys=[a,b]")
		}
		if inner, ok := strings.CutPrefix(value, "["); ok && strings.HasSuffix(inner, "]") {
			c.SetList(key, strings.Split(strings.TrimSuffix(inner, "]"), ","))
			continue
		}
		c.Set(key, value)
	}
	return c, nil
}

// question reads A assume B, or A ACTION RESOURCE.
func question(args []string) (ask.Question, error) {
	q := ask.Question{Principal: args[0], Action: args[1], Resource: args[2]}
	if args[1] == "assume" {
		q.Action = "sts:AssumeRole"
	} else if !strings.Contains(args[1], ":") {
		return q, usagef("%q is neither an action nor assume", args[1]).withHint("write PRINCIPAL assume ROLE, or PRINCIPAL SERVICE:ACTION RESOURCE")
	}
	return q, nil
}

// statusOf is the exit status of a verdict.
func statusOf(v ask.Verdict) int {
	switch v {
	case ask.Allowed:
		return exitOK
	case ask.Denied:
		return exitDenied
	}
	return exitUnknown
}
