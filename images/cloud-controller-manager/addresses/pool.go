// Package addresses defines which addresses of a network are for Services of type LoadBalancer. It
// does no I/O.
package addresses

import (
	"cmp"
	"math/big"
	"net/netip"
	"slices"
)

// most is the maximum number of addresses of a network that are reserved for Services.
const most = 1024

// Pool is a range of addresses that includes both ends. The zero value has no addresses.
type Pool struct {
	First, Last netip.Addr
}

// Of returns the pool of a network. It begins at the last quarter of the network, has at most 1024
// addresses, and does not include the broadcast address of an IPv4 network. Nodes have the first
// addresses of the network. A network of fewer than 16 addresses has no pool.
func Of(network netip.Prefix) Pool {
	network = network.Masked()
	bits := network.Addr().BitLen() - network.Bits()
	if bits < 4 {
		return Pool{}
	}
	quarter := new(big.Int).Lsh(big.NewInt(1), uint(bits-2))
	first := new(big.Int).Add(integer(network.Addr()), new(big.Int).Mul(quarter, big.NewInt(3)))
	size := big.NewInt(most)
	if quarter.Cmp(size) < 0 {
		size = quarter
	}
	last := new(big.Int).Add(first, new(big.Int).Sub(size, big.NewInt(1)))
	p := Pool{First: address(first, network.Addr()), Last: address(last, network.Addr())}
	if network.Addr().Is4() && !network.Contains(p.Last.Next()) {
		p.Last = p.Last.Prev()
	}
	return p
}

func integer(a netip.Addr) *big.Int { return new(big.Int).SetBytes(a.AsSlice()) }

// address converts a number to an address of the same family as like.
func address(n *big.Int, like netip.Addr) netip.Addr {
	bytes := n.FillBytes(make([]byte, like.BitLen()/8))
	a, _ := netip.AddrFromSlice(bytes)
	return a
}

// Contains reports whether an address is in the pool.
func (p Pool) Contains(a netip.Addr) bool {
	return p.First.IsValid() && a.BitLen() == p.First.BitLen() && p.First.Compare(a) <= 0 && a.Compare(p.Last) <= 0
}

// Free returns the first address of the pool that is not used. ok is false if there is none.
func (p Pool) Free(used func(netip.Addr) bool) (a netip.Addr, ok bool) {
	for a := p.First; p.Contains(a); a = a.Next() {
		if !used(a) {
			return a, true
		}
	}
	return netip.Addr{}, false
}

// String returns the range as FIRST-LAST.
func (p Pool) String() string {
	if !p.First.IsValid() {
		return "no address"
	}
	return p.First.String() + "-" + p.Last.String()
}

// Pools contains the pools of a cluster's networks, at most one of each IP family.
type Pools []Pool

// PoolsOf returns the pools of networks. In each family, it uses the first network with a pool.
func PoolsOf(networks []netip.Prefix) Pools {
	var pools Pools
	for _, n := range networks {
		p := Of(n)
		if _, have := pools.Of(n.Addr().Is4()); !have && p.First.IsValid() {
			pools = append(pools, p)
		}
	}
	return pools
}

// Of returns the pool of IPv4 or IPv6 addresses. ok is false if the cluster's network has none.
func (p Pools) Of(ipv4 bool) (pool Pool, ok bool) {
	i := slices.IndexFunc(p, func(pool Pool) bool { return pool.First.Is4() == ipv4 })
	if i < 0 {
		return Pool{}, false
	}
	return p[i], true
}

// Contains reports whether an address is in one of the pools.
func (p Pools) Contains(a netip.Addr) bool {
	return slices.ContainsFunc(p, func(pool Pool) bool { return pool.Contains(a) })
}

// Sort sorts addresses in place, IPv4 first, and removes duplicates.
func Sort(list []netip.Addr) []netip.Addr {
	slices.SortFunc(list, func(a, b netip.Addr) int { return cmp.Or(cmp.Compare(a.BitLen(), b.BitLen()), a.Compare(b)) })
	return slices.Compact(list)
}
