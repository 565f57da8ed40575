package kube

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials/endpointcreds"

	"github.com/mantle-iam/mantle/agent"
	"github.com/mantle-iam/mantle/broker"
)

// lender lends by rules, and remembers who asked.
type lender struct {
	rules broker.Rules
	asked chan broker.Caller
}

func (l *lender) Credentials(_ context.Context, c broker.Caller) (broker.Credentials, error) {
	d := l.rules.Decide(c)
	if !d.Granted() {
		return broker.Credentials{}, &broker.RefusedError{Caller: c, Decision: d}
	}
	l.asked <- c
	return broker.Credentials{AccessKeyID: "ASIAIOSFODNN7EXAMPLE", SecretAccessKey: "secret", SessionToken: "session", RoleARN: d.Loan.Role,
		AccountID: "111122223333", Expires: time.Now().Add(time.Hour)}, nil
}

// The AWS SDK for Go, as a pod has it, through the endpoint and the API server
// to the pod's rule.
func TestEndpoint(t *testing.T) {
	s := newAPIServer(t)
	web, other := podOf("uid-a", "web", "web", "10.0.0.7", "aaa"), podOf("uid-b", "other", "other", "10.0.0.8", "bbb")
	s.apply("ADDED", web)
	s.apply("ADDED", other)
	r, _ := reviewer(t, s)
	l := &lender{asked: make(chan broker.Caller, 1), rules: broker.Rules{{Name: "web",
		Match: broker.Match{Pod: &broker.PodMatch{Namespace: "shop", ServiceAccount: "web", Labels: map[string]string{"app": "web"}}},
		Loan:  broker.Loan{Role: "arn:aws:iam::111122223333:role/web"}}}}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- agent.Serve(ctx, ln, agent.NewPodIdentity(l, r, agent.PodIdentityOptions{}), agent.ServeOptions{})
	}()
	defer func() { cancel(); <-done }()

	file := filepath.Join(t.TempDir(), "eks-pod-identity-token")
	ask := func(token string) (aws.Credentials, error) {
		t.Helper()
		if err := os.WriteFile(file, []byte(token), 0o600); err != nil {
			t.Fatal(err)
		}
		return endpointcreds.New("http://"+ln.Addr().String()+"/v1/credentials", func(o *endpointcreds.Options) {
			o.AuthorizationTokenProvider = endpointcreds.TokenProviderFunc(func() (string, error) {
				b, err := os.ReadFile(file)
				return string(b), err
			})
			o.Retryer = aws.NopRetryer{}
		}).Retrieve(t.Context())
	}
	got, err := ask(s.sign(claimsOf(web)))
	if err != nil {
		t.Fatal(err)
	}
	if got.AccessKeyID != "ASIAIOSFODNN7EXAMPLE" || got.SessionToken != "session" || got.AccountID != "111122223333" || !got.CanExpire {
		t.Errorf("got %+v", got)
	}
	if c := <-l.asked; c.How != broker.ByPodToken || c.Pod.Name != "web" || c.Pod.UID != "uid-a" {
		t.Errorf("the caller is %v", c)
	}
	for _, tt := range []struct{ name, token, want string }{
		{"a pod without a rule", s.sign(claimsOf(other)), "ResourceNotFoundException"},
		{"a forged token", newAPIServer(t).sign(claimsOf(web)), "InvalidTokenException"},
		{"an expired token", s.sign(with(claimsOf(web), float64(1), "exp")), "ExpiredTokenException"},
		{"no token", "", "cannot be empty"},
	} {
		if got, err := ask(tt.token); err == nil || got.AccessKeyID != "" || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %+v, %v; want %s", tt.name, got, err, tt.want)
		}
	}
}
