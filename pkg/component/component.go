// Package component is what a part of Kubernetes is to mkube, and the graph that
// such parts come up in.
package component

import (
	"context"

	"github.com/mkube/mkube/pkg/cluster"
	"github.com/mkube/mkube/pkg/provider"
)

// A Component is one part of Kubernetes and how it comes up.
type Component struct {
	// Name is what Kubernetes calls it: "kube-apiserver".
	Name string
	// Needs are the components that must serve before it can start, After those that
	// must be ready.
	Needs, After []string
	// Uses are further components that it cannot become ready without, though it
	// can start: a pod may be asked for before there is a scheduler.
	Uses []string
	// Short is its responsibility, in one line.
	Short string
	// Lesson is what it teaches, in Markdown.
	Lesson string

	// Unit is its unit of systemd. Empty means that it runs as a container of its name
	// in the namespace kube-system, or not as a process at all.
	Unit string
	// On is its nodes. Nil means all.
	On func(*cluster.Cluster) []provider.Node
	// Files are what must lie on a node before it starts; they do nothing by
	// themselves. It does no I/O and gives the same each time. Nil means none.
	Files func(*cluster.Cluster, provider.Node) ([]provider.File, error)
	// Manifest is its static pod: putting it on a node starts it. It does no I/O.
	// Nil means that it is no static pod.
	Manifest func(*cluster.Cluster, provider.Node) (provider.File, error)
	// Start starts it on a node. Nil means that Files or Manifest do. It may be
	// called again for one that has started.
	Start func(context.Context, *cluster.Cluster, provider.Node) error
	// Serves is nil once what needs it may begin to use it on a node, which may be
	// before it is ready. Nil means that this is the same.
	Serves func(context.Context, *cluster.Cluster, provider.Node) error
	// Ready is nil once it does all that it should on a node, else it says why not yet.
	Ready func(context.Context, *cluster.Cluster, provider.Node) error
}

// Nodes are the nodes that the component runs on.
func (c Component) Nodes(cl *cluster.Cluster) []provider.Node {
	if c.On == nil {
		return cl.Nodes
	}
	return c.On(cl)
}

// ControlPlanes is the On of what runs on control planes only.
func ControlPlanes(c *cluster.Cluster) []provider.Node { return c.ControlPlanes() }

// Inert is the component's files on a node, less its manifest: what does nothing by
// itself.
func (c Component) Inert(cl *cluster.Cluster, n provider.Node) ([]provider.File, error) {
	if c.Files == nil {
		return nil, nil
	}
	return c.Files(cl, n)
}
