package graph

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/mantle-iam/mantle/iam"
)

// A world is a way to count what is not known.
type world uint8

const (
	least world = iota // all of it against the caller
	most               // all of it for the caller
	open               // as most, and resources too are the caller's to choose
	worlds
)

// A reading is a policy taken apart once, and its rewritings for each view and
// world: the same statements at the same places, those with undecided conditions
// made unconditional or void.
type reading struct {
	policy     *iam.Policy
	statements []iam.Statement
	vars       bool     // the version has policy variables
	keys       []string // condition keys in use, lower case
	narrow     bool     // open would rewrite it
	rewritten  [views][worlds]atomic.Pointer[iam.Policy]
}

func read(p *iam.Policy) *reading {
	r := &reading{policy: p, statements: make([]iam.Statement, 0, p.Len()), vars: p.Version() == "2012-10-17"}
	use := func(key string) {
		if key = strings.ToLower(key); !slices.Contains(r.keys, key) {
			r.keys = append(r.keys, key)
		}
	}
	for s := range p.Statements() {
		r.statements = append(r.statements, s)
		for _, c := range s.Conditions {
			use(c.Key)
			for _, v := range c.Values {
				r.variables(v, use)
			}
		}
		for _, v := range s.Resources {
			r.variables(v, use)
			r.narrow = r.narrow || v != "*" || s.NotResources
		}
	}
	return r
}

// variables calls use for each policy variable in s.
func (r *reading) variables(s string, use func(key string)) {
	if !r.vars {
		return
	}
	for {
		_, rest, ok := strings.Cut(s, "${")
		if !ok {
			return
		}
		name, after, ok := strings.Cut(rest, "}")
		if !ok {
			return
		}
		s = after
		if name != "*" && name != "?" && name != "$" {
			name, _, _ = strings.Cut(name, ", '")
			use(name)
		}
	}
}

// settled reports whether the graph knows all that the policy asks of a caller.
func (g *Graph) settled(r *reading, v view) bool {
	for _, k := range r.keys {
		if !g.known(v, k) {
			return false
		}
	}
	return true
}

// settledText reports whether s has no variable that is not known.
func (g *Graph) settledText(r *reading, v view, s string) bool {
	ok := true
	r.variables(s, func(key string) { ok = ok && g.known(v, strings.ToLower(key)) })
	return ok
}

// undecided returns the conditions of s that the graph cannot decide, and the
// resources with variables that it cannot replace.
func (g *Graph) undecided(r *reading, s *iam.Statement, v view) (conds []iam.StatementCondition, resources []string) {
	for _, c := range s.Conditions {
		if !g.known(v, strings.ToLower(c.Key)) || slices.ContainsFunc(c.Values, func(x string) bool { return !g.settledText(r, v, x) }) {
			conds = append(conds, c)
		}
	}
	for _, x := range s.Resources {
		if !g.settledText(r, v, x) {
			resources = append(resources, x)
		}
	}
	return conds, resources
}

// in returns the policy as it stands in a world.
func (g *Graph) in(r *reading, v view, w world) *iam.Policy {
	at := &r.rewritten[v][w]
	if p := at.Load(); p != nil {
		return p
	}
	p := r.policy
	if !g.settled(r, v) || w == open && r.narrow {
		p = g.rewrite(r, v, w)
	}
	// Two goroutines may both come here; either result will do.
	at.Store(p)
	return p
}

type documentJSON struct {
	Version   string
	Statement []statementJSON
}

type statementJSON struct {
	Sid          string `json:",omitempty"`
	Effect       string
	Principal    map[string][]string            `json:",omitempty"`
	NotPrincipal map[string][]string            `json:",omitempty"`
	Action       []string                       `json:",omitempty"`
	NotAction    []string                       `json:",omitempty"`
	Resource     []string                       `json:",omitempty"`
	NotResource  []string                       `json:",omitempty"`
	Condition    map[string]map[string][]string `json:",omitempty"`
}

// rewrite writes the policy anew with every undecided condition either dropped
// or taken to fail.
func (g *Graph) rewrite(r *reading, v view, w world) *iam.Policy {
	doc := documentJSON{Version: r.policy.Version()}
	for i := range r.statements {
		doc.Statement = append(doc.Statement, g.rewriteStatement(r, &r.statements[i], v, w))
	}
	src, err := json.Marshal(doc)
	if err == nil {
		var p *iam.Policy
		if p, err = iam.Parse(r.policy.Kind(), r.policy.Name(), src); err == nil {
			return p
		}
	}
	// Taking conditions away from a policy leaves a policy.
	panic(fmt.Sprintf("graph: %s rewritten is no policy: %v", r.policy.Name(), err))
}

func (g *Graph) rewriteStatement(r *reading, s *iam.Statement, v view, w world) statementJSON {
	out := statementJSON{Sid: s.Sid, Effect: s.Effect.String()}
	applies := (s.Effect == iam.EffectAllow) == (w != least) // what becomes of the undecided
	conds, vars := g.undecided(r, s, v)
	resources, notResources := s.Resources, s.NotResources
	if w == open && len(s.Resources) > 0 && (s.NotResources || !slices.Contains(s.Resources, "*")) {
		// Some resource is covered by an Allow, and some is spared by a Deny.
		vars, resources = s.Resources, widen(s)
		notResources = false
	} else if len(vars) > 0 && applies {
		if notResources {
			// What a variable would exclude, it does not.
			resources = slices.DeleteFunc(slices.Clone(resources), func(x string) bool { return slices.Contains(vars, x) })
		} else {
			resources = []string{"*"}
		}
		if len(resources) == 0 {
			resources, notResources = []string{"*"}, false
		}
	}
	if !applies && len(conds)+len(vars) > 0 {
		out.Action = []string{"none:None"} // void, but the others keep their places
		if s.HasPrincipal {
			out.Principal = map[string][]string{"AWS": {"000000000000"}}
		}
		if len(s.Resources) > 0 {
			out.Resource = []string{"*"}
		}
		return out
	}
	if s.NotActions {
		out.NotAction = s.Actions
	} else {
		out.Action = s.Actions
	}
	if notResources {
		out.NotResource = resources
	} else {
		out.Resource = resources
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
		if slices.ContainsFunc(conds, func(u iam.StatementCondition) bool { return u.Operator == c.Operator && u.Key == c.Key }) {
			continue
		}
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

// widen returns patterns for all resources of the types that the statement has
// resources of. The type is what stands before the first slash or colon of the
// last field.
func widen(s *iam.Statement) []string {
	if s.NotResources {
		return []string{"*"}
	}
	var out []string
	for _, x := range s.Resources {
		f := strings.SplitN(x, ":", 6)
		if len(f) < 6 {
			return []string{"*"}
		}
		f[3] = "*"
		at := strings.IndexAny(f[5], "/:*?$")
		switch {
		case at < 0: // a name without type
			f[5] = "*"
		case f[5][at] == '/' || f[5][at] == ':':
			f[5] = f[5][:at+1] + "*"
		default:
			f[5] = f[5][:at] + "*"
		}
		out = append(out, strings.Join(f, ":"))
	}
	return out
}

// may reports whether an Allow statement of the policy covers the action, its
// conditions and resources apart.
func (r *reading) may(action string) bool {
	return slices.ContainsFunc(r.statements, func(s iam.Statement) bool {
		return s.Effect == iam.EffectAllow && s.Covers(action)
	})
}
