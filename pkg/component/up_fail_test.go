package component_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mkube/mkube/internal/testing/componenttest"
	"github.com/mkube/mkube/internal/testing/fake"
	"github.com/mkube/mkube/pkg/cluster"
	"github.com/mkube/mkube/pkg/component"
	"github.com/mkube/mkube/pkg/config"
	"github.com/mkube/mkube/pkg/provider"
)

func TestUpErrorsOfAStart(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	for name, test := range map[string]struct {
		change func(*component.Component)
		want   string
	}{
		"files": {func(c *component.Component) {
			c.Files = func(*cluster.Cluster, provider.Node) ([]provider.File, error) { return nil, broken }
		}, "thing: broken"},
		"manifest": {func(c *component.Component) {
			c.Manifest = func(*cluster.Cluster, provider.Node) (provider.File, error) { return provider.File{}, broken }
		}, "thing: broken"},
		"start": {func(*component.Component) {}, "thing: running begin thing on mkube-control-plane: exit code 127: begin: command not found"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, config.Cluster{}, nil)
				c := thing()
				test.change(&c)
				if got := componenttest.Message(r.up.Do(t.Context(), c, component.Signals{})); got != test.want {
					t.Errorf("Do = %s; want %s", got, test.want)
				}
				want(t, "events", r.events(), []string{"thing running", "thing failed: " + test.want + " (0s)"})
			})
		})
	}
}

// withLog returns answers for the commands that read a log.
func withLog(unit, pod string) func(args []string) (string, int, bool) {
	return func(args []string) (string, int, bool) {
		switch {
		case args[0] == "journalctl":
			return unit, 0, true
		case args[0] == "sh" && strings.Contains(args[2], "tail -n"):
			return pod, 0, true
		}
		return "", 0, true
	}
}

func TestUpGivesUp(t *testing.T) {
	t.Parallel()
	never := func(c component.Component) component.Component {
		c.Name = "thing"
		c.Ready = func(context.Context, *cluster.Cluster, provider.Node) error { return errors.New("/readyz answers 500") }
		return c
	}
	for name, test := range map[string]struct {
		component component.Component
		answer    func(args []string) (string, int, bool)
		want      string
	}{
		"a unit": {
			never(component.Component{Lifecycle: component.Lifecycle{Unit: "thing.service"}}), withLog("one\ntwo\n\n", "wrong"),
			"thing on mkube-control-plane: not ready: /readyz answers 500 (gave up after 30s)\nthe end of its log:\none\ntwo",
		},
		"a pod": {
			never(component.Component{}), withLog("wrong", "of a pod\n"),
			"thing on mkube-control-plane: not ready: /readyz answers 500 (gave up after 30s)\nthe end of its log:\nof a pod",
		},
		"a pod that never ran": {
			never(thing()), func(args []string) (string, int, bool) {
				if args[0] == "sh" && strings.Contains(args[2], "journalctl") {
					return "cannot make a sandbox\n", 0, true
				}
				return "", 0, true
			},
			"thing on mkube-control-plane: not ready: /readyz answers 500 (gave up after 30s)\nit has no log; the kubelet's last message about it:\ncannot make a sandbox",
		},
		"no log": {
			never(component.Component{}), func([]string) (string, int, bool) { return "", 1, true },
			"thing on mkube-control-plane: not ready: /readyz answers 500 (gave up after 30s)",
		},
		"a probe that hangs": {
			component.Component{
				About: component.About{
					Name: "thing",
				},
				Lifecycle: component.Lifecycle{
					Ready: func(ctx context.Context, _ *cluster.Cluster, _ provider.Node) error {
						<-ctx.Done()
						return ctx.Err()
					},
				},
			}, yes,
			"thing on mkube-control-plane: not ready: no probe completed (gave up after 30s)",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, config.Cluster{}, test.answer)
				ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
				defer cancel()
				err := r.up.Do(ctx, test.component, component.Signals{})
				if got := componenttest.Message(err); got != test.want {
					t.Errorf("Do = %s; want %s", got, test.want)
				}
				var notReady *component.NotReadyError
				if !errors.As(err, &notReady) || !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("Do = %#v; want a NotReadyError behind which the deadline is", err)
				}
				events := r.events()
				want(t, "last events", events[len(events)-1:], []string{"thing failed: " + test.want + " (30s)"})
			})
		})
	}
}

// failing returns a component that fails after a second.
func failing() component.Component {
	c := called("fails")
	c.Start = func(context.Context, *cluster.Cluster, provider.Node) error {
		time.Sleep(time.Second)
		return errors.New("no")
	}
	return c
}

// TestUpUnderRun checks that a component that only ends because another one failed is skipped,
// not failed.
func TestUpUnderRun(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, config.Cluster{}, yes)
		never := func(context.Context, *cluster.Cluster, provider.Node) error { return errors.New("not yet") }
		waits := called("waits")
		waits.Ready = never
		g := component.Graph{waits, failing(), called("needs", until(component.UntilServing, "waits")...)}
		if got, want := componenttest.Message(g.Run(t.Context(), r.up.Do)), "fails: no"; got != want {
			t.Errorf("Run = %s; want %s", got, want)
		}
		events := r.events()
		want(t, "last events", events[len(events)-2:], []string{"fails failed: fails: no (1s)", "waits skipped (1s)"})
		if got := strings.Join(events, "\n"); strings.Contains(got, "needs") {
			t.Errorf("events are %s; needs must not begin", got)
		}
	})
}

func TestUpEndsWithItsContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, config.Cluster{}, yes)
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		if err := r.up.Do(ctx, waitsFor("a", "a", "a"), component.Signals{}); err != context.Canceled {
			t.Errorf("Do = %v; want context.Canceled and no more", err)
		}
		if commands := r.commands(); len(commands) != 0 {
			t.Errorf("it still runs %q", commands)
		}
	})
}

// TestUpDoesNotBlameWhatWasEnded checks that a component is not the cause if its context ended
// during a command, even if its error is about the command.
func TestUpDoesNotBlameWhatWasEnded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, config.Cluster{}, yes)
		r.provider.Programs = map[string]fake.Program{"begin": func(ctx context.Context, _ *fake.Node, _ provider.Cmd) (int, error) {
			<-ctx.Done()
			return 0, ctx.Err()
		}}
		g := component.Graph{thing(), failing()}
		if got, want := componenttest.Message(g.Run(t.Context(), r.up.Do)), "fails: no"; got != want {
			t.Errorf("Run = %s; want %s", got, want)
		}
	})
}
