package sigv4

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"
)

// received makes a request as a server sees it. Headers are "Name: value".
func received(method, target, host string, headers ...string) *http.Request {
	r := httptest.NewRequest(method, target, http.NoBody)
	r.Host = host
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		r.Header.Add(name, value)
	}
	return r
}

// TestS3Examples verifies the examples of "Signature Calculations for the
// Authorization Header: Transferring Payload in a Single Chunk" and
// "Authenticating Requests: Using Query Parameters", Amazon S3 API Reference.
func TestS3Examples(t *testing.T) {
	const host = "examplebucket.s3.amazonaws.com"
	authorization := func(signed, signature string) string {
		return "Authorization: AWS4-HMAC-SHA256 Credential=" + docKey + "/20130524/us-east-1/s3/aws4_request,SignedHeaders=" + signed + ",Signature=" + signature
	}
	empty, date := "x-amz-content-sha256: "+EmptyPayload, "x-amz-date: 20130524T000000Z"
	for _, tt := range []struct {
		name string
		r    *http.Request
	}{
		{"get object", received("GET", "/test.txt", host, "Range: bytes=0-9", empty, date,
			authorization("host;range;x-amz-content-sha256;x-amz-date", "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"))},
		{"put object", received("PUT", "/test$file.text", host, "Date: Fri, 24 May 2013 00:00:00 GMT", date, "x-amz-storage-class: REDUCED_REDUNDANCY",
			"x-amz-content-sha256: 44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072",
			authorization("date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class", "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd"))},
		{"get lifecycle", received("GET", "/?lifecycle", host, empty, date,
			authorization("host;x-amz-content-sha256;x-amz-date", "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"))},
		{"list objects", received("GET", "/?max-keys=2&prefix=J", host, empty, date,
			authorization("host;x-amz-content-sha256;x-amz-date", "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"))},
		{"presigned", received("GET", "/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404", host)},
	} {
		a, err := Parse(tt.r)
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		now := at(t, "20130524T000100Z")
		if err := a.Check(tt.r, docSecret, "", now, 15*time.Minute); err != nil {
			t.Errorf("%s: %v\n%s", tt.name, err, err.CanonicalRequest)
		}
		tt.r.Method = "DELETE"
		if err := a.Check(tt.r, docSecret, "", now, 15*time.Minute); err == nil || err.Kind != BadSignature {
			t.Errorf("%s with another method: got %v, want %v", tt.name, err, BadSignature)
		}
	}
}

// TestV2Examples verifies the examples of "Signing and Authenticating REST
// Requests (Signature Version 2)", Amazon S3 User Guide, and one presigned
// URL of boto3.
func TestV2Examples(t *testing.T) {
	const key = "Authorization: AWS AKIAIOSFODNN7EXAMPLE:"
	for _, tt := range []struct {
		name, bucket, secret string
		r                    *http.Request
		now                  time.Time
	}{
		{"object get", "johnsmith", docSecret,
			received("GET", "/photos/puppy.jpg", "johnsmith.s3.amazonaws.com", "Date: Tue, 27 Mar 2007 19:36:42 +0000", key+"bWq2s1WEIj+Ydj0vQ697zp+IXMU="), at(t, "20070327T193642Z")},
		{"object put", "johnsmith", docSecret,
			received("PUT", "/photos/puppy.jpg", "johnsmith.s3.amazonaws.com", "Content-Type: image/jpeg", "Date: Tue, 27 Mar 2007 21:15:45 +0000", key+"MyyxeRY7whkBe+bq8fHCL/2kKUg="), at(t, "20070327T211545Z")},
		{"list", "johnsmith", docSecret,
			received("GET", "/?prefix=photos&max-keys=50&marker=puppy", "johnsmith.s3.amazonaws.com", "Date: Tue, 27 Mar 2007 19:42:41 +0000", key+"htDYFYduRNen8P9ZfE/s9SuKy0U="), at(t, "20070327T194241Z")},
		{"fetch", "johnsmith", docSecret,
			received("GET", "/?acl", "johnsmith.s3.amazonaws.com", "Date: Tue, 27 Mar 2007 19:44:46 +0000", key+"c2WLPFtWHVgbEmeEG93a4cG37dM="), at(t, "20070327T194446Z")},
		{"presigned", "", "test",
			received("GET", "/bkt1/k?AWSAccessKeyId=AKID&Signature=D0GqATHMFWfhZvLchqvBF90w9ws%3D&Expires=1795325979&x-amz-security-token=tok", "127.0.0.1:4599"), time.Unix(1795325979, 0)},
	} {
		a, err := Parse(tt.r)
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		a.Bucket = tt.bucket
		if err := a.Check(tt.r, tt.secret, "", tt.now, 15*time.Minute); err != nil {
			t.Errorf("%s: %v\n%s", tt.name, err, err.StringToSign)
		}
		if err := a.Check(tt.r, tt.secret+"x", "", tt.now, 15*time.Minute); err == nil || err.Kind != BadSignature {
			t.Errorf("%s with another secret: got %v", tt.name, err)
		}
		want := Skewed
		if a.Method == QueryV2 {
			want = Expired
		}
		if err := a.Check(tt.r, tt.secret, "", tt.now.Add(time.Hour), 15*time.Minute); err == nil || err.Kind != want {
			t.Errorf("%s an hour later: got %v, want %v", tt.name, err, want)
		}
	}
}

// The chunked uploads of "Transferring Payload in Multiple Chunks" and of
// "Including Trailing Headers", Amazon S3 API Reference.
var (
	plainChunks = chunkedExample{
		seed:   "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9",
		signed: "content-encoding;content-length;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;x-amz-storage-class",
		mode:   StreamingPayload,
		chunks: [3]string{"ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648", "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497", "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9"},
		tail:   "\r\n",
	}
	trailerChunks = chunkedExample{
		seed:   "106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e",
		signed: "content-encoding;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;x-amz-storage-class;x-amz-trailer",
		mode:   StreamingPayloadTrail,
		chunks: [3]string{"b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2", "1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7", "2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992"},
		tail:   "x-amz-checksum-crc32c:sOO8/Q==\r\nx-amz-trailer-signature:d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435\r\n\r\n",
	}
)

type chunkedExample struct {
	seed, signed, mode, tail string
	chunks                   [3]string
}

func (e chunkedExample) body() string {
	return "10000;chunk-signature=" + e.chunks[0] + "\r\n" + strings.Repeat("a", 65536) + "\r\n" +
		"400;chunk-signature=" + e.chunks[1] + "\r\n" + strings.Repeat("a", 1024) + "\r\n" +
		"0;chunk-signature=" + e.chunks[2] + "\r\n" + e.tail
}

// open verifies the example's headers and returns its body to read.
func (e chunkedExample) open(t testing.TB, body string) (*http.Request, io.Reader) {
	t.Helper()
	r := received("PUT", "/examplebucket/chunkObject.txt", "s3.amazonaws.com",
		"x-amz-date: 20130524T000000Z", "x-amz-storage-class: REDUCED_REDUNDANCY", "x-amz-content-sha256: "+e.mode,
		"Content-Encoding: aws-chunked", "x-amz-decoded-content-length: 66560",
		"Authorization: AWS4-HMAC-SHA256 Credential="+docKey+"/20130524/us-east-1/s3/aws4_request,SignedHeaders="+e.signed+",Signature="+e.seed)
	if e.mode == StreamingPayloadTrail {
		r.Header.Set("X-Amz-Trailer", "x-amz-checksum-crc32c")
	}
	r.ContentLength = 66824
	r.Body = io.NopCloser(strings.NewReader(body))
	a, err := Parse(r)
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Check(r, docSecret, "", at(t, "20130524T000000Z"), time.Minute); err != nil {
		t.Fatalf("%v\n%s", err, err.CanonicalRequest)
	}
	b, n, err := a.Body(r, docSecret)
	if err != nil {
		t.Fatal(err)
	}
	if n != 66560 || r.ContentLength != 66560 || r.Header["Content-Encoding"] != nil {
		t.Errorf("got %d bytes, Content-Length %d, Content-Encoding %q", n, r.ContentLength, r.Header["Content-Encoding"])
	}
	return r, b
}

func TestChunkExamples(t *testing.T) {
	for _, e := range []chunkedExample{plainChunks, trailerChunks} {
		if e.mode == StreamingPayload && len(e.body()) != 66824 {
			t.Fatalf("the body has %d bytes", len(e.body()))
		}
		r, b := e.open(t, e.body())
		got, err := io.ReadAll(b)
		if err != nil || string(got) != strings.Repeat("a", 66560) {
			t.Errorf("%s: got %d bytes, %v", e.mode, len(got), err)
		}
		want := ""
		if e.mode == StreamingPayloadTrail {
			want = "sOO8/Q=="
		}
		if got := r.Trailer.Get("X-Amz-Checksum-Crc32c"); got != want {
			t.Errorf("%s: trailer: got %q, want %q", e.mode, got, want)
		}
	}
}

// TestChunksTampered reads bodies that are not what was signed. None may
// reach its end, nor yield its full length.
func TestChunksTampered(t *testing.T) {
	plain, trail := plainChunks.body(), trailerChunks.body()
	first := strings.Index(plain, "\r\n400;") + 2
	for _, tt := range []struct {
		name string
		e    chunkedExample
		body string
		want Kind
	}{
		{"a byte of the first chunk", plainChunks, strings.Replace(plain, "\r\na", "\r\nb", 1), BadSignature},
		{"a byte of the last chunk", plainChunks, strings.Replace(plain, "a\r\n0;", "b\r\n0;", 1), BadSignature},
		{"a chunk's signature", plainChunks, strings.Replace(plain, "ad80", "ad81", 1), BadSignature},
		{"the final chunk's signature", plainChunks, strings.Replace(plain, "b6c6", "b6c7", 1), BadSignature},
		{"no signature", plainChunks, strings.Replace(plain, "10000;chunk-signature=", "10000;x=", 1), BadChunk},
		{"no chunks", plainChunks, "", BadChunk},
		{"only the first chunk", plainChunks, plain[:first], BadChunk},
		{"cut within a chunk", plainChunks, plain[:1000], BadChunk},
		{"cut within a header", plainChunks, plain[:first+5], BadChunk},
		{"final chunk right away", plainChunks, "0;chunk-signature=" + plainChunks.chunks[2] + "\r\n\r\n", BadSignature},
		{"second chunk left out", plainChunks, plain[:first] + plain[strings.Index(plain, "0;chunk-signature=b6c6"):], BadSignature},
		{"second chunk twice", plainChunks, plain[:first] + plain[first:strings.Index(plain, "0;chunk-signature=b6c6")] + plain[first:], BadChunk},
		{"size too large for what is left", plainChunks, "fffffff" + plain[5:], BadLength},
		{"size of 20 digits", plainChunks, strings.Repeat("f", 20) + plain[5:], BadChunk},
		{"negative size", plainChunks, "-1" + plain[5:], BadChunk},
		{"data after the end", plainChunks, plain + "more\r\n", BadChunk},
		{"endless header", plainChunks, strings.Repeat("0", 10000), BadChunk},
		{"a trailer where none belongs", plainChunks, strings.TrimSuffix(plain, "\r\n") + trailerChunks.tail, BadChunk},
		{"the trailer's value", trailerChunks, strings.Replace(trail, "sOO8", "sOO9", 1), BadSignature},
		{"the trailer's signature", trailerChunks, strings.Replace(trail, "d81f", "d81e", 1), BadSignature},
		{"no trailer's signature", trailerChunks, strings.Replace(trail, "x-amz-trailer-signature:d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435\r\n", "", 1), BadSignature},
		{"no trailer", trailerChunks, strings.Replace(trail, "x-amz-checksum-crc32c:sOO8/Q==\r\n", "", 1), BadTrailer},
		{"another trailer", trailerChunks, strings.Replace(trail, "x-amz-checksum-crc32c", "x-amz-checksum-crc32", 1), BadTrailer},
		{"a trailer twice", trailerChunks, strings.Replace(trail, "x-amz-checksum-crc32c:sOO8/Q==\r\n", strings.Repeat("x-amz-checksum-crc32c:sOO8/Q==\r\n", 2), 1), BadTrailer},
		{"no colon", trailerChunks, strings.Replace(trail, "crc32c:", "crc32c", 1), BadTrailer},
	} {
		if tt.body == plain || tt.body == trail {
			t.Errorf("%s: nothing was changed", tt.name)
		}
		_, b := tt.e.open(t, tt.body)
		n, err := io.Copy(io.Discard, b)
		if got := kindOf(err); got != tt.want || n >= 66560 {
			t.Errorf("%s: got %d bytes and %v, want %v", tt.name, n, err, tt.want)
		}
		if _, again := b.Read(make([]byte, 1)); !errors.Is(again, err) {
			t.Errorf("%s: then got %v, want %v again", tt.name, again, err)
		}
	}
}

// unsignedChunks makes a body of STREAMING-UNSIGNED-PAYLOAD-TRAILER.
func unsignedChunks(r *http.Request, body string) *http.Request {
	r.Header.Set("X-Amz-Content-Sha256", StreamingUnsignedTrail)
	r.Body = io.NopCloser(strings.NewReader(body))
	r.ContentLength = int64(len(body))
	return r
}

func TestUnsignedChunks(t *testing.T) {
	a8k := strings.Repeat("a", 8192)
	chunk := func(s string) string { return strconv.FormatInt(int64(len(s)), 16) + "\r\n" + s + "\r\n" }
	for _, tt := range []struct {
		name, trailer, decoded, body string
		want                         string
		kind                         Kind
	}{
		{"as captured", "x-amz-checksum-crc32", "3", "3\r\nhi\n\r\n0\r\nx-amz-checksum-crc32:7W96eg==\r\n\r\n", "hi\n", 0},
		{"length unknown", "x-amz-checksum-crc32", "", "3\r\nhi\n\r\n0\r\nx-amz-checksum-crc32:7W96eg==\r\n\r\n", "hi\n", 0},
		{"no trailer", "", "3", "3\r\nhi\n\r\n0\r\n\r\n", "hi\n", 0},
		{"empty", "", "0", "0\r\n\r\n", "", 0},
		{"line ends as documented", "x-amz-checksum-crc32", "3", "3\r\nhi\n\r\n0\r\nx-amz-checksum-crc32:7W96eg==\n\r\n\r\n\r\n", "hi\n", 0},
		{"no last line end", "", "3", "3\r\nhi\n\r\n0\r\n", "hi\n", 0},
		{"wrong checksum", "x-amz-checksum-crc32", "3", "3\r\nho\n\r\n0\r\nx-amz-checksum-crc32:7W96eg==\r\n\r\n", "", BadChecksum},
		{"wrong checksum, length unknown", "x-amz-checksum-crc32", "", "3\r\nho\n\r\n0\r\nx-amz-checksum-crc32:7W96eg==\r\n\r\n", "ho\n", BadChecksum},
		{"no checksum", "x-amz-checksum-crc32", "3", "3\r\nhi\n\r\n0\r\nx-amz-checksum-crc32:7W96\r\n\r\n", "", InvalidChecksum},
		{"too short", "", "4", "3\r\nhi\n\r\n0\r\n\r\n", "hi\n", BadLength},
		{"too long", "", "2", "3\r\nhi\n\r\n0\r\n\r\n", "", BadLength},
		{"small chunk in between", "", "", chunk("a") + chunk(a8k) + "0\r\n\r\n", "a", BadChunk},
		{"small chunk at the end", "", "", chunk(a8k) + chunk("a") + "0\r\n\r\n", a8k + "a", 0},
		{"signature on a chunk", "", "", "3;chunk-signature=00\r\nhi\n\r\n0\r\n\r\n", "", BadChunk},
		{"trailer signature", "", "", "0\r\nx-amz-trailer-signature:00\r\n\r\n", "", BadTrailer},
	} {
		r := received("PUT", "/b/k", "h")
		if tt.trailer != "" {
			r.Header.Set("X-Amz-Trailer", tt.trailer)
		}
		if tt.decoded != "" {
			r.Header.Set("X-Amz-Decoded-Content-Length", tt.decoded)
		}
		var a *Auth // anonymous
		b, n, berr := a.Body(unsignedChunks(r, tt.body), "")
		if berr != nil {
			if berr.Kind != tt.kind {
				t.Errorf("%s: %v", tt.name, berr)
			}
			continue
		}
		if tt.decoded == "" && n != -1 || tt.decoded != "" && strconv.FormatInt(n, 10) != tt.decoded {
			t.Errorf("%s: got length %d", tt.name, n)
		}
		got, err := io.ReadAll(b)
		if string(got) != tt.want || kindOf(err) != tt.kind {
			t.Errorf("%s: got %.20q, %v; want %.20q, %v", tt.name, got, err, tt.want, tt.kind)
		}
	}
}

// TestChecksums has every algorithm in a header. The sums are those of
// "123456789", the check value of the CRC catalogues, from other tools.
func TestChecksums(t *testing.T) {
	for name, value := range map[string]string{
		"x-amz-checksum-crc32":     "y/Q5Jg==",
		"x-amz-checksum-crc32c":    "4waSgw==",
		"x-amz-checksum-crc64nvme": "rosUhgp5mIg=",
		"x-amz-checksum-sha1":      "98O8HYCOBHMq32eZZczDTKeuNEE=",
		"x-amz-checksum-sha256":    "FeKw08M4keuw8e9gnsQZQgwg4yDOlMZfvIwzEkSOsiU=",
		"content-md5":              "JfnnlDI7RTiF9RgfG2JNCw==",
	} {
		for body, want := range map[string]Kind{"123456789": 0, "123456788": BadChecksum, "": BadChecksum} {
			r := received("PUT", "/b/k", "h", name+": "+value, "x-amz-checksum-algorithm: CRC32")
			r.Body, r.ContentLength = io.NopCloser(strings.NewReader(body)), int64(len(body))
			var a *Auth
			b, _, berr := a.Body(r, "")
			var err error
			if berr != nil {
				err = berr
			} else {
				_, err = io.ReadAll(b)
			}
			if kindOf(err) != want || (err == nil) != (want == 0) {
				t.Errorf("%s of %q: got %v, want %v", name, body, err, want)
			}
		}
	}
	for _, tt := range []struct {
		headers []string
		want    Kind
	}{
		{[]string{"x-amz-checksum-crc32: !"}, InvalidChecksum},
		{[]string{"x-amz-checksum-crc32: y/Q5Jg==", "x-amz-checksum-sha1: 98O8HYCOBHMq32eZZczDTKeuNEE="}, InvalidChecksum},
		{[]string{"content-md5: JfnnlDI7"}, InvalidChecksum},
		{[]string{"x-amz-checksum-xxhash3: AAAAAAAAAAA="}, Unsupported},
		{[]string{"x-amz-content-sha256: abc"}, InvalidPayloadHash},
		{[]string{"x-amz-content-sha256: STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD"}, Unsupported},
		{[]string{"x-amz-content-sha256: " + StreamingPayload}, MissingLength},
		{[]string{"x-amz-content-sha256: " + StreamingPayload, "x-amz-decoded-content-length: 1"}, InvalidPayloadHash}, // anonymous
		{[]string{"x-amz-content-sha256: " + StreamingUnsignedTrail, "x-amz-decoded-content-length: x"}, MissingLength},
		{[]string{"content-encoding: gzip, aws-chunked"}, InvalidPayloadHash},
	} {
		var a *Auth
		if _, _, err := a.Body(received("PUT", "/b/k", "h", tt.headers...), ""); err == nil || err.Kind != tt.want {
			t.Errorf("%q: got %v, want %v", tt.headers, err, tt.want)
		}
	}
}
