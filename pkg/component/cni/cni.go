// Package cni sets up the pod network.
package cni

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"net/netip"
	"strings"

	"github.com/mkube/mkube/pkg/cluster"
	"github.com/mkube/mkube/pkg/component"
	"github.com/mkube/mkube/pkg/names"
	"github.com/mkube/mkube/pkg/provider"
)

const (
	name = names.CNI
	unit = "mkube-pod-network.service"
)

const dir = "/etc/mkube/pod-network"

//go:embed conflist.json
var conflist string

//go:embed rules.nft
var rules string

//go:embed lesson.md
var lesson string

// New returns the pod network on every node. It is a file that the container runtime reads, so
// that a node becomes Ready without waiting for a pod.
func New() component.Component {
	return component.Component{
		About: component.About{
			Name:   name,
			Short:  "gives every pod an address, and connects it to the pod network",
			Lesson: lesson,
			Effect: component.Effect{Claim: "the runtime has a network for pods", Try: network},
		},
		Content: component.Content{
			Files: files,
		},
		Lifecycle: component.Lifecycle{
			DependsOn: []component.Dependency{
				{Name: names.Containerd, Until: component.UntilServing},
			},
			Unit:      unit,
			AtBoot:    true,
			Neighbors: true,
			Start:     start,
			Stop:      stop,
			Ready:     ready,
		},
	}
}

func files(c *cluster.Cluster, n provider.Node) ([]provider.File, error) {
	if c.Config.Networking.DisableDefaultCNI {
		return nil, nil
	}
	conflist, err := component.Render(name, conflist, map[string]any{"Ranges": ranges(c.PodCIDRs(n))})
	if err != nil {
		return nil, err
	}
	rules, err := component.Render(name, rules, map[string]any{
		"Subnets": subnets(c.Config.Networking.PodSubnets()), "Services": subnets(c.Config.Networking.ServiceSubnets()),
	})
	return []provider.File{
		{Path: "/etc/cni/net.d/10-mkube.conflist", Data: conflist, Mode: 0o600},
		{Path: dir + "/routes", Data: routes(c, n)},
		{Path: dir + "/rules.nft", Data: rules},
	}, err
}

// A subnet is a subnet in the terms of nftables' rules. Multicast is the multicast range of its
// family.
type subnet struct{ Family, CIDR, Multicast string }

func subnets(cidrs []netip.Prefix) []subnet {
	var list []subnet
	for _, cidr := range cidrs {
		s := subnet{"ip", cidr.String(), "224.0.0.0/4"}
		if cidr.Addr().Is6() {
			s.Family, s.Multicast = "ip6", "ff00::/8"
		}
		list = append(list, s)
	}
	return list
}

// A podRange is the range of addresses of a node's pods, and the destination of their default
// route.
type podRange struct{ Subnet, Everywhere string }

func ranges(cidrs []netip.Prefix) []podRange {
	var list []podRange
	for _, cidr := range cidrs {
		everywhere := "0.0.0.0/0"
		if cidr.Addr().Is6() {
			everywhere = "::/0"
		}
		list = append(list, podRange{cidr.String(), everywhere})
	}
	return list
}

// routes returns the routes to the pods of all other nodes, as lines for ip -batch.
func routes(c *cluster.Cluster, n provider.Node) []byte {
	var lines bytes.Buffer
	for _, other := range c.KubernetesNodes() {
		for _, cidr := range c.PodCIDRs(other) {
			via := provider.IPOf(other, cidr.Addr().Is6())
			if other.Name() != n.Name() && via.IsValid() {
				fmt.Fprintf(&lines, "route replace %s via %s\n", cidr, via)
			}
		}
	}
	return lines.Bytes()
}

// start restarts the unit, so that it also applies routes that have changed.
func start(ctx context.Context, c *cluster.Cluster, n provider.Node) error {
	if c.Config.Networking.DisableDefaultCNI {
		return nil
	}
	if _, err := provider.Output(ctx, n, "systemctl", "restart", unit); err != nil {
		return fmt.Errorf("starting the pod network: %w", err)
	}
	return nil
}

// stop removes the pod network from the node, which has no pods at this point.
func stop(ctx context.Context, _ *cluster.Cluster, n provider.Node) error {
	const script = `nft delete table inet mkube-pod-network 2>/dev/null
ip link delete cni0 2>/dev/null
ip route | sed -n 's/^\([^ ]* via [^ ]*\) dev .*/\1/p' | grep -v ^default | while read -r route; do ip route delete $route; done
rm -rf /var/lib/cni/networks /var/lib/cni/results`
	if _, err := provider.Output(ctx, n, "sh", "-c", script); err != nil {
		return fmt.Errorf("removing the pod network: %w", err)
	}
	return nil
}

// ready checks that routes and rules are in place. It does not check the plugins: the kubelet
// reports that in the condition of its node.
func ready(ctx context.Context, _ *cluster.Cluster, n provider.Node) error {
	out, err := provider.Output(ctx, n, "systemctl", "is-active", unit)
	if err != nil {
		return fmt.Errorf("%s is %s", unit, strings.TrimSpace(string(out)))
	}
	return nil
}

// network checks the network status that the container runtime reports. See
// https://github.com/kubernetes/cri-api (RuntimeStatus).
func network(ctx context.Context, c *cluster.Cluster) error {
	for _, n := range c.KubernetesNodes() {
		out, err := provider.Output(ctx, n, "crictl", "info")
		if err != nil {
			return err
		}
		var info struct {
			Status struct {
				Conditions []struct {
					Type, Message string
					Status        bool
				}
			}
		}
		if err := json.Unmarshal(out, &info); err != nil {
			return fmt.Errorf("reading the status of the runtime of %s: %w", n.Name(), err)
		}
		for _, c := range info.Status.Conditions {
			if c.Type == "NetworkReady" && !c.Status {
				return fmt.Errorf("the runtime of %s reports: %s", n.Name(), c.Message)
			}
		}
	}
	return nil
}
