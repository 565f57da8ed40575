package s3

import (
	"bytes"
	"crypto/md5"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// oddKeys are keys that a file system would not keep apart or not keep.
var oddKeys = []string{"x", "x/y", "x/", "a//b", "./c", "d/../e", "/leading", "//two", "ünï/cödé/日本", "a b+c%20&=?#", "with\ttab", strings.Repeat("k", maxKey)}

func get(t testing.TB, c *awss3.Client, in *awss3.GetObjectInput) (string, *awss3.GetObjectOutput) {
	t.Helper()
	out, err := c.GetObject(t.Context(), in)
	if err != nil {
		t.Fatalf("get %q: %v", aws.ToString(in.Key), err)
	}
	defer out.Body.Close()
	b, err := io.ReadAll(out.Body)
	if err != nil {
		t.Fatalf("read %q: %v", aws.ToString(in.Key), err)
	}
	return string(b), out
}

func TestOddKeys(t *testing.T) {
	_, c, _ := setUp(t, "keys")
	b := aws.String("keys")
	for i, k := range oddKeys {
		mustPut(t, c, "keys", k, fmt.Sprint("body ", i))
	}
	for i, k := range oddKeys {
		if got, _ := get(t, c, &awss3.GetObjectInput{Bucket: b, Key: &k}); got != fmt.Sprint("body ", i) {
			t.Errorf("key %q holds %q, want body %d", k, got, i)
		}
	}
	out, err := c.ListObjectsV2(t.Context(), &awss3.ListObjectsV2Input{Bucket: b})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, o := range out.Contents {
		got = append(got, *o.Key)
	}
	want := slices.Sorted(slices.Values(oddKeys))
	if !slices.Equal(got, want) {
		t.Errorf("listed %q, want %q", got, want)
	}
	long := strings.Repeat("k", maxKey+1)
	_, err = c.PutObject(t.Context(), &awss3.PutObjectInput{Bucket: b, Key: &long, Body: strings.NewReader("")})
	wantCode(t, "key of 1025 bytes", err, "KeyTooLongError")
}

func TestPutGetHead(t *testing.T) {
	_, c, _ := setUp(t, "photos")
	b, k := aws.String("photos"), aws.String("dir/file.txt")
	expires := time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	put, err := c.PutObject(t.Context(), &awss3.PutObjectInput{
		Bucket: b, Key: k, Body: strings.NewReader("hello world"),
		ContentType: aws.String("text/plain"), ContentEncoding: aws.String("identity"), CacheControl: aws.String("no-store"),
		ContentDisposition: aws.String("inline"), ContentLanguage: aws.String("de"), Expires: &expires,
		Metadata: map[string]string{"Colour": "blue"}, StorageClass: types.StorageClassStandardIa, Tagging: aws.String("a=1&b=2"),
		ChecksumAlgorithm: types.ChecksumAlgorithmCrc32,
	})
	if err != nil {
		t.Fatal(err)
	}
	sum := md5.Sum([]byte("hello world"))
	etag := `"` + hex.EncodeToString(sum[:]) + `"`
	if *put.ETag != etag {
		t.Errorf("put: ETag %s, want %s", *put.ETag, etag)
	}
	if put.ServerSideEncryption != types.ServerSideEncryptionAes256 {
		t.Errorf("put: encryption %q, want AES256", put.ServerSideEncryption)
	}
	body, out := get(t, c, &awss3.GetObjectInput{Bucket: b, Key: k, ChecksumMode: types.ChecksumModeEnabled})
	if body != "hello world" {
		t.Errorf("got %q", body)
	}
	head, err := c.HeadObject(t.Context(), &awss3.HeadObjectInput{Bucket: b, Key: k, ChecksumMode: types.ChecksumModeEnabled})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range []struct{ name, get, head, want string }{
		{"ETag", *out.ETag, *head.ETag, etag},
		{"ContentType", *out.ContentType, *head.ContentType, "text/plain"},
		{"ContentEncoding", *out.ContentEncoding, *head.ContentEncoding, "identity"},
		{"CacheControl", *out.CacheControl, *head.CacheControl, "no-store"},
		{"ContentDisposition", *out.ContentDisposition, *head.ContentDisposition, "inline"},
		{"ContentLanguage", *out.ContentLanguage, *head.ContentLanguage, "de"},
		{"ExpiresString", *out.ExpiresString, *head.ExpiresString, "Wed, 02 Jan 2030 03:04:05 GMT"},
		{"Metadata", out.Metadata["colour"], head.Metadata["colour"], "blue"},
		{"StorageClass", string(out.StorageClass), string(head.StorageClass), "STANDARD_IA"},
		{"TagCount", fmt.Sprint(aws.ToInt32(out.TagCount)), fmt.Sprint(aws.ToInt32(head.TagCount)), "2"},
		{"ContentLength", fmt.Sprint(*out.ContentLength), fmt.Sprint(*head.ContentLength), "11"},
		{"ChecksumCRC32", aws.ToString(out.ChecksumCRC32), aws.ToString(head.ChecksumCRC32), "DUoRhQ=="},
		{"ChecksumType", string(out.ChecksumType), string(head.ChecksumType), "FULL_OBJECT"},
		{"AcceptRanges", aws.ToString(out.AcceptRanges), aws.ToString(head.AcceptRanges), "bytes"},
	} {
		if f.get != f.want || f.head != f.want {
			t.Errorf("%s: get %q, head %q, want %q", f.name, f.get, f.head, f.want)
		}
	}
	over, _ := c.GetObject(t.Context(), &awss3.GetObjectInput{Bucket: b, Key: k, ResponseContentType: aws.String("image/png"), ResponseCacheControl: aws.String("max-age=1")})
	if over == nil || *over.ContentType != "image/png" || *over.CacheControl != "max-age=1" {
		t.Errorf("response-* overrides are not obeyed: %+v", over)
	}
}

func TestRangesAndConditions(t *testing.T) {
	_, c, url := setUp(t, "photos")
	mustPut(t, c, "photos", "k", "0123456789")
	mustPut(t, c, "photos", "empty", "")
	etag := *mustPut(t, c, "photos", "k", "0123456789").ETag
	past, future := "Mon, 02 Jan 2006 15:04:05 GMT", "Fri, 01 Jan 2100 00:00:00 GMT"
	for _, tt := range []struct {
		key, header, value string
		status             int
		body, code         string
	}{
		{"k", "Range", "bytes=2-4", 206, "234", ""},
		{"k", "Range", "bytes=7-", 206, "789", ""},
		{"k", "Range", "bytes=7-99", 206, "789", ""},
		{"k", "Range", "bytes=-3", 206, "789", ""},
		{"k", "Range", "bytes=-99", 206, "0123456789", ""},
		{"k", "Range", "bytes=10-", 416, "", "InvalidRange"},
		{"k", "Range", "bytes=-0", 416, "", "InvalidRange"},
		{"empty", "Range", "bytes=0-", 416, "", "InvalidRange"},
		{"k", "Range", "bytes=4-2", 200, "0123456789", ""},
		{"k", "Range", "bytes=0-1,4-5", 200, "0123456789", ""},
		{"k", "Range", "lines=1-2", 200, "0123456789", ""},
		{"k", "If-Match", etag, 200, "0123456789", ""},
		{"k", "If-Match", `"other"`, 412, "", "PreconditionFailed"},
		{"k", "If-None-Match", etag, 304, "", ""},
		{"k", "If-None-Match", `"other"`, 200, "0123456789", ""},
		{"k", "If-Modified-Since", past, 200, "0123456789", ""},
		{"k", "If-Modified-Since", future, 304, "", ""},
		{"k", "If-Unmodified-Since", past, 412, "", "PreconditionFailed"},
		{"k", "If-Unmodified-Since", future, 200, "0123456789", ""},
		{"none", "If-Match", etag, 404, "", "NoSuchKey"},
	} {
		h, err := http.NewRequest("GET", url+"/photos/"+tt.key, nil)
		if err != nil {
			t.Fatal(err)
		}
		h.Header.Set(tt.header, tt.value)
		h.Header.Set("X-Amz-Checksum-Mode", "ENABLED")
		resp, err := http.DefaultClient.Do(h)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		what := fmt.Sprintf("%s with %s: %s", tt.key, tt.header, tt.value)
		if resp.StatusCode != tt.status {
			t.Errorf("%s: status %d, want %d: %s", what, resp.StatusCode, tt.status, body)
		}
		if tt.code != "" && !strings.Contains(string(body), "<Code>"+tt.code+"</Code>") || tt.code == "" && string(body) != tt.body {
			t.Errorf("%s: body %q, want %q %s", what, body, tt.body, tt.code)
		}
		if sum, whole := resp.Header.Get("X-Amz-Checksum-Type"), tt.status == 200; (sum != "") != whole {
			t.Errorf("%s: checksum type %q; only the whole object has one", what, sum)
		}
		if resp.Header.Get("X-Amz-Request-Id") == "" || resp.Header.Get("X-Amz-Id-2") == "" {
			t.Errorf("%s: request ids are missing", what)
		}
	}
}

func TestChecksums(t *testing.T) {
	f, _, url := setUp(t, "photos")
	const body = "123456789"
	// The check values of the catalogues of checksums for this text.
	for _, tt := range []struct{ header, value, code string }{
		{"X-Amz-Checksum-Crc32", "y/Q5Jg==", ""},
		{"X-Amz-Checksum-Crc32c", "4waSgw==", ""},
		{"X-Amz-Checksum-Crc64nvme", "rosUhgp5mIg=", ""},
		{"X-Amz-Checksum-Sha1", "98O8HYCOBHMq32eZZczDTKeuNEE=", ""},
		{"X-Amz-Checksum-Sha256", "FeKw08M4keuw8e9gnsQZQgwg4yDOlMZfvIwzEkSOsiU=", ""},
		{"Content-Md5", "JfnnlDI7RTiF9RgfG2JNCw==", ""},
		{"X-Amz-Checksum-Crc32", "AAAAAA==", "BadDigest"},
		{"X-Amz-Checksum-Sha256", "FeKw", "InvalidRequest"},
		{"Content-Md5", "AAAAAAAAAAAAAAAAAAAAAA==", "BadDigest"},
		{"Content-Md5", "", "InvalidDigest"},
		{"X-Amz-Checksum-Xxhash3", "AAAAAA==", "NotImplemented"},
	} {
		h, err := http.NewRequest("PUT", url+"/photos/k", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		h.Header[tt.header] = []string{tt.value}
		resp, err := http.DefaultClient.Do(h)
		if err != nil {
			t.Fatal(err)
		}
		text, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if tt.code != "" {
			if !strings.Contains(string(text), "<Code>"+tt.code+"</Code>") {
				t.Errorf("%s: %s: got %d %s, want %s", tt.header, tt.value, resp.StatusCode, text, tt.code)
			}
			continue
		}
		if resp.StatusCode != 200 {
			t.Errorf("%s: status %d: %s", tt.header, resp.StatusCode, text)
		}
		if strings.HasPrefix(tt.header, "X-Amz-") && resp.Header.Get(tt.header) != tt.value {
			t.Errorf("%s: answered %q, want %q", tt.header, resp.Header.Get(tt.header), tt.value)
		}
	}
	// Without a checksum from the client S3 keeps one of its own.
	h, _ := http.NewRequest("HEAD", url+"/photos/k", nil)
	h.Header.Set("X-Amz-Checksum-Mode", "ENABLED")
	resp, err := http.DefaultClient.Do(h)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if got := resp.Header.Get("X-Amz-Checksum-Crc64nvme"); got != "rosUhgp5mIg=" {
		t.Errorf("default checksum is %q, want that of CRC64NVME", got)
	}
	if n := blobCount(t, f); n != 1 {
		t.Errorf("%d blobs after refused uploads, want 1", n)
	}
}

// TestTrailer: a checksum may come behind the body, and in a document's
// header it is one of the document.
func TestTrailer(t *testing.T) {
	f, _, url := setUp(t, "photos")
	for _, tt := range []struct {
		sum  string
		want int
	}{{"y/Q5Jg==", 200}, {"AAAAAA==", 400}} {
		h, err := http.NewRequest("PUT", url+"/photos/k", io.NopCloser(strings.NewReader("123456789")))
		if err != nil {
			t.Fatal(err)
		}
		h.ContentLength = -1
		h.Header.Set("X-Amz-Trailer", "x-amz-checksum-crc32")
		h.Header.Set("Content-Encoding", "aws-chunked,gzip")
		h.Trailer = http.Header{"X-Amz-Checksum-Crc32": {tt.sum}}
		resp, err := http.DefaultClient.Do(h)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != tt.want {
			t.Errorf("trailer %s: status %d, want %d", tt.sum, resp.StatusCode, tt.want)
		}
	}
	v, err := f.s3.find("photos", "k", "")
	if err != nil || v.Sum != (checksum{Algorithm: "CRC32", Value: "y/Q5Jg=="}) || v.Headers["Content-Encoding"] != "gzip" {
		t.Errorf("kept: %+v %v", v, err)
	}
	for header, want := range map[string]int{"Content-MD5: AAAAAAAAAAAAAAAAAAAAAA==": 400, "X-Amz-Checksum-Crc32: AAAAAA==": 400, "X-None: 1": 200} {
		if status, body := send(t, "POST", url+"/photos?delete", "<Delete><Object><Key>none</Key></Object></Delete>", header); status != want {
			t.Errorf("document with %s: %d %s, want %d", header, status, body, want)
		}
	}
}

// TestWhole compares the CRC put together out of parts with the one over all
// bytes.
func TestWhole(t *testing.T) {
	data := bytes.Repeat([]byte("The quick brown fox. "), 1000)
	for _, alg := range []string{"CRC32", "CRC32C", "CRC64NVME"} {
		all := algorithms[alg]()
		all.Write(data)
		want := base64.StdEncoding.EncodeToString(all.Sum(nil))
		for _, cuts := range [][]int{{0}, {1}, {5000}, {7, 8, 9000, 20999}} {
			var pieces []piece
			at := 0
			for _, end := range append(cuts, len(data)) {
				h := algorithms[alg]()
				h.Write(data[at:end])
				pieces = append(pieces, piece{Size: int64(end - at), Sum: base64.StdEncoding.EncodeToString(h.Sum(nil))})
				at = end
			}
			got, err := whole(alg, pieces)
			if err != nil || got.Value != want {
				t.Errorf("%s cut at %v: got %s %v, want %s", alg, cuts, got.Value, err, want)
			}
		}
	}
}

func TestConditionalWrites(t *testing.T) {
	_, c, _ := setUp(t, "photos")
	b, k := aws.String("photos"), aws.String("k")
	put := func(match, none *string) (*awss3.PutObjectOutput, error) {
		return c.PutObject(t.Context(), &awss3.PutObjectInput{Bucket: b, Key: k, Body: strings.NewReader("x"), IfMatch: match, IfNoneMatch: none})
	}
	_, err := put(aws.String(`"abc"`), nil)
	wantCode(t, "If-Match on a missing key", err, "NoSuchKey")
	out, err := put(nil, aws.String("*"))
	wantCode(t, "If-None-Match on a missing key", err, "")
	_, err = put(nil, aws.String("*"))
	wantCode(t, "If-None-Match on a key", err, "PreconditionFailed")
	_, err = put(nil, aws.String(`"abc"`))
	wantCode(t, "If-None-Match with an entity tag", err, "NotImplemented")
	_, err = put(aws.String(`"abc"`), nil)
	wantCode(t, "If-Match with another entity tag", err, "PreconditionFailed")
	_, err = put(out.ETag, nil)
	wantCode(t, "If-Match", err, "")
	_, err = c.DeleteObject(t.Context(), &awss3.DeleteObjectInput{Bucket: b, Key: k, IfMatch: aws.String(`"abc"`)})
	wantCode(t, "delete with another entity tag", err, "PreconditionFailed")
	_, err = c.DeleteObject(t.Context(), &awss3.DeleteObjectInput{Bucket: b, Key: k, IfMatch: out.ETag})
	wantCode(t, "delete with the entity tag", err, "")
	mustVersion(t, c, "photos", types.BucketVersioningStatusEnabled)
	mustPut(t, c, "photos", "k", "x")
	_, err = c.DeleteObject(t.Context(), &awss3.DeleteObjectInput{Bucket: b, Key: k})
	wantCode(t, "delete", err, "")
	_, err = put(nil, aws.String("*"))
	wantCode(t, "If-None-Match on a delete marker", err, "")
}

// TestRace is what Terraform's lock file relies on: of many writers that all
// want the key to be new, one wins.
func TestRace(t *testing.T) {
	f, c, _ := setUp(t, "photos")
	for round := range 50 {
		var won atomic.Int32
		var odd sync.Map
		var wg sync.WaitGroup
		for range 16 {
			wg.Go(func() {
				_, err := c.PutObject(t.Context(), &awss3.PutObjectInput{Bucket: aws.String("photos"), Key: aws.String(fmt.Sprint("lock", round)),
					Body: strings.NewReader("mine"), IfNoneMatch: aws.String("*")})
				switch code(err) {
				case "":
					won.Add(1)
				case "PreconditionFailed":
				default:
					odd.Store(code(err), true)
				}
			})
		}
		wg.Wait()
		if n := won.Load(); n != 1 {
			t.Fatalf("round %d has %d winners, want 1", round, n)
		}
		odd.Range(func(k, _ any) bool { t.Errorf("round %d: unexpected error %v", round, k); return true })
	}
	if n := blobCount(t, f); n != 50 {
		t.Errorf("%d blobs are left, want 50", n)
	}
}

// blobCount counts the blobs that are kept.
func blobCount(t testing.TB, f *front) int {
	t.Helper()
	n := 0
	for it := f.s3.contents.blobs.List(nil); ; n++ {
		if _, err := it.Next(t.Context()); err == io.EOF {
			return n
		} else if err != nil {
			t.Fatal(err)
		}
	}
}
