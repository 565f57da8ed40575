package iam

import (
	"errors"
	"strings"

	policy "github.com/mantle-iam/mantle/iam"
	"github.com/mantle-iam/mantle/sandbox/internal/wire"
)

// document checks a policy document, sizes included, as AWS does when it is
// saved. opt.Operation tells CreatePolicy, which insists on the language
// version, from PutRolePolicy.
func (c *call) document(k policy.Kind, field string, doc *string, opt policy.ValidateOptions) error {
	var in inputs
	if in.length(field, doc, 1, maxDocument) && strings.ContainsFunc(*doc, notDocumentRune) {
		in.err = validationError("The specified value for %s is invalid. It must contain only printable ASCII characters, and the control characters tab, line feed and carriage return.", field)
	}
	if err := in.result(); err != nil {
		return err
	}
	opt.TrustSize = c.quotas.AssumeRolePolicySize
	opt.PrincipalExists = func(p string) bool { return c.principalExists(c.tx, p) }
	err := policy.Validate(k, []byte(*doc), opt)
	var bad *policy.InvalidError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &bad):
		status := 400
		if bad.Code == "LimitExceeded" {
			status = 409
		}
		return wire.Fail(bad.Code, status, "%s", bad.Message)
	default:
		return wire.Fail("MalformedPolicyDocument", 400, "%s", err.Error())
	}
}

// notDocumentRune finds the characters outside the pattern
// [\u0009\u000A\u000D\u0020-\u00FF]+ of policy documents.
func notDocumentRune(r rune) bool {
	return r != '\t' && r != '\n' && r != '\r' && (r < ' ' || r > 0xff)
}

// size counts a document's characters as quotas do: without the white space
// between its parts.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html#reference_iam-quotas-entity-length
func size(doc string) int {
	n, quoted, escaped := 0, false, false
	for _, r := range doc {
		switch {
		case escaped:
			escaped = false
		case quoted && r == '\\':
			escaped = true
		case r == '"':
			quoted = !quoted
		case !quoted && (r == ' ' || r == '\t' || r == '\n' || r == '\r'):
			continue
		}
		n++
	}
	return n
}

// encoded is a document as answers carry it: percent-encoded as of RFC 3986,
// everything but unreserved characters.
func encoded(doc string) *string {
	const digits = "0123456789ABCDEF"
	var b strings.Builder
	b.Grow(len(doc) * 3 / 2)
	for i := range len(doc) {
		c := doc[i]
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '.', c == '_', c == '~':
			b.WriteByte(c)
		default:
			b.WriteByte('%')
			b.WriteByte(digits[c>>4])
			b.WriteByte(digits[c&15])
		}
	}
	return new(b.String())
}
