package broker

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func keepRules() Rules {
	return Rules{
		{Name: "a", Loan: Loan{Role: "arn:aws:iam::111122223333:role/a"}},
		{Name: "b", Match: Match{UID: new(7)}, Loan: Loan{Role: "arn:aws:iam::111122223333:role/b", SessionName: "b-{uid}"}},
	}
}

// hourly is a Lender that fails while down is set.
type hourly struct {
	calls int
	down  bool
}

func (h *hourly) Lend(_ context.Context, l Loan) (Credentials, error) {
	h.calls++
	if h.down {
		return Credentials{}, &LendError{Role: l.Role, Kind: Unreachable, Message: "down"}
	}
	now := time.Now()
	return Credentials{
		AccessKeyID: fmt.Sprintf("ASIA%d", h.calls), SecretAccessKey: "s3cret", SessionToken: "t0ken",
		RoleARN: l.Role, Issued: now, Expires: now.Add(time.Hour),
	}, nil
}

func callers() []Caller {
	return []Caller{
		{Workload: "a", UID: -1, PID: -1, How: ByToken},
		{UID: 7, PID: 1, How: ByPeer},
	}
}

// A broker that starts while STS is down has what its predecessor had, until
// its end and not longer.
func TestSaveRestore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first := New(keepRules(), &hourly{}, Options{})
		var keys []string
		for _, c := range callers() {
			creds, err := first.Credentials(t.Context(), c)
			if err != nil {
				t.Fatal(err)
			}
			keys = append(keys, creds.AccessKeyID)
		}
		saved := first.Save()
		if len(saved) != 2 {
			t.Fatalf("%d loans saved, want 2", len(saved))
		}
		if text := fmt.Sprintf("%v %+v %#v", saved, saved, saved); strings.Contains(text, "s3cret") || strings.Contains(text, "t0ken") {
			t.Errorf("a saved loan prints its secrets: %s", text)
		}

		time.Sleep(40 * time.Minute) // less than the promise is left
		sts := &hourly{down: true}
		second := New(keepRules(), sts, Options{})
		if n := second.Restore(saved); n != 2 {
			t.Fatalf("%d loans restored, want 2", n)
		}
		for i, c := range callers() {
			creds, err := second.Credentials(t.Context(), c)
			if err != nil || creds.AccessKeyID != keys[i] {
				t.Errorf("while STS is down: %v, %v; want %s", creds, err, keys[i])
			}
		}
		if sts.calls == 0 {
			t.Error("nobody tried to renew what has twenty minutes left")
		}
		time.Sleep(19 * time.Minute)
		if _, err := second.Credentials(t.Context(), callers()[0]); err != nil {
			t.Errorf("a minute before the end: %v", err)
		}
		time.Sleep(2 * time.Minute)
		_, err := second.Credentials(t.Context(), callers()[0])
		if lend, ok := errors.AsType[*LendError](err); !ok || lend.Kind != Unreachable {
			t.Errorf("after the end: %v, want the lender's error", err)
		}
		if n := New(keepRules(), sts, Options{}).Restore(saved); n != 0 {
			t.Errorf("%d loans restored after their end", n)
		}
	})
}

// Saved credentials are for the same loan only.
func TestRestoreChangedRules(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first := New(keepRules(), &hourly{}, Options{})
		if _, err := first.Credentials(t.Context(), callers()[0]); err != nil {
			t.Fatal(err)
		}
		rules := keepRules()
		rules[0].Loan.ExternalID = "k-1"
		second := New(rules, &hourly{down: true}, Options{})
		second.Restore(first.Save())
		if creds, err := second.Credentials(t.Context(), callers()[0]); err == nil {
			t.Errorf("%v was lent for another loan", creds)
		}
	})
}

// A clock that was set back does not lengthen a life.
func TestRestoreClockSetBack(t *testing.T) {
	now := time.Now()
	s := Saved{Key: "k", Life: time.Hour, Credentials: Credentials{
		AccessKeyID: "A", SecretAccessKey: "S", SessionToken: "T", Issued: now.Add(2 * time.Hour), Expires: now.Add(3 * time.Hour),
	}}
	if n := New(nil, &hourly{}, Options{}).Restore([]Saved{s}); n != 0 {
		t.Error("credentials from the future were taken")
	}
}
