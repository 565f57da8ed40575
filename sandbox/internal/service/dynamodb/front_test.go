package dynamodb

import (
	"slices"
	"strings"
	"testing"
	"time"

	api "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/mantle-iam/mantle/sandbox/internal/service"
	"github.com/mantle-iam/mantle/sandbox/internal/service/servicetest"
	"github.com/mantle-iam/mantle/sandbox/internal/store"
	"github.com/mantle-iam/mantle/sandbox/internal/wire"
)

const (
	account = "111122223333"
	other   = "444455556666"
	region  = "us-west-2"
)

// front is DynamoDB behind a server.
type front struct {
	*servicetest.Front
	db *DynamoDB
}

func newFront(t testing.TB, dir string, opt Options) *front {
	t.Helper()
	st, err := store.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { st.Close() })
	db := New(st, opt)
	return &front{servicetest.New(t, db, servicetest.Options{
		Model: func(m *wire.Model) *wire.Model { return m.With(wire.Options{Unions: Unions()}) },
		Start: time.Date(2026, 5, 4, 3, 2, 1, 0, time.UTC),
	}), db}
}

// client is a real client, signing as a user of the account.
func (f *front) client(account string) *api.Client {
	return api.NewFromConfig(f.Config(account, region))
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
	w.Checks()
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

// wantError checks the code, and that the message holds a text.
func wantError(t testing.TB, err error, code, text string) {
	t.Helper()
	c, m := servicetest.Failure(err)
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
	for _, c := range w.Checks() {
		b.WriteString(c.Action + " " + c.Resource + " " + strings.Join(keysIn(c), " ") + "\n")
	}
	return b.String()
}
