package s3

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/mantle-iam/mantle/sandbox/internal/service"
	"github.com/mantle-iam/mantle/sandbox/internal/store"
	"github.com/mantle-iam/mantle/sandbox/internal/wire"
)

// maxMeta is the limit of user metadata in bytes of names and values.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingMetadata.html
const maxMeta = 2 << 10

// kept are the headers that are stored and given back as they came.
var kept = [...]string{"Cache-Control", "Content-Disposition", "Content-Encoding", "Content-Language", "Content-Type",
	"Expires", "X-Amz-Website-Redirect-Location"}

// putObject answers PutObject.
func (s *S3) putObject(w http.ResponseWriter, h *http.Request, r *service.Request) error {
	attr, err := s.attributes(bucketOf(r), h.Header)
	if err != nil {
		return err
	}
	match, err := writeConditions(h.Header)
	if err != nil {
		return err
	}
	// A write that is lost already need not be received; the transaction
	// below is what decides.
	err = s.st.View(func(tx *store.Tx) error {
		if _, err := findBucket(tx, bucketOf(r)); err != nil {
			return err
		}
		return match.check(tx, bucketOf(r), keyOf(r))
	})
	if err != nil {
		return err
	}
	c, got, err := s.receive(h, maxSinglePut)
	if err != nil {
		return err
	}
	v := version{
		Key: keyOf(r), Modified: stamp(r), Size: got.Size, ETag: hex.EncodeToString(got.md5),
		Pieces: []piece{got.piece}, attributes: attr,
		Sum: checksum{Algorithm: c.algorithm, Value: base64.StdEncoding.EncodeToString(got.sum)},
	}
	v, err = s.commit(bucketOf(r), v, match, nil)
	if err != nil {
		s.contents.drop([]piece{got.piece})
		return err
	}
	out := &awss3.PutObjectOutput{ETag: quote(v.ETag), VersionId: s.shownID(bucketOf(r), v)}
	setChecksum(out, v.Sum)
	out.ServerSideEncryption, out.SSEKMSKeyId, out.BucketKeyEnabled = v.encryption()
	r.Call.Reply(w, out)
	return nil
}

// receive stores the body of a request and compares it with what the request
// says about it. The checksum that S3 keeps is computed in any case.
func (s *S3) receive(h *http.Request, limit int64) (claim, received, error) {
	c, err := claimed(h.Header)
	if err != nil {
		return c, received{}, err
	}
	if c.algorithm == "" {
		c.algorithm = defaultAlgorithm
	}
	want, err := bodySize(h)
	if err != nil {
		return c, received{}, err
	}
	if want > limit {
		return c, received{}, wire.Fail("EntityTooLarge", 400, "Your proposed upload exceeds the maximum allowed size").
			With("ProposedSize", strconv.FormatInt(want, 10)).With("MaxSizeAllowed", strconv.FormatInt(limit, 10))
	}
	got, err := s.contents.receive(h.Context(), h.Body, limit, algorithms[c.algorithm])
	if err != nil {
		return c, got, err
	}
	if want >= 0 && got.Size != want {
		err = bodyError(io.ErrUnexpectedEOF)
	} else {
		err = c.verify(got, h.Header, h.Trailer)
	}
	if err != nil {
		s.contents.drop([]piece{got.piece})
	}
	return c, got, err
}

// bodySize is the announced length of the decoded body, -1 if unknown.
func bodySize(h *http.Request) (int64, error) {
	if text := h.Header.Get("X-Amz-Decoded-Content-Length"); text != "" {
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil || n < 0 {
			return 0, errInvalidArgument("x-amz-decoded-content-length", text, "The decoded content length is not a number")
		}
		return n, nil
	}
	chunked := len(h.TransferEncoding) > 0 || strings.HasPrefix(h.Header.Get("X-Amz-Content-Sha256"), "STREAMING-")
	if h.ContentLength < 0 && !chunked {
		return 0, wire.Fail("MissingContentLength", 411, "You must provide the Content-Length HTTP header.")
	}
	if chunked {
		return -1, nil
	}
	return h.ContentLength, nil
}

// commit makes a version the latest of its key if the conditions hold in the
// very transaction that writes it. also runs in it too. On success the bytes
// that were replaced are let go.
func (s *S3) commit(name string, v version, match conditions, also func(*store.Tx) error) (version, error) {
	var gone []piece
	err := s.st.Update(func(tx *store.Tx) error {
		b, err := findBucket(tx, name)
		if err != nil {
			return err
		}
		if err := match.check(tx, name, v.Key); err != nil {
			return err
		}
		if also != nil {
			if err := also(tx); err != nil {
				return err
			}
		}
		v, gone = write(tx, b, v)
		return nil
	})
	if err == nil {
		s.contents.drop(gone)
	}
	return v, err
}

// attributes reads what a request that makes an object says about it.
func (s *S3) attributes(bucket string, h http.Header) (a attributes, err error) {
	if err := s.checkObjectACL(bucket, h); err != nil {
		return a, err
	}
	for _, name := range []string{"X-Amz-Object-Lock-Mode", "X-Amz-Object-Lock-Retain-Until-Date", "X-Amz-Object-Lock-Legal-Hold"} {
		if h.Get(name) != "" {
			return a, errInvalidRequest("Bucket is missing Object Lock Configuration")
		}
	}
	if h.Get("X-Amz-Write-Offset-Bytes") != "" {
		return a, errNotImplemented("appending to objects (x-amz-write-offset-bytes)")
	}
	if a.Tags, err = headerTags(h); err != nil {
		return a, err
	}
	if a.Headers, a.Meta, err = describing(h); err != nil {
		return a, err
	}
	if a.StorageClass, err = storageClass(h); err != nil {
		return a, err
	}
	return a, s.encrypting(bucket, h, &a)
}

// describing reads the headers and the user metadata that are given back.
func describing(h http.Header) (headers, meta map[string]string, err error) {
	headers = map[string]string{"Content-Type": "binary/octet-stream"}
	for _, name := range kept {
		v := h.Get(name)
		if name == "Content-Encoding" {
			v = withoutChunked(v)
		}
		if v != "" {
			headers[name] = strings.ToValidUTF8(v, "\ufffd")
		}
	}
	size := 0
	for name, values := range h {
		key, ok := strings.CutPrefix(name, "X-Amz-Meta-")
		if !ok {
			continue
		}
		if meta == nil {
			meta = map[string]string{}
		}
		v := strings.ToValidUTF8(strings.Join(values, ","), "\ufffd")
		meta[strings.ToLower(key)] = v
		size += len(key) + len(v)
	}
	if size > maxMeta {
		return nil, nil, wire.Fail("MetadataTooLarge", 400, "Your metadata headers exceed the maximum allowed metadata size").
			With("Size", strconv.Itoa(size)).With("MaxSizeAllowed", strconv.Itoa(maxMeta))
	}
	return headers, meta, nil
}

// withoutChunked takes aws-chunked out of a Content-Encoding: it says how
// the body travelled, not what it is.
func withoutChunked(v string) string {
	if !strings.Contains(strings.ToLower(v), "aws-chunked") {
		return v
	}
	var rest []string
	for f := range strings.SplitSeq(v, ",") {
		if f = strings.TrimSpace(f); f != "" && !strings.EqualFold(f, "aws-chunked") {
			rest = append(rest, f)
		}
	}
	return strings.Join(rest, ",")
}

// storageClass reads x-amz-storage-class; every class keeps bytes alike.
func storageClass(h http.Header) (string, error) {
	c := h.Get("X-Amz-Storage-Class")
	switch types.StorageClass(c) {
	case "":
		return string(types.StorageClassStandard), nil
	case types.StorageClassStandard, types.StorageClassReducedRedundancy, types.StorageClassStandardIa, types.StorageClassOnezoneIa,
		types.StorageClassIntelligentTiering, types.StorageClassGlacierIr:
		return c, nil
	case types.StorageClassGlacier, types.StorageClassDeepArchive:
		return "", errNotImplemented("storage class " + c + ": objects in it could not be read without RestoreObject")
	}
	return "", wire.Fail("InvalidStorageClass", 400, "The storage class you specified is not valid").With("StorageClassRequested", c)
}

// encrypting notes how the object is said to be encrypted: by the request,
// else by the bucket's default. The sandbox keeps bytes as they are.
func (s *S3) encrypting(bucket string, h http.Header, a *attributes) error {
	for _, name := range []string{"X-Amz-Server-Side-Encryption-Customer-Algorithm", "X-Amz-Copy-Source-Server-Side-Encryption-Customer-Algorithm"} {
		if h.Get(name) != "" {
			return errNotImplemented("encryption with customer-provided keys (SSE-C)")
		}
	}
	a.SSE, a.KMSKey = h.Get("X-Amz-Server-Side-Encryption"), h.Get("X-Amz-Server-Side-Encryption-Aws-Kms-Key-Id")
	a.BucketKey = strings.EqualFold(h.Get("X-Amz-Server-Side-Encryption-Bucket-Key-Enabled"), "true")
	kms := strings.HasPrefix(a.SSE, "aws:kms")
	switch {
	case a.SSE != "" && a.SSE != "AES256" && a.SSE != "aws:kms" && a.SSE != "aws:kms:dsse":
		return errInvalidArgument("x-amz-server-side-encryption", a.SSE, "The encryption method specified is not supported")
	case a.KMSKey != "" && !kms:
		return errInvalidArgument("x-amz-server-side-encryption", a.SSE, "Server Side Encryption with AWS KMS managed key requires HTTP header x-amz-server-side-encryption : aws:kms")
	case a.SSE != "":
		return nil
	}
	return s.st.View(func(tx *store.Tx) error {
		d, ok := encryptions.Get(tx, bucket)
		if !ok {
			d = defaultEncryption()
		}
		a.SSE = string(types.ServerSideEncryptionAes256)
		if by := d.Rules[0].ApplyServerSideEncryptionByDefault; by != nil {
			a.SSE, a.KMSKey = string(by.SSEAlgorithm), aws.ToString(by.KMSMasterKeyID)
			a.BucketKey = isTrue(d.Rules[0].BucketKeyEnabled) && strings.HasPrefix(a.SSE, "aws:kms")
		}
		return nil
	})
}

// encryption is how an answer reports it.
func (a *attributes) encryption() (types.ServerSideEncryption, *string, *bool) {
	var key *string
	var on *bool
	if a.KMSKey != "" {
		key = aws.String(a.KMSKey)
	}
	if a.BucketKey {
		on = aws.Bool(true)
	}
	return types.ServerSideEncryption(a.SSE), key, on
}

// conditions are those of a conditional write.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html
type conditions struct {
	absent bool   // If-None-Match: *
	etag   string // If-Match, without quotes; "" if not given
}

func writeConditions(h http.Header) (conditions, error) {
	c := conditions{etag: unquote(h.Get("If-Match"))}
	switch none := h.Get("If-None-Match"); none {
	case "":
	case "*":
		c.absent = true
	default:
		return c, wire.Fail("NotImplemented", 501, "A header you provided implies functionality that is not implemented").
			With("Header", "If-None-Match").With("additionalMessage", "We don't accept the provided value of If-None-Match header for this API")
	}
	if c.absent && c.etag != "" {
		return c, errInvalidRequest("Only one of If-Match and If-None-Match can be given.")
	}
	return c, nil
}

// check decides the conditions against the key as it is in this transaction.
func (c conditions) check(tx *store.Tx, bucket, key string) error {
	if !c.absent && c.etag == "" {
		return nil
	}
	v, ok := latest(tx, bucket, key)
	there := ok && !v.Marker
	switch {
	case c.absent && there:
		return errPrecondition("If-None-Match")
	case c.absent:
		return nil
	case !there:
		return errNoSuchKey(key)
	case c.etag != v.ETag && c.etag != "*":
		return errPrecondition("If-Match")
	}
	return nil
}

// quote is an ETag as it is written.
func quote(etag string) *string { return aws.String(`"` + etag + `"`) }

func unquote(etag string) string { return strings.Trim(etag, `"`) }

// shownID is the version id as an answer has it: none for a bucket that was
// never versioned.
func (s *S3) shownID(bucket string, v version) *string {
	if v.ID == "" || v.ID == null && !s.everVersioned(bucket) {
		return nil
	}
	return aws.String(v.ID)
}

func (s *S3) everVersioned(name string) bool {
	b, err := s.bucket(name)
	return err == nil && b.Versioning != ""
}

// locationURL is the URL of an object on the host that the client talks to.
func locationURL(h *http.Request, bucket, key string) string {
	scheme := "http"
	if h.TLS != nil {
		scheme = "https"
	}
	return fmt.Sprintf("%s://%s/%s/%s", scheme, h.Host, bucket, escapeKey(key))
}
