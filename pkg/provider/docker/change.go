package docker

import (
	"context"
	"fmt"
	"net/netip"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/network"

	"github.com/mkube/mkube/pkg/config"
	"github.com/mkube/mkube/pkg/provider"
)

var _ provider.Changer = (*Provider)(nil)

// Add creates and boots one more node on the cluster's network, and returns it.
func (p *Provider) Add(ctx context.Context, cfg config.Cluster, i int, creation string, seed provider.Seed) (provider.Node, error) {
	one := cfg
	one.Nodes = cfg.Nodes[i : i+1]
	images, err := p.nodeImages(ctx, one)
	if err != nil {
		return nil, err
	}
	subnets, err := p.subnets(ctx, cfg.Name)
	if err != nil {
		return nil, err
	}
	n := p.newNode(cfg, i, creation, subnets, images)
	if err := p.nameFree(ctx, cfg.Name, n.name); err != nil {
		return nil, err
	}
	if n.free, err = p.freePorts(ctx, cfg); err != nil {
		return nil, err
	}
	files, err := seed([]provider.Node{n})
	if err != nil {
		return nil, err
	}
	err = p.boot(ctx, cfg, i, n, privilegesOf(ctx, p.client), files[n.name])
	if errdefs.IsConflict(err) { // another Add was faster
		return nil, fmt.Errorf("%w: %w", provider.ErrExists, err)
	}
	if err != nil {
		return nil, err
	}
	return n, nil
}

// nameFree returns provider.ErrExists if a container with the name exists.
func (p *Provider) nameFree(ctx context.Context, cluster, name string) error {
	found, err := p.client.ContainerInspect(ctx, name)
	switch {
	case errdefs.IsNotFound(err):
		return nil
	case err != nil:
		return fmt.Errorf("looking for container %s: %w", name, err)
	case found.Config.Labels[labelCluster] != cluster:
		return fmt.Errorf("container %s %w and is not a node of cluster %s: remove that container first", name, provider.ErrExists, cluster)
	}
	return fmt.Errorf("node %s %w", name, provider.ErrExists)
}

// subnets returns the subnets of a cluster's network.
func (p *Provider) subnets(ctx context.Context, cluster string) ([]netip.Prefix, error) {
	found, err := p.client.NetworkInspect(ctx, networkName(cluster), network.InspectOptions{})
	if err != nil {
		return nil, fmt.Errorf("inspecting network %s: %w", networkName(cluster), err)
	}
	var list []netip.Prefix
	for _, ipam := range found.IPAM.Config {
		if subnet, err := netip.ParsePrefix(ipam.Subnet); err == nil {
			list = append(list, subnet)
		}
	}
	return list, nil
}
