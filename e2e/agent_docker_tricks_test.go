//go:build e2e && linux

package e2e

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
)

// trick is what an attacker has a program send who can have it send something,
// or what a container without a role tries itself.
type trick struct {
	name string
	to   string // "metadata", "container" or HOST:PORT
	raw  string // {TOKEN} is a good token of the program's, {CREDS} the path of its credentials
	want string // status, "" for any: what counts is that nothing is given away
}

// get is a request with the right Host and headers of one's own.
func (t trick) get(path string, headers ...string) trick { return t.send("GET", path, headers...) }

func (t trick) send(method, path string, headers ...string) trick {
	host := map[string]string{"metadata": "169.254.169.254", "container": "169.254.170.2"}[t.to]
	t.raw = method + " " + path + " HTTP/1.1\r\nHost: " + host + "\r\nConnection: close\r\n" + lines(headers) + "\r\n"
	return t
}

func (t trick) as(raw string) trick { t.raw = raw; return t }

func lines(headers []string) string {
	var b strings.Builder
	for _, h := range headers {
		b.WriteString(h + "\r\n")
	}
	return b.String()
}

const goodToken = "X-aws-ec2-metadata-token: {TOKEN}"

// metadataTricks are played on 169.254.169.254.
func metadataTricks() []trick {
	m := func(name, want string) trick { return trick{name: name, to: "metadata", want: want} }
	const creds = "{CREDS}"
	const token = "/latest/api/token"
	const ttl = "X-aws-ec2-metadata-token-ttl-seconds: 60"
	list := []trick{
		// Version 1, and all that is not quite version 2.
		m("no token", "401").get(creds),
		m("no token, an old version", "401").get("/1.0/meta-data/iam/security-credentials/bridge"),
		m("no token, a dated version", "401").get("/2018-09-24/meta-data/iam/security-credentials/bridge"),
		m("no token, HTTP/1.0", "403").as("GET " + creds + " HTTP/1.0\r\n\r\n"),
		m("an empty token", "401").get(creds, "X-aws-ec2-metadata-token: "),
		m("a made-up token", "401").get(creds, "X-aws-ec2-metadata-token: AQAAANtAZk5lZ2xlY3RlZA=="),
		m("two tokens", "401").get(creds, goodToken, goodToken),
		m("the token in the query", "401").get(creds + "?X-aws-ec2-metadata-token={TOKEN}"),
		m("the token in a cookie", "401").get(creds, "Cookie: X-aws-ec2-metadata-token={TOKEN}"),
		m("the token as Authorization", "401").get(creds, "Authorization: Bearer {TOKEN}"),
		m("the token under another spelling", "401").get(creds, "X_aws_ec2_metadata_token: {TOKEN}"),
		m("the token with a space before the colon", "400").get(creds, "X-aws-ec2-metadata-token : {TOKEN}"),
		m("the token in a folded header", "").get(creds, "X-Custom: a", " X-aws-ec2-metadata-token: {TOKEN}"),
		m("line breaks first", "").as("\r\n\r\nGET " + creds + " HTTP/1.1\r\nHost: 169.254.169.254\r\nConnection: close\r\n\r\n"),

		// Getting a token by what is no PUT of the program's own.
		m("a token by GET", "405").get(token, ttl),
		m("a token by POST", "405").send("POST", token, ttl, "Content-Length: 0"),
		m("a token by a POST that says PUT", "405").send("POST", token, ttl, "X-HTTP-Method-Override: PUT", "Content-Length: 0"),
		m("a token by put", "").send("put", token, ttl),
		m("a token without a time", "400").send("PUT", token, "Content-Length: 0"),
		m("a token for no time", "400").send("PUT", token, "X-aws-ec2-metadata-token-ttl-seconds: 0"),
		m("a token for ever", "400").send("PUT", token, "X-aws-ec2-metadata-token-ttl-seconds: 99999999"),
		m("a token through a proxy", "403").send("PUT", token, ttl, "X-Forwarded-For: 203.0.113.9"),
		m("a token for another host", "403").as("PUT " + token + " HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n" + ttl + "\r\n\r\n"),
		m("a token elsewhere", "403").send("PUT", "/x/api/token", ttl),
		m("a token below an unclean path", "400").send("PUT", "/latest//api/token", ttl),

		// With a good token, which an attacker should not have: the last line.
		m("another host", "403").as("GET " + creds + " HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n" + goodToken + "\r\n\r\n"),
		m("a host that resolves here", "403").as("GET " + creds + " HTTP/1.1\r\nHost: 169.254.169.254.nip.io\r\nConnection: close\r\n" + goodToken + "\r\n\r\n"),
		m("no host", "400").as("GET " + creds + " HTTP/1.1\r\nConnection: close\r\n" + goodToken + "\r\n\r\n"),
		m("two hosts", "400").as("GET " + creds + " HTTP/1.1\r\nHost: 169.254.169.254\r\nHost: evil.example\r\nConnection: close\r\n" + goodToken + "\r\n\r\n"),
		m("an absolute address of another", "").as("GET http://evil.example" + creds + " HTTP/1.1\r\nHost: 169.254.169.254\r\nConnection: close\r\n" + goodToken + "\r\n\r\n"),
		m("an absolute address", "400").as("GET http://169.254.169.254" + creds + " HTTP/1.1\r\nHost: 169.254.169.254\r\nConnection: close\r\n" + goodToken + "\r\n\r\n"),
		m("through CONNECT", "").as("CONNECT 169.254.169.254:80 HTTP/1.1\r\nHost: 169.254.169.254\r\n\r\nGET " + creds + " HTTP/1.1\r\nHost: 169.254.169.254\r\n\r\n"),
		m("by POST", "405").send("POST", creds, goodToken, "Content-Length: 0"),
		m("by TRACE", "405").send("TRACE", creds, goodToken),
		m("a long body", "413").send("GET", creds, goodToken, "Content-Length: 99999"),

		// Paths that one parser reads so and another otherwise.
		m("a parameter in the path", "400").get("/latest/meta-data/iam/security-credentials;x/bridge", goodToken),
		m("an escaped slash", "400").get("/latest/meta-data/iam/security-credentials%2fbridge", goodToken),
		m("an escaped letter", "400").get("/latest/meta-data/iam/security-credential%73/bridge", goodToken),
		m("an escaped zero", "400").get(creds+"%00", goodToken),
		m("two slashes", "400").get("/latest/meta-data/iam//security-credentials/bridge", goodToken),
		m("two slashes first", "400").get("/"+creds, goodToken),
		m("up and down", "400").get("/latest/meta-data/placement/../iam/security-credentials/bridge", goodToken),
		m("up from the top", "400").get("/../latest/meta-data/iam/security-credentials/bridge", goodToken),
		m("a backslash", "400").get(`/latest\meta-data\iam\security-credentials\bridge`, goodToken),
		m("a path after the role", "404").get(creds+"/x", goodToken),
		m("a path that goes on", "404").get(creds+"/../../../user-data", goodToken).unclean(),
		m("capitals", "404").get("/latest/meta-data/IAM/security-credentials/bridge", goodToken),

		// What belongs to others.
		m("another's role", "404").get("/latest/meta-data/iam/security-credentials/custom", goodToken),
		m("the host's role", "404").get("/latest/meta-data/iam/security-credentials/host", goodToken),
		m("the instance's identity", "404").get("/latest/meta-data/identity-credentials/ec2/security-credentials/ec2-instance", goodToken),
		m("credentials of ECS tasks", "404").get("/latest/meta-data/iam-ecs-1/security-credentials/task", goodToken),
		m("credentials of whatever comes next", "404").get("/latest/meta-data/iam-next/security-credentials/", goodToken),
		m("user data", "404").get("/latest/user-data", goodToken),
		m("a signed document", "404").get("/latest/dynamic/instance-identity/signature", goodToken),

		// One request hidden in another.
		m("length and chunks", "").as("POST " + token + " HTTP/1.1\r\nHost: 169.254.169.254\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET " + creds + " HTTP/1.1\r\nHost: 169.254.169.254\r\n\r\n"),
		m("two lengths", "400").as("POST " + token + " HTTP/1.1\r\nHost: 169.254.169.254\r\nContent-Length: 0\r\nContent-Length: 5\r\nConnection: close\r\n\r\n"),
		m("a second request", "").as("GET /latest/ HTTP/1.1\r\nHost: 169.254.169.254\r\n" + goodToken + "\r\n\r\nGET " + creds + " HTTP/1.1\r\nHost: 169.254.169.254\r\nConnection: close\r\n\r\n"),
		m("HTTP/2 by surprise", "").as("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
		m("HTTP/0.9", "").as("GET " + creds + "\r\n"),
	}
	for _, header := range []string{"X-Forwarded-For: 203.0.113.9", "X-Forwarded-For: 169.254.169.254", "Forwarded: for=203.0.113.9", "Via: 1.1 proxy", "X-Forwarded-Host: x", "X-Real-Ip: 203.0.113.9", "Origin: http://evil.example"} {
		list = append(list, m("with "+header, "403").get(creds, goodToken, header))
	}
	return list
}

// unclean is a trick whose path is refused for its spelling.
func (t trick) unclean() trick { t.want = "400"; return t }

// containerTricks are played on 169.254.170.2, and past both.
func containerTricks() []trick {
	c := func(name, want string) trick { return trick{name: name, to: "container", want: want} }
	const path = "/v1/credentials"
	list := []trick{
		c("another host", "403").as("GET " + path + " HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n"),
		c("the other service's host", "403").as("GET " + path + " HTTP/1.1\r\nHost: 169.254.169.254\r\nConnection: close\r\n\r\n"),
		c("no host", "403").as("GET " + path + " HTTP/1.0\r\n\r\n"),
		c("an absolute address", "400").as("GET http://169.254.170.2" + path + " HTTP/1.1\r\nHost: 169.254.170.2\r\nConnection: close\r\n\r\n"),
		c("by POST", "405").send("POST", path, "Content-Length: 0"),
		c("by OPTIONS", "405").send("OPTIONS", path),
		c("a parameter in the path", "400").get(path + ";x"),
		c("an escaped letter", "400").get("/v1/%63redentials"),
		c("two slashes", "400").get("/" + path),
		c("up and down", "400").get("/v2/../v1/credentials"),
		c("a guessed id", "400").get("/v2/credentials/00000000-0000-0000-0000-000000000000"),
		c("a guessed id of old", "400").get(path + "?id=00000000-0000-0000-0000-000000000000"),
		c("two ids", "400").get(path + "?id=a&id=b"),
		c("no id", "400").get("/v2/credentials/"),
		c("another's workload", "404").get(path + "/custom"),
		c("a made-up token", "403").get(path, "Authorization: Bearer made-up"),
		c("an empty token", "403").get(path, "Authorization: "),
		c("two tokens", "400").get(path, "Authorization: a", "Authorization: b"),
		c("metadata of tasks", "404").get("/v4/metadata"),
		c("metadata at the wrong address", "").get("{CREDS}", goodToken),
		{name: "introspection of the ECS agent", to: "10.77.0.1:51678", raw: "GET /v1/tasks HTTP/1.0\r\n\r\n"},
		// The agent's own ports, which nobody is to reach but by AWS's addresses.
		{name: "the port behind metadata, at the gateway", to: "172.17.0.1:954", raw: "GET {CREDS} HTTP/1.1\r\nHost: 169.254.169.254\r\nConnection: close\r\n" + goodToken + "\r\n\r\n"},
		{name: "the port behind metadata, at another address", to: "10.77.0.1:954", raw: "GET {CREDS} HTTP/1.1\r\nHost: 169.254.169.254\r\nConnection: close\r\n" + goodToken + "\r\n\r\n"},
		{name: "the port behind metadata, at AWS's address", to: "169.254.169.254:954", raw: "GET {CREDS} HTTP/1.1\r\nHost: 169.254.169.254\r\nConnection: close\r\n" + goodToken + "\r\n\r\n"},
		{name: "the port behind the container endpoint", to: "172.17.0.1:955", raw: "GET /v1/credentials HTTP/1.1\r\nHost: 169.254.170.2\r\nConnection: close\r\n\r\n"},
		{name: "the host's own container endpoint", to: "172.17.0.1:80", raw: "GET /v1/credentials HTTP/1.0\r\n\r\n"},
	}
	for _, header := range []string{"X-Forwarded-For: 127.0.0.1", "Forwarded: for=203.0.113.9", "Via: 1.1 proxy", "X-Forwarded-Host: 169.254.170.2", "X-Real-Ip: 203.0.113.9", "Origin: null"} {
		list = append(list, c("with "+header, "403").get(path, header))
	}
	return list
}

// secrets are what no trick may bring to light: keys of a session, a metadata
// token's place, the host's user data.
var secrets = regexp.MustCompile(`ASIA|SecretAccessKey|HOST-SECRET|"Token"`)

// TestAgentDockerTricks plays what has worked on other metadata proxies, through
// a running agent: from inside a container that has a role, where it is an
// attacker who has its program send requests, and from one that has none.
func TestAgentDockerTricks(t *testing.T) {
	h := newDockerHost(t, "bridge", "custom", "hostnet")
	h.begin(h.configuration("interception = \"redirect\"\n intercept = [\"metadata\", \"container\"]", "instance", wardrobe()...))
	h.keep("bridge")
	h.keep("stranger")
	h.keep("stranger-on-host", "--network", "host")
	const creds = "/latest/meta-data/iam/security-credentials/bridge"
	honest := []trick{
		trick{to: "metadata"}.get("{CREDS}", goodToken),
		trick{to: "container"}.get("/v1/credentials"),
	}
	tricks := append(metadataTricks(), containerTricks()...)
	play := func(from string, list []trick) []string {
		t.Helper()
		var requests []request
		for _, x := range list {
			to := x.to
			switch to {
			case "metadata":
				to = "169.254.169.254:80"
			case "container":
				to = "169.254.170.2:80"
			}
			requests = append(requests, request{to, strings.ReplaceAll(x.raw, "{CREDS}", creds)})
		}
		return h.send(from, requests...)
	}
	for _, got := range play("bridge", honest) {
		if !secrets.MatchString(got) {
			t.Fatalf("an honest request gets %q: the test would prove nothing\n%s", got, h.lately())
		}
	}
	for i, got := range play("bridge", tricks) {
		x := tricks[i]
		if secrets.MatchString(got) {
			t.Errorf("%s: %s gives away %q", x.to, x.name, got)
		}
		if x.want != "" && !regexp.MustCompile(`^HTTP/1\.[01] `+x.want+` `).MatchString(got) {
			t.Errorf("%s: %s: got %.200q, want status %s", x.to, x.name, got, x.want)
		}
	}
	// Who has no role gets nothing by honest requests either, and no tricks.
	for _, from := range []string{"stranger", "stranger-on-host"} {
		list := append(append([]trick{}, honest...), tricks...)
		for i, got := range play(from, list) {
			if secrets.MatchString(got) || strings.Contains(got, "assumed-role") {
				t.Errorf("from %s: %s: %s gives away %q", from, list[i].to, list[i].name, got)
			}
		}
	}
	h.noLeak("after all tricks")
	// A token that somebody else of this host was given.
	theirs := h.said(h.name, uidWeb, h.wearer, "token")
	if len(theirs) < 20 {
		t.Fatalf("a process's token is %q", theirs)
	}
	for _, from := range []string{"bridge", "stranger"} {
		for _, role := range []string{"web", "bridge"} {
			raw := fmt.Sprintf("GET /latest/meta-data/iam/security-credentials/%s HTTP/1.1\r\nHost: 169.254.169.254\r\nConnection: close\r\nX-aws-ec2-metadata-token: %s\r\n\r\n", role, theirs)
			if got := h.send(from, request{"169.254.169.254:80", raw})[0]; !strings.HasPrefix(got, "HTTP/1.1 401 ") {
				t.Errorf("from %s with a process's token: %q", from, got)
			}
		}
	}
	h.wears("after all of it", h.ask("bridge"), "bridge")
	t.Logf("%d tricks from 3 containers", len(tricks))
}
