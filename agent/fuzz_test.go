package agent_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/mantle-iam/mantle/agent"
)

// fuzzed builds the request that a server would after reading these parts; ok
// is false where net/http would not have let them through.
func fuzzed(method, target, host, name, value string) (r *http.Request, ok bool) {
	u, err := url.ParseRequestURI(target)
	if err != nil {
		return nil, false
	}
	for _, c := range []byte(method + name) {
		if c <= ' ' || c >= 0x7f || strings.IndexByte("\"(),/:;<=>?@[\\]{}", c) >= 0 {
			return nil, false
		}
	}
	if method == "" || name == "" || strings.ContainsAny(value, "\r\n\x00") {
		return nil, false
	}
	r = httptest.NewRequest("GET", "/", nil)
	r.Method, r.RequestURI, r.URL, r.Host = method, target, u, host
	r.Header = http.Header{http.CanonicalHeaderKey(name): {strings.TrimSpace(value)}}
	return r, true
}

// FuzzIMDS: no method, path, host or header yields a credential, the name of a
// role or anything of the host's own metadata to a request without a token of its caller's.
func FuzzIMDS(f *testing.F) {
	m := agent.NewIMDS(lend(byWorkload), agent.IMDSOptions{Instance: testInstance, Upstream: upstream(fromHost), Allow: everything})
	r := request(m, listener("beta"), "PUT", "/latest/api/token", ttl+"21600")
	foreign := body(f, r)
	for _, target := range []string{
		"/", "/latest/api/token", "/latest/meta-data/iam/security-credentials/alpha", "/latest/meta-data/iam/info", "/1.0/meta-data/iam/",
		"/latest/meta-data/iam/security-credentials;x/alpha", "//latest/meta-data/iam/security-credentials/", "/latest/meta-data/iam%2fsecurity-credentials/alpha",
		"http://169.254.169.254/latest/meta-data/iam/security-credentials/alpha", "/latest/x/../meta-data/iam/security-credentials-extended/alpha?a=b",
	} {
		f.Add("GET", target, "localhost", "X-Aws-Ec2-Metadata-Token", foreign)
		f.Add("PUT", target, "169.254.169.254", "X-Aws-Ec2-Metadata-Token-Ttl-Seconds", "60")
		f.Add("POST", target, "[fd00:ec2::254]:80", "X-Forwarded-For", "127.0.0.1")
	}
	f.Fuzz(func(t *testing.T, method, target, host, name, value string) {
		r, ok := fuzzed(method, target, host, name, value)
		if !ok {
			return
		}
		r = r.WithContext(agent.WithCaller(r.Context(), *listener("alpha")))
		w := httptest.NewRecorder()
		m.ServeHTTP(w, r)
		text := w.Body.String()
		if strings.Contains(text, "ASIA") || strings.Contains(text, testSecret) || strings.Contains(text, "instance-profile") || strings.Contains(text, "HOST ") {
			t.Fatalf("%s %q host %q %s: %q: status %d: %s", method, target, host, name, value, w.Code, text)
		}
		switch token := method == "PUT" && strings.TrimSuffix(r.URL.Path, "?") == "/latest/api/token"; {
		case w.Code == 200 && !token:
			t.Fatalf("%s %q host %q %s: %q: status 200: %s", method, target, host, name, value, text)
		case w.Code >= 500:
			t.Fatalf("%s %q: status %d: %s", method, target, w.Code, text)
		}
	})
}

// FuzzECS: without a secret of a running workload there are no credentials, and
// every answer is JSON.
func FuzzECS(f *testing.F) {
	w := agent.NewWorkloads()
	w.Add("alpha")
	e := agent.NewECS(lend(byWorkload), w, agent.ECSOptions{})
	for _, target := range []string{
		"/", "/v1/credentials", "/v1/credentials?id=x", "/v1/credentials?id=%00&id=", "/v2/credentials", "/v2/credentials/", "/v2/credentials/x/y",
		"/v2/credentials/0f8a6c1e-7f0e-4f6b-9d2e-3b8a9b7c1d2e", "//v2/credentials/x", "/v2/credentials/%2e%2e", "http://169.254.170.2/v1/credentials",
	} {
		f.Add("GET", target, "localhost", "Authorization", "x")
		f.Add("HEAD", target, "169.254.170.2", "Authorization", "")
		f.Add("POST", target, "evil.example", "Via", "1.1 x")
	}
	f.Fuzz(func(t *testing.T, method, target, host, name, value string) {
		r, ok := fuzzed(method, target, host, name, value)
		if !ok {
			return
		}
		w := httptest.NewRecorder()
		e.ServeHTTP(w, r)
		if text := w.Body.String(); w.Code < 400 || w.Code >= 500 || strings.Contains(text, "ASIA") || !json.Valid([]byte(text)) {
			t.Fatalf("%s %q host %q %s: %q: status %d: %s", method, target, host, name, value, w.Code, text)
		}
	})
}
