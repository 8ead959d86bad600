package docker

import (
	"context"
	"errors"
	"fmt"
	"net/netip"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/network"

	"github.com/mkube/mkube/pkg/config"
	"github.com/mkube/mkube/pkg/provider"
)

var _ provider.Changer = (*Provider)(nil)

// Add makes one more node on the cluster's network.
func (p *Provider) Add(ctx context.Context, cfg config.Cluster, i int, seed provider.Seed) error {
	one := cfg
	one.Nodes = cfg.Nodes[i : i+1]
	images, err := p.nodeImages(ctx, one)
	if err != nil {
		return err
	}
	subnets, err := p.subnets(ctx, cfg.Name)
	if err != nil {
		return err
	}
	n := p.newNode(cfg, i, subnets, images)
	files, err := seed([]provider.Node{n})
	if err != nil {
		return err
	}
	return p.boot(ctx, cfg, i, n, privilegesOf(ctx, p.client), files[n.name])
}

// subnets are those of a cluster's network.
func (p *Provider) subnets(ctx context.Context, cluster string) ([]netip.Prefix, error) {
	found, err := p.client.NetworkInspect(ctx, networkName(cluster), network.InspectOptions{})
	if err != nil {
		return nil, fmt.Errorf("looking at network %s: %w", networkName(cluster), err)
	}
	var list []netip.Prefix
	for _, ipam := range found.IPAM.Config {
		if subnet, err := netip.ParsePrefix(ipam.Subnet); err == nil {
			list = append(list, subnet)
		}
	}
	return list, nil
}

// Remove removes a container and the volumes that are mounted there.
func (p *Provider) Remove(ctx context.Context, cluster, node string) error {
	inspect, err := p.client.ContainerInspect(ctx, node)
	if errdefs.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("looking at %s: %w", node, err)
	}
	if inspect.Config.Labels[labelCluster] != cluster {
		return fmt.Errorf("%s is no node of cluster %s", node, cluster)
	}
	if err := p.removeContainer(ctx, inspect.ID, node); err != nil {
		return err
	}
	var errs []error
	for _, m := range inspect.Mounts {
		if m.Type != "volume" {
			continue
		}
		if err := p.client.VolumeRemove(ctx, m.Name, true); err != nil && !errdefs.IsNotFound(err) {
			errs = append(errs, fmt.Errorf("removing volume %s: %w", m.Name, err))
		}
	}
	return errors.Join(errs...)
}
