package sandbox_test

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"math/big"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsiam "github.com/aws/aws-sdk-go-v2/service/iam"
	awssts "github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/mantle-iam/mantle/sandbox"
	"github.com/mantle-iam/mantle/sandbox/internal/xmldsig"
)

// idp is a SAML identity provider.
type idp struct {
	t      *testing.T
	entity string
	key    *rsa.PrivateKey
	cert   string
}

func newIDP(t *testing.T) *idp {
	t.Helper()
	p := &idp{t: t, entity: "https://idp.example.com/saml"}
	var err error
	if p.key, err = rsa.GenerateKey(rand.Reader, 2048); err != nil {
		t.Fatal(err)
	}
	// The certificate is over; only its key counts.
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Unix(0, 0), NotAfter: time.Unix(1, 0)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, p.key.Public(), p.key)
	if err != nil {
		t.Fatal(err)
	}
	p.cert = base64.StdEncoding.EncodeToString(der)
	return p
}

func (p *idp) metadata() string {
	return fmt.Sprintf(`<?xml version="1.0"?>
<EntityDescriptor xmlns="urn:oasis:names:tc:SAML:2.0:metadata" entityID=%q>
  <IDPSSODescriptor protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol">
    <KeyDescriptor use="encryption"><KeyInfo xmlns="http://www.w3.org/2000/09/xmldsig#"><X509Data><X509Certificate>AAAA</X509Certificate></X509Data></KeyInfo></KeyDescriptor>
    <KeyDescriptor use="signing"><KeyInfo xmlns="http://www.w3.org/2000/09/xmldsig#"><X509Data><X509Certificate>
      %s
    </X509Certificate></X509Data></KeyInfo></KeyDescriptor>
    <SingleSignOnService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect" Location="https://idp.example.com/sso"/>
  </IDPSSODescriptor>
</EntityDescriptor>`, p.entity, p.cert)
}

// response is what the provider says; {…} are filled in before it is signed.
const response = `<samlp:Response xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol" xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion" ID="_r" Version="2.0" IssueInstant="{now}" Destination="https://signin.aws.amazon.com/saml">
<saml:Issuer>{issuer}</saml:Issuer>
<samlp:Status><samlp:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:{status}"/></samlp:Status>
<saml:Assertion ID="_a" Version="2.0" IssueInstant="{now}"><saml:Issuer>{issuer}</saml:Issuer>
<saml:Subject><saml:NameID Format="urn:oasis:names:tc:SAML:2.0:nameid-format:persistent">mira</saml:NameID>
<saml:SubjectConfirmation Method="urn:oasis:names:tc:SAML:2.0:cm:bearer"><saml:SubjectConfirmationData Recipient="{recipient}" NotOnOrAfter="{confirmed}"/></saml:SubjectConfirmation></saml:Subject>
<saml:Conditions NotBefore="{from}" NotOnOrAfter="{until}"><saml:AudienceRestriction><saml:Audience>{audience}</saml:Audience></saml:AudienceRestriction></saml:Conditions>
<saml:AuthnStatement AuthnInstant="{now}" SessionNotOnOrAfter="{session-end}"/>
<saml:AttributeStatement>{attributes}</saml:AttributeStatement>
</saml:Assertion></samlp:Response>`

func attribute(name string, values ...string) string {
	if !strings.HasPrefix(name, "urn:") {
		name = "https://aws.amazon.com/SAML/Attributes/" + name
	}
	out := `<saml:Attribute Name="` + name + `">`
	for _, v := range values {
		out += `<saml:AttributeValue>` + v + `</saml:AttributeValue>`
	}
	return out + `</saml:Attribute>`
}

// fill makes a response with the named parts exchanged.
func (p *idp) fill(parts map[string]string) string {
	at := func(d time.Duration) string { return time.Now().Add(d).UTC().Format(time.RFC3339) }
	all := map[string]string{
		"now": at(0), "from": at(-time.Minute), "until": at(5 * time.Minute), "confirmed": at(5 * time.Minute), "session-end": at(8 * time.Hour),
		"issuer": p.entity, "status": "Success", "recipient": "https://signin.aws.amazon.com/saml", "audience": "urn:amazon:webservices",
		"attributes": attribute("Role", roleARN(dev, "saml")+","+providerARN) + attribute("RoleSessionName", "mira@example.com"),
	}
	for k, v := range parts {
		all[k] = v
	}
	out := response
	for k, v := range all {
		out = strings.ReplaceAll(out, "{"+k+"}", v)
	}
	return out
}

// sign puts a signature around the element of an ID, after its Issuer.
func (p *idp) sign(doc, id string) string {
	p.t.Helper()
	root, err := xmldsig.Parse([]byte(doc))
	if err != nil {
		p.t.Fatal(err)
	}
	var signed []byte
	root.Walk(func(e *xmldsig.Element) {
		if e.Attr("ID") == id {
			signed = xmldsig.Canonical(e, nil)
		}
	})
	digest := sha256.Sum256(signed)
	info := `<ds:SignedInfo xmlns:ds="http://www.w3.org/2000/09/xmldsig#"><ds:CanonicalizationMethod Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#"></ds:CanonicalizationMethod>` +
		`<ds:SignatureMethod Algorithm="http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"></ds:SignatureMethod><ds:Reference URI="#` + id + `"><ds:Transforms>` +
		`<ds:Transform Algorithm="http://www.w3.org/2000/09/xmldsig#enveloped-signature"></ds:Transform><ds:Transform Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#"></ds:Transform></ds:Transforms>` +
		`<ds:DigestMethod Algorithm="http://www.w3.org/2001/04/xmlenc#sha256"></ds:DigestMethod><ds:DigestValue>` + base64.StdEncoding.EncodeToString(digest[:]) + `</ds:DigestValue></ds:Reference></ds:SignedInfo>`
	sum := sha256.Sum256([]byte(info))
	raw, err := rsa.SignPKCS1v15(rand.Reader, p.key, crypto.SHA256, sum[:])
	if err != nil {
		p.t.Fatal(err)
	}
	sig := `<ds:Signature xmlns:ds="http://www.w3.org/2000/09/xmldsig#">` + info + `<ds:SignatureValue>` + base64.StdEncoding.EncodeToString(raw) + `</ds:SignatureValue></ds:Signature>`
	before, after, _ := strings.Cut(doc, `ID="`+id+`"`)
	head, tail, _ := strings.Cut(after, "</saml:Issuer>")
	return before + `ID="` + id + `"` + head + "</saml:Issuer>" + sig + tail
}

const providerARN = "arn:aws:iam::111122223333:saml-provider/corp"

// samlWorld has the provider, and a role that trusts it for AWS's sign-in.
func samlWorld(t *testing.T, opt sandbox.Options) (*world, *idp) {
	t.Helper()
	w, p := newWorldOptions(t, opt), newIDP(t)
	admin := w.admin(dev)
	if _, err := admin.iam.CreateSAMLProvider(t.Context(), &awsiam.CreateSAMLProviderInput{Name: aws.String("corp"), SAMLMetadataDocument: aws.String(p.metadata())}); err != nil {
		t.Fatal(err)
	}
	trust := func(actions, condition string) string {
		return statement(`"Effect":"Allow","Principal":{"Federated":"` + providerARN + `"},"Action":[` + actions + `],"Condition":{` + condition + `}`)
	}
	admin.role("saml", trust(`"sts:AssumeRoleWithSAML"`, `"StringEquals":{"saml:aud":"https://signin.aws.amazon.com/saml"}`), statement(`"Effect":"Allow","Action":"s3:ListAllMyBuckets","Resource":"*","Condition":{"StringEquals":{"saml:sub":"mira","saml:sub_type":"persistent"}}`))
	admin.role("tagged", trust(`"sts:AssumeRoleWithSAML","sts:TagSession","sts:SetSourceIdentity"`,
		`"StringEquals":{"saml:iss":"https://idp.example.com/saml","saml:doc":"111122223333/corp","aws:RequestTag/team":"blue"},"ForAnyValue:StringEquals":{"saml:edupersonaffiliation":"staff"}`),
		statement(`"Effect":"Allow","Action":"s3:ListAllMyBuckets","Resource":"*","Condition":{"StringEquals":{"aws:PrincipalTag/team":"blue","aws:SourceIdentity":"mira"}}`))
	return w, p
}

func (w *world) assumeSAML(role, response string, more ...func(*awssts.AssumeRoleWithSAMLInput)) (*awssts.AssumeRoleWithSAMLOutput, error) {
	in := &awssts.AssumeRoleWithSAMLInput{
		RoleArn: aws.String(roleARN(dev, role)), PrincipalArn: aws.String(providerARN),
		SAMLAssertion: aws.String(base64.StdEncoding.EncodeToString([]byte(response))),
	}
	for _, m := range more {
		m(in)
	}
	anyone := awssts.New(awssts.Options{Region: "eu-west-1", BaseEndpoint: aws.String(w.url), RetryMaxAttempts: 1})
	return anyone.AssumeRoleWithSAML(w.t.Context(), in)
}

// TestSAML: an assertion that the provider has signed makes a session, and
// its answer and its condition keys are those of the assertion.
func TestSAML(t *testing.T) {
	var mu sync.Mutex // guards the variable below
	var records []sandbox.Record
	w, p := samlWorld(t, sandbox.Options{Trail: func(r sandbox.Record) {
		mu.Lock()
		defer mu.Unlock()
		records = append(records, r)
	}})
	for what, doc := range map[string]string{
		"the assertion is signed": p.sign(p.fill(nil), "_a"),
		"the response is signed":  p.sign(p.fill(nil), "_r"),
		"both are signed":         p.sign(p.sign(p.fill(nil), "_a"), "_r"),
	} {
		out, err := w.assumeSAML("saml", doc)
		if err != nil {
			t.Errorf("%s: %v", what, err)
			continue
		}
		// The value of the name qualifier: base64(sha1(issuer + account + "/" + name)),
		// computed with openssl.
		for field, c := range map[string]struct{ got, want *string }{
			"subject": {out.Subject, aws.String("mira")}, "type": {out.SubjectType, aws.String("persistent")},
			"issuer": {out.Issuer, aws.String(p.entity)}, "audience": {out.Audience, aws.String("https://signin.aws.amazon.com/saml")},
			"qualifier": {out.NameQualifier, aws.String("q9cKCJk6vpTW1u2/xwTUYDemF2k=")},
			"arn":       {out.AssumedRoleUser.Arn, aws.String("arn:aws:sts::111122223333:assumed-role/saml/mira@example.com")},
		} {
			if aws.ToString(c.got) != aws.ToString(c.want) {
				t.Errorf("%s: %s is %q, want %q", what, field, aws.ToString(c.got), aws.ToString(c.want))
			}
		}
		if left := time.Until(*out.Credentials.Expiration); left > time.Hour || left < 59*time.Minute {
			t.Errorf("%s: the session lasts %s", what, left)
		}
		if _, err := w.with(out.Credentials).s3.ListBuckets(t.Context(), nil); err != nil {
			t.Errorf("%s: a request with the keys of the assertion: %v", what, err)
		}
	}

	tags := attribute("Role", "x", providerARN+" , "+roleARN(dev, "tagged")) + attribute("RoleSessionName", "mira") + attribute("SessionDuration", "900") +
		attribute("PrincipalTag:team", "blue") + attribute("TransitiveTagKeys", "team") + attribute("SourceIdentity", "mira") + attribute("urn:oid:1.3.6.1.4.1.5923.1.1.1.1", "member", "staff")
	end := time.Now().Add(20 * time.Minute).UTC().Format(time.RFC3339)
	out, err := w.assumeSAML("tagged", p.sign(p.fill(map[string]string{"attributes": tags, "session-end": end}), "_a"))
	if err != nil {
		t.Fatal(err)
	}
	if left := time.Until(*out.Credentials.Expiration); left > 20*time.Minute || aws.ToString(out.SourceIdentity) != "mira" {
		t.Errorf("the session lasts %s, source identity %q", left, aws.ToString(out.SourceIdentity))
	}
	if _, err := w.with(out.Credentials).s3.ListBuckets(t.Context(), nil); err != nil {
		t.Errorf("a request with the tags of the assertion: %v", err)
	}
	// An assertion is of the provider's time, whatever the sandbox's is.
	if err := w.srv.Advance(48 * time.Hour); err != nil {
		t.Fatal(err)
	}
	if _, err := w.assumeSAML("saml", p.sign(p.fill(nil), "_a")); err != nil {
		t.Errorf("with the sandbox's clock ahead: %v", err)
	}

	// The trail says who vouched for whom, and keeps no assertion.
	mu.Lock()
	defer mu.Unlock()
	for _, r := range records {
		if r.EventName != "AssumeRoleWithSAML" {
			continue
		}
		if u := r.UserIdentity; u.Type != "SAMLUser" || u.UserName != "mira" || u.IdentityProvider != providerARN {
			t.Errorf("user identity %+v", u)
		}
		if r.ResponseElements["accessKeyId"] == "" || r.RequestParameters["principalArn"] != providerARN {
			t.Errorf("record %s", r)
		}
		if len(r.String()) > 2000 {
			t.Errorf("a record of %d bytes: %s", len(r.String()), r)
		}
	}
}

// TestSAMLRefused holds each thing that can be wrong against AWS's code (AWS
// STS API Reference, AssumeRoleWithSAML; IAM User Guide, "Troubleshoot SAML
// federation with IAM").
func TestSAMLRefused(t *testing.T) {
	w, p := samlWorld(t, sandbox.Options{})
	stranger := newIDP(t)
	at := func(d time.Duration) string { return time.Now().Add(d).UTC().Format(time.RFC3339) }
	with := func(k, v string) string { return p.sign(p.fill(map[string]string{k: v}), "_a") }
	roles := attribute("Role", roleARN(dev, "saml")+","+providerARN)
	attrs := func(more string) string { return with("attributes", roles+more) }
	good := p.sign(p.fill(nil), "_a")
	pass := func(in *awssts.AssumeRoleWithSAMLInput) {}
	for _, c := range []struct {
		what, doc, code, text string
		more                  func(*awssts.AssumeRoleWithSAMLInput)
	}{
		{"not signed", p.fill(nil), "InvalidIdentityToken", "Response signature invalid", pass},
		{"signed by another", stranger.sign(p.fill(nil), "_a"), "InvalidIdentityToken", "Response signature invalid", pass},
		{"changed", strings.Replace(good, "mira@example.com", "root@example.com", 1), "InvalidIdentityToken", "Response signature invalid", pass},
		{"changed around a signed assertion", strings.Replace(p.sign(good, "_r"), "Destination", "destination", 1), "InvalidIdentityToken", "Response signature invalid", pass},
		{"an unsigned assertion beside", strings.Replace(good, "</samlp:Response>", `<saml:Assertion ID="_b"/></samlp:Response>`, 1), "InvalidIdentityToken", "2 assertions", pass},
		{"a document type", "<!DOCTYPE a>" + good, "InvalidIdentityToken", "document type", pass},
		{"not XML", "{}", "InvalidIdentityToken", "Invalid SAML response", pass},
		{"not base64", good, "InvalidIdentityToken", "base64", func(in *awssts.AssumeRoleWithSAMLInput) { in.SAMLAssertion = aws.String("<<<<") }},
		{"encrypted", strings.NewReplacer("saml:Assertion", "saml:EncryptedAssertion").Replace(p.fill(nil)), "InvalidIdentityToken", "encrypted", pass},
		{"failed at the provider", with("status", "AuthnFailed"), "IDPRejectedClaim", "AuthnFailed", pass},
		{"another issuer", with("issuer", "https://else.example.com"), "InvalidIdentityToken", "Issuer not present", pass},
		{"another audience", with("audience", "https://example.com"), "InvalidIdentityToken", "audience", pass},
		{"an audience that looks alike", with("audience", "https://evil.example.com/.signin.aws.amazon.com/saml"), "InvalidIdentityToken", "audience", pass},
		{"another recipient than the trust policy's", with("recipient", "https://eu-west-1.signin.aws.amazon.com/saml"), "AccessDenied", "Not authorized to perform sts:AssumeRoleWithSAML", pass},
		{"over", with("until", at(-time.Second)), "ExpiredTokenException", "expired", pass},
		{"confirmation over", with("confirmed", at(-time.Second)), "ExpiredTokenException", "expired", pass},
		{"no confirmation", with("confirmed", ""), "InvalidIdentityToken", "SubjectConfirmation", pass},
		{"session over", with("session-end", at(-time.Second)), "ExpiredTokenException", "expired", pass},
		{"issued long ago", with("now", at(-6*time.Minute)), "ExpiredTokenException", "within 5 minutes", pass},
		{"issued tomorrow", with("now", at(24*time.Hour)), "InvalidIdentityToken", "future", pass},
		{"not yet", with("from", at(time.Hour)), "InvalidIdentityToken", "not yet valid", pass},
		{"another role", with("attributes", strings.Replace(roles, "role/saml", "role/tagged", 1)+attribute("RoleSessionName", "mira")), "AccessDenied", "Not authorized", pass},
		{"another account's provider", good, "InvalidIdentityToken", "provider doesn't exist", func(in *awssts.AssumeRoleWithSAMLInput) {
			in.PrincipalArn = aws.String("arn:aws:iam::444455556666:saml-provider/corp")
		}},
		{"no session name", attrs(""), "InvalidIdentityToken", "RoleSessionName is required", pass},
		{"a bad session name", attrs(attribute("RoleSessionName", "a b")), "InvalidIdentityToken", "must match", pass},
		{"a session duration of a second", attrs(attribute("RoleSessionName", "mira") + attribute("SessionDuration", "1")), "InvalidIdentityToken", "SessionDuration", pass},
		{"tags that the trust policy does not allow", attrs(attribute("RoleSessionName", "mira") + attribute("PrincipalTag:team", "a")), "AccessDenied", "sts:TagSession", pass},
		{"a source identity that it does not allow", attrs(attribute("RoleSessionName", "mira") + attribute("SourceIdentity", "mira")), "AccessDenied", "sts:SetSourceIdentity", pass},
		{"a bad source identity", attrs(attribute("RoleSessionName", "mira") + attribute("SourceIdentity", "aws:x")), "InvalidIdentityToken", "Source Identity", pass},
		{"a transitive tag that is none", attrs(attribute("RoleSessionName", "mira") + attribute("TransitiveTagKeys", "team")), "InvalidParameterValue", "transitive", pass},
		{"longer than the role allows", good, "ValidationError", "MaxSessionDuration", func(in *awssts.AssumeRoleWithSAMLInput) { in.DurationSeconds = aws.Int32(43200) }},
		{"a role that does not exist", with("attributes", strings.Replace(roles, "role/saml", "role/gone", 1)+attribute("RoleSessionName", "mira")), "AccessDenied", "Not authorized", func(in *awssts.AssumeRoleWithSAMLInput) {
			in.RoleArn = aws.String(roleARN(dev, "gone"))
		}},
	} {
		_, err := w.assumeSAML("saml", c.doc, c.more)
		if code(err) != c.code || !strings.Contains(err.Error(), c.text) {
			t.Errorf("%s: %v, want %s with %q", c.what, err, c.code, c.text)
		}
	}
}
