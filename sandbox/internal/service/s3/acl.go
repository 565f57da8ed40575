package s3

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/mantle-iam/mantle/sandbox/internal/service"
	"github.com/mantle-iam/mantle/sandbox/internal/store"
	"github.com/mantle-iam/mantle/sandbox/internal/wire"
)

// The sandbox has one ACL: the bucket's owner has full control. That is all
// that AWS has either while Object Ownership is BucketOwnerEnforced, as it
// is for every new bucket.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/about-object-ownership.html

func ownerGrants(account string) []types.Grant {
	return []types.Grant{{
		Grantee:    &types.Grantee{Type: types.TypeCanonicalUser, ID: aws.String(canonicalID(account))},
		Permission: types.PermissionFullControl,
	}}
}

func (s *S3) getBucketACL(_ context.Context, r *service.Request, _ *awss3.GetBucketAclInput) (*awss3.GetBucketAclOutput, error) {
	b, err := s.bucket(bucketOf(r))
	return &awss3.GetBucketAclOutput{Owner: owner(b.Account), Grants: ownerGrants(b.Account)}, err
}

func (s *S3) getObjectACL(_ context.Context, r *service.Request, _ *awss3.GetObjectAclInput) (*awss3.GetObjectAclOutput, error) {
	b, err := s.bucket(bucketOf(r))
	if err != nil {
		return nil, err
	}
	v, err := s.find(b.Name, keyOf(r), versionOf(r))
	if err != nil {
		return nil, s.notFound(r, err)
	}
	if v.Marker {
		return nil, errMethodNotAllowed(r.Call.HTTP.Method, "DeleteMarker")
	}
	return &awss3.GetObjectAclOutput{Owner: owner(b.Account), Grants: ownerGrants(b.Account)}, nil
}

func (s *S3) putBucketACL(_ context.Context, r *service.Request, in *awss3.PutBucketAclInput) (*awss3.PutBucketAclOutput, error) {
	b, err := s.bucket(bucketOf(r))
	if err != nil {
		return nil, err
	}
	return &awss3.PutBucketAclOutput{}, s.putACL(r, b, in.AccessControlPolicy)
}

func (s *S3) putObjectACL(_ context.Context, r *service.Request, in *awss3.PutObjectAclInput) (*awss3.PutObjectAclOutput, error) {
	b, err := s.bucket(bucketOf(r))
	if err != nil {
		return nil, err
	}
	if _, err := s.find(b.Name, keyOf(r), versionOf(r)); err != nil {
		return nil, s.notFound(r, err)
	}
	return &awss3.PutObjectAclOutput{}, s.putACL(r, b, in.AccessControlPolicy)
}

// putACL accepts the one ACL that there is, in any of its forms, where the
// bucket takes ACLs at all.
func (s *S3) putACL(r *service.Request, b bucket, body *types.AccessControlPolicy) error {
	h := r.Call.HTTP.Header
	canned := h.Get("X-Amz-Acl")
	same := canned == "private" || canned == "bucket-owner-full-control"
	if body != nil {
		same = body.Owner != nil && aws.ToString(body.Owner.ID) == canonicalID(b.Account) && len(body.Grants) == 1 &&
			body.Grants[0].Permission == types.PermissionFullControl && body.Grants[0].Grantee != nil &&
			aws.ToString(body.Grants[0].Grantee.ID) == canonicalID(b.Account)
	}
	enforced := s.enforced(b.Name)
	switch {
	case body == nil && !grantsACL(h):
		return errMalformedXML()
	case enforced && (canned == "private" || !same):
		return errACLsDisabled()
	case same && !granted(h):
		return nil
	}
	return errNotImplemented("ACLs other than private; use a bucket policy")
}

// granted tells whether x-amz-grant-* headers are given.
func granted(h http.Header) bool {
	for name := range h {
		if strings.HasPrefix(name, "X-Amz-Grant-") {
			return true
		}
	}
	return false
}

// enforced tells whether the bucket has ACLs switched off.
func (s *S3) enforced(name string) bool {
	var o types.ObjectOwnership
	_ = s.st.View(func(tx *store.Tx) error { o, _ = ownerships.Get(tx, name); return nil })
	return o == types.ObjectOwnershipBucketOwnerEnforced
}

// checkBucketACL refuses a bucket that is to be made with another ACL.
func checkBucketACL(h http.Header, o types.ObjectOwnership) error {
	canned := h.Get("X-Amz-Acl")
	if canned != "" && !slices.Contains(types.BucketCannedACL("").Values(), types.BucketCannedACL(canned)) {
		return errInvalidArgument("x-amz-acl", canned, "")
	}
	if (canned == "" || canned == "private") && !granted(h) {
		return nil
	}
	if o == types.ObjectOwnershipBucketOwnerEnforced {
		return wire.Fail("InvalidBucketAclWithObjectOwnership", 400, "Bucket cannot have ACLs set with ObjectOwnership's BucketOwnerEnforced setting")
	}
	return errNotImplemented("ACLs other than private; use a bucket policy")
}

// checkObjectACL refuses an object that is to be written with another ACL
// than the owner's full control.
func (s *S3) checkObjectACL(bucket string, h http.Header) error {
	canned := h.Get("X-Amz-Acl")
	if canned != "" && !slices.Contains(types.ObjectCannedACL("").Values(), types.ObjectCannedACL(canned)) {
		return errInvalidArgument("x-amz-acl", canned, "")
	}
	plain := canned == "" || canned == "bucket-owner-full-control"
	switch {
	case plain && !granted(h):
		return nil
	case s.enforced(bucket):
		return errACLsDisabled()
	case canned == "private" && !granted(h):
		return nil
	}
	return errNotImplemented("ACLs other than private; use a bucket policy")
}
