package iam

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/mantle-iam/mantle/sandbox/internal/service"
	"github.com/mantle-iam/mantle/sandbox/internal/store"
	"github.com/mantle-iam/mantle/sandbox/internal/wire"
)

const testAccount = "111122223333"

// world is a sandbox's IAM with one account, called by its administrator
// unless a test says otherwise. Checks are computed and kept, not decided:
// deciding is the server's.
type world struct {
	*IAM
	t      testing.TB
	ops    map[string]service.Operation
	keys   RootKey
	caller service.Caller
	now    time.Time
	checks []service.Check // of the last call
}

func newWorld(t testing.TB, opt Options) *world {
	t.Helper()
	st, err := store.Open("")
	if err != nil {
		t.Fatal(err)
	}
	return worldOver(t, st, opt)
}

func worldOver(t testing.TB, st *store.Store, opt Options) *world {
	t.Helper()
	w := &world{IAM: New(st, opt), t: t, ops: map[string]service.Operation{}, now: time.Date(2026, 1, 2, 3, 4, 5, 600, time.UTC)}
	for _, op := range w.Operations() {
		if _, twice := w.ops[op.Name]; twice {
			t.Fatalf("operation %s is in the table twice", op.Name)
		}
		w.ops[op.Name] = op
	}
	keys, err := w.CreateAccount(testAccount, "shop")
	if err != nil {
		t.Fatal(err)
	}
	w.keys, w.caller = keys, keys.Admin.Caller()
	return w
}

// try calls an operation as the server does: checks, then handler.
func try[Out any](w *world, name string, in any) (*Out, error) {
	w.t.Helper()
	op, ok := w.ops[name]
	if !ok {
		w.t.Fatalf("there is no operation %s", name)
	}
	w.now = w.now.Add(time.Second)
	r := &service.Request{ID: "test", Caller: w.caller, Region: "us-east-1", Now: w.now}
	var err error
	if w.checks, err = op.Checks(r, in); err != nil {
		return nil, err
	}
	out, err := op.Handle(context.Background(), r, in)
	if err != nil {
		return nil, err
	}
	typed, ok := out.(*Out)
	if !ok {
		w.t.Fatalf("%s answers %T, want %T", name, out, typed)
	}
	return typed, nil
}

// must is try for calls that succeed.
func must[Out any](w *world, name string, in any) *Out {
	w.t.Helper()
	out, err := try[Out](w, name, in)
	if err != nil {
		w.t.Fatalf("%s: %v", name, err)
	}
	return out
}

// code is an error's "Code status", empty for none.
func code(err error) string {
	var e *wire.Error
	if err == nil {
		return ""
	}
	if !errors.As(err, &e) {
		return "no wire error: " + err.Error()
	}
	return e.Code
}

// fails checks a call's error: its code, status and the text in its message.
func fails[Out any](w *world, name string, in any, want string, status int, message string) {
	w.t.Helper()
	_, err := try[Out](w, name, in)
	var e *wire.Error
	if !errors.As(err, &e) {
		w.t.Errorf("%s: %v, want %s", name, err, want)
		return
	}
	if e.Code != want || e.Status != status || !strings.Contains(e.Message, message) {
		w.t.Errorf("%s: %s %d %q, want %s %d with %q", name, e.Code, e.Status, e.Message, want, status, message)
	}
}

const (
	trustEC2 = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}]}`
	allowS3  = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:GetObject","Resource":"*"}]}`
	allowAll = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}`
)

func trusting(principal string) string {
	return `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"` + principal + `"},"Action":"sts:AssumeRole"}]}`
}
