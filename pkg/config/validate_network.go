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
	pods, podsOK := m.subnet(podPath, n.PodSubnet)
	services, servicesOK := m.subnet(servicePath, n.ServiceSubnet)
	if podsOK && len(c.Nodes) <= maxNodes {
		m.podSubnetSize(pods, len(c.Nodes))
	}
	if servicesOK {
		m.serviceSubnetSize(services)
	}
	switch {
	case !podsOK || !servicesOK:
	case pods.Addr().Is4() != services.Addr().Is4():
		m.addf(podPath, "%q and networking.serviceSubnet %q must both be IPv4 or both IPv6", pods, services)
	case pods.Overlaps(services):
		m.addf(podPath, "%q must not overlap networking.serviceSubnet %q", pods, services)
	}
	if len(content.IsDNS1123Subdomain(n.DNSDomain)) > 0 {
		m.addf("networking.dnsDomain", `must be a domain of lower-case letters, digits, inner hyphens and dots, such as "cluster.local", not %s`, quote(n.DNSDomain))
	}
	m.oneOf("networking.kubeProxyMode", string(n.KubeProxyMode), string(ProxyNFTables), string(ProxyIPTables), string(ProxyNone))
}

// subnet parses one, and returns whether it can be used. Two, one of each family
// and with a comma between them, is how Kubernetes writes dual stack:
// https://kubernetes.io/docs/concepts/services-networking/dual-stack/.
func (m *mistakes) subnet(path, value string) (netip.Prefix, bool) {
	first, second, isPair := strings.Cut(value, ",")
	p, ok := m.singleSubnet(path, first)
	if !isPair {
		return p, ok
	}
	q, secondOK := m.singleSubnet(path, second)
	switch {
	case !ok || !secondOK:
	case p.Addr().Is4() == q.Addr().Is4():
		m.addf(path, "must be one subnet, not two of one family: %s", quote(value))
	default:
		m.addf(path, "must be one subnet, not %s: dual stack is not supported yet", quote(value))
	}
	return netip.Prefix{}, false
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

// podSubnetSize checks that each node can have its part of the pod subnet.
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
// (k8s.io/kubernetes/cmd/kube-apiserver/app/options), and that there is room for
// the tenth address.
func (m *mistakes) serviceSubnetSize(p netip.Prefix) {
	largest, smallest := p.Addr().BitLen()-20, p.Addr().BitLen()-4
	switch {
	case p.Bits() < largest:
		m.addf(servicePath, "%q is too large for kube-apiserver: take a /%d or smaller", p, largest)
	case p.Bits() > smallest:
		m.addf(servicePath, "%q is too small for the addresses of kube-apiserver (the 1st) and DNS (the 10th): take a /%d or larger", p, smallest)
	}
}
