package sandbox_test

import (
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awsiam "github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	awssts "github.com/aws/aws-sdk-go-v2/service/sts"
	ststypes "github.com/aws/aws-sdk-go-v2/service/sts/types"
	"github.com/aws/smithy-go"

	"github.com/mantle-iam/mantle/sandbox"
)

const (
	dev    = "111122223333"
	shared = "444455556666"
)

// world is a sandbox under a clock that the test moves.
type world struct {
	t       *testing.T
	srv     *sandbox.Server
	url     string
	mu      sync.Mutex // guards the field below
	shift   time.Duration
	account map[string]sandbox.Account
}

func newWorld(t *testing.T, state string) *world {
	t.Helper()
	return newWorldOptions(t, sandbox.Options{State: state})
}

func newWorldOptions(t *testing.T, opt sandbox.Options) *world {
	t.Helper()
	w := &world{t: t, account: map[string]sandbox.Account{}}
	opt.Now = func() time.Time {
		w.mu.Lock()
		defer w.mu.Unlock()
		return time.Now().Add(w.shift)
	}
	srv, err := sandbox.New(opt)
	if err != nil {
		t.Fatal(err)
	}
	w.srv = srv
	for name, id := range map[string]string{"dev": dev, "shared": shared} {
		a, err := srv.AddAccount(name, id)
		if err != nil {
			t.Fatal(err)
		}
		w.account[id] = a
	}
	ts := httptest.NewServer(srv)
	w.url = ts.URL
	t.Cleanup(func() {
		ts.Close()
		if err := srv.Close(); err != nil {
			t.Error(err)
		}
	})
	return w
}

// advance moves the sandbox's clock, and with it that of its clients.
func (w *world) advance(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.shift += d
}

// client is one principal's view of the sandbox.
type client struct {
	t   *testing.T
	sts *awssts.Client
	iam *awsiam.Client
	s3  *awss3.Client
	cfg aws.Config
}

func (w *world) as(id, secret, token string) *client {
	cfg := aws.Config{
		Region: "eu-west-1", BaseEndpoint: aws.String(w.url), RetryMaxAttempts: 1, HTTPClient: whole{},
		Credentials: credentials.NewStaticCredentialsProvider(id, secret, token),
	}
	return &client{
		t: w.t, cfg: cfg, sts: awssts.NewFromConfig(cfg), iam: awsiam.NewFromConfig(cfg),
		s3: awss3.NewFromConfig(cfg, func(o *awss3.Options) { o.UsePathStyle = true }),
	}
}

func (w *world) admin(account string) *client {
	k := w.account[account].Admin
	return w.as(k.ID, k.Secret, "")
}

func (w *world) root(account string) *client {
	k := w.account[account].Root
	return w.as(k.ID, k.Secret, "")
}

func (w *world) with(c *ststypes.Credentials) *client {
	return w.as(*c.AccessKeyId, *c.SecretAccessKey, *c.SessionToken)
}

func (c *client) arn() string {
	c.t.Helper()
	out, err := c.sts.GetCallerIdentity(context.Background(), nil)
	if err != nil {
		c.t.Fatalf("GetCallerIdentity: %v", err)
	}
	return aws.ToString(out.Arn)
}

// role makes a role with a trust policy and, if not empty, a policy of its
// own.
func (c *client) role(name, trust, policy string, tags ...string) {
	c.t.Helper()
	in := &awsiam.CreateRoleInput{RoleName: &name, AssumeRolePolicyDocument: &trust, MaxSessionDuration: aws.Int32(7200)}
	for i := 0; i < len(tags); i += 2 {
		in.Tags = append(in.Tags, iamtypes.Tag{Key: &tags[i], Value: &tags[i+1]})
	}
	if _, err := c.iam.CreateRole(context.Background(), in); err != nil {
		c.t.Fatalf("CreateRole %s: %v", name, err)
	}
	if policy != "" {
		if _, err := c.iam.PutRolePolicy(context.Background(), &awsiam.PutRolePolicyInput{RoleName: &name, PolicyName: aws.String("own"), PolicyDocument: &policy}); err != nil {
			c.t.Fatalf("PutRolePolicy %s: %v", name, err)
		}
	}
}

func (c *client) assume(role, session string, more ...func(*awssts.AssumeRoleInput)) (*ststypes.Credentials, error) {
	in := &awssts.AssumeRoleInput{RoleArn: aws.String(role), RoleSessionName: aws.String(session)}
	for _, m := range more {
		m(in)
	}
	out, err := c.sts.AssumeRole(context.Background(), in)
	if err != nil {
		return nil, err
	}
	return out.Credentials, nil
}

// code is the error code that AWS's clients branch on, "" for success.
func code(err error) string {
	if err == nil {
		return ""
	}
	if x, ok := errors.AsType[smithy.APIError](err); ok {
		return x.ErrorCode()
	}
	return "not an API error: " + err.Error()
}

func roleARN(account, name string) string {
	return fmt.Sprintf("arn:aws:iam::%s:role/%s", account, name)
}

func statement(parts string) string {
	return `{"Version":"2012-10-17","Statement":[{` + parts + `}]}`
}

func trusts(principal string) string {
	return statement(`"Effect":"Allow","Principal":` + principal + `,"Action":["sts:AssumeRole","sts:TagSession","sts:SetSourceIdentity"]`)
}

func TestSessions(t *testing.T) {
	w := newWorld(t, "")
	admin := w.admin(dev)
	if got, want := admin.arn(), "arn:aws:iam::111122223333:user/dev-admin"; got != want {
		t.Fatalf("administrator is %s, want %s", got, want)
	}
	if got, want := w.root(dev).arn(), "arn:aws:iam::111122223333:root"; got != want {
		t.Errorf("root is %s, want %s", got, want)
	}
	admin.role("app", trusts(`{"AWS":"arn:aws:iam::111122223333:root"}`), statement(`"Effect":"Allow","Action":"sts:AssumeRole","Resource":"*"`), "team", "a")
	admin.role("next", trusts(`{"AWS":"`+roleARN(dev, "app")+`"}`), "")
	cred, err := admin.assume(roleARN(dev, "app"), "one")
	if err != nil {
		t.Fatal(err)
	}
	app := w.with(cred)
	if got, want := app.arn(), "arn:aws:sts::111122223333:assumed-role/app/one"; got != want {
		t.Errorf("session is %s, want %s", got, want)
	}
	// Role chaining: an hour at most, whatever the role allows.
	long := func(in *awssts.AssumeRoleInput) { in.DurationSeconds = aws.Int32(7200) }
	if _, err := admin.assume(roleARN(dev, "app"), "two", long); err != nil {
		t.Errorf("two hours for a user: %v", err)
	}
	if _, err := app.assume(roleARN(dev, "next"), "two", long); code(err) != "ValidationError" {
		t.Errorf("two hours for a role session: %v, want ValidationError", err)
	}
	if _, err := admin.assume(roleARN(dev, "app"), "two", func(in *awssts.AssumeRoleInput) { in.DurationSeconds = aws.Int32(10800) }); code(err) != "ValidationError" {
		t.Errorf("more than MaxSessionDuration: %v, want ValidationError", err)
	}
	if _, err := w.root(dev).assume(roleARN(dev, "app"), "two"); code(err) != "AccessDenied" {
		t.Errorf("root assumes a role: %v, want AccessDenied", err)
	}
	if _, err := app.sts.GetSessionToken(t.Context(), nil); code(err) != "AccessDenied" {
		t.Errorf("GetSessionToken with session credentials: %v", err)
	}
	info, err := admin.sts.GetAccessKeyInfo(t.Context(), &awssts.GetAccessKeyInfoInput{AccessKeyId: cred.AccessKeyId})
	if err != nil || *info.Account != dev {
		t.Errorf("GetAccessKeyInfo = %v, %v", info, err)
	}
	// An expired session is told so; the clock decides, nothing else.
	w.advance(61 * time.Minute)
	late := func(c *client) error {
		ahead := awssts.NewFromConfig(c.cfg, func(o *awssts.Options) { o.HTTPSignerV4 = shifted{v4.NewSigner(), 61 * time.Minute} })
		_, err := ahead.GetCallerIdentity(context.Background(), nil)
		return err
	}
	if err := late(app); code(err) != "ExpiredToken" {
		t.Errorf("after 61 minutes: %v, want ExpiredToken", err)
	}
	if err := late(admin); err != nil {
		t.Errorf("a user's key after 61 minutes: %v", err)
	}
	if _, err := admin.sts.GetCallerIdentity(t.Context(), nil); code(err) != "SignatureDoesNotMatch" {
		t.Errorf("a signature an hour old: %v, want SignatureDoesNotMatch", err)
	}
}

func TestUserSessions(t *testing.T) {
	w := newWorld(t, "")
	admin := w.admin(dev)
	out, err := admin.sts.GetSessionToken(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	mine := w.with(out.Credentials)
	if got := mine.arn(); got != "arn:aws:iam::111122223333:user/dev-admin" {
		t.Errorf("session of a user is %s", got)
	}
	if _, err := mine.s3.ListBuckets(t.Context(), nil); err != nil {
		t.Errorf("ListBuckets: %v", err)
	}
	if _, err := mine.iam.ListUsers(t.Context(), nil); code(err) != "InvalidClientTokenId" {
		t.Errorf("IAM without MFA: %v, want InvalidClientTokenId", err)
	}
	// A federated user has what both sides allow, and nothing without a
	// session policy.
	for policy, want := range map[string]string{"": "AccessDenied", statement(`"Effect":"Allow","Action":"s3:ListAllMyBuckets","Resource":"*"`): ""} {
		in := &awssts.GetFederationTokenInput{Name: aws.String("fed")}
		if policy != "" {
			in.Policy = &policy
		}
		out, err := admin.sts.GetFederationToken(t.Context(), in)
		if err != nil {
			t.Fatal(err)
		}
		fed := w.with(out.Credentials)
		if got := fed.arn(); got != "arn:aws:sts::111122223333:federated-user/fed" {
			t.Errorf("federated user is %s", got)
		}
		if _, err := fed.s3.ListBuckets(t.Context(), nil); code(err) != want {
			t.Errorf("with session policy %q: %v, want %q", policy, err, want)
		}
		if _, err := fed.iam.ListUsers(t.Context(), nil); code(err) != "AccessDenied" {
			t.Errorf("IAM with a federation token: %v", err)
		}
	}
}

// TestTrust holds the conditions of a trust policy that a request brings.
func TestTrust(t *testing.T) {
	w := newWorld(t, "")
	admin, other := w.admin(dev), w.admin(shared)
	admin.role("ext", statement(`"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::444455556666:root"},"Action":"sts:AssumeRole","Condition":{"StringEquals":{"sts:ExternalId":"k-77/a"}}`), "")
	admin.role("tagged", trusts(`{"AWS":"111122223333"}`), statement(`"Effect":"Allow","Action":"sts:*","Resource":"*"`))
	admin.role("plain", statement(`"Effect":"Allow","Principal":{"AWS":"111122223333"},"Action":"sts:AssumeRole"`), "")
	admin.role("named", statement(`"Effect":"Allow","Principal":{"AWS":"111122223333"},"Action":"sts:AssumeRole","Condition":{"StringLike":{"sts:RoleSessionName":"i-*"}}`), "")
	admin.role("locked", trusts(`{"Service":"ec2.amazonaws.com"}`), "")

	ext := func(id string) func(*awssts.AssumeRoleInput) {
		return func(in *awssts.AssumeRoleInput) { in.ExternalId = &id }
	}
	tag := func(k, v string, transitive ...string) func(*awssts.AssumeRoleInput) {
		return func(in *awssts.AssumeRoleInput) {
			in.Tags = append(in.Tags, ststypes.Tag{Key: &k, Value: &v})
			in.TransitiveTagKeys = append(in.TransitiveTagKeys, transitive...)
		}
	}
	source := func(in *awssts.AssumeRoleInput) { in.SourceIdentity = aws.String("mira") }
	name := func(s string) func(*awssts.AssumeRoleInput) {
		return func(in *awssts.AssumeRoleInput) { in.RoleSessionName = &s }
	}
	policy := func(p string) func(*awssts.AssumeRoleInput) {
		return func(in *awssts.AssumeRoleInput) { in.Policy = &p }
	}
	for _, c := range []struct {
		what string
		who  *client
		role string
		more []func(*awssts.AssumeRoleInput)
		want string
	}{
		{"external id missing", other, "ext", nil, "AccessDenied"},
		{"external id wrong", other, "ext", []func(*awssts.AssumeRoleInput){ext("k-77/A")}, "AccessDenied"},
		{"external id right", other, "ext", []func(*awssts.AssumeRoleInput){ext("k-77/a")}, ""},
		{"another account, not trusted", other, "plain", nil, "AccessDenied"},
		{"session name not as asked", admin, "named", nil, "AccessDenied"},
		{"session name as asked", admin, "named", []func(*awssts.AssumeRoleInput){name("i-0abc")}, ""},
		{"session name malformed", admin, "plain", []func(*awssts.AssumeRoleInput){name("a b")}, "ValidationError"},
		{"tags where the trust allows sts:TagSession", admin, "tagged", []func(*awssts.AssumeRoleInput){tag("team", "a")}, ""},
		{"tags where it does not", admin, "plain", []func(*awssts.AssumeRoleInput){tag("team", "a")}, "AccessDenied"},
		{"a tag twice", admin, "tagged", []func(*awssts.AssumeRoleInput){tag("team", "a"), tag("Team", "b")}, "InvalidParameterValue"},
		{"source identity where the trust allows it", admin, "tagged", []func(*awssts.AssumeRoleInput){source}, ""},
		{"source identity where it does not", admin, "plain", []func(*awssts.AssumeRoleInput){source}, "AccessDenied"},
		{"session policy that is none", admin, "plain", []func(*awssts.AssumeRoleInput){policy("{")}, "MalformedPolicyDocument"},
		{"a role that trusts only a service", admin, "locked", nil, "AccessDenied"},
		{"a role that does not exist", admin, "nobody", nil, "AccessDenied"},
	} {
		_, err := c.who.assume(roleARN(dev, c.role), "session", c.more...)
		if code(err) != c.want {
			t.Errorf("%s: %v, want %q", c.what, err, c.want)
		}
	}
	_, err := admin.assume("arn:aws:s3:::bucket/of-no-role", "session")
	if code(err) != "ValidationError" {
		t.Errorf("an ARN of no role: %v", err)
	}

	// What a chain hands on: transitive tags and the source identity.
	first, err := admin.assume(roleARN(dev, "tagged"), "one", tag("team", "a", "team"), tag("gone", "x"), source)
	if err != nil {
		t.Fatal(err)
	}
	session := w.with(first)
	if _, err := session.assume(roleARN(dev, "tagged"), "two", tag("Team", "b")); code(err) != "InvalidParameterValue" {
		t.Errorf("a transitive tag passed again: %v", err)
	}
	if _, err := session.assume(roleARN(dev, "plain"), "two"); code(err) != "AccessDenied" {
		t.Errorf("transitive tags where the trust does not allow sts:TagSession: %v", err)
	}
	second, err := session.sts.AssumeRole(t.Context(), &awssts.AssumeRoleInput{RoleArn: aws.String(roleARN(dev, "tagged")), RoleSessionName: aws.String("two")})
	if err != nil || aws.ToString(second.SourceIdentity) != "mira" {
		t.Errorf("chained session: %v, source identity %v, want mira", err, second)
	}
}

// TestAuthentication holds each kind of bad credential against the code of
// each service (IAM and S3 API References, "Common errors", "Error responses").
func TestAuthentication(t *testing.T) {
	w, elsewhere := newWorld(t, ""), newWorld(t, "")
	key := w.account[dev].Admin
	admin := w.admin(dev)
	admin.role("app", trusts(`{"AWS":"111122223333"}`), "")
	cred, err := admin.assume(roleARN(dev, "app"), "one")
	if err != nil {
		t.Fatal(err)
	}
	elsewhere.admin(dev).role("app", trusts(`{"AWS":"111122223333"}`), "")
	foreign, err := elsewhere.admin(dev).assume(roleARN(dev, "app"), "one")
	if err != nil {
		t.Fatal(err)
	}
	flip := func(s string) string {
		i := len(s) / 2
		c := byte('A')
		if s[i] == 'A' {
			c = 'B'
		}
		return s[:i] + string(c) + s[i+1:]
	}
	for _, c := range []struct {
		what              string
		id, secret, token string
		query, s3         string
	}{
		{"unknown key", "AKIAIOSFODNN7EXAMPLE", "x", "", "InvalidClientTokenId", "InvalidAccessKeyId"},
		{"wrong secret", key.ID, flip(key.Secret), "", "SignatureDoesNotMatch", "SignatureDoesNotMatch"},
		{"user's key with a token", key.ID, key.Secret, *cred.SessionToken, "InvalidClientTokenId", "InvalidToken"},
		{"session without its token", *cred.AccessKeyId, *cred.SecretAccessKey, "", "InvalidClientTokenId", "InvalidToken"},
		{"session with a tampered token", *cred.AccessKeyId, *cred.SecretAccessKey, flip(*cred.SessionToken), "InvalidClientTokenId", "InvalidToken"},
		{"session with another's token", *cred.AccessKeyId, *cred.SecretAccessKey, *foreign.SessionToken, "InvalidClientTokenId", "InvalidToken"},
		{"session of another sandbox", *foreign.AccessKeyId, *foreign.SecretAccessKey, *foreign.SessionToken, "InvalidClientTokenId", "InvalidToken"},
		{"session with a wrong secret", *cred.AccessKeyId, flip(*cred.SecretAccessKey), *cred.SessionToken, "SignatureDoesNotMatch", "SignatureDoesNotMatch"},
	} {
		x := w.as(c.id, c.secret, c.token)
		if _, err := x.sts.GetCallerIdentity(t.Context(), nil); code(err) != c.query {
			t.Errorf("%s: STS answers %v, want %s", c.what, err, c.query)
		}
		if _, err := x.iam.ListRoles(t.Context(), nil); code(err) != c.query {
			t.Errorf("%s: IAM answers %v, want %s", c.what, err, c.query)
		}
		if _, err := x.s3.ListBuckets(t.Context(), nil); code(err) != c.s3 {
			t.Errorf("%s: S3 answers %v, want %s", c.what, err, c.s3)
		}
	}
	// A key that is switched off is as good as none.
	made, err := admin.iam.CreateAccessKey(t.Context(), &awsiam.CreateAccessKeyInput{})
	if err != nil {
		t.Fatal(err)
	}
	k := made.AccessKey
	if _, err := admin.iam.UpdateAccessKey(t.Context(), &awsiam.UpdateAccessKeyInput{AccessKeyId: k.AccessKeyId, Status: iamtypes.StatusTypeInactive}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.as(*k.AccessKeyId, *k.SecretAccessKey, "").sts.GetCallerIdentity(t.Context(), nil); code(err) != "InvalidClientTokenId" {
		t.Errorf("inactive key: %v", err)
	}
	// The session dies with its role, even if the name lives on.
	if _, err := admin.iam.DeleteRole(t.Context(), &awsiam.DeleteRoleInput{RoleName: aws.String("app")}); err != nil {
		t.Fatal(err)
	}
	admin.role("app", trusts(`{"AWS":"111122223333"}`), "")
	if _, err := w.with(cred).sts.GetCallerIdentity(t.Context(), nil); code(err) != "InvalidClientTokenId" {
		t.Errorf("session of a role that was made again: %v", err)
	}
}

// TestRefusedByName: what the sandbox does not implement is a client error
// that names it, so that no SDK retries it for minutes.
func TestRefusedByName(t *testing.T) {
	w := newWorld(t, "")
	_, err := w.admin(dev).iam.GenerateCredentialReport(t.Context(), nil)
	if code(err) != "InvalidAction" || !strings.Contains(err.Error(), "does not implement iam:GenerateCredentialReport") {
		t.Errorf("got %v", err)
	}
	_, err = w.admin(dev).sts.DecodeAuthorizationMessage(t.Context(), &awssts.DecodeAuthorizationMessageInput{EncodedMessage: aws.String("x")})
	if err == nil {
		t.Error("DecodeAuthorizationMessage of nothing succeeded")
	}
}

// TestStateSurvives: everything, sessions included, is there again.
func TestStateSurvives(t *testing.T) {
	dir := t.TempDir()
	var cred *ststypes.Credentials
	var admin sandbox.Key
	t.Run("before", func(t *testing.T) {
		w := newWorld(t, dir)
		a := w.admin(dev)
		admin = w.account[dev].Admin
		a.role("app", trusts(`{"AWS":"111122223333"}`), statement(`"Effect":"Allow","Action":"s3:*","Resource":"*"`))
		var err error
		if cred, err = a.assume(roleARN(dev, "app"), "one"); err != nil {
			t.Fatal(err)
		}
		if _, err := a.s3.CreateBucket(t.Context(), &awss3.CreateBucketInput{Bucket: aws.String("kept")}); err != nil && code(err) != "IllegalLocationConstraintException" {
			t.Fatal(err)
		}
	})
	t.Run("after", func(t *testing.T) {
		w := newWorld(t, dir)
		if w.account[dev].Admin != admin {
			t.Error("the administrator's key has changed")
		}
		if got := w.with(cred).arn(); got != "arn:aws:sts::111122223333:assumed-role/app/one" {
			t.Errorf("the session is %s", got)
		}
	})
}

// TestManyClients: sessions are made and used side by side.
func TestManyClients(t *testing.T) {
	w := newWorld(t, "")
	admin := w.admin(dev)
	admin.role("app", trusts(`{"AWS":"111122223333"}`), "")
	var clients sync.WaitGroup
	for i := range 200 {
		clients.Go(func() {
			cred, err := admin.assume(roleARN(dev, "app"), fmt.Sprintf("s-%d", i))
			if err != nil {
				t.Error(err)
				return
			}
			if got, want := w.with(cred).arn(), fmt.Sprintf("arn:aws:sts::111122223333:assumed-role/app/s-%d", i); got != want {
				t.Errorf("got %s, want %s", got, want)
			}
		})
	}
	clients.Wait()
}
