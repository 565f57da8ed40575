package broker

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestAudit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var events []Event
		sts := &bank{delay: 100 * time.Millisecond}
		b := New(Rules{rule("web")}, sts, Options{Audit: func(e Event) { events = append(events, e) }})
		ask := func(workload string) {
			b.Credentials(t.Context(), token(workload))
			synctest.Wait()
		}
		ask("web")
		ask("web")
		ask("nobody")
		time.Sleep(2 * time.Hour)
		sts.set(func(s *bank) { s.fail = denied() })
		ask("web")
		ask("web")

		role := "arn:aws:iam::111122223333:role/web"
		want := []struct {
			outcome Outcome
			role    string
			key     bool
			cached  bool
			failed  bool
			took    time.Duration
		}{
			{Issued, role, true, false, false, 100 * time.Millisecond},
			{Lent, role, true, false, false, 100 * time.Millisecond},
			{Lent, role, true, true, false, 0},
			{Refused, "", false, true, true, 0},
			{NotIssued, role, false, false, true, 100 * time.Millisecond},
			{NotLent, role, false, false, true, 100 * time.Millisecond},
			{NotLent, role, false, true, true, 0},
		}
		if len(events) != len(want) {
			t.Fatalf("%d events, want %d: %v", len(events), len(want), events)
		}
		for i, w := range want {
			e := events[i]
			if e.Outcome != w.outcome || e.Role != w.role || (e.AccessKeyID != "") != w.key || !e.Expires.IsZero() != w.key ||
				e.Cached != w.cached || (e.Err != nil) != w.failed || e.Took != w.took {
				t.Errorf("event %d: %+v\nwant %+v", i, e, w)
			}
			asked := w.outcome != Issued && w.outcome != NotIssued
			if asked != (e.Caller.Workload != "") || asked && w.outcome != Refused && (e.Rule != "web" || e.SessionName != "web") {
				t.Errorf("event %d: caller %v, rule %q, session %q", i, e.Caller, e.Rule, e.SessionName)
			}
		}
	})
}

func TestEventIsLoggedWithoutSecrets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		logger := slog.New(slog.NewJSONHandler(&log, nil))
		b := New(Rules{rule("web")}, &bank{}, Options{Audit: func(e Event) { logger.Info("loan", "event", e) }})
		b.Credentials(t.Context(), token("web"))
		synctest.Wait()
		for _, want := range []string{`"workload":"web"`, `"how":"token"`, `"rule":"web"`, `"session_name":"web"`, `"access_key_id":"ASIA0000000000000001"`, `"outcome":"lent"`, `"expires":"2000-01-01T01:00:00Z"`} {
			if !strings.Contains(log.String(), want) {
				t.Errorf("log lacks %s:\n%s", want, log.String())
			}
		}
		if strings.Contains(log.String(), "secret") {
			t.Errorf("log holds a secret:\n%s", log.String())
		}
	})
}

func TestCredentialsDoNotPrintSecrets(t *testing.T) {
	c := Credentials{
		AccessKeyID: "ASIAIOSFODNN7EXAMPLE", SecretAccessKey: "very-secret", SessionToken: "token-secret",
		RoleARN: roleWeb, AccountID: "111122223333", Expires: time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC),
	}
	var out []string
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t"} {
		out = append(out, fmt.Sprintf(verb, c), fmt.Sprintf(verb, &c), fmt.Sprintf(verb, []Credentials{c}),
			fmt.Sprintf(verb, struct{ C Credentials }{c}), fmt.Sprintf(verb, map[string]any{"c": c}))
	}
	js, err := json.Marshal(map[string]any{"c": c})
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "c", c, "in", struct{ C *Credentials }{&c})
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "c", c, "in", struct{ C Credentials }{c})
	for _, s := range append(out, string(js), log.String()) {
		low := strings.ToLower(s)
		if strings.Contains(low, "secret") || strings.Contains(low, fmt.Sprintf("%x", "secret")) {
			t.Errorf("printed a secret: %s", s)
		}
		if !strings.Contains(s, c.AccessKeyID) {
			t.Errorf("printed without its key id: %s", s)
		}
	}
}

func TestErrorsCarryTheCure(t *testing.T) {
	tests := []struct {
		err  error
		want string
	}{
		{
			&RefusedError{Caller: token("web"), Decision: Decision{Reason: `there is no workload "web"`}},
			`refused workload web (token): there is no workload "web"`,
		},
		{
			&LendError{Role: "R", Hop: "R", Kind: Denied, Code: "AccessDenied", Message: "no", Cure: "ask"},
			"borrow R: AccessDenied: no (ask)",
		},
		{&LendError{Role: "R", Hop: "H", Kind: Expired, Err: errors.New("token gone")}, "borrow R by way of H: token gone"},
		{&LendError{Role: "R", Kind: Throttled}, "borrow R: throttled"},
	}
	for _, tt := range tests {
		if got := tt.err.Error(); got != tt.want {
			t.Errorf("got  %s\nwant %s", got, tt.want)
		}
	}
}

func TestCallerString(t *testing.T) {
	tests := []struct {
		caller Caller
		want   string
	}{
		{Caller{}, "unidentified caller"},
		{token("web"), "workload web (token)"},
		{Caller{UID: 1001, PID: 4711, Exe: "/usr/bin/web", Unit: "web.service", How: ByPeer}, "uid 1001 pid 4711 exe /usr/bin/web unit web.service (peer)"},
		{Caller{UID: 7, PID: -1, Exe: "/tmp/x\nuid 0", How: ByPeer}, `uid 7 exe "/tmp/x\nuid 0" (peer)`},
		{Caller{UID: -1, PID: -1, How: ByPeer}, "unidentified caller (peer)"},
	}
	for _, tt := range tests {
		if got := tt.caller.String(); got != tt.want {
			t.Errorf("got %q, want %q", got, tt.want)
		}
	}
}
