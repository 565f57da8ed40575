package iam

import (
	"fmt"
	"strings"
)

// A PrincipalType says what kind of caller a Principal is. The kinds follow "How
// AWS enforcement code logic evaluates requests" in the IAM User Guide.
type PrincipalType uint8

const (
	User          PrincipalType = iota + 1 // an IAM user with long-term keys, or its GetSessionToken session
	AssumedRole                            // a role session
	FederatedUser                          // a GetFederationToken session
	Root                                   // the root user of an account
	Service                                // an AWS service, such as ec2.amazonaws.com
	Federated                              // an identity provider, in AssumeRoleWithSAML and …WithWebIdentity
	Anonymous                              // an unsigned request
)

var principalTypeNames = [...]string{"", "User", "AssumedRole", "FederatedUser", "Root", "Service", "Federated", "Anonymous"}

// String is the name of the kind, such as AssumedRole.
func (t PrincipalType) String() string {
	if int(t) < len(principalTypeNames) && t > 0 {
		return principalTypeNames[t]
	}
	return fmt.Sprintf("PrincipalType(%d)", t)
}

// MarshalText writes the name of the kind.
func (t PrincipalType) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// ParsePrincipalType is the inverse of String.
func ParsePrincipalType(s string) (PrincipalType, error) {
	for i, name := range principalTypeNames {
		if i > 0 && name == s {
			return PrincipalType(i), nil
		}
	}
	return 0, fmt.Errorf("%q is not a kind of principal: want one of %s", s, strings.Join(principalTypeNames[1:], ", "))
}

// outsider reports whether the caller belongs to no account, so that neither
// identity policies nor SCPs can say anything about it.
func (t PrincipalType) outsider() bool { return t >= Service }

// A Principal is who makes a request.
type Principal struct {
	Type PrincipalType `json:"type"`

	// ARN is the caller as AWS names it: the user ARN with its path, the
	// session ARN (arn:aws:sts::A:assumed-role/ROLE/SESSION, without path), the
	// federated-user ARN, arn:aws:iam::A:root, the service name
	// (ec2.amazonaws.com) or the provider (an ARN, or accounts.google.com).
	ARN string `json:"arn"`

	// Account is the caller's account id; empty for Service, Federated and
	// Anonymous callers.
	Account string `json:"account,omitempty"`

	// Issuer is the role ARN, path included, of an AssumedRole, and the user
	// ARN of a FederatedUser.
	Issuer string `json:"issuer,omitempty"`

	// ID is the unique id of the user (AIDA…) or of the role (AROA…) behind the
	// caller. IAM stores principals of trust and resource policies under that
	// id, so that a role re-created under its old name is a stranger. Empty if
	// unknown.
	ID string `json:"id,omitempty"`
}

// serviceLinked reports whether the caller is a session of a service-linked
// role, which neither SCPs nor RCPs reach.
func (p *Principal) serviceLinked() bool {
	return p.Type == AssumedRole && strings.Contains(p.Issuer, ":role/aws-service-role/")
}

// A Request is one question: may this principal do this to that, under these
// circumstances? An operation that touches several resources is several requests.
type Request struct {
	Principal Principal `json:"principal"`

	// Action is the IAM action, such as s3:GetObject. It ignores case.
	Action string `json:"action"`

	// Resource is the ARN acted on, or "*" for actions without resource-level
	// permissions.
	Resource string `json:"resource"`

	// ResourceAccount is the account that owns the resource. ARNs do not always
	// tell (S3 buckets). Empty means the caller's account.
	ResourceAccount string `json:"resourceAccount,omitempty"`

	// Context holds the condition keys; nil means none.
	Context *Context `json:"-"`
}

// crossAccount reports whether the resource belongs to another account than the
// caller. What AWS itself owns (managed policies) counts as the caller's own.
func (r *Request) crossAccount() bool {
	return r.ResourceAccount != "" && r.ResourceAccount != r.Principal.Account && r.ResourceAccount != "aws"
}
