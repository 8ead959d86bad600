package config

import (
	"math/big"
	"net/netip"
	"strings"
)

// PodSubnets returns the pod subnets, the preferred one first. It leaves out invalid subnets. Valid
// networking has one subnet, or one of each family.
func (n Networking) PodSubnets() []netip.Prefix { return prefixes(n.PodSubnet) }

// ServiceSubnets returns the subnets of Services, as PodSubnets does.
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

// APIServerServiceIP returns the first address of the first service subnet, which kube-apiserver
// assigns to the Service "kubernetes". If the networking is invalid, the address may be invalid
// (see IsValid).
func (n Networking) APIServerServiceIP() netip.Addr {
	return addressAt(n.ServiceSubnets(), 1)
}

// DNSServiceIP returns the tenth address of the first service subnet, by convention that of the
// cluster's DNS, see
// https://kubernetes.io/docs/concepts/services-networking/cluster-ip-allocation/. If the networking
// is invalid, the address may be invalid (see IsValid).
func (n Networking) DNSServiceIP() netip.Addr {
	return addressAt(n.ServiceSubnets(), 10)
}

// PodCIDRs returns the parts of the pod subnets that belong to node i, in the order of PodSubnets.
// i counts from 0. A load balancer has no part, and does not count.
//
// The part of an IPv4 subnet is a /24, and that of an IPv6 subnet a /64. An IPv6 subnet that is
// smaller than a /64 is divided into 65,536 parts, or into fewer parts with 256 addresses each.
// PodCIDRs leaves out a pod subnet without such a part. In a valid cluster, each node has a part of
// each pod subnet.
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

// maxNodeBits is the maximum number of bits that distinguish nodes. kube-controller-manager has
// this limit for IPv6 (k8s.io/kubernetes/pkg/controller/nodeipam/ipam/cidrset).
const maxNodeBits = 16

// nodeBits returns the length of a node's prefix in a pod subnet, see PodCIDRs.
func nodeBits(subnet netip.Prefix) int {
	switch {
	case subnet.Addr().Is4():
		return 24
	case subnet.Bits() <= 64:
		return 64
	default:
		return min(subnet.Bits()+maxNodeBits, 120) // a /120 has 256 addresses
	}
}

// capacity returns the number of nodes for which a pod subnet has a part.
func capacity(subnet netip.Prefix) int {
	spare := nodeBits(subnet) - subnet.Bits()
	if spare < 0 || spare > maxNodeBits {
		return 0
	}
	return 1 << spare
}

// addressAt returns the i-th address of the first subnet, the zero Addr if there is none.
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

// advance adds i<<shift to an address. It returns the zero Addr if the sum is larger than the last
// address.
func advance(a netip.Addr, i, shift int) netip.Addr {
	sum := new(big.Int).Lsh(big.NewInt(int64(i)), uint(shift))
	sum.Add(sum, new(big.Int).SetBytes(a.AsSlice()))
	if sum.BitLen() > a.BitLen() {
		return netip.Addr{}
	}
	result, _ := netip.AddrFromSlice(sum.FillBytes(a.AsSlice())) // the slice has a valid length
	return result
}
