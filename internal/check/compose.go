package check

import (
	"path"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"

	"github.com/mantle-iam/mantle/internal/tf"
)

// A composeFile is a compose file.
type composeFile struct {
	path     string
	data     []byte
	services []service
}

type service struct {
	file  *composeFile
	name  string
	where tf.Range
	env   map[string]setting
	user  setting
	mount []mount
}

// A mount binds a path of the host into the container.
type mount struct {
	from, to string
	where    tf.Range
}

func (s *service) found(at tf.Range, message, cure string) Finding {
	if at.File == "" {
		at = s.where
	}
	return Finding{Where: at, Address: "service " + s.name, Message: message, Cure: cure}
}

func (f *facts) readCompose() {
	for _, x := range f.files {
		if x.Kind != Compose {
			continue
		}
		docs, ok := f.readYAML(x)
		if !ok {
			continue
		}
		c := &composeFile{path: x.Path, data: x.Data}
		for _, doc := range docs {
			for _, s := range pairs(child(doc, "services")) {
				svc := service{file: c, name: keyOf(s), where: yamlPlace(x, s.Key), env: map[string]setting{}}
				env := child(s.Value, "environment")
				for _, e := range pairs(env) {
					svc.env[keyOf(e)] = setting{keyOf(e), scalar(e.Value), yamlPlace(x, e.Key)}
				}
				for _, e := range items(env) {
					name, value, _ := strings.Cut(scalar(e), "=")
					svc.env[name] = setting{name, value, yamlPlace(x, e)}
				}
				if u := child(s.Value, "user"); u != nil {
					svc.user = setting{"user", scalar(u), yamlPlace(x, u)}
				}
				for _, v := range items(child(s.Value, "volumes")) {
					m := mount{where: yamlPlace(x, v)}
					if len(pairs(v)) > 0 {
						m.from, m.to = scalar(child(v, "source")), scalar(child(v, "target"))
					} else if parts := strings.Split(scalar(v), ":"); len(parts) >= 2 {
						m.from, m.to = parts[0], parts[1]
					}
					if m.to != "" {
						m.to = path.Clean(m.to)
						svc.mount = append(svc.mount, m)
					}
				}
				c.services = append(c.services, svc)
			}
		}
		f.compose = append(f.compose, c)
	}
}

// readYAML parses a file's documents; a broken file is a finding.
func (f *facts) readYAML(x File) ([]ast.Node, bool) {
	parsed, err := parser.ParseBytes(x.Data, 0)
	if err != nil {
		first, _, _ := strings.Cut(yaml.FormatError(err, false, false), "\n")
		f.broken = append(f.broken, Finding{Where: tf.Range{Position: tf.Position{File: x.Path, Line: 1}}, Message: "not YAML: " + first, Cure: "repair its syntax"})
		return nil, false
	}
	var out []ast.Node
	for _, d := range parsed.Docs {
		if d.Body != nil {
			out = append(out, d.Body)
		}
	}
	return out, true
}

// bare is a node without its anchor or tag. Aliases and merge keys stay
// unresolved: what they stand for is checked where it is written.
func bare(n ast.Node) ast.Node {
	for {
		switch x := n.(type) {
		case *ast.AnchorNode:
			n = x.Value
		case *ast.TagNode:
			n = x.Value
		default:
			return n
		}
	}
}

func pairs(n ast.Node) []*ast.MappingValueNode {
	switch x := bare(n).(type) {
	case *ast.MappingNode:
		return x.Values
	case *ast.MappingValueNode:
		return []*ast.MappingValueNode{x}
	}
	return nil
}

func items(n ast.Node) []ast.Node {
	if x, ok := bare(n).(*ast.SequenceNode); ok {
		return x.Values
	}
	return nil
}

func keyOf(p *ast.MappingValueNode) string { return scalar(p.Key) }

func child(n ast.Node, name string) ast.Node {
	for _, p := range pairs(n) {
		if keyOf(p) == name {
			return p.Value
		}
	}
	return nil
}

func scalar(n ast.Node) string {
	switch x := bare(n).(type) {
	case nil:
		return ""
	case *ast.StringNode:
		return x.Value
	case *ast.LiteralNode:
		return x.Value.Value
	case *ast.NullNode:
		return ""
	case *ast.MappingNode, *ast.SequenceNode, *ast.MappingValueNode, *ast.AliasNode:
		return ""
	default:
		return x.GetToken().Value
	}
}

// yamlPlace is where a node starts.
func yamlPlace(x File, n ast.Node) tf.Range {
	var t *token.Token
	if n != nil {
		t = n.GetToken()
	}
	if t == nil || t.Position == nil {
		return tf.Range{Position: tf.Position{File: x.Path, Line: 1}}
	}
	return tf.Range{Position: tf.Position{File: x.Path, Line: t.Position.Line, Column: t.Position.Column}}
}
