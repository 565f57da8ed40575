package wire

import (
	"bytes"
	"encoding/xml"
	"io"
	"reflect"
	"slices"
	"strings"
)

// node is an element of a parsed document.
type node struct {
	name  string
	text  []byte
	attrs []xml.Attr
	kids  []*node
}

// parseXML reads one document. What the decoder of the standard library does
// not bound is bounded here: nesting. Declarations of document types are
// refused, so no entity can be defined.
func parseXML(b []byte) (*node, *Error) {
	d := xml.NewDecoder(bytes.NewReader(b))
	var root *node
	var stack []*node
	for {
		t, err := d.Token()
		if err == io.EOF && len(stack) == 0 && root != nil {
			return root, nil
		}
		if err != nil {
			return nil, malformedXML()
		}
		switch t := t.(type) {
		case xml.StartElement:
			n := &node{name: t.Name.Local, attrs: t.Attr}
			switch {
			case len(stack) > 0:
				p := stack[len(stack)-1]
				p.kids = append(p.kids, n)
			case root != nil:
				return nil, malformedXML()
			default:
				root = n
			}
			if len(stack) == maxDepth {
				return nil, malformedXML()
			}
			stack = append(stack, n)
		case xml.EndElement:
			stack = stack[:len(stack)-1]
		case xml.CharData:
			if len(stack) > 0 {
				p := stack[len(stack)-1]
				p.text = append(p.text, t...)
			} else if len(bytes.TrimSpace(bytes.TrimPrefix(t, []byte("\ufeff")))) > 0 {
				return nil, malformedXML()
			}
		case xml.Directive:
			return nil, malformedXML()
		}
	}
}

// malformedXML is S3's one answer to a document that it cannot use
// (https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html).
func malformedXML() *Error {
	return Fail("MalformedXML", 400, "The XML you provided was not well-formed or did not validate against our published schema")
}

// fromXML fills v from the elements of one name, of which only lists and
// maps may have several.
func fromXML(c *codec, m *member, v reflect.Value, ns []*node) *Error {
	switch c.shape.kind {
	case kindStructure:
		if c.union != nil && len(ns) == 1 {
			return unionFromXML(c, v, ns[0])
		}
		if c.typ.Kind() != reflect.Struct || len(ns) > 1 {
			return malformedXML()
		}
		return fieldsFromXML(c, c.alloc(v), ns[0])
	case kindList:
		if !m.flattened {
			if len(ns) > 1 {
				return malformedXML()
			}
			ns = named(ns[0].kids, c.shape.member.wire)
		}
		v = c.alloc(v)
		v.Set(reflect.MakeSlice(c.typ, len(ns), len(ns)))
		for i := range ns {
			if err := fromXML(c.elem, c.shape.member, v.Index(i), ns[i:i+1]); err != nil {
				return err
			}
		}
		return nil
	case kindMap:
		if !m.flattened {
			if len(ns) > 1 {
				return malformedXML()
			}
			ns = named(ns[0].kids, "entry")
		}
		v = c.alloc(v)
		v.Set(reflect.MakeMapWithSize(c.typ, len(ns)))
		for _, n := range ns {
			k, x := named(n.kids, c.shape.key.wire), named(n.kids, c.shape.value.wire)
			if len(k) != 1 || len(x) != 1 {
				return malformedXML()
			}
			e := reflect.New(c.typ.Elem()).Elem()
			if err := fromXML(c.elem, c.shape.value, e, x); err != nil {
				return err
			}
			v.SetMapIndex(reflect.ValueOf(string(k[0].text)).Convert(c.typ.Key()), e)
		}
		return nil
	case kindDocument:
		return malformedXML()
	}
	if len(ns) > 1 || len(ns[0].kids) > 0 {
		return malformedXML()
	}
	text := string(ns[0].text)
	if c.shape.kind != kindString {
		if text = strings.TrimSpace(text); text == "" && c.shape.kind != kindBlob {
			return nil
		}
	}
	if c.setText(v, text) != nil {
		return malformedXML()
	}
	return nil
}

// unionFromXML fills an interface-typed union; exactly one member is set.
func unionFromXML(c *codec, v reflect.Value, n *node) *Error {
	if len(n.kids) == 0 {
		return nil
	}
	u := c.union.byName[n.kids[0].name]
	if u == nil || len(n.kids) > 1 && !u.m.flattened {
		return malformedXML()
	}
	p := reflect.New(u.typ)
	if err := fromXML(u.c, u.m, p.Elem().Field(0), named(n.kids, u.m.wire)); err != nil {
		return err
	}
	v.Set(p)
	return nil
}

func fieldsFromXML(c *codec, v reflect.Value, n *node) *Error {
	for i := range c.fields {
		f := &c.fields[i]
		if f.m.attribute {
			// "xsi:type" is matched by its local name: the prefix is the
			// client's choice.
			_, local, ok := strings.Cut(f.m.wire, ":")
			if !ok {
				local = f.m.wire
			}
			for _, a := range n.attrs {
				if a.Name.Local == local && f.c.setText(v.Field(f.index), a.Value) != nil {
					return malformedXML()
				}
			}
			continue
		}
		if !f.m.outer {
			continue
		}
		if ns := named(n.kids, f.m.wire); len(ns) > 0 {
			if err := fromXML(f.c, f.m, v.Field(f.index), ns); err != nil {
				return err
			}
		}
	}
	return nil
}

// named returns the elements of one name.
func named(ns []*node, name string) []*node {
	i := slices.IndexFunc(ns, func(n *node) bool { return n.name == name })
	if i < 0 {
		return nil
	}
	var out []*node
	for _, n := range ns[i:] {
		if n.name == name {
			out = append(out, n)
		}
	}
	return out
}
