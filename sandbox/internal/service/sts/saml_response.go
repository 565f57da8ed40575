package sts

import (
	"bytes"
	"crypto"
	"crypto/sha1"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/mantle-iam/mantle/sandbox/internal/wire"
	"github.com/mantle-iam/mantle/sandbox/internal/xmldsig"
)

// Namespaces and names of SAML 2.0 (Assertions and Protocols, Metadata).
const (
	samlAssertion = "urn:oasis:names:tc:SAML:2.0:assertion"
	samlProtocol  = "urn:oasis:names:tc:SAML:2.0:protocol"
	samlMetadata  = "urn:oasis:names:tc:SAML:2.0:metadata"
	samlSuccess   = "urn:oasis:names:tc:SAML:2.0:status:Success"
	samlBearer    = "urn:oasis:names:tc:SAML:2.0:cm:bearer"
	nameIDFormat  = "urn:oasis:names:tc:SAML:2.0:nameid-format:"
)

// idp is what the metadata of an identity provider says.
type idp struct {
	entity string
	keys   []crypto.PublicKey
}

// readMetadata reads the entity ID and the signing keys out of a metadata
// document. The certificates only carry the keys: "IAM doesn't evaluate …
// expiration of X.509 certificates in SAML metadata documents" (IAM User
// Guide, "Create a SAML identity provider in IAM").
func readMetadata(doc string) (idp, error) {
	// Many files begin with a byte order mark.
	root, err := xmldsig.Parse(bytes.TrimPrefix([]byte(doc), []byte("\ufeff")))
	if err != nil {
		return idp{}, err
	}
	out := idp{entity: root.Attr("entityID")}
	if root.Space != samlMetadata || root.Local != "EntityDescriptor" || out.entity == "" {
		return idp{}, errors.New("it is not an EntityDescriptor with an entityID")
	}
	for _, role := range root.Elements(samlMetadata, "IDPSSODescriptor") {
		for _, k := range role.Elements(samlMetadata, "KeyDescriptor") {
			if use := k.Attr("use"); use != "" && use != "signing" {
				continue
			}
			k.Walk(func(e *xmldsig.Element) {
				if e.Space != xmldsig.Space || e.Local != "X509Certificate" {
					return
				}
				text, _ := e.Text()
				der, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(text), ""))
				if err != nil {
					return
				}
				if cert, err := x509.ParseCertificate(der); err == nil {
					out.keys = append(out.keys, cert.PublicKey)
				}
			})
		}
	}
	if len(out.keys) == 0 {
		return idp{}, errors.New("it has no X.509 certificate to verify signatures with")
	}
	return out, nil
}

// assertion is the one assertion of a response.
type assertion struct {
	root  *xmldsig.Element // <Assertion>
	attrs map[string][]string
}

// readResponse finds the assertion of an authentication response. Nothing of
// it is to be believed yet.
func readResponse(root *xmldsig.Element) (*assertion, error) {
	if root.Space != samlProtocol || root.Local != "Response" {
		return nil, invalidToken("Invalid SAML response: the root element is <%s>, not a SAML 2.0 <Response>", root.Local)
	}
	if err := xmldsig.UniqueIDs(root); err != nil {
		return nil, invalidToken("Invalid SAML response: %s", err)
	}
	status := root.Element(samlProtocol, "Status")
	if status == nil || status.Element(samlProtocol, "StatusCode") == nil {
		return nil, invalidToken("Invalid SAML response: it has no status")
	}
	if code := status.Element(samlProtocol, "StatusCode").Attr("Value"); code != samlSuccess {
		return nil, wire.Fail("IDPRejectedClaim", 403, "The identity provider reported that authentication failed: %s", code)
	}
	// One assertion, and in the one place where it belongs: others could be
	// taken for it.
	found, encrypted := 0, false
	root.Walk(func(e *xmldsig.Element) {
		if e.Space == samlAssertion && e.Local == "Assertion" {
			found++
		}
		encrypted = encrypted || e.Space == samlAssertion && strings.HasPrefix(e.Local, "Encrypted")
	})
	if encrypted {
		return nil, invalidToken("The sandbox does not implement encrypted assertions")
	}
	a := root.Element(samlAssertion, "Assertion")
	if a == nil || found != 1 {
		return nil, invalidToken("Invalid SAML response: it has %d assertions; it must have one", found)
	}
	return &assertion{root: a}, nil
}

// verify checks every signature of the response: there must be one around the
// assertion, its own or the whole response's, and both must be good if both
// are there. A signature anywhere else is refused.
func (a *assertion) verify(response *xmldsig.Element, keys []crypto.PublicKey) error {
	signatures, good := 0, 0
	response.Walk(func(e *xmldsig.Element) {
		if e.Space == xmldsig.Space && e.Local == "Signature" {
			signatures++
		}
	})
	for _, e := range []*xmldsig.Element{response, a.root} {
		sig, err := xmldsig.Signature(e)
		if err != nil {
			return err
		}
		if sig == nil {
			continue
		}
		if err := xmldsig.Verify(e, sig, keys); err != nil {
			return err
		}
		good++
	}
	switch {
	case good == 0:
		return errors.New("neither the response nor the assertion is signed")
	case good != signatures:
		return errors.New("there are signatures in other places than the response and the assertion")
	}
	return nil
}

// value is the text of the only child element of a name, empty without one.
func value(e *xmldsig.Element, local string) string {
	if e == nil {
		return ""
	}
	if c := e.Element(samlAssertion, local); c != nil {
		text, _ := c.Text()
		return strings.TrimSpace(text)
	}
	return ""
}

// redemption is how long after its issue an assertion is taken: "Token must be
// redeemed within 5 minutes of issuance".
const redemption = 5 * time.Minute

// instant reads a time of the assertion; ok is false if it is not there.
func instant(text string) (t time.Time, ok bool, err error) {
	if text == "" {
		return t, false, nil
	}
	if t, err = time.Parse(time.RFC3339, text); err != nil {
		return t, false, invalidToken("Invalid SAML response: %q is not a time", text)
	}
	return t, true, nil
}

// window holds the times of an element against a clock.
func window(e *xmldsig.Element, now time.Time) error {
	from, begins, err := instant(e.Attr("NotBefore"))
	if err != nil {
		return err
	}
	if begins && now.Add(skewWindow).Before(from) {
		return invalidToken("Invalid SAML response: not yet valid: current date/time %s must not be before %s", now.Format(time.RFC3339), from.Format(time.RFC3339))
	}
	until, ends, err := instant(e.Attr("NotOnOrAfter"))
	if err != nil {
		return err
	}
	if ends && !now.Before(until) {
		return samlExpired("Token expired: current date/time %s must be before the expiration date/time %s", now.Format(time.RFC3339), until.Format(time.RFC3339))
	}
	return nil
}

func samlExpired(format string, args ...any) *wire.Error {
	return wire.Fail("ExpiredTokenException", 400, format, args...)
}

// checkTimes refuses an assertion that is over or not yet valid.
func (a *assertion) checkTimes(now time.Time) error {
	issued, ok, err := instant(a.root.Attr("IssueInstant"))
	if err != nil {
		return err
	}
	if !ok {
		return invalidToken("Invalid SAML response: the assertion has no IssueInstant")
	}
	if issued.After(now.Add(skewWindow)) {
		return invalidToken("Invalid SAML response: issued in the future: current date/time %s must be after %s", now.Format(time.RFC3339), issued.Format(time.RFC3339))
	}
	if now.Sub(issued) > redemption {
		return samlExpired("Token must be redeemed within 5 minutes of issuance")
	}
	if c := a.root.Element(samlAssertion, "Conditions"); c != nil {
		return window(c, now)
	}
	return nil
}

// audiences are what AWS calls itself in each partition (IAM User Guide,
// "Configure SAML assertions for the authentication response").
var audiences = []string{
	"https://signin.aws.amazon.com/saml", "urn:amazon:webservices",
	"https://signin.amazonaws.cn/saml", "urn:amazon:webservices:cn-north-1",
	"https://signin.amazonaws-us-gov.com/saml", "urn:amazon:webservices:govcloud",
}

// isAudience knows the regional endpoints as well:
// https://REGION.signin.aws.amazon.com/saml, or …/saml/acs/ID.
func isAudience(s string) bool {
	if slices.Contains(audiences, s) {
		return true
	}
	host, path, ok := strings.Cut(strings.TrimPrefix(s, "https://"), "/")
	region, domain, ok2 := strings.Cut(host, ".")
	return ok && ok2 && strings.HasPrefix(s, "https://") && region != "" &&
		(domain == "signin.aws.amazon.com" || domain == "signin.amazonaws.cn" || domain == "signin.amazonaws-us-gov.com") &&
		(path == "saml" || strings.HasPrefix(path, "saml/acs/"))
}

// checkAudience refuses an assertion that is not for AWS.
func (a *assertion) checkAudience() error {
	c := a.root.Element(samlAssertion, "Conditions")
	if c != nil {
		restrictions := c.Elements(samlAssertion, "AudienceRestriction")
		// Each restriction must be met, by any of its audiences (Assertions
		// and Protocols, 2.5.1.4).
		met := 0
		for _, r := range restrictions {
			if slices.ContainsFunc(r.Elements(samlAssertion, "Audience"), func(e *xmldsig.Element) bool {
				text, _ := e.Text()
				return isAudience(strings.TrimSpace(text))
			}) {
				met++
			}
		}
		if met > 0 && met == len(restrictions) {
			return nil
		}
	}
	return invalidToken("Response does not contain the required audience.")
}

// recipient is where the assertion is to be presented by its bearer, which is
// what AWS calls the audience.
func (a *assertion) recipient(now time.Time) (string, error) {
	subject := a.root.Element(samlAssertion, "Subject")
	if subject == nil || value(subject, "NameID") == "" {
		return "", invalidToken("Invalid SAML response: the assertion has no Subject with a NameID")
	}
	var bad error
	for _, c := range subject.Elements(samlAssertion, "SubjectConfirmation") {
		data := c.Element(samlAssertion, "SubjectConfirmationData")
		if c.Attr("Method") != samlBearer || data == nil || data.Attr("Recipient") == "" || data.Attr("NotOnOrAfter") == "" {
			continue
		}
		if bad = window(data, now); bad == nil {
			return data.Attr("Recipient"), nil
		}
	}
	if bad != nil {
		return "", bad
	}
	return "", invalidToken("Invalid SAML response: no SubjectConfirmation has the method bearer, with a Recipient and NotOnOrAfter")
}

// qualifier makes saml:namequalifier: "the concatenation of the Issuer
// response value and a string with the AWS account ID and the friendly name
// of the SAML provider", hashed (AssumeRoleWithSAML, NameQualifier).
func qualifier(issuer string, p SAMLProvider) string {
	sum := sha1.Sum([]byte(issuer + p.Account + "/" + p.Name))
	return base64.StdEncoding.EncodeToString(sum[:])
}
