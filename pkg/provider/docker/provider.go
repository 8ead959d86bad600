package docker

import (
	"context"
	"fmt"
	"slices"
	"sort"
	"strconv"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/client"

	"github.com/mkube/mkube/pkg/config"
	"github.com/mkube/mkube/pkg/provider"
)

// Provider creates nodes that are containers. It is safe for concurrent use.
type Provider struct {
	client *client.Client
	// machine is the host of mkube.
	machine machine
}

var _ provider.Provider = (*Provider)(nil)

// New returns the provider for the daemon that c connects to.
func New(c *client.Client) *Provider { return &Provider{c, here()} }

// Nodes returns the containers of a cluster, control planes first, in the order of its
// configuration.
func (p *Provider) Nodes(ctx context.Context, cluster string) ([]provider.Node, error) {
	list, err := p.containers(ctx, cluster)
	if err != nil {
		return nil, err
	}
	var nodes []provider.Node
	for _, s := range list {
		nodes = append(nodes, nodeFrom(p.client, s))
	}
	return nodes, nil
}

// containers returns the containers of a cluster, in the order of Nodes.
func (p *Provider) containers(ctx context.Context, cluster string) ([]container.Summary, error) {
	list, err := p.client.ContainerList(ctx, container.ListOptions{All: true, Filters: byCluster(cluster)})
	if err != nil {
		return nil, fmt.Errorf("listing the nodes of %s: %w", cluster, err)
	}
	sort.Slice(list, func(i, j int) bool { return index(list[i]) < index(list[j]) })
	slices.SortStableFunc(list, func(a, b container.Summary) int { return rank(a) - rank(b) })
	return list, nil
}

func index(s container.Summary) int {
	i, _ := strconv.Atoi(s.Labels[labelIndex]) // 0 if someone has removed the label
	return i
}

func rank(s container.Summary) int {
	return slices.Index([]config.Role{config.ControlPlane, config.Worker, config.LoadBalancer}, config.Role(s.Labels[labelRole]))
}

// Clusters returns the sorted names of all clusters that have a container or network on the daemon.
func (p *Provider) Clusters(ctx context.Context) ([]string, error) {
	if err := reach(ctx, p.client); err != nil {
		return nil, err
	}
	labelled := filters.NewArgs(filters.Arg("label", labelCluster))
	containers, err := p.client.ContainerList(ctx, container.ListOptions{All: true, Filters: labelled})
	if err != nil {
		return nil, fmt.Errorf("listing clusters: %w", err)
	}
	networks, err := p.client.NetworkList(ctx, network.ListOptions{Filters: labelled})
	if err != nil {
		return nil, fmt.Errorf("listing clusters: %w", err)
	}
	var names []string
	for _, c := range containers {
		names = append(names, c.Labels[labelCluster])
	}
	for _, n := range networks {
		names = append(names, n.Labels[labelCluster])
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}
