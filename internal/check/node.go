package check

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// A node is a JSON value with its place. Reading is lenient where package iam
// is strict: a rule has to see a document that AWS would refuse.
type node struct {
	kind       byte   // { [ " or 0 for what has neither parts nor text
	text       string // of a string, or the literal
	start, end int    // bytes of the document
	members    []member
	items      []*node
}

type member struct {
	name *node
	val  *node
}

// readNode reads one JSON value and nothing after it.
func readNode(src []byte) (*node, error) {
	p := &nodeReader{src: src, d: json.NewDecoder(bytes.NewReader(src))}
	p.d.UseNumber()
	n, err := p.value(0)
	if err != nil {
		return nil, err
	}
	if _, err := p.d.Token(); err != io.EOF {
		return nil, errors.New("text after the end of the JSON value")
	}
	return n, nil
}

type nodeReader struct {
	src []byte
	d   *json.Decoder
}

const maxDepth = 100

func (p *nodeReader) value(depth int) (*node, error) {
	if depth > maxDepth {
		return nil, fmt.Errorf("nested more than %d deep", maxDepth)
	}
	start := p.next()
	tok, err := p.d.Token()
	if err != nil {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return nil, err
	}
	n := &node{start: start}
	switch t := tok.(type) {
	case json.Delim:
		n.kind = byte(t)
		for p.d.More() {
			if t == '{' {
				name, err := p.value(depth + 1)
				if err != nil {
					return nil, err
				}
				val, err := p.value(depth + 1)
				if err != nil {
					return nil, err
				}
				n.members = append(n.members, member{name, val})
			} else {
				item, err := p.value(depth + 1)
				if err != nil {
					return nil, err
				}
				n.items = append(n.items, item)
			}
		}
		if _, err := p.d.Token(); err != nil {
			if err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return nil, err
		}
	case string:
		n.kind, n.text = '"', t
	default:
		n.text = fmt.Sprint(t)
	}
	n.end = int(p.d.InputOffset())
	return n, nil
}

// next is where the next token starts: white space and the marks between
// values come before it.
func (p *nodeReader) next() int {
	i := int(p.d.InputOffset())
	for i < len(p.src) && strings.IndexByte(" \t\r\n,:", p.src[i]) >= 0 {
		i++
	}
	return i
}

// get is a member by name, whatever its case; nil if there is none.
func (n *node) get(name string) *node {
	if n == nil {
		return nil
	}
	for _, m := range n.members {
		if strings.EqualFold(m.name.text, name) {
			return m.val
		}
	}
	return nil
}

// str is the text of a string member, "" if there is none.
func (n *node) str(name string) string {
	if v := n.get(name); v != nil && v.kind != '{' && v.kind != '[' {
		return v.text
	}
	return ""
}

// list is the items of an array member, or the member itself if it is no
// array: policies write both.
func (n *node) list(name string) []*node {
	v := n.get(name)
	switch {
	case v == nil:
		return nil
	case v.kind == '[':
		return v.items
	}
	return []*node{v}
}

// texts is the strings of a list.
func (n *node) texts(name string) (out []string) {
	for _, v := range n.list(name) {
		if v.kind == '"' {
			out = append(out, v.text)
		}
	}
	return out
}
