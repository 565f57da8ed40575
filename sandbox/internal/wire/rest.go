package wire

import (
	"cmp"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"
)

// A route tells the requests of one REST operation: a method, a path, and
// what else must be there.
type route struct {
	op      *Op
	path    []segment
	markers []marker
	queries map[string]bool // the query keys that the operation reads
}

// segment is a part of the path between slashes.
type segment struct {
	name   string // of the variable, or the text
	label  bool
	greedy bool
}

// marker is a query key or header without which a request is for another
// operation.
type marker struct {
	name   string
	value  string // if not empty, the query key has this value
	header bool
}

// alwaysAllowed are query keys that any request may carry: what the Go and
// JavaScript SDKs add for people, and the parameters of presigned URLs.
func alwaysAllowed(key string) bool {
	switch k := strings.ToLower(key); k {
	case "x-id", "awsaccesskeyid", "signature", "expires":
		return true
	default:
		return strings.HasPrefix(k, "x-amz-")
	}
}

// buildRoutes derives the routes from the model, those of one method together and the most
// specific first.
func (m *Model) buildRoutes() {
	m.subs = map[string]bool{}
	for _, name := range m.Operations() {
		op := m.operations[name]
		path, query, _ := strings.Cut(op.uri, "?")
		r := route{op: op, queries: map[string]bool{}}
		if path = strings.Trim(path, "/"); path != "" {
			for s := range strings.SplitSeq(path, "/") {
				g := segment{name: s}
				if strings.HasPrefix(s, "{") {
					g.label = true
					g.name = strings.Trim(s, "{}")
					if n, ok := strings.CutSuffix(g.name, "+"); ok {
						g.name, g.greedy = n, true
					}
				}
				r.path = append(r.path, g)
			}
		}
		if query != "" {
			for q := range strings.SplitSeq(query, "&") {
				k, v, _ := strings.Cut(q, "=")
				r.markers = append(r.markers, marker{name: k, value: v})
				m.subs[k] = true
			}
		}
		if op.input != nil {
			for _, e := range op.input.members {
				switch e.location {
				case "querystring":
					r.queries[e.wire] = true
					if e.required {
						r.markers = append(r.markers, marker{name: e.wire})
						// "id" selects among the ?analytics family only.
						if e.wire != "id" {
							m.subs[e.wire] = true
						}
					}
				case "header":
					if e.required && e.wire == "x-amz-copy-source" {
						r.markers = append(r.markers, marker{name: e.wire, header: true})
					}
				}
			}
		}
		m.routes = append(m.routes, r)
	}
	if m.service == "s3" {
		// Sub-resources without an operation in the model.
		for _, k := range []string{"torrent", "website", "requestPayment", "restore", "select", "select-type", "append"} {
			m.subs[k] = true
		}
	}
	slices.SortStableFunc(m.routes, func(a, b route) int {
		return cmp.Or(cmp.Compare(a.op.Method, b.op.Method), cmp.Compare(len(a.path), len(b.path)), cmp.Compare(len(b.markers), len(a.markers)))
	})
}

// findRoute finds the operation of a REST request and the variables of its
// path.
func (c *Call) findRoute() *Error {
	r := c.HTTP
	q, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return invalidURI()
	}
	for k, v := range q {
		if !utf8.ValidString(k) || !utf8.ValidString(v[0]) {
			return invalidURI()
		}
	}
	c.query = q
	var parts []string
	if c.Model.service == "s3" {
		if parts, err = s3Path(r, c.Model.opt.Hosts); err != nil {
			return invalidURI()
		}
		if len(parts) > 0 && parts[0] == "" {
			return Fail("InvalidBucketName", 400, "The specified bucket is not valid.")
		}
		c.Vars = map[string]string{}
		for i, name := range []string{"Bucket", "Key"} {
			if i < len(parts) {
				c.Vars[name] = parts[i]
			}
		}
	} else if parts, err = restPath(r); err != nil {
		return invalidURI()
	}
	first, _ := slices.BinarySearchFunc(c.Model.routes, r.Method, func(p route, method string) int { return cmp.Compare(p.op.Method, method) })
	for i := first; i < len(c.Model.routes) && c.Model.routes[i].op.Method == r.Method; i++ {
		p := &c.Model.routes[i]
		vars, ok := p.match(parts, c.Model.service == "s3")
		if !ok || !p.marked(c) {
			continue
		}
		if !c.selects(p) {
			return nil // a sub-resource is left over: no fall-back
		}
		c.Op, c.OpName = p.op, p.op.Name
		if c.Vars == nil {
			c.Vars = vars
		}
		return nil
	}
	return nil
}

func invalidURI() *Error { return Fail("InvalidURI", 400, "Couldn't parse the specified URI.") }

// marked tells whether the request carries all markers of the route.
func (p *route) marked(c *Call) bool {
	for _, k := range p.markers {
		if k.header {
			if c.HTTP.Header.Get(k.name) == "" {
				return false
			}
			continue
		}
		v, ok := c.query[k.name]
		if !ok || k.value != "" && v[0] != k.value {
			return false
		}
	}
	return true
}

// selects tells whether the query holds nothing that selects another
// operation than p's: no sub-resource of the model, and no key without a
// value that p does not read, which is how sub-resources look that came
// after the model. A request for an unknown sub-resource must never be
// taken for one on the resource itself.
func (c *Call) selects(p *route) bool {
	if c.Model.service != "s3" {
		return true
	}
	for k, v := range c.query {
		if p.queries[k] || alwaysAllowed(k) || slices.ContainsFunc(p.markers, func(m marker) bool { return !m.header && m.name == k }) {
			continue
		}
		if c.Model.subs[k] || v[0] == "" {
			return false
		}
	}
	return true
}

// match compares the path. For S3 the parts are bucket and key, not
// segments.
func (p *route) match(parts []string, s3 bool) (map[string]string, bool) {
	if s3 {
		return nil, len(parts) == len(p.path)
	}
	vars := map[string]string{}
	for i, s := range p.path {
		if s.greedy {
			if i >= len(parts) {
				return nil, false
			}
			vars[s.name] = strings.Join(parts[i:], "/")
			return vars, vars[s.name] != ""
		}
		if i >= len(parts) || !s.label && s.name != parts[i] || s.label && parts[i] == "" {
			return nil, false
		}
		if s.label {
			vars[s.name] = parts[i]
		}
	}
	return vars, len(parts) == len(p.path)
}

// restPath splits a path into segments, each decoded once.
func restPath(r *http.Request) ([]string, error) {
	path := strings.TrimPrefix(r.URL.EscapedPath(), "/")
	if path == "" {
		return nil, nil
	}
	parts := strings.Split(path, "/")
	for i, s := range parts {
		var err error
		if parts[i], err = unescape(s); err != nil {
			return nil, err
		}
	}
	return parts, nil
}

// unescape decodes %XX once; the result must be UTF-8.
func unescape(s string) (string, error) {
	s, err := url.PathUnescape(s)
	if err == nil && !utf8.ValidString(s) {
		err = errScalar
	}
	return s, err
}
