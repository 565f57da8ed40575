package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/mantle-iam/mantle/internal/chain"
	"github.com/mantle-iam/mantle/internal/doctor"
)

// chainAnswer is the answer of whoami --chain, and part of doctor's.
type chainAnswer struct {
	Schema    string         `json:"schema"`
	Program   string         `json:"program"`
	User      string         `json:"user"`
	Home      string         `json:"home"`
	SDK       string         `json:"sdk"`
	Profile   string         `json:"profile"`
	Region    string         `json:"region"`
	RegionBy  string         `json:"regionFrom,omitempty"`
	Steps     []chain.Step   `json:"steps"`
	ARN       string         `json:"arn,omitempty"`
	Account   string         `json:"account,omitempty"`
	Source    chain.Source   `json:"source,omitempty"`
	Error     string         `json:"error,omitempty"`
	Undecided string         `json:"undecided,omitempty"`
	Findings  []doctor.Check `json:"findings"`
}

func (x *examined) answer() *chainAnswer {
	t := x.trace
	a := &chainAnswer{
		Schema: schema, Program: x.what, User: x.s.User, Home: x.s.Home, SDK: x.sdk.Name, Profile: t.Profile,
		Region: t.Region, RegionBy: t.From, Steps: t.Steps, ARN: x.identity.ARN, Account: x.identity.Account,
		Source: t.Source, Error: x.blocked(), Undecided: t.Undecided, Findings: x.checks,
	}
	if t.Blocked != "" {
		a.ARN, a.Account = "", "" // no call of the program's comes that far
	}
	if a.Findings == nil {
		a.Findings = []doctor.Check{}
	}
	return a
}

// whoamiChain says which sources of credentials a program would ask, and who it
// would end up as.
func (e *env) whoamiChain(ctx context.Context, f *subjectFlags) error {
	x, err := e.subject(ctx, f, "whoami", "--chain")
	if away, ok := errors.AsType[elsewhere](err); ok {
		return away.err
	}
	if err != nil {
		return err
	}
	defer x.w.Close()
	found := x.examine(ctx)
	a := found.answer()
	err = e.answer(a, func(w io.Writer) {
		fmt.Fprintln(w, found.told())
		t := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
		if found.trace.Named {
			fmt.Fprintf(t, "profile\t%s\n", a.Profile)
		}
		if a.Region != "" {
			fmt.Fprintf(t, "region\t%s\tfrom %s\n", a.Region, a.RegionBy)
		}
		t.Flush()
		t = tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
		for i, s := range a.Steps {
			fmt.Fprintf(t, "%2d\t%s\t%s\t%s\t%s\n", i+1, s.Source, s.State, s.Key, s.Why)
		}
		t.Flush()
		found.printEnd(w)
		printChecks(w, a.Findings)
	})
	if err != nil {
		return err
	}
	return found.outcome()
}

// printEnd says who the program ends up as.
func (x *examined) printEnd(w io.Writer) {
	a := x.answer()
	if a.ARN != "" {
		fmt.Fprintf(w, "you are %s\n", a.ARN)
	}
	if a.Error != "" {
		fmt.Fprintf(w, "it is told: %s\n", a.Error)
	}
}

// printChecks prints findings with their cures.
func printChecks(w io.Writer, checks []doctor.Check) {
	for _, c := range checks {
		fmt.Fprintf(w, "%s %s  %s\n", c.ID, c.Severity, c.What)
		if c.Cure != "" {
			fmt.Fprintf(w, "     cure: %s\n", c.Cure)
		}
	}
}
