package tf

import (
	"slices"
	"strconv"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function/stdlib"
)

// holdsPolicy reports whether attributes of this name hold policy documents.
func holdsPolicy(name string) bool {
	switch name {
	case "policy", "assume_role_policy", "resource_policy", "access_policy", "access_policies", "policy_document", "inline_policy", "content":
		return true
	}
	return false
}

// fillable are the members of a statement whose values may be stand-ins: what
// a policy is about. A policy whose effect or actions are not known says
// nothing.
var fillable = []string{"Resource", "NotResource", "Principal", "NotPrincipal", "Condition"}

// filled evaluates an expression that holds a policy with stand-ins for what
// is not known, where the policy still means something with them. It reports
// whether that could be done. open says that the expression stands where a
// stand-in may be.
func (s *scope) filled(expr hcl.Expression, open bool) (cty.Value, bool) {
	return s.fill(expr, open, 0)
}

func (s *scope) fill(expr hcl.Expression, open bool, depth int) (cty.Value, bool) {
	if depth > maxDepth {
		return cty.DynamicVal, false
	}
	depth++
	switch e := expr.(type) {
	case *hclsyntax.ParenthesesExpr:
		return s.fill(e.Expression, open, depth)
	case *hclsyntax.TemplateWrapExpr:
		return s.fill(e.Wrapped, open, depth)
	case *hclsyntax.FunctionCallExpr:
		if e.Name == "jsonencode" && len(e.Args) == 1 && !e.ExpandFinal {
			v, ok := s.fill(e.Args[0], open, depth)
			if !ok || !v.IsWhollyKnown() {
				return cty.DynamicVal, false
			}
			out, err := stdlib.JSONEncode(v)
			return out, err == nil
		}
	case *hclsyntax.ObjectConsExpr:
		out := map[string]cty.Value{}
		for _, item := range e.Items {
			key, ok := text(s.eval(item.KeyExpr))
			if !ok {
				return cty.DynamicVal, false
			}
			v, ok := s.fill(item.ValueExpr, open || slices.Contains(fillable, key), depth)
			if !ok {
				return cty.DynamicVal, false
			}
			out[key] = v
		}
		return cty.ObjectVal(out), true
	case *hclsyntax.TupleConsExpr:
		out := make([]cty.Value, 0, len(e.Exprs))
		for _, x := range e.Exprs {
			v, ok := s.fill(x, open, depth)
			if !ok {
				return cty.DynamicVal, false
			}
			out = append(out, v)
		}
		return cty.TupleVal(out), true
	case *hclsyntax.TemplateExpr:
		// The parts of a whole document are checked when it is read: a
		// stand-in for an effect is none.
		var b strings.Builder
		for _, part := range e.Parts {
			v, ok := s.fill(part, open || depth == 1, depth)
			t, isText := text(v)
			if !ok || !isText {
				return cty.DynamicVal, false
			}
			b.WriteString(t)
		}
		return cty.StringVal(b.String()), true
	case *hclsyntax.ConditionalExpr:
		if c := converted(s.eval(e.Condition), cty.Bool); c != cty.NilVal && c.IsKnown() && !c.IsNull() {
			if c.True() {
				return s.fill(e.TrueResult, open, depth)
			}
			return s.fill(e.FalseResult, open, depth)
		}
		return cty.DynamicVal, false
	case *hclsyntax.ScopeTraversalExpr:
		if k := s.behind(e.Traversal); k != nil && k.expr != nil && !k.value.IsWhollyKnown() {
			return k.scope.fill(k.expr, open, depth)
		}
	}
	v := s.eval(expr)
	if v.IsWhollyKnown() {
		return v, true
	}
	if !open {
		return v, false
	}
	switch expr.(type) {
	case *hclsyntax.ScopeTraversalExpr, *hclsyntax.IndexExpr, *hclsyntax.RelativeTraversalExpr, *hclsyntax.SplatExpr, *hclsyntax.FunctionCallExpr:
	default:
		return v, false
	}
	return standInFor(v, StandIn(s.called(expr)))
}

// behind is the local value, variable or element of for_each that a reference
// is, whole.
func (s *scope) behind(t hcl.Traversal) *known {
	name, ok := step(t, 1)
	if !ok || len(t) != 2 {
		return nil
	}
	switch t.RootName() {
	case "local":
		return s.m.local(name)
	case "var":
		k := s.m.variable(name)
		if a, ok := s.m.inputs[name]; ok && s.m.parent != nil {
			return &known{value: k.value, expr: a.Expr, scope: s.m.inScope}
		}
		return k
	case "each":
		if s.forEach == nil || s.each["key"] == cty.NilVal || !s.each["key"].IsKnown() {
			return nil
		}
		if expr, at := s.m.scope().element(s.forEach, s.each["key"].AsString(), name == "key", 0); expr != nil {
			return &known{value: s.each[name], expr: expr, scope: at}
		}
	}
	return nil
}

// element is the expression of the element with a key in what for_each goes
// through, and where it stands; nil if it is not written as such. With inKey it
// is that of the key.
func (s *scope) element(expr hcl.Expression, key string, inKey bool, depth int) (hcl.Expression, *scope) {
	if depth > maxDepth {
		return nil, nil
	}
	depth++
	switch e := expr.(type) {
	case *hclsyntax.ParenthesesExpr:
		return s.element(e.Expression, key, inKey, depth)
	case *hclsyntax.ScopeTraversalExpr:
		if k := s.behind(e.Traversal); k != nil && k.expr != nil {
			return k.scope.element(k.expr, key, inKey, depth)
		}
	case *hclsyntax.ConditionalExpr:
		if c := converted(s.eval(e.Condition), cty.Bool); c != cty.NilVal && c.IsKnown() && !c.IsNull() {
			if c.True() {
				return s.element(e.TrueResult, key, inKey, depth)
			}
			return s.element(e.FalseResult, key, inKey, depth)
		}
	case *hclsyntax.FunctionCallExpr:
		switch e.Name {
		case "merge":
			for i := len(e.Args) - 1; i >= 0; i-- {
				if x, at := s.element(e.Args[i], key, inKey, depth); x != nil {
					return x, at
				}
			}
		case "toset", "tomap":
			if len(e.Args) == 1 {
				return s.element(e.Args[0], key, inKey, depth)
			}
		}
	case *hclsyntax.ObjectConsExpr, *hclsyntax.TupleConsExpr:
		if m, ok := s.m.ev.membersOf(s, e)[key]; ok {
			if inKey {
				return m[0], s
			}
			return m[1], s
		}
	}
	return nil, nil
}

// members are the elements of an object, and of a tuple of strings that a set
// is made of, by key: the expressions of key and value.
type members map[string][2]hcl.Expression

// written is an expression and where it stands.
type written struct {
	scope *scope
	expr  hcl.Expression
}

// membersOf works members out once: for_each asks for each of its elements.
func (ev *evaluator) membersOf(s *scope, expr hcl.Expression) members {
	at := written{s, expr}
	if out, ok := ev.members[at]; ok {
		return out
	}
	out := members{}
	ev.members[at] = out
	switch e := expr.(type) {
	case *hclsyntax.ObjectConsExpr:
		for _, item := range e.Items {
			if k, ok := text(s.eval(item.KeyExpr)); ok {
				out[k] = [2]hcl.Expression{item.KeyExpr, item.ValueExpr}
			}
		}
	case *hclsyntax.TupleConsExpr:
		for _, x := range e.Exprs {
			if k, ok := text(s.eval(x)); ok {
				out[k] = [2]hcl.Expression{x, x}
			}
		}
	}
	return out
}

// called is what stands for an expression: the address that it asks for.
func (s *scope) called(expr hcl.Expression) string {
	var parts []string
	for _, t := range expr.Variables() {
		var b strings.Builder
		b.WriteString(s.m.address)
		for i, st := range t {
			switch st := st.(type) {
			case hcl.TraverseRoot:
				b.WriteString(st.Name)
			case hcl.TraverseAttr:
				b.WriteString("." + st.Name)
			case hcl.TraverseIndex:
				if st.Key.Type() == cty.String || st.Key.Type() == cty.Number {
					b.WriteString(keyOf(st.Key))
				}
			default:
				b.WriteString("." + strconv.Itoa(i))
			}
		}
		parts = append(parts, b.String())
	}
	if len(parts) == 0 {
		return "unknown"
	}
	return strings.Join(parts, "+")
}

// standInFor puts a stand-in in the place of what is not known of a value.
func standInFor(v cty.Value, name string) (cty.Value, bool) {
	t := v.Type()
	switch {
	case v.IsWhollyKnown():
		return v, true
	case !v.IsKnown() && (t == cty.String || t == cty.DynamicPseudoType):
		return cty.StringVal(name), true
	case !v.IsKnown() && (t.IsListType() || t.IsSetType()) && t.ElementType() == cty.String:
		return cty.TupleVal([]cty.Value{cty.StringVal(name)}), true
	case !v.IsKnown() || v.IsNull() || !v.CanIterateElements():
		return v, false
	case t.IsObjectType() || t.IsMapType():
		out := map[string]cty.Value{}
		for k, e := range v.AsValueMap() {
			filled, ok := standInFor(e, name)
			if !ok {
				return v, false
			}
			out[k] = filled
		}
		return cty.ObjectVal(out), true
	}
	var out []cty.Value
	for _, e := range v.AsValueSlice() {
		filled, ok := standInFor(e, name)
		if !ok {
			return v, false
		}
		out = append(out, filled)
	}
	return cty.TupleVal(out), true
}
