package metrics

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/mantle-iam/mantle/agent"
	"github.com/mantle-iam/mantle/broker"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

func standings(n int) []broker.Standing {
	var list []broker.Standing
	for i := range n {
		left := time.Duration(n-i) * time.Second
		list = append(list, broker.Standing{Role: fmt.Sprintf("arn:aws:iam::111122223333:role/r%05d", i), SessionName: "s", AccessKeyID: "ASIA", Expires: noon.Add(left), Left: left})
	}
	return list
}

func full(n int) *Agent {
	list := standings(n)
	return New(Options{
		Version: "v1", Commit: "abc", Go: "go1.26",
		Standings: func() []broker.Standing { return list }, Workloads: func() int { return n }, Held: func() int { return 3 },
		Directories: func() map[string]bool { return map[string]bool{"docker": true, "podman": false} }, Intercepting: func() bool { return true },
		AuditLines: func() uint64 { return 7 }, AuditLost: func() uint64 { return 1 },
	})
}

func TestSeries(t *testing.T) {
	a := full(2)
	for _, e := range []broker.Event{
		{Outcome: broker.Lent, Cached: true}, {Outcome: broker.Lent, Cached: true}, {Outcome: broker.Lent},
		{Outcome: broker.Refused, Err: errors.New("x")}, {Outcome: broker.Refused, Rule: "web"},
		{Outcome: broker.NotLent, Err: &broker.LendError{Kind: broker.Denied}}, {Outcome: broker.NotLent, Err: errors.New("late")},
		{Outcome: broker.Issued, Took: 100 * time.Millisecond}, {Outcome: broker.Issued, Took: time.Minute},
		{Outcome: broker.NotIssued, Err: &broker.LendError{Kind: broker.Throttled}, Took: 3 * time.Second},
	} {
		a.Event(e)
	}
	a.Refusal(agent.Refusal{Class: agent.RefusedToken})
	a.Refusal(agent.Refusal{Class: "of a later version"})
	a.Reloaded(true)
	a.Reloaded(false)
	a.Repaired(true)
	got := string(a.Append(nil, noon))
	for _, want := range []string{
		`mantle_build_info{version="v1",commit="abc",goversion="go1.26"} 1`,
		`mantle_loans_total{source="cache"} 2`, `mantle_loans_total{source="sts"} 1`,
		`mantle_refusals_total{reason="no_workload"} 1`, `mantle_refusals_total{reason="unresolved"} 1`,
		`mantle_refusals_total{reason="sts_denied"} 1`, `mantle_refusals_total{reason="sts_failed"} 1`,
		`mantle_refusals_total{reason="token"} 1`, `mantle_refusals_total{reason="request"} 1`,
		`mantle_sts_calls_total{result="ok"} 2`, `mantle_sts_calls_total{result="throttled"} 1`, `mantle_sts_calls_total{result="denied"} 0`,
		`mantle_sts_call_duration_seconds_bucket{le="0.05"} 0`, `mantle_sts_call_duration_seconds_bucket{le="0.1"} 1`,
		`mantle_sts_call_duration_seconds_bucket{le="5"} 2`, `mantle_sts_call_duration_seconds_bucket{le="+Inf"} 3`,
		`mantle_sts_call_duration_seconds_sum 63.1`, `mantle_sts_call_duration_seconds_count 3`,
		`mantle_reloads_total{result="done"} 1`, `mantle_reloads_total{result="refused"} 1`,
		`mantle_held_callers 3`, `mantle_directory_ready{directory="podman"} 0`, `mantle_interception_in_place 1`,
		`mantle_interception_losses_total{result="repaired"} 1`, `mantle_audit_lost_lines_total 1`,
		`mantle_credentials_expiry_seconds{role="arn:aws:iam::111122223333:role/r00001"} 1`,
	} {
		if !strings.Contains(got, "\n"+want+"\n") {
			t.Errorf("no series %s in\n%s", want, got)
		}
	}
}

// TestFormat holds the page to the format, and its names to what promlint asks:
// a help text and a type before the first sample of each family, base units,
// counters and nothing else that end in _total, no family twice.
func TestFormat(t *testing.T) {
	page := string(full(3).Append(nil, noon))
	sample := regexp.MustCompile(`^([a-z_]+)(\{[a-z_]+="(?:[^"\\\n]|\\[\\"n])*"(?:,[a-z_]+="(?:[^"\\\n]|\\[\\"n])*")*\})? (\S+)$`)
	families, series := map[string]string{}, map[string]bool{}
	name, kind, helped := "", "", ""
	for line := range strings.SplitSeq(strings.TrimSuffix(page, "\n"), "\n") {
		if help, ok := strings.CutPrefix(line, "# HELP "); ok {
			helped, help, _ = strings.Cut(help, " ")
			if !strings.HasSuffix(help, ".") || len(help) < 10 {
				t.Errorf("%s has the help %q", helped, help)
			}
			continue
		}
		if typed, ok := strings.CutPrefix(line, "# TYPE "); ok {
			name, kind, _ = strings.Cut(typed, " ")
			if families[name] != "" || name != helped {
				t.Errorf("family %s is there twice or without help", name)
			}
			families[name] = kind
			if strings.HasSuffix(name, "_total") != (kind == counter) {
				t.Errorf("%s is a %s", name, kind)
			}
			for _, bad := range []string{"millis", "_ms", "minutes", "kilo", "percent", "_timestamp"} {
				if strings.Contains(name, bad) {
					t.Errorf("%s is not in a base unit", name)
				}
			}
			continue
		}
		m := sample.FindStringSubmatch(line)
		if m == nil {
			t.Errorf("no sample: %q", line)
			continue
		}
		base := m[1]
		if kind == histogramKind {
			base = strings.TrimSuffix(strings.TrimSuffix(strings.TrimSuffix(base, "_bucket"), "_sum"), "_count")
		}
		if base != name || series[m[1]+m[2]] {
			t.Errorf("series %s stands in family %s, or twice", m[1]+m[2], name)
		}
		series[m[1]+m[2]] = true
		if _, err := strconv.ParseFloat(m[3], 64); err != nil {
			t.Error(err)
		}
	}
	if len(families) < 12 {
		t.Errorf("%d families: %v", len(families), families)
	}
}

// However many workloads and roles there are, the series are few.
func TestCardinality(t *testing.T) {
	a := full(10_000)
	for i := range 10_000 {
		who := broker.Caller{UID: i, PID: i, How: broker.ByPeer}
		a.Event(broker.Event{Outcome: broker.Lent, Rule: fmt.Sprint("w", i), Caller: who, Role: fmt.Sprint(i)})
		a.Event(broker.Event{Outcome: broker.Refused, Caller: who, Err: fmt.Errorf("reason %d", i)})
		a.Refusal(agent.Refusal{Class: fmt.Sprint(i), Remote: fmt.Sprint(i), Reason: fmt.Sprint(i)})
	}
	page := string(a.Append(nil, noon))
	if n := strings.Count(page, "\n"); n > 250 {
		t.Errorf("%d lines", n)
	}
	if n := strings.Count(page, "mantle_credentials_expiry_seconds{"); n != 101 {
		t.Errorf("%d series of roles, want 100 and \"other\"", n)
	}
	// Who ends first is not hidden by its name.
	if !strings.Contains(page, `mantle_credentials_expiry_seconds{role="other"} 1`+"\n") {
		t.Error("the least of the others is not told")
	}
}

func TestEscapes(t *testing.T) {
	p := page{}
	p.family("x", gauge, "a\\b\nc.")
	p.sample(1, "l", "q\"b\\n\n")
	if want := "# HELP x a\\\\b\\nc.\n# TYPE x gauge\nx{l=\"q\\\"b\\\\n\\n\"} 1\n"; string(p.b) != want {
		t.Errorf("got %q, want %q", p.b, want)
	}
}

func TestHandler(t *testing.T) {
	checks := []Check{{"doors", true, ""}, {"base", false, "no credentials"}}
	h := Handler(full(1), func() []Check { return checks })
	get := func(host, path string) *httptest.ResponseRecorder {
		r := httptest.NewRequest("GET", path, nil)
		r.Host = host
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w
	}
	for _, tt := range []struct {
		host, path string
		status     int
	}{
		{"127.0.0.1:9419", "/metrics", http.StatusOK},
		{"[::1]:9419", "/healthz", http.StatusOK},
		{"localhost", "/healthz", http.StatusOK},
		{"rebound.example:9419", "/metrics", http.StatusForbidden},
		{"127.0.0.1:9419", "/readyz", http.StatusServiceUnavailable},
		{"127.0.0.1:9419", "/debug/pprof/", http.StatusNotFound},
	} {
		if w := get(tt.host, tt.path); w.Code != tt.status {
			t.Errorf("%s%s: %d, want %d: %s", tt.host, tt.path, w.Code, tt.status, w.Body)
		}
	}
	var out Readiness
	if err := json.Unmarshal(get("127.0.0.1:9419", "/readyz").Body.Bytes(), &out); err != nil || out.Schema != "mantle/v1" || out.Ready || len(out.Checks) != 2 || out.Checks[1].Detail != "no credentials" {
		t.Errorf("%+v, %v", out, err)
	}
	checks[1].OK = true
	if w := get("127.0.0.1:9419", "/readyz"); w.Code != http.StatusOK {
		t.Errorf("all is well and /readyz says %d", w.Code)
	}
	if got := get("127.0.0.1:9419", "/metrics").Header().Get("Content-Type"); got != contentType {
		t.Errorf("content type %q", got)
	}
}

func BenchmarkEvent(b *testing.B) {
	a := New(Options{})
	for b.Loop() {
		a.Event(broker.Event{Outcome: broker.Lent, Cached: true})
	}
}
