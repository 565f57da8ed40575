package iam

import (
	"net/netip"
	"slices"
	"strings"
	"time"
)

// A condition is one operator applied to one key: all conditions of a statement
// must hold. See "IAM JSON policy elements: Condition operators".
type condition struct {
	parsedOperator
	key      contextKey
	operands []operand
	raw      *rawCondition
}

// A parsedOperator is the name of an operator taken apart.
type parsedOperator struct {
	op       operator
	set      setOperator
	ifExists bool
	negated  bool // no value may match, and an absent key passes
}

type operator uint8

const (
	stringEquals operator = iota + 1
	stringEqualsIgnoreCase
	stringLike
	arnLike
	boolean
	null
	binaryEquals
	ipAddress
	numericEquals
	numericLess
	numericLessEquals
	numericGreater
	numericGreaterEquals
	dateEquals
	dateLess
	dateLessEquals
	dateGreater
	dateGreaterEquals
)

type setOperator uint8

const (
	noSet setOperator = iota
	forAllValues
	forAnyValue
)

// An operatorName is an operator as policies spell it.
type operatorName struct {
	name    string
	op      operator
	negated bool
}

// operatorNames lists the condition operators of the IAM User Guide. ArnEquals
// and ArnLike behave alike, as do their negations.
func operatorNames() []operatorName {
	return []operatorName{
		{"StringEquals", stringEquals, false},
		{"StringNotEquals", stringEquals, true},
		{"StringEqualsIgnoreCase", stringEqualsIgnoreCase, false},
		{"StringNotEqualsIgnoreCase", stringEqualsIgnoreCase, true},
		{"StringLike", stringLike, false},
		{"StringNotLike", stringLike, true},
		{"NumericEquals", numericEquals, false},
		{"NumericNotEquals", numericEquals, true},
		{"NumericLessThan", numericLess, false},
		{"NumericLessThanEquals", numericLessEquals, false},
		{"NumericGreaterThan", numericGreater, false},
		{"NumericGreaterThanEquals", numericGreaterEquals, false},
		{"DateEquals", dateEquals, false},
		{"DateNotEquals", dateEquals, true},
		{"DateLessThan", dateLess, false},
		{"DateLessThanEquals", dateLessEquals, false},
		{"DateGreaterThan", dateGreater, false},
		{"DateGreaterThanEquals", dateGreaterEquals, false},
		{"Bool", boolean, false},
		{"BinaryEquals", binaryEquals, false},
		{"IpAddress", ipAddress, false},
		{"NotIpAddress", ipAddress, true},
		{"ArnEquals", arnLike, false},
		{"ArnLike", arnLike, false},
		{"ArnNotEquals", arnLike, true},
		{"ArnNotLike", arnLike, true},
		{"Null", null, false},
	}
}

// parseOperator reads an operator with its prefix and suffix. The grammar spells
// every operator one way; other case is accepted, as AWS does.
func parseOperator(name string) (c parsedOperator, ok bool) {
	const all, anyValue, exists = "forallvalues:", "foranyvalue:", "ifexists"
	rest := name
	switch {
	case foldPrefix(all, rest):
		c.set, rest = forAllValues, rest[len(all):]
	case foldPrefix(anyValue, rest):
		c.set, rest = forAnyValue, rest[len(anyValue):]
	}
	if n := len(rest) - len(exists); n > 0 && foldEqual(exists, rest[n:]) {
		c.ifExists, rest = true, rest[:n]
	}
	c.op, c.negated = lookupOperator(rest)
	return c, c.op != 0 && !(c.op == null && c.ifExists)
}

func lookupOperator(name string) (operator, bool) {
	switch name { // the ones that most policies use
	case "StringEquals":
		return stringEquals, false
	case "StringLike":
		return stringLike, false
	case "Bool":
		return boolean, false
	case "IpAddress":
		return ipAddress, false
	}
	for _, o := range operatorNames() {
		if strings.EqualFold(o.name, name) {
			return o.op, o.negated
		}
	}
	return 0, false
}

// An operand is one value of a condition, in the form its operator needs. An
// operand that cannot be read as its operator's type matches nothing.
type operand struct {
	bad    bool
	pat    pattern     // strings, bool, binary; ARNs that are one variable
	fields *[6]pattern // ARNs
	num    *number
	time   *time.Time
	net    netip.Prefix
}

// compileOperand prepares one policy value. Variables work in String, Arn and
// Bool operators only.
func compileOperand(op operator, s string, vars bool) (o operand) {
	switch op {
	case stringEquals, stringEqualsIgnoreCase, boolean:
		o.pat = compilePattern(s, false, vars)
		if _, ok := parseBool(s); op == boolean && !ok && !o.pat.vars {
			o.bad = true
		}
	case stringLike:
		o.pat = compilePattern(s, true, vars)
	case binaryEquals:
		o.pat = pattern{lit: s}
	case null:
		v, ok := parseBool(s)
		o.bad = !ok
		o.pat.lit = "false"
		if v {
			o.pat.lit = "true"
		}
	case arnLike:
		o.pat = compilePattern(s, true, vars)
		if f, ok := splitPattern(s, vars); ok {
			o.fields = new([6]pattern)
			for i := range f {
				o.fields[i] = compilePattern(f[i], true, vars)
			}
		} else if !o.pat.vars {
			o.bad = true
		}
	case ipAddress:
		var ok bool
		o.net, ok = parsePrefix(s)
		o.bad = !ok
	case dateEquals, dateLess, dateLessEquals, dateGreater, dateGreaterEquals:
		t, ok := parseDate(s)
		o.time, o.bad = &t, !ok
	default:
		n, ok := parseNumber(s)
		o.num, o.bad = &n, !ok
	}
	return o
}

// splitPattern splits an ARN pattern at its first five colons, not counting the
// colons inside variables.
func splitPattern(s string, vars bool) (f [6]string, ok bool) {
	n, start := 0, 0
	for i := 0; i < len(s) && n < 5; i++ {
		if vars && strings.HasPrefix(s[i:], "${") {
			if end := strings.IndexByte(s[i:], '}'); end > 0 {
				i += end
				continue
			}
		}
		if s[i] == ':' {
			f[n] = s[start:i]
			n, start = n+1, i+1
		}
	}
	f[5] = s[start:]
	return f, n == 5
}

// holds reports whether the condition is true for the request.
func (c *condition) holds(ev *eval) bool {
	v := ev.ctx.lookup(c.key)
	if c.op == null {
		for i := range c.operands {
			if o := &c.operands[i]; !o.bad && (o.pat.lit == "true") == (v == nil) {
				return true
			}
		}
		return false
	}
	if v == nil {
		switch {
		case c.ifExists:
			return true
		case c.set != noSet:
			return c.set == forAllValues
		}
		return c.negated
	}
	switch c.set {
	case noSet:
		// A multivalued key needs a set operator: without one it never matches.
		return !v.multi && c.test(v.one, ev)
	case forAllValues:
		if v.emptySet() {
			return true
		}
		if !v.multi {
			return c.test(v.one, ev)
		}
		for _, s := range v.list {
			if !c.test(s, ev) {
				return false
			}
		}
		return true
	}
	if v.emptySet() {
		return false
	}
	if !v.multi {
		return c.test(v.one, ev)
	}
	return slices.ContainsFunc(v.list, func(s string) bool { return c.test(s, ev) })
}

// emptySet reports whether the value "resolves to a null data set, such as an
// empty string", in the words of the page on multivalued keys.
func (v *contextValue) emptySet() bool {
	if v.multi {
		return len(v.list) == 1 && v.list[0] == ""
	}
	return v.one == ""
}

// test applies the operator to one value of the request: it must match one of the
// policy's values, or none of them if the operator is negated. A value that is
// not of the operator's type passes neither.
func (c *condition) test(s string, ev *eval) bool {
	switch c.op {
	case stringEquals, stringLike, binaryEquals:
		for i := range c.operands {
			if c.operands[i].pat.match(s, ev.ctx) {
				return !c.negated
			}
		}
		return c.negated
	case stringEqualsIgnoreCase:
		for i := range c.operands {
			if c.operands[i].matchFold(s, ev.ctx) {
				return !c.negated
			}
		}
		return c.negated
	case boolean:
		want, ok := parseBool(s)
		return ok && slices.ContainsFunc(c.operands, func(o operand) bool { return o.matchBool(want, ev.ctx) })
	case arnLike:
		var at colons
		if !splitARN(s, &at) || !strings.HasPrefix(s, "arn:") {
			return false
		}
		for i := range c.operands {
			if c.operands[i].matchARN(s, &at, ev.ctx) {
				return !c.negated
			}
		}
		return c.negated
	case ipAddress:
		a := ev.addr(s)
		if !a.IsValid() {
			return false
		}
		for i := range c.operands {
			if o := &c.operands[i]; o.bad {
				return false
			} else if o.net.Contains(a) {
				return !c.negated
			}
		}
		return c.negated
	case dateEquals, dateLess, dateLessEquals, dateGreater, dateGreaterEquals:
		t, ok := parseDate(s)
		return ok && c.compare(func(o *operand) int { return t.Compare(*o.time) })
	}
	n, ok := parseNumber(s)
	return ok && c.compare(func(o *operand) int { return n.compare(o.num) })
}

// compare applies an ordering operator; cmp compares the request's value with an
// operand.
func (c *condition) compare(cmp func(*operand) int) bool {
	for i := range c.operands {
		o := &c.operands[i]
		if o.bad {
			if c.negated {
				return false
			}
			continue
		}
		d := cmp(o)
		hit := false
		switch c.op {
		case numericEquals, dateEquals:
			hit = d == 0
		case numericLess, dateLess:
			hit = d < 0
		case numericLessEquals, dateLessEquals:
			hit = d <= 0
		case numericGreater, dateGreater:
			hit = d > 0
		case numericGreaterEquals, dateGreaterEquals:
			hit = d >= 0
		}
		if hit {
			return !c.negated
		}
	}
	return c.negated
}

func (o *operand) matchFold(s string, ctx *Context) bool {
	if o.pat.kind == exactPattern {
		return lowerEqual(o.pat.lit, s)
	}
	// Only literals and variables here: no wildcards.
	if !o.pat.resolved(ctx) {
		return false
	}
	rest, ok := cutFold(s, o.pat.lit)
	for i := 0; ok && i < len(o.pat.parts); i++ {
		rest, ok = cutFold(rest, o.pat.parts[i].text(ctx))
	}
	return ok && rest == ""
}

// cutFold removes prefix from s without regard to case, character by character.
func cutFold(s, prefix string) (rest string, ok bool) {
	for prefix != "" {
		if s == "" {
			return "", false
		}
		n, m := charLen(s), charLen(prefix)
		if !lowerEqual(s[:n], prefix[:m]) {
			return "", false
		}
		s, prefix = s[n:], prefix[m:]
	}
	return s, true
}

func (o *operand) matchBool(want bool, ctx *Context) bool {
	if o.bad {
		return false
	}
	if o.pat.kind == exactPattern {
		v, _ := parseBool(o.pat.lit)
		return v == want
	}
	if want {
		return o.matchFold("true", ctx)
	}
	return o.matchFold("false", ctx)
}

func (o *operand) matchARN(s string, at *colons, ctx *Context) bool {
	if o.bad {
		return false
	}
	if o.fields == nil {
		return o.pat.match(s, ctx)
	}
	for i := range o.fields {
		if !o.fields[i].match(at.field(s, i), ctx) {
			return false
		}
	}
	return true
}

// keyed returns the literal values of which the request's key must equal one,
// when c is the kind of condition that statements can be filed under: a plain
// StringEquals without variables.
func (c *condition) keyed() bool {
	if c.op != stringEquals || c.set != noSet || c.ifExists || c.negated || len(c.operands) > maxFiled {
		return false
	}
	for i := range c.operands {
		if c.operands[i].pat.kind != exactPattern {
			return false
		}
	}
	return true
}

// cost orders the conditions of a statement: cheap and telling ones first. The
// order cannot change the result.
func (c *condition) cost() int {
	switch c.op {
	case stringEquals, null, boolean, binaryEquals:
		return 0
	case stringEqualsIgnoreCase, stringLike:
		return 1
	case arnLike, ipAddress:
		return 2
	}
	return 3
}
