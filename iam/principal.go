package iam

import (
	"slices"
	"strings"
)

// A Grant says how closely a resource-based policy names the caller. It decides
// what else may still limit the caller: see "How AWS enforcement code logic
// evaluates requests" and "AWS JSON policy elements: Principal".
type Grant uint8

const (
	GrantNone    Grant = iota
	GrantAccount       // the caller's account: delegates to its identity policies
	GrantIssuer        // the role or user behind the session: boundaries and session policies still limit it
	GrantDirect        // the user, the session, the service, or everyone
)

// String is none, account, issuer or direct.
func (g Grant) String() string { return [...]string{"none", "account", "issuer", "direct"}[g] }

// MarshalText writes the name of the grant.
func (g Grant) MarshalText() ([]byte, error) { return []byte(g.String()), nil }

// principals is a compiled Principal or NotPrincipal element.
type principals struct {
	not       bool
	everyone  bool     // "*" or {"AWS": "*"}
	accounts  []string // account ids, also from :root ARNs
	arns      []string // users, roles, sessions, and stored unique ids
	services  []string
	federated []string
}

// Kinds of entries in the Principal map.
const (
	awsPrincipal       = "AWS"
	servicePrincipal   = "Service"
	federatedPrincipal = "Federated"
	canonicalPrincipal = "CanonicalUser"
)

func compilePrincipals(raw *rawPrincipal) *principals {
	if !raw.present {
		return nil
	}
	p := &principals{not: raw.not, everyone: raw.star}
	for _, e := range raw.entries {
		switch e.kind {
		case awsPrincipal:
			if e.str == "*" {
				p.everyone = true
			} else if a, ok := principalAccount(e.str); ok {
				p.accounts = append(p.accounts, a)
			} else {
				p.arns = append(p.arns, e.str)
			}
		case servicePrincipal:
			p.services = append(p.services, e.str)
		case federatedPrincipal:
			p.federated = append(p.federated, e.str)
		}
	}
	return p
}

// principalAccount reads the two spellings of an account principal: twelve digits
// and arn:P:iam::A:root.
func principalAccount(s string) (account string, ok bool) {
	if isAccountID(s) {
		return s, true
	}
	a, err := ParseARN(s)
	if err != nil || a.Service != "iam" || a.Region != "" || a.Resource != "root" || !isAccountID(a.Account) {
		return "", false
	}
	return a.Account, true
}

func isAccountID(s string) bool { return len(s) == 12 && digits(s) }

// grant reports how closely the list names the caller.
func (p *principals) grant(c *Principal) Grant {
	if p.everyone {
		return GrantDirect
	}
	switch c.Type {
	case User:
		if p.names(c.ARN) || p.names(c.ID) {
			return GrantDirect
		}
	case AssumedRole, FederatedUser:
		if p.names(c.ARN) {
			return GrantDirect
		}
		if p.names(c.Issuer) || p.names(c.ID) {
			return GrantIssuer
		}
	case Root:
		if slices.Contains(p.accounts, c.Account) {
			return GrantDirect
		}
		return GrantNone
	case Service:
		if slices.Contains(p.services, c.ARN) {
			return GrantDirect
		}
		return GrantNone
	case Federated:
		if slices.Contains(p.federated, c.ARN) {
			return GrantDirect
		}
		return GrantNone
	default:
		return GrantNone
	}
	if slices.Contains(p.accounts, c.Account) {
		return GrantAccount
	}
	return GrantNone
}

func (p *principals) names(s string) bool { return s != "" && slices.Contains(p.arns, s) }

// applies reports whether a statement with this element is about the caller, and
// how closely. bounded says that the caller has a permissions boundary.
func (p *principals) applies(c *Principal, bounded bool) Grant {
	if !p.not {
		return p.grant(c)
	}
	if p.exempt(c, bounded) {
		return GrantNone
	}
	return GrantDirect
}

// exempt reports whether a NotPrincipal list spares the caller: every level of it
// must be listed, the account as well as the user, or the role and the session.
// A caller with a permissions boundary is never spared. See "AWS JSON policy
// elements: NotPrincipal".
func (p *principals) exempt(c *Principal, bounded bool) bool {
	if p.everyone {
		return true
	}
	if bounded {
		return false
	}
	account := slices.Contains(p.accounts, c.Account)
	switch c.Type {
	case User:
		return account && (p.names(c.ARN) || p.names(c.ID))
	case AssumedRole, FederatedUser:
		return account && p.names(c.ARN) && (p.names(c.Issuer) || p.names(c.ID))
	}
	return p.grant(c) == GrantDirect
}

// describe lists the entries as written, for explanations.
func (raw *rawPrincipal) describe() string {
	if raw.star {
		return "*"
	}
	var b strings.Builder
	for i, e := range raw.entries {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(e.str)
	}
	return b.String()
}
