package iam

import "testing"

func TestMatchPattern(t *testing.T) {
	for _, test := range []struct {
		pattern, s string
		want       bool
	}{{"*", "", true}, {"sts:*", "sts:assumerole", true}, {"sts:assume?ole", "sts:assumerole", true}, {"*:*role", "iam:passrole", true}, {"sts:a*z", "sts:assumerole", false}, {"sts:assumerole", "sts:assumerolewithsaml", false}, {"?", "", false}} {
		if got := MatchPattern(test.pattern, test.s); got != test.want {
			t.Errorf("MatchPattern(%q, %q) = %v", test.pattern, test.s, got)
		}
	}
}

func TestCovers(t *testing.T) {
	for _, test := range []struct {
		document, action string
		want             bool
	}{
		{`"Action": "sts:Assume*"`, "sts:assumerole", true},
		{`"Action": ["s3:GetObject", "STS:ASSUMEROLE"]`, "sts:AssumeRole", true},
		{`"Action": "sts:AssumeRoleWithSAML"`, "sts:AssumeRole", false},
		{`"NotAction": "sts:*"`, "sts:AssumeRole", false},
		{`"NotAction": "s3:*"`, "sts:AssumeRole", true},
	} {
		p, err := Parse(Identity, "p", []byte(`{"Version": "2012-10-17", "Statement": {"Effect": "Allow", `+test.document+`, "Resource": "*"}}`))
		if err != nil {
			t.Fatal(err)
		}
		s := p.Statement(0)
		if got := s.Covers(test.action); got != test.want {
			t.Errorf("%s covers %s: %v", test.document, test.action, got)
		}
	}
}
