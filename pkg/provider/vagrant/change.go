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

// Add creates and boots one more machine, with the cluster's box and hypervisor.
func (p *Provider) Add(ctx context.Context, cfg config.Cluster, i int, creation string, seed provider.Seed) (provider.Node, error) {
	r, m, err := p.reserveMachine(cfg, i, creation)
	if err != nil {
		return nil, err
	}
	n := p.node(cfg.Name, m)
	files, err := seed([]provider.Node{n})
	if err != nil {
		return nil, err
	}
	if err := p.vagrant(ctx, cfg.Name, "up", "--provider", r.Hypervisor, m.Name); err != nil {
		return nil, err
	}
	if err := p.learn(ctx, cfg.Name); err != nil {
		return nil, err
	}
	if err := p.furnish(ctx, cfg.Nodes[i].Image, n, files[m.Name]); err != nil {
		return nil, err
	}
	return n, nil
}

// reserveMachine adds a new machine to the cluster's record. Concurrent Adds do not get the same
// place, not even those of two processes.
func (p *Provider) reserveMachine(cfg config.Cluster, i int, creation string) (r record, m machine, err error) {
	_, info, err := p.bundle(cfg.Nodes[i].Image)
	if err != nil {
		return r, m, err
	}
	err = p.edit(cfg.Name, func(now *record) error {
		m = machineOf(cfg, i, now.Subnet)
		m.Versions = info.Versions
		if now.machine(m.Name) >= 0 {
			return fmt.Errorf("node %s %w", m.Name, provider.ErrExists)
		}
		m.Creation = creation
		now.Machines = append(now.Machines, m)
		slices.SortFunc(now.Machines, func(a, b machine) int { return a.Place - b.Place })
		r = *now
		return nil
	})
	return r, m, err
}

// edit changes a cluster's record. Only one edit at a time runs, among all processes.
func (p *Provider) edit(cluster string, change func(*record) error) error {
	p.planning.Lock()
	defer p.planning.Unlock()
	unlock, err := lock(p.folder(cluster))
	if err != nil {
		return fmt.Errorf("locking the folder of cluster %s: %w", cluster, err)
	}
	defer unlock()
	r, err := p.read(cluster)
	if err != nil {
		return err
	}
	if err := change(&r); err != nil {
		return err
	}
	return p.write(r)
}

// Remove destroys one machine. If the machine does not exist, Remove returns nil.
func (p *Provider) Remove(ctx context.Context, cluster, name string) error {
	r, err := p.read(cluster)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if r.machine(name) < 0 {
		return nil
	}
	if err := p.vagrant(ctx, cluster, "destroy", "--force", name); err != nil {
		return fmt.Errorf("destroying %s: %w", name, err)
	}
	p.drop(cluster, name)
	return p.edit(cluster, func(r *record) error {
		r.Machines = slices.DeleteFunc(r.Machines, func(m machine) bool { return m.Name == name })
		return nil
	})
}

// Stop halts the machines of a cluster, the first control plane last.
func (p *Provider) Stop(ctx context.Context, cluster string) error {
	nodes, err := p.Nodes(ctx, cluster)
	if err != nil {
		return err
	}
	if len(nodes) > 1 {
		args := []string{"halt"}
		for _, n := range nodes[1:] {
			args = append(args, n.Name())
		}
		if err := p.vagrant(ctx, cluster, args...); err != nil {
			return err
		}
	}
	p.disconnect(cluster)
	return p.vagrant(ctx, cluster, "halt")
}

// Start boots the machines of a cluster again, or only those with the given names. Vagrant creates
// their network again, and their addresses in Vagrant's own network may have changed.
func (p *Provider) Start(ctx context.Context, cluster string, nodes ...string) error {
	p.disconnect(cluster)
	if err := p.vagrant(ctx, cluster, append([]string{"up"}, nodes...)...); err != nil {
		return err
	}
	return p.learn(ctx, cluster)
}
