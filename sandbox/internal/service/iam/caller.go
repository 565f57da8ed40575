package iam

import (
	"fmt"
	"maps"
	"strings"

	policy "github.com/mantle-iam/mantle/iam"
	"github.com/mantle-iam/mantle/sandbox/internal/service"
	"github.com/mantle-iam/mantle/sandbox/internal/store"
)

// Policies returns the policies that bind a caller: those of the user with
// its groups, or of the role, the permissions boundary, and the session
// policies. The root user, services and anonymous callers have none. The
// slices are shared and must not be changed.
//
// An error means that a stored policy does not compile or that the user or
// role is gone; [IAM.Alive] tells the latter beforehand.
func (s *IAM) Policies(c *service.Caller) (policy.Policies, error) {
	switch c.Type {
	case policy.User, policy.AssumedRole, policy.FederatedUser:
	default:
		return policy.Policies{}, nil
	}
	var out policy.Policies
	err := s.judge(func(tx *store.Tx) error {
		if c.Type == policy.FederatedUser && c.Issuer == s.rootARN(c.Account) {
			p, err := s.compiled(policy.Identity, s.aws()["arn:"+s.partition+":iam::aws:policy/AdministratorAccess"])
			if err != nil {
				return err
			}
			out.Identity = []*policy.Policy{p} // the root user's own permissions
		} else {
			b, ok := s.bundle(tx, c.ID)
			if !ok {
				return fmt.Errorf("the entity %q behind %s does not exist", c.ID, c.ARN)
			}
			var err error
			if out, err = b.policies(); err != nil {
				return err
			}
		}
		if c.Session == nil {
			return nil
		}
		session, err := s.sessionPolicies(tx, c)
		out.Session = session
		return err
	})
	return out, err
}

// sessionPolicies compiles what a session carries. A session that was made
// with a policy is limited even if that policy is gone by now. A federated
// user's session without any has no permissions of its own; see "GetFederationToken",
// https://docs.aws.amazon.com/STS/latest/APIReference/API_GetFederationToken.html.
func (s *IAM) sessionPolicies(tx *store.Tx, c *service.Caller) ([]*policy.Policy, error) {
	var out []*policy.Policy
	for _, doc := range c.Session.Policies {
		p, err := s.text(doc)
		if err != nil {
			return nil, err
		}
		out = append(out, p)
	}
	for _, arn := range c.Session.PolicyARNs {
		row, ok := s.findPolicy(tx, arn)
		if !ok {
			continue
		}
		p, err := s.compiled(policy.Session, row)
		if err != nil {
			return nil, err
		}
		out = append(out, p)
	}
	if len(out) == 0 && (len(c.Session.PolicyARNs) > 0 || c.Type == policy.FederatedUser) {
		p, err := s.nothing(policy.Session, "no session policy")
		if err != nil {
			return nil, err
		}
		out = append(out, p)
	}
	return out, nil
}

// PrincipalTags returns a caller's tags, aws:PrincipalTag/…: those of the user
// or role, session tags winning over them whatever the case of their keys.
// The map is shared and must not be changed.
func (s *IAM) PrincipalTags(c *service.Caller) map[string]string {
	var out map[string]string
	err := s.judge(func(tx *store.Tx) error {
		if c.Type == policy.User || c.Type == policy.AssumedRole || c.Type == policy.FederatedUser {
			if b, ok := s.bundle(tx, c.ID); ok {
				out = b.tags
			}
		}
		return nil
	})
	if err != nil || c.Session == nil || len(c.Session.Tags) == 0 {
		return out
	}
	merged := maps.Clone(c.Session.Tags)
	for k, v := range out {
		taken := false
		for have := range c.Session.Tags {
			taken = taken || strings.EqualFold(have, k)
		}
		if !taken {
			merged[k] = v
		}
	}
	return merged
}

// Alive tells whether the caller still exists: the role behind a session,
// with the id it had when the session was made, the user behind a key or a
// federated session, or the account of a root user.
func (s *IAM) Alive(c *service.Caller) bool {
	alive := false
	err := s.judge(func(tx *store.Tx) error {
		switch c.Type {
		case policy.Root:
			alive = accounts.Has(tx, c.Account)
		case policy.User, policy.AssumedRole:
			alive = entities.Has(tx, c.ID)
		case policy.FederatedUser:
			alive = entities.Has(tx, c.ID) || c.Issuer == s.rootARN(c.Account) && accounts.Has(tx, c.Account)
		default:
			alive = true // services, identity providers and anonymous callers are not stored
		}
		return nil
	})
	return alive && err == nil
}
