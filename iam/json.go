package iam

import (
	"fmt"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// A tree is a JSON text with the position of every value. The standard decoder
// keeps neither positions nor duplicate keys, and policies need both. Nodes lie
// in one array and link by index, so that reading a large document allocates a
// handful of times.
type tree struct {
	src   string
	nodes []node // nodes[0] is unused: index 0 means none
}

type node struct {
	kind   nodeKind
	off    int32  // offset of the value in src
	keyOff int32  // offset of the key, for members of objects
	child  int32  // first element or member
	next   int32  // next sibling
	key    string // name, for members of objects
	str    string // text of strings, numbers, booleans and null
}

type nodeKind uint8

const (
	nullNode nodeKind = iota
	boolNode
	numberNode
	stringNode
	arrayNode
	objectNode
)

func (k nodeKind) String() string {
	return [...]string{"null", "a boolean", "a number", "a string", "a list", "an object"}[k]
}

// maxDepth bounds nesting: policies need six levels, hostile input wants a million.
const maxDepth = 24

// maxSource bounds the size of a document in bytes. IAM refuses more than
// 131,072 characters in any policy parameter; sets of statements made for tests
// may be larger.
const maxSource = 16 << 20

// A jsonError is what is wrong with a JSON text, and where.
type jsonError struct {
	off     int
	summary string
	dup     bool // a member occurs twice: legal JSON, but not one meaning
}

func (e *jsonError) Error() string { return e.summary }

// parseTree reads src, which must be one JSON value and nothing else.
func parseTree(src string) (*tree, *jsonError) {
	if len(src) > maxSource {
		return nil, &jsonError{off: 0, summary: fmt.Sprintf("document has %d bytes, more than %d", len(src), maxSource)}
	}
	if !utf8.ValidString(src) {
		return nil, &jsonError{off: firstInvalid(src), summary: "document is not UTF-8"}
	}
	t := &tree{src: src, nodes: make([]node, 1, 8+len(src)/14)}
	p := &jsonParser{tree: t}
	p.space()
	if _, err := p.value(0); err != nil {
		return nil, err
	}
	if p.space(); p.off < len(src) {
		return nil, p.fail("text after the end of the document")
	}
	return t, nil
}

func firstInvalid(s string) int {
	for i, r := range s {
		if r == utf8.RuneError {
			if _, n := utf8.DecodeRuneInString(s[i:]); n == 1 {
				return i
			}
		}
	}
	return 0
}

type jsonParser struct {
	*tree
	off int
}

func (p *jsonParser) fail(format string, args ...any) *jsonError {
	return &jsonError{off: p.off, summary: fmt.Sprintf(format, args...)}
}

func (p *jsonParser) space() {
	for p.off < len(p.src) {
		switch p.src[p.off] {
		case ' ', '\t', '\n', '\r':
			p.off++
		default:
			return
		}
	}
}

// value reads the value at p.off and returns its index.
func (p *jsonParser) value(depth int) (int32, *jsonError) {
	if depth > maxDepth {
		return 0, p.fail("nested deeper than %d levels", maxDepth)
	}
	if p.off >= len(p.src) {
		return 0, p.fail("unexpected end of document: a value is missing")
	}
	at := int32(len(p.nodes))
	p.nodes = append(p.nodes, node{off: int32(p.off)})
	switch c := p.src[p.off]; {
	case c == '{':
		return at, p.object(at, depth)
	case c == '[':
		return at, p.array(at, depth)
	case c == '"':
		s, err := p.string()
		p.nodes[at].kind, p.nodes[at].str = stringNode, s
		return at, err
	case c == '-' || '0' <= c && c <= '9':
		s, err := p.number()
		p.nodes[at].kind, p.nodes[at].str = numberNode, s
		return at, err
	}
	for _, w := range []struct {
		text string
		kind nodeKind
	}{{"true", boolNode}, {"false", boolNode}, {"null", nullNode}} {
		if strings.HasPrefix(p.src[p.off:], w.text) {
			p.off += len(w.text)
			p.nodes[at].kind, p.nodes[at].str = w.kind, w.text
			return at, nil
		}
	}
	r, _ := utf8.DecodeRuneInString(p.src[p.off:])
	return 0, p.fail("unexpected %q where a value should be", r)
}

func (p *jsonParser) array(at int32, depth int) *jsonError {
	p.nodes[at].kind = arrayNode
	p.off++
	var last int32
	for p.space(); ; p.space() {
		if p.off < len(p.src) && p.src[p.off] == ']' && last == 0 {
			break
		}
		i, err := p.value(depth + 1)
		if err != nil {
			return err
		}
		if last == 0 {
			p.nodes[at].child = i
		} else {
			p.nodes[last].next = i
		}
		last = i
		if done, err := p.more(']'); err != nil {
			return err
		} else if done {
			break
		}
	}
	p.off++
	return nil
}

func (p *jsonParser) object(at int32, depth int) *jsonError {
	p.nodes[at].kind = objectNode
	p.off++
	var last int32
	var seen map[string]struct{} // only for objects with many members
	members := 0
	for p.space(); ; p.space() {
		if p.off < len(p.src) && p.src[p.off] == '}' && last == 0 {
			break
		}
		if p.off >= len(p.src) {
			return p.fail("unexpected end of document: an object is not closed")
		}
		if p.src[p.off] != '"' {
			r, _ := utf8.DecodeRuneInString(p.src[p.off:])
			return p.fail("unexpected %q where a key in double quotes should be", r)
		}
		keyOff := p.off
		key, err := p.string()
		if err != nil {
			return err
		}
		if members++; members <= 16 {
			for i := p.nodes[at].child; i != 0; i = p.nodes[i].next {
				if p.nodes[i].key == key {
					return &jsonError{off: keyOff, summary: fmt.Sprintf("key %q occurs twice in one object", key), dup: true}
				}
			}
		} else {
			if seen == nil {
				seen = make(map[string]struct{})
				for i := p.nodes[at].child; i != 0; i = p.nodes[i].next {
					seen[p.nodes[i].key] = struct{}{}
				}
			}
			if _, ok := seen[key]; ok {
				return &jsonError{off: keyOff, summary: fmt.Sprintf("key %q occurs twice in one object", key), dup: true}
			}
			seen[key] = struct{}{}
		}
		if p.space(); p.off >= len(p.src) || p.src[p.off] != ':' {
			return p.fail("a colon is missing after key %q", key)
		}
		p.off++
		p.space()
		i, err := p.value(depth + 1)
		if err != nil {
			return err
		}
		p.nodes[i].key, p.nodes[i].keyOff = key, int32(keyOff)
		if last == 0 {
			p.nodes[at].child = i
		} else {
			p.nodes[last].next = i
		}
		last = i
		if done, err := p.more('}'); err != nil {
			return err
		} else if done {
			break
		}
	}
	p.off++
	return nil
}

// more reads the separator after an element: a comma, or the closing bracket,
// which it leaves in place.
func (p *jsonParser) more(closing byte) (done bool, err *jsonError) {
	if p.space(); p.off >= len(p.src) {
		return false, p.fail("unexpected end of document: %q is missing", closing)
	}
	switch p.src[p.off] {
	case closing:
		return true, nil
	case ',':
		comma := p.off
		p.off++
		if p.space(); p.off < len(p.src) && p.src[p.off] == closing {
			p.off = comma
			return false, p.fail("comma before %q", closing)
		}
		return false, nil
	}
	r, _ := utf8.DecodeRuneInString(p.src[p.off:])
	return false, p.fail("unexpected %q: a comma or %q is missing", r, closing)
}

// string reads a string. Without escapes the result shares the source's memory.
func (p *jsonParser) string() (string, *jsonError) {
	p.off++
	start := p.off
	for p.off < len(p.src) {
		switch c := p.src[p.off]; {
		case c == '"':
			s := p.src[start:p.off]
			p.off++
			return s, nil
		case c == '\\':
			return p.escaped(start)
		case c < ' ':
			return "", p.fail("control character %q in a string must be escaped", c)
		}
		p.off++
	}
	p.off = start - 1
	return "", p.fail("string is not closed")
}

func (p *jsonParser) escaped(start int) (string, *jsonError) {
	b := []byte(p.src[start:p.off])
	for p.off < len(p.src) {
		switch c := p.src[p.off]; {
		case c == '"':
			p.off++
			return string(b), nil
		case c < ' ':
			return "", p.fail("control character %q in a string must be escaped", c)
		case c != '\\':
			b = append(b, c)
			p.off++
			continue
		}
		if p.off+1 >= len(p.src) {
			break
		}
		const from, to = `"\/bfnrt`, "\"\\/\b\f\n\r\t"
		if i := strings.IndexByte(from, p.src[p.off+1]); i >= 0 {
			b = append(b, to[i])
			p.off += 2
			continue
		}
		if p.src[p.off+1] != 'u' {
			return "", p.fail("unknown escape \\%c", p.src[p.off+1])
		}
		r, ok := p.hex(p.off + 2)
		if !ok {
			return "", p.fail(`\u needs four hexadecimal digits`)
		}
		p.off += 6
		if utf16.IsSurrogate(r) {
			low, ok := rune(utf8.RuneError), false
			if strings.HasPrefix(p.src[p.off:], `\u`) {
				low, ok = p.hex(p.off + 2)
			}
			if r = utf16.DecodeRune(r, low); !ok || r == utf8.RuneError {
				p.off -= 6
				return "", p.fail("half a surrogate pair in a string")
			}
			p.off += 6
		}
		b = utf8.AppendRune(b, r)
	}
	p.off = start - 1
	return "", p.fail("string is not closed")
}

func (p *jsonParser) hex(at int) (rune, bool) {
	if at+4 > len(p.src) {
		return 0, false
	}
	var r rune
	for _, c := range []byte(p.src[at : at+4]) {
		switch {
		case '0' <= c && c <= '9':
			r = r<<4 | rune(c-'0')
		case 'a' <= c && c <= 'f':
			r = r<<4 | rune(c-'a'+10)
		case 'A' <= c && c <= 'F':
			r = r<<4 | rune(c-'A'+10)
		default:
			return 0, false
		}
	}
	return r, true
}

func (p *jsonParser) number() (string, *jsonError) {
	start := p.off
	digits := func() int {
		n := 0
		for p.off < len(p.src) && '0' <= p.src[p.off] && p.src[p.off] <= '9' {
			p.off++
			n++
		}
		return n
	}
	at := func(chars string) bool {
		return p.off < len(p.src) && strings.IndexByte(chars, p.src[p.off]) >= 0
	}
	if at("-") {
		p.off++
	}
	zero := at("0")
	if n := digits(); n == 0 || zero && n > 1 {
		p.off = start
		return "", p.fail("number is malformed")
	}
	if at(".") {
		p.off++
		if digits() == 0 {
			p.off = start
			return "", p.fail("number is malformed")
		}
	}
	if at("eE") {
		p.off++
		if at("+-") {
			p.off++
		}
		if digits() == 0 {
			p.off = start
			return "", p.fail("number is malformed")
		}
	}
	return p.src[start:p.off], nil
}

// position turns an offset in src into a line and a column, both from 1. Columns
// count bytes, as compilers do.
func position(src string, off int) (line, column int) {
	off = min(max(off, 0), len(src))
	before := src[:off]
	return 1 + strings.Count(before, "\n"), off - strings.LastIndexByte(before, '\n')
}
