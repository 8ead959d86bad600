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

// pools are the ranges for the subnets of clusters, a /24 for each cluster. The first pool is used
// up first. It overlaps neither the default pools of Docker, nor the usual networks of homes and
// clouds, nor the defaults of Kubernetes for pods and Services. The second pool is for hosts with a
// VPN that routes all of 10.0.0.0/8. It is reserved (RFC 2544), so that no network has these
// addresses.
var pools = []netip.Prefix{netip.MustParsePrefix("10.89.0.0/16"), netip.MustParsePrefix("198.19.0.0/16")}

// pool6 is the range for IPv6, a /64 for each cluster. Its prefix is random, in the range that
// everyone may use within a site (RFC 4193).
var pool6 = netip.MustParsePrefix("fd4d:5ab1:b9e4::/48")

// createNetwork creates the cluster's network with subnets that overlap no other network. It
// returns the ID of the network and its subnets: an IPv4 one, and an IPv6 one if pods have IPv6
// addresses. In its own network, a cluster can fix the addresses of its nodes in advance. The
// network also claims the cluster's name: the command that creates the network creates the cluster,
// and all others get provider.ErrExists.
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
		// Two commands that wait for different times do not collide again.
		select {
		case <-ctx.Done():
			return "", nil, ctx.Err()
		case <-time.After(rand.N(claimPause)):
		}
	}
	return "", nil, existing(ctx, c, cfg.Name)
}

// The maximum number of claims, and the maximum pause between two of them. An engine needs about
// 100 ms to create a network.
const (
	claims     = 8
	claimPause = 500 * time.Millisecond
)

// claimed reports whether a new network is the only one of its cluster, and removes it if it is
// not. An engine before 25.0 checks the name before it creates a network, not during that. So two
// concurrent requests can create two networks with one name
// (https://github.com/moby/moby/pull/46251).
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
		// The daemon finishes a canceled request, even after Delete has listed the networks.
		made, err := c.NetworkCreate(context.WithoutCancel(ctx), networkName(cfg.Name), network.CreateOptions{
			Driver: "bridge", IPAM: ipam, EnableIPv6: &withIPv6, Options: options,
			Labels: map[string]string{labelCluster: cfg.Name, labelCreation: creation},
		})
		switch {
		case err == nil:
			return made.ID, subnets, nil
		case strings.Contains(err.Error(), "overlaps"): // with a network that another mkube has just created
			continue
		case errdefs.IsConflict(err), errdefs.IsAlreadyExists(err):
			return "", nil, existing(ctx, c, cfg.Name)
		default:
			return "", nil, fmt.Errorf("creating network %s: %w", networkName(cfg.Name), err)
		}
	}
	return "", nil, errNoSubnet
}

// existing returns the error for a network that exists. It names the creator if the network has
// that label.
func existing(ctx context.Context, c *client.Client, cluster string) error {
	by := ""
	if found, err := c.NetworkInspect(ctx, networkName(cluster), network.InspectOptions{}); err == nil && found.Labels[labelCreation] != "" {
		by = " (made by " + found.Labels[labelCreation] + ")"
	}
	return fmt.Errorf("network %s %w%s", networkName(cluster), provider.ErrExists, by)
}

// errNoSubnet is the error if no subnet of the pools is free.
var errNoSubnet = fmt.Errorf("no free subnet in %s, %s or, for IPv6, %s: delete clusters (mkube get clusters) or Docker networks (docker network prune)", pools[0], pools[1], pool6)

// ipv6 reports whether the nodes of a cluster have IPv6 addresses.
func ipv6(cfg config.Cluster) bool {
	return cfg.Networking.IPFamily == config.IPv6 || cfg.Networking.IPFamily == config.DualStack
}

// optionMTU sets the MTU of a network. The daemon's own setting (its flag --mtu) applies only to
// its default bridge, but an underlay that requires it requires it for the cluster's network too.
const optionMTU = "com.docker.network.driver.mtu"

// networkOptions returns the options that the cluster's network copies from the default network.
func networkOptions(ctx context.Context, c *client.Client) (map[string]string, error) {
	bridge, err := c.NetworkInspect(ctx, "bridge", network.InspectOptions{})
	if errdefs.IsNotFound(err) {
		return nil, nil // the daemon is configured without a default bridge
	}
	if err != nil {
		return nil, fmt.Errorf("inspecting network bridge: %w", err)
	}
	if mtu := bridge.Options[optionMTU]; mtu != "" {
		return map[string]string{optionMTU: mtu}, nil
	}
	return nil, nil
}

// nodeAddrs returns the addresses of the i-th node that the cluster uses, in the order of the
// families of its pod subnets.
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

// attachment returns all addresses of the i-th node. It always includes IPv4, which every Docker
// network has.
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

// nodeAddr returns the address of the i-th node. The first address of the network is the gateway's.
func nodeAddr(subnet netip.Prefix, i int) netip.Addr {
	a := subnet.Addr().Next().Next()
	for range i {
		a = a.Next()
	}
	return a
}
