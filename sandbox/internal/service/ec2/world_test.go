package ec2

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	api "github.com/aws/aws-sdk-go-v2/service/ec2"

	"github.com/mantle-iam/mantle/sandbox/internal/service"
	"github.com/mantle-iam/mantle/sandbox/internal/service/servicetest"
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

// world is EC2 behind a server, called by the test's account unless a test
// says otherwise.
type world struct {
	*EC2
	*servicetest.Front
	t      testing.TB
	caller service.Caller
	region string
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
	s := New(st, Options{Profiles: someProfiles()})
	f := servicetest.New(t, s, servicetest.Options{User: "mira", Start: time.Date(2026, 1, 20, 10, 0, 0, 0, time.UTC), Step: time.Second})
	return &world{s, f, t, f.Caller(testAccount), testRegion}
}

func try[Out any](w *world, name string, in any) (*Out, error) {
	w.t.Helper()
	op, ok := w.Table[name]
	if !ok {
		w.t.Fatalf("there is no operation %s", name)
	}
	w.Advance(time.Second)
	out, err := w.Do(context.Background(), op, &service.Request{ID: "test", Caller: w.caller, Region: w.region, Now: w.Now()}, in)
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
	op, ok := w.Table[name]
	if !ok {
		w.t.Fatalf("there is no operation %s", name)
	}
	out, err := w.Do(context.Background(), op, &service.Request{ID: "test", Caller: w.caller, Region: w.region, Now: w.Now()}, in)
	var e *wire.Error
	if !errors.As(err, &e) {
		w.t.Errorf("%s: got %v, %v, want %s", name, out, err, code)
		return
	}
	if e.Code != code || e.Status != status || !strings.Contains(e.Message, message) {
		w.t.Errorf("%s: got %s %d %q, want %s %d with %q", name, e.Code, e.Status, e.Message, code, status, message)
	}
}

// client is AWS's own client of the world, for an account.
func (w *world) client(account string) *api.Client {
	return api.NewFromConfig(w.Config(account, testRegion))
}
