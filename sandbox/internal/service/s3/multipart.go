package s3

import (
	"context"
	"crypto/md5"
	"encoding/base64"
	"encoding/hex"
	"fmt"
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

// Limits of multipart uploads; sizes are in bytes.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html
const (
	maxParts = 10000
	minPart  = 5 << 20
)

func itoa(n int64) string { return strconv.FormatInt(n, 10) }

// algorithm is the checksum of the parts.
func (u *upload) algorithm() string {
	if u.Algorithm == "" {
		return defaultAlgorithm
	}
	return u.Algorithm
}

func (s *S3) createMultipartUpload(_ context.Context, r *service.Request, in *awss3.CreateMultipartUploadInput) (*awss3.CreateMultipartUploadOutput, error) {
	h := r.Call.HTTP.Header
	b, err := s.bucket(bucketOf(r))
	if err != nil {
		return nil, err
	}
	u := upload{Bucket: b.Name, Key: keyOf(r), ID: newID() + newID(), Account: b.Account, Initiator: r.Caller.ARN, Initiated: stamp(r),
		Algorithm: strings.ToUpper(string(in.ChecksumAlgorithm))}
	if u.attributes, err = s.attributes(b.Name, h); err != nil {
		return nil, err
	}
	if u.FullObject, err = checksumType(u.Algorithm, in.ChecksumType); err != nil {
		return nil, err
	}
	err = s.st.Update(func(tx *store.Tx) error {
		if _, err := findBucket(tx, b.Name); err != nil {
			return err
		}
		uploads.Put(tx, uploadKey(u.Bucket, u.Key, u.ID), u)
		return nil
	})
	if err != nil {
		return nil, err
	}
	out := &awss3.CreateMultipartUploadOutput{Bucket: &u.Bucket, Key: &u.Key, UploadId: &u.ID}
	if u.Algorithm != "" {
		out.ChecksumAlgorithm, out.ChecksumType = types.ChecksumAlgorithm(u.Algorithm), u.checksumType()
	}
	out.ServerSideEncryption, out.SSEKMSKeyId, out.BucketKeyEnabled = u.encryption()
	return out, nil
}

// checksumType decides whether the object gets a checksum over its bytes or
// one over those of its parts. Only CRCs can be had for the whole without
// reading it again.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity-upload.html
func checksumType(algorithm string, t types.ChecksumType) (full bool, err error) {
	if algorithm == "" {
		if t == types.ChecksumTypeComposite {
			return false, errInvalidRequest("The COMPOSITE checksum type cannot be used without a checksum algorithm.")
		}
		return true, nil
	}
	if err := knownAlgorithm(algorithm); err != nil {
		return false, err
	}
	switch {
	case t != "" && t != types.ChecksumTypeComposite && t != types.ChecksumTypeFullObject:
		return false, errInvalidRequest("Value for x-amz-checksum-type header is invalid.")
	case algorithm == "CRC64NVME" && t == types.ChecksumTypeComposite,
		!strings.HasPrefix(algorithm, "CRC") && t == types.ChecksumTypeFullObject:
		return false, errInvalidRequest(fmt.Sprintf("The %s checksum type cannot be used with the %s checksum algorithm.", t, strings.ToLower(algorithm)))
	}
	return t == types.ChecksumTypeFullObject || algorithm == "CRC64NVME", nil
}

func (u *upload) checksumType() types.ChecksumType {
	if u.FullObject {
		return types.ChecksumTypeFullObject
	}
	return types.ChecksumTypeComposite
}

// findUpload reads the upload that the request names.
func findUpload(tx *store.Tx, r *service.Request) (upload, error) {
	id := r.Call.HTTP.URL.Query().Get("uploadId")
	if _, err := findBucket(tx, bucketOf(r)); err != nil {
		return upload{}, err
	}
	u, ok := uploads.Get(tx, uploadKey(bucketOf(r), keyOf(r), id))
	if !ok {
		return u, errNoSuchUpload(id)
	}
	return u, nil
}

// uploadOf finds the upload and the part number of a request.
func (s *S3) uploadOf(r *service.Request) (u upload, number int32, err error) {
	text := r.Call.HTTP.URL.Query().Get("partNumber")
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > maxParts {
		return u, 0, errInvalidArgument("partNumber", text, "Part number must be an integer between 1 and 10000, inclusive")
	}
	err = s.st.View(func(tx *store.Tx) error {
		u, err = findUpload(tx, r)
		return err
	})
	return u, int32(n), err
}

// uploadPart answers UploadPart.
func (s *S3) uploadPart(w http.ResponseWriter, h *http.Request, r *service.Request) error {
	u, number, err := s.uploadOf(r)
	if err != nil {
		return err
	}
	c, err := claimed(h.Header)
	if err != nil {
		return err
	}
	if u.Algorithm != "" && c.algorithm != "" && c.algorithm != u.Algorithm {
		return errInvalidRequest(fmt.Sprintf("Checksum Type mismatch occurred, expected checksum Type: %s, actual checksum Type: %s", strings.ToLower(u.Algorithm), strings.ToLower(c.algorithm)))
	}
	c, got, err := s.receivePart(h, &u, c)
	if err != nil {
		return err
	}
	p, err := s.putPart(u, number, got, r)
	if err != nil {
		return err
	}
	out := &awss3.UploadPartOutput{ETag: quote(p.ETag)}
	if c.algorithm == u.algorithm() {
		setChecksum(out, checksum{Algorithm: c.algorithm, Value: p.Sum})
	}
	out.ServerSideEncryption, out.SSEKMSKeyId, out.BucketKeyEnabled = u.encryption()
	r.Call.Reply(w, out)
	return nil
}

// receivePart stores the body of a part. The part keeps the checksum of the
// upload's algorithm; a claim of another one is verified all the same.
func (s *S3) receivePart(h *http.Request, u *upload, c claim) (claim, received, error) {
	if c.algorithm != "" && c.algorithm != u.algorithm() {
		_, got, err := s.receive(h, maxPart)
		if err != nil {
			return c, got, err
		}
		defer s.contents.drop([]piece{got.piece})
		in, err := s.contents.blobs.NewReader(h.Context(), got.Blob, nil)
		if err != nil {
			return c, got, err
		}
		defer in.Close()
		again, err := s.contents.receive(h.Context(), in, maxPart, algorithms[u.algorithm()])
		return c, again, err
	}
	if c.algorithm == "" { // let receive compute what the upload wants
		h = h.Clone(h.Context())
		h.Header.Set("X-Amz-Sdk-Checksum-Algorithm", u.algorithm())
	}
	return s.receive(h, maxPart)
}

// putPart makes a stored body a part of the upload, in the place of one with
// the same number.
func (s *S3) putPart(u upload, number int32, got received, r *service.Request) (part, error) {
	p := part{piece: got.piece, Modified: stamp(r), ETag: hex.EncodeToString(got.md5)}
	p.Number, p.Sum = number, base64.StdEncoding.EncodeToString(got.sum)
	var gone []piece
	err := s.st.Update(func(tx *store.Tx) error {
		if _, err := findUpload(tx, r); err != nil {
			return err
		}
		if old, ok := parts.Get(tx, partKey(u.ID, number)); ok {
			gone = []piece{old.piece}
		}
		parts.Put(tx, partKey(u.ID, number), p)
		return nil
	})
	if err != nil {
		gone = []piece{got.piece}
	}
	s.contents.drop(gone)
	return p, err
}

// dropParts forgets the parts of an upload and returns their bytes.
func dropParts(tx *store.Tx, id string) []piece {
	var gone []piece
	for k, p := range parts.Range(tx, id+"/") {
		gone = append(gone, p.piece)
		parts.Delete(tx, k)
	}
	return gone
}

func (s *S3) abortMultipartUpload(_ context.Context, r *service.Request, _ *awss3.AbortMultipartUploadInput) (*awss3.AbortMultipartUploadOutput, error) {
	var gone []piece
	err := s.st.Update(func(tx *store.Tx) error {
		u, err := findUpload(tx, r)
		if err != nil {
			return err
		}
		gone = dropParts(tx, u.ID)
		uploads.Delete(tx, uploadKey(u.Bucket, u.Key, u.ID))
		return nil
	})
	if err != nil {
		return nil, err
	}
	s.contents.drop(gone)
	return &awss3.AbortMultipartUploadOutput{}, nil
}

func (s *S3) completeMultipartUpload(_ context.Context, r *service.Request, in *awss3.CompleteMultipartUploadInput) (*awss3.CompleteMultipartUploadOutput, error) {
	match, err := writeConditions(r.Call.HTTP.Header)
	if err != nil {
		return nil, err
	}
	if in.MultipartUpload == nil || len(in.MultipartUpload.Parts) == 0 {
		return nil, errMalformedXML()
	}
	var u upload
	var v version
	var gone []piece
	err = s.st.Update(func(tx *store.Tx) error {
		if u, err = findUpload(tx, r); err != nil {
			// A client that lost the answer asks again; the object is there.
			if done, ok := latest(tx, bucketOf(r), keyOf(r)); ok && done.Upload != "" && done.Upload == r.Call.HTTP.URL.Query().Get("uploadId") {
				v = done
				return nil
			}
			return err
		}
		b, err := findBucket(tx, u.Bucket)
		if err != nil {
			return err
		}
		if err := match.check(tx, u.Bucket, u.Key); err != nil {
			return err
		}
		if v, err = assemble(tx, &u, in); err != nil {
			return err
		}
		v.Modified = u.Initiated // S3 dates the object from the start of the upload
		used := map[string]bool{}
		for _, p := range v.Pieces {
			used[p.Blob] = true
		}
		var replaced []piece
		v, replaced = write(tx, b, v)
		gone = append(gone, replaced...)
		for _, p := range dropParts(tx, u.ID) {
			if !used[p.Blob] {
				gone = append(gone, p)
			}
		}
		uploads.Delete(tx, uploadKey(u.Bucket, u.Key, u.ID))
		return nil
	})
	if err != nil {
		return nil, err
	}
	s.contents.drop(gone)
	out := &awss3.CompleteMultipartUploadOutput{
		Bucket: aws.String(bucketOf(r)), Key: aws.String(keyOf(r)), ETag: quote(v.ETag),
		Location: aws.String(locationURL(r.Call.HTTP, bucketOf(r), keyOf(r))), VersionId: s.shownID(bucketOf(r), v),
	}
	setChecksum(out, v.Sum)
	out.ServerSideEncryption, out.SSEKMSKeyId, out.BucketKeyEnabled = v.encryption()
	return out, nil
}

// assemble makes the version that a list of parts describes. The parts stay
// the blobs they are: an object is read through them one after the other.
func assemble(tx *store.Tx, u *upload, in *awss3.CompleteMultipartUploadInput) (version, error) {
	v := version{Key: u.Key, Upload: u.ID, attributes: u.attributes}
	etags := md5.New()
	last := int32(0)
	list := in.MultipartUpload.Parts
	for i := range list {
		if number := aws.ToInt32(list[i].PartNumber); number <= last {
			return v, wire.Fail("InvalidPartOrder", 400, "The list of parts was not in ascending order. The parts list must be specified in order by part number.").With("UploadId", u.ID)
		} else {
			last = number
		}
	}
	for i := range list {
		number := *list[i].PartNumber
		p, ok := parts.Get(tx, partKey(u.ID, number))
		etag := unquote(aws.ToString(list[i].ETag))
		sum := getChecksum(&list[i], u.algorithm())
		if !ok || etag != p.ETag || sum != "" && sum != p.Sum {
			return v, wire.Fail("InvalidPart", 400, "One or more of the specified parts could not be found.  The part may not have been uploaded, or the specified entity tag may not match the part's entity tag.").
				With("UploadId", u.ID).With("PartNumber", itoa(int64(number))).With("ETag", etag)
		}
		if u.Algorithm != "" && !u.FullObject && sum == "" {
			return v, errInvalidRequest(fmt.Sprintf("The upload was created using a %s checksum. The complete request must include the checksum for each part. It was missing for part %d in the request.", strings.ToLower(u.Algorithm), number))
		}
		if p.Size < minPart && i < len(list)-1 {
			return v, wire.Fail("EntityTooSmall", 400, "Your proposed upload is smaller than the minimum allowed size").
				With("ProposedSize", itoa(p.Size)).With("MinSizeAllowed", itoa(minPart)).With("PartNumber", itoa(int64(number))).With("ETag", etag)
		}
		raw, err := hex.DecodeString(p.ETag)
		if err != nil {
			return v, fmt.Errorf("entity tag of part %d: %w", number, err)
		}
		etags.Write(raw)
		v.Pieces = append(v.Pieces, p.piece)
		v.Size += p.Size
	}
	v.ETag = fmt.Sprintf("%s-%d", hex.EncodeToString(etags.Sum(nil)), len(list))
	if in.MpuObjectSize != nil && *in.MpuObjectSize != v.Size {
		return v, errInvalidRequest(fmt.Sprintf("The provided 'x-amz-mp-object-size' header value %d does not match what was computed: %d", *in.MpuObjectSize, v.Size))
	}
	var err error
	if u.FullObject {
		v.Sum, err = whole(u.algorithm(), v.Pieces)
	} else {
		v.Sum, err = composite(u.algorithm(), v.Pieces)
	}
	if err != nil {
		return v, err
	}
	if want := getChecksum(in, v.Sum.Algorithm); want != "" && want != v.Sum.Value && want != strings.Split(v.Sum.Value, "-")[0] {
		return v, wire.Fail("BadDigest", 400, "The %s you specified did not match the calculated checksum.", v.Sum.Algorithm)
	}
	return v, nil
}

func partMarker(text *string) (int, error) {
	if text == nil || *text == "" {
		return 0, nil
	}
	n, err := parseNumber(*text)
	if err != nil || n > 1<<31-1 {
		return 0, errInvalidArgument("part-number-marker", *text, "Argument part-number-marker must be an integer between 0 and 2147483647")
	}
	return int(n), nil
}

func (s *S3) listParts(_ context.Context, r *service.Request, in *awss3.ListPartsInput) (*awss3.ListPartsOutput, error) {
	limit, err := pageSize("max-parts", in.MaxParts, 1000)
	if err != nil {
		return nil, err
	}
	marker, err := partMarker(in.PartNumberMarker)
	if err != nil {
		return nil, err
	}
	out := &awss3.ListPartsOutput{Bucket: aws.String(bucketOf(r)), Key: aws.String(keyOf(r)), MaxParts: aws.Int32(int32(limit)),
		PartNumberMarker: aws.String(strconv.Itoa(marker)), IsTruncated: aws.Bool(false)}
	err = s.st.View(func(tx *store.Tx) error {
		u, err := findUpload(tx, r)
		if err != nil {
			return err
		}
		out.UploadId, out.StorageClass, out.Owner = &u.ID, types.StorageClass(u.StorageClass), owner(u.Account)
		out.Initiator = &types.Initiator{ID: &u.Initiator}
		if u.Algorithm != "" {
			out.ChecksumAlgorithm, out.ChecksumType = types.ChecksumAlgorithm(u.Algorithm), u.checksumType()
		}
		for _, p := range parts.Range(tx, u.ID+"/") {
			if int(p.Number) <= marker {
				continue
			}
			if len(out.Parts) == limit {
				out.IsTruncated = aws.Bool(true)
				break
			}
			show := types.Part{PartNumber: aws.Int32(p.Number), ETag: quote(p.ETag), Size: aws.Int64(p.Size), LastModified: aws.Time(p.Modified)}
			if u.Algorithm != "" {
				setChecksum(&show, checksum{Algorithm: u.Algorithm, Value: p.Sum})
			}
			out.Parts = append(out.Parts, show)
			out.NextPartNumberMarker = aws.String(itoa(int64(p.Number)))
		}
		return nil
	})
	return out, err
}

func (s *S3) listMultipartUploads(_ context.Context, r *service.Request, in *awss3.ListMultipartUploadsInput) (*awss3.ListMultipartUploadsOutput, error) {
	l := listing{prefix: aws.ToString(in.Prefix), delimiter: aws.ToString(in.Delimiter), after: aws.ToString(in.KeyMarker)}
	var err error
	if l.url, err = encodingType(in.EncodingType); err != nil {
		return nil, err
	}
	if l.limit, err = pageSize("max-uploads", in.MaxUploads, 1000); err != nil {
		return nil, err
	}
	id := aws.ToString(in.UploadIdMarker)
	out := &awss3.ListMultipartUploadsOutput{Bucket: aws.String(bucketOf(r)), KeyMarker: l.encode(l.after), UploadIdMarker: &id,
		Prefix: l.encode(l.prefix), MaxUploads: aws.Int32(int32(l.limit)), IsTruncated: aws.Bool(false), EncodingType: in.EncodingType}
	if l.delimiter != "" {
		out.Delimiter = l.encode(l.delimiter)
	}
	// Rows are ordered by key, then by id. Without an id the page begins
	// behind all uploads of the marker's key.
	after := ""
	switch {
	case l.after != "" && id != "":
		after = l.after + "\x00" + id
	case l.after != "":
		after = l.after + "\x00" + pastAll
	}
	err = s.st.View(func(tx *store.Tx) error {
		if _, err := findBucket(tx, bucketOf(r)); err != nil || l.limit == 0 {
			return err
		}
		for e := range entries(tx, uploads, bucketOf(r), l.prefix, l.delimiter, after, func(u *upload) string { return u.Key }) {
			if len(out.Uploads)+len(out.CommonPrefixes) == l.limit {
				out.IsTruncated = aws.Bool(true)
				break
			}
			if e.prefix != "" {
				out.CommonPrefixes = append(out.CommonPrefixes, types.CommonPrefix{Prefix: l.encode(e.prefix)})
				out.NextKeyMarker, out.NextUploadIdMarker = l.encode(e.prefix), nil
				continue
			}
			u := e.row
			show := types.MultipartUpload{Key: l.encode(u.Key), UploadId: &u.ID, Initiated: &u.Initiated, Owner: owner(u.Account),
				Initiator: &types.Initiator{ID: &u.Initiator}, StorageClass: types.StorageClass(u.StorageClass)}
			if u.Algorithm != "" {
				show.ChecksumAlgorithm, show.ChecksumType = types.ChecksumAlgorithm(u.Algorithm), u.checksumType()
			}
			out.Uploads = append(out.Uploads, show)
			out.NextKeyMarker, out.NextUploadIdMarker = l.encode(u.Key), &u.ID
		}
		if !*out.IsTruncated {
			out.NextKeyMarker, out.NextUploadIdMarker = nil, nil
		}
		return nil
	})
	return out, err
}
