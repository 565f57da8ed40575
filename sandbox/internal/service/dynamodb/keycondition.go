package dynamodb

import (
	"strings"
)

// keyCondition is what a KeyConditionExpression says of one key attribute.
type keyCondition struct {
	op        string // =, <, <=, >, >=, BETWEEN or begins_with
	low, high value  // high only for BETWEEN
}

// keyConditions takes a compiled KeyConditionExpression apart: conditions by
// attribute name.
func keyConditions(c condition) (map[string]keyCondition, error) {
	out := map[string]keyCondition{}
	terms, ok := c.(allOf)
	if !ok {
		terms = allOf{c}
	}
	for _, term := range terms {
		if nested, ok := term.(allOf); ok { // a AND (b AND c)
			more, err := keyConditions(nested)
			if err != nil {
				return nil, err
			}
			for name, k := range more {
				if _, twice := out[name]; twice {
					return nil, errTwice()
				}
				out[name] = k
			}
			continue
		}
		name, k, err := oneKeyCondition(term)
		if err != nil {
			return nil, err
		}
		if _, twice := out[name]; twice {
			return nil, errTwice()
		}
		out[name] = k
	}
	return out, nil
}

func errTwice() error {
	return invalid("KeyConditionExpressions must only contain one condition per key")
}

func oneKeyCondition(c condition) (name string, k keyCondition, err error) {
	var of operand
	var values []operand
	switch c := c.(type) {
	case compare:
		if c.op == "<>" {
			return "", k, errKeyOperator("<>")
		}
		k.op, of, values = c.op, c.left, []operand{c.right}
	case between:
		k.op, of, values = "BETWEEN", c.of, []operand{c.low, c.high}
	case beginsWith:
		k.op, of, values = "begins_with", c.of, []operand{c.prefix}
	case anyOf:
		return "", k, errKeyOperator("OR")
	case negation:
		return "", k, errKeyOperator("NOT")
	case isIn:
		return "", k, errKeyOperator("IN")
	case exists:
		return "", k, errKeyOperator("attribute_exists")
	case missing:
		return "", k, errKeyOperator("attribute_not_exists")
	case hasType:
		return "", k, errKeyOperator("attribute_type")
	case contains:
		return "", k, errKeyOperator("contains")
	}
	p, ok := of.(path)
	if !ok {
		if _, other := values[0].(path); other {
			return "", k, invalid("Invalid condition in KeyConditionExpression: %s operator must have the key attribute as its first operand", strings.ToUpper(k.op))
		}
		return "", k, invalid("Invalid condition in KeyConditionExpression: No key attribute specified")
	}
	if len(p) > 1 {
		return "", k, invalid("KeyConditionExpressions cannot have conditions on nested attributes")
	}
	for i, o := range values {
		l, ok := o.(literal)
		if !ok {
			return "", k, invalid("Invalid condition in KeyConditionExpression: Multiple attribute names used in one condition")
		}
		if i == 0 {
			k.low = l.v
		} else {
			k.high = l.v
		}
	}
	return p[0].name, k, nil
}

func errKeyOperator(op string) error {
	return invalid("Invalid operator used in KeyConditionExpression: %s", op)
}

// span is a range of row keys: all that begin with prefix, from low on and
// before high; "" leaves an end open.
type span struct{ prefix, low, high string }

// span finds the rows of a query. prefix is that of the table or index.
func (s schema) span(prefix string, conditions map[string]keyCondition) (span, error) {
	hash, ok := conditions[s.hash.name]
	if !ok {
		return span{}, invalid("Query condition missed key schema element: %s", s.hash.name)
	}
	if hash.op != "=" {
		return span{}, invalid("Query key condition not supported")
	}
	if err := hash.check(s.hash, maxHash); err != nil {
		return span{}, err
	}
	out := span{prefix: prefix + string(appendKey(nil, hash.low))}
	if len(conditions) == 1 {
		return out, nil
	}
	if s.sort.name == "" {
		return span{}, invalid("Query key condition not supported")
	}
	k, ok := conditions[s.sort.name]
	if !ok || len(conditions) > 2 {
		return span{}, invalid("Query condition missed key schema element: %s", s.sort.name)
	}
	if err := k.check(s.sort, maxSort); err != nil {
		return span{}, err
	}
	at := out.prefix + string(appendKey(nil, k.low))
	switch k.op {
	case "=":
		out.prefix = at
	case "<":
		out.high = at
	case "<=":
		out.high = after(at)
	case ">":
		out.low = after(at)
	case ">=":
		out.low = at
	case "BETWEEN":
		out.low, out.high = at, after(out.prefix+string(appendKey(nil, k.high)))
	case "begins_with":
		switch v := k.low.(type) {
		case *vS:
			out.prefix = string(appendEscaped([]byte(out.prefix), v.Value))
		case *vB:
			out.prefix = string(appendEscaped([]byte(out.prefix), string(v.Value)))
		default:
			return span{}, badValues("Condition parameter type does not match schema type")
		}
	}
	return out, nil
}

// after is the first key after all that begin with this form of a key value;
// its end mark is never 0xff.
func after(at string) string {
	b := []byte(at)
	b[len(b)-1]++
	return string(b)
}

// check checks the values of a condition on a key.
func (k keyCondition) check(a attribute, limit int) error {
	for _, v := range []value{k.low, k.high} {
		if v == nil {
			continue
		}
		if typeName(v) != string(a.typ) {
			return badValues("Condition parameter type does not match schema type")
		}
		if err := checkKeyValue(v, limit, a.name); err != nil {
			return err
		}
	}
	return nil
}
