package docker

import (
	"context"
	"fmt"
	"net"
	"net/netip"
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

// createNetwork makes the cluster's network, with a subnet that overlaps nothing
// else, and returns the subnet. Its own network is what lets nodes have addresses
// that are known beforehand and stay.
func createNetwork(ctx context.Context, c *client.Client, cfg config.Cluster) (netip.Prefix, error) {
	taken, err := takenSubnets(ctx, c, cfg)
	if err != nil {
		return netip.Prefix{}, err
	}
	for i := range 256 {
		subnet := nthSubnet(i)
		if overlapsAny(subnet, taken) {
			continue
		}
		if err := ctx.Err(); err != nil {
			return netip.Prefix{}, err
		}
		// A cancelled request is carried out all the same, after Delete has looked.
		_, err := c.NetworkCreate(context.WithoutCancel(ctx), networkName(cfg.Name), network.CreateOptions{
			Driver: "bridge",
			Labels: map[string]string{labelCluster: cfg.Name},
			IPAM:   &network.IPAM{Config: []network.IPAMConfig{{Subnet: subnet.String(), Gateway: subnet.Addr().Next().String()}}},
		})
		switch {
		case err == nil:
			return subnet, nil
		case strings.Contains(err.Error(), "overlaps"): // with one that another mkube just made
			continue
		case errdefs.IsConflict(err), errdefs.IsAlreadyExists(err):
			return netip.Prefix{}, fmt.Errorf("network %s exists already: mkube delete cluster --name %s takes away what is left of that cluster", networkName(cfg.Name), cfg.Name)
		default:
			return netip.Prefix{}, fmt.Errorf("creating network %s: %w", networkName(cfg.Name), err)
		}
	}
	return netip.Prefix{}, fmt.Errorf("no free subnet in %s: delete clusters (mkube get clusters) or Docker networks (docker network prune)", pool)
}

func nthSubnet(i int) netip.Prefix {
	a := pool.Addr().As4()
	a[2] = byte(i)
	return netip.PrefixFrom(netip.AddrFrom4(a), 24)
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
