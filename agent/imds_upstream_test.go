package agent_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/mantle-iam/mantle/agent"
	"github.com/mantle-iam/mantle/broker"
)

// upstream has something to say at every path.
type upstream func(path string) (string, error)

func (f upstream) Metadata(_ context.Context, path string) (string, error) { return f(path) }

// everything is an Allow that was written by somebody careless.
func everything(string) bool { return true }

func fromHost(path string) (string, error) { return "HOST " + path, nil }

// What is a key to something stays on the host, however it is asked for, and
// whatever Allow says.
func TestUpstreamTricks(t *testing.T) {
	url := start(t, agent.NewIMDS(lend(byWorkload), agent.IMDSOptions{
		Upstream: upstream(fromHost), Allow: everything,
		AllowV1: func(broker.Caller) bool { return true },
	}), agent.ServeOptions{Workload: "alpha"})
	for _, tt := range []struct {
		name, path string
		status     int
	}{
		{"what works", "/latest/meta-data/placement/region", 200},
		{"what works by a date", "/2021-03-23/meta-data/placement/region", 200},
		{"what works as a listing", "/latest/meta-data/placement/", 200},
		{"user data", "/latest/user-data", 404},
		{"user data with a slash", "/latest/user-data/", 404},
		{"user data of an old version", "/1.0/user-data", 404},
		{"the instance's own credentials", "/latest/meta-data/identity-credentials/ec2/security-credentials/ec2-instance", 404},
		{"their listing", "/latest/meta-data/identity-credentials/", 404},
		{"credentials of ECS tasks", "/latest/iam-ecs-1a2b/security-credentials/0123", 404},
		{"their listing at the root", "/latest/iam-ecs-1a2b/security-credentials/", 404},
		{"another role's name", "/latest/meta-data/iam/security-credentials/host-role", 404},
		{"extra path after the role", "/latest/meta-data/iam/security-credentials/alpha/extra", 404},
		{"extra folder after the role", "/latest/meta-data/iam/security-credentials/alpha/extra/", 404},
		{"a sibling that begins the same", "/latest/meta-data/iam2/security-credentials/x", 404},
		{"info's neighbour", "/latest/meta-data/iam/info2", 404},
		{"signature", "/latest/dynamic/instance-identity/signature", 404},
		{"pkcs7", "/latest/dynamic/instance-identity/pkcs7", 404},
		{"rsa2048", "/latest/dynamic/instance-identity/rsa2048", 404},
		{"a category that does not exist yet", "/latest/meta-data/new-secrets/x", 404},
		{"a root that does not exist yet", "/latest/secrets/x", 404},
		{"a version that does not exist", "/2031-01-01/meta-data/placement/region", 404},
		{"no version", "/meta-data/placement/region", 404},
		{"dots out of an allowed folder", "/latest/meta-data/placement/../iam/info", 400},
		{"escaped dots", "/latest/meta-data/placement/%2e%2e/%2e%2e/user-data", 400},
		{"escaped slash", "/latest/meta-data/placement/..%2f..%2fuser-data", 400},
		{"parameter", "/latest/user-data;x", 400},
		{"null byte", "/latest/meta-data/placement/region%00", 400},
		{"doubled slash", "/latest/meta-data/placement//region", 400},
	} {
		t.Run(tt.name, func(t *testing.T) {
			status, text := exchange(t, strings.TrimPrefix(url, "http://"), "GET "+tt.path+" HTTP/1.1\r\nHost: 169.254.169.254\r\nConnection: close\r\n\r\n")
			if status != tt.status || strings.Contains(text, "HOST ") != (status == 200) {
				t.Errorf("status %d, want %d: %s", status, tt.status, text)
			}
		})
	}
	for _, h := range []string{"X-Forwarded-For: 10.0.0.1", "Forwarded: for=10.0.0.1", "Via: 1.1 x", "Origin: https://evil.example"} {
		status, text := exchange(t, strings.TrimPrefix(url, "http://"), "GET /latest/meta-data/placement/region HTTP/1.1\r\nHost: localhost\r\n"+h+"\r\nConnection: close\r\n\r\n")
		if status != 403 || strings.Contains(text, "HOST ") {
			t.Errorf("%s: status %d: %s", h, status, text)
		}
	}
}

func TestUpstream(t *testing.T) {
	allow, err := agent.MetadataPaths("meta-data/placement/*", "meta-data/instance-id", "meta-data/spot/instance-action")
	if err != nil {
		t.Fatal(err)
	}
	m := agent.NewIMDS(&planner{lend: lend(byWorkload), role: testRole}, agent.IMDSOptions{
		Instance: testInstance, Allow: allow,
		Upstream: upstream(func(path string) (string, error) {
			switch path {
			case "meta-data/placement/region":
				return "ap-south-1", nil
			case "meta-data/placement/group-name":
				return "", errors.New("timeout")
			}
			return "", agent.ErrNoMetadata
		}),
	})
	for _, tt := range []struct {
		path   string
		who    *broker.Caller
		status int
		want   string
	}{
		{"meta-data/placement/region", listener("alpha"), 200, "ap-south-1"},
		{"meta-data/placement/group-name", listener("alpha"), 503, "did not answer: timeout"},
		{"meta-data/spot/instance-action", listener("alpha"), 404, "nothing at this path"},
		{"meta-data/instance-type", listener("alpha"), 200, "t3.micro"}, // emulated
		// A caller without a role sees what is made up, and nothing of the host.
		{"meta-data/placement/region", listener("beta"), 200, "eu-west-1"},
		{"meta-data/placement/group-name", listener("beta"), 404, ""},
	} {
		r := request(m, tt.who, "GET", "/latest/"+tt.path, token+tokenFor(t, m, tt.who))
		if got := body(t, r); r.StatusCode != tt.status || !strings.Contains(got, tt.want) {
			t.Errorf("%s as %s: status %d: %s; want %d, %q", tt.path, tt.who.Workload, r.StatusCode, got, tt.status, tt.want)
		}
	}
	if r := request(m, listener("alpha"), "GET", "/latest/meta-data/placement/region"); r.StatusCode != http.StatusUnauthorized {
		t.Errorf("without a token: status %d", r.StatusCode)
	}
	if _, err := agent.MetadataPaths("user-data"); err == nil {
		t.Error("user data may be handed on")
	}
}

// Tokens over a real connection: what other services let pass.
func TestTokenTricks(t *testing.T) {
	alpha := agent.NewIMDS(lend(byWorkload), agent.IMDSOptions{})
	url := strings.TrimPrefix(start(t, alpha, agent.ServeOptions{Workload: "alpha"}), "http://")
	beta := strings.TrimPrefix(start(t, alpha, agent.ServeOptions{Workload: "beta"}), "http://")
	put := func(addr, path, lines string) (int, string) {
		status, text := exchange(t, addr, "PUT "+path+" HTTP/1.1\r\nHost: 169.254.169.254\r\nConnection: close\r\n"+lines+"\r\n")
		return status, text
	}
	const ttlLine, none = "X-aws-ec2-metadata-token-ttl-seconds: ", "Content-Length: 0\r\n"
	status, own := put(url, "/latest/api/token", ttlLine+"60\r\n"+none)
	if status != 200 {
		t.Fatalf("a plain token: status %d", status)
	}
	_, foreign := put(beta, "/latest/api/token", ttlLine+"60\r\n"+none)
	for _, tt := range []struct {
		name, path, lines string
		status            int
	}{
		{"one second", "/latest/api/token", ttlLine + "1\r\n" + none, 200},
		{"six hours", "/latest/api/token", ttlLine + "21600\r\n" + none, 200},
		{"zero", "/latest/api/token", ttlLine + "0\r\n" + none, 400},
		{"more than six hours", "/latest/api/token", ttlLine + "21601\r\n" + none, 400},
		{"negative", "/latest/api/token", ttlLine + "-1\r\n" + none, 400},
		{"overflow", "/latest/api/token", ttlLine + "4294967297\r\n" + none, 400},
		{"signed", "/latest/api/token", ttlLine + "+60\r\n" + none, 400},
		{"hexadecimal", "/latest/api/token", ttlLine + "0x3c\r\n" + none, 400},
		{"missing", "/latest/api/token", none, 400},
		{"twice", "/latest/api/token", ttlLine + "60\r\n" + ttlLine + "60\r\n" + none, 400},
		{"by a proxy", "/latest/api/token", ttlLine + "60\r\nX-Forwarded-For: 127.0.0.1\r\n" + none, 403},
		{"by a polite proxy", "/latest/api/token", ttlLine + "60\r\nForwarded: for=127.0.0.1\r\n" + none, 403},
		{"by a cache", "/latest/api/token", ttlLine + "60\r\nVia: 1.1 cache\r\n" + none, 403},
		{"of a dated version", "/2021-07-15/api/token", ttlLine + "60\r\n" + none, 403},
		{"of the first version", "/1.0/api/token", ttlLine + "60\r\n" + none, 403},
		{"elsewhere", "/x/api/token", ttlLine + "60\r\n" + none, 403},
		{"with a slash", "/latest/api/token/", ttlLine + "60\r\n" + none, 405},
		{"in chunks", "/latest/api/token", ttlLine + "60\r\nTransfer-Encoding: chunked\r\n", 413},
		{"with a body", "/latest/api/token", ttlLine + "60\r\nContent-Length: 99999\r\n", 413},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if status, text := put(url, tt.path, tt.lines); status != tt.status {
				t.Errorf("status %d, want %d: %s", status, tt.status, text)
			}
		})
	}
	for _, version := range []string{"latest", "1.0", "2007-01-19", "2021-03-23", "2024-04-11"} {
		for name, tt := range map[string]struct {
			token  string
			status int
		}{
			"own": {own, 200}, "foreign": {foreign, 401}, "none": {"", 401}, "made up": {strings.Repeat("A", len(own)), 401},
			"cut": {own[:len(own)-1], 401}, "longer": {own + "A", 401}, "empty": {" ", 401},
		} {
			line := ""
			if tt.token != "" {
				line = "X-aws-ec2-metadata-token: " + tt.token + "\r\n"
			}
			status, text := exchange(t, url, "GET /"+version+"/meta-data/iam/security-credentials/alpha HTTP/1.1\r\nHost: 169.254.169.254\r\n"+line+"Connection: close\r\n\r\n")
			if status != tt.status || strings.Contains(text, testSecret) != (status == 200) {
				t.Errorf("version %s, token %s: status %d, want %d: %s", version, name, status, tt.status, text)
			}
		}
	}
}
