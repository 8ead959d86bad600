package component_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/mkube/mkube/internal/testing/componenttest"
	"github.com/mkube/mkube/internal/testing/fake"
	"github.com/mkube/mkube/pkg/cluster"
	"github.com/mkube/mkube/pkg/component"
	"github.com/mkube/mkube/pkg/config"
	"github.com/mkube/mkube/pkg/progress"
	"github.com/mkube/mkube/pkg/provider"
)

// rig is a cluster of fake nodes, on which a test brings components up.
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

// commands returns the commands that were run on nodes.
func (r *rig) commands() []string {
	var list []string
	for _, c := range r.provider.Calls() {
		if c.Method == "Run" {
			list = append(list, c.Node+": "+strings.Join(c.Args, " "))
		}
	}
	return list
}

// events returns the events so far: step, state and detail, and the duration if the step has
// ended.
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

// thing returns a component with a file, a manifest and a Start.
func thing() component.Component {
	return component.Component{
		About: component.About{
			Name: "thing",
		},
		Content: component.Content{
			Files: func(*cluster.Cluster, provider.Node) ([]provider.File, error) {
				return []provider.File{{Path: "/etc/thing", Data: []byte("x")}}, nil
			},
			Manifest: func(c *cluster.Cluster, n provider.Node) (provider.File, error) {
				return component.StaticPod(c, n, "thing", "kind: Pod\n", nil)
			},
		},
		Lifecycle: component.Lifecycle{
			Start: func(ctx context.Context, _ *cluster.Cluster, n provider.Node) error {
				return n.Run(ctx, provider.Cmd{Args: []string{"begin", "thing"}})
			},
		},
	}
}

func yes([]string) (string, int, bool) { return "", 0, true }
