package sigv4

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"
)

// The requests in testdata/captured were sent by real clients with this
// well-known pair: AWS CLI and boto3 1.43, the JavaScript SDK v3, and
// Terraform 5.100 (the Go SDK). Only their User-Agent lines were removed.
const (
	docKey    = "AKIAIOSFODNN7EXAMPLE"
	docSecret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
)

func capturedFiles(t testing.TB) map[string][]byte {
	t.Helper()
	files, err := filepath.Glob("testdata/captured/*.http")
	if err != nil || len(files) < 35 {
		t.Fatalf("got %d files, %v", len(files), err)
	}
	out := map[string][]byte{}
	for _, f := range files {
		raw, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		out[strings.TrimSuffix(filepath.Base(f), ".http")] = raw
	}
	return out
}

var (
	errAnonymous = errors.New("the request is not signed")
	errKey       = errors.New("no such access key")
)

// accept does what a server does with a raw request and returns the body.
func accept(raw []byte, secret string, now func(*Auth) time.Time) (*Auth, *http.Request, []byte, error) {
	r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(raw)))
	if err != nil {
		return nil, nil, nil, err
	}
	a, aerr := Parse(r)
	if aerr != nil {
		return nil, r, nil, aerr
	}
	if a == nil {
		return nil, r, nil, errAnonymous
	}
	if a.Scope.AccessKeyID != docKey {
		return a, r, nil, errKey
	}
	var body []byte
	hash := ""
	if !a.S3() {
		if body, err = io.ReadAll(r.Body); err != nil {
			return a, r, nil, err
		}
		hash = sha(string(body))
	}
	if err := a.Check(r, secret, hash, now(a), 15*time.Minute); err != nil {
		return a, r, nil, err
	}
	if a.S3() {
		b, length, berr := a.Body(r, secret)
		if berr != nil {
			return a, r, nil, berr
		}
		if body, err = io.ReadAll(b); err != nil {
			return a, r, nil, err
		}
		if length >= 0 && int64(len(body)) != length {
			return a, r, nil, errors.New("wrong length")
		}
	}
	return a, r, body, nil
}

// soon is shortly after the request was signed.
func soon(a *Auth) time.Time {
	if a.Method == QueryV2 {
		return a.Expiry.Add(-time.Minute)
	}
	return a.Time.Add(time.Minute)
}

func TestCaptured(t *testing.T) {
	for name, raw := range capturedFiles(t) {
		t.Run(name, func(t *testing.T) {
			a, r, body, err := accept(raw, docSecret, soon)
			if err != nil {
				var e *Error
				if errors.As(err, &e) {
					t.Logf("%s\n--\n%s", e.StringToSign, e.CanonicalRequest)
				}
				t.Fatal(err)
			}
			if _, _, _, err := accept(raw, docSecret+"x", soon); kindOf(err) != BadSignature {
				t.Errorf("wrong secret: got %v, want %v", err, BadSignature)
			}
			switch name {
			case "cli-s3-put", "cli-s3-put-tls", "js-s3-stream-tls":
				if want := strings.Repeat("a", 9000); string(body) != want {
					t.Errorf("got a body of %d bytes: %.40q", len(body), body)
				}
			case "boto-s3-trailer-tls":
				if got, want := r.Header.Get("Content-Encoding"), "gzip"; got != want {
					t.Errorf("Content-Encoding: got %q, want %q", got, want)
				}
				if got, want := r.Trailer.Get("X-Amz-Checksum-Sha1"), "VcpihuPk9Pul0ESDM/qZ/FpASnM="; got != want {
					t.Errorf("trailer: got %q, want %q", got, want)
				}
			}
			if strings.HasPrefix(name, "boto-presign-v2-token") || strings.HasPrefix(name, "cli-ddb-token") {
				if got, want := a.Token, "FwoG/+tok=="; got != want {
					t.Errorf("token: got %q, want %q", got, want)
				}
			}
		})
	}
}

func kindOf(err error) Kind {
	if e, ok := errors.AsType[*Error](err); ok && e != nil {
		return e.Kind
	}
	return 0
}

// meaning is what a signature must bind, computed by means other than this
// package's. Requests of one meaning may pass with one signature.
func meaning(raw []byte, signed []string) (string, bool) {
	r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(raw)))
	if err != nil {
		return "", false
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return "", false
	}
	var b strings.Builder
	b.WriteString(r.Method + " " + r.URL.Path + "\n")
	q, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return "", false
	}
	same := url.Values{}
	for k, v := range q {
		if lower := strings.ToLower(k); strings.HasPrefix(lower, "x-amz-") {
			k = lower // S3 takes these names in any case
		}
		same[k] = append(same[k], v...)
	}
	same.Del("x-amz-signature")
	b.WriteString(same.Encode() + "\n")
	for _, n := range signed {
		switch n {
		case "host":
			b.WriteString(r.Host + "\n")
		case "content-length":
		default:
			for _, v := range r.Header.Values(n) {
				b.WriteString(strings.Join(strings.Fields(v), " ") + "\n")
			}
		}
	}
	if isHash(r.Header.Get("X-Amz-Content-Sha256")) {
		b.Write(body)
	}
	return b.String(), true
}

// TestTampered changes one byte after the other of every captured request.
// Whatever is then accepted must mean the same.
func TestTampered(t *testing.T) {
	for name, raw := range capturedFiles(t) {
		a, r, body, err := accept(raw, docSecret, soon)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		checked := !a.S3() || len(r.Trailer) > 0 // else meaning looks at it
		signed := slices.Clone(a.SignedHeaders)
		switch a.Method {
		case HeaderV2, QueryV2:
			signed = []string{"content-md5", "content-type", "date"}
			for n := range r.Header {
				if strings.HasPrefix(n, "X-Amz-") {
					signed = append(signed, strings.ToLower(n))
				}
			}
		}
		want, ok := meaning(raw, signed)
		if !ok {
			t.Errorf("%s: meaningless", name)
			continue
		}
		changed, head := 0, bytes.Index(raw, []byte("\r\n\r\n"))
		for i := 0; i < len(raw); i++ {
			if i > head+100 && i < len(raw)-150 {
				i += min(499, len(raw)-150-i)
			}
			// Of two neighbours one gets another letter, one another case.
			for _, flip := range []byte{1, 0x20}[i%2 : i%2+1] {
				bad := slices.Clone(raw)
				bad[i] ^= flip
				b, br, bbody, err := accept(bad, docSecret, func(*Auth) time.Time { return soon(a) })
				if err != nil {
					changed++
					continue
				}
				if a.Method == HeaderV2 || a.Method == QueryV2 {
					// Version 2 signs neither the host nor ordinary
					// parameters, and of a body only what headers say.
					line := raw[:bytes.IndexByte(raw, '\n')]
					if i > len(line) {
						continue
					}
					// boto3 puts these into the query too; the headers
					// of the same names count.
					if j := bytes.Index(line, []byte("&content-type=")); j > 0 && i >= j && i < bytes.Index(line, []byte("&Expires=")) {
						continue
					}
				}
				if got, ok := meaning(bad, signed); ok && got == want && b.Scope == a.Scope &&
					(!checked || bytes.Equal(body, bbody) && reflect.DeepEqual(r.Trailer, br.Trailer)) {
					continue
				}
				t.Errorf("%s: byte %d %q -> %q in %q is accepted", name, i, raw[i], bad[i], bad[max(0, i-20):min(len(bad), i+20)])
			}
		}
		if changed < 100 {
			t.Errorf("%s: only %d changes were noticed", name, changed)
		}
	}
}

func TestCapturedForms(t *testing.T) {
	for _, tt := range []struct {
		file   string
		method Method
	}{{"boto-post-v2.json", FormV2}, {"boto-post-v4.json", Form}} {
		src, err := os.ReadFile("testdata/captured/" + tt.file)
		if err != nil {
			t.Fatal(err)
		}
		fields := map[string]string{}
		if err := json.Unmarshal(src, &fields); err != nil {
			t.Fatal(err)
		}
		a, aerr := ParseForm(fields)
		if aerr != nil {
			t.Fatal(aerr)
		}
		if a.Method != tt.method {
			t.Errorf("%s: got method %v", tt.file, a.Method)
		}
		if err := a.CheckForm(docSecret); err != nil {
			t.Errorf("%s: %v", tt.file, err)
		}
		if err := a.CheckForm("other"); err == nil || err.Kind != BadSignature {
			t.Errorf("%s: other secret: got %v", tt.file, err)
		}
		p, aerr := a.Policy()
		if aerr != nil {
			t.Fatal(aerr)
		}
		before := p.Expiration.Add(-time.Hour)
		if err := p.Check("bkt1", fields, before); err != nil {
			t.Errorf("%s: %v", tt.file, err)
		}
		if err := p.Check("bkt2", fields, before); err == nil || err.Kind != PolicyRefused {
			t.Errorf("%s: other bucket: got %v", tt.file, err)
		}
		if err := p.Check("bkt1", fields, p.Expiration); err == nil || err.Kind != PolicyRefused {
			t.Errorf("%s: expired: got %v", tt.file, err)
		}
		for field, value := range map[string]string{"acl": "public-read", "key": "other", "extra": "x"} {
			bad := map[string]string{}
			for k, v := range fields {
				bad[k] = v
			}
			bad[field] = value
			if err := p.Check("bkt1", bad, before); err == nil || err.Kind != PolicyRefused {
				t.Errorf("%s: %s=%s: got %v", tt.file, field, value, err)
			}
		}
		for size, want := range map[int64]Kind{0: EntityTooSmall, 1: 0, 10: 0, 11: EntityTooLarge} {
			var got Kind
			if err := p.CheckLength(size); err != nil {
				got = err.Kind
			}
			if got != want {
				t.Errorf("%s: %d bytes: got %v, want %v", tt.file, size, got, want)
			}
		}
	}
}

// TestBodyReaders reads a verified body in the ways that handlers do.
func TestBodyReaders(t *testing.T) {
	raw := capturedFiles(t)["cli-s3-put-tls"]
	open := func(raw []byte) io.Reader {
		r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(raw)))
		if err != nil {
			t.Fatal(err)
		}
		a, aerr := Parse(r)
		if aerr != nil {
			t.Fatal(aerr)
		}
		if err := a.Check(r, docSecret, "", soon(a), time.Hour); err != nil {
			t.Fatal(err)
		}
		b, n, aerr := a.Body(r, docSecret)
		if aerr != nil || n != 9000 || r.ContentLength != 9000 {
			t.Fatalf("got %d, %d, %v", n, r.ContentLength, aerr)
		}
		return b
	}
	bad := bytes.Replace(raw, []byte("aaaa\r\n0\r\n"), []byte("aaab\r\n0\r\n"), 1)
	if bytes.Equal(raw, bad) {
		t.Fatal("the capture does not end as expected")
	}
	for name, read := range map[string]func(io.Reader) error{
		"all":      func(r io.Reader) error { _, err := io.ReadAll(r); return err },
		"one byte": func(r io.Reader) error { _, err := io.ReadAll(iotest.OneByteReader(r)); return err },
		// Never sees io.EOF: the last bytes must be withheld.
		"exactly": func(r io.Reader) error { _, err := io.ReadFull(r, make([]byte, 9000)); return err },
		"copyn":   func(r io.Reader) error { _, err := io.CopyN(io.Discard, r, 9000); return err },
	} {
		if err := read(open(raw)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if err := read(open(bad)); kindOf(err) != BadChecksum {
			t.Errorf("%s of a changed body: got %v, want %v", name, err, BadChecksum)
		}
	}
}
