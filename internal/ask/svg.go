package ask

import (
	"bufio"
	"cmp"
	"encoding/xml"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/mantle-iam/mantle/iam/graph"
)

// A Picture is a drawing laid out: a column for each step on the way from those
// who start to the roles that are reached.
type Picture struct {
	drawing *graph.Drawing
	name    func(account string) string

	columns       [][]int // nodes by column, top to bottom
	at            []point // of each node, its top left corner
	width, height int
}

type point struct{ x, y int }

// Sizes in pixels.
const (
	boxWidth   = 210
	boxHeight  = 44
	columnGap  = 130
	rowGap     = 22
	margin     = 30
	legendLine = 24
)

// Draw lays out a drawing. name says what to call an account.
func Draw(d *graph.Drawing, name func(account string) string) *Picture {
	p := &Picture{drawing: d, name: name}
	p.layer()
	p.sort()
	p.place()
	return p
}

// layer gives each node its column: one more than the farthest of those that lead
// to it. Hops that close a circle do not count.
func (p *Picture) layer() {
	index := map[string]int{}
	for i, n := range p.drawing.Nodes {
		index[n.ARN] = i
	}
	out := make([][]int, len(p.drawing.Nodes))
	for _, h := range p.drawing.Hops {
		from, ok1 := index[h.From]
		to, ok2 := index[h.To]
		if ok1 && ok2 && from != to {
			out[from] = append(out[from], to)
		}
	}
	// A walk in depth tells the hops that lead back to where it comes from.
	const unseen, open, closed = 0, 1, 2
	state := make([]int, len(out))
	var order []int
	forward := make([][]int, len(out))
	var visit func(n int)
	visit = func(n int) {
		state[n] = open
		for _, to := range out[n] {
			switch state[to] {
			case open:
				continue
			case unseen:
				visit(to)
			}
			forward[n] = append(forward[n], to)
		}
		state[n] = closed
		order = append(order, n)
	}
	incoming := make([]int, len(out))
	for _, list := range out {
		for _, to := range list {
			incoming[to]++
		}
	}
	for _, starts := range []bool{true, false} { // those whom nobody becomes first
		for n := range out {
			if state[n] == unseen && (incoming[n] == 0) == starts {
				visit(n)
			}
		}
	}
	column := make([]int, len(out))
	for _, n := range slices.Backward(order) {
		for _, to := range forward[n] {
			column[to] = max(column[to], column[n]+1)
		}
	}
	for n, c := range column {
		for len(p.columns) <= c {
			p.columns = append(p.columns, nil)
		}
		p.columns[c] = append(p.columns[c], n)
	}
}

// sort puts the nodes of a column near those that lead to them, account by
// account in the first.
func (p *Picture) sort() {
	row := make([]float64, len(p.drawing.Nodes))
	index := map[string]int{}
	for i, n := range p.drawing.Nodes {
		index[n.ARN] = i
	}
	before := make([][]int, len(row))
	for _, h := range p.drawing.Hops {
		from, ok1 := index[h.From]
		to, ok2 := index[h.To]
		if ok1 && ok2 {
			before[to] = append(before[to], from)
		}
	}
	settled := make([]bool, len(row))
	for _, column := range p.columns {
		weight := map[int]float64{}
		for _, n := range column {
			sum, count := 0.0, 0
			for _, from := range before[n] {
				if settled[from] {
					sum, count = sum+row[from], count+1
				}
			}
			if count > 0 {
				weight[n] = sum / float64(count)
			}
		}
		nodes := p.drawing.Nodes
		slices.SortStableFunc(column, func(x, y int) int {
			return cmp.Or(cmp.Compare(weight[x], weight[y]), cmp.Compare(nodes[x].Account, nodes[y].Account), cmp.Compare(nodes[x].ARN, nodes[y].ARN))
		})
		for i, n := range column {
			row[n], settled[n] = float64(i), true
		}
	}
}

func (p *Picture) place() {
	tallest := 0
	for _, c := range p.columns {
		tallest = max(tallest, len(c))
	}
	body := max(0, tallest*(boxHeight+rowGap)-rowGap)
	p.at = make([]point, len(p.drawing.Nodes))
	for i, c := range p.columns {
		top := margin + (body-max(0, len(c)*(boxHeight+rowGap)-rowGap))/2
		for j, n := range c {
			p.at[n] = point{margin + i*(boxWidth+columnGap), top + j*(boxHeight+rowGap)}
		}
	}
	p.width = max(2*margin+boxWidth, 2*margin+len(p.columns)*(boxWidth+columnGap)-columnGap)
	p.height = 2*margin + body + legendLine*(len(p.accounts())+1)
}

// accounts are those of the drawing, sorted; "" is last.
func (p *Picture) accounts() []string {
	var out []string
	for _, n := range p.drawing.Nodes {
		if !slices.Contains(out, n.Account) {
			out = append(out, n.Account)
		}
	}
	slices.SortFunc(out, func(x, y string) int {
		if (x == "") != (y == "") {
			return strings.Compare(y, x)
		}
		return strings.Compare(x, y)
	})
	return out
}

// colours are told apart by people who see few, and carry dark text.
var colours = [...]string{"#9ecae9", "#f6c48f", "#a8d8b0", "#d9b8e0", "#f2e394", "#e8a9a1", "#b9c4ee", "#cdd5a4"}

const plain = "#e4e4e4" // of services and providers, which are of no account

// WriteSVG writes the picture as an SVG file that needs nothing else. Dashed
// arrows depend on conditions, dotted ones on policies that are not in the data.
func (p *Picture) WriteSVG(w io.Writer) error {
	out := bufio.NewWriter(w)
	text := func(s string) string {
		var b strings.Builder
		// Escaping to memory does not fail; what XML cannot hold becomes U+FFFD.
		_ = xml.EscapeText(&b, []byte(s))
		return b.String()
	}
	fmt.Fprintf(out, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" font-family="system-ui, sans-serif" font-size="13">`+"\n", p.width, p.height, p.width, p.height)
	fmt.Fprint(out, `<title>who can become whom</title>`+"\n"+`<defs><marker id="arrow" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" markerHeight="7" orient="auto-start-reverse"><path d="M0 0 10 5 0 10z" fill="#555"/></marker></defs>`+"\n")
	fmt.Fprintf(out, `<rect width="%d" height="%d" fill="#ffffff"/>`+"\n", p.width, p.height)
	colour := map[string]string{"": plain}
	accounts := p.accounts()
	n := 0
	for _, a := range accounts {
		if a != "" {
			colour[a] = colours[n%len(colours)]
			n++
		}
	}
	index := map[string]int{}
	for i, n := range p.drawing.Nodes {
		index[n.ARN] = i
	}
	for _, h := range p.drawing.Hops {
		from, ok1 := index[h.From]
		to, ok2 := index[h.To]
		if !ok1 || !ok2 {
			continue
		}
		dash := ""
		switch h.Verdict {
		case graph.IfConditions:
			dash = ` stroke-dasharray="7 4"`
		case graph.Unknown:
			dash = ` stroke-dasharray="2 4"`
		}
		fmt.Fprintf(out, `<path d="%s" fill="none" stroke="#555" stroke-width="1.4"%s marker-end="url(#arrow)"><title>%s</title></path>`+"\n", p.curve(from, to), dash, text(h.String()))
	}
	for i, node := range p.drawing.Nodes {
		at := p.at[i]
		round := 6
		if node.Kind != graph.Role {
			round = boxHeight / 2
		}
		fmt.Fprintf(out, `<g class="node"><title>%s</title><rect x="%d" y="%d" width="%d" height="%d" rx="%d" fill="%s" stroke="#555"/>`, text(node.ARN), at.x, at.y, boxWidth, boxHeight, round, colour[node.Account])
		name := node.Name
		if name == "" {
			name = short(node.ARN)
		}
		fmt.Fprintf(out, `<text x="%d" y="%d" text-anchor="middle" font-weight="600">%s</text>`, at.x+boxWidth/2, at.y+19, text(clip(name, 26)))
		under := node.Kind.String()
		if node.Account != "" {
			under += " of " + p.name(node.Account)
		}
		fmt.Fprintf(out, `<text x="%d" y="%d" text-anchor="middle" font-size="11" fill="#333">%s</text></g>`+"\n", at.x+boxWidth/2, at.y+35, text(clip(under, 32)))
	}
	y := p.height - legendLine*(len(accounts)+1) + 4
	for _, a := range accounts {
		name := "services, providers and others"
		if a != "" {
			name = p.name(a)
			if name != a {
				name += " " + a
			}
		}
		fmt.Fprintf(out, `<rect x="%d" y="%d" width="14" height="14" rx="3" fill="%s" stroke="#555"/><text x="%d" y="%d">%s</text>`+"\n", margin, y, colour[a], margin+22, y+12, text(clip(name, 40)))
		y += legendLine
	}
	fmt.Fprintf(out, `<text x="%d" y="%d" font-size="11" fill="#333">dashed: if conditions hold</text>`+"\n", margin, y+8)
	fmt.Fprint(out, "</svg>\n")
	return out.Flush()
}

// curve is the way of an arrow between two boxes.
func (p *Picture) curve(from, to int) string {
	a, b := p.at[from], p.at[to]
	y1, y2 := a.y+boxHeight/2, b.y+boxHeight/2
	switch {
	case b.x > a.x:
		x1, x2 := a.x+boxWidth, b.x
		bend := (x2 - x1) / 2
		if x2-x1 > columnGap { // it passes over other columns
			return fmt.Sprintf("M%d %dC%d %d %d %d %d %d", x1, y1, x1+columnGap/2, min(y1, y2)-boxHeight/2-rowGap/2, x2-columnGap/2, min(y1, y2)-boxHeight/2-rowGap/2, x2, y2)
		}
		return fmt.Sprintf("M%d %dC%d %d %d %d %d %d", x1, y1, x1+bend, y1, x2-bend, y2, x2, y2)
	case b.x < a.x: // back to an earlier column
		return fmt.Sprintf("M%d %dC%d %d %d %d %d %d", a.x, y1, a.x-columnGap/2, y1+boxHeight/2, b.x+boxWidth+columnGap/2, y2+boxHeight/2, b.x+boxWidth, y2)
	}
	x := a.x + boxWidth
	return fmt.Sprintf("M%d %dC%d %d %d %d %d %d", x, y1, x+25, y1, x+25, y2, x, y2)
}

// clip shortens a text to n characters.
func clip(s string, n int) string {
	r := []rune(s)
	if len(r) <= n {
		return s
	}
	return string(r[:n-1]) + "…"
}
