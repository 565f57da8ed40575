package sts

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/aws-sdk-go-v2/service/sts/types"

	"github.com/mantle-iam/mantle/iam"
	"github.com/mantle-iam/mantle/sandbox/internal/service"
	"github.com/mantle-iam/mantle/sandbox/internal/wire"
)

// chainLimit is the longest session that a role session can get of another
// role (IAM User Guide, "Roles terms and concepts": role chaining).
const chainLimit = time.Hour

// assumeRoleChecks says what an AssumeRole needs: sts:AssumeRole, and with
// tags sts:TagSession, and with a source identity sts:SetSourceIdentity,
// each on the role and each judged by its trust policy as well.
func (s *STS) assumeRoleChecks(r *service.Request, in *sdk.AssumeRoleInput) ([]service.Check, error) {
	if r.Caller.Type == iam.Root {
		return nil, denied("Roles may not be assumed by root accounts.")
	}
	role, known, err := s.target(aws.ToString(in.RoleArn))
	if err != nil {
		return nil, err
	}
	tags, err := sessionTags(r, in)
	if err != nil {
		return nil, err
	}
	source, err := sourceIdentity(r, aws.ToString(in.SourceIdentity))
	if err != nil {
		return nil, err
	}
	// A role that does not exist is answered like one that does not trust
	// the caller, so that nobody can find out which roles there are.
	check := service.Check{
		Action: "sts:AssumeRole", Resource: role.ARN, Owner: role.Account, Trust: true,
		Context: assumeContext(in, role, tags, source),
	}
	if known {
		check.Policy = role.Trust
	}
	check.Denied = func(string) *wire.Error {
		return denied("User: %s is not authorized to perform: %s on resource: %s", r.Caller.ARN, "sts:AssumeRole", role.ARN)
	}
	checks := []service.Check{check}
	if len(tags.all) > 0 {
		checks = append(checks, also(check, r, "sts:TagSession"))
	}
	if source != "" {
		checks = append(checks, also(check, r, "sts:SetSourceIdentity"))
	}
	return checks, nil
}

// also is the same check for another action, with that action's text. STS
// names caller, action and role and says nothing of the reason.
func also(c service.Check, r *service.Request, action string) service.Check {
	c.Action = action
	resource := c.Resource
	c.Denied = func(string) *wire.Error {
		return denied("User: %s is not authorized to perform: %s on resource: %s", r.Caller.ARN, action, resource)
	}
	return c
}

// target reads a role ARN. known is false for a well-formed ARN that no
// role has.
func (s *STS) target(text string) (role Role, known bool, err error) {
	arn, perr := iam.ParseARN(text)
	if perr != nil || arn.Service != "iam" || arn.Account == "" || !strings.HasPrefix(arn.Resource, "role/") {
		return Role{}, false, validation("%s is invalid", text)
	}
	if role, ok := s.dir.Role(text); ok {
		return role, true, nil
	}
	return Role{ARN: text, Account: arn.Account}, false, nil
}

func assumeContext(in *sdk.AssumeRoleInput, role Role, tags tagSet, source string) []service.KV {
	kv := trustContext(aws.ToString(in.RoleSessionName), role, tags, source)
	if in.ExternalId != nil {
		kv = append(kv, service.KV{Key: "sts:ExternalId", Values: []string{*in.ExternalId}})
	}
	if in.DurationSeconds != nil {
		kv = append(kv, service.KV{Key: "sts:DurationSeconds", Values: []string{fmt.Sprint(*in.DurationSeconds)}})
	}
	return kv
}

// trustContext holds the keys that every way to assume a role gives to the
// trust decision.
func trustContext(session string, role Role, tags tagSet, source string) []service.KV {
	kv := []service.KV{{Key: "sts:RoleSessionName", Values: []string{session}}}
	if source != "" {
		kv = append(kv, service.KV{Key: "sts:SourceIdentity", Values: []string{source}})
	}
	if len(tags.passed) > 0 {
		var keys []string
		for _, k := range slices.Sorted(maps.Keys(tags.passed)) {
			kv = append(kv, service.KV{Key: "aws:RequestTag/" + k, Values: []string{tags.passed[k]}})
			keys = append(keys, k)
		}
		kv = append(kv, service.KV{Key: "aws:TagKeys", Values: keys})
	}
	if len(tags.transitive) > 0 {
		kv = append(kv, service.KV{Key: "sts:TransitiveTagKeys", Values: tags.transitive})
	}
	// While the trust policy is judged, inherited transitive tags stand in
	// for role tags of the same key (IAM User Guide, "Pass session tags in
	// AWS STS").
	resource := maps.Clone(role.Tags)
	if resource == nil {
		resource = map[string]string{}
	}
	for k, v := range tags.inherited {
		setFold(resource, k, v)
	}
	for _, k := range slices.Sorted(maps.Keys(resource)) {
		kv = append(kv,
			service.KV{Key: "aws:ResourceTag/" + k, Values: []string{resource[k]}},
			service.KV{Key: "iam:ResourceTag/" + k, Values: []string{resource[k]}})
	}
	return kv
}

// tagSet is what an AssumeRole makes of its tags.
type tagSet struct {
	passed     map[string]string // in this request
	inherited  map[string]string // transitive ones of the calling session
	all        map[string]string // the new session's
	transitive []string          // keys that the new session hands on
}

func sessionTags(r *service.Request, in *sdk.AssumeRoleInput) (tagSet, error) {
	t := tagSet{passed: map[string]string{}, inherited: map[string]string{}, all: map[string]string{}}
	if ses := r.Caller.Session; ses != nil {
		for _, k := range ses.Transitive {
			if v, ok := getFold(ses.Tags, k); ok {
				t.inherited[k], t.all[k] = v, v
				t.transitive = append(t.transitive, k)
			}
		}
	}
	for _, tag := range in.Tags {
		k, v := aws.ToString(tag.Key), aws.ToString(tag.Value)
		if err := checkTagKey(k); err != nil {
			return t, err
		}
		if _, twice := getFold(t.passed, k); twice {
			return t, wire.Fail("InvalidParameterValue", 400, "Duplicate tag keys found. Please note that Tag keys are case insensitive.")
		}
		if _, taken := getFold(t.inherited, k); taken {
			return t, wire.Fail("InvalidParameterValue", 400, "One of the specified transitive tag keys can't be set because it conflicts with a transitive tag key from the calling session.")
		}
		t.passed[k], t.all[k] = v, v
	}
	for _, k := range in.TransitiveTagKeys {
		if _, ok := getFold(t.passed, k); !ok {
			return t, wire.Fail("InvalidParameterValue", 400, "The specified transitive tag key must be included in the requested tags.")
		}
		t.transitive = append(t.transitive, k)
	}
	if len(t.all) > 50 {
		return t, validation("1 validation error detected: Value at 'tags' failed to satisfy constraint: Member must have length less than or equal to 50")
	}
	return t, nil
}

func checkTagKey(k string) error {
	if strings.HasPrefix(strings.ToLower(k), "aws:") {
		return wire.Fail("InvalidParameterValue", 400, "Tag keys that start with aws: are reserved: %s", k)
	}
	return nil
}

// getFold and setFold treat tag keys as STS does: case is kept but does not
// tell keys apart.
func getFold(m map[string]string, key string) (string, bool) {
	if v, ok := m[key]; ok {
		return v, true
	}
	for k, v := range m {
		if strings.EqualFold(k, key) {
			return v, true
		}
	}
	return "", false
}

func setFold(m map[string]string, key, value string) {
	for k := range m {
		if strings.EqualFold(k, key) {
			delete(m, k)
		}
	}
	m[key] = value
}

// sourceIdentity is the new session's: inherited if the calling session has
// one, else the one passed. It cannot change along a chain.
func sourceIdentity(r *service.Request, passed string) (string, error) {
	if strings.HasPrefix(strings.ToLower(passed), "aws:") {
		return "", validation("SourceIdentity cannot start with the reserved prefix aws:")
	}
	if ses := r.Caller.Session; ses != nil && ses.SourceIdentity != "" {
		if passed != "" && passed != ses.SourceIdentity {
			return "", denied("The source identity of the calling session is set and cannot be changed to %s", passed)
		}
		return ses.SourceIdentity, nil
	}
	return passed, nil
}

// assumeRole makes the session once every check has been allowed.
func (s *STS) assumeRole(_ context.Context, r *service.Request, in *sdk.AssumeRoleInput) (*sdk.AssumeRoleOutput, error) {
	role, known, err := s.target(aws.ToString(in.RoleArn))
	if err != nil {
		return nil, err
	}
	if !known { // deleted since it was checked
		return nil, denied("User: %s is not authorized to perform: sts:AssumeRole on resource: %s", r.Caller.ARN, role.ARN)
	}
	if in.SerialNumber != nil || in.TokenCode != nil {
		if in.SerialNumber == nil || in.TokenCode == nil {
			return nil, denied("MultiFactorAuthentication failed, must provide both MFA serial number and one time pass code.")
		}
		// The sandbox registers no MFA devices, so no code can be right.
		return nil, denied("MultiFactorAuthentication failed with invalid MFA one time pass code. ")
	}
	life, err := duration(r, in.DurationSeconds, role)
	if err != nil {
		return nil, err
	}
	tags, err := sessionTags(r, in)
	if err != nil {
		return nil, err
	}
	source, err := sourceIdentity(r, aws.ToString(in.SourceIdentity))
	if err != nil {
		return nil, err
	}
	ses := service.Session{
		Name: aws.ToString(in.RoleSessionName), Issued: r.Now, Expires: r.Now.Add(life).Truncate(time.Second),
		Tags: tags.all, Transitive: tags.transitive, SourceIdentity: source,
	}
	packed, err := s.sessionPolicies(role.Account, &ses, in.Policy, in.PolicyArns)
	if err != nil {
		return nil, err
	}
	claims := roleClaims(role, ses)
	cred, err := s.issue(claims)
	if err != nil {
		return nil, err
	}
	out := &sdk.AssumeRoleOutput{
		Credentials: cred,
		AssumedRoleUser: &types.AssumedRoleUser{
			Arn: aws.String(claims.ARN), AssumedRoleId: aws.String(claims.UserID),
		},
		PackedPolicySize: packed,
	}
	if source != "" {
		out.SourceIdentity = aws.String(source)
	}
	return out, nil
}

// roleClaims are the claims of a session of the role. The session's ARN
// leaves out the role's path (IAM User Guide, "IAM identifiers").
func roleClaims(role Role, ses service.Session) *Claims {
	arn, _ := iam.ParseARN(role.ARN)
	return &Claims{
		Type:    kind{iam.AssumedRole},
		ARN:     fmt.Sprintf("arn:%s:sts::%s:assumed-role/%s/%s", arn.Partition, role.Account, role.Name, ses.Name),
		Account: role.Account, Issuer: role.ARN, ID: role.ID, Name: role.Name,
		UserID: role.ID + ":" + ses.Name, Session: ses,
	}
}

// duration is the session's life: what is asked, else an hour, within the
// role's limit, and within an hour for a role session that assumes a role.
func duration(r *service.Request, seconds *int32, role Role) (time.Duration, error) {
	life := time.Hour
	if seconds != nil {
		life = time.Duration(*seconds) * time.Second
	}
	if life < 15*time.Minute {
		return 0, validation("1 validation error detected: Value '%d' at 'durationSeconds' failed to satisfy constraint: Member must have value greater than or equal to 900", *seconds)
	}
	if r.Caller.Type == iam.AssumedRole && life > chainLimit {
		return 0, validation("The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining.")
	}
	if life > max(role.MaxSession, time.Hour) {
		return 0, validation("The requested DurationSeconds exceeds the MaxSessionDuration set for this role.")
	}
	return life, nil
}

// plainLimit is the most that the inline session policy may hold, in
// characters (AssumeRole, Policy: "plaintext … cannot exceed 2,048").
const plainLimit = 2048

// sessionPolicies validates the session policies and puts them into the
// session. It answers the packed size in percent, nil without policies and
// tags.
func (s *STS) sessionPolicies(account string, ses *service.Session, inline *string, arns []types.PolicyDescriptorType) (*int32, error) {
	if inline != nil {
		if len(*inline) > plainLimit {
			return nil, wire.Fail("PackedPolicyTooLarge", 400, "The session policy has %d characters; at most %d are allowed.", len(*inline), plainLimit)
		}
		if err := iam.Validate(iam.Session, []byte(*inline), iam.ValidateOptions{}); err != nil {
			return nil, malformed(err)
		}
		ses.Policies = []string{*inline}
	}
	if len(arns) > 10 {
		return nil, validation("1 validation error detected: Value at 'policyArns' failed to satisfy constraint: Member must have length less than or equal to 10")
	}
	for _, p := range arns {
		arn := aws.ToString(p.Arn)
		if !s.dir.Policy(account, arn) {
			return nil, wire.Fail("NoSuchEntity", 404, "Policy %s does not exist or is not attachable.", arn)
		}
		ses.PolicyARNs = append(ses.PolicyARNs, arn)
	}
	if len(ses.Policies)+len(ses.PolicyARNs)+len(ses.Tags) == 0 {
		return nil, nil
	}
	size := packedSize(ses)
	if size > 100 {
		return nil, wire.Fail("PackedPolicyTooLarge", 400, "Packed policy consumes %d%% of allotted space, please use smaller policy.", size)
	}
	return &size, nil
}

func malformed(err error) *wire.Error {
	if bad, ok := errors.AsType[*iam.InvalidError](err); ok {
		return wire.Fail("MalformedPolicyDocument", 400, "%s", bad.Message)
	}
	return wire.Fail("MalformedPolicyDocument", 400, "Syntax errors in policy.")
}
