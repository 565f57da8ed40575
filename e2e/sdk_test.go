//go:build e2e

package e2e

import (
	"encoding/json"
	"strings"
	"testing"
)

// chain makes role1, which is allowed one bucket, and a second bucket that
// it is not allowed, and returns the environment of the administrator.
func chain(t *testing.T, a *aws) []string {
	t.Helper()
	cli := tool(t, "aws")
	admin := a.env("dev")
	dir := t.TempDir()
	write(t, dir, "trust.json", []byte(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:user/dev-admin"},"Action":"sts:AssumeRole"}]}`))
	write(t, dir, "own.json", []byte(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":["arn:aws:s3:::own-bucket","arn:aws:s3:::own-bucket/*"]}]}`))
	must(t, admin, dir, cli, "iam", "create-role", "--role-name", "role1", "--assume-role-policy-document", "file://trust.json")
	must(t, admin, dir, cli, "iam", "put-role-policy", "--role-name", "role1", "--policy-name", "own", "--policy-document", "file://own.json")
	must(t, admin, dir, cli, "s3", "mb", "s3://own-bucket")
	must(t, admin, dir, cli, "s3", "mb", "s3://other-bucket")
	return admin
}

// TestRun: programs in four languages borrow through the container endpoint
// and through the metadata endpoint, by their default chains.
func TestRun(t *testing.T) {
	a := start(t)
	admin := chain(t, a)
	for _, endpoint := range []string{"container", "metadata"} {
		under := func(t *testing.T, dir string, command ...string) string {
			t.Helper()
			args := append([]string{"run", "--role", "role1", "--session-name", "app", "--endpoint", endpoint, "--"}, command...)
			return must(t, admin, dir, mantle(t), args...)
		}
		const arn = "arn:aws:sts::111122223333:assumed-role/role1/app"
		t.Run(endpoint+"/javascript", func(t *testing.T) {
			var got map[string]any
			if err := json.Unmarshal([]byte(under(t, "js", tool(t, "node"), "whoami.mjs", "own-bucket", "other-bucket")), &got); err != nil {
				t.Fatal(err)
			}
			if got["arn"] != arn || got["other-bucket"] != "AccessDenied" {
				t.Errorf("got %v", got)
			}
			if keys, ok := got["own-bucket"].([]any); !ok || len(keys) == 0 || keys[len(keys)-1] != "from js/é.txt" {
				t.Errorf("own bucket: %v", got["own-bucket"])
			}
		})
		t.Run(endpoint+"/python", func(t *testing.T) {
			got := under(t, "", tool(t, "python3"), "-c", "import boto3; print(boto3.client('sts').get_caller_identity()['Arn'])")
			if strings.TrimSpace(got) != arn {
				t.Errorf("got %s", got)
			}
		})
		t.Run(endpoint+"/cli", func(t *testing.T) {
			got := under(t, "", tool(t, "aws"), "sts", "get-caller-identity", "--query", "Arn", "--output", "text")
			if strings.TrimSpace(got) != arn {
				t.Errorf("got %s", got)
			}
		})
		t.Run(endpoint+"/go", func(t *testing.T) {
			got := under(t, "..", "go", "run", "./cmd/mantle", "whoami", "--output", "json")
			var me struct{ ARN, Source string }
			if err := json.Unmarshal([]byte(got), &me); err != nil || me.ARN != arn {
				t.Errorf("got %s (%v)", got, err)
			}
		})
	}
	t.Run("nothing is left behind", func(t *testing.T) {
		got := must(t, admin, "", mantle(t), "run", "--role", "role1", "--", "sh", "-c", "env | grep -c -E '^AWS_(SECRET_ACCESS_KEY|ACCESS_KEY_ID|SESSION_TOKEN)=' || true")
		if strings.TrimSpace(got) != "0" {
			t.Errorf("%s keys in the environment", strings.TrimSpace(got))
		}
	})
	t.Run("the child's own status", func(t *testing.T) {
		if r := run(t, admin, "", mantle(t), "run", "--role", "role1", "--", "sh", "-c", "exit 7"); r.code != 7 {
			t.Errorf("status %d, want 7", r.code)
		}
	})
}
