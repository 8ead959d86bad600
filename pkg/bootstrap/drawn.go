package bootstrap

import (
	"slices"

	"github.com/mkube/mkube/pkg/component"
	"github.com/mkube/mkube/pkg/learn/drawing"
)

// Drawn is a graph of components as one to draw. What a component names that this
// cluster does not have is left out, as it is when the cluster comes up.
func Drawn(components component.Graph) drawing.Graph {
	var g drawing.Graph
	has := map[string]bool{}
	for _, c := range components {
		has[c.Name] = true
		g.Nodes = append(g.Nodes, drawing.Node{Name: c.Name})
	}
	for _, c := range components {
		for kind, names := range [...][]string{drawing.Needs: c.Needs, drawing.After: c.After, drawing.Uses: c.Uses} {
			for _, name := range names {
				if has[name] {
					g.Edges = append(g.Edges, drawing.Edge{From: name, To: c.Name, Kind: drawing.Kind(kind)})
				}
			}
		}
	}
	return g
}

// DrawnAt is the graph as it is between two stages: what was there at the first, what came
// until the second, and what is still to come. before may be "" for nothing.
func DrawnAt(components component.Graph, before, until string) drawing.Graph {
	g := Drawn(components)
	names := components.Names()
	old, now := slices.Index(names, before), slices.Index(names, until)
	for i := range g.Nodes {
		switch {
		case i <= old:
			g.Nodes[i].State = drawing.Done
		case i <= now:
			g.Nodes[i].State = drawing.New
		default:
			g.Nodes[i].State = drawing.Later
		}
	}
	return g
}
