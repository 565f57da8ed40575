package tf

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// Error is what is wrong with files that were to be read.
type Error struct {
	Where   Position
	Summary string
	More    int // further problems, of the same reading
}

func (e *Error) Error() string {
	s := e.Summary
	switch {
	case e.Where.Line > 0:
		s = fmt.Sprintf("%s:%d:%d: %s", e.Where.File, e.Where.Line, e.Where.Column, s)
	case e.Where.File != "":
		s = e.Where.File + ": " + s
	}
	if e.More > 0 {
		s += fmt.Sprintf(" (and %d more)", e.More)
	}
	return s
}

// failed turns diagnostics into an error, nil if none is one.
func failed(diags hcl.Diagnostics) error {
	var first *hcl.Diagnostic
	n := 0
	for _, d := range diags {
		if d.Severity == hcl.DiagError {
			if n++; first == nil {
				first = d
			}
		}
	}
	if first == nil {
		return nil
	}
	e := &Error{Summary: sentence(first), More: n - 1}
	if first.Subject != nil {
		e.Where = position(*first.Subject)
	}
	return e
}

// sentence is a diagnostic in one line.
func sentence(d *hcl.Diagnostic) string {
	s := strings.TrimSuffix(strings.Join(strings.Fields(d.Detail), " "), ".")
	if s == "" {
		return d.Summary
	}
	return d.Summary + ": " + s
}

func position(r hcl.Range) Position {
	return Position{File: r.Filename, Line: r.Start.Line, Column: r.Start.Column}
}

func rangeOf(r hcl.Range) Range {
	return Range{Position: position(r), Start: r.Start.Byte, End: r.End.Byte}
}

// source is a module as it is written. It does not change once it was read,
// and is shared by all calls of the module.
type source struct {
	dir       string // as path.module has it: relative to the root module
	variables map[string]*hclsyntax.Block
	locals    map[string]*hclsyntax.Attribute
	resources []*block
	byAddress map[string]*block // "aws_iam_role.app", "data.aws_region.here"
	outputs   map[string]*hclsyntax.Block
	calls     map[string]*hclsyntax.Block
	providers map[string]*hclsyntax.Block // "aws", "aws.shared"
}

// block is a resource or data block.
type block struct {
	*hclsyntax.Block
	mode, kind, name string
	ignored          map[string]string
}

func (b *block) address() string {
	if b.mode == "data" {
		return "data." + b.kind + "." + b.name
	}
	return b.kind + "." + b.name
}

func whole(b *hclsyntax.Block) hcl.Range { return hcl.RangeBetween(b.TypeRange, b.CloseBraceRange) }

// HasConfiguration reports whether a folder holds Terraform configuration.
func HasConfiguration(dir string) bool {
	for _, pattern := range []string{"*.tf", "*.tf.json"} {
		if found, err := filepath.Glob(filepath.Join(dir, pattern)); err == nil && len(found) > 0 {
			return true
		}
	}
	return false
}

// source reads the module in a folder, relative to that of the root.
func (ev *evaluator) source(dir string) (*source, error) {
	dir = filepath.ToSlash(filepath.Clean(dir))
	if s, ok := ev.sources[dir]; ok {
		return s, nil
	}
	folder := filepath.Join(ev.o.Dir, dir)
	if filepath.IsAbs(dir) {
		folder = dir
	}
	entries, err := os.ReadDir(folder)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("there is no folder %s", folder)
		}
		return nil, err
	}
	var names []string
	for _, entry := range entries {
		name := entry.Name()
		if entry.IsDir() || strings.HasPrefix(name, ".") || strings.HasSuffix(name, "~") {
			continue
		}
		switch {
		case strings.HasSuffix(name, ".tf"):
			names = append(names, filepath.Join(folder, name))
		case strings.HasSuffix(name, ".tf.json"):
			ev.note(Unknown{Where: Position{File: filepath.Join(folder, name)}, Why: "configuration in JSON is not read: what this file declares is not known"})
		}
	}
	// Override files come last, in order: "Override Files" of the Terraform
	// language.
	slices.SortStableFunc(names, func(a, b string) int { return compareBool(isOverride(a), isOverride(b)) })
	files, err := ev.parse(names)
	if err != nil {
		return nil, err
	}
	s := &source{
		dir: dir, variables: map[string]*hclsyntax.Block{}, locals: map[string]*hclsyntax.Attribute{}, byAddress: map[string]*block{},
		outputs: map[string]*hclsyntax.Block{}, calls: map[string]*hclsyntax.Block{}, providers: map[string]*hclsyntax.Block{},
	}
	var diags hcl.Diagnostics
	for i, f := range files {
		diags = append(diags, s.add(f, isOverride(names[i]), ignores(ev.world.Files[names[i]]))...)
	}
	if err := failed(diags); err != nil {
		return nil, err
	}
	ev.sources[dir] = s
	return s, nil
}

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}

func isOverride(path string) bool {
	name := filepath.Base(path)
	return name == "override.tf" || strings.HasSuffix(name, "_override.tf")
}

// parse reads files, several at a time.
func (ev *evaluator) parse(names []string) ([]*hclsyntax.Body, error) {
	type result struct {
		text  []byte
		body  *hclsyntax.Body
		diags hcl.Diagnostics
		err   error
	}
	results := make([]result, len(names))
	var wg sync.WaitGroup
	slots := make(chan struct{}, 4)
	for i, name := range names {
		wg.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			r := &results[i]
			if text, ok := ev.o.Changed[name]; ok {
				r.text = text
			} else if r.text, r.err = os.ReadFile(name); r.err != nil {
				return
			}
			if deep(r.text) {
				r.err = &Error{Where: Position{File: name}, Summary: fmt.Sprintf("expressions are nested more than %d deep", maxDepth)}
				return
			}
			var f *hcl.File
			f, r.diags = hclsyntax.ParseConfig(r.text, name, hcl.InitialPos)
			r.body = f.Body.(*hclsyntax.Body)
		})
	}
	wg.Wait()
	var bodies []*hclsyntax.Body
	var diags hcl.Diagnostics
	for i, r := range results {
		if r.err != nil {
			return nil, r.err
		}
		ev.world.Files[names[i]] = r.text
		diags = append(diags, r.diags...)
		bodies = append(bodies, r.body)
	}
	return bodies, failed(diags)
}

// maxDepth bounds the nesting of brackets: the parser is recursive, and its
// stack is not ours to lose.
const maxDepth = 200

// deep reports whether brackets are nested too deeply, or operators follow
// one another as deeply. Text in quotes counts too, which errs on the safe
// side.
func deep(text []byte) bool {
	depth, unary := 0, 0
	for _, c := range text {
		switch c {
		case '(', '[', '{':
			depth++
		case ')', ']', '}':
			if depth > 0 {
				depth--
			}
		}
		switch c {
		case '!', '-':
			unary++
		case ' ', '\t', '(', '[', '{':
		default:
			unary = 0
		}
		if depth > maxDepth || unary > 4*maxDepth {
			return true
		}
	}
	return false
}

// add sorts the blocks of a file into the module.
func (s *source) add(body *hclsyntax.Body, override bool, ignored map[int]map[string]string) hcl.Diagnostics {
	var diags hcl.Diagnostics
	wrong := func(b *hclsyntax.Block, summary string) {
		r := b.DefRange()
		diags = append(diags, &hcl.Diagnostic{Severity: hcl.DiagError, Summary: summary, Subject: &r})
	}
	keep := func(m map[string]*hclsyntax.Block, what, name string, b *hclsyntax.Block) {
		switch have, ok := m[name]; {
		case !ok:
			m[name] = b
		case override:
			m[name] = merged(have, b)
		default:
			wrong(b, fmt.Sprintf("%s %q is declared twice, first at %s:%d", what, name, have.TypeRange.Filename, have.TypeRange.Start.Line))
		}
	}
	for _, b := range body.Blocks {
		labels := map[string]int{"variable": 1, "output": 1, "module": 1, "provider": 1, "resource": 2, "data": 2}[b.Type]
		if len(b.Labels) != labels && b.Type != "check" {
			if labels > 0 {
				wrong(b, fmt.Sprintf("a %s block takes %d labels, and this one has %d", b.Type, labels, len(b.Labels)))
				continue
			}
		}
		switch b.Type {
		case "variable":
			keep(s.variables, "variable", b.Labels[0], b)
		case "output":
			keep(s.outputs, "output", b.Labels[0], b)
		case "module":
			keep(s.calls, "module", b.Labels[0], b)
		case "provider":
			name := b.Labels[0]
			if alias := literal(b.Body, "alias"); alias != "" {
				name += "." + alias
			}
			keep(s.providers, "provider", name, b)
		case "locals":
			for name, a := range b.Body.Attributes {
				if have, ok := s.locals[name]; ok && !override {
					wrong(b, fmt.Sprintf("local value %q is declared twice, first at %s:%d", name, have.NameRange.Filename, have.NameRange.Start.Line))
				}
				s.locals[name] = a
			}
		case "resource", "data":
			r := &block{Block: b, mode: "managed", kind: b.Labels[0], name: b.Labels[1], ignored: ignoredIn(ignored, b)}
			if b.Type == "data" {
				r.mode = "data"
			}
			have, ok := s.byAddress[r.address()]
			switch {
			case !ok:
				s.byAddress[r.address()] = r
				s.resources = append(s.resources, r)
			case override:
				have.Block = merged(have.Block, b)
			default:
				wrong(b, fmt.Sprintf("%s is declared twice, first at %s:%d", r.address(), have.TypeRange.Filename, have.TypeRange.Start.Line))
			}
		}
		// terraform, moved, import, removed, check and ephemeral blocks say
		// nothing about who may do what.
	}
	return diags
}

// literal is an attribute that is a plain string, "" if it is not.
func literal(b *hclsyntax.Body, name string) string {
	a, ok := b.Attributes[name]
	if !ok {
		return ""
	}
	v, diags := a.Expr.Value(nil)
	if diags.HasErrors() || v.Type().FriendlyName() != "string" || !v.IsKnown() || v.IsNull() {
		return ""
	}
	return v.AsString()
}

// merged is a block with what an override file says of it: its attributes and
// kinds of nested blocks replace those that were there.
func merged(have, over *hclsyntax.Block) *hclsyntax.Block {
	out := *have
	body := *have.Body
	body.Attributes = hclsyntax.Attributes{}
	for name, a := range have.Body.Attributes {
		body.Attributes[name] = a
	}
	for name, a := range over.Body.Attributes {
		body.Attributes[name] = a
	}
	body.Blocks = slices.DeleteFunc(slices.Clone(have.Body.Blocks), func(b *hclsyntax.Block) bool {
		return slices.ContainsFunc(over.Body.Blocks, func(o *hclsyntax.Block) bool { return nestedType(o) == nestedType(b) })
	})
	body.Blocks = append(body.Blocks, over.Body.Blocks...)
	out.Body = &body
	return &out
}

// nestedType is the type of a nested block; that of a dynamic block is its
// label.
func nestedType(b *hclsyntax.Block) string {
	if b.Type == "dynamic" && len(b.Labels) == 1 {
		return b.Labels[0]
	}
	return b.Type
}

// ignoreComment is "mantle:ignore RULE[,RULE] reason".
var ignoreComment = regexp.MustCompile(`(?:#|//).*?mantle:ignore[ \t]+([A-Z][0-9]+(?:[ \t]*,[ \t]*[A-Z][0-9]+)*)[ \t]*([^\r\n]*)`)

// ignores finds the comments of a file, by line. A comment that has its line
// to itself is under the number of the first line below it that is no comment
// as well.
func ignores(text []byte) map[int]map[string]string {
	if !bytes.Contains(text, []byte("mantle:ignore")) {
		return nil
	}
	out := map[int]map[string]string{}
	lines := bytes.Split(text, []byte("\n"))
	comment := func(i int) bool {
		l := bytes.TrimSpace(lines[i])
		return bytes.HasPrefix(l, []byte("#")) || bytes.HasPrefix(l, []byte("//"))
	}
	for i, l := range lines {
		m := ignoreComment.FindSubmatch(l)
		if m == nil {
			continue
		}
		at := i
		for comment(at) && at+1 < len(lines) {
			at++
		}
		for rule := range strings.SplitSeq(string(m[1]), ",") {
			for _, line := range []int{i + 1, at + 1} {
				if out[line] == nil {
					out[line] = map[string]string{}
				}
				out[line][strings.TrimSpace(rule)] = strings.TrimSpace(string(m[2]))
			}
		}
	}
	return out
}

// ignoredIn gathers the comments above, beside and inside a block.
func ignoredIn(all map[int]map[string]string, b *hclsyntax.Block) map[string]string {
	if len(all) == 0 {
		return nil
	}
	var out map[string]string
	for line := b.TypeRange.Start.Line; line <= b.CloseBraceRange.End.Line; line++ {
		for rule, why := range all[line] {
			if out == nil {
				out = map[string]string{}
			}
			out[rule] = why
		}
	}
	return out
}
