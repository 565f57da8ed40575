package sts

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/aws-sdk-go-v2/service/sts/types"

	"github.com/mantle-iam/mantle/iam"
	"github.com/mantle-iam/mantle/sandbox/internal/service"
	"github.com/mantle-iam/mantle/sandbox/internal/wire"
)

const (
	defaultUserSession = 12 * time.Hour
	maxUserSession     = 36 * time.Hour
	maxRootSession     = time.Hour
)

// userDuration is the life of a session of a user or of the root user.
func userDuration(r *service.Request, seconds *int32) (time.Duration, error) {
	life := defaultUserSession
	if r.Caller.Type == iam.Root {
		life = maxRootSession
	}
	if seconds == nil {
		return life, nil
	}
	life = time.Duration(*seconds) * time.Second
	if life < 15*time.Minute || life > maxUserSession {
		return 0, validation("1 validation error detected: Value '%d' at 'durationSeconds' failed to satisfy constraint: Member must have value between 900 and 129600", *seconds)
	}
	if r.Caller.Type == iam.Root {
		life = min(life, maxRootSession)
	}
	return life, nil
}

// getSessionToken makes temporary credentials that stay the user's own. No
// permission is needed (STS API Reference, GetSessionToken).
func (s *STS) getSessionToken(_ context.Context, r *service.Request, in *sdk.GetSessionTokenInput) (*sdk.GetSessionTokenOutput, error) {
	if in.SerialNumber != nil || in.TokenCode != nil {
		return nil, denied("MultiFactorAuthentication failed with invalid MFA one time pass code. ")
	}
	life, err := userDuration(r, in.DurationSeconds)
	if err != nil {
		return nil, err
	}
	c := r.Caller
	cred, err := s.issue(&Claims{
		Type: kind{c.Type}, ARN: c.ARN, Account: c.Account, Issuer: c.Issuer, ID: c.ID, Name: c.Name, UserID: c.UserID,
		Session: service.Session{Issued: r.Now, Expires: r.Now.Add(life).Truncate(time.Second)},
	})
	if err != nil {
		return nil, err
	}
	return &sdk.GetSessionTokenOutput{Credentials: cred}, nil
}

func (s *STS) federatedARN(r *service.Request, name string) string {
	arn, _ := iam.ParseARN(r.Caller.ARN)
	return fmt.Sprintf("arn:%s:sts::%s:federated-user/%s", arn.Partition, r.Account(), name)
}

func (s *STS) getFederationTokenChecks(r *service.Request, in *sdk.GetFederationTokenInput) ([]service.Check, error) {
	check := service.Check{
		Action:   "sts:GetFederationToken",
		Resource: s.federatedARN(r, aws.ToString(in.Name)),
	}
	var keys []string
	for _, t := range in.Tags {
		k := aws.ToString(t.Key)
		if err := checkTagKey(k); err != nil {
			return nil, err
		}
		keys = append(keys, k)
		check.Context = append(check.Context, service.KV{Key: "aws:RequestTag/" + k, Values: []string{aws.ToString(t.Value)}})
	}
	if len(keys) == 0 {
		return []service.Check{check}, nil
	}
	check.Context = append(check.Context, service.KV{Key: "aws:TagKeys", Values: keys})
	tag := check
	tag.Action = "sts:TagSession"
	return []service.Check{check, tag}, nil
}

// getFederationToken makes credentials of a federated user: at most what
// both the calling user and the session policies allow, and nothing at all
// without session policies.
func (s *STS) getFederationToken(_ context.Context, r *service.Request, in *sdk.GetFederationTokenInput) (*sdk.GetFederationTokenOutput, error) {
	life, err := userDuration(r, in.DurationSeconds)
	if err != nil {
		return nil, err
	}
	name := aws.ToString(in.Name)
	ses := service.Session{Name: name, Issued: r.Now, Expires: r.Now.Add(life).Truncate(time.Second)}
	for _, t := range in.Tags {
		if ses.Tags == nil {
			ses.Tags = map[string]string{}
		}
		k := aws.ToString(t.Key)
		if _, twice := getFold(ses.Tags, k); twice {
			return nil, wire.Fail("InvalidParameterValue", 400, "Duplicate tag keys found. Please note that Tag keys are case insensitive.")
		}
		ses.Tags[k] = aws.ToString(t.Value)
	}
	packed, err := s.sessionPolicies(r.Account(), &ses, in.Policy, in.PolicyArns)
	if err != nil {
		return nil, err
	}
	userID := strings.Join([]string{r.Account(), name}, ":")
	claims := &Claims{
		Type: kind{iam.FederatedUser}, ARN: s.federatedARN(r, name), Account: r.Account(),
		Issuer: r.Caller.ARN, ID: r.Caller.ID, Name: name, UserID: userID, Session: ses,
	}
	cred, err := s.issue(claims)
	if err != nil {
		return nil, err
	}
	return &sdk.GetFederationTokenOutput{
		Credentials:      cred,
		FederatedUser:    &types.FederatedUser{Arn: aws.String(claims.ARN), FederatedUserId: aws.String(userID)},
		PackedPolicySize: packed,
	}, nil
}
