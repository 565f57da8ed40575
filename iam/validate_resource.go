package iam

import (
	"fmt"
	"slices"
	"strings"
)

const (
	invalidJSON    = "This policy contains invalid Json"
	emptyStatement = "Could not parse the policy: Statement is empty!"
	invalidVersion = "The policy must contain a valid version string"
	allowNot       = "Allow with NotPrincipal is not allowed."
)

// grammar is what trust policies and bucket policies say about a broken grammar.
func (v *validator) grammar(code, syntax string, f *flaw) *InvalidError {
	switch f.rule {
	case ruleJSON, ruleDuplicateKey, ruleNotObject:
		return v.flaw(code, f, invalidJSON)
	case ruleVersion:
		return v.flaw(code, f, invalidVersion)
	case ruleNoStatement:
		return v.flaw(code, f, "Missing required field Statement")
	case ruleEmpty:
		return v.flaw(code, f, emptyStatement)
	case ruleNoEffect:
		return v.flaw(code, f, "Missing required field Effect")
	case ruleEffect:
		return v.flaw(code, f, "Invalid effect: "+f.quoted())
	case rulePrincipalKind:
		return v.flaw(code, f, "Invalid principal in policy")
	case ruleOperator:
		return v.flaw(code, f, "Invalid Condition type : "+f.quoted())
	}
	return v.flaw(code, f, syntax)
}

// quoted is the text that the summary of f puts in quotes.
func (f *flaw) quoted() string {
	_, s, _ := strings.Cut(f.summary, `"`)
	s, _, _ = strings.Cut(s, `"`)
	return s
}

// trust validates role trust policies.
func (v *validator) trust() *InvalidError {
	if e := v.characters("assumeRolePolicyDocument"); e != nil {
		return e
	}
	if f := v.read(); f != nil {
		return v.grammar(codeMalformed, "Syntax errors in policy.", f)
	}
	for i := range v.d.statements {
		if e := v.trustStatement(&v.d.statements[i]); e != nil {
			return e
		}
	}
	if sid := v.d.duplicateSid(); sid != nil {
		return v.invalid(codeMalformed, "sid-unique", sid.off, fmt.Sprintf("%q occurs twice", sid.str), "The Statement Ids in the policy are not unique")
	}
	for i := range v.d.statements {
		if e := v.badPrincipal(&v.d.statements[i].principal, false); e != nil {
			hint := "no such provider: name a SAML or OIDC provider by its ARN"
			switch e.kind {
			case awsPrincipal:
				hint = principalHint(e.str)
			case servicePrincipal:
				hint = "no such service; service principals end in .amazonaws.com"
			}
			kind := e.kind
			if kind != awsPrincipal {
				kind = strings.ToUpper(kind)
			}
			return v.invalid(codeMalformed, "principal", e.off, hint, `Invalid principal in policy: "%s":"%s"`, kind, e.str)
		}
	}
	for i := range v.d.statements {
		if e := v.tenant(&v.d.statements[i]); e != nil {
			return e
		}
	}
	limit := v.opt.TrustSize
	if limit == 0 {
		limit = maxTrust
	}
	if n := compactLen(v.src); n > limit {
		return v.invalid(codeLimit, "size", 0, fmt.Sprintf("the document has %d characters, white space not counted; the quota can be raised to 8192", n), "Cannot exceed quota for ACLSizePerRole: %d", limit)
	}
	return nil
}

func (v *validator) trustStatement(s *rawStatement) *InvalidError {
	bad := func(rule string, off int32, hint, message string) *InvalidError {
		return v.invalid(codeMalformed, rule, off, hint, "%s", message)
	}
	switch p := &s.principal; {
	case s.effect.str != "Allow" && s.effect.str != "Deny":
		return bad(ruleEffectCase, s.effect.off, `write "Allow" or "Deny"`, "Invalid effect: "+s.effect.str)
	case p.not && s.effect.str == "Allow":
		return bad(ruleNotPrincipal, p.off, "list whom to trust in Principal", allowNot)
	case p.not:
		return bad(ruleNotPrincipal, p.off, "use Principal with a condition on aws:PrincipalArn", "AssumeRole policy must not contain NotPrincipal field.")
	case s.resource.present && s.resource.not:
		return bad("trust-resource", s.resource.off, "remove it: a trust policy is about its own role", "AssumeRole policy must not contain resources.")
	case s.resource.present:
		return bad("trust-resource", s.resource.off, "remove it: a trust policy is about its own role", "Has prohibited field Resource")
	case !p.present:
		return bad(ruleNoPrincipal, s.off, `say who may assume the role: "Principal": {"Service": "ec2.amazonaws.com"}`, "Missing required field Principal")
	case !p.star && len(p.entries) == 0:
		return bad(ruleNoPrincipal, p.off, "say who may assume the role", "Missing required field Principal cannot be empty!")
	case len(s.action.vals) == 0:
		return bad(ruleNoAction, s.off, `add "Action": "sts:AssumeRole"`, "Missing required field Action")
	}
	for _, a := range s.action.vals {
		if !assumeAction(a.str) {
			return bad("trust-action", a.off, "use sts:AssumeRole, sts:AssumeRoleWithSAML, sts:AssumeRoleWithWebIdentity, sts:TagSession or sts:SetSourceIdentity", "AssumeRole policy may only specify STS AssumeRole actions.")
		}
	}
	if d := s.badDate(); d != nil {
		return bad(ruleDate, d.off, fmt.Sprintf("%q is not a date", d.str), legacyParsing)
	}
	return nil
}

// assumeAction reports whether the pattern is about STS and covers an action that
// trust policies grant.
func assumeAction(s string) bool {
	a := compileAction(s)
	return foldPrefix("sts:", s) && slices.ContainsFunc([]string{
		actionAssumeRole, "sts:AssumeRoleWithSAML", "sts:AssumeRoleWithWebIdentity", "sts:AssumeRoot",
		actionTagSession, actionSetSourceIdentity, "sts:SetContext",
	}, a.match)
}

// tenant checks that trust in an identity provider that many organizations share
// says which tenant it means. See "Identity-provider controls for shared OIDC
// providers" in the IAM User Guide.
func (v *validator) tenant(s *rawStatement) *InvalidError {
	if s.effect.str != "Allow" {
		return nil
	}
	for _, e := range s.principal.entries {
		if e.kind != federatedPrincipal {
			continue
		}
		issuer := e.str
		if _, after, ok := strings.Cut(issuer, ":oidc-provider/"); ok {
			issuer = after
		}
		claim := sharedIssuer(issuer)
		if claim == "" || s.testsClaim(claim) {
			continue
		}
		return v.invalid(codeMalformed, "shared-issuer", e.off, fmt.Sprintf("anybody can get a token of %s: add a condition on %s that is not only wildcards", issuer, claim),
			"Missing or invalid condition on %s for the shared identity provider %s", claim, issuer)
	}
	return nil
}

// sharedIssuer is the condition key that tells the tenants of a shared issuer
// apart, or "".
func sharedIssuer(issuer string) string {
	switch issuer {
	case "token.actions.githubusercontent.com", "gitlab.com", "app.terraform.io", "agent.buildkite.com", "oidc.vercel.com", "oidc.codefresh.io", "studio.datachain.ai", "proidc.upbound.io":
		return issuer + ":sub"
	case "cognito-identity.amazonaws.com":
		return issuer + ":aud"
	}
	return ""
}

// testsClaim reports whether a condition demands something of the key.
func (s *rawStatement) testsClaim(key string) bool {
	for i := range s.condition {
		c := &s.condition[i]
		if !strings.EqualFold(c.key, key) || c.parsed.negated || c.parsed.ifExists || c.parsed.set == forAllValues {
			continue
		}
		switch c.parsed.op {
		case stringEquals, stringEqualsIgnoreCase, stringLike:
		default:
			continue
		}
		if len(c.vals) > 0 && !slices.ContainsFunc(c.vals, func(t text) bool {
			return strings.Trim(t.str, "*?") == ""
		}) {
			return true
		}
	}
	return false
}

// resourcePolicy validates what all resource policies have in common.
func (v *validator) resourcePolicy() *InvalidError {
	if f := v.read(); f != nil {
		return v.grammar(codeMalformed, "Syntax errors in policy.", f)
	}
	for i := range v.d.statements {
		s := &v.d.statements[i]
		bad := func(rule string, off int32, hint, message string) *InvalidError {
			return v.invalid(codeMalformed, rule, off, hint, "%s", message)
		}
		switch p := &s.principal; {
		case s.effect.str != "Allow" && s.effect.str != "Deny":
			return bad(ruleEffectCase, s.effect.off, `write "Allow" or "Deny"`, "Invalid effect: "+s.effect.str)
		case p.not && s.effect.str == "Allow":
			return bad(ruleNotPrincipal, p.off, "list whom to allow in Principal", allowNot)
		case !p.present || !p.star && len(p.entries) == 0:
			return bad(ruleNoPrincipal, s.off, `say to whom it applies: "Principal": {"AWS": "…"}`, "Missing required field Principal")
		case len(s.action.vals) == 0:
			return bad(ruleNoAction, s.off, `add an "Action"`, "Missing required field Action")
		}
		if e := v.badPrincipal(&s.principal, false); e != nil {
			return bad("principal", e.off, principalHint(e.str), "Invalid principal in policy")
		}
		if e := v.badAction(codeMalformed, &s.action); e != nil {
			return e
		}
		if d := s.badDate(); d != nil {
			return bad(ruleDate, d.off, fmt.Sprintf("%q is not a date", d.str), legacyParsing)
		}
	}
	return nil
}

// bucket validates bucket policies.
func (v *validator) bucket() *InvalidError {
	if !strings.HasPrefix(v.src, "{") {
		return v.invalid(codeMalformedS3, ruleJSON, 0, "a policy is a JSON object", "Policies must be valid JSON and the first byte must be '{'")
	}
	if f := v.read(); f != nil {
		return v.grammar(codeMalformedS3, "Invalid policy syntax.", f)
	}
	if n := compactLen(v.src); n > maxBucketPolicy {
		return v.invalid(codeMalformedS3, "size", 0, fmt.Sprintf("the document has %d characters", n), "Normalized policy document exceeds the maximum allowed size of %d bytes", maxBucketPolicy)
	}
	for i := range v.d.statements {
		if e := v.bucketStatement(&v.d.statements[i]); e != nil {
			return e
		}
	}
	return nil
}

func (v *validator) bucketStatement(s *rawStatement) *InvalidError {
	bad := func(rule string, off int32, hint, message string) *InvalidError {
		return v.invalid(codeMalformedS3, rule, off, hint, "%s", message)
	}
	p := &s.principal
	switch {
	case s.effect.str != "Allow" && s.effect.str != "Deny":
		return bad(ruleEffectCase, s.effect.off, `write "Allow" or "Deny"`, "Invalid effect: "+s.effect.str)
	case p.not && s.effect.str == "Allow":
		return bad(ruleNotPrincipal, p.off, "list whom to allow in Principal", allowNot)
	case !p.present:
		return bad(ruleNoPrincipal, s.off, `say to whom it applies: "Principal": "*"`, "Missing required field Principal")
	case !p.star && len(p.entries) == 0:
		return bad("principal", p.off, "name a principal", "Invalid principal in policy")
	}
	if e := v.badPrincipal(p, true); e != nil {
		return bad("principal", e.off, principalHint(e.str), "Invalid principal in policy")
	}
	if !s.action.present {
		return bad(ruleNoAction, s.off, `add an "Action"`, "Missing required field Action")
	}
	if len(s.action.vals) == 0 {
		return bad("s3-action", s.action.off, "name an S3 action", "Policy has invalid action")
	}
	for _, a := range s.action.vals {
		if s3Levels(a.str) == 0 {
			return bad("s3-action", a.off, fmt.Sprintf("%q is no action on buckets or objects", a.str), "Policy has invalid action")
		}
	}
	if !s.resource.present {
		return bad(ruleNoResource, s.off, "add the ARN of the bucket, or of its objects", "Missing required field Resource")
	}
	if len(s.resource.vals) == 0 {
		return bad("s3-resource", s.resource.off, "name the bucket or its objects", "Policy has invalid resource")
	}
	var reach level
	for _, r := range s.resource.vals {
		l := v.bucketResource(r.str)
		if l == 0 {
			return bad("s3-resource", r.off, "a bucket policy is about its own bucket: arn:aws:s3:::BUCKET and arn:aws:s3:::BUCKET/*", "Policy has invalid resource")
		}
		reach |= l
	}
	if !s.action.not && !s.resource.not {
		for _, a := range s.action.vals {
			if s3Levels(a.str)&reach == 0 {
				return bad("s3-action-resource", a.off, fmt.Sprintf("%s acts on another level: objects are arn:aws:s3:::BUCKET/*, the bucket is arn:aws:s3:::BUCKET", a.str), "Action does not apply to any resource(s) in statement")
			}
		}
	}
	return v.bucketConditions(s)
}

func (v *validator) bucketConditions(s *rawStatement) *InvalidError {
	for i := range s.condition {
		c := &s.condition[i]
		if !canonicalOperator(c.operator) {
			return v.invalid(codeMalformedS3, ruleOperator, c.off, "S3 wants operators in their own case", "Invalid Condition type : %s", c.operator)
		}
		if !strings.Contains(c.key, ":") {
			return v.invalid(codeMalformedS3, "condition-key", c.off, "condition keys are prefix:name", "Policy has an invalid condition key")
		}
		for _, val := range c.vals {
			if _, ok := parsePrefix(val.str); c.parsed.op == ipAddress && !ok {
				return v.invalid(codeMalformedS3, "ip-address", val.off, fmt.Sprintf("%q is not an address or a CIDR block", val.str), "Invalid IP address in Conditions")
			}
		}
	}
	if d := s.badDate(); d != nil {
		return v.invalid(codeMalformedS3, ruleDate, d.off, fmt.Sprintf("%q is not a date", d.str), "Invalid date in Conditions")
	}
	return nil
}

func canonicalOperator(name string) bool {
	name = strings.TrimPrefix(strings.TrimPrefix(name, "ForAllValues:"), "ForAnyValue:")
	name = strings.TrimSuffix(name, "IfExists")
	return slices.ContainsFunc(operatorNames(), func(o operatorName) bool { return o.name == name })
}

// level is what an S3 action acts on, as a set.
type level uint8

const (
	bucketLevel level = 1 << iota
	objectLevel
)

// s3Levels is what the actions that the pattern covers act on; 0 if it covers
// none that a bucket policy can name.
func s3Levels(s string) (l level) {
	if s == "*" {
		return bucketLevel | objectLevel
	}
	if !foldPrefix("s3:", s) {
		return 0
	}
	name := compileAction(s[len("s3:"):])
	for a := range strings.FieldsSeq(s3BucketActions) {
		if name.match(a) {
			l |= bucketLevel
			break
		}
	}
	for a := range strings.FieldsSeq(s3ObjectActions) {
		if name.match(a) {
			return l | objectLevel
		}
	}
	return l
}

// bucketResource is what the ARN can mean in the policy of the bucket; 0 if it is
// about something else.
func (v *validator) bucketResource(s string) (l level) {
	a, err := ParseARN(s)
	if err != nil || !knownPartition(a.Partition) || a.Service != "s3" || a.Region != "" || a.Account != "" {
		return 0
	}
	bucket, _, object := strings.Cut(a.Resource, "/")
	if name := compilePattern(bucket, true, false); bucket == "" ||
		v.opt.Bucket != "" && !strings.Contains(bucket, "${") && !name.match(v.opt.Bucket, nil) {
		return 0
	}
	switch {
	case object:
		return objectLevel
	case strings.Contains(bucket, "*"):
		return bucketLevel | objectLevel
	}
	return bucketLevel
}

// s3BucketActions and s3ObjectActions are the S3 actions by what they act on, from
// "Actions, resources, and condition keys for Amazon S3" in the Service
// Authorization Reference.
const s3BucketActions = `
AllowVendedLogDeliveryForResource CreateBucket CreateBucketMetadataTableConfiguration DeleteBucket
DeleteBucketMetadataTableConfiguration DeleteBucketPolicy DeleteBucketWebsite
GetAccelerateConfiguration GetAnalyticsConfiguration GetBucketAbac GetBucketAcl GetBucketCORS
GetBucketLocation GetBucketLogging GetBucketMetadataTableConfiguration GetBucketNotification
GetBucketObjectLockConfiguration GetBucketOwnershipControls GetBucketPolicy GetBucketPolicyStatus
GetBucketPublicAccessBlock GetBucketRequestPayment GetBucketTagging GetBucketVersioning
GetBucketWebsite GetEncryptionConfiguration GetIntelligentTieringConfiguration
GetInventoryConfiguration GetLifecycleConfiguration GetMetricsConfiguration
GetReplicationConfiguration ListBucket ListBucketMultipartUploads ListBucketVersions
ListTagsForResource PauseReplication PutAccelerateConfiguration PutAnalyticsConfiguration
PutBucketAbac PutBucketAcl PutBucketCORS PutBucketLogging PutBucketNotification
PutBucketObjectLockConfiguration PutBucketOwnershipControls PutBucketPolicy
PutBucketPublicAccessBlock PutBucketRequestPayment PutBucketTagging PutBucketVersioning
PutBucketWebsite PutEncryptionConfiguration PutIntelligentTieringConfiguration
PutInventoryConfiguration PutLifecycleConfiguration PutMetricsConfiguration
PutReplicationConfiguration TagResource UntagResource
UpdateBucketMetadataAnnotationTableConfiguration UpdateBucketMetadataInventoryTableConfiguration
UpdateBucketMetadataJournalTableConfiguration
`

const s3ObjectActions = `
AbortMultipartUpload BypassGovernanceRetention DeleteObject DeleteObjectAnnotation
DeleteObjectTagging DeleteObjectVersion DeleteObjectVersionAnnotation DeleteObjectVersionTagging
GetObject GetObjectAcl GetObjectAnnotation GetObjectAttributes GetObjectLegalHold GetObjectRetention
GetObjectTagging GetObjectTorrent GetObjectVersion GetObjectVersionAcl GetObjectVersionAnnotation
GetObjectVersionAnnotationForReplication GetObjectVersionAttributes GetObjectVersionForReplication
GetObjectVersionTagging GetObjectVersionTorrent InitiateReplication ListMultipartUploadParts
ListObjectAnnotations ListObjectVersionAnnotations ObjectOwnerOverrideToBucketOwner PutObject
PutObjectAcl PutObjectAnnotation PutObjectLegalHold PutObjectRetention PutObjectTagging
PutObjectVersionAcl PutObjectVersionAnnotation PutObjectVersionTagging ReplicateDelete
ReplicateObject ReplicateObjectAnnotation ReplicateTags RestoreObject UpdateObjectEncryption
`
