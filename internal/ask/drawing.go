package ask

import "github.com/mantle-iam/mantle/iam/graph"

// Drawing is what there is to draw: the ways from a principal, to a role, from
// the one to the other, or, with neither, all of them.
func (a *Asker) Drawing(from, to string) (*graph.Drawing, error) {
	g, err := a.graph()
	if err != nil {
		return nil, err
	}
	if from == "" && to == "" {
		return g.Draw(), nil
	}
	start := ""
	if from != "" {
		c, err := a.caller(from)
		if err != nil {
			return nil, err
		}
		start = c.arn()
	}
	var paths []graph.Path
	if to == "" {
		if _, ok := g.Node(start); !ok {
			return &graph.Drawing{}, nil // a service that no role trusts
		}
		paths, err = g.Reach(start)
	} else {
		p, e := a.roleNamed(to)
		if e != nil {
			return nil, e
		}
		paths, err = g.WhoCanAssume(p.arn)
	}
	if err != nil {
		return nil, err
	}
	if start != "" && to != "" {
		kept := paths[:0]
		for _, p := range paths {
			if p.From() == start {
				kept = append(kept, p)
			}
		}
		paths = kept
	}
	return g.DrawPaths(paths), nil
}
