package tf

import (
	"cmp"
	"fmt"
	"path/filepath"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
)

// Options say what the files do not. The zero value reads the folder ".".
type Options struct {
	Dir     string       // folder of the root module
	Vars    []Assignment // --var and --var-file
	Environ []string     // of which TF_VAR_… count
	Region  string       // of providers that name none

	// Account is the account of the default provider where the configuration
	// does not say; "" stands for Here.
	Account string
	// Accounts are account ids by what people call them: the profile of a
	// provider, or its alias.
	Accounts map[string]string

	// Changed are files to read in place of what the folder holds, by path as in
	// World.Files.
	Changed map[string][]byte

	known     map[string]cty.Value // what a plan or state says, by address
	variables map[string]cty.Value // of the root module, from a plan
}

// Read reads the configuration in a folder. The error is an *Error where a
// file is to blame.
func Read(o Options) (*World, error) {
	if o.Dir == "" {
		o.Dir = "."
	}
	o.Dir = filepath.Clean(o.Dir)
	ev := &evaluator{
		o: o, world: &World{Dir: o.Dir, Files: map[string][]byte{}}, sources: map[string]*source{},
		providers: map[string]*provider{}, members: map[written]members{}, seen: map[string]bool{}, lines: map[string][]int{},
	}
	ev.base = &hcl.EvalContext{Functions: ev.functions(".")}
	src, err := ev.source(".")
	if err != nil {
		return nil, err
	}
	if len(src.resources)+len(src.calls)+len(src.providers)+len(src.locals)+len(src.outputs)+len(src.variables) == 0 && !HasConfiguration(o.Dir) {
		return nil, &Error{Where: Position{File: o.Dir}, Summary: "there is no Terraform configuration (*.tf) in this folder"}
	}
	ev.root = newModule(ev, src, nil, "", "")
	if ev.given, err = ev.assignments(); err != nil {
		return nil, err
	}
	if err := ev.module(ev.root, 0); err != nil {
		return nil, err
	}
	ev.finish()
	return ev.world, nil
}

// evaluator is one reading.
type evaluator struct {
	o         Options
	world     *World
	sources   map[string]*source
	base      *hcl.EvalContext // the functions
	root      *module
	given     map[string]given
	providers map[string]*provider
	members   map[written]members
	seen      map[string]bool
	lines     map[string][]int  // where the lines of a file begin
	modules   map[string]string // folders of the modules that were fetched
}

// note lists something unknown, once.
func (ev *evaluator) note(u Unknown) {
	if key := fmt.Sprint(u.Where, "\x00", u.Address, "\x00", u.Path, "\x00", u.Why); !ev.seen[key] {
		ev.seen[key] = true
		ev.world.Unknown = append(ev.world.Unknown, u)
	}
}

// finish puts the world in order.
func (ev *evaluator) finish() {
	w := ev.world
	slices.SortStableFunc(w.Resources, func(a, b *Resource) int { return compareAddress(a.Address, b.Address) })
	slices.SortStableFunc(w.Unknown, func(a, b Unknown) int {
		return cmp.Or(cmp.Compare(a.Where.File, b.Where.File), cmp.Compare(a.Where.Line, b.Where.Line), cmp.Compare(a.Where.Column, b.Where.Column),
			cmp.Compare(a.Address, b.Address), cmp.Compare(a.Path, b.Path), cmp.Compare(a.Why, b.Why))
	})
	slices.SortFunc(w.Providers, func(a, b Provider) int { return cmp.Compare(a.Address, b.Address) })
}

// compareAddress puts instance 2 before instance 10.
func compareAddress(a, b string) int {
	i := 0
	for i < len(a) && i < len(b) && a[i] == b[i] {
		i++
	}
	for i > 0 && digit(a[i-1]) {
		i--
	}
	x, y := number(a[i:]), number(b[i:])
	if x != "" && y != "" && len(x) != len(y) {
		return cmp.Compare(len(x), len(y))
	}
	return cmp.Compare(a[i:], b[i:])
}

func digit(c byte) bool { return '0' <= c && c <= '9' }

func number(s string) string {
	i := 0
	for i < len(s) && digit(s[i]) {
		i++
	}
	return s[:i]
}

// module is a call of a module, or the root module.
type module struct {
	ev      *evaluator
	src     *source
	parent  *module
	address string // "", `module.web[0].`
	plain   string // without instance keys: "module.web."

	inputs    hclsyntax.Attributes // of the call
	inScope   *scope               // where the inputs are evaluated
	providers map[string]string    // what the call passes, by local address

	things     map[string]*known
	expansions map[string]*expansion
	calls      map[string]*call
	self       *scope
}

func newModule(ev *evaluator, src *source, parent *module, address, plain string) *module {
	m := &module{
		ev: ev, src: src, parent: parent, address: address, plain: plain,
		things: map[string]*known{}, expansions: map[string]*expansion{}, calls: map[string]*call{},
	}
	m.self = &scope{m: m}
	return m
}

func (m *module) scope() *scope { return m.self }

// title is what messages call the module.
func (m *module) title() string {
	if m.address == "" {
		return "the root module"
	}
	return m.address[:len(m.address)-1]
}

// known is a value that was worked out once, and why it is not known.
type known struct {
	value   cty.Value
	why     []reason
	where   Position
	running bool
	ready   bool

	// expr is the expression that the value is that of, if it is one.
	expr  hcl.Expression
	scope *scope
	refs  []string // resources that it comes from
}

// reason is why a value is not known.
type reason struct {
	text  string
	wrong bool // Terraform would refuse it
}

func (k *known) because(format string, args ...any) {
	k.why = append(k.why, reason{text: fmt.Sprintf(format, args...)})
}

func (k *known) fail(text string) {
	k.value = cty.DynamicVal
	k.why = append(k.why, reason{text: text, wrong: true})
}

// remember works a value out unless that was done.
func (m *module) remember(name string, work func(*known)) *known {
	k, ok := m.things[name]
	if !ok {
		k = &known{value: cty.DynamicVal}
		m.things[name] = k
	}
	if k.ready {
		return k
	}
	if k.running {
		return &known{value: cty.DynamicVal, why: []reason{{name + " depends on itself", true}}}
	}
	k.running = true
	work(k)
	k.running, k.ready = false, true
	return k
}

// local is a local value of the module.
func (m *module) local(name string) *known {
	return m.remember("local."+name, func(k *known) {
		a, ok := m.src.locals[name]
		if !ok {
			k.fail(fmt.Sprintf("there is no local value %q in module %s", name, m.src.dir))
			return
		}
		k.where = position(a.NameRange)
		k.expr, k.scope = a.Expr, m.scope()
		k.value, k.why = m.scope().explain(a.Expr)
	})
}

// scope is where an expression stands: what its names mean.
type scope struct {
	m       *module
	each    map[string]cty.Value // key, value; nil outside of for_each
	forEach hcl.Expression       // what each goes through, in the module's own scope
	count   cty.Value            // NilVal outside of count
	extra   map[string]cty.Value // iterators of dynamic blocks
}

// with is the scope with an iterator.
func (s *scope) with(name string, v cty.Value) *scope {
	out := *s
	out.extra = map[string]cty.Value{name: v}
	for k, v := range s.extra {
		if k != name {
			out.extra[k] = v
		}
	}
	return &out
}

// withoutFunctions is the table of functions with some added whose results are
// not known.
func (s *scope) withoutFunctions(names []string) *hcl.EvalContext {
	child := s.m.ev.base.NewChild()
	child.Functions = map[string]function.Function{}
	for _, name := range names {
		child.Functions[name] = unknownFunction
	}
	return child
}
