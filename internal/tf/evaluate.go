package tf

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
)

// unknownFunction stands for a function that is not known: so is its result.
var unknownFunction = function.New(&function.Spec{
	VarParam: &function.Parameter{Name: "args", Type: cty.DynamicPseudoType, AllowNull: true, AllowUnknown: true, AllowDynamicType: true, AllowMarked: true},
	Type:     func([]cty.Value) (cty.Type, error) { return cty.DynamicPseudoType, nil },
	Impl:     func([]cty.Value, cty.Type) (cty.Value, error) { return cty.DynamicVal, nil },
})

// explain evaluates an expression and says why what is not known in it is not.
func (s *scope) explain(expr hcl.Expression) (cty.Value, []reason) {
	return s.explainNames(expr, expr.Variables())
}

// explainNames is explain for those who know what the expression mentions.
func (s *scope) explainNames(expr hcl.Expression, traversals []hcl.Traversal) (cty.Value, []reason) {
	ctx := s.m.ev.base
	var faults []reason
	if len(traversals) > 0 {
		ctx, faults = s.context(expr, traversals, ctx)
	}
	v, diags := expr.Value(ctx)
	if diags.HasErrors() {
		if missing := missingFunctions(expr, s.m.ev.base); len(missing) > 0 {
			for _, name := range missing {
				faults = append(faults, reason{text: fmt.Sprintf("the function %s is not known here", name)})
			}
			ctx, _ = s.context(expr, traversals, s.withoutFunctions(missing))
			v, diags = expr.Value(ctx)
		}
	}
	if diags.HasErrors() {
		for _, d := range diags {
			if d.Severity == hcl.DiagError && len(faults) == 0 {
				faults = append(faults, reason{text: sentence(d), wrong: true})
			}
		}
		return cty.DynamicVal, faults
	}
	v, _ = v.UnmarkDeep()
	if v.IsWhollyKnown() {
		return v, nil
	}
	for _, t := range traversals {
		faults = append(faults, s.whyNot(t, ctx)...)
	}
	if len(faults) == 0 {
		faults = []reason{{text: "it is known after apply"}}
	}
	return v, unique(faults)
}

// eval is explain for those who list the reasons elsewhere.
func (s *scope) eval(expr hcl.Expression) cty.Value {
	v, _ := s.explain(expr)
	return v
}

func unique(list []reason) []reason {
	var out []reason
	for _, r := range list {
		if !slices.Contains(out, r) {
			out = append(out, r)
		}
	}
	return out
}

// missingFunctions are the functions of an expression that nobody knows.
func missingFunctions(expr hcl.Expression, base *hcl.EvalContext) []string {
	var out []string
	node, ok := expr.(hclsyntax.Node)
	if !ok {
		return nil
	}
	hclsyntax.VisitAll(node, func(n hclsyntax.Node) hcl.Diagnostics {
		if call, ok := n.(*hclsyntax.FunctionCallExpr); ok {
			if _, ok := base.Functions[call.Name]; !ok && !slices.Contains(out, call.Name) {
				out = append(out, call.Name)
			}
		}
		return nil
	})
	return out
}

// context holds what an expression's names mean: these alone, so that the cost
// does not grow with the configuration.
func (s *scope) context(expr hcl.Expression, traversals []hcl.Traversal, parent *hcl.EvalContext) (*hcl.EvalContext, []reason) {
	ctx := parent.NewChild()
	ctx.Variables = map[string]cty.Value{}
	groups := map[string]map[string]cty.Value{}
	put := func(group, name string, v cty.Value) {
		if groups[group] == nil {
			groups[group] = map[string]cty.Value{}
		}
		groups[group][name] = v
	}
	var faults []reason
	data := map[string]map[string]cty.Value{}
	var wide []string // attributes that may be asked of what a splat or for goes through
	widened := false
	asked := func(t hcl.Traversal, from int) []string {
		if name, ok := attributeAfter(t, from); ok {
			return []string{name}
		}
		if !widened {
			wide, widened = attributesIn(expr), true
		}
		return wide
	}
	for _, t := range traversals {
		root := t.RootName()
		if v, ok := s.extra[root]; ok {
			ctx.Variables[root] = v
			continue
		}
		switch root {
		case "var", "local":
			if name, ok := step(t, 1); ok {
				if root == "var" {
					put(root, name, s.m.variable(name).value)
				} else {
					put(root, name, s.m.local(name).value)
				}
			}
		case "module":
			if name, ok := step(t, 1); ok {
				v, fault := s.m.moduleValue(name, asked(t, 2), groups["module"][name])
				put(root, name, v)
				faults = append(faults, fault...)
			}
		case "each":
			if s.each != nil {
				ctx.Variables[root] = cty.ObjectVal(s.each)
			}
		case "count":
			if s.count != cty.NilVal {
				ctx.Variables[root] = cty.ObjectVal(map[string]cty.Value{"index": s.count})
			}
		case "path":
			cwd, err := filepath.Abs(s.m.ev.o.Dir)
			if err != nil {
				cwd = s.m.ev.o.Dir
			}
			ctx.Variables[root] = cty.ObjectVal(map[string]cty.Value{
				"module": cty.StringVal(s.m.src.dir), "root": cty.StringVal("."), "cwd": cty.StringVal(filepath.ToSlash(cwd)),
			})
		case "terraform":
			ctx.Variables[root] = cty.ObjectVal(map[string]cty.Value{"workspace": cty.StringVal("default"), "applying": cty.False})
		case "self":
			ctx.Variables[root] = cty.DynamicVal
		case "data":
			kind, ok1 := step(t, 1)
			name, ok2 := step(t, 2)
			if ok1 && ok2 {
				if data[kind] == nil {
					data[kind] = map[string]cty.Value{}
				}
				v, fault := s.m.resourceValue("data."+kind+"."+name, t, 3, asked(t, 3), data[kind][name])
				data[kind][name] = v
				faults = append(faults, fault...)
			}
		default:
			if name, ok := step(t, 1); ok {
				v, fault := s.m.resourceValue(root+"."+name, t, 2, asked(t, 2), groups[root][name])
				put(root, name, v)
				faults = append(faults, fault...)
			}
		}
	}
	for group, values := range groups {
		ctx.Variables[group] = cty.ObjectVal(values)
	}
	if len(data) > 0 {
		kinds := map[string]cty.Value{}
		for kind, values := range data {
			kinds[kind] = cty.ObjectVal(values)
		}
		ctx.Variables["data"] = cty.ObjectVal(kinds)
	}
	return ctx, faults
}

// step is the name of an attribute step of a traversal.
func step(t hcl.Traversal, i int) (string, bool) {
	if i < len(t) {
		if a, ok := t[i].(hcl.TraverseAttr); ok {
			return a.Name, true
		}
	}
	return "", false
}

// attributeAfter is the attribute that a traversal asks of the resource or
// module whose address ends before from.
func attributeAfter(t hcl.Traversal, from int) (string, bool) {
	if from < len(t) {
		if _, ok := t[from].(hcl.TraverseIndex); ok {
			from++
		}
	}
	return step(t, from)
}

// attributesIn are the names of all attributes in an expression.
func attributesIn(expr hcl.Expression) []string {
	node, ok := expr.(hclsyntax.Node)
	if !ok {
		return nil
	}
	var out []string
	add := func(t hcl.Traversal) {
		for i := range t {
			if name, ok := step(t, i); ok && !slices.Contains(out, name) {
				out = append(out, name)
			}
		}
	}
	hclsyntax.VisitAll(node, func(n hclsyntax.Node) hcl.Diagnostics {
		switch e := n.(type) {
		case *hclsyntax.ScopeTraversalExpr:
			add(e.Traversal)
		case *hclsyntax.RelativeTraversalExpr:
			add(e.Traversal)
		}
		return nil
	})
	return out
}

// whyNot says why a reference is not known; nothing if it is.
func (s *scope) whyNot(t hcl.Traversal, ctx *hcl.EvalContext) []reason {
	v, diags := t.TraverseAbs(ctx)
	if diags.HasErrors() {
		// A reference inside a for or splat, or into something unknown.
		v = cty.DynamicVal
	}
	if v.IsWhollyKnown() {
		return nil
	}
	named := func(k *known, name string) []reason {
		if len(k.why) == 0 {
			return []reason{{text: name + " is known after apply"}}
		}
		return k.why
	}
	switch root := t.RootName(); root {
	case "var":
		if name, ok := step(t, 1); ok {
			return named(s.m.variable(name), "var."+name)
		}
	case "local":
		if name, ok := step(t, 1); ok {
			return named(s.m.local(name), "local."+name)
		}
	case "module":
		if name, ok := step(t, 1); ok {
			attr, _ := attributeAfter(t, 2)
			return s.m.whyModule(name, attr)
		}
	case "each", "count":
		return []reason{{text: "how many instances there are is known after apply"}}
	case "data":
		kind, _ := step(t, 1)
		name, _ := step(t, 2)
		attr, _ := attributeAfter(t, 3)
		return s.m.whyResource("data."+kind+"."+name, attr)
	default:
		if _, ok := s.extra[root]; ok {
			return []reason{{text: "what " + root + " goes through is known after apply"}}
		}
		if name, ok := step(t, 1); ok {
			attr, _ := attributeAfter(t, 2)
			return s.m.whyResource(root+"."+name, attr)
		}
	}
	return nil
}

// keyOf writes an instance key as addresses have it.
func keyOf(key cty.Value) string {
	if key.Type() == cty.String {
		return `["` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(key.AsString()) + `"]`
	}
	n, _ := key.AsBigFloat().Int64()
	return fmt.Sprintf("[%d]", n)
}
