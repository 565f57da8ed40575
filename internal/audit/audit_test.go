package audit

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mantle-iam/mantle/agent"
	"github.com/mantle-iam/mantle/broker"
)

func lent(key string) broker.Event {
	return broker.Event{
		Time: time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC), Outcome: broker.Lent, Rule: "web",
		Caller: broker.Caller{UID: 1001, GID: 1001, PID: 4711, Exe: "/usr/bin/web", Unit: "web.service", How: broker.ByPeer, Door: "metadata"},
		Role:   "arn:aws:iam::111122223333:role/web", SessionName: "web@host", AccessKeyID: key,
		Expires: time.Date(2026, 11, 22, 13, 0, 0, 0, time.UTC), Cached: true, Took: 1500 * time.Microsecond,
	}
}

func TestLine(t *testing.T) {
	refused := broker.Event{Outcome: broker.Refused, Err: errors.New("no"), Caller: broker.Caller{
		UID: 0, GID: 0, PID: -1, How: broker.ByPeer, Exe: "/tmp/x\n\"}",
		Container: &broker.Container{Runtime: "docker", ID: "0123", Name: "web", Image: "nginx:1.29", Labels: map[string]string{broker.LabelComposeService: "web", "secret": "s3cret"}},
		Task:      &broker.Task{ARN: "arn:aws:ecs:eu-west-1:111122223333:task/c/1", Cluster: "c", Family: "f", Revision: "7", Container: "web"},
		Pod:       &broker.Pod{UID: "u", Namespace: "n", Name: "p", ServiceAccount: "a", Labels: map[string]string{"x": "s3cret"}},
	}}
	e := lent("ASIAIOSFODNN7EXAMPLE")
	for _, tt := range []struct{ got, want string }{
		{string(appendEvent(nil, &e)),
			`{"time":"2026-11-22T12:00:00.000Z","level":"INFO","msg":"loan","outcome":"lent","workload":"web","how":"peer","door":"metadata","caller":{"uid":1001,"gid":1001,"pid":4711,"exe":"/usr/bin/web","unit":"web.service"},"role":"arn:aws:iam::111122223333:role/web","session_name":"web@host","access_key_id":"ASIAIOSFODNN7EXAMPLE","expires":"2026-11-22T13:00:00.000Z","cached":true,"took_ms":1.5}`},
		{string(appendEvent(nil, &refused)),
			`{"time":"0001-01-01T00:00:00.000Z","level":"WARN","msg":"loan","outcome":"refused","how":"peer","caller":{"uid":0,"gid":0,"exe":"/tmp/x\n\"}","container":{"runtime":"docker","id":"0123","name":"web","image":"nginx:1.29","compose_service":"web"},"task":{"arn":"arn:aws:ecs:eu-west-1:111122223333:task/c/1","cluster":"c","family":"f","revision":"7","container":"web"},"pod":{"namespace":"n","name":"p","uid":"u","service_account":"a"}},"cached":false,"took_ms":0,"error":"no"}`},
		{string(appendEvent(nil, &broker.Event{Outcome: broker.NotIssued, Role: "r", Err: errors.New("STS is down")})),
			`{"time":"0001-01-01T00:00:00.000Z","level":"WARN","msg":"loan","outcome":"not-issued","role":"r","took_ms":0,"error":"STS is down"}`},
		{string(appendRefusal(nil, &agent.Refusal{Class: agent.RefusedCaller, Remote: "10.0.0.1:5", Path: "/v1/credentials", Status: 403, Reason: "who is it"}, "container")),
			`{"time":"0001-01-01T00:00:00.000Z","level":"WARN","msg":"loan","outcome":"refused","door":"container","remote":"10.0.0.1:5","path":"/v1/credentials","status":403,"class":"caller","error":"who is it"}`},
	} {
		if tt.got != tt.want+"\n" {
			t.Errorf("got  %swant %s", tt.got, tt.want)
		}
		if !json.Valid([]byte(tt.got)) {
			t.Errorf("no JSON: %s", tt.got)
		}
	}
}

func FuzzLine(f *testing.F) {
	f.Add("web", "/usr/bin/web", "reason")
	f.Add("\x00\u2028\xff", `"},{"`, "a\nb")
	f.Fuzz(func(t *testing.T, name, exe, reason string) {
		e := broker.Event{Rule: name, Err: errors.New(reason), Caller: broker.Caller{Exe: exe, How: broker.ByPeer}}
		line := appendEvent(nil, &e)
		var got struct {
			Workload, Error string
			Caller          struct{ Exe string }
		}
		if err := json.Unmarshal(line, &got); err != nil || bytes.Count(line, []byte("\n")) != 1 {
			t.Fatalf("%v: %q", err, line)
		}
		valid := func(s string) string { return strings.ToValidUTF8(s, "\ufffd") }
		if valid(name) == name && got.Workload != name || valid(exe) == exe && got.Caller.Exe != exe || valid(reason) == reason && got.Error != reason {
			t.Errorf("%q, %q, %q came back as %+v", name, exe, reason, got)
		}
	})
}

// A file that is rotated is left to whoever rotated it; what comes later is in
// the new one, and nothing is missing.
func TestRotation(t *testing.T) {
	for _, how := range []string{"renamed", "SIGHUP after copytruncate"} {
		t.Run(how, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "audit.jsonl")
			l, err := Open(path, nil, Options{})
			if err != nil {
				t.Fatal(err)
			}
			l.Event(lent("ASIA1"))
			eventually(t, func() bool { return keys(path) == "ASIA1" })
			if err := os.Rename(path, path+".1"); err != nil {
				t.Fatal(err)
			}
			if how != "renamed" {
				l.Reopen()
				eventually(t, func() bool { _, err := os.Stat(path); return err == nil })
			} else {
				time.Sleep(checked) // the name is looked at once a second
			}
			l.Event(lent("ASIA2"))
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			if keys(path+".1") != "ASIA1" || keys(path) != "ASIA2" {
				t.Errorf("old file has %s, new one %s", keys(path+".1"), keys(path))
			}
			info, err := os.Stat(path)
			if err != nil || info.Mode().Perm() != 0o600 {
				t.Errorf("mode %v, %v", info.Mode(), err)
			}
		})
	}
}

func keys(path string) string {
	b, _ := os.ReadFile(path)
	var list []string
	for line := range bytes.Lines(b) {
		var at struct {
			Key string `json:"access_key_id"`
		}
		if err := json.Unmarshal(line, &at); err != nil {
			return err.Error()
		}
		list = append(list, at.Key)
	}
	return strings.Join(list, " ")
}

func eventually(t *testing.T, f func() bool) {
	t.Helper()
	for range 200 {
		if f() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("it did not come about")
}

// disk is a sink that may be full, and takes part of a line then.
type disk struct {
	mu   sync.Mutex
	full bool
	text []byte
}

func (d *disk) write(b []byte) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.full {
		n := min(len(b), 10)
		d.text = append(d.text, b[:n]...)
		return n, syscall.ENOSPC
	}
	d.text = append(d.text, b...)
	return len(b), nil
}
func (d *disk) check(bool) error { return nil }
func (d *disk) close() error     { return nil }
func (d *disk) set(full bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.full = full
}

// A full disk holds up nobody. What finds no room is counted, told of in the
// log and, once there is space again, in the audit itself.
func TestFullDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var said bytes.Buffer
		d := &disk{full: true}
		l := start(d, Options{Room: 20_000, Log: slog.New(slog.NewTextHandler(&said, nil))})
		const all = 100
		began := time.Now()
		for i := range all {
			l.Event(lent(fmt.Sprint("ASIA", i)))
			if i == 10 {
				time.Sleep(5 * time.Second) // the disk turns out to be full meanwhile
			}
		}
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("loans waited %v for the disk", took-5*time.Second)
		}
		lost := l.Lost()
		if lost == 0 || lost == all {
			t.Errorf("%d of %d lines lost", lost, all)
		}
		d.set(false)
		time.Sleep(3 * time.Second)
		l.Event(lent("ASIAlast"))
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		if l.Lost() != lost || l.Lines() != all+1-lost {
			t.Errorf("%d lines lost, %d taken", l.Lost(), l.Lines())
		}
		lines := strings.Split(strings.TrimSpace(string(d.text)), "\n")
		told := false
		for _, line := range lines {
			if !json.Valid([]byte(line)) {
				t.Errorf("torn line %q", line)
			}
			told = told || strings.Contains(line, fmt.Sprintf(`"msg":"lost","lines":%d`, lost))
		}
		if uint64(len(lines)) != all+1-lost+1 || !told {
			t.Errorf("%d lines, want %d of loans and one of what was lost:\n%s", len(lines), all+1-lost, lines[len(lines)-2])
		}
		if !strings.Contains(said.String(), "cannot be written") || !strings.Contains(said.String(), "is written again") {
			t.Errorf("the log says %s", said.String())
		}
	})
}

// An agent that ends while the disk is full ends all the same, and says so.
func TestCloseOnFullDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var said bytes.Buffer
		l := start(&disk{full: true}, Options{Log: slog.New(slog.NewTextHandler(&said, nil))})
		for range 50 {
			l.Event(lent("ASIA"))
		}
		began := time.Now()
		l.Close()
		if took := time.Since(began); took > parting+time.Second {
			t.Errorf("the end took %v", took)
		}
		if l.Lost() == 0 || !strings.Contains(said.String(), "ends without its last lines") {
			t.Errorf("%d lines lost, and the log says %s", l.Lost(), said.String())
		}
		l.Event(lent("ASIA")) // afterwards: counted, not a crash
	})
}

func TestOpenErrors(t *testing.T) {
	if _, err := Open(filepath.Join(t.TempDir(), "no", "such", "folder"), nil, Options{}); err == nil || !strings.Contains(err.Error(), "open the audit log") {
		t.Errorf("got %v", err)
	}
}

func BenchmarkEvent(b *testing.B) {
	l := start(&disk{}, Options{Room: 1 << 30})
	e := lent("ASIAIOSFODNN7EXAMPLE")
	b.ReportAllocs()
	for b.Loop() {
		l.Event(e)
	}
	b.StopTimer()
	l.Close()
}
