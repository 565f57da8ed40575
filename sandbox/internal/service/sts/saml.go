package sts

import (
	"context"
	"encoding/base64"
	"errors"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/aws-sdk-go-v2/service/sts/types"

	"github.com/mantle-iam/mantle/iam"
	"github.com/mantle-iam/mantle/sandbox/internal/service"
	"github.com/mantle-iam/mantle/sandbox/internal/xmldsig"
)

// SAMLProvider is a SAML identity provider that an account trusts.
type SAMLProvider struct {
	ARN, Account, Name string
	// Metadata is the provider's SAML metadata document.
	Metadata string
	// ValidUntil is the end of the metadata's validity.
	ValidUntil time.Time
}

const actionSAML = "sts:AssumeRoleWithSAML"

// samlChecks verifies the assertion and makes its provider the caller. What
// is left to decide is whether the role's trust policy lets that caller in,
// and with tags or a source identity whether it may set them.
func (s *STS) samlChecks(r *service.Request, in *sdk.AssumeRoleWithSAMLInput) ([]service.Check, error) {
	role, known, err := s.target(aws.ToString(in.RoleArn))
	if err != nil {
		return nil, err
	}
	id, err := s.identifySAML(r, role, in)
	if err != nil {
		return nil, err
	}
	r.Caller = service.Caller{
		Principal: iam.Principal{Type: iam.Federated, ARN: id.provider.ARN},
		Name:      id.subject, UserID: id.qualifier + ":" + id.subject,
	}
	check := service.Check{
		Action: actionSAML, Resource: role.ARN, Owner: role.Account, Trust: true,
		Context: append(trustContext(id.session, role, id.tags, id.source), id.keys...),
	}
	if known {
		check.Policy = role.Trust
	}
	checks := []service.Check{refusing(check, actionSAML)}
	if len(id.tags.all) > 0 {
		checks = append(checks, refusing(check, "sts:TagSession"))
	}
	if id.source != "" {
		checks = append(checks, refusing(check, "sts:SetSourceIdentity"))
	}
	return checks, nil
}

// identifySAML verifies the response of a call: its form, its signature, its
// issuer, its times and audience, and that it offers this role.
func (s *STS) identifySAML(r *service.Request, role Role, in *sdk.AssumeRoleWithSAMLInput) (samlIdentity, error) {
	var id samlIdentity
	arn, err := iam.ParseARN(aws.ToString(in.PrincipalArn))
	if err != nil || arn.Service != "iam" {
		return id, validation("%s is invalid", aws.ToString(in.PrincipalArn))
	}
	raw, err := base64.StdEncoding.DecodeString(aws.ToString(in.SAMLAssertion))
	if err != nil {
		return id, invalidToken("Invalid SAML response: it is not base64-encoded")
	}
	root, err := xmldsig.Parse(raw)
	if err != nil {
		return id, invalidToken("Invalid SAML response: %s", err)
	}
	p, ok := s.dir.SAMLProvider(aws.ToString(in.PrincipalArn))
	if !ok || p.Account != role.Account {
		return id, invalidToken("Specified provider doesn't exist")
	}
	idp, err := readMetadata(p.Metadata)
	if err != nil {
		return id, invalidToken("The metadata of %s: %s", p.ARN, err)
	}
	if !r.Outside.Before(p.ValidUntil) {
		return id, invalidToken("The metadata of %s has expired", p.ARN)
	}
	a, err := readResponse(root)
	if err != nil {
		return id, err
	}
	if err := a.verify(root, idp.keys); errors.Is(err, xmldsig.ErrSignature) {
		return id, invalidToken("Response signature invalid")
	} else if err != nil {
		return id, invalidToken("Response signature invalid: %s", err)
	}
	if id, err = a.identity(p, idp, r.Outside); err != nil {
		return id, err
	}
	if !a.offers(role.ARN, p.ARN) {
		return id, denied("Not authorized to perform %s", actionSAML)
	}
	return id, nil
}

// assumeRoleWithSAML makes the session once every check has been allowed.
func (s *STS) assumeRoleWithSAML(_ context.Context, r *service.Request, in *sdk.AssumeRoleWithSAMLInput) (*sdk.AssumeRoleWithSAMLOutput, error) {
	role, known, err := s.target(aws.ToString(in.RoleArn))
	if err != nil {
		return nil, err
	}
	if !known { // deleted since it was checked
		return nil, denied("Not authorized to perform %s", actionSAML)
	}
	id, err := s.identifySAML(r, role, in)
	if err != nil {
		return nil, err
	}
	life, err := duration(r, in.DurationSeconds, role)
	if err != nil {
		return nil, err
	}
	// The session lasts "for the duration that you specify for the
	// DurationSeconds parameter, or until the time specified in the SAML
	// authentication response's SessionNotOnOrAfter value, whichever is
	// shorter" (AssumeRoleWithSAML).
	if !id.until.IsZero() {
		life = min(life, id.until.Sub(r.Outside))
	}
	ses := service.Session{
		Name: id.session, Issued: r.Now, Expires: r.Now.Add(life).Truncate(time.Second),
		Tags: id.tags.all, Transitive: id.tags.transitive, SourceIdentity: id.source, Context: map[string]string{},
	}
	// The keys that the session's own requests carry (IAM User Guide,
	// "Available keys for SAML-based AWS STS federation").
	for _, kv := range id.keys {
		switch kv.Key {
		case "aws:FederatedProvider", "saml:namequalifier", "saml:sub", "saml:sub_type":
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
	out := &sdk.AssumeRoleWithSAMLOutput{
		Credentials: cred,
		AssumedRoleUser: &types.AssumedRoleUser{
			Arn: aws.String(claims.ARN), AssumedRoleId: aws.String(claims.UserID),
		},
		Subject: aws.String(id.subject), SubjectType: aws.String(id.subjectType), Issuer: aws.String(id.issuer),
		Audience: aws.String(id.audience), NameQualifier: aws.String(id.qualifier), PackedPolicySize: packed,
	}
	if id.source != "" {
		out.SourceIdentity = aws.String(id.source)
	}
	return out, nil
}
