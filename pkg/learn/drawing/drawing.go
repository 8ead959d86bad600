// Package drawing draws a graph: as text, in the languages of Mermaid and Graphviz,
// or as a picture. It knows names and edges, and nothing of what they stand for.
//
// The same graph gives the same bytes: what it draws may be committed.
package drawing

import (
	"errors"
	"fmt"
)

// A Graph is what is drawn. Its nodes are listed in the order of the story: where
// nothing else decides, what is listed first is drawn first.
type Graph struct {
	Nodes []Node
	Edges []Edge
}

// A Node is one box.
type Node struct {
	// Name is shown, and is what edges call it by.
	Name  string
	State State
}

// State is how far a node is, where a picture shows a graph on its way.
type State int

const (
	// Plain is the state of a node of which nothing else is to be said.
	Plain State = iota
	// Done is for what is there.
	Done
	// New is for what this picture is about.
	New
	// Later is for what is still to come.
	Later
)

// An Edge leads from what must be there to what is waiting for it.
type Edge struct {
	From, To string
	Kind     Kind
}

// Kind is what an edge's To wants of its From.
type Kind int

const (
	// Needs says that it must serve before the other starts.
	Needs Kind = iota
	// After says that it must be ready before the other starts.
	After
	// Uses says that the other starts without it, and is not ready without it.
	Uses
)

// kinds are the words for each kind, by its number.
var kinds = [...]struct{ word, meaning string }{
	Needs: {"needs", "must serve before the next starts"},
	After: {"after", "must be ready before the next starts"},
	Uses:  {"uses", "the next is not ready without it"},
}

// states are the words for each state, by its number.
var states = [...]string{Plain: "", Done: "done", New: "new", Later: "later"}

// String is the word for it: needs, after or uses.
func (k Kind) String() string { return kinds[k].word }

// String is the word for it: done, new or later, empty for a plain one.
func (s State) String() string { return states[s] }

// index is each node's number by its name. A name twice, or an edge of a name that
// is no node's, is an error.
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
