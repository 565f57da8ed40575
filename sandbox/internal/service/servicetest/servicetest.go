// Package servicetest lets the tests of a service speak to it through AWS's
// own clients: a [Front] is a server reduced to what one service needs of
// one. It believes who calls, and asks a function of the test about every
// check.
package servicetest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/smithy-go"

	"github.com/mantle-iam/mantle/iam"
	"github.com/mantle-iam/mantle/sandbox/internal/service"
	"github.com/mantle-iam/mantle/sandbox/internal/wire"
)

// Options are the choices of a front. The zero value will do for most
// services.
type Options struct {
	// Model changes the service's model.
	Model func(*wire.Model) *wire.Model
	// User is the name of the user who calls; "alice" if empty.
	User string
	// Start is the clock at the start, and Step how far it moves before each
	// call. Without Start it is a moment in 2026.
	Start time.Time
	Step  time.Duration
	// RealTime goes with the system's clock instead.
	RealTime bool
}

// Front serves one service. It is safe for concurrent use, except that Body
// and LastChecks speak of the call that ended last.
type Front struct {
	// Service is what is served, Model its model and Table its operations.
	Service service.Service
	Model   *wire.Model
	Table   map[string]service.Operation
	// URL is where.
	URL string

	t   testing.TB
	opt Options

	mu     sync.Mutex // guards the fields below
	now    time.Time
	decide func(*service.Request, service.Check) bool
	seen   []service.Check // since the last time
	last   int             // where those of the last call begin
	body   string          // of the last answer
}

// New serves a service until the test ends.
func New(t testing.TB, svc service.Service, opt Options) *Front {
	t.Helper()
	m, err := wire.Load(svc.Name())
	if err != nil {
		t.Fatal(err)
	}
	if opt.Model != nil {
		m = opt.Model(m)
	}
	if opt.User == "" {
		opt.User = "alice"
	}
	f := &Front{Service: svc, Model: m, Table: map[string]service.Operation{}, t: t, opt: opt, now: opt.Start}
	if f.now.IsZero() {
		f.now = time.Date(2026, 1, 2, 3, 4, 5, 6e6, time.UTC)
	}
	for _, op := range svc.Operations() {
		if _, twice := f.Table[op.Name]; twice {
			t.Fatalf("operation %s is in the table twice", op.Name)
		}
		f.Table[op.Name] = op
	}
	srv := httptest.NewServer(f)
	t.Cleanup(srv.Close)
	f.URL = srv.URL
	return f
}

// Config is for a client of a user of the account. The access key id names
// the account.
func (f *Front) Config(account, region string) aws.Config {
	return aws.Config{
		Region: region, BaseEndpoint: &f.URL, RetryMaxAttempts: 1, HTTPClient: whole{},
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "AKIA" + account, SecretAccessKey: "secret"}, nil
		}),
	}
}

// Caller is the user of an account.
func (f *Front) Caller(account string) service.Caller {
	return service.Caller{
		Principal:   iam.Principal{Type: iam.User, ARN: "arn:aws:iam::" + account + ":user/" + f.opt.User, Account: account},
		AccessKeyID: "AKIA" + account, Name: f.opt.User,
	}
}

// Now is the front's clock.
func (f *Front) Now() time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.opt.RealTime {
		return time.Now()
	}
	return f.now
}

// Advance moves the clock.
func (f *Front) Advance(d time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.now = f.now.Add(d)
}

// Decide has allow decide the checks from now on; nil allows all.
func (f *Front) Decide(allow func(*service.Request, service.Check) bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.decide = allow
}

// Deny refuses checks of these actions from now on, and no others.
func (f *Front) Deny(actions ...string) {
	f.Decide(func(_ *service.Request, c service.Check) bool { return !slices.Contains(actions, c.Action) })
}

// Authorize decides a check, as a server does for a handler that asks in the
// middle of its work. It is noted with those of the call.
func (f *Front) Authorize(r *service.Request, c service.Check) *wire.Error {
	f.mu.Lock()
	f.seen = append(f.seen, c)
	decide := f.decide
	f.mu.Unlock()
	if decide == nil || decide(r, c) {
		return nil
	}
	message := "User: " + r.Caller.ARN + " is not authorized to perform: " + c.Action + " on resource: " + c.Resource
	switch {
	case c.Denied != nil:
		return c.Denied(message)
	case f.Model.Protocol() == "json":
		return wire.Fail("AccessDeniedException", 400, "%s", message)
	}
	return wire.Fail("AccessDenied", 403, "%s", message)
}

// Checks returns the checks since the last time.
func (f *Front) Checks() []service.Check {
	f.mu.Lock()
	defer f.mu.Unlock()
	seen := f.seen
	f.seen, f.last = nil, 0
	return seen
}

// LastChecks returns the checks of the last call.
func (f *Front) LastChecks() []service.Check {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.seen[f.last:])
}

// Body is the last answer as it was written.
func (f *Front) Body() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.body
}

// Lines are the checks of the last call: action, resource without prefix, and
// the keys that begin with one of keys.
func (f *Front) Lines(prefix string, keys ...string) []string {
	var out []string
	for _, c := range f.LastChecks() {
		line := c.Action + " " + strings.TrimPrefix(c.Resource, prefix)
		for _, k := range c.Context {
			if slices.ContainsFunc(keys, func(p string) bool { return strings.HasPrefix(k.Key, p) }) {
				line += " " + k.Key + "=" + strings.ReplaceAll(strings.Join(k.Values, ","), prefix, "")
			}
		}
		out = append(out, line)
	}
	return out
}

// Do runs an operation as the server does: checks, decisions, handler.
func (f *Front) Do(ctx context.Context, op service.Operation, r *service.Request, in any) (any, error) {
	if err := f.permit(op, r, in); err != nil {
		return nil, err
	}
	return op.Handle(ctx, r, in)
}

func (f *Front) permit(op service.Operation, r *service.Request, in any) error {
	f.mu.Lock()
	f.last = len(f.seen)
	f.mu.Unlock()
	checks, err := op.Checks(r, in)
	if err != nil {
		return err
	}
	for i, c := range checks {
		if e := f.Authorize(r, c); e != nil {
			// What would have been asked is of interest as well.
			f.mu.Lock()
			f.seen = append(f.seen, checks[i+1:]...)
			f.mu.Unlock()
			return e
		}
	}
	return nil
}

// ServeHTTP answers one call.
func (f *Front) ServeHTTP(w http.ResponseWriter, h *http.Request) {
	out := &tee{ResponseWriter: w}
	defer func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.body = out.b.String()
	}()
	c, e := wire.Decode(f.Model, h, 4<<20)
	if e != nil {
		c.Fail(out, e)
		return
	}
	if err := f.answer(out, h, c); err != nil {
		if !errors.As(err, &e) {
			f.t.Errorf("%s: not an error of the API: %v", c.OpName, err)
			e = wire.Fail("InternalFailure", 500, "%s", err)
		}
		c.Fail(out, e)
	}
}

func (f *Front) answer(w http.ResponseWriter, h *http.Request, c *wire.Call) error {
	name := c.OpName
	if r, ok := f.Service.(service.Resolver); ok {
		var e *wire.Error
		if name, e = r.Resolve(c); e != nil {
			return e
		}
	}
	op, ok := f.Table[name]
	if !ok {
		return c.Unknown()
	}
	f.Advance(f.opt.Step)
	r := f.Request(h, c)
	var in any
	if op.Input != nil {
		in = op.Input()
		if e := c.Input(in); e != nil {
			return e
		}
	}
	if op.Serve != nil {
		if err := f.permit(op, r, in); err != nil {
			return err
		}
		return op.Serve(w, h, r, in)
	}
	out, err := f.Do(h.Context(), op, r, in)
	if err == nil {
		c.Reply(w, out)
	}
	return err
}

// Request makes the caller and the region of a call out of its credential
// scope; a call without one is nobody's.
func (f *Front) Request(h *http.Request, c *wire.Call) *service.Request {
	now := f.Now()
	r := &service.Request{ID: c.ID, Call: c, Now: now, Outside: now, Region: "us-east-1"}
	_, rest, ok := strings.Cut(h.Header.Get("Authorization"), "Credential=")
	if !ok {
		rest = h.URL.Query().Get("X-Amz-Credential")
	}
	scope := strings.Split(rest, "/")
	if len(scope) < 5 {
		r.Caller.Principal = iam.Principal{Type: iam.Anonymous}
		return r
	}
	r.Region = scope[2]
	r.Caller = f.Caller(strings.TrimPrefix(scope[0], "AKIA"))
	r.Caller.SignedBy, r.Caller.SignatureVersion, r.Caller.SignedAt = "REST-HEADER", "AWS4-HMAC-SHA256", now.Add(-time.Second)
	if !ok {
		r.Caller.SignedBy = "REST-QUERY-STRING"
	}
	return r
}

// tee keeps what is written.
type tee struct {
	http.ResponseWriter
	b strings.Builder
}

func (w *tee) Write(p []byte) (int, error) {
	w.b.Write(p)
	return w.ResponseWriter.Write(p)
}

// whole reads answers to their end before the SDK sees them. The SDK closes
// the body of its request as soon as the answer's head is there; if the
// transport has not yet looked for the body's end by then, as happens with a
// server as quick as this, it drops the connection with the rest of the answer.
type whole struct{}

func (whole) Do(r *http.Request) (*http.Response, error) {
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	resp.Body = io.NopCloser(bytes.NewReader(b))
	return resp, err
}

// Must ends the test if a call failed.
func Must[Out any](t testing.TB) func(out *Out, err error) *Out {
	return func(out *Out, err error) *Out {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
}

// Failure is the code and the message of an API error, empty for none.
func Failure(err error) (code, message string) {
	if e, ok := errors.AsType[smithy.APIError](err); ok {
		return e.ErrorCode(), e.ErrorMessage()
	}
	if err != nil {
		return "no error of the API", err.Error()
	}
	return "", ""
}

// WantError checks an API error's code, and that its message holds a text.
func WantError(t testing.TB, what string, err error, code, text string) {
	t.Helper()
	if c, m := Failure(err); c != code || !strings.Contains(m, text) {
		t.Errorf("%s: got %s %q, want %s with %q", what, c, m, code, text)
	}
}
