package config

import (
	"math/big"
	"net/netip"
	"strings"
)

// PodSubnets are the pod subnets, the preferred one first. What is no subnet is left
// out; valid networking has one, or one of each family.
func (n Networking) PodSubnets() []netip.Prefix { return prefixes(n.PodSubnet) }

// ServiceSubnets are the service subnets, as PodSubnets.
func (n Networking) ServiceSubnets() []netip.Prefix { return prefixes(n.ServiceSubnet) }

func prefixes(list string) []netip.Prefix {
	var all []netip.Prefix
	for s := range strings.SplitSeq(list, ",") {
		if p, err := netip.ParsePrefix(s); err == nil {
			all = append(all, p)
		}
	}
	return all
}

// APIServerServiceIP is the first address of the first service subnet, which
// kube-apiserver gives to the Service "kubernetes". The networking must be valid;
// otherwise the address is not, as its IsValid tells.
func (n Networking) APIServerServiceIP() netip.Addr {
	return addressAt(n.ServiceSubnets(), 1)
}

// DNSServiceIP is the tenth address of the first service subnet, by custom that of the
// cluster's DNS, see https://kubernetes.io/docs/concepts/services-networking/cluster-ip-allocation/.
// The networking must be valid; otherwise the address is not, as its IsValid tells.
func (n Networking) DNSServiceIP() netip.Addr {
	return addressAt(n.ServiceSubnets(), 10)
}

// PodCIDRs are the parts of the pod subnets that belong to node i, counted from 0 (a
// load balancer has none and is not counted), in the order of PodSubnets: a /24; of
// an IPv6 subnet a /64, or where that is smaller than a /64, a part that leaves room
// for 65,536 nodes, or else for 256 pods a node. A pod subnet that has no such part is
// left out; a valid cluster's have one for each of its nodes.
func (c Cluster) PodCIDRs(i int) []netip.Prefix {
	if i >= 0 && i < len(c.Nodes) {
		i -= Cluster{Nodes: c.Nodes[:i]}.Count(LoadBalancer)
	}
	var list []netip.Prefix
	for _, subnet := range c.Networking.PodSubnets() {
		if i < 0 || i >= capacity(subnet) {
			continue
		}
		bits := nodeBits(subnet)
		list = append(list, netip.PrefixFrom(advance(subnet.Addr(), i, subnet.Addr().BitLen()-bits), bits))
	}
	return list
}

// maxNodeBits is how many bits may tell nodes apart, a limit that
// kube-controller-manager has for IPv6 (k8s.io/kubernetes/pkg/controller/nodeipam/ipam/cidrset).
const maxNodeBits = 16

// nodeBits is the length of a node's prefix in a pod subnet.
func nodeBits(subnet netip.Prefix) int {
	switch {
	case subnet.Addr().Is4():
		return 24
	case subnet.Bits() <= 64:
		return 64
	default:
		return min(subnet.Bits()+maxNodeBits, 120)
	}
}

// capacity is how many nodes a pod subnet has a part for.
func capacity(subnet netip.Prefix) int {
	spare := nodeBits(subnet) - subnet.Bits()
	if spare < 0 || spare > maxNodeBits {
		return 0
	}
	return 1 << spare
}

// addressAt is the first subnet's address of this number, the zero Addr where there is
// none.
func addressAt(subnets []netip.Prefix, i int) netip.Addr {
	if len(subnets) == 0 {
		return netip.Addr{}
	}
	p := subnets[0]
	if a := advance(p.Addr(), i, 0); p.Contains(a) {
		return a
	}
	return netip.Addr{}
}

// advance adds i<<shift to an address, and returns the zero Addr beyond the last one.
func advance(a netip.Addr, i, shift int) netip.Addr {
	sum := new(big.Int).Lsh(big.NewInt(int64(i)), uint(shift))
	sum.Add(sum, new(big.Int).SetBytes(a.AsSlice()))
	if sum.BitLen() > a.BitLen() {
		return netip.Addr{}
	}
	result, _ := netip.AddrFromSlice(sum.FillBytes(a.AsSlice()))
	return result
}
