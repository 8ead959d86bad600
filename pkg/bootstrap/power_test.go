package bootstrap_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/mkube/mkube/internal/testing/fake"
	"github.com/mkube/mkube/pkg/bootstrap"
	"github.com/mkube/mkube/pkg/config"
	"github.com/mkube/mkube/pkg/progress"
	"github.com/mkube/mkube/pkg/provider"
	"github.com/mkube/mkube/pkg/state"
)

// TestStart checks that Start waits for every component, writes no file and starts nothing but the
// nodes.
func TestStart(t *testing.T) {
	t.Parallel()
	r := up(t, workers)
	if err := bootstrap.Stop(t.Context(), r, "mkube"); err != nil {
		t.Fatal(err)
	}
	var recorder progress.Recorder
	before := len(r.Calls())
	if err := bootstrap.Start(t.Context(), r, "mkube", bootstrap.Options{Wait: time.Minute, On: recorder.On}); err != nil {
		t.Fatal(err)
	}
	ends := map[string]progress.State{}
	for _, e := range recorder.Events() {
		ends[e.Step] = e.State
	}
	for _, name := range append(bootstrap.Components(config.Cluster{}.Default()).Names(), "nodes") {
		if ends[name] != progress.Done {
			t.Errorf("%s is %q", name, ends[name])
		}
	}
	for _, c := range r.Calls()[before:] {
		if c.Method == "Run" && slices.Contains(c.Args, "-xf") {
			t.Errorf("a file was written on %s", c.Node)
		}
	}
	if i := slices.IndexFunc(r.Calls(), func(c fake.Call) bool { return c.Method == "Stop" }); i < 0 || i >= before {
		t.Error("the provider was not asked to stop")
	}
}

// TestStartWithAStray checks that Start does not start a node that a killed AddNode left.
func TestStartWithAStray(t *testing.T) {
	t.Parallel()
	r := up(t, workers)
	c, err := state.Open(t.Context(), r, "mkube")
	if err != nil {
		t.Fatal(err)
	}
	cfg := c.Config
	cfg.Nodes = append(slices.Clone(cfg.Nodes), config.Node{Role: config.Worker})
	stray, err := r.Add(t.Context(), cfg.Default(), len(cfg.Nodes)-1, "killed", func([]provider.Node) (map[string][]provider.File, error) { return nil, nil })
	if err != nil {
		t.Fatal(err)
	}
	if err := bootstrap.Stop(t.Context(), r, "mkube"); err != nil {
		t.Fatal(err)
	}
	if err := bootstrap.Start(t.Context(), r, "mkube", bootstrap.Options{Wait: time.Minute}); err != nil {
		t.Error(err)
	}
	cat := provider.Cmd{Args: []string{"cat"}}
	if err := stray.Run(t.Context(), cat); !errors.Is(err, provider.ErrNotRunning) {
		t.Errorf("a command on the stray ends with %v; want that it does not run", err)
	}
	for _, n := range c.Nodes {
		if err := n.Run(t.Context(), cat); err != nil {
			t.Error(err)
		}
	}
}

// TestStartAfterAKilledStop checks that nodes that stop while Start waits for them are started
// again.
func TestStartAfterAKilledStop(t *testing.T) {
	t.Parallel()
	r := up(t, workers)
	var once sync.Once
	on := func(e progress.Event) {
		if e.Step == "etcd" && e.State == progress.Running {
			once.Do(func() {
				if err := r.Stop(context.Background(), "mkube"); err != nil {
					t.Error(err)
				}
			})
		}
	}
	if err := bootstrap.Start(t.Context(), r, "mkube", bootstrap.Options{Wait: time.Minute, On: on}); err != nil {
		t.Fatal(err)
	}
	starts := 0
	for _, c := range r.Calls() {
		if c.Method == "Start" {
			starts++
		}
	}
	if starts < 3 { // the first control plane, then all nodes, then again
		t.Errorf("the provider was asked to start nodes %d times", starts)
	}
}

func TestStartOfNothing(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	want := `cluster "red" does not exist: mkube create cluster --name red creates it; no other cluster exists`
	for verb, err := range map[string]error{
		"Stop": bootstrap.Stop(t.Context(), r, "red"), "Start": bootstrap.Start(t.Context(), r, "red", bootstrap.Options{}),
	} {
		if fmt.Sprint(err) != want || !errors.As(err, new(*state.NotFoundError)) {
			t.Errorf("%s = %v", verb, err)
		}
	}
}

// unable implements only the required methods of a provider.
type unable struct{ provider.Provider }

func TestStopWhatCannot(t *testing.T) {
	t.Parallel()
	r := up(t, config.Cluster{})
	for err, want := range map[error]string{
		bootstrap.Stop(t.Context(), unable{r}, "mkube"):                       "this provider cannot stop nodes",
		bootstrap.Start(t.Context(), unable{r}, "mkube", bootstrap.Options{}): "this provider cannot start nodes",
	} {
		if fmt.Sprint(err) != want {
			t.Errorf("got %v; want %s", err, want)
		}
	}
}
