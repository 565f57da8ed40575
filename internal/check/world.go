package check

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/zclconf/go-cty/cty"

	"github.com/mantle-iam/mantle/internal/tf"
)

// get is an attribute, or of a nested block's first one its attribute:
// "metadata_options.http_tokens". It is cty.NilVal where there is none.
func get(v cty.Value, path string) cty.Value {
	for name := range strings.SplitSeq(path, ".") {
		v = firstOf(v)
		if v == cty.NilVal || !v.IsKnown() || v.IsNull() || !v.Type().IsObjectType() || !v.Type().HasAttribute(name) {
			if v != cty.NilVal && v.Type().IsMapType() && v.IsKnown() && !v.IsNull() && v.HasIndex(cty.StringVal(name)).True() {
				v = v.Index(cty.StringVal(name))
				continue
			}
			if v != cty.NilVal && !v.IsKnown() {
				return cty.DynamicVal
			}
			return cty.NilVal
		}
		v = v.GetAttr(name)
	}
	return v
}

// firstOf is the first element of a list of blocks; other values are
// themselves.
func firstOf(v cty.Value) cty.Value {
	if v == cty.NilVal {
		return v
	}
	if v.IsMarked() {
		v, _ = v.Unmark()
	}
	if !v.IsKnown() || v.IsNull() {
		return v
	}
	if t := v.Type(); t.IsListType() || t.IsTupleType() || t.IsSetType() {
		for _, e := range v.Elements() {
			return e
		}
		return cty.NilVal
	}
	return v
}

// str is a string attribute. Not known is said of what only an apply tells;
// what is not set is known to be "".
func str(v cty.Value, path string) (s string, known bool) {
	x := get(v, path)
	switch {
	case x == cty.NilVal:
		return "", true
	case !x.IsKnown():
		return "", false
	}
	x, _ = x.Unmark()
	switch {
	case x.IsNull():
		return "", true
	case x.Type() == cty.String:
		return x.AsString(), true
	case x.Type() == cty.Number:
		return x.AsBigFloat().Text('f', -1), true
	case x.Type() == cty.Bool:
		if x.True() {
			return "true", true
		}
		return "false", true
	}
	return "", true
}

// blocks are the nested blocks of a name, or the elements of a list.
func blocks(v cty.Value, name string) []cty.Value {
	x := get(v, name)
	if x == cty.NilVal || !x.IsKnown() {
		return nil
	}
	x, _ = x.UnmarkDeep()
	if x.IsNull() {
		return nil
	}
	if t := x.Type(); t.IsListType() || t.IsTupleType() || t.IsSetType() {
		var out []cty.Value
		for _, e := range x.Elements() {
			out = append(out, e)
		}
		return out
	}
	return []cty.Value{x}
}

// texts are the strings of a list attribute.
func texts(v cty.Value, path string) (out []string) {
	x := get(v, path)
	if x == cty.NilVal || !x.IsKnown() {
		return nil
	}
	x, _ = x.UnmarkDeep()
	if x.IsNull() || !x.CanIterateElements() {
		return nil
	}
	for _, e := range x.Elements() {
		if e.IsKnown() && !e.IsNull() && e.Type() == cty.String {
			out = append(out, e.AsString())
		}
	}
	return out
}

// place is where an attribute is written, or else the resource.
func place(r *tf.Resource, path string) tf.Range {
	if w, ok := r.Attributes[path]; ok && w.File != "" {
		return w
	}
	return r.Where
}

// head is a resource's first line: what a finding about the whole points at.
func head(r *tf.Resource) tf.Range { return r.Where }

// references are the addresses that an attribute mentions, at any depth.
func references(r *tf.Resource, path string) (out []string) {
	for p, refs := range r.References {
		if p == path || strings.HasPrefix(p, path+".") || strings.HasPrefix(p, path+"[") {
			out = append(out, refs...)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// plain is an address without instance keys: references have none.
func plain(address string) string {
	var b strings.Builder
	depth, quoted := 0, false
	for _, c := range address {
		switch {
		case c == '"' && depth > 0:
			quoted = !quoted
		case c == '[' && !quoted:
			depth++
		case c == ']' && !quoted:
			depth--
		case depth == 0:
			b.WriteRune(c)
		}
	}
	return b.String()
}

// moduleOf is the module part of an address, with its final dot.
func moduleOf(r *tf.Resource) string {
	own := r.Type + "." + r.Name
	if r.Mode == "data" {
		own = "data." + own
	}
	p := plain(r.Address)
	return strings.TrimSuffix(p, own)
}

// An index finds the resources of a world.
type index struct {
	world *tf.World
	byAt  map[string][]*tf.Resource // by plain address
	types map[string][]*tf.Resource
	names map[string]map[string]*tf.Resource // by type and attribute, made when asked for
}

func newIndex(w *tf.World) *index {
	x := &index{world: w, byAt: map[string][]*tf.Resource{}, types: map[string][]*tf.Resource{}, names: map[string]map[string]*tf.Resource{}}
	for _, r := range w.Resources {
		if r.Leaving() {
			continue
		}
		p := plain(r.Address)
		x.byAt[p] = append(x.byAt[p], r)
		if r.Mode == "managed" {
			x.types[r.Type] = append(x.types[r.Type], r)
		}
	}
	return x
}

// referred are the resources that an attribute of r mentions.
func (x *index) referred(r *tf.Resource, path string) (out []*tf.Resource) {
	module := moduleOf(r)
	for _, a := range references(r, path) {
		found := x.byAt[module+plain(a)]
		if found == nil {
			found = x.byAt[plain(a)]
		}
		out = append(out, found...)
	}
	return out
}

// sourceOf is the source of an attribute's text: the attribute itself, and the
// policy documents that it refers to.
func (f *facts) sourceOf(w *tf.World, r *tf.Resource, path string) source {
	s := source{files: w.Files}
	x := f.index[w]
	seen := map[*tf.Resource]bool{}
	var follow func(r *tf.Resource, path string)
	follow = func(r *tf.Resource, path string) {
		for _, d := range x.referred(r, path) {
			if d.Mode == "data" && d.Type == "aws_iam_policy_document" && !seen[d] {
				seen[d] = true
				s.ranges = append(s.ranges, d.Where)
				follow(d, "source_policy_documents")
				follow(d, "override_policy_documents")
				follow(d, "source_json")
			}
		}
	}
	if d, ok := r.Documents[path]; ok && d.File != "" {
		s.ranges = append(s.ranges, d.Range)
	}
	follow(r, path)
	if a, ok := r.Attributes[path]; ok && a.File != "" {
		s.ranges = append(s.ranges, a)
	} else if r.Where.File != "" {
		s.ranges = append(s.ranges, r.Where)
	}
	return s
}

// named is a managed resource of a type whose attribute has a value.
func (x *index) named(kind, attribute, value string) *tf.Resource {
	key := kind + "." + attribute
	if x.names[key] == nil {
		x.names[key] = map[string]*tf.Resource{}
		for _, r := range x.types[kind] {
			if s, ok := str(r.Values, attribute); ok && s != "" && x.names[key][s] == nil {
				x.names[key][s] = r
			}
		}
	}
	return x.names[key][value]
}

func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }
