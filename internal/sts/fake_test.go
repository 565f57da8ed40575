package sts

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/mantle-iam/mantle/broker"
)

// service is an STS of the size these tests need, answering as the API reference
// shows. It keeps what it was asked.
type service struct {
	mu    sync.Mutex // guards the fields below
	calls []call
	dead  map[string]bool // access keys it no longer knows
	fail  func(call) *fault
	clock time.Duration // how far it is ahead of us
}

// call is a request that came in.
type call struct {
	url.Values
	key, region, token, agent string
}

func (c call) role() string { return c.Get("RoleArn") }

// fault is an answer other than credentials.
type fault struct {
	status        int
	code, message string
	header        map[string]string
	raw           string        // instead of an STS error
	hang          time.Duration // before answering
	then          bool          // answer with credentials after all
}

func (s *service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	form, err := url.ParseQuery(string(body))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	c := call{Values: form, token: r.Header.Get("X-Amz-Security-Token"), agent: r.Header.Get("User-Agent")}
	// Authorization: AWS4-HMAC-SHA256 Credential=KEY/DATE/REGION/sts/aws4_request, …
	if _, scope, ok := strings.Cut(r.Header.Get("Authorization"), "Credential="); ok {
		if f := strings.Split(scope, "/"); len(f) > 3 && f[3] == "sts" {
			c.key, c.region = f[0], f[2]
		}
	}
	s.mu.Lock()
	s.calls = append(s.calls, c)
	n, dead, clock := len(s.calls), s.dead[c.key], s.clock
	var f *fault
	if s.fail != nil {
		f = s.fail(c)
	}
	s.mu.Unlock()

	now := time.Now().UTC().Add(clock)
	w.Header().Set("Date", now.Format(http.TimeFormat))
	w.Header().Set("Content-Type", "text/xml")
	if f == nil && dead {
		f = &fault{status: 403, code: "InvalidClientTokenId", message: "The security token included in the request is invalid."}
	}
	if f != nil {
		if f.hang > 0 {
			select {
			case <-time.After(f.hang):
			case <-r.Context().Done():
				return
			}
		}
		if !f.then {
			f.write(w)
			return
		}
	}
	if form.Get("Action") == "GetCallerIdentity" {
		fmt.Fprintf(w, `<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult><Arn>arn:aws:iam::111122223333:user/%s</Arn><UserId>AIDA</UserId><Account>111122223333</Account></GetCallerIdentityResult></GetCallerIdentityResponse>`, c.key)
		return
	}
	var seconds int
	fmt.Sscan(form.Get("DurationSeconds"), &seconds)
	fmt.Fprintf(w, `<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult>
  <AssumedRoleUser><AssumedRoleId>AROA3XFRBF535PLBIFPI4:s</AssumedRoleId><Arn>arn:aws:sts::111122223333:assumed-role/x/s</Arn></AssumedRoleUser>
  <Credentials><AccessKeyId>ASIA%d</AccessKeyId><SecretAccessKey>secret%d</SecretAccessKey><SessionToken>token%d</SessionToken><Expiration>%s</Expiration></Credentials>
</AssumeRoleResult><ResponseMetadata><RequestId>c6104cbe-af31-11e0-8154-cbc7ccf896c7</RequestId></ResponseMetadata></AssumeRoleResponse>`,
		n, n, n, now.Add(time.Duration(seconds)*time.Second).Format(time.RFC3339))
}

func (f *fault) write(w http.ResponseWriter) {
	for k, v := range f.header {
		w.Header().Set(k, v)
	}
	w.WriteHeader(f.status)
	if f.raw != "" {
		io.WriteString(w, f.raw)
		return
	}
	var text bytes.Buffer
	xml.EscapeText(&text, []byte(f.message))
	fmt.Fprintf(w, `<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type><Code>%s</Code><Message>%s</Message></Error><RequestId>x</RequestId></ErrorResponse>`, f.code, text.String())
}

// seen are the calls so far.
func (s *service) seen() []call {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]call(nil), s.calls...)
}

func (s *service) set(f func(*service)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f(s)
}

// Do lets the service answer without a network, so that it may live in a
// synctest bubble.
func (s *service) Do(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.ServeHTTP(w, r)
	}()
	select {
	case <-done:
		return w.Result(), nil
	case <-r.Context().Done():
		<-done
		return nil, &url.Error{Op: "Post", URL: r.URL.String(), Err: r.Context().Err()}
	}
}

// base is a configuration whose credentials are a user's.
func base(client aws.HTTPClient) aws.Config {
	return aws.Config{
		Region:      "eu-west-1",
		Credentials: credentials.NewStaticCredentialsProvider("AKIABASE", "base-secret", ""),
		HTTPClient:  client,
	}
}

// told collects what a Client logs.
func told() (*slog.Logger, *bytes.Buffer) {
	var b bytes.Buffer
	return slog.New(slog.NewTextHandler(&b, nil)), &b
}

func arn(name string) string { return "arn:aws:iam::111122223333:role/" + name }

// lend asks for a loan that is to be granted.
func lend(t *testing.T, c *Client, l broker.Loan) broker.Credentials {
	t.Helper()
	if l.SessionName == "" {
		l.SessionName = "web@box"
	}
	creds, err := c.Lend(t.Context(), l)
	if err != nil {
		t.Fatalf("Lend: %v", err)
	}
	return creds
}
