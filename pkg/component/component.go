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
	// Background says that a cluster is usable before it is ready: what uses it waits
	// by itself, as a pod does for its volume.
	Background bool
	// Short is its responsibility, in one line.
	Short string
	// Lesson is what it teaches, in Markdown.
	Lesson string

	// Unit is its unit of systemd. Empty means that it runs as a container of its name
	// in the namespace kube-system, or not as a process at all.
	Unit string
	// AtBoot says that its unit starts when the node boots, by itself.
	AtBoot bool
	// Neighbours says that its files on a node, or what Start does, name other nodes:
	// they are written, and it is started, again when the cluster's nodes change. A
	// static pod stays as it is.
	Neighbours bool
	// On is its nodes. Nil means all nodes of Kubernetes.
	On func(*cluster.Cluster) []provider.Node
	// Flags are those that its process on a node is given, each with a reason. Nil means
	// that it has none, or is no process.
	Flags func(*cluster.Cluster, provider.Node) []Flag
	// Ports are those that it listens on.
	Ports []Port
	// Files are what must lie on a node before it starts; they do nothing by
	// themselves. One of an earlier component with the same path gives way. It does no I/O and
	// gives the same each time. Nil means none.
	Files func(*cluster.Cluster, provider.Node) ([]provider.File, error)
	// Objects are what it has in the API, as YAML documents, created before it starts. Nil
	// means none.
	Objects func(*cluster.Cluster) ([]byte, error)
	// Data are folders that it fills on its nodes.
	Data []string
	// Manifest is what starts it on a node, at once and at each boot: its static pod, or
	// the file that its unit waits for. It does no I/O. Nil means that there is none.
	Manifest func(*cluster.Cluster, provider.Node) (provider.File, error)
	// Start starts it on a node. Nil means that Files or Manifest do. It may be
	// called again for one that has started.
	Start func(context.Context, *cluster.Cluster, provider.Node) error
	// Stop takes back on a node what Start did, and what the component leaves behind, once
	// its unit has ended or its static pod is gone, and its files are. Nil means nothing.
	Stop func(context.Context, *cluster.Cluster, provider.Node) error
	// Serves is nil once what needs it may begin to use it on a node, which may be
	// before it is ready. Nil means that this is the same.
	Serves func(context.Context, *cluster.Cluster, provider.Node) error
	// Effect is what works by it.
	Effect Effect
	// Ready is nil once it does all that it should on a node, else it says why not yet.
	Ready func(context.Context, *cluster.Cluster, provider.Node) error
}

// A Port is one that a component listens on.
type Port struct {
	Number int
	// Protocol is "TCP", "UDP" or both, as "TCP, UDP".
	Protocol string
	// For is what it is for, and who comes there.
	For string
}

// Nodes are the nodes that the component runs on.
func (c Component) Nodes(cl *cluster.Cluster) []provider.Node {
	if c.On == nil {
		return cl.KubernetesNodes()
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
