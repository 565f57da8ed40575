package iam

import (
	"fmt"
	"strings"
)

// A document is a policy as written: the grammar has been checked, the meaning
// has not. See "Grammar of the IAM JSON policy language".
type document struct {
	src        string
	version    text
	id         text
	statements []rawStatement
}

// text is a string of a document and where it stands.
type text struct {
	str     string
	off     int32
	present bool
}

type rawStatement struct {
	off       int32
	sid       text
	effect    text
	principal rawPrincipal
	action    rawList
	resource  rawList
	condition []rawCondition
}

// rawList is Action or NotAction, Resource or NotResource.
type rawList struct {
	present bool
	not     bool
	off     int32
	vals    []text
}

type rawPrincipal struct {
	present bool
	not     bool
	star    bool // "*" as a string
	off     int32
	entries []rawEntry
}

type rawEntry struct {
	kind string // AWS, Service, …
	text
}

// rawCondition is one operator with one key.
type rawCondition struct {
	operator string
	key      string
	off      int32 // of the key
	parsed   parsedOperator
	vals     []text
}

// Rules of the grammar, named for people and for Validate, which needs to know
// what is wrong to say it in AWS's words.
const (
	ruleJSON          = "invalid-json"
	ruleDuplicateKey  = "duplicate-key"
	ruleNotObject     = "not-an-object"
	ruleUnknownKey    = "unknown-key"
	ruleType          = "wrong-type"
	ruleVersion       = "unknown-version"
	ruleNoStatement   = "missing-statement"
	ruleEmpty         = "empty-statement"
	ruleNoEffect      = "missing-effect"
	ruleEffect        = "unknown-effect"
	ruleEffectCase    = "effect-case"
	ruleBothElements  = "exclusive-elements"
	rulePrincipalKind = "unknown-principal-kind"
	ruleOperator      = "unknown-operator"
	ruleNoAction      = "missing-action"
	ruleNoResource    = "missing-resource"
	ruleNoPrincipal   = "missing-principal"
	rulePrincipal     = "principal-not-allowed"
	ruleNotPrincipal  = "not-principal-allow"
	ruleDate          = "invalid-date"
)

// A flaw is something wrong in a document.
type flaw struct {
	rule    string
	off     int32
	summary string
	hint    string
}

func newFlaw(rule string, off int32, hint, format string, args ...any) *flaw {
	return &flaw{rule: rule, off: off, summary: fmt.Sprintf(format, args...), hint: hint}
}

// readDocument reads the grammar of src. It accepts what AWS accepts as syntax;
// what AWS refuses later, with other words, is left to check and to Validate.
func readDocument(src string) (*document, *flaw) {
	t, jerr := parseTree(src)
	if jerr != nil {
		rule, hint := ruleJSON, "policies are JSON: keys in double quotes, no comments, no trailing commas"
		if jerr.dup {
			rule, hint = ruleDuplicateKey, "keep one of them; to give several values, use a list"
		}
		return nil, newFlaw(rule, int32(jerr.off), hint, "%s", jerr.summary)
	}
	r := &reader{t: t, d: &document{src: src}}
	if f := r.document(); f != nil {
		return nil, f
	}
	return r.d, nil
}

type reader struct {
	t     *tree
	d     *document
	texts []text         // slab that the lists of the document are cut from
	conds []rawCondition // slab that the conditions are cut from
}

func (r *reader) document() *flaw {
	root := &r.t.nodes[1]
	if root.kind != objectNode {
		return newFlaw(ruleNotObject, root.off, `write {"Version": "2012-10-17", "Statement": [ … ]}`, "a policy is an object, not %s", root.kind)
	}
	var statement *node
	for i := root.child; i != 0; i = r.t.nodes[i].next {
		n := &r.t.nodes[i]
		switch n.key {
		case "Version":
			if n.kind != stringNode || n.str != "2012-10-17" && n.str != "2008-10-17" {
				return newFlaw(ruleVersion, n.off, `use "2012-10-17"`, "unknown version %s", r.quote(n))
			}
			r.d.version = text{n.str, n.off, true}
		case "Id":
			if n.kind != stringNode {
				return r.wrongType(n, "a string")
			}
			r.d.id = text{n.str, n.off, true}
		case "Statement":
			statement = n
		default:
			return unknownKey(n, "a policy", "Version", "Id", "Statement")
		}
	}
	switch {
	case statement == nil:
		return newFlaw(ruleNoStatement, root.off, "add a Statement", "policy has no Statement")
	case statement.kind == objectNode:
		return r.statement(statement)
	case statement.kind != arrayNode:
		return r.wrongType(statement, "an object or a list of objects")
	case statement.child == 0:
		return newFlaw(ruleEmpty, statement.off, "add a statement", "Statement is empty")
	}
	count := 0
	for i := statement.child; i != 0; i = r.t.nodes[i].next {
		count++
	}
	r.d.statements = make([]rawStatement, 0, count)
	for i := statement.child; i != 0; i = r.t.nodes[i].next {
		n := &r.t.nodes[i]
		if n.kind != objectNode {
			return newFlaw(ruleType, n.off, "", "a statement is an object, not %s", n.kind)
		}
		if f := r.statement(n); f != nil {
			return f
		}
	}
	return nil
}

func (r *reader) statement(at *node) *flaw {
	s := rawStatement{off: at.off}
	for i := at.child; i != 0; i = r.t.nodes[i].next {
		n := &r.t.nodes[i]
		var f *flaw
		switch n.key {
		case "Sid":
			if n.kind != stringNode {
				return r.wrongType(n, "a string")
			}
			s.sid = text{n.str, n.off, true}
		case "Effect":
			if n.kind != stringNode {
				return r.wrongType(n, `"Allow" or "Deny"`)
			}
			if !strings.EqualFold(n.str, "Allow") && !strings.EqualFold(n.str, "Deny") {
				return newFlaw(ruleEffect, n.off, `use "Allow" or "Deny"`, "unknown effect %q", n.str)
			}
			s.effect = text{n.str, n.off, true}
		case "Action", "NotAction":
			f = r.list(&s.action, n, n.key == "NotAction", "Action")
		case "Resource", "NotResource":
			f = r.list(&s.resource, n, n.key == "NotResource", "Resource")
		case "Principal", "NotPrincipal":
			f = r.principal(&s.principal, n)
		case "Condition":
			f = r.condition(&s, n)
		default:
			return unknownKey(n, "a statement", "Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction", "Resource", "NotResource", "Condition")
		}
		if f != nil {
			return f
		}
	}
	if !s.effect.present {
		return newFlaw(ruleNoEffect, at.off, `add "Effect": "Allow" or "Effect": "Deny"`, "statement has no Effect")
	}
	r.d.statements = append(r.d.statements, s)
	return nil
}

// list reads a string or a list of strings.
func (r *reader) list(l *rawList, n *node, not bool, name string) *flaw {
	if l.present {
		return newFlaw(ruleBothElements, n.keyOff, "a statement takes one of them: split it in two", "%s and Not%s in one statement", name, name)
	}
	*l = rawList{present: true, not: not, off: n.off}
	var f *flaw
	l.vals, f = r.strings(n, false)
	return f
}

// strings reads a string or a list of strings; with scalars set also numbers and
// booleans, as text.
func (r *reader) strings(n *node, scalars bool) ([]text, *flaw) {
	ok := func(n *node) bool {
		return n.kind == stringNode || scalars && (n.kind == boolNode || n.kind == numberNode)
	}
	if r.texts == nil {
		r.texts = make([]text, 0, len(r.t.nodes)/2)
	}
	start := len(r.texts)
	switch {
	case ok(n):
		r.texts = append(r.texts, text{n.str, n.off, true})
	case n.kind == arrayNode:
		for i := n.child; i != 0; i = r.t.nodes[i].next {
			if !ok(&r.t.nodes[i]) {
				return nil, r.wrongType(&r.t.nodes[i], "a string")
			}
			r.texts = append(r.texts, text{r.t.nodes[i].str, r.t.nodes[i].off, true})
		}
	default:
		return nil, r.wrongType(n, "a string or a list of strings")
	}
	return r.texts[start:len(r.texts):len(r.texts)], nil
}

func (r *reader) principal(p *rawPrincipal, n *node) *flaw {
	if p.present {
		return newFlaw(ruleBothElements, n.keyOff, "a statement takes one of them: split it in two", "Principal and NotPrincipal in one statement")
	}
	*p = rawPrincipal{present: true, not: n.key == "NotPrincipal", off: n.off}
	if n.kind == stringNode {
		if n.str != "*" {
			return newFlaw(rulePrincipalKind, n.off, fmt.Sprintf(`write {"AWS": %q} or {"Service": %q}`, n.str, n.str), "principal %q does not say of which kind it is", n.str)
		}
		p.star = true
		return nil
	}
	if n.kind != objectNode {
		return r.wrongType(n, `"*" or an object`)
	}
	for i := n.child; i != 0; i = r.t.nodes[i].next {
		m := &r.t.nodes[i]
		switch m.key {
		case awsPrincipal, servicePrincipal, federatedPrincipal, canonicalPrincipal:
		default:
			f := unknownKey(m, "a principal", awsPrincipal, servicePrincipal, federatedPrincipal, canonicalPrincipal)
			f.rule = rulePrincipalKind
			return f
		}
		vals, f := r.strings(m, false)
		if f != nil {
			return f
		}
		for _, v := range vals {
			p.entries = append(p.entries, rawEntry{kind: m.key, text: v})
		}
	}
	return nil
}

func (r *reader) condition(s *rawStatement, n *node) *flaw {
	if n.kind != objectNode {
		return r.wrongType(n, "an object of operators")
	}
	if r.conds == nil {
		r.conds = make([]rawCondition, 0, len(r.t.nodes)/8)
	}
	start := len(r.conds)
	for i := n.child; i != 0; i = r.t.nodes[i].next {
		op := &r.t.nodes[i]
		if op.kind != objectNode {
			return r.wrongType(op, "an object of condition keys")
		}
		parsed, ok := parseOperator(op.key)
		if !ok && op.child == 0 {
			continue // AWS lets an unknown operator pass that tests nothing
		}
		if !ok {
			return newFlaw(ruleOperator, op.keyOff, nearestOperator(op.key), "unknown condition operator %q", op.key)
		}
		for j := op.child; j != 0; j = r.t.nodes[j].next {
			key := &r.t.nodes[j]
			vals, f := r.strings(key, true)
			if f != nil {
				return f
			}
			r.conds = append(r.conds, rawCondition{operator: op.key, key: key.key, off: key.keyOff, parsed: parsed, vals: vals})
		}
	}
	s.condition = r.conds[start:len(r.conds):len(r.conds)]
	return nil
}

func (r *reader) wrongType(n *node, want string) *flaw {
	what := n.key
	if what == "" {
		what = "an element"
	}
	return newFlaw(ruleType, n.off, "", "%s is %s, want %s", what, n.kind, want)
}

func (r *reader) quote(n *node) string {
	if n.kind == arrayNode || n.kind == objectNode {
		return n.kind.String()
	}
	return fmt.Sprintf("%q", n.str)
}

func unknownKey(n *node, of string, known ...string) *flaw {
	hint := "known keys: " + strings.Join(known, ", ")
	for _, k := range known {
		if strings.EqualFold(k, n.key) {
			hint = fmt.Sprintf("keys are case-sensitive: write %q", k)
		} else if strings.EqualFold(k+"s", n.key) {
			hint = fmt.Sprintf("write %q", k)
		}
	}
	return newFlaw(ruleUnknownKey, n.keyOff, hint, "unknown key %q in %s", n.key, of)
}

// nearestOperator suggests an operator for a name that is none.
func nearestOperator(name string) string {
	if i := strings.LastIndexByte(name, ':'); i >= 0 {
		if prefix := name[:i+1]; !strings.EqualFold(prefix, "ForAllValues:") && !strings.EqualFold(prefix, "ForAnyValue:") {
			return "the set operators are ForAllValues and ForAnyValue"
		}
		name = name[i+1:]
	}
	if strings.EqualFold(name, "NullIfExists") {
		return "Null takes no IfExists: it is the test for existence"
	}
	lower := strings.ToLower(strings.TrimSuffix(name, "IfExists"))
	best := ""
	for _, o := range operatorNames() {
		if l := strings.ToLower(o.name); len(lower) >= 4 && (strings.HasPrefix(l, lower) || strings.HasPrefix(lower, l) || strings.HasPrefix(l, lower[:4])) && best == "" {
			best = o.name
		}
	}
	if best == "" {
		return "see \"Condition operators\" in the IAM User Guide for the list"
	}
	return "did you mean " + best + "?"
}
