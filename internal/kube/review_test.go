package kube

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mantle-iam/mantle/agent"
)

func reviewer(t *testing.T, s *apiServer) (*Reviewer, *Pods) {
	t.Helper()
	p := follow(t, s, Options{})
	return NewReviewer(s.client(t), p, ReviewerOptions{Hold: 50 * time.Millisecond}), p
}

func TestReview(t *testing.T) {
	s := newAPIServer(t)
	a := podOf("uid-a", "a", "reader", "10.0.0.7", "aaa")
	b := podOf("uid-b", "b", "reader", "10.0.0.8", "bbb")
	z := with(podOf("uid-z", "z", "reader", "10.0.9.9", "zzz"), "node-2", "spec", "nodeName")
	for _, pod := range []map[string]any{a, b, z} {
		s.apply("ADDED", pod)
	}
	r, p := reviewer(t, s)
	until(t, p, "ready", p.Ready)
	other := newAPIServer(t)
	other.apply("ADDED", a)

	good := claimsOf(a)
	tok := s.sign(good)
	old := float64(time.Now().Add(-time.Minute).Unix())
	type test struct {
		name, token, from string
		fault             agent.TokenFault
		reason            string // "" is a success
	}
	tests := []test{
		{"good", tok, "", 0, ""},
		{"from its address", tok, "10.0.0.7", 0, ""},
		{"from an address that is nobody's", tok, "192.0.2.1", 0, ""},
		{"two audiences", s.sign(with(good, []any{"x", Audience}, "aud")), "", 0, ""},
		{"without a node, as before 1.30", s.sign(with(good, nil, "kubernetes.io", "node")), "", 0, ""},

		{"from another pod's address", tok, "10.0.0.8", agent.TokenElsewhere, "another pod's address"},
		{"no token", "hello", "", agent.TokenMalformed, "segments"},
		{"bearer", "Bearer " + tok, "", agent.TokenMalformed, "base64url"},
		{"another signature", tok[:strings.LastIndexByte(tok, '.')+1] + "AAAA", "", agent.TokenInvalid, "not one of this cluster"},
		{"too long", strings.Repeat("a", maxToken+1), "", agent.TokenMalformed, "too long"},
		{"no signature", tok[:strings.LastIndexByte(tok, '.')+1], "", agent.TokenMalformed, "base64url"},
		{"algorithm none", "eyJhbGciOiJub25lIn0." + strings.Split(tok, ".")[1] + ".AA", "", agent.TokenMalformed, "algorithm"},
		{"another cluster", other.sign(good), "", agent.TokenInvalid, "not one of this cluster"},
		{"expired", s.sign(with(good, old, "exp")), "", agent.TokenExpired, "has expired"},
		{"without an end", s.sign(with(good, nil, "exp")), "", agent.TokenInvalid, "never ends"},
		{"not yet", s.sign(with(good, float64(time.Now().Unix()+600), "nbf")), "", agent.TokenInvalid, "not valid yet"},
		{"for the API server", s.sign(with(good, []any{"https://kubernetes.default.svc"}, "aud")), "", agent.TokenInvalid, "audience"},
		{"for IRSA", s.sign(with(good, "sts.amazonaws.com", "aud")), "", agent.TokenInvalid, "audience"},
		{"bound to no pod", s.sign(with(good, nil, "kubernetes.io", "pod")), "", agent.TokenInvalid, "bound to no pod"},
		{"another node", s.sign(claimsOf(z)), "", agent.TokenElsewhere, "another node"},
		{"another node, unsaid", s.sign(with(claimsOf(z), nil, "kubernetes.io", "node")), "", agent.TokenElsewhere, "does not run on this node"},
		{"another service account than the pod's", s.sign(with(good, "system:serviceaccount:shop:admin", "sub")), "", agent.TokenElsewhere, "another service account"},
		{"a user", s.sign(with(good, "alice", "sub")), "", agent.TokenInvalid, "not one of this cluster"},
		{"a pod that is gone", s.sign(claimsOf(podOf("uid-g", "g", "reader", "", "ggg"))), "", agent.TokenInvalid, "its pod is gone"},
	}
	// A claim changed, the signature kept.
	parts := strings.Split(tok, ".")
	forged := parts[0] + "." + strings.Split(s.sign(claimsOf(b)), ".")[1] + "." + parts[2]
	tests = append(tests, test{"tampered", forged, "", agent.TokenInvalid, "not one of this cluster"})

	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r.strikes = strikes{}
			var from netip.Addr
			if tt.from != "" {
				from = ip(tt.from)
			}
			pod, err := r.Review(t.Context(), tt.token, from)
			if tt.reason == "" {
				if err != nil || pod.UID != "uid-a" || pod.ServiceAccount != "reader" || pod.Namespace != "shop" || pod.Labels["app"] != "a" || pod.Container != "" {
					t.Errorf("got %+v, %v", pod, err)
				}
				return
			}
			bad, ok := errors.AsType[*agent.TokenError](err)
			if !ok || bad.Fault != tt.fault || !strings.Contains(bad.Reason, tt.reason) {
				t.Errorf("got %+v, %v; want fault %d, %q", pod, err, tt.fault, tt.reason)
			}
			if pod.UID != "" {
				t.Error("a pod came with the refusal")
			}
			if ok && tt.token != "" && strings.Contains(bad.Reason, tt.token) {
				t.Error("the reason holds the token")
			}
		})
	}
}

func TestReviewWithoutAudiences(t *testing.T) {
	s := newAPIServer(t)
	a := podOf("uid-a", "a", "reader", "10.0.0.7", "aaa")
	s.apply("ADDED", a)
	s.set(func() { s.mute = true })
	r, p := reviewer(t, s)
	until(t, p, "ready", p.Ready)
	if _, err := r.Review(t.Context(), s.sign(claimsOf(a)), netip.Addr{}); err == nil {
		t.Error("a token was accepted that was verified for the API server itself")
	}
}

// A hundred who ask at once are one question, which outlives the first of them.
func TestReviewOnce(t *testing.T) {
	s := newAPIServer(t)
	a := podOf("uid-a", "a", "reader", "10.0.0.7", "aaa")
	s.apply("ADDED", a)
	s.held = make(chan struct{})
	r, p := reviewer(t, s)
	until(t, p, "ready", p.Ready)
	tok := s.sign(claimsOf(a))

	first, hangUp := context.WithCancel(t.Context())
	gone := make(chan error)
	go func() { _, err := r.Review(first, tok, netip.Addr{}); gone <- err }()
	until(t, p, "the question", func() (asked bool) { s.set(func() { asked = s.reviews == 1 }); return asked })
	hangUp()
	if err := <-gone; !errors.Is(err, context.Canceled) {
		t.Errorf("the one who hung up got %v", err)
	}
	var all sync.WaitGroup
	for range 100 {
		all.Go(func() {
			if _, err := r.Review(t.Context(), tok, netip.Addr{}); err != nil {
				t.Error(err)
			}
		})
	}
	close(s.held)
	all.Wait()
	if n := count(s); n != 1 {
		t.Errorf("%d questions for one token, want 1", n)
	}

	// What was verified is kept while the API server is away, and ends with the pod.
	s.set(func() { s.down = true })
	if _, err := r.Review(t.Context(), tok, netip.Addr{}); err != nil {
		t.Errorf("a token that was verified: %v", err)
	}
	fresh := s.sign(with(claimsOf(a), "y", "jti"))
	if _, err := r.Review(t.Context(), fresh, netip.Addr{}); err == nil {
		t.Error("a token was accepted unverified")
	} else if _, ok := errors.AsType[*agent.TokenError](err); ok {
		t.Errorf("an API server that is away is the bearer's fault: %v", err)
	}
	s.set(func() { s.down = false })
	if _, err := r.Review(t.Context(), fresh, netip.Addr{}); err != nil {
		t.Errorf("a failure was kept: %v", err)
	}
	s.apply("DELETED", a)
	until(t, p, "the end of the pod", func() bool { _, ok := p.Pod("uid-a"); return !ok })
	if _, err := r.Review(t.Context(), tok, netip.Addr{}); err == nil {
		t.Error("the token of a pod that is gone was accepted from memory")
	}
}

func TestReviewKept(t *testing.T) {
	s := newAPIServer(t)
	a := podOf("uid-a", "a", "reader", "10.0.0.7", "aaa")
	s.apply("ADDED", a)
	p := follow(t, s, Options{})
	r := NewReviewer(s.client(t), p, ReviewerOptions{Hold: time.Second, Keep: 20 * time.Millisecond})
	tok := s.sign(claimsOf(a))
	if _, err := r.Review(t.Context(), tok, netip.Addr{}); err != nil {
		t.Fatal(err)
	}
	s.set(func() { s.revoked = true })
	time.Sleep(25 * time.Millisecond)
	if _, err := r.Review(t.Context(), tok, netip.Addr{}); err == nil {
		t.Error("a token was kept for longer than Keep")
	}
}

// A pod is known to its kubelet a little before its node's watch is told.
func TestReviewHolds(t *testing.T) {
	s := newAPIServer(t)
	a := podOf("uid-a", "a", "reader", "10.0.0.7", "aaa")
	p := follow(t, s, Options{})
	until(t, p, "ready", p.Ready)
	r := NewReviewer(s.client(t), p, ReviewerOptions{Hold: 5 * time.Second})
	s.set(func() { s.pods["uid-a"] = a }) // the API server knows it, the watch does not yet
	got := make(chan error)
	go func() { _, err := r.Review(t.Context(), s.sign(claimsOf(a)), netip.Addr{}); got <- err }()
	until(t, p, "the question", func() (asked bool) { s.set(func() { asked = s.reviews == 1 }); return asked })
	s.apply("ADDED", a)
	if err := <-got; err != nil {
		t.Error(err)
	}
}

// Who guesses is not looked at any more; a pod whose token is known still is,
// behind the same address too.
func TestReviewStrikes(t *testing.T) {
	s := newAPIServer(t)
	a := podOf("uid-a", "a", "reader", "10.0.0.7", "aaa")
	s.apply("ADDED", a)
	r, p := reviewer(t, s)
	until(t, p, "ready", p.Ready)
	tok, from := s.sign(claimsOf(a)), ip("192.0.2.7")
	if _, err := r.Review(t.Context(), tok, from); err != nil {
		t.Fatal(err)
	}
	other := newAPIServer(t)
	var last error
	for range 3 * maxStrikes {
		_, last = r.Review(t.Context(), other.sign(claimsOf(a)), from) // each another signature
	}
	if bad, ok := errors.AsType[*agent.TokenError](last); !ok || bad.Fault != agent.TokenUnheard {
		t.Errorf("after %d forged tokens: %v", 3*maxStrikes, last)
	}
	if n := count(s); n > maxStrikes+5 {
		t.Errorf("%d questions to the API server for %d forged tokens", n, 3*maxStrikes)
	}
	if _, err := r.Review(t.Context(), tok, from); err != nil {
		t.Errorf("the known token from the same address: %v", err)
	}
	if _, err := r.Review(t.Context(), s.sign(with(claimsOf(a), "y", "jti")), ip("10.0.0.7")); err != nil {
		t.Errorf("a new token from another address: %v", err)
	}
}

func FuzzReadClaims(f *testing.F) {
	f.Add("eyJhbGciOiJFUzI1NiJ9.eyJhdWQiOlsicG9kcy5la3MuYW1hem9uYXdzLmNvbSJdLCJleHAiOjF9.AA")
	f.Add("a.b.c")
	f.Add("eyJhbGciOiJub25lIn0.e30.AA")
	f.Fuzz(func(t *testing.T, token string) {
		c, fault := readClaims(token)
		if fault == "" && strings.Count(token, ".") != 2 {
			t.Error("accepted what has not three parts")
		}
		if fault != "" && strings.Contains(fault, token) && len(token) > 12 {
			t.Error("the fault repeats the token")
		}
		_ = c.expires()
	})
}

// count is how many reviews the API server was asked for.
func count(s *apiServer) (n int) { s.set(func() { n = s.reviews }); return n }
