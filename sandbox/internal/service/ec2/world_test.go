package ec2

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	api "github.com/aws/aws-sdk-go-v2/service/ec2"

	"github.com/mantle-iam/mantle/iam"
	"github.com/mantle-iam/mantle/sandbox/internal/service"
	"github.com/mantle-iam/mantle/sandbox/internal/store"
	"github.com/mantle-iam/mantle/sandbox/internal/wire"
)

const (
	testAccount  = "111122223333"
	otherAccount = "444455556666"
	testRegion   = "ap-southeast-2"
)

// fakeProfiles are the instance profiles of the test account, by name.
type fakeProfiles map[string]Profile

func (f fakeProfiles) InstanceProfile(account, nameOrARN string) (Profile, bool) {
	if account != testAccount {
		return Profile{}, false
	}
	for name, p := range f {
		if name == nameOrARN || p.ARN == nameOrARN {
			return p, true
		}
	}
	return Profile{}, false
}

func someProfiles() fakeProfiles {
	f := fakeProfiles{}
	for _, name := range []string{"test_profile1", "test_profile2"} {
		f[name] = Profile{
			Name: name, ID: "AIPA" + strings.ToUpper(strings.ReplaceAll(name, "_", "")) + "0000", ARN: "arn:aws:iam::" + testAccount + ":instance-profile/" + name,
			RoleARN: "arn:aws:iam::" + testAccount + ":role/" + name + "_role", RoleTags: map[string]string{"team": "shop"},
		}
	}
	f["empty"] = Profile{Name: "empty", ID: "AIPAEMPTY0000000000000", ARN: "arn:aws:iam::" + testAccount + ":instance-profile/empty"}
	return f
}

// world is an EC2 and a server reduced to what it needs of one: it believes
// the access key id, which names the account, and asks decide about every
// check.
type world struct {
	*EC2
	t      testing.TB
	ops    map[string]service.Operation
	model  *wire.Model
	caller service.Caller
	region string

	mu     sync.Mutex // guards the fields below
	now    time.Time
	decide func(service.Check) bool
	checks []service.Check // of the last call
}

func newWorld(t testing.TB) *world {
	t.Helper()
	st, err := store.Open("")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { st.Close() })
	return worldOver(t, st)
}

func worldOver(t testing.TB, st *store.Store) *world {
	t.Helper()
	m, err := wire.Load("ec2")
	if err != nil {
		t.Fatal(err)
	}
	w := &world{
		EC2: New(st, Options{Profiles: someProfiles(), Encode: func(string) string { return "ENCODED" }}),
		t:   t, ops: map[string]service.Operation{}, model: m, region: testRegion,
		caller: callerOf(testAccount), now: time.Date(2026, 1, 20, 10, 0, 0, 0, time.UTC),
	}
	for _, op := range w.Operations() {
		if _, twice := w.ops[op.Name]; twice {
			t.Fatalf("operation %s is in the table twice", op.Name)
		}
		w.ops[op.Name] = op
	}
	return w
}

func callerOf(account string) service.Caller {
	return service.Caller{Principal: iam.Principal{Type: iam.User, ARN: "arn:aws:iam::" + account + ":user/mira", Account: account}, Name: "mira"}
}

// do runs a call as the server does: checks, decision, handler.
func (w *world) do(op service.Operation, r *service.Request, in any) (any, error) {
	checks, err := op.Checks(r, in)
	w.mu.Lock()
	w.checks = checks
	decide := w.decide
	w.mu.Unlock()
	if err != nil {
		return nil, err
	}
	for _, c := range checks {
		if decide != nil && !decide(c) {
			message := "User: " + r.Caller.ARN + " is not authorized to perform: " + c.Action + " on resource: " + c.Resource
			if c.Denied == nil {
				return nil, wire.Fail("UnauthorizedOperation", 403, "%s", message)
			}
			return nil, c.Denied(message)
		}
	}
	return op.Handle(context.Background(), r, in)
}

// later moves the clock.
func (w *world) later(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(d)
}

func (w *world) clock() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

func try[Out any](w *world, name string, in any) (*Out, error) {
	w.t.Helper()
	op, ok := w.ops[name]
	if !ok {
		w.t.Fatalf("there is no operation %s", name)
	}
	w.later(time.Second)
	out, err := w.do(op, &service.Request{ID: "test", Caller: w.caller, Region: w.region, Now: w.clock()}, in)
	if err != nil {
		return nil, err
	}
	typed, ok := out.(*Out)
	if !ok {
		w.t.Fatalf("%s answers %T, want %T", name, out, typed)
	}
	return typed, nil
}

func must[Out any](w *world, name string, in any) *Out {
	w.t.Helper()
	out, err := try[Out](w, name, in)
	if err != nil {
		w.t.Fatalf("%s: %v", name, err)
	}
	return out
}

// fails checks a call's error: its code, status and a text in its message.
func fails(w *world, name string, in any, code string, status int, message string) {
	w.t.Helper()
	op, ok := w.ops[name]
	if !ok {
		w.t.Fatalf("there is no operation %s", name)
	}
	out, err := w.do(op, &service.Request{ID: "test", Caller: w.caller, Region: w.region, Now: w.clock()}, in)
	var e *wire.Error
	if !errors.As(err, &e) {
		w.t.Errorf("%s: got %v, %v, want %s", name, out, err, code)
		return
	}
	if e.Code != code || e.Status != status || !strings.Contains(e.Message, message) {
		w.t.Errorf("%s: got %s %d %q, want %s %d with %q", name, e.Code, e.Status, e.Message, code, status, message)
	}
}

// ServeHTTP speaks EC2's wire format.
func (w *world) ServeHTTP(rw http.ResponseWriter, h *http.Request) {
	c, e := wire.Decode(w.model, h, 1<<20)
	if e == nil {
		var out any
		if out, e = w.answer(h, c); e == nil {
			c.Reply(rw, out)
			return
		}
	}
	c.Fail(rw, e)
}

func (w *world) answer(h *http.Request, c *wire.Call) (any, *wire.Error) {
	op, ok := w.ops[c.OpName]
	if !ok {
		return nil, wire.Fail("InvalidAction", 400, "no operation %s", c.OpName)
	}
	in := op.Input()
	if e := c.Input(in); e != nil {
		return nil, e
	}
	_, rest, _ := strings.Cut(h.Header.Get("Authorization"), "Credential=")
	scope := strings.Split(rest, "/")
	if len(scope) < 5 {
		return nil, wire.Fail("AuthFailure", 401, "no signature")
	}
	w.later(time.Second)
	out, err := w.do(op, &service.Request{ID: c.ID, Call: c, Caller: callerOf(strings.TrimPrefix(scope[0], "AKIA")), Region: scope[2], Now: w.clock()}, in)
	if err != nil {
		var e *wire.Error
		if !errors.As(err, &e) {
			e = wire.Fail("InternalFailure", 500, "%s", err)
		}
		return nil, e
	}
	return out, nil
}

// client is AWS's own client of the world, for an account.
func (w *world) client(account string) *api.Client {
	srv := httptest.NewServer(w)
	w.t.Cleanup(srv.Close)
	return api.New(api.Options{
		Region: testRegion, BaseEndpoint: &srv.URL, RetryMaxAttempts: 1, HTTPClient: whole{srv.Client()},
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "AKIA" + account, SecretAccessKey: "secret"}, nil
		}),
	})
}

// whole reads answers to their end before the SDK sees them. The SDK closes
// the body of its request as soon as the answer's head is there; if the
// transport has not yet looked for the body's end by then, as happens with a
// server as quick as this, it drops the connection with the rest of the answer.
type whole struct{ *http.Client }

func (c whole) Do(r *http.Request) (*http.Response, error) {
	resp, err := c.Client.Do(r)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	resp.Body = io.NopCloser(bytes.NewReader(b))
	return resp, err
}
