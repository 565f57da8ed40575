package s3

import (
	"context"
	"crypto/sha512"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/mantle-iam/mantle/sandbox/internal/service"
	"github.com/mantle-iam/mantle/sandbox/internal/wire"
)

// overrides are the query parameters by which a GET chooses its own headers.
// Unsigned callers may not: they could make a bucket serve what it does not.
var overrides = map[string]string{
	"response-content-type":        "Content-Type",
	"response-content-language":    "Content-Language",
	"response-expires":             "Expires",
	"response-cache-control":       "Cache-Control",
	"response-content-disposition": "Content-Disposition",
	"response-content-encoding":    "Content-Encoding",
}

// getObject answers GetObject and HeadObject. Ranges and conditions are left
// to net/http, which follows RFC 9110 as S3 does; the differences are dealt
// with before and after.
func (s *S3) getObject(w http.ResponseWriter, h *http.Request, r *service.Request) error {
	v, in, err := s.open(h.Context(), bucketOf(r), keyOf(r), versionOf(r))
	if err != nil {
		if err = s.notFound(r, err); isNotFound(err) {
			s.markerHeaders(w, v)
		}
		return err
	}
	defer in.Close()
	query := h.URL.Query()
	if v.Marker {
		s.markerHeaders(w, v)
		w.Header().Set("Last-Modified", v.Modified.Format(http.TimeFormat))
		return errMethodNotAllowed(h.Method, "DeleteMarker")
	}
	for name := range overrides {
		if query.Has(name) && r.Caller.AccessKeyID == "" {
			return errInvalidRequest("Request specific response headers cannot be used for anonymous GET requests.")
		}
	}
	h = h.Clone(h.Context())
	whole, err := s.chooseRange(h, &v)
	if err != nil {
		return err
	}
	head := w.Header()
	s.objectHeaders(head, bucketOf(r), &v)
	if n := len(v.Pieces); query.Has("partNumber") && v.Pieces[0].Number > 0 {
		head.Set("X-Amz-Mp-Parts-Count", strconv.Itoa(n))
	}
	if whole && strings.EqualFold(h.Header.Get("X-Amz-Checksum-Mode"), "ENABLED") {
		v.Sum.headers(head)
	}
	for name, header := range overrides {
		if value := query.Get(name); value != "" {
			head.Set(header, value)
		}
	}
	head.Set("Content-Length", strconv.FormatInt(v.Size, 10))
	requestIDs(head, r.Call.ID)
	out := &guarded{ResponseWriter: w}
	http.ServeContent(out, h, "", v.Modified, in)
	switch out.refused {
	case 0:
		return nil
	case http.StatusPreconditionFailed:
		s.clearHeaders(head)
		if h.Header.Get("If-Match") != "" {
			return errPrecondition("If-Match")
		}
		return errPrecondition("If-Unmodified-Since")
	}
	s.clearHeaders(head)
	return errInvalidRange(h.Header.Get("Range"), v.Size)
}

// chooseRange makes the Range header say what S3 understands by it, and
// tells whether the whole object is asked for. S3 serves one range: it
// ignores a header with several, or one that is malformed.
func (s *S3) chooseRange(h *http.Request, v *version) (whole bool, err error) {
	if number := h.URL.Query().Get("partNumber"); number != "" {
		if h.Header.Get("Range") != "" {
			return false, errInvalidRequest("Cannot specify both Range header and partNumber query parameter")
		}
		first, last, err := partRange(number, v)
		if err != nil {
			return false, err
		}
		if v.Size > 0 {
			h.Header.Set("Range", fmt.Sprintf("bytes=%d-%d", first, last))
		}
		return false, nil
	}
	text := h.Header.Get("Range")
	if text == "" {
		return true, nil
	}
	first, last, ok := parseRange(text)
	switch {
	case !ok:
		h.Header.Del("Range")
		return true, nil
	case first >= v.Size, first < 0 && last == 0:
		return false, errInvalidRange(text, v.Size)
	}
	return false, nil
}

func errInvalidRange(text string, size int64) *wire.Error {
	return wire.Fail("InvalidRange", 416, "The requested range is not satisfiable").
		With("RangeRequested", text).With("ActualObjectSize", strconv.FormatInt(size, 10))
}

// parseRange reads one byte range. first is -1 for a suffix of last bytes;
// last is -1 if the range is open.
func parseRange(text string) (first, last int64, ok bool) {
	spec, ok := strings.CutPrefix(text, "bytes=")
	from, to, dash := strings.Cut(spec, "-")
	if !ok || !dash || strings.Contains(spec, ",") {
		return 0, 0, false
	}
	first, last = -1, -1
	var err error
	if from != "" {
		if first, err = parseNumber(from); err != nil {
			return 0, 0, false
		}
	}
	if to != "" {
		if last, err = parseNumber(to); err != nil {
			return 0, 0, false
		}
	}
	return first, last, (from != "" || to != "") && (from == "" || to == "" || first <= last)
}

// parseNumber reads decimal digits and nothing else.
func parseNumber(s string) (int64, error) {
	if strings.Trim(s, "0123456789") != "" {
		return 0, errors.New("not a number")
	}
	return strconv.ParseInt(s, 10, 64)
}

// partRange finds the bytes of a part of an object; an object that was not
// uploaded in parts is its own part 1.
func partRange(text string, v *version) (first, last int64, err error) {
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > maxParts {
		return 0, 0, errInvalidArgument("partNumber", text, "Part number must be an integer between 1 and 10000, inclusive")
	}
	for i, p := range v.Pieces {
		if int(p.Number) == n || p.Number == 0 && n == i+1 {
			return first, first + p.Size - 1, nil
		}
		first += p.Size
	}
	return 0, 0, wire.Fail("InvalidPartNumber", 416, "The requested partnumber is not satisfiable").
		With("PartNumberRequested", text).With("ActualPartCount", strconv.Itoa(len(v.Pieces)))
}

// objectHeaders sets the headers that describe a version.
func (s *S3) objectHeaders(h http.Header, bucket string, v *version) {
	for name, value := range v.Headers {
		h.Set(name, value)
	}
	for name, value := range v.Meta {
		h["x-amz-meta-"+name] = []string{value} // clients take the case from here
	}
	h.Set("ETag", *quote(v.ETag))
	if id := s.shownID(bucket, *v); id != nil {
		h.Set("X-Amz-Version-Id", *id)
	}
	if v.StorageClass != string(types.StorageClassStandard) {
		h.Set("X-Amz-Storage-Class", v.StorageClass)
	}
	if len(v.Tags) > 0 {
		h.Set("X-Amz-Tagging-Count", strconv.Itoa(len(v.Tags)))
	}
	sse, key, on := v.encryption()
	h.Set("X-Amz-Server-Side-Encryption", string(sse))
	if key != nil {
		h.Set("X-Amz-Server-Side-Encryption-Aws-Kms-Key-Id", *key)
	}
	if isTrue(on) {
		h.Set("X-Amz-Server-Side-Encryption-Bucket-Key-Enabled", "true")
	}
	h.Set("Accept-Ranges", "bytes")
}

// requestIDs sets the two ids by which S3 names every answer, as the codec
// does for the answers that it writes.
func requestIDs(h http.Header, id string) {
	h.Set("X-Amz-Request-Id", id)
	sum := sha512.Sum512([]byte(id))
	h.Set("X-Amz-Id-2", base64.StdEncoding.EncodeToString(sum[:56]))
}

// clearHeaders takes back what objectHeaders and its callers set, so that an
// error is not taken for the object.
func (s *S3) clearHeaders(h http.Header) {
	for name := range h {
		if lower := strings.ToLower(name); strings.HasPrefix(lower, "x-amz-") && lower != "x-amz-request-id" && lower != "x-amz-id-2" {
			delete(h, name)
		}
	}
	for _, name := range kept {
		h.Del(name)
	}
	for _, name := range []string{"ETag", "Last-Modified", "Content-Length", "Content-Range", "Accept-Ranges"} {
		h.Del(name)
	}
}

// markerHeaders says that an object is missing because it was deleted.
func (s *S3) markerHeaders(w http.ResponseWriter, v version) {
	if v.Marker {
		w.Header().Set("X-Amz-Delete-Marker", "true")
		w.Header().Set("X-Amz-Version-Id", v.ID)
	}
}

// notFound turns "no such key" into what the caller may know.
func (s *S3) notFound(r *service.Request, err error) error {
	if isNotFound(err) {
		return s.missing(r, bucketOf(r), err)
	}
	return err
}

// isNotFound tells whether a key or a version of it is missing.
func isNotFound(err error) bool {
	var e *wire.Error
	return errors.As(err, &e) && (e.Code == "NoSuchKey" || e.Code == "NoSuchVersion")
}

// guarded keeps net/http from answering an error in its own words.
type guarded struct {
	http.ResponseWriter
	refused int
}

func (g *guarded) WriteHeader(status int) {
	if status == http.StatusPreconditionFailed || status >= 416 {
		g.refused = status
		return
	}
	if status == http.StatusNotModified {
		// There is no body that a checksum could be about.
		h := g.Header()
		for name := range h {
			if strings.HasPrefix(name, checksumHeader) {
				delete(h, name)
			}
		}
	}
	g.ResponseWriter.WriteHeader(status)
}

func (g *guarded) Write(p []byte) (int, error) {
	if g.refused != 0 {
		return len(p), nil
	}
	return g.ResponseWriter.Write(p)
}

// Unwrap lets http.ResponseController and io.Copy find the real writer.
func (g *guarded) Unwrap() http.ResponseWriter { return g.ResponseWriter }

// getObjectAttributes answers with what was asked for in
// x-amz-object-attributes, and nothing else.
func (s *S3) getObjectAttributes(_ context.Context, r *service.Request, in *awss3.GetObjectAttributesInput) (*awss3.GetObjectAttributesOutput, error) {
	v, err := s.find(bucketOf(r), keyOf(r), versionOf(r))
	if err != nil {
		return nil, s.notFound(r, err)
	}
	if v.Marker {
		return nil, errMethodNotAllowed(r.Call.HTTP.Method, "DeleteMarker")
	}
	out := &awss3.GetObjectAttributesOutput{LastModified: aws.Time(v.Modified), VersionId: s.shownID(bucketOf(r), v)}
	wanted := strings.Join(r.Call.HTTP.Header["X-Amz-Object-Attributes"], ",")
	if strings.TrimSpace(wanted) == "" {
		return nil, errInvalidArgument("x-amz-object-attributes", "", "x-amz-object-attributes must name at least one attribute")
	}
	for name := range strings.SplitSeq(wanted, ",") {
		switch types.ObjectAttributes(strings.TrimSpace(name)) {
		case types.ObjectAttributesEtag:
			out.ETag = aws.String(v.ETag) // without quotes here
		case types.ObjectAttributesChecksum:
			out.Checksum = &types.Checksum{}
			setChecksum(out.Checksum, v.Sum)
		case types.ObjectAttributesObjectSize:
			out.ObjectSize = aws.Int64(v.Size)
		case types.ObjectAttributesStorageClass:
			out.StorageClass = types.StorageClass(v.StorageClass)
		case types.ObjectAttributesObjectParts:
			if out.ObjectParts, err = attributeParts(in, &v); err != nil {
				return nil, err
			}
		default:
			return nil, errInvalidArgument("x-amz-object-attributes", strings.TrimSpace(name), "Invalid attribute name specified.")
		}
	}
	return out, nil
}

// attributeParts is a page of the parts of a multipart object. S3 lists the
// parts only if they have checksums of their own.
func attributeParts(in *awss3.GetObjectAttributesInput, v *version) (*types.GetObjectAttributesParts, error) {
	if v.Pieces[0].Number == 0 {
		return nil, nil
	}
	limit, err := pageSize("x-amz-max-parts", in.MaxParts, 1000)
	if err != nil {
		return nil, err
	}
	marker, err := partMarker(in.PartNumberMarker)
	if err != nil {
		return nil, err
	}
	out := &types.GetObjectAttributesParts{TotalPartsCount: aws.Int32(int32(len(v.Pieces)))}
	if !v.Sum.Composite {
		return out, nil
	}
	out.MaxParts, out.PartNumberMarker, out.IsTruncated = aws.Int32(int32(limit)), aws.String(strconv.Itoa(marker)), aws.Bool(false)
	for _, p := range v.Pieces {
		if int(p.Number) <= marker {
			continue
		}
		if len(out.Parts) == limit {
			out.IsTruncated = aws.Bool(true)
			break
		}
		show := types.ObjectPart{PartNumber: aws.Int32(p.Number), Size: aws.Int64(p.Size)}
		setChecksum(&show, checksum{Algorithm: v.Sum.Algorithm, Value: p.Sum})
		out.Parts = append(out.Parts, show)
		out.NextPartNumberMarker = aws.String(strconv.Itoa(int(p.Number)))
	}
	return out, nil
}
