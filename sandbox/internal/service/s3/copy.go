package s3

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/mantle-iam/mantle/sandbox/internal/service"
)

// copySource is what x-amz-copy-source names.
type copySource struct{ bucket, key, version string }

// parseSource reads x-amz-copy-source: "bucket/key", URL-encoded, with an
// optional slash before it and an optional ?versionId= behind it.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html
func parseSource(h http.Header) (src copySource, err error) {
	text := h.Get("X-Amz-Copy-Source")
	bad := func(why string) (copySource, error) {
		return copySource{}, errInvalidArgument("x-amz-copy-source", text, why)
	}
	path, query, _ := strings.Cut(text, "?")
	if strings.HasPrefix(text, "arn:") {
		return src, errNotImplemented("copy sources by access point ARN")
	}
	// Clients encode the slash between bucket and key too, or not.
	path, err = url.PathUnescape(strings.TrimPrefix(path, "/"))
	if err != nil {
		return bad("Invalid copy source encoding.")
	}
	var ok bool
	src.bucket, src.key, ok = strings.Cut(strings.TrimPrefix(path, "/"), "/")
	if !ok || src.bucket == "" || src.key == "" {
		return bad("Copy Source must mention the source bucket and key: sourcebucket/sourcekey")
	}
	if query != "" {
		id, ok := strings.CutPrefix(query, "versionId=")
		if src.version, err = url.QueryUnescape(id); !ok || err != nil || id == "" {
			return bad("Version id cannot be the empty string")
		}
	}
	if e := checkKey(src.key); e != nil {
		return src, e
	}
	return src, nil
}

// openSource finds the source of a copy and checks the conditions on it.
func (s *S3) openSource(ctx context.Context, r *service.Request) (copySource, version, *reader, error) {
	h := r.Call.HTTP.Header
	src, err := parseSource(h)
	if err != nil {
		return src, version{}, nil, err
	}
	v, in, err := s.open(ctx, src.bucket, src.key, src.version)
	if err == nil {
		if err = sourceConditions(h, &v); err == nil {
			return src, v, in, nil
		}
		in.Close()
		return src, v, nil, err
	}
	if isNotFound(err) {
		err = s.missing(r, src.bucket, err)
	}
	return src, v, nil, err
}

// sourceConditions decides the x-amz-copy-source-if-* headers.
func sourceConditions(h http.Header, v *version) error {
	if v.Marker {
		return errInvalidRequest("The source of a copy request may not specifically refer to a delete marker by version id.")
	}
	modified := v.Modified
	since := func(name string) (time.Time, bool) {
		t, err := http.ParseTime(h.Get(name))
		return t, err == nil
	}
	match, none := h.Get("X-Amz-Copy-Source-If-Match"), h.Get("X-Amz-Copy-Source-If-None-Match")
	if match != "" && match != "*" && unquote(match) != v.ETag {
		return errPrecondition("x-amz-copy-source-If-Match")
	}
	if t, ok := since("X-Amz-Copy-Source-If-Unmodified-Since"); ok && match == "" && modified.After(t) {
		return errPrecondition("x-amz-copy-source-If-Unmodified-Since")
	}
	if none != "" && (none == "*" || unquote(none) == v.ETag) {
		return errPrecondition("x-amz-copy-source-If-None-Match")
	}
	if t, ok := since("X-Amz-Copy-Source-If-Modified-Since"); ok && none == "" && !modified.After(t) {
		return errPrecondition("x-amz-copy-source-If-Modified-Since")
	}
	return nil
}

func (s *S3) copyObject(ctx context.Context, r *service.Request, _ *awss3.CopyObjectInput) (*awss3.CopyObjectOutput, error) {
	h := r.Call.HTTP.Header
	if _, err := s.bucket(bucketOf(r)); err != nil {
		return nil, err
	}
	src, from, in, err := s.openSource(ctx, r)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	attr, err := s.copied(r, src, &from)
	if err != nil {
		return nil, err
	}
	match, err := writeConditions(h)
	if err != nil {
		return nil, err
	}
	if from.Size > maxSinglePut {
		return nil, errInvalidRequest("The specified copy source is larger than the maximum allowable size for a copy source: 5368709120")
	}
	algorithm := strings.ToUpper(h.Get("X-Amz-Checksum-Algorithm"))
	if algorithm == "" && !from.Sum.Composite {
		algorithm = from.Sum.Algorithm
	}
	if algorithm == "" {
		algorithm = defaultAlgorithm
	}
	if err := knownAlgorithm(algorithm); err != nil {
		return nil, err
	}
	got, err := s.contents.receive(ctx, in, maxSinglePut, algorithms[algorithm])
	if err != nil {
		return nil, err
	}
	v, err := s.commit(bucketOf(r), version{
		Key: keyOf(r), Modified: stamp(r), Size: got.Size, ETag: hex.EncodeToString(got.md5),
		Pieces: []piece{got.piece}, attributes: attr,
		Sum: checksum{Algorithm: algorithm, Value: base64.StdEncoding.EncodeToString(got.sum)},
	}, match, nil)
	if err != nil {
		s.contents.drop([]piece{got.piece})
		return nil, err
	}
	out := &awss3.CopyObjectOutput{
		CopyObjectResult:    &types.CopyObjectResult{ETag: quote(v.ETag), LastModified: aws.Time(v.Modified)},
		CopySourceVersionId: s.shownID(src.bucket, from),
		VersionId:           s.shownID(bucketOf(r), v),
	}
	setChecksum(out.CopyObjectResult, v.Sum)
	out.ServerSideEncryption, out.SSEKMSKeyId, out.BucketKeyEnabled = v.encryption()
	return out, nil
}

// copied works out what the copy is to be like: metadata and tags each come
// from the source or, with the directive REPLACE, from the request.
func (s *S3) copied(r *service.Request, src copySource, from *version) (attributes, error) {
	h := r.Call.HTTP.Header
	attr, err := s.attributes(bucketOf(r), h)
	if err != nil {
		return attr, err
	}
	replace, err := directive(h, "X-Amz-Metadata-Directive")
	if err != nil {
		return attr, err
	}
	replaceTags, err := directive(h, "X-Amz-Tagging-Directive")
	if err != nil {
		return attr, err
	}
	changes := replace || h.Get("X-Amz-Storage-Class") != "" || h.Get("X-Amz-Server-Side-Encryption") != "" ||
		h.Get("X-Amz-Website-Redirect-Location") != "" || src.version != ""
	if src.bucket == bucketOf(r) && src.key == keyOf(r) && !changes {
		return attr, errInvalidRequest("This copy request is illegal because it is trying to copy an object to itself without changing the object's metadata, storage class, website redirect location or encryption attributes.")
	}
	if !replace {
		redirect := attr.Headers["X-Amz-Website-Redirect-Location"]
		attr.Headers, attr.Meta = map[string]string{}, from.Meta
		for k, v := range from.Headers {
			if k != "X-Amz-Website-Redirect-Location" { // never copied
				attr.Headers[k] = v
			}
		}
		if redirect != "" {
			attr.Headers["X-Amz-Website-Redirect-Location"] = redirect
		}
	}
	if !replaceTags {
		attr.Tags = from.Tags
	}
	return attr, nil
}

// directive reads COPY (also the default) or REPLACE.
func directive(h http.Header, name string) (replace bool, err error) {
	switch v := h.Get(name); v {
	case "", "COPY":
		return false, nil
	case "REPLACE":
		return true, nil
	default:
		return false, errInvalidArgument(strings.ToLower(name), v, "Unknown directive.")
	}
}

func (s *S3) uploadPartCopy(ctx context.Context, r *service.Request, in *awss3.UploadPartCopyInput) (*awss3.UploadPartCopyOutput, error) {
	up, number, err := s.uploadOf(r)
	if err != nil {
		return nil, err
	}
	src, from, body, err := s.openSource(ctx, r)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	var bytes io.Reader = body
	size := from.Size
	if text := aws.ToString(in.CopySourceRange); text != "" {
		first, last, ok := parseRange(text)
		if !ok || first < 0 || last < 0 {
			return nil, errInvalidArgument("x-amz-copy-source-range", text, "The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the zero-based offsets of the first and last bytes to copy")
		}
		if last >= from.Size {
			return nil, errInvalidArgument("x-amz-copy-source-range", text, "Range specified is not valid for source object of size: "+itoa(from.Size))
		}
		if _, err := body.Seek(first, io.SeekStart); err != nil {
			return nil, err
		}
		size = last - first + 1
		bytes = io.LimitReader(body, size)
	}
	if size > maxPart {
		return nil, errInvalidRequest("The specified copy source is larger than the maximum allowable size for a copy source: 5368709120")
	}
	got, err := s.contents.receive(ctx, bytes, maxPart, algorithms[up.algorithm()])
	if err != nil {
		return nil, err
	}
	p, err := s.putPart(up, number, got, r)
	if err != nil {
		return nil, err
	}
	result := &types.CopyPartResult{ETag: quote(p.ETag), LastModified: aws.Time(p.Modified)}
	setChecksum(result, checksum{Algorithm: up.algorithm(), Value: p.Sum})
	out := &awss3.UploadPartCopyOutput{CopyPartResult: result, CopySourceVersionId: s.shownID(src.bucket, from)}
	out.ServerSideEncryption, out.SSEKMSKeyId, out.BucketKeyEnabled = up.encryption()
	return out, nil
}
