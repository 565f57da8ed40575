package dynamodb

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	api "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"

	"github.com/mantle-iam/mantle/iam"
	"github.com/mantle-iam/mantle/sandbox/internal/service"
	"github.com/mantle-iam/mantle/sandbox/internal/store"
	"github.com/mantle-iam/mantle/sandbox/internal/wire"
)

const (
	account = "111122223333"
	other   = "444455556666"
	region  = "us-west-2"
)

// front is a server reduced to what DynamoDB needs of one: it believes the
// access key id, which names the account, and asks allow about every check.
type front struct {
	db    *DynamoDB
	model *wire.Model
	table map[string]service.Operation
	url   string

	mu    sync.Mutex // guards the fields below
	allow func(*service.Request, service.Check) bool
	seen  []service.Check
	now   time.Time
}

func newFront(t testing.TB, dir string, opt Options) *front {
	t.Helper()
	st, err := store.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	m, err := wire.Load("dynamodb")
	if err != nil {
		t.Fatal(err)
	}
	f := &front{db: New(st, opt), model: m.With(wire.Options{Unions: Unions()}), table: map[string]service.Operation{}, now: time.Date(2026, 5, 4, 3, 2, 1, 0, time.UTC)}
	for _, op := range f.db.Operations() {
		f.table[op.Name] = op
	}
	srv := httptest.NewServer(f)
	f.url = srv.URL
	t.Cleanup(func() { srv.Close(); st.Close() })
	return f
}

// client is a real client, signing as a user of the account.
func (f *front) client(account string) *api.Client {
	return api.New(api.Options{
		Region: region, BaseEndpoint: &f.url, RetryMaxAttempts: 1,
		Credentials: aws.CredentialsProviderFunc(func(_ ctx) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "AKIA" + account, SecretAccessKey: "secret"}, nil
		}),
	})
}

// checks returns the checks since the last time.
func (f *front) checks() []service.Check {
	f.mu.Lock()
	defer f.mu.Unlock()
	seen := f.seen
	f.seen = nil
	return seen
}

func (f *front) setAllow(allow func(*service.Request, service.Check) bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.allow = allow
}

func (f *front) later(d time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.now = f.now.Add(d)
}

func (f *front) permitted(r *service.Request, c service.Check) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.seen = append(f.seen, c)
	return f.allow == nil || f.allow(r, c)
}

func (f *front) ServeHTTP(w http.ResponseWriter, h *http.Request) {
	c, e := wire.Decode(f.model, h, 4<<20)
	if e != nil {
		c.Fail(w, e)
		return
	}
	if err := f.serve(w, h, c); err != nil {
		if !errors.As(err, &e) {
			e = wire.Fail("InternalServerError", 500, "%s", err)
		}
		c.Fail(w, e)
	}
}

func (f *front) serve(w http.ResponseWriter, h *http.Request, c *wire.Call) error {
	op, ok := f.table[c.OpName]
	if !ok {
		return wire.Fail("UnknownOperationException", 400, "%s", c.OpName)
	}
	_, rest, _ := strings.Cut(h.Header.Get("Authorization"), "Credential=AKIA")
	caller := strings.Split(rest+"///", "/")
	f.mu.Lock()
	now := f.now
	f.mu.Unlock()
	r := &service.Request{ID: c.ID, Call: c, Now: now, Region: caller[2],
		Caller: service.Caller{Principal: iam.Principal{Type: iam.User, ARN: "arn:aws:iam::" + caller[0] + ":user/alice", Account: caller[0]}}}
	in := op.Input()
	if e := c.Input(in); e != nil {
		return e
	}
	checks, err := op.Checks(r, in)
	if err != nil {
		return err
	}
	for _, check := range checks {
		if !f.permitted(r, check) {
			return wire.Fail("AccessDeniedException", 400, "no %s on %s", check.Action, check.Resource)
		}
	}
	if op.Serve != nil {
		return op.Serve(w, h, r, in)
	}
	out, err := op.Handle(h.Context(), r, in)
	if err == nil {
		c.Reply(w, out)
	}
	return err
}

// world is a front in memory with one client.
type world struct {
	*testing.T
	*front
	*api.Client
}

func newWorld(t *testing.T) world {
	f := newFront(t, "", Options{})
	return world{t, f, f.client(account)}
}

// createInput is an on-demand table of the key attributes, written
// "name:type"; id:S if there are none.
func createInput(name string, keys ...string) *api.CreateTableInput {
	if keys == nil {
		keys = []string{"id:S"}
	}
	in := &api.CreateTableInput{TableName: &name, BillingMode: types.BillingModePayPerRequest}
	for i, k := range keys {
		n, typ, _ := strings.Cut(k, ":")
		in.AttributeDefinitions = append(in.AttributeDefinitions, types.AttributeDefinition{AttributeName: &n, AttributeType: types.ScalarAttributeType(typ)})
		in.KeySchema = append(in.KeySchema, types.KeySchemaElement{AttributeName: &n, KeyType: []types.KeyType{"HASH", "RANGE"}[i]})
	}
	return in
}

// make makes a table and returns its name.
func (w world) make(name string, keys ...string) string {
	w.Helper()
	if _, err := w.CreateTable(w.Context(), createInput(name, keys...)); err != nil {
		w.Fatal(err)
	}
	w.checks()
	return name
}

func (w world) put(table string, its ...item) {
	w.Helper()
	for _, it := range its {
		if _, err := w.PutItem(w.Context(), &api.PutItemInput{TableName: &table, Item: it}); err != nil {
			w.Fatalf("put %v: %v", show(it), err)
		}
	}
}

// code and message of an API error; "" for none.
func failure(err error) (code, message string) {
	if e, ok := errors.AsType[smithy.APIError](err); ok {
		return e.ErrorCode(), e.ErrorMessage()
	}
	if err != nil {
		return "?", err.Error()
	}
	return "", ""
}

// wantError checks the code, and that the message holds a text.
func wantError(t testing.TB, err error, code, text string) {
	t.Helper()
	c, m := failure(err)
	if c != code || !strings.Contains(m, text) {
		t.Errorf("error %q %q, want %q %q", c, m, code, text)
	}
}

// show prints an item as the JSON of the API.
func show(it item) string {
	b, err := it.MarshalJSON()
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// parseItem reads the JSON of the API.
func parseItem(t testing.TB, s string) item {
	t.Helper()
	var it item
	if err := it.UnmarshalJSON([]byte(s)); err != nil {
		t.Fatalf("%s: %v", s, err)
	}
	return it
}

// keysIn lists the condition keys of a check as "key=v,v", sorted.
func keysIn(c service.Check) []string {
	var out []string
	for _, kv := range c.Context {
		out = append(out, kv.Key+"="+strings.Join(kv.Values, ","))
	}
	slices.Sort(out)
	return out
}

// sees prints the last checks, one a line.
func (w world) sees() string {
	var b strings.Builder
	for _, c := range w.checks() {
		b.WriteString(c.Action + " " + c.Resource + " " + strings.Join(keysIn(c), " ") + "\n")
	}
	return b.String()
}
