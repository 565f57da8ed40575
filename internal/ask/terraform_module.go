package ask

import (
	"encoding/json"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"github.com/mantle-iam/mantle/internal/tf"
)

// A module is used by others too, or is somebody else's: a fix of what a module
// makes is written into the root module, or not at all.

// callOf finds the call of the root module that a resource comes from; nil if it
// has none or their number is not known.
func (p *patcher) callOf(r *tf.Resource) *tf.Call {
	for i := range p.world.Calls {
		if c := &p.world.Calls[i]; strings.HasPrefix(r.Address, c.Address+".") {
			return c
		}
	}
	return nil
}

// callBlock is the block of a call.
func (p *patcher) callBlock(c *tf.Call) (*source, *hclsyntax.Block) {
	for _, s := range p.sources(filepath.Clean(p.world.Dir)) {
		for _, b := range s.body.Blocks {
			if b.Type == "module" && len(b.Labels) == 1 && b.Labels[0] == c.Name {
				return s, b
			}
		}
	}
	return nil, nil
}

// output is the expression of the first output, of any module that the root
// module calls, that will do; "" if there is none.
func (p *patcher) output(will func(tf.Output) bool) string {
	for i := range p.world.Calls {
		c := &p.world.Calls[i]
		for _, name := range slices.Sorted(maps.Keys(c.Outputs)) {
			if will(c.Outputs[name]) {
				return c.Address + "." + name
			}
		}
	}
	return ""
}

// providerOf is the provider argument, as a line, of a resource of the root
// module that is to be in the account of a module's resource.
func (p *patcher) providerOf(r *tf.Resource) (string, error) {
	name := r.Provider
	if strings.HasPrefix(name, "module.") {
		name = ""
		for _, x := range p.world.Providers {
			if !strings.HasPrefix(x.Address, "module.") && x.Account == r.Account && !tf.Placeholder(x.Account) {
				name = x.Address
				break
			}
		}
	}
	switch name {
	case "":
		return "", why("the root module has no provider for the account of %s", r.Address)
	case "aws":
		return "", nil
	}
	return "  provider = " + name + "\n", nil
}

// newBesides writes a policy that is new, for what a module makes, into the root
// module.
func (p *patcher) newBesides(c *Change, r *tf.Resource) error {
	call := p.callOf(r)
	if call == nil {
		return why("which of the calls of the root module makes %s is not known", r.Address)
	}
	src, b := p.callBlock(call)
	if b == nil {
		return why("%s is not called in a block of the root module", call.Address)
	}
	if r.Type == "aws_iam_role" && (hasBlocks(r, "inline_policy") || p.exclusive(r)) {
		return why("%s (%s) makes %s, and lists all inline policies that it may have", call.Address, call.Dir, short(c.Entity))
	}
	at := newPlace{src: src, block: b, name: call.Name}
	var err error
	if at.head, err = p.providerOf(r); err != nil {
		return err
	}
	if r.Type == "aws_dynamodb_table" {
		at.owner, err = p.reference(c.Entity)
	} else {
		at.owner, err = p.nameOf(c.Entity, r, call, &at)
	}
	if err != nil {
		return err
	}
	return p.newResource(c, r.Type, at)
}

// nameOf is the name of a module's role, user or bucket as an expression of the
// root module: an output for it, what stands at the end of its ARN, or its text.
func (p *patcher) nameOf(arn string, r *tf.Resource, call *tf.Call, at *newPlace) (string, error) {
	name, plain := lastSegment(short(arn)), tf.WithoutKeys(r.Address)
	// An output that holds the same text may be the name of something else, as
	// of the role's instance profile.
	made := func(o tf.Output) bool { return slices.Contains(o.References, plain) }
	if ref := p.output(func(o tf.Output) bool { return textOf(o.Value) == name && made(o) }); ref != "" {
		return ref, nil
	}
	if ref := p.output(func(o tf.Output) bool { return textOf(o.Value) == arn && made(o) }); ref != "" {
		if strings.Contains(short(arn), "/") {
			return `reverse(split("/", ` + ref + `))[0]`, nil
		}
		return `reverse(split(":", ` + ref + `))[0]`, nil
	}
	if strings.Contains(name, "«") {
		return "", why("the name of %s is known after apply, and %s (%s) has no output for it: add one", short(arn), call.Address, call.Dir)
	}
	// No output says when the module has made it.
	at.tail = "  depends_on = [module." + call.Name + "]\n"
	return quote(name) + " # made by " + call.Address + ", which has no output for it", nil
}

// exclusive reports whether the configuration lists all inline policies of a role.
func (p *patcher) exclusive(r *tf.Resource) bool {
	return slices.ContainsFunc(p.world.Resources, func(x *tf.Resource) bool {
		return x.Type == "aws_iam_role_policies_exclusive" && x.Mode != "data" && attribute(x, "role_name") == attribute(r, "name")
	})
}

// hasBlocks reports whether a resource has nested blocks of a type.
func hasBlocks(r *tf.Resource, kind string) bool {
	v := r.Values
	if v == cty.NilVal || !v.IsKnown() || v.IsNull() || !v.Type().IsObjectType() || !v.Type().HasAttribute(kind) {
		return false
	}
	v = v.GetAttr(kind)
	return !v.IsKnown() || !v.IsNull() && v.CanIterateElements() && v.LengthInt() > 0
}

// changeBesides changes a policy that a module's resource holds: where it is
// written, if that is in the root module, or what the module is called with.
func (p *patcher) changeBesides(c *Change, r *tf.Resource) error {
	call := p.callOf(r)
	if call == nil {
		return why("which of the calls of the root module makes %s is not known", r.Address)
	}
	for i := range p.world.Calls {
		if x := &p.world.Calls[i]; x != call && x.Name == call.Name {
			return why("module.%s has several instances, which would all change", call.Name)
		}
	}
	if done, err := p.changeWritten(c); done || err != nil {
		return err
	}
	if c.What == "trust" && c.add != nil {
		if done, err := p.letInByArgument(c, r, call); done || err != nil {
			return err
		}
		return why("%s (%s) makes %s, and no argument of its call lists whom it trusts; its trust policy needs %s", call.Address, call.Dir, short(c.Entity), statementOf(c.add))
	}
	what := "its policy"
	if c.What == "inline" {
		what = "policy " + c.Name
	}
	return why("%s (%s) makes %s, and %s is not written in the root module: %s", call.Address, call.Dir, short(c.Entity), what, c.Text)
}

// statementOf is a statement as JSON in a line.
func statementOf(s *statementJSON) string {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(s); err != nil {
		return err.Error() // of strings, which cannot be
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// changeWritten changes a policy in the root module although a module's resource
// holds it. It reports false if it is not written there in a form that can be
// changed.
func (p *patcher) changeWritten(c *Change) (bool, error) {
	w, ok := p.a.estate.Written[c.policy]
	if !ok || w.File == "" || folder(w.File) != filepath.Clean(p.world.Dir) {
		return false, nil
	}
	if name, ok := strings.CutPrefix(tf.WithoutKeys(w.Address), "data.aws_iam_policy_document."); ok {
		src, b := p.block(folder(w.File), "data", "aws_iam_policy_document", name)
		if b == nil {
			return false, nil
		}
		if p.uses(folder(w.File), name) != 1 {
			return false, why("data.aws_iam_policy_document.%s serves several policies", name)
		}
		return true, p.editData(c, &dataBlock{src, b})
	}
	src := p.files[w.File]
	if src == nil {
		return false, nil
	}
	v := &finder{start: w.Start, end: w.End}
	if diags := hclsyntax.Walk(src.body, v); diags.HasErrors() || v.found == nil {
		return false, nil
	}
	return p.editObject(c, src, v.found)
}

// finder finds the object that stands between two bytes of a file.
type finder struct {
	start, end int
	found      *hclsyntax.ObjectConsExpr
}

// Enter implements [hclsyntax.Walker].
func (f *finder) Enter(n hclsyntax.Node) hcl.Diagnostics {
	if o, ok := n.(*hclsyntax.ObjectConsExpr); ok && o.Range().Start.Byte == f.start && o.Range().End.Byte == f.end {
		f.found = o
	}
	return nil
}

// Exit implements [hclsyntax.Walker].
func (f *finder) Exit(hclsyntax.Node) hcl.Diagnostics { return nil }

// letInByArgument adds to the argument of a module's call that lists whom the
// module's role trusts. It reports false if there is none.
func (p *patcher) letInByArgument(c *Change, r *tf.Resource, call *tf.Call) (bool, error) {
	who, ok := c.add.Principal.(map[string][]string)
	if !ok || len(who) != 1 || !slices.Equal(c.add.Action, []string{"sts:AssumeRole"}) {
		return false, nil
	}
	src, b := p.callBlock(call)
	if b == nil {
		return false, nil
	}
	trusted := p.trusted(r)
	var found *hclsyntax.Attribute
	var add []string
	for kind, ids := range who {
		for _, name := range slices.Sorted(maps.Keys(b.Body.Attributes)) {
			have, ok := principalsOf(kind, call.Arguments[name])
			if !ok || !slices.Contains(trusted, "module."+call.Name+".var."+name) {
				continue
			}
			if slices.ContainsFunc(ids, func(id string) bool { return slices.Contains(have, id) }) {
				return false, nil // what is lacking is something else
			}
			if found != nil {
				return false, why("whom %s trusts is in several arguments of %s", short(c.Entity), call.Address)
			}
			found, add = b.Body.Attributes[name], ids
		}
	}
	if found == nil {
		return false, nil
	}
	refs, err := p.references(add)
	if err != nil {
		return false, err
	}
	if t, ok := found.Expr.(*hclsyntax.TupleConsExpr); ok {
		last := t.Exprs[len(t.Exprs)-1].Range().End.Byte
		src.edits = append(src.edits, edit{last, last, ", " + strings.Join(refs, ", ")})
		return true, nil
	}
	start, end := found.Expr.Range().Start.Byte, found.Expr.Range().End.Byte
	src.edits = append(src.edits, edit{start, end, "concat(" + string(src.text[start:end]) + ", " + list(refs) + ")"})
	return true, nil
}

// principalsOf are the elements of an argument that lists principals of a kind. An
// empty list says nothing of what it is for.
func principalsOf(kind string, v cty.Value) ([]string, bool) {
	if v == cty.NilVal || !v.IsKnown() || v.IsNull() || !(v.Type().IsTupleType() || v.Type().IsListType()) || v.LengthInt() == 0 {
		return nil, false
	}
	var out []string
	for _, e := range v.AsValueSlice() {
		s := textOf(e)
		switch {
		case kind == "AWS" && strings.HasPrefix(s, "arn:"):
		case kind == "Service" && !strings.Contains(s, "/") && strings.Contains(s, ".amazonaws.com"):
		default:
			return nil, false
		}
		out = append(out, s)
	}
	return out, true
}

// trusted are the addresses that decide whom a role trusts.
func (p *patcher) trusted(r *tf.Resource) []string {
	var out []string
	var follow func(refs []string)
	follow = func(refs []string) {
		for _, ref := range refs {
			if slices.Contains(out, ref) {
				continue
			}
			out = append(out, ref)
			if !strings.Contains(ref, "data.aws_iam_policy_document.") {
				continue
			}
			for _, d := range p.world.Resources {
				if d.Mode != "data" || tf.WithoutKeys(d.Address) != ref {
					continue
				}
				for path, refs := range d.References {
					if strings.HasSuffix(path, ".identifiers") || strings.HasSuffix(path, "_policy_documents") {
						follow(refs)
					}
				}
			}
		}
	}
	follow(r.References["assume_role_policy"])
	return out
}
