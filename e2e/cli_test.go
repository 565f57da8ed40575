//go:build e2e

package e2e

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestCLI drives the sandbox with the unmodified AWS CLI.
func TestCLI(t *testing.T) {
	t.Parallel()
	cli := tool(t, "aws")
	a := start(t)
	admin := a.env("dev")
	dir := t.TempDir()
	if got := strings.TrimSpace(must(t, admin, dir, cli, "sts", "get-caller-identity", "--query", "Arn", "--output", "text")); got != "arn:aws:iam::111122223333:user/dev-admin" {
		t.Fatalf("caller identity = %s", got)
	}
	must(t, admin, dir, cli, "s3", "mb", "s3://cli-bucket")
	write(t, dir, "small.txt", []byte("small\n"))

	t.Run("ls cp rm", func(t *testing.T) {
		must(t, admin, dir, cli, "s3", "cp", "small.txt", "s3://cli-bucket/a//b/ä c.txt")
		if out := must(t, admin, dir, cli, "s3", "ls", "--recursive", "s3://cli-bucket"); !strings.Contains(out, "a//b/ä c.txt") {
			t.Errorf("listing lacks the key: %q", out)
		}
		if out := must(t, admin, dir, cli, "s3", "cp", "s3://cli-bucket/a//b/ä c.txt", "-"); out != "small\n" {
			t.Errorf("content = %q", out)
		}
		must(t, admin, dir, cli, "s3", "rm", "--recursive", "s3://cli-bucket")
		if out := must(t, admin, dir, cli, "s3", "ls", "s3://cli-bucket"); out != "" {
			t.Errorf("bucket still lists %q", out)
		}
	})

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
		etag := must(t, admin, dir, cli, "s3api", "head-object", "--bucket", "cli-bucket", "--key", "big.bin", "--query", "ETag", "--output", "text")
		if !strings.Contains(etag, "-3") {
			t.Errorf("ETag %s is not that of three parts", etag)
		}
	})

	t.Run("presigned URL", func(t *testing.T) {
		must(t, admin, dir, cli, "s3", "cp", "small.txt", "s3://cli-bucket/p.txt")
		// This CLI presigns with signature version 2 in eu-west-1 and with
		// version 4 in eu-central-1.
		for _, region := range []string{"us-east-1", "eu-central-1"} {
			url := strings.TrimSpace(must(t, append(admin, "AWS_DEFAULT_REGION="+region, "AWS_REGION="+region), dir, cli, "s3", "presign", "s3://cli-bucket/p.txt", "--region", region))
			if got, body := get(t, url); got != http.StatusOK || body != "small\n" {
				t.Errorf("%s: status %d, body %q", url, got, body)
			}
			if got, _ := get(t, strings.Replace(url, "p.txt", "q.txt", 1)); got != http.StatusForbidden {
				t.Errorf("a changed URL answered %d, want 403", got)
			}
		}
	})

	t.Run("assume-role and the words of a denial", func(t *testing.T) {
		write(t, dir, "trust.json", []byte(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:root"},"Action":"sts:AssumeRole"}]}`))
		must(t, admin, dir, cli, "iam", "create-role", "--role-name", "reader", "--path", "/app/", "--assume-role-policy-document", "file://trust.json")
		reader := a.assume(t, cli, admin, "arn:aws:iam::111122223333:role/app/reader", "s3-example")
		if got := strings.TrimSpace(must(t, a.as(reader), dir, cli, "sts", "get-caller-identity", "--query", "Arn", "--output", "text")); got != "arn:aws:sts::111122223333:assumed-role/reader/s3-example" {
			t.Errorf("assumed role is %s", got)
		}
		refused(t, run(t, a.as(reader), dir, cli, "s3", "ls", "s3://cli-bucket"),
			`An error occurred (AccessDenied) when calling the ListObjectsV2 operation: User: arn:aws:sts::111122223333:assumed-role/reader/s3-example is not authorized to perform: s3:ListBucket on resource: "arn:aws:s3:::cli-bucket" because no identity-based policy allows the s3:ListBucket action`)
		refused(t, run(t, a.as(reader), dir, cli, "iam", "list-users"),
			"User: arn:aws:sts::111122223333:assumed-role/reader/s3-example is not authorized to perform: iam:ListUsers on resource: arn:aws:iam::111122223333:user/ because no identity-based policy allows the iam:ListUsers action")

		tampered := reader
		tampered.SessionToken = "A" + tampered.SessionToken[1:]
		refused(t, run(t, a.as(tampered), dir, cli, "sts", "get-caller-identity"), "(InvalidClientTokenId)")
		wrong := reader
		wrong.SecretAccessKey = strings.Repeat("x", 40)
		refused(t, run(t, a.as(wrong), dir, cli, "sts", "get-caller-identity"), "(SignatureDoesNotMatch)")
		refused(t, run(t, a.as(credentials{AccessKeyID: "AKIAIOSFODNN7EXAMPLE", SecretAccessKey: "x"}), dir, cli, "s3", "ls"), "(InvalidAccessKeyId)")

		// A role that is made again under its name is another role.
		must(t, admin, dir, cli, "iam", "delete-role", "--role-name", "reader")
		must(t, admin, dir, cli, "iam", "create-role", "--role-name", "reader", "--path", "/app/", "--assume-role-policy-document", "file://trust.json")
		refused(t, run(t, a.as(reader), dir, cli, "sts", "get-caller-identity"), "(InvalidClientTokenId)")
	})

	t.Run("what the sandbox lacks is refused by name", func(t *testing.T) {
		refused(t, run(t, admin, dir, cli, "iam", "generate-credential-report"), "GenerateCredentialReport")
		refused(t, run(t, admin, dir, cli, "sns", "list-topics"), "sns")
	})
}

// assume assumes a role with the CLI.
func (a *aws) assume(t *testing.T, cli string, env []string, role, session string, more ...string) credentials {
	t.Helper()
	args := append([]string{"sts", "assume-role", "--role-arn", role, "--role-session-name", session, "--output", "json"}, more...)
	var out struct{ Credentials credentials }
	if err := json.Unmarshal([]byte(must(t, env, "", cli, args...)), &out); err != nil {
		t.Fatal(err)
	}
	return out.Credentials
}

// refused checks that a client failed with AWS's words.
func refused(t *testing.T, r result, want string) {
	t.Helper()
	if r.code == 0 || !strings.Contains(r.stderr+r.stdout, want) {
		t.Errorf("status %d, said\n%s%s\nwant a failure with\n%s", r.code, r.stdout, r.stderr, want)
	}
}

func write(t *testing.T, dir, name string, content []byte) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
		t.Fatal(err)
	}
}

func get(t *testing.T, url string) (int, string) {
	t.Helper()
	r, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return r.StatusCode, string(b)
}
