package s3

import (
	"bytes"
	"crypto/md5"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// noise is n bytes that do not repeat.
func noise(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(b)
	return b
}

func begin(t testing.TB, c *awss3.Client, in *awss3.CreateMultipartUploadInput) *string {
	t.Helper()
	out, err := c.CreateMultipartUpload(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	return out.UploadId
}

func TestMultipart(t *testing.T) {
	f, c, _ := setUp(t, "photos")
	data := noise(20 << 20)
	b, k := aws.String("photos"), aws.String("dir/big")
	cuts := [][]byte{data[:8<<20], data[8<<20 : 16<<20], data[16<<20:]}
	id := begin(t, c, &awss3.CreateMultipartUploadInput{Bucket: b, Key: k, ContentType: aws.String("video/mp4"),
		Metadata: map[string]string{"a": "1"}, ChecksumAlgorithm: types.ChecksumAlgorithmSha256, Tagging: aws.String("x=y")})
	var done []types.CompletedPart
	etags, sums := md5.New(), sha256.New()
	for i, p := range cuts {
		out, err := c.UploadPart(t.Context(), &awss3.UploadPartInput{Bucket: b, Key: k, UploadId: id, PartNumber: aws.Int32(int32(i*10 + 1)),
			Body: bytes.NewReader(p), ChecksumAlgorithm: types.ChecksumAlgorithmSha256})
		if err != nil {
			t.Fatal(err)
		}
		sum, own := md5.Sum(p), sha256.Sum256(p)
		etags.Write(sum[:])
		sums.Write(own[:])
		if got, want := aws.ToString(out.ChecksumSHA256), base64.StdEncoding.EncodeToString(own[:]); got != want {
			t.Errorf("part %d: checksum %q, want %q", i, got, want)
		}
		done = append(done, types.CompletedPart{PartNumber: aws.Int32(int32(i*10 + 1)), ETag: out.ETag, ChecksumSHA256: out.ChecksumSHA256})
	}
	list, err := c.ListParts(t.Context(), &awss3.ListPartsInput{Bucket: b, Key: k, UploadId: id, MaxParts: aws.Int32(2)})
	if err != nil {
		t.Fatal(err)
	}
	if len(list.Parts) != 2 || !*list.IsTruncated || *list.NextPartNumberMarker != "11" || *list.Parts[1].Size != 8<<20 {
		t.Errorf("first page of parts: %+v", list)
	}
	list, err = c.ListParts(t.Context(), &awss3.ListPartsInput{Bucket: b, Key: k, UploadId: id, PartNumberMarker: list.NextPartNumberMarker})
	if err != nil || len(list.Parts) != 1 || *list.Parts[0].PartNumber != 21 || *list.IsTruncated {
		t.Errorf("second page of parts: %v %+v", err, list)
	}
	in := &awss3.CompleteMultipartUploadInput{Bucket: b, Key: k, UploadId: id, MultipartUpload: &types.CompletedMultipartUpload{Parts: done}}
	out, err := c.CompleteMultipartUpload(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	etag := fmt.Sprintf(`"%s-3"`, hex.EncodeToString(etags.Sum(nil)))
	sum := base64.StdEncoding.EncodeToString(sums.Sum(nil)) + "-3"
	if *out.ETag != etag || aws.ToString(out.ChecksumSHA256) != sum || out.ChecksumType != types.ChecksumTypeComposite {
		t.Errorf("complete: ETag %s, checksum %s %s, want %s and %s COMPOSITE", *out.ETag, aws.ToString(out.ChecksumSHA256), out.ChecksumType, etag, sum)
	}
	again, err := c.CompleteMultipartUpload(t.Context(), in)
	if err != nil || *again.ETag != etag {
		t.Errorf("completing again: %v", err)
	}
	body, got := get(t, c, &awss3.GetObjectInput{Bucket: b, Key: k, IfMatch: &etag, ChecksumMode: types.ChecksumModeEnabled})
	if body != string(data) || *got.ETag != etag || *got.ContentType != "video/mp4" || got.Metadata["a"] != "1" || aws.ToString(got.ChecksumSHA256) != sum {
		t.Errorf("the object is not what was uploaded: %d bytes, %+v", len(body), got)
	}
	// A range over the border of two parts.
	body, got = get(t, c, &awss3.GetObjectInput{Bucket: b, Key: k, Range: aws.String(fmt.Sprintf("bytes=%d-%d", 8<<20-5, 8<<20+4))})
	if body != string(data[8<<20-5:8<<20+5]) || aws.ToString(got.ContentRange) != fmt.Sprintf("bytes %d-%d/%d", 8<<20-5, 8<<20+4, len(data)) {
		t.Errorf("range over two parts: %q %s", body, aws.ToString(got.ContentRange))
	}
	body, got = get(t, c, &awss3.GetObjectInput{Bucket: b, Key: k, PartNumber: aws.Int32(21)})
	if body != string(cuts[2]) || aws.ToInt32(got.PartsCount) != 3 {
		t.Errorf("part 21: %d bytes, %d parts", len(body), aws.ToInt32(got.PartsCount))
	}
	_, err = c.GetObject(t.Context(), &awss3.GetObjectInput{Bucket: b, Key: k, PartNumber: aws.Int32(2)})
	wantCode(t, "a part that there is not", err, "InvalidPartNumber")
	attr, err := c.GetObjectAttributes(t.Context(), &awss3.GetObjectAttributesInput{Bucket: b, Key: k, ObjectAttributes: []types.ObjectAttributes{"ETag", "Checksum", "ObjectParts", "StorageClass", "ObjectSize"}})
	if err != nil {
		t.Fatal(err)
	}
	if `"`+*attr.ETag+`"` != etag || *attr.ObjectSize != int64(len(data)) || *attr.ObjectParts.TotalPartsCount != 3 || len(attr.ObjectParts.Parts) != 3 ||
		*attr.Checksum.ChecksumSHA256 != sum || attr.StorageClass != "STANDARD" {
		t.Errorf("attributes: %+v %+v", attr, attr.ObjectParts)
	}
	if n := blobCount(t, f); n != 3 {
		t.Errorf("%d blobs, want the 3 parts", n)
	}
	if _, err := c.DeleteObject(t.Context(), &awss3.DeleteObjectInput{Bucket: b, Key: k}); err != nil {
		t.Fatal(err)
	}
	if n := blobCount(t, f); n != 0 {
		t.Errorf("%d blobs after the delete, want 0", n)
	}
}

func TestMultipartFullObject(t *testing.T) {
	_, c, _ := setUp(t, "photos")
	b, k := aws.String("photos"), aws.String("k")
	data := noise(5<<20 + 99)
	for _, tt := range []struct {
		alg  types.ChecksumAlgorithm
		name string
	}{{types.ChecksumAlgorithmCrc32, "CRC32"}, {types.ChecksumAlgorithmCrc64nvme, "CRC64NVME"}, {"", "CRC64NVME"}} {
		in := &awss3.CreateMultipartUploadInput{Bucket: b, Key: k}
		if tt.alg != "" {
			in.ChecksumAlgorithm, in.ChecksumType = tt.alg, types.ChecksumTypeFullObject
		}
		id := begin(t, c, in)
		var done []types.CompletedPart
		for i, p := range [][]byte{data[:5<<20], data[5<<20:]} {
			out, err := c.UploadPart(t.Context(), &awss3.UploadPartInput{Bucket: b, Key: k, UploadId: id, PartNumber: aws.Int32(int32(i + 1)), Body: bytes.NewReader(p), ChecksumAlgorithm: tt.alg})
			if err != nil {
				t.Fatal(err)
			}
			done = append(done, types.CompletedPart{PartNumber: aws.Int32(int32(i + 1)), ETag: out.ETag})
		}
		out, err := c.CompleteMultipartUpload(t.Context(), &awss3.CompleteMultipartUploadInput{Bucket: b, Key: k, UploadId: id, MultipartUpload: &types.CompletedMultipartUpload{Parts: done}})
		if err != nil {
			t.Fatal(err)
		}
		h := algorithms[tt.name]()
		h.Write(data)
		if got, want := getChecksum(out, tt.name), base64.StdEncoding.EncodeToString(h.Sum(nil)); got != want || out.ChecksumType != types.ChecksumTypeFullObject {
			t.Errorf("%q: checksum %s %q, want FULL_OBJECT %q", tt.alg, out.ChecksumType, got, want)
		}
	}
}

func TestMultipartErrors(t *testing.T) {
	f, c, _ := setUp(t, "photos")
	b, k := aws.String("photos"), aws.String("k")
	id := begin(t, c, &awss3.CreateMultipartUploadInput{Bucket: b, Key: k})
	part := func(n int32, body string) *string {
		out, err := c.UploadPart(t.Context(), &awss3.UploadPartInput{Bucket: b, Key: k, UploadId: id, PartNumber: &n, Body: strings.NewReader(body)})
		if err != nil {
			t.Fatal(err)
		}
		return out.ETag
	}
	one := part(1, "small")
	part(2, "lost")
	two := part(2, "last") // replaces
	complete := func(parts ...types.CompletedPart) error {
		_, err := c.CompleteMultipartUpload(t.Context(), &awss3.CompleteMultipartUploadInput{Bucket: b, Key: k, UploadId: id, MultipartUpload: &types.CompletedMultipartUpload{Parts: parts}})
		return err
	}
	p1, p2 := types.CompletedPart{PartNumber: aws.Int32(1), ETag: one}, types.CompletedPart{PartNumber: aws.Int32(2), ETag: two}
	wantCode(t, "no parts", complete(), "MalformedXML")
	wantCode(t, "first part too small", complete(p1, p2), "EntityTooSmall")
	wantCode(t, "wrong order", complete(p2, p1), "InvalidPartOrder")
	wantCode(t, "wrong entity tag", complete(types.CompletedPart{PartNumber: aws.Int32(1), ETag: two}), "InvalidPart")
	wantCode(t, "missing part", complete(types.CompletedPart{PartNumber: aws.Int32(3), ETag: two}), "InvalidPart")
	_, err := c.UploadPart(t.Context(), &awss3.UploadPartInput{Bucket: b, Key: k, UploadId: aws.String("none"), PartNumber: aws.Int32(1), Body: strings.NewReader("")})
	wantCode(t, "unknown upload", err, "NoSuchUpload")
	_, err = c.UploadPart(t.Context(), &awss3.UploadPartInput{Bucket: b, Key: k, UploadId: id, PartNumber: aws.Int32(10001), Body: strings.NewReader("")})
	wantCode(t, "part 10001", err, "InvalidArgument")
	_, err = c.CreateMultipartUpload(t.Context(), &awss3.CreateMultipartUploadInput{Bucket: b, Key: k, ChecksumAlgorithm: types.ChecksumAlgorithmSha256, ChecksumType: types.ChecksumTypeFullObject})
	wantCode(t, "full object SHA256", err, "InvalidRequest")

	ups, err := c.ListMultipartUploads(t.Context(), &awss3.ListMultipartUploadsInput{Bucket: b})
	if err != nil || len(ups.Uploads) != 1 || *ups.Uploads[0].UploadId != *id || *ups.Uploads[0].Key != "k" {
		t.Errorf("uploads: %v %+v", err, ups)
	}
	if _, err := c.AbortMultipartUpload(t.Context(), &awss3.AbortMultipartUploadInput{Bucket: b, Key: k, UploadId: id}); err != nil {
		t.Fatal(err)
	}
	wantCode(t, "complete after abort", complete(p1), "NoSuchUpload")
	if n := blobCount(t, f); n != 0 {
		t.Errorf("%d blobs after abort, want 0", n)
	}
}

func TestListUploadsPages(t *testing.T) {
	_, c, _ := setUp(t, "photos")
	b := aws.String("photos")
	want := map[string]int{"a": 3, "a/b": 1, "b": 2}
	for k, n := range want {
		for range n {
			begin(t, c, &awss3.CreateMultipartUploadInput{Bucket: b, Key: &k})
		}
	}
	got := map[string]int{}
	in := &awss3.ListMultipartUploadsInput{Bucket: b, MaxUploads: aws.Int32(2)}
	for range 10 {
		out, err := c.ListMultipartUploads(t.Context(), in)
		if err != nil {
			t.Fatal(err)
		}
		for _, u := range out.Uploads {
			got[*u.Key]++
		}
		if !*out.IsTruncated {
			break
		}
		in.KeyMarker, in.UploadIdMarker = out.NextKeyMarker, out.NextUploadIdMarker
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("pages hold %v, want %v", got, want)
	}
}

func TestUploadPartCopy(t *testing.T) {
	_, c, _ := setUp(t, "photos")
	b, k := aws.String("photos"), aws.String("copy")
	data := noise(6 << 20)
	mustPut(t, c, "photos", "src a&b", string(data))
	id := begin(t, c, &awss3.CreateMultipartUploadInput{Bucket: b, Key: k})
	var done []types.CompletedPart
	for i, r := range []string{"bytes=0-5242879", "bytes=5242880-6291455"} {
		out, err := c.UploadPartCopy(t.Context(), &awss3.UploadPartCopyInput{Bucket: b, Key: k, UploadId: id, PartNumber: aws.Int32(int32(i + 1)),
			CopySource: aws.String("photos/src%20a%26b"), CopySourceRange: &r})
		if err != nil {
			t.Fatal(err)
		}
		done = append(done, types.CompletedPart{PartNumber: aws.Int32(int32(i + 1)), ETag: out.CopyPartResult.ETag})
	}
	_, err := c.UploadPartCopy(t.Context(), &awss3.UploadPartCopyInput{Bucket: b, Key: k, UploadId: id, PartNumber: aws.Int32(3),
		CopySource: aws.String("photos/src%20a%26b"), CopySourceRange: aws.String("bytes=0-6291456")})
	wantCode(t, "range past the end", err, "InvalidArgument")
	if _, err := c.CompleteMultipartUpload(t.Context(), &awss3.CompleteMultipartUploadInput{Bucket: b, Key: k, UploadId: id, MultipartUpload: &types.CompletedMultipartUpload{Parts: done}}); err != nil {
		t.Fatal(err)
	}
	if got, _ := get(t, c, &awss3.GetObjectInput{Bucket: b, Key: k}); got != string(data) {
		t.Errorf("the copy has %d bytes that differ", len(got))
	}
}

// TestReadWhileReplaced reads an object slowly while it is overwritten: the
// reader gets all of what it began to read.
func TestReadWhileReplaced(t *testing.T) {
	f, c, _ := setUp(t, "photos")
	b, k := aws.String("photos"), aws.String("k")
	old := noise(4 << 20)
	mustPut(t, c, "photos", "k", string(old))
	out, err := c.GetObject(t.Context(), &awss3.GetObjectInput{Bucket: b, Key: k})
	if err != nil {
		t.Fatal(err)
	}
	defer out.Body.Close()
	head := make([]byte, 10)
	if _, err := io.ReadFull(out.Body, head); err != nil {
		t.Fatal(err)
	}
	mustPut(t, c, "photos", "k", "new")
	rest, err := io.ReadAll(out.Body)
	if err != nil || string(head)+string(rest) != string(old) {
		t.Errorf("read %d bytes, %v; want the %d old ones", len(rest)+10, err, len(old))
	}
	if got, _ := get(t, c, &awss3.GetObjectInput{Bucket: b, Key: k}); got != "new" {
		t.Errorf("read %q after the overwrite", got)
	}
	f.s3.contents.mu.Lock()
	defer f.s3.contents.mu.Unlock()
	if len(f.s3.contents.doomed) != 0 {
		t.Errorf("blobs still wait for their readers: %v", f.s3.contents.doomed)
	}
}
