//go:build e2e

package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// crossing is a sandbox with a task that works in another account by a profile.
func crossing(t *testing.T) (a *aws, aws func(args ...string) string) {
	t.Helper()
	cli := tool(t, "aws")
	a = start(t)
	call := func(account string, args ...string) string {
		t.Helper()
		return strings.TrimSpace(must(t, a.env(account), "", cli, append(args, "--output", "text")...))
	}
	dev := func(args ...string) string { t.Helper(); return call("dev", args...) }
	trust := func(principal string) string {
		return `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":` + principal + `,"Action":"sts:AssumeRole"}]}`
	}
	dev("iam", "create-role", "--role-name", "app-task", "--assume-role-policy-document", trust(`{"Service":"ecs-tasks.amazonaws.com"}`))
	dev("iam", "put-role-policy", "--role-name", "app-task", "--policy-name", "cross", "--policy-document",
		`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sts:AssumeRole","Resource":"arn:aws:iam::444455556666:role/dynamo-access"}]}`)
	call("shared", "iam", "create-role", "--role-name", "dynamo-access", "--assume-role-policy-document", trust(`{"AWS":"arn:aws:iam::111122223333:root"}`))
	dev("ecs", "create-cluster", "--cluster-name", "default")
	return a, dev
}

// TestDoctorInTask breaks the profile of a task in each of the ways in which
// people break it: the doctor names the rule, from outside as from inside, and
// the real client fails or works as it says.
func TestDoctorInTask(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("a task has files of its own as root only")
	}
	a, dev := crossing(t)
	const profile = "[crossAccount]\nrole_arn = arn:aws:iam::444455556666:role/dynamo-access\ncredential_source = EcsContainer\nrole_session_name = app\n"
	for _, c := range []struct {
		name, file, at string
		env            []string
		bare           bool   // without a task role
		user           string // default root, who may run the machine's python
		want, told     string // rule, and what the client says
	}{
		{name: "sound", file: profile, at: "/home/app", told: "assumed-role/dynamo-access/app"},
		{name: "another's home", file: profile, at: "/root", user: "nobody", want: "C501", told: "The config profile (crossAccount) could not be found"},
		{name: "prefix", file: strings.Replace(profile, "[", "[profile ", 1), at: "/home/app", want: "C502", told: "The config profile (crossAccount) could not be found"},
		{name: "no task role", file: profile, at: "/home/app", bare: true, want: "C503", told: "No credentials found in credential_source referenced in profile crossAccount"},
		{name: "capitals", file: strings.Replace(profile, "Ecs", "ECS", 1), at: "/home/app", want: "C504", told: `The credential source "ECSContainer" referenced in profile "crossAccount" is not valid.`},
		{name: "both", file: profile + "source_profile = x\n", at: "/home/app", want: "C504", told: `contains both source_profile and credential_source.`},
		{name: "too long", file: profile + "duration_seconds = 7200\n", at: "/home/app", want: "S601", told: "1 hour session limit for roles assumed by role chaining"},
		{name: "keys", file: profile, at: "/home/app", env: []string{"--env", "AWS_ACCESS_KEY_ID=AKIAIOSFODNN7EXAMPLE", "--env", "AWS_SECRET_ACCESS_KEY=wJalrXUtnFEMI"}, want: "E406", told: "InvalidClientTokenId"},
	} {
		t.Run(strings.ReplaceAll(c.name, " ", "_"), func(t *testing.T) {
			role := "arn:aws:iam::111122223333:role/app-task"
			args := []string{"ecs", "register-task-definition", "--family", "app", "--container-definitions", `[{"name":"app","image":"none","memory":64,"command":["sleep","600"]}]`}
			if !c.bare {
				args = append(args, "--task-role-arn", role)
			}
			dev(args...)
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, "credentials"), []byte(c.file), 0o644); err != nil {
				t.Fatal(err)
			}
			for d := dir; d != os.TempDir() && d != "/"; d = filepath.Dir(d) {
				if err := os.Chmod(d, 0o755); err != nil {
					t.Fatal(err)
				}
			}
			env := append(a.env("dev"), "XDG_RUNTIME_DIR="+a.runtime)
			start := append([]string{"sandbox", "run-task", "app", "--detach", "--runner", "process", "--user", c.user, "--mount", dir + ":" + c.at + "/.aws:ro",
				"--env", "AWS_PROFILE=crossAccount", "--env", "HOME=/home/app"}, c.env...)
			id := strings.TrimSpace(must(t, env, "", mantle(t), start...))
			defer dev("ecs", "stop-task", "--task", id)
			r := run(t, env, "", mantle(t), "doctor", "--in", id, "--sdk", "python")
			if c.want == "" && (r.code != 0 || !strings.Contains(r.stdout, c.told)) {
				t.Errorf("status %d, want 0 and %q\n%s%s", r.code, c.told, r.stdout, r.stderr)
			}
			if c.want != "" && (r.code != 1 || !strings.Contains(r.stdout, c.want+" error")) {
				t.Errorf("status %d, want 1 and %s\n%s%s", r.code, c.want, r.stdout, r.stderr)
			}
			if !strings.Contains(r.stdout, c.told) {
				t.Errorf("the doctor does not foresee %q\n%s", c.told, r.stdout)
			}
			if strings.Contains(r.stdout, "wJalrXUtnFEMI") {
				t.Error("a secret is in the answer")
			}
			if c.user != "" {
				return
			}
			python := strings.TrimSpace(must(t, os.Environ(), "", tool(t, "python3"), "-c", "import sys; print(sys.executable)"))
			real := run(t, env, "", mantle(t), "sandbox", "exec", id, "--", python, "-c", "import boto3; print(boto3.client('sts').get_caller_identity()['Arn'])")
			if !strings.Contains(real.stdout+real.stderr, c.told) {
				t.Errorf("the client said %s%s, want %q", real.stdout, real.stderr, c.told)
			}
		})
	}
}

// TestRecord drafts the policy of a task from what it did with full access: the
// draft replaces that, and none of it can be spared.
func TestRecord(t *testing.T) {
	a, dev := crossing(t)
	node := tool(t, "node")
	script, err := filepath.Abs("js/v2.cjs")
	if err != nil {
		t.Fatal(err)
	}
	const full = "arn:aws:iam::aws:policy/AmazonS3FullAccess"
	dev("iam", "attach-role-policy", "--role-name", "app-task", "--policy-arn", full)
	dev("ecs", "register-task-definition", "--family", "sample", "--task-role-arn", "arn:aws:iam::111122223333:role/app-task",
		"--container-definitions", `[{"name":"sample","image":"none","memory":64,"command":["true"]}]`)
	env := append(a.env("dev"), "XDG_RUNTIME_DIR="+a.runtime)
	n := 0
	task := func() []string {
		n++
		return []string{mantle(t), "sandbox", "run-task", "sample", "--runner", "process", "--", node, script, fmt.Sprintf("node-sdk-sample-%d", n)}
	}
	policy := filepath.Join(t.TempDir(), "policy.json")
	r := run(t, env, "", mantle(t), append([]string{"record", "--policy-file", policy,
		"--generalize", "arn:aws:s3:::node-sdk-sample-*/*", "--generalize", "arn:aws:s3:::node-sdk-sample-*", "--"}, task()...)...)
	if r.code != 0 || !strings.Contains(r.stdout, "Hello World!") {
		t.Fatalf("record: status %d\n%s%s", r.code, r.stdout, r.stderr)
	}
	draft, err := os.ReadFile(policy)
	if err != nil {
		t.Fatal(err)
	}
	for _, words := range []string{`"s3:CreateBucket"`, `"s3:PutObject"`, `"s3:GetObject"`, `"arn:aws:s3:::node-sdk-sample-*"`} {
		if !strings.Contains(string(draft), words) {
			t.Errorf("the draft lacks %s\n%s", words, draft)
		}
	}
	if got := strings.Count(string(draft), `"s3:`); got != 3 || strings.Contains(string(draft), "ecs:") {
		t.Errorf("%d actions of S3, want 3 and none of ECS\n%s", got, draft)
	}
	put := func(text string) {
		dev("iam", "put-role-policy", "--role-name", "app-task", "--policy-name", "draft", "--policy-document", text)
	}
	says := func() string {
		command := task()
		r := run(t, env, "", command[0], command[1:]...)
		return r.stdout + r.stderr
	}
	dev("iam", "detach-role-policy", "--role-name", "app-task", "--policy-arn", full)
	if got := says(); !strings.Contains(got, "AccessDenied") {
		t.Errorf("without a policy: %s", got)
	}
	put(string(draft))
	if got := says(); !strings.Contains(got, "Hello World!") {
		t.Errorf("with the draft: %s", got)
	}
	for _, action := range []string{"s3:CreateBucket", "s3:PutObject", "s3:GetObject"} {
		put(strings.Replace(string(draft), `"`+action+`"`, `"s3:ListAllMyBuckets"`, 1))
		if got := says(); !strings.Contains(got, "AccessDenied") {
			t.Errorf("without %s: %s", action, got)
		}
	}
}

// TestDoctorInContainer: a container of Docker's, on a network of its own: its
// files by its own user's rights, its environment, and its network.
func TestDoctorInContainer(t *testing.T) {
	host := engine(t)
	dir := t.TempDir()
	binary := filepath.Join(dir, "asker")
	must(t, append(os.Environ(), "CGO_ENABLED=0"), "", "go", "build", "-o", binary, "./testdata/asker")
	credentials := filepath.Join(dir, "credentials")
	if err := os.WriteFile(credentials, []byte("[x]\naws_access_key_id = AKIAEXAMPLEKEY00\naws_secret_access_key = wJalrXUtnFEMI\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	tag := fmt.Sprintf("mantle-doctor-%d", os.Getpid())
	importImage(t, host, tag, map[string]string{"/asker": binary, "/root/.aws/credentials": credentials}, "/asker")
	docker(t, host, "run", "--detach", "--rm", "--name", tag, "--user", "app", "--env", "AWS_PROFILE=x", "--env", "AWS_REGION=eu-west-1",
		"--env", "AWS_CONTAINER_CREDENTIALS_FULL_URI=http://172.17.0.1/creds", tag, "-sleep", "10m")
	t.Cleanup(func() {
		cmd := exec.Command("docker", "rm", "--force", tag)
		cmd.Env = append(plainEnv(), "DOCKER_HOST="+host)
		cmd.Run()
	})
	r := run(t, append(plainEnv(), "DOCKER_HOST="+host), "", mantle(t), "doctor", "--in", tag, "--sdk", "python")
	for _, words := range []string{"container " + tag + ": user app, HOME=/home/app", "C501 error", "the section is in /root/.aws/credentials", "The config profile (x) could not be found"} {
		if !strings.Contains(r.stdout, words) {
			t.Errorf("the doctor does not say %q", words)
		}
	}
	if t.Failed() || r.code != 1 {
		t.Errorf("status %d, want 1\n%s%s", r.code, r.stdout, r.stderr)
	}
	r = run(t, append(plainEnv(), "DOCKER_HOST="+host), "", mantle(t), "doctor", "--in", "no-such-container")
	if r.code != 2 || !strings.Contains(r.stderr, "no-such-container") {
		t.Errorf("no container: status %d, %s", r.code, r.stderr)
	}
}
