package wire

import (
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	ststypes "github.com/aws/aws-sdk-go-v2/service/sts/types"
)

// sink is a response writer that keeps nothing.
type sink struct{ h http.Header }

func (s sink) Header() http.Header         { return s.h }
func (s sink) Write(b []byte) (int, error) { return len(b), nil }
func (s sink) WriteHeader(int)             {}

// benchmark measures the whole codec: decoding, input, reply.
func benchmark(b *testing.B, service, method, target, body string, header http.Header, in func() any, out any) {
	m := mustLoad(b, service).With(Options{Unions: []Union{attributeValues}})
	u, err := url.ParseRequestURI(target)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		r := &http.Request{Method: method, URL: u, Host: "localhost", Header: header, ContentLength: int64(len(body)),
			Body: io.NopCloser(strings.NewReader(body))}
		c, e := Decode(m, r, 1<<20)
		if e == nil {
			e = c.Input(in())
		}
		if e != nil {
			b.Fatal(e)
		}
		c.Reply(sink{http.Header{}}, out)
	}
}

func BenchmarkGetCallerIdentity(b *testing.B) {
	benchmark(b, "sts", "POST", "/", "Action=GetCallerIdentity&Version=2011-06-15", nil, func() any { return &sts.GetCallerIdentityInput{} },
		&sts.GetCallerIdentityOutput{Account: aws.String("123456789012"), Arn: aws.String("arn:aws:iam::123456789012:user/Alice"), UserId: aws.String("AIDACKCEVSQ6C2EXAMPLE")})
}

func BenchmarkAssumeRole(b *testing.B) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	benchmark(b, "sts", "POST", "/", "Action=AssumeRole&Version=2011-06-15&RoleArn=arn%3Aaws%3Aiam%3A%3A123456789012%3Arole%2Fdemo&RoleSessionName=session&DurationSeconds=3600&Tags.member.1.Key=Project&Tags.member.1.Value=Pegasus",
		nil, func() any { return &sts.AssumeRoleInput{} },
		&sts.AssumeRoleOutput{AssumedRoleUser: &ststypes.AssumedRoleUser{Arn: aws.String("arn:aws:sts::123456789012:assumed-role/demo/session"), AssumedRoleId: aws.String("AROA123EXAMPLE123:session")},
			Credentials: &ststypes.Credentials{AccessKeyId: aws.String("ASIAIOSFODNN7EXAMPLE"), SecretAccessKey: aws.String("wJalrXUtnFEMI/K7MDENG/bPxRfiCYzEXAMPLEKEY"),
				SessionToken: aws.String(strings.Repeat("token", 100)), Expiration: &at}})
}

func BenchmarkGetRole(b *testing.B) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	benchmark(b, "iam", "POST", "/", "Action=GetRole&Version=2010-05-08&RoleName=demo", nil, func() any { return &iam.GetRoleInput{} },
		&iam.GetRoleOutput{Role: &iamtypes.Role{Path: aws.String("/"), RoleName: aws.String("demo"), RoleId: aws.String("AROA123EXAMPLE123"), Arn: aws.String("arn:aws:iam::123456789012:role/demo"),
			CreateDate: &at, AssumeRolePolicyDocument: aws.String(strings.Repeat("%7B%22Version%22", 20)), MaxSessionDuration: aws.Int32(3600), RoleLastUsed: &iamtypes.RoleLastUsed{}}})
}

func BenchmarkListObjectsV2(b *testing.B) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	out := &s3.ListObjectsV2Output{Name: aws.String("bucket"), Prefix: aws.String(""), KeyCount: aws.Int32(1000), MaxKeys: aws.Int32(1000), IsTruncated: aws.Bool(false)}
	for range 1000 {
		out.Contents = append(out.Contents, s3types.Object{Key: aws.String("a/key/of/some/length"), LastModified: &at, ETag: aws.String(`"599bab3ed2c697f1d26842727561fd94"`), Size: aws.Int64(857), StorageClass: "STANDARD"})
	}
	benchmark(b, "s3", "GET", "/bucket?list-type=2&prefix=", "", nil, func() any { return &s3.ListObjectsV2Input{} }, out)
}

func BenchmarkPutObject(b *testing.B) {
	benchmark(b, "s3", "PUT", "/bucket/key?x-id=PutObject", "body", http.Header{"Content-Type": {"text/plain"}, "X-Amz-Meta-A": {"b"}},
		func() any { return &s3.PutObjectInput{} }, &s3.PutObjectOutput{ETag: aws.String(`"599bab3ed2c697f1d26842727561fd94"`)})
}

func BenchmarkGetItem(b *testing.B) {
	benchmark(b, "dynamodb", "POST", "/", `{"TableName":"Thread","Key":{"ForumName":{"S":"Amazon DynamoDB"},"Subject":{"S":"How?"}},"ConsistentRead":true}`,
		http.Header{"X-Amz-Target": {"DynamoDB_20120810.GetItem"}}, func() any { return &dynamoGetItemInput{} },
		&dynamoGetItemOutput{Item: map[string]attributeValue{"a": &attributeValueMemberS{"text"}, "b": &attributeValueMemberN{"1"}, "c": &attributeValueMemberL{[]attributeValue{&attributeValueMemberBOOL{true}}}}})
}

// BenchmarkLoad is what the first call of a service pays.
func BenchmarkLoad(b *testing.B) {
	for _, s := range []string{"sts", "iam", "s3", "ec2"} {
		b.Run(s, func(b *testing.B) {
			for b.Loop() {
				if _, err := load(s); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
