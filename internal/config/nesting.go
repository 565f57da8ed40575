package config

import (
	"bytes"
	"encoding/json"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// maxNesting bounds how deep a file may nest, counting operators as levels:
// the HCL library goes one call deeper for each, and Go ends a program whose
// stack is full. No file written by people comes near it.
const maxNesting = 500

// nesting reports what nests too deep for the HCL library to read.
func (d *decoder) nesting() bool {
	src := d.files[d.name]
	if !d.json {
		tokens, _ := hclsyntax.LexConfig(src, d.name, hcl.InitialPos)
		return d.shallow(tokens)
	}
	dec := json.NewDecoder(bytes.NewReader(src))
	for depth := 0; ; {
		tok, err := dec.Token()
		if err != nil {
			return true // the end, or the parser says it better
		}
		at := func() Position { return positionAt(d.name, src, int(dec.InputOffset())-1) }
		switch x := tok.(type) {
		case json.Delim:
			if depth++; x == '}' || x == ']' {
				depth -= 2
			}
			if depth > maxNesting {
				d.tooDeep(at())
				return false
			}
		case string:
			if len(x) <= maxNesting {
				continue
			}
			p := at()
			tokens, _ := hclsyntax.LexTemplate([]byte(x), d.name, hcl.Pos{Line: p.Line, Column: p.Column})
			if !d.shallow(tokens) {
				return false
			}
		}
	}
}

func (d *decoder) tooDeep(at Position) {
	d.add(at, "split it up", "this nests more than %d levels deep", maxNesting)
}

// shallow counts the levels that a run of tokens can nest. What stands between
// two commas, or on one line of a block, is one expression; its operators
// count together.
func (d *decoder) shallow(tokens hclsyntax.Tokens) bool {
	type level struct {
		open      hclsyntax.TokenType
		operators int
	}
	stack, total := []level{{}}, 0
	for _, t := range tokens {
		top := &stack[len(stack)-1]
		switch t.Type {
		case hclsyntax.TokenOBrace, hclsyntax.TokenOBrack, hclsyntax.TokenOParen, hclsyntax.TokenOQuote, hclsyntax.TokenOHeredoc, hclsyntax.TokenTemplateInterp, hclsyntax.TokenTemplateControl:
			if t.Type == hclsyntax.TokenOBrack || t.Type == hclsyntax.TokenTemplateControl {
				top.operators++ // x[0][0]… and %{if a}%{if a}… nest without an open bracket
				total++
			}
			stack = append(stack, level{open: t.Type})
			total++
		case hclsyntax.TokenCBrace, hclsyntax.TokenCBrack, hclsyntax.TokenCParen, hclsyntax.TokenCQuote, hclsyntax.TokenCHeredoc, hclsyntax.TokenTemplateSeqEnd:
			if len(stack) > 1 {
				total -= 1 + top.operators
				stack = stack[:len(stack)-1]
			}
		case hclsyntax.TokenComma, hclsyntax.TokenEqual:
			total -= top.operators
			top.operators = 0
		case hclsyntax.TokenNewline:
			if top.open == hclsyntax.TokenOBrace || top.open == 0 {
				total -= top.operators
				top.operators = 0
			}
		case hclsyntax.TokenStar, hclsyntax.TokenSlash, hclsyntax.TokenPercent, hclsyntax.TokenPlus, hclsyntax.TokenMinus,
			hclsyntax.TokenEqualOp, hclsyntax.TokenNotEqual, hclsyntax.TokenLessThan, hclsyntax.TokenLessThanEq, hclsyntax.TokenGreaterThan, hclsyntax.TokenGreaterThanEq,
			hclsyntax.TokenAnd, hclsyntax.TokenOr, hclsyntax.TokenBang, hclsyntax.TokenQuestion, hclsyntax.TokenDot:
			top.operators++
			total++
		}
		if total > maxNesting {
			d.tooDeep(place(d.name, t.Range.Start))
			return false
		}
	}
	return true
}
