package component_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mkube/mkube/pkg/cluster"
	"github.com/mkube/mkube/pkg/component"
	"github.com/mkube/mkube/pkg/component/componenttest"
	"github.com/mkube/mkube/pkg/config"
	"github.com/mkube/mkube/pkg/progress"
	"github.com/mkube/mkube/pkg/provider"
	"github.com/mkube/mkube/pkg/provider/fake"
)

// rig is a cluster of fake nodes on which components come up.
type rig struct {
	provider *fake.Provider
	up       component.Up
	recorder progress.Recorder
}

func newRig(t *testing.T, cfg config.Cluster, answer func(args []string) (string, int, bool)) *rig {
	t.Helper()
	r := &rig{provider: &fake.Provider{Answer: answer}}
	r.up = component.Up{Cluster: componenttest.ClusterOf(t, cfg, r.provider), On: r.recorder.On}
	return r
}

// commands are those that were run on nodes.
func (r *rig) commands() []string {
	var list []string
	for _, c := range r.provider.Calls() {
		if c.Method == "Run" {
			list = append(list, c.Node+": "+strings.Join(c.Args, " "))
		}
	}
	return list
}

// events are those so far: state, step, detail, and for an end its time.
func (r *rig) events() []string {
	var list []string
	for _, e := range r.recorder.Events() {
		line := fmt.Sprintf("%s %s", e.Step, e.State)
		if e.Detail != "" {
			line += ": " + e.Detail
		}
		if e.State != progress.Running {
			line += fmt.Sprintf(" (%s)", e.Elapsed)
		}
		list = append(list, line)
	}
	return list
}

func want(t *testing.T, what string, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s are\n%q; want\n%q", what, got, want)
	}
}

// thing is a component with a file, a manifest and a start.
func thing() component.Component {
	return component.Component{
		Name: "thing",
		Files: func(*cluster.Cluster, provider.Node) ([]provider.File, error) {
			return []provider.File{{Path: "/etc/thing", Data: []byte("x")}}, nil
		},
		Manifest: func(*cluster.Cluster, provider.Node) (provider.File, error) {
			return component.StaticPod("thing", "kind: Pod\n", nil)
		},
		Start: func(ctx context.Context, _ *cluster.Cluster, n provider.Node) error {
			return n.Run(ctx, provider.Cmd{Args: []string{"begin", "thing"}})
		},
	}
}

func yes([]string) (string, int, bool) { return "", 0, true }

func TestUpWritesAndStarts(t *testing.T) {
	t.Parallel()
	const (
		node     = "mkube-control-plane"
		tar      = node + ": tar -C / --no-overwrite-dir -xf -"
		start    = node + ": begin thing"
		file     = "/etc/thing"
		manifest = "/etc/kubernetes/manifests/thing.yaml"
	)
	always := func(component.Component) bool { return true }
	for name, test := range map[string]struct {
		change   func(*component.Up)
		commands []string
		files    []string
	}{
		"nothing is there":       {func(*component.Up) {}, []string{tar, start}, []string{file, manifest}},
		"the files are there":    {func(u *component.Up) { u.Files = true }, []string{tar, start}, []string{manifest}},
		"it has started already": {func(u *component.Up) { u.Files, u.Started = true, always }, nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, config.Cluster{}, yes)
			test.change(&r.up)
			if err := r.up.Do(t.Context(), thing(), func() {}); err != nil {
				t.Fatal(err)
			}
			want(t, "commands", r.commands(), test.commands)
			var files []string
			for _, path := range []string{file, manifest} {
				if _, ok := r.up.Cluster.Nodes[0].(*fake.Node).File(path); ok {
					files = append(files, path)
				}
			}
			want(t, "files", files, test.files)
		})
	}
}

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
				if got := componenttest.Message(r.up.Do(t.Context(), c, func() {})); got != test.want {
					t.Errorf("Do = %s; want %s", got, test.want)
				}
				want(t, "events", r.events(), []string{"thing running", "thing failed: " + test.want + " (0s)"})
			})
		})
	}
}

// waitsFor is a component that says one thing after the other, each for a second,
// and then is ready.
func waitsFor(details ...string) component.Component {
	start := time.Now()
	return component.Component{Name: "slow", Ready: func(context.Context, *cluster.Cluster, provider.Node) error {
		if i := int(time.Since(start) / time.Second); i < len(details) {
			return errors.New(details[i])
		}
		return nil
	}}
}

func TestUpTellsWhatItWaitsFor(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, config.Cluster{}, yes)
		if err := r.up.Do(t.Context(), waitsFor("a", "b", "b", "a"), func() {}); err != nil {
			t.Fatal(err)
		}
		want(t, "events", r.events(), []string{
			"slow running", "slow running: a", "slow running: b", "slow running: a", "slow done (4s)",
		})
	})
}

func TestUpNeedsNoListener(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, config.Cluster{}, yes)
		r.up.On = nil
		if err := r.up.Do(t.Context(), waitsFor("a"), func() {}); err != nil {
			t.Error(err)
		}
	})
}

func TestUpNoWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, config.Cluster{}, yes)
		r.up.NoWait = func(c component.Component) bool { return c.Name == "slow" }
		if err := r.up.Do(t.Context(), waitsFor("a"), func() {}); err != nil {
			t.Fatal(err)
		}
		want(t, "events", r.events(), []string{"slow running", "slow done (0s)"})
	})
}

// TestUpWorksOnAllNodesAtOnce: two nodes that take a second each take one together.
func TestUpWorksOnAllNodesAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, config.Cluster{Nodes: []config.Node{{}, {Role: config.Worker}}}, yes)
		c := thing()
		c.Start = func(context.Context, *cluster.Cluster, provider.Node) error {
			time.Sleep(time.Second)
			return nil
		}
		if err := r.up.Do(t.Context(), c, func() {}); err != nil {
			t.Fatal(err)
		}
		want(t, "events", r.events(), []string{"thing running", "thing done (1s)"})
		c.On = component.ControlPlanes
		if err := r.up.Do(t.Context(), c, func() {}); err != nil {
			t.Fatal(err)
		}
		var nodes []string
		for _, command := range r.commands() {
			node, _, _ := strings.Cut(command, ":")
			nodes = append(nodes, node)
		}
		slices.Sort(nodes)
		want(t, "nodes that were written to", nodes, []string{"mkube-control-plane", "mkube-control-plane", "mkube-worker"})
	})
}

// withLog answers for what reads a log.
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
			never(component.Component{Unit: "thing.service"}), withLog("one\ntwo\n\n", "wrong"),
			"thing on mkube-control-plane: not ready: /readyz answers 500 (gave up after 30s)\nthe end of its log:\none\ntwo",
		},
		"a pod": {
			never(component.Component{}), withLog("wrong", "of a pod\n"),
			"thing on mkube-control-plane: not ready: /readyz answers 500 (gave up after 30s)\nthe end of its log:\nof a pod",
		},
		"no log": {
			never(component.Component{}), func([]string) (string, int, bool) { return "", 1, true },
			"thing on mkube-control-plane: not ready: /readyz answers 500 (gave up after 30s)",
		},
		"a probe that hangs": {
			component.Component{Name: "thing", Ready: func(ctx context.Context, _ *cluster.Cluster, _ provider.Node) error {
				<-ctx.Done()
				return ctx.Err()
			}}, yes,
			"thing on mkube-control-plane: not ready: it was not asked even once (gave up after 30s)",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, config.Cluster{}, test.answer)
				ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
				defer cancel()
				err := r.up.Do(ctx, test.component, func() {})
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

// TestUpSeesACrash: a unit that keeps ending is reported long before the time is up.
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
				c := component.Component{Name: "thing", Unit: test.unit, Ready: func(context.Context, *cluster.Cluster, provider.Node) error {
					if time.Since(start) > 10*time.Second {
						return nil
					}
					return errors.New("connection refused")
				}}
				err := r.up.Do(ctx, c, func() {})
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

// TestUpUnderRun: what only ends because another failed is skipped, not failed.
func TestUpUnderRun(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, config.Cluster{}, yes)
		never := func(context.Context, *cluster.Cluster, provider.Node) error { return errors.New("not yet") }
		g := component.Graph{
			{Name: "waits", Ready: never},
			{Name: "fails", Start: func(context.Context, *cluster.Cluster, provider.Node) error {
				time.Sleep(time.Second)
				return errors.New("no")
			}},
			{Name: "needs", Needs: []string{"waits"}},
		}
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
		if err := r.up.Do(ctx, waitsFor("a", "a", "a"), func() {}); err != context.Canceled {
			t.Errorf("Do = %v; want context.Canceled and no more", err)
		}
		if commands := r.commands(); len(commands) != 0 {
			t.Errorf("it still runs %q", commands)
		}
	})
}

// TestUpDoesNotBlameWhatWasEnded: a component that is ended in the midst of a
// command, whose error then tells of the command, is not the cause.
func TestUpDoesNotBlameWhatWasEnded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, config.Cluster{}, yes)
		r.provider.Programs = map[string]fake.Program{"begin": func(ctx context.Context, _ *fake.Node, _ provider.Cmd) (int, error) {
			<-ctx.Done()
			return 0, ctx.Err()
		}}
		g := component.Graph{
			thing(),
			{Name: "fails", Start: func(context.Context, *cluster.Cluster, provider.Node) error {
				time.Sleep(time.Second)
				return errors.New("no")
			}},
		}
		if got, want := componenttest.Message(g.Run(t.Context(), r.up.Do)), "fails: no"; got != want {
			t.Errorf("Run = %s; want %s", got, want)
		}
	})
}

// TestUpServesBeforeItIsReady: what needs the component may begin once it serves on
// all nodes.
func TestUpServesBeforeItIsReady(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		ready   error
		want    string
		moments []string
	}{
		"well":          {nil, "", []string{"serves on mkube-control-plane", "serves on mkube-worker", "serves", "ready", "ready"}},
		"not yet ready": {errors.New("not yet"), "thing on ", []string{"serves on mkube-control-plane", "serves on mkube-worker", "serves"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, config.Cluster{Nodes: []config.Node{{}, {Role: config.Worker}}}, yes)
				var mu sync.Mutex
				var moments []string
				start := time.Now()
				add := func(what string) {
					mu.Lock()
					defer mu.Unlock()
					moments = append(moments, what)
				}
				c := component.Component{
					Name: "thing",
					Serves: func(_ context.Context, cl *cluster.Cluster, n provider.Node) error {
						if n.Role() == config.Worker && time.Since(start) < time.Second {
							return errors.New("not yet")
						}
						add("serves on " + n.Name())
						return nil
					},
					Ready: func(context.Context, *cluster.Cluster, provider.Node) error {
						if test.ready == nil {
							add("ready")
						}
						return test.ready
					},
				}
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
				defer cancel()
				err := r.up.Do(ctx, c, func() { add("serves") })
				if got := componenttest.Message(err); !strings.HasPrefix(got, test.want) || (test.want == "") != (got == "") {
					t.Errorf("Do = %s; want %s", got, test.want)
				}
				slices.Sort(moments[3:]) // what the nodes do by themselves has no order
				want(t, "moments", moments, test.moments)
			})
		})
	}
}
