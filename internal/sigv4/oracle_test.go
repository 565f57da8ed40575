package sigv4

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"pgregory.net/rapid"
)

func encode(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }

// TestOracle signs random requests with the SDK's signer and verifies them
// here; then it changes something, and they must not pass.
func TestOracle(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringOfN(rapid.RuneFrom([]rune("ab0 +%/&=?~._-*'()!@:;,é漢")), 0, 12, -1)
		service := rapid.SampledFrom([]string{"s3", "iam", "sts", "eks-auth", "s3-outposts"}).Draw(t, "service")
		isS3 := strings.HasPrefix(service, "s3")
		method := rapid.SampledFrom([]string{"GET", "PUT", "POST", "DELETE", "HEAD"}).Draw(t, "method")
		segments := rapid.SliceOfN(text, 0, 4).Draw(t, "path")
		path := ""
		for _, s := range segments {
			path += "/" + strings.ReplaceAll(s, "/", "")
		}
		u := &url.URL{Scheme: "http", Host: "127.0.0.1:4599", Path: "/" + strings.TrimLeft(path, "/")}
		// Outside S3 the SDK signs a path without dot segments as given.
		if !isS3 && cleanPath(u.EscapedPath()) != u.EscapedPath() {
			u.Path = "/"
		}
		escaped := ""
		for i := range len(u.Path) {
			if c := u.Path[i]; c == '/' {
				escaped += "/"
			} else {
				escaped = string(appendEscaped([]byte(escaped), c))
			}
		}
		u.RawPath = escaped
		q := url.Values{}
		for range rapid.IntRange(0, 5).Draw(t, "params") {
			q.Add("p"+text.Draw(t, "name"), text.Draw(t, "value"))
		}
		u.RawQuery = strings.ReplaceAll(q.Encode(), "+", "%20")
		body := text.Draw(t, "body")
		hash := sha(body)
		r, err := http.NewRequest(method, u.String(), strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.URL = u
		for range rapid.IntRange(0, 3).Draw(t, "headers") {
			r.Header.Add("X-Amz-Meta-"+rapid.SampledFrom([]string{"A", "B"}).Draw(t, "header"), strings.TrimSpace(text.Draw(t, "header value")))
		}
		if isS3 {
			r.Header.Set("X-Amz-Content-Sha256", hash)
		}
		cred := aws.Credentials{AccessKeyID: docKey, SecretAccessKey: text.Draw(t, "secret"), SessionToken: text.Draw(t, "token")}
		at := time.Unix(rapid.Int64Range(1e9, 2e9).Draw(t, "time"), 0).UTC()
		opt := func(o *v4.SignerOptions) { o.DisableURIPathEscaping = isS3 }
		signer := v4.NewSigner(opt)
		if rapid.Bool().Draw(t, "presigned") {
			if isS3 {
				q := r.URL.Query()
				q.Set("X-Amz-Expires", "300")
				r.URL.RawQuery = strings.ReplaceAll(q.Encode(), "+", "%20")
			}
			signedURL, header, err := signer.PresignHTTP(context.Background(), cred, r, hash, service, "eu-west-1", at)
			if err != nil {
				t.Fatal(err)
			}
			r.RequestURI = strings.TrimPrefix(signedURL, "http://127.0.0.1:4599")
			for n, v := range header {
				r.Header[http.CanonicalHeaderKey(n)] = v
			}
			for n := range r.Header { // hoisted into the query
				if strings.HasPrefix(n, "X-Amz-") && header.Get(n) == "" && header[n] == nil {
					r.Header.Del(n)
				}
			}
		} else {
			if err := signer.SignHTTP(context.Background(), cred, r, hash, service, "eu-west-1", at); err != nil {
				t.Fatal(err)
			}
			r.RequestURI = r.URL.RequestURI()
		}
		check := func() *Error {
			a, err := Parse(r)
			if err != nil {
				return err
			}
			return a.Check(r, cred.SecretAccessKey, hash, at.Add(time.Minute), 5*time.Minute)
		}
		if err := check(); err != nil {
			t.Fatalf("%v\n%s %s\n%v\n%s", err, r.Method, r.RequestURI, r.Header, err.CanonicalRequest)
		}
		change := rapid.SampledFrom([]string{"method", "path", "query", "host", "body", "secret", "header"}).Draw(t, "change")
		switch change {
		case "method":
			r.Method = "PATCH"
		case "path":
			p, q, _ := strings.Cut(r.RequestURI, "?")
			r.RequestURI = p + "x?" + q
		case "query":
			if strings.Contains(r.RequestURI, "?") {
				r.RequestURI += "&"
			} else {
				r.RequestURI += "?"
			}
			r.RequestURI += "x"
		case "host":
			r.Host = "127.0.0.1:4600"
		case "body":
			hash = sha(body + "x")
		case "secret":
			cred.SecretAccessKey += "x"
		case "header":
			r.Header.Add("X-Amz-Meta-A", "x")
		}
		if err := check(); err == nil {
			t.Fatalf("%s was changed and is accepted:\n%s %s\n%v", change, r.Method, r.RequestURI, r.Header)
		}
	})
}

// TestSDKClient lets the SDK's S3 client talk to a server that does nothing
// but verify, over HTTP and over TLS, where it sends trailers.
func TestSDKClient(t *testing.T) {
	var bodies []string
	var trailers []http.Header
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		err := func() error {
			a, perr := Parse(r)
			if perr != nil {
				return perr
			}
			if a == nil {
				return errAnonymous
			}
			if err := a.Check(r, docSecret, "", time.Now(), 15*time.Minute); err != nil {
				return err
			}
			b, _, berr := a.Body(r, docSecret)
			if berr != nil {
				return berr
			}
			got, err := io.ReadAll(b)
			bodies, trailers = append(bodies, string(got)), append(trailers, r.Trailer.Clone())
			return err
		}()
		if err != nil {
			t.Errorf("%s %s: %v", r.Method, r.RequestURI, err)
			w.WriteHeader(http.StatusForbidden)
		}
	})
	plain, secure := httptest.NewServer(handler), httptest.NewTLSServer(handler)
	defer plain.Close()
	defer secure.Close()
	big := bytes.Repeat([]byte("mantle "), 40000)
	for _, server := range []*httptest.Server{plain, secure} {
		client := s3.New(s3.Options{
			Region: "eu-west-1", BaseEndpoint: &server.URL, UsePathStyle: true, HTTPClient: server.Client(), RetryMaxAttempts: 1,
			Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
				return aws.Credentials{AccessKeyID: docKey, SecretAccessKey: docSecret, SessionToken: "a+/="}, nil
			}),
		})
		for _, algorithm := range []types.ChecksumAlgorithm{"", types.ChecksumAlgorithmCrc32c, types.ChecksumAlgorithmSha1, types.ChecksumAlgorithmSha256, types.ChecksumAlgorithmCrc64nvme} {
			bodies, trailers = nil, nil
			_, err := client.PutObject(context.Background(), &s3.PutObjectInput{
				Bucket: aws.String("b"), Key: aws.String("a b//../c+é"), Body: bytes.NewReader(big), ChecksumAlgorithm: algorithm,
			})
			if err != nil {
				t.Fatalf("%s: %v", algorithm, err)
			}
			if len(bodies) != 1 || bodies[0] != string(big) {
				t.Errorf("%s: got %d bodies", algorithm, len(bodies))
			}
			if server == secure && algorithm != "" && len(trailers[0]) != 1 {
				t.Errorf("%s: got trailers %v", algorithm, trailers[0])
			}
		}
		if server == secure {
			// A body that cannot seek goes without a length.
			if _, err := client.PutObject(context.Background(), &s3.PutObjectInput{
				Bucket: aws.String("b"), Key: aws.String("stream"), Body: io.MultiReader(bytes.NewReader(big)),
			}); err != nil {
				t.Error(err)
			}
		}
		p, err := s3.NewPresignClient(client).PresignGetObject(context.Background(), &s3.GetObjectInput{Bucket: aws.String("b"), Key: aws.String("k (1)")})
		if err != nil {
			t.Fatal(err)
		}
		resp, err := server.Client().Get(p.URL)
		if err != nil || resp.StatusCode != http.StatusOK {
			t.Errorf("presigned: got %v, %v", resp, err)
		}
		resp.Body.Close()
	}
}

// FuzzParse feeds targets and headers to everything before the body.
func FuzzParse(f *testing.F) {
	f.Add("/?a=b", "AWS4-HMAC-SHA256 Credential=A/20150830/us-east-1/s3/aws4_request, SignedHeaders=host;x-amz-date, Signature=00", "20150830T123600Z", "h")
	f.Add("/?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=A%2F20150830%2Fr%2Fs3%2Faws4_request&X-Amz-Date=20150830T123600Z&X-Amz-SignedHeaders=host&X-Amz-Expires=60&X-Amz-Signature=00", "", "", "h")
	f.Add("/b/k?AWSAccessKeyId=a&Signature=b&Expires=1&acl", "", "", "h")
	f.Add("/", "AWS a:b", "Tue, 27 Mar 2007 19:36:42 +0000", "h")
	f.Fuzz(func(t *testing.T, target, authorization, date, host string) {
		r := &http.Request{Method: "GET", RequestURI: target, URL: &url.URL{}, Host: host, Header: http.Header{}}
		if authorization != "" {
			r.Header.Set("Authorization", authorization)
		}
		if date != "" {
			r.Header.Set("X-Amz-Date", date)
		}
		a, err := Parse(r)
		if (a != nil) && err != nil {
			t.Fatal("both an answer and an error")
		}
		if a == nil {
			return
		}
		if err := a.Check(r, "secret that no input knows", EmptyPayload, a.Time, time.Minute); err == nil {
			t.Fatalf("accepted: %+v", r)
		}
	})
}

// FuzzChunks feeds bodies to the chunk reader: unsigned ones must never give
// more than was announced, signed ones nothing at all.
func FuzzChunks(f *testing.F) {
	f.Add("3\r\nhi\n\r\n0\r\nx-amz-checksum-crc32:7W96eg==\r\n\r\n", int64(3))
	f.Add("0\r\n\r\n", int64(0))
	f.Add("3;chunk-signature=00\r\nhi\n\r\n0;chunk-signature=00\r\n\r\n", int64(3))
	f.Fuzz(func(t *testing.T, raw string, announced int64) {
		c := &chunks{src: newLineReader(strings.NewReader(raw)), limit: max(announced, -1), trailer: http.Header{},
			announced: []string{"x-amz-checksum-crc32"}, finish: func() {}}
		s, _ := newSum("x-amz-checksum-crc32")
		c.trailerSums, c.sums = []*sum{s}, []*sum{s}
		b, _, berr := newBody(c, io.NopCloser(nil), c.limit)
		if berr == nil {
			got, err := io.ReadAll(b)
			if announced >= 0 && (int64(len(got)) > announced || err == nil && int64(len(got)) != announced) {
				t.Errorf("announced %d, got %d, %v", announced, len(got), err)
			}
		}
		signed := &chunks{src: newLineReader(strings.NewReader(raw)), limit: -1, signed: true, key: []byte("k"), prefix: "p", previous: "q", finish: func() {}}
		if got, err := io.ReadAll(signed); err == nil || errors.Is(err, io.EOF) || len(got) >= minChunk && kindOf(err) == 0 {
			t.Errorf("a signature that nobody made: %d bytes, %v", len(got), err)
		}
	})
}

// FuzzForm feeds policies to the reader of POST policies.
func FuzzForm(f *testing.F) {
	f.Add(`{"expiration":"2030-01-01T00:00:00Z","conditions":[{"bucket":"b"},["starts-with","$key",""],["content-length-range",1,2]]}`)
	f.Fuzz(func(t *testing.T, policy string) {
		p, err := (&Auth{policy: encode(policy)}).Policy()
		if (p == nil) == (err == nil) {
			t.Fatal("neither an answer nor an error, or both")
		}
		if p != nil {
			if err := p.Check("b", map[string]string{"not in any policy \x00": ""}, p.Expiration); err == nil {
				t.Error("accepted at its expiration")
			}
			p.CheckLength(1)
		}
	})
}
