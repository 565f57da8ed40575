package iam

import (
	"fmt"
	"strings"
)

// reasonWithoutPolicy is the reason of decisions that no policy can change.
func reasonWithoutPolicy(r *Request, d Decision) string {
	switch d.Layer {
	case LayerRootUser:
		return "the root user cannot assume roles, whatever the policies say: use an IAM user or a role"
	case LayerOwner:
		return r.Resource + " belongs to AWS and cannot be changed"
	}
	return "sts:GetCallerIdentity needs no permission and cannot be denied"
}

// finish fills in what follows from the layers together.
func (x *explainer) finish(p *Policies, d Decision) {
	e := x.e
	e.ResourceSide = x.resourceSide(p)
	e.Caller = x.callerSide(p)
	if d.Outcome != Allow {
		for i := range e.Layers {
			l := &e.Layers[i]
			if l.Layer == d.Layer && (d.Outcome == ExplicitDeny && l.Result == ResultDeny ||
				d.Outcome == ImplicitDeny && (l.Result == ResultSilent || l.Result == ResultNone || l.Layer == LayerResource || l.Layer == LayerTrust)) {
				l.Stops = true
				break
			}
		}
	}
	e.Reason = x.reason(p, d)
}

func (e *Explanation) find(l Layer) *LayerReport {
	for i := range e.Layers {
		if e.Layers[i].Layer == l {
			return &e.Layers[i]
		}
	}
	return &LayerReport{}
}

// resourceSide says what the resource's policy and its RCPs say.
func (x *explainer) resourceSide(p *Policies) Side {
	rep := x.e.find(p.resourceLayer())
	what := "the resource policy"
	if p.Trust {
		what = "the trust policy"
	}
	for i := range x.e.Layers {
		if l := &x.e.Layers[i]; l.Layer == LayerRCP && l.Result == ResultDeny {
			return Side{ResultDeny, "a resource control policy denies"}
		}
	}
	switch rep.Result {
	case ResultDeny:
		return Side{ResultDeny, what + " denies"}
	case ResultAllow:
		switch best(rep.Statements) {
		case GrantDirect:
			return Side{ResultAllow, what + " names the caller"}
		case GrantIssuer:
			return Side{ResultAllow, what + " names the role or user behind the session"}
		}
		return Side{ResultAllow, what + " delegates to the caller's account"}
	case ResultNone:
		return Side{ResultNone, "the resource has no policy"}
	}
	return Side{ResultSilent, what + " does not match"}
}

func best(reports []StatementReport) (g Grant) {
	for _, r := range reports {
		if r.Matched && r.Effect == EffectAllow {
			g = max(g, r.Grant)
		}
	}
	return g
}

// callerSide says what the caller's own policies and SCPs say.
func (x *explainer) callerSide(p *Policies) Side {
	t := x.ev.r.Principal.Type
	if t.outsider() {
		return Side{ResultSkipped, "the caller has no policies of its own"}
	}
	for i := range x.e.Layers {
		l := &x.e.Layers[i]
		switch l.Layer {
		case LayerSCP, LayerBoundary, LayerSession, LayerIdentity:
			if l.Result == ResultDeny {
				return Side{ResultDeny, layerTitle(l.Layer) + " denies"}
			}
		}
	}
	for i := range x.e.Layers {
		l := &x.e.Layers[i]
		switch l.Layer {
		case LayerSCP, LayerBoundary, LayerSession:
			if l.Result == ResultSilent {
				return Side{ResultSilent, "no " + layerTitle(l.Layer) + " allows the action"}
			}
		}
	}
	if t == FederatedUser && len(p.Session) == 0 {
		return Side{ResultSilent, "the federated session was made without a session policy"}
	}
	if t == Root {
		return Side{ResultAllow, "the root user needs no policy"}
	}
	if x.e.find(LayerIdentity).Result != ResultAllow {
		return Side{ResultSilent, "no identity policy allows the action"}
	}
	return Side{ResultAllow, "identity policies allow the action"}
}

func layerTitle(l Layer) string {
	switch l {
	case LayerIdentity:
		return "identity policy"
	case LayerBoundary:
		return "permissions boundary"
	case LayerSession:
		return "session policy"
	case LayerResource:
		return "resource policy"
	case LayerTrust:
		return "trust policy"
	case LayerSCP:
		return "service control policy"
	case LayerRCP:
		return "resource control policy"
	case LayerEndpoint:
		return "VPC endpoint policy"
	}
	return l.String()
}

// reason is the decision in one sentence.
func (x *explainer) reason(p *Policies, d Decision) string {
	e := x.e
	at := ""
	if s := e.Deciding; s != nil {
		at = fmt.Sprintf("%s:%d", s.Policy, s.Line)
		if s.Sid != "" {
			at += " " + s.Sid
		}
	}
	switch d.Outcome {
	case Allow:
		switch {
		case d.Policy == nil:
			return "the root user of the account needs no policy"
		case e.CrossAccount:
			return fmt.Sprintf("both sides allow: %s, and %s", e.Caller.Note, e.ResourceSide.Note)
		case d.Layer == LayerIdentity && e.Grant == GrantAccount:
			return fmt.Sprintf("%s, and %s allows", e.ResourceSide.Note, at)
		}
		return fmt.Sprintf("allowed by the %s %s", layerTitle(d.Layer), at)
	case ExplicitDeny:
		return fmt.Sprintf("explicit deny in the %s %s", layerTitle(d.Layer), at)
	}
	switch d.Layer {
	case LayerResource, LayerTrust:
		why := "the resource policy does not name the caller"
		switch {
		case p.Resource == nil && x.ev.r.Principal.Type == Anonymous:
			why = "anonymous callers need a resource policy, and there is none"
		case p.Resource == nil:
			why = "the resource is in another account, or guards itself, and has no policy"
		case p.Trust:
			why = "the trust policy does not let the caller in"
		}
		switch e.Caller.Result {
		case ResultAllow:
			why += "; the caller's side would allow"
		case ResultSilent:
			why += "; nor does the caller's side allow: " + e.Caller.Note
		}
		return why
	case LayerSCP:
		for i := range e.Layers {
			if l := &e.Layers[i]; l.Layer == LayerSCP && l.Result == ResultSilent {
				return fmt.Sprintf("no service control policy at level %d allows %s", l.Level, e.Action)
			}
		}
	case LayerSession:
		if len(p.Session) == 0 {
			return "a federated user without session policy has only what resource policies grant it by name"
		}
	case LayerIdentity:
		if e.Grant == GrantAccount {
			return fmt.Sprintf("%s; the caller's side is missing: no identity policy allows %s", e.ResourceSide.Note, e.Action)
		}
		if e.Grant != GrantNone {
			return fmt.Sprintf("%s, but in another account; the caller's side is missing: no identity policy allows %s", e.ResourceSide.Note, e.Action)
		}
	}
	return fmt.Sprintf("no %s allows %s", layerTitle(d.Layer), e.Action)
}

// String is the explanation for people:
//
//	DENIED  s3:ListBucket on arn:aws:s3:::photos  as arn:aws:iam::…
//	  …one line for each layer, and below it the statements that matter
func (e *Explanation) String() string {
	var b strings.Builder
	verdict := "DENIED"
	if e.Outcome == Allow {
		verdict = "ALLOWED"
	}
	caller := e.Principal.ARN
	if e.Principal.Type == Anonymous {
		caller = "anonymous"
	}
	fmt.Fprintf(&b, "%s  %s on %s  as %s\n  %s\n", verdict, e.Action, e.Resource, caller, e.Reason)
	for i := range e.Layers {
		l := &e.Layers[i]
		name := layerTitle(l.Layer)
		if l.Level >= 0 {
			name += fmt.Sprintf(" level %d", l.Level)
		}
		fmt.Fprintf(&b, "  %d %-30s %s", i+1, name, l.Result)
		if l.Note != "" {
			fmt.Fprintf(&b, " (%s)", l.Note)
		}
		if l.Stops {
			b.WriteString("  <- stops here")
		}
		b.WriteByte('\n')
		const shown = 6 // a policy of a thousand statements has hundreds of near misses
		for j, s := range l.Statements {
			if j >= shown && !s.Matched {
				fmt.Fprintf(&b, "      … and %d more\n", len(l.Statements)-j)
				break
			}
			fmt.Fprintf(&b, "      %s\n", s.String())
		}
	}
	return b.String()
}

// String is one line: where the statement is, and how it fared.
func (s StatementReport) String() string {
	out := fmt.Sprintf("%s:%d:%d", s.Policy, s.Line, s.Column)
	if s.Sid != "" {
		out += " " + s.Sid
	}
	out += fmt.Sprintf(" (%s)", s.Effect)
	if s.Failed == nil {
		return out + " matches"
	}
	return out + " does not match: " + s.Failed.String()
}

// String says what was wanted and what was found.
func (f *Failure) String() string {
	var b strings.Builder
	b.WriteString(f.Part)
	if f.Key != "" {
		fmt.Fprintf(&b, " %s %s", f.Operator, f.Key)
	}
	none := ""
	if f.Not {
		none = "none of "
	}
	fmt.Fprintf(&b, " wants %s%s, got ", none, strings.Join(f.Want, " or "))
	if f.Absent {
		b.WriteString("nothing: the key is absent")
	} else {
		b.WriteString(strings.Join(f.Got, ", "))
	}
	if f.Note != "" {
		fmt.Fprintf(&b, " (%s)", f.Note)
	}
	return b.String()
}
