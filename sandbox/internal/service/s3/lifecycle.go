package s3

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/mantle-iam/mantle/sandbox/internal/service"
	"github.com/mantle-iam/mantle/sandbox/internal/store"
)

// maxRules is the limit of rules in a lifecycle configuration.
const maxRules = 1000

// putLifecycle keeps the rules. The sandbox never acts on them: nothing in
// it grows old.
func (s *S3) putLifecycle(_ context.Context, r *service.Request, in *awss3.PutBucketLifecycleConfigurationInput) (*awss3.PutBucketLifecycleConfigurationOutput, error) {
	c := in.LifecycleConfiguration
	if c == nil || len(c.Rules) == 0 || len(c.Rules) > maxRules {
		return nil, errMalformedXML()
	}
	d := lifecycle{Minimum: in.TransitionDefaultMinimumObjectSize}
	if d.Minimum == "" {
		d.Minimum = types.TransitionDefaultMinimumObjectSizeAllStorageClasses128k
	}
	ids := map[string]bool{}
	for _, rule := range c.Rules {
		if rule.Status != types.ExpirationStatusEnabled && rule.Status != types.ExpirationStatusDisabled {
			return nil, errMalformedXML()
		}
		acts := rule.Expiration != nil || len(rule.Transitions) > 0 || rule.NoncurrentVersionExpiration != nil ||
			len(rule.NoncurrentVersionTransitions) > 0 || rule.AbortIncompleteMultipartUpload != nil
		if !acts {
			return nil, errInvalidRequest("At least one action needs to be specified in a rule.")
		}
		if aws.ToString(rule.ID) == "" {
			rule.ID = aws.String(newID())
		}
		if len(*rule.ID) > 255 {
			return nil, errInvalidArgument("ID", *rule.ID, "ID length should not exceed allowed limit of 255")
		}
		if ids[*rule.ID] {
			return nil, errInvalidArgument("ID", *rule.ID, "Rule ID must be unique. Found same ID for more than one rule")
		}
		ids[*rule.ID] = true
		d.Rules = append(d.Rules, rule)
	}
	err := s.st.Update(func(tx *store.Tx) error {
		if _, err := findBucket(tx, bucketOf(r)); err != nil {
			return err
		}
		lifecycles.Put(tx, bucketOf(r), d)
		return nil
	})
	return &awss3.PutBucketLifecycleConfigurationOutput{TransitionDefaultMinimumObjectSize: d.Minimum}, err
}
