package sts

import (
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"

	"github.com/mantle-iam/mantle/broker"
)

func TestLend(t *testing.T) {
	sts := &service{}
	server := httptest.NewServer(sts)
	defer server.Close()
	c := New(base(nil), Options{Endpoint: server.URL})
	got := lend(t, c, broker.Loan{
		Role: arn("app/web"), ExternalID: "ext-1", SessionName: "web@box", SourceIdentity: "alice",
		Policy: `{"Version":"2012-10-17"}`, PolicyARNs: []string{"arn:aws:iam::aws:policy/ReadOnlyAccess"},
		Region: "us-west-2", Tags: map[string]string{"team": "a", "app": "b"}, Transitive: []string{"team"},
		Duration: 2 * time.Hour,
	})

	call := sts.seen()[0]
	for key, want := range map[string]string{
		"Action": "AssumeRole", "Version": "2011-06-15", "RoleArn": arn("app/web"), "RoleSessionName": "web@box",
		"ExternalId": "ext-1", "SourceIdentity": "alice", "DurationSeconds": "7200", "Policy": `{"Version":"2012-10-17"}`,
		"PolicyArns.member.1.arn": "arn:aws:iam::aws:policy/ReadOnlyAccess",
		"Tags.member.1.Key":       "app", "Tags.member.1.Value": "b", "Tags.member.2.Key": "team", "Tags.member.2.Value": "a",
		"TransitiveTagKeys.member.1": "team",
	} {
		if call.Get(key) != want {
			t.Errorf("%s=%q, want %q", key, call.Get(key), want)
		}
	}
	if call.key != "AKIABASE" || call.region != "us-west-2" || !strings.Contains(call.agent, "mantle") {
		t.Errorf("signed with %q for %q by %q", call.key, call.region, call.agent)
	}
	if got.AccessKeyID != "ASIA1" || got.SecretAccessKey != "secret1" || got.SessionToken != "token1" ||
		got.RoleARN != arn("app/web") || got.AccountID != "111122223333" {
		t.Errorf("got %v of account %s", got, got.AccountID)
	}
	if life := got.Expires.Sub(got.Issued); life.Round(time.Minute) != 2*time.Hour {
		t.Errorf("issued %v, expires %v", got.Issued, got.Expires)
	}
}

func TestLeastLoan(t *testing.T) {
	sts := &service{}
	lend(t, New(base(sts), Options{}), broker.Loan{Role: arn("web")})
	call := sts.seen()[0]
	for _, key := range []string{"ExternalId", "SourceIdentity", "Policy", "PolicyArns.member.1.arn", "Tags.member.1.Key", "TransitiveTagKeys.member.1"} {
		if call.Has(key) {
			t.Errorf("%s=%q was sent, though the loan has none", key, call.Get(key))
		}
	}
	if call.Get("DurationSeconds") != "3600" || call.region != "eu-west-1" {
		t.Errorf("asked for %s s in %s", call.Get("DurationSeconds"), call.region)
	}
}

// The endpoint is that of AWS_ENDPOINT_URL, as all AWS tools have it.
func TestEndpointOfTheEnvironment(t *testing.T) {
	sts := &service{}
	server := httptest.NewServer(sts)
	defer server.Close()
	for k, v := range map[string]string{
		"AWS_ENDPOINT_URL": server.URL, "AWS_ACCESS_KEY_ID": "AKIAENV", "AWS_SECRET_ACCESS_KEY": "x", "AWS_REGION": "eu-north-1",
		"AWS_CONFIG_FILE": t.TempDir() + "/none", "AWS_SHARED_CREDENTIALS_FILE": t.TempDir() + "/none", "AWS_EC2_METADATA_DISABLED": "true",
	} {
		t.Setenv(k, v)
	}
	cfg, err := config.LoadDefaultConfig(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	lend(t, New(cfg, Options{}), broker.Loan{Role: arn("web")})
	if call := sts.seen()[0]; call.key != "AKIAENV" || call.region != "eu-north-1" {
		t.Errorf("signed with %q for %q", call.key, call.region)
	}
}

func TestRegion(t *testing.T) {
	tests := []struct {
		name       string
		base       string
		opt        Options
		loan, want string
	}{
		{"the base's", "eu-west-1", Options{}, "", "eu-west-1"},
		{"the option's", "eu-west-1", Options{Region: "eu-west-2"}, "", "eu-west-2"},
		{"the loan's", "eu-west-1", Options{Region: "eu-west-2"}, "cn-north-1", "cn-north-1"},
		{"none, but an endpoint", "", Options{Endpoint: "http://127.0.0.1:1"}, "", "us-east-1"},
		{"none", "", Options{}, "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			sts := &service{}
			cfg := base(sts)
			cfg.Region = tt.base
			c := New(cfg, tt.opt)
			_, err := c.Lend(t.Context(), broker.Loan{Role: arn("web"), SessionName: "web", Region: tt.loan})
			if tt.want == "" {
				if err == nil || !strings.Contains(err.Error(), "AWS_REGION") {
					t.Errorf("without a region: %v", err)
				}
				return
			}
			if err != nil || sts.seen()[0].region != tt.want {
				t.Errorf("%v; signed for %q, want %q", err, sts.seen()[0].region, tt.want)
			}
		})
	}
}

func TestChain(t *testing.T) {
	sts := &service{}
	c := New(base(sts), Options{})
	chain := []broker.Hop{{Role: arn("jump1"), SessionName: "mantle@box"}, {Role: arn("jump2"), ExternalID: "x", SessionName: "mantle@box"}}
	got := lend(t, c, broker.Loan{Role: arn("web"), Chain: chain, ExternalID: "e"})
	if got.AccessKeyID != "ASIA3" || got.RoleARN != arn("web") {
		t.Errorf("got %v", got)
	}
	want := []struct{ role, key, token, external string }{
		{arn("jump1"), "AKIABASE", "", ""},
		{arn("jump2"), "ASIA1", "token1", "x"},
		{arn("web"), "ASIA2", "token2", "e"},
	}
	for i, call := range sts.seen() {
		if w := want[i]; call.role() != w.role || call.key != w.key || call.token != w.token || call.Get("ExternalId") != w.external {
			t.Errorf("call %d: %s with %s, token %q, external id %q; want %+v", i, call.role(), call.key, call.token, call.Get("ExternalId"), w)
		}
	}

	// A second loan by the same way costs one call, one by another way more.
	lend(t, c, broker.Loan{Role: arn("db"), Chain: chain})
	if calls := sts.seen(); len(calls) != 4 || calls[3].key != "ASIA2" {
		t.Errorf("%d calls after a second loan, the last with %s", len(calls), calls[len(calls)-1].key)
	}
	other := []broker.Hop{chain[0], {Role: arn("jump2"), ExternalID: "y", SessionName: "mantle@box"}}
	lend(t, c, broker.Loan{Role: arn("db"), Chain: other})
	if calls := sts.seen(); len(calls) != 6 || calls[4].key != "ASIA1" || calls[4].Get("ExternalId") != "y" {
		t.Errorf("%d calls after a loan whose hop has another external id", len(calls))
	}
}

func TestHopIsFetchedOnceAndRenewed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := &fault{hang: 200 * time.Millisecond, then: true}
		sts := &service{fail: func(call) *fault { return slow }}
		c := New(base(sts), Options{})
		chain := []broker.Hop{{Role: arn("jump"), SessionName: "mantle"}}
		round := func() {
			var wg sync.WaitGroup
			for i := range 50 {
				wg.Go(func() { lend(t, c, broker.Loan{Role: arn(fmt.Sprint("w", i)), Chain: chain}) })
			}
			wg.Wait()
		}
		jumps := func() (n int) {
			for _, call := range sts.seen() {
				if call.role() == arn("jump") {
					n++
				}
			}
			return n
		}
		round()
		if n := jumps(); n != 1 {
			t.Errorf("%d sessions of the hop for 50 loans, want 1", n)
		}
		time.Sleep(54 * time.Minute)
		round()
		if n := jumps(); n != 1 {
			t.Errorf("%d sessions of the hop after 54 minutes, want 1", n)
		}
		time.Sleep(2 * time.Minute)
		round()
		if n := jumps(); n != 2 {
			t.Errorf("%d sessions of the hop after 56 minutes, want 2", n)
		}
	})
}

// A hop that is refused is one refusal, not one for each loan that leads
// through it.
func TestDeniedHop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		no := &fault{status: 403, code: "AccessDenied", message: "User: arn:aws:iam::111122223333:user/u is not authorized to perform: sts:AssumeRole on resource: " + arn("jump")}
		sts := &service{fail: func(call) *fault { return no }}
		c := New(base(sts), Options{})
		ask := func(i int) error {
			_, err := c.Lend(t.Context(), broker.Loan{Role: arn(fmt.Sprint("w", i)), SessionName: "web", Chain: []broker.Hop{{Role: arn("jump"), SessionName: "mantle"}}})
			return err
		}
		for i := range 20 {
			var e *broker.LendError
			err := ask(i)
			if !errors.As(err, &e) || e.Kind != broker.Denied || e.Hop != arn("jump") || e.Role != arn(fmt.Sprint("w", i)) {
				t.Fatalf("got %v", err)
			}
			if !strings.Contains(err.Error(), "by way of "+arn("jump")) {
				t.Errorf("the error does not name the hop: %v", err)
			}
		}
		if n := len(sts.seen()); n != 1 {
			t.Errorf("%d calls for 20 loans, want 1", n)
		}
		sts.set(func(s *service) { s.fail = nil })
		time.Sleep(hopGrudge)
		if err := ask(0); err != nil {
			t.Errorf("after it was put right: %v", err)
		}
	})
}

// The role of a hop was deleted and made again: its session is dead, and one
// more try starts from a new one.
func TestDeadHop(t *testing.T) {
	sts := &service{}
	c := New(base(sts), Options{})
	l := broker.Loan{Role: arn("web"), Chain: []broker.Hop{{Role: arn("jump"), SessionName: "mantle"}}}
	lend(t, c, l) // ASIA1 is the hop's
	sts.set(func(s *service) { s.dead = map[string]bool{"ASIA1": true} })
	lend(t, c, l)
	var keys []string
	for _, call := range sts.seen() {
		keys = append(keys, call.key)
	}
	if got := strings.Join(keys, " "); got != "AKIABASE ASIA1 ASIA1 AKIABASE ASIA4" {
		t.Errorf("calls with %s", got)
	}
}

func TestLeavingWhileAHopIsFetched(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sts := &service{fail: func(call) *fault { return &fault{hang: 4 * time.Second, then: true} }}
		c := New(base(sts), Options{})
		l := broker.Loan{Role: arn("web"), SessionName: "web", Chain: []broker.Hop{{Role: arn("jump"), SessionName: "mantle"}}}
		var wg sync.WaitGroup
		wg.Go(func() { lend(t, c, l) })
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began := time.Now()
		_, err := c.Lend(ctx, l)
		var e *broker.LendError
		if !errors.As(err, &e) || e.Kind != broker.Unreachable || time.Since(began) != time.Second {
			t.Errorf("after %v: %v", time.Since(began), err)
		}
		wg.Wait()
	})
}

func TestHopsAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New(base(&service{}), Options{})
		for i := range manyHops + 10 {
			lend(t, c, broker.Loan{Role: arn("web"), Chain: []broker.Hop{{Role: arn("jump"), SessionName: fmt.Sprint("s", i)}}})
		}
		time.Sleep(time.Hour)
		lend(t, c, broker.Loan{Role: arn("web"), Chain: []broker.Hop{{Role: arn("jump"), SessionName: "one-more"}}})
		if n := len(c.hops); n != 1 {
			t.Errorf("%d hops are kept, want the one in use", n)
		}
	})
}

func TestLongSessionOfAChain(t *testing.T) {
	sts := &service{}
	log, text := told()
	c := New(base(sts), Options{Log: log})
	l := broker.Loan{Role: arn("web"), Chain: []broker.Hop{{Role: arn("jump"), SessionName: "mantle"}}, Duration: 12 * time.Hour}
	lend(t, c, l)
	lend(t, c, l)
	for _, call := range sts.seen() {
		if call.Get("DurationSeconds") != "3600" {
			t.Errorf("asked for %s s of %s", call.Get("DurationSeconds"), call.role())
		}
	}
	if n := strings.Count(text.String(), "shortened to one hour"); n != 1 {
		t.Errorf("said so %d times, want once:\n%s", n, text)
	}
}

// The base credentials may be a role's themselves, which only STS can tell.
func TestLongSessionFromARole(t *testing.T) {
	sts := &service{fail: func(c call) *fault {
		if c.Get("DurationSeconds") == "7200" {
			return &fault{status: 400, code: "ValidationError", message: "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining."}
		}
		return nil
	}}
	log, text := told()
	c := New(base(sts), Options{Log: log})
	l := broker.Loan{Role: arn("web"), Duration: 2 * time.Hour}
	for range 2 {
		if got := lend(t, c, l); got.Expires.Sub(got.Issued) > time.Hour+time.Second {
			t.Errorf("session of %v", got.Expires.Sub(got.Issued))
		}
	}
	if n := len(sts.seen()); n != 3 {
		t.Errorf("%d calls for two loans, want 3: the limit is remembered", n)
	}
	if n := strings.Count(text.String(), "shortened to one hour"); n != 1 {
		t.Errorf("said so %d times, want once:\n%s", n, text)
	}
}

func TestClockSkewIsToldOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sts := &service{clock: 7*time.Minute + 12*time.Second}
		log, text := told()
		c := New(base(sts), Options{Log: log})
		for range 5 {
			got := lend(t, c, broker.Loan{Role: arn("web")})
			if skew := time.Until(got.Issued); skew != sts.clock {
				t.Fatalf("issued %v ahead of us, want %v", skew, sts.clock)
			}
		}
		if n := strings.Count(text.String(), "clock of this host is wrong"); n != 1 || !strings.Contains(text.String(), "off_by=-7m12s") {
			t.Errorf("said so %d times, want once:\n%s", n, text)
		}
		sts.set(func(s *service) { s.clock = 0 })
		for range 3 {
			lend(t, c, broker.Loan{Role: arn("web")})
		}
		if n := strings.Count(text.String(), "right again"); n != 1 {
			t.Errorf("said %d times that it is right again:\n%s", n, text)
		}
	})
}

func TestIdentity(t *testing.T) {
	c := New(base(&service{}), Options{})
	who, account, err := c.Identity(t.Context())
	if err != nil || who != "arn:aws:iam::111122223333:user/AKIABASE" || account != "111122223333" {
		t.Errorf("Identity = %q, %q, %v", who, account, err)
	}
}

// provider hands out credentials, or does not.
type provider struct {
	creds       aws.Credentials
	err         error
	invalidated int
}

func (p *provider) Retrieve(context.Context) (aws.Credentials, error) { return p.creds, p.err }
func (p *provider) Invalidate()                                       { p.invalidated++; p.creds.AccessKeyID = "AKIANEW" }

func TestBaseCredentials(t *testing.T) {
	tests := []struct {
		name string
		base aws.CredentialsProvider
		want string
	}{
		{"none", nil, "no credentials to start from"},
		{"SSO has ended", &provider{err: errors.New("the SSO session has expired or is invalid")}, "aws sso login"},
		{"MFA", &provider{err: errors.New("assume role with MFA enabled, but AssumeRoleTokenProvider session option not set.")}, "MFA"},
		{"nothing found", &provider{err: errors.New("no EC2 IMDS role found")}, "a profile, environment variables, or a role"},
		{"expired", &provider{creds: aws.Credentials{AccessKeyID: "ASIAOLD", SecretAccessKey: "very-secret", CanExpire: true, Expires: time.Now().Add(-time.Hour)}}, "ASIAOLD) expired at"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			sts := &service{}
			cfg := base(sts)
			cfg.Credentials = tt.base
			_, err := New(cfg, Options{}).Lend(t.Context(), broker.Loan{Role: arn("web"), SessionName: "web"})
			var e *broker.LendError
			if !errors.As(err, &e) || e.Kind != broker.Expired || e.Role != arn("web") || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want one with %q", err, tt.want)
			}
			if strings.Contains(fmt.Sprintf("%v %+v", err, e), "very-secret") {
				t.Errorf("the error holds a secret: %+v", e)
			}
			if n := len(sts.seen()); n != 0 {
				t.Errorf("STS was called %d times all the same", n)
			}
		})
	}
}

// Cached base credentials that STS no longer knows are fetched anew, once.
func TestStaleBaseCredentials(t *testing.T) {
	sts := &service{dead: map[string]bool{"AKIAOLD": true}}
	p := &provider{creds: aws.Credentials{AccessKeyID: "AKIAOLD", SecretAccessKey: "s"}}
	cfg := base(sts)
	cfg.Credentials = p
	lend(t, New(cfg, Options{}), broker.Loan{Role: arn("web")})
	if calls := sts.seen(); len(calls) != 2 || calls[1].key != "AKIANEW" || p.invalidated != 1 {
		t.Errorf("%d calls, %d times invalidated", len(calls), p.invalidated)
	}

	sts.set(func(s *service) { s.dead["AKIANEW"] = true })
	_, err := New(cfg, Options{}).Lend(t.Context(), broker.Loan{Role: arn("web"), SessionName: "web"})
	var e *broker.LendError
	if !errors.As(err, &e) || e.Kind != broker.Expired || len(sts.seen()) != 4 {
		t.Errorf("after %d calls: %v", len(sts.seen())-2, err)
	}
}
