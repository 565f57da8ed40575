package metrics

import (
	"encoding/json"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"
)

// Check is one of the things that have to be well for the agent to be ready.
type Check struct {
	Name   string `json:"name"`
	OK     bool   `json:"ok"`
	Detail string `json:"detail,omitempty"`
}

// Ready reports whether all checks are well.
func Ready(checks []Check) bool {
	for _, c := range checks {
		if !c.OK {
			return false
		}
	}
	return true
}

// Readiness is the answer of /readyz.
type Readiness struct {
	Schema string  `json:"schema"`
	Ready  bool    `json:"ready"`
	Checks []Check `json:"checks"`
}

// Handler serves /metrics, /healthz (200 while the process runs) and /readyz
// (200 if all checks are well, else 503; JSON with each of them either way).
// Names of hosts other than localhost are refused, so that no page of a browser
// can read it by a name that changes where it leads.
func Handler(a *Agent, ready func() []Check) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", a)
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.Write([]byte("ok\n"))
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		checks := ready()
		out := Readiness{"mantle/v1", Ready(checks), checks}
		w.Header().Set("Content-Type", "application/json")
		if !out.Ready {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		enc := json.NewEncoder(w)
		enc.SetEscapeHTML(false)
		enc.Encode(out)
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host, _, err := net.SplitHostPort(r.Host)
		if err != nil {
			host = strings.Trim(r.Host, "[]")
		}
		if _, err := netip.ParseAddr(host); err != nil && host != "localhost" && host != "" {
			http.Error(w, "use the address of this endpoint, not a name", http.StatusForbidden)
			return
		}
		mux.ServeHTTP(w, r)
	})
}

// Server serves h with the time limits of an endpoint that machines ask.
func Server(h http.Handler) *http.Server {
	return &http.Server{Handler: h, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: 30 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 16 << 10}
}
