package config

import (
	"fmt"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	hcljson "github.com/hashicorp/hcl/v2/json"
	"github.com/zclconf/go-cty/cty"
)

// field is one argument of a block: a row says its name, what it takes, what
// it means and how it is read, so that no argument can be read without being
// documented nor documented without being read.
type field[T any] struct {
	name     string
	want     string // what it takes, for people: "string", "list of ARNs"
	def      string // what holds when it is left out, for people
	doc      string
	required bool
	set      func(d *decoder, into *T, v value)
}

// child is a kind of block inside a block.
type child[T any] struct {
	block documented
	doc   string
	many  bool
	set   func(d *decoder, into *T, b *hcl.Block)
}

// block is a kind of block. Its fields are read in the order of the table.
type block[T any] struct {
	name     string // as it is written; "" = the file itself
	label    string // what the label names; "" = no label
	doc      string
	fields   []field[T]
	children []child[T]
	where    func(*T) *Where
	check    func(d *decoder, into *T) // what no single argument shows; may be nil
}

// decoder turns the parsed file into a Config and notes every problem.
type decoder struct {
	problems
	name     string // of the file
	src      Source
	json     bool
	eval     *hcl.EvalContext
	roles    map[string]Position // every role block, also the unsound ones
	texts    map[string]string   // file() results by path
	recorded map[string]Position // places of names that must be unique, see unique
	config   *Config
}

func newDecoder(name string, src []byte, from Source) *decoder {
	files := map[string][]byte{name: src}
	return &decoder{
		problems: problems{files: files, first: name},
		name:     name,
		src:      from,
		json:     isJSON(name),
		roles:    map[string]Position{},
		texts:    map[string]string{},
		recorded: map[string]Position{},
		config:   &Config{Path: name, src: from, files: files},
	}
}

// run parses and decodes. A file with broken syntax is not looked into
// further: what would be reported next follows from what is missing.
func (d *decoder) run() *Config {
	if !d.nesting() {
		return nil
	}
	var file *hcl.File
	var diags hcl.Diagnostics
	if d.json {
		file, diags = hcljson.Parse(d.files[d.name], d.name)
	} else {
		file, diags = hclsyntax.ParseConfig(d.files[d.name], d.name, hcl.InitialPos)
	}
	if diags.HasErrors() {
		d.addHCL(diags)
		return nil
	}
	d.eval = d.evalContext(file.Body)
	decode(d, rootBlock(), file.Body, Position{d.name, 1, 1}, d.config)
	return d.config
}

// decode reads one block's body into the value it describes.
func decode[T any](d *decoder, b block[T], body hcl.Body, at Position, into *T) {
	content, diags := body.Content(b.hclSchema(d.json))
	d.addHCL(diags, b.names()...)
	where := Where{Position: at, args: map[string]Position{}}
	for _, f := range b.fields {
		if attr := content.Attributes[f.name]; attr != nil && !isNull(attr.Expr) {
			where.args[f.name] = place(attr.Expr.Range().Filename, attr.Expr.Range().Start)
		} else if f.required {
			d.add(at, fmt.Sprintf("add %s = …   # %s", f.name, f.want), "%s has no %s", b.call(), f.name)
		}
	}
	*b.where(into) = where
	for _, f := range b.fields {
		if attr := content.Attributes[f.name]; attr != nil {
			if v, ok := d.value(f.name, attr.Expr); ok {
				f.set(d, into, v)
			}
		}
	}
	for _, c := range b.children {
		name := c.block.describe().name
		var first Position
		for _, hb := range content.Blocks {
			if hb.Type != name {
				continue
			}
			here := place(hb.DefRange.Filename, hb.DefRange.Start)
			if !c.many && first.Line > 0 {
				d.add(here, "put its arguments into the block at "+first.String(), "a second %s block", name)
				continue
			}
			first = here
			c.set(d, into, hb)
		}
	}
	if b.check != nil {
		b.check(d, into)
	}
}

// names are the arguments and blocks that may stand in the block.
func (b block[T]) names() []string {
	var out []string
	for _, f := range b.fields {
		out = append(out, f.name)
	}
	for _, c := range b.children {
		if name := c.block.describe().name; !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	return out
}

// isNull reports whether the argument is written as null, which means that it
// is left out.
func isNull(e hcl.Expression) bool {
	if len(e.Variables()) > 0 {
		return false
	}
	v, diags := e.Value(nil)
	return !diags.HasErrors() && v.IsNull()
}

// call is what messages call the block.
func (b block[T]) call() string {
	if b.label != "" {
		return "this " + b.name
	}
	return b.name
}

// hclSchema is the block as the HCL library wants it. In JSON an argument and
// a block of one name cannot be told apart; the argument wins, and takes
// objects too.
func (b block[T]) hclSchema(json bool) *hcl.BodySchema {
	s := &hcl.BodySchema{}
	for _, f := range b.fields {
		s.Attributes = append(s.Attributes, hcl.AttributeSchema{Name: f.name})
	}
	for _, c := range b.children {
		cd := c.block.describe()
		if json && slices.ContainsFunc(b.fields, func(f field[T]) bool { return f.name == cd.name }) {
			continue
		}
		header := hcl.BlockHeaderSchema{Type: cd.name}
		if cd.label != "" {
			header.LabelNames = []string{"name"}
		}
		s.Blocks = append(s.Blocks, header)
	}
	return s
}

// documented is a block of whatever type, as the reference shows it.
type documented interface{ describe() description }

type description struct {
	name, label, doc string
	fields           []fieldDoc
	children         []childDoc
}

type fieldDoc struct {
	name, want, def, doc string
	required             bool
}

type childDoc struct {
	description
	doc  string
	many bool
}

func (b block[T]) describe() description {
	out := description{name: b.name, label: b.label, doc: b.doc}
	for _, f := range b.fields {
		out.fields = append(out.fields, fieldDoc{f.name, f.want, f.def, f.doc, f.required})
	}
	for _, c := range b.children {
		out.children = append(out.children, childDoc{c.block.describe(), c.doc, c.many})
	}
	return out
}

// start is where a block begins.
func start(b *hcl.Block) Position { return place(b.DefRange.Filename, b.DefRange.Start) }

// label checks a block's label as a name and that no block of this kind has it
// already; scope keeps kinds apart.
func (d *decoder) label(b *hcl.Block, scope string) string {
	name, at := b.Labels[0], place(b.LabelRanges[0].Filename, b.LabelRanges[0].Start)
	if !nameRE.MatchString(name) {
		d.add(at, "use 1 to 64 letters, digits, '.', '_' and '-', a letter or digit first", "%s is no name for a %s", quote(name), b.Type)
	}
	d.unique(scope, name, at, "%s %s is declared twice", b.Type, quote(name))
	return name
}

// unique notes that a name is taken in its scope, or that it was before.
func (d *decoder) unique(scope, name string, at Position, format string, args ...any) bool {
	key := scope + "\x00" + name
	if first, taken := d.recorded[key]; taken {
		d.add(at, "the first is at "+first.String(), format, args...)
		return false
	}
	d.recorded[key] = at
	return true
}

// evalContext is what expressions may use: functions, path.dir, and role.NAME
// with the ARN of every role whose arn can be known before the roles are read.
func (d *decoder) evalContext(root hcl.Body) *hcl.EvalContext {
	ctx := &hcl.EvalContext{
		Functions: d.functions(),
		Variables: map[string]cty.Value{"path": cty.ObjectVal(map[string]cty.Value{"dir": cty.StringVal(d.dir())})},
	}
	content, _, _ := root.PartialContent(&hcl.BodySchema{Blocks: []hcl.BlockHeaderSchema{{Type: "role", LabelNames: []string{"name"}}}})
	roles := map[string]cty.Value{}
	for _, b := range content.Blocks {
		name, arn := b.Labels[0], cty.UnknownVal(cty.String)
		body, _, _ := b.Body.PartialContent(&hcl.BodySchema{Attributes: []hcl.AttributeSchema{{Name: "arn"}}})
		if attr := body.Attributes["arn"]; attr != nil {
			v, diags := attr.Expr.Value(ctx)
			if v, _ = v.UnmarkDeep(); !diags.HasErrors() && !v.IsNull() && v.Type() == cty.String {
				arn = v
			}
		}
		d.roles[name] = start(b)
		roles[name] = cty.ObjectVal(map[string]cty.Value{"name": cty.StringVal(name), "arn": arn})
	}
	ctx.Variables["role"] = cty.ObjectVal(roles)
	return ctx
}
