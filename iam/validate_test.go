package iam

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

// one is a document of version 2012-10-17 with one statement.
func one(statement string) string {
	return `{"Version": "2012-10-17", "Statement": [{` + statement + `}]}`
}

func TestValidate(t *testing.T) {
	const legacy, syntax = "The policy failed legacy parsing", "Syntax errors in policy."
	create := ValidateOptions{Operation: "CreatePolicy"}
	allow := func(rest string) string { return one(`"Effect": "Allow", "Action": "s3:ListBucket", ` + rest) }
	date := func(d string) string {
		return allow(`"Resource": "*", "Condition": {"DateGreaterThan": {"a": "` + d + `"}}`)
	}
	trust := func(rest string) string { return one(`"Effect": "Allow", ` + rest) }
	bucket := func(principal, action, resource string) string {
		return one(fmt.Sprintf(`"Effect": "Allow", "Principal": %s, "Action": %s, "Resource": %s`, principal, action, resource))
	}
	b := ValidateOptions{Bucket: "media"}
	tests := []struct {
		kind Kind
		opt  ValidateOptions
		src  string
		want string // Code: Message, "" = accepted
	}{
		// Identity policies: which fault is named when there are several.
		{Identity, create, `{"Statement": [{"Effect": "denY", "Action": "s3:ListBucket", "Resource": "*"}]}`, "MalformedPolicyDocument: Policy document must be version 2012-10-17 or greater."},
		{Identity, create, one(`"Effect": "denY", "Action": "s3:ListBucket", "Resource": "x"`), "MalformedPolicyDocument: " + legacy},
		{Identity, create, one(`"Effect": "Allow", "Resource": "arn:aws:s3::x"`), "MalformedPolicyDocument: " + legacy},
		{Identity, create, one(`"Effect": "Allow"`), "MalformedPolicyDocument: Policy statement must contain actions."},
		{Identity, create, one(`"Effect": "Allow", "Action": "invalid"`), "MalformedPolicyDocument: Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc."},
		{Identity, create, one(`"Effect": "Allow", "Action": "s:3:L", "Resource": "sdf"`), `MalformedPolicyDocument: Resource sdf must be in ARN format or "*".`},
		{Identity, create, one(`"Sid": "a", "Effect": "Allow", "Action": "s3:L", "Resource": "*"}, {"Sid": "a", "Effect": "Allow"`), "MalformedPolicyDocument: Statement IDs (SID) in a single policy must be unique."},
		{Identity, create, one(`"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"`), "MalformedPolicyDocument: Policy document should not specify a principal."},
		// Resources.
		{Identity, create, allow(`"Resource": ""`), `MalformedPolicyDocument: Resource  must be in ARN format or "*".`},
		{Identity, create, allow(`"Resource": "a:b"`), `MalformedPolicyDocument: Partition "b" is not valid for resource "arn:b:*:*:*:*".`},
		{Identity, create, allow(`"Resource": "a:b:c:d:e:f:g:h"`), `MalformedPolicyDocument: Partition "b" is not valid for resource "arn:b:c:d:e:f:g:h".`},
		{Identity, create, allow(`"Resource": "aws:s3:::x"`), `MalformedPolicyDocument: Partition "s3" is not valid for resource "arn:s3:::x:*".`},
		{Identity, create, allow(`"Resource": ["arn:error:s3:::x", "arn:error:s3::x"]`), `MalformedPolicyDocument: Partition "error" is not valid for resource "arn:error:s3:::x".`},
		{Identity, create, allow(`"Resource": "arn:aws"`), "MalformedPolicyDocument: Resource vendor must be fully qualified and cannot contain regexes."},
		{Identity, create, allow(`"Resource": "arn:aws::::x"`), "MalformedPolicyDocument: " + legacy},
		{Identity, create, allow(`"NotResource": "arn:aws:s3::x"`), "MalformedPolicyDocument: " + legacy},
		{Identity, create, allow(`"Resource": "arn:aws:iam:::x"`), `MalformedPolicyDocument: IAM resource path must either be "*" or start with user/, federated-user/, role/, group/, instance-profile/, mfa/, server-certificate/, policy/, sms-mfa/, saml-provider/, oidc-provider/, report/, access-report/.`},
		{Identity, create, allow(`"Resource": "arn:aws:iam::111122223333:*"`), ""},
		{Identity, create, allow(`"Resource": "arn:aws:iam::*:user/${aws:username}"`), ""},
		{Identity, create, allow(`"Resource": "arn:aws:s3:us-east-1:111122223333:accesspoint/x"`), ""},
		{Identity, create, allow(`"Resource": "arn:aws:nosuchservice:eu-west-1::x"`), ""},
		// Actions.
		{Identity, create, one(`"Effect": "Allow", "NotAction": "", "Resource": "*"`), "MalformedPolicyDocument: Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc."},
		{Identity, create, one(`"Effect": "Allow", "Action": "iam: odd name ", "Resource": "*"`), ""},
		{Identity, create, one(`"Effect": "Allow", "Action": "*", "Resource": "*"`), ""},
		// Conditions.
		{Identity, create, allow(`"Resource": "*", "Condition": {"x": {}, "y": {}}`), ""},
		{Identity, create, allow(`"Resource": "*", "Condition": {"x": {"a": "1"}}`), "MalformedPolicyDocument: " + syntax},
		{Identity, create, allow(`"Resource": "*", "Condition": {"ForAnyValue::StringEquals": {"a": "b"}}`), "MalformedPolicyDocument: " + syntax},
		{Identity, create, allow(`"Resource": "*", "Condition": {"DateGreaterThan": {"a": []}}`), ""},
		{Identity, create, date("01T"), ""},
		{Identity, create, date("2016-12-13t2:00:00.593194+23"), ""},
		{Identity, create, date("2016-12-13t2:00:00.593194+1"), "MalformedPolicyDocument: " + legacy},
		{Identity, create, date("234-13"), "MalformedPolicyDocument: " + legacy},
		{Identity, create, date("9223372036854775807"), ""},
		{Identity, create, date("9223372036854775808"), "MalformedPolicyDocument: " + legacy},
		{Identity, create, allow(`"Resource": "arn:aws:s3:::Ω"`), "ValidationError: The specified value for policyDocument is invalid. It must contain only printable ASCII characters."},
		// Sizes count what stands inside strings.
		{Identity, ValidateOptions{Operation: "PutUserPolicy", Name: "mira", Used: 2000}, allow(`"Resource": "*"`), "LimitExceeded: Maximum policy size of 2048 bytes exceeded for user mira"},
		{Identity, ValidateOptions{Operation: "PutUserPolicy"}, allow(strings.Repeat(" ", 5000) + `"Resource": "*"`), ""},
		{Identity, create, allow(`"Resource": "arn:aws:s3:::` + strings.Repeat(`\"`, 4000) + `"`), "LimitExceeded: Cannot exceed quota for PolicySize: 6144"},
		// Session policies.
		{Session, ValidateOptions{}, one(`"Effect": "Allow", "Action": "s3:*", "Resource": "arn:aws:s3"`), `MalformedPolicyDocument: Resource arn:aws:s3 must be in ARN format or "*".`},
		{Session, ValidateOptions{}, allow(`"Resource": "arn:aws:s3:::` + strings.Repeat("k", 2048) + `"`), "PackedPolicyTooLarge: Packed policy consumes 105% of allotted space, please use smaller policy."},
		// Trust policies.
		{Trust, ValidateOptions{}, trust(`"Principal": {"Service": "ec2.eu-west-1.amazonaws.com"}, "Action": "sts:AssumeRole"`), ""},
		{Trust, ValidateOptions{}, trust(`"Principal": {"AWS": "arn:aws::iam::111122223333:root"}, "Action": "sts:AssumeRole"`), `MalformedPolicyDocument: Invalid principal in policy: "AWS":"arn:aws::iam::111122223333:root"`},
		{Trust, ValidateOptions{}, trust(`"Principal": {"AWS": "arn:aws:iam::111122223333:group/ops"}, "Action": "sts:AssumeRole"`), `MalformedPolicyDocument: Invalid principal in policy: "AWS":"arn:aws:iam::111122223333:group/ops"`},
		{Trust, ValidateOptions{}, trust(`"Principal": {"AWS": "arn:aws:sts::111122223333:assumed-role/r/s"}, "Action": "sts:AssumeRole"`), ""},
		{Trust, ValidateOptions{}, trust(`"Principal": {"AWS": "arn:aws:sts::111122223333:assumed-role/r/*"}, "Action": "sts:AssumeRole"`), `MalformedPolicyDocument: Invalid principal in policy: "AWS":"arn:aws:sts::111122223333:assumed-role/r/*"`},
		{Trust, ValidateOptions{}, trust(`"Principal": {"Federated": "example.com"}, "Action": "sts:AssumeRoleWithWebIdentity"`), `MalformedPolicyDocument: Invalid principal in policy: "FEDERATED":"example.com"`},
		{Trust, ValidateOptions{}, trust(`"Principal": {"AWS": "*"}, "Action": ["sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity"]`), ""},
		{Trust, ValidateOptions{}, trust(`"Principal": {"AWS": "*"}, "Action": "sts:GetCallerIdentity"`), "MalformedPolicyDocument: AssumeRole policy may only specify STS AssumeRole actions."},
		{Trust, ValidateOptions{}, trust(`"Principal": {"AWS": "*"}`), "MalformedPolicyDocument: Missing required field Action"},
		{Trust, ValidateOptions{}, trust(`"Action": "sts:AssumeRole"`), "MalformedPolicyDocument: Missing required field Principal"},
		{Trust, ValidateOptions{}, `{"Version": "2012-10-17"}`, "MalformedPolicyDocument: Missing required field Statement"},
		{Trust, ValidateOptions{}, `{"Version": "1", "Statement": []}`, "MalformedPolicyDocument: The policy must contain a valid version string"},
		{Trust, ValidateOptions{}, trust(`"Sid": "` + strings.Repeat("x", 2000) + `", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"`), "LimitExceeded: Cannot exceed quota for ACLSizePerRole: 2048"},
		{Trust, ValidateOptions{TrustSize: 8192}, trust(`"Sid": "` + strings.Repeat("x", 2000) + `", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"`), ""},
		{Trust, ValidateOptions{}, trust(`"Sid": "a", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}, {"Sid": "a", "Effect": "Deny", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"`), "MalformedPolicyDocument: The Statement Ids in the policy are not unique"},
		// Bucket policies.
		{Resource, b, bucket(`"*"`, `"s3:*"`, `"arn:aws:s3:::media"`), ""},
		{Resource, b, bucket(`"*"`, `["s3:GetObject", "s3:ListBucket"]`, `["arn:aws:s3:::media", "arn:aws:s3:::media/*"]`), ""},
		{Resource, b, bucket(`"*"`, `["s3:GetObject", "s3:ListBucket"]`, `"arn:aws:s3:::media/*"`), "MalformedPolicy: Action does not apply to any resource(s) in statement"},
		{Resource, b, bucket(`"*"`, `"s3:Abort*"`, `"arn:aws:s3:::media"`), "MalformedPolicy: Action does not apply to any resource(s) in statement"},
		{Resource, b, bucket(`"*"`, `"s3:GetBucket*"`, `"arn:aws:s3:::media/*"`), "MalformedPolicy: Action does not apply to any resource(s) in statement"},
		{Resource, b, bucket(`"*"`, `"s3:????"`, `"arn:aws:s3:::media"`), "MalformedPolicy: Policy has invalid action"},
		{Resource, b, bucket(`"*"`, `"sqs:SendMessage"`, `"arn:aws:s3:::media"`), "MalformedPolicy: Policy has invalid action"},
		{Resource, b, bucket(`"*"`, `[]`, `"arn:aws:s3:::media"`), "MalformedPolicy: Policy has invalid action"},
		{Resource, b, bucket(`"*"`, `"s3:*"`, `"*"`), "MalformedPolicy: Policy has invalid resource"},
		{Resource, b, bucket(`"*"`, `"s3:*"`, `"arn:aws:s3:::other/*"`), "MalformedPolicy: Policy has invalid resource"},
		{Resource, b, bucket(`"*"`, `"s3:*"`, `"arn:aws:s3:::me*"`), ""},
		{Resource, b, bucket(`""`, `"s3:*"`, `"arn:aws:s3:::media"`), "MalformedPolicy: Invalid principal in policy"},
		{Resource, b, bucket(`{"AWS": []}`, `"s3:*"`, `"arn:aws:s3:::media"`), "MalformedPolicy: Invalid principal in policy"},
		{Resource, b, bucket(`{"CanonicalUser": "79a59df900b949e55d96a1e698fbacedfd6e09d98eacf8f8d5218e7cd47ef2be"}`, `"s3:*"`, `"arn:aws:s3:::media"`), ""},
		{Resource, b, one(`"Effect": "sure", "Principal": "*", "Action": "s3:*", "Resource": "arn:aws:s3:::media"`), "MalformedPolicy: Invalid effect: sure"},
		{Resource, b, one(`"Effect": "Allow", "Principal": "*", "Action": "s3:*", "Resource": "arn:aws:s3:::media", "Condition": {"stringequals": {"aws:username": "x"}}`), "MalformedPolicy: Invalid Condition type : stringequals"},
		{Resource, b, one(`"Effect": "Allow", "Principal": "*", "Action": "s3:*", "Resource": "arn:aws:s3:::media", "Condition": {"IpAddress": {"aws:SourceIp": "office"}}`), "MalformedPolicy: Invalid IP address in Conditions"},
		{Resource, b, `false`, "MalformedPolicy: Policies must be valid JSON and the first byte must be '{'"},
		{Resource, b, `{true}`, "MalformedPolicy: This policy contains invalid Json"},
		// Other resource policies.
		{Resource, ValidateOptions{Operation: "SetRepositoryPolicy"}, one(`"Effect": "Allow", "Principal": {"AWS": "111122223333"}, "Action": "ecr:BatchGetImage"`), ""},
		{Resource, ValidateOptions{Operation: "SetRepositoryPolicy"}, one(`"Effect": "Allow", "Action": "ecr:BatchGetImage"`), "MalformedPolicyDocument: Missing required field Principal"},
		{Resource, ValidateOptions{Operation: "PutResourcePolicy"}, one(`"Effect": "Allow", "Principal": {"AWS": "nobody"}, "Action": "dynamodb:GetItem", "Resource": "*"`), "MalformedPolicyDocument: Invalid principal in policy"},
		{Resource, ValidateOptions{Operation: "PutResourcePolicy"}, one(`"Effect": "Allow", "Principal": "*", "Action": "GetItem", "Resource": "*"`), "MalformedPolicyDocument: Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc."},
		// Organizations.
		{SCP, ValidateOptions{}, one(`"Effect": "Deny", "Action": "*", "Resource": "arn:aws:s3*"`), ""},
		{RCP, ValidateOptions{}, one(`"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": "*"`), ""},
		{RCP, ValidateOptions{}, one(`"Effect": "Allow", "Principal": "*", "Action": "s3:*", "Resource": "*"`), "MalformedPolicyDocumentException: The provided policy document does not meet the requirements of the specified policy type."},
		{RCP, ValidateOptions{}, one(`"Effect": "Deny", "Principal": "*", "NotAction": "s3:*", "Resource": "*"`), "MalformedPolicyDocumentException: The provided policy document does not meet the requirements of the specified policy type."},
		{RCP, ValidateOptions{}, one(`"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": "arn:aws:s3:::` + strings.Repeat("k", 5200) + `"`), "ConstraintViolationException: You have exceeded the maximum policy size of 5120 characters."},
	}
	for _, test := range tests {
		err := Validate(test.kind, []byte(test.src), test.opt)
		var got string
		var e *InvalidError
		if errors.As(err, &e) {
			got = e.Error()
			if e.Rule == "" || e.Hint == "" || e.Line < 1 || e.Column < 1 {
				t.Errorf("%v %.90s: incomplete %+v", test.kind, test.src, e)
			}
		}
		if got != test.want {
			t.Errorf("%v %.120s:\ngot  %s\nwant %s", test.kind, test.src, got, test.want)
		}
	}
}

// TestValidateSharedIssuers: trust in an issuer that everybody can get tokens of
// must name the tenant.
func TestValidateSharedIssuers(t *testing.T) {
	const issuer = "token.actions.githubusercontent.com"
	doc := func(condition string) string {
		return one(`"Effect": "Allow", "Principal": {"Federated": "arn:aws:iam::111122223333:oidc-provider/` + issuer + `"}, "Action": "sts:AssumeRoleWithWebIdentity"` + condition)
	}
	for condition, ok := range map[string]bool{
		``: false,
		`, "Condition": {"StringEquals": {"` + issuer + `:aud": "sts.amazonaws.com"}}`:            false,
		`, "Condition": {"StringLike": {"` + issuer + `:sub": "*"}}`:                              false,
		`, "Condition": {"StringLike": {"` + issuer + `:sub": ["repo:acme/*", "*"]}}`:             false,
		`, "Condition": {"StringNotEquals": {"` + issuer + `:sub": "repo:evil/x"}}`:               false,
		`, "Condition": {"StringEqualsIfExists": {"` + issuer + `:sub": "repo:acme/x"}}`:          false,
		`, "Condition": {"StringLike": {"` + issuer + `:sub": "repo:acme/*"}}`:                    true,
		`, "Condition": {"ForAnyValue:StringLike": {"` + issuer + `:sub": "repo:acme/*"}}`:        true,
		`, "Condition": {"StringEquals": {"` + strings.ToUpper(issuer) + `:SUB": "repo:acme/x"}}`: true,
	} {
		err := Validate(Trust, []byte(doc(condition)), ValidateOptions{})
		if (err == nil) != ok {
			t.Errorf("%s: got %v, want valid = %v", condition, err, ok)
		}
	}
}

func ExampleValidate() {
	err := Validate(Trust, []byte(`{"Version": "2012-10-17", "Statement": {
  "Effect": "Allow", "Principal": {"AWS": "arn:aws::iam::111122223333:root"}, "Action": "sts:AssumeRole"}}`), ValidateOptions{})
	var invalid *InvalidError
	if errors.As(err, &invalid) {
		fmt.Println(invalid)
		fmt.Printf("line %d: %s\n", invalid.Line, invalid.Hint)
	}
	// Output:
	// MalformedPolicyDocument: Invalid principal in policy: "AWS":"arn:aws::iam::111122223333:root"
	// line 2: the colons are misplaced: write "arn:aws:iam::111122223333:root"
}
