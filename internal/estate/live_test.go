package estate_test

import (
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	dynamodbtypes "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	ecstypes "github.com/aws/aws-sdk-go-v2/service/ecs/types"
	iamapi "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/mantle-iam/mantle/internal/estate"
	"github.com/mantle-iam/mantle/sandbox"
)

// TestFromAccount reads an account of a sandbox by AWS's API: as its
// administrator all of it, as a user who may only list IAM that, and the rest is
// unknown.
func TestFromAccount(t *testing.T) {
	srv, err := sandbox.New(sandbox.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { srv.Close() })
	acct, err := srv.AddAccount("dev", "111122223333")
	if err != nil {
		t.Fatal(err)
	}
	http := httptest.NewServer(srv)
	t.Cleanup(http.Close)
	as := func(id, secret string) aws.Config {
		return aws.Config{Region: "us-east-1", BaseEndpoint: aws.String(http.URL), Credentials: credentials.NewStaticCredentialsProvider(id, secret, "")}
	}
	admin := as(acct.Admin.ID, acct.Admin.Secret)
	ctx := t.Context()
	must := func(_ any, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	api := iamapi.NewFromConfig(admin)
	trust := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ecs-tasks.amazonaws.com"},"Action":"sts:AssumeRole"}]}`
	policy := func(action string) *string {
		return aws.String(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"` + action + `","Resource":"*"}]}`)
	}
	must(api.CreateRole(ctx, &iamapi.CreateRoleInput{RoleName: aws.String("task"), AssumeRolePolicyDocument: &trust}))
	must(api.PutRolePolicy(ctx, &iamapi.PutRolePolicyInput{RoleName: aws.String("task"), PolicyName: aws.String("own"), PolicyDocument: policy("s3:GetObject")}))
	must(api.AttachRolePolicy(ctx, &iamapi.AttachRolePolicyInput{RoleName: aws.String("task"), PolicyArn: aws.String("arn:aws:iam::aws:policy/AmazonS3FullAccess")}))
	must(api.CreateInstanceProfile(ctx, &iamapi.CreateInstanceProfileInput{InstanceProfileName: aws.String("ip")}))
	must(api.AddRoleToInstanceProfile(ctx, &iamapi.AddRoleToInstanceProfileInput{InstanceProfileName: aws.String("ip"), RoleName: aws.String("task")}))
	must(api.CreateUser(ctx, &iamapi.CreateUserInput{UserName: aws.String("auditor")}))
	must(api.PutUserPolicy(ctx, &iamapi.PutUserPolicyInput{UserName: aws.String("auditor"), PolicyName: aws.String("list"), PolicyDocument: policy("iam:GetAccountAuthorizationDetails")}))
	key, err := api.CreateAccessKey(ctx, &iamapi.CreateAccessKeyInput{UserName: aws.String("auditor")})
	must(key, err)
	buckets := s3.NewFromConfig(admin, func(o *s3.Options) { o.UsePathStyle = true })
	must(buckets.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: aws.String("with-policy")}))
	must(buckets.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: aws.String("without")}))
	must(buckets.PutBucketPolicy(ctx, &s3.PutBucketPolicyInput{Bucket: aws.String("with-policy"), Policy: aws.String(
		`{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Principal":"*","Action":"s3:DeleteObject","Resource":"arn:aws:s3:::with-policy/*"}]}`)}))
	must(dynamodb.NewFromConfig(admin).CreateTable(ctx, &dynamodb.CreateTableInput{
		TableName: aws.String("orders"), BillingMode: dynamodbtypes.BillingModePayPerRequest,
		AttributeDefinitions: []dynamodbtypes.AttributeDefinition{{AttributeName: aws.String("id"), AttributeType: "S"}},
		KeySchema:            []dynamodbtypes.KeySchemaElement{{AttributeName: aws.String("id"), KeyType: "HASH"}},
	}))
	must(ecs.NewFromConfig(admin).RegisterTaskDefinition(ctx, &ecs.RegisterTaskDefinitionInput{
		Family: aws.String("web"), TaskRoleArn: aws.String("arn:aws:iam::111122223333:role/task"),
		ContainerDefinitions: []ecstypes.ContainerDefinition{{Name: aws.String("c"), Image: aws.String("busybox"), Memory: aws.Int32(16)}},
	}))

	var said []string
	e, err := estate.FromAccount(ctx, admin, estate.LiveOptions{Name: "dev", PathStyle: true, Progress: func(format string, _ ...any) { said = append(said, format) }})
	if err != nil {
		t.Fatal(err)
	}
	got := lines(e)
	for _, want := range []string{
		`role arn:aws:iam::111122223333:role/task attached [arn:aws:iam::aws:policy/AmazonS3FullAccess] boundary "" profiles [ip] tags [] trust Allow sts:AssumeRole`,
		"role task inline own: Allow s3:GetObject",
		"policy arn:aws:iam::aws:policy/AmazonS3FullAccess: Allow s3:*,s3-object-lambda:*",
		`s3:bucket arn:aws:s3:::with-policy key "" policy Deny s3:DeleteObject`,
		`s3:bucket arn:aws:s3:::without key "" policy none`,
		`dynamodb:table arn:aws:dynamodb:us-east-1:111122223333:table/orders key "" policy none`,
		"arn:aws:iam::111122223333:role/task is the task role of web:1",
		"arn:aws:iam::111122223333:role/task is the instance profile of ip",
	} {
		if !slices.Contains(got, want) {
			t.Errorf("there is no\n%s\namong\n%s", want, strings.Join(got, "\n"))
		}
	}
	if len(e.Unknown) > 0 {
		t.Errorf("unknown are %+v, want none", e.Unknown)
	}
	if id := e.Accounts["111122223333"].Roles[0].ID; !strings.HasPrefix(id, "AROA") {
		t.Errorf("the role's id is %q", id)
	}
	if len(said) < 5 {
		t.Errorf("said %q on the way, want a line for each thing that is read", said)
	}

	e, err = estate.FromAccount(ctx, as(*key.AccessKey.AccessKeyId, *key.AccessKey.SecretAccessKey), estate.LiveOptions{PathStyle: true})
	if err != nil {
		t.Fatal(err)
	}
	if len(e.Accounts["111122223333"].Roles) != 1 || len(e.Resources) != 0 {
		t.Errorf("the auditor sees %q", lines(e))
	}
	for _, what := range []string{"identity providers", "buckets", "tables", "repositories", "task definitions", "services", "instances"} {
		if !slices.ContainsFunc(lines(e), func(l string) bool { return strings.Contains(l, what+" of account 111122223333 could not be read: ") }) {
			t.Errorf("nothing says that %s could not be read, among\n%s", what, strings.Join(lines(e), "\n"))
		}
	}
	if _, err := estate.FromAccount(ctx, as("AKIAAAAAAAAAAAAAAAAA", "x"), estate.LiveOptions{}); err == nil || !strings.Contains(err.Error(), "who am I") {
		t.Errorf("error is %v, want one of STS", err)
	}
}
