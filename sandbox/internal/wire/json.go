package wire

import (
	"bytes"
	"encoding/json"
	"io"
	"math"
	"reflect"
	"strconv"
)

// parseJSON reads one JSON document as generic values, numbers as written.
// An empty body is an empty object.
func parseJSON(b []byte) (any, *Error) {
	if len(bytes.TrimSpace(b)) == 0 {
		return map[string]any{}, nil
	}
	if tooDeep(b) {
		return nil, serialization("The request is nested more than %d levels deep.", maxDepth)
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	var x any
	if err := d.Decode(&x); err != nil {
		return nil, serialization("The request body is not valid JSON.")
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, serialization("The request body holds more than one JSON document.")
	}
	return x, nil
}

// tooDeep counts brackets outside of strings, before anything is allocated.
func tooDeep(b []byte) bool {
	depth, quoted := 0, false
	for i := 0; i < len(b); i++ {
		switch b[i] {
		case '"':
			quoted = !quoted
		case '\\':
			if quoted {
				i++
			}
		case '{', '[':
			if !quoted {
				if depth++; depth > maxDepth {
					return true
				}
			}
		case '}', ']':
			if !quoted {
				depth--
			}
		}
	}
	return false
}

func serialization(format string, args ...any) *Error {
	return Fail("SerializationException", 400, format, args...)
}

// fromJSON fills v, which is of c's type, from a generic JSON value.
func fromJSON(c *codec, m *member, v reflect.Value, x any) *Error {
	if x == nil {
		return nil
	}
	switch c.shape.kind {
	case kindStructure:
		o, ok := x.(map[string]any)
		if !ok {
			return wrongJSON(c, x)
		}
		if c.union != nil {
			return unionFromJSON(c, v, o)
		}
		if c.typ.Kind() != reflect.Struct {
			return wrongJSON(c, x)
		}
		v = c.alloc(v)
		for i := range c.fields {
			f := &c.fields[i]
			if !f.m.outer {
				continue
			}
			if y, ok := o[f.m.wire]; ok {
				if err := fromJSON(f.c, f.m, v.Field(f.index), y); err != nil {
					return err
				}
			}
		}
	case kindList:
		l, ok := x.([]any)
		if !ok {
			return wrongJSON(c, x)
		}
		v = c.alloc(v)
		v.Set(reflect.MakeSlice(c.typ, len(l), len(l)))
		for i, y := range l {
			if err := fromJSON(c.elem, c.shape.member, v.Index(i), y); err != nil {
				return err
			}
		}
	case kindMap:
		o, ok := x.(map[string]any)
		if !ok {
			return wrongJSON(c, x)
		}
		v = c.alloc(v)
		v.Set(reflect.MakeMapWithSize(c.typ, len(o)))
		for k, y := range o {
			e := reflect.New(c.typ.Elem()).Elem()
			if err := fromJSON(c.elem, c.shape.value, e, y); err != nil {
				return err
			}
			v.SetMapIndex(reflect.ValueOf(k).Convert(c.typ.Key()), e)
		}
	case kindDocument:
		if c.typ != anyType {
			return serialization("The member %s takes a document, which is not supported.", m.name)
		}
		v.Set(reflect.ValueOf(x))
	default:
		return scalarFromJSON(c, v, x)
	}
	return nil
}

func scalarFromJSON(c *codec, v reflect.Value, x any) *Error {
	switch x := x.(type) {
	case string:
		switch c.shape.kind {
		case kindBool, kindInt:
			return wrongJSON(c, x)
		case kindFloat:
			if x != "NaN" && x != "Infinity" && x != "-Infinity" {
				return wrongJSON(c, x)
			}
		}
		if c.setText(v, x) != nil {
			return wrongJSON(c, x)
		}
	case json.Number:
		switch c.shape.kind {
		case kindInt:
			if c.typ.Kind() == reflect.String {
				if c.setText(v, string(x)) != nil {
					return wrongJSON(c, x)
				}
				break
			}
			n, err := strconv.ParseInt(string(x), 10, c.typ.Bits())
			if err != nil {
				// Some clients write whole numbers as 3.0 or 3e0.
				f, ferr := strconv.ParseFloat(string(x), 64)
				if ferr != nil || f != math.Trunc(f) || math.Abs(f) >= 1<<53 {
					return wrongJSON(c, x)
				}
				n = int64(f)
			}
			v = c.alloc(v)
			if v.OverflowInt(n) {
				return wrongJSON(c, x)
			}
			v.SetInt(n)
		case kindFloat, kindTime:
			if c.setText(v, string(x)) != nil {
				return wrongJSON(c, x)
			}
		default:
			return wrongJSON(c, x)
		}
	case bool:
		if c.shape.kind != kindBool {
			return wrongJSON(c, x)
		}
		c.alloc(v).SetBool(x)
	default:
		return wrongJSON(c, x)
	}
	return nil
}

// unionFromJSON fills an interface-typed union; exactly one member is set.
func unionFromJSON(c *codec, v reflect.Value, o map[string]any) *Error {
	var chosen *unionMember
	var value any
	for k, x := range o {
		if x == nil {
			continue
		}
		u := c.union.byName[k]
		if u == nil {
			continue // a member of a newer API, or "__type"
		}
		if chosen != nil {
			return Fail("ValidationException", 400, "Supplied %s has more than one datatypes set, must contain exactly one of the supported datatypes", c.shape.name)
		}
		chosen, value = u, x
	}
	if chosen == nil {
		return Fail("ValidationException", 400, "Supplied %s is empty, must contain exactly one of the supported datatypes", c.shape.name)
	}
	p := reflect.New(chosen.typ)
	if err := fromJSON(chosen.c, chosen.m, p.Elem().Field(0), value); err != nil {
		return err
	}
	v.Set(p)
	return nil
}

// wrongJSON words a type error as AWS's services do, without the value.
func wrongJSON(c *codec, x any) *Error {
	var what string
	switch x := x.(type) {
	case map[string]any:
		return serialization("Start of structure or map found where not expected.")
	case []any:
		return serialization("Start of list found where not expected")
	case string:
		what = "STRING_VALUE"
	case json.Number:
		what = "NUMBER_VALUE"
	case bool:
		what = "FALSE_VALUE"
		if x {
			what = "TRUE_VALUE"
		}
	}
	to := [...]string{"Structure", "Collection", "Map", "String", "Boolean", "Integer", "Double", "Timestamp", "Blob", "Document"}[c.shape.kind]
	return serialization("%s can not be converted to %s", what, to)
}
