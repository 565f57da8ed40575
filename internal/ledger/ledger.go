// Package ledger keeps count of what each workload was lent and refused, as
// `mantle agent ps` shows it.
package ledger

import (
	"cmp"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mantle-iam/mantle/agent"
	"github.com/mantle-iam/mantle/broker"
)

// recent is how many refusals of callers of no workload are remembered.
const recent = 32

// Ledger counts. Its methods may be called by many goroutines.
type Ledger struct {
	mu      sync.RWMutex // guards the fields below
	rows    map[string]*row
	refused []Refused // the last ones, oldest first
	turned  int64     // all of them
}

// New makes an empty Ledger.
func New() *Ledger { return &Ledger{rows: map[string]*row{}} }

// row is what is counted of one workload.
type row struct {
	calls, denied atomic.Int64
	last          atomic.Int64 // when it was last lent something, in seconds since 1970
	latest        atomic.Pointer[loan]
	refused       atomic.Pointer[Refused]
}

// loan is the last one of a workload. It is immutable.
type loan struct {
	to, how, door            string // who asked, how it was known, and where it asked
	role, sessionName, keyID string
	expires                  time.Time
	pid                      int    // with generation: who asked
	generation               string // of its container
}

// Refused is a refusal.
type Refused struct {
	Time   time.Time `json:"time"`
	Door   string    `json:"door,omitempty"`
	Caller string    `json:"caller,omitempty"` // in words
	Reason string    `json:"reason"`
}

// Row is what is known of one workload.
type Row struct {
	Workload string `json:"workload"`

	// How the last caller was known, Caller who it was, in words, and Door
	// where it asked; "" if nobody was lent anything yet.
	How    string `json:"how,omitempty"`
	Caller string `json:"caller,omitempty"`
	Door   string `json:"door,omitempty"`

	// Role, SessionName, AccessKeyID and Expires of the last loan.
	Role        string     `json:"role,omitempty"`
	SessionName string     `json:"session_name,omitempty"`
	AccessKeyID string     `json:"access_key_id,omitempty"`
	Expires     *time.Time `json:"expires,omitempty"`

	// Calls that were lent something, Denied those that were not, since the
	// agent started. LastCall is when the last was lent something.
	Calls    int64      `json:"calls"`
	Denied   int64      `json:"denied"`
	LastCall *time.Time `json:"last_call,omitempty"`

	// LastRefusal is the last of the latter.
	LastRefusal *Refused `json:"last_refusal,omitempty"`
}

// Event counts what the broker tells.
func (l *Ledger) Event(e broker.Event) {
	switch e.Outcome {
	case broker.Lent:
		r := l.row(e.Rule)
		r.calls.Add(1)
		now := e.Time.Unix()
		// Who of many callers asked last is worth a look once a second.
		was := r.latest.Load()
		if r.last.Swap(now) != now || was == nil || was.keyID != e.AccessKeyID {
			if was == nil || was.pid != e.Caller.PID || was.generation != e.Caller.Generation || was.keyID != e.AccessKeyID || was.door != e.Caller.Door {
				r.latest.Store(&loan{
					to: e.Caller.String(), how: How(e.Caller), door: e.Caller.Door, role: e.Role, sessionName: e.SessionName, keyID: e.AccessKeyID,
					expires: e.Expires, pid: e.Caller.PID, generation: e.Caller.Generation,
				})
			}
		}
	case broker.Refused, broker.NotLent:
		f := Refused{Time: e.Time, Door: e.Caller.Door, Caller: e.Caller.String()}
		if e.Err != nil {
			f.Reason = e.Err.Error()
		}
		if e.Rule == "" {
			l.stranger(f)
			return
		}
		r := l.row(e.Rule)
		r.denied.Add(1)
		r.refused.Store(&f)
	}
}

// Refusal counts what a door turned away.
func (l *Ledger) Refusal(r agent.Refusal, door string) {
	f := Refused{Time: r.Time, Door: door, Reason: r.Reason, Caller: "at " + r.Remote}
	if r.Caller.How != "" {
		f.Caller = r.Caller.String()
	}
	l.stranger(f)
}

func (l *Ledger) stranger(f Refused) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.turned++
	if len(l.refused) == recent {
		l.refused = slices.Delete(l.refused, 0, 1)
	}
	l.refused = append(l.refused, f)
}

func (l *Ledger) row(name string) *row {
	l.mu.RLock()
	r := l.rows[name]
	l.mu.RUnlock()
	if r != nil {
		return r
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if r = l.rows[name]; r == nil {
		r = &row{}
		l.rows[name] = r
	}
	return r
}

// Follow forgets workloads that the rules do not have.
func (l *Ledger) Follow(rules broker.Rules) {
	have := make(map[string]bool, len(rules))
	for i := range rules {
		have[rules[i].Name] = true
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	maps.DeleteFunc(l.rows, func(name string, _ *row) bool { return !have[name] })
}

// Rows are all workloads of the rules, by name, also those that never asked.
func (l *Ledger) Rows(rules broker.Rules) []Row {
	list := make([]Row, 0, len(rules))
	l.mu.RLock()
	defer l.mu.RUnlock()
	for i := range rules {
		out := Row{Workload: rules[i].Name, Role: rules[i].Loan.Role}
		if r := l.rows[rules[i].Name]; r != nil {
			out.Calls, out.Denied, out.LastRefusal = r.calls.Load(), r.denied.Load(), r.refused.Load()
			if x := r.latest.Load(); x != nil {
				out.How, out.Caller, out.Door = x.how, x.to, x.door
				out.Role, out.SessionName, out.AccessKeyID = x.role, x.sessionName, x.keyID
				at, last := x.expires.UTC(), time.Unix(r.last.Load(), 0).UTC()
				out.Expires, out.LastCall = &at, &last
			}
		}
		list = append(list, out)
	}
	slices.SortFunc(list, func(a, b Row) int { return cmp.Compare(a.Workload, b.Workload) })
	return list
}

// Strangers are the last refusals of callers of no workload, newest first, and
// how many there were since the agent started.
func (l *Ledger) Strangers() ([]Refused, int64) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	list := append([]Refused{}, l.refused...)
	slices.Reverse(list)
	return list, l.turned
}

// How says in a word or two how a caller is known: "token", "listener", "pod
// token", or what the kernel's word led to: "process", "unit", "container",
// "task", "pod".
func How(c broker.Caller) string {
	switch {
	case c.How != broker.ByPeer:
		return c.How
	case c.Pod != nil:
		return "pod"
	case c.Task != nil:
		return "task"
	case c.Container != nil:
		return "container"
	case c.Unit != "":
		return "unit"
	}
	return "process"
}
