package dynamodb

import (
	"bytes"
	"cmp"
	"slices"
)

// update is a compiled UpdateExpression.
type update struct {
	sets    []assignment
	removes []path
	adds    []change
	deletes []change
	paths   []path // all that are changed, in the order of the expression
}

type assignment struct {
	at path
	to expr
}

type change struct {
	at path
	by value
}

// expr is the right side of SET. It may fail for an item.
type expr interface {
	eval(it map[string]value) (value, error)
}

type (
	orElse struct { // if_not_exists
		at     path
		orElse expr
	}
	joined struct{ first, second expr } // list_append
	sum    struct {
		left, right expr
		subtract    bool
	}
)

// Errors of updates that contradict the item.
func errNoAttribute() error {
	return invalid("The provided expression refers to an attribute that does not exist in the item")
}

func errOperandType() error {
	return invalid("An operand in the update expression has an incorrect data type")
}

func errBadPath() error {
	return invalid("The document path provided in the update expression is invalid for update")
}

func (l literal) eval(map[string]value) (value, error) { return l.v, nil }

func (p path) eval(it map[string]value) (value, error) {
	if v := p.get(it); v != nil {
		return v, nil
	}
	return nil, errNoAttribute()
}

func (e orElse) eval(it map[string]value) (value, error) {
	if v := e.at.get(it); v != nil {
		return v, nil
	}
	return e.orElse.eval(it)
}

func (e joined) eval(it map[string]value) (value, error) {
	a, err := e.first.eval(it)
	if err != nil {
		return nil, err
	}
	b, err := e.second.eval(it)
	if err != nil {
		return nil, err
	}
	x, okX := a.(*vL)
	y, okY := b.(*vL)
	if !okX || !okY {
		return nil, errOperandType()
	}
	return &vL{Value: slices.Concat(x.Value, y.Value)}, nil
}

func (e sum) eval(it map[string]value) (value, error) {
	a, err := e.left.eval(it)
	if err != nil {
		return nil, err
	}
	b, err := e.right.eval(it)
	if err != nil {
		return nil, err
	}
	x, okX := a.(*vN)
	y, okY := b.(*vN)
	if !okX || !okY {
		return nil, errOperandType()
	}
	n, err := addNumbers(x.Value, y.Value, e.subtract)
	return &vN{Value: n}, err
}

// update compiles an UpdateExpression; nil text gives an update that changes
// nothing.
func (sc *scope) update(text *string) (*update, error) {
	u := &update{}
	if text == nil {
		return u, nil
	}
	const kind = "UpdateExpression"
	tree, err := sc.updates.get(kind, *text)
	if err != nil {
		return nil, err
	}
	c := compiler{sc, kind}
	seen := map[string]bool{}
	for _, n := range tree.Clauses {
		section := n.section()
		if seen[section] {
			return nil, invalid("Invalid %s: The %q section can only be used once in an update expression;", kind, section)
		}
		seen[section] = true
		if err := c.clause(u, n); err != nil {
			return nil, err
		}
	}
	return u, checkPaths(kind, u.paths)
}

func (n *clauseNode) section() string {
	switch {
	case n.Set != nil:
		return "SET"
	case n.Remove != nil:
		return "REMOVE"
	case n.Add != nil:
		return "ADD"
	}
	return "DELETE"
}

func (c compiler) clause(u *update, n *clauseNode) error {
	for _, a := range n.Set {
		at, err := c.path(c.kind, a.Path)
		if err != nil {
			return err
		}
		to, err := c.arith(a.Value)
		if err != nil {
			return err
		}
		u.sets = append(u.sets, assignment{at, to})
		u.paths = append(u.paths, at)
	}
	for _, r := range n.Remove {
		at, err := c.path(c.kind, r)
		if err != nil {
			return err
		}
		u.removes = append(u.removes, at)
		u.paths = append(u.paths, at)
	}
	for _, a := range n.Add {
		ch, err := c.change("ADD", a)
		if err != nil {
			return err
		}
		u.adds = append(u.adds, ch)
		u.paths = append(u.paths, ch.at)
	}
	for _, a := range n.Delete {
		ch, err := c.change("DELETE", a)
		if err != nil {
			return err
		}
		u.deletes = append(u.deletes, ch)
		u.paths = append(u.paths, ch.at)
	}
	return nil
}

// change compiles a pair of ADD or DELETE.
func (c compiler) change(op string, n *pairNode) (change, error) {
	at, err := c.path(c.kind, n.Path)
	if err != nil {
		return change{}, err
	}
	v, err := c.value(c.kind, n.Value)
	if err != nil {
		return change{}, err
	}
	switch v.(type) {
	case *vSS, *vNS, *vBS:
		return change{at, v}, nil
	case *vN:
		if op == "ADD" {
			return change{at, v}, nil
		}
	}
	return change{}, invalid("Invalid %s: Incorrect operand type for operator or function; operator: %s, operand type: %s, typeSet: ALLOWED_FOR_%s_OPERAND", c.kind, op, longTypeNames[typeName(v)], op)
}

var longTypeNames = map[string]string{
	"S": "STRING", "N": "NUMBER", "B": "BINARY", "SS": "STRING_SET", "NS": "NUMBER_SET", "BS": "BINARY_SET",
	"M": "MAP", "L": "LIST", "NULL": "NULL", "BOOL": "BOOLEAN",
}

func (c compiler) arith(n *arithNode) (expr, error) {
	if n.Group != nil {
		return c.arith(n.Group)
	}
	l, err := c.setOperand(n.Left)
	if err != nil || n.Op == "" {
		return l, err
	}
	r, err := c.setOperand(n.Right)
	if err != nil {
		return nil, err
	}
	for _, e := range []expr{l, r} {
		if v, ok := e.(literal); ok && typeName(v.v) != "N" {
			return nil, c.wrongType(n.Op, v.v)
		}
		if _, ok := e.(joined); ok {
			return nil, c.wrongType(n.Op, &vL{})
		}
	}
	return sum{l, r, n.Op == "-"}, nil
}

func (c compiler) setOperand(n *operandNode) (expr, error) {
	switch {
	case n.Value != "":
		v, err := c.value(c.kind, n.Value)
		return literal{v}, err
	case n.Path != nil:
		return c.path(c.kind, n.Path)
	}
	f := n.Func
	switch f.Name {
	case "if_not_exists", "list_append":
	case "size", "attribute_exists", "attribute_not_exists", "attribute_type", "begins_with", "contains":
		return nil, invalid("Invalid %s: The function is not allowed in an update expression; function: %s", c.kind, f.Name)
	default:
		return nil, c.noFunction(f.Name)
	}
	if err := c.arity(f, 2); err != nil {
		return nil, err
	}
	if f.Name == "if_not_exists" {
		at, err := c.pathArgument(f)
		if err != nil {
			return nil, err
		}
		other, err := c.setOperand(f.Args[1])
		return orElse{at, other}, err
	}
	a, err := c.setOperand(f.Args[0])
	if err != nil {
		return nil, err
	}
	b, err := c.setOperand(f.Args[1])
	if err != nil {
		return nil, err
	}
	for _, e := range []expr{a, b} {
		if v, ok := e.(literal); ok && typeName(v.v) != "L" {
			return nil, c.wrongType(f.Name, v.v)
		}
	}
	return joined{a, b}, nil
}

// apply returns the item after the update. The values of all parts are those
// of the item before it. old may be nil; it is not changed.
func (u *update) apply(old map[string]value) (map[string]value, error) {
	it := cloneItem(old)
	type placed struct {
		at path
		v  value
	}
	var puts []placed
	for _, s := range u.sets {
		v, err := s.to.eval(old)
		if err != nil {
			return nil, err
		}
		puts = append(puts, placed{s.at, clone(v)})
	}
	// Elements beyond the end of a list are appended in the order of their
	// indexes.
	slices.SortStableFunc(puts, func(a, b placed) int {
		return cmp.Compare(a.at[len(a.at)-1].index, b.at[len(b.at)-1].index)
	})
	for _, p := range puts {
		if err := put(it, p.at, p.v); err != nil {
			return nil, err
		}
	}
	for _, a := range u.adds {
		v, err := added(a.at.get(old), a.by)
		if err != nil {
			return nil, err
		}
		if err := put(it, a.at, v); err != nil {
			return nil, err
		}
	}
	removes := slices.Clone(u.removes)
	for _, d := range u.deletes {
		v, gone, err := without(d.at.get(old), d.by)
		switch {
		case err != nil:
			return nil, err
		case gone:
			removes = append(removes, d.at)
		case v != nil:
			if err := put(it, d.at, v); err != nil {
				return nil, err
			}
		}
	}
	// Indexes mean positions before the update, so later ones go first.
	slices.SortStableFunc(removes, func(a, b path) int {
		return cmp.Compare(b[len(b)-1].index, a[len(a)-1].index)
	})
	slices.SortStableFunc(removes, func(a, b path) int { return cmp.Compare(len(b), len(a)) })
	for _, r := range removes {
		if err := remove(it, r); err != nil {
			return nil, err
		}
	}
	return it, nil
}

// parent finds the container of the last step; the item itself is a map.
func parent(it map[string]value, at path) (value, error) {
	var v value = &vM{Value: it}
	for _, s := range at[:len(at)-1] {
		if v = child(v, s); v == nil {
			return nil, errBadPath()
		}
	}
	switch v.(type) {
	case *vM:
		if at[len(at)-1].index < 0 {
			return v, nil
		}
	case *vL:
		if at[len(at)-1].index >= 0 {
			return v, nil
		}
	}
	return nil, errBadPath()
}

// put sets what is at a path in an item that may be changed.
func put(it map[string]value, at path, v value) error {
	in, err := parent(it, at)
	if err != nil {
		return err
	}
	last := at[len(at)-1]
	switch in := in.(type) {
	case *vM:
		in.Value[last.name] = v
	case *vL:
		if last.index < len(in.Value) {
			in.Value[last.index] = v
		} else {
			in.Value = append(in.Value, v)
		}
	}
	return nil
}

// remove takes away what is at a path; the last step may be missing.
func remove(it map[string]value, at path) error {
	in, err := parent(it, at)
	if err != nil {
		return err
	}
	last := at[len(at)-1]
	switch in := in.(type) {
	case *vM:
		delete(in.Value, last.name)
	case *vL:
		if last.index < len(in.Value) {
			in.Value = slices.Delete(in.Value, last.index, last.index+1)
		}
	}
	return nil
}

// added is the outcome of ADD: a sum, or the union of two sets.
func added(old, by value) (value, error) {
	if old == nil {
		return clone(by), nil
	}
	switch by := by.(type) {
	case *vN:
		if o, ok := old.(*vN); ok {
			n, err := addNumbers(o.Value, by.Value, false)
			return &vN{Value: n}, err
		}
	case *vSS:
		if o, ok := old.(*vSS); ok {
			return &vSS{Value: union(o.Value, by.Value, func(a, b string) bool { return a == b })}, nil
		}
	case *vNS:
		if o, ok := old.(*vNS); ok {
			return &vNS{Value: union(o.Value, by.Value, func(a, b string) bool { return a == b })}, nil
		}
	case *vBS:
		if o, ok := old.(*vBS); ok {
			return &vBS{Value: union(o.Value, by.Value, bytes.Equal)}, nil
		}
	}
	return nil, errOperandType()
}

// without is the outcome of DELETE: the set without some members, or gone if
// none is left. A missing attribute stays missing.
func without(old, by value) (v value, gone bool, err error) {
	if old == nil {
		return nil, false, nil
	}
	same := func(a, b string) bool { return a == b }
	switch by := by.(type) {
	case *vSS:
		if o, ok := old.(*vSS); ok {
			left := difference(o.Value, by.Value, same)
			return &vSS{Value: left}, len(left) == 0, nil
		}
	case *vNS:
		if o, ok := old.(*vNS); ok {
			left := difference(o.Value, by.Value, same)
			return &vNS{Value: left}, len(left) == 0, nil
		}
	case *vBS:
		if o, ok := old.(*vBS); ok {
			left := difference(o.Value, by.Value, bytes.Equal)
			return &vBS{Value: left}, len(left) == 0, nil
		}
	}
	return nil, false, errOperandType()
}

func union[T any](a, b []T, same func(T, T) bool) []T {
	return append(slices.Clone(a), difference(b, a, same)...)
}

// difference is a without the members of b.
func difference[T any](a, b []T, same func(T, T) bool) []T {
	var out []T
	for _, x := range a {
		if !slices.ContainsFunc(b, func(y T) bool { return same(x, y) }) {
			out = append(out, x)
		}
	}
	return out
}
