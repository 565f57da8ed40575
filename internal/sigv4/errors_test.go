package sigv4

import (
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestParseErrors(t *testing.T) {
	const (
		cred  = "Credential=AKIDEXAMPLE/20150830/us-east-1/iam/aws4_request"
		sig   = "Signature=00"
		names = "SignedHeaders=host;x-amz-date"
		date  = "X-Amz-Date: 20150830T123600Z"
		good  = "Authorization: AWS4-HMAC-SHA256 " + cred + ", " + names + ", " + sig
		query = "/?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIDEXAMPLE%2F20150830%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20150830T123600Z&X-Amz-SignedHeaders=host&X-Amz-Expires=60&X-Amz-Signature=00"
	)
	auth := func(s string) string { return "Authorization: AWS4-HMAC-SHA256 " + s }
	replace := func(old, new string) string {
		if !strings.Contains(query, old) {
			t.Fatalf("no %q in the query", old)
		}
		return strings.Replace(query, old, new, 1)
	}
	for _, tt := range []struct {
		name    string
		target  string
		headers []string
		want    Kind // 0: parses
		message string
	}{
		{"good", "/", []string{good, date}, 0, ""},
		{"good query", query, nil, 0, ""},
		{"no spaces", "/", []string{auth(cred + "," + names + "," + sig), date}, 0, ""},
		{"Date", "/", []string{good, "Date: Sun, 30 Aug 2015 12:36:00 GMT"}, 0, ""},
		{"no region", "/", []string{auth("Credential=A/20150830//sts/aws4_request, " + names + ", " + sig), date}, 0, ""},
		{"unknown part", "/", []string{good + ", Foo=bar", date}, 0, ""},
		{"two headers", "/", []string{good, good, date}, Malformed, "2 Authorization headers"},
		{"header and query", query, []string{good, date}, TwoAuths, "Only one auth mechanism allowed"},
		{"v2 header and query", query, []string{"Authorization: AWS a:b", date}, TwoAuths, "Only one auth mechanism allowed"},
		{"v2 and v4 query", query + "&AWSAccessKeyId=a&Signature=b&Expires=1", nil, TwoAuths, "Only one"},
		{"no signature", "/", []string{auth(cred + ", " + names), date}, Malformed, "requires 'Signature' parameter"},
		{"nothing", "/", []string{"Authorization: AWS4-HMAC-SHA256", date}, Malformed, "missing equal-sign"},
		{"all missing", "/", []string{auth("a=b"), date}, Malformed, "requires 'Credential' parameter. Authorization header requires 'Signature' parameter. Authorization header requires 'SignedHeaders' parameter."},
		{"no equals", "/", []string{auth("Credential"), date}, Malformed, "missing equal-sign"},
		{"two credentials", "/", []string{good + ", " + cred, date}, Malformed, "two 'Credential' parameters"},
		{"two signatures", "/", []string{good + ", Signature=11", date}, Malformed, "two 'Signature' parameters"},
		{"scope of 4", "/", []string{auth("Credential=A/20150830/iam/aws4_request, " + names + ", " + sig), date}, Unsupported, "SigV4A"},
		{"scope of 3", "/", []string{auth("Credential=A/20150830/iam, " + names + ", " + sig), date}, Malformed, "expecting"},
		{"scope of 6", "/", []string{auth("Credential=A/B/20150830/us-east-1/iam/aws4_request, " + names + ", " + sig), date}, Malformed, "expecting"},
		{"no key", "/", []string{auth("Credential=/20150830/us-east-1/iam/aws4_request, " + names + ", " + sig), date}, Malformed, "expecting"},
		{"terminator", "/", []string{auth("Credential=A/20150830/us-east-1/iam/aws5_request, " + names + ", " + sig), date}, BadScope, "valid terminator"},
		{"scope date", "/", []string{auth("Credential=A/2015083/us-east-1/iam/aws4_request, " + names + ", " + sig), date}, Malformed, "yyyyMMdd"},
		{"empty name", "/", []string{auth(cred + ", SignedHeaders=host;, " + sig), date}, Malformed, "empty name"},
		{"name twice", "/", []string{auth(cred + ", SignedHeaders=host;Host, " + sig), date}, Malformed, "'host' twice"},
		{"many names", "/", []string{auth(cred + ", SignedHeaders=" + strings.Repeat("a;", 300) + "b, " + sig), date}, Malformed, "more than 256"},
		{"long", "/", []string{auth(strings.Repeat("a", 20000)), date}, Malformed, "longer than"},
		{"no date", "/", []string{good}, MissingDate, "valid Date or x-amz-date header"},
		{"bad date", "/", []string{good, "X-Amz-Date: 2015-08-30T12:36:00Z"}, Malformed, "'basic format'"},
		{"two dates", "/", []string{good, date, date}, Malformed, "2 times"},
		{"bad Date", "/", []string{good, "Date: today"}, MissingDate, "valid Date"},
		{"sigv4a", "/", []string{"Authorization: AWS4-ECDSA-P256-SHA256 " + cred, date}, Unsupported, "SigV4A"},
		{"basic", "/", []string{"Authorization: Basic YTpi"}, Malformed, "Unsupported Authorization Type"},
		{"v2 without colon", "/", []string{"Authorization: AWS a", date}, Malformed, "AwsAccessKeyId:signature"},
		{"v2 without date", "/", []string{"Authorization: AWS a:b"}, MissingDate, "valid Date"},

		{"query: algorithm", replace("HMAC", "FOO"), nil, MalformedQuery, "X-Amz-Algorithm only supports"},
		{"query: sigv4a", replace("AWS4-HMAC-SHA256", "AWS4-ECDSA-P256-SHA256"), nil, Unsupported, "SigV4A"},
		{"query: no credential", replace("X-Amz-Credential", "Credential"), nil, MalformedQuery, "requires the X-Amz-Algorithm"},
		{"query: no signature", replace("&X-Amz-Signature=00", ""), nil, MalformedQuery, "requires the X-Amz-Algorithm"},
		{"query: twice", query + "&X-Amz-Signature=11", nil, MalformedQuery, "stands twice"},
		{"query: twice in another case", query + "&x-amz-signature=11", nil, MalformedQuery, "stands twice"},
		{"query: twice, escaped", query + "&X%2DAmz%2DDate=20150830T123600Z", nil, MalformedQuery, "stands twice"},
		{"query: scope", replace("%2Fs3%2F", "%2F"), nil, Unsupported, "SigV4A"},
		{"query: scope of 3", replace("us-east-1%2Fs3%2F", ""), nil, MalformedQuery, "Error parsing the X-Amz-Credential parameter"},
		{"query: date", replace("20150830T123600Z", "20150830"), nil, MalformedQuery, "ISO8601 Long Format"},
		{"query: week", replace("Expires=60", "Expires=604800"), nil, 0, ""},
		{"query: over a week", replace("Expires=60", "Expires=604801"), nil, MalformedQuery, "less than a week"},
		{"query: negative", replace("Expires=60", "Expires=-1"), nil, MalformedQuery, "non-negative"},
		{"query: zero", replace("Expires=60", "Expires=0"), nil, MalformedQuery, "at least 1"},
		{"query: no number", replace("Expires=60", "Expires=1h"), nil, MalformedQuery, "should be a number"},
		{"query: huge", replace("Expires=60", "Expires=99999999999999999999"), nil, MalformedQuery, "should be a number"},
		{"query: no expires", replace("&X-Amz-Expires=60", ""), nil, MalformedQuery, "X-Amz-Expires"},
		{"query: no expires, sts", strings.Replace(replace("&X-Amz-Expires=60", ""), "%2Fs3%2F", "%2Fsts%2F", 1), nil, 0, ""},
		{"query: two tokens", query + "&X-Amz-Security-Token=a", []string{"X-Amz-Security-Token: b"}, MalformedQuery, "different session tokens"},
		{"query: long", "/?a=" + strings.Repeat("b", 70000), nil, MalformedQuery, "longer than"},
		{"query: many", "/?" + strings.Repeat("a&", 2000), nil, MalformedQuery, "more than"},
		{"v2 query: no expires", "/?AWSAccessKeyId=a&Signature=b", nil, MalformedQuery, "requires the Signature, Expires"},
		{"v2 query: expires", "/?AWSAccessKeyId=a&Signature=b&Expires=soon", nil, MalformedQuery, "seconds since epoch"},
		{"v2 of a query service", "/?AWSAccessKeyId=a&Signature=b&SignatureVersion=2&SignatureMethod=HmacSHA256", nil, Unsupported, "Version 2 of query services"},
	} {
		a, err := Parse(received("GET", tt.target, "h", tt.headers...))
		if tt.want == 0 {
			if err != nil || a == nil {
				t.Errorf("%s: got %v, %v", tt.name, a, err)
			}
			continue
		}
		if err == nil || err.Kind != tt.want || !strings.Contains(err.Message, tt.message) {
			t.Errorf("%s: got %v, want %v: …%s…", tt.name, err, tt.want, tt.message)
		}
	}
	for _, target := range []string{"/", "/?Signature=a&Expires=b", "/?X-Amz-Date=a&X-Amz-Date=b", "/?Action=ListUsers"} {
		if a, err := Parse(received("GET", target, "h")); a != nil || err != nil {
			t.Errorf("%s: got %v, %v; want an unsigned request", target, a, err)
		}
	}
}

func TestFormErrors(t *testing.T) {
	good := map[string]string{
		"policy": "e30=", "x-amz-algorithm": Algorithm, "X-Amz-Credential": "A/20150830/us-east-1/s3/aws4_request",
		"x-amz-date": "20150830T123600Z", "x-amz-signature": "00", "key": "k",
	}
	with := func(kv ...string) map[string]string {
		m := map[string]string{}
		for k, v := range good {
			m[k] = v
		}
		for i := 0; i < len(kv); i += 2 {
			m[kv[i]] = kv[i+1]
		}
		return m
	}
	for _, tt := range []struct {
		name   string
		fields map[string]string
		want   Kind
	}{
		{"good", good, 0},
		{"v2", map[string]string{"AWSAccessKeyId": "A", "policy": "e30=", "signature": "s"}, 0},
		{"no policy", with("policy", ""), Malformed},
		{"no date", with("x-amz-date", ""), Malformed},
		{"bad date", with("x-amz-date", "now"), Malformed},
		{"algorithm", with("x-amz-algorithm", "x"), Malformed},
		{"sigv4a", with("x-amz-algorithm", AlgorithmV4A), Unsupported},
		{"scope", with("X-Amz-Credential", "A"), Malformed},
		{"both versions", with("AWSAccessKeyId", "A"), TwoAuths},
		{"a field twice", with("KEY", "k"), Malformed},
		{"long policy", with("policy", strings.Repeat("a", 30000)), MalformedPolicy},
		{"v2 without policy", map[string]string{"AWSAccessKeyId": "A", "signature": "s"}, Malformed},
	} {
		a, err := ParseForm(tt.fields)
		if tt.want == 0 && (err != nil || a == nil) || tt.want != 0 && (err == nil || err.Kind != tt.want) {
			t.Errorf("%s: got %v, %v; want %v", tt.name, a, err, tt.want)
		}
	}
	if a, err := ParseForm(map[string]string{"key": "k", "policy": "e30="}); a != nil || err != nil {
		t.Errorf("unsigned: got %v, %v", a, err)
	}
	a, err := ParseForm(with("x-amz-date", "20150831T123600Z"))
	if err != nil {
		t.Fatal(err)
	}
	if err := a.CheckForm("s"); err == nil || err.Kind != BadScope {
		t.Errorf("another day: got %v, want %v", err, BadScope)
	}
	for _, policy := range []string{
		``, `[]`, `{}`, `{"expiration":"2030-01-01T00:00:00Z"}`, `{"expiration":"soon","conditions":[]}`,
		`{"expiration":"2030-01-01T00:00:00Z","conditions":[{"a":1}]}`,
		`{"expiration":"2030-01-01T00:00:00Z","conditions":[["eq","$a"]]}`,
		`{"expiration":"2030-01-01T00:00:00Z","conditions":[["eq","a","b"]]}`,
		`{"expiration":"2030-01-01T00:00:00Z","conditions":[["like","$a","b"]]}`,
		`{"expiration":"2030-01-01T00:00:00Z","conditions":[["content-length-range","x",1]]}`,
		`{"expiration":"2030-01-01T00:00:00Z","conditions":[["content-length-range",1.5,2]]}`,
		`{"expiration":"2030-01-01T00:00:00Z","conditions":["eq"]}`,
	} {
		a := Auth{policy: encode(policy)}
		if p, err := a.Policy(); err == nil || err.Kind != MalformedPolicy {
			t.Errorf("%s: got %v, %v", policy, p, err)
		}
	}
	p, err := (&Auth{policy: encode(`{"expiration":"2030-01-01T00:00:00.000Z","conditions":[["starts-with","$Content-Type","image/"],["starts-with","$key",""],{"BUCKET":"b"}]}`)}).Policy()
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		fields map[string]string
		want   string
	}{
		{map[string]string{"Content-Type": "image/png,image/jpeg", "Key": "k", "x-ignore-me": "1"}, ""},
		{map[string]string{"Content-Type": "image/png, text/html", "Key": "k"}, `Policy Condition failed: ["starts-with","$Content-Type","image/"]`},
		{map[string]string{"Content-Type": "image/png", "Key": "k", "acl": "x"}, "Extra input fields: acl"},
	} {
		err := p.Check("b", tt.fields, at(t, "20200101T000000Z"))
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Message, tt.want)) {
			t.Errorf("%v: got %v, want %s", tt.fields, err, tt.want)
		}
	}
}

// signed is a request that this package signed, at 12:36.
func signed(t testing.TB, service string, change func(*http.Request)) (*http.Request, *Auth) {
	t.Helper()
	r := received("GET", "/k?a=b", "h")
	Sign(r, Key{AccessKeyID: "AKID", Secret: "s", Token: "tok"}, "us-east-1", service, EmptyPayload, at(t, "20150830T123600Z"))
	if change != nil {
		change(r)
	}
	a, err := Parse(r)
	if err != nil {
		t.Fatal(err)
	}
	return r, a
}

func TestTimes(t *testing.T) {
	r, a := signed(t, "iam", nil)
	for _, tt := range []struct {
		now, message string
		want         Kind
	}{
		{"20150830T123100Z", "", 0},
		{"20150830T124100Z", "", 0},
		{"20150830T124101Z", "Signature expired: 20150830T123600Z is now earlier than 20150830T123601Z (20150830T124101Z - 5 min.)", Skewed},
		{"20150830T123059Z", "Signature not yet current: 20150830T123600Z is still later than 20150830T123559Z (20150830T123059Z + 5 min.)", Skewed},
	} {
		err := a.Check(r, "s", EmptyPayload, at(t, tt.now), 5*time.Minute)
		if tt.want == 0 && err != nil || tt.want != 0 && (err == nil || err.Kind != tt.want || err.Message != tt.message) {
			t.Errorf("%s: got %v, want %v: %s", tt.now, err, tt.want, tt.message)
		}
	}
	for _, tt := range []struct {
		service, now string
		want         Kind
	}{
		{"s3", "20150830T123600Z", 0}, {"s3", "20150830T133600Z", 0}, {"s3", "20150830T133601Z", Expired},
		{"s3", "20150830T122100Z", 0}, {"s3", "20150830T122059Z", NotYetValid},
		{"sts", "20150830T125100Z", 0}, {"sts", "20150830T125101Z", Expired}, // 15 minutes, whatever the URL says
		{"sts", "20150830T122059Z", NotYetValid},
	} {
		r := received("GET", "/", "h")
		hash := UnsignedPayload
		if tt.service != "s3" {
			hash = EmptyPayload
		}
		r.RequestURI = strings.TrimPrefix(Presign(r, Key{AccessKeyID: "A", Secret: "s", Token: "a+/="}, "eu-west-1", tt.service, hash, at(t, "20150830T123600Z"), time.Hour), "http://h")
		a, err := Parse(r)
		if err != nil {
			t.Fatal(err)
		}
		if a.Token != "a+/=" {
			t.Errorf("got token %q", a.Token)
		}
		if err := a.Check(r, "s", EmptyPayload, at(t, tt.now), 15*time.Minute); tt.want == 0 && err != nil || tt.want != 0 && (err == nil || err.Kind != tt.want) {
			t.Errorf("%s at %s: got %v, want %v", tt.service, tt.now, err, tt.want)
		}
	}
}

func TestCheckRefuses(t *testing.T) {
	now := at(t, "20150830T123700Z")
	for _, tt := range []struct {
		name, service, body string
		change              func(*http.Request)
		want                Kind
		unsigned            []string
	}{
		{"nothing", "s3", "", nil, 0, nil},
		{"nothing", "iam", EmptyPayload, nil, 0, nil},
		{"x-amz-acl added", "s3", "", func(r *http.Request) { r.Header.Set("X-Amz-Acl", "public-read") }, UnsignedHeaders, []string{"x-amz-acl"}},
		{"x-amz-target added", "dynamodb", EmptyPayload, func(r *http.Request) { r.Header.Set("X-Amz-Target", "x") }, UnsignedHeaders, []string{"x-amz-target"}},
		{"ordinary header added", "s3", "", func(r *http.Request) { r.Header.Set("User-Agent", "x") }, 0, nil},
		{"second value", "s3", "", func(r *http.Request) { r.Header.Add("X-Amz-Meta-A", "x"); r.Header.Add("X-Amz-Meta-A", "y") }, UnsignedHeaders, []string{"x-amz-meta-a"}},
		{"token changed", "iam", EmptyPayload, func(r *http.Request) { r.Header.Set("X-Amz-Security-Token", "x") }, BadSignature, nil},
		{"token removed", "iam", EmptyPayload, func(r *http.Request) { r.Header.Del("X-Amz-Security-Token") }, BadSignature, nil},
		{"host", "iam", EmptyPayload, func(r *http.Request) { r.Host = "evil" }, BadSignature, nil},
		{"host not signed", "iam", EmptyPayload, func(r *http.Request) {
			r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), "=host;", "=", 1))
		}, UnsignedHeaders, []string{"host"}},
		{"query", "iam", EmptyPayload, func(r *http.Request) { r.RequestURI = "/k?a=c" }, BadSignature, nil},
		{"path", "s3", "", func(r *http.Request) { r.RequestURI = "/j?a=b" }, BadSignature, nil},
		{"path doubled", "s3", "", func(r *http.Request) { r.RequestURI = "//k?a=b" }, BadSignature, nil},
		{"path spelled otherwise", "s3", "", func(r *http.Request) { r.RequestURI = "/%6b?a=b" }, 0, nil},
		{"as to a proxy", "s3", "", func(r *http.Request) { r.RequestURI = "http://h/k?a=b" }, 0, nil},
		{"day", "iam", EmptyPayload, func(r *http.Request) { r.Header.Set("X-Amz-Date", "20150829T123600Z") }, BadScope, nil},
		{"second", "iam", EmptyPayload, func(r *http.Request) { r.Header.Set("X-Amz-Date", "20150830T123601Z") }, BadSignature, nil},
		{"body", "iam", sha("x"), nil, BadSignature, nil},
		{"body of s3", "s3", sha("x"), nil, BadPayloadHash, nil},
		{"body unknown", "iam", "", nil, MissingPayloadHash, nil},
		{"no payload hash", "s3", "", func(r *http.Request) { r.Header.Del("X-Amz-Content-Sha256") }, MissingPayloadHash, nil},
		{"payload hash of no form", "s3", "", func(r *http.Request) { r.Header.Set("X-Amz-Content-Sha256", "x") }, InvalidPayloadHash, nil},
		{"payload hash changed", "s3", "", func(r *http.Request) { r.Header.Set("X-Amz-Content-Sha256", UnsignedPayload) }, BadSignature, nil},
		{"signature cut", "s3", "", func(r *http.Request) {
			r.Header.Set("Authorization", r.Header.Get("Authorization")[:len(r.Header.Get("Authorization"))-1])
		}, BadSignature, nil},
	} {
		r, a := signed(t, tt.service, tt.change)
		err := a.Check(r, "s", tt.body, now, 5*time.Minute)
		if tt.want == 0 {
			if err != nil {
				t.Errorf("%s: %v", tt.name, err)
			}
			continue
		}
		if err == nil || err.Kind != tt.want || !slices.Equal(err.HeadersNotSigned, tt.unsigned) {
			t.Errorf("%s: got %v %q, want %v %q", tt.name, err, err.HeadersNotSigned, tt.want, tt.unsigned)
		}
	}
}

// TestBadSignatureDetail is what S3 hands back to a client that signed wrongly.
func TestBadSignatureDetail(t *testing.T) {
	r, a := signed(t, "s3", nil)
	err := a.Check(r, "other", "", at(t, "20150830T123600Z"), time.Minute)
	if err == nil {
		t.Fatal("accepted")
	}
	wantRequest := "GET\n/k\na=b\nhost:h\nx-amz-content-sha256:" + EmptyPayload + "\nx-amz-date:20150830T123600Z\nx-amz-security-token:tok\n\nhost;x-amz-content-sha256;x-amz-date;x-amz-security-token\n" + EmptyPayload
	if err.CanonicalRequest != wantRequest {
		t.Errorf("canonical request: got\n%s\nwant\n%s", err.CanonicalRequest, wantRequest)
	}
	wantString := "AWS4-HMAC-SHA256\n20150830T123600Z\n20150830/us-east-1/s3/aws4_request\n" + sha(wantRequest)
	if err.StringToSign != wantString || err.SignatureProvided != a.Signature || err.AccessKeyID != "AKID" {
		t.Errorf("got %+v", err)
	}
}

func TestVerifierForgetsOldSecrets(t *testing.T) {
	var v Verifier
	r, a := signed(t, "iam", nil)
	now := at(t, "20150830T123600Z")
	for i, secret := range []string{"s", "s", "t", "s"} {
		err := v.Check(a, r, secret, EmptyPayload, now, time.Minute)
		if (err == nil) != (secret == "s") {
			t.Errorf("%d: secret %s: got %v", i, secret, err)
		}
	}
	for i := range 3 * maxCachedKeys {
		v.key("s", &Scope{AccessKeyID: fmt.Sprint(i)})
	}
	if len(v.keys) > maxCachedKeys {
		t.Errorf("%d keys are kept", len(v.keys))
	}
}

func TestNothingSecretIsPrinted(t *testing.T) {
	_, a := signed(t, "iam", nil)
	k := Key{AccessKeyID: "AKID", Secret: "hunter2", Token: "tok"}
	var b strings.Builder
	slog.New(slog.NewTextHandler(&b, nil)).Info("m", "auth", a, "key", k)
	fmt.Fprintf(&b, "%v %+v %#v %s %v %+v %#v %s", a, a, a, a, k, k, k, k)
	for _, secret := range []string{"tok", "hunter2", a.Signature} {
		if strings.Contains(b.String(), secret) {
			t.Errorf("%q is printed: %s", secret, b.String())
		}
	}
	if !strings.Contains(b.String(), "AKID") {
		t.Errorf("nothing is printed: %s", b.String())
	}
}
