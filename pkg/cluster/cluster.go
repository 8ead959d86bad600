// Package cluster represents a cluster for one command: its configuration, its nodes, its keys and
// its API.
package cluster

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"

	"github.com/mkube/mkube/pkg/config"
	"github.com/mkube/mkube/pkg/names"
	"github.com/mkube/mkube/pkg/provider"
)

// Cluster is nodes and what they share. Its methods are safe for concurrent use.
type Cluster struct {
	Config config.Cluster
	// Nodes are the existing nodes, in the order of Config.Nodes.
	Nodes []provider.Node
	// Strays are nodes with the cluster's name that have not joined it: a killed command has left
	// them. mkube expects no components on them.
	Strays []provider.Node
	// Gone are the names of nodes that have joined the cluster, but do not exist any more: a killed
	// delete has left them, or a user has removed them with the engine.
	Gone []string
	PKI  *PKI
	// Joining is the name of the node that is added to a running cluster, "" if all nodes start
	// together.
	Joining string
	// Stage is the last component that the cluster is meant to have, "" for all: see stages.Next.
	Stage string
	// API accesses the API server as an administrator. It may be used before the server runs: calls
	// then fail.
	API *API
}

// New returns a cluster of existing nodes with its keys. The errors of keys name the cluster.
func New(cfg config.Cluster, nodes []provider.Node, keys *PKI) *Cluster {
	if keys != nil {
		keys.name = cfg.Name
	}
	c := &Cluster{Config: cfg, Nodes: nodes, PKI: keys}
	c.API = &API{cluster: c}
	return c
}

// ControlPlanes returns the nodes that run the control plane.
func (c *Cluster) ControlPlanes() []provider.Node { return c.with(config.ControlPlane) }

// KubernetesNodes returns the nodes that run a kubelet: all but the load balancer.
func (c *Cluster) KubernetesNodes() []provider.Node { return KubernetesNodes(c.Nodes) }

// KubernetesNodes returns the nodes of a list that run a kubelet.
func KubernetesNodes(nodes []provider.Node) []provider.Node {
	return slices.DeleteFunc(slices.Clone(nodes), func(n provider.Node) bool { return n.Role() == config.LoadBalancer })
}

// LoadBalancer returns the node that forwards to all API servers, nil if there is none.
func (c *Cluster) LoadBalancer() provider.Node {
	if list := c.with(config.LoadBalancer); len(list) > 0 {
		return list[0]
	}
	return nil
}

func (c *Cluster) with(role config.Role) []provider.Node {
	var list []provider.Node
	for _, n := range c.Nodes {
		if n.Role() == role {
			list = append(list, n)
		}
	}
	return list
}

// Node returns the node with a name, nil if there is none.
func (c *Cluster) Node(name string) provider.Node {
	for _, n := range c.Nodes {
		if n.Name() == name {
			return n
		}
	}
	return nil
}

// Spec returns the configuration of a node, the zero Node if the configuration does not contain it.
func (c *Cluster) Spec(n provider.Node) config.Node {
	if i := c.index(n); i >= 0 {
		return c.Config.Nodes[i]
	}
	return config.Node{}
}

// PodCIDRs returns the parts of the pod network for a node's pods, one of each family of the
// cluster. If the configuration does not contain the node, it has none.
func (c *Cluster) PodCIDRs(n provider.Node) []netip.Prefix {
	if i := c.index(n); i >= 0 {
		return c.Config.PodCIDRs(i)
	}
	return nil
}

func (c *Cluster) index(n provider.Node) int {
	return slices.Index(c.Config.NodeNames(), n.Name())
}

// Server returns the URL of the API server for components on a node: the node's own server if it
// has one, otherwise that of the entrance.
func (c *Cluster) Server(n provider.Node) string {
	if n.Role() != config.ControlPlane {
		n = Entrance(c.Nodes)
	}
	return "https://" + netip.AddrPortFrom(n.IP(), names.APIServerPort).String()
}

// HostPort is the address of a server.
type HostPort struct{ Host, Port string }

// ServerOfPods returns the address of the API server for the pods of the system. They do not use
// its Service, because that works only when kube-proxy, if the cluster has one, has written the
// rules. A pod that tried a moment earlier would try again only a second later.
func (c *Cluster) ServerOfPods() HostPort {
	return HostPort{Entrance(c.Nodes).IP().String(), fmt.Sprint(names.APIServerPort)}
}

// Entrance returns the node through which clients outside the cluster reach the API: the load
// balancer, or the first control plane if there is none. It returns nil if there is neither.
func Entrance(nodes []provider.Node) provider.Node {
	var entrance provider.Node
	for _, n := range nodes {
		if n.Role() == config.LoadBalancer || n.Role() == config.ControlPlane && entrance == nil {
			entrance = n
		}
	}
	return entrance
}

// ServerName is a name in the certificate of every API server.
const ServerName = "kubernetes"

// External is the access of the host to the API server.
type External struct {
	// URL contains the address at which the provider publishes the port.
	URL string
	// TLSServerName is the name that the certificate must contain. If empty, it is the host of URL.
	TLSServerName string
}

// ExternalServer returns the access of the host to the API server, through the entrance of the
// cluster. If the name or address of the engine has changed since the cluster was created, the
// certificate does not contain it, so the certificate is checked against ServerName.
func (c *Cluster) ExternalServer(ctx context.Context) (External, error) {
	entrance := Entrance(c.Nodes)
	if entrance == nil {
		return External{}, fmt.Errorf("cluster %s has no control plane", c.Config.Name)
	}
	endpoint, err := entrance.Endpoint(ctx, names.APIServerPort)
	if err != nil {
		return External{}, err
	}
	external := External{URL: "https://" + endpoint}
	host, _, err := net.SplitHostPort(endpoint)
	if err != nil {
		return External{}, fmt.Errorf("the endpoint %q of %s: %w", endpoint, entrance.Name(), err)
	}
	if slices.Contains(c.Config.Networking.APIServerHosts(), host) || host == entrance.Name() {
		return external, nil
	}
	if !slices.ContainsFunc(entrance.IPs(), func(ip netip.Addr) bool { return ip.String() == host }) {
		external.TLSServerName = ServerName
	}
	return external, nil
}
