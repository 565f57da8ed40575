package graph

import (
	"strings"

	"github.com/mantle-iam/mantle/iam"
)

// A view is a kind of caller, as far as what is known of its requests goes.
type view uint8

const (
	userView       view = iota
	roleView            // a session whose tags are those of the role
	taggedRoleView      // a session that may have been made with tags of its own
	serviceView
	providerView
	outsiderView // a caller whose account is not in the data
	views
)

// known reports whether the graph knows the value of a condition key (in lower
// case) in every request of such a caller, or knows that it is absent. See "AWS
// global condition context keys" and "IAM and AWS STS condition context keys" in
// the IAM User Guide.
func (g *Graph) known(v view, key string) bool {
	if _, ok := g.opt.Context.Get(key); ok {
		return true
	}
	switch key {
	case "aws:resourceaccount", "aws:principalisawsservice", "iam:passedtoservice":
		return true
	case "aws:securetransport":
		return true // the endpoints of STS and IAM speak HTTPS only
	case "aws:resourceorgid":
		return g.opt.Organizations != nil
	case "aws:principalorgid":
		return g.opt.Organizations != nil && v <= taggedRoleView
	case "aws:principalservicename":
		return v != outsiderView
	case "aws:username":
		return v != outsiderView // absent but for users
	case "aws:userid":
		return v == userView // of a role it ends in the name of the session
	case "aws:principalarn", "aws:principalaccount", "aws:principaltype", "aws:viaawsservice":
		return v <= taggedRoleView
	}
	switch prefix, _, _ := strings.Cut(key, "/"); prefix {
	case "aws:principaltag":
		return v == userView || v == roleView
	case "aws:resourcetag", "iam:resourcetag":
		// Transitive session tags take the place of the role's in a chain: "Pass
		// session tags in AWS STS".
		return v != taggedRoleView && v != outsiderView
	}
	return false
}

// context holds what is known of a request of n that concerns the role to.
func (g *Graph) context(n, to *node) *iam.Context {
	c := g.ownContext(n).Clone()
	c.Set("aws:ResourceAccount", to.Account)
	if org := g.opt.Organizations[to.Account]; org != "" {
		c.Set("aws:ResourceOrgID", org)
	}
	if g.known(n.view, "aws:resourcetag/") {
		for _, t := range to.tags {
			c.Set("aws:ResourceTag/"+t.Key, t.Value)
			c.Set("iam:ResourceTag/"+t.Key, t.Value)
		}
	}
	return c
}

// aboutResource reports whether a condition key, in lower case, is about the
// role rather than the caller.
func aboutResource(key string) bool {
	return strings.HasPrefix(key, "aws:resource") || strings.HasPrefix(key, "iam:resourcetag/")
}

// ownContext is the part of context that is the same for all roles.
func (g *Graph) ownContext(n *node) *iam.Context {
	if c := n.context.Load(); c != nil {
		return c
	}
	c := g.opt.Context.Clone()
	c.Set("aws:SecureTransport", "true")
	c.Set("aws:PrincipalIsAWSService", "false")
	switch n.view {
	case serviceView:
		c.Set("aws:PrincipalIsAWSService", "true")
		c.Set("aws:PrincipalServiceName", n.ARN)
	case userView, roleView, taggedRoleView:
		c.Set("aws:ViaAWSService", "false")
		c.Set("aws:PrincipalArn", n.ARN)
		c.Set("aws:PrincipalAccount", n.Account)
		switch n.Kind {
		case User:
			c.Set("aws:PrincipalType", "User")
			c.Set("aws:username", n.Name)
			c.Set("aws:userid", n.ID)
		case Role:
			c.Set("aws:PrincipalType", "AssumedRole")
		case Root:
			c.Set("aws:PrincipalType", "Account")
			c.Set("aws:userid", n.Account)
		}
		if n.view != taggedRoleView {
			for _, t := range n.tags {
				c.Set("aws:PrincipalTag/"+t.Key, t.Value)
			}
		}
		if org := g.opt.Organizations[n.Account]; org != "" {
			c.Set("aws:PrincipalOrgID", org)
		}
	}
	// Two goroutines may both come here; either result will do.
	n.context.Store(c)
	return c
}
