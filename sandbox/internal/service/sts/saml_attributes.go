package sts

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mantle-iam/mantle/sandbox/internal/service"
	"github.com/mantle-iam/mantle/sandbox/internal/wire"
)

// samlIdentity is what a verified assertion says.
type samlIdentity struct {
	provider                                          SAMLProvider
	issuer, subject, subjectType, audience, qualifier string
	session                                           string    // RoleSessionName
	until                                             time.Time // SessionNotOnOrAfter, zero without one
	keys                                              []service.KV
	tags                                              tagSet
	source                                            string
}

// The attributes that AWS reads (IAM User Guide, "Configure SAML assertions
// for the authentication response").
const (
	samlAttributes      = "https://aws.amazon.com/SAML/Attributes/"
	roleAttribute       = samlAttributes + "Role"
	sessionAttribute    = samlAttributes + "RoleSessionName"
	durationAttribute   = samlAttributes + "SessionDuration"
	tagAttribute        = samlAttributes + "PrincipalTag:"
	transitiveAttribute = samlAttributes + "TransitiveTagKeys"
	sourceAttribute     = samlAttributes + "SourceIdentity"
)

// identity reads the assertion, which has been verified.
func (a *assertion) identity(p SAMLProvider, by idp, now time.Time) (id samlIdentity, err error) {
	id = samlIdentity{provider: p, issuer: value(a.root, "Issuer")}
	if id.issuer != by.entity {
		return id, invalidToken("Issuer not present in specified provider")
	}
	if err := a.checkTimes(now); err != nil {
		return id, err
	}
	if err := a.checkAudience(); err != nil {
		return id, err
	}
	if id.audience, err = a.recipient(now); err != nil {
		return id, err
	}
	subject := a.root.Element(samlAssertion, "Subject")
	id.subject = value(subject, "NameID")
	// Without a format it is what SAML says that it is then.
	id.subjectType = "urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified"
	if f := subject.Element(samlAssertion, "NameID").Attr("Format"); f != "" {
		id.subjectType = strings.TrimPrefix(f, nameIDFormat)
	}
	id.qualifier = qualifier(id.issuer, p)
	for _, st := range a.root.Elements(samlAssertion, "AuthnStatement") {
		until, ok, err := instant(st.Attr("SessionNotOnOrAfter"))
		if err != nil {
			return id, err
		}
		if ok && (id.until.IsZero() || until.Before(id.until)) {
			id.until = until
		}
	}
	if !id.until.IsZero() && !now.Before(id.until) {
		return id, samlExpired("Token expired: current date/time %s must be before the session's end %s", now.Format(time.RFC3339), id.until.Format(time.RFC3339))
	}
	if err := a.readAttributes(); err != nil {
		return id, err
	}
	if err := a.sessionName(&id); err != nil {
		return id, err
	}
	if id.tags, err = a.sessionTags(); err != nil {
		return id, err
	}
	if id.source, err = a.sourceIdentity(); err != nil {
		return id, err
	}
	id.keys = a.conditionKeys(&id)
	return id, nil
}

// readAttributes collects the attribute statements.
func (a *assertion) readAttributes() error {
	a.attrs = map[string][]string{}
	for _, st := range a.root.Elements(samlAssertion, "AttributeStatement") {
		for _, at := range st.Elements(samlAssertion, "Attribute") {
			name := at.Attr("Name")
			for _, v := range at.Elements(samlAssertion, "AttributeValue") {
				text, ok := v.Text()
				if !ok {
					if strings.HasPrefix(name, samlAttributes) {
						return invalidToken("Invalid SAML response: the value of the attribute %s is not a text", name)
					}
					continue // somebody else's, such as eduPersonTargetedID
				}
				a.attrs[name] = append(a.attrs[name], strings.TrimSpace(text))
			}
		}
	}
	return nil
}

// offers tells whether the assertion pairs the role with the provider: a
// value of the attribute Role has both ARNs, in either order.
func (a *assertion) offers(role, provider string) bool {
	return slices.ContainsFunc(a.attrs[roleAttribute], func(v string) bool {
		one, two, ok := strings.Cut(v, ",")
		one, two = strings.TrimSpace(one), strings.TrimSpace(two)
		return ok && (one == role && two == provider || one == provider && two == role)
	})
}

// sessionName reads the session's name and holds SessionDuration to its
// form; that counts for the console only.
func (a *assertion) sessionName(id *samlIdentity) error {
	switch names := a.attrs[sessionAttribute]; {
	case len(names) == 0:
		return invalidToken("RoleSessionName is required in AuthnResponse")
	case len(names) > 1 || !sourcePattern.MatchString(names[0]):
		return invalidToken("RoleSessionName in AuthnResponse must match [a-zA-Z_0-9+=,.@-]{2,64}")
	default:
		id.session = names[0]
	}
	if d, ok := a.attrs[durationAttribute]; ok {
		n, err := strconv.Atoi(d[0])
		if len(d) != 1 || err != nil || n < 900 || n > 43200 {
			return invalidToken("SessionDuration in AuthnResponse must be an integer from 900 to 43200")
		}
	}
	return nil
}

// sessionTags reads the tags of the assertion.
func (a *assertion) sessionTags() (tagSet, error) {
	set := tagSet{passed: map[string]string{}, all: map[string]string{}}
	for name, values := range a.attrs {
		key, ok := strings.CutPrefix(name, tagAttribute)
		if !ok {
			continue
		}
		if len(values) != 1 || key == "" || len([]rune(key)) > 128 || len([]rune(values[0])) > 256 {
			return set, invalidToken("The session tag %s in AuthnResponse is not valid: a tag has one value of at most 256 characters", key)
		}
		if err := checkTagKey(key); err != nil {
			return set, err
		}
		if _, twice := getFold(set.passed, key); twice {
			return set, wire.Fail("InvalidParameterValue", 400, "Duplicate tag keys found. Please note that Tag keys are case insensitive.")
		}
		set.passed[key], set.all[key] = values[0], values[0]
	}
	if len(set.all) > 50 {
		return set, validation("1 validation error detected: Value at 'tags' failed to satisfy constraint: Member must have length less than or equal to 50")
	}
	set.transitive = a.attrs[transitiveAttribute]
	for _, k := range set.transitive {
		if _, ok := getFold(set.passed, k); !ok {
			return set, wire.Fail("InvalidParameterValue", 400, "The specified transitive tag key must be included in the requested tags.")
		}
	}
	return set, nil
}

// sourceIdentity reads the source identity of the assertion, empty without
// one.
func (a *assertion) sourceIdentity() (string, error) {
	values, ok := a.attrs[sourceAttribute]
	if !ok {
		return "", nil
	}
	if len(values) != 1 || !sourcePattern.MatchString(values[0]) || strings.HasPrefix(strings.ToLower(values[0]), "aws:") {
		return "", invalidToken(`Source Identity must match [a-zA-Z_0-9+=,.@-]{2,64} and not begin with "aws:"`)
	}
	return values[0], nil
}

// directoryKeys are the attributes of directories that become keys of trust
// policies (IAM User Guide, "Configure SAML assertions", "Mapping SAML
// attributes to AWS trust policy context keys").
var directoryKeys = map[string]string{
	"urn:oid:1.3.6.1.4.1.5923.1.1.1.1":  "saml:edupersonaffiliation",
	"urn:oid:1.3.6.1.4.1.5923.1.1.1.2":  "saml:edupersonnickname",
	"urn:oid:1.3.6.1.4.1.5923.1.1.1.3":  "saml:edupersonorgdn",
	"urn:oid:1.3.6.1.4.1.5923.1.1.1.4":  "saml:edupersonorgunitdn",
	"urn:oid:1.3.6.1.4.1.5923.1.1.1.5":  "saml:edupersonprimaryaffiliation",
	"urn:oid:1.3.6.1.4.1.5923.1.1.1.6":  "saml:edupersonprincipalname",
	"urn:oid:1.3.6.1.4.1.5923.1.1.1.7":  "saml:edupersonentitlement",
	"urn:oid:1.3.6.1.4.1.5923.1.1.1.8":  "saml:edupersonprimaryorgunitdn",
	"urn:oid:1.3.6.1.4.1.5923.1.1.1.9":  "saml:edupersonscopedaffiliation",
	"urn:oid:1.3.6.1.4.1.5923.1.1.1.10": "saml:edupersontargetedid",
	"urn:oid:1.3.6.1.4.1.5923.1.1.1.11": "saml:edupersonassurance",
	"urn:oid:1.3.6.1.4.1.5923.1.2.1.2":  "saml:eduorghomepageuri",
	"urn:oid:1.3.6.1.4.1.5923.1.2.1.3":  "saml:eduorgidentityauthnpolicyuri",
	"urn:oid:1.3.6.1.4.1.5923.1.2.1.4":  "saml:eduorglegalname",
	"urn:oid:1.3.6.1.4.1.5923.1.2.1.5":  "saml:eduorgsuperioruri",
	"urn:oid:1.3.6.1.4.1.5923.1.2.1.6":  "saml:eduorgwhitepagesuri",
	"urn:oid:2.5.4.3":                   "saml:commonName",
	"urn:oid:2.5.4.4":                   "saml:surname",
	"urn:oid:2.5.4.42":                  "saml:givenName",
	"urn:oid:2.5.4.45":                  "saml:x500UniqueIdentifier",
	"urn:oid:0.9.2342.19200300.100.1.1": "saml:uid",
	"urn:oid:0.9.2342.19200300.100.1.3": "saml:mail",

	"urn:oid:0.9.2342.19200300.100.1.45":                                      "saml:organizationStatus",
	"http://schemas.xmlsoap.org/ws/2005/05/identity/claims/name":              "saml:name",
	"http://schemas.xmlsoap.org/claims/CommonName":                            "saml:commonName",
	"http://schemas.xmlsoap.org/ws/2005/05/identity/claims/givenname":         "saml:givenName",
	"http://schemas.xmlsoap.org/ws/2005/05/identity/claims/surname":           "saml:surname",
	"http://schemas.xmlsoap.org/ws/2005/05/identity/claims/emailaddress":      "saml:mail",
	"http://schemas.microsoft.com/ws/2008/06/identity/claims/primarygroupsid": "saml:primaryGroupSID",
}

// conditionKeys are the keys that the trust policy sees (IAM User Guide,
// "Available keys for SAML-based AWS STS federation").
func (a *assertion) conditionKeys(id *samlIdentity) []service.KV {
	keys := []service.KV{
		{Key: "aws:FederatedProvider", Values: []string{id.provider.ARN}},
		{Key: "saml:aud", Values: []string{id.audience}},
		{Key: "saml:doc", Values: []string{id.provider.Account + "/" + id.provider.Name}},
		{Key: "saml:iss", Values: []string{id.issuer}},
		{Key: "saml:namequalifier", Values: []string{id.qualifier}},
		{Key: "saml:sub", Values: []string{id.subject}},
		{Key: "saml:sub_type", Values: []string{id.subjectType}},
	}
	for name, key := range directoryKeys {
		if values := a.attrs[name]; len(values) > 0 {
			keys = append(keys, service.KV{Key: key, Values: values})
		}
	}
	return keys
}
