package sigv4

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

func benchRequest(b *testing.B) *http.Request {
	r, err := http.NewRequest("POST", "http://127.0.0.1:4599/", strings.NewReader("Action=GetCallerIdentity&Version=2011-06-15"))
	if err != nil {
		b.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
	r.Header.Set("Amz-Sdk-Invocation-Id", "80be8a41-d43d-46c4-ab2d-e1190c204dd9")
	r.Header.Set("Amz-Sdk-Request", "attempt=1; max=3")
	r.Header.Set("Accept-Encoding", "gzip")
	r.Header.Set("User-Agent", "aws-sdk-go-v2/1.47.7")
	return r
}

// BenchmarkSDKSign is the yardstick: the SDK's signer doing the same work.
func BenchmarkSDKSign(b *testing.B) {
	signer := v4.NewSigner()
	cred := aws.Credentials{AccessKeyID: docKey, SecretAccessKey: docSecret, SessionToken: "tok"}
	now := time.Now()
	hash := sha("Action=GetCallerIdentity&Version=2011-06-15")
	r := benchRequest(b)
	b.ReportAllocs()
	for b.Loop() {
		if err := signer.SignHTTP(context.Background(), cred, r, hash, "sts", "eu-west-1", now); err != nil {
			b.Fatal(err)
		}
	}
}

func benchCheck(b *testing.B, check func(*Auth, *http.Request, string, string, time.Time, time.Duration) *Error) {
	now := time.Now()
	hash := sha("Action=GetCallerIdentity&Version=2011-06-15")
	r := benchRequest(b)
	cred := aws.Credentials{AccessKeyID: docKey, SecretAccessKey: docSecret, SessionToken: "tok"}
	if err := v4.NewSigner().SignHTTP(context.Background(), cred, r, hash, "sts", "eu-west-1", now); err != nil {
		b.Fatal(err)
	}
	r.RequestURI = "/"
	b.ReportAllocs()
	for b.Loop() {
		a, err := Parse(r)
		if err != nil {
			b.Fatal(err)
		}
		if err := check(a, r, docSecret, hash, now, 5*time.Minute); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkParseAndCheck(b *testing.B) { benchCheck(b, (*Auth).Check) }

func BenchmarkParseAndCheckCachedKey(b *testing.B) { benchCheck(b, new(Verifier).Check) }
