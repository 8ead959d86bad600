package vagrant

import (
	"context"
	"fmt"
	"net/netip"
	"slices"

	"github.com/mkube/mkube/pkg/config"
	"github.com/mkube/mkube/pkg/provider"
	"github.com/mkube/mkube/pkg/provider/hostnet"
)

// pool is where clusters' subnets are taken from, a /24 each: the range in which
// VirtualBox lets anybody have host-only networks, see
// https://www.virtualbox.org/manual/ch06.html#network_hostonly.
var pool = netip.MustParsePrefix("192.168.56.0/21")

// firstHost is the address in a subnet at which nodes begin. The first is the host's own,
// and some others may be a hypervisor's.
const firstHost = 10

// subnet chooses the network of a new cluster: that of the addresses which its nodes
// were given, or else the first of the pool that overlaps nothing else.
func (p *Provider) subnet(ctx context.Context, cfg config.Cluster) (netip.Prefix, error) {
	if given, err := givenSubnet(cfg); given.IsValid() || err != nil {
		return given, err
	}
	t, err := p.taken(ctx, cfg)
	if err != nil {
		return netip.Prefix{}, err
	}
	return t.first()
}

// taken is what a cluster's network must not overlap, and what it had better not.
type taken struct {
	// links are the host's; others are of other clusters, and of this one's pods and
	// services.
	links  []hostnet.Use
	others []netip.Prefix
	// routes are the host's. A network in their midst works, but hides part of what
	// they lead to.
	routes []hostnet.Use
	// clusters are the names of those that there are.
	clusters []string
}

// first is the subnet that a new cluster's network gets: if there is one, one that no
// route leads to.
func (t taken) first() (netip.Prefix, error) {
	hard := slices.Concat(hostnet.Subnets(t.links), t.others)
	for _, avoid := range [][]netip.Prefix{slices.Concat(hard, hostnet.Subnets(t.routes)), hard} {
		for a := pool.Addr(); pool.Contains(a); {
			subnet := netip.PrefixFrom(a, 24)
			if !hostnet.Overlaps(subnet, avoid) {
				return subnet, nil
			}
			next := a.As4()
			next[2]++
			a = netip.AddrFrom4(next)
		}
	}
	return netip.Prefix{}, fmt.Errorf("no free subnet in %s: delete clusters (mkube get clusters), or give the nodes addresses of another subnet", pool)
}

// place is what is wrong with the place of a new cluster's network.
func (t taken) place() []provider.Problem {
	subnet, err := t.first()
	if err != nil {
		return provider.Refuse(provider.CheckSubnet, err)
	}
	for _, r := range t.routes {
		if subnet.Overlaps(r.Subnet) {
			return provider.Warn(provider.CheckSubnet, fmt.Errorf("this host has routes to all free subnets of %s: the cluster's network is %s, where this host cannot reach other addresses of %s of %s while the cluster exists; delete that route, or give the nodes addresses of another subnet", pool, subnet, r.Subnet, r.By))
		}
	}
	return nil
}

// givenSubnet is that of the nodes' own addresses, invalid where none has one.
func givenSubnet(cfg config.Cluster) (netip.Prefix, error) {
	var subnet netip.Prefix
	for i, n := range cfg.Nodes {
		a, err := netip.ParseAddr(n.Address)
		if err != nil {
			continue // it has none; a wrong one the configuration's own check has told of
		}
		if !subnet.IsValid() {
			subnet = netip.PrefixFrom(a, 24).Masked()
		}
		switch last := a.As4()[3]; {
		case !subnet.Contains(a):
			return netip.Prefix{}, fmt.Errorf("nodes[%d].address: %s is not in %s, the subnet of the other nodes: the nodes of a cluster share one network", i, a, subnet)
		case last <= 1, last == 255:
			return netip.Prefix{}, fmt.Errorf("nodes[%d].address: %s belongs to the network or the host: choose an address from %s on", i, a, subnet.Addr().Next().Next())
		}
	}
	return subnet, nil
}

// taken asks the host and the clusters' records.
func (p *Provider) taken(ctx context.Context, cfg config.Cluster) (t taken, err error) {
	if t.links, err = p.networks.Addresses(); err != nil {
		return t, err
	}
	if t.routes, err = p.networks.Routes(); err != nil {
		return t, err
	}
	if t.clusters, err = p.Clusters(ctx); err != nil {
		return t, err
	}
	for _, name := range t.clusters {
		if r, err := p.read(name); err == nil && r.Subnet.IsValid() {
			t.others = append(t.others, r.Subnet)
		}
	}
	t.others = slices.Concat(t.others, cfg.Networking.PodSubnets(), cfg.Networking.ServiceSubnets())
	return t, nil
}

// address is that of the i-th node: its own, or the next one that no node was given.
func address(cfg config.Cluster, i int, subnet netip.Prefix) netip.Addr {
	if a, err := netip.ParseAddr(cfg.Nodes[i].Address); err == nil {
		return a
	}
	given := map[string]bool{}
	for _, n := range cfg.Nodes {
		given[n.Address] = true
	}
	// A node's place has its address whatever becomes of the others.
	bytes := subnet.Addr().As4()
	bytes[3] = firstHost
	for place := 0; ; bytes[3]++ {
		a := netip.AddrFrom4(bytes)
		if given[a.String()] {
			continue
		}
		if place == i {
			return a
		}
		place++
	}
}
