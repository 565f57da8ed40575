package sts

import (
	"strings"
	"testing"
	"time"

	"github.com/mantle-iam/mantle/sandbox/internal/xmldsig"
)

// TestAudience: AWS's own names and its regional endpoints, and nothing that
// only looks like them.
func TestAudience(t *testing.T) {
	for s, want := range map[string]bool{
		"https://signin.aws.amazon.com/saml":                      true,
		"urn:amazon:webservices":                                  true,
		"urn:amazon:webservices:govcloud":                         true,
		"https://eu-west-1.signin.aws.amazon.com/saml":            true,
		"https://us-east-1.signin.aws.amazon.com/saml/acs/SAMLSP": true,
		"https://cn-north-1.signin.amazonaws.cn/saml":             true,
		"":                                  false,
		"http://signin.aws.amazon.com/saml": false,
		"http://eu-west-1.signin.aws.amazon.com/saml":    false,
		"https://evil.com/.signin.aws.amazon.com/saml":   false,
		"https://a.signin.aws.amazon.com.evil.com/saml":  false,
		"https://.signin.aws.amazon.com/saml":            false,
		"https://eu-west-1.signin.aws.amazon.com/saml2":  false,
		"https://eu-west-1.signin.aws.amazon.com/":       false,
		"urn:amazon:webservices2":                        false,
		"eu-west-1.signin.aws.amazon.com/saml":           false,
		"https://signin.aws.amazon.com/saml?x=y":         false,
		"https://a.b.signin.aws.amazon.com/saml":         false,
		"https://x@eu-west-1.signin.aws.amazon.com/saml": true, // a name, not a place: nobody is sent there
	} {
		if got := isAudience(s); got != want {
			t.Errorf("%q: %v, want %v", s, got, want)
		}
	}
}

// TestMetadata: what metadata must have if assertions are to be verified.
func TestMetadata(t *testing.T) {
	const head = `<EntityDescriptor xmlns="urn:oasis:names:tc:SAML:2.0:metadata" entityID="e">`
	for doc, want := range map[string]string{
		"":                           "ends before",
		"<a/>":                       "EntityDescriptor",
		head + "</EntityDescriptor>": "no X.509 certificate",
		strings.Replace(head, `"e"`, `""`, 1) + "</EntityDescriptor>": "entityID",
		head + `<IDPSSODescriptor><KeyDescriptor use="encryption"/><KeyDescriptor><KeyInfo xmlns="http://www.w3.org/2000/09/xmldsig#"><X509Certificate>!</X509Certificate></KeyInfo></KeyDescriptor></IDPSSODescriptor></EntityDescriptor>`: "no X.509 certificate",
	} {
		if got, err := readMetadata(doc); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.80s: %v, %v, want %q", doc, got, err, want)
		}
	}
}

// FuzzSAML: whatever a response says, it is read or refused as a client's
// error, and one without a signature is never taken.
func FuzzSAML(f *testing.F) {
	f.Add(`<p:Response xmlns:p="urn:oasis:names:tc:SAML:2.0:protocol" xmlns="urn:oasis:names:tc:SAML:2.0:assertion" ID="r"><p:Status><p:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:Success"/></p:Status>` +
		`<Assertion ID="a" IssueInstant="2026-01-01T00:00:00Z"><Issuer>i</Issuer><Subject><NameID Format="f">n</NameID><SubjectConfirmation Method="urn:oasis:names:tc:SAML:2.0:cm:bearer"><SubjectConfirmationData Recipient="r" NotOnOrAfter="2026-01-01T00:05:00Z"/></SubjectConfirmation></Subject>` +
		`<Conditions><AudienceRestriction><Audience>urn:amazon:webservices</Audience></AudienceRestriction></Conditions><AttributeStatement><Attribute Name="https://aws.amazon.com/SAML/Attributes/RoleSessionName"><AttributeValue>mira</AttributeValue></Attribute></AttributeStatement></Assertion></p:Response>`)
	now := time.Date(2026, 1, 1, 0, 1, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, doc string) {
		readMetadata(doc)
		root, err := xmldsig.Parse([]byte(doc))
		if err != nil {
			return
		}
		a, err := readResponse(root)
		if err != nil {
			return
		}
		if err := a.verify(root, nil); err == nil {
			t.Fatal("verified without a key")
		}
		id, err := a.identity(SAMLProvider{ARN: "p", Account: "111122223333", Name: "n"}, idp{entity: "i"}, now)
		if err != nil {
			return
		}
		if id.subject == "" || id.audience == "" || !sourcePattern.MatchString(id.session) {
			t.Fatalf("read as %+v", id)
		}
		a.offers("r", "p")
	})
}
