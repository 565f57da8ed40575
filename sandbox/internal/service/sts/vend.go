package sts

import (
	"time"

	"github.com/mantle-iam/mantle/iam"
	"github.com/mantle-iam/mantle/sandbox/internal/service"
)

// Vended are credentials that a service hands to a workload of its own.
type Vended struct {
	AccessKeyID, SecretAccessKey, SessionToken string
	Expires                                    time.Time
	ARN                                        string
}

// VendInput says for whom a service makes a session.
type VendInput struct {
	// Service is the principal that assumes the role, e.g.
	// "ec2.amazonaws.com" or "ecs-tasks.amazonaws.com".
	Service string
	// SessionName is the instance id or the task id.
	SessionName string
	// Life is the session's length; zero means six hours, as instances get.
	Life time.Duration
	// Context holds the keys that every call of the session carries and
	// Trust those that only the trust decision sees (aws:SourceAccount,
	// aws:SourceArn).
	Context map[string]string
	Trust   []service.KV
	Now     time.Time
}

// Vend makes the session that an AWS service makes for a workload, after
// the role's trust policy has let the service principal in. The decision is
// returned when it has not.
func (s *STS) Vend(role Role, in VendInput) (Vended, iam.Decision, error) {
	ctx := iam.NewContext()
	for _, kv := range in.Trust {
		ctx.Set(kv.Key, kv.Values...)
	}
	policies := iam.Policies{Resource: role.Trust, Trust: true}
	d := policies.Decide(&iam.Request{
		Principal:       iam.Principal{Type: iam.Service, ARN: in.Service},
		Action:          "sts:AssumeRole",
		Resource:        role.ARN,
		ResourceAccount: role.Account,
		Context:         ctx,
	})
	if d.Outcome != iam.Allow {
		return Vended{}, d, nil
	}
	life := in.Life
	if life == 0 {
		life = 6 * time.Hour
	}
	claims := roleClaims(role, service.Session{
		Name: in.SessionName, Issued: in.Now, Expires: in.Now.Add(life).Truncate(time.Second),
		FromService: in.Service, Context: in.Context,
	})
	cred, err := s.issue(claims)
	if err != nil {
		return Vended{}, d, err
	}
	return Vended{
		AccessKeyID: *cred.AccessKeyId, SecretAccessKey: *cred.SecretAccessKey, SessionToken: *cred.SessionToken,
		Expires: *cred.Expiration, ARN: claims.ARN,
	}, d, nil
}
