package iam

import "testing"

func TestRCPServices(t *testing.T) {
	for action, want := range map[string]bool{
		"s3:GetObject": true, "STS:AssumeRole": true, "kms:Decrypt": true, "kms:RetireGrant": false, "dynamodb:GetItem": true,
		"ec2:RunInstances": false, "lambda:InvokeFunction": false, "sns:Publish": false, "iam:GetUser": false, "s3": true, "": false,
	} {
		if got := rcpCovers(action); got != want {
			t.Errorf("%q: got %v, want %v", action, got, want)
		}
	}
}

func TestKnownService(t *testing.T) {
	for name, want := range map[string]bool{
		"ec2.amazonaws.com": true, "ecs-tasks.amazonaws.com": true, "logs.eu-west-1.amazonaws.com": true, "ec2.amazonaws.com.cn": true,
		"logs.us-gov-west-1.amazonaws.com": true, "pods.eks.amazonaws.com": true, "nope.amazonaws.com": false, "ec2": false,
		"nope.eu-west-1.amazonaws.com": false, "ec2.example.com": false, "*": false, "": false, ".amazonaws.com": false,
	} {
		if got := knownService(name); got != want {
			t.Errorf("%q: got %v, want %v", name, got, want)
		}
	}
}

// TestOwnedByAWS: what AWS owns can be read and passed, not changed.
func TestOwnedByAWS(t *testing.T) {
	all := mustParse(t, Identity, "all", `{"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}`)
	ps := &Policies{Identity: []*Policy{all}}
	for _, test := range []struct {
		action, resource, account string
		want                      Outcome
	}{
		{"iam:GetPolicy", "arn:aws:iam::aws:policy/ReadOnlyAccess", "aws", Allow},
		{"iam:CreatePolicyVersion", "arn:aws:iam::aws:policy/ReadOnlyAccess", "aws", ImplicitDeny},
		{"iam:DeleteRole", "arn:aws:iam::111122223333:role/aws-reserved/sso.amazonaws.com/x", "111122223333", ImplicitDeny},
		{"iam:PassRole", "arn:aws:iam::111122223333:role/aws-reserved/sso.amazonaws.com/x", "111122223333", Allow},
		{"iam:DeletePolicy", "arn:aws:iam::111122223333:policy/mine", "111122223333", Allow},
	} {
		r := &Request{Principal: Principal{Type: User, ARN: "arn:aws:iam::111122223333:user/mira", Account: "111122223333"}, Action: test.action, Resource: test.resource, ResourceAccount: test.account}
		if d := ps.Decide(r); d.Outcome != test.want {
			t.Errorf("%s on %s: got %v by %v, want %v", test.action, test.resource, d.Outcome, d.Layer, test.want)
		}
		if e := ps.Explain(r); e.Reason == "" {
			t.Errorf("%s on %s: no reason", test.action, test.resource)
		}
	}
}
