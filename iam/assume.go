package iam

// Actions that make up the assuming of a role.
const (
	actionAssumeRole        = "sts:AssumeRole"
	actionTagSession        = "sts:TagSession"
	actionSetSourceIdentity = "sts:SetSourceIdentity"
)

// An AssumeRequest asks whether a role may be assumed. It is one to three
// requests on the role's ARN, each of which must be allowed: the assuming itself,
// the passing of session tags, and the passing on of a source identity.
//
// See AssumeRole in the AWS STS API Reference, "Pass session tags in AWS STS" and
// "Monitor and control actions taken with assumed roles".
type AssumeRequest struct {
	Principal Principal

	// Role is the ARN of the role, with its path, and RoleAccount its account;
	// empty means the account in the ARN.
	Role        string
	RoleAccount string

	// Action is sts:AssumeRole if empty, else sts:AssumeRoleWithSAML,
	// sts:AssumeRoleWithWebIdentity or sts:AssumeRoot.
	Action string

	// Tags says that session tags are passed.
	Tags bool

	// SourceIdentity says that a source identity is passed, or that the
	// caller's session has one, which it hands on.
	SourceIdentity bool

	// Context holds the condition keys: sts:ExternalId, sts:RoleSessionName,
	// sts:SourceIdentity, aws:RequestTag/…, aws:TagKeys and those of the caller.
	Context *Context
}

// An AssumeDecision is the answer to an AssumeRequest.
type AssumeDecision struct {
	Decision

	// Action is the action that was denied, or the first one if all are
	// allowed.
	Action string

	// Checked lists the actions in the order in which they are checked; the
	// ones after a denied action are not decided.
	Checked []string
}

// Checks returns the requests that must all be allowed, in order.
func (a *AssumeRequest) Checks() []Request {
	action := a.Action
	if action == "" {
		action = actionAssumeRole
	}
	account := a.RoleAccount
	if account == "" {
		if arn, err := ParseARN(a.Role); err == nil {
			account = arn.Account
		}
	}
	r := Request{Principal: a.Principal, Action: action, Resource: a.Role, ResourceAccount: account, Context: a.Context}
	checks := []Request{r}
	if a.Tags {
		r.Action = actionTagSession
		checks = append(checks, r)
	}
	if a.SourceIdentity {
		r.Action = actionSetSourceIdentity
		checks = append(checks, r)
	}
	return checks
}

// DecideAssume answers a. Policies.Resource is the trust policy of the role,
// whether or not Policies.Trust says so; the other sets are those of the caller.
// The first action that is not allowed decides.
func (p *Policies) DecideAssume(a *AssumeRequest) AssumeDecision {
	set := *p
	set.Trust = true
	checks := a.Checks()
	out := AssumeDecision{Action: checks[0].Action}
	for i := range checks {
		out.Checked = append(out.Checked, checks[i].Action)
	}
	for i := range checks {
		d := set.Decide(&checks[i])
		if i == 0 {
			out.Decision = d
		}
		if !d.Allowed() {
			out.Decision, out.Action = d, checks[i].Action
			break
		}
	}
	return out
}
