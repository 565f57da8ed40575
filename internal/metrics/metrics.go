// Package metrics tells how the agent does, in the text format of Prometheus,
// and whether it is ready.
//
//	metrics.go   what is counted
//	text.go      the format
//	health.go    /healthz and /readyz
//
// What is told has a bound whatever the configuration: no series is named after
// a workload, a caller or a session, and at most [Options.Roles] after roles.
package metrics

import (
	"cmp"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/mantle-iam/mantle/agent"
	"github.com/mantle-iam/mantle/broker"
)

// Options say where the figures come from that are not counted here. A nil
// function leaves its series out.
type Options struct {
	// Roles is how many roles have a series of their own, 100 if 0; the rest
	// share one, called "other".
	Roles int

	// Version, Commit and Go describe the build.
	Version, Commit, Go string

	Standings    func() []broker.Standing // of all loans
	Workloads    func() int               // of the configuration
	Held         func() int               // callers that wait to be known
	Directories  func() map[string]bool   // container engines, and whether they have been listed
	Intercepting func() bool              // whether the interception is in place
	AuditLines   func() uint64            // lines of the audit log that were taken
	AuditLost    func() uint64            // and those that found no room
}

// Agent counts what an agent does. Its methods may be called by many goroutines.
type Agent struct {
	opt Options

	lentCached, lentFresh atomic.Uint64
	refused               map[string]*atomic.Uint64 // by class; the map never changes
	calls                 map[string]*atomic.Uint64 // of STS, by result; the map never changes
	waits                 *histogram
	reloaded, unsound     atomic.Uint64
	repaired, unrepaired  atomic.Uint64
}

// Classes of refusals by the broker; those by the doors are agent's.
const (
	noWorkload = "no_workload" // known, and no workload's, or of several
	unresolved = "unresolved"  // the names of the loan cannot be filled in
)

// New counts from nothing.
func New(opt Options) *Agent {
	if opt.Roles <= 0 {
		opt.Roles = 100
	}
	a := &Agent{opt: opt, refused: map[string]*atomic.Uint64{}, calls: map[string]*atomic.Uint64{}, waits: newHistogram(0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)}
	classes := []string{
		noWorkload, unresolved, agent.RefusedCaller, agent.RefusedRole, agent.RefusedToken, agent.RefusedRequest, agent.RefusedTooMany, agent.RefusedUnhealthy,
	}
	a.calls["ok"] = new(atomic.Uint64)
	for k := broker.Failed; k <= broker.Unreachable; k++ {
		classes = append(classes, "sts_"+k.String())
		a.calls[k.String()] = new(atomic.Uint64)
	}
	for _, c := range classes {
		a.refused[c] = new(atomic.Uint64)
	}
	return a
}

// Event counts what the broker tells.
func (a *Agent) Event(e broker.Event) {
	switch e.Outcome {
	case broker.Lent:
		if e.Cached {
			a.lentCached.Add(1)
		} else {
			a.lentFresh.Add(1)
		}
	case broker.Refused:
		if e.Rule == "" {
			a.refused[noWorkload].Add(1)
		} else {
			a.refused[unresolved].Add(1)
		}
	case broker.NotLent:
		a.refused["sts_"+kindOf(e.Err)].Add(1)
	case broker.Issued:
		a.calls["ok"].Add(1)
		a.waits.add(e.Took)
	case broker.NotIssued:
		a.calls[kindOf(e.Err)].Add(1)
		a.waits.add(e.Took)
	}
}

// kindOf is the kind of a failure in a word.
func kindOf(err error) string {
	if e, ok := err.(*broker.LendError); ok {
		return e.Kind.String()
	}
	return broker.Failed.String()
}

// Refusal counts what a door turned away.
func (a *Agent) Refusal(r agent.Refusal) {
	if n := a.refused[r.Class]; n != nil {
		n.Add(1)
		return
	}
	a.refused[agent.RefusedRequest].Add(1)
}

// Reloaded counts a configuration that was read again, sound or not.
func (a *Agent) Reloaded(sound bool) {
	if sound {
		a.reloaded.Add(1)
	} else {
		a.unsound.Add(1)
	}
}

// Repaired counts a loss of the interception, and whether it could be put back.
func (a *Agent) Repaired(whole bool) {
	if whole {
		a.repaired.Add(1)
	} else {
		a.unrepaired.Add(1)
	}
}

// ServeHTTP answers a scrape.
func (a *Agent) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", contentType)
	w.Write(a.Append(nil, time.Now()))
}

// Append appends all series as they are now.
func (a *Agent) Append(b []byte, now time.Time) []byte {
	p := page{b: b}
	p.family("mantle_build_info", gauge, "The build that runs; always 1.")
	p.sample(1, "version", a.opt.Version, "commit", a.opt.Commit, "goversion", a.opt.Go)

	p.family("mantle_loans_total", counter, "Requests that were answered with credentials, by whether they were at hand (cache) or STS was waited for (sts).")
	p.count(a.lentCached.Load(), "source", "cache")
	p.count(a.lentFresh.Load(), "source", "sts")
	p.family("mantle_refusals_total", counter, "Requests that were not, by reason.")
	p.counts(a.refused, "reason")
	p.family("mantle_sts_calls_total", counter, "Calls of STS for a loan, a chain of roles counting once, by result.")
	p.counts(a.calls, "result")
	p.family("mantle_sts_call_duration_seconds", histogramKind, "How long they took.")
	p.histogram(a.waits)
	p.family("mantle_reloads_total", counter, "Configurations that were read again, by result.")
	p.count(a.reloaded.Load(), "result", "done")
	p.count(a.unsound.Load(), "result", "refused")

	if f := a.opt.Workloads; f != nil {
		p.family("mantle_workloads", gauge, "Workloads of the configuration.")
		p.sample(float64(f()))
	}
	if f := a.opt.Held; f != nil {
		p.family("mantle_held_callers", gauge, "Connections that wait until a container engine tells who they are.")
		p.sample(float64(f()))
	}
	if f := a.opt.Directories; f != nil {
		if list := f(); len(list) > 0 {
			p.family("mantle_directory_ready", gauge, "Whether all that a container engine or cluster runs has been listed.")
			for _, name := range slices.Sorted(maps.Keys(list)) {
				p.sample(truth(list[name]), "directory", name)
			}
		}
	}
	if f := a.opt.Intercepting; f != nil {
		p.family("mantle_interception_in_place", gauge, "Whether AWS's link-local addresses lead to the agent.")
		p.sample(truth(f()))
		p.family("mantle_interception_losses_total", counter, "How often somebody took that away, by whether it could be put back.")
		p.count(a.unrepaired.Load(), "result", "lost")
		p.count(a.repaired.Load(), "result", "repaired")
	}
	if f := a.opt.AuditLines; f != nil {
		p.family("mantle_audit_lines_total", counter, "Lines that the audit log took.")
		p.count(f())
	}
	if f := a.opt.AuditLost; f != nil {
		p.family("mantle_audit_lost_lines_total", counter, "Lines that found no room while the audit log could not be written.")
		p.count(f())
	}
	if f := a.opt.Standings; f != nil {
		a.roles(&p, f(), now)
	}
	return p.b
}

// other is what roles are called that have no series of their own.
const other = "other"

// roles tells how long the credentials of each role last: of its sessions that
// which ends first.
func (a *Agent) roles(p *page, list []broker.Standing, now time.Time) {
	ends := map[string]time.Duration{}
	failing := 0
	for _, s := range list {
		if s.Err != nil {
			failing++
		}
		if s.Expires.IsZero() {
			continue
		}
		left := min(s.Left, s.Expires.Sub(now))
		if had, ok := ends[s.Role]; !ok || left < had {
			ends[s.Role] = left
		}
	}
	p.family("mantle_sessions", gauge, "Role sessions that are kept.")
	p.sample(float64(len(list)))
	p.family("mantle_sessions_failing", gauge, "Those of them whose last renewal failed.")
	p.sample(float64(failing))
	p.family("mantle_credentials_expiry_seconds", gauge, "Seconds until credentials of a role end, the first of its sessions to; roles beyond the "+strconv.Itoa(a.opt.Roles)+" first by name are \"other\".")
	rest, more := time.Duration(0), false
	for i, role := range slices.SortedFunc(maps.Keys(ends), cmp.Compare[string]) {
		if i < a.opt.Roles {
			p.sample(max(ends[role].Seconds(), 0), "role", role)
			continue
		}
		if !more || ends[role] < rest {
			rest, more = ends[role], true
		}
	}
	if more {
		p.sample(max(rest.Seconds(), 0), "role", other)
	}
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
