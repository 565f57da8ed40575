package iam

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	policy "github.com/mantle-iam/mantle/iam"
)

// finding is what the simulator says of one action on one resource.
type finding struct {
	resource string
	decision types.PolicyEvaluationDecisionType
	matched  []types.Statement
	missing  []string
	boundary *types.PermissionsBoundaryDecisionDetail // nil without a boundary
	orgs     *types.OrganizationsDecisionDetail       // nil without SCPs
	details  map[string]types.PolicyEvaluationDecisionType
}

// results decides every action on every resource: one result for each pair,
// or for each action where the resources belong to one request.
func (sim *simulation) results() []types.EvaluationResult {
	out := []types.EvaluationResult{}
	for _, action := range sim.actions {
		var all []finding
		for _, resource := range sim.resources {
			all = append(all, sim.decide(action, resource))
		}
		if sim.together {
			out = append(out, result(action, "*", all))
			continue
		}
		for _, f := range all {
			out = append(out, result(action, f.resource, []finding{f}))
		}
	}
	return out
}

// result words what was found of an action: the most restrictive decision,
// with the statements that made it.
func result(action, resource string, all []finding) types.EvaluationResult {
	worst := all[0]
	for _, f := range all[1:] {
		if severity(f.decision) > severity(worst.decision) {
			worst = f
		}
	}
	r := types.EvaluationResult{
		EvalActionName: &action, EvalResourceName: &resource, EvalDecision: worst.decision,
		MatchedStatements: []types.Statement{}, MissingContextValues: []string{},
		PermissionsBoundaryDecisionDetail: worst.boundary, OrganizationsDecisionDetail: worst.orgs, EvalDecisionDetails: worst.details,
	}
	var keys keySet
	for _, f := range all {
		for _, key := range f.missing {
			keys.add(key)
		}
		if f.decision == worst.decision {
			r.MatchedStatements = union(r.MatchedStatements, f.matched)
		}
		if f.resource != "*" {
			r.ResourceSpecificResults = append(r.ResourceSpecificResults, types.ResourceSpecificResult{
				EvalResourceName: &f.resource, EvalResourceDecision: f.decision,
				MatchedStatements: f.matched, MissingContextValues: f.missing,
				PermissionsBoundaryDecisionDetail: f.boundary, EvalDecisionDetails: f.details,
			})
		}
	}
	r.MissingContextValues = append(r.MissingContextValues, keys.names...)
	return r
}

func severity(d types.PolicyEvaluationDecisionType) int {
	return slices.Index([]types.PolicyEvaluationDecisionType{
		types.PolicyEvaluationDecisionTypeAllowed, types.PolicyEvaluationDecisionTypeImplicitDeny, types.PolicyEvaluationDecisionTypeExplicitDeny,
	}, d)
}

func union(have, add []types.Statement) []types.Statement {
	for _, s := range add {
		if !slices.ContainsFunc(have, func(h types.Statement) bool {
			return *h.SourcePolicyId == *s.SourcePolicyId && h.SourcePolicyType == s.SourcePolicyType && *h.StartPosition == *s.StartPosition
		}) {
			have = append(have, s)
		}
	}
	return have
}

func compiledOf(sources []source) []*policy.Policy {
	var out []*policy.Policy
	for _, s := range sources {
		out = append(out, s.policy)
	}
	return out
}

// decide asks the engine about one action on one resource.
func (sim *simulation) decide(action, resource string) finding {
	p := policy.Policies{Identity: compiledOf(sim.identity), Boundary: compiledOf(sim.boundary)}
	for _, level := range sim.levels {
		p.SCP = append(p.SCP, compiledOf(level))
	}
	if len(sim.resource) > 0 {
		p.Resource = sim.resource[0].policy
	}
	e := p.Explain(&policy.Request{
		Principal: sim.caller, Action: action, Resource: resource,
		ResourceAccount: sim.ownerOf(resource), Context: sim.context,
	})
	f := finding{resource: resource, decision: decisionOf(e.Outcome), matched: []types.Statement{}, missing: []string{}}
	var missing keySet
	bounded, organized := true, true
	for _, l := range e.Layers {
		for _, rep := range l.Statements {
			s, ok := sim.source(l.Layer, rep.Policy)
			if !ok {
				continue // SCPs are not among the statements of an answer
			}
			if decides(e.Outcome, l.Layer, rep) {
				f.matched = union(f.matched, []types.Statement{s.statement(rep.Index)})
			}
			if rep.Matched || wantsKey(rep.Failed) {
				var asked keySet
				asked.addStatement(s.policy, s.policy.Statement(rep.Index))
				for _, key := range asked.names {
					if _, given := sim.context.Get(key); !given {
						missing.add(key)
					}
				}
			}
		}
		switch l.Layer {
		case policy.LayerBoundary:
			bounded = l.Result == policy.ResultAllow
		case policy.LayerSCP:
			organized = organized && (l.Result == policy.ResultAllow || l.Result == policy.ResultSkipped)
		}
	}
	f.missing = append(f.missing, missing.names...)
	if len(sim.boundary) > 0 {
		f.boundary = &types.PermissionsBoundaryDecisionDetail{AllowedByPermissionsBoundary: bounded}
	}
	if len(sim.levels) > 0 {
		f.orgs = &types.OrganizationsDecisionDetail{AllowedByOrganizations: organized}
	}
	// "If the simulation evaluates policies within the same account and
	// includes a resource ARN, then the parameter is present but the response
	// is empty."
	if resource != "*" {
		f.details = map[string]types.PolicyEvaluationDecisionType{}
	}
	if e.CrossAccount {
		f.details = details(e)
	}
	return f
}

// ownerOf is the account that owns a resource: the one in its ARN, else
// ResourceOwner, else the caller's. Without a resource policy or owner
// nothing is said of the resource's side, and it counts as the caller's own.
func (sim *simulation) ownerOf(resource string) string {
	if len(sim.resource) == 0 && sim.owner == "" {
		return sim.caller.Account
	}
	if arn, err := policy.ParseARN(resource); err == nil && isAccountID(arn.Account) {
		return arn.Account
	}
	if sim.owner != "" {
		return sim.owner
	}
	return sim.caller.Account
}

// source finds the policy of a layer by the name it was compiled with.
func (sim *simulation) source(l policy.Layer, name string) (source, bool) {
	var in []source
	switch l {
	case policy.LayerIdentity:
		in = sim.identity
	case policy.LayerBoundary:
		in = sim.boundary
	case policy.LayerResource:
		in = sim.resource
	}
	i := slices.IndexFunc(in, func(s source) bool { return s.policy.Name() == name })
	if i < 0 {
		return source{}, false
	}
	return in[i], true
}

// decides tells whether a statement determines the outcome: the denying ones
// of an explicit deny, the granting ones of an allow.
func decides(o policy.Outcome, l policy.Layer, rep policy.StatementReport) bool {
	switch {
	case !rep.Matched:
		return false
	case o == policy.ExplicitDeny:
		return rep.Effect == policy.EffectDeny
	case o == policy.Allow:
		return rep.Effect == policy.EffectAllow && l != policy.LayerBoundary
	}
	return false
}

// wantsKey tells whether a statement failed where the value of a key could
// have made it match.
func wantsKey(f *policy.Failure) bool {
	return f != nil && (f.Part == "condition" || f.Part == "resource" && strings.Contains(strings.Join(f.Want, ""), "${"))
}

func decisionOf(o policy.Outcome) types.PolicyEvaluationDecisionType {
	switch o {
	case policy.Allow:
		return types.PolicyEvaluationDecisionTypeAllowed
	case policy.ExplicitDeny:
		return types.PolicyEvaluationDecisionTypeExplicitDeny
	}
	return types.PolicyEvaluationDecisionTypeImplicitDeny
}

// details says how each type of policy contributes to a decision across
// accounts.
func details(e *policy.Explanation) map[string]types.PolicyEvaluationDecisionType {
	out := map[string]types.PolicyEvaluationDecisionType{}
	for _, l := range e.Layers {
		name := ""
		switch l.Layer {
		case policy.LayerIdentity:
			name = "IAM Policy"
		case policy.LayerResource:
			name = "Resource Policy"
		case policy.LayerBoundary:
			name = "Permissions Boundary Policy"
		}
		if name == "" || l.Layer == policy.LayerBoundary && l.Result == policy.ResultNone {
			continue
		}
		switch l.Result {
		case policy.ResultAllow:
			out[name] = types.PolicyEvaluationDecisionTypeAllowed
		case policy.ResultDeny:
			out[name] = types.PolicyEvaluationDecisionTypeExplicitDeny
		default:
			out[name] = types.PolicyEvaluationDecisionTypeImplicitDeny
		}
	}
	return out
}

// statement is where statement i of the policy stands.
func (s source) statement(i int) types.Statement {
	out := types.Statement{SourcePolicyId: &s.id, SourcePolicyType: s.kind}
	src := s.policy.Source()
	if all := spans(src); i < len(all) {
		out.StartPosition, out.EndPosition = place(src, all[i].start), place(src, all[i].end)
	}
	return out
}

// span is a part of a document, in bytes.
type span struct{ start, end int }

// spans finds the statements of a document as the simulator counts them: each
// begins where the token before it ends, that is after "[" or the statement
// before it, and after "{" where there is one statement and no list; it ends
// after its "}". So do the examples of simulate-custom-policy and
// simulate-principal-policy in the AWS CLI reference.
func spans(doc string) []span {
	w := &walker{doc: []byte(doc), dec: json.NewDecoder(bytes.NewReader([]byte(doc)))}
	var out []span
	err := w.object(func(key string) error {
		if key != "Statement" {
			return w.skip()
		}
		if w.peek() == '{' {
			start := int(w.dec.InputOffset())
			start += bytes.IndexByte(w.doc[start:], '{') + 1
			err := w.skip()
			out = append(out, span{start, int(w.dec.InputOffset())})
			return err
		}
		if _, err := w.token(); err != nil {
			return err
		}
		start := int(w.dec.InputOffset())
		for w.dec.More() {
			if err := w.skip(); err != nil {
				return err
			}
			end := int(w.dec.InputOffset())
			out = append(out, span{start, end})
			start = end
		}
		_, err := w.token()
		return err
	})
	if err != nil {
		return nil // the engine has read the document, so that this cannot be
	}
	return out
}

// place is an offset as line and column, both from 1, in characters.
func place(doc string, offset int) *types.Position {
	before := doc[:offset]
	line := strings.LastIndexByte(before, '\n') + 1
	return &types.Position{
		Line:   int32(1 + strings.Count(before, "\n")),
		Column: int32(1 + utf8.RuneCountInString(before[line:])),
	}
}
