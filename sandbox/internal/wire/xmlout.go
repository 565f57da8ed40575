package wire

import (
	"reflect"
	"slices"
	"strings"
	"unicode/utf8"
)

// xmlOut writes values as XML, for the query protocols and REST-XML.
type xmlOut struct {
	m *Model
	b []byte
}

func (e *xmlOut) open(name string) {
	e.b = append(e.b, '<')
	e.b = append(e.b, name...)
	e.b = append(e.b, '>')
}

func (e *xmlOut) close(name string) {
	e.b = append(e.b, '<', '/')
	e.b = append(e.b, name...)
	e.b = append(e.b, '>')
}

func (e *xmlOut) empty(name string) {
	e.b = append(e.b, '<')
	e.b = append(e.b, name...)
	e.b = append(e.b, '/', '>')
}

// text writes an element with a text that has no model.
func (e *xmlOut) text(name, s string) {
	e.open(name)
	e.b = appendXML(e.b, s, false)
	e.close(name)
}

// fields writes the members of a structure that belong in the document.
func (e *xmlOut) fields(c *codec, v reflect.Value) {
	for i := range c.fields {
		f := &c.fields[i]
		if f.m.outer && !f.m.attribute {
			e.member(f.m.wire, f.c, f.m, v.Field(f.index))
		}
	}
}

// member writes a value under a name; absent values are left out.
func (e *xmlOut) member(name string, c *codec, m *member, v reflect.Value) {
	v, ok := c.value(v)
	if !ok {
		return
	}
	switch c.shape.kind {
	case kindStructure:
		e.structure(name, c, m, v)
	case kindList:
		inner := c.shape.member.wire
		if m.flattened {
			inner = name
		} else if v.Len() == 0 {
			e.empty(name)
			return
		} else {
			e.open(name)
		}
		for i := range v.Len() {
			e.member(inner, c.elem, c.shape.member, v.Index(i))
		}
		if !m.flattened {
			e.close(name)
		}
	case kindMap:
		e.mapping(name, c, m, v)
	case kindDocument:
		// No XML protocol has documents.
	default:
		e.b = append(e.b, '<')
		e.b = append(e.b, name...)
		e.b = append(e.b, '>')
		switch c.shape.kind {
		case kindString:
			e.b = appendXML(e.b, v.String(), false)
		case kindTime:
			e.b = c.appendText(e.b, v, e.m.timeLayout(m))
		default:
			e.b = c.appendText(e.b, v, "")
		}
		e.close(name)
	}
}

func (e *xmlOut) structure(name string, c *codec, m *member, v reflect.Value) {
	if c.union != nil {
		if u := c.union.byType[v.Elem().Type()]; u != nil && !v.Elem().IsNil() {
			e.open(name)
			e.member(u.m.wire, u.c, u.m, v.Elem().Elem().Field(0))
			e.close(name)
		}
		return
	}
	if c.typ.Kind() != reflect.Struct {
		return
	}
	e.b = append(e.b, '<')
	e.b = append(e.b, name...)
	prefix, namespace := m.prefix, m.namespace
	if prefix == "" {
		prefix, namespace = c.shape.prefix, c.shape.namespace
	}
	if prefix != "" {
		e.b = append(e.b, " xmlns:"...)
		e.b = append(e.b, prefix...)
		e.b = append(e.b, `="`...)
		e.b = append(e.b, namespace...)
		e.b = append(e.b, '"')
	}
	for i := range c.fields {
		f := &c.fields[i]
		if !f.m.attribute {
			continue
		}
		if a, ok := f.c.value(v.Field(f.index)); ok {
			e.b = append(e.b, ' ')
			e.b = append(e.b, f.m.wire...)
			e.b = append(e.b, `="`...)
			e.b = appendXML(e.b, string(f.c.appendText(nil, a, e.m.timeLayout(f.m))), true)
			e.b = append(e.b, '"')
		}
	}
	e.b = append(e.b, '>')
	n := len(e.b)
	e.fields(c, v)
	if len(e.b) == n {
		// <name></name> becomes <name/>.
		e.b = append(e.b[:n-1], '/', '>')
		return
	}
	e.close(name)
}

func (e *xmlOut) mapping(name string, c *codec, m *member, v reflect.Value) {
	entry := "entry"
	if m.flattened {
		entry = name
	} else if v.Len() == 0 {
		e.empty(name)
		return
	} else {
		e.open(name)
	}
	for _, k := range sortedKeys(v) {
		e.open(entry)
		e.text(c.shape.key.wire, k.String())
		e.member(c.shape.value.wire, c.elem, c.shape.value, v.MapIndex(k))
		e.close(entry)
	}
	if !m.flattened {
		e.close(name)
	}
}

// sortedKeys returns the keys of a map of strings in order, so that equal
// answers are equal texts.
func sortedKeys(v reflect.Value) []reflect.Value {
	keys := v.MapKeys()
	slices.SortFunc(keys, func(a, b reflect.Value) int { return strings.Compare(a.String(), b.String()) })
	return keys
}

// appendXML appends s escaped for a text or an attribute. Control characters
// that XML 1.0 cannot hold are written as references all the same, as S3
// does: a client that must read them asks for encoding-type=url.
func appendXML(b []byte, s string, attribute bool) []byte {
	const hexDigits = "0123456789ABCDEF"
	from := 0
	for i := 0; i < len(s); {
		ch := s[i]
		var esc string
		switch {
		case ch == '&':
			esc = "&amp;"
		case ch == '<':
			esc = "&lt;"
		case ch == '>':
			esc = "&gt;"
		case ch == '"':
			esc = "&quot;"
		case ch == '\r', ch < ' ' && ch != '\n' && ch != '\t', attribute && ch < ' ':
			b = append(b, s[from:i]...)
			b = append(b, "&#x"...)
			if ch >= 16 {
				b = append(b, hexDigits[ch>>4])
			}
			b = append(b, hexDigits[ch&15], ';')
			i++
			from = i
			continue
		case ch < utf8.RuneSelf:
			i++
			continue
		default:
			r, n := utf8.DecodeRuneInString(s[i:])
			if r != utf8.RuneError && r != 0xFFFE && r != 0xFFFF || n == 3 && r == utf8.RuneError {
				i += n
				continue
			}
			b = append(b, s[from:i]...)
			b = append(b, "\uFFFD"...)
			i += n
			from = i
			continue
		}
		b = append(b, s[from:i]...)
		b = append(b, esc...)
		i++
		from = i
	}
	return append(b, s[from:]...)
}
