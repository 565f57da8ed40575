package agent_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/mantle-iam/mantle/agent"
)

// Spellings that another metadata proxy was led astray by, or that a parser on
// the way might read differently. None may reach credentials, by whatever name
// the client goes; all go over a real connection, as an attacker's would.
func TestTricks(t *testing.T) {
	w := agent.NewWorkloads()
	g := w.Add("alpha")
	imds := start(t, agent.NewIMDS(lend(byWorkload), agent.IMDSOptions{AllowV1: func(c brokerCaller) bool { return true }}), agent.ServeOptions{Workload: "alpha"})
	ecs := start(t, agent.NewECS(lend(byWorkload), w, agent.ECSOptions{}), agent.ServeOptions{Workload: "alpha"})
	const role = "/latest/meta-data/iam/security-credentials/alpha"
	id := g.RelativeURI()
	for _, tt := range []struct {
		name, server string
		status       int
		request      string // the head, without its last empty line
	}{
		{"what works", imds, 200, "GET " + role + " HTTP/1.1\nHost: 169.254.169.254"},
		{"what works, by address", imds, 200, "GET " + role + " HTTP/1.1\nHost: HOST"},
		{"what works, by IPv6", imds, 200, "GET " + role + " HTTP/1.1\nHost: [fd00:ec2::254]:80"},
		{"escaped slash", imds, 400, "GET /latest/meta-data/iam%2fsecurity-credentials/alpha HTTP/1.1\nHost: localhost"},
		{"escaped letter", imds, 400, "GET /latest/meta-data/%69am/security-credentials/alpha HTTP/1.1\nHost: localhost"},
		{"escaped twice", imds, 400, "GET /latest/meta-data/iam%252fsecurity-credentials/alpha HTTP/1.1\nHost: localhost"},
		{"escaped dots", imds, 400, "GET /latest/x/%2e%2e/meta-data/iam/security-credentials/alpha HTTP/1.1\nHost: localhost"},
		{"path parameter", imds, 400, "GET /latest/meta-data/iam/security-credentials;x/alpha HTTP/1.1\nHost: localhost"},
		{"path parameter at the end", imds, 400, "GET " + role + ";x HTTP/1.1\nHost: localhost"},
		{"doubled slash", imds, 400, "GET /latest//meta-data/iam/security-credentials/alpha HTTP/1.1\nHost: localhost"},
		{"doubled slash first", imds, 400, "GET /" + role + " HTTP/1.1\nHost: localhost"},
		{"doubled slash last", imds, 400, "GET /latest/meta-data/iam/security-credentials// HTTP/1.1\nHost: localhost"},
		{"dots", imds, 400, "GET /latest/user-data/../meta-data/iam/security-credentials/alpha HTTP/1.1\nHost: localhost"},
		{"one dot", imds, 400, "GET /latest/./meta-data/iam/security-credentials/alpha HTTP/1.1\nHost: localhost"},
		{"dots last", imds, 400, "GET /latest/meta-data/iam/security-credentials/alpha/.. HTTP/1.1\nHost: localhost"},
		{"null byte", imds, 400, "GET " + role + "%00 HTTP/1.1\nHost: localhost"},
		{"line break", imds, 400, "GET " + role + "%0d%0a HTTP/1.1\nHost: localhost"},
		{"backslash", imds, 400, "GET /latest/meta-data\\iam/security-credentials/alpha HTTP/1.1\nHost: localhost"},
		{"full width", imds, 400, "GET /latest/meta-data/iam/security-credentials/alph\xef\xbd\x81 HTTP/1.1\nHost: localhost"},
		{"as a proxy is asked", imds, 400, "GET http://169.254.169.254" + role + " HTTP/1.1\nHost: 169.254.169.254"},
		{"user info as a proxy is asked", imds, 400, "GET http://localhost@evil.example" + role + " HTTP/1.1\nHost: localhost"},
		{"asterisk", imds, 400, "OPTIONS * HTTP/1.1\nHost: localhost"},
		{"tunnel", imds, 400, "CONNECT 169.254.169.254:80 HTTP/1.1\nHost: localhost"},
		{"upper case", imds, 404, "GET /Latest/Meta-Data/IAM/Security-Credentials/alpha HTTP/1.1\nHost: localhost"},
		{"query for a path", imds, 404, "GET /latest/x?/../meta-data/iam/security-credentials/alpha HTTP/1.1\nHost: localhost"},

		{"rebound name", imds, 403, "GET " + role + " HTTP/1.1\nHost: evil.example"},
		{"name that begins well", imds, 403, "GET " + role + " HTTP/1.1\nHost: localhost.evil.example"},
		{"address that begins well", imds, 403, "GET " + role + " HTTP/1.1\nHost: 169.254.169.254.nip.io"},
		{"another address", imds, 403, "GET " + role + " HTTP/1.1\nHost: 10.0.0.1"},
		{"octal address", imds, 403, "GET " + role + " HTTP/1.1\nHost: 0251.0376.0251.0376"},
		{"decimal address", imds, 403, "GET " + role + " HTTP/1.1\nHost: 2852039166"},
		{"mapped address", imds, 403, "GET " + role + " HTTP/1.1\nHost: [::ffff:a9fe:a9fe]"},
		{"no host", imds, 403, "GET " + role + " HTTP/1.0"},
		{"two hosts", imds, 400, "GET " + role + " HTTP/1.1\nHost: localhost\nHost: localhost"},

		{"forwarded", imds, 403, "GET " + role + " HTTP/1.1\nHost: localhost\nX-Forwarded-For: 10.0.0.1"},
		{"forwarded in lower case", imds, 403, "GET " + role + " HTTP/1.1\nHost: localhost\nx-forwarded-for: 10.0.0.1"},
		{"forwarded by the standard", imds, 403, "GET " + role + " HTTP/1.1\nHost: localhost\nForwarded: for=10.0.0.1"},
		{"via", imds, 403, "GET " + role + " HTTP/1.1\nHost: localhost\nVia: 1.1 nginx"},
		{"page in a browser", imds, 403, "GET " + role + " HTTP/1.1\nHost: localhost\nOrigin: https://evil.example"},
		{"forwarded listing", imds, 403, "GET /latest/meta-data/iam/ HTTP/1.1\nHost: localhost\nX-Forwarded-For: 10.0.0.1"},

		{"POST", imds, 405, "POST " + role + " HTTP/1.1\nHost: localhost\nContent-Length: 0"},
		{"DELETE", imds, 405, "DELETE " + role + " HTTP/1.1\nHost: localhost"},
		{"PUT", imds, 405, "PUT " + role + " HTTP/1.1\nHost: localhost\nContent-Length: 0"},
		{"TRACE", imds, 405, "TRACE " + role + " HTTP/1.1\nHost: localhost"},
		{"made-up method", imds, 405, "GETT " + role + " HTTP/1.1\nHost: localhost"},
		{"large body", imds, 413, "GET " + role + " HTTP/1.1\nHost: localhost\nContent-Length: 1000000"},
		{"endless body", imds, 413, "GET " + role + " HTTP/1.1\nHost: localhost\nTransfer-Encoding: chunked"},
		{"large header", imds, 431, "GET " + role + " HTTP/1.1\nHost: localhost\nX: " + strings.Repeat("x", 30000)},

		{"container: what works", ecs, 200, "GET " + id + " HTTP/1.1\nHost: 169.254.170.2"},
		{"container: what works in pods", ecs, 200, "GET /v1/credentials HTTP/1.1\nHost: [fd00:ec2::23]\nAuthorization: " + g.Token()},
		{"container: rebound name", ecs, 403, "GET " + id + " HTTP/1.1\nHost: evil.example"},
		{"container: forwarded", ecs, 403, "GET " + id + " HTTP/1.1\nHost: localhost\nX-Forwarded-For: 10.0.0.1"},
		{"container: page in a browser", ecs, 403, "GET " + id + " HTTP/1.1\nHost: localhost\nOrigin: null"},
		{"container: doubled slash", ecs, 400, "GET /" + id + " HTTP/1.1\nHost: localhost"},
		{"container: escaped slash", ecs, 400, "GET " + strings.Replace(id, "s/", "s%2f", 1) + " HTTP/1.1\nHost: localhost"},
		{"container: dots", ecs, 400, "GET /x/.." + id + " HTTP/1.1\nHost: localhost"},
		{"container: as a proxy is asked", ecs, 400, "GET http://169.254.170.2" + id + " HTTP/1.1\nHost: 169.254.170.2"},
		{"container: large body", ecs, 413, "GET " + id + " HTTP/1.1\nHost: localhost\nContent-Length: 1000000"},
		{"container: folded token", ecs, 400, "GET /v1/credentials HTTP/1.1\nHost: localhost\nAuthorization: " + g.Token()[:20] + "\n\x01" + g.Token()[20:]},
	} {
		t.Run(tt.name, func(t *testing.T) {
			addr := strings.TrimPrefix(tt.server, "http://")
			head := strings.ReplaceAll(strings.Replace(tt.request, "HOST", addr, 1), "\n", "\r\n")
			status, text := exchange(t, addr, head+"\r\nConnection: close\r\n\r\n")
			if status != tt.status {
				t.Fatalf("status %d, want %d: %s", status, tt.status, text)
			}
			if got := strings.Contains(text, testSecret); got != (status == 200) {
				t.Errorf("status %d and credentials %v: %s", status, got, text)
			}
		})
	}
}

// exchange sends bytes and reads one answer.
func exchange(t *testing.T, addr, request string) (int, string) {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(5 * time.Second))
	fmt.Fprint(c, request) // the server may hang up before the end
	r, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	b, _ := io.ReadAll(r.Body)
	return r.StatusCode, string(b)
}
