//go:build e2e

package e2e

import (
	"fmt"
	"strings"
	"testing"
)

// TestAssumeMatrix is what must hold when role1 of a host wants to become
// role2: which side's silence is a denial, and which is not (IAM User Guide,
// "Policy evaluation logic"; STS API Reference, "AssumeRole").
func TestAssumeMatrix(t *testing.T) {
	cli := tool(t, "aws")
	a := start(t)
	admin := a.env("dev")
	dir := t.TempDir()
	const (
		role1 = "arn:aws:iam::111122223333:role/role1"
		role2 = "arn:aws:iam::111122223333:role/role2"
	)
	put := func(name, doc string) string {
		write(t, dir, name, []byte(doc))
		return "file://" + name
	}
	trust := func(principal string) string {
		return put("trust.json", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":`+principal+`,"Action":"sts:AssumeRole"}]}`)
	}
	iam := func(args ...string) { t.Helper(); must(t, admin, dir, cli, append([]string{"iam"}, args...)...) }
	may := put("may.json", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sts:AssumeRole","Resource":"`+role2+`"}]}`)

	iam("create-role", "--role-name", "role1", "--assume-role-policy-document", trust(`{"AWS":"arn:aws:iam::111122223333:root"}`))
	iam("create-role", "--role-name", "role2", "--assume-role-policy-document", trust(`{"Service":"ec2.amazonaws.com"}`))
	iam("put-role-policy", "--role-name", "role2", "--policy-name", "AccessConfigurationBucket", "--policy-document",
		put("bucket.json", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":["arn:aws:s3:::conf-bucket","arn:aws:s3:::conf-bucket/*"]}]}`))
	must(t, admin, dir, cli, "s3", "mb", "s3://conf-bucket")

	one := a.as(a.assume(t, cli, admin, role1, "host"))
	refused(t, run(t, one, dir, cli, "s3", "ls", "s3://conf-bucket"), "because no identity-based policy allows the s3:ListBucket action")

	for _, c := range []struct {
		name, principal string
		identity        string // role1's own policy
		allow           bool
	}{
		{"trust names role1, no identity policy", `{"AWS":"` + role1 + `"}`, "", true},
		{"trust names the account, identity policy", `{"AWS":"arn:aws:iam::111122223333:root"}`, may, true},
		{"trust names the account by its id, identity policy", `{"AWS":"111122223333"}`, may, true},
		{"trust names the account, no identity policy", `{"AWS":"arn:aws:iam::111122223333:root"}`, "", false},
		{"trust names ec2 only, identity policy", `{"Service":"ec2.amazonaws.com"}`, may, false},
		{"trust names another account, identity policy", `{"AWS":"arn:aws:iam::444455556666:root"}`, may, false},
		{"explicit deny on the caller's side", `{"AWS":"` + role1 + `"}`, put("deny.json", `{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"sts:*","Resource":"*"}]}`), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			must(t, admin, dir, cli, "iam", "update-assume-role-policy", "--role-name", "role2", "--policy-document", trust(c.principal))
			if c.identity != "" {
				must(t, admin, dir, cli, "iam", "put-role-policy", "--role-name", "role1", "--policy-name", "p", "--policy-document", c.identity)
				defer must(t, admin, dir, cli, "iam", "delete-role-policy", "--role-name", "role1", "--policy-name", "p")
			}
			r := run(t, one, dir, cli, "sts", "assume-role", "--role-arn", role2, "--role-session-name", "s3-example")
			if !c.allow {
				refused(t, r, fmt.Sprintf("(AccessDenied) when calling the AssumeRole operation: User: arn:aws:sts::111122223333:assumed-role/role1/host is not authorized to perform: sts:AssumeRole on resource: %s", role2))
				return
			}
			if r.code != 0 {
				t.Fatalf("denied: %s", r.stderr)
			}
			two := a.as(a.assume(t, cli, one, role2, "s3-example"))
			write(t, dir, "hello", nil)
			must(t, two, dir, cli, "s3", "cp", "hello", "s3://conf-bucket/")
			if out := must(t, two, dir, cli, "s3", "ls", "s3://conf-bucket/"); !strings.Contains(out, "0 hello") {
				t.Errorf("role2 lists %q", out)
			}
		})
	}

	iam("update-assume-role-policy", "--role-name", "role2", "--policy-document", trust(`{"AWS":"`+role1+`"}`))
	refused(t, run(t, one, dir, cli, "sts", "assume-role", "--role-arn", role2, "--role-session-name", "a/b"),
		`Member must satisfy regular expression pattern: [\w+=,.@-]*`)
	refused(t, run(t, one, dir, cli, "sts", "assume-role", "--role-arn", role2, "--role-session-name", "ab", "--duration-seconds", "7200"),
		"The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining.")
	refused(t, run(t, one, dir, cli, "sts", "assume-role", "--role-arn", "arn:aws:iam::111122223333:role/nobody", "--role-session-name", "ab"),
		"is not authorized to perform: sts:AssumeRole on resource: arn:aws:iam::111122223333:role/nobody")
	refused(t, run(t, admin, dir, cli, "iam", "update-assume-role-policy", "--role-name", "role2", "--policy-document", trust(`{"AWS":"arn:aws::iam::111122223333:root"}`)),
		`(MalformedPolicyDocument) when calling the UpdateAssumeRolePolicy operation: Invalid principal in policy: "AWS":"arn:aws::iam::111122223333:root"`)

	// A role deleted and made again under its name is not the one that
	// role2's trust policy let in.
	iam("delete-role", "--role-name", "role1")
	iam("create-role", "--role-name", "role1", "--assume-role-policy-document", put("root.json", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:root"},"Action":"sts:AssumeRole"}]}`))
	again := a.as(a.assume(t, cli, admin, role1, "host"))
	refused(t, run(t, again, dir, cli, "sts", "assume-role", "--role-arn", role2, "--role-session-name", "ab"), "(AccessDenied)")
	if shown := must(t, admin, dir, cli, "iam", "get-role", "--role-name", "role2", "--query", "Role.AssumeRolePolicyDocument.Statement[0].Principal.AWS", "--output", "text"); !strings.HasPrefix(shown, "AROA") {
		t.Errorf("the trust policy shows %q, want the deleted role's unique id", strings.TrimSpace(shown))
	}
}
