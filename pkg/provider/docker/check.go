package docker

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/docker/docker/api/types/system"

	"github.com/mkube/mkube/pkg/config"
	"github.com/mkube/mkube/pkg/names"
	"github.com/mkube/mkube/pkg/provider"
)

// Check checks the daemon, the images, the ports, the subnets, the mounts, and the free memory,
// disk space and inotify instances. It checks ports only if the daemon is local and not in another
// container than mkube. It checks mounts, disk space and inotify instances only if, in addition,
// the daemon runs on the same kernel.
func (p *Provider) Check(ctx context.Context, cfg config.Cluster) []provider.Problem {
	info, err := p.info(ctx)
	if err != nil {
		return provider.Refuse(provider.CheckProvider, err)
	}
	images, imageErr := p.nodeImages(ctx, cfg)
	found := slices.Concat(
		provider.Refuse(provider.CheckImage, imageErr),
		provider.Refuse(provider.CheckImage, checkAddons(cfg, images)),
		provider.Refuse(provider.CheckConfig, checkAddresses(cfg)),
		p.checkSubnets(ctx, cfg),
		provider.Warn(provider.CheckMemory, p.checkMemory(info, cfg)),
	)
	if !local(p.client) || p.machine.beside(p.client.DaemonHost()) {
		return found
	}
	found = append(found, provider.Refuse(provider.CheckPort, checkPorts(cfg))...)
	if !p.sameKernel(info) {
		return found // the daemon runs in a virtual machine, with its own files and limits
	}
	return slices.Concat(found,
		provider.Refuse(provider.CheckMount, checkMounts(cfg)),
		provider.Warn(provider.CheckDisk, p.checkDisk(info, cfg)),
		provider.Warn(provider.CheckInotify, p.checkInotify(info, cfg)),
	)
}

// info returns what the daemon reports about itself, and an error if nodes cannot run there.
func (p *Provider) info(ctx context.Context) (system.Info, error) {
	if err := reach(ctx, p.client); err != nil {
		return system.Info{}, err
	}
	info, err := p.client.Info(ctx)
	if err != nil {
		return info, fmt.Errorf("reading the state of the Docker daemon: %w", err)
	}
	if info.OSType != "linux" {
		return info, fmt.Errorf("the Docker daemon runs %s containers, but nodes need Linux containers: switch the daemon to Linux containers", info.OSType)
	}
	return info, nil
}

// checkAddons returns an error for an addon that a node image does not contain.
func checkAddons(cfg config.Cluster, images map[string]nodeImage) error {
	if !slices.Contains(cfg.Addons, names.MetricsServer) {
		return nil
	}
	for name, i := range images {
		if i.versions.MetricsServer == "" {
			return fmt.Errorf("addon metrics-server is not in node image %s: it requires Kubernetes v1.36 or newer", name)
		}
	}
	return nil
}

// checkAddresses returns an error for each address that the configuration sets. The engine assigns
// addresses from a subnet that is free on the daemon.
func checkAddresses(cfg config.Cluster) error {
	var errs []error
	for i, n := range cfg.Nodes {
		if n.Address != "" {
			errs = append(errs, fmt.Errorf("nodes[%d].address: the address of a container cannot be chosen: remove this field, or use virtual machines (--provider vagrant)", i))
		}
	}
	return errors.Join(errs...)
}
