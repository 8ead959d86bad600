package component

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/mkube/mkube/pkg/cluster"
	"github.com/mkube/mkube/pkg/progress"
	"github.com/mkube/mkube/pkg/provider"
)

// Up brings a component up: on all its nodes at once, its files are written, it is
// started and waited for. A component that is up already stays as it is.
type Up struct {
	Cluster *cluster.Cluster
	// On gives word of what happens. Nil is no word.
	On progress.Func
	// Files says that the files of all components lie on the nodes already; Started
	// that the component's manifest does too, or that its unit found its files at
	// boot. Nil means that none does.
	Files   bool
	Started func(Component) bool
	// NoWait says of a component that it need not become ready.
	NoWait func(Component) bool
}

// Do brings one component up, until the context ends. It is a Step of a graph. An
// error of one that did not become ready is a *NotReadyError.
func (u Up) Do(ctx context.Context, c Component, turn Turn) error {
	start := time.Now()
	u.event(progress.Event{Step: c.Name, State: progress.Running})
	err := u.objects(ctx, c)
	if err == nil {
		err = u.on(ctx, c, turn, u.begin)
	}
	if err == nil && c.Serves != nil {
		turn.serves()
		err = u.on(ctx, c, turn, u.finish)
	}
	e := progress.Event{Step: c.Name, State: progress.Done, Elapsed: time.Since(start)}
	if err != nil {
		e.State, e.Detail = progress.Failed, err.Error()
		if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, context.DeadlineExceeded) {
			e.State, e.Detail = progress.Skipped, ""
		}
	}
	u.event(e)
	return err
}

func (u Up) event(e progress.Event) {
	if u.On != nil {
		e.Time = time.Now()
		u.On(e)
	}
}

// objects creates what the component has in the API.
func (u Up) objects(ctx context.Context, c Component) error {
	if c.Objects == nil {
		return nil
	}
	objects, err := c.Objects(u.Cluster)
	if err != nil {
		return fmt.Errorf("rendering the objects of %s: %w", c.Name, err)
	}
	if err := u.Cluster.API.Apply(ctx, objects); err != nil {
		return fmt.Errorf("%s: %w", c.Name, err)
	}
	return nil
}

// on does something for a component on all its nodes at once.
func (u Up) on(ctx context.Context, c Component, turn Turn, do func(context.Context, Component, Turn, provider.Node) error) error {
	g, ctx := errgroup.WithContext(ctx)
	for _, n := range c.Nodes(u.Cluster) {
		g.Go(func() error { return do(ctx, c, turn, n) })
	}
	return g.Wait()
}

// begin starts a component on a node and waits until it serves.
func (u Up) begin(ctx context.Context, c Component, turn Turn, n provider.Node) error {
	if u.Started == nil || !u.Started(c) {
		if err := u.Start(ctx, c, n); err != nil {
			return fmt.Errorf("%s: %w", c.Name, err)
		}
	}
	if c.Serves == nil {
		return u.finish(ctx, c, turn, n)
	}
	return u.wait(ctx, c, turn, n, c.Serves)
}

// finish waits until a component is ready on a node.
func (u Up) finish(ctx context.Context, c Component, turn Turn, n provider.Node) error {
	if c.Ready == nil || u.NoWait != nil && u.NoWait(c) {
		return nil
	}
	return u.wait(ctx, c, turn, n, c.Ready)
}

// Start puts the component's files on a node and starts it. It waits for nothing.
func (u Up) Start(ctx context.Context, c Component, n provider.Node) error {
	files, err := c.Inert(u.Cluster, n)
	if err != nil {
		return err
	}
	if u.Files {
		files = nil
	}
	if c.Manifest != nil {
		manifest, err := c.Manifest(u.Cluster, n)
		if err != nil {
			return err
		}
		files = append(files, manifest)
	}
	if err := provider.WriteFiles(ctx, n, files); err != nil || c.Start == nil {
		return err
	}
	return c.Start(ctx, u.Cluster, n)
}
