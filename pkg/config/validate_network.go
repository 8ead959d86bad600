package config

import (
	"math/bits"
	"net/netip"
	"strings"

	"k8s.io/apimachinery/pkg/api/validate/content"
)

const (
	podPath     = "networking.podSubnet"
	servicePath = "networking.serviceSubnet"
)

func (m *mistakes) networking(c Cluster) {
	n := c.Networking
	pods, podsOK := m.subnets(podPath, n.PodSubnet)
	services, servicesOK := m.subnets(servicePath, n.ServiceSubnet)
	for _, p := range pods {
		if len(c.Nodes) <= maxNodes {
			m.podSubnetSize(p, len(c.Nodes)-c.Count(LoadBalancer))
		}
	}
	for _, s := range services {
		m.serviceSubnetSize(s)
	}
	if m.oneOf("networking.ipFamily", string(n.IPFamily), string(IPv4), string(IPv6), string(DualStack)) && podsOK && servicesOK {
		m.families(n, pods, services)
	}
	if len(content.IsDNS1123Subdomain(n.DNSDomain)) > 0 {
		m.addf("networking.dnsDomain", `must be a domain of lower-case letters, digits, inner hyphens and dots, such as "cluster.local", not %s`, quote(n.DNSDomain))
	}
	m.oneOf("networking.kubeProxyMode", string(n.KubeProxyMode), string(ProxyNFTables), string(ProxyIPTables), string(ProxyNone))
}

// families checks that pods and Services have addresses of the same families, in the same order,
// and that their subnets do not overlap.
func (m *mistakes) families(n Networking, pods, services []netip.Prefix) {
	switch {
	case familyOf(n.PodSubnet) != familyOf(n.ServiceSubnet) || pods[0].Addr().Is4() != services[0].Addr().Is4():
		m.addf(podPath, "%q and networking.serviceSubnet %q must be of the same families, in the same order", n.PodSubnet, n.ServiceSubnet)
	case familyOf(n.PodSubnet) != n.IPFamily:
		m.addf("networking.ipFamily", "is %s, but networking.podSubnet %q is %s: remove one of them", n.IPFamily, n.PodSubnet, familyOf(n.PodSubnet))
	}
	for _, p := range pods {
		for _, s := range services {
			if p.Overlaps(s) {
				m.addf(podPath, "%q must not overlap networking.serviceSubnet %q", p, s)
			}
		}
	}
}

// subnets parses one or two subnets, and reports whether they are valid. Two subnets, one of each
// family and separated by a comma, are the syntax of Kubernetes for dual stack:
// https://kubernetes.io/docs/concepts/services-networking/dual-stack/.
func (m *mistakes) subnets(path, value string) ([]netip.Prefix, bool) {
	first, second, isPair := strings.Cut(value, ",")
	p, ok := m.singleSubnet(path, first)
	if !isPair && ok {
		return []netip.Prefix{p}, true
	} else if !isPair {
		return nil, false
	}
	q, secondOK := m.singleSubnet(path, second)
	switch {
	case !ok || !secondOK:
	case p.Addr().Is4() == q.Addr().Is4():
		m.addf(path, "must be one subnet, not two of one family: %s", quote(value))
	default:
		return []netip.Prefix{p, q}, true
	}
	return nil, false
}

func (m *mistakes) singleSubnet(path, value string) (netip.Prefix, bool) {
	p, err := netip.ParsePrefix(value)
	switch {
	case err != nil || p.Addr().Is4In6():
		m.addf(path, `must be a subnet such as "10.244.0.0/16", not %s`, quote(value))
	case p != p.Masked():
		m.addf(path, "must be the address of a network, not of a host in it, %q: did you mean %q?", p, p.Masked())
	case p.Addr().IsLoopback() || p.Addr().IsMulticast() || p.Addr().IsLinkLocalUnicast():
		m.addf(path, `must be a network that can be routed to, such as "10.244.0.0/16", not %q`, p)
	default:
		return p, true
	}
	return p, false
}

// podSubnetSize checks that each node can have a part of the pod subnet.
func (m *mistakes) podSubnetSize(p netip.Prefix, nodes int) {
	size := nodeBits(p)
	largest, smallest := size-maxNodeBits, size-bits.Len(uint(max(nodes, 1)-1))
	switch {
	case p.Bits() < largest:
		m.addf(podPath, "%q is too large: take a /%d or smaller", p, largest)
	case p.Bits() > smallest:
		m.addf(podPath, "%q is too small for %s with a /%d each: take a /%d or larger", p, count(nodes, "node"), size, smallest)
	}
}

// serviceSubnetSize checks the limit of kube-apiserver, 20 bits
// (k8s.io/kubernetes/cmd/kube-apiserver/app/options), and that the subnet contains the tenth
// address, for which it needs 4 bits.
func (m *mistakes) serviceSubnetSize(p netip.Prefix) {
	largest, smallest := p.Addr().BitLen()-20, p.Addr().BitLen()-4
	switch {
	case p.Bits() < largest:
		m.addf(servicePath, "%q is too large for kube-apiserver: take a /%d or smaller", p, largest)
	case p.Bits() > smallest:
		m.addf(servicePath, "%q is too small for the addresses of kube-apiserver (the 1st) and DNS (the 10th): take a /%d or larger", p, smallest)
	}
}
