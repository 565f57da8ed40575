package s3

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"
	"gocloud.dev/blob"
	"gocloud.dev/blob/fileblob"
	"gocloud.dev/blob/memblob"

	"github.com/mantle-iam/mantle/iam"
	"github.com/mantle-iam/mantle/sandbox/internal/service"
	"github.com/mantle-iam/mantle/sandbox/internal/store"
	"github.com/mantle-iam/mantle/sandbox/internal/wire"
)

// front is a server reduced to what S3 needs of one: it believes the access
// key id, which names the account, and asks decide about every check.
type front struct {
	s3    *S3
	model *wire.Model
	table map[string]service.Operation

	mu     sync.Mutex // guards the fields below
	decide func(*service.Request, service.Check) bool
	seen   []service.Check
}

// open makes a front on a store and its blobs.
func newFront(t testing.TB, st *store.Store, blobs *blob.Bucket) *front {
	t.Helper()
	m, err := wire.Load("s3")
	if err != nil {
		t.Fatal(err)
	}
	f := &front{model: m, table: map[string]service.Operation{}}
	f.s3 = New(st, blobs, Options{Authorize: f.authorize})
	for _, op := range f.s3.Operations() {
		f.table[op.Name] = op
	}
	return f
}

// memory is a front that keeps nothing.
func memory(t testing.TB) *front {
	t.Helper()
	st, err := store.Open("")
	if err != nil {
		t.Fatal(err)
	}
	blobs := memblob.OpenBucket(nil)
	t.Cleanup(func() { st.Close(); blobs.Close() })
	return newFront(t, st, blobs)
}

// onDisk is a front on a directory.
func onDisk(t testing.TB, dir string) (f *front, shut func()) {
	t.Helper()
	st, err := store.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "objects")
	if err := os.MkdirAll(path, 0o700); err != nil {
		t.Fatal(err)
	}
	blobs, err := fileblob.OpenBucket(path, &fileblob.Options{NoTempDir: true, Metadata: fileblob.MetadataDontWrite})
	if err != nil {
		t.Fatal(err)
	}
	f = newFront(t, st, blobs)
	if err := f.s3.Sweep(context.Background()); err != nil {
		t.Fatal(err)
	}
	return f, func() { st.Close(); blobs.Close() }
}

func (f *front) authorize(r *service.Request, c service.Check) *wire.Error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.seen = append(f.seen, c)
	if f.decide != nil && !f.decide(r, c) {
		return wire.Fail("AccessDenied", 403, "no %s on %s", c.Action, c.Resource)
	}
	return nil
}

// deny refuses the checks for which refuse says so, from now on.
func (f *front) deny(refuse func(*service.Request, service.Check) bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.decide = func(r *service.Request, c service.Check) bool { return !refuse(r, c) }
}

// checks returns the checks since the last time.
func (f *front) checks() []service.Check {
	f.mu.Lock()
	defer f.mu.Unlock()
	seen := f.seen
	f.seen = nil
	return seen
}

func (f *front) ServeHTTP(w http.ResponseWriter, h *http.Request) {
	c, e := wire.Decode(f.model, h, 1<<20)
	if e != nil {
		c.Fail(w, e)
		return
	}
	if err := f.serve(w, h, c); err != nil {
		if !errors.As(err, &e) {
			e = wire.Fail("InternalError", 500, "%s", err)
		}
		c.Fail(w, e)
	}
}

func (f *front) serve(w http.ResponseWriter, h *http.Request, c *wire.Call) error {
	name, e := f.s3.Resolve(c)
	if e != nil {
		return e
	}
	op := f.table[name]
	r := request(h, c)
	var in any
	if op.Input != nil {
		in = op.Input()
		if e := c.Input(in); e != nil {
			return e
		}
	}
	checks, err := op.Checks(r, in)
	if err != nil {
		return err
	}
	for _, check := range checks {
		if e := f.authorize(r, check); e != nil {
			return e
		}
	}
	if op.Serve != nil {
		return op.Serve(w, h, r, in)
	}
	out, err := op.Handle(h.Context(), r, in)
	if err == nil {
		c.Reply(w, out)
	}
	return err
}

// request makes the caller of a call out of its access key id, "AKIA" and
// the account number, signed or not.
func request(h *http.Request, c *wire.Call) *service.Request {
	r := &service.Request{ID: c.ID, Call: c, Now: time.Now(), Region: "us-east-1"}
	_, rest, ok := strings.Cut(h.Header.Get("Authorization"), "Credential=")
	if !ok {
		rest = h.URL.Query().Get("X-Amz-Credential")
	}
	scope := strings.Split(rest, "/")
	if len(scope) < 5 {
		r.Caller.Principal = iam.Principal{Type: iam.Anonymous}
		return r
	}
	account := strings.TrimPrefix(scope[0], "AKIA")
	r.Region = scope[2]
	r.Caller = service.Caller{
		Principal:   iam.Principal{Type: iam.User, ARN: "arn:aws:iam::" + account + ":user/alice", Account: account},
		AccessKeyID: scope[0], Name: "alice", SignedBy: "REST-HEADER", SignatureVersion: "AWS4-HMAC-SHA256", SignedAt: r.Now.Add(-time.Second),
	}
	if h.URL.Query().Has("X-Amz-Credential") {
		r.Caller.SignedBy = "REST-QUERY-STRING"
	}
	return r
}

const (
	account = "111122223333"
	other   = "444455556666"
)

// serve starts the front and returns a client for each account's user.
func (f *front) start(t testing.TB) (url string, as func(account, region string) *awss3.Client) {
	t.Helper()
	srv := httptest.NewServer(f)
	t.Cleanup(srv.Close)
	return srv.URL, func(account, region string) *awss3.Client {
		return awss3.New(awss3.Options{
			Region: region, BaseEndpoint: &srv.URL, UsePathStyle: true, RetryMaxAttempts: 1,
			Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
				return aws.Credentials{AccessKeyID: "AKIA" + account, SecretAccessKey: "secret"}, nil
			}),
		})
	}
}

// setUp is a front in memory with one bucket.
func setUp(t testing.TB, bucket string) (*front, *awss3.Client, string) {
	t.Helper()
	f := memory(t)
	url, as := f.start(t)
	c := as(account, "us-east-1")
	mustCreate(t, c, bucket)
	return f, c, url
}

func mustCreate(t testing.TB, c *awss3.Client, bucket string) {
	t.Helper()
	if _, err := c.CreateBucket(t.Context(), &awss3.CreateBucketInput{Bucket: &bucket}); err != nil {
		t.Fatal(err)
	}
}

func mustPut(t testing.TB, c *awss3.Client, bucket, key, body string) *awss3.PutObjectOutput {
	t.Helper()
	out, err := c.PutObject(t.Context(), &awss3.PutObjectInput{Bucket: &bucket, Key: &key, Body: strings.NewReader(body)})
	if err != nil {
		t.Fatalf("put %q: %v", key, err)
	}
	return out
}

func mustVersion(t testing.TB, c *awss3.Client, bucket string, status types.BucketVersioningStatus) {
	t.Helper()
	_, err := c.PutBucketVersioning(t.Context(), &awss3.PutBucketVersioningInput{Bucket: &bucket,
		VersioningConfiguration: &types.VersioningConfiguration{Status: status}})
	if err != nil {
		t.Fatal(err)
	}
}

// code is the error code of a failed call, "" if it did not fail.
func code(err error) string {
	var api smithy.APIError
	switch {
	case err == nil:
		return ""
	case errors.As(err, &api):
		return api.ErrorCode()
	}
	return err.Error()
}

func wantCode(t testing.TB, what string, err error, want string) {
	t.Helper()
	if got := code(err); got != want {
		t.Errorf("%s: got error %q, want %q (%v)", what, got, want, err)
	}
}
