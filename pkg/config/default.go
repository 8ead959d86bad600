package config

import (
	"cmp"
	"maps"
	"slices"
	"strings"
)

// controlPlaneTaint keeps pods off control planes in clusters with workers, see
// https://kubernetes.io/docs/reference/labels-annotations-taints/#node-role-kubernetes-io-control-plane-taint.
const controlPlaneTaint = "node-role.kubernetes.io/control-plane"

// Default returns the cluster with every empty field set to its default, except the image of a
// node, which depends on the build of mkube, and the addresses of published ports (see
// PublishedAt). The receiver and what it points to are not changed. Default is idempotent.
//
// Nil taints become those of the role: NoSchedule on control planes if the cluster has workers,
// otherwise none.
func (c Cluster) Default() Cluster {
	c.APIVersion = cmp.Or(c.APIVersion, APIVersion)
	c.Kind = cmp.Or(c.Kind, Kind)
	c.Name = cmp.Or(c.Name, "mkube")
	c.Nodes = defaultNodes(c.Nodes)
	c.Networking = c.Networking.defaulted()
	c.FeatureGates = maps.Clone(c.FeatureGates)
	c.RuntimeConfig = maps.Clone(c.RuntimeConfig)
	c.ExtraArgs = maps.Clone(c.ExtraArgs)
	for component, args := range c.ExtraArgs {
		c.ExtraArgs[component] = maps.Clone(args)
	}
	c.ExtraFiles = cloneLists(c.ExtraFiles)
	c.ExtraVolumes = cloneLists(c.ExtraVolumes)
	c.CloudControllerManager = new(c.HasCloudControllerManager())
	c.ContainerdConfigPatches = slices.Clone(c.ContainerdConfigPatches)
	c.KubeProxyConfigPatches = slices.Clone(c.KubeProxyConfigPatches)
	c.Addons = slices.Clone(c.Addons)
	if c.Proxy != nil {
		c.Proxy = new(*c.Proxy)
	}
	return c
}

func cloneLists[T any](m map[string][]T) map[string][]T {
	m = maps.Clone(m)
	for key, list := range m {
		m[key] = slices.Clone(list)
	}
	return m
}

// HasCloudControllerManager reports whether the cluster has a cloud-controller-manager, which is
// the default.
func (c Cluster) HasCloudControllerManager() bool {
	return c.CloudControllerManager == nil || *c.CloudControllerManager
}

func defaultNodes(nodes []Node) []Node {
	if len(nodes) == 0 {
		nodes = []Node{{}}
	}
	hasWorkers := slices.ContainsFunc(nodes, func(n Node) bool { return n.Role == Worker })
	defaulted := make([]Node, len(nodes))
	for i, n := range nodes {
		defaulted[i] = n.defaulted(hasWorkers)
	}
	if c := (Cluster{Nodes: defaulted}); c.Count(ControlPlane) > 1 && c.Count(LoadBalancer) == 0 {
		defaulted = append(defaulted, Node{Role: LoadBalancer}.defaulted(hasWorkers))
	}
	return defaulted
}

// WithImage returns the cluster with an image for the nodes that have none. The receiver and what it
// points to are not changed.
func (c Cluster) WithImage(image string) Cluster {
	c.Nodes = slices.Clone(c.Nodes)
	for i := range c.Nodes {
		c.Nodes[i].Image = cmp.Or(c.Nodes[i].Image, image)
	}
	return c
}

// Count returns the number of nodes with a role.
func (c Cluster) Count(role Role) int {
	n := 0
	for _, node := range c.Nodes {
		if node.Role == role {
			n++
		}
	}
	return n
}

func (n Node) defaulted(hasWorkers bool) Node {
	n.Role = cmp.Or(n.Role, ControlPlane)
	n.Labels = maps.Clone(n.Labels)
	n.Taints = slices.Clone(n.Taints)
	if n.Taints == nil {
		n.Taints = n.Role.taints(hasWorkers)
	}
	n.KubeletConfigPatches = slices.Clone(n.KubeletConfigPatches)
	n.ExtraMounts = slices.Clone(n.ExtraMounts)
	for i := range n.ExtraMounts {
		m := &n.ExtraMounts[i]
		m.Propagation = cmp.Or(m.Propagation, "None")
	}
	n.ExtraPortMappings = slices.Clone(n.ExtraPortMappings)
	for i := range n.ExtraPortMappings {
		p := &n.ExtraPortMappings[i]
		p.Protocol = cmp.Or(p.Protocol, "TCP")
	}
	return n
}

// taints returns the default taints of a role. They are never nil, so that Default does not replace
// them again.
func (r Role) taints(hasWorkers bool) []Taint {
	if r == ControlPlane && hasWorkers {
		return []Taint{{Key: controlPlaneTaint, Effect: "NoSchedule"}}
	}
	return []Taint{}
}

var defaultSubnets = map[IPFamily]struct{ pods, services string }{
	IPv4:      {"10.244.0.0/16", "10.96.0.0/16"},
	IPv6:      {"fd00:10:244::/56", "fd00:10:96::/112"},
	DualStack: {"10.244.0.0/16,fd00:10:244::/56", "10.96.0.0/16,fd00:10:96::/112"},
}

// familyOf returns the family of a subnet, or of two subnets that are separated by a comma. It is
// "" if there is none.
func familyOf(subnets string) IPFamily {
	switch {
	case subnets == "":
		return ""
	case strings.Contains(subnets, ","):
		return DualStack
	case strings.Contains(subnets, ":"):
		return IPv6
	}
	return IPv4
}

func (n Networking) defaulted() Networking {
	n.APIServerCertSANs = slices.Clone(n.APIServerCertSANs)
	n.IPFamily = cmp.Or(n.IPFamily, familyOf(n.PodSubnet), familyOf(n.ServiceSubnet), IPv4)
	n.PodSubnet = cmp.Or(n.PodSubnet, defaultSubnets[n.IPFamily].pods)
	n.ServiceSubnet = cmp.Or(n.ServiceSubnet, defaultSubnets[n.IPFamily].services)
	n.DNSDomain = cmp.Or(n.DNSDomain, "cluster.local")
	n.KubeProxyMode = cmp.Or(n.KubeProxyMode, ProxyNFTables)
	return n
}
