package iam_test

import (
	"fmt"

	"github.com/mantle-iam/mantle/iam"
)

func ExamplePolicies_Decide() {
	policy, err := iam.Parse(iam.Identity, "home.json", []byte(`{
  "Version": "2012-10-17",
  "Statement": {"Sid": "OwnFolder", "Effect": "Allow", "Action": "s3:*", "Resource": "arn:aws:s3:::homes/${aws:username}/*"}
}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx := iam.NewContext()
	ctx.Set("aws:username", "mira")
	request := &iam.Request{
		Principal:       iam.Principal{Type: iam.User, ARN: "arn:aws:iam::111122223333:user/mira", Account: "111122223333"},
		Action:          "s3:GetObject",
		Resource:        "arn:aws:s3:::homes/mira/notes.txt",
		ResourceAccount: "111122223333",
		Context:         ctx,
	}
	policies := &iam.Policies{Identity: []*iam.Policy{policy}}

	d := policies.Decide(request)
	fmt.Println(d.Outcome, "by", d.Policy.Name(), d.Policy.Statement(d.Statement).Sid)

	request.Resource = "arn:aws:s3:::homes/otto/notes.txt"
	d = policies.Decide(request)
	fmt.Println(d.Outcome, "by", d.Layer)
	fmt.Println(iam.DenialMessage(request, d, iam.MessageOptions{}))
	// Output:
	// Allow by home.json OwnFolder
	// ImplicitDeny by identity
	// User: arn:aws:iam::111122223333:user/mira is not authorized to perform: s3:GetObject on resource: "arn:aws:s3:::homes/otto/notes.txt" because no identity-based policy allows the s3:GetObject action
}

func ExamplePolicies_DecideAssume() {
	trust, err := iam.Parse(iam.Trust, "trust.json", []byte(`{
  "Version": "2012-10-17",
  "Statement": {"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::111122223333:role/ci"}, "Action": "sts:AssumeRole"}
}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	policies := &iam.Policies{Resource: trust}
	request := &iam.AssumeRequest{
		Principal: iam.Principal{
			Type: iam.AssumedRole, ARN: "arn:aws:sts::111122223333:assumed-role/ci/run-7",
			Account: "111122223333", Issuer: "arn:aws:iam::111122223333:role/ci",
		},
		Role: "arn:aws:iam::111122223333:role/deploy",
	}
	d := policies.DecideAssume(request)
	fmt.Println(d.Outcome, d.Checked)

	request.Tags = true // the trust policy does not grant sts:TagSession
	d = policies.DecideAssume(request)
	fmt.Println(d.Outcome, d.Checked, d.Action, d.Layer)
	// Output:
	// Allow [sts:AssumeRole]
	// ImplicitDeny [sts:AssumeRole sts:TagSession] sts:TagSession trust
}

func ExamplePolicies_Explain() {
	trust, err := iam.Parse(iam.Trust, "trust.json", []byte(`{"Version": "2012-10-17", "Statement": [
  {"Sid": "Vendor", "Effect": "Allow", "Principal": {"AWS": "444455556666"}, "Action": "sts:AssumeRole",
   "Condition": {"StringEquals": {"sts:ExternalId": "k-77"}}}]}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx := iam.NewContext()
	ctx.Set("sts:ExternalId", "K-77")
	e := (&iam.Policies{Resource: trust}).ExplainAssume(&iam.AssumeRequest{
		Principal: iam.Principal{Type: iam.User, ARN: "arn:aws:iam::444455556666:user/vendor", Account: "444455556666"},
		Role:      "arn:aws:iam::111122223333:role/scan",
		Context:   ctx,
	})
	fmt.Print(e)
	// Output:
	// DENIED  sts:AssumeRole on arn:aws:iam::111122223333:role/scan  as arn:aws:iam::444455556666:user/vendor
	//   the trust policy does not let the caller in; nor does the caller's side allow: no identity policy allows the action
	//   1 service control policy         none
	//   2 resource control policy        none
	//   3 VPC endpoint policy            none
	//   4 trust policy                   silent  <- stops here
	//       trust.json:2:3 Vendor (Allow) does not match: condition StringEquals sts:ExternalId wants k-77, got K-77 (they differ in case only)
	//   5 permissions boundary           none
	//   6 session policy                 none
	//   7 identity policy                none
}

func ExampleParse() {
	_, err := iam.Parse(iam.Identity, "policy.json", []byte(`{
  "Version": "2012-10-17",
  "Statement": {"Effect": "Allow", "Action": "s3:*", "Resource": "*",
    "Condition": {"StringEqual": {"aws:username": "mira"}}}
}`))
	fmt.Println(err)
	// Output: policy.json:4:19: unknown condition operator "StringEqual" (hint: did you mean StringEquals?)
}

func ExampleDenialMessage() {
	r := &iam.Request{
		Principal: iam.Principal{Type: iam.User, ARN: "arn:aws:iam::111122223333:user/mira"},
		Action:    "kms:Decrypt", Resource: "arn:aws:kms:eu-west-1:111122223333:key/1234",
	}
	fmt.Println(iam.DenialMessage(r, iam.Decision{Outcome: iam.ExplicitDeny, Layer: iam.LayerSCP}, iam.MessageOptions{}))
	// Output: User: arn:aws:iam::111122223333:user/mira is not authorized to perform: kms:Decrypt on this resource with an explicit deny in a service control policy
}
