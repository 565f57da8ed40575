package sandbox_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsiam "github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"
	awssts "github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/mantle-iam/mantle/sandbox"
)

// newWorldWith is a world whose sandbox has the keys of issuers from a
// function.
func newWorldWith(t *testing.T, keys func(context.Context, string) ([]byte, error)) *world {
	t.Helper()
	w := &world{t: t, account: map[string]sandbox.Account{}}
	srv, err := sandbox.New(sandbox.Options{Keys: keys, Now: func() time.Time {
		w.mu.Lock()
		defer w.mu.Unlock()
		return time.Now().Add(w.shift)
	}})
	if err != nil {
		t.Fatal(err)
	}
	w.srv = srv
	if w.account[dev], err = srv.AddAccount("dev", dev); err != nil {
		t.Fatal(err)
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

// issuer is an OpenID Connect provider on this machine.
type issuer struct {
	t   *testing.T
	url string
	rsa *rsa.PrivateKey
	ec  *ecdsa.PrivateKey

	mu   sync.Mutex // guards the field below
	gets []string   // paths asked for
}

func newIssuer(t *testing.T) *issuer {
	t.Helper()
	is := &issuer{t: t}
	var err error
	if is.rsa, err = rsa.GenerateKey(rand.Reader, 2048); err != nil {
		t.Fatal(err)
	}
	if is.ec, err = ecdsa.GenerateKey(elliptic.P384(), rand.Reader); err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		is.mu.Lock()
		is.gets = append(is.gets, r.URL.Path)
		is.mu.Unlock()
		switch r.URL.Path {
		case "/id/A1/.well-known/openid-configuration":
			fmt.Fprintf(w, `{"issuer":%q,"jwks_uri":%q}`, is.url, is.url+"/keys")
		case "/id/A1/keys":
			w.Write(is.keys())
		default:
			http.NotFound(w, r)
		}
	}))
	t.Cleanup(srv.Close)
	is.url = srv.URL + "/id/A1"
	return is
}

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func (is *issuer) keys() []byte {
	x, y := make([]byte, 48), make([]byte, 48)
	doc, _ := json.Marshal(map[string]any{"keys": []map[string]string{
		{"kty": "oct", "kid": "ignored"},
		{"kty": "RSA", "kid": "r1", "use": "sig", "alg": "RS256", "n": b64(is.rsa.N.Bytes()), "e": b64(big.NewInt(int64(is.rsa.E)).Bytes())},
		{"kty": "EC", "kid": "e1", "crv": "P-384", "x": b64(is.ec.X.FillBytes(x)), "y": b64(is.ec.Y.FillBytes(y))},
	}})
	return doc
}

// sign makes a token of the claims.
func (is *issuer) sign(alg, kid string, claims map[string]any) string {
	is.t.Helper()
	header, _ := json.Marshal(map[string]string{"alg": alg, "kid": kid, "typ": "JWT"})
	payload, err := json.Marshal(claims)
	if err != nil {
		is.t.Fatal(err)
	}
	text := b64(header) + "." + b64(payload)
	switch alg {
	case "RS256":
		sum := sha256.Sum256([]byte(text))
		sig, err := rsa.SignPKCS1v15(rand.Reader, is.rsa, crypto.SHA256, sum[:])
		if err != nil {
			is.t.Fatal(err)
		}
		return text + "." + b64(sig)
	case "ES384":
		sum := sha512.Sum384([]byte(text))
		r, s, err := ecdsa.Sign(rand.Reader, is.ec, sum[:])
		if err != nil {
			is.t.Fatal(err)
		}
		return text + "." + b64(slices.Concat(r.FillBytes(make([]byte, 48)), s.FillBytes(make([]byte, 48))))
	}
	return text + "."
}

// claims are those of a good token, with changes; nil takes a claim away.
func (is *issuer) claims(change ...any) map[string]any {
	now := time.Now()
	c := map[string]any{
		"iss": is.url, "sub": "system:serviceaccount:shop:web", "aud": []string{"sts.amazonaws.com"},
		"iat": now.Unix(), "exp": now.Add(time.Hour).Unix(),
	}
	for i := 0; i < len(change); i += 2 {
		if change[i+1] == nil {
			delete(c, change[i].(string))
		} else {
			c[change[i].(string)] = change[i+1]
		}
	}
	return c
}

func (w *world) anonymous() *awssts.Client {
	return awssts.New(awssts.Options{Region: "eu-west-1", BaseEndpoint: aws.String(w.url), RetryMaxAttempts: 1})
}

func withToken(role, token string) *awssts.AssumeRoleWithWebIdentityInput {
	return &awssts.AssumeRoleWithWebIdentityInput{RoleArn: aws.String(role), RoleSessionName: aws.String("pod"), WebIdentityToken: aws.String(token)}
}

func TestWebIdentity(t *testing.T) {
	ctx := t.Context()
	w := newWorld(t, "")
	is := newIssuer(t)
	name := strings.TrimPrefix(is.url, "http://")
	admin := w.admin(dev)
	made, err := admin.iam.CreateOpenIDConnectProvider(ctx, &awsiam.CreateOpenIDConnectProviderInput{
		Url: &is.url, ClientIDList: []string{"sts.amazonaws.com"}, Tags: []iamtypes.Tag{{Key: aws.String("team"), Value: aws.String("a")}},
	})
	if err != nil {
		t.Fatal(err)
	}
	provider := *made.OpenIDConnectProviderArn
	if want := "arn:aws:iam::" + dev + ":oidc-provider/" + name; provider != want {
		t.Fatalf("provider is %s, want %s", provider, want)
	}
	trust := func(conditions string, actions ...string) string {
		list, _ := json.Marshal(append([]string{"sts:AssumeRoleWithWebIdentity"}, actions...))
		return statement(`"Effect":"Allow","Principal":{"Federated":"` + provider + `"},"Action":` + string(list) + `,"Condition":{` + conditions + `}`)
	}
	sub := `"StringEquals":{"` + name + `:sub":"system:serviceaccount:shop:web","` + name + `:aud":"sts.amazonaws.com"}`
	admin.role("web", trust(sub), statement(`"Effect":"Allow","Action":"iam:ListRoles","Resource":"*","Condition":{"StringEquals":{"`+name+`:sub":"system:serviceaccount:shop:web","aws:FederatedProvider":"`+provider+`"}}`))
	admin.role("tagged", trust(sub, "sts:TagSession", "sts:SetSourceIdentity"), statement(`"Effect":"Allow","Action":"iam:ListRoles","Resource":"*","Condition":{"StringEquals":{"aws:PrincipalTag/project":"blue","aws:SourceIdentity":"mira"}}`))
	admin.role("strict", trust(`"StringEquals":{"`+name+`:amr":"mfa"}`), "")
	admin.role("none", trusts(`{"AWS":"arn:aws:iam::111122223333:root"}`), "")

	web := roleARN(dev, "web")
	for _, alg := range []struct{ alg, kid string }{{"RS256", "r1"}, {"ES384", "e1"}, {"ES384", ""}} {
		out, err := w.anonymous().AssumeRoleWithWebIdentity(ctx, withToken(web, is.sign(alg.alg, alg.kid, is.claims())))
		if err != nil {
			t.Errorf("%s %q: %v", alg.alg, alg.kid, err)
			continue
		}
		if got, want := *out.SubjectFromWebIdentityToken+" "+*out.Provider+" "+*out.Audience, "system:serviceaccount:shop:web "+provider+" sts.amazonaws.com"; got != want {
			t.Errorf("answer %q, want %q", got, want)
		}
		pod := w.with(out.Credentials)
		if got, want := pod.arn(), "arn:aws:sts::"+dev+":assumed-role/web/pod"; got != want {
			t.Errorf("session is %s, want %s", got, want)
		}
		if _, err := pod.iam.ListRoles(ctx, nil); err != nil {
			t.Errorf("the session's requests do not carry the token's keys: %v", err)
		}
	}
	is.mu.Lock()
	if len(is.gets) != 2 {
		t.Errorf("the issuer was asked %v; want its discovery document and keys once", is.gets)
	}
	is.mu.Unlock()

	t.Run("refused", func(t *testing.T) {
		good := is.sign("RS256", "r1", is.claims())
		parts := strings.Split(good, ".")
		now := time.Now()
		for _, row := range []struct{ name, role, token, code, message string }{
			{"subject of another pod", web, is.sign("RS256", "r1", is.claims("sub", "system:serviceaccount:shop:Web")), "AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity"},
			{"role that does not trust the provider", roleARN(dev, "none"), good, "AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity"},
			{"unknown role", roleARN(dev, "nope"), good, "AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity"},
			{"absent claim in a condition", roleARN(dev, "strict"), good, "AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity"},
			{"tags without sts:TagSession", web, is.sign("RS256", "r1", is.claims("https://aws.amazon.com/tags/principal_tags/project", "blue")), "AccessDenied", "Not authorized to perform sts:TagSession"},
			{"source identity without permission", web, is.sign("RS256", "r1", is.claims("https://aws.amazon.com/source_identity", "mira")), "AccessDenied", "Not authorized to perform sts:SetSourceIdentity"},
			{"account without the provider", roleARN(shared, "web"), good, "InvalidIdentityToken", "No OpenIDConnect provider found in your account for " + is.url},
			{"another issuer", web, is.sign("RS256", "r1", is.claims("iss", "https://example.com")), "InvalidIdentityToken", "No OpenIDConnect provider found in your account for https://example.com"},
			{"audience", web, is.sign("RS256", "r1", is.claims("aud", "api")), "InvalidIdentityToken", "Incorrect token audience"},
			{"authorized party", web, is.sign("RS256", "r1", is.claims("azp", "app")), "InvalidIdentityToken", "Incorrect token audience"},
			{"no audience", web, is.sign("RS256", "r1", is.claims("aud", nil)), "InvalidIdentityToken", "Missing a required claim: aud"},
			{"no subject", web, is.sign("RS256", "r1", is.claims("sub", nil)), "InvalidIdentityToken", "Missing a required claim: sub"},
			{"no end", web, is.sign("RS256", "r1", is.claims("exp", nil)), "InvalidIdentityToken", "Missing a required claim: exp"},
			{"fractional end", web, is.sign("RS256", "r1", is.claims("exp", 1.5)), "InvalidIdentityToken", "exp"},
			{"expired", web, is.sign("RS256", "r1", is.claims("exp", now.Add(-time.Hour).Unix())), "ExpiredTokenException", "must be before the expiration date/time"},
			{"not yet valid", web, is.sign("RS256", "r1", is.claims("nbf", now.Add(time.Hour).Unix())), "InvalidIdentityToken", "not yet valid"},
			{"from the future", web, is.sign("RS256", "r1", is.claims("iat", now.Add(time.Hour).Unix())), "InvalidIdentityToken", "issued in the future"},
			{"unknown key", web, is.sign("RS256", "r2", is.claims()), "InvalidIdentityToken", "signature"},
			{"key of another algorithm", web, is.sign("ES384", "r1", is.claims()), "InvalidIdentityToken", "signature"},
			{"changed claims", web, parts[0] + "." + b64([]byte(strings.Replace(string(mustDecode(t, parts[1])), "shop:web", "shop:wob", 1))) + "." + parts[2], "InvalidIdentityToken", "signature"},
			{"unsigned", web, is.sign("none", "r1", is.claims()), "InvalidIdentityToken", "not a valid JWT"},
			{"not a token", web, "abcdefg", "InvalidIdentityToken", "not a valid JWT"},
			{"role that is no ARN", "this is not an ARN at all", good, "ValidationError", "is invalid"},
		} {
			_, err := w.anonymous().AssumeRoleWithWebIdentity(ctx, withToken(row.role, row.token))
			if code(err) != row.code || !strings.Contains(err.Error(), row.message) {
				t.Errorf("%s: %v, want %s with %q", row.name, err, row.code, row.message)
			}
		}
		in := withToken(web, good)
		in.DurationSeconds = aws.Int32(43200)
		if _, err := w.anonymous().AssumeRoleWithWebIdentity(ctx, in); code(err) != "ValidationError" {
			t.Errorf("twelve hours of a two-hour role: %v, want ValidationError", err)
		}
		in = withToken(web, good)
		in.ProviderId = aws.String("graph.facebook.com")
		if _, err := w.anonymous().AssumeRoleWithWebIdentity(ctx, in); code(err) != "ValidationError" {
			t.Errorf("an OAuth 2.0 token: %v, want ValidationError", err)
		}
	})

	t.Run("ForAllValues", func(t *testing.T) {
		// It holds for a claim that the token has not got: a trap of AWS's.
		admin.role("loose", trust(`"ForAllValues:StringEquals":{"`+name+`:amr":"mfa"}`), "")
		if _, err := w.anonymous().AssumeRoleWithWebIdentity(ctx, withToken(roleARN(dev, "loose"), is.sign("RS256", "r1", is.claims()))); err != nil {
			t.Errorf("absent claim: %v", err)
		}
		other := is.sign("RS256", "r1", is.claims("amr", []string{"mfa", "pwd"}))
		if _, err := w.anonymous().AssumeRoleWithWebIdentity(ctx, withToken(roleARN(dev, "loose"), other)); code(err) != "AccessDenied" {
			t.Errorf("another value: %v, want AccessDenied", err)
		}
	})

	t.Run("clock skew", func(t *testing.T) {
		late := is.sign("RS256", "r1", is.claims("exp", time.Now().Add(-4*time.Minute).Unix()))
		if _, err := w.anonymous().AssumeRoleWithWebIdentity(ctx, withToken(web, late)); err != nil {
			t.Errorf("four minutes after its end: %v; the window is five", err)
		}
	})

	t.Run("tags and source identity", func(t *testing.T) {
		for _, tags := range []map[string]any{
			is.claims("https://aws.amazon.com/source_identity", "mira", "https://aws.amazon.com/tags", map[string]any{
				"principal_tags": map[string]any{"project": []string{"blue"}}, "transitive_tag_keys": []string{"project"},
			}),
			is.claims("https://aws.amazon.com/source_identity", "mira",
				"https://aws.amazon.com/tags/principal_tags/project", "blue", "https://aws.amazon.com/tags/transitive_tag_keys", []string{"project"}),
		} {
			out, err := w.anonymous().AssumeRoleWithWebIdentity(ctx, withToken(roleARN(dev, "tagged"), is.sign("RS256", "r1", tags)))
			if err != nil {
				t.Fatal(err)
			}
			if got := aws.ToString(out.SourceIdentity); got != "mira" {
				t.Errorf("source identity %q, want mira", got)
			}
			if _, err := w.with(out.Credentials).iam.ListRoles(ctx, nil); err != nil {
				t.Errorf("tags or source identity did not reach the session: %v", err)
			}
		}
		broken := is.sign("RS256", "r1", is.claims("https://aws.amazon.com/tags", map[string]any{"principal_tags": map[string]any{"a": []string{"1", "2"}}}))
		if _, err := w.anonymous().AssumeRoleWithWebIdentity(ctx, withToken(roleARN(dev, "tagged"), broken)); code(err) != "InvalidIdentityToken" {
			t.Errorf("a tag of two values: %v, want InvalidIdentityToken", err)
		}
	})

	t.Run("provider goes", func(t *testing.T) {
		for range 2 { // deleting is idempotent
			if _, err := admin.iam.DeleteOpenIDConnectProvider(ctx, &awsiam.DeleteOpenIDConnectProviderInput{OpenIDConnectProviderArn: &provider}); err != nil {
				t.Fatal(err)
			}
		}
		_, err := w.anonymous().AssumeRoleWithWebIdentity(ctx, withToken(web, is.sign("RS256", "r1", is.claims())))
		if code(err) != "InvalidIdentityToken" {
			t.Errorf("after the provider is deleted: %v, want InvalidIdentityToken", err)
		}
	})
}

// TestWebIdentityKeys gives the sandbox keys of an issuer that it cannot
// reach, as a test of GitHub's does, and makes use of claims that only some
// issuers have.
func TestWebIdentityKeys(t *testing.T) {
	ctx := t.Context()
	is := newIssuer(t)
	is.url = "https://token.actions.githubusercontent.com"
	fail := error(nil)
	w := newWorldWith(t, func(_ context.Context, issuer string) ([]byte, error) {
		if issuer != is.url && issuer != "https://accounts.google.com" {
			t.Errorf("keys of %s were asked for", issuer)
		}
		return is.keys(), fail
	})
	admin := w.admin(dev)
	if _, err := admin.iam.CreateOpenIDConnectProvider(ctx, &awsiam.CreateOpenIDConnectProviderInput{Url: &is.url, ClientIDList: []string{"sts.amazonaws.com"}}); err != nil {
		t.Fatal(err)
	}
	gh := "token.actions.githubusercontent.com"
	provider := "arn:aws:iam::" + dev + ":oidc-provider/" + gh
	admin.role("deploy", statement(`"Effect":"Allow","Principal":{"Federated":"`+provider+`"},"Action":"sts:AssumeRoleWithWebIdentity","Condition":{"StringEquals":{"`+gh+`:aud":"sts.amazonaws.com","`+gh+`:sub":"repo:org/x:environment:prod","`+gh+`:repository_owner_id":"42"}}`), "")
	admin.role("google", statement(`"Effect":"Allow","Principal":{"Federated":"accounts.google.com"},"Action":"sts:AssumeRoleWithWebIdentity","Condition":{"StringEquals":{"accounts.google.com:aud":"1078","accounts.google.com:oaud":"orders","accounts.google.com:sub":"1078"}}`), "")

	for _, row := range []struct {
		name, role string
		claims     map[string]any
		want       string
	}{
		{"production", "deploy", is.claims("sub", "repo:org/x:environment:prod", "repository_owner_id", "42"), ""},
		{"another branch", "deploy", is.claims("sub", "repo:org/x:ref:refs/heads/main", "repository_owner_id", "42"), "AccessDenied"},
		{"letters' case", "deploy", is.claims("sub", "repo:Org/x:environment:prod", "repository_owner_id", "42"), "AccessDenied"},
		{"another owner", "deploy", is.claims("sub", "repo:org/x:environment:prod", "repository_owner_id", "43"), "AccessDenied"},
		{"Google", "google", is.claims("iss", "https://accounts.google.com", "sub", "1078", "azp", "1078", "aud", "orders"), ""},
		{"Google for others", "google", is.claims("iss", "https://accounts.google.com", "sub", "1078", "azp", "1078", "aud", "invoices"), "AccessDenied"},
	} {
		_, err := w.anonymous().AssumeRoleWithWebIdentity(ctx, withToken(roleARN(dev, row.role), is.sign("RS256", "r1", row.claims)))
		if code(err) != row.want {
			t.Errorf("%s: %v, want %q", row.name, err, row.want)
		}
	}
	w.advance(time.Hour)
	fail = fmt.Errorf("no network")
	_, err := w.anonymous().AssumeRoleWithWebIdentity(ctx, withToken(roleARN(dev, "deploy"), is.sign("RS256", "r1", is.claims())))
	if code(err) != "InvalidIdentityToken" || !strings.Contains(err.Error(), "Couldn't retrieve verification key") {
		t.Errorf("without keys: %v", err)
	}
}

func TestDecodeAuthorizationMessage(t *testing.T) {
	w := newWorld(t, "")
	admin := w.admin(dev)
	in := &awssts.DecodeAuthorizationMessageInput{EncodedMessage: aws.String("not-a-message")}
	if _, err := admin.sts.DecodeAuthorizationMessage(t.Context(), in); code(err) != "InvalidAuthorizationMessageException" {
		t.Errorf("no message: %v, want InvalidAuthorizationMessageException", err)
	}
	admin.role("app", trusts(`{"AWS":"arn:aws:iam::111122223333:root"}`), "")
	cred, err := admin.assume(roleARN(dev, "app"), "one")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.with(cred).sts.DecodeAuthorizationMessage(t.Context(), in); code(err) != "AccessDenied" {
		t.Errorf("without permission: %v, want AccessDenied", err)
	}
}

func mustDecode(t *testing.T, s string) []byte {
	t.Helper()
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
