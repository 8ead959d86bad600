package config

import (
	"fmt"
	"path"
	"slices"

	"github.com/mkube/mkube/pkg/names"
)

// Warnings returns what is allowed in a cluster that is valid and defaulted, but probably not
// intended: a line each, nil if there is nothing.
func (c Cluster) Warnings() []string {
	var list []string
	if n := c.Count(ControlPlane); n > 0 && n%2 == 0 {
		list = append(list, fmt.Sprintf("%d control planes are an even number: etcd survives the loss of %d of them, as it does with %d", n, (n-1)/2, n-1))
	}
	for i, n := range c.Nodes {
		if slices.Contains(c.Addons, names.MetricsServer) && n.Role != LoadBalancer && c.RequestsServing(n) {
			list = append(list, fmt.Sprintf("nodes[%d] requests its serving certificate: metrics-server is ready only after somebody has approved the request, see mkube kubectl --name %s -- get csr", i, c.Name))
		}
		for j, mount := range n.ExtraMounts {
			if path.Clean(mount.ContainerPath) == "/var/lib/etcd" {
				list = append(list, fmt.Sprintf("nodes[%d].extraMounts[%d] keeps etcd's data in %s: a new cluster does not come up with the data of an older one, so delete the old data first", i, j, mount.HostPath))
			}
		}
	}
	return list
}
