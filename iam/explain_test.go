package iam

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
)

// checkMatched compares the statements that an explanation says matched with
// those of a vector, and the explanation with the decision.
func checkMatched(e *Explanation, d Decision, want []vectorMatch) (problems []string) {
	var got, wanted []string
	for _, l := range e.Layers {
		for _, s := range l.Statements {
			if s.Matched {
				got = append(got, fmt.Sprintf("%s/%d %s", s.Policy, s.Index, s.Effect))
			} else if s.Failed == nil || s.Failed.Part == "" || s.Failed.Part == "nothing" {
				problems = append(problems, fmt.Sprintf("%s/%d did not match without a reason", s.Policy, s.Index))
			}
		}
	}
	for _, m := range want {
		wanted = append(wanted, fmt.Sprintf("%s/%d %s", m.Policy, m.Statement, m.Effect))
	}
	slices.Sort(got)
	slices.Sort(wanted)
	if !slices.Equal(got, wanted) {
		problems = append(problems, fmt.Sprintf("matched %v, want %v", got, wanted))
	}
	if e.Outcome != d.Outcome || e.Layer != d.Layer || e.Reason == "" {
		problems = append(problems, fmt.Sprintf("explains %v by %v (%q), decided %v by %v", e.Outcome, e.Layer, e.Reason, d.Outcome, d.Layer))
	}
	stops := 0
	for _, l := range e.Layers {
		if l.Stops {
			stops++
		}
	}
	if denied := d.Outcome != Allow && len(e.Layers) > 0; denied != (stops == 1) {
		problems = append(problems, fmt.Sprintf("%d layers stop the request, decided %v by %v", stops, d.Outcome, d.Layer))
	}
	if d.Policy != nil && (e.Deciding == nil || e.Deciding.Policy != d.Policy.Name() || e.Deciding.Index != d.Statement) {
		problems = append(problems, fmt.Sprintf("deciding statement %+v, want %s/%d", e.Deciding, d.Policy.Name(), d.Statement))
	}
	return problems
}

func mustParse(t testing.TB, kind Kind, name, src string) *Policy {
	t.Helper()
	p, err := Parse(kind, name, []byte(src))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestExplainNearMiss(t *testing.T) {
	trust := mustParse(t, Trust, "trust.json", `{
  "Version": "2012-10-17",
  "Statement": [
    {"Sid": "Machines", "Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"},
    {"Sid": "Partner", "Effect": "Allow", "Principal": {"AWS": "111122223333"}, "Action": "sts:AssumeRole",
     "Condition": {"StringEquals": {"sts:ExternalId": "${aws:PrincipalTag/id, 'none'}-7"}}}
  ]}`)
	identity := mustParse(t, Identity, "identity.json", `{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": "*"}}`)
	ctx := NewContext()
	r := &Request{
		Principal: Principal{Type: User, ARN: "arn:aws:iam::111122223333:user/mira", Account: "111122223333"},
		Action:    "sts:AssumeRole", Resource: "arn:aws:iam::444455556666:role/target", ResourceAccount: "444455556666", Context: ctx,
	}
	ps := &Policies{Identity: []*Policy{identity}, Resource: trust, Trust: true}
	e := ps.Explain(r)
	if e.Outcome != ImplicitDeny || e.Layer != LayerTrust || e.Caller.Result != ResultAllow || e.ResourceSide.Result != ResultSilent {
		t.Errorf("got %v by %v, caller %v, resource %v", e.Outcome, e.Layer, e.Caller, e.ResourceSide)
	}
	tests := []struct {
		sid  string
		line int
		want Failure
	}{
		{"Machines", 4, Failure{Part: "principal", Want: []string{"ec2.amazonaws.com"}, Got: []string{"arn:aws:iam::111122223333:user/mira"}}},
		{"Partner", 5, Failure{Part: "condition", Operator: "StringEquals", Key: "sts:ExternalId", Want: []string{"none-7"}, Absent: true}},
	}
	reports := e.find(LayerTrust).Statements
	if len(reports) != len(tests) {
		t.Fatalf("got %d reports, want %d", len(reports), len(tests))
	}
	for i, test := range tests {
		got := reports[i]
		if got.Sid != test.sid || got.Line != test.line || got.Failed.String() != test.want.String() {
			t.Errorf("got %s:%d %s, want %s:%d %s", got.Sid, got.Line, got.Failed, test.sid, test.line, &test.want)
		}
	}
	if _, err := json.Marshal(e); err != nil {
		t.Error(err)
	}
	for _, want := range []string{"DENIED  sts:AssumeRole", "caller's side would allow", "the key is absent", "<- stops here"} {
		if got := e.String(); !strings.Contains(got, want) {
			t.Errorf("%q is missing in\n%s", want, got)
		}
	}
	ctx.Set("sts:ExternalId", "NONE-7")
	if got := ps.Explain(r).find(LayerTrust).Statements[1].Failed.Note; got != "they differ in case only" {
		t.Errorf("note is %q", got)
	}
	ctx.Set("sts:ExternalId", "none-7")
	if e := ps.Explain(r); e.Outcome != Allow || !strings.HasPrefix(e.Reason, "both sides allow") {
		t.Errorf("got %v: %s", e.Outcome, e.Reason)
	}
}

// TestFailures names the first part of a statement that does not match.
func TestFailures(t *testing.T) {
	role := Principal{Type: AssumedRole, ARN: "arn:aws:sts::111122223333:assumed-role/web/s", Account: "111122223333", Issuer: "arn:aws:iam::111122223333:role/ops/web", ID: "AROANEW"}
	tests := []struct {
		kind            Kind
		statement, want string
	}{
		{Identity, `"Action": "s3:PutObject", "Resource": "*"`, "action wants s3:PutObject, got s3:GetObject"},
		{Identity, `"NotAction": "s3:*", "Resource": "*"`, "action wants none of s3:*, got s3:GetObject"},
		{Identity, `"Action": "s3:*", "Resource": ["arn:aws:s3:::x/*", "arn:aws:s3:::${aws:username}"]`, "resource wants arn:aws:s3:::x/* or arn:aws:s3:::${aws:username}, got arn:aws:s3:::b/k (a variable has no value, so its pattern matches nothing)"},
		{Identity, `"Action": "s3:*", "NotResource": "arn:aws:s3:::b/*"`, "resource wants none of arn:aws:s3:::b/*, got arn:aws:s3:::b/k"},
		{Session, `"Action": "s3:*", "Resource": "arn:aws:s3"`, `resource wants arn:aws:s3, got arn:aws:s3:::b/k ("arn:aws:s3" is not a complete ARN and matches nothing)`},
		{Identity, `"Action": "s3:*", "Resource": "*", "Condition": {"StringNotEquals": {"aws:PrincipalOrgID": "o-1"}}`, "condition StringNotEquals aws:PrincipalOrgID wants none of o-1, got o-1"},
		{Identity, `"Action": "s3:*", "Resource": "*", "Condition": {"StringEquals": {"aws:TagKeys": "env"}}`, "condition StringEquals aws:TagKeys wants env, got env (the key is multivalued: test it with ForAnyValue or ForAllValues)"},
		{Identity, `"Action": "s3:*", "Resource": "*", "Condition": {"NumericLessThan": {"aws:PrincipalOrgID": "5"}}`, `condition NumericLessThan aws:PrincipalOrgID wants 5, got o-1 ("o-1" is no value for NumericLessThan)`},
		{Identity, `"Action": "s3:*", "Resource": "*", "Condition": {"IpAddress": {"aws:SourceIp": "office"}}`, `condition IpAddress aws:SourceIp wants office, got nothing: the key is absent ("office" is no value for IpAddress)`},
		{Resource, `"Action": "s3:*"`, "principal wants , got arn:aws:sts::111122223333:assumed-role/web/s (the statement names no principal and never applies)"},
		{Resource, `"Action": "s3:*", "Principal": {"AWS": "arn:aws:iam::111122223333:role/web"}`, "principal wants arn:aws:iam::111122223333:role/web, got arn:aws:sts::111122223333:assumed-role/web/s, arn:aws:iam::111122223333:role/ops/web, AROANEW (the role's ARN with its path is arn:aws:iam::111122223333:role/ops/web)"},
		{Resource, `"Action": "s3:*", "Principal": {"AWS": "AROAOLD"}`, "principal wants AROAOLD, got arn:aws:sts::111122223333:assumed-role/web/s, arn:aws:iam::111122223333:role/ops/web, AROANEW (AROAOLD is the unique id of a role or user that was deleted, or is not the caller; one re-created under the same name has another id)"},
	}
	for _, test := range tests {
		p := mustParse(t, test.kind, "p", `{"Version": "2012-10-17", "Statement": {"Effect": "Allow", `+test.statement+`}}`)
		ctx := NewContext()
		ctx.Set("aws:PrincipalOrgID", "o-1")
		ctx.SetList("aws:TagKeys", []string{"env"})
		ps := &Policies{Identity: []*Policy{p}}
		layer := LayerIdentity
		switch test.kind {
		case Resource:
			ps, layer = &Policies{Resource: p}, LayerResource
		case Session:
			ps, layer = &Policies{Session: []*Policy{p}}, LayerSession
		}
		e := ps.Explain(&Request{Principal: role, Action: "s3:GetObject", Resource: "arn:aws:s3:::b/k", ResourceAccount: "111122223333", Context: ctx})
		x := &explainer{ev: &eval{r: &Request{Principal: role, Action: "s3:GetObject", Resource: "arn:aws:s3:::b/k"}, ctx: ctx}}
		if got := x.failure(&p.stmts[0]).String(); got != test.want {
			t.Errorf("%s:\ngot  %s\nwant %s", test.statement, got, test.want)
		}
		if reports := e.find(layer).Statements; len(reports) > 0 && reports[0].Failed.String() != test.want {
			t.Errorf("%s: the explanation says %s", test.statement, reports[0].Failed)
		}
	}
}

// TestConcurrent decides with shared policies from several goroutines; the race
// detector watches.
func TestConcurrent(t *testing.T) {
	ps, r := readBench(t, "p10x20").compile(t)
	want := ps.Decide(r)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 20 {
				if got := ps.Decide(r); got != want {
					t.Errorf("got %+v, want %+v", got, want)
				}
			}
			if e := ps.Explain(r); e.Outcome != want.Outcome {
				t.Errorf("explains %v, want %v", e.Outcome, want.Outcome)
			}
		})
	}
	wg.Wait()
}
