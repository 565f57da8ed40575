package tf

import (
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
)

// expansion is a resource or data block with its instances.
type expansion struct {
	block     *block
	kind      multiplicity
	instances []*instance
	why       []reason
	running   bool
	ready     bool
}

// instance is one of them.
type instance struct {
	m        *module
	block    *block
	scope    *scope
	address  string
	resource *Resource
	values   map[string]cty.Value
	value    cty.Value
	why      map[string][]reason // by attribute that is set and not known
	running  bool
	ready    bool
}

// expansion finds a resource by its address in the module; nil if there is
// none.
func (m *module) expansion(address string) *expansion {
	e, ok := m.expansions[address]
	if !ok {
		b, ok := m.src.byAddress[address]
		if !ok {
			return nil
		}
		e = &expansion{block: b}
		m.expansions[address] = e
	}
	if e.ready || e.running {
		return e
	}
	e.running = true
	kind, copies, why := m.multiply(e.block.Body)
	e.kind, e.why = kind, why
	for _, c := range copies {
		in := &instance{m: m, block: e.block, scope: c.scope, address: m.address + address}
		if c.key != cty.NilVal {
			in.address += keyOf(c.key)
		}
		in.resource = &Resource{
			Address: in.address, Mode: e.block.mode, Type: e.block.kind, Name: e.block.name, Uncertain: kind == uncertain || m.uncertain(),
			Where: rangeOf(whole(e.block.Block)), Ignored: e.block.ignored,
			Attributes: map[string]Range{}, References: map[string][]string{}, Documents: map[string]Document{},
		}
		e.instances = append(e.instances, in)
	}
	e.running, e.ready = false, true
	return e
}

// uncertain reports whether the number of instances of the module, or of one
// that it is in, is not known.
func (m *module) uncertain() bool {
	for ; m.parent != nil; m = m.parent {
		for _, c := range m.parent.calls {
			if c.kind == uncertain && slices.Contains(c.children, m) {
				return true
			}
		}
	}
	return false
}

// resourceValue is what the address of a resource means to an expression that
// asks for some of its attributes.
func (m *module) resourceValue(address string, t hcl.Traversal, from int, asked []string, have cty.Value) (cty.Value, []reason) {
	e := m.expansion(address)
	if e == nil {
		return cty.DynamicVal, []reason{{fmt.Sprintf("there is no %s in %s", address, m.title()), true}}
	}
	if e.running || e.kind == uncertain {
		return cty.DynamicVal, nil
	}
	var fault []reason
	if name, ok := step(t, from); ok && e.kind != single {
		key := "[0]"
		if e.kind == keyed {
			key = `["key"]`
		}
		meta := map[multiplicity]string{counted: "count", keyed: "for_each"}[e.kind]
		fault = []reason{{fmt.Sprintf("%s has %s set: its attributes are those of an instance. Write %s%s.%s", address, meta, address, key, name), true}}
		return cty.DynamicVal, fault
	}
	keys := make([]cty.Value, 0, len(e.instances))
	list := make([]cty.Value, 0, len(e.instances))
	for i, in := range e.instances {
		key := cty.NilVal
		switch e.kind {
		case counted:
			key = cty.NumberIntVal(int64(i))
		case keyed:
			key = in.scope.each["key"]
		}
		keys = append(keys, key)
		v := in.object()
		if v.IsKnown() {
			missing := slices.DeleteFunc(slices.Clone(asked), func(a string) bool { return v.Type().HasAttribute(a) })
			if have != cty.NilVal && have.IsKnown() {
				for name := range partOf(have, e.kind, i, key) {
					if !v.Type().HasAttribute(name) && !slices.Contains(missing, name) {
						missing = append(missing, name)
					}
				}
			}
			if len(missing) > 0 {
				// Without the provider's schema, an attribute that is not
				// written may well be one that AWS fills in.
				values := v.AsValueMap()
				if values == nil {
					values = map[string]cty.Value{}
				}
				for _, name := range missing {
					values[name] = cty.DynamicVal
				}
				v = cty.ObjectVal(values)
			}
		}
		list = append(list, v)
	}
	return assemble(e.kind, keys, list), nil
}

// whyResource says why an attribute of a resource is not known.
func (m *module) whyResource(address, attr string) []reason {
	e := m.expansion(address)
	if e == nil {
		return nil
	}
	if len(e.why) > 0 {
		return []reason{{text: fmt.Sprintf("how many %s there are is not known", m.address+address)}}
	}
	for _, in := range e.instances {
		if in.running {
			return []reason{{in.address + " depends on itself", true}}
		}
		if why := in.why[attr]; len(why) > 0 {
			return why
		}
	}
	name := m.address + address
	if attr != "" {
		name += "." + attr
	}
	if e.block.mode == "data" {
		return []reason{{text: name + " is read from outside of the configuration"}}
	}
	return []reason{{text: name + " is known after apply"}}
}

// object evaluates the instance.
func (in *instance) object() cty.Value {
	if in.ready {
		return in.value
	}
	if in.running {
		return cty.DynamicVal
	}
	in.running = true
	r, b := in.resource, in.block
	in.why = map[string][]reason{}
	name, pass := in.providerName()
	var p *provider
	if pass {
		p = in.m.provider(name)
		r.Provider, r.Account, r.Region, r.Partition = p.Address, p.Account, p.Region, p.partition()
	}
	w := walk{in: in, r: r}
	in.values = w.body(in.scope, b.Body, "", true)
	if a, ok := b.Body.Attributes["depends_on"]; ok {
		if list, diags := hcl.ExprList(a.Expr); !diags.HasErrors() {
			for _, e := range list {
				if t, diags := hcl.AbsTraversalForExpr(e); !diags.HasErrors() {
					r.DependsOn = append(r.DependsOn, in.m.plain+addressOf(t))
				}
			}
		}
	}
	for _, attr := range slices.Sorted(maps.Keys(in.why)) {
		in.m.ev.notes(r.Attributes[attr].Position, r.Address, attr, in.why[attr])
	}
	if b.mode == "data" {
		in.data()
	}
	if k, ok := in.m.ev.o.known[in.address]; ok {
		overlay(in.values, k)
	}
	compute(r, in.values)
	if p != nil && b.mode == "managed" {
		p.tagged(in.values)
	}
	in.value = cty.ObjectVal(in.values)
	r.Values = in.value
	in.running, in.ready = false, true
	return in.value
}

// overlay lets what a plan or state says win over what the configuration
// would: all that is known there and not null.
func overlay(values map[string]cty.Value, said cty.Value) {
	for name, v := range said.AsValueMap() {
		have, ok := values[name]
		switch {
		case v.IsWhollyKnown() && (!v.IsNull() || !ok):
			values[name] = v
		case !v.IsKnown():
			// The configuration may know what the plan does not.
		case !ok || !have.IsWhollyKnown():
			values[name] = v
		}
	}
}

// metaArguments are those of every resource, which are not attributes.
var metaArguments = []string{"count", "for_each", "provider", "depends_on"}

// walk goes through the body of an instance.
type walk struct {
	in *instance
	r  *Resource
}

// body evaluates the attributes and nested blocks of a body. Paths begin with
// prefix.
func (w *walk) body(s *scope, b *hclsyntax.Body, prefix string, top bool) map[string]cty.Value {
	out := make(map[string]cty.Value, len(b.Attributes)+len(b.Blocks)+4)
	for name, a := range b.Attributes {
		if top && slices.Contains(metaArguments, name) {
			continue
		}
		path := prefix + name
		w.r.Attributes[path] = rangeOf(a.SrcRange)
		traversals := a.Expr.Variables()
		if refs := s.mentions(traversals); len(refs) > 0 {
			w.r.References[path] = refs
		}
		v, why := s.explainNames(a.Expr, traversals)
		if holdsPolicy(name) {
			if !v.IsWhollyKnown() {
				if filled, ok := s.filled(a.Expr, false); ok {
					v = filled
				}
			}
			w.r.Documents[path] = s.trace(a.Expr, Document{Range: rangeOf(a.SrcRange), Address: w.r.Address}, 0)
		}
		if len(why) > 0 {
			w.in.why[path] = why
		}
		out[name] = v
	}
	if len(b.Blocks) == 0 {
		return out
	}
	nested := map[string][]cty.Value{}
	unknown := map[string]bool{}
	for _, n := range b.Blocks {
		kind := nestedType(n)
		if top && (kind == "lifecycle" || kind == "connection" || kind == "provisioner") {
			continue
		}
		at := func() string {
			path := prefix + kind
			if i := len(nested[kind]); i > 0 {
				path += "[" + strconv.Itoa(i) + "]"
			}
			if _, ok := w.r.Attributes[path]; !ok {
				w.r.Attributes[path] = rangeOf(whole(n))
			}
			return path + "."
		}
		if n.Type != "dynamic" {
			nested[kind] = append(nested[kind], cty.ObjectVal(w.body(s, n.Body, at(), false)))
			continue
		}
		scopes, content, why := s.iterate(n)
		if len(why) > 0 {
			at()
			unknown[kind] = true
			w.in.why[prefix+kind] = append(w.in.why[prefix+kind], why...)
		}
		for _, inner := range scopes {
			nested[kind] = append(nested[kind], cty.ObjectVal(w.body(inner, content, at(), false)))
		}
	}
	for kind, list := range nested {
		out[kind] = cty.TupleVal(list)
	}
	for kind := range unknown {
		out[kind] = cty.DynamicVal
	}
	return out
}

// iterate expands a dynamic block: a scope for each of its contents.
func (s *scope) iterate(b *hclsyntax.Block) ([]*scope, *hclsyntax.Body, []reason) {
	var content *hclsyntax.Body
	for _, inner := range b.Body.Blocks {
		if inner.Type == "content" {
			content = inner.Body
		}
	}
	each, ok := b.Body.Attributes["for_each"]
	if content == nil || !ok {
		return nil, nil, []reason{{"a dynamic block has for_each and content", true}}
	}
	name := nestedType(b)
	if a, ok := b.Body.Attributes["iterator"]; ok {
		if name = hcl.ExprAsKeyword(a.Expr); name == "" {
			return nil, nil, []reason{{"iterator is not a name", true}}
		}
	}
	v, why := s.explain(each.Expr)
	if !v.IsKnown() || v.IsNull() || !v.CanIterateElements() {
		if v.IsKnown() && len(why) == 0 {
			why = []reason{{"for_each cannot be iterated", true}}
		}
		return nil, content, prefixed("for_each", why)
	}
	var out []*scope
	for it := v.ElementIterator(); it.Next(); {
		k, e := it.Element()
		if v.Type().IsSetType() {
			k = e
		}
		out = append(out, s.with(name, cty.ObjectVal(map[string]cty.Value{"key": k, "value": e})))
	}
	return out, content, nil
}

// converted is a value as a type, NilVal if it cannot be.
func converted(v cty.Value, t cty.Type) cty.Value {
	out, err := convert.Convert(v, t)
	if err != nil {
		return cty.NilVal
	}
	return out
}

// addressOf is the address that a reference begins with, without instance
// keys.
func addressOf(t hcl.Traversal) string {
	root := t.RootName()
	n := 1
	switch root {
	case "data":
		n = 2
	case "each", "count", "path", "terraform", "self":
		n = 0
	}
	out := root
	for i := 1; i <= n; i++ {
		name, ok := step(t, i)
		if !ok {
			break
		}
		out += "." + name
	}
	return out
}

// references lists what an expression mentions, and what the local values and
// variables among it stand for, as addresses without instance keys.
func (s *scope) references(expr hcl.Expression) []string { return s.mentions(expr.Variables()) }

// mentions is references for those who know what the expression mentions.
func (s *scope) mentions(traversals []hcl.Traversal) []string {
	m := s.m
	if len(traversals) == 0 {
		return nil
	}
	var out []string
	add := func(list ...string) {
		for _, a := range list {
			if !slices.Contains(out, a) {
				out = append(out, a)
			}
		}
	}
	for _, t := range traversals {
		root := t.RootName()
		name, _ := step(t, 1)
		switch root {
		case "each":
			switch k := s.behind(t); {
			case k != nil:
				add(k.scope.references(k.expr)...)
			case s.forEach != nil:
				add(m.scope().references(s.forEach)...)
			}
		case "count", "path", "terraform", "self":
			continue
		case "local", "var":
			add(m.plain + addressOf(t))
			add(m.behind(root, name)...)
		case "module":
			add(m.plain + addressOf(t))
			attr, _ := attributeAfter(t, 2)
			for _, child := range m.call(name).children {
				if b, ok := child.src.outputs[attr]; ok {
					if a, ok := b.Body.Attributes["value"]; ok {
						add(child.scope().references(a.Expr)...)
					}
				}
			}
		default:
			if root == "data" || m.src.byAddress[addressOf(t)] != nil {
				add(m.plain + addressOf(t))
			}
		}
	}
	return out
}

// behind are the references of a local value, or of what a variable was given.
func (m *module) behind(root, name string) []string {
	k := m.remember("references of "+root+"."+name, func(k *known) {
		if root == "local" {
			if a, ok := m.src.locals[name]; ok {
				k.refs = m.scope().references(a.Expr)
			}
		} else if a, ok := m.inputs[name]; ok && m.parent != nil {
			k.refs = m.inScope.references(a.Expr)
		}
	})
	return k.refs
}

func (in *instance) providerName() (string, bool) {
	name, _ := splitType(in.block.kind)
	if a, ok := in.block.Body.Attributes["provider"]; ok {
		name = providerName(a.Expr)
	}
	base, _, _ := cutDot(name)
	return name, base == "aws"
}
