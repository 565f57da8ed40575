package s3

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"
	"gocloud.dev/blob"
	"gocloud.dev/blob/fileblob"
	"gocloud.dev/blob/memblob"

	"github.com/mantle-iam/mantle/sandbox/internal/service"
	"github.com/mantle-iam/mantle/sandbox/internal/service/servicetest"
	"github.com/mantle-iam/mantle/sandbox/internal/store"
	"github.com/mantle-iam/mantle/sandbox/internal/wire"
)

// front is S3 behind a server.
type front struct {
	*servicetest.Front
	s3 *S3
}

// newFront makes a front on a store and its blobs.
func newFront(t testing.TB, st *store.Store, blobs *blob.Bucket) *front {
	t.Helper()
	f := &front{}
	// Handlers ask in the middle of their work, once there is a front.
	f.s3 = New(st, blobs, Options{Authorize: func(r *service.Request, c service.Check) *wire.Error { return f.Authorize(r, c) }})
	f.Front = servicetest.New(t, f.s3, servicetest.Options{RealTime: true})
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

// deny refuses the checks for which refuse says so, from now on.
func (f *front) deny(refuse func(*service.Request, service.Check) bool) {
	f.Decide(func(r *service.Request, c service.Check) bool { return !refuse(r, c) })
}

const (
	account = "111122223333"
	other   = "444455556666"
)

// start returns the front's URL, and a client for each account's user.
func (f *front) start(t testing.TB) (url string, as func(account, region string) *awss3.Client) {
	t.Helper()
	return f.URL, func(account, region string) *awss3.Client {
		return awss3.NewFromConfig(f.Config(account, region), func(o *awss3.Options) { o.UsePathStyle = true })
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
