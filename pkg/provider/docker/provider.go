package docker

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sort"
	"strconv"
	"sync"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/volume"
	"github.com/docker/docker/client"

	"github.com/mkube/mkube/pkg/config"
	"github.com/mkube/mkube/pkg/provider"
)

// Provider makes nodes of containers.
type Provider struct{ client *client.Client }

var _ provider.Provider = (*Provider)(nil)

// New is the provider on the daemon that c speaks to.
func New(c *client.Client) *Provider { return &Provider{c} }

// Nodes lists the containers of a cluster, control planes first, in the order of
// its configuration.
func (p *Provider) Nodes(ctx context.Context, cluster string) ([]provider.Node, error) {
	list, err := p.client.ContainerList(ctx, container.ListOptions{All: true, Filters: byCluster(cluster)})
	if err != nil {
		return nil, fmt.Errorf("listing the nodes of %s: %w", cluster, err)
	}
	sort.Slice(list, func(i, j int) bool { return index(list[i]) < index(list[j]) })
	slices.SortStableFunc(list, func(a, b container.Summary) int { return rank(a) - rank(b) })
	var nodes []provider.Node
	for _, s := range list {
		nodes = append(nodes, nodeFrom(p.client, s))
	}
	return nodes, nil
}

func index(s container.Summary) int {
	i, _ := strconv.Atoi(s.Labels[labelIndex])
	return i
}

func rank(s container.Summary) int {
	return slices.Index([]config.Role{config.ControlPlane, config.Worker, config.LoadBalancer}, config.Role(s.Labels[labelRole]))
}

// Clusters lists the names of all clusters that have left anything on the daemon.
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

// Delete removes the containers of a cluster with their volumes, all at once, then
// its network.
func (p *Provider) Delete(ctx context.Context, cluster string) error {
	containers, err := p.client.ContainerList(ctx, container.ListOptions{All: true, Filters: byCluster(cluster)})
	if err != nil {
		return fmt.Errorf("listing the nodes of %s: %w", cluster, err)
	}
	errs := make([]error, len(containers))
	var wait sync.WaitGroup
	for i, c := range containers {
		wait.Go(func() { errs[i] = p.removeContainer(ctx, c.ID, containerName(c.Names)) })
	}
	wait.Wait()
	if err := errors.Join(errs...); err != nil {
		return err
	}
	if err := p.removeVolumes(ctx, cluster); err != nil {
		return err
	}
	return p.removeNetworks(ctx, cluster)
}

func (p *Provider) removeContainer(ctx context.Context, id, name string) error {
	err := p.client.ContainerRemove(ctx, id, container.RemoveOptions{RemoveVolumes: true, Force: true})
	if err != nil && !errdefs.IsNotFound(err) {
		return fmt.Errorf("removing node %s: %w", name, err)
	}
	return nil
}

func (p *Provider) removeVolumes(ctx context.Context, cluster string) error {
	list, err := p.client.VolumeList(ctx, volume.ListOptions{Filters: byCluster(cluster)})
	if err != nil {
		return fmt.Errorf("listing the volumes of %s: %w", cluster, err)
	}
	var errs []error
	for _, v := range list.Volumes {
		if err := p.client.VolumeRemove(ctx, v.Name, true); err != nil && !errdefs.IsNotFound(err) {
			errs = append(errs, fmt.Errorf("removing volume %s: %w", v.Name, err))
		}
	}
	return errors.Join(errs...)
}

func (p *Provider) removeNetworks(ctx context.Context, cluster string) error {
	list, err := p.client.NetworkList(ctx, network.ListOptions{Filters: byCluster(cluster)})
	if err != nil {
		return fmt.Errorf("listing the networks of %s: %w", cluster, err)
	}
	var errs []error
	for _, n := range list {
		if err := p.removeNetwork(ctx, n.ID); err != nil && !errdefs.IsNotFound(err) {
			errs = append(errs, fmt.Errorf("removing network %s: %w", n.Name, err))
		}
	}
	return errors.Join(errs...)
}

// removeNetwork disconnects what is still there: containers of the user's, such as a
// registry, that are not the cluster's to remove.
func (p *Provider) removeNetwork(ctx context.Context, id string) error {
	inspect, err := p.client.NetworkInspect(ctx, id, network.InspectOptions{})
	if err != nil {
		return err
	}
	for container := range inspect.Containers {
		if err := p.client.NetworkDisconnect(ctx, id, container, true); err != nil && !errdefs.IsNotFound(err) {
			return err
		}
	}
	return p.client.NetworkRemove(ctx, id)
}
