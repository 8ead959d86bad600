package drawing

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// TestLayout checks, for random graphs, that each node is behind its dependencies, and that no
// two slots of a layer touch. So no box overlaps another one, and no edge crosses a box.
func TestLayout(t *testing.T) {
	t.Parallel()
	for seed := range uint64(50) {
		g := random(rand.New(rand.NewPCG(seed, 0)))
		numbers, err := g.index()
		if err != nil {
			t.Fatal(err)
		}
		l := newLayout(g, numbers)
		for i, path := range l.paths {
			for j := range path[1:] {
				if path[j+1].layer != path[j].layer+1 {
					t.Errorf("seed %d: edge %v goes from layer %d to %d", seed, g.Edges[i], path[j].layer, path[j+1].layer)
				}
			}
		}
		for i, layer := range l.layers {
			for j := range layer[1:] {
				if between := layer[j+1].y - layer[j].y - (layer[j].height+layer[j+1].height)/2; between < gap-1e-6 {
					t.Errorf("seed %d: slots %d and %d of layer %d are %.1f apart; want %.1f", seed, j, j+1, i, between, gap)
				}
			}
		}
	}
}

// random returns a graph of ten nodes and 15 edges, one or two of which lead back.
func random(r *rand.Rand) Graph {
	var g Graph
	for i := range 10 {
		g.Nodes = append(g.Nodes, Node{Name: fmt.Sprint("node-", i)})
	}
	for len(g.Edges) < 15 {
		from, to := r.IntN(10), r.IntN(10)
		if from < to || from > to && len(g.Edges) > 13 {
			g.Edges = append(g.Edges, Edge{From: g.Nodes[from].Name, To: g.Nodes[to].Name, Kind: Kind(r.IntN(3))})
		}
	}
	return g
}

// TestOrderUncrosses checks that two edges that cross in the order of the list do not cross in
// the layout.
func TestOrderUncrosses(t *testing.T) {
	t.Parallel()
	g := Graph{
		Nodes: []Node{{Name: "a"}, {Name: "b"}, {Name: "c"}, {Name: "d"}},
		Edges: []Edge{{From: "a", To: "d"}, {From: "b", To: "c"}},
	}
	numbers, err := g.index()
	if err != nil {
		t.Fatal(err)
	}
	if n := newLayout(g, numbers).crossings(); n != 0 {
		t.Errorf("%d crossings", n)
	}
}
