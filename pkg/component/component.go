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
//			Files:    files,                   // returns its kubeconfig
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

// About describes a component to people.
type About struct {
	// Name is the name of the component in Kubernetes, such as "kube-apiserver".
	Name string
	// Short is what the component does, in one line.
	Short string
	// Lesson explains the component to a learner, in Markdown.
	Lesson string
	// Flags returns the flags that mkube sets for the component's process on a node, each with a
	// reason. If unset, there are none.
	Flags func(*cluster.Cluster, provider.Node) []Flag
	// Ports lists the ports that the component listens on.
	Ports []Port
	// Effect is what works in a cluster because of the component.
	Effect Effect
}

// Content is what a component puts on its nodes and into the API.
type Content struct {
	// On returns the nodes that the component runs on. If unset, these are all Kubernetes nodes.
	On func(*cluster.Cluster) []provider.Node
	// Files returns the files that a node needs before the component starts there. Writing them
	// starts nothing. A file replaces a file of an earlier component with the same path. A folder must
	// be one of Data. Files does no I/O, and always returns the same files. If unset, the component
	// has no files.
	Files func(*cluster.Cluster, provider.Node) ([]provider.File, error)
	// Manifest returns the file that makes the component start on a node, immediately and at each
	// boot. It is the manifest of a static pod, or a file that the unit of the component waits for.
	// Manifest does no I/O. If unset, no file starts the component.
	Manifest func(*cluster.Cluster, provider.Node) (provider.File, error)
	// Objects returns the component's objects in the API, as YAML documents. mkube creates them
	// before it starts the component. If unset, there are none.
	Objects func(*cluster.Cluster) ([]byte, error)
	// Data lists the data directories of the component on its nodes. Down deletes them.
	Data []string
}

// Lifecycle is how a component starts, becomes ready and stops.
type Lifecycle struct {
	// DependsOn lists the components that this one needs. A dependency with UntilServing or
	// UntilReady must be a component of the cluster. One with BeforeReady can be missing.
	DependsOn []Dependency
	// If Background is set, create does not wait until the component is ready. Pods that use the
	// component wait by themselves, as a pod waits for its volume.
	Background bool
	// Unit is the systemd unit of the component. If empty, the component runs as a container of the
	// same name, or is not a process.
	Unit string
	// AtBoot is set if the unit starts when the node boots, without mkube.
	AtBoot bool
	// Neighbors is set if the files of the component on a node, or what Start does, depend on the
	// other nodes. When the nodes of the cluster change, mkube writes the files and calls Start
	// again. It does not restart a running static pod.
	Neighbors bool
	// Start starts the component on a node. mkube may call Start again when the component runs. If
	// unset, the component starts by its Manifest or its Objects.
	Start func(context.Context, *cluster.Cluster, provider.Node) error
	// Serves returns nil when the component on a node accepts requests, which can be before it is
	// ready. UntilServing waits for it. If unset, UntilServing waits for Ready.
	Serves func(context.Context, *cluster.Cluster, provider.Node) error
	// Ready returns nil if the component does all its work on a node. Otherwise, it returns the
	// reason.
	Ready func(context.Context, *cluster.Cluster, provider.Node) error
	// Stop undoes on a node what Start did, and removes what the component leaves behind. Down calls
	// it when the unit or the static pod has ended and the files are removed. If unset, there is
	// nothing to undo.
	Stop func(context.Context, *cluster.Cluster, provider.Node) error
}

// A Dependency is a component that another one needs, and the moment when it needs that component.
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
	// BeforeReady does not delay the start. The component becomes ready only after the dependency, or
	// after what the user installs instead of it. For example, mkube creates the Deployment of
	// CoreDNS before kube-scheduler is ready. The pods of CoreDNS then wait for a node.
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

// RenderFiles returns the files of the component on a node, with those that the user adds to its
// static pod, and except the manifest. A component may replace a file of the user's. Writing them
// starts nothing.
func (c Component) RenderFiles(cl *cluster.Cluster, n provider.Node) ([]provider.File, error) {
	if c.Files == nil {
		return nil, nil
	}
	files, err := c.Files(cl, n)
	if err != nil {
		return nil, err
	}
	extra := slices.DeleteFunc(extraFiles(cl, n, c.Name), func(e provider.File) bool {
		return slices.ContainsFunc(files, func(f provider.File) bool { return f.Path == e.Path })
	})
	return append(files, extra...), nil
}
