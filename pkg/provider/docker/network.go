package docker

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/client"

	"github.com/mkube/mkube/pkg/config"
)

func networkName(cluster string) string { return "mkube-" + cluster }

// pool is where the subnets of clusters are taken from, a /24 each. It is out of
// the way of Docker's own default pools, of the usual home and cloud networks, and
// of Kubernetes' defaults for pods and services.
var pool = netip.MustParsePrefix("10.89.0.0/16")

// pool6 is the same for IPv6, a /64 each: a prefix of those that anybody may use
// within a site (RFC 4193), chosen by chance.
var pool6 = netip.MustParsePrefix("fd4d:5ab1:b9e4::/48")

// createNetwork makes the cluster's network, with subnets that overlap nothing else,
// and returns them: an IPv4 one, and an IPv6 one where pods have such addresses. Its
// own network is what lets nodes have addresses that are known beforehand and stay.
func createNetwork(ctx context.Context, c *client.Client, cfg config.Cluster) ([]netip.Prefix, error) {
	taken, err := takenSubnets(ctx, c, cfg)
	if err != nil {
		return nil, err
	}
	options, err := networkOptions(ctx, c)
	if err != nil {
		return nil, err
	}
	withIPv6 := six(cfg)
	for i := 0; ; i++ {
		subnets := freeSubnets(i, withIPv6, taken)
		if subnets == nil {
			return nil, errNoSubnet
		}
		i = int(subnets[0].Addr().As4()[2])
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		ipam := new(network.IPAM)
		for _, s := range subnets {
			ipam.Config = append(ipam.Config, network.IPAMConfig{Subnet: s.String(), Gateway: s.Addr().Next().String()})
		}
		// A cancelled request is carried out all the same, after Delete has looked.
		_, err := c.NetworkCreate(context.WithoutCancel(ctx), networkName(cfg.Name), network.CreateOptions{
			Driver: "bridge", IPAM: ipam, EnableIPv6: &withIPv6, Options: options,
			Labels: map[string]string{labelCluster: cfg.Name},
		})
		switch {
		case err == nil:
			return subnets, nil
		case strings.Contains(err.Error(), "overlaps"): // with one that another mkube just made
			continue
		case errdefs.IsConflict(err), errdefs.IsAlreadyExists(err):
			return nil, fmt.Errorf("network %s exists already: mkube delete cluster --name %s takes away what is left of that cluster", networkName(cfg.Name), cfg.Name)
		default:
			return nil, fmt.Errorf("creating network %s: %w", networkName(cfg.Name), err)
		}
	}
}

// errNoSubnet says that all of the pool is taken.
var errNoSubnet = fmt.Errorf("no free subnet in %s: delete clusters (mkube get clusters) or Docker networks (docker network prune)", pool)

// six says whether a cluster's nodes have IPv6 addresses.
func six(cfg config.Cluster) bool {
	return cfg.Networking.IPFamily == config.IPv6 || cfg.Networking.IPFamily == config.DualStack
}

// freeSubnets are the first subnets, from the i-th ones on, that overlap none that is
// taken; nil where all are.
func freeSubnets(i int, six bool, taken []netip.Prefix) []netip.Prefix {
	for ; i < 256; i++ {
		subnets := nthSubnets(i, six)
		if !slices.ContainsFunc(subnets, func(p netip.Prefix) bool { return overlapsAny(p, taken) }) {
			return subnets
		}
	}
	return nil
}

// optionMTU is the network's MTU. What the daemon's own setting (its flag --mtu) says
// is only its default bridge's; an underlay that needs it needs it for ours too.
const optionMTU = "com.docker.network.driver.mtu"

// networkOptions are the options that the cluster's network has of the default one.
func networkOptions(ctx context.Context, c *client.Client) (map[string]string, error) {
	bridge, err := c.NetworkInspect(ctx, "bridge", network.InspectOptions{})
	if errdefs.IsNotFound(err) {
		return nil, nil // the daemon was told to have none
	}
	if err != nil {
		return nil, fmt.Errorf("looking at network bridge: %w", err)
	}
	if mtu := bridge.Options[optionMTU]; mtu != "" {
		return map[string]string{optionMTU: mtu}, nil
	}
	return nil, nil
}

func nthSubnets(i int, six bool) []netip.Prefix {
	a := pool.Addr().As4()
	a[2] = byte(i)
	list := []netip.Prefix{netip.PrefixFrom(netip.AddrFrom4(a), 24)}
	if six {
		b := pool6.Addr().As16()
		b[7] = byte(i)
		list = append(list, netip.PrefixFrom(netip.AddrFrom16(b), 64))
	}
	return list
}

// nodeAddrs are the addresses of the i-th node that the cluster uses, in the order of
// its pod subnets.
func nodeAddrs(cfg config.Cluster, i int, subnets []netip.Prefix) []netip.Addr {
	var addrs []netip.Addr
	for _, pods := range cfg.Networking.PodSubnets() {
		for _, s := range subnets {
			if s.Addr().Is4() == pods.Addr().Is4() {
				addrs = append(addrs, nodeAddr(s, i))
			}
		}
	}
	return addrs
}

// attachment is all addresses of the i-th node: Docker's networks always have IPv4.
func attachment(i int, subnets []netip.Prefix) *network.EndpointIPAMConfig {
	a := new(network.EndpointIPAMConfig)
	for _, s := range subnets {
		if s.Addr().Is4() {
			a.IPv4Address = nodeAddr(s, i).String()
		} else {
			a.IPv6Address = nodeAddr(s, i).String()
		}
	}
	return a
}

// nodeAddr is the address of the i-th node: the network's first is the gateway.
func nodeAddr(subnet netip.Prefix, i int) netip.Addr {
	a := subnet.Addr().Next().Next()
	for range i {
		a = a.Next()
	}
	return a
}

// takenSubnets are those of Docker's networks, of the host where it is this one,
// and of the cluster's own pods and services.
func takenSubnets(ctx context.Context, c *client.Client, cfg config.Cluster) ([]netip.Prefix, error) {
	networks, err := c.NetworkList(ctx, network.ListOptions{})
	if err != nil {
		return nil, fmt.Errorf("listing networks: %w", err)
	}
	var taken []netip.Prefix
	add := func(s string) {
		if p, err := netip.ParsePrefix(s); err == nil {
			taken = append(taken, p)
		}
	}
	for _, n := range networks {
		for _, ipam := range n.IPAM.Config {
			add(ipam.Subnet)
		}
	}
	if local(c) {
		addrs, err := net.InterfaceAddrs()
		if err != nil {
			return nil, fmt.Errorf("listing this host's addresses: %w", err)
		}
		for _, a := range addrs {
			add(a.String())
		}
	}
	for _, s := range []string{cfg.Networking.PodSubnet, cfg.Networking.ServiceSubnet} {
		for _, part := range strings.Split(s, ",") {
			add(strings.TrimSpace(part))
		}
	}
	return taken, nil
}

func overlapsAny(p netip.Prefix, taken []netip.Prefix) bool {
	for _, t := range taken {
		if p.Overlaps(t) {
			return true
		}
	}
	return false
}
