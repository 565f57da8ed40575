package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mantle-iam/mantle/agent"
	"github.com/mantle-iam/mantle/broker"
	"github.com/mantle-iam/mantle/internal/audit"
	"github.com/mantle-iam/mantle/internal/ledger"
	"github.com/mantle-iam/mantle/internal/metrics"
)

// operations are what a running agent tells of itself: the audit log, metrics,
// health, and the answers to mantle agent ps and status.
type operations struct {
	run     *agentRun
	audit   *audit.Log // nil without one
	path    string     // of the audit log, as it was named
	metrics *metrics.Agent
	ledger  *ledger.Ledger
	since   time.Time
	doors   atomic.Pointer[[]*openDoor] // nil until they are open
	divert  atomic.Pointer[diversion]

	mu   sync.Mutex // guards the fields below
	base metrics.Check
	seen time.Time // when base was found out

	address string // of metrics, "" without them
}

func (e *env) operations(a *agentRun, auditFile string) (*operations, error) {
	o := &operations{run: a, path: auditFile, ledger: ledger.New(), since: time.Now()}
	var err error
	if o.audit, err = e.auditLog(auditFile); err != nil {
		return nil, err
	}
	b := thisBuild()
	opt := metrics.Options{
		Version: b.Version, Commit: b.Commit, Go: b.Go,
		Standings: func() []broker.Standing { return a.lending.Standings() },
		Workloads: func() int { return len(a.now.Load().rules) },
		Held:      func() int { return a.places.who.Held() },
		Directories: func() map[string]bool {
			list := map[string]bool{}
			for _, s := range a.places.who.Standings() {
				list[s.Name] = s.Ready
			}
			return list
		},
	}
	if len(a.now.Load().cfg.Agent.Intercepts()) > 0 {
		opt.Intercepting = func() bool { return o.intercepting().OK }
	}
	if o.audit != nil {
		opt.AuditLines, opt.AuditLost = o.audit.Lines, o.audit.Lost
	}
	o.metrics = metrics.New(opt)
	return o, nil
}

// event hears of loans and refusals.
func (o *operations) event(e broker.Event) {
	o.metrics.Event(e)
	o.ledger.Event(e)
	if o.audit != nil {
		o.audit.Event(e)
	}
}

// refusal hears of what a door turns away.
func (o *operations) refusal(door string) func(agent.Refusal) {
	return func(r agent.Refusal) {
		o.metrics.Refusal(r)
		o.ledger.Refusal(r, door)
		if o.audit != nil {
			o.audit.Refusal(r, door)
		}
	}
}

func (o *operations) reopen() {
	if o.audit != nil {
		o.audit.Reopen()
	}
}

func (o *operations) close() {
	if o.audit != nil {
		o.audit.Close()
	}
}

// serve answers metrics and health at an address until ctx ends; nothing
// without one.
func (o *operations) serve(ctx context.Context, working *sync.WaitGroup, address string) error {
	if address == "" {
		return nil
	}
	ln, err := listenOn(address)
	if err != nil {
		return err
	}
	o.address = urlOf(ln)
	s := metrics.Server(metrics.Handler(o.metrics, o.checks))
	working.Go(func() {
		stop := context.AfterFunc(ctx, func() { s.Close() })
		defer stop()
		if err := s.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
			o.run.log().Error("metrics and health are no longer answered", "error", err)
		}
	})
	return nil
}

// opened is told when the doors are open and the interception is in place.
func (o *operations) opened(doors []*openDoor, d *diversion) {
	o.divert.Store(d)
	o.doors.Store(&doors)
}

// baseKept is how long the answer to whether the base credentials are of use
// holds.
const baseKept = 10 * time.Second

// checks are what has to be well for the agent to be ready.
func (o *operations) checks() []metrics.Check {
	list := []metrics.Check{{Name: "doors", Detail: "not open yet"}}
	if doors := o.doors.Load(); doors != nil {
		var names []string
		for _, d := range *doors {
			names = append(names, d.name)
		}
		list[0].OK, list[0].Detail = true, strings.Join(names, ", ")
	}
	for _, s := range o.run.places.who.Standings() {
		c := metrics.Check{Name: "directory " + s.Name, OK: s.Ready}
		if !s.Ready {
			c.Detail = "not listed yet: its callers are held, and then refused"
		}
		list = append(list, c)
	}
	if len(o.run.now.Load().cfg.Agent.Intercepts()) > 0 {
		list = append(list, o.intercepting())
	}
	return append(list, o.baseUsable())
}

// intercepting is whether AWS's addresses lead here.
func (o *operations) intercepting() metrics.Check {
	c := metrics.Check{Name: "interception", Detail: "not in place yet"}
	d := o.divert.Load()
	if d == nil || d.kept == nil {
		return c
	}
	whole, err := d.kept.Installed()
	switch {
	case err != nil:
		c.Detail = err.Error()
	case !whole:
		c.Detail = "somebody changed it; it is being put back"
	default:
		c.OK, c.Detail = true, string(d.mode)
	}
	return c
}

// baseUsable is whether the agent has credentials of its own. STS is not asked.
func (o *operations) baseUsable() metrics.Check {
	o.mu.Lock()
	defer o.mu.Unlock()
	if time.Since(o.seen) < baseKept {
		return o.base
	}
	o.base = metrics.Check{Name: "base credentials"}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	switch from := o.run.base.Credentials; from {
	case nil:
		o.base.Detail = "none are configured"
	default:
		c, err := from.Retrieve(ctx)
		switch {
		case err != nil:
			o.base.Detail = err.Error()
		case c.CanExpire && !c.Expires.After(time.Now()):
			o.base.Detail = "they expired at " + c.Expires.UTC().Format(time.RFC3339)
		default:
			o.base.OK, o.base.Detail = true, "from "+c.Source
		}
	}
	o.seen = time.Now()
	return o.base
}

// Paths of the agent's socket for mantle's own questions.
const (
	pathPs     = "/mantle/v1/ps"
	pathStatus = "/mantle/v1/status"
)

// psAnswer is what mantle agent ps is told. It holds no secret.
type psAnswer struct {
	Schema    string           `json:"schema"`
	Since     time.Time        `json:"since"` // when the agent started
	Workloads []ledger.Row     `json:"workloads"`
	Strangers []ledger.Refused `json:"strangers"` // the last refusals of callers of no workload, newest first
	Turned    int64            `json:"strangers_total"`
}

// statusAnswer is what mantle agent status is told. It holds no secret.
type statusAnswer struct {
	Schema       string          `json:"schema"`
	Version      string          `json:"version"`
	PID          int             `json:"pid"`
	Since        time.Time       `json:"since"`
	Config       []string        `json:"config"` // files
	Doors        []doorStatus    `json:"doors"`
	Interception string          `json:"interception"`
	Metrics      string          `json:"metrics,omitempty"`
	Workloads    int             `json:"workloads"`
	Sessions     int             `json:"sessions"`
	Failing      []failingLoan   `json:"failing,omitempty"` // sessions whose last renewal failed
	Held         int             `json:"held"`
	Audit        *auditStatus    `json:"audit,omitempty"`
	Memory       uint64          `json:"memory_bytes"` // that the Go runtime has from the system
	Ready        bool            `json:"ready"`
	Checks       []metrics.Check `json:"checks"`
}

type doorStatus struct {
	Name      string `json:"name"`
	Address   string `json:"address"`
	Diverted  bool   `json:"diverted,omitempty"`
	Inherited bool   `json:"inherited,omitempty"` // held by systemd
}

type failingLoan struct {
	Role        string     `json:"role"`
	SessionName string     `json:"session_name"`
	Expires     *time.Time `json:"expires,omitempty"` // of what is lent meanwhile
	Error       string     `json:"error"`
}

type auditStatus struct {
	To    string `json:"to"`
	Lines uint64 `json:"lines"`
	Lost  uint64 `json:"lost"`
}

// control answers mantle's own questions on the socket, of root and of the
// agent's own user alone; everything else is next's.
func (o *operations) control(next http.Handler) http.Handler {
	answers := map[string]func() any{pathPs: o.ps, pathStatus: o.status}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer := answers[r.URL.Path]
		if answer == nil {
			next.ServeHTTP(w, r)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		uid, known := -1, false
		if c := agent.ConnOf(r); c != nil {
			uid, known = serverUser(c)
		}
		switch {
		case !known || uid != 0 && uid != os.Geteuid():
			w.WriteHeader(http.StatusForbidden)
			json.NewEncoder(w).Encode(map[string]string{"message": fmt.Sprintf("only root and user %d, who runs the agent, may see what it lends to whom", os.Geteuid())})
		case r.Method != http.MethodGet:
			w.Header().Set("Allow", http.MethodGet)
			w.WriteHeader(http.StatusMethodNotAllowed)
			json.NewEncoder(w).Encode(map[string]string{"message": "use GET"})
		default:
			enc := json.NewEncoder(w)
			enc.SetEscapeHTML(false)
			enc.Encode(answer())
		}
	})
}

func (o *operations) ps() any {
	out := psAnswer{Schema: schema, Since: o.since.UTC(), Workloads: o.ledger.Rows(o.run.now.Load().rules)}
	out.Strangers, out.Turned = o.ledger.Strangers()
	return out
}

func (o *operations) status() any {
	v := o.run.now.Load()
	out := statusAnswer{
		Schema: schema, Version: thisBuild().Version, PID: os.Getpid(), Since: o.since.UTC(), Config: v.cfg.Files(),
		Interception: string(v.cfg.Agent.Interception), Metrics: o.address, Workloads: len(v.rules),
		Held: o.run.places.who.Held(), Checks: o.checks(),
	}
	if out.Interception == "" {
		out.Interception = "none"
	}
	out.Ready = metrics.Ready(out.Checks)
	if doors := o.doors.Load(); doors != nil {
		for _, d := range *doors {
			out.Doors = append(out.Doors, doorStatus{d.name, d.url, d.diverted, d.inherited})
		}
	}
	for _, s := range o.run.lending.Standings() {
		out.Sessions++
		if s.Err == nil {
			continue
		}
		f := failingLoan{Role: s.Role, SessionName: s.SessionName, Error: s.Err.Error()}
		if s.Left > 0 {
			at := s.Expires.UTC()
			f.Expires = &at
		}
		out.Failing = append(out.Failing, f)
	}
	if o.audit != nil {
		out.Audit = &auditStatus{o.path, o.audit.Lines(), o.audit.Lost()}
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	out.Memory = m.Sys
	return out
}

// lightenLater gives back what the start needed, when an agent has done what it
// does at once, and again when it has borrowed for many workloads.
func lightenLater(ctx context.Context) {
	for _, wait := range []time.Duration{5 * time.Second, time.Minute, 10 * time.Minute} {
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
			lighten()
		}
	}
}
