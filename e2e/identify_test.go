//go:build e2e && linux

package e2e

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// buildAsker builds the program that asks, linked statically, where every user
// may run it.
func buildAsker(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, d := range []string{dir, filepath.Dir(dir)} {
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	out := filepath.Join(dir, "asker")
	must(t, append(os.Environ(), "CGO_ENABLED=0"), "", "go", "build", "-o", out, "./testdata/asker")
	return out
}

// answered is what asker prints.
type answered struct {
	Status                 int
	RoleArn, Code, Message string
}

func readAnswer(t *testing.T, text string) (a answered) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), &a); err != nil {
		t.Fatalf("%v in %q", err, text)
	}
	return a
}

// runAgent runs mantle agent with a configuration and returns the port of its
// container endpoint.
func runAgent(t *testing.T, env []string, configuration string) (port string) {
	t.Helper()
	dir := t.TempDir()
	write(t, dir, "mantle.hcl", []byte(configuration))
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, mantle(t), "agent", dir, "--output", "json")
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 10 * time.Second
	cmd.Env = append(env, "XDG_RUNTIME_DIR="+t.TempDir())
	cmd.Stderr = &logWriter{t: t, prefix: "agent"}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		cmd.Wait()
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	var ready struct{ Container string }
	if err != nil || json.Unmarshal([]byte(line), &ready) != nil || ready.Container == "" {
		t.Fatalf("the agent said %q (%v), want one line of JSON with its endpoint", line, err)
	}
	go io.Copy(io.Discard, out)
	if _, port, err = net.SplitHostPort(strings.TrimPrefix(ready.Container, "http://")); err != nil {
		t.Fatal(err)
	}
	return port
}

// TestIdentifyContainers: containers on every kind of network wear their own
// roles, through a running agent, and nobody wears another's.
func TestIdentifyContainers(t *testing.T) {
	host := engine(t)
	if os.Getuid() != 0 {
		t.Skip("entering network namespaces needs root")
	}
	program := buildAsker(t)
	cli := tool(t, "aws")
	a := start(t)
	admin := a.env("dev")
	prefix := fmt.Sprintf("mid%d", os.Getpid())
	image, network := prefix+":1", prefix+"net"
	scratchImage(t, host, image, program)
	docker(t, host, "network", "create", network)
	cleanDocker(t, host, "network", "rm", network)

	dir := t.TempDir()
	write(t, dir, "trust.json", []byte(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:user/dev-admin"},"Action":"sts:AssumeRole"}]}`))
	blocks := map[string]string{
		"bridge":  `container { name = "` + prefix + `-bridge" }`,
		"custom":  `container { name = "` + prefix + `-custom" labels = { tier = "b*" } }`,
		"host":    `container { name = "` + prefix + `-host" image = "` + prefix + `:*" }`,
		"compose": `container { name = "` + prefix + `-compose" compose_project = "shop" compose_service = "api" }`,
		"side":    `container { name = "` + prefix + `-side" }`,
		"task":    `task { cluster = "prod" family = "` + prefix + `" }`,
		"process": `match { uid = 65123 }`,
	}
	text := "agent {\n listen = \"0.0.0.0:0\"\n allow_remote = true\n docker = \"" + host + "\"\n}\n"
	for name, block := range blocks {
		must(t, admin, dir, cli, "iam", "create-role", "--role-name", name, "--assume-role-policy-document", "file://trust.json")
		block = strings.NewReplacer("{ ", "{\n", " }", "\n}", `" `, "\"\n").Replace(block)
		text += fmt.Sprintf("role %q {\n arn = \"arn:aws:iam::111122223333:role/%[1]s\"\n}\nworkload %[1]q {\n role = role.%[1]s\n %s\n}\n", name, block)
	}
	port := runAgent(t, admin, text)
	url := "http://GATEWAY:" + port + "/v1/credentials"
	local := "http://127.0.0.1:" + port + "/v1/credentials"
	in := func(name string, args ...string) answered {
		t.Helper()
		args = append([]string{"run", "--rm", "--name", prefix + "-" + name}, args...)
		to := url
		if strings.Contains(strings.Join(args, " "), "--network host") {
			to = local
		}
		return readAnswer(t, docker(t, host, append(append(args, image), to)...))
	}
	process := func(uid uint32) answered {
		t.Helper()
		cmd := exec.Command(program, local)
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}}
		out, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		return readAnswer(t, string(out))
	}
	granted := func(what string, got answered, role string) {
		t.Helper()
		if want := "arn:aws:iam::111122223333:role/" + role; got.Status != 200 || got.RoleArn != want {
			t.Errorf("%s: got %+v, want %s", what, got, want)
		}
	}
	refused := func(what string, got answered, why string) {
		t.Helper()
		if got.Status != 403 || got.RoleArn != "" || !strings.Contains(got.Message, why) {
			t.Errorf("%s: got %+v, want a refusal that says %q", what, got, why)
		}
	}
	granted("a container on the bridge", in("bridge", "--network", "bridge"), "bridge")
	granted("a container on a network of its own", in("custom", "--network", network, "--label", "tier=back"), "custom")
	granted("a container on the host's network", in("host", "--network", "host"), "host")
	granted("a service of Compose", in("compose", "--network", network, "--label", "com.docker.compose.project=shop", "--label", "com.docker.compose.service=api"), "compose")
	granted("a task", in("task", "--label", "com.amazonaws.ecs.task-arn=arn:aws:ecs:eu-west-1:111122223333:task/prod/0123456789abcdef0123456789abcdef",
		"--label", "com.amazonaws.ecs.cluster=prod", "--label", "com.amazonaws.ecs.task-definition-family="+prefix), "task")
	granted("a process of the host", process(65123), "process")

	const none = "no workload's match fits it"
	refused("a container without a rule", in("stranger"), none)
	refused("one with another label", in("custom", "--network", network, "--label", "tier=front"), none)
	refused("one with a process's uid, on the host's network", in("uid", "--network", "host", "--user", "65123"), none)
	refused("one with a process's uid, with the host's process numbers too", in("pid", "--network", "host", "--pid", "host", "--user", "65123"), none)
	refused("one with a process's uid, on the bridge", in("uid2", "--user", "65123"), none)
	refused("a process with the uid of a container's user", process(1000), none)
	refused("a process of root", process(0), none)

	// One in the network of another is who it is, not whose network it is.
	docker(t, host, "run", "--rm", "--detach", "--name", prefix+"-bridge", image, "-sleep", "1m")
	cleanDocker(t, host, "rm", "--force", prefix+"-bridge")
	granted("a container in the network of another", in("side", "--network", "container:"+prefix+"-bridge"), "side")
	refused("the same without a rule", in("side2", "--network", "container:"+prefix+"-bridge"), none)
}

// cleanDocker runs a command of Docker's when the test is over.
func cleanDocker(t *testing.T, host string, args ...string) {
	t.Cleanup(func() {
		cmd := exec.Command("docker", args...)
		cmd.Env = append(plainEnv(), "DOCKER_HOST="+host)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("docker %s: %v: %s", strings.Join(args, " "), err, out)
		}
	})
}

// TestIdentifyContainersChurn: on a network with a handful of addresses,
// containers with different roles come and go, and ask at once.
func TestIdentifyContainersChurn(t *testing.T) {
	host := engine(t)
	if os.Getuid() != 0 {
		t.Skip("entering network namespaces needs root")
	}
	program := buildAsker(t)
	cli := tool(t, "aws")
	a := start(t)
	admin := a.env("dev")
	prefix := fmt.Sprintf("mic%d", os.Getpid())
	image, network := prefix+":1", prefix+"net"
	scratchImage(t, host, image, program)
	docker(t, host, "network", "create", "--subnet", fmt.Sprintf("10.214.%d.0/29", byte(os.Getpid())), network)
	cleanDocker(t, host, "network", "rm", network)
	dir := t.TempDir()
	write(t, dir, "trust.json", []byte(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:user/dev-admin"},"Action":"sts:AssumeRole"}]}`))
	text := "agent {\n listen = \"0.0.0.0:0\"\n allow_remote = true\n docker = \"" + host + "\"\n}\n"
	for n := range 3 {
		name := fmt.Sprint("churn", n)
		must(t, admin, dir, cli, "iam", "create-role", "--role-name", name, "--assume-role-policy-document", "file://trust.json")
		text += fmt.Sprintf("role %q {\n arn = \"arn:aws:iam::111122223333:role/%[1]s\"\n}\nworkload %[1]q {\n role = role.%[1]s\n container {\n  name = \"%s-%d-*\"\n }\n}\n", name, prefix, n)
	}
	url := "http://GATEWAY:" + runAgent(t, admin, text) + "/v1/credentials"
	var mu sync.Mutex
	var slowest time.Duration
	var wg sync.WaitGroup
	const each = 12
	for n := range 3 {
		wg.Go(func() {
			for i := range each {
				began := time.Now()
				cmd := exec.Command("docker", "run", "--rm", "--network", network, "--name", fmt.Sprintf("%s-%d-%d", prefix, n, i), image, url)
				cmd.Env = append(plainEnv(), "DOCKER_HOST="+host)
				var errs bytes.Buffer
				cmd.Stderr = &errs
				out, err := cmd.Output()
				if err != nil {
					t.Errorf("docker run: %v: %s", err, errs.String())
					return
				}
				var got answered
				if err := json.Unmarshal(out, &got); err != nil {
					t.Errorf("%v in %s", err, out)
				}
				if want := fmt.Sprint("arn:aws:iam::111122223333:role/churn", n); got.RoleArn != want {
					t.Errorf("%s-%d-%d: got %+v, want %s", prefix, n, i, got, want)
				}
				mu.Lock()
				slowest = max(slowest, time.Since(began))
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	t.Logf("%d containers on 5 addresses, each its own role; the slowest took %v with its start and end", 3*each, slowest.Round(time.Millisecond))
}
