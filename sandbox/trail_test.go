package sandbox_test

import (
	"encoding/json"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsiam "github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/mantle-iam/mantle/sandbox"
)

// TestTrail: every call leaves a record that joins with the next by key id,
// and none holds a secret.
func TestTrail(t *testing.T) {
	var records []sandbox.Record
	srv, err := sandbox.New(sandbox.Options{Trail: func(r sandbox.Record) { records = append(records, r) }})
	if err != nil {
		t.Fatal(err)
	}
	defer srv.Close()
	a, err := srv.AddAccount("dev", dev)
	if err != nil {
		t.Fatal(err)
	}
	ts := httptest.NewServer(srv)
	defer ts.Close()
	w := &world{t: t, srv: srv, url: ts.URL, account: map[string]sandbox.Account{dev: a}}
	admin := w.admin(dev)
	admin.role("app", trusts(`{"AWS":"111122223333"}`), "")
	cred, err := admin.assume(roleARN(dev, "app"), "one")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.with(cred).iam.ListUsers(t.Context(), nil); code(err) != "AccessDenied" {
		t.Fatal(err)
	}
	w.as("AKIAIOSFODNN7EXAMPLE", "x", "").sts.GetCallerIdentity(t.Context(), nil)
	ts.Close()

	var names []string
	for _, r := range records {
		names = append(names, r.EventName+"/"+r.ErrorCode)
		line, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		for _, secret := range []string{a.Admin.Secret, *cred.SecretAccessKey, *cred.SessionToken} {
			if strings.Contains(string(line), secret) {
				t.Errorf("%s tells a secret: %s", r.EventName, line)
			}
		}
	}
	if got, want := strings.Join(names, " "), "CreateRole/ AssumeRole/ ListUsers/AccessDenied GetCallerIdentity/InvalidClientTokenId"; got != want {
		t.Fatalf("records %s, want %s", got, want)
	}
	assumed, listed := records[1], records[2]
	if assumed.ResponseElements["accessKeyId"] != listed.UserIdentity.AccessKeyID || listed.UserIdentity.AccessKeyID == "" {
		t.Errorf("the session made (%v) and used (%v) do not join", assumed.ResponseElements, listed.UserIdentity)
	}
	if u := listed.UserIdentity; u.Type != "AssumedRole" || u.SessionContext == nil || u.SessionContext.SessionIssuer.ARN != roleARN(dev, "app") {
		t.Errorf("user identity %+v", u)
	}
	if d := listed.Decisions; len(d) != 1 || d[0].Action != "iam:ListUsers" || d[0].Outcome.String() != "ImplicitDeny" {
		t.Errorf("decisions %+v", d)
	}
	if u := records[3].UserIdentity; u.ARN != "" {
		t.Errorf("a caller that nobody knows is called %s", u.ARN)
	}
}

// TestFaults: a struck call fails in the words of its service and does
// nothing; a call that is not in order is refused as ever.
func TestFaults(t *testing.T) {
	srv, err := sandbox.New(sandbox.Options{Faults: []sandbox.Fault{{Service: "iam", Throttle: 1}, {Service: "s3", Error: 1}}})
	if err != nil {
		t.Fatal(err)
	}
	defer srv.Close()
	a, err := srv.AddAccount("dev", dev)
	if err != nil {
		t.Fatal(err)
	}
	ts := httptest.NewServer(srv)
	defer ts.Close()
	w := &world{t: t, srv: srv, url: ts.URL, account: map[string]sandbox.Account{dev: a}}
	admin := w.admin(dev)
	if _, err := admin.iam.ListUsers(t.Context(), nil); code(err) != "Throttling" {
		t.Errorf("IAM: %v, want Throttling", err)
	}
	if _, err := admin.s3.ListBuckets(t.Context(), nil); code(err) != "InternalError" {
		t.Errorf("S3: %v, want InternalError", err)
	}
	if _, err := admin.sts.GetCallerIdentity(t.Context(), nil); err != nil {
		t.Errorf("STS is not struck: %v", err)
	}
	if _, err := w.as("AKIAIOSFODNN7EXAMPLE", "x", "").iam.ListUsers(t.Context(), nil); code(err) != "InvalidClientTokenId" {
		t.Errorf("an unknown key: %v, want InvalidClientTokenId", err)
	}
	if _, err := sandbox.New(sandbox.Options{Faults: []sandbox.Fault{{Service: "s3", Error: 2}}}); err == nil {
		t.Error("a share of 2 was accepted")
	}
}

// TestPropagation: a change reads back at once and counts late.
func TestPropagation(t *testing.T) {
	now := time.Now()
	srv, err := sandbox.New(sandbox.Options{Propagation: 8 * time.Second, Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	defer srv.Close()
	a, err := srv.AddAccount("dev", dev)
	if err != nil {
		t.Fatal(err)
	}
	ts := httptest.NewServer(srv)
	defer ts.Close()
	w := &world{t: t, srv: srv, url: ts.URL, account: map[string]sandbox.Account{dev: a}}
	admin := w.admin(dev)
	admin.role("app", trusts(`{"AWS":"111122223333"}`), "")
	if _, err := admin.iam.GetRole(t.Context(), &awsiam.GetRoleInput{RoleName: aws.String("app")}); err != nil {
		t.Errorf("GetRole: %v", err)
	}
	if _, err := admin.assume(roleARN(dev, "app"), "one"); code(err) != "AccessDenied" {
		t.Errorf("at once: %v, want AccessDenied", err)
	}
	now = now.Add(9 * time.Second)
	if _, err := admin.assume(roleARN(dev, "app"), "one"); err != nil {
		t.Errorf("after 9 seconds: %v", err)
	}
}
