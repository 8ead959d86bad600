// Package cluster is a cluster while it is worked on: its configuration, its
// nodes, its keys and its API.
package cluster

import (
	"context"
	"fmt"
	"net/netip"
	"slices"

	"github.com/mkube/mkube/pkg/config"
	"github.com/mkube/mkube/pkg/provider"
)

// APIServerPort is kube-apiserver's port on every control plane.
const APIServerPort = 6443

// Cluster is nodes and what they share. Its methods may be called at once from
// many goroutines.
type Cluster struct {
	Config config.Cluster
	// Nodes are in the order of Config.Nodes.
	Nodes []provider.Node
	PKI   *PKI
	// API speaks to the API server as an administrator. It may be used before the
	// server is up: calls then fail.
	API *API
}

// New is a cluster of nodes that exist, with the keys that it begins with.
func New(cfg config.Cluster, nodes []provider.Node, keys *PKI) *Cluster {
	c := &Cluster{Config: cfg, Nodes: nodes, PKI: keys}
	c.API = &API{cluster: c}
	return c
}

// ControlPlanes are the nodes that run the control plane.
func (c *Cluster) ControlPlanes() []provider.Node { return c.with(config.ControlPlane) }

// AllNodes are all nodes; a method value of it is what a Component's On wants.
func (c *Cluster) AllNodes() []provider.Node { return c.Nodes }

func (c *Cluster) with(role config.Role) []provider.Node {
	var list []provider.Node
	for _, n := range c.Nodes {
		if n.Role() == role {
			list = append(list, n)
		}
	}
	return list
}

// Spec is what the configuration says of a node.
func (c *Cluster) Spec(n provider.Node) config.Node {
	return c.Config.Nodes[c.index(n)]
}

// PodCIDR is the part of the pod network that a node's pods live in.
func (c *Cluster) PodCIDR(n provider.Node) netip.Prefix {
	return c.Config.PodCIDR(c.index(n))
}

func (c *Cluster) index(n provider.Node) int {
	return slices.IndexFunc(c.Nodes, func(other provider.Node) bool { return other.Name() == n.Name() })
}

// Server is the API server's URL for components on a node: the node's own, where it
// has one.
func (c *Cluster) Server(n provider.Node) string {
	if n.Role() != config.ControlPlane {
		n = c.ControlPlanes()[0]
	}
	return "https://" + netip.AddrPortFrom(n.IP(), APIServerPort).String()
}

// ExternalServer is the API server's URL for the host.
func (c *Cluster) ExternalServer(ctx context.Context) (string, error) {
	planes := c.ControlPlanes()
	if len(planes) == 0 {
		return "", fmt.Errorf("cluster %s has no control plane", c.Config.Name)
	}
	endpoint, err := planes[0].Endpoint(ctx, APIServerPort)
	if err != nil {
		return "", err
	}
	return "https://" + endpoint, nil
}
