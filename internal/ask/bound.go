package ask

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/mantle-iam/mantle/iam"
)

type boundKey struct {
	policy *iam.Policy
	class  class
	role   bool // the request is about a role, whose tags are known
	favour bool
}

// bound is a policy with every condition that is not known dropped or taken to
// fail: for the caller if favour, else against it. Statements keep their places.
func (q *asking) bound(p *iam.Policy, c class, role, favour bool) *iam.Policy {
	key := boundKey{p, c, role, favour}
	if out, ok := q.bounds[key]; ok {
		return out
	}
	out := p
	if !slices.ContainsFunc(q.a.keys(p), func(k string) bool { return !q.known(c, k, role) }) {
		q.bounds[key] = out
		return out
	}
	know := func(k string) bool { return q.known(c, strings.ToLower(k), role) }
	doc := statementsJSON{Version: p.Version()}
	changed := false
	for s := range p.Statements() {
		conds, vars := undecided(&s, p.Version(), know)
		changed = changed || len(conds)+len(vars) > 0
		doc.Statement = append(doc.Statement, settle(&s, conds, vars, (s.Effect == iam.EffectAllow) == favour))
	}
	if changed {
		src, err := json.Marshal(doc)
		if err == nil {
			out, err = iam.Parse(p.Kind(), p.Name(), src)
		}
		if err != nil {
			// Taking conditions away from a policy leaves a policy.
			panic(fmt.Sprintf("ask: %s without some conditions is no policy: %v", p.Name(), err))
		}
	}
	q.bounds[key] = out
	return out
}

// keys lists the condition keys that a policy asks for, in lower case.
func (a *Asker) keys(p *iam.Policy) []string {
	if v, ok := a.asked.Load(p); ok {
		return v.([]string)
	}
	var out []string
	use := func(key string) {
		if key = strings.ToLower(key); !slices.Contains(out, key) {
			out = append(out, key)
		}
	}
	for s := range p.Statements() {
		for _, c := range s.Conditions {
			use(c.Key)
			for _, v := range c.Values {
				variables(v, p.Version(), use)
			}
		}
		for _, r := range s.Resources {
			variables(r, p.Version(), use)
		}
	}
	a.asked.Store(p, out)
	return out
}

// undecided returns the conditions whose outcome is not known, and the resources
// with variables whose values are not.
func undecided(s *iam.Statement, version string, know func(string) bool) (conds []iam.StatementCondition, resources []string) {
	settled := func(text string) bool {
		ok := true
		variables(text, version, func(key string) { ok = ok && know(key) })
		return ok
	}
	for _, c := range s.Conditions {
		if !know(c.Key) || slices.ContainsFunc(c.Values, func(v string) bool { return !settled(v) }) {
			conds = append(conds, c)
		}
	}
	for _, r := range s.Resources {
		if !settled(r) {
			resources = append(resources, r)
		}
	}
	return conds, resources
}

// variables calls use for each policy variable of a text.
func variables(text, version string, use func(string)) {
	if version != "2012-10-17" {
		return
	}
	for {
		_, rest, ok := strings.Cut(text, "${")
		if !ok {
			return
		}
		name, after, ok := strings.Cut(rest, "}")
		if !ok {
			return
		}
		text = after
		if name != "*" && name != "?" && name != "$" {
			name, _, _ = strings.Cut(name, ", '")
			use(name)
		}
	}
}

type statementsJSON struct {
	Version   string
	Statement []statementJSON
}

type statementJSON struct {
	Sid          string `json:",omitempty"`
	Effect       string
	Principal    any                            `json:",omitempty"`
	NotPrincipal any                            `json:",omitempty"`
	Action       []string                       `json:",omitempty"`
	NotAction    []string                       `json:",omitempty"`
	Resource     []string                       `json:",omitempty"`
	NotResource  []string                       `json:",omitempty"`
	Condition    map[string]map[string][]string `json:",omitempty"`
}

// settle writes a statement with what is undecided taken to hold or to fail.
func settle(s *iam.Statement, conds []iam.StatementCondition, vars []string, holds bool) statementJSON {
	out := write(s)
	if len(conds)+len(vars) == 0 {
		return out
	}
	if !holds { // void, but the others keep their places
		void := statementJSON{Sid: s.Sid, Effect: s.Effect.String(), Action: []string{"none:None"}}
		if s.HasPrincipal {
			void.Principal = map[string][]string{"AWS": {"000000000000"}}
		}
		if len(s.Resources) > 0 {
			void.Resource = []string{"*"}
		}
		return void
	}
	for _, c := range conds {
		delete(out.Condition[c.Operator], c.Key)
		if len(out.Condition[c.Operator]) == 0 {
			delete(out.Condition, c.Operator)
		}
	}
	if len(vars) > 0 {
		rest := slices.DeleteFunc(slices.Clone(out.NotResource), func(r string) bool { return slices.Contains(vars, r) })
		if out.NotResource = rest; len(rest) == 0 {
			out.NotResource, out.Resource = nil, []string{"*"}
		}
	}
	return out
}

// write is a statement as JSON again.
func write(s *iam.Statement) statementJSON {
	out := statementJSON{Sid: s.Sid, Effect: s.Effect.String()}
	if s.NotActions {
		out.NotAction = s.Actions
	} else {
		out.Action = s.Actions
	}
	if s.NotResources {
		out.NotResource = s.Resources
	} else {
		out.Resource = s.Resources
	}
	if s.HasPrincipal {
		who := map[string][]string{}
		for _, p := range s.Principals {
			who[p.Kind] = append(who[p.Kind], p.Value)
		}
		if len(who) == 0 {
			who["AWS"] = []string{}
		}
		if s.NotPrincipals {
			out.NotPrincipal = who
		} else {
			out.Principal = who
		}
	}
	for _, c := range s.Conditions {
		if out.Condition == nil {
			out.Condition = map[string]map[string][]string{}
		}
		if out.Condition[c.Operator] == nil {
			out.Condition[c.Operator] = map[string][]string{}
		}
		out.Condition[c.Operator][c.Key] = c.Values
	}
	return out
}
