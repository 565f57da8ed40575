package wire

import (
	"cmp"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// maxDepth bounds the nesting of structures, lists and maps in a request.
// AWS's deepest inputs nest about a dozen levels, DynamoDB's items 32.
const maxDepth = 128

// param is one parameter; params are sorted by key, so that all parameters
// of a structure or list stand together.
type param struct{ key, value string }

type params []param

func sorted(form url.Values) params {
	q := make(params, 0, len(form))
	for k, v := range form {
		q = append(q, param{k, v[0]})
	}
	slices.SortFunc(q, func(a, b param) int { return cmp.Compare(a.key, b.key) })
	return q
}

// search returns the place of the first key that is not less than key.
func (q params) search(key []byte) int {
	lo, hi := 0, len(q)
	for lo < hi {
		mid := int(uint(lo+hi) >> 1)
		if q[mid].key < string(key) {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo
}

// get returns the value of exactly key.
func (q params) get(key []byte) (string, bool) {
	i := q.search(key)
	if i < len(q) && q[i].key == string(key) {
		return q[i].value, true
	}
	return "", false
}

// under returns the parameters whose keys begin with prefix.
func (q params) under(prefix []byte) params {
	i := q.search(prefix)
	n := i
	for n < len(q) && len(q[n].key) >= len(prefix) && q[n].key[:len(prefix)] == string(prefix) {
		n++
	}
	return q[i:n]
}

// queryIn fills values from parameters.
type queryIn struct {
	ec2 bool
	key []byte // the key of the value at hand
}

// fields fills a structure; in.key ends with a dot, or is empty.
func (in *queryIn) fields(c *codec, v reflect.Value, q params, depth int) *Error {
	n := len(in.key)
	for i := range c.fields {
		f := &c.fields[i]
		in.key = append(in.key[:n], f.m.query...)
		if err := in.value(f.c, f.m, v.Field(f.index), q, depth+1); err != nil {
			return err
		}
	}
	in.key = in.key[:n]
	return nil
}

// value fills the value whose key is in.key, if q has it.
func (in *queryIn) value(c *codec, m *member, v reflect.Value, q params, depth int) *Error {
	if depth > maxDepth {
		return Fail("MalformedInput", 400, "The request is nested more than %d levels deep.", maxDepth)
	}
	n := len(in.key)
	switch c.shape.kind {
	case kindStructure:
		in.key = append(in.key, '.')
		if q = q.under(in.key); len(q) == 0 {
			return nil
		}
		if c.typ.Kind() != reflect.Struct {
			return in.malformed(c, n)
		}
		return in.fields(c, c.alloc(v), q, depth)
	case kindList:
		text, ok := q.get(in.key)
		if !m.flattened && !in.ec2 {
			in.key = append(append(in.key, '.'), c.shape.member.wire...)
		}
		return in.list(c, v, q, ok && text == "", depth)
	case kindMap:
		text, ok := q.get(in.key)
		if !m.flattened {
			in.key = append(in.key, ".entry"...)
		}
		return in.mapping(c, v, q, ok && text == "", depth)
	case kindDocument:
		return nil
	}
	text, ok := q.get(in.key)
	if !ok {
		return nil
	}
	// Clients leave a number or flag empty to say nothing.
	if text == "" && c.shape.kind != kindString && c.shape.kind != kindBlob {
		return nil
	}
	if err := c.setText(v, text); err != nil {
		return in.malformed(c, n)
	}
	return nil
}

func (in *queryIn) list(c *codec, v reflect.Value, q params, empty bool, depth int) *Error {
	in.key = append(in.key, '.')
	q = q.under(in.key)
	at, err := in.indexes(q)
	if err != nil {
		return err
	}
	if len(at) == 0 && !empty {
		return nil
	}
	v = c.alloc(v)
	v.Set(reflect.MakeSlice(c.typ, len(at), len(at)))
	n := len(in.key)
	for i, index := range at {
		in.key = strconv.AppendInt(in.key[:n], int64(index), 10)
		if err := in.value(c.elem, c.shape.member, v.Index(i), q, depth+1); err != nil {
			return err
		}
	}
	return nil
}

func (in *queryIn) mapping(c *codec, v reflect.Value, q params, empty bool, depth int) *Error {
	in.key = append(in.key, '.')
	q = q.under(in.key)
	at, err := in.indexes(q)
	if err != nil {
		return err
	}
	if len(at) == 0 && !empty {
		return nil
	}
	v = c.alloc(v)
	v.Set(reflect.MakeMapWithSize(c.typ, len(at)))
	n := len(in.key)
	for _, index := range at {
		in.key = append(strconv.AppendInt(in.key[:n], int64(index), 10), '.')
		e := len(in.key)
		in.key = append(in.key, c.shape.key.wire...)
		name, _ := q.get(in.key)
		value := reflect.New(c.typ.Elem()).Elem()
		in.key = append(in.key[:e], c.shape.value.wire...)
		if err := in.value(c.elem, c.shape.value, value, q, depth+1); err != nil {
			return err
		}
		v.SetMapIndex(reflect.ValueOf(name).Convert(c.typ.Key()), value)
	}
	return nil
}

// indexes returns the numbers that follow in.key in q, ascending. AWS's
// clients count from 1 without gaps; a gap is closed up.
func (in *queryIn) indexes(q params) ([]int, *Error) {
	var at []int
	for _, p := range q {
		digits, _, _ := strings.Cut(p.key[len(in.key):], ".")
		n, err := strconv.Atoi(digits)
		// "01" and "+1" would be found here and not below.
		if err != nil || n < 1 || n > 1<<30 || digits[0] == '0' || digits[0] == '+' {
			return nil, Fail("MalformedInput", 400, "Key (%s) must be followed by a positive number.", strings.TrimSuffix(string(in.key), "."))
		}
		at = append(at, n)
	}
	slices.Sort(at)
	return slices.Compact(at), nil
}

// malformed is the error for a value that its type cannot hold. It does not
// repeat the value, which may be a secret.
func (in *queryIn) malformed(c *codec, n int) *Error {
	key := string(in.key[:n])
	if in.ec2 {
		return Fail("InvalidParameterValue", 400, "The value of the parameter %s is not valid: want %s.", key, c.shape.kind)
	}
	return Fail("MalformedInput", 400, "The value of the parameter %s is not valid: want %s.", key, c.shape.kind)
}
