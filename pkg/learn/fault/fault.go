// Package fault breaks clusters on purpose, one well-known way at a time, for who wants
// to learn how to mend them.
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
	// Name says what is wrong: "scheduler-stopped".
	Name string
	// Component is the one that no longer does what it should.
	Component string
	// Symptom is what somebody notices who uses the cluster.
	Symptom string
	// Hints lead to the cause, the first one least.
	Hints []string

	// breaks does it, on the cluster's first control plane where it is about a node.
	breaks func(context.Context, env) error
	// well is nil where it is not so; it asks once.
	well func(context.Context, env) error
	// mends puts it right again. Nil means to write the component's files anew, and start it.
	mends func(context.Context, env) error
}

// env is the cluster that is broken.
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

// In are the faults that a cluster of these components can have.
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

// Names are the names of faults.
func Names(list []Fault) []string {
	var names []string
	for _, f := range list {
		names = append(names, f.Name)
	}
	return names
}

const (
	// shows is how long a fault may take to be noticed, and its repair too: a kubelet
	// backs off for a while before it starts again what has crashed.
	shows = 3 * time.Minute
	// asks is how long one look may take.
	asks = 20 * time.Second
	// blink is how long what is well may look as if it were not.
	blink = 8 * time.Second
)

// Break breaks the cluster of these components, and waits until it shows.
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

// Broken says what is wrong where a cluster has the fault, nil where it has not. What is
// wrong for a moment only is asked about again: a pod is not Ready until its next probe. So is,
// once, what had no answer in time: a machine that is slow, and asked about all faults at once, is
// not broken.
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

// look asks once, and tells whether it ran out of time.
func (f Fault) look(ctx context.Context, e env) (out bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, asks)
	defer cancel()
	err = f.well(ctx, e)
	return ctx.Err() != nil, err
}

// Fix puts it right, and waits until all is well.
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

// Broken is what is wrong with a cluster by any of the faults, each asked about at once:
// nil for one that it has not.
func Broken(ctx context.Context, c *cluster.Cluster, g component.Graph, list []Fault) []error {
	broken := make([]error, len(list))
	var wait sync.WaitGroup
	for i, f := range list {
		wait.Go(func() { broken[i] = f.Broken(ctx, c, g) })
	}
	wait.Wait()
	return broken
}

// Settle waits until a cluster has none of the faults: what was mended takes others a
// moment to notice.
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

// anew writes the component's files and starts it again.
func anew(ctx context.Context, e env) error {
	return component.Up{Cluster: e.Cluster}.Start(ctx, e.component, e.node)
}

// sh runs a script on the node.
func (e env) sh(ctx context.Context, script string) error {
	_, err := provider.Output(ctx, e.node, "sh", "-c", "set -e\n"+script)
	return err
}

// script is what breaks by a script on the node.
func script(text string) func(context.Context, env) error {
	return func(ctx context.Context, e env) error { return e.sh(ctx, text) }
}

// and does one thing after the other.
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

// ready wants the component to be ready on the node, and to answer for it now: what the
// API shows of a pod may be old. Where the runtime cannot say what runs, which is a fault of its
// own, the answer alone counts.
func ready(ctx context.Context, e env) error {
	if e.component.Unit == "" && e.component.Manifest != nil {
		running, err := provider.Output(ctx, e.node, "crictl", "ps", "--quiet", "--state", "running", "--name", "^"+e.component.Name+"$")
		if err == nil && len(running) == 0 {
			return fmt.Errorf("no container of %s runs on %s", e.component.Name, e.node.Name())
		}
	}
	return e.component.Ready(ctx, e.Cluster, e.node)
}

// works wants what the component is there for to work.
func works(ctx context.Context, e env) error { return e.component.Effect.Try(ctx, e.Cluster) }
