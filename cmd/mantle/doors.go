package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/mantle-iam/mantle/agent"
	"github.com/mantle-iam/mantle/broker"
	"github.com/mantle-iam/mantle/internal/config"
	"github.com/mantle-iam/mantle/internal/peer"
)

// doors are the local endpoints at which programs that mantle starts fetch
// their credentials: one container endpoint for all of them, told apart by a
// token each, and a metadata endpoint for each that wants one.
type doors struct {
	lending   *lending
	log       *slog.Logger
	workloads *agent.Workloads
	kernel    *host
	running   sync.WaitGroup
	container string // the container endpoint's URL, once it is open
	failed    chan error
}

func newDoors(l *lending, log *slog.Logger) *doors {
	return &doors{lending: l, log: log, workloads: agent.NewWorkloads(), kernel: &host{peer.Kernel{Deep: true}}, failed: make(chan error, 1)}
}

// door is what one program is given.
type door struct {
	Workload string
	Endpoint config.Endpoint
	URL      string
	Env      map[string]string
	kernel   *host
	// pid is the program's once it runs. Whoever calls a metadata door has
	// to be that process or one of its descendants.
	pid atomic.Int64
}

// host identifies the processes of this host.
type host struct{ peer.Kernel }

// Check tells whether a caller is still the process that it was. To look at
// its start time costs little; to find it again would not.
func (*host) Check(_ net.Conn, c broker.Caller) error { return sameProcess(c) }

// Check is the same for the program that a door was opened for.
func (d *door) Check(_ net.Conn, c broker.Caller) error { return sameProcess(c) }

func sameProcess(c broker.Caller) error {
	if c.PID < 0 {
		return errors.New("the connection is shared by several processes")
	}
	started, err := peer.Started(c.PID)
	if err != nil {
		return err
	}
	if exe, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", c.PID)); started != c.Started || c.Exe != "" && (err != nil || exe != c.Exe) {
		return fmt.Errorf("pid %d is another program by now", c.PID)
	}
	return nil
}

// open opens the door of a workload. The door closes when ctx ends.
func (d *doors) open(ctx context.Context, w *config.Workload, listen, region string) (*door, error) {
	out := &door{Workload: w.Name, Endpoint: w.Endpoint, kernel: d.kernel, Env: map[string]string{
		// The shared files could hold credentials that SDKs prefer to an
		// endpoint's.
		"AWS_CONFIG_FILE":             os.DevNull,
		"AWS_SHARED_CREDENTIALS_FILE": os.DevNull,
	}}
	if region != "" {
		out.Env["AWS_REGION"], out.Env["AWS_DEFAULT_REGION"] = region, region
	}
	if w.Endpoint == config.EndpointMetadata {
		return out, d.openMetadata(ctx, w, out, region)
	}
	if d.container == "" {
		ln, err := listenOn(listen)
		if err != nil {
			return nil, err
		}
		d.container = "http://" + ln.Addr().String()
		d.serve(ctx, ln, agent.NewECS(d.lending, d.workloads, agent.ECSOptions{Log: d.log}), agent.ServeOptions{Log: d.log})
	}
	out.URL = d.container
	for _, kv := range d.workloads.Add(w.Name).Env(d.container) {
		k, v, _ := strings.Cut(kv, "=")
		out.Env[k] = v
	}
	out.Env["AWS_EC2_METADATA_DISABLED"] = "true"
	return out, nil
}

func (d *doors) openMetadata(ctx context.Context, w *config.Workload, out *door, region string) error {
	ln, err := listenOn("127.0.0.1:0")
	if err != nil {
		return err
	}
	out.URL = "http://" + ln.Addr().String()
	maps.Copy(out.Env, map[string]string{
		"AWS_EC2_METADATA_SERVICE_ENDPOINT": out.URL,
		"AWS_EC2_METADATA_V1_DISABLED":      fmt.Sprint(!w.IMDSv1),
	})
	instance := agent.Instance{ID: agent.InstanceID(w.Name), Region: region}
	h := agent.NewIMDS(d.lending, agent.IMDSOptions{
		Instance: func(broker.Caller) agent.Instance { return instance },
		AllowV1:  func(broker.Caller) bool { return w.IMDSv1 },
		Log:      d.log,
	})
	d.serve(ctx, ln, h, agent.ServeOptions{
		Workload: w.Name, Identifier: out, Log: d.log,
	})
	return nil
}

// Identify lets in the program that the door was opened for, and what it
// started: every process that holds the connection has to be one of them.
func (d *door) Identify(c net.Conn) (broker.Caller, error) {
	ours := int(d.pid.Load())
	uid, holders, err := d.kernel.Find(c)
	if err != nil {
		return broker.Caller{}, err
	}
	if ours == 0 || len(holders) == 0 {
		return broker.Caller{}, fmt.Errorf("a process of user %d that is none of workload %s", uid, d.Workload)
	}
	for _, h := range holders {
		if h.PID != ours && !peer.Descendant(h.PID, ours) {
			return broker.Caller{}, fmt.Errorf("pid %d is not a process of workload %s", h.PID, d.Workload)
		}
	}
	return holders.Caller(uid), nil
}

func (d *doors) serve(ctx context.Context, ln net.Listener, h http.Handler, opt agent.ServeOptions) {
	d.running.Go(func() {
		if err := agent.Serve(ctx, ln, h, opt); err != nil {
			select {
			case d.failed <- err:
			default:
			}
		}
	})
}

// listenOn listens, with the cure in the error.
func listenOn(address string) (net.Listener, error) {
	ln, err := net.Listen("tcp", address)
	if err == nil {
		return ln, nil
	}
	x := usagef("listen on %s: %w", address, err)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		x.hint = "something listens there already: end it, or choose another address (port 0 takes a free one)"
	case errors.Is(err, syscall.EACCES):
		x.hint = "ports below 1024 need privileges: choose a higher one"
	}
	return nil, x
}

// noProxy adds the loopback addresses to the hosts that need no proxy, so
// that a proxy of the environment never sees a request for credentials.
func (e *env) noProxy() map[string]string {
	const local = "127.0.0.1,localhost,169.254.169.254,169.254.170.2,169.254.170.23,fd00:ec2::254,fd00:ec2::23"
	out := map[string]string{}
	for _, name := range []string{"NO_PROXY", "no_proxy"} {
		if v := e.get(name); v != "" {
			out[name] = v + "," + local
		}
	}
	if len(out) == 0 && (e.get("HTTP_PROXY") != "" || e.get("http_proxy") != "") {
		out["NO_PROXY"], out["no_proxy"] = local, local
	}
	return out
}

// isLoopback tells whether only this host can reach an address.
func isLoopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback()
}
