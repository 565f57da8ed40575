//go:build e2e

package e2e

import (
	"os/exec"
	"strings"
	"testing"
)

// registryUser is docker on behalf of somebody, with a login of its own.
type registryUser struct {
	t   *testing.T
	env []string
	at  string // HOST:PORT of the sandbox
}

// address is the sandbox's, to which docker speaks without TLS: it is in
// 127.0.0.0/8.
func (x *tasks) address() string {
	x.t.Helper()
	for _, kv := range x.env {
		if url, ok := strings.CutPrefix(kv, "AWS_ENDPOINT_URL=http://"); ok {
			return url
		}
	}
	x.t.Fatal("the environment names no endpoint")
	return ""
}

func (x *tasks) registryUser(env []string) *registryUser {
	x.t.Helper()
	u := &registryUser{t: x.t, env: append(env, "DOCKER_HOST="+x.host, "DOCKER_CONFIG="+x.t.TempDir()), at: x.address()}
	password := must(x.t, env, x.dir, x.cli, "ecr", "get-login-password")
	cmd := exec.CommandContext(x.t.Context(), "docker", "login", "--username", "AWS", "--password-stdin", u.at)
	cmd.Env, cmd.Stdin = u.env, strings.NewReader(password)
	if out, err := cmd.CombinedOutput(); err != nil {
		x.t.Fatalf("docker login %s: %v\n%s", u.at, err, out)
	}
	return u
}

func (u *registryUser) docker(args ...string) result {
	u.t.Helper()
	return run(u.t, u.env, "", "docker", args...)
}

func (u *registryUser) must(args ...string) string {
	u.t.Helper()
	return must(u.t, u.env, "", "docker", args...)
}

// TestDockerRegistry: docker logs in, pushes and pulls, a task runs what was
// pulled, and who may not push is told why.
func TestDockerRegistry(t *testing.T) {
	t.Parallel()
	x := dockerTasks(t)
	x.aws("ecr", "create-repository", "--repository-name", "team/app", "--image-tag-mutability", "IMMUTABLE")
	uri := x.aws("ecr", "describe-repositories", "--query", "repositories[0].repositoryUri")
	image := x.address() + "/" + uri + ":v1"
	admin := x.registryUser(x.env)
	admin.must("tag", x.image, image)
	admin.must("push", image)
	digest := x.aws("ecr", "describe-images", "--repository-name", "team/app", "--query", "imageDetails[0].imageDigest")
	if tag := x.aws("ecr", "list-images", "--repository-name", "team/app", "--query", "imageIds[?imageTag].imageTag"); tag != "v1" || !strings.HasPrefix(digest, "sha256:") {
		t.Fatalf("the API shows tag %q and digest %q", tag, digest)
	}
	id := docker(t, x.host, "image", "inspect", "--format", "{{.Id}}", image)
	admin.must("image", "rm", "--force", image, x.image)
	admin.must("pull", image)
	if got := docker(t, x.host, "image", "inspect", "--format", "{{.Id}}", image); got != id {
		t.Errorf("what was pulled is %s, what was pushed %s", got, id)
	}
	x.define("app", "alpha", `{"name": "app", "image": "`+image+`", "memory": 64, "command": ["exit", "7"]}`)
	if r := x.mantle("run-task", "app", "--runner", "docker"); r.code != 7 {
		t.Errorf("the task ended with %d, want 7\n%s%s", r.code, r.stdout, r.stderr)
	}

	// Another image does not take an immutable tag.
	other := "mantle-e2e/" + strings.ToLower(t.Name()) + ":2"
	importImage(t, x.host, other, map[string]string{"/other": probe(t)}, "/other")
	admin.must("tag", other, image)
	if r := admin.docker("push", image); r.code == 0 || !strings.Contains(r.stderr, "immutable") {
		t.Errorf("an immutable tag was pushed over: status %d\n%s%s", r.code, r.stdout, r.stderr)
	}

	// Who may only pull.
	x.aws("iam", "create-user", "--user-name", "reader")
	x.aws("iam", "put-user-policy", "--user-name", "reader", "--policy-name", "pull", "--policy-document",
		`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["ecr:GetAuthorizationToken","ecr:BatchCheckLayerAvailability","ecr:GetDownloadUrlForLayer","ecr:BatchGetImage"],"Resource":"*"}]}`)
	key := strings.Fields(x.aws("iam", "create-access-key", "--user-name", "reader", "--query", "AccessKey.[AccessKeyId,SecretAccessKey]"))
	reader := x.registryUser(append(without(x.env, "AWS_PROFILE"), "AWS_ACCESS_KEY_ID="+key[0], "AWS_SECRET_ACCESS_KEY="+key[1]))
	reader.must("pull", image+"@"+digest)
	pushed := x.address() + "/" + uri + ":v2"
	importImage(t, x.host, pushed, map[string]string{"/new": "testdata/probe/main.go"}, "/new") // with a layer that is not there
	if r := reader.docker("push", pushed); r.code == 0 || !strings.Contains(r.stdout+r.stderr, "user/reader is not authorized to perform: ecr:InitiateLayerUpload") {
		t.Errorf("the reader pushed: status %d\n%s%s", r.code, r.stdout, r.stderr)
	}
	// Nor who may do all but the last step.
	x.aws("iam", "put-user-policy", "--user-name", "reader", "--policy-name", "upload", "--policy-document",
		`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["ecr:InitiateLayerUpload","ecr:UploadLayerPart","ecr:CompleteLayerUpload"],"Resource":"*"}]}`)
	if r := reader.docker("push", pushed); r.code == 0 || !strings.Contains(r.stdout+r.stderr, "user/reader is not authorized to perform: ecr:PutImage on resource: arn:aws:ecr:us-east-1:111122223333:repository/team/app") {
		t.Errorf("the reader pushed: status %d\n%s%s", r.code, r.stdout, r.stderr)
	}
	if r := reader.docker("pull", x.address()+"/"+strings.Replace(uri, "team/app", "missing", 1)+":v1"); r.code == 0 || !strings.Contains(r.stderr, "does not exist in the registry with id '111122223333'") {
		t.Errorf("a missing repository: status %d\n%s", r.code, r.stderr)
	}
	log := must(t, x.env, x.dir, mantle(t), "sandbox", "log", "--listen", x.address(), "--output", "json")
	for _, want := range []string{"InitiateLayerUpload", "GetDownloadUrlForLayer", "CompleteLayerUpload", "PutImage"} {
		if !strings.Contains(log, want) {
			t.Errorf("the log has no %s", want)
		}
	}
}
