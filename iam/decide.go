package iam

import (
	"fmt"
	"slices"
	"strings"
)

// Policies are all the policies that bear on one request. The zero value has
// none, and denies nearly everything.
//
// See "How AWS enforcement code logic evaluates requests" and "Cross-account
// policy evaluation logic" in the IAM User Guide.
type Policies struct {
	// Identity holds what is attached to the caller: of a user also what its
	// groups have, of a federated user what its user has.
	Identity []*Policy

	// Boundary is the caller's permissions boundary: none or one.
	Boundary []*Policy

	// Session holds the session policies, inline and managed, of a session that
	// was made with some; together they are one set.
	Session []*Policy

	// Resource is the policy of the resource, or nil.
	Resource *Policy

	// Trust says that Resource is a role's trust policy and the request wants to
	// assume that role: identity policies alone then grant nothing.
	Trust bool

	// SCP holds the service control policies of the caller's account, one entry
	// for each level from the root of the organization down to the account.
	// Leave it empty for accounts without organization and for the management
	// account.
	SCP [][]*Policy

	// RCP holds the resource control policies of the resource's account, level
	// by level. RCPFullAWSAccess is implied at each. Leave it empty for
	// resources of the management account, and for AWS managed KMS keys.
	RCP [][]*Policy

	// Endpoint holds the policy of the VPC endpoint the request came through:
	// none or one.
	Endpoint []*Policy
}

// An Outcome is the result of a decision.
type Outcome uint8

const (
	ImplicitDeny Outcome = iota // nothing allows it
	ExplicitDeny                // a statement denies it
	Allow
)

// String is ImplicitDeny, ExplicitDeny or Allow.
func (o Outcome) String() string { return [...]string{"ImplicitDeny", "ExplicitDeny", "Allow"}[o] }

// MarshalText writes the name of the outcome.
func (o Outcome) MarshalText() ([]byte, error) { return []byte(o.String()), nil }

// UnmarshalText reads the name of an outcome.
func (o *Outcome) UnmarshalText(b []byte) error {
	for _, x := range []Outcome{ImplicitDeny, ExplicitDeny, Allow} {
		if x.String() == string(b) {
			*o = x
			return nil
		}
	}
	return fmt.Errorf("%q is no outcome; it is ImplicitDeny, ExplicitDeny or Allow", b)
}

// A Layer is one of the sets of policies that a decision asks.
type Layer uint8

const (
	LayerNone Layer = iota // decided without any policy: sts:GetCallerIdentity, the root user in its account
	LayerIdentity
	LayerBoundary
	LayerSession
	LayerResource
	LayerTrust // a role trust policy, in place of LayerResource
	LayerSCP
	LayerRCP
	LayerEndpoint
	LayerRootUser // the root user may not assume roles
	LayerOwner    // the resource belongs to AWS and cannot be changed
)

var layerNames = [...]string{"", "identity", "boundary", "session", "resource", "trust", "scp", "rcp", "vpce", "root-user", "owner"}

// String is the short name of the layer, such as identity or scp.
func (l Layer) String() string {
	if int(l) < len(layerNames) {
		return layerNames[l]
	}
	return fmt.Sprintf("Layer(%d)", l)
}

// MarshalText writes the short name of the layer.
func (l Layer) MarshalText() ([]byte, error) { return []byte(l.String()), nil }

// UnmarshalText reads the short name of a layer.
func (l *Layer) UnmarshalText(b []byte) error {
	i := slices.Index(layerNames[:], string(b))
	if i < 0 {
		return fmt.Errorf("%q is no layer", b)
	}
	*l = Layer(i)
	return nil
}

// A Decision is the answer to a Request.
type Decision struct {
	Outcome Outcome

	// Layer is the layer that decided: whose statement allowed or denied, or,
	// for an implicit deny, which set stayed silent. When several could be
	// named, it is the first in this order. Explicit: SCP, RCP, endpoint,
	// resource, boundary, session, identity. Implicit: SCP, endpoint, resource
	// (where it must grant), boundary, session, identity. AWS names one layer
	// too, and does not document which.
	Layer Layer

	// Policy and Statement are the deciding statement; nil and -1 for implicit
	// denies and for decisions without a policy.
	Policy    *Policy
	Statement int

	// Grant is how closely the resource policy names the caller, where it
	// allows.
	Grant Grant
}

// Allowed reports whether the request may go ahead.
func (d Decision) Allowed() bool { return d.Outcome == Allow }

// scope says which sets bear on a caller.
type scope struct {
	caller   bool // identity, boundary and session policies
	boundary bool
	scp      bool
	rcp      bool
}

func (p *Policies) scope(r *Request) scope {
	s := scope{caller: !r.Principal.Type.outsider()}
	if len(p.Boundary) > 0 || len(p.SCP) > 0 || len(p.RCP) > 0 {
		s = p.scopeOf(s, r)
	}
	return s
}

func (p *Policies) scopeOf(s scope, r *Request) scope {
	s.boundary = s.caller && len(p.Boundary) > 0 && r.Principal.Type != Root
	if len(p.SCP) > 0 || len(p.RCP) > 0 {
		linked := r.Principal.serviceLinked()
		s.scp = s.caller && !linked && len(p.SCP) > 0
		// Nor do RCPs reach the trust policies of service-linked roles.
		s.rcp = !linked && len(p.RCP) > 0 && rcpCovers(r.Action) && !strings.Contains(r.Resource, ":role/aws-service-role/")
	}
	return s
}

// Decide answers the request. It is a pure function of its arguments, performs no
// I/O and allocates nothing.
func (p *Policies) Decide(r *Request) Decision {
	if r.mayBePreordained() {
		if v, ok := preordained(r); ok {
			return Decision{v.outcome, v.layer, nil, -1, GrantNone}
		}
	}
	if p.identityOnly(r) {
		ev := eval{r: r, ctx: r.Context}
		for _, pol := range p.Identity {
			if pol.deny.n > 0 {
				if i, g := pol.find(&pol.deny, &ev); g != GrantNone {
					return Decision{ExplicitDeny, LayerIdentity, pol, int(i), GrantNone}
				}
			}
		}
		for _, pol := range p.Identity {
			if i, g := pol.find(&pol.allow, &ev); g != GrantNone {
				return Decision{Allow, LayerIdentity, pol, int(i), GrantNone}
			}
		}
		return Decision{ImplicitDeny, LayerIdentity, nil, -1, GrantNone}
	}
	return p.decide(r)
}

// identityOnly reports whether nothing but identity policies bears on the
// request, which is so for most. Decide then takes a short cut through decide.
func (p *Policies) identityOnly(r *Request) bool {
	return p.Resource == nil && len(p.Boundary)|len(p.Session)|len(p.SCP)|len(p.RCP)|len(p.Endpoint) == 0 &&
		r.Principal.Type <= AssumedRole && r.ResourceAccount == r.Principal.Account && !p.needsResourceGrant(r)
}

// decide is Decide for requests that are not preordained.
func (p *Policies) decide(r *Request) Decision {
	sc := p.scope(r)
	ev := eval{r: r, ctx: r.Context, bounded: sc.boundary}
	v, ok := p.denied(sc, &ev)
	if !ok {
		v = p.allowed(sc, &ev)
	}
	return Decision{v.outcome, v.layer, v.policy, int(v.stmt), ev.grant}
}

// A verdict is a Decision small enough to stay in registers.
type verdict struct {
	policy  *Policy
	stmt    int32
	outcome Outcome
	layer   Layer
}

// silence is the implicit deny of a layer.
func silence(l Layer) verdict { return verdict{stmt: -1, layer: l} }

// mayBePreordained is a cheap test that lets most actions past preordained: it
// is for actions of iam, and for two of sts.
func (r *Request) mayBePreordained() bool {
	if r.Action == "" {
		return false
	}
	switch r.Action[0] | 0x20 {
	case 'i':
		return true
	case 's':
		return len(r.Action) == len("sts:GetCallerIdentity") || len(r.Action) == len("sts:AssumeRole")
	}
	return false
}

// preordained decides the requests that no policy can change.
func preordained(r *Request) (verdict, bool) {
	const identity, assume = "sts:getcalleridentity", "sts:assumerole"
	// "No permissions are required to perform this operation", even with a deny:
	// GetCallerIdentity in the AWS STS API Reference.
	if foldEqual(identity, r.Action) && r.Principal.Type != Anonymous && r.Principal.Type != Federated {
		return verdict{stmt: -1, outcome: Allow}, true
	}
	// "You cannot use AWS account root user credentials to call AssumeRole."
	if foldEqual(assume, r.Action) && r.Principal.Type == Root {
		return silence(LayerRootUser), true
	}
	return silence(LayerOwner), ownedByAWS(r)
}

// ownedByAWS reports whether the request would change an IAM resource that only
// AWS changes: AWS managed policies, and the roles that IAM Identity Center keeps
// under /aws-reserved/.
func ownedByAWS(r *Request) bool {
	if !foldPrefix("iam:", r.Action) || r.Principal.serviceLinked() || r.Principal.Type == Service {
		return false
	}
	if !strings.Contains(r.Resource, ":iam::aws:policy/") && !strings.Contains(r.Resource, ":role/aws-reserved/") {
		return false
	}
	verb := r.Action[len("iam:"):]
	for _, read := range [...]string{"get", "list", "simulate", "generate", "passrole"} {
		if foldPrefix(read, verb) {
			return false
		}
	}
	return true
}

// denied looks for an explicit deny. One anywhere ends the matter, whatever the
// other layers say.
func (p *Policies) denied(sc scope, ev *eval) (v verdict, ok bool) {
	if sc.scp {
		for _, level := range p.SCP {
			if v, ok = denyIn(level, LayerSCP, ev); ok {
				return v, ok
			}
		}
	}
	if sc.rcp {
		for _, level := range p.RCP {
			if v, ok = denyIn(level, LayerRCP, ev); ok {
				return v, ok
			}
		}
	}
	if v, ok = denyIn(p.Endpoint, LayerEndpoint, ev); ok {
		return v, ok
	}
	if p.Resource != nil {
		if v, ok = p.Resource.denies(p.resourceLayer(), ev); ok {
			return v, ok
		}
	}
	if !sc.caller {
		return v, false
	}
	if sc.boundary {
		if v, ok = denyIn(p.Boundary, LayerBoundary, ev); ok {
			return v, ok
		}
	}
	if v, ok = denyIn(p.Session, LayerSession, ev); ok {
		return v, ok
	}
	return denyIn(p.Identity, LayerIdentity, ev)
}

func denyIn(set []*Policy, layer Layer, ev *eval) (v verdict, ok bool) {
	for _, p := range set {
		if p.deny.n > 0 {
			if v, ok = p.denies(layer, ev); ok {
				return v, ok
			}
		}
	}
	return v, false
}

func (p *Policy) denies(layer Layer, ev *eval) (verdict, bool) {
	i, g := p.find(&p.deny, ev)
	return verdict{p, i, ExplicitDeny, layer}, g != GrantNone
}

// allowIn reports whether a set has an Allow that applies.
func allowIn(set []*Policy, ev *eval) bool {
	for _, p := range set {
		if _, g := p.find(&p.allow, ev); g != GrantNone {
			return true
		}
	}
	return false
}

// allowed decides a request that nothing denies. Every step that can stop it
// comes in the order in which Decision.Layer names them.
func (p *Policies) allowed(sc scope, ev *eval) verdict {
	r := ev.r
	if sc.scp {
		for _, level := range p.SCP {
			if !allowIn(level, ev) {
				return silence(LayerSCP)
			}
		}
	}
	if len(p.Endpoint) > 0 && !allowIn(p.Endpoint, ev) {
		return silence(LayerEndpoint)
	}
	granter := int32(-1)
	if p.Resource != nil {
		granter, ev.grant = p.Resource.find(&p.Resource.allow, ev)
	}
	cross := r.crossAccount()
	byResource := verdict{p.Resource, granter, Allow, p.resourceLayer()}
	switch {
	case (!sc.caller || !cross) && ev.grant == GrantDirect:
		// Within an account this is not limited by what boundary and session
		// policies leave out.
		return byResource
	case !sc.caller, ev.grant == GrantNone && (cross || p.needsResourceGrant(r)):
		return silence(p.resourceLayer())
	case sc.boundary && !allowIn(p.Boundary, ev):
		return silence(LayerBoundary)
	case (len(p.Session) > 0 || r.Principal.Type == FederatedUser) && !allowIn(p.Session, ev):
		// Without session policies a federated user has only what resource
		// policies grant it directly: GetFederationToken, AWS STS API Reference.
		return silence(LayerSession)
	case !cross && ev.grant == GrantIssuer, r.Principal.Type == Root && granter >= 0:
		return byResource
	case r.Principal.Type == Root:
		return verdict{stmt: -1, outcome: Allow}
	}
	for _, pol := range p.Identity {
		if i, g := pol.find(&pol.allow, ev); g != GrantNone {
			return verdict{pol, i, Allow, LayerIdentity}
		}
	}
	return silence(LayerIdentity)
}

func (p *Policies) resourceLayer() Layer {
	if p.Trust {
		return LayerTrust
	}
	return LayerResource
}

// needsResourceGrant reports whether the resource's own policy must have a part
// in every grant: trust policies, and the policies of KMS keys ("Unless the key
// policy explicitly allows it, you cannot use IAM policies to allow access to a
// KMS key": Key policies in AWS KMS).
func (p *Policies) needsResourceGrant(r *Request) bool {
	return p.Trust || r.Action != "" && r.Action[0]|0x20 == 'k' && onKey(r)
}

// onKey reports whether the request is about a KMS key.
func onKey(r *Request) bool {
	return foldPrefix("kms:", r.Action) && strings.HasPrefix(r.Resource, "arn:") && strings.Contains(r.Resource, ":key/")
}
