package iam

import "strings"

// MessageOptions says what to print in a denial. The zero value prints what AWS
// tells callers of the same account.
type MessageOptions struct {
	// Bare leaves out why: what AWS tells callers of other organizations, and
	// what AssumeRole tells most.
	Bare bool

	// NoPolicyARN leaves out which policy denied. AWS names it since 2026 for
	// explicit denies in identity policies, boundaries, session policies, SCPs
	// and RCPs.
	NoPolicyARN bool
}

// DenialMessage is the text of an access-denied error in AWS's words:
//
//	User: ARN is not authorized to perform: ACTION on resource: RESOURCE because …
//
// See "Troubleshoot access denied error messages" in the IAM User Guide. S3
// quotes the resource and KMS does not print it. AssumeRoleWithSAML and
// AssumeRoleWithWebIdentity name neither caller nor role. The text for an allowed
// request is empty.
func DenialMessage(r *Request, d Decision, opt MessageOptions) string {
	if d.Allowed() {
		return ""
	}
	if foldEqual("sts:assumerolewithsaml", r.Action) || foldEqual("sts:assumerolewithwebidentity", r.Action) {
		return "Not authorized to perform " + r.Action
	}
	var b strings.Builder
	b.WriteString("User: ")
	if r.Principal.Type == Anonymous {
		b.WriteString("anonymous")
	} else {
		b.WriteString(r.Principal.ARN)
	}
	b.WriteString(" is not authorized to perform: ")
	b.WriteString(r.Action)
	service := actionService(r.Action)
	switch {
	case r.Resource == "":
	case r.Resource == "*" && (foldEqual("s3", service) || foldEqual("ec2", service)):
	case foldEqual("s3", service):
		b.WriteString(` on resource: "` + r.Resource + `"`)
	case foldEqual("kms", service):
		b.WriteString(" on this resource")
	default:
		b.WriteString(" on resource: " + r.Resource)
	}
	if opt.Bare {
		return b.String()
	}
	if why := d.reason(r.Action, opt); why != "" {
		b.WriteString(" " + why)
	}
	return b.String()
}

// reason is the second half of the sentence.
func (d Decision) reason(action string, opt MessageOptions) string {
	type words struct{ article, name string }
	var w words
	switch d.Layer {
	case LayerIdentity:
		w = words{"an", "identity-based policy"}
	case LayerBoundary:
		w = words{"a", "permissions boundary"}
	case LayerSession:
		w = words{"a", "session policy"}
	case LayerResource:
		w = words{"a", "resource-based policy"}
	case LayerTrust:
		w = words{"the", "role trust policy"}
	case LayerSCP:
		w = words{"a", "service control policy"}
	case LayerRCP:
		w = words{"a", "resource control policy"}
	case LayerEndpoint:
		w = words{"a", "VPC endpoint policy"}
	default:
		return ""
	}
	if d.Outcome == ImplicitDeny {
		return "because no " + w.name + " allows the " + action + " action"
	}
	s := "with an explicit deny in " + w.article + " " + w.name
	if opt.NoPolicyARN || d.Policy == nil || !strings.HasPrefix(d.Policy.name, "arn:") {
		return s
	}
	switch d.Layer {
	case LayerIdentity, LayerBoundary, LayerSession, LayerSCP, LayerRCP:
		s += ": " + d.Policy.name
	}
	return s
}
