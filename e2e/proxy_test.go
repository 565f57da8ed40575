//go:build e2e

package e2e

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// proxied is the environment of a client that is led to the sandbox by its
// proxy alone: whatever succeeds in it went to one of AWS's own host names.
func (a *aws) proxied(account string) []string {
	a.t.Helper()
	cmd := exec.Command(mantle(a.t), "sandbox", "env", account, "--proxy", "--listen", strings.TrimPrefix(a.url, "http://"), "--output", "json")
	cmd.Env = append(plainEnv(), "XDG_RUNTIME_DIR="+a.runtime)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		a.t.Fatalf("sandbox env %s --proxy: %v", account, err)
	}
	var x struct{ Set map[string]string }
	if err := json.Unmarshal(out, &x); err != nil {
		a.t.Fatal(err)
	}
	env := plainEnv()
	for k, v := range x.Set {
		if strings.HasPrefix(k, "AWS_ENDPOINT_URL") {
			a.t.Errorf("an endpoint is set: %s=%s", k, v)
		}
		env = append(env, k+"="+v)
	}
	return env
}

func startProxied(t *testing.T) *aws {
	t.Helper()
	return start(t, "--proxy", "127.0.0.1:0")
}

// TestProxyCLI: the AWS CLI with nothing but a proxy and a bundle.
func TestProxyCLI(t *testing.T) {
	cli := tool(t, "aws")
	a := startProxied(t)
	admin := a.proxied("dev")
	dir := t.TempDir()
	text := func(args ...string) string {
		t.Helper()
		return strings.TrimSpace(must(t, admin, dir, cli, append(args, "--output", "text")...))
	}
	if got := text("sts", "get-caller-identity", "--query", "Arn"); got != "arn:aws:iam::111122223333:user/dev-admin" {
		t.Fatalf("caller identity = %s", got)
	}
	write(t, dir, "small.txt", []byte("small\n"))
	for _, bucket := range []string{"cli-bucket", "bucket.with.dots"} {
		must(t, admin, dir, cli, "s3", "mb", "s3://"+bucket)
		must(t, admin, dir, cli, "s3", "cp", "small.txt", "s3://"+bucket+"/a//b/ä c+.txt")
		if out := must(t, admin, dir, cli, "s3", "cp", "s3://"+bucket+"/a//b/ä c+.txt", "-"); out != "small\n" {
			t.Errorf("%s: content = %q", bucket, out)
		}
		if out := must(t, admin, dir, cli, "s3", "ls", "--recursive", "s3://"+bucket); !strings.Contains(out, "a//b/ä c+.txt") {
			t.Errorf("%s: listing lacks the key: %q", bucket, out)
		}
	}

	t.Run("multipart of 20 MB", func(t *testing.T) {
		big := make([]byte, 20<<20)
		rand.Read(big)
		write(t, dir, "big.bin", big)
		must(t, admin, dir, cli, "s3", "cp", "big.bin", "s3://cli-bucket/big.bin")
		must(t, admin, dir, cli, "s3", "cp", "s3://cli-bucket/big.bin", "back.bin")
		back, err := os.ReadFile(filepath.Join(dir, "back.bin"))
		if err != nil || !bytes.Equal(back, big) {
			t.Errorf("what came back differs (%v)", err)
		}
		if etag := text("s3api", "head-object", "--bucket", "cli-bucket", "--key", "big.bin", "--query", "ETag"); !strings.Contains(etag, "-3") {
			t.Errorf("ETag %s is not that of three parts", etag)
		}
	})

	t.Run("presigned URL", func(t *testing.T) {
		curl := tool(t, "curl")
		must(t, admin, dir, cli, "s3", "cp", "small.txt", "s3://cli-bucket/p.txt")
		for _, region := range []string{"us-east-1", "eu-central-1", "eu-west-1"} {
			url := strings.TrimSpace(must(t, append(admin, "AWS_DEFAULT_REGION="+region, "AWS_REGION="+region), dir, cli, "s3", "presign", "s3://cli-bucket/p.txt"))
			if !strings.HasPrefix(url, "https://cli-bucket.s3.") || !strings.Contains(url, ".amazonaws.com/p.txt?") {
				t.Errorf("%s does not name AWS's host", url)
			}
			if out := must(t, admin, dir, curl, "-sS", "--fail-with-body", url); out != "small\n" {
				t.Errorf("%s: %q", url, out)
			}
		}
	})

	t.Run("assume-role and the words of a denial", func(t *testing.T) {
		write(t, dir, "trust.json", []byte(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:root"},"Action":"sts:AssumeRole"}]}`))
		must(t, admin, dir, cli, "iam", "create-role", "--role-name", "reader", "--assume-role-policy-document", "file://trust.json")
		c := a.assume(t, cli, admin, "arn:aws:iam::111122223333:role/reader", "via-proxy")
		reader := append(without(admin, "AWS_PROFILE"), "AWS_ACCESS_KEY_ID="+c.AccessKeyID, "AWS_SECRET_ACCESS_KEY="+c.SecretAccessKey, "AWS_SESSION_TOKEN="+c.SessionToken)
		refused(t, run(t, reader, dir, cli, "s3", "ls", "s3://cli-bucket"),
			`An error occurred (AccessDenied) when calling the ListObjectsV2 operation: User: arn:aws:sts::111122223333:assumed-role/reader/via-proxy is not authorized to perform: s3:ListBucket on resource: "arn:aws:s3:::cli-bucket" because no identity-based policy allows the s3:ListBucket action`)
	})

	t.Run("a service that the sandbox lacks", func(t *testing.T) {
		refused(t, run(t, admin, dir, cli, "sns", "list-topics"), "sns")
	})

	// A name that no resolver knows: nothing is reached even if the proxy
	// were left out.
	t.Run("nothing leaks", func(t *testing.T) {
		for _, scheme := range []string{"https", "http"} {
			r := run(t, admin, dir, tool(t, "curl"), "-sSv", "--fail-with-body", scheme+"://sts.amazonaws.com.invalid/")
			refused(t, r, "mantle sandbox proxy: sts.amazonaws.com.invalid is not an AWS endpoint")
		}
		refused(t, run(t, append(admin, "AWS_MAX_ATTEMPTS=1"), dir, cli, "sts", "get-caller-identity", "--endpoint-url", "https://sts.invalid"), "Failed to connect to proxy URL")
		// The bundle of AWS's clients trusts the sandbox and nobody else.
		for _, kv := range admin {
			if file, ok := strings.CutPrefix(kv, "AWS_CA_BUNDLE="); ok {
				if b, err := os.ReadFile(file); err != nil || bytes.Count(b, []byte("BEGIN CERTIFICATE")) != 1 {
					t.Errorf("%s: %v, want one certificate", file, err)
				}
			}
		}
	})
}

// without drops a variable.
func without(env []string, name string) []string {
	return slices.DeleteFunc(slices.Clone(env), func(kv string) bool { return strings.HasPrefix(kv, name+"=") })
}

// TestProxyBoto3: the program of TestBoto3, presigned URLs by urllib included.
func TestProxyBoto3(t *testing.T) {
	python := tool(t, "python3")
	a := startProxied(t)
	var got map[string]any
	if err := json.Unmarshal([]byte(must(t, a.proxied("dev"), "python", python, "storage.py")), &got); err != nil {
		t.Fatal(err)
	}
	for k, want := range map[string]any{
		"trust": true, "identity": "arn:aws:sts::111122223333:assumed-role/py/x1",
		"put own prefix": "ok", "put other prefix": "AccessDenied", "list all": "AccessDenied",
		"multipart": true, "range": true, "presigned": "one", "if-none-match": "PreconditionFailed",
		"deleted": "NoSuchKey", "pages of roles": true,
	} {
		if v := got[k]; v != want {
			t.Errorf("%s: got %v, want %v", k, v, want)
		}
	}
}

// TestProxyTerraform: init, apply, an empty second plan, destroy, with the
// provider's own endpoints.
func TestProxyTerraform(t *testing.T) {
	t.Parallel()
	a := startProxied(t)
	_, tf := terraform(t, a.proxied("dev"), "testdata/terraform")
	ok(t, "init", tf("init", "-input=false"))
	if out := ok(t, "apply", tf("apply", "-auto-approve", "-input=false")); !strings.Contains(out, `account_id = "111122223333"`) {
		t.Errorf("apply said\n%s", out)
	}
	if r := tf("plan", "-detailed-exitcode", "-input=false"); r.code != 0 {
		t.Errorf("the second plan is not empty (status %d):\n%s%s", r.code, r.stdout, r.stderr)
	}
	ok(t, "destroy", tf("destroy", "-auto-approve", "-input=false"))
}

// TestProxyTerraformProfile: a profile that assumes a role, whose call to STS
// no endpoint variable but STS's own would redirect, and state in a bucket.
func TestProxyTerraformProfile(t *testing.T) {
	t.Parallel()
	cli := tool(t, "aws")
	a := startProxied(t)
	admin := a.proxied("dev")
	dir := t.TempDir()
	write(t, dir, "trust.json", []byte(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:root"},"Action":"sts:AssumeRole"}]}`))
	write(t, dir, "all.json", []byte(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*"}]}`))
	must(t, admin, dir, cli, "iam", "create-role", "--role-name", "deploy", "--assume-role-policy-document", "file://trust.json")
	must(t, admin, dir, cli, "iam", "put-role-policy", "--role-name", "deploy", "--policy-name", "all", "--policy-document", "file://all.json")
	must(t, admin, dir, cli, "s3", "mb", "s3://tf-state-bucket", "--region", "eu-west-1")
	var profiles []byte
	for _, kv := range admin {
		if file, ok := strings.CutPrefix(kv, "AWS_CONFIG_FILE="); ok && file != os.DevNull {
			var err error
			if profiles, err = os.ReadFile(file); err != nil {
				t.Fatal(err)
			}
		}
	}
	write(t, dir, "config", append(profiles, "[profile deploy]\nrole_arn = arn:aws:iam::111122223333:role/deploy\nrole_session_name = tf\nsource_profile = dev\nregion = eu-west-1\n"...))
	files := t.TempDir()
	write(t, files, "main.tf", []byte(`terraform {
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "5.100.0"
    }
  }
  backend "s3" {
    bucket       = "tf-state-bucket"
    key          = "dir/state"
    region       = "eu-west-1"
    use_lockfile = true
  }
}

provider "aws" {}

data "aws_caller_identity" "current" {}

output "arn" {
  value = data.aws_caller_identity.current.arn
}
`))
	env := append(without(without(admin, "AWS_REGION"), "AWS_DEFAULT_REGION"), "AWS_CONFIG_FILE="+filepath.Join(dir, "config"), "AWS_PROFILE=deploy")
	_, tf := terraform(t, env, files)
	ok(t, "init", tf("init", "-input=false"))
	if out := ok(t, "apply", tf("apply", "-auto-approve", "-input=false")); !strings.Contains(out, "arn:aws:sts::111122223333:assumed-role/deploy/tf") {
		t.Errorf("apply said\n%s", out)
	}
	if out := must(t, admin, dir, cli, "s3", "ls", "s3://tf-state-bucket/dir/"); !strings.Contains(out, "state") || strings.Contains(out, "tflock") {
		t.Errorf("the state bucket holds %q", out)
	}
}
