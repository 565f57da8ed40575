package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/aws/aws-sdk-go-v2/feature/ec2/imds"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/mantle-iam/mantle/agent"
	"github.com/mantle-iam/mantle/broker"
	"github.com/mantle-iam/mantle/internal/config"
	"github.com/mantle-iam/mantle/internal/redirect"
)

// doorSocket is the name of the Unix socket among the doors.
const doorSocket = "socket"

// through is the broker as one door asks it: the audit says which door it was.
type through struct {
	*lending
	door string
}

// Credentials is the broker's.
func (t through) Credentials(ctx context.Context, c broker.Caller) (broker.Credentials, error) {
	c.Door = t.door
	return t.lending.Credentials(ctx, c)
}

// openDoor is a door that is open.
type openDoor struct {
	name, url string
	inherited bool // from systemd: somebody listens there when we are gone
	diverted  bool // what goes to AWS's addresses comes here
}

// open opens the doors that the configuration names, those handed over by
// systemd first. A door that cannot be opened because the host has no IPv6 is
// left shut with a warning.
func (a *agentRun) open(ctx context.Context, cfg *config.Config) ([]*openDoor, error) {
	container := func(name string) http.Handler {
		return agent.NewECS(through{a.lending, name}, a.doors.workloads, agent.ECSOptions{Log: a.doors.log, Refused: a.ops.refusal(name)})
	}
	handlers := map[string]http.Handler{
		config.DoorContainer: container(config.DoorContainer),
		config.DoorMetadata:  a.metadata(cfg),
		doorSocket:           a.ops.control(container(doorSocket)),
		// Without a cluster there are no tokens of pods, and the kernel says who calls.
		config.DoorPodIdentity: container(config.DoorPodIdentity),
	}
	if cfg.Agent.Kubernetes != nil {
		handlers[config.DoorPodIdentity] = agent.NewPodIdentity(through{a.lending, config.DoorPodIdentity}, &a.places.reviewed,
			agent.PodIdentityOptions{Log: a.doors.log, Refused: a.ops.refusal(config.DoorPodIdentity)})
	}
	var opened []*openDoor
	serve := func(o *openDoor, ln net.Listener) {
		opened = append(opened, o)
		opt := agent.ServeOptions{Identifier: a.who, Log: a.doors.log}
		if o.name == config.DoorPodIdentity && cfg.Agent.Kubernetes != nil {
			opt.Identifier = nil // the token says who it is; finding the socket would hold up a pod that is new
		}
		a.doors.serve(ctx, ln, handlers[o.name], opt)
	}

	ports := map[string]redirect.Door{}
	for _, d := range redirect.Named(cfg.Agent.Intercepts()...) {
		ports[d.Name] = d
	}
	have := map[string]bool{} // network addresses that systemd opened
	for name, list := range a.inherited {
		if handlers[name] == nil {
			return nil, usagef("systemd hands over a socket called %q", name).withHint("set FileDescriptorName to container, metadata, pod_identity or socket in the .socket unit")
		}
		for _, ln := range list {
			have[ln.Addr().Network()+ln.Addr().String()] = true
			o := &openDoor{name: name, url: urlOf(ln), inherited: true}
			if t, ok := ln.Addr().(*net.TCPAddr); ok && cfg.Agent.Interception == config.InterceptRedirect && int(ports[name].Port) == t.Port {
				o.diverted = true
				ln = redirect.Listen(ln, ports[name], a.doors.log)
			}
			serve(o, ln)
		}
	}

	for _, plain := range []struct{ name, address string }{
		{config.DoorContainer, cfg.Agent.Listen},
		{config.DoorMetadata, cfg.Agent.Metadata},
		{config.DoorPodIdentity, cfg.Agent.PodIdentity},
	} {
		if plain.address == "" || have["tcp"+plain.address] {
			continue
		}
		if _, isSet := a.inherited[plain.name]; isSet && strings.HasSuffix(plain.address, ":0") {
			continue // systemd has opened what nobody asked for by number
		}
		ln, err := listenOn(plain.address)
		if err != nil {
			return nil, err
		}
		serve(&openDoor{name: plain.name, url: urlOf(ln)}, ln)
	}
	if len(a.inherited[doorSocket]) == 0 {
		if ln, err := a.openSocket(cfg); err != nil {
			return nil, err
		} else if ln != nil {
			serve(&openDoor{name: doorSocket, url: ln.Addr().String()}, ln)
		}
	}
	var own redirect.Addresses
	for _, d := range redirect.Named(cfg.Agent.Intercepts()...) {
		own = append(own, d.Addresses...)
	}
	if cfg.Agent.Interception == config.InterceptAddress {
		if err := own.Apply(); err != nil {
			return nil, &exitError{code: exitUsage, err: err}
		}
	}
	for _, d := range redirect.Named(cfg.Agent.Intercepts()...) {
		if len(a.inherited[d.Name]) > 0 {
			continue
		}
		at := []netip.AddrPort{netip.AddrPortFrom(netip.IPv4Unspecified(), d.Port), netip.AddrPortFrom(netip.IPv6Unspecified(), d.Port)}
		if cfg.Agent.Interception == config.InterceptAddress {
			at = nil
			for _, addr := range d.Addresses {
				at = append(at, netip.AddrPortFrom(addr, redirect.HTTP))
			}
		}
		for _, addr := range at {
			network := "tcp4"
			if addr.Addr().Is6() {
				network = "tcp6"
			}
			ln, err := net.Listen(network, addr.String())
			if err != nil && addr.Addr().Is6() {
				a.doors.log.Warn("the host has no IPv6: the door is open for IPv4 only", "door", d.Name, "address", addr.String(), "error", err)
				continue
			}
			if err != nil {
				return nil, explainListen(addr.String(), err)
			}
			o := &openDoor{name: d.Name, url: "http://" + net.JoinHostPort(d.Addresses[0].String(), fmt.Sprint(redirect.HTTP))}
			if cfg.Agent.Interception == config.InterceptRedirect {
				o.diverted = true
				ln = redirect.Listen(ln, d, a.doors.log)
			} else {
				o.url = urlOf(ln)
			}
			serve(o, ln)
		}
	}
	return opened, nil
}

// containerURL is the container endpoint as every workload can reach it: at the
// address that AWS gave it, if that leads here, else on loopback.
func containerURL(opened []*openDoor) string {
	url := ""
	for _, o := range opened {
		if o.name == config.DoorContainer && (url == "" || o.diverted || strings.Contains(o.url, agent.ECSAddress4)) {
			url = o.url
		}
	}
	return strings.TrimSuffix(url, ":80")
}

func urlOf(ln net.Listener) string {
	if ln.Addr().Network() == "unix" {
		return ln.Addr().String()
	}
	return "http://" + strings.TrimSuffix(ln.Addr().String(), ":80")
}

// metadata is the instance metadata service of all workloads.
func (a *agentRun) metadata(cfg *config.Config) *agent.IMDS {
	opt := agent.IMDSOptions{
		Instance: func(c broker.Caller) agent.Instance {
			v := a.now.Load()
			rule := v.rules.Decide(c).Rule
			region := v.in[rule]
			if region == "" {
				region = a.base.Region
			}
			return agent.Instance{ID: agent.InstanceID(rule), Region: region}
		},
		AllowV1: func(c broker.Caller) bool {
			v := a.now.Load()
			return v.v1[v.rules.Decide(c).Rule]
		},
		Allow:    func(path string) bool { return a.now.Load().allow(path) },
		HopLimit: cfg.Agent.HopLimit,
		Log:      a.doors.log,
		Refused:  a.ops.refusal(config.DoorMetadata),
	}
	opt.Upstream = &hostMetadata{client: metadataClient(a.base)}
	return agent.NewIMDS(through{a.lending, config.DoorMetadata}, opt)
}

// hostMetadata is real instance metadata, past the agent's own rules.
type hostMetadata struct {
	client *imds.Client

	mu   sync.Mutex // guards the field below
	kept map[string]heldMetadata
}

// heldMetadata is an answer that is given again for a while: scripts ask the
// same a hundred times, and the real service throttles.
type heldMetadata struct {
	value string
	err   error
	until time.Time
}

const (
	metadataKept    = 10 * time.Second
	metadataLongest = 64 << 10
	metadataPaths   = 1024
)

// Metadata reads one path.
func (h *hostMetadata) Metadata(ctx context.Context, path string) (string, error) {
	now := time.Now()
	h.mu.Lock()
	x, ok := h.kept[path]
	h.mu.Unlock()
	if ok && now.Before(x.until) {
		return x.value, x.err
	}
	value, err := h.read(ctx, path)
	if err == nil || errors.Is(err, agent.ErrNoMetadata) {
		h.mu.Lock()
		defer h.mu.Unlock()
		if h.kept == nil || len(h.kept) >= metadataPaths {
			h.kept = map[string]heldMetadata{}
		}
		h.kept[path] = heldMetadata{value, err, now.Add(metadataKept)}
	}
	return value, err
}

func (h *hostMetadata) read(ctx context.Context, path string) (string, error) {
	var body []byte
	var err error
	if rest, ok := strings.CutPrefix(path, "meta-data/"); ok {
		var out *imds.GetMetadataOutput
		if out, err = h.client.GetMetadata(ctx, &imds.GetMetadataInput{Path: rest}); err == nil {
			defer out.Content.Close()
			body, err = io.ReadAll(io.LimitReader(out.Content, metadataLongest))
		}
	} else {
		var out *imds.GetDynamicDataOutput
		if out, err = h.client.GetDynamicData(ctx, &imds.GetDynamicDataInput{Path: strings.TrimPrefix(path, "dynamic/")}); err == nil {
			defer out.Content.Close()
			body, err = io.ReadAll(io.LimitReader(out.Content, metadataLongest))
		}
	}
	if x, ok := errors.AsType[*smithyhttp.ResponseError](err); ok && x.HTTPStatusCode() == http.StatusNotFound {
		return "", agent.ErrNoMetadata
	}
	return string(body), err
}

// socketPath is where the socket is unless the configuration says otherwise.
func (e *env) socketPath() string {
	if p := e.get("MANTLE_SOCKET"); p != "" {
		return p
	}
	if os.Getuid() == 0 {
		return "/run/mantle/agent.sock"
	}
	if dir := e.get("XDG_RUNTIME_DIR"); dir != "" {
		return filepath.Join(dir, "mantle", "agent.sock")
	}
	return ""
}

// openSocket opens the Unix socket. Any user of the host may connect: the
// kernel says who does, and who has no role gets none.
func (a *agentRun) openSocket(cfg *config.Config) (net.Listener, error) {
	path := cfg.Agent.Socket
	switch path {
	case config.NoSocket:
		return nil, nil
	case "":
		if path = a.socketPath(); path == "" {
			return nil, nil
		}
	}
	optional := cfg.Agent.Socket == ""
	ln, err := listenUnix(path)
	if err != nil && optional {
		a.doors.log.Warn("no socket for mantle's own commands", "path", path, "error", err)
		return nil, nil
	}
	if err != nil {
		return nil, &exitError{code: exitUsage, err: err, hint: `choose another path, or socket = "none"`}
	}
	return ln, nil
}

// listenUnix listens at a path that a predecessor may have left behind, but not
// at one where somebody listens.
func listenUnix(path string) (net.Listener, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, fmt.Errorf("socket: %w", err)
	}
	if c, err := net.DialTimeout("unix", path, time.Second); err == nil {
		c.Close()
		return nil, fmt.Errorf("socket: an agent listens at %s already", path)
	}
	if info, err := os.Lstat(path); err == nil {
		if info.Mode()&fs.ModeSocket == 0 {
			return nil, fmt.Errorf("socket: %s is there and no socket", path)
		}
		if err := os.Remove(path); err != nil {
			return nil, fmt.Errorf("socket: %w", err)
		}
	}
	ln, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("socket: %w", err)
	}
	if err := os.Chmod(path, 0o666); err != nil {
		return nil, errors.Join(fmt.Errorf("socket: %w", err), ln.Close())
	}
	return ln, nil
}

// explainListen is a failure to listen, with the cure.
func explainListen(address string, err error) error {
	x := usagef("listen on %s: %w", address, err)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		x.hint = "something listens there already: end it, or take its door out of intercept"
	case errors.Is(err, syscall.EACCES):
		x.hint = "ports below 1024 need privileges: run as root, or give the unit AmbientCapabilities=CAP_NET_BIND_SERVICE"
	}
	return x
}
