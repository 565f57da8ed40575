package wire

import (
	"bytes"
	"compress/gzip"
	"embed"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
)

//go:generate sh -c "go run ./gen -out models -data $(python3 -c 'import botocore, os; print(os.path.join(os.path.dirname(botocore.__file__), \"data\"))')"

//go:embed models/*.json.gz
var modelFiles embed.FS

// loaders parse each model once, on first use.
var loaders = func() map[string]func() (*Model, error) {
	m := make(map[string]func() (*Model, error))
	for _, s := range Services() {
		m[s] = sync.OnceValues(func() (*Model, error) { return load(s) })
	}
	return m
}()

// Services lists the services that have a model, by signing name.
func Services() []string {
	return []string{"autoscaling", "dynamodb", "ec2", "ecr", "ecs", "eks-auth", "iam", "s3", "sts"}
}

// Model is one service as AWS describes it: its protocol, its operations and
// the shapes that they exchange. It is safe for concurrent use.
type Model struct {
	service     string
	protocol    string
	version     string
	namespace   string
	target      string
	jsonVersion string
	operations  map[string]*Op
	errors      map[string]*modelFault
	routes      []route         // rest protocols only
	subs        map[string]bool // S3: query keys that select an operation
	opt         Options
	plans       *plans
	buffers     *sync.Pool // of *[]byte
}

// Options adjust a model to a server; the zero value suits clients that
// address AWS's own host names or localhost.
type Options struct {
	// Hosts are the server's own host names, without port. A request to
	// BUCKET.HOST is a virtual-hosted S3 request. AWS's names and
	// "localhost" are known without being named.
	Hosts []string
	// Unions tell the codec the members of union types; see UnionOf.
	Unions []Union
}

// With returns the same model under other options.
func (m *Model) With(opt Options) *Model {
	c := *m
	c.opt = opt
	c.opt.Hosts = nil
	for _, h := range opt.Hosts {
		c.opt.Hosts = append(c.opt.Hosts, strings.ToLower(strings.Trim(h, ".")))
	}
	c.plans = newPlans(opt.Unions)
	return &c
}

// Load returns the model of a service, by signing name ("sts", "iam", "s3",
// "ec2", "ecs", "ecr", "dynamodb", "eks-auth", "autoscaling"). The model is
// parsed on the first call and shared afterwards.
func Load(service string) (*Model, error) {
	f, ok := loaders[service]
	if !ok {
		return nil, fmt.Errorf("no model of service %q: the services are %s", service, strings.Join(Services(), ", "))
	}
	return f()
}

// Name is the name by which the service appears in credential scopes.
func (m *Model) Name() string { return m.service }

// Protocol is "query", "ec2", "json", "rest-json" or "rest-xml".
func (m *Model) Protocol() string { return m.protocol }

// Version is the API version, e.g. "2011-06-15".
func (m *Model) Version() string { return m.version }

// Operation finds an operation by name; nil if the service has none such.
func (m *Model) Operation(name string) *Op { return m.operations[name] }

// Operations lists the names of all operations, sorted.
func (m *Model) Operations() []string { return slices.Sorted(maps.Keys(m.operations)) }

// Op is one operation of a service.
type Op struct {
	// Name is the API's name of the operation, e.g. "AssumeRole".
	Name string
	// Method is the HTTP method; only the rest protocols choose by it.
	Method string
	// Status is the HTTP status of success.
	Status int

	uri        string
	input      *shape
	inputRoot  string
	output     *shape
	outputRoot string // S3: the root element of the answer
	wrapper    string // query: the element around the result
	errors     []string
}

// shape is a type of the model.
type shape struct {
	name      string
	kind      kind
	members   []*member
	byName    map[string]*member
	member    *member // element of a list
	key       *member
	value     *member
	payload   *member
	flattened bool
	time      string
	prefix    string
	namespace string
	sensitive bool
	union     bool
	stream    bool
	min, max  bound
	pattern   string
	expr      string          // the pattern in RE2; empty if there is none
	matcher   func() *pattern // compiles expr, once
	enum      []string
}

// bound is a limit on a length or a value.
type bound struct {
	set  bool
	n    float64
	text string
}

func newBound(n json.Number) bound {
	f, err := n.Float64()
	return bound{set: err == nil, n: f, text: n.String()}
}

// member is a use of a shape, inside a structure, list or map.
type member struct {
	name      string
	shape     *shape
	location  string
	wire      string // the name on the wire; never empty in a structure
	header    string // the same in the canonical form of HTTP headers
	query     string // the name in query requests
	label     string // the name in validation messages
	required  bool
	flattened bool // the list or map has no element of its own
	attribute bool
	streaming bool
	time      string
	prefix    string
	namespace string
	outer     bool // in the document, not in headers or path
}

// kind is what a shape is.
type kind uint8

const (
	kindStructure kind = iota
	kindList
	kindMap
	kindString
	kindBool
	kindInt
	kindFloat
	kindTime
	kindBlob
	kindDocument
)

var kinds = map[string]kind{
	"structure": kindStructure, "list": kindList, "map": kindMap, "string": kindString, "character": kindString,
	"boolean": kindBool, "integer": kindInt, "long": kindInt, "short": kindInt, "byte": kindInt,
	"float": kindFloat, "double": kindFloat, "timestamp": kindTime, "blob": kindBlob,
}

// modelFile and the types below are the format of the embedded files, which
// the program in ./gen writes.
type modelFile struct {
	Service     string
	Protocol    string
	Version     string
	Namespace   string
	Target      string
	JSONVersion string
	Operations  []struct {
		Name, Method, URI string
		Status            int
		Input, InputRoot  string
		Output            string
		OutputRoot        string
		Wrapper           string
		Errors            []string
	}
	Shapes map[string]*modelShape
	Errors map[string]*modelFault
}

type modelFault struct {
	Code   string
	Status int
}

type modelShape struct {
	Type                    string
	Members                 []*modelMember
	Member, Key, Value      *modelMember
	Required                []string
	Payload                 string
	Flattened               bool
	Time, Prefix, Namespace string
	Sensitive, Union        bool
	Document, Stream        bool
	Min, Max                json.Number
	Pattern, Expr           string
	Enum                    []string
}

type modelMember struct {
	Name, Shape, Location, Wire, Query string
	Flattened, Attribute, Streaming    bool
	Time, Prefix, Namespace            string
}

func load(service string) (*Model, error) {
	z, err := modelFiles.Open("models/" + service + ".json.gz")
	if err != nil {
		return nil, err
	}
	defer z.Close()
	g, err := gzip.NewReader(z)
	if err != nil {
		return nil, fmt.Errorf("model of %s: %w", service, err)
	}
	var text bytes.Buffer
	if _, err := text.ReadFrom(g); err != nil {
		return nil, fmt.Errorf("model of %s: %w", service, err)
	}
	d := json.NewDecoder(&text)
	d.DisallowUnknownFields()
	var f modelFile
	if err := d.Decode(&f); err != nil {
		return nil, fmt.Errorf("model of %s: %w", service, err)
	}
	return link(&f)
}

// link turns names of shapes into pointers and derives the wire names.
func link(f *modelFile) (*Model, error) {
	m := &Model{service: f.Service, protocol: f.Protocol, version: f.Version, namespace: f.Namespace,
		target: f.Target, jsonVersion: f.JSONVersion, operations: make(map[string]*Op, len(f.Operations)),
		errors: f.Errors, plans: newPlans(nil), buffers: &sync.Pool{New: func() any { return new([]byte) }}}
	shapes := make(map[string]*shape, len(f.Shapes))
	for name, s := range f.Shapes {
		k, ok := kinds[s.Type]
		if !ok {
			return nil, fmt.Errorf("model of %s: shape %s has the unknown type %q", f.Service, name, s.Type)
		}
		if s.Document {
			k = kindDocument
		}
		d := &shape{name: name, kind: k, flattened: s.Flattened, time: s.Time, prefix: s.Prefix, namespace: s.Namespace,
			sensitive: s.Sensitive, union: s.Union, stream: s.Stream, min: newBound(s.Min), max: newBound(s.Max), pattern: s.Pattern, enum: s.Enum}
		if s.Pattern != "" && s.Expr != "skip" {
			expr := s.Expr
			if expr == "" {
				expr = s.Pattern
			}
			// Most patterns of a service are never asked for.
			d.expr, d.matcher = expr, sync.OnceValue(func() *pattern { return newPattern(expr) })
		}
		shapes[name] = d
	}
	for name, s := range f.Shapes {
		d := shapes[name]
		d.byName = make(map[string]*member, len(s.Members))
		for _, r := range s.Members {
			e := m.member(r, shapes)
			e.required = slices.Contains(s.Required, r.Name)
			d.members = append(d.members, e)
			d.byName[r.Name] = e
		}
		if s.Payload != "" {
			d.payload = d.byName[s.Payload]
		}
		for _, p := range []struct {
			from *modelMember
			to   **member
			name string
		}{{s.Member, &d.member, "member"}, {s.Key, &d.key, "key"}, {s.Value, &d.value, "value"}} {
			if p.from != nil {
				*p.to = m.member(p.from, shapes)
				if (*p.to).wire == "" {
					(*p.to).wire = p.name
				}
			}
		}
	}
	// The elements of a flattened list bear the name of the list's member,
	// unless the list's own element is named.
	for _, s := range shapes {
		for _, e := range s.members {
			if e.flattened && e.shape.kind == kindList && f.Protocol != "ec2" && e.wire == e.name && e.shape.member.wire != "member" {
				e.wire = e.shape.member.wire
				e.query = e.wire
			}
		}
	}
	for _, o := range f.Operations {
		op := &Op{Name: o.Name, Method: o.Method, Status: o.Status, uri: o.URI, input: shapes[o.Input], inputRoot: o.InputRoot,
			output: shapes[o.Output], outputRoot: o.OutputRoot, wrapper: o.Wrapper, errors: o.Errors}
		if op.Status == 0 {
			op.Status = 200
		}
		m.operations[o.Name] = op
	}
	if strings.HasPrefix(f.Protocol, "rest-") {
		m.buildRoutes()
	}
	return m, nil
}

func (m *Model) member(r *modelMember, shapes map[string]*shape) *member {
	s := shapes[r.Shape]
	e := &member{name: r.Name, shape: s, location: r.Location, wire: r.Wire, attribute: r.Attribute,
		streaming: r.Streaming, time: r.Time, prefix: r.Prefix, namespace: r.Namespace, outer: r.Location == ""}
	e.flattened = r.Flattened || s.flattened
	if e.wire == "" {
		e.wire = r.Name
	}
	if r.Name != "" {
		e.label = strings.ToLower(r.Name[:1]) + r.Name[1:]
	}
	if e.location == "header" || e.location == "headers" {
		e.header = http.CanonicalHeaderKey(e.wire)
	}
	e.query = e.wire
	if m.protocol == "ec2" {
		// https://smithy.io/2.0/aws/protocols/aws-ec2-query-protocol.html
		switch {
		case r.Query != "":
			e.query = r.Query
		case e.wire != "":
			e.query = strings.ToUpper(e.wire[:1]) + e.wire[1:]
		}
	}
	if e.time == "" {
		e.time = s.time
	}
	return e
}

// String names the kind as error messages do.
func (k kind) String() string {
	return [...]string{"a structure", "a list", "a map", "a string", "true or false", "an integer", "a number",
		"a timestamp", "base64", "a document"}[k]
}
