package docker

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/docker/docker/api/types/container"

	"github.com/mkube/mkube/pkg/provider"
)

var (
	_ provider.Stopper = (*Provider)(nil)
	_ provider.Starter = (*Provider)(nil)
)

// Stop stops the containers of a cluster, as docker stop does.
func (p *Provider) Stop(ctx context.Context, cluster string) error {
	return p.each(ctx, cluster, "stopping", func(id string) error {
		return p.client.ContainerStop(ctx, id, container.StopOptions{})
	})
}

// Start starts the containers of a cluster, as docker start does.
func (p *Provider) Start(ctx context.Context, cluster string) error {
	return p.each(ctx, cluster, "starting", func(id string) error {
		return p.client.ContainerStart(ctx, id, container.StartOptions{})
	})
}

// each does something to all containers of a cluster at once.
func (p *Provider) each(ctx context.Context, cluster, doing string, do func(id string) error) error {
	containers, err := p.client.ContainerList(ctx, container.ListOptions{All: true, Filters: byCluster(cluster)})
	if err != nil {
		return fmt.Errorf("listing the nodes of %s: %w", cluster, err)
	}
	errs := make([]error, len(containers))
	var wait sync.WaitGroup
	for i, c := range containers {
		wait.Go(func() {
			if err := do(c.ID); err != nil {
				errs[i] = fmt.Errorf("%s %s: %w", doing, containerName(c.Names), err)
			}
		})
	}
	wait.Wait()
	return errors.Join(errs...)
}
