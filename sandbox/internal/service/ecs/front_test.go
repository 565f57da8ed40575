package ecs

import (
	"slices"
	"strings"
	"testing"
	"time"

	api "github.com/aws/aws-sdk-go-v2/service/ecs"

	"github.com/mantle-iam/mantle/sandbox/internal/service/servicetest"
	"github.com/mantle-iam/mantle/sandbox/internal/store"
)

const (
	account = "111122223333"
	region  = "us-west-2"
	prefix  = "arn:aws:ecs:us-west-2:111122223333:"
	roleA   = "arn:aws:iam::111122223333:role/app-task"
	roleX   = "arn:aws:iam::111122223333:role/app-execution"
)

// front is ECS with a client of the account.
type front struct {
	*servicetest.Front
	ecs *ECS
	api *api.Client
}

func newFront(t testing.TB, st *store.Store, opt Options) *front {
	t.Helper()
	s := New(st, opt)
	f := servicetest.New(t, s, servicetest.Options{Step: time.Second})
	return &front{f, s, api.NewFromConfig(f.Config(account, region))}
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

func (f *front) wantChecks(t *testing.T, what string, want []string, keys ...string) {
	t.Helper()
	if got := f.Lines(prefix, keys...); !slices.Equal(got, want) {
		t.Errorf("checks of %s:\n got %s\nwant %s", what, strings.Join(got, "\n     "), strings.Join(want, "\n     "))
	}
}

// must ends the test if a call failed.
func must[Out any](t testing.TB) func(*Out, error) *Out { return servicetest.Must[Out](t) }

func wantError(t testing.TB, what string, err error, code, text string) {
	t.Helper()
	servicetest.WantError(t, what, err, code, text)
}
