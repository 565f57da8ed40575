package broker

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Limits of AssumeRole,
// https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html.
const (
	MinDuration = 15 * time.Minute
	MaxDuration = 12 * time.Hour
	// MaxChained is the longest session of a role that a role assumed (role
	// chaining), whatever the role's own maximum is.
	// https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles.html#iam-term-role-chaining
	MaxChained = time.Hour

	maxTags       = 50
	maxTagKey     = 128
	maxTagValue   = 256
	maxPolicy     = 2048
	maxPolicyARNs = 10
	minExternalID = 2
	maxExternalID = 1224
)

// Validate reports all that is wrong with the rules, joined: names that are
// missing or given twice, loans that STS would not take, and match blocks that
// fit the same caller.
func (r Rules) Validate() error {
	var errs []error
	seen := make(map[string]bool, len(r))
	for i := range r {
		rule := &r[i]
		if rule.Name == "" {
			errs = append(errs, fmt.Errorf("rule %d has no name; name it after its workload", i+1))
		} else if seen[rule.Name] {
			errs = append(errs, fmt.Errorf("two rules are called %q; rename one", rule.Name))
		}
		seen[rule.Name] = true
		if err := rule.Loan.Validate(); err != nil {
			errs = append(errs, fmt.Errorf("rule %q: %w", rule.Name, err))
		}
		for j := range i {
			if r[j].Overlaps(rule) {
				errs = append(errs, fmt.Errorf("rules %q and %q fit the same callers; narrow the match of one", r[j].Name, rule.Name))
			}
		}
	}
	return errors.Join(errs...)
}

// Validate reports all that STS would not accept in the loan, joined. It judges
// names before their placeholders are filled. A session of more than MaxChained
// at the end of a chain is no fault: the Lender shortens it, as it must where
// the credentials it starts from turn out to be a role's.
func (l Loan) Validate() error {
	var errs []error
	fail := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }

	role := func(arn string) {
		if _, err := RoleAccount(arn); err != nil {
			errs = append(errs, err)
		}
	}
	external := func(id string) {
		if id == "" {
			return
		}
		if n := len(id); n < minExternalID || n > maxExternalID {
			fail("the external id has %d characters; STS takes %d to %d", n, minExternalID, maxExternalID)
		}
		if i := strings.IndexFunc(id, func(r rune) bool { return !nameRune(r) && r != ':' && r != '/' }); i >= 0 {
			r, _ := utf8.DecodeRuneInString(id[i:])
			fail("the external id holds %q; STS takes letters, digits and _+=,.@:/-", r)
		}
	}
	template := func(what, s string) {
		if err := CheckTemplate(s); err != nil {
			fail("%s: %w", what, err)
		}
	}

	role(l.Role)
	external(l.ExternalID)
	template("session name", l.SessionName)
	template("source identity", l.SourceIdentity)
	for i, h := range l.Chain {
		role(h.Role)
		external(h.ExternalID)
		template("session name of hop "+h.Role, h.SessionName)
		if h.Role == l.Role || slices.ContainsFunc(l.Chain[:i], func(o Hop) bool { return o.Role == h.Role }) {
			fail("role %s comes twice in the chain; drop one, a role need not assume itself", h.Role)
		}
	}

	if d := l.Life(); d < MinDuration || d > MaxDuration {
		fail("the session is to last %v; STS takes %v to %v", d, MinDuration, MaxDuration)
	}
	if n := utf8.RuneCountInString(l.Policy); n > maxPolicy {
		fail("the session policy has %d characters; STS takes %d: move some of it to a managed policy", n, maxPolicy)
	}
	if n := len(l.PolicyARNs); n > maxPolicyARNs {
		fail("%d managed session policies; STS takes %d", n, maxPolicyARNs)
	}

	if n := len(l.Tags); n > maxTags {
		fail("%d session tags; STS takes %d", n, maxTags)
	}
	fold := make(map[string]string, len(l.Tags))
	for _, k := range sortedKeys(l.Tags) {
		v := l.Tags[k]
		if other, taken := fold[strings.ToLower(k)]; taken {
			fail("session tags %q and %q differ in case only; STS takes one of them", other, k)
		}
		fold[strings.ToLower(k)] = k
		if n := utf8.RuneCountInString(k); n == 0 || n > maxTagKey {
			fail("the session tag key %q has %d characters; STS takes 1 to %d", k, n, maxTagKey)
		}
		if n := utf8.RuneCountInString(v); n > maxTagValue {
			fail("the value of session tag %q has %d characters; STS takes %d", k, n, maxTagValue)
		}
		if strings.HasPrefix(strings.ToLower(k), "aws:") {
			fail("the session tag key %q begins with aws:, which is AWS's own", k)
		}
		if !tagText(k) || !tagText(strings.NewReplacer("{", "", "}", "").Replace(v)) {
			fail("session tag %q=%q holds a character other than letters, digits, spaces and _.:/=+-@", k, v)
		}
		template("session tag "+k, v)
	}
	for _, k := range l.Transitive {
		if _, ok := fold[strings.ToLower(k)]; !ok {
			fail("%q is to be transitive, but is no session tag", k)
		}
	}
	return errors.Join(errs...)
}

// tagText reports whether s keeps to [\p{L}\p{Z}\p{N}_.:/=+\-@]*.
func tagText(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool {
		return !unicode.In(r, unicode.L, unicode.Z, unicode.N) && !strings.ContainsRune("_.:/=+-@", r)
	}) < 0
}

// RoleAccount is the account of a role's ARN, arn:PARTITION:iam::ACCOUNT:role/NAME.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html#identifiers-arns
func RoleAccount(arn string) (string, error) {
	f := strings.SplitN(arn, ":", 6)
	if len(f) != 6 || f[0] != "arn" {
		return "", fmt.Errorf("%q is not an ARN; a role's is arn:aws:iam::ACCOUNT:role/NAME", arn)
	}
	name, isRole := strings.CutPrefix(f[5], "role/")
	account := f[4]
	switch {
	case f[2] == "sts" && strings.HasPrefix(f[5], "assumed-role/"):
		return "", fmt.Errorf("%q is a session, not a role; name the role, arn:%s:iam::%s:role/NAME", arn, f[1], account)
	case f[2] != "iam" || f[3] != "" || f[1] == "" || !isRole || name == "" || strings.HasSuffix(name, "/"):
		return "", fmt.Errorf("%q is not the ARN of a role; a role's is arn:aws:iam::ACCOUNT:role/NAME", arn)
	case len(account) != 12 || strings.Trim(account, "0123456789") != "":
		return "", fmt.Errorf("%q names account %q; an account has 12 digits", arn, account)
	}
	return account, nil
}
