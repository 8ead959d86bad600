package bootstrap

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/mkube/mkube/pkg/cluster"
	"github.com/mkube/mkube/pkg/component"
	"github.com/mkube/mkube/pkg/config"
	"github.com/mkube/mkube/pkg/progress"
	"github.com/mkube/mkube/pkg/provider"
	"github.com/mkube/mkube/pkg/state"
)

// Stop stops the nodes of a cluster, which keeps all that it has. Where there is none of
// the name, the error is a *state.NotFoundError.
func Stop(ctx context.Context, p provider.Provider, name string) error {
	if _, err := state.Nodes(ctx, p, name); err != nil {
		return err
	}
	stopper, ok := provider.As[provider.Stopper](p)
	if !ok {
		return errors.New("this provider cannot stop nodes")
	}
	release, err := state.Hold(ctx, p, name, "stop cluster")
	if busy := (*state.BusyError)(nil); errors.As(err, &busy) || ctx.Err() != nil {
		return err
	}
	if err == nil { // else no control plane runs, or can be asked: nothing is at work on them
		defer release()
	}
	return stopper.Stop(ctx, name)
}

// Start starts the nodes of a cluster that was stopped, and waits until what it has of
// components is ready, for o.Wait at most; 0 waits for the nodes alone. Where there is
// none of the name, the error is a *state.NotFoundError.
//
// What the API server remembers of a pod counts until its kubelet says otherwise, which
// takes it some seconds.
func Start(ctx context.Context, p provider.Provider, name string, o Options) error {
	nodes, err := state.Nodes(ctx, p, name)
	if err != nil {
		return err
	}
	starter, ok := provider.As[provider.Starter](p)
	if !ok {
		return errors.New("this provider cannot start nodes")
	}
	ctx, cancel := o.Limit(ctx)
	defer cancel()
	event(o, progress.Event{Step: stepNodes, State: progress.Pending, Short: "what the components run on"})
	release := func() {}
	err = step(o, stepNodes, func() (err error) {
		if release, err = startFirst(ctx, starter, name, nodes); err != nil {
			return err
		}
		if len(nodes) == 1 {
			return nil
		}
		return starter.Start(ctx, name)
	})
	defer release()
	if err != nil || o.Wait == 0 {
		return err
	}
	c, err := state.Open(ctx, p, name)
	if err != nil {
		return err
	}
	WarnOfLeftovers(c, o)
	graph := Built(c)
	Announce(graph, o)
	up := component.Up{
		Cluster: c, On: o.On, Files: true,
		Started: func(component.Component) bool { return true }, // by the nodes themselves
		NoWait:  func(c component.Component) bool { return c.Background },
	}
	watched, stop := context.WithCancel(ctx)
	var watch sync.WaitGroup
	watch.Go(func() { keepRunning(watched, starter, c) })
	err = run(ctx, graph, up.Do, o)
	stop()
	watch.Wait()
	return err
}

// lookEvery is the time between two looks at whether nodes run.
const lookEvery = 2 * time.Second

// keepRunning starts the nodes again that stop while their components are waited for, until
// the context ends: an engine carries out a stop that was killed all the same, and may begin with
// a node only when it was found to run.
func keepRunning(ctx context.Context, starter provider.Starter, c *cluster.Cluster) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(lookEvery):
		}
		for _, n := range c.Nodes {
			if _, err := provider.Output(ctx, n, "true"); errors.Is(err, provider.ErrNotRunning) {
				// Where it cannot be started, what waits for it says that it does not run.
				_ = starter.Start(ctx, c.Config.Name, n.Name())
			}
		}
	}
}

// startFirst starts the first control plane and takes the cluster's lock there. A stop
// that is at work has that lock until it has stopped all nodes, the first control plane
// last.
func startFirst(ctx context.Context, starter provider.Starter, name string, nodes []provider.Node) (release func(), err error) {
	release = func() {}
	i := slices.IndexFunc(nodes, func(n provider.Node) bool { return n.Role() == config.ControlPlane })
	if i < 0 {
		return release, state.NoControlPlane(nodes)
	}
	a := state.Attempt{Cluster: name, By: provider.NewCreation("start cluster"), Creates: true}
	// A stop may end between the two: then it is the next try that starts the node.
	for range 3 {
		if err := starter.Start(ctx, name, nodes[i].Name()); err != nil {
			return release, err
		}
		held, holdErr := a.Hold(ctx, nodes[i:i+1])
		if holdErr == nil {
			return held, nil
		}
		err = holdErr
		if busy := (*state.BusyError)(nil); errors.As(err, &busy) || ctx.Err() != nil {
			break
		}
	}
	return release, err
}

// WarnOfLeftovers says which nodes are no part of the cluster, and which are missing.
func WarnOfLeftovers(c *cluster.Cluster, o Options) {
	if o.Warn == nil {
		return
	}
	for _, line := range state.LeftoverWarnings(c) {
		o.Warn(line)
	}
}
