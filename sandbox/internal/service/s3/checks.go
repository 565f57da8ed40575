package s3

import (
	"net/http"
	"strings"
	"time"

	"github.com/mantle-iam/mantle/iam"
	"github.com/mantle-iam/mantle/sandbox/internal/service"
	"github.com/mantle-iam/mantle/sandbox/internal/store"
)

// checker makes the checks of an operation from its request alone: what a
// call may do never depends on its body, except for DeleteObjects, which is
// decided key by key.
type checker func(*service.Request) ([]service.Check, error)

const arnPrefix = "arn:aws:s3:::"

func bucketOf(r *service.Request) string  { return r.Call.Vars["Bucket"] }
func keyOf(r *service.Request) string     { return r.Call.Vars["Key"] }
func versionOf(r *service.Request) string { return r.Call.HTTP.URL.Query().Get("versionId") }

// stamp is the time that a call leaves on what it writes. S3's clock has
// seconds only, in headers as in listings.
func stamp(r *service.Request) time.Time { return r.Now.UTC().Truncate(time.Second) }

// target is the bucket that a check is about.
type target struct {
	bucket
	there  bool
	policy *iam.Policy
}

// target finds a bucket. One that does not exist is checked as if it were
// the caller's own and then answered with NoSuchBucket by the handler, so
// only who may do the action is told; unsigned callers are always told, as
// AWS does.
func (s *S3) target(r *service.Request, name string) (t target, err error) {
	err = s.st.View(func(tx *store.Tx) error {
		if t.bucket, t.there = buckets.Get(tx, name); !t.there {
			return nil
		}
		t.policy, err = s.policies.get(tx, name)
		if pab, ok := publicBlocks.Get(tx, name); ok && isTrue(pab.RestrictPublicBuckets) && r.Caller.Account != t.Account && r.Caller.Type != iam.Service {
			if doc, ok := bucketPolicies.Get(tx, name); ok && isPublic(doc) {
				t.policy = nil
			}
		}
		return err
	})
	if err == nil && !t.there && r.Caller.Type == iam.Anonymous {
		err = errNoSuchBucket(name)
	}
	return t, err
}

// check is one permission on the bucket or something in it.
func (t *target) check(r *service.Request, action, resource string, kv ...[]service.KV) service.Check {
	c := service.Check{
		Action:   action,
		Resource: arnPrefix + resource,
		Owner:    t.Account,
		Policy:   t.policy,
		Context:  common(r, t.Account),
	}
	for _, k := range kv {
		c.Context = append(c.Context, k...)
	}
	return c
}

// expected refuses a request that names another owner than the bucket has.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucket-owner-condition.html
func (t *target) expected(r *service.Request, header string) error {
	want := r.Call.HTTP.Header.Get(header)
	if want != "" && t.there && want != t.Account {
		return errAccessDenied()
	}
	return nil
}

// own finds the bucket of the request's path.
func (s *S3) own(r *service.Request) (target, error) {
	t, err := s.target(r, bucketOf(r))
	if err == nil {
		err = t.expected(r, "X-Amz-Expected-Bucket-Owner")
	}
	return t, err
}

// onBucket needs one action on the bucket.
func (s *S3) onBucket(action string, from ...source) checker {
	return func(r *service.Request) ([]service.Check, error) {
		t, err := s.own(r)
		if err != nil {
			return nil, err
		}
		h := r.Call.HTTP
		return []service.Check{t.check(r, action, bucketOf(r), read(nil, h.Header, h.URL.Query(), from))}, nil
	}
}

// onPolicy is onBucket, except that nothing can lock the root user of the
// owning account out.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketPolicy.html
func (s *S3) onPolicy(action string) checker {
	ordinary := s.onBucket(action)
	return func(r *service.Request) ([]service.Check, error) {
		checks, err := ordinary(r)
		if err == nil && r.Caller.Type == iam.Root && r.Caller.Account == checks[0].Owner {
			return nil, nil
		}
		return checks, err
	}
}

// onObject needs one action on the object; if the request names a version,
// the action with "Version" in it, e.g. s3:GetObjectVersionTagging.
func (s *S3) onObject(actions ...string) checker {
	return func(r *service.Request) ([]service.Check, error) {
		t, err := s.own(r)
		if err != nil {
			return nil, err
		}
		kv := existingTags(s.tagsOf(bucketOf(r), keyOf(r), versionOf(r)))
		var checks []service.Check
		for _, a := range actions {
			checks = append(checks, s.objectCheck(r, &t, a, keyOf(r), versionOf(r), kv))
		}
		return checks, nil
	}
}

// onUpload needs one action on the object that an upload is to make.
func (s *S3) onUpload(action string) checker {
	return func(r *service.Request) ([]service.Check, error) {
		t, err := s.own(r)
		if err != nil {
			return nil, err
		}
		return []service.Check{t.check(r, action, objectKey(bucketOf(r), keyOf(r)))}, nil
	}
}

// objectCheck is a check on a key or one version of it.
func (s *S3) objectCheck(r *service.Request, t *target, action, key, id string, kv ...[]service.KV) service.Check {
	if id != "" {
		action = strings.Replace(action, "Object", "ObjectVersion", 1)
		kv = append(kv, []service.KV{{Key: "s3:VersionId", Values: []string{id}}})
	}
	return t.check(r, action, objectKey(bucketOf(r), key), kv...)
}

// tagsOf are the tags of an object, nil if there is none.
func (s *S3) tagsOf(bucket, key, id string) []tag {
	v, err := s.find(bucket, key, id)
	if err != nil {
		return nil
	}
	return v.Tags
}

// checkWrite is what writing an object needs: the permission to put it and
// those for what comes with it in headers.
func (s *S3) checkWrite(r *service.Request, t *target, creates bool) ([]service.Check, error) {
	h := r.Call.HTTP.Header
	tags, err := headerTags(h)
	if err != nil {
		return nil, err
	}
	name := objectKey(bucketOf(r), keyOf(r))
	kv := append(read(nil, h, nil, writeKeys), requestTags(tags)...)
	operation := "false"
	if creates {
		operation = "true"
	}
	kv = append(kv, service.KV{Key: "s3:ObjectCreationOperation", Values: []string{operation}})
	checks := []service.Check{t.check(r, "s3:PutObject", name, kv)}
	for _, also := range []struct {
		needed bool
		action string
	}{
		{grantsACL(h), "s3:PutObjectAcl"},
		{len(tags) > 0, "s3:PutObjectTagging"},
		{h.Get("X-Amz-Object-Lock-Mode") != "" || h.Get("X-Amz-Object-Lock-Retain-Until-Date") != "", "s3:PutObjectRetention"},
		{h.Get("X-Amz-Object-Lock-Legal-Hold") != "", "s3:PutObjectLegalHold"},
	} {
		if also.needed {
			checks = append(checks, t.check(r, also.action, name, kv))
		}
	}
	return checks, nil
}

// onWrite is the checker of operations that write an object or a part of
// one; creates marks those that make the object appear.
func (s *S3) onWrite(creates bool) checker {
	return func(r *service.Request) ([]service.Check, error) {
		t, err := s.own(r)
		if err != nil {
			return nil, err
		}
		return s.checkWrite(r, &t, creates)
	}
}

// onCopy checks both ends of a copy: reading the source comes first.
func (s *S3) onCopy(creates bool) checker {
	return func(r *service.Request) ([]service.Check, error) {
		src, err := parseSource(r.Call.HTTP.Header)
		if err != nil {
			return nil, err
		}
		from, err := s.target(r, src.bucket)
		if err == nil {
			err = from.expected(r, "X-Amz-Source-Expected-Bucket-Owner")
		}
		if err != nil {
			return nil, err
		}
		to, err := s.own(r)
		if err != nil {
			return nil, err
		}
		tags := s.tagsOf(src.bucket, src.key, src.version)
		kv := existingTags(tags)
		read := func(action string) service.Check {
			extra := kv
			if src.version != "" {
				action = strings.Replace(action, "Object", "ObjectVersion", 1)
				extra = append(extra[:len(extra):len(extra)], service.KV{Key: "s3:VersionId", Values: []string{src.version}})
			}
			return from.check(r, action, objectKey(src.bucket, src.key), extra)
		}
		checks := []service.Check{read("s3:GetObject")}
		copied := creates && len(tags) > 0 && copiesTags(r.Call.HTTP.Header)
		if copied {
			checks = append(checks, read("s3:GetObjectTagging"))
		}
		written, err := s.checkWrite(r, &to, creates)
		if err != nil {
			return nil, err
		}
		if copied {
			put := written[0]
			put.Action = "s3:PutObjectTagging"
			written = append(written, put)
		}
		return append(checks, written...), nil
	}
}

// copiesTags tells whether a copy takes the tags of its source along.
func copiesTags(h http.Header) bool {
	return !strings.EqualFold(h.Get("X-Amz-Tagging-Directive"), "REPLACE")
}

// missing is the answer for a key (or version) that is not there: only who
// may list the bucket learns that.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html
func (s *S3) missing(r *service.Request, bucket string, notFound error) error {
	t, err := s.target(r, bucket)
	if err != nil {
		return err
	}
	if e := s.authorize(r, t.check(r, "s3:ListBucket", bucket)); e != nil {
		return e
	}
	return notFound
}
