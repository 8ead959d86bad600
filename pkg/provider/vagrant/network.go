package vagrant

import (
	"context"
	"fmt"
	"net/netip"
	"strings"

	"github.com/mkube/mkube/pkg/config"
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
	taken, err := p.taken(ctx, cfg)
	if err != nil {
		return netip.Prefix{}, err
	}
	for a := pool.Addr(); pool.Contains(a); {
		subnet := netip.PrefixFrom(a, 24)
		if !overlaps(subnet, taken) {
			return subnet, nil
		}
		next := a.As4()
		next[2]++
		a = netip.AddrFrom4(next)
	}
	return netip.Prefix{}, fmt.Errorf("no free subnet in %s: delete clusters (mkube get clusters), or give the nodes addresses of another", pool)
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
			return netip.Prefix{}, fmt.Errorf("nodes[%d].address: %s is not in %s, as the others' are: the nodes of a cluster share one network", i, a, subnet)
		case last <= 1, last == 255:
			return netip.Prefix{}, fmt.Errorf("nodes[%d].address: %s is the network's own or the host's: choose one from %s on", i, a, subnet.Addr().Next().Next())
		}
	}
	return subnet, nil
}

// taken are the subnets of the host's links, of other clusters, and of the cluster's own
// pods and services.
func (p *Provider) taken(ctx context.Context, cfg config.Cluster) ([]netip.Prefix, error) {
	var list []netip.Prefix
	addrs, err := p.hostAddrs()
	if err != nil {
		return nil, fmt.Errorf("listing this host's addresses: %w", err)
	}
	for _, a := range addrs {
		if prefix, err := netip.ParsePrefix(a.String()); err == nil {
			list = append(list, prefix.Masked())
		}
	}
	names, err := p.Clusters(ctx)
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		if r, err := p.read(name); err == nil {
			list = append(list, r.Subnet)
		}
	}
	for s := range strings.SplitSeq(cfg.Networking.PodSubnet+","+cfg.Networking.ServiceSubnet, ",") {
		if prefix, err := netip.ParsePrefix(strings.TrimSpace(s)); err == nil {
			list = append(list, prefix)
		}
	}
	return list, nil
}

func overlaps(p netip.Prefix, taken []netip.Prefix) bool {
	for _, t := range taken {
		if t.IsValid() && p.Overlaps(t) {
			return true
		}
	}
	return false
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
