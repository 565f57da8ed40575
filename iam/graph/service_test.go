package graph

import (
	"slices"
	"strings"
	"testing"

	"github.com/mantle-iam/mantle/iam"
	"github.com/mantle-iam/mantle/iam/account"
)

// TestPassRole walks the ways through a service.
func TestPassRole(t *testing.T) {
	ec2 := trusts("Service", "ec2.amazonaws.com")
	lambda := trusts("Service", "lambda.amazonaws.com")
	for _, test := range []struct {
		name, trust, identity string
		noProfile             bool
		want                  Verdict
		action, on            string
	}{
		{name: "ec2", trust: ec2, identity: allow("iam:PassRole", "*") + "," + allow("ec2:*", "*"), want: Allowed, action: "ec2:RunInstances"},
		{name: "one resource is missing", trust: ec2, identity: allow("iam:PassRole", "*") + "," + allow("ec2:RunInstances", "arn:aws:ec2:*:*:instance/*"), want: Denied},
		{name: "other resources unknown", trust: ec2, identity: allow("iam:PassRole", "*") + "," + allow("ec2:RunInstances", "arn:aws:ec2:*:*:subnet/subnet-1") + "," + allow("ec2:RunInstances", "arn:aws:ec2:*:*:*/a*"), want: IfConditions, action: "ec2:RunInstances", on: "Resource of ec2:RunInstances"},
		{name: "passed to another service", trust: ec2, identity: allow("iam:PassRole", "*", condition("StringEquals", "iam:PassedToService", "lambda.amazonaws.com")) + "," + allow("*", "*", condition("StringNotLike", "iam:PassedToService", "*")), want: Denied},
		{name: "passed to this service", trust: lambda, identity: allow("iam:PassRole", roleARN(one, "target"), condition("StringEquals", "iam:PassedToService", "lambda.amazonaws.com")) + "," + allow("lambda:*", "*"), want: Allowed, action: "lambda:CreateFunction"},
		{name: "one function", trust: lambda, identity: allow("iam:PassRole", "*") + "," + allow("lambda:CreateFunction", "arn:aws:lambda:eu-west-1:"+one+":function:dev-*"), want: IfConditions, action: "lambda:CreateFunction", on: "Resource of lambda:CreateFunction"},
		{name: "no call", trust: lambda, identity: allow("iam:PassRole", "*"), want: Denied},
		{name: "another role", trust: lambda, identity: allow("iam:PassRole", roleARN(one, "other")) + "," + allow("lambda:*", "*"), want: Denied},
		{name: "trust of the service depends", trust: trusts("Service", "lambda.amazonaws.com", condition("StringEquals", "aws:SourceAccount", one)), identity: allow("iam:PassRole", "*") + "," + allow("lambda:*", "*"), want: IfConditions, action: "lambda:CreateFunction", on: "aws:SourceAccount"},
		{name: "denied call", trust: lambda, identity: allow("iam:PassRole", "*") + "," + allow("lambda:*", "*") + "," + deny("lambda:*Function*", "*"), want: Denied},
		{name: "two calls", trust: trusts("Service", "codebuild.amazonaws.com"), identity: allow("iam:PassRole", "*") + "," + allow("codebuild:CreateProject", "*"), want: Denied},
		{name: "no instance profile", trust: ec2, noProfile: true, identity: allow("iam:PassRole", "*") + "," + allow("ec2:*", "*"), want: Denied},
		{name: "may add to an instance profile", trust: ec2, noProfile: true, identity: allow("iam:PassRole", "*") + "," + allow("ec2:*", "*") + "," + allow("iam:AddRoleToInstanceProfile", "*"), want: IfConditions, action: "ec2:RunInstances", on: "the role is in no instance profile; the caller may add it to one without role"},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := newBuilder(t)
			b.user(one, "deployer", test.identity)
			target := b.role(one, "target", test.trust, "")
			if !test.noProfile {
				target.Profiles = []account.InstanceProfile{{ARN: "arn:aws:iam::" + one + ":instance-profile/target", ID: "AIPA", Name: "target", Path: "/"}}
			}
			b.role(one, "other", ec2, "")
			g := b.build()
			a := g.mustAnswer(t, userARN(one, "deployer"), roleARN(one, "target"))
			if a.Verdict != Denied {
				t.Errorf("sts:AssumeRole is %v", a.Verdict)
			}
			if test.want == Denied {
				if len(a.Around) > 0 {
					t.Errorf("found %v (%v), want no way", a.Around, a.Around[0].Hops[0])
				}
				return
			}
			if len(a.Around) != 1 {
				t.Fatalf("found %d ways, want one", len(a.Around))
			}
			h := a.Around[0].Hops[0]
			var on []string
			for _, c := range h.Conditions {
				on = appendNew(on, c.String())
			}
			if h.Verdict != test.want || h.How != PassRole || h.Actions[0] != test.action || strings.Join(on, " ") != test.on {
				t.Errorf("found %v by %v with %v on %q, want %v with %s on %q", h.Verdict, h.How, h.Actions, on, test.want, test.action, test.on)
			}
			for _, action := range []string{"sts:AssumeRole", "iam:PassRole", test.action} {
				if !slices.ContainsFunc(h.Evidence, func(e Evidence) bool { return e.Action == action }) {
					t.Errorf("no evidence for %s in %+v", action, h.Evidence)
				}
			}
		})
	}
}

// TestPassRoleElsewhere keeps PassRole within the account, whoever the caller.
func TestPassRoleElsewhere(t *testing.T) {
	b := newBuilder(t)
	b.user(one, "boss", allow("*", "*"))
	b.role(one, "near", trusts("Service", "lambda.amazonaws.com"), "")
	b.role(two, "far", trusts("Service", "lambda.amazonaws.com"), "")
	g := b.build()
	if a := g.mustAnswer(t, userARN(one, "boss"), roleARN(one, "near")); len(a.Around) != 1 || a.Around[0].Hops[0].How != PassRole {
		t.Errorf("an admin's ways in its account: %v, want one by passing", a.Around)
	}
	if a := g.mustAnswer(t, userARN(one, "boss"), roleARN(two, "far")); len(a.Around) != 0 {
		t.Errorf("an admin's ways in another account: %v, want none", a.Around)
	}
	if p := mustPaths(t)(g.WhoCanAssume(roleARN(one, "near"))); len(p) != 1 || p[0].From() != "lambda.amazonaws.com" {
		t.Errorf("who can assume it: %v, want the service alone", p)
	}
}

func TestServices(t *testing.T) {
	for _, s := range Services() {
		if !strings.HasSuffix(s.Principal, ".amazonaws.com") || len(s.Calls) == 0 {
			t.Errorf("%+v is no service with calls", s)
		}
		for _, c := range s.Calls {
			if !strings.Contains(c.Action, ":") || len(c.Resources) == 0 {
				t.Errorf("%s: call %+v", s.Principal, c)
			}
			for _, r := range c.Resources {
				if _, err := iam.ParseARN(r); err != nil {
					t.Errorf("%s: %v", c.Action, err)
				}
			}
		}
	}
}

// TestServicesSeen: each row of the table is found, and none without its last call.
func TestServicesSeen(t *testing.T) {
	for row, s := range Services() {
		b := newBuilder(t)
		statements := []string{allow("iam:PassRole", "*", condition("StringEquals", "iam:PassedToService", s.Principal))}
		for _, c := range s.Calls {
			statements = append(statements, allow(c.Action, "*"))
		}
		b.user(one, "all", strings.Join(statements, ","))
		b.user(one, "lacks", strings.Join(statements[:len(statements)-1], ","))
		r := b.role(one, "r", trusts("Service", s.Principal), "")
		r.Profiles = []account.InstanceProfile{{Name: "r"}}
		g := b.build()
		e := g.pass(g.byARN[userARN(one, "all")], g.byARN[r.ARN])
		if e.verdict != Allowed || int(e.row) != row {
			t.Errorf("row %d (%s, %v) gives %v by row %d", row, s.Principal, s.Calls, e.verdict, e.row)
		}
		if e := g.pass(g.byARN[userARN(one, "lacks")], g.byARN[r.ARN]); e.verdict != Denied && int(e.row) == row {
			t.Errorf("row %d (%s) works without its last call", row, s.Principal)
		}
	}
}
