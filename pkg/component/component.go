// Package component defines Component, and the graph that orders the start of components.
package component

import (
	"context"
	"slices"

	"github.com/mkube/mkube/pkg/cluster"
	"github.com/mkube/mkube/pkg/provider"
)

// A Component is one part of Kubernetes: what it is, what it puts on nodes, and how it lives.
//
// For example, kube-scheduler is a static pod on every control plane:
//
//	component.Component{
//		About: component.About{
//			Name:   "kube-scheduler",
//			Short:  "chooses a node for every pod that has none",
//			Lesson: lesson, // lesson.md, embedded
//			Flags:  Flags,  // returns each flag with its reason
//			Ports:  []component.Port{{Number: 10259, Protocol: "TCP", For: "health and metrics, for the node itself"}},
//			Effect: component.Effect{Claim: "a pod gets a node", Try: places},
//		},
//		Content: component.Content{
//			On:       component.ControlPlanes, // without it: every Kubernetes node
//			Files:    files,                   // returns its kubeconfig, which starts nothing
//			Manifest: staticPod,               // returns its static pod, which the kubelet starts
//		},
//		Lifecycle: component.Lifecycle{
//			DependsOn: []component.Dependency{{Name: "kube-apiserver", Until: component.UntilServing}},
//			Ready:     component.Healthy("kube-scheduler", "https", 10259, "/healthz"),
//		},
//	}
//
// It has no Start, because the kubelet starts static pods. It has no Serves: components that depend
// on it wait for Ready.
type Component struct {
	About
	Content
	Lifecycle
}

// About is what a component is.
type About struct {
	// Name is its name in Kubernetes, such as "kube-apiserver".
	Name string
	// Short is its responsibility, in one line.
	Short string
	// Lesson explains it to a learner, in Markdown.
	Lesson string
	// Flags returns the flags of its process on a node, each with a reason. If unset, it
	// has no flags, or is no process.
	Flags func(*cluster.Cluster, provider.Node) []Flag
	// Ports lists the ports that it listens on.
	Ports []Port
	// Effect is what works in a cluster because of it.
	Effect Effect
}

// Content is what a component puts on its nodes and into the API.
type Content struct {
	// On returns the nodes that it runs on. If unset, it runs on all Kubernetes nodes.
	On func(*cluster.Cluster) []provider.Node
	// Files returns the files that a node must have before it starts. Writing them
	// starts nothing. A file replaces a file of an earlier component with the same
	// path. Files does no I/O and returns the same each time. If unset, it has no files.
	Files func(*cluster.Cluster, provider.Node) ([]provider.File, error)
	// Manifest returns the file that starts it on a node, immediately and at each boot: its
	// static pod, or the file that its unit waits for. Manifest does no I/O. If unset, no
	// file starts it.
	Manifest func(*cluster.Cluster, provider.Node) (provider.File, error)
	// Objects returns its objects in the API, as YAML documents. They are created before
	// it starts. If unset, it has none.
	Objects func(*cluster.Cluster) ([]byte, error)
	// Data lists its data directories on its nodes. Down deletes them.
	Data []string
}

// Lifecycle is how a component starts, becomes ready and stops.
type Lifecycle struct {
	// DependsOn lists the components that it waits for. UntilServing and UntilReady require that
	// the cluster has the component. BeforeReady does not.
	DependsOn []Dependency
	// If Background is set, create does not wait until the component is ready. Pods that use it
	// wait by themselves, as a pod waits for its volume.
	Background bool
	// Unit is its systemd unit. If empty, it runs as a container of the same name in the
	// namespace kube-system, or it is no process at all.
	Unit string
	// AtBoot is set if its unit starts when the node boots, without mkube.
	AtBoot bool
	// Neighbors is set if its files on a node, or what Start does, depend on the other
	// nodes. When the nodes of the cluster change, the files are written again and Start is
	// called again. A running static pod is not restarted.
	Neighbors bool
	// Start starts it on a node. It may be called again after it has started. If unset,
	// Files or Manifest start it.
	Start func(context.Context, *cluster.Cluster, provider.Node) error
	// Serves returns nil when the component on a node accepts requests, which can be before it is
	// ready. UntilServing waits for it. If unset, UntilServing waits for Ready.
	Serves func(context.Context, *cluster.Cluster, provider.Node) error
	// Ready returns nil once it does all its work on a node, and otherwise the reason
	// why it does not yet.
	Ready func(context.Context, *cluster.Cluster, provider.Node) error
	// Stop undoes on a node what Start did, and removes what the component leaves behind. It
	// is called after the unit has ended or the static pod is gone, and after the files are
	// removed. If unset, there is nothing to undo.
	Stop func(context.Context, *cluster.Cluster, provider.Node) error
}

// A Dependency is a component that another one waits for, and the moment until which it waits.
type Dependency struct {
	Name  string
	Until Moment
}

// A Moment is a moment in the life of a dependency.
type Moment int

// The moments, in their order.
const (
	// UntilServing delays the start until the dependency serves.
	UntilServing Moment = iota
	// UntilReady delays the start until the dependency is ready.
	UntilReady
	// BeforeReady does not delay the start. Without the dependency, the component cannot become
	// ready. For example, a pod can be created before there is a scheduler.
	BeforeReady
)

// Waits returns the names of the dependencies with one of the given moments. Without an argument,
// it returns all. They are in the order of the moments.
func (l Lifecycle) Waits(until ...Moment) []string {
	var names []string
	for _, m := range []Moment{UntilServing, UntilReady, BeforeReady} {
		if len(until) > 0 && !slices.Contains(until, m) {
			continue
		}
		for _, d := range l.DependsOn {
			if d.Until == m {
				names = append(names, d.Name)
			}
		}
	}
	return names
}

// A Port is a port that a component listens on.
type Port struct {
	Number int
	// Protocol is "TCP", "UDP" or both, as "TCP, UDP".
	Protocol string
	// For is its purpose, and its clients.
	For string
}

// Nodes returns the nodes that the component runs on.
func (c Component) Nodes(cl *cluster.Cluster) []provider.Node {
	if c.On == nil {
		return cl.KubernetesNodes()
	}
	return c.On(cl)
}

// ControlPlanes returns the control planes: it is the On of components that run only there.
func ControlPlanes(c *cluster.Cluster) []provider.Node { return c.ControlPlanes() }

// RenderFiles returns the component's files on a node without its manifest. Writing them starts
// nothing.
func (c Component) RenderFiles(cl *cluster.Cluster, n provider.Node) ([]provider.File, error) {
	if c.Files == nil {
		return nil, nil
	}
	return c.Files(cl, n)
}
