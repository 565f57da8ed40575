package s3

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/mantle-iam/mantle/iam"
	"github.com/mantle-iam/mantle/sandbox/internal/service"
	"github.com/mantle-iam/mantle/sandbox/internal/store"
	"github.com/mantle-iam/mantle/sandbox/internal/wire"
)

// maxPolicy is the size limit of a bucket policy in bytes.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/example-bucket-policies.html
const maxPolicy = 20 << 10

var (
	// bucketPolicies holds the policies by bucket, as Options.StorePolicy
	// rewrote them.
	bucketPolicies = store.NewTable[string]("s3.policy")
	// publicBlocks holds the public access blocks by bucket.
	publicBlocks = store.NewTable[types.PublicAccessBlockConfiguration]("s3.publicAccessBlock")
)

// compiled is a policy with the text it was made from.
type compiled struct {
	text   string
	policy *iam.Policy
}

// policyCache keeps the compiled form of each bucket's policy. An entry is
// valid while its text is the stored one, so nobody has to invalidate it; a
// bucket that is gone leaves its entry until the name is used again.
type policyCache struct {
	mu       sync.Mutex // guards the field below
	compiled map[string]compiled
}

// get returns the bucket's policy, nil if it has none.
func (c *policyCache) get(tx *store.Tx, bucket string) (*iam.Policy, error) {
	text, ok := bucketPolicies.Get(tx, bucket)
	if !ok {
		return nil, nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if e, ok := c.compiled[bucket]; ok && e.text == text {
		return e.policy, nil
	}
	p, err := iam.Parse(iam.Resource, "bucket policy of "+bucket, []byte(text))
	if err != nil {
		return nil, fmt.Errorf("read the policy of bucket %s: %w", bucket, err)
	}
	c.compiled[bucket] = compiled{text, p}
	return p, nil
}

func (s *S3) putBucketPolicy(_ context.Context, r *service.Request, in *awss3.PutBucketPolicyInput) (*awss3.PutBucketPolicyOutput, error) {
	name, text := bucketOf(r), aws.ToString(in.Policy)
	if len(text) > maxPolicy {
		return nil, wire.Fail("PolicyTooLarge", 400, "The policy you provided exceeds the maximum size of %d bytes.", maxPolicy)
	}
	if err := iam.Validate(iam.Resource, []byte(text), iam.ValidateOptions{Operation: "PutBucketPolicy", Bucket: name, PrincipalExists: s.opt.PrincipalExists}); err != nil {
		return nil, malformedPolicy(err)
	}
	if s.opt.StorePolicy != nil {
		text = s.opt.StorePolicy(text)
	}
	err := s.st.Update(func(tx *store.Tx) error {
		b, err := findBucket(tx, name)
		if err != nil {
			return err
		}
		if pab, ok := publicBlocks.Get(tx, name); ok && isTrue(pab.BlockPublicPolicy) && isPublic(text) {
			if r.Caller.Account != b.Account {
				return errAccessDenied() // reasons are for one's own account
			}
			return wire.Fail("AccessDenied", 403, "User: %s is not authorized to perform: s3:PutBucketPolicy on resource: %q because public policies are blocked by the BlockPublicPolicy block public access setting.", r.Caller.ARN, arnPrefix+name)
		}
		bucketPolicies.Put(tx, name, text)
		return nil
	})
	return &awss3.PutBucketPolicyOutput{}, err
}

// malformedPolicy is the answer to a document that no bucket may have.
func malformedPolicy(err error) error {
	var invalid *iam.InvalidError
	if errors.As(err, &invalid) {
		code := invalid.Code
		if code == "" || code == "MalformedPolicyDocument" {
			code = "MalformedPolicy" // S3's name for it
		}
		return wire.Fail(code, 400, "%s", invalid.Message)
	}
	return wire.Fail("MalformedPolicy", 400, "Policies must be valid JSON and the first byte must be '{'")
}

func errNoPolicy(name string) error {
	return wire.Fail("NoSuchBucketPolicy", 404, "The bucket policy does not exist").With("BucketName", name)
}

func (s *S3) getBucketPolicy(_ context.Context, r *service.Request, _ *awss3.GetBucketPolicyInput) (*awss3.GetBucketPolicyOutput, error) {
	text, err := s.policyText(bucketOf(r))
	if err != nil {
		return nil, err
	}
	if s.opt.ShowPolicy != nil {
		text = s.opt.ShowPolicy(text)
	}
	return &awss3.GetBucketPolicyOutput{Policy: &text}, nil
}

func (s *S3) getBucketPolicyStatus(_ context.Context, r *service.Request, _ *awss3.GetBucketPolicyStatusInput) (*awss3.GetBucketPolicyStatusOutput, error) {
	text, err := s.policyText(bucketOf(r))
	if err != nil {
		return nil, err
	}
	return &awss3.GetBucketPolicyStatusOutput{PolicyStatus: &types.PolicyStatus{IsPublic: aws.Bool(isPublic(text))}}, nil
}

// policyText reads a policy as stored.
func (s *S3) policyText(name string) (text string, err error) {
	err = s.st.View(func(tx *store.Tx) error {
		if _, err := findBucket(tx, name); err != nil {
			return err
		}
		var ok bool
		if text, ok = bucketPolicies.Get(tx, name); !ok {
			return errNoPolicy(name)
		}
		return nil
	})
	return text, err
}

func (s *S3) deleteBucketPolicy(_ context.Context, r *service.Request, _ *awss3.DeleteBucketPolicyInput) (*awss3.DeleteBucketPolicyOutput, error) {
	name := bucketOf(r)
	err := s.st.Update(func(tx *store.Tx) error {
		if _, err := findBucket(tx, name); err != nil {
			return err
		}
		bucketPolicies.Delete(tx, name)
		return nil
	})
	return &awss3.DeleteBucketPolicyOutput{}, err
}

func isTrue(b *bool) bool { return b != nil && *b }
