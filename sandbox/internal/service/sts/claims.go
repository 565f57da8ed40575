package sts

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/mantle-iam/mantle/sandbox/internal/service"
	"github.com/mantle-iam/mantle/sandbox/internal/wire"
)

// identity is what a verified web identity token says.
type identity struct {
	provider Provider
	subject  string
	audience string // the client id that the token is for
	keys     []service.KV
	tags     tagSet
	source   string
}

// skewWindow is how long a token is taken after its end: "IAM provides a
// five-minute window beyond the expiration time specified in the JWT to
// account for clock skew" (IAM User Guide, "OIDC federation").
const skewWindow = 5 * time.Minute

func invalidToken(format string, args ...any) *wire.Error {
	return wire.Fail("InvalidIdentityToken", 400, format, args...)
}

func missingClaim(name string) *wire.Error { return invalidToken("Missing a required claim: %s", name) }

// text reads a claim that must be a text, and be there.
func (t *webToken) text(name string) (string, error) {
	switch v := t.claims[name].(type) {
	case nil:
		return "", missingClaim(name)
	case string:
		if v == "" {
			return "", missingClaim(name)
		}
		return v, nil
	}
	return "", invalidToken("The claim %s is not a string", name)
}

// texts reads a claim that is a text or a list of texts.
func (t *webToken) texts(name string) ([]string, error) {
	switch v := t.claims[name].(type) {
	case nil:
		return nil, missingClaim(name)
	case string:
		return []string{v}, nil
	case []any:
		out := make([]string, 0, len(v))
		for _, x := range v {
			s, ok := x.(string)
			if !ok {
				return nil, invalidToken("The claim %s is not a list of strings", name)
			}
			out = append(out, s)
		}
		if len(out) == 0 {
			return nil, missingClaim(name)
		}
		return out, nil
	}
	return nil, invalidToken("The claim %s is not a string", name)
}

// moment reads a claim that is a time: "Timestamps in the token must be
// formatted as either an integer or a long integer" (AssumeRoleWithWebIdentity).
func (t *webToken) moment(name string) (time.Time, error) {
	switch v := t.claims[name].(type) {
	case nil:
		return time.Time{}, missingClaim(name)
	case json.Number:
		if n, err := v.Int64(); err == nil && n >= 0 {
			return time.Unix(n, 0), nil
		}
	}
	return time.Time{}, invalidToken("The claim %s is not an integer number of seconds", name)
}

// checkTimes refuses a token that is over or not yet valid.
func (t *webToken) checkTimes(now time.Time) error {
	exp, err := t.moment("exp")
	if err != nil {
		return err
	}
	if !now.Before(exp.Add(skewWindow)) {
		return wire.Fail("ExpiredTokenException", 400, "Token expired: current date/time %d must be before the expiration date/time %d", now.Unix(), exp.Unix())
	}
	iat, err := t.moment("iat")
	if err != nil {
		return err
	}
	if iat.After(now.Add(skewWindow)) {
		return invalidToken("Token issued in the future: current date/time %d must be after the issue date/time %d", now.Unix(), iat.Unix())
	}
	if _, ok := t.claims["nbf"]; ok {
		nbf, err := t.moment("nbf")
		if err != nil {
			return err
		}
		if nbf.After(now.Add(skewWindow)) {
			return invalidToken("Token not yet valid: current date/time %d must be after the not-before date/time %d", now.Unix(), nbf.Unix())
		}
	}
	return nil
}

// checkAudience finds the client id that the token is for: its authorized
// party if it names one, else the first of its audiences that the provider
// lists.
func (t *webToken) checkAudience(p Provider) (string, error) {
	aud, err := t.texts("aud")
	if err != nil {
		return "", err
	}
	if _, ok := t.claims["azp"]; ok {
		azp, err := t.text("azp")
		if err != nil {
			return "", err
		}
		aud = []string{azp}
	}
	for _, a := range aud {
		if p.wellKnown() || slices.Contains(p.ClientIDs, a) {
			return a, nil
		}
	}
	return "", invalidToken("Incorrect token audience")
}

// vendorClaims are the claims of some issuers that STS makes condition keys
// of, beside those of every issuer (Service Authorization Reference,
// AssumeRoleWithWebIdentity). Host patterns may begin with "*".
var vendorClaims = []struct {
	hosts  []string
	claims string
}{
	{[]string{"token.actions.githubusercontent.com", "token.actions.*.ghe.com", "github.com/enterprises/*"},
		"actor actor_id enterprise_id environment job_workflow_ref ref repository repository_id repository_owner_id workflow"},
	{[]string{"gitlab.com"}, "namespace_id pipeline_source project_id ref_protected runner_environment user_access_level user_email user_id user_login"},
	{[]string{"agent.buildkite.com", "agent.*.buildkite.dev", "agent.*.buildkite.site"},
		"build_branch cluster_id cluster_name organization_id organization_slug pipeline_id pipeline_slug"},
	{[]string{"oidc.circleci.com/org/*"}, "oidc.circleci.com/project-id"},
	{[]string{"idcs-*.identity.oraclecloud.com"}, "rpst_id"},
	{[]string{"accounts.google.com"}, "google/organization_number"},
}

// issuerMatches compares an issuer without its scheme. A path below GitHub's
// issuer is an enterprise's own.
func issuerMatches(pattern, issuer string) bool {
	before, after, wild := strings.Cut(pattern, "*")
	if !wild {
		return issuer == pattern || pattern == "token.actions.githubusercontent.com" && strings.HasPrefix(issuer, pattern+"/")
	}
	return len(issuer) > len(before)+len(after) && strings.HasPrefix(issuer, before) && strings.HasSuffix(issuer, after)
}

// conditionKeys are the claims as condition keys, ISSUER:CLAIM. The key aud
// holds the authorized party where the token has one, and oaud the audience
// then (IAM User Guide, "Available keys for AWS OIDC federation").
func (t *webToken) conditionKeys(p Provider, subject, audience string) []service.KV {
	_, issuer, _ := strings.Cut(p.Issuer, "://")
	keys := []service.KV{
		{Key: "aws:FederatedProvider", Values: []string{p.ARN}},
		{Key: issuer + ":sub", Values: []string{subject}},
		{Key: issuer + ":aud", Values: []string{audience}},
	}
	if _, ok := t.claims["azp"]; ok {
		if aud, err := t.texts("aud"); err == nil {
			keys = append(keys, service.KV{Key: issuer + ":oaud", Values: aud})
		}
	}
	claims := []string{"amr", "email"}
	for _, v := range vendorClaims {
		if slices.ContainsFunc(v.hosts, func(h string) bool { return issuerMatches(h, issuer) }) {
			claims = append(claims, strings.Fields(v.claims)...)
		}
	}
	for _, c := range claims {
		if values := scalar(t.claims[c]); len(values) > 0 {
			keys = append(keys, service.KV{Key: issuer + ":" + c, Values: values})
		}
	}
	return keys
}

// scalar is a claim as the values of a condition key; objects have none.
func scalar(v any) []string {
	switch v := v.(type) {
	case string:
		return []string{v}
	case json.Number:
		return []string{v.String()}
	case bool:
		if v {
			return []string{"true"}
		}
		return []string{"false"}
	case []any:
		var out []string
		for _, x := range v {
			if _, nested := x.([]any); !nested {
				out = append(out, scalar(x)...)
			}
		}
		return out
	}
	return nil
}

// The claims that hold session tags and the source identity: IAM User Guide,
// "Pass session tags in AWS STS" and "Monitor and control actions taken with
// assumed roles". Issuers that cannot nest objects write one claim per tag.
const (
	tagsClaim   = "https://aws.amazon.com/tags"
	sourceClaim = "https://aws.amazon.com/source_identity"
)

// sessionTags reads the tags of the token.
func (t *webToken) sessionTags() (tagSet, error) {
	set := tagSet{passed: map[string]string{}, all: map[string]string{}}
	add := func(key string, value any) error {
		v := scalar(value)
		if len(v) != 1 || len(key) == 0 || len([]rune(key)) > 128 || len([]rune(v[0])) > 256 {
			return invalidToken("The session tag %s in the token is not valid: a tag has one value of at most 256 characters", key)
		}
		if err := checkTagKey(key); err != nil {
			return err
		}
		if _, twice := getFold(set.passed, key); twice {
			return wire.Fail("InvalidParameterValue", 400, "Duplicate tag keys found. Please note that Tag keys are case insensitive.")
		}
		set.passed[key], set.all[key] = v[0], v[0]
		return nil
	}
	var transitive any
	switch nested := t.claims[tagsClaim].(type) {
	case nil:
	case map[string]any:
		tags, ok := nested["principal_tags"].(map[string]any)
		if !ok && nested["principal_tags"] != nil {
			return set, invalidToken("The claim %s has no object principal_tags", tagsClaim)
		}
		for k, v := range tags {
			if err := add(k, v); err != nil {
				return set, err
			}
		}
		transitive = nested["transitive_tag_keys"]
	default:
		return set, invalidToken("The claim %s is not an object", tagsClaim)
	}
	for claim, v := range t.claims {
		if key, ok := strings.CutPrefix(claim, tagsClaim+"/principal_tags/"); ok {
			if err := add(key, v); err != nil {
				return set, err
			}
		}
	}
	if flat, ok := t.claims[tagsClaim+"/transitive_tag_keys"]; ok {
		transitive = flat
	}
	set.transitive = scalar(transitive)
	for _, k := range set.transitive {
		if _, ok := getFold(set.passed, k); !ok {
			return set, wire.Fail("InvalidParameterValue", 400, "The specified transitive tag key must be included in the requested tags.")
		}
	}
	if len(set.all) > 50 {
		return set, validation("1 validation error detected: Value at 'tags' failed to satisfy constraint: Member must have length less than or equal to 50")
	}
	return set, nil
}

var sourcePattern = regexp.MustCompile(`^[\w+=,.@-]{2,64}$`)

// sourceIdentity reads the source identity of the token, empty without one.
func (t *webToken) sourceIdentity() (string, error) {
	if _, ok := t.claims[sourceClaim]; !ok {
		return "", nil
	}
	source, err := t.text(sourceClaim)
	if err != nil {
		return "", err
	}
	if !sourcePattern.MatchString(source) {
		return "", validation(`1 validation error detected: Value '%s' at 'sourceIdentity' failed to satisfy constraint: Member must satisfy regular expression pattern: [\w+=,.@-]*`, source)
	}
	if strings.HasPrefix(strings.ToLower(source), "aws:") {
		return "", validation("SourceIdentity cannot start with the reserved prefix aws:")
	}
	return source, nil
}
