package agent_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mantle-iam/mantle/agent"
	"github.com/mantle-iam/mantle/broker"
)

// review is a TokenReviewer that is a function.
type review func(token string, from netip.Addr) (broker.Pod, error)

func (f review) Review(_ context.Context, token string, from netip.Addr) (broker.Pod, error) {
	return f(token, from)
}

const podToken = "eyJhbGciOiJFUzI1NiJ9.e30.c2ln"

// reviewed knows one token and what is wrong with a few others.
func reviewed(token string, _ netip.Addr) (broker.Pod, error) {
	switch token {
	case podToken:
		return broker.Pod{UID: "uid-a", Namespace: "shop", Name: "web-0", ServiceAccount: "web", Labels: map[string]string{"app": "web"}}, nil
	case "malformed":
		return broker.Pod{}, &agent.TokenError{Fault: agent.TokenMalformed, Reason: "token contains an invalid number of segments"}
	case "expired":
		return broker.Pod{}, &agent.TokenError{Fault: agent.TokenExpired, Reason: "the token has expired"}
	case "invalid":
		return broker.Pod{}, &agent.TokenError{Fault: agent.TokenInvalid, Reason: "the token is not one of this cluster", Err: errors.New("log-only detail")}
	case "elsewhere":
		return broker.Pod{}, &agent.TokenError{Fault: agent.TokenElsewhere, Reason: "the token belongs to a pod of another node"}
	case "unheard":
		return broker.Pod{}, &agent.TokenError{Fault: agent.TokenUnheard, Reason: "too many tokens"}
	}
	return broker.Pod{}, errors.New("ask the API server at 10.96.0.1: connection refused")
}

// byAccount lends by what is known of a pod, as rules do.
func byAccount(_ context.Context, c broker.Caller) (broker.Credentials, error) {
	rules := broker.Rules{{Name: "web", Match: broker.Match{Pod: &broker.PodMatch{Namespace: "shop", ServiceAccount: "web"}}, Loan: broker.Loan{Role: testRole}}}
	d := rules.Decide(c)
	if !d.Granted() {
		return broker.Credentials{}, &broker.RefusedError{Caller: c, Decision: d}
	}
	return credentials(d.Loan.Role), nil
}

func TestPodIdentity(t *testing.T) {
	var log lines
	p := agent.NewPodIdentity(lend(byAccount), review(reviewed), agent.PodIdentityOptions{Log: log.logger()})
	auth := "Authorization: "
	const eks = "Host: 169.254.170.23"
	shape := func(code, message, fault string) string {
		return `^\[[0-9a-f]{32}\]: \(` + code + `\): ` + message + `, fault: ` + fault + "\n$"
	}
	for _, tt := range []struct {
		name, method, path string
		headers            []string
		status             int
		want               string // pattern of an error's body
	}{
		{"token", "GET", "/v1/credentials", []string{eks, auth + podToken}, 200, ""},
		{"token, on IPv6", "GET", "/v1/credentials", []string{"Host: [fd00:ec2::23]", auth + podToken}, 200, ""},
		{"token, on a port", "GET", "/v1/credentials", []string{"Host: [fd00:ec2::23]:80", auth + podToken}, 200, ""},
		{"token, with a slash", "GET", "/v1/credentials/", []string{eks, auth + podToken}, 200, ""},
		{"HEAD", "HEAD", "/v1/credentials", []string{eks, auth + podToken}, 200, ""},

		{"no token", "GET", "/v1/credentials", []string{eks}, 400, "^Service account token cannot be empty\n$"},
		{"empty token", "GET", "/v1/credentials", []string{eks, auth}, 400, "^Service account token cannot be empty\n$"},
		{"two tokens", "GET", "/v1/credentials", []string{eks, auth + podToken, auth + podToken}, 400, "more than one Authorization"},
		{"malformed", "GET", "/v1/credentials", []string{eks, auth + "malformed"}, 400, "^Service account token cannot be parsed: token contains an invalid number of segments\n$"},
		{"expired", "GET", "/v1/credentials", []string{eks, auth + "expired"}, 400, shape("ExpiredTokenException", "the token has expired", "client")},
		{"invalid", "GET", "/v1/credentials", []string{eks, auth + "invalid"}, 400, shape("InvalidTokenException", "the token is not one of this cluster", "client")},
		{"elsewhere", "GET", "/v1/credentials", []string{eks, auth + "elsewhere"}, 400, shape("AccessDeniedException", "the token belongs to a pod of another node", "client")},
		{"unheard", "GET", "/v1/credentials", []string{eks, auth + "unheard"}, 429, shape("ThrottlingException", "too many tokens", "client")},
		{"no API server", "GET", "/v1/credentials", []string{eks, auth + "x"}, 503, shape("ServiceUnavailableException", "the token cannot be verified now; try again", "server")},

		{"another host", "GET", "/v1/credentials", []string{"Host: evil.example", auth + podToken}, 403, `^Access Denied\. Called agent through invalid address, please use either \[169\.254\.170\.23 fd00:ec2::23\] address not "evil\.example"` + "\n$"},
		{"metadata's host", "GET", "/v1/credentials", []string{"Host: 169.254.169.254", auth + podToken}, 403, "invalid address"},
		{"through a proxy", "GET", "/v1/credentials", []string{eks, auth + podToken, "X-Forwarded-For: 10.0.0.1"}, 403, "X-Forwarded-For"},
		{"POST", "POST", "/v1/credentials", []string{eks, auth + podToken}, 405, "POST"},
		{"another path", "GET", "/v2/credentials/x", []string{eks, auth + podToken}, 404, "not found"},
		{"escaped", "GET", "/v1%2fcredentials", []string{eks, auth + podToken}, 400, "canonically"},
		{"dotted", "GET", "/v1/../v1/credentials", []string{eks, auth + podToken}, 400, "canonically"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := request(p, nil, tt.method, tt.path, tt.headers...)
			text := body(t, r)
			if r.StatusCode != tt.status {
				t.Fatalf("status %d, want %d: %s", r.StatusCode, tt.status, text)
			}
			if tt.status == 200 {
				if h := r.Header.Get("Content-Type"); h != "application/json" {
					t.Errorf("Content-Type %q", h)
				}
				return
			}
			if !regexp.MustCompile(tt.want).MatchString(text) {
				t.Errorf("body %q does not match %q", text, tt.want)
			}
			if h := r.Header.Get("Content-Type"); h != "text/plain; charset=utf-8" {
				t.Errorf("Content-Type %q", h)
			}
			for _, secret := range []string{podToken, testSecret, "log-only", "10.96.0.1"} {
				if strings.Contains(text, secret) {
					t.Errorf("%q leaks %q", text, secret)
				}
			}
			if (tt.status == 503 || tt.status == 429) != (r.Header.Get("Retry-After") != "") {
				t.Errorf("%d with Retry-After %q", tt.status, r.Header.Get("Retry-After"))
			}
		})
	}
	if got := log.String(); strings.Contains(got, podToken) || strings.Contains(got, testSecret) {
		t.Error("the log holds a secret")
	} else if !strings.Contains(got, "log-only detail") || !strings.Contains(got, "10.96.0.1") {
		t.Error("the log does not say why")
	}
}

// The answer has the keys of the EKS agent, and no other.
func TestPodIdentityKeys(t *testing.T) {
	p := agent.NewPodIdentity(lend(byAccount), review(reviewed), agent.PodIdentityOptions{})
	var got map[string]string
	text := body(t, request(p, nil, "GET", "/v1/credentials", "Authorization: "+podToken))
	if err := json.Unmarshal([]byte(text), &got); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	want := []string{"AccessKeyId", "AccountId", "Expiration", "SecretAccessKey", "Token"}
	var keys []string
	for k := range got {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	if !slices.Equal(keys, want) || got["AccountId"] != "111122223333" || got["SecretAccessKey"] != testSecret {
		t.Errorf("got %v", got)
	}
	if _, err := time.Parse(time.RFC3339, got["Expiration"]); err != nil {
		t.Error(err)
	}
}

// What the broker says of a pod comes in the codes of EKS Auth.
func TestPodIdentityBroker(t *testing.T) {
	expired := credentials(testRole)
	expired.Expires = time.Now().Add(-time.Second)
	for _, tt := range []struct {
		name   string
		broker lend
		status int
		code   string
	}{
		{"no rule", always(broker.Credentials{}, &broker.RefusedError{Decision: broker.Decision{Reason: "no workload"}}), 404, "ResourceNotFoundException"},
		{"denied", always(broker.Credentials{}, &broker.LendError{Kind: broker.Denied}), 400, "AccessDeniedException"},
		{"invalid", always(broker.Credentials{}, &broker.LendError{Kind: broker.Invalid}), 400, "InvalidParameterException"},
		{"throttled", always(broker.Credentials{}, &broker.LendError{Kind: broker.Throttled}), 503, "ServiceUnavailableException"},
		{"unreachable", always(broker.Credentials{}, &broker.LendError{Kind: broker.Unreachable}), 503, "ServiceUnavailableException"},
		{"expired", always(expired, nil), 503, "ServiceUnavailableException"},
	} {
		p := agent.NewPodIdentity(tt.broker, review(reviewed), agent.PodIdentityOptions{})
		r := request(p, nil, "GET", "/v1/credentials", "Authorization: "+podToken)
		if text := body(t, r); r.StatusCode != tt.status || !strings.Contains(text, "("+tt.code+")") || strings.Contains(text, testSecret) {
			t.Errorf("%s: %d %s, want %d %s", tt.name, r.StatusCode, text, tt.status, tt.code)
		}
	}
}

// The caller is the pod that the token was made for, with what its session tags
// may be made of, and the address it came from is told to the reviewer.
func TestPodIdentityCaller(t *testing.T) {
	var caller atomic.Pointer[broker.Caller]
	var from atomic.Pointer[netip.Addr]
	url := start(t, agent.NewPodIdentity(lend(func(_ context.Context, c broker.Caller) (broker.Credentials, error) {
		caller.Store(&c)
		return credentials(testRole), nil
	}), review(func(token string, a netip.Addr) (broker.Pod, error) { from.Store(&a); return reviewed(token, a) }), agent.PodIdentityOptions{}), agent.ServeOptions{})
	r, err := http.NewRequest("GET", url+"/v1/credentials", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", podToken)
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	if text := body(t, answer); answer.StatusCode != 200 {
		t.Fatal(text)
	}
	c := caller.Load()
	if c.How != broker.ByPodToken || c.Pod == nil || c.UID != -1 || c.GID != -1 || c.PID != -1 || c.Workload != "" {
		t.Errorf("the caller is %v", c)
	}
	if a := from.Load(); !a.IsLoopback() {
		t.Errorf("the reviewer was told it came from %v", a)
	}
	// The tags that Amazon EKS gives to sessions,
	// https://docs.aws.amazon.com/eks/latest/userguide/pod-id-abac.html.
	loan, err := broker.Loan{Role: testRole, Tags: map[string]string{
		"eks-cluster-arn":            "arn:aws:eks:eu-west-1:111122223333:cluster/shop",
		"eks-cluster-name":           "shop",
		"kubernetes-namespace":       "{namespace}",
		"kubernetes-service-account": "{service_account}",
		"kubernetes-pod-name":        "{pod}",
		"kubernetes-pod-uid":         "{pod_uid}",
	}}.Resolve("web", *c, broker.Host{})
	if err != nil {
		t.Fatal(err)
	}
	for k, want := range map[string]string{"kubernetes-namespace": "shop", "kubernetes-service-account": "web", "kubernetes-pod-name": "web-0", "kubernetes-pod-uid": "uid-a", "eks-cluster-name": "shop"} {
		if loan.Tags[k] != want {
			t.Errorf("tag %s is %q, want %q", k, loan.Tags[k], want)
		}
	}
	if plain, err := (broker.Loan{Role: testRole}).Resolve("web", *c, broker.Host{}); err != nil || len(plain.Tags) != 0 {
		t.Errorf("tags %v that nobody asked for, %v", plain.Tags, err)
	}
}

// No request without a verified token gets credentials, however it is spelled.
func FuzzPodIdentity(f *testing.F) {
	p := agent.NewPodIdentity(always(credentials(testRole), nil), review(reviewed), agent.PodIdentityOptions{})
	f.Add("GET", "/v1/credentials", "169.254.170.23", "bogus")
	f.Add("GET", "/v1/credentials", "localhost", podToken)
	f.Add("PUT", "//v1/credentials", "x", "")
	f.Fuzz(func(t *testing.T, method, path, host, token string) {
		if !regexp.MustCompile(`^[A-Z]{1,8}$`).MatchString(method) || !strings.HasPrefix(path, "/") {
			t.Skip()
		}
		r := request(p, nil, method, path, "Host: "+host, "Authorization: "+token)
		if text := body(t, r); token != podToken && (r.StatusCode < 400 || strings.Contains(text, testSecret)) {
			t.Errorf("%s %q of %q with %q: %d %s", method, path, host, token, r.StatusCode, text)
		}
	})
}
