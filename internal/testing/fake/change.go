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

// Add creates one more node of a cluster, and returns it.
func (p *Provider) Add(ctx context.Context, cfg config.Cluster, i int, creation string, seed provider.Seed) (provider.Node, error) {
	if err := p.begin(ctx, Call{Method: "Add", Cluster: cfg.Name, Node: cfg.NodeNames()[i]}); err != nil {
		return nil, err
	}
	n, err := p.reserveNode(cfg, i, creation)
	if err != nil {
		return nil, err
	}
	files, err := seed([]provider.Node{n})
	if err != nil {
		return nil, err
	}
	if err := n.writeFiles(files[n.name]); err != nil {
		return nil, err
	}
	if err := p.begin(ctx, Call{Method: "Boot", Cluster: cfg.Name, Node: n.name}); err != nil {
		return nil, err
	}
	return n, nil
}

// reserveNode reserves an index of a cluster, so that two calls at the same time do not get the
// same one.
func (p *Provider) reserveNode(cfg config.Cluster, i int, creation string) (*Node, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	c := p.find(cfg.Name)
	if c == nil {
		return nil, fmt.Errorf("cluster %s does not exist", cfg.Name)
	}
	n := p.newNode(cfg, i, c.subnet, creation)
	if slices.ContainsFunc(c.nodes, func(other *Node) bool { return other.name == n.name }) {
		return nil, fmt.Errorf("node %s %w", n.name, provider.ErrExists)
	}
	c.nodes = append(c.nodes, n)
	return n, nil
}

// Remove removes a node. After that, the node does not answer.
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

// Stop stops the nodes of a cluster. They run no commands until Start, but keep their files.
func (p *Provider) Stop(ctx context.Context, name string) error {
	return p.power(ctx, Call{Method: "Stop", Cluster: name}, false)
}

// Start starts the named nodes of a cluster, or all its nodes if there are no names.
func (p *Provider) Start(ctx context.Context, name string, nodes ...string) error {
	return p.power(ctx, Call{Method: "Start", Cluster: name}, true, nodes...)
}

func (p *Provider) power(ctx context.Context, call Call, on bool, nodes ...string) error {
	if err := p.begin(ctx, call); err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if c := p.find(call.Cluster); c != nil {
		for _, n := range c.nodes {
			if len(nodes) == 0 || slices.Contains(nodes, n.name) {
				n.power(on)
			}
		}
	}
	return nil
}
