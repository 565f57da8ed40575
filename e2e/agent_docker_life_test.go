//go:build e2e && linux

package e2e

import (
	"encoding/json"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// lives is a host with an agent and containers that stay: bridge, custom and
// hostnet, which have roles of their names, and a stranger.
type lives struct {
	*dockerHost
	all    []string // workloads
	config string
}

// TestAgentDockerLife: what containers that run get while the agent ends, dies,
// comes back and is told otherwise, and while they themselves come and go.
func TestAgentDockerLife(t *testing.T) {
	h := &lives{dockerHost: newDockerHost(t, "bridge", "custom", "hostnet", "one", "two")}
	h.all = append(wardrobe(), `one: container { name = "one*" }`, `two: container { name = "two*" }`)
	h.config = h.configuration(`interception = "redirect"`, "instance", h.all...)
	h.begin(h.config)
	h.docker("network", "create", "--subnet", "10.216.0.0/24", "few")
	h.keep("bridge")
	h.keep("custom", "--network", "few")
	h.keep("hostnet", "--network", "host")
	h.keep("stranger", "--network", "few")
	h.theirs("at first")
	h.restarts()
	h.reloads()
	h.sameAddress()
	h.hopLimit()
	h.noLeak("in all that time")
}

func (h *lives) theirs(when string) {
	h.t.Helper()
	for name, w := range h.askAll() {
		if name == "stranger" {
			h.wearsNothing(when+": a stranger", w)
			continue
		}
		h.wears(when+": "+name, w, name)
	}
}

// askAll asks in all containers that stay, at once: SDKs try a dead address for
// seconds.
func (h *lives) askAll() map[string]worn {
	h.t.Helper()
	var mu sync.Mutex
	said := map[string]string{}
	var wg sync.WaitGroup
	for _, name := range []string{"bridge", "custom", "hostnet", "stranger"} {
		wg.Go(func() {
			cmd := exec.Command("docker", "exec", name, "/wearer", "whoami", dockerSTS)
			cmd.Env = append(plainEnv(), "DOCKER_HOST="+h.engine)
			out, _ := cmd.CombinedOutput() // what is no JSON fails below
			mu.Lock()
			defer mu.Unlock()
			said[name] = string(out)
		})
	}
	wg.Wait()
	all := map[string]worn{}
	for name, text := range said {
		all[name] = h.readWorn(text)
	}
	return all
}

func (h *lives) nobodys(when string) {
	h.t.Helper()
	passed := h.upstream.Load()
	for name, w := range h.askAll() {
		h.wearsNothing(when+": "+name, w)
	}
	h.noLeak(when)
	if n := h.upstream.Load(); n != passed {
		h.t.Errorf("%s: %d requests of SDKs reached real instance metadata", when, n-passed)
	}
}

// restarts: without an agent nobody gets anything, with one everybody their own.
func (h *lives) restarts() {
	h.t.Helper()
	h.last.signal(syscall.SIGKILL)
	h.nobodys("killed")
	h.begin(h.config)
	h.theirs("after the kill")
	h.last.signal(syscall.SIGTERM)
	h.nobodys("ended")
	h.begin(h.config)
	h.theirs("after the end")
	h.docker("restart", "--time", "5", "bridge")
	h.theirs("with a container started again")
}

// reloads: the next who asks is given what the configuration says now.
func (h *lives) reloads() {
	h.t.Helper()
	with := func(changed string) string {
		rest := slices.DeleteFunc(slices.Clone(h.all), func(w string) bool { return strings.HasPrefix(w, "bridge: ") })
		return h.configuration(`interception = "redirect"`, "instance", append(rest, changed)...)
	}
	h.reconfigure(with(`bridge as two: container { name = "bridge*" }`))
	h.wears("another role", h.ask("bridge"), "two")
	h.wears("a container beside it", h.ask("custom"), "custom")
	h.reconfigure(with(`bridge as two: container { name = "elsewhere" }`))
	h.wearsNothing("not described any more", h.ask("bridge"))
	h.reconfigure(with(`late as bridge: container { name = "stranger" }`))
	h.wears("described late", h.ask("stranger"), "bridge")
	h.wearsNothing("not there any more", h.ask("bridge"))
	h.reconfigure(strings.Replace(h.config, "role = role.bridge", "role = role.nowhere", 1))
	h.wears("unsound: who was described", h.ask("stranger"), "bridge")
	h.wearsNothing("unsound: who was not", h.ask("bridge"))
	h.reconfigure(h.config)
	h.theirs("as it was")
}

// sameAddress: a container that takes the address of another at once gets its own
// role or none, and the other's metadata token is worth nothing to it.
func (h *lives) sameAddress() {
	h.t.Helper()
	at := []string{"--network", "few", "--ip", "10.216.0.77"}
	var slowest time.Duration
	for n := range 4 {
		first, second := "one", "two"
		if n%2 == 1 {
			first, second = second, first
		}
		h.keep(first, at...)
		h.wears(fmt.Sprintf("round %d: the first at the address", n), h.ask(first), first)
		token := h.docker("exec", first, "/wearer", "token")
		h.docker("rm", "--force", first)
		began := time.Now()
		h.keep(second, at...)
		var stale []request
		for _, role := range []string{"", "one", "two"} {
			stale = append(stale, request{"169.254.169.254:80", "GET /latest/meta-data/iam/security-credentials/" + role +
				" HTTP/1.1\r\nHost: 169.254.169.254\r\nConnection: close\r\nX-aws-ec2-metadata-token: " + token + "\r\n\r\n"})
		}
		for _, got := range h.send(second, stale...) {
			if !strings.HasPrefix(got, "HTTP/1.1 401 ") {
				h.t.Errorf("round %d: with its predecessor's token the next at the address gets %q", n, got)
			}
		}
		h.wears(fmt.Sprintf("round %d: the next at the address", n), h.ask(second), second)
		slowest = max(slowest, time.Since(began))
		h.docker("rm", "--force", second)
		h.wearsNothing(fmt.Sprintf("round %d: a stranger at the address", n), h.once("stranger2", at...))
	}
	h.t.Logf("the next container at an address was started, refused its predecessor's token and given its own role within %v", slowest.Round(time.Millisecond))
}

// hopLimit: by default the answer to a request for a token gets no router far.
func (h *lives) hopLimit() {
	h.t.Helper()
	h.deepNetwork()
	// Who is nobody's container so far may be one soon, and is held for a while.
	ask := []string{"-m", "8", "-X", "PUT", "-H", "X-aws-ec2-metadata-token-ttl-seconds: 60"}
	const url = "http://169.254.169.254/latest/api/token"
	if got := h.get(h.name+"-in", 0, url, ask...); !strings.HasSuffix(got, "|200") {
		h.t.Errorf("a token, no router away: %s", got)
	}
	if got := h.get(h.name+"-deep", 0, url, ask...); got != "|000" {
		h.t.Errorf("a token, one router away: %s, want no answer", got)
	}
	h.last.signal(syscall.SIGTERM)
	h.begin(h.configuration("interception = \"redirect\"\n hop_limit = 2", "instance", h.all...))
	if got := h.get(h.name+"-deep", 0, url, ask...); !strings.HasSuffix(got, "|200") {
		h.t.Errorf("a token, one router away, with hop_limit = 2: %s", got)
	}
}

// deepNetwork makes a network one router further away than that of -in.
func (h *dockerHost) deepNetwork() {
	h.t.Helper()
	in, deep := h.name+"-in", h.name+"-deep"
	must(h.t, nil, "", "ip", "netns", "add", deep)
	h.t.Cleanup(func() { exec.Command("ip", "netns", "del", deep).Run() })
	for _, line := range []string{
		"-n " + in + " link add deep0 type veth peer name eth0 netns " + deep,
		"-n " + in + " addr add 10.79.0.1/24 dev deep0",
		"-n " + deep + " addr add 10.79.0.2/24 dev eth0",
		"-n " + in + " link set deep0 up",
		"-n " + deep + " link set eth0 up",
		"-n " + deep + " link set lo up",
		"-n " + deep + " route add default via 10.79.0.1",
		"-n " + h.name + " route add 10.79.0.0/24 via 10.78.0.2",
		"netns exec " + in + " sysctl -qw net.ipv4.ip_forward=1",
	} {
		must(h.t, nil, "", "ip", strings.Fields(line)...)
	}
}

// request is one that wearer sends byte for byte.
type request struct{ To, Raw string }

// send sends requests from a container that runs and returns what came back.
func (h *dockerHost) send(name string, list ...request) []string {
	h.t.Helper()
	text, err := json.Marshal(list)
	if err != nil {
		h.t.Fatal(err)
	}
	cmd := exec.Command("docker", "exec", "--interactive", name, "/wearer", "send")
	cmd.Env = append(plainEnv(), "DOCKER_HOST="+h.engine)
	cmd.Stdin = strings.NewReader(string(text))
	out, err := cmd.Output()
	if err != nil {
		h.t.Fatalf("send from %s: %v", name, err)
	}
	var answers []string
	if err := json.Unmarshal(out, &answers); err != nil || len(answers) != len(list) {
		h.t.Fatalf("send from %s: %d answers, %v in %s", name, len(answers), err, out)
	}
	return answers
}
