package ask

import (
	"strings"
	"testing"

	"github.com/mantle-iam/mantle/iam"
)

func TestReadError(t *testing.T) {
	for _, c := range []struct {
		text string
		want Diagnosis // what it says of these fields
		says string
	}{
		{`An error occurred (AccessDenied) when calling the ListObjectsV2 operation: User: arn:aws:sts::111122223333:assumed-role/test_profile1_role/i-0f3c is not authorized to perform: s3:ListBucket on resource: "arn:aws:s3:::github-amitsaha-bucket" because no identity-based policy allows the s3:ListBucket action`,
			Diagnosis{Kind: "denied", Principal: "arn:aws:sts::111122223333:assumed-role/test_profile1_role/i-0f3c", Action: "s3:ListBucket", Resource: "arn:aws:s3:::github-amitsaha-bucket", Layer: iam.LayerIdentity}, "no identity-based policy"},
		{"│ Error: reading IAM Role (x): operation error IAM: GetRole, https response error StatusCode: 403, RequestID: 1, api error\n│ AccessDenied: User: arn:aws:iam::111122223333:user/mira is not authorized to perform:\n│ iam:GetRole on resource: role x because no identity-based policy allows the iam:GetRole action\n│\n│   with aws_iam_role.x,\n",
			Diagnosis{Kind: "denied", Principal: "arn:aws:iam::111122223333:user/mira", Action: "iam:GetRole", Resource: "role", Layer: iam.LayerIdentity, Address: "aws_iam_role.x"}, ""},
		{`AccessDeniedException: User: arn:aws:iam::111122223333:user/ci is not authorized to perform: iam:PassRole on resource: arn:aws:iam::111122223333:role/web-task because no identity-based policy allows the iam:PassRole action`,
			Diagnosis{Kind: "denied", Action: "iam:PassRole", Principal: "arn:aws:iam::111122223333:user/ci", Resource: "arn:aws:iam::111122223333:role/web-task", Layer: iam.LayerIdentity, Rule: "P204"}, "iam:PassRole on that role"},
		{`An error occurred (AccessDeniedException) when calling the Decrypt operation: User: arn:aws:iam::111122223333:user/ci is not authorized to perform: kms:Decrypt on this resource with an explicit deny in a service control policy: arn:aws:organizations::1:policy/o-1/service_control_policy/p-1`,
			Diagnosis{Kind: "denied", Principal: "arn:aws:iam::111122223333:user/ci", Action: "kms:Decrypt", Resource: "*", Layer: iam.LayerSCP, Explicit: true}, "a statement of the service control policy"},
		{`An error occurred (AccessDenied) when calling the AssumeRole operation: User: arn:aws:sts::111122223333:assumed-role/app-task/t1 is not authorized to perform: sts:AssumeRole on resource: arn:aws:iam::444455556666:role/dynamo-access`,
			Diagnosis{Kind: "denied", Principal: "arn:aws:sts::111122223333:assumed-role/app-task/t1", Action: "sts:AssumeRole", Resource: "arn:aws:iam::444455556666:role/dynamo-access"}, "does not say which side"},
		{`UnauthorizedOperation: You are not authorized to perform this operation. Encoded authorization failure message: -abcDEF0123456789_abcdef0123456789`,
			Diagnosis{Kind: "denied", Encoded: "-abcDEF0123456789_abcdef0123456789"}, "encoded"},
		{`ECS was unable to assume the role 'arn:aws:iam::111122223333:role/web' that was provided for this task. Please verify that the role being passed has the proper trust relationship`,
			Diagnosis{Kind: "task-role", Role: "arn:aws:iam::111122223333:role/web", Rule: "T104"}, "five causes"},
		{`MalformedPolicyDocument: Invalid principal in policy: "AWS":"arn:aws::iam::111122223333:root"`,
			Diagnosis{Kind: "principal", Rule: "T101", Resource: "arn:aws::iam::111122223333:root"}, "write arn:aws:iam::111122223333:root"},
		{`MalformedPolicyDocument: Invalid principal in policy: "AWS":"arn:aws:iam::111122223333:role/*"`,
			Diagnosis{Kind: "principal", Rule: "T102", Resource: "arn:aws:iam::111122223333:role/*"}, "ArnLike"},
		{`MalformedPolicyDocument: Invalid principal in policy: "Service":"ecs-task.amazonaws.com"`,
			Diagnosis{Kind: "principal", Rule: "T105", Resource: "ecs-task.amazonaws.com"}, "ecs-tasks.amazonaws.com"},
		{`MalformedPolicyDocument: The policy failed legacy parsing`, Diagnosis{Kind: "policy"}, "legacy parsing"},
		{`An error occurred (InvalidClientTokenId) when calling the GetCallerIdentity operation: The security token included in the request is invalid.`, Diagnosis{Kind: "credentials"}, "AWS_SESSION_TOKEN"},
		{`An error occurred (ExpiredToken) when calling the ListBuckets operation: The provided token has expired.`, Diagnosis{Kind: "expired", Rule: "S602"}, "mantle run"},
		{`SignatureDoesNotMatch: Signature expired: 20261122T093053Z is now earlier than 20261122T094053Z`, Diagnosis{Kind: "clock", Rule: "R901"}, "clock"},
		{`SignatureDoesNotMatch: The request signature we calculated does not match the signature you provided.`, Diagnosis{Kind: "signature", Rule: "R901"}, "secret key"},
		{`The config profile (crossAccount) could not be found`, Diagnosis{Kind: "profile", Rule: "C501"}, "[profile crossAccount]"},
		{`Error when retrieving credentials from EcsContainer: No credentials found in credential_source referenced in profile crossAccount`, Diagnosis{Kind: "profile", Rule: "C503"}, "taskRoleArn"},
		{`The credential source "ECSContainer" referenced in profile "crossAccount" is not valid.`, Diagnosis{Kind: "profile", Rule: "C504"}, "EcsContainer"},
		{`The profile "x" contains both source_profile and credential_source.`, Diagnosis{Kind: "profile", Rule: "C504"}, "one place"},
		{`You must specify a region. You can also configure your region by running "aws configure".`, Diagnosis{Kind: "region", Rule: "C506"}, "AWS_REGION"},
		{`Unsupported host '172.17.0.1'. Can only retrieve metadata from a loopback address or one of these hosts: 169.254.170.2`, Diagnosis{Kind: "endpoint", Rule: "C508"}, "not from 172.17.0.1"},
		{`Unable to locate credentials. You can configure credentials by running "aws configure".`, Diagnosis{Kind: "no-credentials"}, "whoami --chain"},
		{`Error: deleting IAM Role (my-role): operation error IAM: DeleteRole, api error DeleteConflict: Cannot delete entity, must remove roles from instance profile first.`, Diagnosis{Kind: "conflict", Role: "my-role"}, "remove-role-from-instance-profile --role-name my-role"},
		{"Error: creating IAM Role (app): EntityAlreadyExists: Role with name app already exists.\n\n  with aws_iam_role.application,\n  on iam.tf line 1", Diagnosis{Kind: "exists", Role: "app", Address: "aws_iam_role.application"}, "to = aws_iam_role.application"},
		{`ValidationError: The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining.`, Diagnosis{Kind: "chaining", Rule: "S601"}, "3600"},
		{`1 validation error detected: Value 'a/b' at 'roleSessionName' failed to satisfy constraint: Member must satisfy regular expression pattern: [\w+=,.@-]*`, Diagnosis{Kind: "session-name", Rule: "S603"}, "slashes"},
		{`Not authorized to perform sts:AssumeRoleWithWebIdentity`, Diagnosis{Kind: "oidc", Rule: "K801", Action: "sts:AssumeRoleWithWebIdentity"}, "explain oidc"},
		{`Value (ec2-ecs-instance-role) for parameter iamInstanceProfile.name is invalid. Invalid IAM Instance Profile name`, Diagnosis{Kind: "instance-profile", Rule: "I301", Role: "ec2-ecs-instance-role"}, "not one"},
		{`LimitExceeded: Cannot exceed quota for ACLSizePerRole: 2048`, Diagnosis{Kind: "quota", Rule: "T117"}, "2048"},
		{`api error AccessDenied: Access Denied`, Diagnosis{Kind: "denied"}, "does not say who"},
	} {
		d, ok := ReadError(c.text)
		if !ok {
			t.Errorf("%.60q means nothing", c.text)
			continue
		}
		got := *d
		all := got.Cause + "\n" + strings.Join(got.Cure, "\n")
		got.Cause, got.Cure = "", nil
		if got.Kind != c.want.Kind || got.Rule != c.want.Rule || got.Principal != c.want.Principal || got.Action != c.want.Action || got.Resource != c.want.Resource ||
			got.Layer != c.want.Layer || got.Explicit != c.want.Explicit || got.Role != c.want.Role || got.Encoded != c.want.Encoded || got.Address != c.want.Address {
			t.Errorf("%.60q\n got %+v\nwant %+v", c.text, got, c.want)
		}
		if !strings.Contains(all, c.says) {
			t.Errorf("%.60q: %q does not say %q", c.text, all, c.says)
		}
	}
	if d, ok := ReadError("everything is fine"); ok {
		t.Errorf("a text without an error is %+v", d)
	}
}

// TestEngineMessages reads every message that the engine itself writes.
func TestEngineMessages(t *testing.T) {
	for _, action := range []string{"s3:GetObject", "sts:AssumeRole", "ec2:RunInstances", "dynamodb:Scan"} {
		for layer := iam.LayerIdentity; layer <= iam.LayerEndpoint; layer++ {
			for _, outcome := range []iam.Outcome{iam.ImplicitDeny, iam.ExplicitDeny} {
				r := &iam.Request{Principal: iam.Principal{Type: iam.User, ARN: "arn:aws:iam::111122223333:user/mira"}, Action: action, Resource: "arn:aws:x:::y"}
				d, ok := ReadError(iam.DenialMessage(r, iam.Decision{Outcome: outcome, Layer: layer, Statement: -1}, iam.MessageOptions{}))
				if !ok || d.Principal != r.Principal.ARN || d.Action != action || d.Resource != r.Resource {
					t.Errorf("%s %v %v: %+v", action, layer, outcome, d)
				}
				if d != nil && d.Explicit != (outcome == iam.ExplicitDeny) && d.Layer != iam.LayerNone {
					t.Errorf("%s %v %v: explicit is %v", action, layer, outcome, d.Explicit)
				}
			}
		}
	}
}

func FuzzReadError(f *testing.F) {
	f.Add("User: a is not authorized to perform: s3:Get on resource: b")
	f.Add("DeleteConflict: must remove roles from instance profile first")
	f.Fuzz(func(t *testing.T, text string) {
		if d, ok := ReadError(text); ok && (d.Kind == "" || d.Cause == "") {
			t.Errorf("%q is an error without kind or cause: %+v", text, d)
		}
	})
}
