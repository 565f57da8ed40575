package sts

import (
	"context"
	"errors"
	"net"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/aws-sdk-go-v2/service/sts/types"

	"github.com/mantle-iam/mantle/iam"
	"github.com/mantle-iam/mantle/sandbox/internal/service"
	"github.com/mantle-iam/mantle/sandbox/internal/wire"
)

// Provider is an OpenID Connect provider that an account trusts.
type Provider struct {
	// ARN is the Federated principal of trust policies: the provider's ARN,
	// or the host of one that every account knows.
	ARN string
	// Issuer is the URL that tokens name in their iss claim.
	Issuer string
	// ClientIDs are the audiences that the account accepts.
	ClientIDs []string
}

// wellKnown tells a provider that nobody registers; its trust policies check
// the audience themselves.
func (p Provider) wellKnown() bool { return !strings.HasPrefix(p.ARN, "arn:") }

// provider finds the provider of an issuer for an account. Google and Amazon
// Cognito are known to every account (IAM User Guide, "Create an OpenID
// Connect (OIDC) identity provider in IAM").
func (s *STS) provider(account, issuer string) (Provider, bool) {
	if p, ok := s.dir.Provider(account, issuer); ok {
		return p, true
	}
	switch issuer {
	case "https://accounts.google.com", "https://cognito-identity.amazonaws.com":
		return Provider{ARN: strings.TrimPrefix(issuer, "https://"), Issuer: issuer}, true
	}
	return Provider{}, false
}

const actionWebIdentity = "sts:AssumeRoleWithWebIdentity"

// webIdentityChecks verifies the token and makes its provider the caller: the
// call is not signed, and the token says who makes it. What is left to decide
// is whether the role's trust policy lets that caller in, and with tags or a
// source identity whether it may set them.
func (s *STS) webIdentityChecks(r *service.Request, in *sdk.AssumeRoleWithWebIdentityInput) ([]service.Check, error) {
	role, known, err := s.target(aws.ToString(in.RoleArn))
	if err != nil {
		return nil, err
	}
	ctx := context.Background()
	if r.Call != nil && r.Call.HTTP != nil {
		ctx = r.Call.HTTP.Context()
	}
	id, err := s.identify(ctx, r, role, in)
	if err != nil {
		return nil, err
	}
	r.Caller = service.Caller{
		Principal: iam.Principal{Type: iam.Federated, ARN: id.provider.ARN},
		Name:      id.subject, UserID: id.provider.ARN + ":" + id.audience + ":" + id.subject,
	}
	check := service.Check{
		Action: actionWebIdentity, Resource: role.ARN, Owner: role.Account, Trust: true,
		Context: append(trustContext(aws.ToString(in.RoleSessionName), role, id.tags, id.source), id.keys...),
	}
	if known {
		check.Policy = role.Trust
	}
	checks := []service.Check{refusing(check, actionWebIdentity)}
	if len(id.tags.all) > 0 {
		checks = append(checks, refusing(check, "sts:TagSession"))
	}
	if id.source != "" {
		checks = append(checks, refusing(check, "sts:SetSourceIdentity"))
	}
	return checks, nil
}

// refusing is the check for an action. A refusal names neither caller nor
// role.
func refusing(c service.Check, action string) service.Check {
	c.Action = action
	c.Denied = func(string) *wire.Error { return denied("Not authorized to perform %s", action) }
	return c
}

// identify verifies the token of a call: its form, its issuer, its signature,
// its times and its audience.
func (s *STS) identify(ctx context.Context, r *service.Request, role Role, in *sdk.AssumeRoleWithWebIdentityInput) (identity, error) {
	if in.ProviderId != nil {
		return identity{}, validation("The sandbox does not implement OAuth 2.0 access tokens of %s; pass an OpenID Connect token without ProviderId", *in.ProviderId)
	}
	t, err := readToken(aws.ToString(in.WebIdentityToken))
	if err != nil {
		return identity{}, invalidToken("The ID Token provided is not a valid JWT. (You may see this error if you sent an Access Token): %s", err)
	}
	issuer, err := t.text("iss")
	if err != nil {
		return identity{}, err
	}
	p, ok := s.provider(role.Account, issuer)
	if !ok {
		return identity{}, invalidToken("No OpenIDConnect provider found in your account for %s", issuer)
	}
	keys, err := s.keys.keysFor(ctx, issuer, t, r.Outside)
	if err != nil {
		return identity{}, unreachable(err)
	}
	if !t.verify(keys) {
		return identity{}, invalidToken("The signature of the token is not one of a key of %s", issuer)
	}
	id := identity{provider: p}
	if id.subject, err = t.text("sub"); err != nil {
		return id, err
	}
	if err := t.checkTimes(r.Outside); err != nil {
		return id, err
	}
	if id.audience, err = t.checkAudience(p); err != nil {
		return id, err
	}
	if id.tags, err = t.sessionTags(); err != nil {
		return id, err
	}
	if id.source, err = t.sourceIdentity(); err != nil {
		return id, err
	}
	id.keys = t.conditionKeys(p, id.subject, id.audience)
	return id, nil
}

// unreachable is the error for keys that could not be had. SDKs retry the one
// that says so.
func unreachable(err error) *wire.Error {
	if _, ok := errors.AsType[net.Error](err); ok || errors.Is(err, context.Canceled) {
		return wire.Fail("IDPCommunicationError", 400, "The request could not be fulfilled because the identity provider that was asked for its verification keys could not be reached: %s", err)
	}
	return invalidToken("Couldn't retrieve verification key from your identity provider,  please reference AssumeRoleWithWebIdentity documentation for requirements: %s", err)
}

// assumeRoleWithWebIdentity makes the session once every check has been
// allowed.
func (s *STS) assumeRoleWithWebIdentity(ctx context.Context, r *service.Request, in *sdk.AssumeRoleWithWebIdentityInput) (*sdk.AssumeRoleWithWebIdentityOutput, error) {
	role, known, err := s.target(aws.ToString(in.RoleArn))
	if err != nil {
		return nil, err
	}
	if !known { // deleted since it was checked
		return nil, denied("Not authorized to perform %s", actionWebIdentity)
	}
	id, err := s.identify(ctx, r, role, in)
	if err != nil {
		return nil, err
	}
	life, err := duration(r, in.DurationSeconds, role)
	if err != nil {
		return nil, err
	}
	ses := service.Session{
		Name: aws.ToString(in.RoleSessionName), Issued: r.Now, Expires: r.Now.Add(life).Truncate(time.Second),
		Tags: id.tags.all, Transitive: id.tags.transitive, SourceIdentity: id.source, Context: map[string]string{},
	}
	// The session's own requests carry the provider's keys as well.
	for _, kv := range id.keys {
		if len(kv.Values) == 1 {
			ses.Context[kv.Key] = kv.Values[0]
		}
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
	out := &sdk.AssumeRoleWithWebIdentityOutput{
		Credentials: cred,
		AssumedRoleUser: &types.AssumedRoleUser{
			Arn: aws.String(claims.ARN), AssumedRoleId: aws.String(claims.UserID),
		},
		Provider: aws.String(id.provider.ARN), Audience: aws.String(id.audience),
		SubjectFromWebIdentityToken: aws.String(id.subject), PackedPolicySize: packed,
	}
	if id.source != "" {
		out.SourceIdentity = aws.String(id.source)
	}
	return out, nil
}
