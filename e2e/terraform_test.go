//go:build e2e

package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// terraform prepares a folder with a configuration and returns a function
// that runs terraform there.
func terraform(t *testing.T, env []string, files string) (dir string, tf func(args ...string) result) {
	t.Helper()
	bin := tool(t, "terraform")
	if found, _ := filepath.Glob(filepath.Join(os.Getenv("HOME"), ".terraform.d/plugins/registry.terraform.io/hashicorp/aws/5.100.0/*/terraform-provider-aws_v*")); len(found) == 0 {
		t.Skip("the AWS provider 5.100.0 is not on this machine")
	}
	dir = t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(files)); err != nil {
		t.Fatal(err)
	}
	// A configuration file of the test's own: the user's may name a mirror
	// that is not there.
	write(t, dir, "terraformrc", []byte("disable_checkpoint = true\n"))
	env = append(env, "TF_CLI_CONFIG_FILE="+filepath.Join(dir, "terraformrc"), "TF_IN_AUTOMATION=1", "CHECKPOINT_DISABLE=1")
	return dir, func(args ...string) result {
		t.Helper()
		return run(t, env, dir, bin, append(args, "-no-color")...)
	}
}

func ok(t *testing.T, what string, r result) string {
	t.Helper()
	if r.code != 0 {
		t.Fatalf("terraform %s: status %d\n%s%s", what, r.code, r.stdout, r.stderr)
	}
	return r.stdout
}

// TestTerraform: init, apply, an empty second plan, destroy.
func TestTerraform(t *testing.T) {
	t.Parallel()
	a := start(t)
	_, tf := terraform(t, a.env("dev"), "testdata/terraform")
	ok(t, "init", tf("init", "-input=false"))
	if out := ok(t, "apply", tf("apply", "-auto-approve", "-input=false")); !strings.Contains(out, `account_id = "111122223333"`) {
		t.Errorf("apply said\n%s", out)
	}
	if r := tf("plan", "-detailed-exitcode", "-input=false"); r.code != 0 {
		t.Errorf("the second plan is not empty (status %d):\n%s%s", r.code, r.stdout, r.stderr)
	}
	ok(t, "destroy", tf("destroy", "-auto-approve", "-input=false"))
	cli := tool(t, "aws")
	if out := must(t, a.env("dev"), "", cli, "iam", "list-roles", "--query", "Roles[].RoleName", "--output", "text"); strings.Contains(out, "reader") {
		t.Errorf("roles left behind: %s", out)
	}
}

// TestTerraformDenied: what Terraform's identity may not do is refused while
// it applies, in AWS's words.
func TestTerraformDenied(t *testing.T) {
	t.Parallel()
	cli := tool(t, "aws")
	a := start(t)
	admin := a.env("dev")
	dir := t.TempDir()
	must(t, admin, dir, cli, "iam", "create-user", "--user-name", "ci")
	write(t, dir, "p.json", []byte(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*"}]}`))
	must(t, admin, dir, cli, "iam", "put-user-policy", "--user-name", "ci", "--policy-name", "s3", "--policy-document", "file://p.json")
	key := strings.Fields(must(t, admin, dir, cli, "iam", "create-access-key", "--user-name", "ci", "--query", "AccessKey.[AccessKeyId,SecretAccessKey]", "--output", "text"))
	_, tf := terraform(t, a.as(credentials{AccessKeyID: key[0], SecretAccessKey: key[1]}), "testdata/terraform")
	ok(t, "init", tf("init", "-input=false"))
	r := tf("apply", "-auto-approve", "-input=false")
	want := "api error AccessDenied: User: arn:aws:iam::111122223333:user/ci is not authorized to perform: iam:CreateRole on resource: arn:aws:iam::111122223333:role/fleet/host because no identity-based policy allows the iam:CreateRole action"
	if got := strings.Join(strings.Fields(strings.ReplaceAll(r.stdout+r.stderr, "│", " ")), " "); r.code == 0 || !strings.Contains(got, want) {
		t.Errorf("status %d, said\n%s\nwant\n%s", r.code, got, want)
	}
}
