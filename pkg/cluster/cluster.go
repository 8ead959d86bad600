// Package cluster is a cluster while it is worked on: its configuration, its
// nodes, its keys and its API.
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

// Cluster is nodes and what they share. Its methods may be called at once from
// many goroutines.
type Cluster struct {
	Config config.Cluster
	// Nodes are those that there are, in the order of Config.Nodes.
	Nodes []provider.Node
	// Strays are nodes that carry the cluster's name and have not joined it: what a
	// command that was killed has left. No component is looked for on them.
	Strays []provider.Node
	// Gone are the names of nodes that have joined it and that there are no more: what a
	// delete that was killed has left, or somebody who used the engine.
	Gone []string
	PKI  *PKI
	// Joining is the name of the node that comes into a cluster that is up already, ""
	// where all nodes begin together.
	Joining string
	// Stage is the last component that is meant to be there, "" for all: see
	// bootstrap.Next.
	Stage string
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

// KubernetesNodes are the nodes that run a kubelet: all but the load balancer.
func (c *Cluster) KubernetesNodes() []provider.Node { return KubernetesNodes(c.Nodes) }

// KubernetesNodes are those of a list that run a kubelet.
func KubernetesNodes(nodes []provider.Node) []provider.Node {
	return slices.DeleteFunc(slices.Clone(nodes), func(n provider.Node) bool { return n.Role() == config.LoadBalancer })
}

// LoadBalancer is the node that leads to all API servers, nil where there is none.
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

// Node is the node of a name, nil if there is none.
func (c *Cluster) Node(name string) provider.Node {
	for _, n := range c.Nodes {
		if n.Name() == name {
			return n
		}
	}
	return nil
}

// Spec is what the configuration says of a node, nothing for one that is not in it.
func (c *Cluster) Spec(n provider.Node) config.Node {
	if i := c.index(n); i >= 0 {
		return c.Config.Nodes[i]
	}
	return config.Node{}
}

// PodCIDRs are the parts of the pod network that a node's pods live in, one of each
// family that the cluster has. A node that is not in the configuration has none.
func (c *Cluster) PodCIDRs(n provider.Node) []netip.Prefix {
	if i := c.index(n); i >= 0 {
		return c.Config.PodCIDRs(i)
	}
	return nil
}

func (c *Cluster) index(n provider.Node) int {
	return slices.Index(c.Config.NodeNames(), n.Name())
}

// Server is the API server's URL for components on a node: the node's own, where it
// has one.
func (c *Cluster) Server(n provider.Node) string {
	if n.Role() != config.ControlPlane {
		n = Entrance(c.Nodes)
	}
	return "https://" + netip.AddrPortFrom(n.IP(), names.APIServerPort).String()
}

// HostPort is where a server listens.
type HostPort struct{ Host, Port string }

// ServerOfPods is where the pods of the system reach the API server. Its Service leads there
// too, but only once kube-proxy has written the rules, if there is one: a pod that asked a moment
// before would ask again a second later.
func (c *Cluster) ServerOfPods() HostPort {
	return HostPort{Entrance(c.Nodes).IP().String(), fmt.Sprint(names.APIServerPort)}
}

// Entrance is the node through which the API is reached from outside: the load
// balancer, or the first control plane where there is none. It is nil for no nodes.
func Entrance(nodes []provider.Node) provider.Node {
	var entrance provider.Node
	for _, n := range nodes {
		if n.Role() == config.LoadBalancer || n.Role() == config.ControlPlane && entrance == nil {
			entrance = n
		}
	}
	return entrance
}

// ServerName is a name that the certificate of every API server has.
const ServerName = "kubernetes"

// External is where the host reaches the API server.
type External struct {
	// URL has the address at which the provider publishes the port.
	URL string
	// TLSServerName is the name to check the certificate against. "" means URL's host.
	TLSServerName string
}

// ExternalServer is the API server for the host.
func (c *Cluster) ExternalServer(ctx context.Context) (External, error) {
	entrance := Entrance(c.Nodes)
	if entrance == nil {
		return External{}, fmt.Errorf("cluster %s has no control plane", c.Config.Name)
	}
	return ExternalAt(ctx, entrance, c.Config.Networking)
}

// ExternalAt is the API server for the host, by the node that is its entrance. An engine
// that is reached by another name than when the cluster was made is one that the
// certificate does not have.
func ExternalAt(ctx context.Context, entrance provider.Node, n config.Networking) (External, error) {
	endpoint, err := entrance.Endpoint(ctx, names.APIServerPort)
	if err != nil {
		return External{}, err
	}
	external := External{URL: "https://" + endpoint}
	host, _, err := net.SplitHostPort(endpoint)
	if err != nil {
		return External{}, fmt.Errorf("the endpoint %q of %s: %w", endpoint, entrance.Name(), err)
	}
	if slices.Contains(n.APIServerHosts(), host) || host == entrance.Name() {
		return external, nil
	}
	if !slices.ContainsFunc(entrance.IPs(), func(ip netip.Addr) bool { return ip.String() == host }) {
		external.TLSServerName = ServerName
	}
	return external, nil
}
