package component

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
)

// A Graph is components, each listed after all that it needs: it reads as the
// story.
type Graph []Component

// Names are the components' names in order.
func (g Graph) Names() []string {
	var names []string
	for _, c := range g {
		names = append(names, c.Name)
	}
	return names
}

// Check says what is wrong with the graph: a name twice, or a need that is not
// listed before.
func (g Graph) Check() error {
	var errs []error
	seen := map[string]bool{}
	for _, c := range g {
		if seen[c.Name] {
			errs = append(errs, fmt.Errorf("component %s is listed twice", c.Name))
		}
		for _, need := range slices.Concat(c.Needs, c.After) {
			if !seen[need] {
				errs = append(errs, fmt.Errorf("component %s needs %s, which is not listed before it", c.Name, need))
			}
		}
		seen[c.Name] = true
	}
	return errors.Join(errs...)
}

// Until is the graph up to and including a component.
func (g Graph) Until(name string) (Graph, error) {
	i := slices.IndexFunc(g, func(c Component) bool { return c.Name == name })
	if i < 0 {
		return nil, fmt.Errorf("no component is called %q; there are %s", name, strings.Join(g.Names(), ", "))
	}
	return g[:i+1], nil
}

// A Step brings one component up. It may call turn.Serves once what needs the component
// may begin; when it returns nil, that may be at the latest.
type Step func(ctx context.Context, c Component, turn Turn) error

// A Turn is how a component that comes up and the rest of its graph hear of each
// other. The zero value is that of one that comes up alone. Its functions may be called at
// any time, by any goroutine.
type Turn struct {
	// Serves says that what needs the component may begin.
	Serves func()
	// Settled tells whether all that the component needs is ready, and does not merely serve.
	Settled func() bool
}

func (t Turn) serves() {
	if t.Serves != nil {
		t.Serves()
	}
}

func (t Turn) settled() bool { return t.Settled == nil || t.Settled() }

// Run calls f for every component, each as soon as all that it needs serves, and all
// that it comes after is ready. After
// the first error no further component begins, and the context of the others ends.
// The error returned is that of the first component in the graph's order that
// failed by itself: a later one often fails only because an earlier one is late.
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
		turn := Turn{
			// Closed only on success: what needs this must not begin otherwise.
			Serves:  sync.OnceFunc(func() { close(serving[c.Name]) }),
			Settled: func() bool { return closed(c.Needs, ready) },
		}
		wait.Go(func() {
			if errs[i] = await(ctx, c.Needs, serving); errs[i] != nil {
				return
			}
			if errs[i] = await(ctx, c.After, ready); errs[i] != nil {
				return
			}
			if errs[i] = f(ctx, c, turn); errs[i] != nil {
				if errors.Is(context.Cause(ctx), errSibling) && errors.Is(errs[i], context.Canceled) {
					errs[i] = errSibling // it was ended in the midst of something
				}
				cancel(errSibling)
				return
			}
			turn.Serves()
			close(ready[c.Name])
		})
	}
	wait.Wait()
	return first(errs)
}

// errSibling ends what still runs when another component has failed.
var errSibling = errors.New("another component failed")

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

// closed tells whether all the channels of some names are.
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

// first is the first error that is not the mere consequence of another.
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

// bare reports whether an error only says that the time was up.
func bare(err error) bool {
	return err == context.Canceled || err == context.DeadlineExceeded //nolint:errorlint // the very ones, not what wraps them
}
