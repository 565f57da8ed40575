package bench

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/mantle-iam/mantle/agent"
	"github.com/mantle-iam/mantle/broker"
	"github.com/mantle-iam/mantle/internal/audit"
	awssts "github.com/mantle-iam/mantle/internal/sts"
	"github.com/mantle-iam/mantle/sandbox"
)

// faulty is the way to a sandbox, on which things go wrong.
type faulty struct {
	to    http.Handler
	fault atomic.Pointer[func() (*http.Response, error)] // nil is none
	calls atomic.Int64
}

func (f *faulty) Do(r *http.Request) (*http.Response, error) {
	f.calls.Add(1)
	time.Sleep(50 * time.Millisecond) // the network
	if fault := f.fault.Load(); fault != nil {
		resp, err := (*fault)()
		if resp != nil {
			resp.Request = r
		}
		return resp, err
	}
	in := r.Clone(r.Context())
	if in.Body == nil {
		in.Body = http.NoBody
	}
	in.RequestURI, in.Host, in.RemoteAddr = r.URL.RequestURI(), r.URL.Host, "127.0.0.1:1"
	w := httptest.NewRecorder()
	f.to.ServeHTTP(w, in)
	return w.Result(), nil
}

// failing is an answer of AWS that says that it has failed.
func failing(status int, code string) func() (*http.Response, error) {
	return func() (*http.Response, error) {
		body := `<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Receiver</Type><Code>` + code + `</Code><Message>not now</Message></Error><RequestId>1</RequestId></ErrorResponse>`
		return &http.Response{StatusCode: status, ProtoMajor: 1, ProtoMinor: 1, Header: http.Header{"Content-Type": {"text/xml"}}, Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body))}, nil
	}
}

// TestSandboxOutage is an outage of STS from end to end: a workload that asks
// every ten seconds, the endpoint, the broker, the SDK's client, and a sandbox
// that is out of reach for longer than the shortest session lasts. Until its
// last credentials end the workload is answered 200, then 503 with the reason,
// and soon after the outage 200 again.
func TestSandboxOutage(t *testing.T) {
	unreachable := func() (*http.Response, error) { return nil, errors.New("dial tcp: connection refused") }
	for _, tt := range []struct {
		name  string
		fault func() (*http.Response, error)
		says  string
	}{
		{"refuses connections", unreachable, "connection refused"},
		{"answers 500", failing(500, "InternalFailure"), "InternalFailure"},
		{"throttles", failing(429, "Throttling"), "Throttling"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { sandboxOutage(t, tt.fault, tt.says) })
		})
	}
}

func sandboxOutage(t *testing.T, fault func() (*http.Response, error), says string) {
	srv, err := sandbox.New(sandbox.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer srv.Close()
	account, err := srv.AddAccount("dev", "111122223333")
	if err != nil {
		t.Fatal(err)
	}
	const short = `{"RoleDetailList": [{"Path": "/", "RoleName": "short", "RoleId": "AROAQAAAAAAASHORT0001", "Arn": "arn:aws:iam::111122223333:role/short",
		"AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::111122223333:root"}, "Action": "sts:AssumeRole"}]}}]}`
	if err := srv.Load("111122223333", []byte(short)); err != nil {
		t.Fatal(err)
	}
	way := &faulty{to: srv}
	lender := awssts.New(aws.Config{
		Region: "eu-west-1", HTTPClient: way, BaseEndpoint: aws.String("http://127.0.0.1:4566"),
		Credentials: credentials.NewStaticCredentialsProvider(account.Admin.ID, account.Admin.Secret, ""),
	}, awssts.Options{})
	var lines strings.Builder
	log, err := audit.Open("-", &lines, audit.Options{})
	if err != nil {
		t.Fatal(err)
	}
	const life = 15 * time.Minute // the shortest that STS makes
	b := broker.New(broker.Rules{{Name: "w", Loan: broker.Loan{Role: "arn:aws:iam::111122223333:role/short", Duration: life}}}, lender, broker.Options{Audit: log.Event})
	ctx, cancel := context.WithCancel(t.Context())
	ran := make(chan error, 1)
	go func() { ran <- b.Run(ctx) }()
	defer func() { cancel(); <-ran }()
	door := agent.NewECS(b, nil, agent.ECSOptions{})
	ask := func() (status int, key, message string, ends time.Time) {
		r := httptest.NewRequest("GET", "/v1/credentials", nil)
		r.Host = "localhost"
		r = r.WithContext(agent.WithCaller(r.Context(), broker.Caller{Workload: "w", UID: -1, PID: -1, How: broker.ByListener}))
		w := httptest.NewRecorder()
		door.ServeHTTP(w, r)
		var got struct {
			AccessKeyID string `json:"AccessKeyId"`
			Message     string
			Expiration  time.Time
		}
		if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
			t.Fatal(err)
		}
		return w.Code, got.AccessKeyID, got.Message, got.Expiration
	}

	status, first, message, ends := ask()
	if status != http.StatusOK {
		t.Fatalf("status %d: %s", status, message)
	}
	time.Sleep(2 * time.Minute)
	way.fault.Store(&fault)
	broken := time.Now()
	answered := 0
	for time.Now().Before(ends.Add(-20 * time.Second)) {
		status, key, message, until := ask()
		if status != http.StatusOK || key != first || !until.After(time.Now()) {
			t.Fatalf("%v into the outage: status %d, key %s, until %v: %s", time.Since(broken), status, key, until, message)
		}
		answered++
		time.Sleep(10 * time.Second)
	}
	if since := time.Since(broken); since < life/2 || answered < 70 {
		t.Fatalf("the outage lasted %v, with %d answers: proves nothing", since, answered)
	}
	time.Sleep(time.Until(ends))
	before := way.calls.Load()
	for range 30 {
		status, _, message, _ := ask()
		if status != http.StatusServiceUnavailable || !strings.Contains(message, says) {
			t.Fatalf("after the end: status %d, %q; want 503 that says %s", status, message, says)
		}
		time.Sleep(10 * time.Second)
	}
	if n := way.calls.Load() - before; n > 60 {
		t.Errorf("%d attempts in five minutes of the outage", n)
	}
	way.fault.Store(nil)
	fixed := time.Now()
	for status != http.StatusOK || time.Since(fixed) == 0 {
		if time.Since(fixed) > 90*time.Second {
			t.Fatalf("%v after the outage: status %d", time.Since(fixed), status)
		}
		time.Sleep(5 * time.Second)
		status, _, _, _ = ask()
	}
	if _, key, _, _ := ask(); key == first {
		t.Error("the key is still the old one")
	}
	log.Close()
	for _, want := range []string{`"outcome":"not-issued"`, `"outcome":"not-lent"`, first} {
		if !strings.Contains(lines.String(), want) {
			t.Errorf("the audit lacks %s", want)
		}
	}
	t.Logf("%d answers with the old session in %v of outage; well again %v after it", answered, ends.Sub(broken).Round(time.Second), time.Since(fixed))
}
