//go:build e2e

package e2e

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

const taskPrincipal = `{"Service": "ecs-tasks.amazonaws.com"}`

// modules is the folder with the SDKs for JavaScript.
func modules(t *testing.T) string {
	t.Helper()
	tool(t, "node")
	dir, err := filepath.Abs("js/node_modules")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"@aws-sdk/client-s3", "aws-sdk"} {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			t.Skipf("%s is not installed: run e2e/setup", name)
		}
	}
	return dir
}

// TestStoryOldSDK: a task's program with the SDK for JavaScript v2 wears the
// task role too, and is refused what the role may not.
func TestStoryOldSDK(t *testing.T) {
	t.Parallel()
	program := filepath.Join(modules(t), "../v2.cjs")
	s := scene(t)
	s.role("sample", taskPrincipal)
	s.says(`aws iam put-role-policy --role-name sample --policy-name p --policy-document '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": ["arn:aws:s3:::mine-*", "arn:aws:s3:::mine-*/*"]}]}'`)
	s.says("aws ecs create-cluster --cluster-name default")
	s.says(`aws ecs register-task-definition --family sample --task-role-arn arn:aws:iam::111122223333:role/sample --container-definitions '[{"name": "app", "image": "none", "memory": 64, "command": ["node", "` + program + `", "mine-1", "yours-1"]}]'`)
	// Without root the endpoint is on loopback, with root at the container
	// endpoint's own address: this SDK has to find either.
	networks := []string{"host"}
	if os.Geteuid() == 0 {
		networks = append(networks, "own")
	}
	for _, network := range networks {
		var got map[string]string
		if err := json.Unmarshal([]byte(s.says("mantle sandbox run-task sample --runner process --network "+network+" 2>/dev/null")), &got); err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(got["arn"], "arn:aws:sts::111122223333:assumed-role/sample/") || got["mine-1"] != "Hello World!" || got["yours-1"] != "AccessDenied" {
			t.Errorf("--network %s: the program has %v", network, got)
		}
		s.says("aws s3 rb --force s3://mine-1")
	}
}

// TestStoryImage: the sample of story 5 as an image of Docker's, with the
// node and the SDK of this machine in it.
func TestStoryImage(t *testing.T) {
	t.Parallel()
	dir := modules(t)
	host := engine(t)
	files := map[string]string{"/app/sample.mjs": "../examples/ecs-task-role/app/sample.js"}
	packages, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range packages {
		if p.IsDir() && p.Name() != "aws-sdk" { // v2 is larger than all else together
			files["/app/node_modules/"+p.Name()+"/"] = filepath.Join(dir, p.Name())
		}
	}
	for _, path := range program(t, "node") {
		files[path] = path
	}
	const image = "111122223333.dkr.ecr.us-east-1.amazonaws.com/aws-nodejs-sample:v1"
	node := tool(t, "node")
	importImage(t, host, image, files, node, "/app/sample.mjs")

	s := scene(t)
	s.says("export DOCKER_HOST=" + host)
	s.role("sample", taskPrincipal)
	s.allow("sample", "s3:*")
	s.says("aws ecs create-cluster --cluster-name default")
	s.says(`aws ecs register-task-definition --family sample --task-role-arn arn:aws:iam::111122223333:role/sample --container-definitions '[{"name": "sample-app", "image": "` + image + `", "memory": 200, "cpu": 10, "user": "app"}]'`)
	// Docker has the image, so that nobody has to ask for it.
	out := s.says("mantle sandbox run-task sample")
	_, name, ok := strings.Cut(out, "Successfully uploaded data to ")
	if !ok {
		t.Fatalf("the task said\n%s", out)
	}
	if got := s.says("aws s3 cp s3://" + strings.TrimSpace(name) + " -"); got != "Hello World!" {
		t.Errorf("the object is %q", got)
	}
	s.says("aws ecs delete-cluster --cluster default")
}

// program lists the files of a program: itself, the linker and the libraries
// that it needs.
func program(t *testing.T, name string) []string {
	t.Helper()
	path := tool(t, name)
	out, err := exec.Command(tool(t, "ldd"), path).Output()
	if err != nil {
		t.Fatalf("ldd %s: %v", path, err)
	}
	files := []string{path}
	for line := range strings.Lines(string(out)) {
		// libc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x…)
		for word := range strings.FieldsSeq(line) {
			if strings.HasPrefix(word, "/") {
				files = append(files, word)
			}
		}
	}
	return files
}
