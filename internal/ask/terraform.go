package ask

import (
	"cmp"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/hclwrite"
	"github.com/zclconf/go-cty/cty"

	"github.com/mantle-iam/mantle/iam"
	"github.com/mantle-iam/mantle/internal/estate"
	"github.com/mantle-iam/mantle/internal/tf"
)

// attribute is the value of a string attribute, or "" if it is not known.
func attribute(r *tf.Resource, name string) string {
	v := r.Values
	if v == cty.NilVal || !v.IsKnown() || v.IsNull() || !v.Type().IsObjectType() || !v.Type().HasAttribute(name) {
		return ""
	}
	return textOf(v.GetAttr(name))
}

// textOf is a string value, or "" if it is none or not known.
func textOf(v cty.Value) string {
	if v == cty.NilVal || !v.IsKnown() || v.IsNull() || v.Type() != cty.String {
		return ""
	}
	return v.AsString()
}

// An edit replaces the bytes from start to end.
type edit struct {
	start, end int
	text       string
}

// source is a file that is being changed.
type source struct {
	name  string
	text  []byte
	body  *hclsyntax.Body
	edits []edit
}

// patcher changes the files of one configuration.
type patcher struct {
	a     *Asker
	world *tf.World
	files map[string]*source
}

// terraform writes a fix into the Terraform files.
func (a *Asker) terraform(f *Fix) (*Patch, error) {
	var p *patcher
	for i := range f.Changes {
		c := &f.Changes[i]
		world, r := a.written(c)
		if r == nil {
			return nil, why("%s is not written there", short(c.Entity))
		}
		if p == nil {
			p = &patcher{a: a, world: world, files: map[string]*source{}}
			for name, text := range world.Files {
				if !strings.HasSuffix(name, ".tf") {
					continue
				}
				file, diags := hclsyntax.ParseConfig(text, name, hcl.InitialPos)
				if diags.HasErrors() {
					return nil, why("%s", diags.Error())
				}
				p.files[name] = &source{name: name, text: text, body: file.Body.(*hclsyntax.Body)}
			}
		} else if p.world != world {
			return nil, why("it spans several configurations")
		}
		if err := p.change(c, r); err != nil {
			return nil, err
		}
	}
	return p.patch()
}

func (p *patcher) patch() (*Patch, error) {
	out := &Patch{Dir: p.world.Dir, Files: map[string][]byte{}}
	for _, name := range slices.Sorted(maps.Keys(p.files)) {
		s := p.files[name]
		if len(s.edits) == 0 {
			continue
		}
		slices.SortStableFunc(s.edits, func(x, y edit) int { return cmp.Compare(x.start, y.start) })
		var b strings.Builder
		at := 0
		for _, e := range s.edits {
			if e.start < at {
				return nil, why("two changes of %s overlap", name)
			}
			b.Write(s.text[at:e.start])
			b.WriteString(e.text)
			at = e.end
		}
		b.Write(s.text[at:])
		after := []byte(b.String())
		if _, diags := hclsyntax.ParseConfig(after, name, hcl.InitialPos); diags.HasErrors() {
			return nil, why("%s", diags.Error())
		}
		shown, err := filepath.Rel(p.world.Dir, name)
		if err != nil || !filepath.IsLocal(shown) {
			return nil, why("%s is outside of %s", name, p.world.Dir)
		}
		out.Files[name] = after
		out.Diff += unified(filepath.ToSlash(shown), s.text, after)
	}
	return out, nil
}

// written finds the resource of the entity that a change is about.
func (a *Asker) written(c *Change) (*tf.World, *tf.Resource) {
	arn := c.Entity
	for _, w := range a.estate.Terraform {
		if w.Dir == "" && len(w.Files) == 0 {
			continue
		}
		if r := a.resourceOf(w, arn); r != nil {
			return w, r
		}
	}
	return nil, nil
}

// resourceOf finds the resource of a configuration that makes what an ARN names.
func (a *Asker) resourceOf(w *tf.World, arn string) *tf.Resource {
	where, ok := a.estate.Entities[arn]
	if r := a.resources[arn]; !ok && r != nil {
		where, ok = r.Where, r.Where.File != ""
	}
	if !ok {
		return nil
	}
	var found []*tf.Resource
	for _, r := range w.Resources {
		if r.Where == where && r.Mode != "data" && !r.Leaving() {
			found = append(found, r)
		}
	}
	// Instances of count and for_each, and of modules, are in one place.
	for _, r := range found {
		if attribute(r, "arn") == arn {
			return r
		}
	}
	for _, r := range found {
		for _, name := range []string{"name", "bucket"} {
			if v := attribute(r, name); v != "" && v == lastSegment(short(arn)) {
				return r
			}
		}
	}
	if len(found) == 1 {
		return found[0]
	}
	return nil
}

// folder is the folder of a file; files of one folder are one module.
func folder(name string) string { return filepath.Dir(name) }

// block finds a block of a module.
func (p *patcher) block(dir, kind, typ, name string) (*source, *hclsyntax.Block) {
	for _, s := range p.sources(dir) {
		for _, b := range s.body.Blocks {
			if b.Type == kind && len(b.Labels) == 2 && b.Labels[0] == typ && b.Labels[1] == name {
				return s, b
			}
		}
	}
	return nil, nil
}

func (p *patcher) sources(dir string) []*source {
	var out []*source
	for _, name := range slices.Sorted(maps.Keys(p.files)) {
		if folder(name) == dir {
			out = append(out, p.files[name])
		}
	}
	return out
}

// change makes the edits of one change to what resource r makes.
func (p *patcher) change(c *Change, r *tf.Resource) error {
	if c.policy == nil {
		if moduleOf(r) != "" {
			return p.newBesides(c, r)
		}
		src, b := p.block(folder(r.Where.File), "resource", r.Type, r.Name)
		if b == nil {
			return why("%s is not a resource block there", r.Address)
		}
		return p.newPolicy(c, r, src, b)
	}
	attr := ""
	switch {
	case c.What == "trust":
		attr = "assume_role_policy"
	case c.What == "managed":
		attr = "policy"
	default:
		// The policy has a resource of its own.
		w, ok := p.a.estate.Written[c.policy]
		if !ok {
			return why("where the policy of %s is written is not known", short(c.Entity))
		}
		owner := p.owner(&w)
		if owner == nil {
			return why("%s is not a resource block there", w.Address)
		}
		r = owner
		if attr = w.Attribute; attr == "" || strings.Contains(attr, ".") {
			attr = "policy"
		}
	}
	if moduleOf(r) != "" {
		return p.changeBesides(c, r)
	}
	src, b := p.block(folder(r.Where.File), "resource", r.Type, r.Name)
	if b == nil {
		return why("%s is not a resource block there", r.Address)
	}
	a := b.Body.Attributes[attr]
	if a == nil {
		return why("%s has no %s", r.Address, attr)
	}
	return p.edit(c, r, src, b, a)
}

// owner is the managed resource that a policy was written in, or the one that
// uses the data source that it was written in.
func (p *patcher) owner(w *estate.Written) *tf.Resource {
	for _, r := range p.world.Resources {
		if r.Mode == "data" || r.Leaving() {
			continue
		}
		if r.Address == w.Address {
			return r
		}
		if slices.Contains(r.References[w.Attribute], w.Address) || slices.Contains(r.References["policy"], w.Address) {
			return r
		}
	}
	return nil
}

// edit changes the policy that an attribute holds.
func (p *patcher) edit(c *Change, r *tf.Resource, src *source, b *hclsyntax.Block, a *hclsyntax.Attribute) error {
	if data := p.document(folder(src.name), a.Expr); data != nil {
		if p.uses(folder(src.name), data.block.Labels[1]) == 1 {
			return p.editData(c, data)
		}
		if c.add == nil {
			return why("data.aws_iam_policy_document.%s serves several policies", data.block.Labels[1])
		}
	}
	if call, ok := a.Expr.(*hclsyntax.FunctionCallExpr); ok && call.Name == "jsonencode" && len(call.Args) == 1 {
		if done, err := p.editObject(c, src, call.Args[0]); done || err != nil {
			return err
		}
	}
	if c.add == nil {
		return why("the statement is not written as a block or as jsonencode")
	}
	if done, err := p.editText(c, src, a); done || err != nil {
		return err
	}
	// Whatever the policy is made of, a document can take it in and add to it.
	return p.wrap(c, r, src, b, a)
}

// dataBlock is a policy document.
type dataBlock struct {
	src   *source
	block *hclsyntax.Block
}

// document is the block of data.aws_iam_policy_document.X.json.
func (p *patcher) document(dir string, e hclsyntax.Expression) *dataBlock {
	t, ok := e.(*hclsyntax.ScopeTraversalExpr)
	if !ok || t.Traversal.RootName() != "data" || len(t.Traversal) < 3 {
		return nil
	}
	typ, ok1 := t.Traversal[1].(hcl.TraverseAttr)
	name, ok2 := t.Traversal[2].(hcl.TraverseAttr)
	if !ok1 || !ok2 || typ.Name != "aws_iam_policy_document" {
		return nil
	}
	src, b := p.block(dir, "data", typ.Name, name.Name)
	if b == nil {
		return nil
	}
	return &dataBlock{src, b}
}

// uses counts how often a module mentions a policy document.
func (p *patcher) uses(dir, name string) int {
	n := 0
	for _, s := range p.sources(dir) {
		hclsyntax.VisitAll(s.body, func(node hclsyntax.Node) hcl.Diagnostics {
			if t, ok := node.(*hclsyntax.ScopeTraversalExpr); ok && t.Traversal.RootName() == "data" && len(t.Traversal) > 2 {
				if a, ok := t.Traversal[2].(hcl.TraverseAttr); ok && a.Name == name {
					n++
				}
			}
			return nil
		})
	}
	return n
}

// editData changes a policy document block.
func (p *patcher) editData(c *Change, d *dataBlock) error {
	end := d.block.CloseBraceRange.Start.Byte
	if c.add != nil {
		text, err := p.statement(c.add, "  ")
		if err != nil {
			return err
		}
		d.src.edits = append(d.src.edits, edit{lineStart(d.src.text, end), lineStart(d.src.text, end), text})
		return nil
	}
	var list []*hclsyntax.Block
	for _, b := range d.block.Body.Blocks {
		if b.Type == "statement" {
			list = append(list, b)
		}
	}
	if len(list) != c.policy.Len() {
		return why("data.aws_iam_policy_document.%s has statements that are not blocks of its own", d.block.Labels[1])
	}
	s := list[c.index]
	switch c.narrow {
	case "resource":
		a := s.Body.Attributes["resources"]
		if a == nil {
			return why("the deny has no resources")
		}
		ref, err := p.reference(c.spare)
		if err != nil {
			return err
		}
		d.src.edits = append(d.src.edits, edit{a.SrcRange.Start.Byte, a.SrcRange.End.Byte, "not_resources = [" + ref + "]"})
	case "principal":
		ref, err := p.reference(c.spare)
		if err != nil {
			return err
		}
		at := lineStart(d.src.text, s.CloseBraceRange.Start.Byte)
		d.src.edits = append(d.src.edits, edit{at, at, "    condition {\n      test     = \"ArnNotEquals\"\n      variable = \"aws:PrincipalArn\"\n      values   = [" + ref + "]\n    }\n"})
	default:
		d.src.edits = append(d.src.edits, edit{lineStart(d.src.text, s.TypeRange.Start.Byte), lineEnd(d.src.text, s.CloseBraceRange.End.Byte), ""})
	}
	return nil
}

// lineStart is where the line of a byte begins, or the byte itself if something
// other than space stands before it.
func lineStart(text []byte, at int) int {
	i := at
	for i > 0 && (text[i-1] == ' ' || text[i-1] == '\t') {
		i--
	}
	if i > 0 && text[i-1] != '\n' {
		return at
	}
	return i
}

func lineEnd(text []byte, at int) int {
	for at < len(text) && text[at] != '\n' {
		at++
	}
	return min(at+1, len(text))
}

// statement is a statement as a block of aws_iam_policy_document.
func (p *patcher) statement(s *statementJSON, indent string) (string, error) {
	f := hclwrite.NewEmptyFile()
	b := f.Body().AppendNewBlock("statement", nil).Body()
	b.SetAttributeRaw("actions", raw(list(quoted(s.Action))))
	if len(s.Resource) > 0 {
		refs, err := p.references(s.Resource)
		if err != nil {
			return "", err
		}
		b.SetAttributeRaw("resources", raw(list(refs)))
	}
	if who, ok := s.Principal.(map[string][]string); ok {
		for _, kind := range slices.Sorted(maps.Keys(who)) {
			refs, err := p.references(who[kind])
			if err != nil {
				return "", err
			}
			pb := b.AppendNewBlock("principals", nil).Body()
			pb.SetAttributeValue("type", cty.StringVal(kind))
			pb.SetAttributeRaw("identifiers", raw(list(refs)))
		}
	}
	return indentLines(string(hclwrite.Format(f.Bytes())), indent), nil
}

func raw(expr string) hclwrite.Tokens {
	return hclwrite.Tokens{{Type: hclsyntax.TokenIdent, Bytes: []byte(expr)}}
}

func quoted(list []string) []string {
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = quote(s)
	}
	return out
}

// quote is a string as HCL writes it.
func quote(s string) string {
	return string(hclwrite.TokensForValue(cty.StringVal(s)).Bytes())
}

func list(items []string) string { return "[" + strings.Join(items, ", ") + "]" }

func indentLines(text, indent string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		if strings.TrimSpace(line) != "" {
			b.WriteString(indent)
		}
		b.WriteString(line)
	}
	return b.String()
}

func (p *patcher) references(arns []string) ([]string, error) {
	out := make([]string, len(arns))
	for i, arn := range arns {
		var err error
		if out[i], err = p.reference(arn); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// module is the address of the module that a resource is in.
func moduleOf(r *tf.Resource) string {
	i := strings.LastIndex(r.Address, r.Type+"."+r.Name)
	if i < 0 {
		return ""
	}
	return r.Address[:i]
}

// reference is an ARN as an expression in the root module: a reference if the
// root module makes what it names or gets its ARN from a module that it calls,
// else the ARN itself.
func (p *patcher) reference(arn string) (string, error) {
	for holder, rest := arn, ""; ; {
		ref := ""
		if r := p.a.resourceOf(p.world, holder); r != nil && moduleOf(r) == "" {
			ref = r.Address + ".arn"
		} else {
			ref = p.output(func(o tf.Output) bool { return textOf(o.Value) == holder })
		}
		if ref != "" {
			if rest == "" {
				return ref, nil
			}
			return `"${` + ref + `}` + strings.Trim(quote(rest), `"`) + `"`, nil
		}
		i := strings.LastIndexByte(holder, '/')
		if i < 0 {
			break
		}
		holder, rest = holder[:i], holder[i:]+rest
	}
	if x, err := iam.ParseARN(arn); err == nil && (tf.Placeholder(x.Account) || strings.ContainsAny(arn, "«»")) {
		return "", why("the ARN of %s is not known before apply, and the module that makes it has no output for it: add one", short(arn))
	}
	return quote(arn), nil
}
