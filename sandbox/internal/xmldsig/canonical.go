package xmldsig

import (
	"maps"
	"slices"
	"strings"
)

// Canonical prints the element in exclusive canonical form without comments
// (Exclusive XML Canonicalization 1.0, 3), as the apex of a document subset.
// The namespaces of the prefixes in inclusive ("#default" for the default
// namespace) are printed as Canonical XML would. The elements of omit are left
// out.
func Canonical(e *Element, inclusive []string, omit ...*Element) []byte {
	c := canonicalizer{omit: omit}
	for _, p := range inclusive {
		if p == "#default" {
			p = ""
		}
		c.inclusive = append(c.inclusive, p)
	}
	c.element(e, map[string]string{})
	return []byte(c.out.String())
}

type canonicalizer struct {
	out       strings.Builder
	inclusive []string
	omit      []*Element
}

var (
	escapeText = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", "\r", "&#xD;")
	escapeAttr = strings.NewReplacer("&", "&amp;", "<", "&lt;", `"`, "&quot;", "\t", "&#x9;", "\n", "&#xA;", "\r", "&#xD;")
)

// element prints one element; rendered are the namespaces that the elements
// printed around it have declared.
func (c *canonicalizer) element(e *Element, rendered map[string]string) {
	name := qualified(e.prefix, e.Local)
	c.out.WriteString("<" + name)
	// Namespaces that the element makes use of, and those to be treated as
	// inclusive.
	used := map[string]bool{e.prefix: true}
	for _, a := range e.Attrs {
		if a.prefix != "" {
			used[a.prefix] = true
		}
	}
	for _, p := range c.inclusive {
		if _, ok := e.scope[p]; ok {
			used[p] = true
		}
	}
	delete(used, "xml")
	cloned := false
	for _, p := range slices.Sorted(maps.Keys(used)) {
		space := e.scope[p]
		if rendered[p] == space { // also where no default has been printed and none is meant
			continue
		}
		if !cloned {
			rendered, cloned = clone(rendered), true
		}
		rendered[p] = space
		if p == "" {
			c.attr("xmlns", space)
		} else {
			c.attr("xmlns:"+p, space)
		}
	}
	attrs := slices.Clone(e.Attrs)
	slices.SortFunc(attrs, func(a, b Attr) int {
		if a.Space != b.Space {
			return strings.Compare(a.Space, b.Space)
		}
		return strings.Compare(a.Local, b.Local)
	})
	for _, a := range attrs {
		c.attr(qualified(a.prefix, a.Local), a.Value)
	}
	c.out.WriteString(">")
	for _, n := range e.Children {
		switch n := n.(type) {
		case Text:
			escapeText.WriteString(&c.out, string(n))
		case *Element:
			if !slices.Contains(c.omit, n) {
				c.element(n, rendered)
			}
		}
	}
	c.out.WriteString("</" + name + ">")
}

func (c *canonicalizer) attr(name, value string) {
	c.out.WriteString(" " + name + `="`)
	escapeAttr.WriteString(&c.out, value)
	c.out.WriteString(`"`)
}

func qualified(prefix, local string) string {
	if prefix == "" {
		return local
	}
	return prefix + ":" + local
}
