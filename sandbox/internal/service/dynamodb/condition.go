package dynamodb

import (
	"bytes"
	"slices"
	"strconv"
	"strings"
)

// condition is a compiled ConditionExpression, FilterExpression or
// KeyConditionExpression.
type condition interface {
	// match decides over an item; a missing item is an empty one.
	match(it map[string]value) bool
}

type (
	allOf    []condition
	anyOf    []condition
	negation struct{ of condition }
	compare  struct {
		op          string
		left, right operand
	}
	between    struct{ of, low, high operand }
	isIn       struct{ of, list []operand } // of has one element
	exists     struct{ at path }
	missing    struct{ at path }
	hasType    struct{ of, name operand }
	beginsWith struct{ of, prefix operand }
	contains   struct{ of, part operand }
)

// operand is something that has a value, or none, for an item.
type operand interface {
	// of returns nil if the item has no such value.
	of(it map[string]value) value
}

type (
	literal struct{ v value }
	// sizeOfOperand is the function size.
	sizeOfOperand struct{ arg operand }
)

func (l literal) of(map[string]value) value { return l.v }
func (p path) of(it map[string]value) value { return p.get(it) }

// of is the length of a string in bytes, of a binary, or the number of
// members; other types have no size.
func (s sizeOfOperand) of(it map[string]value) value {
	n := 0
	switch v := s.arg.of(it).(type) {
	case *vS:
		n = len(v.Value)
	case *vB:
		n = len(v.Value)
	case *vSS:
		n = len(v.Value)
	case *vNS:
		n = len(v.Value)
	case *vBS:
		n = len(v.Value)
	case *vL:
		n = len(v.Value)
	case *vM:
		n = len(v.Value)
	default:
		return nil
	}
	return &vN{Value: strconv.Itoa(n)}
}

func (c allOf) match(it map[string]value) bool {
	for _, t := range c {
		if !t.match(it) {
			return false
		}
	}
	return true
}

func (c anyOf) match(it map[string]value) bool {
	for _, t := range c {
		if t.match(it) {
			return true
		}
	}
	return false
}

func (c negation) match(it map[string]value) bool { return !c.of.match(it) }

// match compares. A value that is missing equals nothing, so that only <> is
// true of it; values of two types have no order.
func (c compare) match(it map[string]value) bool {
	return compareValues(c.op, c.left.of(it), c.right.of(it))
}

func compareValues(op string, l, r value) bool {
	switch op {
	case "=":
		return l != nil && r != nil && equal(l, r)
	case "<>":
		return l == nil || r == nil || !equal(l, r)
	}
	n, ok := order(l, r)
	if !ok {
		return false
	}
	switch op {
	case "<":
		return n < 0
	case "<=":
		return n <= 0
	case ">":
		return n > 0
	}
	return n >= 0
}

func (c between) match(it map[string]value) bool {
	v := c.of.of(it)
	return compareValues(">=", v, c.low.of(it)) && compareValues("<=", v, c.high.of(it))
}

func (c isIn) match(it map[string]value) bool {
	v := c.of[0].of(it)
	return v != nil && slices.ContainsFunc(c.list, func(o operand) bool {
		e := o.of(it)
		return e != nil && equal(v, e)
	})
}

func (c exists) match(it map[string]value) bool  { return c.at.get(it) != nil }
func (c missing) match(it map[string]value) bool { return c.at.get(it) == nil }

func (c hasType) match(it map[string]value) bool {
	v := c.of.of(it)
	name, ok := c.name.of(it).(*vS)
	return ok && v != nil && typeName(v) == name.Value
}

func (c beginsWith) match(it map[string]value) bool {
	prefix := c.prefix.of(it)
	switch v := c.of.of(it).(type) {
	case *vS:
		p, ok := prefix.(*vS)
		return ok && strings.HasPrefix(v.Value, p.Value)
	case *vB:
		p, ok := prefix.(*vB)
		return ok && bytes.HasPrefix(v.Value, p.Value)
	}
	return false
}

// match looks for a substring, a member of a set or an element of a list.
func (c contains) match(it map[string]value) bool {
	part := c.part.of(it)
	switch v := c.of.of(it).(type) {
	case *vS:
		p, ok := part.(*vS)
		return ok && strings.Contains(v.Value, p.Value)
	case *vB:
		p, ok := part.(*vB)
		return ok && bytes.Contains(v.Value, p.Value)
	case *vSS:
		p, ok := part.(*vS)
		return ok && slices.Contains(v.Value, p.Value)
	case *vNS:
		p, ok := part.(*vN)
		return ok && slices.Contains(v.Value, p.Value)
	case *vBS:
		p, ok := part.(*vB)
		return ok && slices.ContainsFunc(v.Value, func(b []byte) bool { return bytes.Equal(b, p.Value) })
	case *vL:
		return part != nil && slices.ContainsFunc(v.Value, func(e value) bool { return equal(e, part) })
	}
	return false
}

// compiler turns the tree of one expression into a condition.
type compiler struct {
	*scope
	kind string
}

// condition compiles an expression; nil text gives nil.
func (sc *scope) condition(kind string, text *string) (condition, error) {
	if text == nil {
		return nil, nil
	}
	tree, err := sc.conditions.get(kind, *text)
	if err != nil {
		return nil, err
	}
	return compiler{sc, kind}.or(tree)
}

func (c compiler) or(n *orNode) (condition, error) {
	terms := make(anyOf, len(n.Terms))
	for i, t := range n.Terms {
		var err error
		if terms[i], err = c.and(t); err != nil {
			return nil, err
		}
	}
	if len(terms) == 1 {
		return terms[0], nil
	}
	return terms, nil
}

func (c compiler) and(n *andNode) (condition, error) {
	terms := make(allOf, len(n.Terms))
	for i, t := range n.Terms {
		var err error
		if terms[i], err = c.not(t); err != nil {
			return nil, err
		}
	}
	if len(terms) == 1 {
		return terms[0], nil
	}
	return terms, nil
}

func (c compiler) not(n *notNode) (condition, error) {
	if n.Not != nil {
		of, err := c.not(n.Not)
		return negation{of}, err
	}
	a := n.Atom
	if a.Group != nil {
		if g := a.Group; len(g.Terms) == 1 && len(g.Terms[0].Terms) == 1 && g.Terms[0].Terms[0].Atom != nil && g.Terms[0].Terms[0].Atom.Group != nil {
			return nil, invalid("Invalid %s: The expression has redundant parentheses;", c.kind)
		}
		return c.or(a.Group)
	}
	switch x := a.Cmp; {
	case x == nil:
		return c.function(a.Left)
	case x.Op != "":
		return c.comparison(a.Left, x)
	case x.Between != nil:
		return c.between(a.Left, x)
	default:
		return c.in(a.Left, x)
	}
}

func (c compiler) comparison(left *operandNode, x *cmpNode) (condition, error) {
	l, err := c.operand(left)
	if err != nil {
		return nil, err
	}
	r, err := c.operand(x.Right)
	if err != nil {
		return nil, err
	}
	if x.Op != "=" && x.Op != "<>" {
		for _, o := range []operand{l, r} {
			if err := c.ordered(x.Op, o); err != nil {
				return nil, err
			}
		}
	}
	if p, ok := l.(path); ok {
		if q, ok := r.(path); ok && slices.Equal(p, q) {
			return nil, invalid("Invalid %s: The first operand must be distinct from the remaining operands for this operator or function; operator: %s, first operand: %s", c.kind, x.Op, p)
		}
	}
	return compare{x.Op, l, r}, nil
}

// ordered refuses a literal of a type that has no order.
func (c compiler) ordered(op string, o operand) error {
	l, ok := o.(literal)
	if !ok {
		return nil
	}
	switch l.v.(type) {
	case *vS, *vN, *vB:
		return nil
	}
	return c.wrongType(op, l.v)
}

func (c compiler) wrongType(op string, v value) error {
	return invalid("Invalid %s: Incorrect operand type for operator or function; operator or function: %s, operand type: %s", c.kind, op, typeName(v))
}

func (c compiler) between(of *operandNode, x *cmpNode) (condition, error) {
	o, err := c.operands([]*operandNode{of, x.Between[0], x.Between[1]})
	if err != nil {
		return nil, err
	}
	for _, e := range o {
		if err := c.ordered("BETWEEN", e); err != nil {
			return nil, err
		}
	}
	low, okLow := o[1].(literal)
	high, okHigh := o[2].(literal)
	if okLow && okHigh {
		n, same := order(low.v, high.v)
		switch {
		case !same:
			return nil, invalid("Invalid %s: The BETWEEN operator requires same data type for lower and upper bounds; lower bound operand: AttributeValue: {%s}, upper bound operand: AttributeValue: {%s}", c.kind, printScalar(low.v), printScalar(high.v))
		case n > 0:
			return nil, invalid("Invalid %s: The BETWEEN operator requires upper bound to be greater than or equal to lower bound; lower bound operand: AttributeValue: {%s}, upper bound operand: AttributeValue: {%s}", c.kind, printScalar(low.v), printScalar(high.v))
		}
	}
	return between{o[0], o[1], o[2]}, nil
}

// printScalar prints a value as error messages do, e.g. S:abc.
func printScalar(v value) string {
	switch v := v.(type) {
	case *vS:
		return "S:" + v.Value
	case *vN:
		return "N:" + v.Value
	case *vB:
		return "B:java.nio.HeapByteBuffer[pos=0 lim=" + strconv.Itoa(len(v.Value)) + " cap=" + strconv.Itoa(len(v.Value)) + "]"
	}
	return typeName(v)
}

func (c compiler) in(of *operandNode, x *cmpNode) (condition, error) {
	if len(x.In) > 100 {
		return nil, invalid("Invalid %s: Incorrect number of operands for operator or function; operator or function: IN, number of operands: %d", c.kind, len(x.In)+1)
	}
	first, err := c.operand(of)
	if err != nil {
		return nil, err
	}
	list, err := c.operands(x.In)
	return isIn{[]operand{first}, list}, err
}

func (c compiler) operands(nodes []*operandNode) ([]operand, error) {
	out := make([]operand, len(nodes))
	for i, n := range nodes {
		var err error
		if out[i], err = c.operand(n); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// operand compiles what stands beside an operator: a path, a value or size.
func (c compiler) operand(n *operandNode) (operand, error) {
	switch {
	case n.Value != "":
		v, err := c.value(c.kind, n.Value)
		return literal{v}, err
	case n.Path != nil:
		return c.path(c.kind, n.Path)
	}
	switch n.Func.Name {
	case "size":
	case "attribute_exists", "attribute_not_exists", "attribute_type", "begins_with", "contains", "if_not_exists", "list_append":
		return nil, invalid("Invalid %s: The function is not allowed to be used this way in an expression; function: %s", c.kind, n.Func.Name)
	default:
		return nil, c.noFunction(n.Func.Name)
	}
	if err := c.arity(n.Func, 1); err != nil {
		return nil, err
	}
	arg, err := c.operand(n.Func.Args[0])
	if err != nil {
		return nil, err
	}
	switch a := arg.(type) {
	case literal:
		if (sizeOfOperand{a}).of(nil) == nil {
			return nil, c.wrongType("size", a.v)
		}
	case sizeOfOperand:
		return nil, invalid("Invalid %s: The function is not allowed to be used this way in an expression; function: size", c.kind)
	}
	return sizeOfOperand{arg}, nil
}

func (c compiler) noFunction(name string) error {
	return invalid("Invalid %s: Invalid function name; function: %s", c.kind, name)
}

func (c compiler) arity(f *funcNode, want int) error {
	if len(f.Args) != want {
		return invalid("Invalid %s: Incorrect number of operands for operator or function; operator or function: %s, number of operands: %d", c.kind, f.Name, len(f.Args))
	}
	return nil
}

// function compiles a function that is a condition by itself.
func (c compiler) function(n *operandNode) (condition, error) {
	if n.Func == nil {
		// A path or a value alone decides nothing.
		what := n.Value
		if n.Path != nil {
			what = n.Path.Head
		}
		return nil, invalid("Invalid %s: Syntax error; token: \"<EOF>\", near: %q", c.kind, what)
	}
	f := n.Func
	switch f.Name {
	case "attribute_exists", "attribute_not_exists":
		if err := c.arity(f, 1); err != nil {
			return nil, err
		}
		p, err := c.pathArgument(f)
		if err != nil {
			return nil, err
		}
		if f.Name == "attribute_exists" {
			return exists{p}, nil
		}
		return missing{p}, nil
	case "attribute_type", "begins_with", "contains":
	case "size", "if_not_exists", "list_append":
		return nil, invalid("Invalid %s: The function is not allowed to be used this way in an expression; function: %s", c.kind, f.Name)
	default:
		return nil, c.noFunction(f.Name)
	}
	if err := c.arity(f, 2); err != nil {
		return nil, err
	}
	o, err := c.operands(f.Args)
	if err != nil {
		return nil, err
	}
	second, isLiteral := o[1].(literal)
	switch f.Name {
	case "attribute_type":
		if !isLiteral {
			return nil, invalid("Invalid %s: Incorrect operand type for operator or function; operator or function: attribute_type, operand type: attribute", c.kind)
		}
		name, ok := second.v.(*vS)
		if !ok {
			return nil, c.wrongType(f.Name, second.v)
		}
		if !slices.Contains(typeNames, name.Value) {
			return nil, invalid("Invalid %s: Invalid attribute type name found; type: %s, valid types: {%s}", c.kind, name.Value, strings.Join(typeNames, ","))
		}
		return hasType{o[0], o[1]}, nil
	case "begins_with":
		for _, e := range o {
			if l, ok := e.(literal); ok && typeName(l.v) != "S" && typeName(l.v) != "B" {
				return nil, c.wrongType(f.Name, l.v)
			}
		}
		return beginsWith{o[0], o[1]}, nil
	}
	return contains{o[0], o[1]}, nil
}

var typeNames = []string{"B", "BOOL", "BS", "L", "M", "N", "NS", "NULL", "S", "SS"}

func (c compiler) pathArgument(f *funcNode) (path, error) {
	if f.Args[0].Path == nil {
		return nil, invalid("Invalid %s: Operator or function requires a document path; operator or function: %s", c.kind, f.Name)
	}
	return c.path(c.kind, f.Args[0].Path)
}
