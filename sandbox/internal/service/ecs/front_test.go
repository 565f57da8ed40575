package ecs

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	api "github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/smithy-go"

	"github.com/mantle-iam/mantle/iam"
	"github.com/mantle-iam/mantle/sandbox/internal/service"
	"github.com/mantle-iam/mantle/sandbox/internal/store"
	"github.com/mantle-iam/mantle/sandbox/internal/wire"
)

const (
	account = "111122223333"
	region  = "us-west-2"
	prefix  = "arn:aws:ecs:us-west-2:111122223333:"
	roleA   = "arn:aws:iam::111122223333:role/app-task"
	roleX   = "arn:aws:iam::111122223333:role/app-execution"
)

// front is a server reduced to what ECS needs of one. It believes who calls,
// and refuses the actions in denied.
type front struct {
	t     testing.TB
	ecs   *ECS
	model *wire.Model
	table map[string]service.Operation
	api   *api.Client

	mu     sync.Mutex // guards the fields below
	now    time.Time
	denied []string
	seen   []service.Check // of the last call
	body   string          // of the last answer
}

func newFront(t testing.TB, st *store.Store, opt Options) *front {
	t.Helper()
	m, err := wire.Load("ecs")
	if err != nil {
		t.Fatal(err)
	}
	f := &front{t: t, ecs: New(st, opt), model: m, table: map[string]service.Operation{}, now: time.Date(2026, 1, 2, 3, 4, 5, 6e6, time.UTC)}
	for _, op := range f.ecs.Operations() {
		if _, twice := f.table[op.Name]; twice {
			t.Fatalf("operation %s is in the table twice", op.Name)
		}
		f.table[op.Name] = op
	}
	srv := httptest.NewServer(f)
	t.Cleanup(srv.Close)
	f.api = api.New(api.Options{
		Region: region, BaseEndpoint: &srv.URL, RetryMaxAttempts: 1,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "AKIAIOSFODNN7EXAMPLE", SecretAccessKey: "secret"}, nil
		}),
	})
	return f
}

func memory(t testing.TB, opt Options) *front {
	t.Helper()
	st, err := store.Open("")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { st.Close() })
	return newFront(t, st, opt)
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

func (f *front) ServeHTTP(w http.ResponseWriter, h *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	out := &tee{ResponseWriter: w}
	defer func() { f.body = out.b.String() }()
	c, e := wire.Decode(f.model, h, 1<<20)
	if e != nil {
		c.Fail(out, e)
		return
	}
	if err := f.serve(out, h, c); err != nil {
		if !errors.As(err, &e) {
			f.t.Errorf("%s: not an error of the API: %v", c.OpName, err)
			e = wire.Fail("ServerException", 500, "%s", err)
		}
		c.Fail(out, e)
	}
}

func (f *front) serve(w http.ResponseWriter, h *http.Request, c *wire.Call) error {
	op, ok := f.table[c.OpName]
	if !ok {
		return c.Unknown()
	}
	f.now = f.now.Add(time.Second)
	r := &service.Request{ID: c.ID, Call: c, Now: f.now, Region: region}
	r.Caller = service.Caller{Principal: iam.Principal{Type: iam.User, ARN: "arn:aws:iam::" + account + ":user/alice", Account: account}, Name: "alice"}
	in := op.Input()
	if e := c.Input(in); e != nil {
		return e
	}
	checks, err := op.Checks(r, in)
	if err != nil {
		return err
	}
	f.seen = checks
	for _, check := range checks {
		if slices.Contains(f.denied, check.Action) {
			return wire.Fail("AccessDeniedException", 400, "no %s on %s", check.Action, check.Resource)
		}
	}
	out, err := op.Handle(h.Context(), r, in)
	if err == nil {
		c.Reply(w, out)
	}
	return err
}

// advance moves the clock.
func (f *front) advance(d time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.now = f.now.Add(d)
}

// lines are the checks of the last call: action, resource and the keys that
// begin with one of the prefixes.
func (f *front) lines(prefixes ...string) []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []string
	for _, c := range f.seen {
		line := c.Action + " " + strings.TrimPrefix(c.Resource, prefix)
		for _, k := range c.Context {
			if slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(k.Key, p) }) {
				line += " " + k.Key + "=" + strings.ReplaceAll(strings.Join(k.Values, ","), prefix, "")
			}
		}
		out = append(out, line)
	}
	return out
}

func (f *front) wantChecks(t *testing.T, what string, want []string, prefixes ...string) {
	t.Helper()
	if got := f.lines(prefixes...); !slices.Equal(got, want) {
		t.Errorf("checks of %s:\n got %s\nwant %s", what, strings.Join(got, "\n     "), strings.Join(want, "\n     "))
	}
}

// must ends the test if a call failed.
func must[Out any](t testing.TB) func(out *Out, err error) *Out {
	return func(out *Out, err error) *Out {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
}

func wantError(t testing.TB, what string, err error, code, text string) {
	t.Helper()
	var e smithy.APIError
	if !errors.As(err, &e) {
		t.Errorf("%s: got %v, want %s", what, err, code)
		return
	}
	if e.ErrorCode() != code || !strings.Contains(e.ErrorMessage(), text) {
		t.Errorf("%s: got %s %q, want %s with %q", what, e.ErrorCode(), e.ErrorMessage(), code, text)
	}
}
