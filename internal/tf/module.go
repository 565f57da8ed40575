package tf

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// call is a call of a module: its instances.
type call struct {
	running, ready bool
	kind           multiplicity
	children       []*module
	keys           []cty.Value
	why            []reason
	wrong          error
}

// maxModules bounds how deep modules call one another: one that calls itself
// has no end.
const maxModules = 32

// module reads all that a module declares, for the world's list.
func (ev *evaluator) module(m *module, depth int) error {
	if depth > maxModules {
		return fmt.Errorf("modules call one another more than %d deep, at %s", maxModules, m.title())
	}
	for _, name := range slices.Sorted(maps.Keys(m.src.providers)) {
		m.provider(name)
	}
	for _, b := range m.src.resources {
		e := m.expansion(b.address())
		for _, in := range e.instances {
			in.object()
			ev.world.Resources = append(ev.world.Resources, in.resource)
		}
		if e.kind == uncertain {
			ev.notes(position(whole(b.Block)), m.address+b.address(), "", e.why)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(m.src.calls)) {
		b := m.src.calls[name]
		c := m.call(name)
		if c.wrong != nil {
			return c.wrong
		}
		ev.notes(position(whole(b)), m.address+"module."+name, "", c.why)
		for _, child := range c.children {
			if err := ev.module(child, depth+1); err != nil {
				return err
			}
			if depth == 0 && c.kind != uncertain {
				ev.world.Calls = append(ev.world.Calls, child.called(name, b))
			}
		}
	}
	return nil
}

// called is the call of a module as its caller sees it.
func (m *module) called(name string, b *hclsyntax.Block) Call {
	out := Call{
		Address: strings.TrimSuffix(m.address, "."), Name: name, Dir: m.src.dir, Where: rangeOf(whole(b)),
		Arguments: map[string]cty.Value{}, Outputs: map[string]Output{},
	}
	for arg, a := range m.inputs {
		if _, ok := m.src.variables[arg]; ok {
			out.Arguments[arg] = m.inScope.eval(a.Expr)
		}
	}
	for name, o := range m.src.outputs {
		known := Output{Value: m.output(name).value}
		if a, ok := o.Body.Attributes["value"]; ok {
			known.References = m.scope().references(a.Expr)
		}
		out.Outputs[name] = known
	}
	return out
}

func (ev *evaluator) notes(where Position, address, path string, why []reason) {
	for _, r := range why {
		ev.note(Unknown{Where: where, Address: address, Path: path, Why: r.text, Wrong: r.wrong})
	}
}

// call is the call of a module with its instances.
func (m *module) call(name string) *call {
	c, ok := m.calls[name]
	if !ok {
		c = &call{}
		m.calls[name] = c
	}
	if c.ready || c.running {
		return c
	}
	c.running = true
	defer func() { c.running, c.ready = false, true }()
	b, ok := m.src.calls[name]
	if !ok {
		c.kind, c.why = uncertain, []reason{{fmt.Sprintf("there is no module %q in %s", name, m.title()), true}}
		return c
	}
	from := literal(b.Body, "source")
	folder := path.Join(m.src.dir, from)
	if !strings.HasPrefix(from, "./") && !strings.HasPrefix(from, "../") {
		if folder = m.ev.installed(m.plain + "module." + name); folder == "" {
			what := "module " + name
			if from != "" {
				what += " (" + from + ")"
			}
			c.kind, c.why = uncertain, []reason{{text: what + " does not come with the configuration: what it makes is not known; terraform init fetches it"}}
			return c
		}
	}
	src, err := m.ev.source(folder)
	if err != nil {
		c.kind, c.wrong = uncertain, fmt.Errorf("module %s: %w", name, err)
		return c
	}
	kind, instances, why := m.multiply(b.Body)
	c.kind, c.why = kind, why
	for _, i := range instances {
		address := m.address + "module." + name
		if i.key != cty.NilVal {
			address += keyOf(i.key)
		}
		child := newModule(m.ev, src, m, address+".", m.plain+"module."+name+".")
		child.inputs, child.inScope = b.Body.Attributes, i.scope
		child.providers = passed(b.Body)
		c.children = append(c.children, child)
		c.keys = append(c.keys, i.key)
	}
	return c
}

// installed is the folder in which terraform init put a module that it fetched,
// relative to the root module; "" if it is not there.
func (ev *evaluator) installed(address string) string {
	if ev.modules == nil {
		ev.modules = map[string]string{}
		var list struct {
			Modules []struct{ Key, Dir string }
		}
		text, err := os.ReadFile(filepath.Join(ev.o.Dir, ".terraform", "modules", "modules.json"))
		if err == nil && json.Unmarshal(text, &list) == nil {
			for _, m := range list.Modules {
				ev.modules[m.Key] = m.Dir
			}
		}
	}
	// The key of module.a.module.b is "a.b".
	dir := ev.modules[strings.TrimPrefix(strings.ReplaceAll("."+address, ".module.", "."), ".")]
	if dir == "" {
		return ""
	}
	if info, err := os.Stat(ev.inside(dir)); err != nil || !info.IsDir() {
		return ""
	}
	return dir
}

// passed is the providers argument of a call: local address in the module to
// local address in the caller.
func passed(b *hclsyntax.Body) map[string]string {
	a, ok := b.Attributes["providers"]
	if !ok {
		return nil
	}
	pairs, diags := hcl.ExprMap(a.Expr)
	if diags.HasErrors() {
		return nil
	}
	out := map[string]string{}
	for _, p := range pairs {
		if inner, outer := providerName(p.Key), providerName(p.Value); inner != "" && outer != "" {
			out[inner] = outer
		}
	}
	return out
}

// providerName is the local address of a provider that an expression names.
func providerName(e hcl.Expression) string {
	t, diags := hcl.AbsTraversalForExpr(e)
	if diags.HasErrors() {
		return ""
	}
	name := t.RootName()
	if alias, ok := step(t, 1); ok {
		name += "." + alias
	}
	return name
}

// multiplicity says how many instances a block has.
type multiplicity uint8

const (
	single multiplicity = iota
	counted
	keyed
	uncertain // not known; there is one instance that stands for all
)

// copyOf is one instance of a block that is to be.
type copyOf struct {
	key   cty.Value // NilVal without count and for_each
	scope *scope
}

// maxInstances bounds what one count or for_each makes.
const maxInstances = 10_000

// multiply evaluates count and for_each.
func (m *module) multiply(b *hclsyntax.Body) (multiplicity, []copyOf, []reason) {
	s := m.scope()
	if a, ok := b.Attributes["count"]; ok {
		v, why := s.explain(a.Expr)
		at := func(i cty.Value) *scope { out := *s; out.count = i; return &out }
		n, ok := wholeNumber(v)
		switch {
		case v.IsKnown() && !ok && len(why) == 0:
			why = append(why, reason{"count is not a whole number", true})
		case ok && n > maxInstances:
			why = append(why, reason{text: fmt.Sprintf("count is %d; no more than %d instances are looked at", n, maxInstances)})
		case ok:
			list := make([]copyOf, 0, n)
			for i := range n {
				key := cty.NumberIntVal(int64(i))
				list = append(list, copyOf{key, at(key)})
			}
			return counted, list, nil
		}
		return uncertain, []copyOf{{cty.NilVal, at(cty.UnknownVal(cty.Number))}}, prefixed("count", why)
	}
	if a, ok := b.Attributes["for_each"]; ok {
		v, why := s.explain(a.Expr)
		at := func(k, v cty.Value) *scope {
			out := *s
			out.each, out.forEach = map[string]cty.Value{"key": k, "value": v}, a.Expr
			return &out
		}
		if list, ok := pairsOf(v); ok {
			if len(list) <= maxInstances {
				out := make([]copyOf, 0, len(list))
				for _, p := range list {
					out = append(out, copyOf{p[0], at(p[0], p[1])})
				}
				return keyed, out, nil
			}
			why = append(why, reason{text: fmt.Sprintf("for_each has %d elements; no more than %d instances are looked at", len(list), maxInstances)})
		} else if v.IsKnown() && len(why) == 0 {
			why = append(why, reason{"for_each is neither a map nor a set of strings", true})
		}
		return uncertain, []copyOf{{cty.NilVal, at(cty.UnknownVal(cty.String), cty.DynamicVal)}}, prefixed("for_each", why)
	}
	return single, []copyOf{{cty.NilVal, s}}, nil
}

func prefixed(what string, why []reason) []reason {
	if len(why) == 0 {
		why = []reason{{text: "it is known after apply"}}
	}
	out := make([]reason, 0, len(why))
	for _, r := range why {
		out = append(out, reason{what + " is not known: " + r.text, r.wrong})
	}
	return out
}

func wholeNumber(v cty.Value) (int, bool) {
	v = converted(v, cty.Number)
	if v == cty.NilVal || !v.IsKnown() || v.IsNull() {
		return 0, false
	}
	n, accuracy := v.AsBigFloat().Int64()
	return int(n), accuracy == 0 && n >= 0 && n < 1<<31
}

// pairsOf are the elements of for_each with their keys, in order.
func pairsOf(v cty.Value) ([][2]cty.Value, bool) {
	t := v.Type()
	if !v.IsKnown() || v.IsNull() || !(t.IsObjectType() || t.IsMapType() || t.IsSetType()) || t.IsSetType() && !t.ElementType().Equals(cty.String) && v.LengthInt() > 0 {
		return nil, false
	}
	if t.IsSetType() && !v.IsWhollyKnown() {
		return nil, false
	}
	var out [][2]cty.Value
	for it := v.ElementIterator(); it.Next(); {
		k, e := it.Element()
		if t.IsSetType() {
			k = e
		}
		out = append(out, [2]cty.Value{k, e})
	}
	return out, true
}

// moduleValue is what "module.name" means: its outputs that are asked for.
func (m *module) moduleValue(name string, asked []string, have cty.Value) (cty.Value, []reason) {
	c := m.call(name)
	if c.running || c.kind == uncertain {
		return cty.DynamicVal, wrongOnly(c.why)
	}
	list := make([]cty.Value, 0, len(c.children))
	for i, child := range c.children {
		values := map[string]cty.Value{}
		if have != cty.NilVal {
			values = partOf(have, c.kind, i, c.keys[i])
		}
		for _, out := range asked {
			if _, ok := child.src.outputs[out]; ok {
				values[out] = child.output(out).value
			}
		}
		list = append(list, cty.ObjectVal(values))
	}
	return assemble(c.kind, c.keys, list), nil
}

// assemble puts instances together as expressions see them.
func assemble(kind multiplicity, keys, list []cty.Value) cty.Value {
	switch kind {
	case counted:
		return cty.TupleVal(list)
	case keyed:
		out := map[string]cty.Value{}
		for i, k := range keys {
			out[k.AsString()] = list[i]
		}
		return cty.ObjectVal(out)
	case single:
		return list[0]
	}
	return cty.DynamicVal
}

// partOf takes an instance out of what assemble made.
func partOf(v cty.Value, kind multiplicity, i int, key cty.Value) map[string]cty.Value {
	switch kind {
	case counted:
		v = v.Index(cty.NumberIntVal(int64(i)))
	case keyed:
		v = v.GetAttr(key.AsString())
	}
	if out := v.AsValueMap(); out != nil {
		return out
	}
	return map[string]cty.Value{}
}

func wrongOnly(why []reason) []reason {
	return slices.DeleteFunc(slices.Clone(why), func(r reason) bool { return !r.wrong })
}

func (m *module) whyModule(name, output string) []reason {
	c := m.call(name)
	if len(c.why) > 0 {
		return c.why
	}
	var out []reason
	for _, child := range c.children {
		if _, ok := child.src.outputs[output]; ok {
			out = append(out, child.output(output).why...)
		}
	}
	return out
}

// output is an output of the module.
func (m *module) output(name string) *known {
	return m.remember("output."+name, func(k *known) {
		b := m.src.outputs[name]
		k.where = position(whole(b))
		a, ok := b.Body.Attributes["value"]
		if !ok {
			k.fail(fmt.Sprintf("output %q of %s has no value", name, m.title()))
			return
		}
		k.expr, k.scope = a.Expr, m.scope()
		k.value, k.why = m.scope().explain(a.Expr)
	})
}
