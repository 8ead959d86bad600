package drawing

import (
	"slices"

	"github.com/mkube/mkube/pkg/component"
)

// Of is a graph of components as one to draw. What a component names that this
// cluster does not have is left out, as it is when the cluster comes up.
func Of(components component.Graph) Graph {
	var g Graph
	has := map[string]bool{}
	for _, c := range components {
		has[c.Name] = true
		g.Nodes = append(g.Nodes, Node{Name: c.Name})
	}
	for _, c := range components {
		for kind, names := range [...][]string{Needs: c.Waits(component.UntilServing), After: c.Waits(component.UntilReady), Uses: c.Waits(component.BeforeReady)} {
			for _, name := range names {
				if has[name] {
					g.Edges = append(g.Edges, Edge{From: name, To: c.Name, Kind: Kind(kind)})
				}
			}
		}
	}
	return g
}

// Between is the graph as it is between two stages: what was there at the first, what came
// until the second, and what is still to come. before may be "" for nothing.
func Between(components component.Graph, before, until string) Graph {
	g := Of(components)
	names := components.Names()
	old, now := slices.Index(names, before), slices.Index(names, until)
	for i := range g.Nodes {
		switch {
		case i <= old:
			g.Nodes[i].State = Done
		case i <= now:
			g.Nodes[i].State = New
		default:
			g.Nodes[i].State = Later
		}
	}
	return g
}
