package iam

import "strings"

// A resourcePattern matches resource ARNs field by field: wildcards do not cross
// the first five colons. See "IAM JSON policy elements: Resource".
type resourcePattern struct {
	kind  resourceKind
	begin string    // plainResource: head and the literal start of last
	head  string    // plainResource: the first five fields, colons included
	last  pattern   // the sixth field
	first []pattern // fieldResource: the first five fields
	text  string    // as written
}

type resourceKind uint8

const (
	plainResource resourceKind = iota // no wildcard before the fifth colon
	fieldResource                     // wildcards in the first five fields
	anyResource                       // a lone "*"
	noResource                        // matches nothing: not an ARN, or an incomplete one where AWS completes none
)

// compileResource reads one entry of Resource or NotResource. Incomplete ARNs are
// completed with "*" where AWS does so: in identity policies and boundaries, and
// in SCPs. Variables count after the fifth colon only.
func compileResource(s string, kind Kind, vars bool) resourcePattern {
	if s == "*" {
		return resourcePattern{kind: anyResource, text: s}
	}
	var c colons
	full := s
	if !splitARN(s, &c) {
		switch kind {
		case Identity, Boundary, SCP:
		default:
			return resourcePattern{kind: noResource, text: s}
		}
		if !strings.HasPrefix(s, "arn:") {
			return resourcePattern{kind: noResource, text: s}
		}
		full = s + strings.Repeat(":*", 5-strings.Count(s, ":"))
		splitARN(full, &c)
	}
	head := full[:c[4]+1]
	r := resourcePattern{head: head, last: compilePattern(full[c[4]+1:], true, vars), text: s}
	if lit := r.last.lit; strings.HasPrefix(full[len(head):], lit) {
		r.begin = full[:len(head)+len(lit)] // shares the memory of the document
	} else {
		r.begin = head + lit
	}
	if strings.ContainsAny(head, "*?") {
		r.kind = fieldResource
		r.first = make([]pattern, 5)
		for i := range r.first {
			r.first[i] = compilePattern(c.field(full, i), true, false)
		}
	}
	return r
}

// match reports whether the pattern covers the resource of the request.
func (p *resourcePattern) match(ev *eval) bool {
	s := ev.r.Resource
	switch p.kind {
	case plainResource:
		if !strings.HasPrefix(s, p.begin) {
			return false
		}
		switch p.last.kind {
		case prefixPattern:
			return true
		case exactPattern:
			return len(s) == len(p.begin)
		}
		return p.last.resolved(ev.ctx) && matchParts(p.last.parts, s[len(p.begin):], ev.ctx)
	case anyResource:
		return true
	case noResource:
		return false
	}
	if !ev.splitResource() {
		return false
	}
	for i := range p.first {
		if !p.first[i].match(ev.resource.field(s, i), nil) {
			return false
		}
	}
	return p.last.match(ev.resource.field(s, 5), ev.ctx)
}

// substitute is the pattern with its variables replaced, for explanations.
func (p *resourcePattern) substitute(c *Context) string {
	if !p.last.vars {
		return p.text
	}
	return p.head + p.last.substitute(c)
}
