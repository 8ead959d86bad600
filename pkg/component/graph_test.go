package component_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mkube/mkube/internal/testing/componenttest"
	"github.com/mkube/mkube/pkg/component"
)

// graph parses "c:a,b" as a component c that needs a and b.
func graph(lines ...string) component.Graph {
	var g component.Graph
	for _, line := range lines {
		name, needs, _ := strings.Cut(line, ":")
		c := called(name)
		if needs != "" {
			c.DependsOn = until(component.UntilServing, strings.Split(needs, ",")...)
		}
		g = append(g, c)
	}
	return g
}

// called returns a component with a name and dependencies.
func called(name string, on ...component.Dependency) component.Component {
	return component.Component{About: component.About{Name: name}, Lifecycle: component.Lifecycle{DependsOn: on}}
}

// until returns dependencies with one moment.
func until(m component.Moment, names ...string) []component.Dependency {
	var list []component.Dependency
	for _, name := range names {
		list = append(list, component.Dependency{Name: name, Until: m})
	}
	return list
}

// trail records events, with the seconds since the start.
type trail struct {
	mu    sync.Mutex
	start time.Time
	list  []string
}

func (t *trail) add(what string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.list = append(t.list, fmt.Sprintf("%g %s", time.Since(t.start).Seconds(), what))
}

// takes returns a Step in which each component takes its number of seconds. A component fails if
// failing has an error for it, and when its context ends.
func (t *trail) takes(seconds map[string]int, failing map[string]error) component.Step {
	return func(ctx context.Context, c component.Component, _ component.Signals) error {
		t.add("+" + c.Name)
		select {
		case <-time.After(time.Duration(seconds[c.Name]) * time.Second):
		case <-ctx.Done():
			t.add("!" + c.Name)
			return ctx.Err()
		}
		t.add("-" + c.Name)
		return failing[c.Name]
	}
}

// TestRunGoesByEdges checks that d starts when its own dependencies are ready, although c, which
// is as deep in the graph, is not.
func TestRunGoesByEdges(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		trail := &trail{start: time.Now()}
		g := graph("a", "b:a", "c:a", "d:b", "e:d,c")
		if err := g.Run(t.Context(), trail.takes(map[string]int{"a": 1, "b": 1, "c": 10, "d": 2, "e": 1}, nil)); err != nil {
			t.Fatal(err)
		}
		want := []string{
			"0 +a", "1 -a", "1 +b", "1 +c", "2 -b", "2 +d", "4 -d", "11 -c", "11 +e", "12 -e",
		}
		// b and c begin at the same instant, in either order.
		if slices.Sort(trail.list[2:4]); !slices.Equal(trail.list, want) {
			t.Errorf("Run went %q; want %q", trail.list, want)
		}
	})
}

// TestRunDoesNotWaitForMoreThanServing checks that a component starts once its dependency
// serves, before the dependency is ready. A second call of Serves has no effect.
func TestRunDoesNotWaitForMoreThanServing(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	for name, test := range map[string]struct {
		fails error
		want  []string
	}{
		"it becomes ready":  {nil, []string{"0 +a", "1 serves", "1 +b", "3 -b", "5 -a"}},
		"it breaks in time": {broken, []string{"0 +a", "1 serves", "1 +b", "3 -b", "5 -a", "5 !b2"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				trail := &trail{start: time.Now()}
				others := trail.takes(map[string]int{"b": 2, "b2": 60}, nil)
				g := graph("a", "b:a")
				if test.fails != nil {
					g = graph("a", "b:a", "b2:b")
					test.want = slices.Insert(slices.Clone(test.want), 4, "3 +b2")
				}
				err := g.Run(t.Context(), func(ctx context.Context, c component.Component, signals component.Signals) error {
					if c.Name != "a" {
						return others(ctx, c, signals)
					}
					trail.add("+a")
					time.Sleep(time.Second)
					trail.add("serves")
					signals.Serves()
					signals.Serves()
					time.Sleep(4 * time.Second)
					trail.add("-a")
					return test.fails
				})
				if err != test.fails {
					t.Errorf("Run = %v; want %v", err, test.fails)
				}
				if !slices.Equal(trail.list, test.want) {
					t.Errorf("Run went %q; want %q", trail.list, test.want)
				}
			})
		})
	}
}

// TestRunGoesAfterWhatIsReady checks that a component does not start while a dependency that
// must be ready only serves.
func TestRunGoesAfterWhatIsReady(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		trail := &trail{start: time.Now()}
		g := component.Graph{called("a"), called("needs", until(component.UntilServing, "a")...), called("after", until(component.UntilReady, "a")...)}
		err := g.Run(t.Context(), func(ctx context.Context, c component.Component, signals component.Signals) error {
			trail.add("+" + c.Name)
			signals.Serves()
			time.Sleep(time.Second)
			return nil
		})
		slices.Sort(trail.list)
		if want := []string{"0 +a", "0 +needs", "1 +after"}; err != nil || !slices.Equal(trail.list, want) {
			t.Errorf("Run = %v and went %q; want %q", err, trail.list, want)
		}
	})
}

// TestRunTellsWhatIsSettled checks that NeedsReady reports true when the dependencies are ready,
// not when they only serve.
func TestRunTellsWhatIsSettled(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		trail := &trail{start: time.Now()}
		g := component.Graph{called("a"), called("b", until(component.UntilServing, "a")...)}
		err := g.Run(t.Context(), func(ctx context.Context, c component.Component, signals component.Signals) error {
			signals.Serves()
			trail.add(fmt.Sprintf("%s %v", c.Name, signals.NeedsReady()))
			time.Sleep(2 * time.Second)
			if c.Name == "a" {
				return nil
			}
			time.Sleep(time.Second)
			trail.add(fmt.Sprintf("%s %v", c.Name, signals.NeedsReady()))
			return nil
		})
		slices.Sort(trail.list)
		want := []string{"0 a true", "0 b false", "3 b true"}
		if err != nil || !slices.Equal(trail.list, want) {
			t.Errorf("Run = %v and went %q; want %q", err, trail.list, want)
		}
	})
}

func TestRunStopsAtAnError(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	synctest.Test(t, func(t *testing.T) {
		trail := &trail{start: time.Now()}
		g := graph("a", "slow", "c:a", "later:c", "last:slow")
		err := g.Run(t.Context(), trail.takes(map[string]int{"a": 1, "slow": 60, "c": 2}, map[string]error{"c": broken}))
		if !errors.Is(err, broken) {
			t.Errorf("Run = %v; want %v: slow is before c, but only ended because c failed", err, broken)
		}
		if want := []string{"1 -a", "1 +c", "3 -c", "3 !slow"}; !slices.Equal(trail.list[2:], want) {
			t.Errorf("Run went %q; want its end to be %q", trail.list, want)
		}
	})
}

// TestRunReportsTheRootCause checks that Run returns the error of the first component in the
// graph that failed independently, even if another one failed earlier.
func TestRunReportsTheRootCause(t *testing.T) {
	t.Parallel()
	first, second := errors.New("first"), errors.New("second")
	g := graph("a", "b", "c:a")
	for name, test := range map[string]struct {
		f    component.Step
		want error
	}{
		"the earlier fails later": {func(ctx context.Context, c component.Component, _ component.Signals) error {
			switch c.Name {
			case "a":
				<-ctx.Done()
				return first // its own error, but after the other's
			case "b":
				return second
			}
			return nil
		}, first},
		"the earlier only ends": {func(ctx context.Context, c component.Component, _ component.Signals) error {
			if c.Name == "a" {
				<-ctx.Done()
				return fmt.Errorf("a: %w", context.Cause(ctx))
			}
			return second
		}, second},
		"the time is up for all": {func(ctx context.Context, c component.Component, _ component.Signals) error {
			<-ctx.Done()
			if c.Name == "b" {
				return fmt.Errorf("b is not ready: %w", ctx.Err())
			}
			return ctx.Err()
		}, context.DeadlineExceeded},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				err := g.Run(ctx, test.f)
				if !errors.Is(err, test.want) {
					t.Errorf("Run = %v; want %v", err, test.want)
				}
				if test.want == context.DeadlineExceeded && err.Error() != "b is not ready: context deadline exceeded" {
					t.Errorf("Run = %v; want what b says, which says more than the others", err)
				}
			})
		})
	}
}

func TestRunEndsWithItsContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		trail := &trail{start: time.Now()}
		time.AfterFunc(time.Second, cancel)
		err := graph("a", "b:a").Run(ctx, trail.takes(map[string]int{"a": 5}, nil))
		if err != context.Canceled || !slices.Equal(trail.list, []string{"0 +a", "1 !a"}) {
			t.Errorf("Run = %v, %q", err, trail.list)
		}
	})
}

func TestCheck(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		graph component.Graph
		want  string
	}{
		"nothing": {nil, ""},
		"good":    {graph("a", "b:a", "c:a,b"), ""},
		"bad": {graph("a:b", "b", "a", "c:c"), "component a needs b, which is not listed before it\n" +
			"component a is listed twice\ncomponent c needs c, which is not listed before it"},
	} {
		never := func(context.Context, component.Component, component.Signals) error {
			if name == "bad" {
				t.Error("a component of a bad graph begins")
			}
			return nil
		}
		for method, err := range map[string]error{
			"Check": test.graph.Check(), "Run": test.graph.Run(t.Context(), never),
		} {
			if got := componenttest.Message(err); got != test.want {
				t.Errorf("%s of the %s graph = %q; want %q", method, name, got, test.want)
			}
		}
	}
}

func TestUntil(t *testing.T) {
	t.Parallel()
	g := graph("kubelet", "etcd:kubelet", "kube-apiserver:etcd")
	for name, want := range map[string][]string{
		"kubelet": {"kubelet"}, "etcd": {"kubelet", "etcd"}, "kube-apiserver": g.Names(),
	} {
		if got, err := g.Until(name); !reflect.DeepEqual(got.Names(), want) || err != nil {
			t.Errorf("Until(%s) = %q, %v; want %q", name, got.Names(), err, want)
		}
	}
	_, err := g.Until("apiserver")
	if want := `unknown component "apiserver"; the components are kubelet, etcd, kube-apiserver`; fmt.Sprint(err) != want {
		t.Errorf("Until = %v; want %s", err, want)
	}
}
