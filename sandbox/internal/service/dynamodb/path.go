package dynamodb

import (
	"slices"
	"strconv"
	"strings"
)

// step is one part of a document path: a name, or an index into a list.
type step struct {
	name  string
	index int // -1 for a name
}

// path is a document path, e.g. a.b[2]; the first step is a name.
type path []step

// String is the path as error messages print it: [a, b, [2]].
func (p path) String() string {
	parts := make([]string, len(p))
	for i, s := range p {
		if parts[i] = s.name; s.index >= 0 {
			parts[i] = "[" + strconv.Itoa(s.index) + "]"
		}
	}
	return "[" + strings.Join(parts, ", ") + "]"
}

// get returns what is at the path, nil if nothing is.
func (p path) get(it map[string]value) value {
	v := it[p[0].name]
	for _, s := range p[1:] {
		if v = child(v, s); v == nil {
			return nil
		}
	}
	return v
}

func child(v value, s step) value {
	switch v := v.(type) {
	case *vM:
		if s.index < 0 {
			return v.Value[s.name]
		}
	case *vL:
		if s.index >= 0 && s.index < len(v.Value) {
			return v.Value[s.index]
		}
	}
	return nil
}

// clash tells how two paths that are used together contradict each other:
// one is part of the other ("overlap"), or they take the same thing for a map
// and for a list ("conflict"). "" means that they get along.
func clash(a, b path) string {
	for i := range min(len(a), len(b)) {
		if a[i] == b[i] {
			continue
		}
		if (a[i].index < 0) != (b[i].index < 0) {
			return "conflict"
		}
		return ""
	}
	return "overlap"
}

// checkPaths refuses paths that clash.
func checkPaths(kind string, paths []path) error {
	for i, a := range paths {
		for _, b := range paths[:i] {
			switch clash(a, b) {
			case "overlap":
				return invalid("Invalid %s: Two document paths overlap with each other; must remove or rewrite one of these paths; path one: %s, path two: %s", kind, b, a)
			case "conflict":
				return invalid("Invalid %s: Two document paths conflict with each other; must remove or rewrite one of these paths; path one: %s, path two: %s", kind, b, a)
			}
		}
	}
	return nil
}

// project returns the parts of an item at the paths, each in its place; list
// elements close up in the order of their indexes. It shares values with the
// item. Nil paths mean the whole item.
func project(it map[string]value, paths []path) map[string]value {
	if paths == nil {
		return it
	}
	if len(paths) == 0 {
		return map[string]value{}
	}
	root := &branch{}
	for _, p := range paths {
		root.add(p)
	}
	out, _ := root.cut(&vM{Value: it}).(*vM)
	if out == nil {
		return map[string]value{}
	}
	return out.Value
}

// branch is a tree of paths; one without children takes everything.
type branch struct {
	names   map[string]*branch
	indexes map[int]*branch
}

func (b *branch) add(p path) {
	for _, s := range p {
		var next *branch
		if s.index < 0 {
			if next = b.names[s.name]; next == nil {
				if b.names == nil {
					b.names = map[string]*branch{}
				}
				next = &branch{}
				b.names[s.name] = next
			}
		} else if next = b.indexes[s.index]; next == nil {
			if b.indexes == nil {
				b.indexes = map[int]*branch{}
			}
			next = &branch{}
			b.indexes[s.index] = next
		}
		b = next
	}
}

// cut returns the part of v that the branch takes, nil for none.
func (b *branch) cut(v value) value {
	if b.names == nil && b.indexes == nil {
		return v
	}
	switch v := v.(type) {
	case *vM:
		out := map[string]value{}
		for name, next := range b.names {
			if e, ok := v.Value[name]; ok {
				if part := next.cut(e); part != nil {
					out[name] = part
				}
			}
		}
		if len(out) > 0 {
			return &vM{Value: out}
		}
	case *vL:
		indexes := make([]int, 0, len(b.indexes))
		for i := range b.indexes {
			indexes = append(indexes, i)
		}
		slices.Sort(indexes)
		var out []value
		for _, i := range indexes {
			if i < len(v.Value) {
				if part := b.indexes[i].cut(v.Value[i]); part != nil {
					out = append(out, part)
				}
			}
		}
		if len(out) > 0 {
			return &vL{Value: out}
		}
	}
	return nil
}
