package wire

import (
	"encoding/base64"
	"encoding/json"
	"math"
	"reflect"
	"time"
	"unicode/utf8"
)

// appendObject writes the members of a structure that belong in the body.
func appendObject(b []byte, c *codec, v reflect.Value) []byte {
	b = append(b, '{')
	n := len(b)
	for i := range c.fields {
		f := &c.fields[i]
		if !f.m.outer {
			continue
		}
		e, ok := f.c.value(v.Field(f.index))
		if !ok {
			continue
		}
		if len(b) > n {
			b = append(b, ',')
		}
		b = append(appendString(b, f.m.wire), ':')
		b = appendJSON(b, f.c, f.m, e)
	}
	return append(b, '}')
}

// appendJSON writes a present value.
func appendJSON(b []byte, c *codec, m *member, v reflect.Value) []byte {
	switch c.shape.kind {
	case kindStructure:
		if c.union != nil {
			u := c.union.byType[v.Elem().Type()]
			if u == nil || v.Elem().IsNil() {
				return append(b, "{}"...)
			}
			b = append(appendString(append(b, '{'), u.m.wire), ':')
			field := v.Elem().Elem().Field(0)
			e, ok := u.c.value(field)
			// An empty list, map, string or blob is a value here.
			if !ok {
				e = reflect.Zero(u.c.typ)
			}
			return append(appendJSON(b, u.c, u.m, e), '}')
		}
		if c.typ.Kind() != reflect.Struct {
			return append(b, "{}"...)
		}
		return appendObject(b, c, v)
	case kindList:
		b = append(b, '[')
		for i := range v.Len() {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendElement(b, c.elem, c.shape.member, v.Index(i))
		}
		return append(b, ']')
	case kindMap:
		b = append(b, '{')
		for i, k := range sortedKeys(v) {
			if i > 0 {
				b = append(b, ',')
			}
			b = append(appendString(b, k.String()), ':')
			b = appendElement(b, c.elem, c.shape.value, v.MapIndex(k))
		}
		return append(b, '}')
	case kindDocument:
		if x, err := json.Marshal(v.Interface()); err == nil && c.typ == anyType {
			return append(b, x...)
		}
		return append(b, "null"...)
	case kindString:
		return appendString(b, v.String())
	case kindBlob:
		b = append(b, '"')
		if !c.reader {
			b = base64.StdEncoding.AppendEncode(b, v.Bytes())
		}
		return append(b, '"')
	case kindInt:
		if c.typ.Kind() == reflect.String {
			return appendString(b, v.String())
		}
	case kindFloat:
		if f := v.Float(); math.IsNaN(f) || math.IsInf(f, 0) {
			return append(appendFloat(append(b, '"'), f, 64), '"')
		}
	case kindTime:
		if c.typ != timeType {
			return appendString(b, v.String())
		}
		switch m.time {
		case formatISO, formatHTTP:
			return append(appendTime(append(b, '"'), v.Interface().(time.Time), m.time), '"')
		}
		return appendEpoch(b, v.Interface().(time.Time))
	}
	return c.appendText(b, v, "")
}

// appendElement writes an element of a list or map: an absent one is null,
// except that a string may be empty.
func appendElement(b []byte, c *codec, m *member, v reflect.Value) []byte {
	e, ok := c.value(v)
	if !ok && (c.ptr || e.Kind() != reflect.String) {
		return append(b, "null"...)
	}
	return appendJSON(b, c, m, e)
}

// appendString appends s as a JSON string.
func appendString(b []byte, s string) []byte {
	const hexDigits = "0123456789abcdef"
	b = append(b, '"')
	from := 0
	for i := 0; i < len(s); {
		ch := s[i]
		if ch >= ' ' && ch != '"' && ch != '\\' && ch < utf8.RuneSelf {
			i++
			continue
		}
		if ch >= utf8.RuneSelf {
			r, n := utf8.DecodeRuneInString(s[i:])
			if r == utf8.RuneError && n == 1 {
				b = append(append(b, s[from:i]...), "\uFFFD"...)
				from = i + 1
			}
			i += n
			continue
		}
		b = append(b, s[from:i]...)
		switch ch {
		case '"', '\\':
			b = append(b, '\\', ch)
		case '\n':
			b = append(b, '\\', 'n')
		case '\r':
			b = append(b, '\\', 'r')
		case '\t':
			b = append(b, '\\', 't')
		default:
			b = append(b, '\\', 'u', '0', '0', hexDigits[ch>>4], hexDigits[ch&15])
		}
		i++
		from = i
	}
	return append(append(b, s[from:]...), '"')
}
