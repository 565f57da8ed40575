package ask

import (
	"slices"
	"strings"

	"github.com/mantle-iam/mantle/iam"
)

// request looks for what the caller can send to be let in as things are.
func (a *Asker) request(x *Answer) []Fix {
	if x.Verdict != IfConditions {
		return nil
	}
	send := map[string]string{}
	context := x.question.Context.Clone()
	for _, c := range x.Conditions {
		switch strings.ToLower(c.Key) {
		case "sts:externalid", "sts:rolesessionname", "sts:sourceidentity":
		default:
			return nil // an address or a tag is not the caller's to choose
		}
		op := strings.TrimSuffix(c.Operator, "IfExists")
		if c.Effect != iam.EffectAllow || op != "StringEquals" && op != "StringLike" || len(c.Values) == 0 || strings.ContainsAny(c.Values[0], "*?$") {
			return nil
		}
		send[c.Key] = c.Values[0]
		context.Set(c.Key, c.Values[0])
	}
	question := x.question
	question.Context = context
	if y := a.asking(context).answer(question, x.caller, x.Resource); y.Verdict != Allowed {
		return nil
	}
	f := Fix{Title: "send what the policy asks for; no policy changes", Request: send}
	for key, value := range send {
		switch strings.ToLower(key) {
		case "sts:externalid":
			f.Lines = append(f.Lines, "external_id = "+value+"    # in the profile, or external_id of the role in mantle.hcl")
		case "sts:rolesessionname":
			f.Lines = append(f.Lines, "role_session_name = "+value+"    # in the profile")
		case "sts:sourceidentity":
			f.Lines = append(f.Lines, "--source-identity "+value+"    # of aws sts assume-role")
		}
	}
	slices.Sort(f.Lines)
	return []Fix{f}
}

// step is a change to try, and how much it weighs.
type step struct {
	change Change
	weight int
	deny   int // which deny it takes back, counted from 1; 0 if it grants
}

// singles lists the changes that may be part of a fix.
func (a *Asker) singles(x *Answer) ([]step, error) {
	var out []step
	add := func(c Change, weight, deny int) error {
		if err := c.settleDocuments(); err != nil {
			return err
		}
		out = append(out, step{c, weight, deny})
		return nil
	}
	action := x.checked.Action
	target := a.people[x.Resource]
	if x.Assume && target != nil && (x.Trust.Result != iam.ResultAllow || x.Verdict == IfConditions) {
		if c, ok := a.trustee(target, &x.caller, action); ok {
			if err := add(c, 10, 0); err != nil {
				return nil, err
			}
		}
	}
	if p := x.caller.person; p != nil && x.Caller.Result != iam.ResultAllow {
		if err := add(a.grant(p, action, x.Resource), 12, 0); err != nil {
			return nil, err
		}
	}
	if r := a.holder(x.Resource); !x.Assume && r != nil && x.Trust.Result != iam.ResultAllow && hasPolicy(r.Type) {
		if c, ok := a.letIn(r, &x.caller, action, x.Resource); ok {
			if err := add(c, 14, 0); err != nil {
				return nil, err
			}
		}
	}
	denies := 0
	for _, l := range x.Explanation.Layers {
		for _, s := range l.Statements {
			if !s.Matched || s.Effect != iam.EffectDeny {
				continue
			}
			denies++
			p := a.policyOf(x, l.Layer, &s)
			if p == nil {
				continue
			}
			for i, c := range a.undo(x, l.Layer, p, s.Index) {
				if err := add(c, 20+5*i, denies); err != nil {
					return nil, err
				}
			}
		}
	}
	return out, nil
}

// hasPolicy reports whether fixes may write a policy for a type of resource.
func hasPolicy(kind string) bool {
	switch kind {
	case "s3:bucket", "dynamodb:table", "kms:key", "ecr:repository", "secretsmanager:secret", "sqs:queue", "sns:topic":
		return true
	}
	return false
}

// policyOf finds the policy that a report is about.
func (a *Asker) policyOf(x *Answer, layer iam.Layer, s *iam.StatementReport) *iam.Policy {
	set := x.policies.Identity
	if layer == iam.LayerTrust || layer == iam.LayerResource {
		set = []*iam.Policy{x.policies.Resource}
	} else if layer != iam.LayerIdentity {
		return nil
	}
	for _, p := range set {
		if p != nil && p.Name() == s.Policy && s.Index < p.Len() {
			if st := p.Statement(s.Index); st.Line == s.Line && st.Column == s.Column {
				return p
			}
		}
	}
	return nil
}
