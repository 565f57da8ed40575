//go:build e2e && linux

package e2e

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/mantle-iam/mantle/agent"
	"github.com/mantle-iam/mantle/broker"
	"github.com/mantle-iam/mantle/sandbox"
)

// machine is a host in network namespaces: itself, a container behind one of
// its bridges, and the network outside, where real instance metadata answers.
type machine struct {
	t        *testing.T
	name     string // of its namespace; -out and -in are the others'
	dir      string // readable by everybody
	mantle   string
	leaks    atomic.Int64 // requests that reached real instance metadata without the agent's doing
	upstream atomic.Int64 // requests that did
	stsDown  atomic.Bool
	files    []*os.File // what agents inherit
}

const (
	doorsSTS = "http://127.0.0.1:4599"
	hostRole = "arn:aws:iam::111122223333:role/host"
)

// trusted is a role of the sandbox's account.
func trusted(name, principal string) string {
	return fmt.Sprintf(`{"Path":"/","RoleName":%q,"RoleId":"AROAQAAAAAAA%09X","Arn":"arn:aws:iam::111122223333:role/%s",
		"AssumeRolePolicyDocument":{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":%s,"Action":"sts:AssumeRole"}]}}`,
		name, len(name)*1000+int(name[0]), name, principal)
}

// newMachine makes a machine; the host's role may assume web, worker and roles.
func newMachine(t *testing.T, roles ...string) *machine {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("network namespaces need root")
	}
	for _, name := range []string{"ip", "nft", "curl", "setpriv"} {
		tool(t, name)
	}
	m := &machine{t: t, name: fmt.Sprintf("mantle%d", os.Getpid())}
	dir, err := os.MkdirTemp("/tmp", "mantle-doors-") // where other users get in
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	os.Chmod(dir, 0o755)
	m.dir = dir
	m.mantle = filepath.Join(dir, "mantle")
	content, err := os.ReadFile(mantle(t))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(m.mantle, content, 0o755); err != nil {
		t.Fatal(err)
	}
	home := filepath.Join(dir, "home", ".aws")
	os.MkdirAll(home, 0o755)
	// Which API to call is no credential: a file says so, and no variable does.
	if err := os.WriteFile(filepath.Join(home, "config"), []byte("[default]\nregion = eu-west-1\nendpoint_url = "+doorsSTS+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}

	out, in := m.name+"-out", m.name+"-in"
	for _, ns := range []string{m.name, out, in} {
		must(t, nil, "", "ip", "netns", "add", ns)
		t.Cleanup(func() { exec.Command("ip", "netns", "del", ns).Run() })
		must(t, nil, "", "ip", "-n", ns, "link", "set", "lo", "up")
	}
	for _, line := range []string{
		"-n " + m.name + " link add up0 type veth peer name host0 netns " + out,
		"-n " + m.name + " link add br0 type veth peer name eth0 netns " + in,
		"-n " + m.name + " addr add 10.77.0.1/24 dev up0",
		"-n " + m.name + " addr add 10.78.0.1/24 dev br0",
		"-n " + m.name + " addr add fd77::1/64 dev up0 nodad",
		"-n " + out + " addr add 10.77.0.2/24 dev host0",
		"-n " + out + " addr add 169.254.169.254/32 dev lo",
		"-n " + out + " addr add 169.254.170.2/32 dev lo",
		"-n " + in + " addr add 10.78.0.2/24 dev eth0",
		"-n " + m.name + " link set up0 up", "-n " + m.name + " link set br0 up",
		"-n " + out + " link set host0 up", "-n " + in + " link set eth0 up",
		"-n " + m.name + " route add default via 10.77.0.2",
		"-n " + in + " route add default via 10.78.0.1",
		"-n " + m.name + " -6 route add default via fd77::2 dev up0",
		"-n " + out + " route add 10.78.0.0/24 via 10.77.0.1",
		"netns exec " + m.name + " sysctl -qw net.ipv4.ip_forward=1",
	} {
		must(t, nil, "", "ip", strings.Fields(line)...)
	}

	s, err := sandbox.New(sandbox.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	if _, err := s.AddAccount("dev", "111122223333"); err != nil {
		t.Fatal(err)
	}
	byHost := `{"AWS":"` + hostRole + `"}`
	list := []string{trusted("host", `{"Service":"ec2.amazonaws.com"}`)}
	for _, name := range append([]string{"web", "worker"}, roles...) {
		list = append(list, trusted(name, byHost))
	}
	if err := s.Load("111122223333", []byte(`{"RoleDetailList":[`+strings.Join(list, ",")+`]}`)); err != nil {
		t.Fatal(err)
	}
	apis := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if m.stsDown.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		s.ServeHTTP(w, r)
	})
	m.serve(m.name, "0.0.0.0:4599", func(ctx context.Context, ln net.Listener) error {
		web := &http.Server{Handler: apis}
		context.AfterFunc(ctx, func() { web.Close() })
		web.Serve(ln)
		return nil
	})
	lend := instanceRole(func() (broker.Credentials, error) {
		x, err := s.InstanceSession(hostRole, "i-0123456789abcdef0", 0)
		return broker.Credentials{AccessKeyID: x.AccessKeyID, SecretAccessKey: x.SecretAccessKey, SessionToken: x.SessionToken, Expires: x.Expires, RoleARN: hostRole}, err
	})
	real := agent.NewIMDS(lend, agent.IMDSOptions{
		AllowV1: func(broker.Caller) bool { return true },
		Instance: func(broker.Caller) agent.Instance {
			return agent.Instance{ID: "i-0123456789abcdef0", Region: "eu-north-1"}
		},
	})
	for _, at := range []string{"169.254.169.254:80", "169.254.170.2:80"} {
		m.serve(out, at, func(ctx context.Context, ln net.Listener) error {
			return agent.Serve(ctx, ln, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if strings.HasPrefix(r.UserAgent(), "aws-sdk-go-v2") && strings.Contains(r.UserAgent(), "imds") {
					m.upstream.Add(1)
				} else {
					m.leaks.Add(1)
				}
				if r.URL.Path == "/latest/user-data" {
					io.WriteString(w, "HOST-SECRET")
					return
				}
				real.ServeHTTP(w, r)
			}), agent.ServeOptions{Workload: "instance"})
		})
	}
	return m
}

// instanceRole lends the host's own role.
type instanceRole func() (broker.Credentials, error)

func (f instanceRole) Credentials(context.Context, broker.Caller) (broker.Credentials, error) {
	return f()
}

// serve serves at an address inside a namespace until the test ends.
func (m *machine) serve(ns, address string, serve func(context.Context, net.Listener) error) {
	m.t.Helper()
	type opened struct {
		ln  net.Listener
		err error
	}
	got := make(chan opened)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends here
		f, err := os.Open("/run/netns/" + ns)
		if err == nil {
			defer f.Close()
			err = unix.Setns(int(f.Fd()), unix.CLONE_NEWNET)
		}
		if err != nil {
			got <- opened{nil, err}
			return
		}
		ln, err := net.Listen("tcp", address)
		got <- opened{ln, err}
	}()
	o := <-got
	if o.err != nil {
		m.t.Fatalf("listen on %s in %s: %v", address, ns, o.err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var done sync.WaitGroup
	done.Go(func() { serve(ctx, o.ln) })
	m.t.Cleanup(func() { cancel(); done.Wait() })
}

// in is a command inside a namespace, as a user, with nothing in its
// environment that says anything of AWS.
func (m *machine) in(ns string, uid int, command ...string) *exec.Cmd {
	args := []string{"netns", "exec", ns}
	if uid != 0 {
		// Reading what root has installed is all that it may do beyond its user.
		args = append(args, "setpriv", fmt.Sprintf("--reuid=%d", uid), fmt.Sprintf("--regid=%d", uid), "--clear-groups",
			"--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search")
	}
	cmd := exec.Command("ip", append(args, command...)...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + filepath.Join(m.dir, "home")}
	cmd.WaitDelay = 5 * time.Second
	return cmd
}

// said is what a command printed, its errors too.
func (m *machine) said(ns string, uid int, command ...string) string {
	m.t.Helper()
	out, _ := m.in(ns, uid, command...).CombinedOutput()
	return strings.TrimSpace(string(out))
}

// get is the status and body of a request to a link-local address.
func (m *machine) get(ns string, uid int, url string, args ...string) string {
	m.t.Helper()
	return m.said(ns, uid, append([]string{"curl", "-s", "-m", "3", "-w", "|%{http_code}", url}, args...)...)
}

// runningAgent is a mantle agent.
type runningAgent struct {
	cmd    *exec.Cmd
	stderr *syncBuffer
	done   chan struct{}
}

type syncBuffer struct {
	mu sync.Mutex // guards b
	b  strings.Builder
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}
func (s *syncBuffer) String() string { s.mu.Lock(); defer s.mu.Unlock(); return s.b.String() }

func (m *machine) agent(config string, prefix ...string) *runningAgent {
	m.t.Helper()
	file := filepath.Join(m.dir, "mantle.hcl")
	if err := os.WriteFile(file, []byte(config), 0o644); err != nil {
		m.t.Fatal(err)
	}
	a := &runningAgent{stderr: &syncBuffer{}, done: make(chan struct{})}
	a.cmd = m.in(m.name, 0, append(prefix, m.mantle, "agent", file, "--output", "json", "--audit", filepath.Join(m.dir, "audit"))...)
	a.cmd.Env = append(a.cmd.Env, "MANTLE_SOCKET="+filepath.Join(m.dir, "agent.sock"))
	a.cmd.Stderr, a.cmd.ExtraFiles = a.stderr, m.files
	out, err := a.cmd.StdoutPipe()
	if err != nil {
		m.t.Fatal(err)
	}
	if err := a.cmd.Start(); err != nil {
		m.t.Fatal(err)
	}
	line, _ := bufio.NewReader(out).ReadString('\n')
	go func() { a.cmd.Wait(); close(a.done) }()
	if !strings.Contains(line, `"ready"`) {
		<-a.done
		m.t.Fatalf("the agent said %q\n%s", line, a.stderr)
	}
	m.t.Cleanup(func() { a.signal(syscall.SIGKILL) })
	return a
}

// signal sends a signal and, if it ends the agent, waits for that.
func (a *runningAgent) signal(s syscall.Signal) {
	a.cmd.Process.Signal(s)
	if s != syscall.SIGHUP {
		<-a.done
	}
}

const pythonClient = `
import boto3
print(boto3.client("sts", endpoint_url="` + doorsSTS + `", region_name="eu-west-1").get_caller_identity()["Arn"])`

// clients are programs with an ordinary SDK each.
func (m *machine) clients() map[string][]string {
	python := strings.TrimSpace(must(m.t, nil, "", tool(m.t, "python3"), "-c", "import sys; print(sys.executable)"))
	js, err := filepath.Abs("js")
	if err != nil {
		m.t.Fatal(err)
	}
	return map[string][]string{
		"boto3":      {python, "-c", pythonClient},
		"go":         {m.mantle, "whoami", "--output", "json"},
		"javascript": {tool(m.t, "node"), filepath.Join(js, "whoami.mjs")},
	}
}

const (
	uidWeb, uidWorker, uidStranger = 62001, 62002, 62003
)

func doorsConfig(agentBlock, base string) string {
	return fmt.Sprintf(`
base {
  region   = "eu-west-1"
  endpoint = %q
  %s
}
agent {
  %s
}
role "web"    { arn = "arn:aws:iam::111122223333:role/web" }
role "worker" { arn = "arn:aws:iam::111122223333:role/worker" }
workload "web" {
  role = role.web
  match { uid = %d }
}
workload "worker" {
  role = role.worker
  match { uid = %d }
}
`, doorsSTS, base, agentBlock, uidWeb, uidWorker)
}

// everybodyGetsTheirOwn runs each client as each user.
func (m *machine) everybodyGetsTheirOwn(t *testing.T) {
	t.Helper()
	for name, command := range m.clients() {
		for uid, want := range map[int]string{uidWeb: "assumed-role/web/", uidWorker: "assumed-role/worker/"} {
			if got := m.said(m.name, uid, command...); !strings.Contains(got, want) {
				t.Errorf("%s as user %d: got %s, want %s", name, uid, got, want)
			}
		}
	}
	python := m.clients()["boto3"]
	if got := m.said(m.name, uidStranger, python...); !strings.Contains(got, "NoCredentialsError") {
		t.Errorf("a stranger: got %s", got)
	}
}

// nobodyGetsTheHosts asks for what is the host's, from the host and from a
// container, and wants none of it.
func (m *machine) nobodyGetsTheHosts(t *testing.T, when string) {
	t.Helper()
	before := m.leaks.Load()
	for _, ns := range []string{m.name, m.name + "-in"} {
		for _, uid := range []int{0, uidWeb, uidStranger} {
			for _, path := range []string{"user-data", "meta-data/iam/security-credentials/host", "meta-data/identity-credentials/ec2/info"} {
				began := time.Now()
				if got := m.get(ns, uid, "http://169.254.169.254/latest/"+path); strings.Contains(got, "HOST") || strings.Contains(got, "ASIA") || strings.HasSuffix(got, "|200") {
					t.Errorf("%s: %s as user %d in %s: %s", when, path, uid, ns, got)
				}
				if took := time.Since(began); took > time.Second {
					t.Errorf("%s: %s as user %d in %s: refused only after %v, when SDKs have given up", when, path, uid, ns, took)
				}
			}
		}
	}
	if n := m.leaks.Load() - before; n > 0 {
		t.Errorf("%s: %d requests reached real instance metadata", when, n)
	}
}

func (m *machine) table() string {
	m.t.Helper()
	var out struct{ State string }
	text := m.said(m.name, 0, m.mantle, "agent", "rules", "--output", "json")
	if err := json.Unmarshal([]byte(text), &out); err != nil {
		m.t.Fatalf("agent rules: %v in %s", err, text)
	}
	return out.State
}

// soon waits for what happens soon.
func soon(t *testing.T, what string, is func() bool) time.Duration {
	t.Helper()
	began := time.Now()
	for !is() {
		if time.Since(began) > 10*time.Second {
			t.Fatalf("%s: not within 10 s", what)
		}
		time.Sleep(20 * time.Millisecond)
	}
	return time.Since(began)
}

// TestDoorsRedirect: programs that know nothing of mantle get their own role at
// 169.254.169.254, the agent gets past its own rules to the host's role, nobody
// else does, and that stays so whatever happens to the agent and the rules.
func TestDoorsRedirect(t *testing.T) {
	m := newMachine(t)
	if got := m.get(m.name, uidStranger, "http://169.254.169.254/latest/user-data"); got != "HOST-SECRET|200" {
		t.Fatalf("without mantle, real metadata says %s: the test would prove nothing", got)
	}
	if got := m.get(m.name+"-in", 0, "http://169.254.169.254/latest/user-data"); got != "HOST-SECRET|200" {
		t.Fatalf("without mantle, real metadata says %s to the container: the test would prove nothing", got)
	}
	m.said(m.name, 0, m.mantle, "agent", "rules", "--install")
	if s := m.table(); s != "closed" {
		t.Fatalf("after --install the table is %s", s)
	}
	m.nobodyGetsTheHosts(t, "before the agent")

	config := doorsConfig(fmt.Sprintf(`interception = "redirect"
  intercept = ["metadata", "container"]
  tokens = %q
  allow  = ["meta-data/placement/availability-zone"]`, filepath.Join(m.dir, "tokens")), `source = "instance"`)
	a := m.agent(config)
	if s := m.table(); s != "open" {
		t.Errorf("with the agent the table is %s", s)
	}
	m.everybodyGetsTheirOwn(t)
	m.nobodyGetsTheHosts(t, "with the agent")
	if m.upstream.Load() == 0 {
		t.Error("the agent did not take its own credentials from real metadata")
	}
	token := m.said(m.name, uidWeb, "curl", "-s", "-X", "PUT", "-H", "X-aws-ec2-metadata-token-ttl-seconds: 60", "http://169.254.169.254/latest/api/token")
	for path, want := range map[string]string{
		"meta-data/placement/availability-zone": "eu-north-1a|200", // the host's
		"meta-data/placement/region":            "eu-west-1|200",   // the workload's
	} {
		if got := m.get(m.name, uidWeb, "http://169.254.169.254/latest/"+path, "-H", "X-aws-ec2-metadata-token: "+token); got != want {
			t.Errorf("%s: %s, want %s", path, got, want)
		}
	}
	if got := m.get(m.name, uidWorker, "http://169.254.169.254/latest/meta-data/iam/security-credentials/web", "-H", "X-aws-ec2-metadata-token: "+token); !strings.HasSuffix(got, "|401") {
		t.Errorf("another user's token: %s", got)
	}
	if got := m.get(m.name, uidWeb, "http://169.254.170.2/v1/credentials"); !strings.Contains(got, "role/web") {
		t.Errorf("the container endpoint: %s", got)
	}
	if got := m.get(m.name, uidWeb, "http://169.254.169.254/latest/meta-data/", "-H", "Host: evil.example"); !strings.HasSuffix(got, "|403") {
		t.Errorf("a rebound name: %s", got)
	}
	// From behind a bridge, where nobody is known, a token tells who calls.
	if got := m.get(m.name+"-in", 0, "http://169.254.170.2/v1/credentials"); !strings.HasSuffix(got, "|403") {
		t.Errorf("the container endpoint, to nobody known: %s", got)
	}
	secret, err := os.ReadFile(filepath.Join(m.dir, "tokens", "worker", "token"))
	if err != nil {
		t.Fatal(err)
	}
	if got := m.get(m.name+"-in", 0, "http://169.254.170.2/v1/credentials", "-H", "Authorization: "+string(secret)); !strings.Contains(got, "role/worker") {
		t.Errorf("the container endpoint, with a token: %s", got)
	}
	if got := m.said(m.name, uidWeb, "curl", "-sg", "-m", "3", "-X", "PUT", "-H", "X-aws-ec2-metadata-token-ttl-seconds: 60", "-w", "|%{http_code}", "http://[fd00:ec2::254]/latest/api/token"); !strings.HasSuffix(got, "|200") {
		t.Errorf("by IPv6: %s", got)
	}
	if got := m.said(m.name, uidWeb, "curl", "-sg", "-m", "3", "-w", "|%{http_code}", "http://[fd00:ec2::254]/latest/meta-data/iam/security-credentials/web", "-H", "X-aws-ec2-metadata-token: "+token); !strings.Contains(got, "ASIA") {
		t.Errorf("credentials by IPv6, with a token that came by IPv4: %s", got)
	}
	// From a machine outside, the agent's ports are shut.
	if got := m.said(m.name+"-out", 0, "curl", "-s", "-m", "1", "-w", "%{http_code}", "http://10.77.0.1:954/latest/"); got != "000" {
		t.Errorf("from outside the agent's port answers %s", got)
	}

	must(t, nil, "", "ip", "netns", "exec", m.name, "nft", "flush", "ruleset")
	took := soon(t, "the table after nft flush ruleset", func() bool { return m.table() == "open" })
	t.Logf("a flushed ruleset was put back within %v", took)
	m.nobodyGetsTheHosts(t, "after nft flush ruleset")
	if log := a.stderr.String(); !strings.Contains(log, "taken away by somebody and has been put back") {
		t.Errorf("the agent says nothing of the loss:\n%s", log)
	}

	// A crash leaves the table, and nobody behind it.
	m.kill(a)
	if s := m.table(); s != "open" {
		t.Errorf("after a crash the table is %s", s)
	}
	m.nobodyGetsTheHosts(t, "after a crash")
	a = m.agent(config)
	if got := m.said(m.name, uidWeb, m.clients()["boto3"]...); !strings.Contains(got, "assumed-role/web/") {
		t.Errorf("after the crash and a new start: %s", got)
	}
	m.term(a)
	if s := m.table(); s != "closed" {
		t.Errorf("after the end of the agent the table is %s", s)
	}
	m.nobodyGetsTheHosts(t, "after the end of the agent")
	m.said(m.name, 0, m.mantle, "agent", "rules", "--remove")
	if s := m.said(m.name, 0, "nft", "list", "ruleset"); s != "" {
		t.Errorf("left behind:\n%s", s)
	}
	if got := m.get(m.name, uidStranger, "http://169.254.169.254/latest/user-data"); got != "HOST-SECRET|200" {
		t.Errorf("after --remove, real metadata says %s", got)
	}
}

// ip netns exec replaces itself by the agent, so signals go there.
func (m *machine) kill(a *runningAgent) { a.signal(syscall.SIGKILL) }
func (m *machine) term(a *runningAgent) { a.signal(syscall.SIGTERM) }

// TestDoorsAddress: the same with the addresses on lo and without a rule.
func TestDoorsAddress(t *testing.T) {
	m := newMachine(t)
	s := m.hostKeys()
	config := doorsConfig(`interception = "address"
  intercept = ["metadata", "container"]
  on_stop = "remove"`, `source = "environment"`)
	a := m.agent(config, append([]string{"env"}, s...)...)
	m.everybodyGetsTheirOwn(t)
	m.nobodyGetsTheHosts(t, "with the agent")
	if s := m.said(m.name, 0, "nft", "list", "ruleset"); s != "" {
		t.Errorf("there are rules:\n%s", s)
	}
	must(t, nil, "", "ip", "-n", m.name, "addr", "del", "169.254.169.254/32", "dev", "lo")
	soon(t, "the address is back", func() bool {
		return strings.Contains(must(t, nil, "", "ip", "-n", m.name, "addr", "show", "lo"), "169.254.169.254/32")
	})
	m.term(a)
	if s := must(t, nil, "", "ip", "-n", m.name, "addr", "show", "lo"); strings.Contains(s, "169.254") || strings.Contains(s, "fd00:ec2") {
		t.Errorf("left behind:\n%s", s)
	}
	if got := m.get(m.name, uidStranger, "http://169.254.169.254/latest/user-data"); got != "HOST-SECRET|200" {
		t.Errorf("after the end, real metadata says %s", got)
	}
}

// hostKeys are the host's own credentials as variables, from real metadata.
func (m *machine) hostKeys() []string {
	m.t.Helper()
	var c struct {
		AccessKeyID     string `json:"AccessKeyId"`
		SecretAccessKey string
		Token           string
	}
	text := m.said(m.name, 0, "curl", "-s", "http://169.254.169.254/latest/meta-data/iam/security-credentials/host")
	if err := json.Unmarshal([]byte(text), &c); err != nil || c.Token == "" {
		m.t.Fatalf("the host's credentials: %v in %s", err, text)
	}
	return []string{"AWS_ACCESS_KEY_ID=" + c.AccessKeyID, "AWS_SECRET_ACCESS_KEY=" + c.SecretAccessKey, "AWS_SESSION_TOKEN=" + c.Token}
}
