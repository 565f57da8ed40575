package wire

import (
	"net/http"
	"reflect"
	"strings"
)

// bind fills the input of a REST operation from path, query, headers and
// body (https://smithy.io/2.0/spec/http-bindings.html).
func (c *Call) bind(root *codec, v reflect.Value) *Error {
	document := false
	for i := range root.fields {
		f := &root.fields[i]
		d := v.Field(f.index)
		var e *Error
		switch f.m.location {
		case "uri":
			if s, ok := c.Vars[strings.TrimSuffix(f.m.wire, "+")]; ok && f.c.setText(d, s) != nil {
				e = c.badArgument(f, s)
			}
		case "querystring":
			e = c.bindQuery(f, d)
		case "header":
			e = c.bindHeader(f, d)
		case "headers":
			bindHeaders(f, d, c.HTTP.Header)
		default:
			if f.m == root.shape.payload {
				e = c.bindPayload(f, d)
			} else {
				document = document || root.shape.payload == nil
			}
		}
		if e != nil {
			return e
		}
	}
	if !document {
		return nil
	}
	if e := c.loadBody(); e != nil || len(c.Body) == 0 {
		return e
	}
	if c.Model.protocol == "rest-json" {
		x, e := parseJSON(c.Body)
		if e != nil {
			return e
		}
		return fromJSON(root, rootMember, v.Addr(), x)
	}
	n, e := parseXML(c.Body)
	if e != nil {
		return e
	}
	return fieldsFromXML(root, v, n)
}

// loadBody reads the body if Decode has not.
func (c *Call) loadBody() *Error {
	if c.Body != nil {
		return nil
	}
	return c.readBody()
}

func (c *Call) bindQuery(f *field, v reflect.Value) *Error {
	switch f.c.shape.kind {
	case kindList:
		values := c.query[f.m.wire]
		if len(values) == 0 {
			return nil
		}
		v = f.c.alloc(v)
		v.Set(reflect.MakeSlice(f.c.typ, len(values), len(values)))
		for i, s := range values {
			if f.c.elem.setText(v.Index(i), s) != nil {
				return c.badArgument(f, s)
			}
		}
	case kindMap:
		v = f.c.alloc(v)
		v.Set(reflect.MakeMap(f.c.typ))
		for k, values := range c.query {
			e := reflect.New(f.c.typ.Elem()).Elem()
			if f.c.elem.setText(e, values[0]) == nil {
				v.SetMapIndex(reflect.ValueOf(k).Convert(f.c.typ.Key()), e)
			}
		}
	default:
		values, ok := c.query[f.m.wire]
		if !ok || values[0] == "" && f.c.shape.kind != kindString {
			return nil
		}
		if f.c.setText(v, values[0]) != nil {
			return c.badArgument(f, values[0])
		}
	}
	return nil
}

func (c *Call) bindHeader(f *field, v reflect.Value) *Error {
	values := c.HTTP.Header[f.m.header]
	if f.m.wire == "Content-Length" {
		if n := c.HTTP.ContentLength; n >= 0 && f.c.shape.kind == kindInt {
			f.c.alloc(v).SetInt(n)
		}
		return nil
	}
	if len(values) == 0 || values[0] == "" {
		return nil
	}
	if f.c.shape.kind == kindList {
		list := f.c.alloc(v)
		for s := range strings.SplitSeq(strings.Join(values, ","), ",") {
			if s = strings.TrimSpace(s); s == "" {
				continue
			}
			e := reflect.New(f.c.typ.Elem()).Elem()
			if f.c.elem.setText(e, s) != nil {
				return c.badArgument(f, s)
			}
			list.Set(reflect.Append(list, e))
		}
		return nil
	}
	if err := f.c.setText(v, values[0]); err != nil {
		if f.c.shape.kind == kindTime && f.m.time == "" {
			// RFC 9110, 13.1.3: an invalid date in a condition is ignored.
			return nil
		}
		return c.badArgument(f, values[0])
	}
	return nil
}

// bindHeaders fills a map from the headers that share a prefix. HTTP does
// not keep the case of names; S3 answers them in lower case.
func bindHeaders(f *field, v reflect.Value, h http.Header) {
	for k, values := range h {
		if len(k) <= len(f.m.header) || !strings.HasPrefix(k, f.m.header) {
			continue
		}
		m := f.c.alloc(v)
		if m.IsNil() {
			m.Set(reflect.MakeMap(f.c.typ))
		}
		e := reflect.New(f.c.typ.Elem()).Elem()
		if f.c.elem.setText(e, strings.Join(values, ",")) == nil {
			m.SetMapIndex(reflect.ValueOf(strings.ToLower(k[len(f.m.wire):])).Convert(f.c.typ.Key()), e)
		}
	}
}

func (c *Call) bindPayload(f *field, v reflect.Value) *Error {
	if f.c.reader {
		if c.HTTP.Body != nil && c.HTTP.Body != http.NoBody && reflect.TypeOf(c.HTTP.Body).AssignableTo(f.c.typ) {
			v.Set(reflect.ValueOf(c.HTTP.Body))
		}
		return nil
	}
	if e := c.loadBody(); e != nil {
		return e
	}
	if len(c.Body) == 0 {
		if f.m.required && c.Model.service == "s3" {
			return Fail("MissingRequestBodyError", 400, "Request Body is empty")
		}
		return nil
	}
	switch f.c.shape.kind {
	case kindString:
		f.c.alloc(v).SetString(string(c.Body))
	case kindBlob:
		f.c.alloc(v).SetBytes(c.Body)
	default:
		if c.Model.protocol == "rest-json" {
			x, e := parseJSON(c.Body)
			if e != nil {
				return e
			}
			return fromJSON(f.c, f.m, v, x)
		}
		n, e := parseXML(c.Body)
		if e != nil {
			return e
		}
		if n.name != f.m.wire {
			return malformedXML()
		}
		return fromXML(f.c, f.m, v, []*node{n})
	}
	return nil
}

// badArgument is the error for a value outside of the body that its type
// cannot hold.
func (c *Call) badArgument(f *field, value string) *Error {
	if c.Model.service == "s3" {
		if f.c.shape.kind == kindInt {
			return Fail("InvalidArgument", 400, "Provided %s not an integer or within integer range", f.m.wire).
				With("ArgumentName", f.m.wire).With("ArgumentValue", value)
		}
		return Fail("InvalidArgument", 400, "Invalid value for %s: want %s.", f.m.wire, f.c.shape.kind).With("ArgumentName", f.m.wire)
	}
	return serialization("The value of %s is not valid: want %s.", f.m.wire, f.c.shape.kind)
}
