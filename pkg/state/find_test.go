package state

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/mkube/mkube/internal/testing/fake"
	"github.com/mkube/mkube/pkg/config"
	"github.com/mkube/mkube/pkg/provider"
)

// clusters is a provider of existing clusters.
type clusters struct {
	provider.Provider // nil, because no test calls its other methods
	nodes             map[string][]provider.Node
	names             []string
	err               error
}

func (c clusters) Clusters(context.Context) ([]string, error) { return c.names, c.err }

func (c clusters) Nodes(_ context.Context, name string) ([]provider.Node, error) {
	return c.nodes[name], nil
}

func TestNodes(t *testing.T) {
	t.Parallel()
	node := fake.Scripted{NodeName: "blue-control-plane", NodeRole: config.ControlPlane}
	p := clusters{nodes: map[string][]provider.Node{"blue": {node}}, names: []string{"blue", "red"}}
	nodes, err := Nodes(t.Context(), p, "blue")
	if err != nil || len(nodes) != 1 || nodes[0].Name() != "blue-control-plane" {
		t.Errorf("got %v, %v", nodes, err)
	}
	_, err = Nodes(t.Context(), p, "green")
	var missing *NotFoundError
	if !errors.As(err, &missing) || missing.Name != "green" {
		t.Fatalf("got %v", err)
	}
	if want := `cluster "green" does not exist: mkube create cluster --name green creates it; existing clusters: blue, red`; err.Error() != want {
		t.Errorf("got %q, want %q", err, want)
	}
	_, err = Nodes(t.Context(), clusters{}, "green")
	if err == nil || !strings.HasSuffix(err.Error(), "; no other cluster exists") {
		t.Errorf("got %v", err)
	}
	down := errors.New("down")
	if _, err := Nodes(t.Context(), clusters{err: down}, "green"); err != down {
		t.Errorf("got %v", err)
	}
}

func TestControlPlane(t *testing.T) {
	t.Parallel()
	worker, control := fake.Scripted{NodeName: "w", NodeRole: config.Worker}, fake.Scripted{NodeName: "c", NodeRole: config.ControlPlane}
	n, err := ControlPlane(t.Context(), []provider.Node{worker, control})
	if err != nil || n.Name() != "c" {
		t.Errorf("got %v, %v", n, err)
	}
	if n, err := ControlPlane(t.Context(), []provider.Node{worker}); err == nil {
		t.Errorf("got %v of a worker alone", n)
	}
}
