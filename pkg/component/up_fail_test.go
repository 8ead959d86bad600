package component_test

import (
	"context"
	"errors"
	"fmt"
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

// TestUpSeesACrash checks that a unit that exits repeatedly is reported long before the timeout.
func TestUpSeesACrash(t *testing.T) {
	t.Parallel()
	const list = `{"containers":[
		{"id":"old","state":"CONTAINER_EXITED","metadata":{"attempt":0}},
		{"id":"new","state":"CONTAINER_EXITED","metadata":{"attempt":2}}]}`
	script := func(restarts, containers string) func(args []string) (string, int, bool) {
		return func(args []string) (string, int, bool) {
			switch {
			case args[0] == "systemctl":
				return restarts, 0, true
			case args[0] == "crictl" && args[len(args)-1] == "new":
				return `{"status":{"exitCode":137}}`, 0, true
			case args[0] == "sh" && strings.Contains(args[2], "crictl ps"):
				return containers, 0, true
			}
			return withLog("panic: unit\n", "panic: pod\n")(args)
		}
	}
	for name, test := range map[string]struct {
		unit   string
		answer func(args []string) (string, int, bool)
		want   string
	}{
		"a unit": {"thing.service", script("NRestarts=4\nExecMainStatus=1\n", ""),
			"thing on mkube-control-plane: keeps crashing: it ended 4 times, the last time with exit code 1\nthe end of its log:\npanic: unit"},
		"a unit that ended once": {"thing.service", script("NRestarts=1\nExecMainStatus=1\n", ""), ""},
		"a container": {"", script("", list),
			"thing on mkube-control-plane: keeps crashing: it ended 3 times, the last time with exit code 137\nthe end of its log:\npanic: pod"},
		"a container that runs again": {"", script("", strings.Replace(list, "EXITED", "RUNNING", 1)), ""},
		"a container that ended once": {"", script("", strings.Replace(list, `"attempt":2`, `"attempt":0`, 1)), ""},
		"no container":                {"", script("", ""), ""},
		"no JSON":                     {"", script("", "oops"), ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, config.Cluster{}, test.answer)
				ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
				defer cancel()
				start := time.Now()
				c := component.Component{
					About: component.About{
						Name: "thing",
					},
					Lifecycle: component.Lifecycle{
						Unit: test.unit,
						Ready: func(context.Context, *cluster.Cluster, provider.Node) error {
							if time.Since(start) > 10*time.Second {
								return nil
							}
							return errors.New("connection refused")
						},
					},
				}
				err := r.up.Do(ctx, c, component.Signals{})
				if got := componenttest.Message(err); got != test.want {
					t.Errorf("Do = %s; want %s", got, test.want)
				}
				var crash *component.CrashError
				if test.want != "" && !errors.As(err, &crash) {
					t.Errorf("Do = %#v; want a CrashError behind it", err)
				}
				if took := time.Since(start); test.want != "" && took > 5*time.Second {
					t.Errorf("it took %s to see the crash", took)
				}
			})
		})
	}
}

// TestUpExcusesCrashes checks that exits do not count before the dependencies are ready, and
// that one more after that does.
func TestUpExcusesCrashes(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		every   time.Duration // the time between two exits of the process
		settled time.Duration // when its dependencies are ready
		last    int           // the maximum number of exits
		want    time.Duration // when the crash is reported, 0 if the component becomes ready
	}{
		"it ends no more when all is there": {5 * time.Second, 30 * time.Second, 6, 0},
		"it goes on":                        {5 * time.Second, 30 * time.Second, 100, 40 * time.Second},
		"all was there":                     {5 * time.Second, 0, 100, 13 * time.Second},
		"all was there soon":                {time.Second, 2 * time.Second, 100, 5 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				r := newRig(t, config.Cluster{}, func(args []string) (string, int, bool) {
					ends := min(int(time.Since(start)/test.every), test.last)
					return fmt.Sprintf("NRestarts=%d\nExecMainStatus=1\n", ends), 0, true
				})
				ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
				defer cancel()
				c := component.Component{
					About: component.About{
						Name: "thing",
					},
					Lifecycle: component.Lifecycle{
						Unit: "thing.service",
						Ready: func(context.Context, *cluster.Cluster, provider.Node) error {
							if time.Since(start) > 5*time.Minute {
								return nil
							}
							return errors.New("connection refused")
						},
					},
				}
				err := r.up.Do(ctx, c, component.Signals{NeedsReady: func() bool { return time.Since(start) >= test.settled }})
				var crash *component.CrashError
				if errors.As(err, &crash) != (test.want > 0) {
					t.Fatalf("Do = %v", err)
				}
				if took := time.Since(start); test.want > 0 && (took < test.want-4*time.Second || took > test.want) {
					t.Errorf("it took %s to tell of the crash; want %s", took, test.want)
				}
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
