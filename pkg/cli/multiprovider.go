package cli

import (
	"context"
	"fmt"
	"slices"

	"github.com/mkube/mkube/pkg/config"
	"github.com/mkube/mkube/pkg/provider"
)

// multiProvider combines all providers. The chosen provider creates new clusters. An existing
// cluster is found by its name, so no other command needs to know what its nodes are made
// of. A cluster that has no folder on this host belongs to Docker.
type multiProvider struct {
	// chosen creates new clusters. If unset, Docker does.
	chosen  provider.Provider
	docker  func() (provider.Provider, error)
	sources func() []source
}

var (
	_ provider.Changer = (*multiProvider)(nil)
	_ provider.Placer  = (*multiProvider)(nil)
	_ provider.Stopper = (*multiProvider)(nil)
	_ provider.Starter = (*multiProvider)(nil)
)

// everyProvider returns the combination of all providers.
func (a app) everyProvider() (provider.Provider, error) {
	return &multiProvider{docker: a.containers, sources: a.otherProviders}, nil
}

// maker returns the provider that creates new clusters.
func (e *multiProvider) maker() (provider.Provider, error) {
	if e.chosen != nil {
		return e.chosen, nil
	}
	return e.docker()
}

// of returns the provider of a cluster. For a cluster without a folder, that is the provider of
// new clusters.
func (e *multiProvider) of(cluster string) (provider.Provider, error) {
	for _, s := range e.sources() {
		if s.has(cluster) {
			return s.open()
		}
	}
	return e.maker()
}

func (e *multiProvider) Check(ctx context.Context, cfg config.Cluster) []provider.Problem {
	p, err := e.of(cfg.Name) // of the existing cluster, if a node is to be added
	if err != nil {
		return provider.Refuse(provider.CheckProvider, err)
	}
	return p.Check(ctx, cfg)
}

func (e *multiProvider) Create(ctx context.Context, cfg config.Cluster, creation string, seed provider.Seed) ([]provider.Node, error) {
	p, err := e.maker()
	if err != nil {
		return nil, err
	}
	return p.Create(ctx, cfg, creation, seed)
}

func (e *multiProvider) Place(ctx context.Context, cfg config.Cluster) (config.Cluster, []string, error) {
	p, err := e.maker()
	if err != nil {
		return cfg, nil, nil // the next call to the provider returns the error
	}
	return provider.Place(ctx, p, cfg)
}

func (e *multiProvider) Nodes(ctx context.Context, cluster string) ([]provider.Node, error) {
	p, err := e.of(cluster)
	if err != nil {
		return nil, err
	}
	return p.Nodes(ctx, cluster)
}

func (e *multiProvider) Delete(ctx context.Context, cluster, creation string) error {
	p, err := e.of(cluster)
	if err != nil {
		return err
	}
	return p.Delete(ctx, cluster, creation)
}

// Clusters ignores an error of Docker if another provider has clusters or is chosen. Docker may
// not be installed on this host.
func (e *multiProvider) Clusters(ctx context.Context) ([]string, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	var names []string
	for _, s := range e.sources() {
		names = append(names, s.clusters...)
	}
	containers, err := e.containers(ctx)
	if err != nil && len(names) == 0 && e.chosen == nil {
		return nil, err
	}
	names = append(names, containers...)
	slices.Sort(names)
	return slices.Compact(names), nil
}

func (e *multiProvider) containers(ctx context.Context) ([]string, error) {
	p, err := e.docker()
	if err != nil {
		return nil, err
	}
	return p.Clusters(ctx)
}

// capability returns an optional capability of the provider of a cluster. what names it in the
// error if the provider lacks it.
func capability[T any](e *multiProvider, cluster, what string) (t T, err error) {
	p, err := e.of(cluster)
	if err != nil {
		return t, err
	}
	t, ok := provider.As[T](p)
	if !ok {
		return t, fmt.Errorf("the provider of cluster %q cannot %s", cluster, what)
	}
	return t, nil
}

func (e *multiProvider) Add(ctx context.Context, cfg config.Cluster, i int, creation string, seed provider.Seed) (provider.Node, error) {
	p, err := capability[provider.Changer](e, cfg.Name, "add a node: create another cluster")
	if err != nil {
		return nil, err
	}
	return p.Add(ctx, cfg, i, creation, seed)
}

func (e *multiProvider) Remove(ctx context.Context, cluster, node string) error {
	p, err := capability[provider.Changer](e, cluster, "remove a node: create another cluster")
	if err != nil {
		return err
	}
	return p.Remove(ctx, cluster, node)
}

func (e *multiProvider) Stop(ctx context.Context, cluster string) error {
	p, err := capability[provider.Stopper](e, cluster, "stop its nodes")
	if err != nil {
		return err
	}
	return p.Stop(ctx, cluster)
}

func (e *multiProvider) Start(ctx context.Context, cluster string, nodes ...string) error {
	p, err := capability[provider.Starter](e, cluster, "start its nodes")
	if err != nil {
		return err
	}
	return p.Start(ctx, cluster, nodes...)
}
