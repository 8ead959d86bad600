package config

import (
	"cmp"
	"slices"
)

// Loopback is the address at which a local engine publishes ports by default.
const Loopback = "127.0.0.1"

// PublishedAt returns the cluster with this address for every published port of the host that has
// no address. Default does not set these addresses, because they depend on the place of the nodes.
func (c Cluster) PublishedAt(address string) Cluster {
	c.Networking.APIServerAddress = cmp.Or(c.Networking.APIServerAddress, address)
	c.Nodes = slices.Clone(c.Nodes)
	for i := range c.Nodes {
		mappings := slices.Clone(c.Nodes[i].ExtraPortMappings)
		for j := range mappings {
			mappings[j].ListenAddress = cmp.Or(mappings[j].ListenAddress, address)
		}
		c.Nodes[i].ExtraPortMappings = mappings
	}
	return c
}

// APIServerHosts returns the names and addresses of the host, and of everything else that forwards
// to it, with which clients reach the API server. The certificate of the API server contains them
// besides the cluster's own.
func (n Networking) APIServerHosts() []string {
	hosts := []string{"localhost", Loopback, "::1"}
	for _, host := range append([]string{n.APIServerAddress}, n.APIServerCertSANs...) {
		if host != "" && !slices.Contains(hosts, host) {
			hosts = append(hosts, host)
		}
	}
	return hosts
}
