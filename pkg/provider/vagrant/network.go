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

// pool is the range for the subnets of clusters, a /24 for each cluster. VirtualBox lets everyone
// create host-only networks in this range, see
// https://www.virtualbox.org/manual/ch06.html#network_hostonly.
var pool = netip.MustParsePrefix("192.168.56.0/21")

// firstHost is the last byte of the first node's address. Address 1 is the host's, and some others
// may be used by a hypervisor.
const firstHost = 10

// subnet chooses the network of a new cluster: the subnet of the addresses that the configuration
// sets for nodes, otherwise the first one of the pool that overlaps nothing else.
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

// taken lists what a cluster's network must not overlap, and what it avoids if possible.
type taken struct {
	// links are the host's. others are those of other clusters, and of this cluster's pods and
	// Services.
	links  []hostnet.Use
	others []netip.Prefix
	// routes are the host's. A cluster's network within them works, but hides a part of the
	// addresses that they lead to.
	routes []hostnet.Use
	// clusters are the names of the existing clusters.
	clusters []string
}

// first returns the subnet for a new cluster's network, if possible one that no route leads to.
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

// place returns the problems with the subnet of a new cluster's network.
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

// givenSubnet returns the subnet of the addresses that the configuration sets for nodes. It is
// invalid if there are none.
func givenSubnet(cfg config.Cluster) (netip.Prefix, error) {
	var subnet netip.Prefix
	for i, n := range cfg.Nodes {
		a, err := netip.ParseAddr(n.Address)
		if err != nil {
			continue // it is not set; the validation of the configuration reports an invalid one
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

// taken reads the networks of the host and the records of the clusters.
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

// address returns the address of the i-th node: the one in the configuration, or the next one that
// the configuration sets for no node.
func address(cfg config.Cluster, i int, subnet netip.Prefix) netip.Addr {
	if a, err := netip.ParseAddr(cfg.Nodes[i].Address); err == nil {
		return a
	}
	given := map[string]bool{}
	for _, n := range cfg.Nodes {
		given[n.Address] = true
	}
	// The address depends only on the node's index, and not on which other nodes exist.
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
