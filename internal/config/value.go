package config

import (
	"fmt"
	"maps"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
)

// value is an argument with its expression, for places.
type value struct {
	name string // of the argument
	v    cty.Value
	expr hcl.Expression
	at   Position
}

// item is a string with its place and, if file() gave it whole, the file.
type item struct {
	text string
	at   Position
	file string
	expr hcl.Expression // nil if the place of the item is not known
}

// pair is an entry of a map.
type pair struct {
	key   string
	keyAt Position
	value item
}

// value evaluates an argument. It answers false for what is left out, in
// error (then reported) or not known because of an error elsewhere.
func (d *decoder) value(name string, e hcl.Expression) (value, bool) {
	at := place(e.Range().Filename, e.Range().Start)
	if !d.references(e) {
		return value{}, false
	}
	v, diags := e.Value(d.eval)
	d.addHCL(diags)
	if diags.HasErrors() {
		return value{}, false
	}
	if bare, _ := v.Unmark(); bare.IsNull() || !bare.IsKnown() {
		return value{}, false
	}
	return value{name, v, e, at}, true
}

// references checks every role.NAME in an expression before it is evaluated,
// to say more than "no attribute".
func (d *decoder) references(e hcl.Expression) bool {
	sound := true
	for _, t := range e.Variables() {
		if t.RootName() != "role" || len(t) < 2 {
			continue
		}
		var name string
		switch step := t[1].(type) {
		case hcl.TraverseAttr:
			name = step.Name
		case hcl.TraverseIndex:
			if step.Key.Type() == cty.String {
				name = step.Key.AsString()
			}
		}
		if _, ok := d.roles[name]; name != "" && !ok {
			r := t[1].SourceRange()
			d.noRole(place(r.Filename, r.Start), name)
			sound = false
		}
	}
	return sound
}

func (d *decoder) noRole(at Position, name string) {
	d.add(at, d.suggest(name, slices.Sorted(maps.Keys(d.roles)), "declare it: role "+quote(name)+" { arn = … }"), "there is no role %s", quote(name))
}

// wrong reports a value of the wrong type.
func (d *decoder) wrong(at Position, name, want string, v cty.Value) {
	hint, is := "", v.Type().FriendlyName()
	switch t := v.Type(); {
	case v.IsNull():
		is = "null"
	case t == cty.Number || t == cty.Bool:
		if want == "a string" {
			hint = "put it in quotes"
		}
	case t.IsTupleType():
		is = "list"
	case t.IsObjectType():
		is = "map"
	}
	if is != "null" {
		is = "a " + is
	}
	d.add(at, hint, "%s must be %s, not %s", name, want, is)
}

// item reads a string. The name is what a message calls it.
func (d *decoder) item(name string, v cty.Value, at Position, e hcl.Expression) (item, bool) {
	v, marks := v.Unmark()
	if !v.IsKnown() {
		return item{}, false
	}
	if v.IsNull() || v.Type() != cty.String {
		d.wrong(at, name, "a string", v)
		return item{}, false
	}
	it := item{text: v.AsString(), at: at, expr: e}
	for m := range marks {
		if f, ok := m.(fileMark); ok && d.texts[string(f)] == it.text {
			it.file = string(f)
		}
	}
	return it, true
}

// text reads an argument that is a string.
func (d *decoder) text(v value) (item, bool) { return d.item(v.name, v.v, v.at, v.expr) }

// filled is text that must not be empty.
func (d *decoder) filled(v value) (item, bool) {
	it, ok := d.text(v)
	if ok && it.text == "" {
		d.add(v.at, "remove the argument or give it a value", "%s is empty", v.name)
		return it, false
	}
	return it, ok
}

// truth reads an argument that is true or false.
func (d *decoder) truth(v value) bool {
	b, _ := v.v.Unmark()
	if b.Type() != cty.Bool {
		d.wrong(v.at, v.name, "true or false", b)
		return false
	}
	return b.True()
}

// number reads an argument that is a whole number.
func (d *decoder) number(v value) (int, bool) {
	n, _ := v.v.Unmark()
	if n.Type() != cty.Number {
		d.wrong(v.at, v.name, "a number", n)
		return 0, false
	}
	big := n.AsBigFloat()
	i, exact := big.Int64()
	if exact != 0 {
		d.add(v.at, "", "%s must be a whole number", v.name)
		return 0, false
	}
	return int(i), true
}

// elements reads an argument that is a list, with the place of each element
// where the list is written out.
func (d *decoder) elements(v value) []value {
	list, _ := v.v.Unmark()
	if t := list.Type(); !t.IsTupleType() && !t.IsListType() && !t.IsSetType() {
		d.wrong(v.at, v.name, "a list, as in [\"a\", \"b\"]", list)
		return nil
	}
	exprs, diags := hcl.ExprList(v.expr)
	n := list.LengthInt()
	written := !diags.HasErrors() && len(exprs) == n
	var out []value
	for _, e := range list.Elements() {
		el := value{fmt.Sprintf("%s[%d]", v.name, len(out)), e, nil, v.at}
		if written {
			el.expr = exprs[len(out)]
			el.at = place(el.expr.Range().Filename, el.expr.Range().Start)
		}
		out = append(out, el)
	}
	return out
}

// list reads an argument that is a list of strings.
func (d *decoder) list(v value) []item {
	var out []item
	for _, e := range d.elements(v) {
		if it, ok := d.text(e); ok {
			out = append(out, it)
		}
	}
	return out
}

// dict reads an argument that is a map of strings, sorted by key.
func (d *decoder) dict(v value) []pair {
	m, _ := v.v.Unmark()
	if t := m.Type(); !t.IsObjectType() && !t.IsMapType() {
		d.wrong(v.at, v.name, "a map, as in { key = \"value\" }", m)
		return nil
	}
	places := map[string][2]hcl.Expression{}
	if kvs, diags := hcl.ExprMap(v.expr); !diags.HasErrors() {
		for _, kv := range kvs {
			if k, diags := kv.Key.Value(d.eval); !diags.HasErrors() {
				places[plain(k)] = [2]hcl.Expression{kv.Key, kv.Value}
			}
		}
	}
	var out []pair
	for k, e := range m.Elements() {
		p := pair{key: k.AsString(), keyAt: v.at}
		at, expr := v.at, hcl.Expression(nil)
		if es, ok := places[p.key]; ok {
			p.keyAt = place(es[0].Range().Filename, es[0].Range().Start)
			expr = es[1]
			at = place(expr.Range().Filename, expr.Range().Start)
		}
		var ok bool
		if p.value, ok = d.item(fmt.Sprintf("%s[%s]", v.name, quote(p.key)), e, at, expr); ok {
			out = append(out, p)
		}
	}
	return out
}

// plain is a string value as it is, "" for anything else.
func plain(v cty.Value) string {
	if v == cty.NilVal {
		return ""
	}
	if v, _ = v.Unmark(); v.IsKnown() && !v.IsNull() && v.Type() == cty.String {
		return v.AsString()
	}
	return ""
}

func texts(items []item) []string {
	var out []string
	for _, it := range items {
		out = append(out, it.text)
	}
	return out
}
