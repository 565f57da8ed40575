package graph

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// A Hop is one step from one principal to another.
type Hop struct {
	From    string  `json:"from"`
	To      string  `json:"to"` // a role
	How     How     `json:"how"`
	Verdict Verdict `json:"verdict"`

	// Service and Actions say, of PassRole, to which service the role is passed
	// and what else the caller does.
	Service string   `json:"service,omitempty"`
	Actions []string `json:"actions,omitempty"`

	// Profiles are, of AsProfile, the instance profiles.
	Profiles []string `json:"profiles,omitempty"`

	// Conditions are what is left undecided, if the verdict is IfConditions or
	// Unknown.
	Conditions []Condition `json:"conditions,omitempty"`

	// Evidence lists the statements that decided.
	Evidence []Evidence `json:"evidence,omitempty"`
}

// hop fills in what an edge means.
func (g *Graph) hop(e edge) Hop {
	h := Hop{From: e.from.ARN, To: e.to.ARN, How: e.how, Verdict: e.verdict}
	switch e.how {
	case PassRole:
		s := &g.services[e.row]
		h.Service = s.Principal
		for _, c := range s.Calls {
			h.Actions = append(h.Actions, c.Action)
		}
	case AsProfile:
		h.Profiles = e.to.profiles
	}
	h.Evidence, h.Conditions = g.why(e)
	return h
}

// String is the hop in one line, such as
//
//	user/mira -> role/deploy (via account, if aws:MultiFactorAuthPresent)
func (h Hop) String() string { return short(h.From) + " -> " + short(h.To) + " (" + h.label() + ")" }

// label is how the hop goes, and on what conditions.
func (h Hop) label() string {
	s := h.How.String()
	if h.How == PassRole {
		s = "pass to " + strings.TrimSuffix(h.Service, ".amazonaws.com") + ", " + strings.Join(h.Actions, ", ")
	}
	if len(h.Conditions) > 0 {
		var on []string
		for _, c := range h.Conditions {
			on = appendNew(on, c.String())
		}
		s += ", if " + strings.Join(on, ", ")
	}
	return s
}

// short is an ARN without what nobody reads twice.
func short(arn string) string {
	if f := strings.SplitN(arn, ":", 6); len(f) == 6 && f[0] == "arn" {
		if f[5] == "root" {
			return f[4] + ":root"
		}
		return f[5]
	}
	return arn
}

// A Path is a way from one principal to a role.
type Path struct {
	// Verdict is that of the hardest hop.
	Verdict Verdict `json:"verdict"`
	Hops    []Hop   `json:"hops"` // at least one
}

// From is where the path begins.
func (p Path) From() string { return p.Hops[0].From }

// To is the role where the path ends.
func (p Path) To() string { return p.Hops[len(p.Hops)-1].To }

// String is the path in one line, such as user/mira -> role/deploy -> role/admin.
func (p Path) String() string {
	var b strings.Builder
	b.WriteString(short(p.From()))
	for _, h := range p.Hops {
		fmt.Fprintf(&b, " -> %s", short(h.To))
	}
	return b.String()
}

// A walk is a search in one direction.
type walk struct {
	next func(*node) []edge // the hops at a node
	far  func(edge) *node   // their other end
	back bool               // hops lead to the start
}

func (g *Graph) forwards() walk {
	return walk{g.outgoing, func(e edge) *node { return e.to }, false}
}

func (g *Graph) backwards() walk {
	return walk{g.incoming, func(e edge) *node { return e.from }, true}
}

// route is a way that a search found.
type route struct {
	end     *node
	verdict Verdict
	edges   []edge // in the order of the hops
}

// search finds, for every node within reach of start, the shortest way among
// those of each verdict, a worse one only where it is shorter. A node is visited
// once for each verdict, so cycles end.
func (g *Graph) search(start *node, w walk, only *node) []route {
	var out []route
	best := make([]int, len(g.nodes)) // length of the shortest way so far
	for tier := Allowed; tier > Denied; tier-- {
		depth := make([]int, len(g.nodes))
		via := map[*node]edge{}
		depth[start.index] = 1
		queue := []*node{start}
		for len(queue) > 0 {
			n := queue[0]
			queue = queue[1:]
			if n != start && w.back && n.Kind != Role || n == only {
				continue // nobody becomes a user or a service
			}
			for _, e := range w.next(n) {
				other := w.far(e)
				if e.verdict < tier || depth[other.index] > 0 {
					continue
				}
				depth[other.index] = depth[n.index] + 1
				via[other] = e
				queue = append(queue, other)
				if d := best[other.index]; (d == 0 || depth[other.index] < d) && (only == nil || only == other) {
					best[other.index] = depth[other.index]
					out = append(out, trace(start, other, via, w))
				}
			}
		}
	}
	slices.SortStableFunc(out, func(a, b route) int {
		return cmp.Or(cmp.Compare(b.verdict, a.verdict), cmp.Compare(len(a.edges), len(b.edges)), cmp.Compare(a.end.index, b.end.index))
	})
	return out
}

// trace follows via from end to start.
func trace(start, end *node, via map[*node]edge, w walk) route {
	r := route{end: end, verdict: Allowed}
	for n := end; n != start; {
		e := via[n]
		r.edges = append(r.edges, e)
		r.verdict = min(r.verdict, e.verdict)
		n = e.to
		if !w.back {
			n = e.from
		}
	}
	if !w.back {
		slices.Reverse(r.edges)
	}
	return r
}

// paths fills in the routes. Hops that several share are explained once.
func (g *Graph) paths(routes []route) []Path {
	type key struct {
		from, to int
		how      How
	}
	hops := map[key]Hop{}
	out := make([]Path, len(routes))
	for i, r := range routes {
		p := Path{Verdict: r.verdict, Hops: make([]Hop, len(r.edges))}
		for j, e := range r.edges {
			k := key{e.from.index, e.to.index, e.how}
			h, ok := hops[k]
			if !ok {
				h = g.hop(e)
				hops[k] = h
			}
			p.Hops[j] = h
		}
		out[i] = p
	}
	return out
}
