// Package drawing draws a graph: as text, in the languages of Mermaid and Graphviz, or as a
// picture. It knows names and edges, but not their meaning.
//
// The same graph always results in the same bytes, so that drawings can be committed. The layout is
// computed here, because mkube graph -o svg must work on machines without Graphviz.
package drawing

import (
	"errors"
	"fmt"
)

// A Graph is a graph to draw. If nothing else decides, nodes are drawn in the order of the list.
type Graph struct {
	Nodes []Node
	Edges []Edge
}

// A Node is one box.
type Node struct {
	// Name is the text of the box. Edges refer to it.
	Name  string
	State State
}

// State is the state of a node, for a graph that is only partly built.
type State int

const (
	// Plain is the state of a node in a graph without states.
	Plain State = iota
	// Done is the state of a node that is already there.
	Done
	// New is the state of a node that the picture introduces.
	New
	// Later is the state of a node that comes later.
	Later
)

// An Edge leads from a dependency to the node that waits for it.
type Edge struct {
	From, To string
	Kind     Kind
}

// Kind is the kind of a dependency.
type Kind int

const (
	// Needs means that From must serve before To starts.
	Needs Kind = iota
	// After means that From must be ready before To starts.
	After
	// Uses means that To starts without From, but does not become ready without it.
	Uses
)

// kinds has the name and the description of each kind, by its number.
var kinds = [...]struct{ word, meaning string }{
	Needs: {"needs", "must serve before the next starts"},
	After: {"after", "must be ready before the next starts"},
	Uses:  {"uses", "the next is not ready without it"},
}

// states has the name of each state, by its number.
var states = [...]string{Plain: "", Done: "done", New: "new", Later: "later"}

// String returns the name of the kind: needs, after or uses.
func (k Kind) String() string { return kinds[k].word }

// String returns the name of the state: done, new or later, or "" for Plain.
func (s State) String() string { return states[s] }

// index returns the numbers of the nodes by name. It returns an error if a name is listed twice,
// or if an edge has an unlisted node or leads from a node to itself.
func (g Graph) index() (map[string]int, error) {
	numbers := map[string]int{}
	var errs []error
	for i, n := range g.Nodes {
		if _, twice := numbers[n.Name]; twice {
			errs = append(errs, fmt.Errorf("node %q is listed twice", n.Name))
		}
		numbers[n.Name] = i
	}
	for _, e := range g.Edges {
		for _, name := range []string{e.From, e.To} {
			if _, known := numbers[name]; !known {
				errs = append(errs, fmt.Errorf("the edge from %q to %q has a node that is not listed: %q", e.From, e.To, name))
			}
		}
		if e.From == e.To {
			errs = append(errs, fmt.Errorf("node %q has an edge to itself", e.From))
		}
	}
	return numbers, errors.Join(errs...)
}
