package drawing

import (
	"cmp"
	"slices"
)

// The layout is a layered drawing, as described by Sugiyama, Tagawa and Toda in "Methods for
// Visual Understanding of Hierarchical System Structures" (1981). Every node gets a layer behind
// all its dependencies. An edge across several layers gets a slot in each layer between, so that
// it crosses no box. The slots of a layer are ordered so that few edges cross. Then each slot
// moves as close to its neighbors as the space allows.

// A slot is a place in a layer, for a node or for an edge that passes the layer.
type slot struct {
	node         int // -1 for an edge that passes
	layer        int
	height       float64
	y            float64 // of its middle
	before, next []*slot // its neighbors in the layers before and after it
}

// A layout has the positions of all nodes and edges.
type layout struct {
	layers [][]*slot
	nodes  []*slot   // by the node's number
	paths  [][]*slot // by the edge's number: its slots, from layer to layer
	turned []bool    // by the edge's number: whether the edge leads back, so that its path is from To to From
}

// newLayout lays out a graph. numbers has the number of each node by its name.
func newLayout(g Graph, numbers map[string]int) *layout {
	l := &layout{paths: make([][]*slot, len(g.Edges)), turned: make([]bool, len(g.Edges))}
	edges := make([][2]int, len(g.Edges))
	incoming := make([]int, len(g.Nodes))
	for i, e := range g.Edges {
		edges[i] = [2]int{numbers[e.From], numbers[e.To]}
		// An edge to a node that is listed earlier could close a cycle, so it is reversed.
		if edges[i][0] > edges[i][1] {
			l.turned[i] = true
			slices.Reverse(edges[i][:])
		}
		incoming[edges[i][1]]++
	}
	for i, layer := range layersOf(len(g.Nodes), edges) {
		// There must be space for the tips of all arrows that end at the node.
		height := max(boxHeight, tipHeight*float64(incoming[i]+1))
		l.nodes = append(l.nodes, l.add(&slot{node: i, layer: layer, height: height}))
	}
	for i, e := range edges {
		l.paths[i] = l.path(l.nodes[e[0]], l.nodes[e[1]])
	}
	l.order()
	l.place()
	return l
}

// layersOf returns the layer of each node, which is the one after the last of its dependencies.
// All edges must lead to larger numbers.
func layersOf(nodes int, edges [][2]int) []int {
	layers := make([]int, nodes)
	for to := range nodes {
		for _, e := range edges {
			if e[1] == to {
				layers[to] = max(layers[to], layers[e[0]]+1)
			}
		}
	}
	return layers
}

func (l *layout) add(s *slot) *slot {
	for len(l.layers) <= s.layer {
		l.layers = append(l.layers, nil)
	}
	l.layers[s.layer] = append(l.layers[s.layer], s)
	return s
}

// path joins two nodes, through a new slot in each layer between them.
func (l *layout) path(from, to *slot) []*slot {
	path := []*slot{from}
	for layer := from.layer + 1; layer < to.layer; layer++ {
		path = append(path, l.add(&slot{node: -1, layer: layer, height: passHeight}))
	}
	path = append(path, to)
	for i := range path[1:] {
		path[i].next = append(path[i].next, path[i+1])
		path[i+1].before = append(path[i+1].before, path[i])
	}
	return path
}

// sweeps is the number of times that the layers are ordered by their neighbors, alternately
// forward and backward. Graphs are small, so a few sweeps are enough.
const sweeps = 12

// order sorts the slots of each layer so that few edges cross.
func (l *layout) order() {
	best, fewest := l.snapshot(), l.crossings()
	for sweep := range sweeps {
		for i := range l.layers {
			if sweep%2 == 0 {
				l.sortBy(i, func(s *slot) []*slot { return s.before })
			} else {
				l.sortBy(len(l.layers)-1-i, func(s *slot) []*slot { return s.next })
			}
		}
		l.swap()
		if n := l.crossings(); n < fewest {
			best, fewest = l.snapshot(), n
		}
	}
	l.layers = best
}

func (l *layout) snapshot() [][]*slot {
	var layers [][]*slot
	for _, layer := range l.layers {
		layers = append(layers, slices.Clone(layer))
	}
	return layers
}

// sortBy sorts a layer by the mean position of each slot's neighbors on one side. A slot without
// neighbors keeps its position.
func (l *layout) sortBy(layer int, neighbours func(*slot) []*slot) {
	at := l.positions()
	mean := map[*slot]float64{}
	for i, s := range l.layers[layer] {
		mean[s] = float64(i)
		if list := neighbours(s); len(list) > 0 {
			sum := 0
			for _, n := range list {
				sum += at[n]
			}
			mean[s] = float64(sum) / float64(len(list))
		}
	}
	slices.SortStableFunc(l.layers[layer], func(a, b *slot) int { return cmp.Compare(mean[a], mean[b]) })
}

func (l *layout) positions() map[*slot]int {
	at := map[*slot]int{}
	for _, layer := range l.layers {
		for i, s := range layer {
			at[s] = i
		}
	}
	return at
}

// swap exchanges adjacent slots in a layer as long as that reduces the number of crossings.
func (l *layout) swap() {
	for better := true; better; {
		better = false
		for _, layer := range l.layers {
			for i := 0; i+1 < len(layer); i++ {
				before := l.crossings()
				layer[i], layer[i+1] = layer[i+1], layer[i]
				if l.crossings() < before {
					better = true
				} else {
					layer[i], layer[i+1] = layer[i+1], layer[i]
				}
			}
		}
	}
}

// crossings returns the number of crossings of edges between the layers.
func (l *layout) crossings() int {
	at, count := l.positions(), 0
	for _, layer := range l.layers {
		var pieces [][2]int
		for i, s := range layer {
			for _, n := range s.next {
				for _, other := range pieces {
					if (other[0]-i)*(other[1]-at[n]) < 0 {
						count++
					}
				}
				pieces = append(pieces, [2]int{i, at[n]})
			}
		}
	}
	return count
}
