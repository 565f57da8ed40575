//go:build e2e

package e2e

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// probeBinary is the static program that tells what it finds where it runs,
// built once.
var probeBinary = sync.OnceValues(func() (string, error) {
	out := filepath.Join(workspace, "probe")
	cmd := exec.Command("go", "build", "-o", out, "./testdata/probe")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	cmd.Stderr = os.Stderr
	return out, cmd.Run()
})

func probe(t *testing.T) string {
	t.Helper()
	p, err := probeBinary()
	if err != nil {
		t.Fatalf("build probe: %v", err)
	}
	return p
}

// tasks is a sandbox beside a Docker engine with the probe's image.
type tasks struct {
	t         *testing.T
	env       []string
	dir, host string
	image     string
	cli       string
}

func dockerTasks(t *testing.T) *tasks {
	t.Helper()
	x := &tasks{t: t, cli: tool(t, "aws"), host: engine(t), dir: t.TempDir(), image: "mantle-e2e/" + strings.ToLower(t.Name()) + ":1"}
	scratchImage(t, x.host, x.image, probe(t))
	a := start(t)
	x.env = append(a.env("dev"), "XDG_RUNTIME_DIR="+a.runtime, "DOCKER_HOST="+x.host)
	x.aws("ecs", "create-cluster")
	for _, role := range []string{"alpha", "beta"} {
		x.aws("iam", "create-role", "--role-name", role, "--assume-role-policy-document",
			`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ecs-tasks.amazonaws.com"},"Action":"sts:AssumeRole"}]}`)
	}
	return x
}

func (x *tasks) aws(args ...string) string {
	x.t.Helper()
	return strings.TrimSpace(must(x.t, x.env, x.dir, x.cli, append(args, "--output", "text")...))
}

func (x *tasks) mantle(args ...string) result {
	x.t.Helper()
	return run(x.t, x.env, x.dir, mantle(x.t), append([]string{"sandbox"}, args...)...)
}

// define registers a task definition with one container.
func (x *tasks) define(family, role, container string, more ...string) {
	x.t.Helper()
	args := []string{"ecs", "register-task-definition", "--family", family, "--container-definitions", "[" + container + "]"}
	if role != "" {
		args = append(args, "--task-role-arn", "arn:aws:iam::111122223333:role/"+role)
	}
	x.aws(append(args, more...)...)
}

func (x *tasks) detach(family string) (id string) {
	x.t.Helper()
	return strings.TrimSpace(must(x.t, x.env, x.dir, mantle(x.t), "sandbox", "run-task", family, "--detach", "--runner", "docker"))
}

// TestDockerTask: a container of Docker's is what its definition says, and
// finds its task role.
func TestDockerTask(t *testing.T) {
	t.Parallel()
	x := dockerTasks(t)
	if err := os.WriteFile(filepath.Join(x.dir, "profile"), []byte("from the host\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	x.define("app", "alpha", `{
		"name": "app", "image": "`+x.image+`", "memory": 64, "cpu": 10, "user": "app", "workingDirectory": "/home/app",
		"readonlyRootFilesystem": true, "command": ["tell", "me"], "environment": [{"name": "GREETING", "value": "hello there"}],
		"mountPoints": [{"sourceVolume": "files", "containerPath": "/home/app/files", "readOnly": true}, {"sourceVolume": "own", "containerPath": "/own"}]}`,
		"--volumes", `[{"name": "files", "host": {"sourcePath": "`+x.dir+`"}}, {"name": "own"}]`)
	r := x.mantle("run-task", "app", "--runner", "docker")
	var got struct {
		UID, GID              int
		Folder, Greeting, ARN string
		Args                  []string
	}
	if err := json.Unmarshal([]byte(r.stdout), &got); err != nil || r.code != 0 {
		t.Fatalf("status %d, %v\n%s%s", r.code, err, r.stdout, r.stderr)
	}
	if got.UID != 1000 || got.GID != 1000 || got.Folder != "/home/app" || got.Greeting != "hello there" || !slices.Equal(got.Args, []string{"tell", "me"}) ||
		!strings.HasPrefix(got.ARN, "arn:aws:sts::111122223333:assumed-role/alpha/") {
		t.Errorf("the container is %+v", got)
	}
	for _, c := range []struct {
		command, stdout, stderr string
		code                    int
	}{
		{"read files/profile", "from the host\n", "", 0},
		{"write files/other", "", "read-only file system", 1},
		{"write /tmp/x", "", "read-only file system", 1},
		{"write /own/x", "", "", 0},
		{"exit 7", "", "", 7},
	} {
		r := x.mantle(append([]string{"run-task", "app", "--runner", "docker", "--"}, strings.Fields(c.command)...)...)
		if r.code != c.code || r.stdout != c.stdout || !strings.Contains(r.stderr, c.stderr) {
			t.Errorf("%s: status %d, said %q and %q, want %d, %q and %q", c.command, r.code, r.stdout, r.stderr, c.code, c.stdout, c.stderr)
		}
	}
	// The API knows how it ended, and the engine keeps nothing of it.
	last := x.aws("ecs", "list-tasks", "--desired-status", "STOPPED", "--query", "taskArns")
	codes := x.aws(append([]string{"ecs", "describe-tasks", "--query", "tasks[].containers[].exitCode", "--tasks"}, strings.Fields(last)...)...)
	if list := strings.Fields(codes); len(list) != 6 || !slices.Contains(list, "7") || !slices.Contains(list, "0") {
		t.Errorf("the API says that the containers ended with %q", codes)
	}
	x.interrupt("app")
	if left := docker(t, x.host, "ps", "--all", "--quiet", "--filter", "label=com.amazonaws.ecs.task-definition-family=app"); left != "" {
		t.Errorf("containers are left: %s", left)
	}
}

// interrupt runs a task at the terminal and interrupts it.
func (x *tasks) interrupt(family string) {
	x.t.Helper()
	cmd := exec.CommandContext(x.t.Context(), mantle(x.t), "sandbox", "run-task", family, "--runner", "docker", "--", "sleep", "600")
	cmd.Env, cmd.Dir = x.env, x.dir
	if err := cmd.Start(); err != nil {
		x.t.Fatal(err)
	}
	defer cmd.Process.Kill()
	eventually(x.t, "the container runs", func() bool {
		return docker(x.t, x.host, "ps", "--quiet", "--filter", "label=com.amazonaws.ecs.task-definition-family="+family) != ""
	})
	cmd.Process.Signal(os.Interrupt)
	late := time.AfterFunc(30*time.Second, func() { cmd.Process.Kill() })
	defer late.Stop()
	// The container is asked to end, as stopped tasks are.
	if cmd.Wait(); cmd.ProcessState.ExitCode() != 128+int(syscall.SIGTERM) {
		x.t.Errorf("an interrupted task: %v, want the status of a container that was stopped", cmd.ProcessState)
	}
}

// TestDockerTasksApart: tasks side by side have a role each, none can have
// another's, and one without a role has nothing.
func TestDockerTasksApart(t *testing.T) {
	t.Parallel()
	x := dockerTasks(t)
	sleeper := `{"name": "app", "image": "` + x.image + `", "memory": 64, "command": ["sleep", "600"]}`
	x.define("alpha", "alpha", sleeper)
	x.define("beta", "beta", sleeper)
	x.define("bare", "", sleeper)
	alpha, beta, bare := x.detach("alpha"), x.detach("beta"), x.detach("bare")
	in := func(task string, command ...string) result {
		t.Helper()
		return x.mantle(append([]string{"exec", task, "--", "/probe"}, command...)...)
	}
	for task, role := range map[string]string{alpha: "alpha", beta: "beta"} {
		want := "arn:aws:sts::111122223333:assumed-role/" + role + "/" + task + "\n"
		if r := in(task, "arn"); r.stdout != want {
			t.Errorf("task %s is %q (%s), want %q", task, r.stdout, r.stderr, want)
		}
	}
	if r := in(bare, "arn"); r.code == 0 || !strings.Contains(r.stderr, "failed to refresh cached credentials") {
		t.Errorf("a task without a role: status %d, %q, %q", r.code, r.stdout, r.stderr)
	}
	container := func(task string) string {
		t.Helper()
		return docker(t, x.host, "ps", "--quiet", "--filter", "label=com.amazonaws.ecs.task-arn=arn:aws:ecs:us-east-1:111122223333:task/default/"+task)
	}
	var uri string
	for kv := range strings.Lines(docker(t, x.host, "inspect", "--format", `{{range .Config.Env}}{{println .}}{{end}}`, container(alpha))) {
		if v, ok := strings.CutPrefix(kv, "AWS_CONTAINER_CREDENTIALS_FULL_URI="); ok {
			uri = strings.TrimSpace(v)
		}
	}
	for _, c := range []struct{ who, task, want string }{{"alpha", alpha, "200\n"}, {"beta", beta, "403\n"}, {"a task without a role", bare, "403\n"}} {
		if r := in(c.task, "get", uri); r.stdout != c.want {
			t.Errorf("%s asks for alpha's credentials at %s: %q (%s), want %q", c.who, uri, r.stdout, r.stderr, c.want)
		}
	}
	limits := docker(t, x.host, "inspect", "--format", "{{.HostConfig.Memory}} {{.HostConfig.NetworkMode}}", container(alpha))
	if want := "67108864 host"; limits != want {
		t.Errorf("the container's memory and network are %s, want %s", limits, want)
	}
	for _, task := range []string{alpha, beta, bare} {
		x.aws("ecs", "stop-task", "--task", task)
	}
	eventually(t, "the containers of stopped tasks are gone", func() bool {
		return container(alpha)+container(beta)+container(bare) == ""
	})
	// This host came for the tasks and does not keep the cluster.
	x.aws("ecs", "delete-cluster", "--cluster", "default")
}

// eventually waits a few seconds for what is bound to become true.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for range 100 {
		if is() {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Errorf("not so after ten seconds: %s", what)
}
