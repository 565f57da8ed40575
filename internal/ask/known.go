package ask

import (
	"strings"

	"github.com/mantle-iam/mantle/iam"
	"github.com/mantle-iam/mantle/internal/tf"
)

// A class is a kind of caller, as far as what is known of its requests goes.
type class uint8

const (
	userClass    class = iota
	roleClass          // a session whose tags are those of the role
	taggedClass        // a session that may have been made with tags of its own
	serviceClass       // an AWS service
	otherClass         // an identity provider, an outsider, the root user
	classes
)

// asking is a question as it is decided: what the asker said of the request, and
// the readings of policies made for it.
type asking struct {
	a      *Asker
	given  *iam.Context
	bounds map[boundKey]*iam.Policy
}

func (a *Asker) asking(given *iam.Context) *asking {
	return &asking{a: a, given: given, bounds: map[boundKey]*iam.Policy{}}
}

// known reports whether the value of a condition key, in lower case, is known in
// every request of such a caller, or known to be absent. See "AWS global
// condition context keys" and "IAM and AWS STS condition context keys" in the IAM
// User Guide.
func (q *asking) known(c class, key string, role bool) bool {
	if _, ok := q.given.Get(key); ok {
		return true
	}
	switch key {
	case "aws:resourceaccount", "aws:principalisawsservice", "aws:securetransport":
		return true // endpoints that take plain HTTP are S3's, and no SDK uses them
	case "aws:principalservicename", "aws:username":
		return c != otherClass
	case "aws:userid":
		return c == userClass
	case "aws:principalarn", "aws:principalaccount", "aws:principaltype", "aws:viaawsservice", "aws:calledvia", "aws:calledviafirst", "aws:calledvialast":
		return c <= taggedClass
	}
	switch prefix, _, _ := strings.Cut(key, "/"); prefix {
	case "aws:principaltag":
		return c == userClass || c == roleClass
	case "aws:resourcetag", "iam:resourcetag":
		return role
	}
	return false
}

// context holds what is known of a request.
func (q *asking) context(p *person, principal *iam.Principal, owner string, target *person) *iam.Context {
	c := q.given.Clone()
	set := func(key, value string) {
		if _, ok := q.given.Get(key); !ok && value != "" {
			c.Set(key, value)
		}
	}
	set("aws:SecureTransport", "true")
	set("aws:PrincipalIsAWSService", "false")
	if principal.Type == iam.Service {
		c.Set("aws:PrincipalIsAWSService", "true")
		set("aws:PrincipalServiceName", principal.ARN)
	}
	if !tf.Placeholder(owner) {
		set("aws:ResourceAccount", owner)
	}
	if target != nil {
		for _, t := range target.tags {
			set("aws:ResourceTag/"+t.Key, t.Value)
			set("iam:ResourceTag/"+t.Key, t.Value)
		}
	}
	if p == nil {
		if principal.Type == iam.Root {
			set("aws:PrincipalArn", principal.ARN)
			set("aws:PrincipalAccount", principal.Account)
			set("aws:PrincipalType", "Account")
		}
		return c
	}
	set("aws:ViaAWSService", "false")
	set("aws:PrincipalArn", p.arn)
	if !tf.Placeholder(p.account) {
		set("aws:PrincipalAccount", p.account)
	}
	if p.user != nil {
		set("aws:PrincipalType", "User")
		set("aws:username", p.name)
		set("aws:userid", p.principal.ID)
	} else {
		set("aws:PrincipalType", "AssumedRole")
	}
	if p.class != taggedClass {
		for _, t := range p.tags {
			set("aws:PrincipalTag/"+t.Key, t.Value)
		}
	}
	return c
}
