package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/mantle-iam/mantle/broker"
	"github.com/mantle-iam/mantle/sandbox"
)

var machineOfTest = sandbox.Machine{ID: "i-0123456789abcdef0", CPU: roomyCPU, Memory: roomyMemory}

func newTestWorld(t *testing.T) (*testWorld, *controller) {
	t.Helper()
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	w := &testWorld{}
	e := &env{Stdout: io.Discard, Stderr: t.Output(), Environ: []string{"XDG_RUNTIME_DIR=" + dir, "PATH=" + os.Getenv("PATH")}}
	if err := w.open(e); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.close(); err != nil {
			t.Error(err)
		}
	})
	c, err := e.controllerOf(w.address())
	if err != nil {
		t.Fatal(err)
	}
	return w, c
}

const sleeper = `{"containerDefinitions": [{"name": "app", "image": "busybox", "memory": 64, "command": ["sleep", "600"]}]}`

// twoTasks are two tasks with a role each.
func twoTasks(t *testing.T) (*testWorld, *controller, [2]sandbox.Task) {
	t.Helper()
	w, c := newTestWorld(t)
	var out [2]sandbox.Task
	for i, name := range []string{"alpha", "beta"} {
		if err := errors.Join(w.role(name, "ecs-tasks.amazonaws.com"), w.definition(name, name, []byte(sleeper))); err != nil {
			t.Fatal(err)
		}
		id, err := w.task(name)
		if err != nil {
			t.Fatal(err)
		}
		x, err := c.task(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		out[i] = x.Task
	}
	return w, c, out
}

func (w *testWorld) place(t *testing.T, c *controller, task sandbox.Task, network string) *site {
	t.Helper()
	s, err := w.e.openTask(t.Context(), c, task, network, false)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.close)
	return s
}

// fetch asks for credentials the way an SDK does, from inside a site.
func fetch(t *testing.T, from *site, url, token string) (status int, role string) {
	t.Helper()
	dial := func(ctx context.Context, network, address string) (conn net.Conn, err error) {
		return new(net.Dialer).DialContext(ctx, network, address)
	}
	if from.ns != nil {
		dial = from.ns.dial
	}
	client := http.Client{Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		r.Header.Set("Authorization", token)
	}
	resp, err := client.Do(r)
	if err != nil {
		return 0, ""
	}
	defer resp.Body.Close()
	var body struct{ RoleArn, AccessKeyId, SecretAccessKey, Token string }
	if err := json.NewDecoder(resp.Body).Decode(&body); err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode == http.StatusOK && (body.AccessKeyId == "" || body.SecretAccessKey == "" || body.Token == "") {
		t.Errorf("%s answers 200 without credentials", url)
	}
	return resp.StatusCode, body.RoleArn
}

// TestTasksApartByNetwork: with networks of their own a task reaches its own
// endpoint only, and there another task's secret is worth nothing.
func TestTasksApartByNetwork(t *testing.T) {
	if err := privileged(); err != nil {
		t.Skip("a network namespace: ", err)
	}
	w, c, tasks := twoTasks(t)
	a, b := w.place(t, c, tasks[0], networkOwn), w.place(t, c, tasks[1], networkOwn)
	const uri = "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"
	const base = "http://169.254.170.2"
	for _, x := range []struct {
		what   string
		from   *site
		url    string
		status int
		role   string
	}{
		{"alpha's own", a, base + a.env[uri], 200, roleARN("alpha")},
		{"beta's own", b, base + b.env[uri], 200, roleARN("beta")},
		{"beta's secret in alpha", a, base + b.env[uri], 400, ""},
		{"alpha's secret in beta", b, base + a.env[uri], 400, ""},
		{"no secret", a, base + "/v2/credentials/", 400, ""},
		{"no secret, by header", a, base + "/v1/credentials", 403, ""},
		{"the metadata service", a, "http://169.254.169.254/latest/meta-data/", 0, ""},
		{"the host's loopback", a, "http://" + hostListener(t), 0, ""},
	} {
		if status, role := fetch(t, x.from, x.url, ""); status != x.status || role != x.role {
			t.Errorf("%s: %d %s, want %d %s", x.what, status, role, x.status, x.role)
		}
	}
	// The sandbox itself is reached from inside.
	if a.url != c.url() {
		t.Errorf("the sandbox is %s inside, want %s", a.url, c.url())
	}
	conn, err := a.ns.dial(t.Context(), "tcp", w.address())
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
}

// hostListener is something that listens on the host's loopback.
func hostListener(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	return ln.Addr().String()
}

// TestTasksApartByCaller: on the host's network a task's secret opens its own
// endpoint only, and only for its own processes.
func TestTasksApartByCaller(t *testing.T) {
	w, c, tasks := twoTasks(t)
	a, b := w.place(t, c, tasks[0], networkHost), w.place(t, c, tasks[1], networkHost)
	token := func(s *site) string { return s.env["AWS_CONTAINER_AUTHORIZATION_TOKEN"] }
	url := func(s *site) string { return s.env["AWS_CONTAINER_CREDENTIALS_FULL_URI"] }
	if status, _ := fetch(t, a, url(a), token(a)); status != http.StatusForbidden {
		t.Errorf("a process that is none of alpha, with alpha's token: %d, want 403", status)
	}
	// From here on this process is alpha's.
	a.family.pids = append(a.family.pids, os.Getpid())
	for _, x := range []struct {
		what, url, token string
		status           int
		role             string
	}{
		{"alpha's own", url(a), token(a), 200, roleARN("alpha")},
		{"alpha's endpoint without a token", url(a), "", 403, ""},
		{"beta's endpoint with alpha's token", url(b), token(a), 403, ""},
		{"beta's endpoint with beta's token", url(b), token(b), 403, ""},
		{"alpha's endpoint with beta's token", url(a), token(b), 403, ""},
	} {
		if status, role := fetch(t, a, x.url, x.token); status != x.status || role != x.role {
			t.Errorf("%s: %d %s, want %d %s", x.what, status, role, x.status, x.role)
		}
	}
}

// TestExecutionRoleStays: the role that ECS itself uses is handed to nobody.
func TestExecutionRoleStays(t *testing.T) {
	w, c := newTestWorld(t)
	definition := strings.TrimSuffix(sleeper, "}") + `, "executionRoleArn": "` + roleARN("execution") + `"}`
	if err := errors.Join(w.role("execution", "ecs-tasks.amazonaws.com"), w.definition("app", "-", []byte(definition))); err != nil {
		t.Fatal(err)
	}
	id, err := w.task("app")
	if err != nil {
		t.Fatal(err)
	}
	x, err := c.task(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	if x.ExecutionRole != roleARN("execution") {
		t.Fatalf("execution role %s", x.ExecutionRole)
	}
	s := w.place(t, c, x.Task, networkHost)
	for k := range s.env {
		if strings.HasPrefix(k, "AWS_CONTAINER_") {
			t.Errorf("a task without a task role is given %s", k)
		}
	}
	_, err = (&wearer{c: c, id: x.ARN}).Credentials(t.Context(), broker.Caller{Workload: x.ID, How: broker.ByToken})
	if err == nil || !strings.Contains(err.Error(), "set taskRoleArn") {
		t.Errorf("credentials of a task without a task role: %v", err)
	}
}

// TestWearerFollowsTheRole: a role that is exchanged or taken away is so at
// once, and one that stays is not asked for again.
func TestWearerFollowsTheRole(t *testing.T) {
	w, c := newTestWorld(t)
	if err := w.role("one", "ec2.amazonaws.com"); err != nil {
		t.Fatal(err)
	}
	id, err := w.instance("one")
	if err != nil {
		t.Fatal(err)
	}
	x := &wearer{c: c, id: id, instance: true}
	first, err := x.Credentials(t.Context(), broker.Caller{})
	if err != nil || first.RoleARN != roleARN("one") {
		t.Fatalf("%v, %v", first, err)
	}
	again, err := x.Credentials(t.Context(), broker.Caller{})
	if err != nil || again.AccessKeyID != first.AccessKeyID {
		t.Errorf("asked again: %v, %v", again, err)
	}
	i, err := c.instance(t.Context(), id)
	if err != nil || i.Role != roleARN("one") || i.Profile == nil || !i.PrivateIP.IsValid() {
		t.Errorf("instance %+v, %v", i, err)
	}
	if _, err := c.instance(t.Context(), "i-00000000000000000"); problemCode(err) != noSuchThing {
		t.Errorf("an instance that is not there: %v", err)
	}
	if _, err := c.task(t.Context(), "00000000000000000000000000000000"); problemCode(err) != noSuchThing {
		t.Errorf("a task that is not there: %v", err)
	}
}

func problemCode(err error) string {
	if x, ok := errors.AsType[refusal](err); ok {
		return x.Code
	}
	return ""
}

// TestControlIsPrivate: nobody else may open the control socket, and it goes
// with the sandbox.
func TestControlIsPrivate(t *testing.T) {
	w, _ := newTestWorld(t)
	info, err := os.Stat(w.control.path)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode()&os.ModeSocket == 0 || info.Mode().Perm() != 0o600 {
		t.Errorf("the control socket has mode %v", info.Mode())
	}
	// Its own folder may have a long name.
	if len(w.control.path) <= longestPath {
		long := t.TempDir() + "/" + strings.Repeat("x", longestPath)
		if err := os.Mkdir(long, 0o700); err != nil {
			t.Fatal(err)
		}
		err := shortPath(long+"/s", func(path string) error {
			ln, err := net.Listen("unix", path)
			if err == nil {
				defer ln.Close()
				_, err = os.Stat(long + "/s")
			}
			return err
		})
		if err != nil {
			t.Errorf("a socket in a folder with a long name: %v", err)
		}
	}
}

// TestSecretsAreNotPrinted: what passes through the control socket does not
// show its secrets by accident.
func TestSecretsAreNotPrinted(t *testing.T) {
	const secret = "do-not-show"
	for _, v := range []any{
		keys{AccessKeyID: "ASIA", SecretAccessKey: secret, SessionToken: secret, Role: roleARN("x")},
		&initSpec{Command: []string{"x"}, Env: []string{"K=" + secret}},
	} {
		for _, text := range []string{fmt.Sprintf("%v", v), fmt.Sprintf("%+v", v), fmt.Sprintf("%#v", v), fmt.Sprintf("%s", v)} {
			if strings.Contains(text, secret) {
				t.Errorf("%T prints %s", v, text)
			}
		}
	}
}

// TestReadMount holds the forms of --mount.
func TestReadMount(t *testing.T) {
	dir := t.TempDir()
	for _, x := range []struct {
		in   string
		want mount
		bad  string
	}{
		{dir + ":/a", mount{dir, "/a", false}, ""},
		{dir + ":/a/:ro", mount{dir, "/a", true}, ""},
		{dir + ":/a:rw", mount{dir, "/a", false}, ""},
		{dir, mount{}, "is not SRC:DST"},
		{dir + ":a", mount{}, "is not SRC:DST"},
		{dir + ":/a:rx", mount{}, "is not SRC:DST"},
		{":/a", mount{}, "is not SRC:DST"},
		{dir + "/nowhere:/a", mount{}, "no such file"},
	} {
		got, err := readMount(x.in)
		if x.bad != "" {
			if err == nil || !strings.Contains(err.Error(), x.bad) {
				t.Errorf("%s: %v, want an error with %q", x.in, err, x.bad)
			}
			continue
		}
		if err != nil || got != x.want {
			t.Errorf("%s: %v, %v, want %v", x.in, got, err, x.want)
		}
	}
}

// TestTargets: what a mount is put on is made, outermost first, and taken
// away again, unless something has been put there.
func TestTargets(t *testing.T) {
	source, root := t.TempDir(), t.TempDir()
	if err := os.WriteFile(source+"/file", []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	undo, err := targets([]mount{{source + "/file", root + "/b/c/file", true}, {source, root + "/a/b", false}, {source, root + "/a/b/inner", false}})
	if err != nil {
		t.Fatal(err)
	}
	for path, dir := range map[string]bool{"/a/b": true, "/b/c/file": false} {
		if info, err := os.Stat(root + path); err != nil || info.IsDir() != dir {
			t.Errorf("%s: %v, %v", path, info, err)
		}
	}
	if _, err := os.Stat(root + "/a/b/inner"); err == nil {
		t.Error("a target inside another mount was made on the host")
	}
	if err := os.WriteFile(root+"/a/kept", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	undo()
	var left []string
	for _, path := range []string{"/a", "/a/b", "/a/kept", "/b"} {
		if _, err := os.Stat(root + path); err == nil {
			left = append(left, path)
		}
	}
	if want := []string{"/a", "/a/kept"}; !slices.Equal(left, want) {
		t.Errorf("left %v, want %v", left, want)
	}
}

// TestInitKeepsOffTheHost: the first process of a place makes mounts only if
// it is one.
func TestInitKeepsOffTheHost(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	spec := &initSpec{Command: []string{"true"}, UID: -1, Fresh: true, Hidden: []string{t.TempDir()}}
	if err := json.NewEncoder(w).Encode(spec); err != nil {
		t.Fatal(err)
	}
	w.Close()
	cmd := &exec.Cmd{Path: self, Args: []string{"mantle", "sandbox", "place", "init"}, Env: os.Environ(), ExtraFiles: []*os.File{r}}
	out, err := cmd.CombinedOutput()
	if err == nil || !strings.Contains(string(out), "not the first process") {
		t.Errorf("%v, %s", err, out)
	}
}

// TestDockerCreate: the arguments for Docker hold what the container asks for
// and none of its variables.
func TestDockerCreate(t *testing.T) {
	task := sandbox.Task{ARN: "arn:aws:ecs:eu-west-1:111122223333:task/default/1", ID: "1", Cluster: "default", Family: "app", Revision: 3}
	x := sandbox.Container{
		Name: "web", Image: "img:1", EntryPoint: []string{"/init", "-q"}, Command: []string{"serve"}, User: "app", WorkingDirectory: "/srv",
		CPU: 10, Memory: 200, ReadOnlyRoot: true, Labels: map[string]string{"k": "v"},
	}
	got := dockerCreate(task, x, []mount{{"/src", "/dst", true}}, "", "/file")
	want := []string{
		"create", "--name", "mantle-1-web", "--network", "host", "--env-file", "/file", "--init",
		"--label", "com.amazonaws.ecs.task-arn=" + task.ARN, "--label", "com.amazonaws.ecs.cluster=default",
		"--label", "com.amazonaws.ecs.task-definition-family=app", "--label", "com.amazonaws.ecs.task-definition-version=3",
		"--label", "com.amazonaws.ecs.container-name=web", "--label", "k=v",
		"--mount", "type=bind,source=/src,target=/dst,readonly", "--user", "app", "--workdir", "/srv",
		"--cpu-shares", "10", "--memory", "200m", "--read-only", "--entrypoint", "/init", "img:1", "-q", "serve",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}
