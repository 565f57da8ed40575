package dynamodb

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/mantle-iam/mantle/sandbox/internal/wire"
)

// value is an attribute value: one of the ten types of DynamoDB.
type value = types.AttributeValue

type (
	vS    = types.AttributeValueMemberS
	vN    = types.AttributeValueMemberN
	vB    = types.AttributeValueMemberB
	vSS   = types.AttributeValueMemberSS
	vNS   = types.AttributeValueMemberNS
	vBS   = types.AttributeValueMemberBS
	vM    = types.AttributeValueMemberM
	vL    = types.AttributeValueMemberL
	vNULL = types.AttributeValueMemberNULL
	vBOOL = types.AttributeValueMemberBOOL
)

// Unions are the union types of the API, for [wire.Options].
func Unions() []wire.Union {
	return []wire.Union{wire.UnionOf[types.AttributeValue](
		&vS{}, &vN{}, &vB{}, &vSS{}, &vNS{}, &vBS{}, &vM{}, &vL{}, &vNULL{}, &vBOOL{})}
}

// Limits of items.
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html
const (
	maxItem  = 400 << 10
	maxDepth = 32
)

// typeName is the name of a value's type on the wire.
func typeName(v value) string {
	switch v.(type) {
	case *vS:
		return "S"
	case *vN:
		return "N"
	case *vB:
		return "B"
	case *vSS:
		return "SS"
	case *vNS:
		return "NS"
	case *vBS:
		return "BS"
	case *vM:
		return "M"
	case *vL:
		return "L"
	case *vNULL:
		return "NULL"
	case *vBOOL:
		return "BOOL"
	}
	return ""
}

// normalize checks a value that a client sent and brings the numbers in it
// into stored form, in place.
func normalize(v value, depth int) error {
	if depth > maxDepth {
		return invalid("Nesting Levels have exceeded supported limits")
	}
	var err error
	switch v := v.(type) {
	case nil:
		return invalid("Supplied AttributeValue is empty, must contain exactly one of the supported datatypes")
	case *vN:
		v.Value, err = normalNumber(v.Value)
	case *vNULL:
		if !v.Value {
			err = invalid("One or more parameter values were invalid: Null attribute value types must have the value of true")
		}
	case *vSS:
		err = checkSet(v.Value, "string", func(s string) string { return s })
	case *vBS:
		err = checkSet(v.Value, "binary", func(b []byte) string { return string(b) })
	case *vNS:
		for i, n := range v.Value {
			if v.Value[i], err = normalNumber(n); err != nil {
				return err
			}
		}
		err = checkSet(v.Value, "number", func(s string) string { return s })
	case *vL:
		for _, e := range v.Value {
			if err := normalize(e, depth+1); err != nil {
				return err
			}
		}
	case *vM:
		for _, e := range v.Value {
			if err := normalize(e, depth+1); err != nil {
				return err
			}
		}
	}
	return err
}

// checkSet refuses empty sets and repeated members.
func checkSet[T any](members []T, kind string, id func(T) string) error {
	if len(members) == 0 {
		return invalid("One or more parameter values were invalid: An %s set  may not be empty", kind)
	}
	seen := make(map[string]bool, len(members))
	for _, m := range members {
		if seen[id(m)] {
			if kind == "binary" {
				return invalid("One or more parameter values were invalid: Input collection contains duplicates.")
			}
			return invalid("One or more parameter values were invalid: Input collection %v of type %sS contains duplicates.", printSet(members), strings.ToUpper(kind[:1]))
		}
		seen[id(m)] = true
	}
	return nil
}

func printSet[T any](members []T) string {
	parts := make([]string, len(members))
	for i, m := range members {
		parts[i] = fmt.Sprint(m)
	}
	return "[" + strings.Join(parts, ", ") + "]"
}

// equal compares two values in stored form. Sets have no order.
func equal(a, b value) bool {
	switch a := a.(type) {
	case *vS:
		b, ok := b.(*vS)
		return ok && a.Value == b.Value
	case *vN:
		b, ok := b.(*vN)
		return ok && a.Value == b.Value
	case *vB:
		b, ok := b.(*vB)
		return ok && bytes.Equal(a.Value, b.Value)
	case *vSS:
		b, ok := b.(*vSS)
		return ok && sameSet(a.Value, b.Value, func(x, y string) bool { return x == y })
	case *vNS:
		b, ok := b.(*vNS)
		return ok && sameSet(a.Value, b.Value, func(x, y string) bool { return x == y })
	case *vBS:
		b, ok := b.(*vBS)
		return ok && sameSet(a.Value, b.Value, bytes.Equal)
	case *vL:
		b, ok := b.(*vL)
		return ok && slices.EqualFunc(a.Value, b.Value, equal)
	case *vM:
		b, ok := b.(*vM)
		return ok && equalItems(a.Value, b.Value)
	case *vNULL:
		_, ok := b.(*vNULL)
		return ok
	case *vBOOL:
		b, ok := b.(*vBOOL)
		return ok && a.Value == b.Value
	}
	return false
}

func equalItems(a, b map[string]value) bool {
	if len(a) != len(b) {
		return false
	}
	for k, x := range a {
		if y, ok := b[k]; !ok || !equal(x, y) {
			return false
		}
	}
	return true
}

// sameSet compares sets of the same length; neither repeats a member.
func sameSet[T any](a, b []T, same func(T, T) bool) bool {
	if len(a) != len(b) {
		return false
	}
	for _, x := range a {
		if !slices.ContainsFunc(b, func(y T) bool { return same(x, y) }) {
			return false
		}
	}
	return true
}

// order compares two strings, numbers or binaries; ok is false for values of
// other types or of two types.
func order(a, b value) (cmp int, ok bool) {
	switch a := a.(type) {
	case *vS:
		if b, ok := b.(*vS); ok {
			return strings.Compare(a.Value, b.Value), true
		}
	case *vN:
		if b, ok := b.(*vN); ok {
			return compareNumbers(a.Value, b.Value), true
		}
	case *vB:
		if b, ok := b.(*vB); ok {
			return bytes.Compare(a.Value, b.Value), true
		}
	}
	return 0, false
}

// sizeOf is the size that a value counts with, in bytes.
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html
func sizeOf(v value) int {
	switch v := v.(type) {
	case *vS:
		return len(v.Value)
	case *vN:
		return numberSize(v.Value)
	case *vB:
		return len(v.Value)
	case *vSS:
		n := 0
		for _, s := range v.Value {
			n += len(s)
		}
		return n
	case *vNS:
		n := 0
		for _, s := range v.Value {
			n += numberSize(s)
		}
		return n
	case *vBS:
		n := 0
		for _, s := range v.Value {
			n += len(s)
		}
		return n
	case *vL:
		n := 3
		for _, e := range v.Value {
			n += 1 + sizeOf(e)
		}
		return n
	case *vM:
		return 3 + len(v.Value) + itemSize(v.Value)
	}
	return 1 // NULL and BOOL
}

// numberSize is one byte for two significant digits and one more, plus one
// for a sign.
func numberSize(s string) int {
	digits, _, neg, _ := scanNumber(s)
	n := (len(digits)+1)/2 + 1
	if neg {
		n++
	}
	return n
}

// itemSize is the size of names and values together.
func itemSize(it map[string]value) int {
	n := 0
	for k, v := range it {
		n += len(k) + sizeOf(v)
	}
	return n
}

// clone copies a value so that the copy may be changed.
func clone(v value) value {
	switch v := v.(type) {
	case *vSS:
		return &vSS{Value: slices.Clone(v.Value)}
	case *vNS:
		return &vNS{Value: slices.Clone(v.Value)}
	case *vBS:
		return &vBS{Value: slices.Clone(v.Value)}
	case *vL:
		l := make([]value, len(v.Value))
		for i, e := range v.Value {
			l[i] = clone(e)
		}
		return &vL{Value: l}
	case *vM:
		return &vM{Value: cloneItem(v.Value)}
	}
	return v // scalars are replaced, never changed
}

func cloneItem(it map[string]value) map[string]value {
	c := make(map[string]value, len(it))
	for k, v := range it {
		c[k] = clone(v)
	}
	return c
}

// item is a row of the item table, in the JSON of the API.
type item map[string]value

// MarshalJSON writes the item as the API does: {"id":{"S":"x"}}.
func (it item) MarshalJSON() ([]byte, error) { return json.Marshal(toJSONMap(it)) }

// UnmarshalJSON reads what MarshalJSON wrote.
func (it *item) UnmarshalJSON(b []byte) error {
	var m map[string]jsonValue
	if err := json.Unmarshal(b, &m); err != nil {
		return err
	}
	out, err := fromJSONMap(m)
	*it = out
	return err
}

// jsonValue is the JSON form of a value.
type jsonValue struct {
	S    *string               `json:",omitempty"`
	N    *string               `json:",omitempty"`
	B    *[]byte               `json:",omitempty"`
	SS   []string              `json:",omitempty"`
	NS   []string              `json:",omitempty"`
	BS   [][]byte              `json:",omitempty"`
	M    *map[string]jsonValue `json:",omitempty"`
	L    *[]jsonValue          `json:",omitempty"`
	NULL *bool                 `json:",omitempty"`
	BOOL *bool                 `json:",omitempty"`
}

func toJSONMap(m map[string]value) map[string]jsonValue {
	out := make(map[string]jsonValue, len(m))
	for k, v := range m {
		out[k] = toJSON(v)
	}
	return out
}

func toJSON(v value) jsonValue {
	switch v := v.(type) {
	case *vS:
		return jsonValue{S: &v.Value}
	case *vN:
		return jsonValue{N: &v.Value}
	case *vB:
		b := v.Value
		if b == nil {
			b = []byte{}
		}
		return jsonValue{B: &b}
	case *vSS:
		return jsonValue{SS: v.Value}
	case *vNS:
		return jsonValue{NS: v.Value}
	case *vBS:
		return jsonValue{BS: v.Value}
	case *vM:
		return jsonValue{M: new(toJSONMap(v.Value))}
	case *vL:
		l := make([]jsonValue, len(v.Value))
		for i, e := range v.Value {
			l[i] = toJSON(e)
		}
		return jsonValue{L: &l}
	case *vNULL:
		return jsonValue{NULL: &v.Value}
	case *vBOOL:
		return jsonValue{BOOL: &v.Value}
	}
	return jsonValue{}
}

func fromJSONMap(m map[string]jsonValue) (map[string]value, error) {
	out := make(map[string]value, len(m))
	for k, j := range m {
		v, err := fromJSON(j)
		if err != nil {
			return nil, fmt.Errorf("attribute %q: %w", k, err)
		}
		out[k] = v
	}
	return out, nil
}

func fromJSON(j jsonValue) (value, error) {
	switch {
	case j.S != nil:
		return &vS{Value: *j.S}, nil
	case j.N != nil:
		return &vN{Value: *j.N}, nil
	case j.B != nil:
		return &vB{Value: *j.B}, nil
	case j.SS != nil:
		return &vSS{Value: j.SS}, nil
	case j.NS != nil:
		return &vNS{Value: j.NS}, nil
	case j.BS != nil:
		return &vBS{Value: j.BS}, nil
	case j.M != nil:
		m, err := fromJSONMap(*j.M)
		return &vM{Value: m}, err
	case j.L != nil:
		l := make([]value, len(*j.L))
		for i, e := range *j.L {
			v, err := fromJSON(e)
			if err != nil {
				return nil, err
			}
			l[i] = v
		}
		return &vL{Value: l}, nil
	case j.NULL != nil:
		return &vNULL{Value: *j.NULL}, nil
	case j.BOOL != nil:
		return &vBOOL{Value: *j.BOOL}, nil
	}
	return nil, fmt.Errorf("the value has none of the ten types")
}
