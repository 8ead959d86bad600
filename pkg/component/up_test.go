package component_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
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
			if err := r.up.Do(t.Context(), thing(), component.Signals{}); err != nil {
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

// waitsFor returns a component that reports one detail after the other, each for a second, and
// then is ready.
func waitsFor(details ...string) component.Component {
	start := time.Now()
	return component.Component{
		About: component.About{
			Name: "slow",
		},
		Lifecycle: component.Lifecycle{
			Ready: func(context.Context, *cluster.Cluster, provider.Node) error {
				if i := int(time.Since(start) / time.Second); i < len(details) {
					return errors.New(details[i])
				}
				return nil
			},
		},
	}
}

func TestUpTellsWhatItWaitsFor(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, config.Cluster{}, yes)
		if err := r.up.Do(t.Context(), waitsFor("a", "b", "b", "a"), component.Signals{}); err != nil {
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
		if err := r.up.Do(t.Context(), waitsFor("a"), component.Signals{}); err != nil {
			t.Error(err)
		}
	})
}

func TestUpNoWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, config.Cluster{}, yes)
		r.up.NoWait = func(c component.Component) bool { return c.Name == "slow" }
		if err := r.up.Do(t.Context(), waitsFor("a"), component.Signals{}); err != nil {
			t.Fatal(err)
		}
		want(t, "events", r.events(), []string{"slow running", "slow done (0s)"})
	})
}

// TestUpWorksOnAllNodesAtOnce checks that two nodes that take a second each take one second
// together.
func TestUpWorksOnAllNodesAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, config.Cluster{Nodes: []config.Node{{}, {Role: config.Worker}}}, yes)
		c := thing()
		c.Start = func(context.Context, *cluster.Cluster, provider.Node) error {
			time.Sleep(time.Second)
			return nil
		}
		if err := r.up.Do(t.Context(), c, component.Signals{}); err != nil {
			t.Fatal(err)
		}
		want(t, "events", r.events(), []string{"thing running", "thing done (1s)"})
		c.On = component.ControlPlanes
		if err := r.up.Do(t.Context(), c, component.Signals{}); err != nil {
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

// TestUpServesBeforeItIsReady checks that dependents can start once the component serves on all
// nodes.
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
					About: component.About{
						Name: "thing",
					},
					Lifecycle: component.Lifecycle{
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
					},
				}
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
				defer cancel()
				err := r.up.Do(ctx, c, component.Signals{Serves: func() { add("serves") }})
				if got := componenttest.Message(err); !strings.HasPrefix(got, test.want) || (test.want == "") != (got == "") {
					t.Errorf("Do = %s; want %s", got, test.want)
				}
				slices.Sort(moments[3:]) // the events of different nodes have no order
				want(t, "moments", moments, test.moments)
			})
		})
	}
}
