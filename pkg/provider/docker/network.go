package docker

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/client"

	"github.com/mkube/mkube/pkg/config"
	"github.com/mkube/mkube/pkg/provider"
)

func networkName(cluster string) string { return "mkube-" + cluster }

// pools are where the subnets of clusters are taken from, a /24 each, the first pool
// first. It is out of the way of Docker's own default pools, of the usual home and cloud
// networks, and of Kubernetes' defaults for pods and services. The second is for hosts
// whose VPN routes all of 10.0.0.0/8: nobody's network may have addresses of it (RFC 2544).
var pools = []netip.Prefix{netip.MustParsePrefix("10.89.0.0/16"), netip.MustParsePrefix("198.19.0.0/16")}

// pool6 is the same for IPv6, a /64 each: a prefix of those that anybody may use
// within a site (RFC 4193), chosen by chance.
var pool6 = netip.MustParsePrefix("fd4d:5ab1:b9e4::/48")

// createNetwork makes the cluster's network, with subnets that overlap nothing else,
// and returns its ID and them: an IPv4 one, and an IPv6 one where pods have such
// addresses. Its own network is what lets nodes have addresses that are known beforehand
// and stay. It is also what claims the cluster's name: whoever has the network makes the
// cluster, everybody else gets provider.ErrExists.
func createNetwork(ctx context.Context, c *client.Client, m machine, cfg config.Cluster, creation string) (id string, subnets []netip.Prefix, err error) {
	for range claims {
		id, subnets, err := tryNetwork(ctx, c, m, cfg, creation)
		if err != nil {
			return "", nil, err
		}
		alone, err := claimed(ctx, c, cfg.Name, id)
		if err != nil || alone {
			return id, subnets, err
		}
		// Two that back off for different times meet no second time.
		select {
		case <-ctx.Done():
			return "", nil, ctx.Err()
		case <-time.After(rand.N(claimPause)):
		}
	}
	return "", nil, existing(ctx, c, cfg.Name)
}

// How often a name is claimed, and the longest pause between two tries: making a network
// takes an engine some 100 ms.
const (
	claims     = 8
	claimPause = 500 * time.Millisecond
)

// claimed says whether a new network is the only one of its cluster. An engine before 25.0
// looks for the name before it makes a network, not while it does: two networks of one
// name come of two requests at the same time
// (https://github.com/moby/moby/pull/46251). One that is not the only one is removed.
func claimed(ctx context.Context, c *client.Client, cluster, id string) (bool, error) {
	list, err := c.NetworkList(ctx, network.ListOptions{Filters: byCluster(cluster)})
	if err != nil {
		return false, fmt.Errorf("listing the networks of %s: %w", cluster, err)
	}
	if !slices.ContainsFunc(list, func(n network.Summary) bool { return n.ID != id }) {
		return true, nil
	}
	if err := c.NetworkRemove(context.WithoutCancel(ctx), id); err != nil && !errdefs.IsNotFound(err) {
		return false, fmt.Errorf("removing network %s, one of two with the same name: %w", id, err)
	}
	return false, nil
}

func tryNetwork(ctx context.Context, c *client.Client, m machine, cfg config.Cluster, creation string) (id string, subnets []netip.Prefix, err error) {
	taken, err := takenSubnets(ctx, c, m, cfg)
	if err != nil {
		return "", nil, err
	}
	options, err := networkOptions(ctx, c)
	if err != nil {
		return "", nil, err
	}
	withIPv6 := ipv6(cfg)
	for subnets := range taken.free(withIPv6) {
		if err := ctx.Err(); err != nil {
			return "", nil, err
		}
		ipam := new(network.IPAM)
		for _, s := range subnets {
			ipam.Config = append(ipam.Config, network.IPAMConfig{Subnet: s.String(), Gateway: s.Addr().Next().String()})
		}
		// A cancelled request is carried out all the same, after Delete has looked.
		made, err := c.NetworkCreate(context.WithoutCancel(ctx), networkName(cfg.Name), network.CreateOptions{
			Driver: "bridge", IPAM: ipam, EnableIPv6: &withIPv6, Options: options,
			Labels: map[string]string{labelCluster: cfg.Name, labelCreation: creation},
		})
		switch {
		case err == nil:
			return made.ID, subnets, nil
		case strings.Contains(err.Error(), "overlaps"): // with one that another mkube just made
			continue
		case errdefs.IsConflict(err), errdefs.IsAlreadyExists(err):
			return "", nil, existing(ctx, c, cfg.Name)
		default:
			return "", nil, fmt.Errorf("creating network %s: %w", networkName(cfg.Name), err)
		}
	}
	return "", nil, errNoSubnet
}

// existing is the error of a network that exists, with who made it where the network says so.
func existing(ctx context.Context, c *client.Client, cluster string) error {
	by := ""
	if found, err := c.NetworkInspect(ctx, networkName(cluster), network.InspectOptions{}); err == nil && found.Labels[labelCreation] != "" {
		by = " (made by " + found.Labels[labelCreation] + ")"
	}
	return fmt.Errorf("network %s %w%s", networkName(cluster), provider.ErrExists, by)
}

// errNoSubnet says that all of the pool is taken.
var errNoSubnet = fmt.Errorf("no free subnet in %s, %s or, for IPv6, %s: delete clusters (mkube get clusters) or Docker networks (docker network prune)", pools[0], pools[1], pool6)

// ipv6 reports whether the nodes of a cluster have IPv6 addresses.
func ipv6(cfg config.Cluster) bool {
	return cfg.Networking.IPFamily == config.IPv6 || cfg.Networking.IPFamily == config.DualStack
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
		return nil, fmt.Errorf("inspecting network bridge: %w", err)
	}
	if mtu := bridge.Options[optionMTU]; mtu != "" {
		return map[string]string{optionMTU: mtu}, nil
	}
	return nil, nil
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
