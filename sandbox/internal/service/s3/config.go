package s3

import (
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/mantle-iam/mantle/sandbox/internal/service"
	"github.com/mantle-iam/mantle/sandbox/internal/wire"
)

// settings are the rows of the operations on what can be set on a bucket.
// The codes for what is not set are those that clients look for.
func (s *S3) settings() []service.Operation {
	return slices.Concat(s.accessSettings(), s.contentSettings(), s.billingSettings())
}

// accessSettings are about who reaches a bucket and how objects are kept.
func (s *S3) accessSettings() []service.Operation {
	const (
		getPAB = "s3:GetBucketPublicAccessBlock"
		putPAB = "s3:PutBucketPublicAccessBlock"
		getOwn = "s3:GetBucketOwnershipControls"
		putOwn = "s3:PutBucketOwnershipControls"
		getEnc = "s3:GetEncryptionConfiguration"
		putEnc = "s3:PutEncryptionConfiguration"
	)
	return []service.Operation{
		getting[awss3.GetPublicAccessBlockInput](s, "GetPublicAccessBlock", getPAB, publicBlocks,
			func(d types.PublicAccessBlockConfiguration, ok bool) (*awss3.GetPublicAccessBlockOutput, *wire.Error) {
				if !ok {
					return nil, wire.Fail("NoSuchPublicAccessBlockConfiguration", 404, "The public access block configuration was not found")
				}
				return &awss3.GetPublicAccessBlockOutput{PublicAccessBlockConfiguration: &d}, nil
			}),
		putting[awss3.PutPublicAccessBlockInput, awss3.PutPublicAccessBlockOutput](s, "PutPublicAccessBlock", putPAB, publicBlocks,
			func(in *awss3.PutPublicAccessBlockInput) (d types.PublicAccessBlockConfiguration, _ bool, _ *wire.Error) {
				c := in.PublicAccessBlockConfiguration
				if c == nil {
					return d, false, errMalformedXML()
				}
				// What is left out is off, and read back as such.
				d.BlockPublicAcls = aws.Bool(isTrue(c.BlockPublicAcls))
				d.BlockPublicPolicy = aws.Bool(isTrue(c.BlockPublicPolicy))
				d.IgnorePublicAcls = aws.Bool(isTrue(c.IgnorePublicAcls))
				d.RestrictPublicBuckets = aws.Bool(isTrue(c.RestrictPublicBuckets))
				return d, true, nil
			}),
		deleting[awss3.DeletePublicAccessBlockInput, awss3.DeletePublicAccessBlockOutput](s, "DeletePublicAccessBlock", putPAB, publicBlocks),

		getting[awss3.GetBucketOwnershipControlsInput](s, "GetBucketOwnershipControls", getOwn, ownerships,
			func(d types.ObjectOwnership, ok bool) (*awss3.GetBucketOwnershipControlsOutput, *wire.Error) {
				if !ok {
					return nil, wire.Fail("OwnershipControlsNotFoundError", 404, "The bucket ownership controls were not found")
				}
				return &awss3.GetBucketOwnershipControlsOutput{OwnershipControls: &types.OwnershipControls{Rules: []types.OwnershipControlsRule{{ObjectOwnership: d}}}}, nil
			}),
		putting[awss3.PutBucketOwnershipControlsInput, awss3.PutBucketOwnershipControlsOutput](s, "PutBucketOwnershipControls", putOwn, ownerships,
			func(in *awss3.PutBucketOwnershipControlsInput) (types.ObjectOwnership, bool, *wire.Error) {
				c := in.OwnershipControls
				if c == nil || len(c.Rules) != 1 || !slices.Contains(types.ObjectOwnership("").Values(), c.Rules[0].ObjectOwnership) {
					return "", false, errMalformedXML()
				}
				return c.Rules[0].ObjectOwnership, true, nil
			}),
		deleting[awss3.DeleteBucketOwnershipControlsInput, awss3.DeleteBucketOwnershipControlsOutput](s, "DeleteBucketOwnershipControls", putOwn, ownerships),

		getting[awss3.GetBucketEncryptionInput](s, "GetBucketEncryption", getEnc, encryptions,
			func(d types.ServerSideEncryptionConfiguration, ok bool) (*awss3.GetBucketEncryptionOutput, *wire.Error) {
				if !ok {
					d = defaultEncryption()
				}
				return &awss3.GetBucketEncryptionOutput{ServerSideEncryptionConfiguration: &d}, nil
			}),
		putting[awss3.PutBucketEncryptionInput, awss3.PutBucketEncryptionOutput](s, "PutBucketEncryption", putEnc, encryptions, takeEncryption),
		deleting[awss3.DeleteBucketEncryptionInput, awss3.DeleteBucketEncryptionOutput](s, "DeleteBucketEncryption", putEnc, encryptions),

		fixedAnswer[awss3.GetObjectLockConfigurationInput, awss3.GetObjectLockConfigurationOutput](s, "GetObjectLockConfiguration", "s3:GetBucketObjectLockConfiguration", nil,
			wire.Fail("ObjectLockConfigurationNotFoundError", 404, "Object Lock configuration does not exist for this bucket")),
		fixedAnswer[awss3.GetBucketAbacInput](s, "GetBucketAbac", "s3:GetBucketAbac",
			&awss3.GetBucketAbacOutput{AbacStatus: &types.AbacStatus{Status: types.BucketAbacStatusDisabled}}, nil),
	}
}

// defaultEncryption is what every bucket has that was not told otherwise.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/default-encryption-faq.html
func defaultEncryption() types.ServerSideEncryptionConfiguration {
	return types.ServerSideEncryptionConfiguration{Rules: []types.ServerSideEncryptionRule{{
		ApplyServerSideEncryptionByDefault: &types.ServerSideEncryptionByDefault{SSEAlgorithm: types.ServerSideEncryptionAes256},
		BucketKeyEnabled:                   aws.Bool(false),
	}}}
}

func takeEncryption(in *awss3.PutBucketEncryptionInput) (d types.ServerSideEncryptionConfiguration, _ bool, _ *wire.Error) {
	c := in.ServerSideEncryptionConfiguration
	if c == nil || len(c.Rules) != 1 {
		return d, false, errMalformedXML()
	}
	rule := c.Rules[0]
	if by := rule.ApplyServerSideEncryptionByDefault; by != nil {
		switch by.SSEAlgorithm {
		case types.ServerSideEncryptionAes256:
			if by.KMSMasterKeyID != nil {
				return d, false, errInvalidArgument("KMSMasterKeyID", *by.KMSMasterKeyID, "a KMSMasterKeyID is not applicable if the default sse algorithm is not aws:kms or aws:kms:dsse")
			}
		case types.ServerSideEncryptionAwsKms, types.ServerSideEncryptionAwsKmsDsse:
		default:
			return d, false, errMalformedXML()
		}
	}
	if rule.BucketKeyEnabled == nil {
		rule.BucketKeyEnabled = aws.Bool(false)
	}
	d.Rules = []types.ServerSideEncryptionRule{rule}
	return d, true, nil
}

// contentSettings are about what happens to objects.
func (s *S3) contentSettings() []service.Operation {
	return []service.Operation{
		getting[awss3.GetBucketCorsInput](s, "GetBucketCors", "s3:GetBucketCORS", corsRules,
			func(d types.CORSConfiguration, ok bool) (*awss3.GetBucketCorsOutput, *wire.Error) {
				if !ok {
					return nil, wire.Fail("NoSuchCORSConfiguration", 404, "The CORS configuration does not exist")
				}
				return &awss3.GetBucketCorsOutput{CORSRules: d.CORSRules}, nil
			}),
		putting[awss3.PutBucketCorsInput, awss3.PutBucketCorsOutput](s, "PutBucketCors", "s3:PutBucketCORS", corsRules, takeCORS),
		deleting[awss3.DeleteBucketCorsInput, awss3.DeleteBucketCorsOutput](s, "DeleteBucketCors", "s3:PutBucketCORS", corsRules),

		getting[awss3.GetBucketWebsiteInput](s, "GetBucketWebsite", "s3:GetBucketWebsite", websites,
			func(d types.WebsiteConfiguration, ok bool) (*awss3.GetBucketWebsiteOutput, *wire.Error) {
				if !ok {
					return nil, wire.Fail("NoSuchWebsiteConfiguration", 404, "The specified bucket does not have a website configuration")
				}
				return &awss3.GetBucketWebsiteOutput{ErrorDocument: d.ErrorDocument, IndexDocument: d.IndexDocument,
					RedirectAllRequestsTo: d.RedirectAllRequestsTo, RoutingRules: d.RoutingRules}, nil
			}),
		putting[awss3.PutBucketWebsiteInput, awss3.PutBucketWebsiteOutput](s, "PutBucketWebsite", "s3:PutBucketWebsite", websites,
			func(in *awss3.PutBucketWebsiteInput) (d types.WebsiteConfiguration, _ bool, _ *wire.Error) {
				c := in.WebsiteConfiguration
				if c == nil {
					return d, false, errMalformedXML()
				}
				if c.RedirectAllRequestsTo == nil && (c.IndexDocument == nil || aws.ToString(c.IndexDocument.Suffix) == "") {
					return d, false, errInvalidArgument("IndexDocument", "null", "A value for IndexDocument Suffix must be provided if RedirectAllRequestsTo is empty")
				}
				return *c, true, nil
			}),
		deleting[awss3.DeleteBucketWebsiteInput, awss3.DeleteBucketWebsiteOutput](s, "DeleteBucketWebsite", "s3:DeleteBucketWebsite", websites),

		getting[awss3.GetBucketLifecycleConfigurationInput](s, "GetBucketLifecycleConfiguration", "s3:GetLifecycleConfiguration", lifecycles,
			func(d lifecycle, ok bool) (*awss3.GetBucketLifecycleConfigurationOutput, *wire.Error) {
				if !ok {
					return nil, wire.Fail("NoSuchLifecycleConfiguration", 404, "The lifecycle configuration does not exist")
				}
				return &awss3.GetBucketLifecycleConfigurationOutput{Rules: d.Rules, TransitionDefaultMinimumObjectSize: d.Minimum}, nil
			}),
		row("PutBucketLifecycleConfiguration", s.onBucket("s3:PutLifecycleConfiguration"), s.putLifecycle),
		deleting[awss3.DeleteBucketLifecycleInput, awss3.DeleteBucketLifecycleOutput](s, "DeleteBucketLifecycle", "s3:PutLifecycleConfiguration", lifecycles),

		fixedAnswer[awss3.GetBucketReplicationInput, awss3.GetBucketReplicationOutput](s, "GetBucketReplication", "s3:GetReplicationConfiguration", nil,
			wire.Fail("ReplicationConfigurationNotFoundError", 404, "The replication configuration was not found")),
	}
}

func takeCORS(in *awss3.PutBucketCorsInput) (d types.CORSConfiguration, _ bool, _ *wire.Error) {
	if in.CORSConfiguration == nil || len(in.CORSConfiguration.CORSRules) == 0 || len(in.CORSConfiguration.CORSRules) > 100 {
		return d, false, errMalformedXML()
	}
	for _, rule := range in.CORSConfiguration.CORSRules {
		if len(rule.AllowedMethods) == 0 || len(rule.AllowedOrigins) == 0 {
			return d, false, errMalformedXML()
		}
		for _, m := range rule.AllowedMethods {
			if !slices.Contains([]string{"GET", "PUT", "POST", "DELETE", "HEAD"}, m) {
				return d, false, errInvalidRequest("Found unsupported HTTP method in CORS config. Unsupported method is " + m)
			}
		}
	}
	return *in.CORSConfiguration, true, nil
}

// billingSettings are about who is told and who pays.
func (s *S3) billingSettings() []service.Operation {
	return []service.Operation{
		getting[awss3.GetBucketLoggingInput](s, "GetBucketLogging", "s3:GetBucketLogging", loggings,
			func(d types.LoggingEnabled, ok bool) (*awss3.GetBucketLoggingOutput, *wire.Error) {
				out := &awss3.GetBucketLoggingOutput{}
				if ok {
					out.LoggingEnabled = &d
				}
				return out, nil
			}),
		putting[awss3.PutBucketLoggingInput, awss3.PutBucketLoggingOutput](s, "PutBucketLogging", "s3:PutBucketLogging", loggings,
			func(in *awss3.PutBucketLoggingInput) (d types.LoggingEnabled, _ bool, _ *wire.Error) {
				if in.BucketLoggingStatus == nil {
					return d, false, errMalformedXML()
				}
				if in.BucketLoggingStatus.LoggingEnabled == nil {
					return d, false, nil
				}
				return *in.BucketLoggingStatus.LoggingEnabled, true, nil
			}),

		getting[awss3.GetBucketNotificationConfigurationInput](s, "GetBucketNotificationConfiguration", "s3:GetBucketNotification", notifications,
			func(d types.NotificationConfiguration, _ bool) (*awss3.GetBucketNotificationConfigurationOutput, *wire.Error) {
				return &awss3.GetBucketNotificationConfigurationOutput{EventBridgeConfiguration: d.EventBridgeConfiguration,
					LambdaFunctionConfigurations: d.LambdaFunctionConfigurations, QueueConfigurations: d.QueueConfigurations,
					TopicConfigurations: d.TopicConfigurations}, nil
			}),
		putting[awss3.PutBucketNotificationConfigurationInput, awss3.PutBucketNotificationConfigurationOutput](s, "PutBucketNotificationConfiguration", "s3:PutBucketNotification", notifications,
			func(in *awss3.PutBucketNotificationConfigurationInput) (d types.NotificationConfiguration, _ bool, _ *wire.Error) {
				if in.NotificationConfiguration == nil {
					return d, false, errMalformedXML()
				}
				return *in.NotificationConfiguration, true, nil
			}),

		getting[awss3.GetBucketRequestPaymentInput](s, "GetBucketRequestPayment", "s3:GetBucketRequestPayment", payers,
			func(d types.Payer, ok bool) (*awss3.GetBucketRequestPaymentOutput, *wire.Error) {
				if !ok {
					d = types.PayerBucketOwner
				}
				return &awss3.GetBucketRequestPaymentOutput{Payer: d}, nil
			}),
		putting[awss3.PutBucketRequestPaymentInput, awss3.PutBucketRequestPaymentOutput](s, "PutBucketRequestPayment", "s3:PutBucketRequestPayment", payers,
			func(in *awss3.PutBucketRequestPaymentInput) (types.Payer, bool, *wire.Error) {
				c := in.RequestPaymentConfiguration
				if c == nil || !slices.Contains(types.Payer("").Values(), c.Payer) {
					return "", false, errMalformedXML()
				}
				return c.Payer, true, nil
			}),

		getting[awss3.GetBucketAccelerateConfigurationInput](s, "GetBucketAccelerateConfiguration", "s3:GetAccelerateConfiguration", accelerations,
			func(d types.BucketAccelerateStatus, _ bool) (*awss3.GetBucketAccelerateConfigurationOutput, *wire.Error) {
				return &awss3.GetBucketAccelerateConfigurationOutput{Status: d}, nil
			}),
		putting[awss3.PutBucketAccelerateConfigurationInput, awss3.PutBucketAccelerateConfigurationOutput](s, "PutBucketAccelerateConfiguration", "s3:PutAccelerateConfiguration", accelerations,
			func(in *awss3.PutBucketAccelerateConfigurationInput) (types.BucketAccelerateStatus, bool, *wire.Error) {
				c := in.AccelerateConfiguration
				if c == nil || !slices.Contains(types.BucketAccelerateStatus("").Values(), c.Status) {
					return "", false, errMalformedXML()
				}
				return c.Status, true, nil
			}),
	}
}
