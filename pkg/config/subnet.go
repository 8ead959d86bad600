package config

import (
	"math/big"
	"net/netip"
)

// APIServerServiceIP is the first address of the service subnet, which
// kube-apiserver gives to the Service "kubernetes". The networking must be valid;
// otherwise the address is not, as its IsValid tells.
func (n Networking) APIServerServiceIP() netip.Addr {
	return addressAt(n.ServiceSubnet, 1)
}

// DNSServiceIP is the tenth address of the service subnet, by custom that of the
// cluster's DNS, see https://kubernetes.io/docs/concepts/services-networking/cluster-ip-allocation/.
// The networking must be valid; otherwise the address is not, as its IsValid tells.
func (n Networking) DNSServiceIP() netip.Addr {
	return addressAt(n.ServiceSubnet, 10)
}

// PodCIDR is the part of the pod subnet that belongs to node i, counted from 0: a
// /24; of an IPv6 subnet a /64, or where that is smaller than a /64, a part that
// leaves room for 65,536 nodes, or else for 256 pods a node. The zero Prefix is
// returned where the pod subnet has no such part, which a valid cluster's has for
// each of its nodes.
func (c Cluster) PodCIDR(i int) netip.Prefix {
	subnet, err := netip.ParsePrefix(c.Networking.PodSubnet)
	if err != nil || i < 0 || i >= capacity(subnet) {
		return netip.Prefix{}
	}
	bits := nodeBits(subnet)
	return netip.PrefixFrom(advance(subnet.Addr(), i, subnet.Addr().BitLen()-bits), bits)
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

// addressAt is the subnet's address of this number, the zero Addr where there is none.
func addressAt(subnet string, i int) netip.Addr {
	p, err := netip.ParsePrefix(subnet)
	if err != nil {
		return netip.Addr{}
	}
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
