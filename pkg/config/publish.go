package config

import (
	"cmp"
	"slices"
)

// Loopback is the address at which a local engine publishes ports by default.
const Loopback = "127.0.0.1"

// PublishedAt is the cluster with an address for every port that is published on the host
// and has none. Default leaves them out: which address is right depends on where the
// nodes will be.
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

// APIServerHosts are the names and addresses of the host, and of whatever else leads
// there, by which clients reach the API server: those that its certificate has beside the
// cluster's own.
func (n Networking) APIServerHosts() []string {
	hosts := []string{"localhost", Loopback, "::1"}
	for _, host := range append([]string{n.APIServerAddress}, n.APIServerCertSANs...) {
		if host != "" && !slices.Contains(hosts, host) {
			hosts = append(hosts, host)
		}
	}
	return hosts
}
