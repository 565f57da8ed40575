package iam

import "testing"

func TestDenialMessage(t *testing.T) {
	user := Principal{Type: User, ARN: "arn:aws:iam::111122223333:user/mira", Account: "111122223333"}
	session := Principal{Type: AssumedRole, ARN: "arn:aws:sts::111122223333:assumed-role/Builder/run-7", Account: "111122223333"}
	scp := mustParse(t, SCP, "arn:aws:organizations::987654321098:policy/o-1/service_control_policy/p-1", `{"Statement": {"Effect": "Deny", "Action": "*", "Resource": "*"}}`)
	deny := func(l Layer) Decision { return Decision{Outcome: ExplicitDeny, Layer: l, Statement: -1} }
	silent := func(l Layer) Decision { return Decision{Layer: l, Statement: -1} }
	tests := []struct {
		who              Principal
		action, resource string
		d                Decision
		opt              MessageOptions
		want             string
	}{
		{user, "sqs:SendMessage", "arn:aws:sqs:eu-west-1:111122223333:orders", silent(LayerIdentity), MessageOptions{},
			"User: arn:aws:iam::111122223333:user/mira is not authorized to perform: sqs:SendMessage on resource: arn:aws:sqs:eu-west-1:111122223333:orders because no identity-based policy allows the sqs:SendMessage action"},
		{session, "sts:AssumeRole", "arn:aws:iam::444455556666:role/Target", silent(LayerTrust), MessageOptions{},
			"User: arn:aws:sts::111122223333:assumed-role/Builder/run-7 is not authorized to perform: sts:AssumeRole on resource: arn:aws:iam::444455556666:role/Target because no role trust policy allows the sts:AssumeRole action"},
		{session, "sts:AssumeRole", "arn:aws:iam::444455556666:role/Target", silent(LayerTrust), MessageOptions{Bare: true},
			"User: arn:aws:sts::111122223333:assumed-role/Builder/run-7 is not authorized to perform: sts:AssumeRole on resource: arn:aws:iam::444455556666:role/Target"},
		{user, "ec2:RunInstances", "arn:aws:ec2:eu-west-1:111122223333:instance/*", deny(LayerSCP), MessageOptions{},
			"User: arn:aws:iam::111122223333:user/mira is not authorized to perform: ec2:RunInstances on resource: arn:aws:ec2:eu-west-1:111122223333:instance/* with an explicit deny in a service control policy"},
		{user, "s3:GetObject", "arn:aws:s3:::ledger/a.csv", deny(LayerRCP), MessageOptions{},
			`User: arn:aws:iam::111122223333:user/mira is not authorized to perform: s3:GetObject on resource: "arn:aws:s3:::ledger/a.csv" with an explicit deny in a resource control policy`},
		{user, "s3:ListAllMyBuckets", "*", silent(LayerBoundary), MessageOptions{},
			"User: arn:aws:iam::111122223333:user/mira is not authorized to perform: s3:ListAllMyBuckets because no permissions boundary allows the s3:ListAllMyBuckets action"},
		{user, "ecr:GetAuthorizationToken", "*", silent(LayerSession), MessageOptions{},
			"User: arn:aws:iam::111122223333:user/mira is not authorized to perform: ecr:GetAuthorizationToken on resource: * because no session policy allows the ecr:GetAuthorizationToken action"},
		{user, "kms:Decrypt", "arn:aws:kms:eu-west-1:111122223333:key/1", silent(LayerResource), MessageOptions{},
			"User: arn:aws:iam::111122223333:user/mira is not authorized to perform: kms:Decrypt on this resource because no resource-based policy allows the kms:Decrypt action"},
		{user, "sqs:X", "*", Decision{ExplicitDeny, LayerSCP, scp, 0, GrantNone}, MessageOptions{},
			"User: arn:aws:iam::111122223333:user/mira is not authorized to perform: sqs:X on resource: * with an explicit deny in a service control policy: arn:aws:organizations::987654321098:policy/o-1/service_control_policy/p-1"},
		{user, "sqs:X", "*", Decision{ExplicitDeny, LayerSCP, scp, 0, GrantNone}, MessageOptions{NoPolicyARN: true},
			"User: arn:aws:iam::111122223333:user/mira is not authorized to perform: sqs:X on resource: * with an explicit deny in a service control policy"},
		{user, "sqs:X", "*", deny(LayerTrust), MessageOptions{},
			"User: arn:aws:iam::111122223333:user/mira is not authorized to perform: sqs:X on resource: * with an explicit deny in the role trust policy"},
		{user, "sqs:X", "*", silent(LayerEndpoint), MessageOptions{},
			"User: arn:aws:iam::111122223333:user/mira is not authorized to perform: sqs:X on resource: * because no VPC endpoint policy allows the sqs:X action"},
		{Principal{Type: Federated, ARN: "accounts.google.com"}, "sts:AssumeRoleWithWebIdentity", "arn:aws:iam::111122223333:role/r", silent(LayerTrust), MessageOptions{},
			"Not authorized to perform sts:AssumeRoleWithWebIdentity"},
		{user, "sqs:X", "*", Decision{Outcome: Allow}, MessageOptions{}, ""},
	}
	for _, test := range tests {
		r := &Request{Principal: test.who, Action: test.action, Resource: test.resource}
		if got := DenialMessage(r, test.d, test.opt); got != test.want {
			t.Errorf("got  %s\nwant %s", got, test.want)
		}
	}
}
