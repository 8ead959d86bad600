package fault

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

// TestAll checks that each fault has a unique name, an existing component, and hints that lead
// to its cause.
func TestAll(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	var g component.Graph
	for _, f := range all() {
		if f.Name == "" || seen[f.Name] || f.Component == "" || f.causes == nil || f.check == nil {
			t.Errorf("fault %q of %q is not complete, or is there twice", f.Name, f.Component)
		}
		seen[f.Name] = true
		if !strings.HasSuffix(f.Symptom, ".") || len(f.Hints) < 2 {
			t.Errorf("fault %s is noticed as %q, and has %d hints", f.Name, f.Symptom, len(f.Hints))
		}
		if strings.Contains(f.Symptom, f.Component) {
			t.Errorf("the symptom of %s names its component, %s", f.Name, f.Component)
		}
		g = append(g, component.Component{About: component.About{Name: f.Component}})
	}
	if len(seen) < 12 {
		t.Errorf("there are only %d faults", len(seen))
	}
	if got := In(g); len(got) != len(seen) {
		t.Errorf("a cluster of all components can have %d faults of %d", len(got), len(seen))
	}
	if got := Names(In(component.Graph{{About: component.About{Name: "etcd"}}})); strings.Join(got, " ") != "etcd-full" {
		t.Errorf("a cluster of etcd alone can have %q", got)
	}
}

// TestInstances checks on which nodes a fault can be, and that Named finds each instance.
func TestInstances(t *testing.T) {
	t.Parallel()
	c := componenttest.ClusterOf(t, config.Cluster{Nodes: []config.Node{{}, {}, {Role: config.Worker}}}, &fake.Provider{})
	g := component.Graph{
		{About: component.About{Name: "kubelet"}},
		{About: component.About{Name: "coredns"}},
		{About: component.About{Name: "etcd"}, Content: component.Content{On: component.ControlPlanes}},
	}
	var got []string
	list := Instances(c, g)
	for _, i := range list {
		got = append(got, i.String())
		if same, ok := Named(list, i.String()); !ok || same.String() != i.String() {
			t.Errorf("%s is found as %s", i, same)
		}
	}
	want := "kubelet-stopped mkube-control-plane, kubelet-stopped mkube-control-plane2, kubelet-stopped mkube-worker, " +
		"kubelet-misconfigured mkube-control-plane, kubelet-misconfigured mkube-control-plane2, kubelet-misconfigured mkube-worker, " +
		"etcd-full mkube-control-plane, etcd-full mkube-control-plane2, dns-knows-another-domain, dns-has-no-pods"
	if text := strings.Join(got, ", "); text != want {
		t.Errorf("Instances = %s\nwant %s", text, want)
	}
	// Older releases noted a fault without its node.
	if i, ok := Named(list, "kubelet-stopped"); !ok || i.Node() != "mkube-control-plane" {
		t.Errorf("kubelet-stopped is found as %s", i)
	}
	if i, ok := Named(list, "kubelet-stopped mkube-worker2"); ok {
		t.Errorf("a fault on a node that does not exist is found as %s", i)
	}
}

// TestReady checks that a container that does not run is an error. If the runtime does not
// answer, that is another fault, and is ignored.
func TestReady(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		stdout string
		code   int
		answer error
		want   string
	}{
		"it runs and answers":      {"abc\n", 0, nil, ""},
		"it runs without answer":   {"abc\n", 0, errors.New("no answer"), "no answer"},
		"it does not run":          {"", 0, nil, "no container of thing runs on mkube-control-plane"},
		"the runtime is not there": {"", 1, nil, ""},
		"nor is the answer":        {"", 1, errors.New("no answer"), "no answer"},
	} {
		p := &fake.Provider{Answer: func([]string) (string, int, bool) { return test.stdout, test.code, true }}
		c := componenttest.ClusterOf(t, config.Cluster{}, p)
		thing := component.Component{
			About: component.About{
				Name: "thing",
			},
			Content: component.Content{
				Manifest: func(*cluster.Cluster, provider.Node) (provider.File, error) { return provider.File{}, nil },
			},
			Lifecycle: component.Lifecycle{
				Ready: func(context.Context, *cluster.Cluster, provider.Node) error { return test.answer },
			},
		}
		err := ready(t.Context(), env{Cluster: c, component: thing, node: c.Nodes[0]})
		if got := componenttest.Message(err); got != test.want {
			t.Errorf("%s: ready = %q; want %q", name, got, test.want)
		}
	}
}

// TestBroken checks that a check that fails for a moment, or times out once, is not a fault.
func TestBroken(t *testing.T) {
	t.Parallel()
	no := errors.New("not well")
	slow := func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
	for name, test := range map[string]struct {
		looks []func(context.Context) error // the last one is used for all further checks
		want  error
		took  time.Duration
	}{
		"well":             {[]func(context.Context) error{func(context.Context) error { return nil }}, nil, 0},
		"not well":         {[]func(context.Context) error{func(context.Context) error { return no }}, no, 9 * time.Second},
		"well in a moment": {[]func(context.Context) error{func(context.Context) error { return no }, func(context.Context) error { return nil }}, nil, time.Second},
		"slow once":        {[]func(context.Context) error{slow, func(context.Context) error { return nil }}, nil, checkLimit + time.Second},
		"slow, then not":   {[]func(context.Context) error{slow, func(context.Context) error { return no }}, no, checkLimit + time.Second},
		"never an answer":  {[]func(context.Context) error{slow}, context.DeadlineExceeded, 2*checkLimit + time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				n, start := 0, time.Now()
				f := Fault{check: func(ctx context.Context, _ env) error {
					look := test.looks[min(n, len(test.looks)-1)]
					n++
					return look(ctx)
				}}
				if err := (Instance{Fault: f}).Broken(t.Context()); !errors.Is(err, test.want) || time.Since(start) != test.took {
					t.Errorf("Broken = %v after %s; want %v after %s", err, time.Since(start), test.want, test.took)
				}
			})
		})
	}
}
