package iam

import (
	"strings"
	"unicode/utf8"
)

// A pattern is a compiled string of a policy: literal text, wildcards and
// policy variables. "*" matches any run of characters, also none; "?" matches
// exactly one character (not byte).
type pattern struct {
	kind  patternKind
	vars  bool   // parts hold variables
	lit   string // all of an exact pattern, the literal start of the others
	parts []part // what follows lit
}

type patternKind uint8

const (
	exactPattern  patternKind = iota
	prefixPattern             // lit*
	globPattern               // lit, then parts
)

// A part is one step of a pattern.
type part struct {
	kind partKind
	lit  string // text of litPart; name of varPart as written
	key  contextKey
	def  string // the default of varPart
	has  bool   // varPart has a default
}

type partKind uint8

const (
	litPart partKind = iota
	onePart          // ?
	anyPart          // *
	varPart          // ${key}
)

// compilePattern reads s. With wild unset "*" and "?" are ordinary characters;
// with vars set ${…} is a policy variable, and ${*}, ${?} and ${$} are the
// characters themselves. See "IAM policy elements: Variables and tags".
func compilePattern(s string, wild, vars bool) pattern {
	special := ""
	switch {
	case wild && vars:
		special = "*?$"
	case wild:
		special = "*?"
	case vars:
		special = "$"
	}
	if special == "" {
		return pattern{lit: s}
	}
	first := strings.IndexAny(s, special)
	if first < 0 {
		return pattern{lit: s}
	}
	if wild && s[first:] == "*" {
		return pattern{kind: prefixPattern, lit: s[:first]}
	}
	p := pattern{kind: globPattern, parts: make([]part, 0, 4)}
	lit := literal{text: s[:first]}
	flush := func() {
		if t := lit.take(); t != "" {
			p.parts = append(p.parts, part{kind: litPart, lit: t})
		}
	}
	for i := first; i < len(s); {
		switch c := s[i]; {
		case wild && c == '*':
			flush()
			if n := len(p.parts); n == 0 || p.parts[n-1].kind != anyPart {
				p.parts = append(p.parts, part{kind: anyPart})
			}
			i++
		case wild && c == '?':
			flush()
			// "*?" is "?*", and a literal after a "*" is quicker to find than a "?".
			if n := len(p.parts); n > 0 && p.parts[n-1].kind == anyPart {
				p.parts[n-1].kind = onePart
				p.parts = append(p.parts, part{kind: anyPart})
			} else {
				p.parts = append(p.parts, part{kind: onePart})
			}
			i++
		case vars && strings.HasPrefix(s[i:], "${"):
			end := strings.IndexByte(s[i:], '}')
			if end < 0 { // never closed: plain text, but its wildcards still are wildcards
				vars, special = false, strings.TrimSuffix(special, "$")
				continue
			}
			name := s[i+2 : i+end]
			i += end + 1
			if name == "*" || name == "?" || name == "$" {
				lit.add(name)
				continue
			}
			flush()
			p.parts = append(p.parts, compileVariable(name))
			p.vars = true
		default:
			n := len(s) - i
			if j := strings.IndexAny(s[i+1:], special); j >= 0 {
				n = j + 1
			}
			lit.add(s[i : i+n])
			i += n
		}
	}
	flush()
	if len(p.parts) > 0 && p.parts[0].kind == litPart {
		p.lit, p.parts = p.parts[0].lit, p.parts[1:]
	}
	switch {
	case len(p.parts) == 0:
		p.kind = exactPattern
	case len(p.parts) == 1 && p.parts[0].kind == anyPart:
		p.kind, p.parts = prefixPattern, nil
	}
	return p
}

// A literal is text that grows. The first piece shares the memory of the source.
type literal struct {
	text string
	more []byte
}

func (l *literal) add(s string) {
	switch {
	case l.more != nil:
		l.more = append(l.more, s...)
	case l.text == "":
		l.text = s
	default:
		l.more = append(append(l.more, l.text...), s...)
	}
}

func (l *literal) take() string {
	s := l.text
	if l.more != nil {
		s = string(l.more)
	}
	*l = literal{}
	return s
}

// compileVariable reads what stands between the braces: key, or key, 'default'.
func compileVariable(name string) part {
	v := part{kind: varPart, lit: name}
	if key, def, ok := strings.Cut(name, ", '"); ok && strings.HasSuffix(def, "'") {
		v.lit, v.def, v.has = key, strings.TrimSuffix(def, "'"), true
	}
	v.key = makeContextKey(v.lit)
	return v
}

// value is what the variable stands for in this request. Multivalued keys and
// empty strings count as no value.
func (v *part) value(c *Context) (string, bool) {
	if val := c.lookup(v.key); val != nil && !val.multi && val.one != "" {
		return val.one, true
	}
	return v.def, v.has
}

// resolved reports whether every variable of p has a value. A pattern with a
// variable that has none matches nothing.
func (p *pattern) resolved(c *Context) bool {
	if p.vars {
		for i := range p.parts {
			if p.parts[i].kind == varPart {
				if _, ok := p.parts[i].value(c); !ok {
					return false
				}
			}
		}
	}
	return true
}

// match reports whether all of s matches p. What variables stand for is literal:
// an asterisk in a tag value is an asterisk.
func (p *pattern) match(s string, c *Context) bool {
	switch p.kind {
	case exactPattern:
		return p.lit == s
	case prefixPattern:
		return strings.HasPrefix(s, p.lit)
	}
	return strings.HasPrefix(s, p.lit) && p.resolved(c) && matchParts(p.parts, s[len(p.lit):], c)
}

// matchParts matches parts against all of s. It never goes back further than
// the last "*": what stood before it has matched as early as it can, and no later
// place would leave more room for the rest.
func matchParts(parts []part, s string, c *Context) bool {
	i, j := 0, 0
	star, mark := -1, 0
	for {
		if i == len(parts) {
			if j == len(s) {
				return true
			}
		} else {
			q := &parts[i]
			switch q.kind {
			case anyPart:
				if i++; i == len(parts) {
					return true
				}
				star, mark = i, j
				continue
			case onePart:
				if j < len(s) {
					j += charLen(s[j:])
					i++
					continue
				}
			default:
				lit := q.text(c)
				if strings.HasPrefix(s[j:], lit) {
					j += len(lit)
					i++
					continue
				}
			}
		}
		if star < 0 || mark >= len(s) {
			return false
		}
		mark += charLen(s[mark:])
		if q := &parts[star]; q.kind == litPart || q.kind == varPart {
			// Jump to the next place where the text after the star occurs.
			skip := strings.Index(s[mark:], q.text(c))
			if skip < 0 {
				return false
			}
			mark += skip
		}
		i, j = star, mark
	}
}

func (v *part) text(c *Context) string {
	if v.kind == litPart {
		return v.lit
	}
	s, _ := v.value(c)
	return s
}

// charLen is the length in bytes of the first character of s, which is not empty.
func charLen(s string) int {
	if s[0] < utf8.RuneSelf {
		return 1
	}
	_, n := utf8.DecodeRuneInString(s)
	return n
}

// substitute is the text of p with its variables replaced, for explanations.
// Wildcards stay; a variable without value stays as written.
func (p *pattern) substitute(c *Context) string {
	var b strings.Builder
	b.WriteString(p.lit)
	for i := range p.parts {
		q := &p.parts[i]
		switch q.kind {
		case litPart:
			b.WriteString(q.lit)
		case onePart:
			b.WriteByte('?')
		case anyPart:
			b.WriteByte('*')
		case varPart:
			if s, ok := q.value(c); ok {
				b.WriteString(s)
			} else {
				b.WriteString("${" + q.lit + "}")
			}
		}
	}
	if p.kind == prefixPattern {
		b.WriteByte('*')
	}
	return b.String()
}
