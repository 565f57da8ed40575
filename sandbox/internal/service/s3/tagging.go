package s3

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/mantle-iam/mantle/sandbox/internal/service"
	"github.com/mantle-iam/mantle/sandbox/internal/store"
	"github.com/mantle-iam/mantle/sandbox/internal/wire"
)

// Limits of tags, in tags and in characters.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-tagging.html
const (
	maxObjectTags = 10
	maxBucketTags = 50
	maxTagKey     = 128
	maxTagValue   = 256
)

// readTags checks tags and sorts them by key.
func readTags(in []types.Tag, limit int) ([]tag, error) {
	out := make([]tag, len(in))
	for i, t := range in {
		out[i] = tag{aws.ToString(t.Key), aws.ToString(t.Value)}
	}
	return checkTags(out, limit)
}

func checkTags(tags []tag, limit int) ([]tag, error) {
	if len(tags) > limit {
		what := "Object"
		if limit == maxBucketTags {
			what = "Bucket"
		}
		return nil, wire.Fail("BadRequest", 400, "%s tags cannot be greater than %d", what, limit)
	}
	slices.SortFunc(tags, func(a, b tag) int { return strings.Compare(a.Key, b.Key) })
	for i, t := range tags {
		switch {
		case t.Key == "" || utf8.RuneCountInString(t.Key) > maxTagKey || !utf8.ValidString(t.Key):
			return nil, wire.Fail("InvalidTag", 400, "The TagKey you have provided is invalid").With("TagKey", t.Key)
		case utf8.RuneCountInString(t.Value) > maxTagValue || !utf8.ValidString(t.Value):
			return nil, wire.Fail("InvalidTag", 400, "The TagValue you have provided is invalid").With("TagKey", t.Key).With("TagValue", t.Value)
		case strings.HasPrefix(strings.ToLower(t.Key), "aws:"):
			return nil, wire.Fail("InvalidTag", 400, "System tags cannot be added/updated by requester").With("TagKey", t.Key)
		case i > 0 && tags[i-1].Key == t.Key:
			return nil, wire.Fail("InvalidTag", 400, "Cannot provide multiple Tags with the same key").With("TagKey", t.Key)
		}
	}
	return tags, nil
}

// headerTags reads x-amz-tagging, which is written as a URL query.
func headerTags(h http.Header) ([]tag, error) {
	text := h.Get("X-Amz-Tagging")
	if text == "" {
		return nil, nil
	}
	query, err := url.ParseQuery(text)
	if err != nil {
		return nil, errInvalidArgument("x-amz-tagging", text, "The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query parameters without tag name duplicates.")
	}
	var tags []tag
	for k, values := range query {
		for _, v := range values {
			tags = append(tags, tag{k, v})
		}
	}
	return checkTags(tags, maxObjectTags)
}

func showTags(tags []tag) []types.Tag {
	out := make([]types.Tag, len(tags))
	for i, t := range tags {
		out[i] = types.Tag{Key: aws.String(t.Key), Value: aws.String(t.Value)}
	}
	return out
}

func (s *S3) getBucketTagging(_ context.Context, r *service.Request, _ *awss3.GetBucketTaggingInput) (*awss3.GetBucketTaggingOutput, error) {
	b, err := s.bucket(bucketOf(r))
	if err == nil && len(b.Tags) == 0 {
		err = wire.Fail("NoSuchTagSet", 404, "The TagSet does not exist").With("BucketName", b.Name)
	}
	return &awss3.GetBucketTaggingOutput{TagSet: showTags(b.Tags)}, err
}

func (s *S3) putBucketTagging(_ context.Context, r *service.Request, in *awss3.PutBucketTaggingInput) (*awss3.PutBucketTaggingOutput, error) {
	if in.Tagging == nil {
		return nil, errMalformedXML()
	}
	tags, err := readTags(in.Tagging.TagSet, maxBucketTags)
	if err != nil {
		return nil, err
	}
	err = s.changeBucket(r, func(b *bucket) { b.Tags = tags })
	return &awss3.PutBucketTaggingOutput{}, err
}

func (s *S3) deleteBucketTagging(_ context.Context, r *service.Request, _ *awss3.DeleteBucketTaggingInput) (*awss3.DeleteBucketTaggingOutput, error) {
	err := s.changeBucket(r, func(b *bucket) { b.Tags = nil })
	return &awss3.DeleteBucketTaggingOutput{}, err
}

// checkPutTagging adds the tags of the body to the ordinary check: it is the
// tags that a policy limits.
func (s *S3) checkPutTagging(r *service.Request, in *awss3.PutObjectTaggingInput) ([]service.Check, error) {
	checks, err := s.onObject("s3:PutObjectTagging")(r)
	if err != nil || in.Tagging == nil {
		return checks, err
	}
	tags, err := readTags(in.Tagging.TagSet, maxObjectTags)
	if err != nil {
		return nil, err
	}
	checks[0].Context = append(checks[0].Context, requestTags(tags)...)
	return checks, nil
}

func (s *S3) getObjectTagging(_ context.Context, r *service.Request, _ *awss3.GetObjectTaggingInput) (*awss3.GetObjectTaggingOutput, error) {
	v, err := s.find(bucketOf(r), keyOf(r), versionOf(r))
	if err != nil {
		return nil, s.notFound(r, err)
	}
	return &awss3.GetObjectTaggingOutput{TagSet: showTags(v.Tags), VersionId: s.shownID(bucketOf(r), v)}, nil
}

func (s *S3) putObjectTagging(_ context.Context, r *service.Request, in *awss3.PutObjectTaggingInput) (*awss3.PutObjectTaggingOutput, error) {
	if in.Tagging == nil {
		return nil, errMalformedXML()
	}
	tags, err := readTags(in.Tagging.TagSet, maxObjectTags)
	if err != nil {
		return nil, err
	}
	v, err := s.retag(r, tags)
	if err != nil {
		return nil, err
	}
	return &awss3.PutObjectTaggingOutput{VersionId: s.shownID(bucketOf(r), v)}, nil
}

func (s *S3) deleteObjectTagging(_ context.Context, r *service.Request, _ *awss3.DeleteObjectTaggingInput) (*awss3.DeleteObjectTaggingOutput, error) {
	v, err := s.retag(r, nil)
	if err != nil {
		return nil, err
	}
	return &awss3.DeleteObjectTaggingOutput{VersionId: s.shownID(bucketOf(r), v)}, nil
}

// retag replaces the tags of one version; the object is otherwise the same.
func (s *S3) retag(r *service.Request, tags []tag) (v version, err error) {
	err = s.st.Update(func(tx *store.Tx) error {
		b, err := findBucket(tx, bucketOf(r))
		if err != nil {
			return err
		}
		if v, err = lookup(tx, b.Name, keyOf(r), versionOf(r)); err != nil {
			return err
		}
		if v.Marker {
			return errMethodNotAllowed(r.Call.HTTP.Method, "DeleteMarker")
		}
		v.Tags = tags
		replace(tx, b.Name, v)
		return nil
	})
	if err != nil {
		return v, s.notFound(r, err)
	}
	return v, nil
}
