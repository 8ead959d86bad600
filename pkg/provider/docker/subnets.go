package docker

import (
	"context"
	"fmt"
	"iter"
	"net/netip"
	"slices"

	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/client"

	"github.com/mkube/mkube/pkg/config"
	"github.com/mkube/mkube/pkg/provider/hostnet"
)

// subnetCount is the number of subnets that a cluster's network can have: all of the pools.
const subnetCount = 2 * 256

// subnet4 returns the i-th subnet of the pools.
func subnet4(i int) netip.Prefix {
	a := pools[i/256].Addr().As4()
	a[2] = byte(i)
	return netip.PrefixFrom(netip.AddrFrom4(a), 24)
}

// subnet6 returns the i-th subnet of the IPv6 pool.
func subnet6(i int) netip.Prefix {
	a := pool6.Addr().As16()
	a[6], a[7] = byte(i>>8), byte(i)
	return netip.PrefixFrom(netip.AddrFrom16(a), 64)
}

// occupied lists what a cluster's network must not overlap, and what it avoids if possible.
type occupied struct {
	// networks are Docker's, addresses the host's, and own are those of the cluster's pods and
	// Services.
	networks, addresses []hostnet.Use
	own                 []netip.Prefix
	// routes are the host's. A cluster's network within them works, but hides a part of the
	// addresses that they lead to.
	routes []hostnet.Use
	// there is set if the cluster's network exists already.
	there bool
}

// takenSubnets queries the daemon, and also the host if the daemon is local.
func takenSubnets(ctx context.Context, c *client.Client, m machine, cfg config.Cluster) (occupied, error) {
	t := occupied{own: slices.Concat(cfg.Networking.PodSubnets(), cfg.Networking.ServiceSubnets())}
	networks, err := c.NetworkList(ctx, network.ListOptions{})
	if err != nil {
		return t, fmt.Errorf("listing networks: %w", err)
	}
	for _, n := range networks {
		t.there = t.there || n.Name == networkName(cfg.Name)
		for _, ipam := range n.IPAM.Config {
			if p, err := netip.ParsePrefix(ipam.Subnet); err == nil {
				t.networks = append(t.networks, hostnet.Use{Subnet: p, By: "Docker network " + n.Name})
			}
		}
	}
	if !local(c) {
		return t, nil
	}
	if t.addresses, err = m.networks.Addresses(); err != nil {
		return t, err
	}
	t.routes, err = m.networks.Routes()
	return t, err
}

// free returns the subnets that a cluster's network can have, in the order in which they are tried:
// each time an IPv4 one and, if withIPv6 is set, an IPv6 one. Subnets in routes of the host come
// last.
func (t occupied) free(withIPv6 bool) iter.Seq[[]netip.Prefix] {
	return func(yield func([]netip.Prefix) bool) {
		next, stop := iter.Pull(t.among(subnet6))
		defer stop()
		for v4 := range t.among(subnet4) {
			subnets := []netip.Prefix{v4}
			if withIPv6 {
				v6, ok := next()
				if !ok {
					return
				}
				subnets = append(subnets, v6)
			}
			if !yield(subnets) {
				return
			}
		}
	}
}

// among returns the subnets of the pools that nothing uses, those in routes of the host last.
func (t occupied) among(nth func(i int) netip.Prefix) iter.Seq[netip.Prefix] {
	hard := slices.Concat(hostnet.Subnets(t.networks), hostnet.Subnets(t.addresses), t.own)
	routes := hostnet.Subnets(t.routes)
	return func(yield func(netip.Prefix) bool) {
		for _, routed := range []bool{false, true} {
			for i := range subnetCount {
				p := nth(i)
				if !hostnet.Overlaps(p, hard) && hostnet.Overlaps(p, routes) == routed && !yield(p) {
					return
				}
			}
		}
	}
}

// first returns the subnets that the cluster's network would get. ok is false if none are free.
func (t occupied) first(withIPv6 bool) (subnets []netip.Prefix, ok bool) {
	for subnets := range t.free(withIPv6) {
		return subnets, true
	}
	return nil, false
}
