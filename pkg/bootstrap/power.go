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

// Stop stops the nodes of a cluster. The cluster keeps its data. If the cluster does not exist,
// the error is a *state.NotFoundError.
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
	if err == nil { // otherwise no control plane runs or answers: no command works on them
		defer release()
	}
	return stopper.Stop(ctx, name)
}

// Start starts the nodes of a stopped cluster, and waits until its components are ready, for at
// most o.Wait. If o.Wait is 0, it waits only for the nodes. Nodes that have not joined the cluster
// are not started. If the cluster does not exist, the error is a *state.NotFoundError.
//
// If a certificate has expired, or ends within pki.RenewBefore, Start does what RenewCertificates
// does, also if o.Wait is 0.
//
// The API server may report the old status of a pod for some seconds, until the pod's kubelet
// updates it.
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
	release, err := startNodes(ctx, p, starter, name, nodes, o)
	defer release()
	if err != nil {
		return err
	}
	c, err := state.Open(ctx, p, name)
	if err != nil {
		return err
	}
	WarnOfLeftovers(c, o)
	due, err := dueRenewal(ctx, c, o)
	if err != nil || o.Wait == 0 && due == nil {
		return err
	}
	watched, stop := context.WithCancel(ctx)
	var watch sync.WaitGroup
	watch.Go(func() { keepRunning(watched, starter, c) })
	err = awaitStarted(ctx, c, due, o)
	stop()
	watch.Wait()
	return err
}

// startNodes starts the nodes, the first control plane before the others. The caller must call
// release, also after an error.
func startNodes(ctx context.Context, p provider.Provider, starter provider.Starter, name string, nodes []provider.Node, o Options) (release func(), err error) {
	event(o, progress.Event{Step: stepNodes, State: progress.Pending, Short: "what the components run on"})
	err = step(o, stepNodes, func() (err error) {
		if release, err = startFirst(ctx, starter, name, nodes); err != nil || len(nodes) == 1 {
			return err
		}
		return startJoined(ctx, p, starter, name)
	})
	return release, err
}

// awaitStarted waits until the components are ready on nodes that boot. If certificates are due, it
// renews them first.
func awaitStarted(ctx context.Context, c *cluster.Cluster, due *renewal, o Options) error {
	if due == nil {
		graph := Built(c)
		Announce(graph, o)
		return run(ctx, graph, waiting(c, o).Do, o)
	}
	if o.Wait == 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, UsableLimit)
		defer cancel()
	}
	due.announce()
	return due.do(ctx)
}

// waiting returns the Up that only waits for components, because the nodes start them at boot.
func waiting(c *cluster.Cluster, o Options) component.Up {
	return component.Up{
		Cluster: c, On: o.On, Files: true,
		Started: func(component.Component) bool { return true },
		NoWait:  func(c component.Component) bool { return c.Background },
	}
}

// startJoined starts the nodes that have joined the cluster. A stray stays as it is: the cluster
// works without it, and an engine that was killed while it booted the stray may be unable to start
// it. If the cluster cannot be read, startJoined starts all nodes, and Start reports the error later.
func startJoined(ctx context.Context, p provider.Provider, starter provider.Starter, name string) error {
	c, err := state.Open(ctx, p, name)
	if err != nil || len(c.Strays) == 0 {
		return starter.Start(ctx, name)
	}
	var joined []string
	for _, n := range c.Nodes {
		joined = append(joined, n.Name())
	}
	return starter.Start(ctx, name, joined...)
}

// lookEvery is the time between two checks whether the nodes run.
const lookEvery = 2 * time.Second

// keepRunning starts nodes that stop while Start waits for their components. It returns when ctx
// ends. The reason: an engine finishes a stop even if its client was killed, and may stop a node
// after Start found it running.
func keepRunning(ctx context.Context, starter provider.Starter, c *cluster.Cluster) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(lookEvery):
		}
		for _, n := range c.Nodes {
			if _, err := provider.Output(ctx, n, "true"); errors.Is(err, provider.ErrNotRunning) {
				// If the node cannot be started, the wait for its components reports that it does
				// not run.
				_ = starter.Start(ctx, c.Config.Name, n.Name())
			}
		}
	}
}

// startFirst starts the first control plane and takes the cluster's lock there. A stop in progress
// holds that lock until it has stopped all nodes, the first control plane last.
func startFirst(ctx context.Context, starter provider.Starter, name string, nodes []provider.Node) (release func(), err error) {
	release = func() {}
	i := slices.IndexFunc(nodes, func(n provider.Node) bool { return n.Role() == config.ControlPlane })
	if i < 0 {
		return release, state.NoControlPlane(nodes)
	}
	a := state.Attempt{Cluster: name, By: provider.NewCreation("start cluster"), Creates: true}
	// A stop may end between Start and Hold. Then the next attempt starts the node again.
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

// WarnOfLeftovers passes a warning to o.Warn for each node that has not joined the cluster, and
// for each that is missing.
func WarnOfLeftovers(c *cluster.Cluster, o Options) {
	if o.Warn == nil {
		return
	}
	for _, line := range state.LeftoverWarnings(c) {
		o.Warn(line)
	}
}
