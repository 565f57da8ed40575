package dynamodb

import (
	"errors"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/alecthomas/participle/v2"
	"github.com/alecthomas/participle/v2/lexer"
)

// The grammars of expressions.
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Expressions.OperatorsAndFunctions.html
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Expressions.UpdateExpressions.html
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Expressions.Attributes.html

// maxExpression is the longest expression, in bytes.
const maxExpression = 4096

type pathNode struct {
	Head string      `parser:"@(Ident|Name)"`
	Rest []*stepNode `parser:"@@*"`
}

type stepNode struct {
	Index *string `parser:"  '[' @Int ']'"`
	Field *string `parser:"| '.' @(Ident|Name)"`
}

type operandNode struct {
	Func  *funcNode `parser:"  @@"`
	Value string    `parser:"| @Value"`
	Path  *pathNode `parser:"| @@"`
}

type funcNode struct {
	Name string         `parser:"@Ident '('"`
	Args []*operandNode `parser:"(@@ (',' @@)*)? ')'"`
}

// Conditions: OR binds less than AND, AND less than NOT.

type orNode struct {
	Terms []*andNode `parser:"@@ ('OR' @@)*"`
}

type andNode struct {
	Terms []*notNode `parser:"@@ ('AND' @@)*"`
}

type notNode struct {
	Not  *notNode  `parser:"  'NOT' @@"`
	Atom *atomNode `parser:"| @@"`
}

type atomNode struct {
	Group *orNode      `parser:"  '(' @@ ')'"`
	Left  *operandNode `parser:"| @@"`
	Cmp   *cmpNode     `parser:"  @@?"`
}

type cmpNode struct {
	Op      string         `parser:"  @('='|'<>'|'<='|'>='|'<'|'>')"`
	Right   *operandNode   `parser:"  @@"`
	Between []*operandNode `parser:"| 'BETWEEN' @@ 'AND' @@"`
	In      []*operandNode `parser:"| 'IN' '(' @@ (',' @@)* ')'"`
}

type updateNode struct {
	Clauses []*clauseNode `parser:"@@+"`
}

type clauseNode struct {
	Set    []*assignNode `parser:"  'SET' @@ (',' @@)*"`
	Remove []*pathNode   `parser:"| 'REMOVE' @@ (',' @@)*"`
	Add    []*pairNode   `parser:"| 'ADD' @@ (',' @@)*"`
	Delete []*pairNode   `parser:"| 'DELETE' @@ (',' @@)*"`
}

type assignNode struct {
	Path  *pathNode  `parser:"@@ '='"`
	Value *arithNode `parser:"@@"`
}

type arithNode struct {
	Group *arithNode   `parser:"  '(' @@ ')'"`
	Left  *operandNode `parser:"| @@"`
	Op    string       `parser:"  ( @('+'|'-')"`
	Right *operandNode `parser:"    @@ )?"`
}

type pairNode struct {
	Path  *pathNode `parser:"@@"`
	Value string    `parser:"@Value"`
}

type projectionNode struct {
	Paths []*pathNode `parser:"@@ (',' @@)*"`
}

// lexerFor makes the lexer of a grammar with those keywords.
func lexerFor(keywords string) *lexer.StatefulDefinition {
	rules := []lexer.SimpleRule{
		{Name: "Ident", Pattern: `[A-Za-z_][A-Za-z0-9_]*`},
		{Name: "Name", Pattern: `#[A-Za-z0-9_]+`},
		{Name: "Value", Pattern: `:[A-Za-z0-9_]+`},
		{Name: "Int", Pattern: `[0-9]+`},
		{Name: "Punct", Pattern: `<>|<=|>=|[=<>()\[\].,+-]`},
		{Name: "space", Pattern: `\s+`},
	}
	if keywords != "" {
		rules = append([]lexer.SimpleRule{{Name: "Keyword", Pattern: `(?i)\b(` + keywords + `)\b`}}, rules...)
	}
	return lexer.MustSimple(rules)
}

// language is one of the grammars, built on first use and then shared.
type language[T any] struct {
	lex    *lexer.StatefulDefinition
	parser *participle.Parser[T]
}

func build[T any](keywords string) func() *language[T] {
	return sync.OnceValue(func() *language[T] {
		l := &language[T]{lex: lexerFor(keywords)}
		opts := []participle.Option{participle.Lexer(l.lex), participle.UseLookahead(2)}
		if keywords != "" {
			opts = append(opts, participle.CaseInsensitive("Keyword"))
		}
		l.parser = participle.MustBuild[T](opts...)
		return l
	})
}

var (
	conditionLanguage  = build[orNode]("AND|OR|NOT|BETWEEN|IN")
	updateLanguage     = build[updateNode]("SET|REMOVE|ADD|DELETE")
	projectionLanguage = build[projectionNode]("")
)

// parse reads an expression. kind is the parameter's name, which begins the
// message of an error.
func (l *language[T]) parse(kind, text string) (*T, error) {
	switch {
	case strings.TrimSpace(text) == "":
		return nil, invalid("Invalid %s: The expression can not be empty;", kind)
	case len(text) > maxExpression:
		return nil, invalid("Invalid %s: Expression size has exceeded the maximum allowed size; expression size: %d", kind, len(text))
	}
	node, err := l.parser.ParseString("", text)
	if err == nil {
		return node, nil
	}
	at := len(text)
	if e, ok := errors.AsType[participle.Error](err); ok {
		at = min(e.Position().Offset, len(text))
	}
	token, near := l.around(text, at)
	return nil, invalid("Invalid %s: Syntax error; token: %q, near: %q", kind, token, near)
}

// around returns the token at an offset, and the text from the token before
// it to the one after it.
func (l *language[T]) around(text string, at int) (token, near string) {
	from, to := at, len(text)
	token = "<EOF>"
	lx, err := l.lex.LexString("", text)
	space := l.lex.Symbols()["space"]
	for err == nil {
		var t lexer.Token
		if t, err = lx.Next(); err != nil || t.EOF() {
			break
		}
		switch end := t.Pos.Offset + len(t.Value); {
		case t.Type == space:
		case end <= at:
			from = t.Pos.Offset
		case t.Pos.Offset <= at:
			token, to = t.Value, end
		default:
			return token, text[from:end]
		}
	}
	if token == "<EOF>" && at < len(text) { // a character that begins no token
		_, n := utf8.DecodeRuneInString(text[at:])
		token, to = text[at:at+n], at+n
	}
	return token, strings.TrimSpace(text[from:to])
}

// parsed keeps the trees of expressions that were parsed, by language: the
// checks and the handler of a call parse the same text, and clients repeat
// themselves. Trees are never changed. When it is full it starts anew.
type parsed[T any] struct {
	language func() *language[T]
	mu       sync.Mutex // guards the field below
	trees    map[string]*T
}

const maxParsed = 1024

func (p *parsed[T]) get(kind, text string) (*T, error) {
	p.mu.Lock()
	tree := p.trees[text]
	p.mu.Unlock()
	if tree != nil {
		return tree, nil
	}
	tree, err := p.language().parse(kind, text)
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.trees == nil || len(p.trees) >= maxParsed {
		p.trees = map[string]*T{}
	}
	p.trees[text] = tree
	return tree, nil
}

// parsers are the caches of all languages.
type parsers struct {
	conditions  parsed[orNode]
	updates     parsed[updateNode]
	projections parsed[projectionNode]
}

func newParsers() *parsers {
	p := &parsers{}
	p.conditions.language = conditionLanguage
	p.updates.language = updateLanguage
	p.projections.language = projectionLanguage
	return p
}
