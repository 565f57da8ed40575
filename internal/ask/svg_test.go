package ask

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"testing"

	"github.com/mantle-iam/mantle/iam/graph"
)

// TestSVG holds pictures to being XML in which every node lies in the view box,
// no two on top of each other.
func TestSVG(t *testing.T) {
	node := func(name string) graph.Node {
		return graph.Node{ARN: "arn:aws:iam::111122223333:role/" + name, Kind: graph.Role, Account: dev, Name: name}
	}
	hop := func(from, to string) graph.Hop {
		return graph.Hop{From: "arn:aws:iam::111122223333:role/" + from, To: "arn:aws:iam::111122223333:role/" + to, How: graph.Direct, Verdict: graph.Allowed}
	}
	chain := &graph.Drawing{}
	for i := range 30 {
		chain.Nodes = append(chain.Nodes, node(fmt.Sprint(i)))
		if i > 0 {
			chain.Hops = append(chain.Hops, hop(fmt.Sprint(i-1), fmt.Sprint(i)))
		}
	}
	for name, d := range map[string]*graph.Drawing{
		"empty":  {},
		"one":    {Nodes: []graph.Node{node("a")}},
		"circle": {Nodes: []graph.Node{node("a"), node("b"), node("c")}, Hops: []graph.Hop{hop("a", "b"), hop("b", "c"), hop("c", "a")}},
		"self":   {Nodes: []graph.Node{node("a")}, Hops: []graph.Hop{hop("a", "a")}},
		"hostile": {Nodes: []graph.Node{{ARN: `<script>alert("x")</script>&amp;`, Kind: graph.Outsider, Name: `"><b>`}, node("b")}, Hops: []graph.Hop{
			{From: `<script>alert("x")</script>&amp;`, To: node("b").ARN, How: graph.Direct, Verdict: graph.IfConditions}}},
		"chain": chain,
	} {
		t.Run(name, func(t *testing.T) {
			var b strings.Builder
			if err := Draw(d, func(a string) string { return a }).WriteSVG(&b); err != nil {
				t.Fatal(err)
			}
			boxes, paths, width, height := parseSVG(t, b.String())
			if boxes != len(d.Nodes) || paths != len(d.Hops) {
				t.Errorf("%d boxes and %d arrows, want %d and %d", boxes, paths, len(d.Nodes), len(d.Hops))
			}
			if width == 0 || height == 0 {
				t.Errorf("view box %d by %d", width, height)
			}
		})
	}
}

func parseSVG(t *testing.T, text string) (boxes, arrows, width, height int) {
	t.Helper()
	dec := xml.NewDecoder(strings.NewReader(text))
	inNode := false
	seen := map[string]bool{}
	for {
		tok, err := dec.Token()
		if errors.Is(err, io.EOF) {
			return boxes, arrows, width, height
		}
		if err != nil {
			t.Fatalf("not XML: %v\n%s", err, text)
		}
		switch el := tok.(type) {
		case xml.StartElement:
			attr := map[string]string{}
			for _, a := range el.Attr {
				attr[a.Name.Local] = a.Value
			}
			number := func(name string) int {
				n, err := strconv.Atoi(attr[name])
				if err != nil {
					t.Fatalf("%s of %s is %q", name, el.Name.Local, attr[name])
				}
				return n
			}
			switch el.Name.Local {
			case "svg":
				if _, err := fmt.Sscanf(attr["viewBox"], "0 0 %d %d", &width, &height); err != nil {
					t.Fatal(err)
				}
			case "script", "b":
				t.Errorf("a name became an element %s", el.Name.Local)
			case "g":
				inNode = true
			case "path":
				if attr["marker-end"] != "" {
					arrows++
				}
			case "rect":
				if !inNode {
					continue
				}
				boxes++
				x, y := number("x"), number("y")
				if x < 0 || y < 0 || x+number("width") > width || y+number("height") > height {
					t.Errorf("a box at %d,%d is outside of %d by %d", x, y, width, height)
				}
				key := fmt.Sprint(x, y)
				if seen[key] {
					t.Errorf("two boxes at %s", key)
				}
				seen[key] = true
			}
		case xml.EndElement:
			if el.Name.Local == "g" {
				inNode = false
			}
		}
	}
}
