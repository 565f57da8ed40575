package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"

	"github.com/mantle-iam/mantle/agent"
	"github.com/mantle-iam/mantle/broker"
	"github.com/mantle-iam/mantle/internal/peer"
	"github.com/mantle-iam/mantle/sandbox"
)

// site is an instance or a task on this host: its network, where it may have
// one of its own, and its endpoint.
type site struct {
	c       *controller
	id      string
	ns      *namespace // nil: the host's own network
	why     error      // why ns is nil
	walled  bool       // it may have files and processes of its own
	log     *slog.Logger
	url     string            // of the sandbox, from inside
	door    string            // of the endpoint, from inside
	env     map[string]string // what leads the AWS SDK of a program here
	family  *family
	end     context.CancelFunc
	running sync.WaitGroup
}

// Networks that a place can be given.
const (
	networkAuto = ""
	networkOwn  = "own"
	networkHost = "host"
)

func checkNetwork(network string) error {
	if !slices.Contains([]string{networkAuto, networkOwn, networkHost}, network) {
		return usagef("there is no network %q", network).withHint("use --network own or --network host; without it a place has its own where privileges allow")
	}
	return nil
}

// newSite opens a site without its endpoint. Its network is made by own if it
// has one of its own.
func (e *env) newSite(ctx context.Context, c *controller, id, region, network string, own func() (*namespace, error)) (*site, context.Context, error) {
	s := &site{c: c, id: id, url: c.url(), log: e.log(), family: &family{id: id, kernel: host{peer.Kernel{Deep: true}}}}
	switch network {
	case networkHost:
		s.why = errors.New("--network host")
		s.walled = privileged() == nil
	default:
		s.ns, s.why = own()
		if network == networkOwn && s.why != nil {
			return nil, nil, usagef("a network of its own: %w", s.why).withHint("run as root, or leave out --network own")
		}
		s.walled = s.ns != nil
	}
	ctx, s.end = context.WithCancel(context.WithoutCancel(ctx))
	if s.ns != nil {
		if err := s.relay(ctx); err != nil {
			s.close()
			return nil, nil, err
		}
	}
	s.env = map[string]string{
		"AWS_ENDPOINT_URL": s.url, "AWS_ENDPOINT_URL_STS": s.url,
		"AWS_REGION": region, "AWS_DEFAULT_REGION": region,
		// The shared files could hold credentials that SDKs prefer to an
		// endpoint's.
		"AWS_CONFIG_FILE":             os.DevNull,
		"AWS_SHARED_CREDENTIALS_FILE": os.DevNull,
	}
	return s, ctx, nil
}

// close ends the endpoint and lets the network go.
func (s *site) close() {
	s.end()
	s.running.Wait()
	s.ns.close()
}

// listen opens a listener for an endpoint, at the address if the network is
// the site's own and on any loopback port if not.
func (s *site) listen(address string) (net.Listener, error) {
	if s.ns == nil {
		return listenOn("127.0.0.1:0")
	}
	ln, err := s.ns.listenBeyond(address)
	if err != nil {
		return nil, fmt.Errorf("listen on %s in the network of %s: %w", address, s.id, err)
	}
	return ln, nil
}

// start starts a process here.
func (s *site) start(cmd *exec.Cmd) error {
	if s.ns != nil {
		return s.ns.start(cmd)
	}
	return s.family.start(cmd, (*exec.Cmd).Start)
}

// told says on which terms a program here lives.
func (s *site) told() string {
	if s.ns != nil {
		return fmt.Sprintf("%s has a network of its own: %s, the sandbox at %s, and nothing else", s.id, s.door, s.url)
	}
	return fmt.Sprintf("%s shares this host's network (%s): its endpoint is %s, told by the environment", s.id, s.why, s.door)
}

func (s *site) serve(ctx context.Context, ln net.Listener, h http.Handler, opt agent.ServeOptions) {
	s.running.Go(func() {
		if err := agent.Serve(ctx, ln, h, opt); err != nil {
			s.log.Error("the endpoint has failed", "place", s.id, "error", err)
		}
	})
}

// relay makes the sandbox answer inside at the address it has outside.
func (s *site) relay(ctx context.Context) error {
	outside := s.c.address
	host, port, err := net.SplitHostPort(outside)
	if err != nil {
		return err
	}
	// An address that is not of this loopback device does not exist inside.
	if ip, err := netip.ParseAddr(host); err != nil || ip != netip.MustParseAddr("::1") {
		host = "127.0.0.1"
	}
	inside := net.JoinHostPort(host, port)
	s.url = "http://" + inside
	ln, err := s.ns.listen(inside)
	if err != nil {
		return err
	}
	s.running.Go(func() {
		var open sync.WaitGroup
		defer open.Wait()
		stop := context.AfterFunc(ctx, func() { ln.Close() })
		defer stop()
		for {
			in, err := ln.Accept()
			if err != nil {
				return // closed: nothing else ends a loopback listener
			}
			open.Go(func() { pipeTo(ctx, in, outside) })
		}
	})
	return nil
}

// pipeTo carries a connection to an address of the host until either side
// ends.
func pipeTo(ctx context.Context, in net.Conn, address string) {
	defer in.Close()
	out, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err != nil {
		return // the client sees what it would see outside: no answer
	}
	defer out.Close()
	stop := context.AfterFunc(ctx, func() { in.Close(); out.Close() })
	defer stop()
	var both sync.WaitGroup
	carry := func(to, from net.Conn) {
		io.Copy(to, from)
		// The other direction may have more to say.
		if half, ok := to.(*net.TCPConn); ok {
			half.CloseWrite()
		}
	}
	both.Go(func() { carry(out, in) })
	both.Go(func() { carry(in, out) })
	both.Wait()
}

// openInstance opens the place of an instance with its metadata service.
func (e *env) openInstance(ctx context.Context, c *controller, i sandbox.Instance, network string) (*site, error) {
	s, ctx, err := e.newSite(ctx, c, i.ID, i.Region, network, func() (*namespace, error) {
		return newMachine(i.PrivateIP, i.MAC, agent.IMDSAddress4)
	})
	if err != nil {
		return nil, err
	}
	ln, err := s.listen(agent.IMDSAddress4 + ":80")
	if err != nil {
		s.close()
		return nil, err
	}
	s.door = "http://" + strings.TrimSuffix(ln.Addr().String(), ":80")
	// What the API says of the instance may change while it is in use.
	now := func() sandbox.Instance {
		if fresh, err := c.instance(ctx, i.ID); err == nil {
			return fresh
		}
		return i
	}
	metadata := agent.NewIMDS(&wearer{c: c, id: i.ID, instance: true}, agent.IMDSOptions{
		Instance: func(broker.Caller) agent.Instance {
			out := described(now())
			out.Sign = func(ctx context.Context, document []byte) ([]byte, error) { return c.sign(ctx, i.ID, document) }
			return out
		},
		Denied:   cannotAssume,
		AllowV1:  func(broker.Caller) bool { return !now().Metadata.TokensRequired },
		HopLimit: i.Metadata.HopLimit,
		Log:      s.log,
	})
	opt := agent.ServeOptions{Workload: i.ID, Log: s.log}
	if s.ns == nil {
		opt.Identifier = s.family
		s.env["AWS_EC2_METADATA_SERVICE_ENDPOINT"] = s.door
	}
	s.serve(ctx, ln, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-data-retrieval.html
		if !now().Metadata.Enabled {
			http.Error(w, "403 - Forbidden", http.StatusForbidden)
			return
		}
		metadata.ServeHTTP(w, r)
	}), opt)
	return s, nil
}

// cannotAssume is EC2's own sentence about a role that it cannot assume. Why
// stands in the log of the place.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_iam-ec2.html
func cannotAssume(role string) string {
	return "EC2 cannot assume the role " + role[strings.LastIndexByte(role, '/')+1:] +
		". Please see documentation at http://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_iam-ec2.html#troubleshoot_iam-ec2_errors-info-doc."
}

// described is an instance as its metadata service tells of it.
func described(i sandbox.Instance) agent.Instance {
	out := agent.Instance{
		ID: i.ID, Type: i.Type, ImageID: i.Image, Architecture: i.Architecture, AccountID: i.Account,
		Region: i.Region, AvailabilityZone: i.Zone, AvailabilityZoneID: i.ZoneID,
		Hostname: i.PrivateName, PrivateIP: i.PrivateIP, MAC: i.MAC, Launched: i.Launched,
	}
	if i.Profile != nil {
		out.ProfileARN, out.ProfileID = i.Profile.ARN, i.Profile.ID
	}
	if i.Metadata.Tags {
		out.Tags = i.Tags
	}
	return out
}

// openTask opens the place of a task with its container endpoint. A task
// without a task role has an endpoint that hands out nothing, and no variable
// leads there.
// https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-iam-roles.html
func (e *env) openTask(ctx context.Context, c *controller, t sandbox.Task, network string, docker bool) (*site, error) {
	s, ctx, err := e.newSite(ctx, c, t.ID, t.Region, network, func() (*namespace, error) { return newNamespace(agent.ECSAddress4) })
	if err != nil {
		return nil, err
	}
	ln, err := s.listen(agent.ECSAddress4 + ":80")
	if err != nil {
		s.close()
		return nil, err
	}
	s.door = "http://" + strings.TrimSuffix(ln.Addr().String(), ":80")
	// A machine's own role is not the task's.
	s.env["AWS_EC2_METADATA_DISABLED"] = "true"
	s.env["AWS_EXECUTION_ENV"] = "AWS_ECS_EC2"
	if t.LaunchType == "FARGATE" {
		s.env["AWS_EXECUTION_ENV"] = "AWS_ECS_FARGATE"
	}
	grants := agent.NewWorkloads()
	grant := grants.Add(t.ID)
	opt := agent.ServeOptions{Log: s.log}
	switch {
	case t.TaskRole == "":
	case s.ns != nil:
		s.env["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"] = grant.RelativeURI()
	default:
		for _, kv := range grant.Env(s.door) {
			k, v, _ := strings.Cut(kv, "=")
			s.env[k] = v
		}
	}
	if s.ns == nil && !docker {
		// The token alone would do for whoever reads it in another process's
		// environment.
		opt.Identifier = s.family
		opt.Admit = func(broker.Caller) error { return nil }
	}
	s.serve(ctx, ln, agent.NewECS(&wearer{c: c, id: t.ARN}, grants, agent.ECSOptions{Log: s.log}), opt)
	return s, nil
}

// environ is the environment of a program in the site: the given one without
// what would lead elsewhere, the site's variables, then more.
func (s *site) environ(base []string, more ...map[string]string) []string {
	base = slices.DeleteFunc(slices.Clone(base), func(kv string) bool {
		return strings.HasPrefix(kv, "AWS_ENDPOINT_URL") || strings.HasPrefix(kv, "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS=")
	})
	return childEnviron(base, append([]map[string]string{maps.Clone(s.env)}, more...)...)
}

// family are the first processes of a place. Whoever calls at its endpoint on
// the host's network has to be one of them or their descendant.
type family struct {
	id     string
	kernel host

	mu   sync.Mutex // guards the field below
	pids []int
}

// start starts a process of the place. Until it is known as one nobody is
// identified.
func (f *family) start(cmd *exec.Cmd, start func(*exec.Cmd) error) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := start(cmd); err != nil {
		return err
	}
	f.pids = append(f.pids, cmd.Process.Pid)
	return nil
}

// Identify lets the processes of the place in: every process that holds the
// connection has to be one.
func (f *family) Identify(c net.Conn) (broker.Caller, error) {
	uid, holders, err := f.kernel.Find(c)
	if err != nil {
		return broker.Caller{}, err
	}
	f.mu.Lock()
	pids := slices.Clone(f.pids)
	f.mu.Unlock()
	ours := func(p peer.Process) bool {
		return slices.ContainsFunc(pids, func(pid int) bool { return p.PID == pid || peer.Descendant(p.PID, pid) })
	}
	for _, h := range holders {
		if !ours(h) {
			return broker.Caller{}, fmt.Errorf("pid %d is not a process of %s", h.PID, f.id)
		}
	}
	if len(holders) == 0 {
		return broker.Caller{}, fmt.Errorf("a process of user %d that is none of %s", uid, f.id)
	}
	return holders.Caller(uid), nil
}

// Check tells whether a caller is still the process that it was.
func (f *family) Check(_ net.Conn, c broker.Caller) error { return sameProcess(c) }
