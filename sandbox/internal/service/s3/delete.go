package s3

import (
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/mantle-iam/mantle/sandbox/internal/service"
	"github.com/mantle-iam/mantle/sandbox/internal/store"
	"github.com/mantle-iam/mantle/sandbox/internal/wire"
)

// deletion is one key to delete, with its conditions.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-deletes.html
type deletion struct {
	key, id  string
	etag     *string
	modified *time.Time
	size     *int64
}

// result is what came of a deletion.
type result struct {
	marker bool   // a delete marker was made or deleted
	id     string // its version id, or the deleted version's; "" if none
	gone   []piece
}

// holds decides the conditions of a deletion in its transaction.
func (d *deletion) holds(tx *store.Tx, bucket string) error {
	if d.etag == nil && d.modified == nil && d.size == nil {
		return nil
	}
	v, err := lookup(tx, bucket, d.key, d.id)
	switch {
	case err != nil, v.Marker:
		return errPrecondition("If-Match")
	case d.etag != nil && *d.etag != "*" && unquote(*d.etag) != v.ETag:
		return errPrecondition("If-Match")
	case d.modified != nil && !d.modified.Equal(v.Modified):
		return errPrecondition("x-amz-if-match-last-modified-time")
	case d.size != nil && *d.size != v.Size:
		return errPrecondition("x-amz-if-match-size")
	}
	return nil
}

// apply deletes in a transaction. What is not there is deleted already.
func (d *deletion) apply(tx *store.Tx, b bucket, now time.Time) (result, error) {
	if err := d.holds(tx, b.Name); err != nil {
		return result{}, err
	}
	if d.id != "" {
		v, ok := removeVersion(tx, b.Name, d.key, d.id)
		if !ok {
			return result{id: d.id}, nil
		}
		return result{marker: v.Marker, id: v.ID, gone: v.Pieces}, nil
	}
	marker, gone := remove(tx, b, d.key, now)
	if marker == nil {
		return result{gone: gone}, nil
	}
	return result{marker: true, id: marker.ID, gone: gone}, nil
}

func (s *S3) deleteObject(_ context.Context, r *service.Request, in *awss3.DeleteObjectInput) (*awss3.DeleteObjectOutput, error) {
	d := deletion{key: keyOf(r), id: versionOf(r), etag: in.IfMatch, modified: in.IfMatchLastModifiedTime, size: in.IfMatchSize}
	var got result
	err := s.st.Update(func(tx *store.Tx) error {
		b, err := findBucket(tx, bucketOf(r))
		if err == nil {
			got, err = d.apply(tx, b, stamp(r))
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	s.contents.drop(got.gone)
	out := &awss3.DeleteObjectOutput{}
	if got.marker {
		out.DeleteMarker = aws.Bool(true)
	}
	if got.id != "" {
		out.VersionId = aws.String(got.id)
	}
	return out, nil
}

// onDelete is the checker of DeleteObject.
func (s *S3) onDelete(r *service.Request) ([]service.Check, error) {
	t, err := s.own(r)
	if err != nil {
		return nil, err
	}
	return []service.Check{s.deleteCheck(r, &t, keyOf(r), versionOf(r), read(nil, r.Call.HTTP.Header, nil, matchKeys))}, nil
}

// deleteCheck is the permission to delete a key or one version of it.
func (s *S3) deleteCheck(r *service.Request, t *target, key, id string, kv []service.KV) service.Check {
	return s.objectCheck(r, t, "s3:DeleteObject", key, id, kv)
}

// maxDelete is the limit of keys in one DeleteObjects.
const maxDelete = 1000

// checkDeleteObjects needs nothing for the call itself: each key is decided
// on its own, and what is denied is reported in the answer.
func (s *S3) checkDeleteObjects(r *service.Request) ([]service.Check, error) {
	_, err := s.own(r)
	return nil, err
}

func (s *S3) deleteObjects(_ context.Context, r *service.Request, in *awss3.DeleteObjectsInput) (*awss3.DeleteObjectsOutput, error) {
	if in.Delete == nil || len(in.Delete.Objects) == 0 || len(in.Delete.Objects) > maxDelete {
		return nil, errMalformedXML()
	}
	t, err := s.own(r)
	if err != nil {
		return nil, err
	}
	if !t.there {
		return nil, errNoSuchBucket(bucketOf(r))
	}
	out := &awss3.DeleteObjectsOutput{}
	failed := func(o types.ObjectIdentifier, e *wire.Error) {
		out.Errors = append(out.Errors, types.Error{Key: o.Key, VersionId: o.VersionId, Code: aws.String(e.Code), Message: aws.String(e.Message)})
	}
	var allowed []types.ObjectIdentifier
	for _, o := range in.Delete.Objects {
		key, id := aws.ToString(o.Key), aws.ToString(o.VersionId)
		if key == "" {
			return nil, wire.Fail("UserKeyMustBeSpecified", 400, "User key must be specified.")
		}
		e := checkKey(key)
		if e == nil {
			var kv []service.KV
			if o.ETag != nil {
				kv = []service.KV{{Key: "s3:if-match", Values: []string{*o.ETag}}}
			}
			e = s.authorize(r, s.deleteCheck(r, &t, key, id, kv))
		}
		if e != nil {
			failed(o, e)
			continue
		}
		allowed = append(allowed, o)
	}
	var gone []piece
	err = s.st.Update(func(tx *store.Tx) error {
		b, err := findBucket(tx, bucketOf(r))
		if err != nil {
			return err
		}
		for _, o := range allowed {
			d := deletion{key: *o.Key, id: aws.ToString(o.VersionId), etag: o.ETag, modified: o.LastModifiedTime, size: o.Size}
			got, err := d.apply(tx, b, stamp(r))
			if e, ok := err.(*wire.Error); ok {
				failed(o, e)
				continue
			}
			gone = append(gone, got.gone...)
			if isTrue(in.Delete.Quiet) {
				continue
			}
			done := types.DeletedObject{Key: o.Key, VersionId: o.VersionId}
			if got.marker {
				done.DeleteMarker, done.DeleteMarkerVersionId = aws.Bool(true), aws.String(got.id)
			}
			out.Deleted = append(out.Deleted, done)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	s.contents.drop(gone)
	return out, nil
}
