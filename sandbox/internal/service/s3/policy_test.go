package s3

import (
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/mantle-iam/mantle/iam"
	"github.com/mantle-iam/mantle/sandbox/internal/service"
	"github.com/mantle-iam/mantle/sandbox/internal/store"
	"github.com/mantle-iam/mantle/sandbox/internal/wire"
)

func TestIsPublic(t *testing.T) {
	allow := func(principal, condition string) string {
		s := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":` + principal + `,"Action":"s3:GetObject","Resource":"arn:aws:s3:::b/*"`
		if condition != "" {
			s += `,"Condition":` + condition
		}
		return s + `}]}`
	}
	for _, tt := range []struct {
		what, doc string
		want      bool
	}{
		{"anyone", allow(`"*"`, ""), true},
		{"any AWS principal", allow(`{"AWS":"*"}`, ""), true},
		{"any in a list", allow(`{"AWS":["arn:aws:iam::111122223333:root","*"]}`, ""), true},
		{"an account", allow(`{"AWS":"111122223333"}`, ""), false},
		{"a service", allow(`{"Service":"logging.s3.amazonaws.com"}`, ""), false},
		{"a vpc", allow(`"*"`, `{"StringEquals":{"aws:SourceVpc":"vpc-1"}}`), false},
		{"a vpc pattern", allow(`"*"`, `{"StringLike":{"aws:SourceVpc":"vpc-*"}}`), true},
		{"a fixed pattern", allow(`"*"`, `{"StringLike":{"aws:SourceVpc":"vpc-1"}}`), false},
		{"a variable", allow(`"*"`, `{"StringEquals":{"aws:SourceArn":"${aws:PrincipalArn}"}}`), true},
		{"an organization", allow(`"*"`, `{"StringEquals":{"aws:PrincipalOrgID":["o-1","o-2"]}}`), false},
		{"not an organization", allow(`"*"`, `{"StringNotEquals":{"aws:PrincipalOrgID":"o-1"}}`), true},
		{"if exists", allow(`"*"`, `{"StringEqualsIfExists":{"aws:SourceVpc":"vpc-1"}}`), true},
		{"any value", allow(`"*"`, `{"ForAnyValue:StringEquals":{"aws:PrincipalOrgPaths":"o-1/r/ou"}}`), false},
		{"all values", allow(`"*"`, `{"ForAllValues:StringEquals":{"aws:PrincipalOrgPaths":"o-1/r/ou"}}`), true},
		{"an address", allow(`"*"`, `{"IpAddress":{"aws:SourceIp":"203.0.113.7"}}`), false},
		{"a network", allow(`"*"`, `{"IpAddress":{"aws:SourceIp":["203.0.113.0/24","2001:db8::/32"]}}`), false},
		{"all addresses", allow(`"*"`, `{"IpAddress":{"aws:SourceIp":"0.0.0.0/0"}}`), true},
		{"half of all addresses", allow(`"*"`, `{"IpAddress":{"aws:SourceIp":["10.0.0.0/8","0.0.0.0/1"]}}`), true},
		{"an access point account", allow(`"*"`, `{"ArnLike":{"s3:DataAccessPointArn":"arn:aws:s3:us-east-1:111122223333:accesspoint/*"}}`), false},
		{"any access point account", allow(`"*"`, `{"ArnLike":{"s3:DataAccessPointArn":"arn:aws:s3:us-east-1:*:accesspoint/*"}}`), true},
		{"https", allow(`"*"`, `{"Bool":{"aws:SecureTransport":"true"}}`), true},
		{"one statement", `{"Statement":{"Effect":"Allow","Principal":"*","Action":"s3:*","Resource":"*"}}`, true},
		{"a deny", `{"Statement":{"Effect":"Deny","Principal":"*","Action":"s3:*","Resource":"*"}}`, false},
		{"not a principal", `{"Statement":{"Effect":"Allow","NotPrincipal":{"AWS":"1"},"Action":"s3:*","Resource":"*"}}`, true},
		{"garbage", `{`, true},
	} {
		if got := isPublic(tt.doc); got != tt.want {
			t.Errorf("%s: public is %v, want %v", tt.what, got, tt.want)
		}
	}
}

func putPolicy(t testing.TB, c *awss3.Client, doc string) error {
	t.Helper()
	_, err := c.PutBucketPolicy(t.Context(), &awss3.PutBucketPolicyInput{Bucket: aws.String("photos"), Policy: &doc})
	return err
}

const (
	shared = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::444455556666:root"},"Action":"s3:GetObject","Resource":"arn:aws:s3:::photos/*"}]}`
	public = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::photos/*"}]}`
)

func TestBucketPolicy(t *testing.T) {
	_, c, _ := setUp(t, "photos")
	b, ctx := aws.String("photos"), t.Context()
	wantCode(t, "put", putPolicy(t, c, shared), "")
	if out, err := c.GetBucketPolicy(ctx, &awss3.GetBucketPolicyInput{Bucket: b}); err != nil || *out.Policy != shared {
		t.Errorf("get: %v %v, want the text as it was", out, err)
	}
	if out, err := c.GetBucketPolicyStatus(ctx, &awss3.GetBucketPolicyStatusInput{Bucket: b}); err != nil || *out.PolicyStatus.IsPublic {
		t.Errorf("status: %+v %v", out, err)
	}
	wantCode(t, "public policy on a new bucket", putPolicy(t, c, public), "AccessDenied")
	wantCode(t, "another bucket", putPolicy(t, c, strings.ReplaceAll(shared, "photos", "videos")), "MalformedPolicy")
	wantCode(t, "no JSON", putPolicy(t, c, "{"), "MalformedPolicy")
	wantCode(t, "too large", putPolicy(t, c, shared+strings.Repeat(" ", maxPolicy)), "PolicyTooLarge")
	if out, err := c.GetBucketPolicy(ctx, &awss3.GetBucketPolicyInput{Bucket: b}); err != nil || *out.Policy != shared {
		t.Errorf("after refused policies: %v %v", out, err)
	}
	if _, err := c.PutPublicAccessBlock(ctx, &awss3.PutPublicAccessBlockInput{Bucket: b, PublicAccessBlockConfiguration: &types.PublicAccessBlockConfiguration{RestrictPublicBuckets: aws.Bool(true)}}); err != nil {
		t.Fatal(err)
	}
	wantCode(t, "public policy where it is not blocked", putPolicy(t, c, public), "")
	if out, err := c.GetBucketPolicyStatus(ctx, &awss3.GetBucketPolicyStatusInput{Bucket: b}); err != nil || !*out.PolicyStatus.IsPublic {
		t.Errorf("status of a public policy: %+v %v", out, err)
	}
	if _, err := c.DeleteBucketPolicy(ctx, &awss3.DeleteBucketPolicyInput{Bucket: b}); err != nil {
		t.Fatal(err)
	}
	_, err := c.GetBucketPolicy(ctx, &awss3.GetBucketPolicyInput{Bucket: b})
	wantCode(t, "get after delete", err, "NoSuchBucketPolicy")
}

// TestPolicyDecides asks the policy engine what a check's policy says, with
// callers of three kinds.
func TestPolicyDecides(t *testing.T) {
	f, c, url := setUp(t, "photos")
	mustPut(t, c, "photos", "k", "v")
	_, as := f.start(t)
	theirs := as(other, "us-east-1")
	all, err := iam.Parse(iam.Identity, "all", []byte(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	f.deny(func(r *service.Request, check service.Check) bool {
		p := iam.Policies{Resource: check.Policy}
		if r.Caller.Type != iam.Anonymous {
			p.Identity = []*iam.Policy{all}
		}
		owner := check.Owner
		if owner == "" {
			owner = r.Caller.Account
		}
		d := p.Decide(&iam.Request{Principal: r.Caller.Principal, Action: check.Action, Resource: check.Resource, ResourceAccount: owner, Context: iam.NewContext()})
		return d.Outcome != iam.Allow
	})
	read := func(c *awss3.Client) error {
		_, err := c.GetObject(t.Context(), &awss3.GetObjectInput{Bucket: aws.String("photos"), Key: aws.String("k")})
		return err
	}
	anonymous := func() int {
		resp, err := http.Get(url + "/photos/k")
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		return resp.StatusCode
	}
	want := func(what, own, their string, status int) {
		t.Helper()
		wantCode(t, what+", own account", read(c), own)
		wantCode(t, what+", other account", read(theirs), their)
		if got := anonymous(); got != status {
			t.Errorf("%s, unsigned: %d, want %d", what, got, status)
		}
	}
	want("no policy", "", "AccessDenied", 403)
	wantCode(t, "put", putPolicy(t, c, shared), "")
	want("shared", "", "", 403)
	if _, err := c.DeletePublicAccessBlock(t.Context(), &awss3.DeletePublicAccessBlockInput{Bucket: aws.String("photos")}); err != nil {
		t.Fatal(err)
	}
	wantCode(t, "put public", putPolicy(t, c, public), "")
	want("public", "", "", 200)
	if _, err := c.PutPublicAccessBlock(t.Context(), &awss3.PutPublicAccessBlockInput{Bucket: aws.String("photos"), PublicAccessBlockConfiguration: &types.PublicAccessBlockConfiguration{RestrictPublicBuckets: aws.Bool(true)}}); err != nil {
		t.Fatal(err)
	}
	want("public but restricted", "", "AccessDenied", 403)
}

// TestRootKeepsPolicy: a policy that denies everybody everything can still be
// taken back by the owner's root user.
func TestRootKeepsPolicy(t *testing.T) {
	f, _, _ := setUp(t, "photos")
	for _, tt := range []struct {
		caller iam.Principal
		want   int
	}{
		{iam.Principal{Type: iam.Root, Account: account}, 0},
		{iam.Principal{Type: iam.Root, Account: other}, 1},
		{iam.Principal{Type: iam.User, Account: account}, 1},
	} {
		h, err := http.NewRequest("PUT", "http://127.0.0.1/photos?policy", strings.NewReader("{}"))
		if err != nil {
			t.Fatal(err)
		}
		call, e := wire.Decode(f.Model, h, 1<<20)
		if e != nil {
			t.Fatal(e)
		}
		r := &service.Request{Call: call, Caller: service.Caller{Principal: tt.caller}}
		checks, err := f.s3.onPolicy("s3:PutBucketPolicy")(r)
		if err != nil || len(checks) != tt.want {
			t.Errorf("%+v: %d checks %v, want %d", tt.caller, len(checks), err, tt.want)
		}
	}
}

// TestStoredPolicy: principals are kept as unique ids and shown as ARNs.
func TestStoredPolicy(t *testing.T) {
	f, c, _ := setUp(t, "photos")
	const arn, id = "arn:aws:iam::111122223333:role/r", "AROAEXAMPLEEXAMPLE123"
	doc := strings.Replace(shared, "arn:aws:iam::444455556666:root", arn, 1)
	there := true
	f.s3.opt.PrincipalExists = func(a string) bool { return a == arn && there }
	f.s3.opt.StorePolicy = func(d string) string { return strings.ReplaceAll(d, arn, id) }
	f.s3.opt.ShowPolicy = func(d string) string {
		if !there {
			return d
		}
		return strings.ReplaceAll(d, id, arn)
	}
	wantCode(t, "put", putPolicy(t, c, doc), "")
	show := func() string {
		out, err := c.GetBucketPolicy(t.Context(), &awss3.GetBucketPolicyInput{Bucket: aws.String("photos")})
		if err != nil {
			t.Fatal(err)
		}
		return *out.Policy
	}
	if got := show(); got != doc {
		t.Errorf("shown %s, want %s", got, doc)
	}
	there = false
	if got := show(); !strings.Contains(got, id) {
		t.Errorf("shown %s after the role is gone, want its id", got)
	}
	wantCode(t, "put with a principal that is not", putPolicy(t, c, doc), "MalformedPolicy")
	err := f.s3.st.View(func(tx *store.Tx) error {
		p, err := f.s3.policies.get(tx, "photos")
		again, _ := f.s3.policies.get(tx, "photos")
		if p == nil || p != again {
			t.Error("the compiled policy is not kept")
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}
