package agent_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/mantle-iam/mantle/agent"
	"github.com/mantle-iam/mantle/broker"
)

// discard is a ResponseWriter that keeps nothing.
type discard struct{ h http.Header }

func (d *discard) Header() http.Header         { clear(d.h); return d.h }
func (d *discard) Write(b []byte) (int, error) { return len(b), nil }
func (d *discard) WriteHeader(int)             {}

// What a handler adds to net/http, with a broker that takes no time.
func BenchmarkECS(b *testing.B) {
	w := agent.NewWorkloads()
	g := w.Add("alpha")
	creds := credentials(testRole)
	creds.SessionToken = strings.Repeat("IQoJb3Jp", 100)
	e := agent.NewECS(always(creds, nil), w, agent.ECSOptions{})
	r := httptest.NewRequest("GET", "/v1/credentials", nil)
	r.Host = "localhost:4510"
	r.Header.Set("Authorization", g.Token())
	bench(b, e, r)
}

func BenchmarkIMDS(b *testing.B) {
	creds := credentials(testRole)
	creds.SessionToken = strings.Repeat("IQoJb3Jp", 100)
	m := agent.NewIMDS(always(creds, nil), agent.IMDSOptions{})
	tok := body(b, request(m, listener("alpha"), "PUT", "/latest/api/token", ttl+"21600"))
	r := httptest.NewRequest("GET", iamPath+"security-credentials/alpha", nil)
	r.Host = "169.254.169.254"
	r.Header.Set("X-Aws-Ec2-Metadata-Token", tok)
	bench(b, m, r.WithContext(agent.WithCaller(r.Context(), broker.Caller{Workload: "alpha", UID: -1, PID: -1, How: broker.ByListener})))
}

func bench(b *testing.B, h http.Handler, r *http.Request) {
	w := &discard{make(http.Header)}
	b.ReportAllocs()
	for b.Loop() {
		h.ServeHTTP(w, r)
	}
}
