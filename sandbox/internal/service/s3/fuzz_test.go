package s3

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/mantle-iam/mantle/sandbox/internal/store"
)

// FuzzKey puts, gets, lists and deletes whatever key the path spells, and
// never touches the object beside it.
func FuzzKey(f *testing.F) {
	for _, k := range oddKeys {
		f.Add(k)
	}
	f.Add("\x00")
	f.Add("..")
	f.Add("\xff")
	f.Fuzz(func(t *testing.T, key string) {
		if key == "" || key == "beside" {
			return
		}
		fr := memory(t)
		do := func(method, target, body string) (int, string) {
			h := httptest.NewRequest(method, "http://127.0.0.1/", strings.NewReader(body))
			u, err := url.Parse("http://127.0.0.1" + target)
			if err != nil {
				t.Fatal(err)
			}
			h.URL = u
			h.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=AKIA"+account+"/20260101/us-east-1/s3/aws4_request")
			w := httptest.NewRecorder()
			fr.ServeHTTP(w, h)
			return w.Code, w.Body.String()
		}
		if status, body := do("PUT", "/photos", ""); status != 200 {
			t.Fatal(status, body)
		}
		do("PUT", "/photos/beside", "untouched")
		path := "/photos/" + url.PathEscape(key)
		status, body := do("PUT", path, "body of it")
		if valid := utf8.ValidString(key) && len(key) <= maxKey; (status == 200) != valid {
			t.Fatalf("put %q: %d %s", key, status, body)
		} else if !valid {
			return
		}
		if status, body := do("GET", path, ""); status != 200 || body != "body of it" {
			t.Errorf("get %q: %d %q", key, status, body)
		}
		err := fr.s3.st.View(func(tx *store.Tx) error {
			if v, ok := latest(tx, "photos", key); !ok || v.Key != key {
				t.Errorf("key %q is kept as %q", key, v.Key)
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
		if status, body := do("GET", "/photos?encoding-type=url&prefix="+url.QueryEscape(key), ""); status != 200 || !strings.Contains(body, "<Key>"+escapeKey(key)+"</Key>") {
			t.Errorf("list %q: %d %s", key, status, body)
		}
		if status, body := do("DELETE", path, ""); status != 204 {
			t.Errorf("delete %q: %d %s", key, status, body)
		}
		if status, body := do("GET", "/photos/beside", ""); status != 200 || body != "untouched" {
			t.Errorf("after %q the object beside it is %d %q", key, status, body)
		}
	})
}

// FuzzRange compares the range parser with what it promises: a first and a
// last byte in order, or nothing.
func FuzzRange(f *testing.F) {
	for _, s := range []string{"bytes=0-1", "bytes=-5", "bytes=5-", "bytes=5-2", "bytes=0-1,2-3", "bytes=+1-2", "bytes=9223372036854775808-", "", "bytes=-"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		first, last, ok := parseRange(s)
		if !ok {
			return
		}
		if first < -1 || last < -1 || first == -1 && last == -1 || first >= 0 && last >= 0 && last < first {
			t.Errorf("%q: %d to %d", s, first, last)
		}
	})
}

// FuzzCopySource: what is read names a bucket and a key, and writes back to
// the same.
func FuzzCopySource(f *testing.F) {
	for _, s := range []string{"b/k", "/b/k", "b%2Fk", "b/a%20b?versionId=1", "b/k?x=1", "b", "/", "b/%zz", "b//k", "arn:aws:s3:us-east-1:1:accesspoint/a/object/k"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		src, err := parseSource(http.Header{"X-Amz-Copy-Source": {s}})
		if err != nil {
			return
		}
		if src.bucket == "" || src.key == "" || strings.Contains(src.bucket, "/") {
			t.Fatalf("%q: %+v", s, src)
		}
		again := url.PathEscape(src.bucket) + "/" + url.PathEscape(src.key)
		if src.version != "" {
			again += "?versionId=" + url.QueryEscape(src.version)
		}
		if got, err := parseSource(http.Header{"X-Amz-Copy-Source": {again}}); err != nil || got != src {
			t.Errorf("%q: %+v, written as %q and read as %+v %v", s, src, again, got, err)
		}
	})
}

// FuzzPublic: a document that cannot be read is public, and none is that
// only denies.
func FuzzPublic(f *testing.F) {
	f.Add(public)
	f.Add(shared)
	f.Add(`{"Statement":[{"Effect":"Allow","Principal":"*","Condition":{"IpAddress":{"aws:SourceIp":["1.2.3.4/5",true,1]}}}]}`)
	f.Add(`{"Statement":{"Effect":"allow","Principal":[]}}`)
	f.Fuzz(func(t *testing.T, text string) {
		got := isPublic(text)
		var doc struct{ Statement grants }
		if err := json.Unmarshal([]byte(text), &doc); err != nil {
			if !got {
				t.Errorf("%q cannot be read and is not public", text)
			}
			return
		}
		for i := range doc.Statement {
			doc.Statement[i].Effect = "Deny"
		}
		b, err := json.Marshal(doc)
		if err != nil {
			t.Fatal(err)
		}
		if isPublic(string(b)) {
			t.Errorf("%s only denies and is public", b)
		}
	})
}

// BenchmarkPutGet writes and reads an object of 1 KB through the handlers.
func BenchmarkPutGet(b *testing.B) {
	fr := memory(b)
	do := func(method, path string, body io.Reader) {
		h := httptest.NewRequest(method, path, body)
		h.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=AKIA"+account+"/20260101/us-east-1/s3/aws4_request")
		w := httptest.NewRecorder()
		fr.ServeHTTP(w, h)
		if w.Code != 200 {
			b.Fatal(w.Code, w.Body.String())
		}
	}
	do("PUT", "http://127.0.0.1/photos", nil)
	body := strings.Repeat("x", 1024)
	for _, method := range []string{"PUT", "GET"} {
		b.Run(method, func(b *testing.B) {
			for b.Loop() {
				fr.Checks()
				do(method, "http://127.0.0.1/photos/k", strings.NewReader(body))
			}
		})
	}
}
