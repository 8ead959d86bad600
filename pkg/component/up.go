package component

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/mkube/mkube/pkg/cluster"
	"github.com/mkube/mkube/pkg/progress"
	"github.com/mkube/mkube/pkg/provider"
)

// Up brings components up. It writes the files of a component, starts it and waits for it,
// on all its nodes at the same time. A component that is already up stays as it is.
type Up struct {
	Cluster *cluster.Cluster
	// On is called with each event. If unset, events are dropped.
	On progress.Func
	// Files is set if the nodes already have the files of all components.
	Files bool
	// Started reports whether a component has already been started: the nodes have its
	// manifest as well, or its unit found its files at boot. If unset, none has.
	Started func(Component) bool
	// Renewed is set if the cluster has new certificates: objects that contain certificates, such
	// as a Secret with the key pair of a server, are replaced.
	Renewed bool
	// NoWait reports whether Up must not wait until a component is ready. If unset, Up
	// waits for all.
	NoWait func(Component) bool
}

// Do brings one component up, until the context ends. It is a Step of a graph. If the
// component does not become ready, the error is a *NotReadyError.
func (u Up) Do(ctx context.Context, c Component, signals Signals) error {
	start := time.Now()
	u.event(progress.Event{Step: c.Name, State: progress.Running})
	err := u.objects(ctx, c)
	if err == nil {
		err = u.on(ctx, c, signals, u.begin)
	}
	if err == nil && c.Serves != nil {
		signals.serves()
		err = u.on(ctx, c, signals, u.finish)
	}
	e := progress.Event{Step: c.Name, State: progress.Done, Elapsed: time.Since(start)}
	if err != nil {
		e.State, e.Detail = progress.Failed, err.Error()
		// An interrupt or another component's error is the reason to report, not this one.
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

// objects creates the component's objects in the API.
func (u Up) objects(ctx context.Context, c Component) error {
	if c.Objects == nil {
		return nil
	}
	objects, err := c.Objects(u.Cluster)
	if err != nil {
		return fmt.Errorf("rendering the objects of %s: %w", c.Name, err)
	}
	err = u.Cluster.API.Apply(ctx, objects)
	if err == nil && u.Renewed {
		err = u.replace(ctx, objects)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", c.Name, err)
	}
	return nil
}

// replace replaces the objects of a manifest that contain certificates.
func (u Up) replace(ctx context.Context, manifest []byte) error {
	objects, err := cluster.Objects(manifest)
	if err != nil {
		return err
	}
	for _, o := range objects {
		text, err := o.MarshalJSON()
		if err != nil {
			return err
		}
		if bytes.Contains(text, encodedCertificate) {
			if err := u.Cluster.API.Put(ctx, &o); err != nil {
				return err
			}
		}
	}
	return nil
}

// on calls do for a component on all its nodes at the same time.
func (u Up) on(ctx context.Context, c Component, signals Signals, do func(context.Context, Component, Signals, provider.Node) error) error {
	g, ctx := errgroup.WithContext(ctx)
	for _, n := range c.Nodes(u.Cluster) {
		g.Go(func() error { return do(ctx, c, signals, n) })
	}
	return g.Wait()
}

// begin starts a component on a node, and waits until it serves.
func (u Up) begin(ctx context.Context, c Component, signals Signals, n provider.Node) error {
	if u.Started == nil || !u.Started(c) {
		if err := u.Start(ctx, c, n); err != nil {
			return fmt.Errorf("%s: %w", c.Name, err)
		}
	}
	if c.Serves == nil {
		return u.finish(ctx, c, signals, n)
	}
	return u.wait(ctx, c, signals, n, c.Serves)
}

// finish waits until a component is ready on a node, unless NoWait exempts it.
func (u Up) finish(ctx context.Context, c Component, signals Signals, n provider.Node) error {
	if c.Ready == nil || u.NoWait != nil && u.NoWait(c) {
		return nil
	}
	return u.wait(ctx, c, signals, n, c.Ready)
}

// Start writes the component's files on a node and starts it, and does not wait for it.
func (u Up) Start(ctx context.Context, c Component, n provider.Node) error {
	files, err := c.RenderFiles(u.Cluster, n)
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
