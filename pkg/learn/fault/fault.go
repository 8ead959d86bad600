// Package fault causes well-known faults in a cluster, so that users can learn to find and fix
// them.
package fault

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

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

	// breaks causes the fault. If the fault is on a node, that node is the first control plane.
	breaks func(context.Context, env) error
	// well returns nil if the cluster does not have the fault. It checks once.
	well func(context.Context, env) error
	// mends fixes the fault. If unset, the component's files are written again, and it is
	// started.
	mends func(context.Context, env) error
}

// env is the cluster with the fault, the node of the fault, and its component.
type env struct {
	*cluster.Cluster
	node      provider.Node
	component component.Component
}

func (f Fault) env(c *cluster.Cluster, g component.Graph) env {
	e := env{Cluster: c, node: c.ControlPlanes()[0]}
	for _, comp := range g {
		if comp.Name == f.Component {
			e.component = comp
		}
	}
	return e
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

const (
	// shows is the maximum time until a fault or its fix shows. A kubelet waits before it
	// restarts a container that has crashed.
	shows = 3 * time.Minute
	// asks is the maximum time for one check.
	asks = 20 * time.Second
	// blink is the time for which a check can fail although there is no fault.
	blink = 8 * time.Second
)

// Break causes the fault, and waits until it shows. g lists the components that the cluster has.
func (f Fault) Break(ctx context.Context, c *cluster.Cluster, g component.Graph) error {
	e := f.env(c, g)
	if err := f.breaks(ctx, e); err != nil {
		return fmt.Errorf("causing fault %s: %w", f.Name, err)
	}
	return until(ctx, func(ctx context.Context) error {
		if f.well(ctx, e) == nil {
			return fmt.Errorf("fault %s does not show yet", f.Name)
		}
		return nil
	})
}

// Broken returns an error that describes the fault if the cluster has it, and nil otherwise. A
// failed check is repeated for some seconds, because a healthy pod can be not Ready until its
// next probe. A check that times out is repeated once: a slow machine that checks all faults at
// the same time is not broken.
func (f Fault) Broken(ctx context.Context, c *cluster.Cluster, g component.Graph) error {
	e, end, late := f.env(c, g), time.Now().Add(blink), false
	for {
		out, err := f.look(ctx, e)
		if err == nil || out && late || !out && time.Now().After(end) {
			return err
		}
		late = late || out
		select {
		case <-ctx.Done():
			return err
		case <-time.After(time.Second):
		}
	}
}

// look checks once, and reports whether the check timed out.
func (f Fault) look(ctx context.Context, e env) (out bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, asks)
	defer cancel()
	err = f.well(ctx, e)
	return ctx.Err() != nil, err
}

// Fix fixes the fault, and waits until the check passes.
func (f Fault) Fix(ctx context.Context, c *cluster.Cluster, g component.Graph) error {
	e := f.env(c, g)
	mends := f.mends
	if mends == nil {
		mends = anew
	}
	if err := mends(ctx, e); err != nil {
		return fmt.Errorf("fixing fault %s: %w", f.Name, err)
	}
	return until(ctx, func(ctx context.Context) error { return f.well(ctx, e) })
}

// Broken checks all faults at the same time. It returns a result for each fault, in the order of
// list: nil if the cluster does not have it.
func Broken(ctx context.Context, c *cluster.Cluster, g component.Graph, list []Fault) []error {
	broken := make([]error, len(list))
	var wait sync.WaitGroup
	for i, f := range list {
		wait.Go(func() { broken[i] = f.Broken(ctx, c, g) })
	}
	wait.Wait()
	return broken
}

// Settle waits until a cluster has none of the faults. After a fix, other components take a
// moment to recover.
func Settle(ctx context.Context, c *cluster.Cluster, g component.Graph, list []Fault) error {
	return until(ctx, func(ctx context.Context) error { return errors.Join(Broken(ctx, c, g, list)...) })
}

func until(ctx context.Context, ask func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, shows)
	defer cancel()
	return component.Eventually(ctx, func() error {
		ctx, cancel := context.WithTimeout(ctx, asks)
		defer cancel()
		return ask(ctx)
	})
}

// anew writes the component's files again, and starts it.
func anew(ctx context.Context, e env) error {
	return component.Up{Cluster: e.Cluster}.Start(ctx, e.component, e.node)
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
