package sandbox_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	ststypes "github.com/aws/aws-sdk-go-v2/service/sts/types"

	"github.com/mantle-iam/mantle/sandbox"
)

// fort is a sandbox as it is served to clients, with all that it says: the
// answers, the trail and the log.
type fort struct {
	*world
	address string
	mu      sync.Mutex // guards the field below
	said    bytes.Buffer
}

func (f *fort) Write(b []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.said.Write(b)
}

func newFort(t *testing.T, state string) *fort {
	t.Helper()
	f := &fort{}
	opt := sandbox.Options{State: state, Log: slog.New(slog.NewTextHandler(f, &slog.HandlerOptions{Level: slog.LevelDebug})), Trail: func(r sandbox.Record) { fmt.Fprintln(f, r) }}
	f.world = newWorldOptions(t, opt)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	var serving sync.WaitGroup
	serving.Go(func() {
		if err := f.srv.Serve(ctx, ln); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() { stop(); serving.Wait() })
	f.address = ln.Addr().String()
	f.url = "http://" + f.address
	return f
}

// unharmed wants that nothing has panicked, that none of the secrets was told
// anywhere, and that the sandbox still answers.
func (f *fort) unharmed(secrets ...string) {
	f.t.Helper()
	f.admin(dev).arn()
	f.mu.Lock()
	defer f.mu.Unlock()
	said := f.said.String()
	if i := strings.Index(said, "level=ERROR"); i >= 0 {
		f.t.Errorf("the sandbox has failed: %.2000s", said[i:])
	}
	for _, a := range f.account {
		secrets = append(secrets, a.Admin.Secret, a.Root.Secret)
	}
	for _, s := range secrets {
		if i := strings.Index(said, s); i >= 0 {
			f.t.Errorf("a secret was told: %.500s", said[max(0, i-200):])
		}
	}
}

// raw sends bytes as they are and reads one answer; status 0 is none.
func (f *fort) raw(request string) (status int, body string) {
	f.t.Helper()
	c, err := net.Dial("tcp", f.address)
	if err != nil {
		f.t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(5 * time.Second))
	go func() {
		io.WriteString(c, request)
		c.(*net.TCPConn).CloseWrite()
	}()
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close()
	b, _ := io.ReadAll(resp.Body)
	f.Write(b)
	return resp.StatusCode, string(b)
}

// call is a request that is signed at the lowest level.
type call struct {
	service, method, path, body string
	header                      map[string]string
	at                          time.Time
	keys                        aws.Credentials
}

// target is the header that names an operation of a JSON service.
func target(name string) map[string]string {
	return map[string]string{"X-Amz-Target": name, "Content-Type": "application/x-amz-json-1.0"}
}

var form = map[string]string{"Content-Type": "application/x-www-form-urlencoded"}

// signed makes the request of a call.
func (f *fort) signed(c call) *http.Request {
	f.t.Helper()
	if c.method == "" {
		c.method = http.MethodPost
	}
	if c.at.IsZero() {
		c.at = time.Now()
	}
	if c.keys.AccessKeyID == "" {
		k := f.account[dev].Admin
		c.keys = aws.Credentials{AccessKeyID: k.ID, SecretAccessKey: k.Secret}
	}
	r, err := http.NewRequest(c.method, f.url+"/", strings.NewReader(c.body))
	if err != nil {
		f.t.Fatal(err)
	}
	if c.path != "" {
		path, query, _ := strings.Cut(c.path, "?")
		plain, err := url.PathUnescape(path)
		if err != nil {
			f.t.Fatal(err)
		}
		r.URL.Path, r.URL.RawPath, r.URL.RawQuery = plain, path, query
	}
	for k, v := range c.header {
		r.Header.Set(k, v)
	}
	sum := sha256.Sum256([]byte(c.body))
	hash := hex.EncodeToString(sum[:])
	if c.service == "s3" {
		r.Header.Set("X-Amz-Content-Sha256", hash)
	}
	err = v4.NewSigner().SignHTTP(context.Background(), c.keys, r, hash, c.service, "eu-west-1", c.at, func(o *v4.SignerOptions) { o.DisableURIPathEscaping = c.service == "s3" })
	if err != nil {
		f.t.Fatal(err)
	}
	return r
}

// again is a copy of a request, with its body.
func (f *fort) again(r *http.Request, body string) *http.Request {
	r = r.Clone(context.Background())
	r.Body = io.NopCloser(strings.NewReader(body))
	return r
}

func (f *fort) send(r *http.Request) (status int, body string) {
	f.t.Helper()
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		f.t.Fatalf("%s %s: %v", r.Method, r.URL, err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		f.t.Fatalf("%s %s: %v", r.Method, r.URL, err)
	}
	f.Write(b)
	return resp.StatusCode, string(b)
}

// TestMalformedBodies: whatever stands in a signed body, the answer is the
// client's fault, in the words of the service.
func TestMalformedBodies(t *testing.T) {
	f := newFort(t, "")
	if _, err := f.admin(dev).s3.CreateBucket(t.Context(), &awss3.CreateBucketInput{Bucket: aws.String("photos"), CreateBucketConfiguration: &s3types.CreateBucketConfiguration{LocationConstraint: "eu-west-1"}}); err != nil {
		t.Fatal(err)
	}
	bodies := []string{
		"", "\x00", "\xff\xfe\xfd", "{", "}", "null", "[]", `"x"`, "{}{}", `{"a":`, `{"TableName":`, `{"TableName":1}`, `{"TableName":{"S":["x"]}}`, `{"TableName":"\ud800"}`,
		strings.Repeat("[", 20_000), strings.Repeat(`{"a":`, 20_000), `{"Limit":1e999}`, `{"Limit":-99999999999999999999}`,
		"%", "%zz=1", "Action", "Action=", "Action=&Version=", "Action=GetCallerIdentity", "Action=\x00&Version=2011-06-15", "Action=AssumeRole&Version=2011-06-15&RoleArn=" + strings.Repeat("x", 20_000),
		"Action=RunInstances&Version=2016-11-15&MinCount=99999999999999999999&MaxCount=-1", "Action=CreateRole&Version=2010-05-08&Tags.member.999999999999.Key=a",
		"Action=AssumeRole&Version=2011-06-15&DurationSeconds=1e9&RoleArn=arn:aws:iam::111122223333:role/x&RoleSessionName=xx", strings.Repeat("a=b&", 20_000), ";;;;",
		"<", "<a", "<a><b></a></b>", strings.Repeat("<a>", 20_000), `<!DOCTYPE a [<!ENTITY b "c">]><Delete>&b;</Delete>`, `<?xml version="1.0" encoding="UTF-7"?><Delete/>`,
		`<Delete><Object><Key></Key></Object></Delete>`, `<Tagging><TagSet>` + strings.Repeat(`<Tag><Key>a</Key><Value>b</Value></Tag>`, 1000) + `</TagSet></Tagging>`,
	}
	asked := 0
	for _, c := range []call{
		{service: "sts", header: form}, {service: "iam", header: form}, {service: "ec2", header: form}, {service: "autoscaling", header: form},
		{service: "dynamodb", header: target("DynamoDB_20120810.GetItem")}, {service: "dynamodb", header: target("DynamoDB_20120810.CreateTable")}, {service: "dynamodb", header: target("\x7f")},
		{service: "ecs", header: target("AmazonEC2ContainerServiceV20141113.RunTask")}, {service: "ecr", header: target("AmazonEC2ContainerRegistry_V20150921.PutImage")},
		{service: "s3", path: "/photos?delete="}, {service: "s3", method: "PUT", path: "/photos?tagging="}, {service: "s3", method: "PUT", path: "/photos?policy="},
		{service: "s3", method: "PUT", path: "/photos?lifecycle="}, {service: "s3", method: "PUT", path: "/other"}, {service: "s3", path: "/photos/k?uploadId=x"}, {service: "s3", method: "BREW", path: "/photos/k"},
	} {
		for _, body := range bodies {
			c.body = body
			if c.header["X-Amz-Target"] == "\x7f" {
				c.header = target("DynamoDB_20120810." + strings.Repeat("x", 1000))
			}
			status, answer := f.send(f.signed(c))
			asked++
			if status >= 500 || status >= 400 && answer == "" {
				t.Errorf("%s %s %s %v with %.60q: %d %.200s", c.service, c.method, c.path, c.header["X-Amz-Target"], body, status, answer)
			}
		}
	}
	t.Logf("%d bodies", asked)
	f.unharmed()
}

// TestRawRequests: what no client library sends.
func TestRawRequests(t *testing.T) {
	f := newFort(t, "")
	const identity = "Action=GetCallerIdentity&Version=2011-06-15"
	post := func(headers, body string) string {
		return "POST / HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n" + headers + "\r\n" + body
	}
	for what, c := range map[string]struct {
		request string
		want    []int
	}{
		"not HTTP":                     {"hello\r\n\r\n", []int{400}},
		"a header of 200 KB":           {"GET / HTTP/1.1\r\nHost: x\r\nX-A: " + strings.Repeat("a", 200<<10) + "\r\n\r\n", []int{431}},
		"10,000 headers":               {"GET / HTTP/1.1\r\nHost: x\r\n" + strings.Repeat("X-A: aaaaaaaaaaaaaaaaaaaaaaa\r\n", 10_000) + "\r\n", []int{431}},
		"a request line of 200 KB":     {"GET /" + strings.Repeat("a", 200<<10) + " HTTP/1.1\r\nHost: x\r\n\r\n", []int{431}},
		"no host":                      {"GET / HTTP/1.1\r\n\r\n", []int{400}},
		"two hosts":                    {"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", []int{400}},
		"a host of rubbish":            {"GET / HTTP/1.1\r\nHost: ..s3.%00/../x\r\n\r\n", []int{400, 403}},
		"a length that is too great":   {post("Content-Length: 1000\r\n", identity), []int{400}},
		"a length that is too small":   {post("Content-Length: 10\r\n", identity), []int{400, 405}},
		"a negative length":            {post("Content-Length: -1\r\n", identity), []int{400}},
		"a length that is no number":   {post("Content-Length: x\r\n", identity), []int{400}},
		"two lengths":                  {post("Content-Length: 1\r\nContent-Length: 2\r\n", identity), []int{400}},
		"a length beyond all limits":   {post("Content-Length: 99999999999\r\n", identity), []int{400, 413}},
		"a chunk that is cut short":    {post("Transfer-Encoding: chunked\r\n", "fff\r\n"+identity), []int{400}},
		"a chunk of rubbish":           {post("Transfer-Encoding: chunked\r\n", "zz\r\n"+identity), []int{400, 405}},
		"an unknown transfer coding":   {post("Transfer-Encoding: gzip\r\n", identity), []int{400, 501}},
		"length and chunks":            {post("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"), []int{400, 405}},
		"no signature":                 {post(fmt.Sprintf("Content-Length: %d\r\n", len(identity)), identity), []int{403}},
		"a signature of nothing":       {post(fmt.Sprintf("Authorization: AWS4-HMAC-SHA256\r\nContent-Length: %d\r\n", len(identity)), identity), []int{400}},
		"a signature of rubbish":       {post(fmt.Sprintf("Authorization: AWS4-HMAC-SHA256 Credential=////, SignedHeaders=;;, Signature=\xff\r\nContent-Length: %d\r\n", len(identity)), identity), []int{400}},
		"a scheme that nobody has":     {post(fmt.Sprintf("Authorization: Basic eDp5\r\nContent-Length: %d\r\n", len(identity)), identity), []int{400, 403}},
		"a service that nobody has":    {post(fmt.Sprintf("Authorization: AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20260101/eu-west-1/../aws4_request, SignedHeaders=host, Signature=00\r\nX-Amz-Date: 20260101T000000Z\r\nContent-Length: %d\r\n", len(identity)), identity), []int{400}},
		"an upload that is cut short":  {"PUT /b/k HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nabc", []int{400, 403, 404}},
		"the path of another protocol": {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", []int{400, 405, 505}},
	} {
		status, body := f.raw(c.request)
		ok := false
		for _, want := range c.want {
			ok = ok || status == want
		}
		if !ok {
			t.Errorf("%s: %d %.300s, want %v", what, status, body, c.want)
		}
	}
	f.unharmed()
}

// TestStaleAndReplayed: a signature is for one request and for a quarter of
// an hour, and each service says so in its own words.
func TestStaleAndReplayed(t *testing.T) {
	f := newFort(t, "")
	for _, c := range []struct {
		call
		stale, other string
	}{
		{call{service: "sts", header: form, body: "Action=GetCallerIdentity&Version=2011-06-15"}, "SignatureDoesNotMatch", "SignatureDoesNotMatch"},
		{call{service: "iam", header: form, body: "Action=ListUsers&Version=2010-05-08"}, "SignatureDoesNotMatch", "SignatureDoesNotMatch"},
		{call{service: "ec2", header: form, body: "Action=DescribeRegions&Version=2016-11-15"}, "RequestExpired", "AuthFailure"},
		{call{service: "dynamodb", header: target("DynamoDB_20120810.ListTables"), body: "{}"}, "InvalidSignatureException", "InvalidSignatureException"},
		{call{service: "ecs", header: target("AmazonEC2ContainerServiceV20141113.ListClusters"), body: "{}"}, "InvalidSignatureException", "InvalidSignatureException"},
		{call{service: "s3", method: "GET", path: "/"}, "RequestTimeTooSkewed", "SignatureDoesNotMatch"},
	} {
		// What was listened in on works again, as on AWS: there is no nonce.
		one := f.signed(c.call)
		for range 2 {
			if status, body := f.send(f.again(one, c.body)); status != 200 {
				t.Errorf("%s: %d %s", c.service, status, body)
			}
		}
		for _, age := range []time.Duration{-16 * time.Minute, 16 * time.Minute, -24 * time.Hour} {
			old := c.call
			old.at = time.Now().Add(age)
			if status, body := f.send(f.signed(old)); status/100 != 4 || !strings.Contains(body, c.stale) {
				t.Errorf("%s, signed %s from now: %d %.300s, want %s", c.service, age, status, body, c.stale)
			}
		}
		for what, change := range map[string]func(*http.Request){
			"another path":   func(r *http.Request) { r.URL.Path, r.URL.RawPath = "/other", "" },
			"another query":  func(r *http.Request) { r.URL.RawQuery = "x=y" },
			"another method": func(r *http.Request) { r.Method = http.MethodDelete },
			"another host":   func(r *http.Request) { r.Host = "elsewhere.example.com" },
			"another date": func(r *http.Request) {
				r.Header.Set("X-Amz-Date", time.Now().Add(-time.Minute).UTC().Format("20060102T150405Z"))
			},
			"a header more": func(r *http.Request) { r.Header.Set("X-Amz-Security-Token", "x") },
		} {
			r := f.signed(c.call)
			change(r)
			status, body := f.send(r)
			token := what == "a header more" // is refused as a token before it is as a header
			if status/100 != 4 || !token && !strings.Contains(body, c.other) {
				t.Errorf("%s, replayed with %s: %d %.300s, want %s", c.service, what, status, body, c.other)
			}
		}
		if c.body != "" {
			r := f.signed(c.call)
			r.Body, r.ContentLength = io.NopCloser(strings.NewReader(c.body+" ")), int64(len(c.body)+1)
			if status, body := f.send(r); status/100 != 4 || !strings.Contains(body, c.other) {
				t.Errorf("%s, replayed with another body: %d %.300s, want %s", c.service, status, body, c.other)
			}
		}
	}
	f.unharmed()
}

// TestForeignSessions: a session is its key id, its secret and its token
// together, in the sandbox that made it.
func TestForeignSessions(t *testing.T) {
	f, elsewhere := newFort(t, ""), newWorld(t, "")
	session := func(w *world, account, name string) *ststypes.Credentials {
		t.Helper()
		admin := w.admin(account)
		admin.role(name, trusts(`{"AWS":"`+account+`"}`), statement(`"Effect":"Allow","Action":"*","Resource":"*"`))
		c, err := admin.assume(roleARN(account, name), "one")
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	one, two, other, foreign := session(f.world, dev, "one"), session(f.world, dev, "two"), session(f.world, shared, "one"), session(elsewhere, dev, "one")
	for what, k := range map[string]aws.Credentials{
		"another session's token":          {AccessKeyID: *one.AccessKeyId, SecretAccessKey: *one.SecretAccessKey, SessionToken: *two.SessionToken},
		"another session's key id":         {AccessKeyID: *two.AccessKeyId, SecretAccessKey: *one.SecretAccessKey, SessionToken: *one.SessionToken},
		"a token of another account":       {AccessKeyID: *one.AccessKeyId, SecretAccessKey: *one.SecretAccessKey, SessionToken: *other.SessionToken},
		"a session of another sandbox":     {AccessKeyID: *foreign.AccessKeyId, SecretAccessKey: *foreign.SecretAccessKey, SessionToken: *foreign.SessionToken},
		"a token of another sandbox":       {AccessKeyID: *one.AccessKeyId, SecretAccessKey: *one.SecretAccessKey, SessionToken: *foreign.SessionToken},
		"no token":                         {AccessKeyID: *one.AccessKeyId, SecretAccessKey: *one.SecretAccessKey},
		"a token of rubbish":               {AccessKeyID: *one.AccessKeyId, SecretAccessKey: *one.SecretAccessKey, SessionToken: "x"},
		"a token with a long-term key":     {AccessKeyID: f.account[dev].Admin.ID, SecretAccessKey: f.account[dev].Admin.Secret, SessionToken: *one.SessionToken},
		"a long-term key of another place": {AccessKeyID: elsewhere.account[shared].Admin.ID, SecretAccessKey: elsewhere.account[shared].Admin.Secret},
	} {
		unknown := what == "a long-term key of another place"
		for _, c := range []struct {
			call
			want string
		}{
			{call{service: "sts", header: form, body: "Action=GetCallerIdentity&Version=2011-06-15"}, "InvalidClientTokenId"},
			{call{service: "iam", header: form, body: "Action=ListUsers&Version=2010-05-08"}, "InvalidClientTokenId"},
			{call{service: "ec2", header: form, body: "Action=DescribeRegions&Version=2016-11-15"}, "AuthFailure"},
			{call{service: "dynamodb", header: target("DynamoDB_20120810.ListTables"), body: "{}"}, "UnrecognizedClientException"},
			{call{service: "ecr", header: target("AmazonEC2ContainerRegistry_V20150921.DescribeRepositories"), body: "{}"}, "UnrecognizedClientException"},
			{call{service: "s3", method: "GET", path: "/"}, "InvalidToken"},
		} {
			c.keys = k
			want := c.want
			if unknown && c.service == "s3" {
				want = "InvalidAccessKeyId"
			}
			if status, body := f.send(f.signed(c.call)); status/100 != 4 || !strings.Contains(body, want) {
				t.Errorf("%s at %s: %d %.300s, want %s", what, c.service, status, body, want)
			}
		}
	}
	f.unharmed(*one.SecretAccessKey, *one.SessionToken, *two.SecretAccessKey, *two.SessionToken, *foreign.SecretAccessKey, *foreign.SessionToken)
}

// TestPathTricks: a key is what was written, and nothing else: no way leads
// from one key to another, or to a file.
func TestPathTricks(t *testing.T) {
	dir := t.TempDir()
	state := filepath.Join(dir, "state")
	f := newFort(t, state)
	admin := f.admin(dev)
	for _, b := range []string{"photos", "secrets"} {
		if _, err := admin.s3.CreateBucket(t.Context(), &awss3.CreateBucketInput{Bucket: &b, CreateBucketConfiguration: &s3types.CreateBucketConfiguration{LocationConstraint: "eu-west-1"}}); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "outside"), []byte("a file of the host"), 0o600); err != nil {
		t.Fatal(err)
	}
	if status, body := f.send(f.signed(call{service: "s3", method: "PUT", path: "/secrets/private", body: "a secret object"})); status != 200 {
		t.Fatal(status, body)
	}
	admin.role("reader", trusts(`{"AWS":"111122223333"}`), statement(`"Effect":"Allow","Action":["s3:GetObject","s3:PutObject"],"Resource":"arn:aws:s3:::photos/*"`))
	cred, err := admin.assume(roleARN(dev, "reader"), "one")
	if err != nil {
		t.Fatal(err)
	}
	reader := aws.Credentials{AccessKeyID: *cred.AccessKeyId, SecretAccessKey: *cred.SecretAccessKey, SessionToken: *cred.SessionToken}
	tricks := []string{
		"..", ".", "../secrets/private", "%2e%2e/secrets/private", "%2e%2e%2fsecrets%2fprivate", "..%2fsecrets/private", "/../../secrets/private", "//secrets//private",
		"..%5csecrets%5cprivate", "%252e%252e/secrets/private", "..%00/secrets/private", "private%00.txt", "%c0%ae%c0%ae/secrets/private", "%ff%fe", "a%0d%0aX-Injected:%20yes",
		"../../outside", "../../../../../../../../etc/passwd", "%2f%2fetc%2fpasswd", "....//....//outside", "a/./b", "a/../b", "%20", "a%23b", "a%3Fb=c", strings.Repeat("k", 1024), strings.Repeat("k", 1025), strings.Repeat("%F0%9F%98%80", 256),
	}
	kept := map[string]string{}
	for _, path := range tricks {
		for _, who := range []aws.Credentials{reader, {}} {
			status, body := f.send(f.signed(call{service: "s3", method: "GET", path: "/photos/" + path, keys: who}))
			if status == 200 || status >= 500 || strings.Contains(body, "a secret object") || strings.Contains(body, "a file of the host") || strings.Contains(body, "root:") {
				t.Errorf("GET %.60s: %d %.200s", path, status, body)
			}
		}
		status, body := f.send(f.signed(call{service: "s3", method: "PUT", path: "/photos/" + path, body: "mark of " + path, keys: reader}))
		if status >= 500 || status != 200 && status/100 != 4 {
			t.Errorf("PUT %.60s: %d %.200s", path, status, body)
		}
		if status == 200 {
			key, err := url.PathUnescape(path)
			if err != nil {
				t.Fatal(err)
			}
			kept[key] = "mark of " + path
		}
	}
	if len(kept) < len(tricks)/2 {
		t.Errorf("only %d of %d keys were taken", len(kept), len(tricks))
	}
	listed := map[string]bool{}
	for p := awss3.NewListObjectsV2Paginator(admin.s3, &awss3.ListObjectsV2Input{Bucket: aws.String("photos"), EncodingType: "url"}); p.HasMorePages(); {
		page, err := p.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range page.Contents {
			key, err := url.QueryUnescape(*o.Key)
			if err != nil {
				t.Fatal(err)
			}
			listed[key] = true
			// Each key is an object of its own.
			status, body := f.send(f.signed(call{service: "s3", method: "GET", path: "/photos/" + escaped(key)}))
			if status != 200 || body != kept[key] {
				t.Errorf("key %.60q: %d %.200q, want %.200q", key, status, body, kept[key])
			}
		}
	}
	for key := range kept {
		if !listed[key] {
			t.Errorf("key %.60q was written and is not listed", key)
		}
	}
	if status, body := f.send(f.signed(call{service: "s3", method: "GET", path: "/secrets/private"})); status != 200 || body != "a secret object" {
		t.Errorf("the object of the other bucket: %d %s", status, body)
	}
	// On disk there are the state and the file that was there.
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 2 {
		t.Errorf("beside the state there are %v, %v", entries, err)
	}
	if b, err := os.ReadFile(filepath.Join(dir, "outside")); err != nil || string(b) != "a file of the host" {
		t.Errorf("the file of the host: %q, %v", b, err)
	}
	f.unharmed(*cred.SecretAccessKey)
}

// escaped writes a key as S3 signs it: all but unreserved characters and
// slashes as escapes.
func escaped(key string) string {
	var b strings.Builder
	for _, c := range []byte(key) {
		if strings.IndexByte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~/", c) >= 0 {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}
