package doctor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
)

// Looked is what came of looking at one part of a host.
type Looked struct {
	At      string  `json:"at"` // in a few words: "the clock"
	Checks  []Check `json:"checks"`
	Skipped string  `json:"skipped,omitempty"` // why it does not apply
	Unknown string  `json:"unknown,omitempty"` // why it could not be looked at
}

// Skipped is the error of what does not apply.
type Skipped struct{ Why string }

// Error is the reason.
func (s *Skipped) Error() string { return s.Why }

// patience is how long one look may take.
const patience = 10 * time.Second

// Host is how a host is asked. What is nil is not looked at.
type Host struct {
	// Metadata asks the instance metadata service. A *Skipped error says that it
	// is not to be asked.
	Metadata func(context.Context) (Metadata, error)

	// Skew is how far the clock is ahead of AWS's.
	Skew func(context.Context) (time.Duration, error)

	// Base fails if mantle has no credentials of its own.
	Base func(context.Context) error

	// Agent asks the running agent how it does. ErrNoAgent says that none runs.
	Agent func(context.Context) (Agent, error)

	// Reach fails if nothing answers at the address of a door.
	Reach func(ctx context.Context, address string) error

	// Table is the state of the table of nftables: "absent", "closed", "open" or
	// "changed".
	Table func() (string, error)

	// Environ is that of this process, First that of process 1; the latter may
	// be empty.
	Environ, First map[string]string

	// ECS is what /etc/ecs/ecs.config sets, nil if this is no container
	// instance.
	ECS map[string]string
}

// Metadata is how an instance metadata service answers.
type Metadata struct {
	Present   bool          // something answers
	TokenLate bool          // the PUT for a token was not answered in time
	Token     int           // status of its answer, 0 without one
	Plain     int           // status of a GET without a token, 0 without one
	Took      time.Duration // until the answer to the GET
}

// Agent is how a running agent stands.
type Agent struct {
	Ready        bool
	Doors        []Door
	Interception string            // "none", "redirect" or "address"
	NotWell      map[string]string // checks that are not well, and why
	Failing      []string          // sessions whose renewal fails, and why
	LostLines    uint64            // of the audit log
}

// Door is an endpoint of the agent.
type Door struct{ Name, Address string }

// ErrNoAgent says that no agent runs. It is a *Skipped: a host without an agent may be well.
func ErrNoAgent() error { return &Skipped{"no agent runs here: mantle agent starts one"} }

// worrying is how far a clock may be off before anybody is told.
const worrying = time.Minute

// Examine looks at all parts of a host at once; the results are in their order.
func (h Host) Examine(ctx context.Context) []Looked {
	type part struct {
		at   string
		have bool
		look func(context.Context) ([]Check, error)
	}
	parts := slices.DeleteFunc([]part{
		{"the agent", h.Agent != nil, h.agent},
		{"its doors", h.Agent != nil && h.Reach != nil, h.doors},
		{"the interception", h.Table != nil, h.table},
		{"mantle's own credentials", h.Base != nil, h.base},
		{"the clock", h.Skew != nil, h.clock},
		{"instance metadata", h.Metadata != nil, h.metadata},
		{"the container endpoint", true, h.container},
		{"the ECS agent", true, h.ecs},
	}, func(p part) bool { return !p.have })
	out := make([]Looked, len(parts))
	var wg sync.WaitGroup
	for i, p := range parts {
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(ctx, patience)
			defer cancel()
			list, err := p.look(ctx)
			slices.SortFunc(list, func(a, b Check) int {
				return cmp.Or(cmp.Compare(a.ID, b.ID), cmp.Compare(a.What, b.What))
			})
			r := Looked{At: p.at, Checks: append([]Check{}, list...)}
			if s, ok := errors.AsType[*Skipped](err); ok {
				r.Skipped = s.Why
			} else if err != nil {
				r.Unknown = err.Error()
			}
			out[i] = r
		})
	}
	wg.Wait()
	return out
}

func (h Host) agent(ctx context.Context) ([]Check, error) {
	a, err := h.Agent(ctx)
	if err != nil {
		return nil, err
	}
	var out []Check
	for name, why := range a.NotWell {
		f := Check{"H102", Error, fmt.Sprintf("the agent is not ready: %s: %s", name, why), "see mantle agent status"}
		switch {
		case strings.HasPrefix(name, "directory"):
			f.ID, f.Cure = "H105", "see that the engine runs, and that the agent may open its socket"
		case name == "base credentials":
			f.ID, f.Cure = "H104", "see the base block of the configuration, and mantle whoami"
		case name == "interception":
			f.ID, f.Cure = "H103", "see what else writes firewall rules; the agent puts its own back"
		}
		out = append(out, f)
	}
	for _, why := range a.Failing {
		out = append(out, Check{"H107", Error, "a session cannot be renewed: " + why, "mantle explain says which policy is missing"})
	}
	if a.LostLines > 0 {
		out = append(out, Check{"H106", Warning, fmt.Sprintf("%d lines of the audit log were lost", a.LostLines), "make room where it is written"})
	}
	return out, nil
}

func (h Host) doors(ctx context.Context) ([]Check, error) {
	a, err := h.Agent(ctx)
	if err != nil {
		return nil, err
	}
	if len(a.Doors) == 0 {
		return []Check{{"H101", Error, "the agent has no door open", "give the agent block listen, metadata, socket or an interception"}}, nil
	}
	var out []Check
	for _, d := range a.Doors {
		if err := h.Reach(ctx, d.Address); err != nil {
			out = append(out, Check{"H101", Error, fmt.Sprintf("nothing answers at %s, where the agent has its %s door: %v", d.Address, d.Name, err),
				"see that no firewall is in between, and with an interception that its rules are in place (mantle agent rules)"})
		}
	}
	return out, nil
}

func (h Host) table(ctx context.Context) ([]Check, error) {
	wanted := ""
	if h.Agent != nil {
		if a, err := h.Agent(ctx); err == nil {
			wanted = a.Interception
		}
	}
	state, err := h.Table()
	if err != nil {
		return nil, fmt.Errorf("the table of nftables cannot be read (it takes CAP_NET_ADMIN): %w", err)
	}
	switch {
	case state == "changed":
		return []Check{{"H103", Error, "the table inet mantle is not as the agent made it", "mantle agent rules --install closes it; a running agent puts it right within seconds"}}, nil
	case wanted == "redirect" && state != "open":
		return []Check{{"H103", Error, "the agent runs, and the table inet mantle is " + state, "see its log: it may lack CAP_NET_ADMIN"}}, nil
	case wanted == "" && state == "closed":
		return []Check{{"H103", Warning, "no agent runs, and the table inet mantle refuses AWS's addresses to everybody", "start the agent, or mantle agent rules --remove"}}, nil
	case wanted == "" && state == "open":
		return []Check{{"H103", Error, "the table inet mantle leads to an agent that does not run", "start the agent, or mantle agent rules --remove"}}, nil
	}
	return nil, nil
}

func (h Host) base(ctx context.Context) ([]Check, error) {
	if err := h.Base(ctx); err != nil {
		return []Check{{"H104", Error, "mantle has no credentials of its own: " + err.Error(), "see the base block of the configuration, and mantle whoami"}}, nil
	}
	return nil, nil
}

func (h Host) clock(ctx context.Context) ([]Check, error) {
	off, err := h.Skew(ctx)
	if err != nil {
		return nil, err
	}
	which := "ahead of"
	if off < 0 {
		which = "behind"
	}
	f := Check{"R901", Error, fmt.Sprintf("the clock is %v %s AWS's, which refuses what is more than %v off (SignatureDoesNotMatch, RequestExpired)", off.Abs().Round(time.Second), which, skew),
		"set it: systemctl restart systemd-timesyncd or chronyc makestep; in a virtual machine that slept, hwclock --hctosys"}
	switch {
	case off.Abs() > skew:
	case off.Abs() > worrying:
		f.Severity = Warning
	default:
		return nil, nil
	}
	return []Check{f}, nil
}

func (h Host) metadata(ctx context.Context) ([]Check, error) {
	m, err := h.Metadata(ctx)
	if err != nil {
		return nil, err
	}
	if !m.Present {
		return nil, &Skipped{"no instance metadata service answers here"}
	}
	var out []Check
	if m.TokenLate && m.Plain == 401 {
		out = append(out, Check{"I304", Warning, fmt.Sprintf("the PUT for a metadata token is not answered, and a GET without one is refused with 401 in %v: the hop limit is 1, and this is a router away", m.Took.Round(time.Millisecond)),
			`prefer the agent's own endpoint (interception = "redirect"); else set http_put_response_hop_limit = 2`})
	}
	if m.Plain == 200 {
		out = append(out, Check{"I306", Warning, "instance metadata is told without a token (version 1): a request that a program can be made to send reads its credentials", `set http_tokens = "required"`})
	}
	if h.Table != nil {
		if state, err := h.Table(); err == nil && state == "absent" {
			out = append(out, Check{"I307", Warning, "nothing keeps the containers of this host from instance metadata, and so from the role of the host", `run the agent with interception = "redirect"; on ECS at least ECS_AWSVPC_BLOCK_IMDS=true, and a rule of DOCKER-USER for bridge tasks`})
		}
	}
	return out, nil
}

// container looks at how this process was told of a container endpoint.
//
// https://docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html
func (h Host) container(context.Context) ([]Check, error) {
	const relative, full = "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI"
	var out []Check
	for _, name := range []string{relative, full} {
		if h.First[name] != "" && h.Environ[relative] == "" && h.Environ[full] == "" {
			out = append(out, Check{"E409", Info, fmt.Sprintf("process 1 has %s and this process does not (ssh, su, cron and env -i lose it): SDKs go on to instance metadata", name),
				"export $(tr '\\0' '\\n' < /proc/1/environ | grep ^AWS_CONTAINER_)"})
			break
		}
	}
	if at := h.Environ[full]; at != "" {
		if why := unsupportedHost(at); why != "" {
			out = append(out, Check{"C508", Error, fmt.Sprintf("%s=%s: %s, and SDKs refuse it", full, at, why), "use 169.254.170.2, a loopback address, or https"})
		}
	}
	if len(out) == 0 && h.Environ[relative] == "" && h.Environ[full] == "" {
		return nil, &Skipped{"this process was told of none"}
	}
	return out, nil
}

// unsupportedHost says why SDKs refuse a URL as container endpoint; "" if they
// do not.
func unsupportedHost(at string) string {
	u, err := url.Parse(at)
	switch {
	case err != nil || u.Host == "":
		return "that is no URL"
	case u.Scheme == "https":
		return ""
	case u.Scheme != "http":
		return "the scheme is " + u.Scheme
	case u.Hostname() == "localhost":
		return ""
	}
	ip, err := netip.ParseAddr(u.Hostname())
	if err != nil {
		return "http leads to a name" // some SDKs look it up, and take it if it is loopback
	}
	known := []string{"169.254.170.2", "169.254.170.23", "fd00:ec2::23"}
	if ip.IsLoopback() || slices.Contains(known, ip.String()) {
		return ""
	}
	return "http leads to another machine"
}

func (h Host) ecs(context.Context) ([]Check, error) {
	if h.ECS == nil {
		return nil, &Skipped{"this is no ECS container instance"}
	}
	truth := func(name string) bool { return strings.EqualFold(h.ECS[name], "true") }
	var out []Check
	if !truth("ECS_ENABLE_TASK_IAM_ROLE_NETWORK_HOST") {
		out = append(out, Check{"E408", Warning, "tasks on the host's network get the role of the instance: ECS_ENABLE_TASK_IAM_ROLE_NETWORK_HOST is not true", "set it in /etc/ecs/ecs.config and restart the ECS agent; or describe such tasks by task blocks, and let the mantle agent serve them"})
	}
	if !truth("ECS_AWSVPC_BLOCK_IMDS") {
		out = append(out, Check{"I307", Warning, "tasks with a network interface of their own can read instance metadata: ECS_AWSVPC_BLOCK_IMDS is not true", "set it in /etc/ecs/ecs.config and restart the ECS agent"})
	}
	return out, nil
}
