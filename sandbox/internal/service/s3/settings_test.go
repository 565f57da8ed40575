package s3

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// TestAbsentSettings: Terraform tells by these codes that nothing is set.
func TestAbsentSettings(t *testing.T) {
	_, c, _ := setUp(t, "photos")
	b, ctx := aws.String("photos"), t.Context()
	for name, tt := range map[string]struct {
		call func() error
		code string
	}{
		"policy": {func() error { _, e := c.GetBucketPolicy(ctx, &awss3.GetBucketPolicyInput{Bucket: b}); return e }, "NoSuchBucketPolicy"},
		"status": {func() error {
			_, e := c.GetBucketPolicyStatus(ctx, &awss3.GetBucketPolicyStatusInput{Bucket: b})
			return e
		}, "NoSuchBucketPolicy"},
		"cors":    {func() error { _, e := c.GetBucketCors(ctx, &awss3.GetBucketCorsInput{Bucket: b}); return e }, "NoSuchCORSConfiguration"},
		"website": {func() error { _, e := c.GetBucketWebsite(ctx, &awss3.GetBucketWebsiteInput{Bucket: b}); return e }, "NoSuchWebsiteConfiguration"},
		"tagging": {func() error { _, e := c.GetBucketTagging(ctx, &awss3.GetBucketTaggingInput{Bucket: b}); return e }, "NoSuchTagSet"},
		"lifecycle": {func() error {
			_, e := c.GetBucketLifecycleConfiguration(ctx, &awss3.GetBucketLifecycleConfigurationInput{Bucket: b})
			return e
		}, "NoSuchLifecycleConfiguration"},
		"replication": {func() error {
			_, e := c.GetBucketReplication(ctx, &awss3.GetBucketReplicationInput{Bucket: b})
			return e
		}, "ReplicationConfigurationNotFoundError"},
		"lock": {func() error {
			_, e := c.GetObjectLockConfiguration(ctx, &awss3.GetObjectLockConfigurationInput{Bucket: b})
			return e
		}, "ObjectLockConfigurationNotFoundError"},
		"block": {func() error {
			if _, e := c.DeletePublicAccessBlock(ctx, &awss3.DeletePublicAccessBlockInput{Bucket: b}); e != nil {
				return e
			}
			_, e := c.GetPublicAccessBlock(ctx, &awss3.GetPublicAccessBlockInput{Bucket: b})
			return e
		}, "NoSuchPublicAccessBlockConfiguration"},
		"ownership": {func() error {
			if _, e := c.DeleteBucketOwnershipControls(ctx, &awss3.DeleteBucketOwnershipControlsInput{Bucket: b}); e != nil {
				return e
			}
			_, e := c.GetBucketOwnershipControls(ctx, &awss3.GetBucketOwnershipControlsInput{Bucket: b})
			return e
		}, "OwnershipControlsNotFoundError"},
		"missing bucket": {func() error {
			_, e := c.GetBucketCors(ctx, &awss3.GetBucketCorsInput{Bucket: aws.String("nonesuch")})
			return e
		}, "NoSuchBucket"},
	} {
		wantCode(t, name, tt.call(), tt.code)
	}
}

// text is an output as JSON, without what is not of the answer.
func text(t testing.TB, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	var m map[string]any
	if err := json.Unmarshal(b, &m); err != nil {
		t.Fatal(err)
	}
	delete(m, "ResultMetadata")
	if b, err = json.Marshal(m); err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestSettings writes each setting and reads it back, also after a restart.
func TestSettings(t *testing.T) {
	dir := t.TempDir()
	f, shut := onDisk(t, dir)
	_, as := f.start(t)
	c := as(account, "us-east-1")
	b, ctx := aws.String("photos"), t.Context()
	mustCreate(t, c, "photos")
	must := func(what string, err error) {
		t.Helper()
		if err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	var err error
	_, err = c.PutBucketCors(ctx, &awss3.PutBucketCorsInput{Bucket: b, CORSConfiguration: &types.CORSConfiguration{CORSRules: []types.CORSRule{{
		AllowedMethods: []string{"GET", "PUT"}, AllowedOrigins: []string{"*"}, AllowedHeaders: []string{"*"}, ExposeHeaders: []string{"ETag"}, MaxAgeSeconds: aws.Int32(60), ID: aws.String("r")}}}})
	must("cors", err)
	_, err = c.PutBucketWebsite(ctx, &awss3.PutBucketWebsiteInput{Bucket: b, WebsiteConfiguration: &types.WebsiteConfiguration{IndexDocument: &types.IndexDocument{Suffix: aws.String("index.html")}, ErrorDocument: &types.ErrorDocument{Key: aws.String("e.html")}}})
	must("website", err)
	_, err = c.PutBucketLifecycleConfiguration(ctx, &awss3.PutBucketLifecycleConfigurationInput{Bucket: b, LifecycleConfiguration: &types.BucketLifecycleConfiguration{Rules: []types.LifecycleRule{{
		ID: aws.String("old"), Status: types.ExpirationStatusEnabled, Filter: &types.LifecycleRuleFilter{Prefix: aws.String("logs/")}, Expiration: &types.LifecycleExpiration{Days: aws.Int32(30)},
		NoncurrentVersionExpiration: &types.NoncurrentVersionExpiration{NoncurrentDays: aws.Int32(3)}}}}})
	must("lifecycle", err)
	_, err = c.PutBucketEncryption(ctx, &awss3.PutBucketEncryptionInput{Bucket: b, ServerSideEncryptionConfiguration: &types.ServerSideEncryptionConfiguration{Rules: []types.ServerSideEncryptionRule{{
		ApplyServerSideEncryptionByDefault: &types.ServerSideEncryptionByDefault{SSEAlgorithm: types.ServerSideEncryptionAwsKms, KMSMasterKeyID: aws.String("alias/k")}, BucketKeyEnabled: aws.Bool(true)}}}})
	must("encryption", err)
	_, err = c.PutBucketLogging(ctx, &awss3.PutBucketLoggingInput{Bucket: b, BucketLoggingStatus: &types.BucketLoggingStatus{LoggingEnabled: &types.LoggingEnabled{TargetBucket: aws.String("logs"), TargetPrefix: aws.String("p/")}}})
	must("logging", err)
	_, err = c.PutBucketNotificationConfiguration(ctx, &awss3.PutBucketNotificationConfigurationInput{Bucket: b, NotificationConfiguration: &types.NotificationConfiguration{
		QueueConfigurations: []types.QueueConfiguration{{Id: aws.String("q"), QueueArn: aws.String("arn:aws:sqs:us-east-1:111122223333:q"), Events: []types.Event{"s3:ObjectCreated:*"}}}}})
	must("notification", err)
	_, err = c.PutBucketRequestPayment(ctx, &awss3.PutBucketRequestPaymentInput{Bucket: b, RequestPaymentConfiguration: &types.RequestPaymentConfiguration{Payer: types.PayerRequester}})
	must("requestPayment", err)
	_, err = c.PutBucketAccelerateConfiguration(ctx, &awss3.PutBucketAccelerateConfigurationInput{Bucket: b, AccelerateConfiguration: &types.AccelerateConfiguration{Status: types.BucketAccelerateStatusEnabled}})
	must("accelerate", err)
	_, err = c.PutPublicAccessBlock(ctx, &awss3.PutPublicAccessBlockInput{Bucket: b, PublicAccessBlockConfiguration: &types.PublicAccessBlockConfiguration{BlockPublicAcls: aws.Bool(true)}})
	must("publicAccessBlock", err)
	_, err = c.PutBucketOwnershipControls(ctx, &awss3.PutBucketOwnershipControlsInput{Bucket: b, OwnershipControls: &types.OwnershipControls{Rules: []types.OwnershipControlsRule{{ObjectOwnership: types.ObjectOwnershipBucketOwnerPreferred}}}})
	must("ownershipControls", err)
	_, err = c.PutBucketTagging(ctx, &awss3.PutBucketTaggingInput{Bucket: b, Tagging: &types.Tagging{TagSet: []types.Tag{{Key: aws.String("z"), Value: aws.String("1")}, {Key: aws.String("a"), Value: aws.String("2")}}}})
	must("tagging", err)
	mustVersion(t, c, "photos", types.BucketVersioningStatusSuspended)

	check := func(c *awss3.Client) {
		t.Helper()
		for _, tt := range []struct {
			what string
			get  func() (any, error)
			want string
		}{
			{"cors", func() (any, error) { return c.GetBucketCors(ctx, &awss3.GetBucketCorsInput{Bucket: b}) }, `{"CORSRules":[{"AllowedHeaders":["*"],"AllowedMethods":["GET","PUT"],"AllowedOrigins":["*"],"ExposeHeaders":["ETag"],"ID":"r","MaxAgeSeconds":60}]}`},
			{"website", func() (any, error) { return c.GetBucketWebsite(ctx, &awss3.GetBucketWebsiteInput{Bucket: b}) }, `{"ErrorDocument":{"Key":"e.html"},"IndexDocument":{"Suffix":"index.html"},"RedirectAllRequestsTo":null,"RoutingRules":null}`},
			{"encryption", func() (any, error) { return c.GetBucketEncryption(ctx, &awss3.GetBucketEncryptionInput{Bucket: b}) }, `{"ServerSideEncryptionConfiguration":{"Rules":[{"ApplyServerSideEncryptionByDefault":{"KMSMasterKeyID":"alias/k","SSEAlgorithm":"aws:kms"},"BlockedEncryptionTypes":null,"BucketKeyEnabled":true}]}}`},
			{"requestPayment", func() (any, error) {
				return c.GetBucketRequestPayment(ctx, &awss3.GetBucketRequestPaymentInput{Bucket: b})
			}, `{"Payer":"Requester"}`},
			{"publicAccessBlock", func() (any, error) { return c.GetPublicAccessBlock(ctx, &awss3.GetPublicAccessBlockInput{Bucket: b}) }, `{"PublicAccessBlockConfiguration":{"BlockPublicAcls":true,"BlockPublicPolicy":false,"IgnorePublicAcls":false,"RestrictPublicBuckets":false}}`},
			{"ownershipControls", func() (any, error) {
				return c.GetBucketOwnershipControls(ctx, &awss3.GetBucketOwnershipControlsInput{Bucket: b})
			}, `{"OwnershipControls":{"Rules":[{"ObjectOwnership":"BucketOwnerPreferred"}]}}`},
			{"tagging", func() (any, error) { return c.GetBucketTagging(ctx, &awss3.GetBucketTaggingInput{Bucket: b}) }, `{"TagSet":[{"Key":"a","Value":"2"},{"Key":"z","Value":"1"}]}`},
			{"versioning", func() (any, error) { return c.GetBucketVersioning(ctx, &awss3.GetBucketVersioningInput{Bucket: b}) }, `{"MFADelete":"","Status":"Suspended"}`},
		} {
			out, err := tt.get()
			if err != nil {
				t.Errorf("%s: %v", tt.what, err)
			} else if got := text(t, out); got != tt.want {
				t.Errorf("%s: got %s, want %s", tt.what, got, tt.want)
			}
		}
		life, err := c.GetBucketLifecycleConfiguration(ctx, &awss3.GetBucketLifecycleConfigurationInput{Bucket: b})
		if err != nil || len(life.Rules) != 1 || *life.Rules[0].Expiration.Days != 30 || *life.Rules[0].Filter.Prefix != "logs/" ||
			life.TransitionDefaultMinimumObjectSize != types.TransitionDefaultMinimumObjectSizeAllStorageClasses128k {
			t.Errorf("lifecycle: %+v %v", life, err)
		}
		logging, err := c.GetBucketLogging(ctx, &awss3.GetBucketLoggingInput{Bucket: b})
		if err != nil || logging.LoggingEnabled == nil || *logging.LoggingEnabled.TargetBucket != "logs" {
			t.Errorf("logging: %+v %v", logging, err)
		}
		notes, err := c.GetBucketNotificationConfiguration(ctx, &awss3.GetBucketNotificationConfigurationInput{Bucket: b})
		if err != nil || len(notes.QueueConfigurations) != 1 || notes.QueueConfigurations[0].Events[0] != "s3:ObjectCreated:*" {
			t.Errorf("notification: %+v %v", notes, err)
		}
		accel, err := c.GetBucketAccelerateConfiguration(ctx, &awss3.GetBucketAccelerateConfigurationInput{Bucket: b})
		if err != nil || accel.Status != types.BucketAccelerateStatusEnabled {
			t.Errorf("accelerate: %+v %v", accel, err)
		}
	}
	check(c)
	put := mustPut(t, c, "photos", "k", "v")
	if put.ServerSideEncryption != types.ServerSideEncryptionAwsKms || aws.ToString(put.SSEKMSKeyId) != "alias/k" || !aws.ToBool(put.BucketKeyEnabled) {
		t.Errorf("put under the bucket's encryption: %+v", put)
	}
	shut()
	f, shut = onDisk(t, dir)
	defer shut()
	_, as = f.start(t)
	c = as(account, "us-east-1")
	check(c)
	if got, _ := get(t, c, &awss3.GetObjectInput{Bucket: b, Key: aws.String("k")}); got != "v" {
		t.Errorf("the object is %q after a restart", got)
	}
	for what, call := range map[string]func() error{
		"cors":    func() error { _, e := c.DeleteBucketCors(ctx, &awss3.DeleteBucketCorsInput{Bucket: b}); return e },
		"website": func() error { _, e := c.DeleteBucketWebsite(ctx, &awss3.DeleteBucketWebsiteInput{Bucket: b}); return e },
		"lifecycle": func() error {
			_, e := c.DeleteBucketLifecycle(ctx, &awss3.DeleteBucketLifecycleInput{Bucket: b})
			return e
		},
		"encryption": func() error {
			_, e := c.DeleteBucketEncryption(ctx, &awss3.DeleteBucketEncryptionInput{Bucket: b})
			return e
		},
		"tagging": func() error { _, e := c.DeleteBucketTagging(ctx, &awss3.DeleteBucketTaggingInput{Bucket: b}); return e },
		"logging": func() error {
			_, e := c.PutBucketLogging(ctx, &awss3.PutBucketLoggingInput{Bucket: b, BucketLoggingStatus: &types.BucketLoggingStatus{}})
			return e
		},
	} {
		must("delete "+what, call())
	}
	_, err = c.GetBucketCors(ctx, &awss3.GetBucketCorsInput{Bucket: b})
	wantCode(t, "cors after the delete", err, "NoSuchCORSConfiguration")
	enc, err := c.GetBucketEncryption(ctx, &awss3.GetBucketEncryptionInput{Bucket: b})
	if err != nil || enc.ServerSideEncryptionConfiguration.Rules[0].ApplyServerSideEncryptionByDefault.SSEAlgorithm != types.ServerSideEncryptionAes256 {
		t.Errorf("encryption after the delete: %+v %v", enc, err)
	}
}

func TestSettingsRefused(t *testing.T) {
	_, c, _ := setUp(t, "photos")
	b, ctx := aws.String("photos"), t.Context()
	_, err := c.PutBucketCors(ctx, &awss3.PutBucketCorsInput{Bucket: b, CORSConfiguration: &types.CORSConfiguration{CORSRules: []types.CORSRule{{AllowedMethods: []string{"PATCH"}, AllowedOrigins: []string{"*"}}}}})
	wantCode(t, "cors method", err, "InvalidRequest")
	_, err = c.PutBucketLifecycleConfiguration(ctx, &awss3.PutBucketLifecycleConfigurationInput{Bucket: b, LifecycleConfiguration: &types.BucketLifecycleConfiguration{Rules: []types.LifecycleRule{{Status: types.ExpirationStatusEnabled}}}})
	wantCode(t, "lifecycle without action", err, "InvalidRequest")
	_, err = c.PutBucketEncryption(ctx, &awss3.PutBucketEncryptionInput{Bucket: b, ServerSideEncryptionConfiguration: &types.ServerSideEncryptionConfiguration{Rules: []types.ServerSideEncryptionRule{{ApplyServerSideEncryptionByDefault: &types.ServerSideEncryptionByDefault{SSEAlgorithm: "rot13"}}}}})
	wantCode(t, "encryption", err, "MalformedXML")
	_, err = c.PutBucketVersioning(ctx, &awss3.PutBucketVersioningInput{Bucket: b, VersioningConfiguration: &types.VersioningConfiguration{Status: types.BucketVersioningStatusEnabled, MFADelete: types.MFADeleteEnabled}})
	wantCode(t, "MFA delete", err, "NotImplemented")
	_, err = c.PutBucketTagging(ctx, &awss3.PutBucketTaggingInput{Bucket: b, Tagging: &types.Tagging{TagSet: []types.Tag{{Key: aws.String("aws:x"), Value: aws.String("1")}}}})
	wantCode(t, "system tag", err, "InvalidTag")
}

func TestACLs(t *testing.T) {
	_, c, _ := setUp(t, "photos")
	b, ctx := aws.String("photos"), t.Context()
	acl, err := c.GetBucketAcl(ctx, &awss3.GetBucketAclInput{Bucket: b})
	if err != nil || *acl.Owner.ID != canonicalID(account) || len(acl.Grants) != 1 || acl.Grants[0].Permission != types.PermissionFullControl || acl.Grants[0].Grantee.Type != types.TypeCanonicalUser {
		t.Errorf("acl: %+v %v", acl, err)
	}
	put := func(acl types.BucketCannedACL) error {
		_, err := c.PutBucketAcl(ctx, &awss3.PutBucketAclInput{Bucket: b, ACL: acl})
		return err
	}
	object := func(acl types.ObjectCannedACL) error {
		_, err := c.PutObject(ctx, &awss3.PutObjectInput{Bucket: b, Key: aws.String("k"), Body: strings.NewReader("v"), ACL: acl})
		return err
	}
	wantCode(t, "enforced: private", put("private"), "AccessControlListNotSupported")
	wantCode(t, "enforced: public-read", put("public-read"), "AccessControlListNotSupported")
	wantCode(t, "enforced: object private", object("private"), "AccessControlListNotSupported")
	wantCode(t, "enforced: object public-read", object("public-read"), "AccessControlListNotSupported")
	wantCode(t, "enforced: object bucket-owner-full-control", object("bucket-owner-full-control"), "")
	wantCode(t, "object nonsense", object("nonsense"), "InvalidArgument")
	if _, err := c.PutBucketOwnershipControls(ctx, &awss3.PutBucketOwnershipControlsInput{Bucket: b, OwnershipControls: &types.OwnershipControls{Rules: []types.OwnershipControlsRule{{ObjectOwnership: types.ObjectOwnershipBucketOwnerPreferred}}}}); err != nil {
		t.Fatal(err)
	}
	wantCode(t, "preferred: private", put("private"), "")
	wantCode(t, "preferred: public-read", put("public-read"), "NotImplemented")
	wantCode(t, "preferred: object private", object("private"), "")
	wantCode(t, "preferred: object public-read", object("public-read"), "NotImplemented")
	_, err = c.PutBucketAcl(ctx, &awss3.PutBucketAclInput{Bucket: b, AccessControlPolicy: &types.AccessControlPolicy{Owner: acl.Owner, Grants: acl.Grants}})
	wantCode(t, "the ACL that it has", err, "")
	oacl, err := c.GetObjectAcl(ctx, &awss3.GetObjectAclInput{Bucket: b, Key: aws.String("k")})
	if err != nil || len(oacl.Grants) != 1 || *oacl.Owner.ID != canonicalID(account) {
		t.Errorf("object acl: %+v %v", oacl, err)
	}
	_, err = c.CreateBucket(ctx, &awss3.CreateBucketInput{Bucket: aws.String("open"), ACL: types.BucketCannedACLPublicRead})
	wantCode(t, "create a public bucket", err, "InvalidBucketAclWithObjectOwnership")
	_, err = c.CreateBucket(ctx, &awss3.CreateBucketInput{Bucket: aws.String("open"), ACL: types.BucketCannedACLPrivate})
	wantCode(t, "create a private bucket", err, "")
}
