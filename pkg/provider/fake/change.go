package fake

import (
	"context"
	"fmt"
	"slices"

	"github.com/mkube/mkube/pkg/config"
	"github.com/mkube/mkube/pkg/provider"
)

var (
	_ provider.Changer = (*Provider)(nil)
	_ provider.Stopper = (*Provider)(nil)
	_ provider.Starter = (*Provider)(nil)
)

// Add makes one more node of a cluster.
func (p *Provider) Add(ctx context.Context, cfg config.Cluster, i int, seed provider.Seed) error {
	if err := p.begin(ctx, Call{Method: "Add", Cluster: cfg.Name, Node: cfg.NodeNames()[i]}); err != nil {
		return err
	}
	p.mu.Lock()
	c := p.find(cfg.Name)
	p.mu.Unlock()
	if c == nil {
		return fmt.Errorf("cluster %s does not exist", cfg.Name)
	}
	n := p.newNode(cfg, i, c.subnet)
	files, err := seed([]provider.Node{n})
	if err != nil {
		return err
	}
	p.mu.Lock()
	c.nodes = append(c.nodes, n)
	p.mu.Unlock()
	if err := n.put(files[n.name]); err != nil {
		return err
	}
	return p.begin(ctx, Call{Method: "Boot", Cluster: cfg.Name, Node: n.name})
}

// Remove takes a node away. It answers no more.
func (p *Provider) Remove(ctx context.Context, name, node string) error {
	if err := p.begin(ctx, Call{Method: "Remove", Cluster: name, Node: node}); err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	c := p.find(name)
	if c == nil {
		return nil
	}
	c.nodes = slices.DeleteFunc(c.nodes, func(n *Node) bool {
		if n.name == node {
			n.remove()
		}
		return n.name == node
	})
	return nil
}

// Stop does nothing: what a stopped node would not do, Before can forbid.
func (p *Provider) Stop(ctx context.Context, name string) error {
	return p.begin(ctx, Call{Method: "Stop", Cluster: name})
}

// Start does nothing.
func (p *Provider) Start(ctx context.Context, name string) error {
	return p.begin(ctx, Call{Method: "Start", Cluster: name})
}
