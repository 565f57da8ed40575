package xmldsig

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
)

// maxDepth bounds the nesting of elements: SAML needs a dozen levels.
const maxDepth = 64

// Names of the namespaces that every document has (Namespaces in XML 1.0, 3).
const (
	xmlSpace   = "http://www.w3.org/XML/1998/namespace"
	xmlnsSpace = "http://www.w3.org/2000/xmlns/"
)

// Element is one element of a document.
type Element struct {
	// Space is the namespace's name, empty for none, and Local the name in it.
	Space, Local string
	// Attrs are the attributes, namespace declarations excluded.
	Attrs []Attr
	// Children are elements and texts in their order. Neighbouring texts are
	// one, comments and CDATA limits between them notwithstanding.
	Children []Node
	// Parent is nil for the root.
	Parent *Element

	prefix string
	scope  map[string]string // prefix → namespace, of all that are in scope
}

// Attr is an attribute.
type Attr struct {
	Space, Local, Value string
	prefix              string
}

// Node is an *Element or a Text.
type Node interface{ node() }

// Text is character data.
type Text string

func (*Element) node() {}
func (Text) node()     {}

// Attr returns the value of an attribute without a namespace.
func (e *Element) Attr(local string) string {
	for _, a := range e.Attrs {
		if a.Space == "" && a.Local == local {
			return a.Value
		}
	}
	return ""
}

// Elements returns the child elements of a name.
func (e *Element) Elements(space, local string) []*Element {
	var out []*Element
	for _, n := range e.Children {
		if c, ok := n.(*Element); ok && c.Space == space && c.Local == local {
			out = append(out, c)
		}
	}
	return out
}

// Element returns the only child element of a name, nil if there is none or
// more than one.
func (e *Element) Element(space, local string) *Element {
	if list := e.Elements(space, local); len(list) == 1 {
		return list[0]
	}
	return nil
}

// Text returns the text of an element; ok is false if it has child elements.
func (e *Element) Text() (text string, ok bool) {
	for _, n := range e.Children {
		t, is := n.(Text)
		if !is {
			return "", false
		}
		text += string(t)
	}
	return text, true
}

// Walk calls f with the element and every element below it.
func (e *Element) Walk(f func(*Element)) {
	f(e)
	for _, n := range e.Children {
		if c, ok := n.(*Element); ok {
			c.Walk(f)
		}
	}
}

// Parse reads a document into its root element.
func Parse(doc []byte) (*Element, error) {
	d := xml.NewDecoder(strings.NewReader(string(doc)))
	var root, at *Element
	depth, begun := 0, false
	for {
		token, err := d.RawToken()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("read XML: %w", err)
		}
		switch t := token.(type) {
		case xml.StartElement:
			if at == nil && root != nil {
				return nil, errors.New("the document has two root elements")
			}
			if depth++; depth > maxDepth {
				return nil, fmt.Errorf("elements are nested more than %d deep", maxDepth)
			}
			e, err := newElement(at, t)
			if err != nil {
				return nil, err
			}
			if at == nil {
				root = e
			} else {
				at.Children = append(at.Children, e)
			}
			at = e
		case xml.EndElement:
			if at == nil || at.prefix != t.Name.Space || at.Local != t.Name.Local {
				return nil, fmt.Errorf("the element </%s> was not begun", t.Name.Local)
			}
			at = at.Parent
			depth--
		case xml.CharData:
			switch {
			case at != nil:
				at.text(string(t))
			case strings.Trim(string(t), " \t\r\n") != "":
				return nil, errors.New("there is text outside of the root element")
			}
		case xml.Comment:
		case xml.ProcInst:
			if begun || t.Target != "xml" {
				return nil, fmt.Errorf("the document has the processing instruction %q", t.Target)
			}
		default:
			return nil, errors.New("the document has a document type declaration")
		}
		begun = true
	}
	if root == nil || at != nil {
		return nil, errors.New("the document ends before its root element does")
	}
	return root, nil
}

// text adds character data.
func (e *Element) text(s string) {
	if n := len(e.Children); n > 0 {
		if t, ok := e.Children[n-1].(Text); ok {
			e.Children[n-1] = t + Text(s)
			return
		}
	}
	e.Children = append(e.Children, Text(s))
}

// newElement resolves the names of an element and its attributes.
func newElement(parent *Element, t xml.StartElement) (*Element, error) {
	e := &Element{Local: t.Name.Local, Parent: parent, prefix: t.Name.Space}
	e.scope = map[string]string{"xml": xmlSpace}
	if parent != nil {
		e.scope = parent.scope
	}
	declared := map[string]bool{}
	for _, a := range t.Attr {
		prefix, is := declaration(a.Name)
		if !is {
			continue
		}
		switch {
		case declared[prefix]:
			return nil, fmt.Errorf("<%s> declares the prefix %q twice", e.Local, prefix)
		case prefix == "xmlns", (prefix == "xml") != (a.Value == xmlSpace), a.Value == xmlnsSpace:
			return nil, fmt.Errorf("<%s> declares the prefix %q for %q, which is reserved", e.Local, prefix, a.Value)
		case prefix != "" && a.Value == "":
			return nil, fmt.Errorf("<%s> takes the prefix %q back", e.Local, prefix)
		}
		if len(declared) == 0 {
			e.scope = clone(e.scope)
		}
		declared[prefix] = true
		e.scope[prefix] = a.Value
	}
	var err error
	if e.Space, err = e.resolve(e.prefix, e.Local); err != nil {
		return nil, err
	}
	seen := map[[2]string]bool{}
	for _, a := range t.Attr {
		if _, is := declaration(a.Name); is {
			continue
		}
		x := Attr{Local: a.Name.Local, Value: a.Value, prefix: a.Name.Space}
		if x.prefix != "" { // an attribute without a prefix is in no namespace
			if x.Space, err = e.resolve(x.prefix, x.Local); err != nil {
				return nil, err
			}
		} else if err := plainName(x.Local); err != nil {
			return nil, err
		}
		// White space in values is another reading's: XML processors turn it
		// into blanks, and what was written as a character reference they keep.
		if strings.ContainsAny(x.Value, "\t\r\n") {
			return nil, fmt.Errorf("the attribute %s of <%s> has a line break or a tab", x.Local, e.Local)
		}
		key := [2]string{x.Space, x.Local}
		if seen[key] {
			return nil, fmt.Errorf("<%s> has the attribute %s twice", e.Local, x.Local)
		}
		seen[key] = true
		e.Attrs = append(e.Attrs, x)
	}
	return e, nil
}

// declaration tells the prefix that an attribute declares, empty for the
// default namespace.
func declaration(n xml.Name) (prefix string, is bool) {
	if n.Space == "xmlns" {
		return n.Local, true
	}
	return "", n.Space == "" && n.Local == "xmlns"
}

func plainName(local string) error {
	if local == "" || strings.Contains(local, ":") {
		return fmt.Errorf("%q is not a name", local)
	}
	return nil
}

func (e *Element) resolve(prefix, local string) (string, error) {
	if err := plainName(local); err != nil {
		return "", err
	}
	space, ok := e.scope[prefix]
	if !ok && prefix != "" {
		return "", fmt.Errorf("the prefix of %s:%s is not declared", prefix, local)
	}
	return space, nil
}

func clone(m map[string]string) map[string]string {
	out := make(map[string]string, len(m)+1)
	for k, v := range m {
		out[k] = v
	}
	return out
}
