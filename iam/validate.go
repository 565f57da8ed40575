package iam

import (
	"fmt"
	"slices"
	"strings"
)

// ValidateOptions says what Validate cannot see in the document.
type ValidateOptions struct {
	// Operation is the API operation that would store the document, such as
	// CreatePolicy, PutRolePolicy or PutBucketPolicy: managed and inline policies
	// have other limits, and only managed ones must be of version 2012-10-17. ""
	// leaves out both checks.
	Operation string

	// PrincipalExists reports whether the user or role with this ARN exists.
	// nil means that all do.
	PrincipalExists func(arn string) bool

	// Bucket is the name of the bucket that a bucket policy is for; "" is any.
	Bucket string

	// Name is the user, group or role of an inline policy, for messages.
	Name string

	// Used is how many characters the other inline policies of that user, group
	// or role take up.
	Used int

	// TrustSize is the quota for the length of trust policies, 2,048 by default.
	TrustSize int
}

// An InvalidError is AWS's refusal to store a document, with what helps to cure
// it.
type InvalidError struct {
	Code         string // such as MalformedPolicyDocument or LimitExceeded
	Message      string // in AWS's words
	Line, Column int    // where; from 1
	Hint         string // what is wrong and how to cure it
	Rule         string // stable id of the rule that was broken, such as missing-resource
}

// Error is the code and the message as AWS clients print them.
func (e *InvalidError) Error() string { return e.Code + ": " + e.Message }

// Validate answers whether AWS would store the document. The error is an
// *InvalidError with the code and the words AWS would use; where several things
// are wrong it names the one AWS names. nil means that AWS accepts it, which is
// less than Parse does in rare cases (dates before the year 1) and more in others
// (an effect in wrong case).
//
// Kind Resource means a bucket policy, whose validation is public enough to
// imitate. With an Operation other than PutBucketPolicy it means any other
// resource policy: grammar and principals are checked, actions and resources are
// left to the service, and the code is MalformedPolicyDocument, for which services
// have names of their own.
func Validate(kind Kind, src []byte, opt ValidateOptions) error {
	v := &validator{kind: kind, opt: opt, src: string(src)}
	var e *InvalidError
	switch kind {
	case Trust:
		e = v.trust()
	case Resource:
		if opt.Operation == "" || opt.Operation == "PutBucketPolicy" {
			e = v.bucket()
		} else {
			e = v.resourcePolicy()
		}
	case SCP, RCP:
		e = v.organization()
	default:
		e = v.identity()
	}
	if e != nil {
		return e
	}
	return nil
}

type validator struct {
	kind Kind
	opt  ValidateOptions
	src  string
	d    *document
}

const (
	codeMalformed     = "MalformedPolicyDocument"
	codeMalformedOrg  = "MalformedPolicyDocumentException"
	codeMalformedS3   = "MalformedPolicy"
	codeLimit         = "LimitExceeded"
	codePacked        = "PackedPolicyTooLarge"
	codeConstraint    = "ValidationError"
	codeOrgConstraint = "ConstraintViolationException"
	maxParameter      = 131072 // characters of any policy parameter of IAM
	maxManaged        = 6144
	maxTrust          = 2048
	maxSession        = 2048
	maxOrganization   = 10240
	maxRCP            = 5120
	maxBucketPolicy   = 20480
)

func (v *validator) invalid(code, rule string, off int32, hint, format string, args ...any) *InvalidError {
	e := &InvalidError{Code: code, Message: fmt.Sprintf(format, args...), Hint: hint, Rule: rule}
	e.Line, e.Column = position(v.src, int(off))
	return e
}

// flaw is the refusal for a broken grammar, in the words given.
func (v *validator) flaw(code string, f *flaw, message string) *InvalidError {
	hint := f.summary
	if f.hint != "" {
		hint += ": " + f.hint
	}
	return v.invalid(code, f.rule, f.off, hint, "%s", message)
}

// characters checks what IAM and STS demand of any policy parameter.
func (v *validator) characters(parameter string) *InvalidError {
	n := 0
	for off, r := range v.src {
		if n++; r != '\t' && r != '\n' && r != '\r' && (r < ' ' || r > '\u00ff') {
			return v.invalid(codeConstraint, "character", int32(off), fmt.Sprintf("character %q is outside U+0020–U+00FF", r),
				"The specified value for %s is invalid. It must contain only printable ASCII characters.", parameter)
		}
	}
	if n > maxParameter {
		return v.invalid(codeConstraint, "size", 0, "shorten the document",
			"1 validation error detected: Value at '%s' failed to satisfy constraint: Member must have length less than or equal to %d", parameter, maxParameter)
	}
	return nil
}

// compactLen is the length of the document without white space outside strings,
// which is how IAM counts.
func compactLen(src string) int {
	n, quoted := 0, false
	for i, r := range src {
		switch {
		case quoted:
			if r == '"' && !escapedAt(src, i) {
				quoted = false
			}
		case r == '"':
			quoted = true
		case r == ' ' || r == '\t' || r == '\n' || r == '\r':
			continue
		}
		n++
	}
	return n
}

// escapedAt reports whether the quote at i is escaped.
func escapedAt(src string, i int) bool {
	n := 0
	for i--; i >= 0 && src[i] == '\\'; i-- {
		n++
	}
	return n%2 == 1
}

// read parses the grammar. Rules that differ by kind are told apart by flaw.rule.
func (v *validator) read() *flaw {
	d, f := readDocument(v.src)
	v.d = d
	return f
}

// duplicateSid finds a Sid that occurs twice.
func (d *document) duplicateSid() *text {
	seen := make(map[string]bool)
	for i := range d.statements {
		sid := &d.statements[i].sid
		if sid.str == "" {
			continue
		}
		if seen[sid.str] {
			return sid
		}
		seen[sid.str] = true
	}
	return nil
}

// badDate finds a value of a date operator that is no date.
func (s *rawStatement) badDate() *text {
	for j := range s.condition {
		c := &s.condition[j]
		if c.parsed.op < dateEquals {
			continue
		}
		for k := range c.vals {
			if _, ok := parseDate(c.vals[k].str); !ok {
				return &c.vals[k]
			}
		}
	}
	return nil
}

// badAction finds an action that is not prefix:name, in AWS's words.
func (v *validator) badAction(code string, l *rawList) *InvalidError {
	for _, a := range l.vals {
		if a.str == "*" {
			continue
		}
		vendor, _, _ := strings.Cut(a.str, ":")
		switch n := strings.Count(a.str, ":"); {
		case n == 0:
			return v.invalid(code, "action-vendor", a.off, fmt.Sprintf("write service:%s", a.str),
				"Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.")
		case n > 1:
			return v.invalid(code, "action-colon", a.off, "an action is service:name", "Actions/Condition can contain only one colon.")
		}
		if vendor != "*" && strings.ContainsFunc(vendor, func(r rune) bool {
			return !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || r == '-' || r == '.')
		}) {
			return v.invalid(code, "action-vendor", a.off, "service prefixes are letters, digits, '-' and '.'", "Vendor %s is not valid", vendor)
		}
	}
	return nil
}

// principalHint is what helps with an AWS principal.
func principalHint(s string) string {
	switch {
	case strings.HasPrefix(s, "arn:aws::iam:"):
		return fmt.Sprintf("the colons are misplaced: write %q", "arn:aws:iam::"+strings.TrimPrefix(strings.TrimPrefix(s, "arn:aws::iam:"), ":"))
	case strings.Contains(s, ":group/"):
		return "groups cannot be principals: name users or roles"
	case strings.ContainsAny(s, "*?") && s != "*":
		return "a principal takes no partial wildcards: use \"*\" with a condition on aws:PrincipalArn"
	case strings.HasPrefix(s, "arn:"):
		return "no such user or role, or not the ARN of one"
	case digits(s):
		return "an account id has 12 digits"
	}
	return "name an account id, or the ARN of a user, role, session or account"
}

// badPrincipal finds a principal that cannot be stored.
func (v *validator) badPrincipal(p *rawPrincipal, canonical bool) *rawEntry {
	for i := range p.entries {
		e := &p.entries[i]
		ok := false
		switch e.kind {
		case awsPrincipal:
			ok = v.awsPrincipal(e.str)
		case servicePrincipal:
			ok = knownService(e.str)
		case federatedPrincipal:
			ok = federatedProvider(e.str)
		case canonicalPrincipal:
			ok = canonical && len(e.str) == 64 && !strings.ContainsFunc(e.str, func(r rune) bool {
				return !('0' <= r && r <= '9' || 'a' <= r && r <= 'f')
			})
		}
		if !ok {
			return e
		}
	}
	return nil
}

// awsPrincipal checks one value of {"AWS": …}. See "AWS JSON policy elements:
// Principal": no wildcards but "*", no groups.
func (v *validator) awsPrincipal(s string) bool {
	if s == "*" {
		return true
	}
	if _, ok := principalAccount(s); ok {
		return true
	}
	a, err := ParseARN(s)
	if err != nil || strings.ContainsAny(s, "*?") || !knownPartition(a.Partition) || a.Region != "" || !isAccountID(a.Account) {
		return false
	}
	kind, name, _ := strings.Cut(a.Resource, "/")
	switch {
	case name == "" || strings.HasSuffix(name, "/"):
		return false
	case a.Service == "iam" && (kind == "user" || kind == "role"):
		return v.opt.PrincipalExists == nil || v.opt.PrincipalExists(s)
	case a.Service == "sts" && kind == "assumed-role":
		role, session, ok := strings.Cut(name, "/")
		return ok && role != "" && session != "" && !strings.Contains(session, "/")
	case a.Service == "sts" && kind == "federated-user":
		return !strings.Contains(name, "/")
	}
	return false
}

func federatedProvider(s string) bool {
	switch s {
	case "cognito-identity.amazonaws.com", "cognito-identity-us-gov.amazonaws.com", "accounts.google.com", "graph.facebook.com", "www.amazon.com":
		return true
	}
	a, err := ParseARN(s)
	if err != nil || a.Service != "iam" || a.Region != "" || !isAccountID(a.Account) || strings.ContainsAny(s, "*?") {
		return false
	}
	kind, name, _ := strings.Cut(a.Resource, "/")
	return name != "" && (kind == "saml-provider" || kind == "oidc-provider")
}

func knownPartition(s string) bool {
	return slices.Contains([]string{"aws", "aws-cn", "aws-us-gov", "aws-iso", "aws-iso-b", "aws-iso-e", "aws-iso-f", "aws-eusc"}, s)
}
