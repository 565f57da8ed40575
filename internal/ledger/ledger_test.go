package ledger

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mantle-iam/mantle/agent"
	"github.com/mantle-iam/mantle/broker"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

func rules(names ...string) broker.Rules {
	var r broker.Rules
	for _, n := range names {
		r = append(r, broker.Rule{Name: n, Loan: broker.Loan{Role: "arn:aws:iam::111122223333:role/" + n}})
	}
	return r
}

func lent(rule string, pid int, key string, at time.Time) broker.Event {
	return broker.Event{Time: at, Outcome: broker.Lent, Rule: rule, Role: "arn:aws:iam::111122223333:role/" + rule, SessionName: "s", AccessKeyID: key, Expires: noon.Add(time.Hour),
		Caller: broker.Caller{UID: 1, PID: pid, Unit: "web.service", How: broker.ByPeer, Door: "socket"}}
}

func TestRows(t *testing.T) {
	l := New()
	l.Event(lent("web", 7, "ASIA1", noon))
	l.Event(lent("web", 8, "ASIA2", noon.Add(time.Second)))
	l.Event(broker.Event{Time: noon, Outcome: broker.NotLent, Rule: "db", Err: errors.New("denied"), Caller: broker.Caller{Workload: "db", How: broker.ByToken}})
	l.Event(broker.Event{Time: noon, Outcome: broker.Issued, Role: "r"})
	l.Event(broker.Event{Time: noon, Outcome: broker.Refused, Err: errors.New("no workload"), Caller: broker.Caller{UID: 5, PID: 9, How: broker.ByPeer}})
	l.Refusal(agent.Refusal{Time: noon, Remote: "10.0.0.1:7", Reason: "nobody knows it"}, "metadata")

	rows := l.Rows(rules("web", "idle", "db"))
	if len(rows) != 3 || rows[0].Workload != "db" || rows[1].Workload != "idle" || rows[2].Workload != "web" {
		t.Fatalf("rows %+v", rows)
	}
	db, idle, web := rows[0], rows[1], rows[2]
	if db.Calls != 0 || db.Denied != 1 || db.LastRefusal == nil || db.LastRefusal.Reason != "denied" || db.Expires != nil {
		t.Errorf("db %+v", db)
	}
	if idle.Calls != 0 || idle.Denied != 0 || idle.Role != "arn:aws:iam::111122223333:role/idle" || idle.LastCall != nil {
		t.Errorf("idle %+v", idle)
	}
	if web.Calls != 2 || web.How != "unit" || web.Door != "socket" || web.AccessKeyID != "ASIA2" || !strings.Contains(web.Caller, "pid 8") || !web.LastCall.Equal(noon.Add(time.Second)) {
		t.Errorf("web %+v", web)
	}
	strangers, n := l.Strangers()
	if n != 2 || len(strangers) != 2 || strangers[0].Caller != "at 10.0.0.1:7" || strangers[0].Door != "metadata" || !strings.Contains(strangers[1].Caller, "uid 5") {
		t.Errorf("strangers %d %+v", n, strangers)
	}
	text, err := json.Marshal(rows)
	if err != nil || strings.Contains(string(text), "ecret") {
		t.Errorf("%s, %v", text, err)
	}
	l.Follow(rules("db"))
	if got := l.Rows(rules("web")); got[0].Calls != 0 {
		t.Errorf("a workload that was gone came back with %d calls", got[0].Calls)
	}
}

// What strangers do takes no more than its room.
func TestStrangersAreBounded(t *testing.T) {
	l := New()
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for i := range 500 {
				l.Refusal(agent.Refusal{Time: noon, Remote: fmt.Sprint(i)}, "container")
				l.Event(lent("web", i, fmt.Sprint(i%3), noon))
				l.Rows(rules("web"))
			}
		})
	}
	wg.Wait()
	if list, n := l.Strangers(); len(list) != recent || n != 2000 {
		t.Errorf("%d of %d kept, want %d of 2000", len(list), n, recent)
	}
	if got := l.Rows(rules("web"))[0].Calls; got != 2000 {
		t.Errorf("%d calls, want 2000", got)
	}
}

func TestHow(t *testing.T) {
	at := broker.Caller{How: broker.ByPeer}
	unit, container, task, pod := at, at, at, at
	unit.Unit = "x.service"
	container.Container = &broker.Container{}
	task.Container, task.Task = &broker.Container{}, &broker.Task{}
	pod.Container, pod.Pod = &broker.Container{}, &broker.Pod{}
	for want, c := range map[string]broker.Caller{
		"process": at, "unit": unit, "container": container, "task": task, "pod": pod,
		"token": {How: broker.ByToken}, "pod token": {How: broker.ByPodToken, Pod: &broker.Pod{}},
	} {
		if got := How(c); got != want {
			t.Errorf("%v: %s, want %s", c, got, want)
		}
	}
}

// The warm path pays for this with every loan.
func BenchmarkEvent(b *testing.B) {
	l := New()
	e := lent("web", 7, "ASIA1", noon)
	b.ReportAllocs()
	for b.Loop() {
		l.Event(e)
	}
}
