package state

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/mkube/mkube/pkg/config"
	"github.com/mkube/mkube/pkg/provider"
)

// NotFoundError is the error for a cluster that does not exist.
type NotFoundError struct {
	Name string
	// Existing lists the names of the existing clusters.
	Existing []string
}

func (e *NotFoundError) Error() string {
	there := "no other cluster exists"
	if len(e.Existing) > 0 {
		there = "existing clusters: " + strings.Join(e.Existing, ", ")
	}
	return fmt.Sprintf("cluster %q does not exist: mkube create cluster --name %s creates it; %s", e.Name, e.Name, there)
}

// Nodes returns the nodes of a cluster, control planes first, and at least one. If there is none,
// the error is a *NotFoundError.
func Nodes(ctx context.Context, p provider.Provider, name string) ([]provider.Node, error) {
	nodes, err := p.Nodes(ctx, name)
	if err != nil || len(nodes) > 0 {
		return nodes, err
	}
	existing, err := p.Clusters(ctx)
	if err != nil {
		return nil, err
	}
	return nil, &NotFoundError{Name: name, Existing: existing}
}

// ControlPlane returns the first control plane that runs among a cluster's nodes. If there is only
// one, ControlPlane does not check that it runs, because the next command on it reports that.
func ControlPlane(ctx context.Context, nodes []provider.Node) (provider.Node, error) {
	var planes []provider.Node
	for _, n := range nodes {
		if n.Role() == config.ControlPlane {
			planes = append(planes, n)
		}
	}
	if len(planes) == 0 {
		return nil, NoControlPlane(nodes)
	}
	if len(planes) == 1 {
		return planes[0], nil
	}
	var errs []error
	for _, n := range planes {
		_, err := provider.Output(ctx, n, "true")
		if err == nil {
			return n, nil
		}
		errs = append(errs, err)
	}
	return nil, errors.Join(errs...)
}

// NoControlPlane returns the error for nodes of which none is a control plane.
func NoControlPlane(nodes []provider.Node) error {
	return fmt.Errorf("none of the cluster's %d nodes is a control plane: delete the cluster and create it again", len(nodes))
}
