package graph

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
)

// A Drawing is what there is to draw: nodes and the hops between them. It
// marshals to JSON; for pictures there are DOT and Mermaid.
type Drawing struct {
	Nodes []Node `json:"nodes"`
	Hops  []Hop  `json:"hops"`
}

// MarshalJSON writes all nodes and all hops: {"nodes": […], "hops": […]}.
func (g *Graph) MarshalJSON() ([]byte, error) { return json.Marshal(Drawing{g.Nodes(), g.Hops()}) }

// Draw is the whole graph, without principals that become nothing. The admins of
// an account are one node, and of their hops only those to other accounts are
// kept.
func (g *Graph) Draw() *Drawing {
	return g.drawing(g.Hops(), true)
}

// DrawPaths is what some paths lead over, admins included.
func (g *Graph) DrawPaths(paths []Path) *Drawing {
	var hops []Hop
	for _, p := range paths {
		for _, h := range p.Hops {
			if !slices.ContainsFunc(hops, func(o Hop) bool { return o.From == h.From && o.To == h.To && o.How == h.How }) {
				hops = append(hops, h)
			}
		}
	}
	return g.drawing(hops, false)
}

// adminsName is the node that stands for the admins of an account.
func adminsName(account string) string { return "admins of " + account }

func (g *Graph) drawing(hops []Hop, collapse bool) *Drawing {
	d := &Drawing{}
	shown := map[string]bool{}
	show := func(arn string) {
		if !shown[arn] {
			shown[arn] = true
			if n := g.byARN[arn]; n != nil {
				d.Nodes = append(d.Nodes, n.Node)
			}
		}
	}
	seen := map[[2]string]int{} // 1 + the place of the hop
	for _, h := range hops {
		from, to := g.byARN[h.From], g.byARN[h.To]
		if collapse && from.Admin != "" {
			// Admins become every role of their account; one arrow to a role of
			// another account, the easiest, stands for all of theirs.
			h.From = adminsName(from.Account)
			if from.Account == to.Account {
				continue
			}
			key := [2]string{h.From, h.To}
			if at := seen[key]; at > 0 {
				if h.Verdict > d.Hops[at-1].Verdict {
					d.Hops[at-1] = h
				}
				continue
			}
			seen[key] = len(d.Hops) + 1
		}
		show(h.From)
		show(h.To)
		d.Hops = append(d.Hops, h)
	}
	if collapse {
		for _, id := range g.Accounts() {
			var names []string
			for _, n := range g.nodes {
				if n.Admin != "" && n.Account == id && n.Kind != Root { // every account has a root user
					names = append(names, short(n.ARN))
				}
			}
			if len(names) == 0 {
				continue
			}
			d.Nodes = append(d.Nodes, Node{ARN: adminsName(id), Kind: Role, Account: id, Name: fmt.Sprintf("admins (%d)", len(names)), Admin: strings.Join(names, ", ")})
		}
	}
	slices.SortStableFunc(d.Nodes, func(a, b Node) int {
		return compareNodes(&node{Node: a}, &node{Node: b})
	})
	return d
}

// groups yields the nodes account by account; those of no account come last.
func (d *Drawing) groups() (accounts []string, members map[string][]Node) {
	members = map[string][]Node{}
	for _, n := range d.Nodes {
		accounts = appendNew(accounts, n.Account)
		members[n.Account] = append(members[n.Account], n)
	}
	slices.SortFunc(accounts, func(a, b string) int {
		if (a == "") != (b == "") {
			return strings.Compare(b, a)
		}
		return strings.Compare(a, b)
	})
	return accounts, members
}

// WriteDOT writes the drawing for Graphviz: one cluster for each account; solid
// arrows are allowed, dashed ones depend on conditions, dotted ones are unknown.
// See https://graphviz.org/doc/info/lang.html.
func (d *Drawing) WriteDOT(w io.Writer) error {
	out := bufio.NewWriter(w)
	fmt.Fprint(out, "digraph iam {\n\trankdir=LR;\n\tnode [shape=box, style=rounded];\n")
	accounts, members := d.groups()
	for _, a := range accounts {
		indent := "\t"
		if a != "" {
			fmt.Fprintf(out, "\tsubgraph %s {\n\t\tlabel=%s;\n", dotQuote("cluster_"+a), dotQuote("account "+a))
			indent = "\t\t"
		}
		for _, n := range members[a] {
			fmt.Fprintf(out, "%s%s [label=%s%s];\n", indent, dotQuote(n.ARN), dotQuote(n.label()), dotStyle(n))
		}
		if a != "" {
			fmt.Fprint(out, "\t}\n")
		}
	}
	for _, h := range d.Hops {
		style := map[Verdict]string{Allowed: "solid", IfConditions: "dashed", Unknown: "dotted"}[h.Verdict]
		fmt.Fprintf(out, "\t%s -> %s [label=%s, style=%s];\n", dotQuote(h.From), dotQuote(h.To), dotQuote(h.label()), style)
	}
	fmt.Fprint(out, "}\n")
	return out.Flush()
}

func dotStyle(n Node) string {
	switch {
	case n.Admin != "":
		return ", penwidth=2"
	case n.Kind == AWS || n.Kind == Provider:
		return ", shape=ellipse"
	case n.Kind == User:
		return ", shape=oval"
	case n.Kind == Outsider:
		return `, style="rounded,dotted"`
	}
	return ""
}

// dotQuote quotes a string for DOT, where only quotes and backslashes matter.
func dotQuote(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", " ").Replace(s) + `"`
}

func (n Node) label() string {
	if strings.HasPrefix(n.ARN, "admins of ") {
		return n.Name
	}
	return short(n.ARN)
}

// WriteMermaid writes the drawing as a Mermaid flowchart, with the same meaning.
// See https://mermaid.js.org/syntax/flowchart.html.
func (d *Drawing) WriteMermaid(w io.Writer) error {
	out := bufio.NewWriter(w)
	fmt.Fprint(out, "flowchart LR\n")
	ids := map[string]string{}
	accounts, members := d.groups()
	for _, a := range accounts {
		indent := "\t"
		if a != "" {
			fmt.Fprintf(out, "\tsubgraph a%s [%s]\n", a, mermaidQuote("account "+a))
			indent = "\t\t"
		}
		for _, n := range members[a] {
			ids[n.ARN] = fmt.Sprintf("n%d", len(ids))
			left, right := "[", "]"
			switch n.Kind {
			case User:
				left, right = "([", "])"
			case AWS, Provider:
				left, right = "{{", "}}"
			}
			fmt.Fprintf(out, "%s%s%s%s%s\n", indent, ids[n.ARN], left, mermaidQuote(n.label()), right)
		}
		if a != "" {
			fmt.Fprint(out, "\tend\n")
		}
	}
	for _, h := range d.Hops {
		arrow := "-->"
		if h.Verdict != Allowed {
			arrow = "-.->"
		}
		label := h.label()
		if h.Verdict == Unknown {
			label = "unknown: " + label
		}
		fmt.Fprintf(out, "\t%s %s|%s| %s\n", ids[h.From], arrow, mermaidQuote(label), ids[h.To])
	}
	return out.Flush()
}

// mermaidQuote quotes a text; Mermaid writes special characters as entities.
func mermaidQuote(s string) string {
	return `"` + strings.NewReplacer(`#`, "#35;", `"`, "#quot;", "<", "#lt;", ">", "#gt;", "\n", " ").Replace(s) + `"`
}

// WriteDOT writes the whole graph: see [Graph.Draw] and [Drawing.WriteDOT].
func (g *Graph) WriteDOT(w io.Writer) error { return g.Draw().WriteDOT(w) }

// WriteMermaid writes the whole graph: see [Graph.Draw] and
// [Drawing.WriteMermaid].
func (g *Graph) WriteMermaid(w io.Writer) error { return g.Draw().WriteMermaid(w) }
