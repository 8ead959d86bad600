package bootstrap

import (
	"context"
	"errors"

	"github.com/mkube/mkube/pkg/component"
	"github.com/mkube/mkube/pkg/progress"
	"github.com/mkube/mkube/pkg/provider"
)

// Stop stops the nodes of a cluster, which keeps all that it has. Where there is none of
// the name, the error is a *NotFoundError.
func Stop(ctx context.Context, p provider.Provider, name string) error {
	if _, err := Nodes(ctx, p, name); err != nil {
		return err
	}
	stopper, ok := provider.As[provider.Stopper](p)
	if !ok {
		return errors.New("this provider cannot stop nodes")
	}
	return stopper.Stop(ctx, name)
}

// Start starts the nodes of a cluster that was stopped, and waits until what it has of
// components is ready, for o.Wait at most; 0 waits for the nodes alone. Where there is
// none of the name, the error is a *NotFoundError.
//
// What the API server remembers of a pod counts until its kubelet says otherwise, which
// takes it some seconds.
func Start(ctx context.Context, p provider.Provider, name string, o Options) error {
	if _, err := Nodes(ctx, p, name); err != nil {
		return err
	}
	starter, ok := provider.As[provider.Starter](p)
	if !ok {
		return errors.New("this provider cannot start nodes")
	}
	if o.Wait > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, o.Wait)
		defer cancel()
	}
	event(o, progress.Event{Step: stepNodes, State: progress.Pending, Short: "what the components run on"})
	err := step(o, stepNodes, func() error { return starter.Start(ctx, name) })
	if err != nil || o.Wait == 0 {
		return err
	}
	c, err := Open(ctx, p, name)
	if err != nil {
		return err
	}
	graph := built(c.Stage, c.Config)
	announceComponents(graph, o)
	up := component.Up{
		Cluster: c, On: o.On, Files: true,
		Started: func(component.Component) bool { return true }, // by the nodes themselves
		NoWait:  func(c component.Component) bool { return c.Background },
	}
	return run(ctx, graph, up.Do, o)
}
