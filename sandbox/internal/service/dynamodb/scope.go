package dynamodb

import (
	"maps"
	"slices"
	"strconv"
	"strings"
)

// scope is what the expressions of one request share: the names and values
// that they may use, and which of those they did use.
type scope struct {
	*parsers
	names      map[string]string
	values     map[string]value
	usedNames  map[string]bool
	usedValues map[string]bool
	// touched are the top-level attributes that the expressions name.
	touched map[string]bool
}

// newScope checks names and values. any tells whether the request has an
// expression at all; absent names one that would take values.
func (d *DynamoDB) newScope(names map[string]string, values map[string]value, any bool, absent string) (*scope, error) {
	sc := &scope{parsers: d.parsers, names: names, values: values,
		usedNames: map[string]bool{}, usedValues: map[string]bool{}, touched: map[string]bool{}}
	switch {
	case names != nil && !any:
		return nil, invalid("ExpressionAttributeNames can only be specified when using expressions")
	case names != nil && len(names) == 0:
		return nil, invalid("ExpressionAttributeNames must not be empty")
	case values != nil && !any:
		return nil, invalid("ExpressionAttributeValues can only be specified when using expressions: %s is null", absent)
	case values != nil && len(values) == 0:
		return nil, invalid("ExpressionAttributeValues must not be empty")
	}
	for _, k := range slices.Sorted(maps.Keys(names)) {
		if !placeholder(k, '#') {
			return nil, invalid("ExpressionAttributeNames contains invalid key: Syntax error; key: %q", k)
		}
		if names[k] == "" {
			return nil, invalid("ExpressionAttributeNames contains invalid value: Attribute name must not be empty; key: %s", k)
		}
	}
	for _, k := range slices.Sorted(maps.Keys(values)) {
		if !placeholder(k, ':') {
			return nil, invalid("ExpressionAttributeValues contains invalid key: Syntax error; key: %q", k)
		}
		if err := normalize(values[k], 0); err != nil {
			return nil, prefixed("ExpressionAttributeValues contains invalid value: ", err, " for key "+k)
		}
	}
	return sc, nil
}

func placeholder(s string, mark byte) bool {
	return len(s) > 1 && s[0] == mark && !strings.ContainsFunc(s[1:], func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '_')
	})
}

// done refuses names and values that no expression used.
func (sc *scope) done() error {
	if unused := missingFrom(sc.names, sc.usedNames); unused != "" {
		return invalid("Value provided in ExpressionAttributeNames unused in expressions: keys: {%s}", unused)
	}
	if unused := missingFrom(sc.values, sc.usedValues); unused != "" {
		return invalid("Value provided in ExpressionAttributeValues unused in expressions: keys: {%s}", unused)
	}
	return nil
}

func missingFrom[T any](given map[string]T, used map[string]bool) string {
	var unused []string
	for _, k := range slices.Sorted(maps.Keys(given)) {
		if !used[k] {
			unused = append(unused, k)
		}
	}
	return strings.Join(unused, ", ")
}

// name resolves one name of a path.
func (sc *scope) name(kind, s string) (string, error) {
	if s[0] != '#' {
		if reserved[strings.ToUpper(s)] {
			return "", invalid("Invalid %s: Attribute name is a reserved keyword; reserved keyword: %s", kind, s)
		}
		return s, nil
	}
	n, ok := sc.names[s]
	if !ok {
		return "", invalid("Invalid %s: An expression attribute name used in the document path is not defined; attribute name: %s", kind, s)
	}
	sc.usedNames[s] = true
	return n, nil
}

// path resolves a path.
func (sc *scope) path(kind string, n *pathNode) (path, error) {
	head, err := sc.name(kind, n.Head)
	if err != nil {
		return nil, err
	}
	p := path{{name: head, index: -1}}
	for _, r := range n.Rest {
		if r.Index != nil {
			i, err := strconv.Atoi(*r.Index)
			if err != nil || i > 1<<31-1 {
				return nil, invalid("Invalid %s: List index is not within the allowable range; index: [%s]", kind, *r.Index)
			}
			p = append(p, step{index: i})
			continue
		}
		name, err := sc.name(kind, *r.Field)
		if err != nil {
			return nil, err
		}
		p = append(p, step{name: name, index: -1})
	}
	if len(p) > maxDepth {
		return nil, invalid("Invalid %s: The document path has too many nesting elements; nesting level: %d", kind, len(p))
	}
	sc.touched[head] = true
	return p, nil
}

// value resolves a :value.
func (sc *scope) value(kind, s string) (value, error) {
	v, ok := sc.values[s]
	if !ok {
		return nil, invalid("Invalid %s: An expression attribute value used in expression is not defined; attribute value: %s", kind, s)
	}
	sc.usedValues[s] = true
	return v, nil
}

// projection resolves a ProjectionExpression; nil text means everything.
func (sc *scope) projection(text *string) ([]path, error) {
	if text == nil {
		return nil, nil
	}
	const kind = "ProjectionExpression"
	tree, err := sc.projections.get(kind, *text)
	if err != nil {
		return nil, err
	}
	var paths []path
	for _, n := range tree.Paths {
		p, err := sc.path(kind, n)
		if err != nil {
			return nil, err
		}
		paths = append(paths, p)
	}
	return paths, checkPaths(kind, paths)
}
