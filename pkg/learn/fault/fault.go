// Package fault causes well-known faults in a cluster, so that users can learn to find and fix
// them.
package fault

import (
	"context"
	"fmt"

	"github.com/mkube/mkube/pkg/cluster"
	"github.com/mkube/mkube/pkg/component"
	"github.com/mkube/mkube/pkg/provider"
)

// A Fault is one way in which a cluster can be broken.
type Fault struct {
	// Name describes the cause, such as "scheduler-stopped".
	Name string
	// Component is the component that no longer does its work.
	Component string
	// Symptom is what a user of the cluster notices.
	Symptom string
	// Hints lead to the cause. Each one reveals more than the one before.
	Hints []string
	// InAPI is set if the fault is in objects of the API, and not on a node.
	InAPI bool
	// Redundant is set if another control plane takes over the work of the component, so that its
	// users notice nothing.
	Redundant bool

	// causes causes the fault.
	causes func(context.Context, env) error
	// check returns nil if the cluster does not have the fault. It checks once.
	check func(context.Context, env) error
	// fixes fixes the fault. If unset, the component's files are written again, and it is
	// started.
	fixes func(context.Context, env) error
}

// env is the cluster with the fault, the node of the fault, and its component. If the fault is in
// the API, the node is the first control plane.
type env struct {
	*cluster.Cluster
	node      provider.Node
	component component.Component
}

// In returns the faults that a cluster with these components can have.
func In(g component.Graph) []Fault {
	there := map[string]bool{}
	for _, c := range g {
		there[c.Name] = true
	}
	var list []Fault
	for _, f := range all() {
		if there[f.Component] {
			list = append(list, f)
		}
	}
	return list
}

// Names returns the names of faults.
func Names(list []Fault) []string {
	var names []string
	for _, f := range list {
		names = append(names, f.Name)
	}
	return names
}

// sh runs a script on the node.
func (e env) sh(ctx context.Context, script string) error {
	_, err := provider.Output(ctx, e.node, "sh", "-c", "set -e\n"+script)
	return err
}

// script returns a function that runs a script on the node.
func script(text string) func(context.Context, env) error {
	return func(ctx context.Context, e env) error { return e.sh(ctx, text) }
}

// and returns a function that calls functions in order, until one fails.
func and(list ...func(context.Context, env) error) func(context.Context, env) error {
	return func(ctx context.Context, e env) error {
		for _, f := range list {
			if err := f(ctx, e); err != nil {
				return err
			}
		}
		return nil
	}
}

// ready checks that the component is ready on the node. For a static pod, it also checks that
// the container runs, because the status in the API may be old. If the runtime does not answer,
// that is another fault, and only the health of the component counts.
func ready(ctx context.Context, e env) error {
	if e.component.Unit == "" && e.component.Manifest != nil {
		running, err := provider.Output(ctx, e.node, "crictl", "ps", "--quiet", "--state", "running", "--name", "^"+e.component.Name+"$")
		if err == nil && len(running) == 0 {
			return fmt.Errorf("no container of %s runs on %s", e.component.Name, e.node.Name())
		}
	}
	return e.component.Ready(ctx, e.Cluster, e.node)
}

// works checks the effect of the component.
func works(ctx context.Context, e env) error { return e.component.Effect.Try(ctx, e.Cluster) }
