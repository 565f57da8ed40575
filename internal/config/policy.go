package config

import (
	"encoding/json"
	"errors"
	"strings"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/mantle-iam/mantle/iam"
)

// policy checks a policy document of the configuration. What is wrong in it is
// reported where it was written: in the file that file() read, in the here
// document, or in the part of jsonencode's argument that became the faulty
// part of the document. The bucket is the one that a bucket policy is for.
func (d *decoder) policy(kind iam.Kind, what string, it item, bucket string) {
	_, err := iam.Parse(kind, what, []byte(it.text))
	if err == nil {
		err = iam.Validate(kind, []byte(it.text), iam.ValidateOptions{Bucket: bucket})
	}
	var syntax *iam.SyntaxError
	var invalid *iam.InvalidError
	switch {
	case err == nil:
	case errors.As(err, &syntax):
		d.add(d.inside(it, syntax.Line, syntax.Column), syntax.Hint, "%s: %s", what, syntax.Summary)
	case errors.As(err, &invalid):
		d.add(d.inside(it, invalid.Line, invalid.Column), invalid.Hint, "%s: AWS would refuse it with %s", what, invalid)
	default:
		d.add(it.at, "", "%s: %s", what, err)
	}
}

// inside is the place in a source file of a line and column of a string; the
// column counts bytes. It is the place of the whole string if no better one is
// known.
func (d *decoder) inside(it item, lineNo, column int) Position {
	if it.file != "" {
		l := rawLine([]byte(it.text), lineNo)
		return Position{it.file, lineNo, 1 + utf8.RuneCountInString(l[:min(column-1, len(l))])}
	}
	switch e := it.expr.(type) {
	case *hclsyntax.TemplateExpr:
		// A here document: its lines stand in the file as they are, or, with
		// <<-, further to the right.
		r := e.Range()
		if written := r.SliceBytes(d.files[r.Filename]); !strings.HasPrefix(string(written), "<<") {
			return it.at
		}
		at := r.Start.Line + lineNo
		in, l := rawLine(d.files[r.Filename], at), rawLine([]byte(it.text), lineNo)
		if indent, ok := strings.CutSuffix(in, l); ok && strings.TrimSpace(indent) == "" {
			return Position{r.Filename, at, 1 + utf8.RuneCountInString(indent) + utf8.RuneCountInString(l[:min(column-1, len(l))])}
		}
	case *hclsyntax.FunctionCallExpr:
		if e.Name == "jsonencode" && len(e.Args) == 1 && lineNo == 1 {
			r := d.written(e.Args[0], jsonPath(it.text, column-1)).Range()
			return place(r.Filename, r.Start)
		}
	}
	return it.at
}

// rawLine is line n of text, counted from 1, without its end.
func rawLine(text []byte, n int) string {
	for l := range strings.Lines(string(text)) {
		if n--; n == 0 {
			return strings.TrimRight(l, "\r\n")
		}
	}
	return ""
}

// step leads from a JSON value to a value inside it: the member of that name,
// or, if there is none, the element of that index.
type step struct {
	member  string
	element int  // -1 for a member
	name    bool // the member's name is meant, not its value
}

// jsonPath leads from the top of a JSON text to what stands at an offset.
func jsonPath(text string, offset int) []step {
	dec := json.NewDecoder(strings.NewReader(text))
	var path []step
	next := func() (tok json.Token, arrived bool) {
		tok, err := dec.Token()
		return tok, err != nil || dec.InputOffset() > int64(offset)
	}
	var walk func() bool
	walk = func() bool { // reads one value; true leaves path at the destination
		tok, arrived := next()
		if arrived {
			return true
		}
		open, ok := tok.(json.Delim)
		if !ok {
			return false
		}
		for i := 0; dec.More(); i++ {
			path = append(path, step{element: i})
			if open == '{' {
				tok, arrived := next()
				name, _ := tok.(string)
				path[len(path)-1] = step{member: name, element: -1, name: arrived}
				if arrived {
					return true
				}
			}
			if walk() {
				return true
			}
			path = path[:len(path)-1]
		}
		_, arrived = next()
		return arrived
	}
	walk()
	return path
}

// written is the expression that a path leads to inside an expression, as far
// as objects and lists are written out.
func (d *decoder) written(e hclsyntax.Expression, path []step) hclsyntax.Expression {
	for {
		if p, ok := e.(*hclsyntax.ParenthesesExpr); ok {
			e = p.Expression
			continue
		}
		if len(path) == 0 {
			return e
		}
		var inner hclsyntax.Expression
		switch x := e.(type) {
		case *hclsyntax.ObjectConsExpr:
			for _, item := range x.Items {
				if k, diags := item.KeyExpr.Value(d.eval); !diags.HasErrors() && plain(k) == path[0].member {
					if path[0].name {
						return item.KeyExpr
					}
					inner = item.ValueExpr
				}
			}
		case *hclsyntax.TupleConsExpr:
			if i := path[0].element; i >= 0 && i < len(x.Exprs) {
				inner = x.Exprs[i]
			}
		}
		if inner == nil {
			return e
		}
		e, path = inner, path[1:]
	}
}
