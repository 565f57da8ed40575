package ecr

import (
	"slices"
	"strings"
	"testing"
	"time"

	api "github.com/aws/aws-sdk-go-v2/service/ecr"

	"github.com/mantle-iam/mantle/sandbox/internal/service/servicetest"
	"github.com/mantle-iam/mantle/sandbox/internal/store"
)

const (
	account = "111122223333"
	region  = "us-west-2"
	other   = "444455556666"
	prefix  = "arn:aws:ecr:us-west-2:111122223333:repository/"
)

// front is ECR with a client of each of two accounts.
type front struct {
	*servicetest.Front
	ecr *ECR
	api *api.Client // of account
	far *api.Client // of other
}

func newFront(t testing.TB, st *store.Store, opt Options) *front {
	t.Helper()
	s := New(st, opt)
	f := servicetest.New(t, s, servicetest.Options{Step: time.Second})
	return &front{f, s, api.NewFromConfig(f.Config(account, region)), api.NewFromConfig(f.Config(other, region))}
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
