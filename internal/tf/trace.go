package tf

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// trace finds where the policy that an expression makes was written. have is
// the answer where nothing closer is found.
func (s *scope) trace(expr hcl.Expression, have Document, depth int) Document {
	if depth > maxDepth {
		return have
	}
	depth++
	here := func(r hcl.Range, statements []Range) Document {
		return Document{Range: rangeOf(r), Address: have.Address, Statements: statements}
	}
	switch e := expr.(type) {
	case *hclsyntax.ParenthesesExpr:
		return s.trace(e.Expression, have, depth)
	case *hclsyntax.TemplateWrapExpr:
		return s.trace(e.Wrapped, have, depth)
	case *hclsyntax.ConditionalExpr:
		if c := converted(s.eval(e.Condition), cty.Bool); c != cty.NilVal && c.IsKnown() && !c.IsNull() {
			if c.True() {
				return s.trace(e.TrueResult, have, depth)
			}
			return s.trace(e.FalseResult, have, depth)
		}
	case *hclsyntax.FunctionCallExpr:
		switch {
		case e.Name == "jsonencode" && len(e.Args) == 1:
			statements, at := s.traceObject(e.Args[0], depth)
			if at.Filename == "" {
				at = e.Range()
			}
			return here(at, statements)
		case (e.Name == "file" || e.Name == "templatefile") && len(e.Args) > 0:
			if name, ok := text(s.eval(e.Args[0])); ok {
				return s.m.ev.traceFile(name, have)
			}
		}
	case *hclsyntax.TemplateExpr:
		return here(e.Range(), s.m.ev.traceHeredoc(e.Range()))
	case *hclsyntax.ScopeTraversalExpr:
		return s.traceReference(e.Traversal, have, depth)
	}
	return have
}

// traceReference follows a reference to where it leads.
func (s *scope) traceReference(t hcl.Traversal, have Document, depth int) Document {
	if k := s.behind(t); k != nil && k.expr != nil {
		return k.scope.trace(k.expr, Document{Range: rangeOf(k.expr.Range()), Address: have.Address}, depth)
	}
	name, _ := step(t, 1)
	switch root := t.RootName(); root {
	case "module":
		out, _ := attributeAfter(t, 2)
		c := s.m.call(name)
		if len(c.children) == 1 || c.kind == counted || c.kind == keyed {
			for i, child := range c.children {
				if _, ok := child.src.outputs[out]; ok && keyMatches(t, 2, c.keys[i]) {
					if k := child.output(out); k.expr != nil {
						return k.scope.trace(k.expr, Document{Range: rangeOf(k.expr.Range()), Address: have.Address}, depth)
					}
				}
			}
		}
	case "var", "local", "each", "count", "path", "terraform", "self":
	default:
		from := 2
		if root == "data" {
			from = 3
		}
		e := s.m.expansion(addressOf(t))
		attr, ok := attributeAfter(t, from)
		if e == nil || !ok {
			break
		}
		for _, in := range e.instances {
			key := cty.NilVal
			switch e.kind {
			case counted:
				key = in.scope.count
			case keyed:
				key = in.scope.each["key"]
			}
			if keyMatches(t, from, key) {
				if d, ok := in.resource.Documents[attr]; ok {
					return d
				}
			}
		}
	}
	return have
}

// keyMatches reports whether the index step of a traversal, if there is one,
// is an instance key.
func keyMatches(t hcl.Traversal, at int, key cty.Value) bool {
	if at >= len(t) {
		return true
	}
	i, ok := t[at].(hcl.TraverseIndex)
	if !ok || key == cty.NilVal {
		return true
	}
	return i.Key.Type() == key.Type() && i.Key.RawEquals(key)
}

// traceObject finds the statements in an expression that makes a policy as a
// value.
func (s *scope) traceObject(expr hcl.Expression, depth int) ([]Range, hcl.Range) {
	switch e := expr.(type) {
	case *hclsyntax.ParenthesesExpr:
		return s.traceObject(e.Expression, depth)
	case *hclsyntax.ScopeTraversalExpr:
		if k := s.behind(e.Traversal); k != nil && k.expr != nil && depth < maxDepth {
			statements, at := k.scope.traceObject(k.expr, depth+1)
			if at.Filename == "" {
				at = k.expr.Range()
			}
			return statements, at
		}
	case *hclsyntax.ObjectConsExpr:
		for _, item := range e.Items {
			if key, ok := text(s.eval(item.KeyExpr)); !ok || key != "Statement" {
				continue
			}
			return s.traceStatements(item.ValueExpr, depth), e.Range()
		}
	}
	return nil, hcl.Range{}
}

// traceStatements are the places of the statements in an expression, nil if
// they are not written one by one.
func (s *scope) traceStatements(expr hcl.Expression, depth int) []Range {
	if depth > maxDepth {
		return nil
	}
	switch e := expr.(type) {
	case *hclsyntax.ParenthesesExpr:
		return s.traceStatements(e.Expression, depth+1)
	case *hclsyntax.ObjectConsExpr:
		return []Range{rangeOf(e.Range())}
	case *hclsyntax.TupleConsExpr:
		var out []Range
		for _, x := range e.Exprs {
			at := x.Range()
			// A statement that has a name is where the name is given.
			if ref, ok := x.(*hclsyntax.ScopeTraversalExpr); ok {
				if k := s.behind(ref.Traversal); k != nil && k.expr != nil {
					at = k.expr.Range()
				}
			}
			out = append(out, rangeOf(at))
		}
		return out
	case *hclsyntax.FunctionCallExpr:
		if e.Name == "concat" {
			var out []Range
			for _, x := range e.Args {
				v := s.eval(x)
				part := s.traceStatements(x, depth+1)
				if !v.IsKnown() || v.IsNull() || !v.CanIterateElements() || v.LengthInt() != len(part) {
					return nil
				}
				out = append(out, part...)
			}
			return out
		}
	case *hclsyntax.ScopeTraversalExpr:
		if k := s.behind(e.Traversal); k != nil && k.expr != nil {
			return k.scope.traceStatements(k.expr, depth+1)
		}
	case *hclsyntax.ConditionalExpr:
		if c := converted(s.eval(e.Condition), cty.Bool); c != cty.NilVal && c.IsKnown() && !c.IsNull() {
			if c.True() {
				return s.traceStatements(e.TrueResult, depth+1)
			}
			return s.traceStatements(e.FalseResult, depth+1)
		}
	case *hclsyntax.ForExpr:
		v := s.eval(e)
		if v.IsKnown() && !v.IsNull() && v.CanIterateElements() {
			return slices.Repeat([]Range{rangeOf(e.ValExpr.Range())}, v.LengthInt())
		}
	}
	return nil
}

// traceFile finds the statements in a file that file or templatefile reads.
func (ev *evaluator) traceFile(name string, have Document) Document {
	src, path, err := ev.readFile(name)
	if err != nil {
		return have
	}
	ev.world.Files[path] = src
	out := Document{Range: Range{Position: Position{File: path, Line: 1, Column: 1}, End: len(src)}, Address: have.Address}
	for _, at := range spans(blanked(src)) {
		out.Statements = append(out.Statements, ev.at(path, at[0], at[1]))
	}
	return out
}

// traceHeredoc finds the statements in a heredoc of JSON.
func (ev *evaluator) traceHeredoc(r hcl.Range) []Range {
	src := ev.world.Files[r.Filename]
	if r.End.Byte > len(src) || !bytes.HasPrefix(src[r.Start.Byte:], []byte("<<")) {
		return nil
	}
	body := src[r.Start.Byte:r.End.Byte]
	marker, _, ok := bytes.Cut(body, []byte("\n"))
	if !ok {
		return nil
	}
	start := len(marker) + 1
	end := len(bytes.TrimRight(body, " \t\r\n"))
	word := strings.TrimSpace(strings.TrimLeft(string(marker), "<-"))
	if bytes.HasSuffix(body[:end], []byte(word)) {
		end -= len(word)
	}
	if end < start {
		return nil
	}
	var out []Range
	for _, at := range spans(blanked(body[start:end])) {
		offset := r.Start.Byte + start
		out = append(out, ev.at(r.Filename, offset+at[0], offset+at[1]))
	}
	return out
}

// blanked is a template of JSON in which something JSON has no name for, an
// interpolation or a directive, is something of the same length that it has.
func blanked(src []byte) []byte {
	out := slices.Clone(src)
	quoted := false
	for i := 0; i < len(out); i++ {
		switch c := out[i]; {
		case c == '\\' && quoted:
			i++
		case c == '"':
			quoted = !quoted
		case (c == '$' || c == '%') && i+1 < len(out) && out[i+1] == '{' && (i == 0 || out[i-1] != c):
			end := closing(out, i+2)
			if end < 0 {
				return out
			}
			for j := i; j <= end; j++ {
				switch {
				case quoted:
					out[j] = 'x'
				default:
					out[j] = ' '
				}
			}
			if !quoted && c == '$' {
				out[i] = '0'
			}
			i = end
		}
	}
	return out
}

// closing is the brace that closes what begins at from, -1 if there is none.
func closing(src []byte, from int) int {
	depth, quoted := 1, false
	for i := from; i < len(src); i++ {
		switch c := src[i]; {
		case c == '\\' && quoted:
			i++
		case c == '"':
			quoted = !quoted
		case c == '{' && !quoted:
			depth++
		case c == '}' && !quoted:
			if depth--; depth == 0 {
				return i
			}
		}
	}
	return -1
}

// spans are the byte ranges of the statements of a policy document; none if it
// is no document.
func spans(src []byte) [][2]int {
	d := json.NewDecoder(bytes.NewReader(src))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil
	}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return nil
		}
		if key != "Statement" {
			var skip json.RawMessage
			if d.Decode(&skip) != nil {
				return nil
			}
			continue
		}
		var all json.RawMessage
		if d.Decode(&all) != nil {
			return nil
		}
		end := int(d.InputOffset())
		start := end - len(all)
		if len(all) == 0 || all[0] != '[' {
			return [][2]int{{start, end}}
		}
		var out [][2]int
		inner := json.NewDecoder(bytes.NewReader(all))
		if _, err := inner.Token(); err != nil {
			return nil
		}
		for inner.More() {
			var one json.RawMessage
			if inner.Decode(&one) != nil {
				return nil
			}
			to := int(inner.InputOffset())
			out = append(out, [2]int{start + to - len(one), start + to})
		}
		return out
	}
	return nil
}

// at is a range of a file by its bytes.
func (ev *evaluator) at(file string, start, end int) Range {
	lines, ok := ev.lines[file]
	if !ok {
		lines = []int{0}
		for i, c := range ev.world.Files[file] {
			if c == '\n' {
				lines = append(lines, i+1)
			}
		}
		ev.lines[file] = lines
	}
	i, found := slices.BinarySearch(lines, start)
	if !found {
		i--
	}
	column := len([]rune(string(ev.world.Files[file][lines[i]:start]))) + 1
	return Range{Position: Position{File: file, Line: i + 1, Column: column}, Start: start, End: end}
}
