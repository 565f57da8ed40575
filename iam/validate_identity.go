package iam

import (
	"fmt"
	"slices"
	"strings"
)

// identity validates identity policies, boundaries, session policies and endpoint
// policies, in the order in which IAM names faults.
func (v *validator) identity() *InvalidError {
	parameter := "policyDocument"
	if v.kind == Session {
		parameter = "policy"
	}
	if e := v.characters(parameter); e != nil {
		return e
	}
	if f := v.read(); f != nil {
		return v.flaw(codeMalformed, f, "Syntax errors in policy.")
	}
	managed := v.opt.Operation == "CreatePolicy" || v.opt.Operation == "CreatePolicyVersion"
	if managed && v.d.version.str != "2012-10-17" {
		return v.invalid(codeMalformed, ruleVersion, v.d.version.off, `add "Version": "2012-10-17"`, "Policy document must be version 2012-10-17 or greater.")
	}
	for _, check := range []func() *InvalidError{
		v.legacy, v.noPrincipal, v.sids, v.hasActions, v.resourceFormat, v.actions, v.hasResources, v.identitySize,
	} {
		if e := check(); e != nil {
			return e
		}
	}
	return nil
}

const legacyParsing = "The policy failed legacy parsing"

// legacy is the second parser that documents go through: case of effects, values
// of dates, and ARNs with too few colons.
func (v *validator) legacy() *InvalidError {
	for i := range v.d.statements {
		s := &v.d.statements[i]
		if s.effect.str != "Allow" && s.effect.str != "Deny" {
			return v.invalid(codeMalformed, ruleEffectCase, s.effect.off, `effects are case-sensitive: write "Allow" or "Deny"`, legacyParsing)
		}
		if d := s.badDate(); d != nil {
			return v.invalid(codeMalformed, ruleDate, d.off, fmt.Sprintf("%q is not a date", d.str), legacyParsing)
		}
	}
	// A resource that is refused further on hides what is wrong with the colons
	// of the ones after it.
	for _, not := range []bool{false, true} {
		for i := range v.d.statements {
			l := &v.d.statements[i].resource
			if l.not != not {
				continue
			}
			if v.badResource(l) != nil {
				return nil
			}
			for _, r := range l.vals {
				if r.str == "*" {
					continue
				}
				f := strings.Split(r.str, ":")
				if len(f) < 6 && strings.Contains(r.str, "::") || len(f) > 2 && f[2] == "" {
					return v.invalid(codeMalformed, "resource-colons", r.off, "an ARN is arn:partition:service:region:account:resource: count the colons", legacyParsing)
				}
			}
		}
	}
	return nil
}

func (v *validator) noPrincipal() *InvalidError {
	for i := range v.d.statements {
		if p := &v.d.statements[i].principal; p.present && v.kind != Endpoint {
			return v.invalid(codeMalformed, rulePrincipal, p.off, "remove it: the policy applies to whom it is attached to; who may assume a role is said in its trust policy", "Policy document should not specify a principal.")
		}
	}
	return nil
}

func (v *validator) sids() *InvalidError {
	for i := range v.d.statements {
		sid := &v.d.statements[i].sid
		if strings.ContainsFunc(sid.str, func(r rune) bool {
			return !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9')
		}) {
			return v.invalid(codeMalformed, "sid-characters", sid.off, "use letters and digits only", "Statement IDs (SID) must be alpha-numeric. Check that your input satisfies the regular expression [0-9A-Za-z]*")
		}
	}
	if sid := v.d.duplicateSid(); sid != nil {
		return v.invalid(codeMalformed, "sid-unique", sid.off, fmt.Sprintf("%q occurs twice", sid.str), "Statement IDs (SID) in a single policy must be unique.")
	}
	return nil
}

func (v *validator) hasActions() *InvalidError {
	for i := range v.d.statements {
		if s := &v.d.statements[i]; len(s.action.vals) == 0 {
			return v.invalid(codeMalformed, ruleNoAction, s.off, `add an "Action"`, "Policy statement must contain actions.")
		}
	}
	return nil
}

func (v *validator) actions() *InvalidError {
	for _, not := range []bool{false, true} {
		for i := range v.d.statements {
			if l := &v.d.statements[i].action; l.not == not {
				if e := v.badAction(codeMalformed, l); e != nil {
					return e
				}
			}
		}
	}
	return nil
}

func (v *validator) hasResources() *InvalidError {
	for i := range v.d.statements {
		if s := &v.d.statements[i]; len(s.resource.vals) == 0 {
			return v.invalid(codeMalformed, ruleNoResource, s.off, `add a "Resource"`, "Policy statement must contain resources.")
		}
	}
	return nil
}

// resourceFormat names the last list of resources that holds a bad one.
func (v *validator) resourceFormat() (e *InvalidError) {
	for _, not := range []bool{false, true} {
		for i := range v.d.statements {
			if l := &v.d.statements[i].resource; l.not == not {
				if bad := v.badResource(l); bad != nil {
					e = bad
				}
			}
		}
	}
	return e
}

// badResource finds a resource that is refused. IAM looks at a list in descending
// order and names the last bad one.
func (v *validator) badResource(l *rawList) (e *InvalidError) {
	vals := slices.Clone(l.vals)
	slices.SortStableFunc(vals, func(a, b text) int { return strings.Compare(b.str, a.str) })
	for _, r := range vals {
		if bad := v.resource(r); bad != nil {
			e = bad
		}
	}
	return e
}

// iamPaths is what an IAM resource may start with.
const iamPaths = "user/, federated-user/, role/, group/, instance-profile/, mfa/, server-certificate/, policy/, sms-mfa/, saml-provider/, oidc-provider/, report/, access-report/"

func (v *validator) resource(r text) *InvalidError {
	if r.str == "*" {
		return nil
	}
	bad := func(rule, hint, format string, args ...any) *InvalidError {
		return v.invalid(codeMalformed, rule, r.off, hint, format, args...)
	}
	f := strings.SplitN(r.str, ":", 6)
	if len(f) == 1 {
		return bad("resource-arn", `write an ARN or "*"`, `Resource %s must be in ARN format or "*".`, r.str)
	}
	partition := f[1]
	wild := strings.ContainsAny(partition, "*?") && len(f) > 2 && f[2] != "iam"
	if !wild && !knownPartition(partition) {
		rest := [4]string{"*", "*", "*", "*"}
		copy(rest[:], f[2:])
		return bad("resource-partition", "partitions are aws, aws-cn, aws-us-gov, …",
			`Partition "%s" is not valid for resource "arn:%s:%s".`, partition, partition, strings.Join(rest[:], ":"))
	}
	if len(f) == 2 || strings.ContainsAny(f[2], "*?") {
		return bad("resource-vendor", "name the service in full", "Resource vendor must be fully qualified and cannot contain regexes.")
	}
	if v.kind == Session && len(f) < 6 {
		return bad("resource-incomplete", "session policies complete no ARN: write all six fields", `Resource %s must be in ARN format or "*".`, r.str)
	}
	region := len(f) == 3 || f[3] != ""
	switch {
	case f[2] == "iam" && region:
		return bad("resource-region", "IAM ARNs have an empty region: arn:aws:iam::account:…", "IAM resource %s cannot contain region information.", r.str)
	case f[2] == "s3" && region && (len(f) < 5 || f[4] == ""): // access points have both region and account
		return bad("resource-region", "bucket ARNs have no region and no account: arn:aws:s3:::bucket", "Resource %s can not contain region information.", r.str)
	case f[2] == "iam":
		path := ""
		if len(f) == 6 {
			path = f[5]
		}
		if path != "*" && !slices.ContainsFunc(strings.Split(iamPaths, ", "), func(p string) bool { return strings.HasPrefix(path, p) }) {
			return bad("resource-iam-path", "name the type in full, with its slash", `IAM resource path must either be "*" or start with %s.`, iamPaths)
		}
	}
	return nil
}

// identitySize applies the quotas of "IAM and AWS STS quotas".
func (v *validator) identitySize() *InvalidError {
	n := compactLen(v.src)
	if v.kind == Session {
		if len([]rune(v.src)) > maxSession {
			return v.invalid(codePacked, "size", 0, fmt.Sprintf("session policies have at most %d characters, white space included", maxSession),
				"Packed policy consumes %d%% of allotted space, please use smaller policy.", 100*len([]rune(v.src))/maxSession)
		}
		return nil
	}
	limit, entity := 0, ""
	switch v.opt.Operation {
	case "CreatePolicy", "CreatePolicyVersion":
		if n > maxManaged {
			return v.invalid(codeLimit, "size", 0, fmt.Sprintf("the document has %d characters, white space not counted", n), "Cannot exceed quota for PolicySize: %d", maxManaged)
		}
	case "PutUserPolicy":
		limit, entity = 2048, "user"
	case "PutGroupPolicy":
		limit, entity = 5120, "group"
	case "PutRolePolicy":
		limit, entity = 10240, "role"
	}
	if limit > 0 && n+v.opt.Used > limit {
		return v.invalid(codeLimit, "size", 0, fmt.Sprintf("the inline policies together have %d characters; attach managed policies instead", n+v.opt.Used),
			"Maximum policy size of %d bytes exceeded for %s %s", limit, entity, v.opt.Name)
	}
	return nil
}

// organization validates SCPs and RCPs. See "SCP syntax" and "RCP syntax" in the
// AWS Organizations User Guide.
func (v *validator) organization() *InvalidError {
	const message = "The provided policy document does not meet the requirements of the specified policy type."
	bad := func(rule string, off int32, hint string) *InvalidError {
		return v.invalid(codeMalformedOrg, rule, off, hint, message)
	}
	if f := v.read(); f != nil {
		return v.flaw(codeMalformedOrg, f, message)
	}
	if v.d.version.str != "2012-10-17" {
		return bad(ruleVersion, v.d.version.off, `add "Version": "2012-10-17"`)
	}
	if sid := v.d.duplicateSid(); sid != nil {
		return bad("sid-unique", sid.off, fmt.Sprintf("Sid %q occurs twice", sid.str))
	}
	for i := range v.d.statements {
		s := &v.d.statements[i]
		switch {
		case s.effect.str != "Allow" && s.effect.str != "Deny":
			return bad(ruleEffectCase, s.effect.off, `write "Allow" or "Deny"`)
		case len(s.action.vals) == 0:
			return bad(ruleNoAction, s.off, `add an "Action"`)
		case len(s.resource.vals) == 0:
			return bad(ruleNoResource, s.off, `add a "Resource"`)
		}
		if d := s.badDate(); d != nil {
			return bad(ruleDate, d.off, fmt.Sprintf("%q is not a date", d.str))
		}
		if e := v.badAction(codeMalformedOrg, &s.action); e != nil {
			e.Message, e.Hint = message, e.Message+" "+e.Hint
			return e
		}
		for _, r := range s.resource.vals {
			complete := r.str == "*" || strings.HasPrefix(r.str, "arn:") && strings.Count(r.str, ":") >= 5
			if !complete && !(v.kind == SCP && strings.HasPrefix(r.str, "arn:") && strings.HasSuffix(r.str, "*")) {
				return bad("resource-arn", r.off, `write a complete ARN or "*"`)
			}
		}
		if v.kind == SCP {
			if s.principal.present {
				return bad(rulePrincipal, s.principal.off, "remove it: SCPs apply to all principals of an account; use a condition on aws:PrincipalArn")
			}
			continue
		}
		everyone := s.principal.star || len(s.principal.entries) == 1 && s.principal.entries[0].kind == awsPrincipal && s.principal.entries[0].str == "*"
		switch {
		case s.effect.str != "Deny":
			return bad("rcp-effect", s.effect.off, "RCPs only deny")
		case !s.principal.present || s.principal.not || !everyone:
			return bad(ruleNoPrincipal, s.off, `RCPs are for everyone: write "Principal": "*" and use conditions`)
		case s.action.not:
			return bad("rcp-not-action", s.action.off, "RCPs take no NotAction")
		case slices.ContainsFunc(s.action.vals, func(a text) bool { return strings.HasPrefix(a.str, "*") }):
			return bad("rcp-action", s.action.off, "name the service: s3:*, not *")
		}
	}
	limit := maxOrganization
	if v.kind == RCP {
		limit = maxRCP
	}
	if n := len([]rune(v.src)); n > limit {
		return v.invalid(codeOrgConstraint, "size", 0, fmt.Sprintf("the document has %d characters, white space included", n), "You have exceeded the maximum policy size of %d characters.", limit)
	}
	return nil
}
