package sandbox_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsiam "github.com/aws/aws-sdk-go-v2/service/iam"
	awssts "github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/mantle-iam/mantle/sandbox"
)

// TestClock: time that passes in the sandbox ends sessions and dates answers;
// what is signed now still counts.
func TestClock(t *testing.T) {
	w := newWorld(t, "")
	admin := w.admin(dev)
	admin.role("app", trusts(`{"AWS":"111122223333"}`), "")
	cred, err := admin.assume(roleARN(dev, "app"), "one")
	if err != nil {
		t.Fatal(err)
	}
	app := w.with(cred)
	app.arn()
	if err := w.srv.Advance(2 * time.Hour); err != nil {
		t.Fatal(err)
	}
	if _, err := app.sts.GetCallerIdentity(t.Context(), nil); code(err) != "ExpiredToken" {
		t.Errorf("after two hours the session of an hour: %v, want ExpiredToken", err)
	}
	if got := w.srv.Offset(); got != 2*time.Hour {
		t.Errorf("offset %s", got)
	}
	near := func(what string, got *time.Time, want time.Time) {
		t.Helper()
		if d := aws.ToTime(got).Sub(want); d < -time.Minute || d > time.Minute {
			t.Errorf("%s is %s, want %s", what, got, want)
		}
	}
	again, err := admin.assume(roleARN(dev, "app"), "two")
	if err != nil {
		t.Fatalf("a request signed now: %v", err)
	}
	near("expiration", again.Expiration, time.Now().Add(3*time.Hour))
	w.with(again).arn()
	admin.role("late", trusts(`{"AWS":"111122223333"}`), "")
	late, err := admin.iam.GetRole(t.Context(), &awsiam.GetRoleInput{RoleName: aws.String("late")})
	if err != nil {
		t.Fatal(err)
	}
	near("creation", late.Role.CreateDate, time.Now().Add(2*time.Hour))

	// A URL that is presigned now is good now.
	url, err := awssts.NewPresignClient(admin.sts).PresignGetCallerIdentity(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if resp, err := http.Get(url.URL); err != nil || resp.StatusCode != http.StatusOK {
		t.Errorf("a URL presigned now: %v, %v", resp, err)
	} else {
		resp.Body.Close()
	}

	// Policies on the time of day see the sandbox's.
	admin.role("night", trusts(`{"AWS":"111122223333"}`), statement(`"Effect":"Allow","Action":"s3:ListAllMyBuckets","Resource":"*","Condition":{"DateGreaterThan":{"aws:CurrentTime":"2099-01-01T00:00:00Z"}}`))
	want := "AccessDenied"
	for _, set := range []string{"2098-12-31T23:00:00Z", "2099-01-01T01:00:00Z"} {
		at, err := time.Parse(time.RFC3339, set)
		if err != nil {
			t.Fatal(err)
		}
		if err := w.srv.SetClock(at); err != nil {
			t.Fatal(err)
		}
		cred, err := admin.assume(roleARN(dev, "night"), "one")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.with(cred).s3.ListBuckets(t.Context(), nil); code(err) != want {
			t.Errorf("at %s: %v, want %q", set, err, want)
		}
		want = ""
	}
	w.srv.ResetClock()
	if got := w.srv.Offset(); got != 0 {
		t.Errorf("offset %s after the reset", got)
	}
	app.arn() // the first session is young again

	for what, err := range map[string]error{
		"back":                   w.srv.Advance(-time.Second),
		"three centuries":        w.srv.Advance(1<<63 - 1),
		"before the epoch":       w.srv.SetClock(time.Unix(-1, 0)),
		"the far future":         w.srv.SetClock(time.Date(3000, 1, 1, 0, 0, 0, 0, time.UTC)),
		"beyond the year 10,000": w.srv.SetClock(time.Date(12000, 1, 1, 0, 0, 0, 0, time.UTC)),
	} {
		if err == nil {
			t.Errorf("%s: no error", what)
		}
	}
	if got := w.srv.Offset(); got != 0 {
		t.Errorf("offset %s after moves that were refused", got)
	}
}

// TestClockAndWorkloads: what instances are given is dated by the sandbox's
// clock and ends by it.
func TestClockAndWorkloads(t *testing.T) {
	w := newWorld(t, "")
	admin := w.admin(dev)
	admin.role("host", trusts(`{"Service":"ec2.amazonaws.com"}`), "")
	admin.profile("host")
	i, _ := w.srv.Instance(admin.launch("host"))
	who := func(s sandbox.Session) string {
		_, err := w.as(s.AccessKeyID, s.SecretAccessKey, s.SessionToken).sts.GetCallerIdentity(t.Context(), nil)
		return code(err)
	}
	first, err := w.srv.RoleSession(i)
	if err != nil || who(first) != "" {
		t.Fatalf("%v, %v", first, err)
	}
	if err := w.srv.Advance(7 * time.Hour); err != nil {
		t.Fatal(err)
	}
	if got := who(first); got != "ExpiredToken" {
		t.Errorf("after seven hours: %q, want ExpiredToken", got)
	}
	next, err := w.srv.RoleSession(i)
	if err != nil || who(next) != "" || !next.Expires.After(time.Now().Add(12*time.Hour)) {
		t.Errorf("the next session: %v until %s, %v", next, next.Expires, err)
	}
}

// TestClockAndPropagation: a change counts once the sandbox's clock says so,
// and a clock that goes back does not put it off.
func TestClockAndPropagation(t *testing.T) {
	w := newWorldOptions(t, sandbox.Options{Propagation: time.Hour})
	admin := w.admin(dev)
	admin.role("app", trusts(`{"AWS":"111122223333"}`), "")
	assume := func() string {
		_, err := admin.assume(roleARN(dev, "app"), "one")
		return code(err)
	}
	if got := assume(); got != "AccessDenied" {
		t.Errorf("at once: %q, want AccessDenied", got)
	}
	if err := w.srv.Advance(time.Hour); err != nil {
		t.Fatal(err)
	}
	if got := assume(); got != "" {
		t.Errorf("an hour later: %q", got)
	}
	if _, err := admin.sts.GetCallerIdentity(t.Context(), &awssts.GetCallerIdentityInput{}); err != nil {
		t.Error(err)
	}
	admin.role("next", trusts(`{"AWS":"111122223333"}`), "")
	w.srv.ResetClock()
	if _, err := admin.assume(roleARN(dev, "next"), "one"); err != nil {
		t.Errorf("after the clock went back: %v", err)
	}
}
