package s3

import (
	"context"
	"encoding/base64"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/mantle-iam/mantle/sandbox/internal/service"
	"github.com/mantle-iam/mantle/sandbox/internal/store"
	"github.com/mantle-iam/mantle/sandbox/internal/wire"
)

// legacyRegion is the region whose buckets have no location constraint and
// where an owner may create a bucket twice.
const legacyRegion = "us-east-1"

// checkCreateBucket checks against the caller's own account: whose the name
// may be already is not a matter of permission.
func (s *S3) checkCreateBucket(r *service.Request, in *awss3.CreateBucketInput) ([]service.Check, error) {
	name, h := bucketOf(r), r.Call.HTTP.Header
	if !validBucketName(name) {
		return nil, errInvalidBucketName(name)
	}
	t := target{bucket: bucket{Account: r.Account()}}
	kv := read(nil, h, nil, append(aclKeys[:len(aclKeys):len(aclKeys)], ownerKeys...))
	var tags map[string]string
	if c := in.CreateBucketConfiguration; c != nil {
		if c.LocationConstraint != "" {
			kv = append(kv, service.KV{Key: "s3:LocationConstraint", Values: []string{string(c.LocationConstraint)}})
		}
		if len(c.Tags) > 0 {
			tags = make(map[string]string, len(c.Tags))
			for _, t := range c.Tags {
				tags[aws.ToString(t.Key)] = aws.ToString(t.Value)
			}
		}
	}
	kv = append(kv, bucketTags(tags)...)
	checks := []service.Check{t.check(r, "s3:CreateBucket", name, kv)}
	for _, also := range []struct {
		needed bool
		action string
	}{
		{grantsACL(h), "s3:PutBucketAcl"},
		{in.ObjectOwnership != "", "s3:PutBucketOwnershipControls"},
		{isTrue(in.ObjectLockEnabledForBucket), "s3:PutBucketObjectLockConfiguration"},
		{isTrue(in.ObjectLockEnabledForBucket), "s3:PutBucketVersioning"},
		{len(tags) > 0, "s3:TagResource"},
	} {
		if also.needed {
			checks = append(checks, t.check(r, also.action, name, kv))
		}
	}
	return checks, nil
}

func (s *S3) createBucket(_ context.Context, r *service.Request, in *awss3.CreateBucketInput) (*awss3.CreateBucketOutput, error) {
	b := bucket{Name: bucketOf(r), Account: r.Account(), Created: stamp(r)}
	var err error
	var constraint string
	if c := in.CreateBucketConfiguration; c != nil {
		constraint = string(c.LocationConstraint)
		if c.Bucket != nil || c.Location != nil {
			return nil, errNotImplemented("directory buckets")
		}
		if b.Tags, err = readTags(c.Tags, maxBucketTags); err != nil {
			return nil, err
		}
	}
	if b.Region, err = location(r.Region, constraint); err != nil {
		return nil, err
	}
	if isTrue(in.ObjectLockEnabledForBucket) {
		return nil, errNotImplemented("Object Lock")
	}
	ownership := in.ObjectOwnership
	if ownership == "" {
		ownership = types.ObjectOwnershipBucketOwnerEnforced
	}
	if err := checkBucketACL(r.Call.HTTP.Header, ownership); err != nil {
		return nil, err
	}
	err = s.st.Update(func(tx *store.Tx) error {
		if old, ok := buckets.Get(tx, b.Name); ok {
			switch {
			case old.Account != b.Account:
				return wire.Fail("BucketAlreadyExists", 409, "The requested bucket name is not available. The bucket namespace is shared by all users of the system. Please select a different name and try again.").With("BucketName", b.Name)
			case old.Region != legacyRegion || b.Region != legacyRegion:
				return wire.Fail("BucketAlreadyOwnedByYou", 409, "Your previous request to create the named bucket succeeded and you already own it.").With("BucketName", b.Name)
			}
			return nil
		}
		buckets.Put(tx, b.Name, b)
		ownerships.Put(tx, b.Name, ownership)
		yes := aws.Bool(true)
		publicBlocks.Put(tx, b.Name, types.PublicAccessBlockConfiguration{BlockPublicAcls: yes, BlockPublicPolicy: yes, IgnorePublicAcls: yes, RestrictPublicBuckets: yes})
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &awss3.CreateBucketOutput{Location: aws.String("/" + b.Name)}, nil
}

// location is the region of a new bucket: an endpoint makes buckets in its
// own region only, that of us-east-1 anywhere.
func location(region, constraint string) (string, error) {
	switch constraint {
	case "EU":
		constraint = "eu-west-1"
	case legacyRegion:
		return "", wire.Fail("InvalidLocationConstraint", 400, "The specified location-constraint is not valid").With("LocationConstraint", constraint)
	}
	switch {
	case region == legacyRegion && constraint == "":
		return legacyRegion, nil
	case region == legacyRegion || region == constraint:
		if !validRegion(constraint) {
			return "", wire.Fail("InvalidLocationConstraint", 400, "The specified location-constraint is not valid").With("LocationConstraint", constraint)
		}
		return constraint, nil
	}
	if constraint == "" {
		constraint = "unspecified"
	}
	return "", wire.Fail("IllegalLocationConstraintException", 400, "The %s location constraint is incompatible for the region specific endpoint this request was sent to.", constraint)
}

// validRegion tells whether a text has the form of a region: "eu-west-1".
func validRegion(s string) bool {
	f := strings.Split(s, "-")
	if len(f) < 3 || len(s) > 32 {
		return false
	}
	for i, p := range f {
		if p == "" || strings.Trim(p, "abcdefghijklmnopqrstuvwxyz0123456789") != "" {
			return false
		}
		if i == len(f)-1 && strings.Trim(p, "0123456789") != "" {
			return false
		}
	}
	return true
}

func (s *S3) headBucket(_ context.Context, r *service.Request, _ *awss3.HeadBucketInput) (*awss3.HeadBucketOutput, error) {
	b, err := s.bucket(bucketOf(r))
	return &awss3.HeadBucketOutput{BucketRegion: &b.Region, AccessPointAlias: aws.Bool(false)}, err
}

func (s *S3) getBucketLocation(_ context.Context, r *service.Request, _ *awss3.GetBucketLocationInput) (*awss3.GetBucketLocationOutput, error) {
	b, err := s.bucket(bucketOf(r))
	if err != nil {
		return nil, err
	}
	out := &awss3.GetBucketLocationOutput{}
	if b.Region != legacyRegion {
		out.LocationConstraint = types.BucketLocationConstraint(b.Region)
	}
	return out, nil
}

// bucket reads one bucket.
func (s *S3) bucket(name string) (b bucket, err error) {
	err = s.st.View(func(tx *store.Tx) error {
		b, err = findBucket(tx, name)
		return err
	})
	return b, err
}

func (s *S3) deleteBucket(_ context.Context, r *service.Request, _ *awss3.DeleteBucketInput) (*awss3.DeleteBucketOutput, error) {
	name := bucketOf(r)
	var gone []piece
	err := s.st.Update(func(tx *store.Tx) error {
		b, err := findBucket(tx, name)
		if err != nil {
			return err
		}
		if current.Count(tx, name+"/") > 0 {
			message := "The bucket you tried to delete is not empty"
			if b.Versioning != "" {
				message += ". You must delete all versions in the bucket."
			}
			return wire.Fail("BucketNotEmpty", 409, "%s", message).With("BucketName", name)
		}
		for k, u := range uploads.Range(tx, name+"/") {
			gone = append(gone, dropParts(tx, u.ID)...)
			uploads.Delete(tx, k)
		}
		buckets.Delete(tx, name)
		forgetSettings(tx, name)
		return nil
	})
	if err != nil {
		return nil, err
	}
	s.contents.drop(gone)
	return &awss3.DeleteBucketOutput{}, nil
}

// onAccount is the checker of ListBuckets, which is about no bucket.
func (s *S3) onAccount(r *service.Request) ([]service.Check, error) {
	return []service.Check{{Action: "s3:ListAllMyBuckets", Resource: "*", Context: common(r, r.Account())}}, nil
}

// maxBuckets is the largest page of ListBuckets.
const maxBuckets = 10000

func (s *S3) listBuckets(_ context.Context, r *service.Request, in *awss3.ListBucketsInput) (*awss3.ListBucketsOutput, error) {
	limit := maxBuckets
	if in.MaxBuckets != nil {
		if limit = int(*in.MaxBuckets); limit < 1 || limit > maxBuckets {
			return nil, errInvalidArgument("max-buckets", r.Call.HTTP.URL.Query().Get("max-buckets"), "max-buckets must be between 1 and 10000")
		}
	}
	after, err := fromToken(in.ContinuationToken)
	if err != nil {
		return nil, err
	}
	out := &awss3.ListBucketsOutput{Owner: owner(r.Account()), Prefix: in.Prefix}
	err = s.st.View(func(tx *store.Tx) error {
		for _, b := range buckets.After(tx, aws.ToString(in.Prefix), after) {
			if b.Account != r.Account() || in.BucketRegion != nil && *in.BucketRegion != b.Region {
				continue
			}
			if len(out.Buckets) == limit {
				out.ContinuationToken = toToken(aws.ToString(out.Buckets[limit-1].Name))
				break
			}
			out.Buckets = append(out.Buckets, types.Bucket{
				Name: aws.String(b.Name), CreationDate: aws.Time(b.Created),
				BucketRegion: aws.String(b.Region), BucketArn: aws.String(arnPrefix + b.Name),
			})
		}
		return nil
	})
	return out, err
}

// toToken makes a continuation token of the last name shown; clients must
// hand it back as it is.
func toToken(last string) *string {
	return aws.String(base64.URLEncoding.EncodeToString([]byte(last)))
}

// fromToken reads a continuation token, "" if there is none.
func fromToken(token *string) (string, error) {
	if token == nil {
		return "", nil
	}
	last, err := base64.URLEncoding.DecodeString(*token)
	if err != nil || *token == "" {
		return "", errInvalidArgument("continuation-token", *token, "The continuation token provided is incorrect")
	}
	return string(last), nil
}

// owner is the Owner element for an account. S3 gives no display names any
// more since November 2025.
func owner(account string) *types.Owner { return &types.Owner{ID: aws.String(canonicalID(account))} }

func (s *S3) getBucketVersioning(_ context.Context, r *service.Request, _ *awss3.GetBucketVersioningInput) (*awss3.GetBucketVersioningOutput, error) {
	b, err := s.bucket(bucketOf(r))
	return &awss3.GetBucketVersioningOutput{Status: types.BucketVersioningStatus(b.Versioning)}, err
}

func (s *S3) putBucketVersioning(_ context.Context, r *service.Request, in *awss3.PutBucketVersioningInput) (*awss3.PutBucketVersioningOutput, error) {
	c := in.VersioningConfiguration
	switch {
	case c == nil || c.Status != types.BucketVersioningStatusEnabled && c.Status != types.BucketVersioningStatusSuspended:
		return nil, wire.Fail("IllegalVersioningConfigurationException", 400, "The Versioning element must be specified")
	case c.MFADelete == types.MFADeleteEnabled:
		return nil, errNotImplemented("MFA delete")
	}
	err := s.changeBucket(r, func(b *bucket) { b.Versioning = string(c.Status) })
	return &awss3.PutBucketVersioningOutput{}, err
}

// changeBucket changes the row of the request's bucket.
func (s *S3) changeBucket(r *service.Request, change func(*bucket)) error {
	return s.st.Update(func(tx *store.Tx) error {
		b, err := findBucket(tx, bucketOf(r))
		if err != nil {
			return err
		}
		change(&b)
		buckets.Put(tx, b.Name, b)
		return nil
	})
}
