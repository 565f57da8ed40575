package ask

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/hclwrite"

	"github.com/mantle-iam/mantle/internal/tf"
)

// editObject changes the object of a jsonencode. It reports false if the object
// is not written in a form that it can change.
func (p *patcher) editObject(c *Change, src *source, e hclsyntax.Expression) (bool, error) {
	o, ok := e.(*hclsyntax.ObjectConsExpr)
	if !ok {
		return false, nil
	}
	statements := item(o, "Statement")
	if statements == nil {
		return false, nil
	}
	tuple, many := statements.ValueExpr.(*hclsyntax.TupleConsExpr)
	if c.add != nil {
		if !many {
			one := statements.ValueExpr.Range()
			indent := indentOf(src.text, one.Start.Byte)
			text, err := p.object(c.add, indent)
			if err != nil {
				return false, err
			}
			src.edits = append(src.edits, edit{one.Start.Byte, one.Start.Byte, "["}, edit{one.End.Byte, one.End.Byte, ", " + strings.TrimLeft(text, " ") + "]"})
			return true, nil
		}
		at := tuple.SrcRange.End.Byte - 1 // before the bracket
		indent := indentOf(src.text, tuple.SrcRange.Start.Byte) + "  "
		text, err := p.object(c.add, indent)
		if err != nil {
			return false, err
		}
		if n := len(tuple.Exprs); n > 0 {
			at = tuple.Exprs[n-1].Range().End.Byte
			text = ",\n" + indent + strings.TrimLeft(text, " ")
			if src.text[at] == ',' { // a trailing comma stays the last thing
				text, at = text[1:]+",", at+1
			}
		} else {
			text = "\n" + text + "\n" + indent[2:]
		}
		src.edits = append(src.edits, edit{at, at, text})
		return true, nil
	}
	if !many || len(tuple.Exprs) != c.policy.Len() {
		return false, nil
	}
	s := tuple.Exprs[c.index]
	if c.narrow == "" {
		start, end := s.Range().Start.Byte, s.Range().End.Byte
		if c.index+1 < len(tuple.Exprs) {
			end = tuple.Exprs[c.index+1].Range().Start.Byte
		} else if c.index > 0 {
			start = tuple.Exprs[c.index-1].Range().End.Byte
		}
		src.edits = append(src.edits, edit{start, end, ""})
		return true, nil
	}
	so, ok := s.(*hclsyntax.ObjectConsExpr)
	if !ok {
		return false, nil
	}
	ref, err := p.reference(c.spare)
	if err != nil {
		return false, err
	}
	if c.narrow == "resource" {
		it := item(so, "Resource")
		if it == nil {
			return false, nil
		}
		src.edits = append(src.edits, edit{it.KeyExpr.Range().Start.Byte, it.ValueExpr.Range().End.Byte, "NotResource = " + ref})
		return true, nil
	}
	if item(so, "Condition") != nil || len(so.Items) == 0 {
		return false, nil
	}
	last := so.Items[len(so.Items)-1]
	at := last.ValueExpr.Range().End.Byte
	sep := "\n" + indentOf(src.text, last.KeyExpr.Range().Start.Byte)
	if so.SrcRange.Start.Line == so.SrcRange.End.Line {
		sep = ", "
	}
	src.edits = append(src.edits, edit{at, at, sep + `Condition = { ArnNotEquals = { "aws:PrincipalArn" = ` + ref + " } }"})
	return true, nil
}

// item is the item of an object with a literal key.
func item(o *hclsyntax.ObjectConsExpr, key string) *hclsyntax.ObjectConsItem {
	for i := range o.Items {
		k := o.Items[i].KeyExpr
		if w, ok := k.(*hclsyntax.ObjectConsKeyExpr); ok {
			k = w.Wrapped
		}
		switch k := k.(type) {
		case *hclsyntax.ScopeTraversalExpr:
			if len(k.Traversal) == 1 && k.Traversal.RootName() == key {
				return &o.Items[i]
			}
		case *hclsyntax.TemplateExpr:
			if v, diags := k.Value(nil); !diags.HasErrors() && k.IsStringLiteral() && v.AsString() == key {
				return &o.Items[i]
			}
		}
	}
	return nil
}

// indentOf is the space that the line of a byte begins with.
func indentOf(text []byte, at int) string {
	start := at
	for start > 0 && text[start-1] != '\n' {
		start--
	}
	end := start
	for end < len(text) && (text[end] == ' ' || text[end] == '\t') {
		end++
	}
	return string(text[start:end])
}

// object is a statement as an object expression.
func (p *patcher) object(s *statementJSON, indent string) (string, error) {
	one := func(items []string) string {
		if len(items) == 1 {
			return items[0]
		}
		return list(items)
	}
	var b strings.Builder
	b.WriteString("{\n  Effect = " + quote(s.Effect) + "\n")
	if who, ok := s.Principal.(map[string][]string); ok {
		for _, kind := range slices.Sorted(maps.Keys(who)) {
			refs, err := p.references(who[kind])
			if err != nil {
				return "", err
			}
			fmt.Fprintf(&b, "  Principal = { %s = %s }\n", kind, one(refs))
		}
	}
	b.WriteString("  Action = " + one(quoted(s.Action)) + "\n")
	if len(s.Resource) > 0 {
		refs, err := p.references(s.Resource)
		if err != nil {
			return "", err
		}
		b.WriteString("  Resource = " + one(refs) + "\n")
	}
	b.WriteString("}")
	text := string(hclwrite.Format([]byte("x = " + b.String() + "\n")))
	text = strings.TrimSuffix(strings.TrimPrefix(text, "x = "), "\n")
	return indentLines(text, indent), nil
}

// editText adds a statement to a policy that is written as JSON in a heredoc. It
// reports false if the text is no such thing.
func (p *patcher) editText(c *Change, src *source, a *hclsyntax.Attribute) (bool, error) {
	start, end := a.EqualsRange.End.Byte, a.SrcRange.End.Byte
	text := string(src.text[start:end])
	if !strings.HasPrefix(strings.TrimSpace(text), "<<") {
		return false, nil
	}
	_, rest, ok := strings.Cut(text, `"Statement"`)
	if !ok || strings.Contains(rest, `"Statement"`) {
		return false, nil
	}
	rest = strings.TrimLeft(rest, " \t\r\n")
	if rest, ok = strings.CutPrefix(rest, ":"); !ok {
		return false, nil
	}
	rest = strings.TrimLeft(rest, " \t\r\n")
	open := len(text) - len(rest)
	length, ok := balanced(rest)
	if !ok {
		return false, nil
	}
	statement, err := p.statementText(c.add)
	if err != nil {
		return false, err
	}
	at := start + open
	if rest[0] == '{' {
		src.edits = append(src.edits, edit{at, at, "["}, edit{at + length, at + length, ", " + statement + "]"})
		return true, nil
	}
	inside := strings.TrimRight(rest[:length-1], " \t\r\n")
	if len(inside) > 1 {
		statement = ", " + statement
	}
	src.edits = append(src.edits, edit{at + len(inside), at + len(inside), statement})
	return true, nil
}

// balanced is the length of the object or list that a JSON text with templates
// begins with.
func balanced(s string) (int, bool) {
	if s == "" || s[0] != '{' && s[0] != '[' {
		return 0, false
	}
	depth, inString, template := 0, false, 0
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case template > 0: // what stands in ${} is not JSON
			if c == '{' {
				template++
			} else if c == '}' {
				template--
			}
		case (c == '$' || c == '%') && strings.HasPrefix(s[i+1:], "{"):
			template++
			i++
		case inString:
			if c == '\\' {
				i++
			} else if c == '"' {
				inString = false
			}
		case c == '"':
			inString = true
		case c == '{' || c == '[':
			depth++
		case c == '}' || c == ']':
			if depth--; depth == 0 {
				return i + 1, true
			}
		}
	}
	return 0, false
}

// statementText is a statement as JSON in a template.
func (p *patcher) statementText(s *statementJSON) (string, error) {
	value := func(arns []string) (string, error) {
		refs, err := p.references(arns)
		if err != nil {
			return "", err
		}
		for i, ref := range refs {
			if !strings.HasPrefix(ref, `"`) {
				refs[i] = `"${` + ref + `}"`
			}
		}
		if len(refs) == 1 {
			return refs[0], nil
		}
		return list(refs), nil
	}
	parts := []string{`"Effect": ` + quote(s.Effect)}
	if who, ok := s.Principal.(map[string][]string); ok {
		for _, kind := range slices.Sorted(maps.Keys(who)) {
			v, err := value(who[kind])
			if err != nil {
				return "", err
			}
			parts = append(parts, `"Principal": {`+quote(kind)+`: `+v+`}`)
		}
	}
	parts = append(parts, `"Action": `+list(quoted(s.Action)))
	if len(s.Resource) > 0 {
		v, err := value(s.Resource)
		if err != nil {
			return "", err
		}
		parts = append(parts, `"Resource": `+v)
	}
	return "{" + strings.Join(parts, ", ") + "}", nil
}

// wrap makes a policy document that takes in what an attribute holds and adds a
// statement, and gives the attribute that.
func (p *patcher) wrap(c *Change, r *tf.Resource, src *source, b *hclsyntax.Block, a *hclsyntax.Attribute) error {
	dir := folder(src.name)
	name := p.free(dir, "data", "aws_iam_policy_document", r.Name+"_with_"+suffix(c.What))
	text, err := p.statement(c.add, "  ")
	if err != nil {
		return err
	}
	// The range of a heredoc's expression leaves out its markers.
	start, end := a.EqualsRange.End.Byte, a.SrcRange.End.Byte
	expr := strings.TrimSpace(string(src.text[start:end]))
	if strings.HasPrefix(expr, "<<") {
		expr += "\n  "
		for end > start && src.text[end-1] == '\n' {
			end-- // the line break after the closing marker stays
		}
	}
	for _, meta := range []string{"count", "for_each"} {
		if b.Body.Attributes[meta] != nil && (strings.Contains(expr, "count.") || strings.Contains(expr, "each.")) {
			return why("the policy of %s differs between its instances", r.Address)
		}
	}
	block := fmt.Sprintf("\ndata \"aws_iam_policy_document\" %s {\n%s  source_policy_documents = [%s]\n%s}\n", quote(name), provider(b, src), expr, text)
	src.edits = append(src.edits,
		edit{start, end, " data.aws_iam_policy_document." + name + ".json"},
		edit{after(src, b), after(src, b), block})
	return nil
}

func suffix(what string) string {
	if what == "trust" {
		return "trust"
	}
	return "policy"
}

// provider is the provider argument of a block, as a line.
func provider(b *hclsyntax.Block, src *source) string {
	a := b.Body.Attributes["provider"]
	if a == nil {
		return ""
	}
	return "  provider = " + string(a.Expr.Range().SliceBytes(src.text)) + "\n"
}

// after is where a block can follow another.
func after(src *source, b *hclsyntax.Block) int {
	return lineEnd(src.text, b.CloseBraceRange.End.Byte)
}

// free is a name that no block of a type has in a module.
func (p *patcher) free(dir, kind, typ, name string) string {
	out := name
	for n := 2; ; n++ {
		if _, b := p.block(dir, kind, typ, out); b == nil {
			return out
		}
		out = fmt.Sprintf("%s_%d", name, n)
	}
}
