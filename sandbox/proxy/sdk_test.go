package proxy_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"

	"github.com/mantle-iam/mantle/sandbox"
	"github.com/mantle-iam/mantle/sandbox/proxy"
)

// world is a sandbox behind a proxy, and the configuration of a client that
// knows nothing of it but its proxy and whom to trust.
type world struct {
	*stand
	cfg  aws.Config
	http *http.Client
	last *http.Request // the last request that arrived
}

func newWorld(t *testing.T) *world {
	t.Helper()
	srv, err := sandbox.New(sandbox.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { srv.Close() })
	account, err := srv.AddAccount("dev", "111122223333")
	if err != nil {
		t.Fatal(err)
	}
	w := &world{}
	w.stand = start(t, http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		w.last = r.Clone(context.Background())
		srv.ServeHTTP(rw, r)
	}), proxy.Options{})
	w.http = w.client()
	w.cfg = aws.Config{
		Region: "eu-west-1", HTTPClient: w.http, RetryMaxAttempts: 1,
		RequestChecksumCalculation: aws.RequestChecksumCalculationWhenSupported, // as config.LoadDefaultConfig does
		Credentials:                credentials.NewStaticCredentialsProvider(account.Admin.ID, account.Admin.Secret, ""),
	}
	return w
}

func code(err error) string {
	if x, ok := errors.AsType[smithy.APIError](err); ok {
		return x.ErrorCode()
	}
	return fmt.Sprint(err)
}

// TestSDK: the unchanged SDK with AWS's own hosts.
func TestSDK(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	me, err := sts.NewFromConfig(w.cfg).GetCallerIdentity(ctx, nil)
	if err != nil || aws.ToString(me.Account) != "111122223333" || w.last.Host != "sts.eu-west-1.amazonaws.com" {
		t.Fatalf("identity: %v, %v, host %s", me, err, w.last.Host)
	}
	if _, err := iam.NewFromConfig(w.cfg).CreateUser(ctx, &iam.CreateUserInput{UserName: aws.String("u")}); err != nil || w.last.Host != "iam.amazonaws.com" {
		t.Errorf("create user: %v, host %s", err, w.last.Host)
	}
	if _, err := ec2.NewFromConfig(w.cfg).DescribeVpcs(ctx, nil); err != nil || w.last.Host != "ec2.eu-west-1.amazonaws.com" {
		t.Errorf("describe VPCs: %v, host %s", err, w.last.Host)
	}

	for _, test := range []struct {
		region, bucket, host string
		opt                  func(*s3.Options)
	}{
		{"eu-west-1", "plain-bucket", "plain-bucket.s3.eu-west-1.amazonaws.com", nil},
		{"eu-west-1", "path-bucket", "s3.eu-west-1.amazonaws.com", func(o *s3.Options) { o.UsePathStyle = true }},
		// A certificate for *.s3 would not match this name: SDKs put it into the path.
		{"eu-west-1", "bucket.with.dots", "s3.eu-west-1.amazonaws.com", nil},
		{"eu-west-1", "dual-bucket", "dual-bucket.s3.dualstack.eu-west-1.amazonaws.com", func(o *s3.Options) { o.EndpointOptions.UseDualStackEndpoint = aws.DualStackEndpointStateEnabled }},
		{"us-east-1", "east-bucket", "east-bucket.s3.us-east-1.amazonaws.com", nil},
		{"us-east-1", "fips-bucket", "fips-bucket.s3-fips.us-east-1.amazonaws.com", func(o *s3.Options) { o.EndpointOptions.UseFIPSEndpoint = aws.FIPSEndpointStateEnabled }},
		{"cn-north-1", "cn-bucket", "cn-bucket.s3.cn-north-1.amazonaws.com.cn", nil},
	} {
		t.Run(test.bucket, func(t *testing.T) {
			c := s3.NewFromConfig(w.cfg, func(o *s3.Options) {
				o.Region = test.region
				if test.opt != nil {
					test.opt(o)
				}
			})
			in := &s3.CreateBucketInput{Bucket: &test.bucket}
			if test.region != "us-east-1" {
				in.CreateBucketConfiguration = &types.CreateBucketConfiguration{LocationConstraint: types.BucketLocationConstraint(test.region)}
			}
			if _, err := c.CreateBucket(ctx, in); err != nil {
				t.Fatal(err)
			}
			const key = "a//b/ä c+'~.txt"
			// A body that cannot be rewound: over HTTPS the SDK sends it in
			// chunks, with its checksum behind it.
			body := io.MultiReader(strings.NewReader("one "), strings.NewReader("two"))
			if _, err := c.PutObject(ctx, &s3.PutObjectInput{Bucket: &test.bucket, Key: aws.String(key), Body: body}); err != nil {
				t.Fatal(err)
			}
			if h := w.last.Header; w.last.Host != test.host || h.Get("X-Amz-Content-Sha256") != "STREAMING-UNSIGNED-PAYLOAD-TRAILER" || !strings.Contains(h.Get("Content-Encoding"), "aws-chunked") {
				t.Errorf("arrived at %s with %v, want %s and a trailer", w.last.Host, h, test.host)
			}
			out, err := c.GetObject(ctx, &s3.GetObjectInput{Bucket: &test.bucket, Key: aws.String(key)})
			if err != nil {
				t.Fatal(err)
			}
			if b, err := io.ReadAll(out.Body); err != nil || string(b) != "one two" {
				t.Errorf("read %q, %v", b, err)
			}
			u, err := s3.NewPresignClient(c).PresignGetObject(ctx, &s3.GetObjectInput{Bucket: &test.bucket, Key: aws.String(key)})
			if err != nil {
				t.Fatal(err)
			}
			r, err := w.http.Get(u.URL)
			if err != nil {
				t.Fatal(err)
			}
			b, _ := io.ReadAll(r.Body)
			r.Body.Close()
			if r.StatusCode != 200 || string(b) != "one two" {
				t.Errorf("presigned: %d %s", r.StatusCode, b)
			}
		})
	}
}

// spoiler changes a byte of what goes into the tunnel.
type spoiler struct {
	http.RoundTripper
	from, to string
}

func (s spoiler) RoundTrip(r *http.Request) (*http.Response, error) {
	b, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	r = r.Clone(r.Context())
	r.Body = io.NopCloser(bytes.NewReader(regexp.MustCompile(s.from).ReplaceAll(b, []byte(s.to))))
	return s.RoundTripper.RoundTrip(r)
}

// TestTrailerIsHeld: a chunked body whose trailer does not match, or is not
// there, is refused and leaves no object.
func TestTrailerIsHeld(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	c := s3.NewFromConfig(w.cfg)
	if _, err := c.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: aws.String("held"), CreateBucketConfiguration: &types.CreateBucketConfiguration{LocationConstraint: "eu-west-1"}}); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ from, to, want string }{
		{"payload", "pay1oad", "BadDigest"},
		{"(x-amz-checksum-crc32:)....", "${1}AAAA", "BadDigest"},
		{"(?s)x-amz-checksum-crc32.*", "\r\n", "MalformedTrailerError"},
	} {
		cfg := w.cfg
		cfg.HTTPClient = &http.Client{Transport: spoiler{w.http.Transport, test.from, test.to}}
		_, err := s3.NewFromConfig(cfg).PutObject(ctx, &s3.PutObjectInput{Bucket: aws.String("held"), Key: aws.String("k"), Body: io.MultiReader(strings.NewReader("payload"))})
		if got := code(err); got != test.want {
			t.Errorf("%s: got %s (%v), want %s", test.from, got, err, test.want)
		}
	}
	if _, err := c.HeadObject(ctx, &s3.HeadObjectInput{Bucket: aws.String("held"), Key: aws.String("k")}); code(err) != "NotFound" {
		t.Errorf("an object was left: %v", err)
	}
}

// TestSecureTransport: a policy can tell the tunnel from plain HTTP, which
// goes through the same proxy.
func TestSecureTransport(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	c := s3.NewFromConfig(w.cfg)
	plain := s3.NewFromConfig(w.cfg, func(o *s3.Options) { o.EndpointOptions.DisableHTTPS = true })
	bucket, key := aws.String("tls-only"), aws.String("k")
	if _, err := c.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: bucket, CreateBucketConfiguration: &types.CreateBucketConfiguration{LocationConstraint: "eu-west-1"}}); err != nil {
		t.Fatal(err)
	}
	if _, err := plain.PutObject(ctx, &s3.PutObjectInput{Bucket: bucket, Key: key, Body: strings.NewReader("x")}); err != nil {
		t.Fatalf("plain HTTP before the policy: %v", err)
	}
	if w.last.TLS != nil || w.last.Host != "tls-only.s3.eu-west-1.amazonaws.com" {
		t.Errorf("plain HTTP arrived at %s, TLS %v", w.last.Host, w.last.TLS)
	}
	_, err := c.PutBucketPolicy(ctx, &s3.PutBucketPolicyInput{Bucket: bucket, Policy: aws.String(`{"Version":"2012-10-17","Statement":[{
		"Effect":"Deny","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::tls-only/*","Condition":{"Bool":{"aws:SecureTransport":"false"}}}]}`)})
	if err != nil {
		t.Fatal(err)
	}
	if r, err := c.GetObject(ctx, &s3.GetObjectInput{Bucket: bucket, Key: key}); err != nil {
		t.Errorf("over TLS: %v", err)
	} else {
		r.Body.Close()
	}
	if _, err := plain.GetObject(ctx, &s3.GetObjectInput{Bucket: bucket, Key: key}); code(err) != "AccessDenied" {
		t.Errorf("over plain HTTP: got %v, want AccessDenied", err)
	}
}
