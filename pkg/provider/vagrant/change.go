package vagrant

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"github.com/mkube/mkube/pkg/config"
	"github.com/mkube/mkube/pkg/provider"
)

var (
	_ provider.Changer = (*Provider)(nil)
	_ provider.Stopper = (*Provider)(nil)
	_ provider.Starter = (*Provider)(nil)
)

// Add makes one more machine, of the cluster's box and hypervisor.
func (p *Provider) Add(ctx context.Context, cfg config.Cluster, i int, seed provider.Seed) error {
	r, err := p.read(cfg.Name)
	if err != nil {
		return err
	}
	m, err := p.machine(cfg, i, r.Subnet)
	if err != nil {
		return err
	}
	n := p.node(cfg.Name, m)
	files, err := seed([]provider.Node{n})
	if err != nil {
		return err
	}
	r.Machines = append(r.Machines, m)
	slices.SortFunc(r.Machines, func(a, b machine) int { return a.Place - b.Place })
	if err := p.write(r); err != nil {
		return err
	}
	if err := p.vagrant(ctx, cfg.Name, "up", "--provider", r.Hypervisor, m.Name); err != nil {
		return err
	}
	if err := p.learn(ctx, cfg.Name); err != nil {
		return err
	}
	return p.furnish(ctx, cfg.Nodes[i].Image, n, files[m.Name])
}

// Remove destroys one machine.
func (p *Provider) Remove(ctx context.Context, cluster, name string) error {
	r, err := p.read(cluster)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	i := slices.IndexFunc(r.Machines, func(m machine) bool { return m.Name == name })
	if i < 0 {
		return nil
	}
	if err := p.vagrant(ctx, cluster, "destroy", "--force", name); err != nil {
		return fmt.Errorf("destroying %s: %w", name, err)
	}
	p.drop(cluster, name)
	r.Machines = slices.Delete(r.Machines, i, i+1)
	return p.write(r)
}

// Stop halts the machines of a cluster.
func (p *Provider) Stop(ctx context.Context, cluster string) error {
	p.forget(cluster)
	return p.vagrant(ctx, cluster, "halt")
}

// Start boots the machines of a cluster again. Vagrant makes their network anew, and
// may have given them other addresses of its own.
func (p *Provider) Start(ctx context.Context, cluster string) error {
	p.forget(cluster)
	if err := p.vagrant(ctx, cluster, "up"); err != nil {
		return err
	}
	return p.learn(ctx, cluster)
}
