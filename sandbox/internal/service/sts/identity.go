package sts

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/mantle-iam/mantle/iam"
	"github.com/mantle-iam/mantle/sandbox/internal/service"
	"github.com/mantle-iam/mantle/sandbox/internal/wire"
)

type (
	accessKeyInfoInput = sdk.GetAccessKeyInfoInput
	decodeInput        = sdk.DecodeAuthorizationMessageInput
)

// getCallerIdentity tells the caller who it is. No permission is needed and
// no policy can deny it (STS API Reference, GetCallerIdentity).
func (s *STS) getCallerIdentity(_ context.Context, r *service.Request, _ *sdk.GetCallerIdentityInput) (*sdk.GetCallerIdentityOutput, error) {
	return &sdk.GetCallerIdentityOutput{
		Account: aws.String(r.Caller.Account),
		Arn:     aws.String(r.Caller.ARN),
		UserId:  aws.String(r.Caller.UserID),
	}, nil
}

// getAccessKeyInfo tells the account of an access key id, which the id
// itself encodes.
func (s *STS) getAccessKeyInfo(_ context.Context, _ *service.Request, in *sdk.GetAccessKeyInfoInput) (*sdk.GetAccessKeyInfoOutput, error) {
	account, ok := s.dir.AccountOf(aws.ToString(in.AccessKeyId))
	if !ok {
		return nil, validation("The access key ID %s is not well-formed.", aws.ToString(in.AccessKeyId))
	}
	return &sdk.GetAccessKeyInfoOutput{Account: aws.String(account)}, nil
}

// Restricted says what temporary credentials of users may not call, nil if
// they may (IAM User Guide, "Compare AWS STS credentials").
func Restricted(c *service.Caller, svc, operation string) *wire.Error {
	if c.Session == nil {
		return nil
	}
	switch {
	case c.Type == iam.FederatedUser && svc == "iam",
		c.Type == iam.FederatedUser && svc == "sts" && operation != "GetCallerIdentity":
		return denied("Cannot call %s:%s with credentials of GetFederationToken", svc, operation)
	case c.Type == iam.User && svc == "iam" && !c.Session.MFA:
		return wire.Fail("InvalidClientTokenId", 403, "The security token included in the request is invalid")
	case c.Type == iam.User && svc == "sts" && (operation == "GetSessionToken" || operation == "GetFederationToken"):
		return denied("Cannot call %s with session credentials", operation)
	case c.Type == iam.User && svc == "sts" && operation != "AssumeRole" && operation != "GetCallerIdentity":
		return denied("Cannot call %s:%s with session credentials", svc, operation)
	case c.Type == iam.AssumedRole && svc == "sts" && (operation == "GetSessionToken" || operation == "GetFederationToken"):
		return denied("Cannot call %s with session credentials", operation)
	}
	return nil
}
