package iam

import (
	"iter"
	"slices"
	"strings"
	"unique"
)

// A Context holds the condition keys of one request: what the request says about
// itself (aws:SourceIp, aws:SecureTransport), its caller (aws:PrincipalTag/team)
// and its resource (aws:ResourceTag/env).
//
// Key names ignore case, the tag name after the slash included; values do not.
// A key is either single-valued or multivalued, and it matters which: policies
// test multivalued keys with ForAllValues and ForAnyValue only. See
// "Single-valued vs. multivalued context keys" in the IAM User Guide.
//
// A nil *Context is a request without keys. A Context must not change while a
// decision reads it; any number of decisions may read one at the same time.
type Context struct {
	keys []contextKey // parallel to vals: a lookup reads only this array
	vals []contextValue
}

// contextKey is a lower-cased key name. Comparing two of them compares pointers,
// which is why a lookup can afford to be a scan.
type contextKey = unique.Handle[string]

type contextValue struct {
	name  string // as given, for explanations
	one   string
	list  []string
	multi bool
}

// NewContext returns an empty context.
func NewContext() *Context { return new(Context) }

func makeContextKey(name string) contextKey { return unique.Make(strings.ToLower(name)) }

// Set gives key its value, replacing what it had. With one value the key is
// single-valued, with several it is multivalued; use SetList for a multivalued
// key that happens to hold one value, or none.
func (c *Context) Set(key string, values ...string) {
	if len(values) == 1 {
		c.put(contextValue{name: key, one: values[0]})
		return
	}
	c.SetList(key, values)
}

// SetList makes key a multivalued key holding values. An empty list counts as an
// absent key.
func (c *Context) SetList(key string, values []string) {
	c.put(contextValue{name: key, list: slices.Clone(values), multi: true})
}

func (c *Context) put(v contextValue) {
	k := makeContextKey(v.name)
	if i := slices.Index(c.keys, k); i >= 0 {
		c.vals[i] = v
		return
	}
	c.keys = append(c.keys, k)
	c.vals = append(c.vals, v)
}

// Delete removes key.
func (c *Context) Delete(key string) {
	if c == nil {
		return
	}
	if i := slices.Index(c.keys, makeContextKey(key)); i >= 0 {
		c.keys = slices.Delete(c.keys, i, i+1)
		c.vals = slices.Delete(c.vals, i, i+1)
	}
}

// Get returns the values of key and whether it is present. A single-valued key
// has one value.
func (c *Context) Get(key string) (values []string, ok bool) {
	v := c.lookup(makeContextKey(key))
	if v == nil {
		return nil, false
	}
	if v.multi {
		return slices.Clone(v.list), true
	}
	return []string{v.one}, true
}

// IsList reports whether key is present and multivalued.
func (c *Context) IsList(key string) bool {
	v := c.lookup(makeContextKey(key))
	return v != nil && v.multi
}

// Len is the number of keys.
func (c *Context) Len() int {
	if c == nil {
		return 0
	}
	return len(c.keys)
}

// All yields the keys, as they were spelled when set, with their values, in the
// order they were first set.
func (c *Context) All() iter.Seq2[string, []string] {
	return func(yield func(string, []string) bool) {
		if c == nil {
			return
		}
		for i := range c.vals {
			v := &c.vals[i]
			values := []string{v.one}
			if v.multi {
				values = slices.Clone(v.list)
			}
			if !yield(v.name, values) {
				return
			}
		}
	}
}

// Clone returns a copy that can change without changing c. The clone of a nil
// context is empty.
func (c *Context) Clone() *Context {
	if c == nil {
		return NewContext()
	}
	return &Context{keys: slices.Clone(c.keys), vals: slices.Clone(c.vals)}
}

// lookup returns the value of key, or nil if it is absent. A multivalued key
// without values is absent: AWS sends no such key.
func (c *Context) lookup(key contextKey) *contextValue {
	if c == nil {
		return nil
	}
	for i, k := range c.keys {
		if k == key {
			v := &c.vals[i]
			if v.multi && len(v.list) == 0 {
				return nil
			}
			return v
		}
	}
	return nil
}
