package wire

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// maxViolations ends the search for more: a list may break a rule in each of
// its elements.
const maxViolations = 20

// validate checks an input against the model's constraints and words what it
// finds as the service does.
func (c *Call) validate(root *codec, v reflect.Value) *Error {
	switch c.Model.protocol {
	case "ec2":
		if name := missing(root, v); name != "" {
			return Fail("MissingParameter", 400, "The request must contain the parameter %s", name)
		}
		return nil
	case "rest-xml":
		return c.validateREST(root, v)
	}
	k := checker{}
	k.fields(root, v, "")
	switch n := len(k.found); n {
	case 0:
		return nil
	case 1:
		return Fail(c.validationCode(), 400, "1 validation error detected: %s", k.found[0])
	default:
		return Fail(c.validationCode(), 400, "%d validation errors detected: %s", n, strings.Join(k.found, "; "))
	}
}

// validationCode is what the operation calls an input that breaks the model.
func (c *Call) validationCode() string {
	if c.Model.protocol == "query" {
		return "ValidationError"
	}
	for _, code := range []string{"ValidationException", "InvalidParameterException", "InvalidRequestException"} {
		if slices.Contains(c.Op.errors, code) {
			return code
		}
	}
	return "ValidationException"
}

// validateREST checks what S3 answers alike for all operations: required
// headers, and required members and enumerations in documents.
func (c *Call) validateREST(root *codec, v reflect.Value) *Error {
	for i := range root.fields {
		f := &root.fields[i]
		e, ok := f.c.value(v.Field(f.index))
		switch {
		case f.m == root.shape.payload && ok && f.c.shape.kind == kindStructure:
			k := checker{schema: true}
			k.value(f.c, f.m, e, f.m.label)
			if len(k.found) > 0 {
				return malformedXML()
			}
		case !ok && f.m.required && f.m.location == "header":
			return Fail("InvalidRequest", 400, "Missing required header for this request: %s", strings.ToLower(f.m.wire))
		}
	}
	return nil
}

// missing returns the query name of the first required parameter that an EC2
// request lacks. Of the members of structures EC2's model marks more as
// required than the service insists on, so they are left to the handlers.
func missing(c *codec, v reflect.Value) string {
	for i := range c.fields {
		f := &c.fields[i]
		if _, ok := f.c.value(v.Field(f.index)); !ok && f.m.required {
			return f.m.query
		}
	}
	return ""
}

// checker collects violations.
type checker struct {
	found []string
	// schema limits the checks to what an XML schema would hold: required
	// members and enumerations. S3 has an error of its own for each length.
	schema bool
}

func (k *checker) fail(s *shape, path, value, constraint string) {
	if s.sensitive {
		k.found = append(k.found, fmt.Sprintf("Value at '%s' failed to satisfy constraint: %s", path, constraint))
		return
	}
	k.found = append(k.found, fmt.Sprintf("Value '%s' at '%s' failed to satisfy constraint: %s", value, path, constraint))
}

func (k *checker) fields(c *codec, v reflect.Value, path string) {
	for i := range c.fields {
		if len(k.found) >= maxViolations {
			return
		}
		f := &c.fields[i]
		e, ok := f.c.value(v.Field(f.index))
		switch {
		case ok:
			k.value(f.c, f.m, e, join(path, f.m.label))
		case f.m.required && !f.c.reader:
			k.found = append(k.found, fmt.Sprintf("Value null at '%s' failed to satisfy constraint: Member must not be null", join(path, f.m.label)))
		}
	}
}

func join(path, label string) string {
	if path == "" {
		return label
	}
	return path + "." + label
}

// value checks a present value.
func (k *checker) value(c *codec, m *member, v reflect.Value, path string) {
	s := c.shape
	switch s.kind {
	case kindStructure:
		switch {
		case c.union != nil:
			if u := c.union.byType[v.Elem().Type()]; u != nil && !v.Elem().IsNil() {
				if e, ok := u.c.value(v.Elem().Elem().Field(0)); ok {
					k.value(u.c, u.m, e, join(path, u.m.label))
				}
			}
		case c.typ.Kind() == reflect.Struct:
			k.fields(c, v, path)
		}
	case kindList:
		k.length(s, int64(v.Len()), func() string { return list(c, v) }, path)
		for i := 0; i < v.Len() && len(k.found) < maxViolations; i++ {
			if e, ok := c.elem.value(v.Index(i)); ok {
				k.value(c.elem, s.member, e, path+"."+strconv.Itoa(i+1)+".member")
			}
		}
	case kindMap:
		k.length(s, int64(v.Len()), func() string { return "{}" }, path)
		for _, name := range sortedKeys(v) {
			if len(k.found) >= maxViolations {
				return
			}
			n := len(k.found)
			k.value(c.key, s.key, name, path)
			if len(k.found) > n {
				// The message is about the map, not about one value.
				_, constraint, _ := strings.Cut(k.found[n], "constraint: ")
				k.found = append(k.found[:n], fmt.Sprintf("Value at '%s' failed to satisfy constraint: Map keys must satisfy constraint: [%s]", path, constraint))
			}
			if e, ok := c.elem.value(v.MapIndex(name)); ok {
				k.value(c.elem, s.value, e, path+"."+name.String()+".member")
			}
		}
	case kindString:
		k.text(s, v.String(), path)
	case kindBlob:
		if !c.reader {
			k.length(s, int64(v.Len()), func() string { return "java.nio.HeapByteBuffer" }, path)
		}
	case kindInt:
		if k.schema || c.typ.Kind() == reflect.String {
			return
		}
		n := v.Int()
		if s.min.set && float64(n) < s.min.n {
			k.fail(s, path, strconv.FormatInt(n, 10), "Member must have value greater than or equal to "+s.min.text)
		}
		if s.max.set && float64(n) > s.max.n {
			k.fail(s, path, strconv.FormatInt(n, 10), "Member must have value less than or equal to "+s.max.text)
		}
	}
}

func (k *checker) text(s *shape, value, path string) {
	if s.min.set || s.max.set {
		k.length(s, int64(utf8.RuneCountInString(value)), func() string { return value }, path)
	}
	if !k.schema && s.expr != "" && !s.matcher().match(value) {
		k.fail(s, path, value, "Member must satisfy regular expression pattern: "+s.pattern)
	}
	if len(s.enum) > 0 && !slices.Contains(s.enum, value) {
		k.fail(s, path, value, "Member must satisfy enum value set: ["+strings.Join(s.enum, ", ")+"]")
	}
}

// length checks lengths of strings (in characters), lists, maps and blobs.
func (k *checker) length(s *shape, n int64, value func() string, path string) {
	if k.schema {
		return
	}
	if s.max.set && float64(n) > s.max.n {
		k.fail(s, path, value(), "Member must have length less than or equal to "+s.max.text)
	}
	if s.min.set && float64(n) < s.min.n {
		k.fail(s, path, value(), "Member must have length greater than or equal to "+s.min.text)
	}
}

// list prints a list of scalars as AWS does: [a, b].
func list(c *codec, v reflect.Value) string {
	switch c.elem.shape.kind {
	case kindString, kindBool, kindInt, kindFloat:
	default:
		return "[]"
	}
	if c.elem.shape.sensitive {
		return "[]"
	}
	b := []byte{'['}
	for i := range v.Len() {
		if i > 0 {
			b = append(b, ", "...)
		}
		if e, ok := c.elem.value(v.Index(i)); ok {
			b = c.elem.appendText(b, e, "")
		}
	}
	return string(append(b, ']'))
}
