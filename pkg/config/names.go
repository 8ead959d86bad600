package config

import (
	"cmp"
	"fmt"

	"github.com/mkube/mkube/pkg/names"
)

// NodeNames returns the names of the cluster's nodes, in the order of Nodes. It is the name in the
// configuration, or else consists of the cluster's name, the role and, from the second node of a
// role, its number: mkube-control-plane, mkube-worker, mkube-worker2.
func (c Cluster) NodeNames() []string {
	names := make([]string, len(c.Nodes))
	seen := map[Role]int{}
	for i, n := range c.Nodes {
		role := cmp.Or(n.Role, ControlPlane)
		seen[role]++
		names[i] = c.Name + "-" + string(role)
		if seen[role] > 1 {
			names[i] += fmt.Sprint(seen[role])
		}
		names[i] = cmp.Or(n.Name, names[i])
	}
	return names
}

// Components returns the components that ExtraArgs may name besides the addons, with their names in
// Kubernetes, in the order in which they come up. The caller may change the list.
func Components() []string {
	return []string{
		names.Kubelet, names.Etcd, names.KubeAPIServer, names.KubeControllerManager,
		names.KubeScheduler, names.KubeNetworkPolicies, names.KubeProxy, names.CloudControllerManager, names.CoreDNS, names.LocalPathProvisioner,
	}
}

// Addons returns the optional components, which a cluster has only if its configuration lists them.
// The caller may change the list.
func Addons() []string { return []string{names.MetricsServer} }
