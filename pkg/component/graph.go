package component

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/mkube/mkube/pkg/cluster"
	"github.com/mkube/mkube/pkg/provider"
)

// A Graph is a list of components in topological order: each one comes after all that it
// needs.
type Graph []Component

// Names returns the names of the components in order.
func (g Graph) Names() []string {
	var names []string
	for _, c := range g {
		names = append(names, c.Name)
	}
	return names
}

// Check returns an error if a name is listed twice, or if a component is not listed after
// all that it needs.
func (g Graph) Check() error {
	var errs []error
	seen := map[string]bool{}
	for _, c := range g {
		if seen[c.Name] {
			errs = append(errs, fmt.Errorf("component %s is listed twice", c.Name))
		}
		for _, need := range c.Waits(UntilServing, UntilReady) {
			if !seen[need] {
				errs = append(errs, fmt.Errorf("component %s needs %s, which is not listed before it", c.Name, need))
			}
		}
		seen[c.Name] = true
	}
	return errors.Join(errs...)
}

// Until returns the graph up to and including a component.
func (g Graph) Until(name string) (Graph, error) {
	i := slices.IndexFunc(g, func(c Component) bool { return c.Name == name })
	if i < 0 {
		return nil, fmt.Errorf("unknown component %q; the components are %s", name, strings.Join(g.Names(), ", "))
	}
	return g[:i+1], nil
}

// On returns the components of the graph that run on a node.
func (g Graph) On(c *cluster.Cluster, n provider.Node) Graph {
	return slices.DeleteFunc(slices.Clone(g), func(comp Component) bool {
		return !slices.ContainsFunc(comp.Nodes(c), func(other provider.Node) bool { return other.Name() == n.Name() })
	})
}

// A Step brings one component up. It may call signals.Serves as soon as the components that
// need it can start. They can start at the latest when Step returns nil.
type Step func(ctx context.Context, c Component, signals Signals) error

// Signals connect a component that comes up to the rest of its graph. The zero value is for
// a component that comes up alone. Its functions may be called at any time, from any
// goroutine.
type Signals struct {
	// Serves lets the components that need this one start. If unset, nothing waits for it.
	Serves func()
	// NeedsReady reports whether all that the component needs is ready, and not only serves. If
	// unset, it is.
	NeedsReady func() bool
}

func (t Signals) serves() {
	if t.Serves != nil {
		t.Serves()
	}
}

func (t Signals) needsReady() bool { return t.NeedsReady == nil || t.NeedsReady() }

// Run calls f for every component, each as soon as all that it needs serves and all that it
// comes after is ready. After the first error, no further component starts, and the context
// of the running ones ends. Run returns the error of the first component, in the order of
// the graph, whose failure is not only a consequence of that: a later component often fails
// only because an earlier one is late.
func (g Graph) Run(ctx context.Context, f Step) error {
	if err := g.Check(); err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	serving, ready := map[string]chan struct{}{}, map[string]chan struct{}{}
	for _, c := range g {
		serving[c.Name], ready[c.Name] = make(chan struct{}), make(chan struct{})
	}
	errs := make([]error, len(g))
	var wait sync.WaitGroup
	for i, c := range g {
		signals := Signals{
			// Closed only on success: after a failure, what needs this must not start.
			Serves:     sync.OnceFunc(func() { close(serving[c.Name]) }),
			NeedsReady: func() bool { return closed(c.Waits(UntilServing), ready) },
		}
		wait.Go(func() {
			if errs[i] = await(ctx, c.Waits(UntilServing), serving); errs[i] != nil {
				return
			}
			if errs[i] = await(ctx, c.Waits(UntilReady), ready); errs[i] != nil {
				return
			}
			if errs[i] = f(ctx, c, signals); errs[i] != nil {
				if errors.Is(context.Cause(ctx), errSibling) && errors.Is(errs[i], context.Canceled) {
					errs[i] = errSibling // it only failed because its context ended
				}
				cancel(errSibling)
				return
			}
			signals.Serves()
			close(ready[c.Name])
		})
	}
	wait.Wait()
	return first(errs)
}

// errSibling is the cause that ends the context of running components when another one has failed.
var errSibling = errors.New("another component failed")

// await waits until the channels of all needs are closed, or the context ends.
func await(ctx context.Context, needs []string, serving map[string]chan struct{}) error {
	for _, need := range needs {
		select {
		case <-serving[need]:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

// closed reports whether the channels of all names are closed.
func closed(names []string, channels map[string]chan struct{}) bool {
	for _, name := range names {
		select {
		case <-channels[name]:
		default:
			return false
		}
	}
	return true
}

// first returns the first error that is not only a consequence of another one. If all are,
// it returns the first of those.
func first(errs []error) error {
	var any error
	for _, err := range errs {
		if err != nil && !errors.Is(err, errSibling) && !bare(err) {
			return err
		}
		if any == nil {
			any = err
		}
	}
	return any
}

// bare reports whether an error is only that of a context that ended.
func bare(err error) bool {
	return err == context.Canceled || err == context.DeadlineExceeded //nolint:errorlint // the very ones, not what wraps them
}
