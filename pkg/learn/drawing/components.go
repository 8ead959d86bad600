package drawing

import (
	"slices"

	"github.com/mkube/mkube/pkg/component"
)

// Of returns the drawing of a graph of components. It skips dependencies that the cluster does
// not have, as the graph does when the cluster comes up.
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

// Between returns the drawing of the graph between two stages. Components up to before are done,
// those after it up to until are new, and the rest is later. If before is "", no component is
// done.
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
