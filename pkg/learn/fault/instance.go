package fault

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/mkube/mkube/pkg/cluster"
	"github.com/mkube/mkube/pkg/component"
)

// An Instance is a fault in one place of a cluster.
type Instance struct {
	Fault
	at env
}

// Node returns the name of the node that the fault is on, or "" if it is in the API.
func (i Instance) Node() string {
	if i.InAPI {
		return ""
	}
	return i.at.node.Name()
}

// String returns the fault's name and its node, as Named reads them.
func (i Instance) String() string { return strings.TrimSpace(i.Name + " " + i.Node()) }

// Instances returns the faults that a cluster can have: a fault on a node once for each node that
// its component runs on. g lists the components that the cluster has.
func Instances(c *cluster.Cluster, g component.Graph) []Instance {
	var list []Instance
	for _, f := range In(g) {
		list = append(list, f.Instances(c, g)...)
	}
	return list
}

// Instances returns the places that the fault can have in a cluster, control planes first. Without
// the fault's component in g, it returns nil.
func (f Fault) Instances(c *cluster.Cluster, g component.Graph) []Instance {
	i := slices.IndexFunc(g, func(comp component.Component) bool { return comp.Name == f.Component })
	switch {
	case i < 0:
		return nil
	case f.InAPI:
		return []Instance{{f, env{c, c.ControlPlanes()[0], g[i]}}}
	}
	var list []Instance
	for _, n := range g[i].Nodes(c) {
		list = append(list, Instance{f, env{c, n, g[i]}})
	}
	return list
}

// Named returns the instance with this String. The name of a fault without a node means the first
// instance. ok is false if there is none, for example because its node was deleted.
func Named(list []Instance, name string) (i Instance, ok bool) {
	for _, i := range list {
		if name == i.String() || name == i.Name {
			return i, true
		}
	}
	return Instance{}, false
}

const (
	// effectLimit is the maximum time until a fault or its fix has an effect. A kubelet waits before
	// it restarts a container that has crashed.
	effectLimit = 3 * time.Minute
	// checkLimit is the maximum time for one check.
	checkLimit = 20 * time.Second
	// transient is the time for which a check can fail although there is no fault.
	transient = 8 * time.Second
)

// Break causes the fault, and waits until its check fails.
func (i Instance) Break(ctx context.Context) error {
	if err := i.causes(ctx, i.at); err != nil {
		return fmt.Errorf("causing fault %s: %w", i.Name, err)
	}
	return until(ctx, func(ctx context.Context) error {
		if i.check(ctx, i.at) == nil {
			return fmt.Errorf("fault %s has no effect yet", i.Name)
		}
		return nil
	})
}

// Broken returns an error that describes the fault if the cluster has it, and nil otherwise. A
// failed check is repeated for some seconds, because a healthy pod can be not Ready until its
// next probe. A check that times out is repeated once: a slow machine that checks all faults at
// the same time is not broken.
func (i Instance) Broken(ctx context.Context) error {
	end, late := time.Now().Add(transient), false
	for {
		out, err := i.checkOnce(ctx)
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

// checkOnce checks once, and reports whether the check timed out.
func (i Instance) checkOnce(ctx context.Context) (out bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, checkLimit)
	defer cancel()
	err = i.check(ctx, i.at)
	return ctx.Err() != nil, err
}

// Fix fixes the fault, and waits until the check passes.
func (i Instance) Fix(ctx context.Context) error {
	fixes := i.fixes
	if fixes == nil {
		fixes = startAgain
	}
	if err := fixes(ctx, i.at); err != nil {
		return fmt.Errorf("fixing fault %s: %w", i.Name, err)
	}
	return until(ctx, func(ctx context.Context) error { return i.check(ctx, i.at) })
}

// Broken checks all instances at the same time. It returns a result for each, in the order of
// list: nil if the cluster does not have the fault.
func Broken(ctx context.Context, list []Instance) []error {
	broken := make([]error, len(list))
	var wait sync.WaitGroup
	for n, i := range list {
		wait.Go(func() { broken[n] = i.Broken(ctx) })
	}
	wait.Wait()
	return broken
}

// Settle waits until a cluster has none of the faults. After a fix, other components take a
// moment to recover.
func Settle(ctx context.Context, list []Instance) error {
	return until(ctx, func(ctx context.Context) error { return errors.Join(Broken(ctx, list)...) })
}

func until(ctx context.Context, check func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, effectLimit)
	defer cancel()
	return component.Eventually(ctx, func() error {
		ctx, cancel := context.WithTimeout(ctx, checkLimit)
		defer cancel()
		return check(ctx)
	})
}

// startAgain writes the component's files again, and starts it.
func startAgain(ctx context.Context, e env) error {
	return component.Up{Cluster: e.Cluster}.Start(ctx, e.component, e.node)
}
