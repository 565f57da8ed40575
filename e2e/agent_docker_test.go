//go:build e2e && linux

package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

// dockerHost is a machine with a Docker engine whose bridges and rules are
// those of the machine, and an image of the program that wears roles.
type dockerHost struct {
	*machine
	engine string // value of DOCKER_HOST
	wearer string // the program, for processes of the machine
	last   *runningAgent
}

// dockerSTS is where containers reach the machine's STS.
const dockerSTS = "http://10.77.0.1:4599"

const wearerImage = "wearer:1"

func newDockerHost(t *testing.T, roles ...string) *dockerHost {
	t.Helper()
	for _, name := range []string{"docker", "dockerd", "nsenter"} {
		tool(t, name)
	}
	h := &dockerHost{machine: newMachine(t, roles...)}
	h.wearer = filepath.Join(h.dir, "wearer")
	must(t, append(os.Environ(), "CGO_ENABLED=0"), "", "go", "build", "-ldflags", "-s -w", "-o", h.wearer, "./testdata/wearer")
	h.startEngine()
	scratchImage(t, h.engine, wearerImage, h.wearer)
	return h
}

// startEngine starts dockerd on the machine, as a distribution does: default
// bridge, NAT and firewall rules of its own.
func (h *dockerHost) startEngine() {
	h.t.Helper()
	dir := filepath.Join(h.dir, "docker")
	if err := os.Mkdir(dir, 0o711); err != nil {
		h.t.Fatal(err)
	}
	write(h.t, dir, "none.json", []byte("{}"))
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		h.t.Fatal(err)
	}
	h.engine = "unix://" + filepath.Join(dir, "d.sock")
	// Not by ip netns exec, which hides the control groups.
	cmd := exec.Command("nsenter", "--net=/run/netns/"+h.name, "dockerd", "--host", h.engine,
		"--data-root", filepath.Join(dir, "data"), "--exec-root", filepath.Join(dir, "exec"),
		"--pidfile", filepath.Join(dir, "pid"), "--config-file", filepath.Join(dir, "none.json"))
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM, Setpgid: true}
	begun, ended := make(chan error), make(chan struct{})
	go func() {
		runtime.LockOSThread() // which Pdeathsig looks at
		err := cmd.Start()
		begun <- err
		if err == nil {
			cmd.Wait()
		}
		close(ended)
	}()
	if err := <-begun; err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-ended:
		case <-time.After(30 * time.Second):
			cmd.Process.Kill()
			<-ended
		}
		log.Close()
		unmountBelow(dir)
	})
	for range 300 {
		if err = answers(h.engine); err == nil {
			return
		}
		select {
		case <-ended:
			err = fmt.Errorf("dockerd ended: %w", err)
		case <-time.After(100 * time.Millisecond):
			continue
		}
		break
	}
	text, _ := os.ReadFile(log.Name()) // what there is of it
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	h.t.Fatalf("start dockerd: %v: %s", err, lines[len(lines)-1])
}

func (h *dockerHost) docker(args ...string) string {
	h.t.Helper()
	return docker(h.t, h.engine, args...)
}

// keep starts a container that stays, and says what its roles are when it is
// asked.
func (h *dockerHost) keep(name string, args ...string) {
	h.t.Helper()
	h.docker(append(append([]string{"run", "--detach", "--name", name, "--env", "AWS_REGION=eu-west-1"}, args...), wearerImage, "stay")...)
	h.t.Cleanup(func() {
		cmd := exec.Command("docker", "rm", "--force", name)
		cmd.Env = append(plainEnv(), "DOCKER_HOST="+h.engine)
		cmd.Run() // the test may have removed it
	})
}

// worn is what wearer says.
type worn struct{ Arn, Key, Source, Error string }

func (h *dockerHost) readWorn(text string) (w worn) {
	h.t.Helper()
	if err := json.Unmarshal([]byte(text), &w); err != nil {
		h.t.Fatalf("%v in %q", err, text)
	}
	return w
}

// once runs a container that asks with the default chain of the SDK, and
// nothing in its environment but the region.
func (h *dockerHost) once(name string, args ...string) worn {
	h.t.Helper()
	args = append([]string{"run", "--rm", "--name", name, "--env", "AWS_REGION=eu-west-1"}, args...)
	return h.readWorn(h.docker(append(args, wearerImage, "whoami", dockerSTS)...))
}

// ask asks in a container that runs.
func (h *dockerHost) ask(name string) worn {
	h.t.Helper()
	return h.readWorn(h.docker("exec", name, "/wearer", "whoami", dockerSTS))
}

// process asks in a process of the machine.
func (h *dockerHost) process(uid int) worn {
	h.t.Helper()
	return h.readWorn(h.said(h.name, uid, "env", "AWS_REGION=eu-west-1", h.wearer, "whoami", dockerSTS))
}

func (h *dockerHost) wears(what string, w worn, role string) {
	h.t.Helper()
	if want := "arn:aws:sts::111122223333:assumed-role/" + role + "/"; !strings.HasPrefix(w.Arn, want) {
		h.t.Errorf("%s: got %+v, want %s\n%s", what, w, want, h.lately())
	}
}

func (h *dockerHost) wearsNothing(what string, w worn) {
	h.t.Helper()
	if w.Key != "" || w.Arn != "" || w.Error == "" {
		h.t.Errorf("%s: got %+v, want nothing", what, w)
	}
}

// noLeak fails if anybody but the agent has reached real instance metadata.
func (h *dockerHost) noLeak(when string) {
	h.t.Helper()
	if n := h.leaks.Swap(0); n > 0 {
		h.t.Errorf("%s: %d requests reached real instance metadata", when, n)
	}
}

// lately is the end of what the agent says.
func (h *dockerHost) lately() string {
	if h.last == nil {
		return ""
	}
	text := h.last.stderr.String()
	return text[max(0, len(text)-2000):]
}

func (h *dockerHost) begin(config string, prefix ...string) *runningAgent {
	h.t.Helper()
	h.last = h.agent(config, prefix...)
	return h.last
}

// reconfigure replaces the configuration of the running agent and waits until it has
// been read.
func (h *dockerHost) reconfigure(config string) {
	h.t.Helper()
	before := h.last.stderr.String()
	file := filepath.Join(h.dir, "mantle.hcl")
	if err := os.WriteFile(file+".new", []byte(config), 0o644); err != nil {
		h.t.Fatal(err)
	}
	if err := os.Rename(file+".new", file); err != nil {
		h.t.Fatal(err)
	}
	soon(h.t, "the changed configuration is read", func() bool {
		said := strings.TrimPrefix(h.last.stderr.String(), before)
		return strings.Contains(said, "the configuration was read because of") || strings.Contains(said, "is not sound")
	})
}

// configuration is one of the machine's agent. Each workload is a name,
// which is its role's too, and the block that describes it.
func (h *dockerHost) configuration(agentBlock, source string, workloads ...string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "base {\n region = \"eu-west-1\"\n endpoint = %q\n source = %q\n}\nagent {\n docker = %q\n %s\n}\n", doorsSTS, source, h.engine, agentBlock)
	roles := map[string]bool{}
	for _, w := range workloads {
		name, block, _ := strings.Cut(w, ": ")
		name, role, other := strings.Cut(name, " as ")
		if !other {
			role = name
		}
		if !roles[role] {
			roles[role] = true
			fmt.Fprintf(&b, "role %q {\n arn = \"arn:aws:iam::111122223333:role/%[1]s\"\n}\n", role)
		}
		fmt.Fprintf(&b, "workload %q {\n role = role.%s\n %s\n}\n", name, role, block)
	}
	return b.String()
}

// wardrobe is one workload of each kind.
func wardrobe() []string {
	return []string{
		`bridge: container { name = "bridge*" }`,
		`custom: container { name = "custom*" }`,
		`hostnet: container { name = "hostnet*" }`,
		fmt.Sprintf("web: match { uid = %d }", uidWeb),
		fmt.Sprintf("worker: match { uid = %d }", uidWorker),
	}
}

// TestAgentDocker: containers of ordinary programs, on every kind of network,
// and processes of the host each find their own role at 169.254.169.254, with
// nothing in their environment; nobody finds another's or the host's. With both
// ways in which the addresses come to the agent.
func TestAgentDocker(t *testing.T) {
	h := newDockerHost(t, "bridge", "custom", "hostnet")
	h.docker("network", "create", "shop")
	h.docker("network", "create", "--ipv6", "--subnet", "fd10::/64", "six")
	h.keep("bridge-kept")
	if got := h.once("before"); !strings.Contains(got.Arn, "assumed-role/host/") || h.leaks.Load()+h.upstream.Load() == 0 {
		t.Fatalf("without mantle a container gets %+v: the test would prove nothing", got)
	}
	keys := append([]string{"env"}, h.hostKeys()...)
	h.leaks.Store(0)
	for _, tt := range []struct {
		mode, source string
		prefix       []string
		end          syscall.Signal
	}{
		{"redirect", "instance", nil, syscall.SIGTERM},
		{"address", "environment", keys, syscall.SIGKILL},
	} {
		tokens := filepath.Join(h.dir, "tokens-"+tt.mode)
		h.upstream.Store(0)
		a := h.begin(h.configuration(fmt.Sprintf("interception = %q\n intercept = [\"metadata\", \"container\"]\n tokens = %q", tt.mode, tokens), tt.source, wardrobe()...), tt.prefix...)
		began := time.Now()
		h.wears(tt.mode+": a container on the default bridge", h.once("bridge"), "bridge")
		t.Logf("%s: a container's start, credentials, STS and end took %v", tt.mode, time.Since(began).Round(time.Millisecond))
		passed := h.upstream.Load() // the agent's own role, which it keeps from now on
		if (tt.mode == "redirect") != (passed > 0) {
			t.Errorf("%s: the agent asked real instance metadata %d times for its own role", tt.mode, passed)
		}
		h.wears(tt.mode+": one on a network of its own", h.once("custom", "--network", "shop"), "custom")
		h.wears(tt.mode+": one on the host's network", h.once("hostnet", "--network", "host"), "hostnet")
		h.wears(tt.mode+": one in another's network", h.once("custom", "--network", "container:bridge-kept"), "custom")
		h.wears(tt.mode+": one that asks by IPv6", h.once("custom", "--network", "six", "--env", "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE=IPv6"), "custom")
		h.wears(tt.mode+": a process", h.process(uidWeb), "web")
		h.wears(tt.mode+": another process", h.process(uidWorker), "worker")

		// Those for whom there is no rule, whatever they resemble.
		uid := fmt.Sprint(uidWeb)
		for what, args := range map[string][]string{
			"on the bridge":                nil,
			"on a network of its own":      {"--network", "shop"},
			"on the host's network":        {"--network", "host"},
			"with a process's uid":         {"--user", uid},
			"with that on the host's":      {"--user", uid, "--network", "host"},
			"with all that a root may do":  {"--cap-add", "NET_ADMIN", "--cap-add", "SYS_ADMIN"},
			"with that on the host's, too": {"--cap-add", "SYS_ADMIN", "--network", "host", "--pid", "host"},
			"in another's network":         {"--network", "container:bridge-kept"},
			"by IPv6":                      {"--network", "six", "--env", "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE=IPv6"},
			"with another's hostname":      {"--hostname", "bridge"},
			"with another's name there":    {"--network", "shop", "--network-alias", "custom"},
			"with a label for a name":      {"--network", "shop", "--label", "name=custom"},
		} {
			h.wearsNothing(tt.mode+": a container without a rule "+what, h.once("stranger", args...))
		}
		h.wearsNothing(tt.mode+": a process without a rule", h.process(uidStranger))
		h.wearsNothing(tt.mode+": root", h.process(0))

		// The container endpoint, where nothing but the path is in the
		// environment, or a token that tells who calls.
		relative := []string{"--env", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI=/v1/credentials", "--env", "AWS_EC2_METADATA_DISABLED=true"}
		h.wears(tt.mode+": at 169.254.170.2", h.once("bridge", relative...), "bridge")
		h.wearsNothing(tt.mode+": there, without a rule", h.once("stranger", relative...))
		byToken := append(relative, "--env", "AWS_CONTAINER_AUTHORIZATION_TOKEN="+readFile(t, filepath.Join(tokens, "worker", "token")))
		h.wears(tt.mode+": there, with a token", h.once("stranger", byToken...), "worker")
		full := []string{"--env-file", filepath.Join(tokens, "worker", "env"), "--volume", tokens + "/worker:" + tokens + "/worker:ro", "--env", "AWS_EC2_METADATA_DISABLED=true"}
		h.wears(tt.mode+": there, with the file of tokens that the agent wrote", h.once("stranger", full...), "worker")
		h.wearsNothing(tt.mode+": there, with a made-up token", h.once("bridge", append(relative, "--env", "AWS_CONTAINER_AUTHORIZATION_TOKEN=made-up")...))

		h.noLeak(tt.mode)
		// The stand-in cannot tell the agent's requests from those of programs with
		// the same SDK.
		if n := h.upstream.Load(); n != passed {
			t.Errorf("%s: %d requests reached real instance metadata besides the agent's %d", tt.mode, n-passed, passed)
		}
		// Without the agent, however it ended, nobody gets anything.
		passed = h.upstream.Load()
		a.signal(tt.end)
		h.wearsNothing(tt.mode+": a container without the agent", h.once("bridge"))
		h.wearsNothing(tt.mode+": one on the host's network without the agent", h.once("hostnet", "--network", "host"))
		h.noLeak(tt.mode + ", without the agent")
		if n := h.upstream.Load(); n != passed {
			t.Errorf("%s: without the agent, %d requests of SDKs reached real instance metadata", tt.mode, n-passed)
		}
		h.said(h.name, 0, h.mantle, "agent", "rules", "--remove")
	}
}

func readFile(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
