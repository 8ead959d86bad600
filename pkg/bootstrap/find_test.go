package bootstrap

import (
	"context"
	"errors"
	"io"
	"net/netip"
	"strings"
	"testing"

	"github.com/mkube/mkube/pkg/config"
	"github.com/mkube/mkube/pkg/provider"
)

// clusters is a provider of clusters that are there already.
type clusters struct {
	provider.Provider // what no test needs
	nodes             map[string][]provider.Node
	names             []string
	err               error
}

func (c clusters) Clusters(context.Context) ([]string, error) { return c.names, c.err }

func (c clusters) Nodes(_ context.Context, name string) ([]provider.Node, error) {
	return c.nodes[name], nil
}

// scripted is a node whose commands are a function.
type scripted struct {
	provider.Node // what no test needs
	name          string
	role          config.Role
	run           func(context.Context, provider.Cmd) error
}

func (n scripted) Name() string      { return n.name }
func (n scripted) Role() config.Role { return n.role }
func (n scripted) IP() netip.Addr    { return netip.MustParseAddr("10.89.0.2") }

func (n scripted) Run(ctx context.Context, cmd provider.Cmd) error { return n.run(ctx, cmd) }

func (n scripted) Logs(_ context.Context, w io.Writer) error {
	_, err := io.WriteString(w, "console")
	return err
}

// prints is a node's command that prints.
func prints(text string) func(context.Context, provider.Cmd) error {
	return func(_ context.Context, cmd provider.Cmd) error {
		_, err := io.WriteString(cmd.Stdout, text)
		return err
	}
}

// breaks is a node's command that fails.
func breaks(err error) func(context.Context, provider.Cmd) error {
	return func(context.Context, provider.Cmd) error { return err }
}

func TestNodes(t *testing.T) {
	t.Parallel()
	node := scripted{name: "blue-control-plane", role: config.ControlPlane}
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
	if want := `cluster "green" does not exist: mkube create cluster --name green makes it; there are: blue, red`; err.Error() != want {
		t.Errorf("got %q, want %q", err, want)
	}
	_, err = Nodes(t.Context(), clusters{}, "green")
	if err == nil || !strings.HasSuffix(err.Error(), "; there is no other cluster") {
		t.Errorf("got %v", err)
	}
	down := errors.New("down")
	if _, err := Nodes(t.Context(), clusters{err: down}, "green"); err != down {
		t.Errorf("got %v", err)
	}
}

func TestControlPlane(t *testing.T) {
	t.Parallel()
	worker, control := scripted{name: "w", role: config.Worker}, scripted{name: "c", role: config.ControlPlane}
	n, err := ControlPlane(t.Context(), []provider.Node{worker, control})
	if err != nil || n.Name() != "c" {
		t.Errorf("got %v, %v", n, err)
	}
	if n, err := ControlPlane(t.Context(), []provider.Node{worker}); err == nil {
		t.Errorf("got %v of a worker alone", n)
	}
}
