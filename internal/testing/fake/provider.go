// Package fake provides nodes in memory, for tests. They keep the files that are written to them,
// and run the few commands that a test defines. A test can make them fail or hang at any call.
package fake

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"sort"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/mkube/mkube/pkg/config"
	"github.com/mkube/mkube/pkg/provider"
)

// Versions are the versions of a fake node's image if Provider.Versions is not set.
var Versions = provider.Versions{
	Kubernetes: "v1.37.2", Etcd: "3.7.0-0", CoreDNS: "v1.14.6", Pause: "3.10.2", LocalPath: "v0.0.33", MetricsServer: "v0.9.0",
}

// A Program runs a command on a node and returns its exit code. The command's Stdin, Stdout and
// Stderr are never nil. An error is an error of the node, and not of the command. Node.Run returns
// it unchanged.
type Program func(ctx context.Context, n *Node, cmd provider.Cmd) (code int, err error)

// Provider creates nodes in memory. The zero value is ready to use. Its fields must not change
// while a method runs. Its methods and those of its nodes are safe for concurrent use. It must not
// be copied.
type Provider struct {
	// Versions are the versions of every node's image. If zero, they are the package's Versions.
	Versions provider.Versions
	// Programs are the programs of the nodes by name, in addition to the built-in ones.
	Programs map[string]Program
	// Answer answers commands that are not programs. A command that it does not handle ends with
	// exit code 127, as in a shell. If nil, it handles no command.
	Answer func(args []string) (stdout string, code int, handled bool)
	// Before is called at the beginning of each call. Its error becomes the error of the call. It
	// may block until ctx ends. If nil, every call proceeds.
	Before func(ctx context.Context, call Call) error
	// Problems is the result of Check.
	Problems []provider.Problem
	// Published returns the host:port of a node's port. If nil, it is the node's own address.
	Published func(n *Node, port int) (string, error)

	mu       sync.Mutex
	calls    []Call
	clusters []*cluster
}

type cluster struct {
	name string
	// subnet is the third byte of the addresses of its nodes.
	subnet byte
	nodes  []*Node
	// creation is the creation that Create got.
	creation string
}

// A Call is one call of a method of a provider or of a node.
type Call struct {
	// N is the number of the call, counted from 1 for a provider and its nodes.
	N int
	// Method is Check, Create, Nodes, Delete, Clusters, Add, Remove, Stop, Start, Run, Endpoint or
	// Logs. Boot is a call within Create or Add, once for each node when its files are in place.
	Method string
	// Cluster is empty for Clusters. Node is empty for calls of the provider.
	Cluster, Node string
	// Args are the arguments of Run, or the names of the nodes for Check.
	Args []string
}

var _ provider.Provider = (*Provider)(nil)

// begin records a call and calls Before.
func (p *Provider) begin(ctx context.Context, c Call) error {
	p.mu.Lock()
	c.N = len(p.calls) + 1
	c.Args = slices.Clone(c.Args)
	p.calls = append(p.calls, c)
	p.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	if p.Before == nil {
		return nil
	}
	return p.Before(ctx, c)
}

// Calls returns the calls so far, in the order in which they began.
func (p *Provider) Calls() []Call {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.calls)
}

// Check returns Problems. An error of Before becomes a problem that is an error.
func (p *Provider) Check(ctx context.Context, cfg config.Cluster) []provider.Problem {
	err := p.begin(ctx, Call{Method: "Check", Cluster: cfg.Name, Args: cfg.NodeNames()})
	return append(slices.Clone(p.Problems), provider.Refuse(provider.CheckProvider, err)...)
}

// Create creates nodes with addresses from 10.89.0.2 on, or from fd89::2 on if the pods have IPv6
// addresses. The addresses of a second cluster begin at 10.89.1.2 and fd89::1:0:2.
func (p *Provider) Create(ctx context.Context, cfg config.Cluster, creation string, seed provider.Seed) ([]provider.Node, error) {
	if err := p.begin(ctx, Call{Method: "Create", Cluster: cfg.Name}); err != nil {
		return nil, err
	}
	made, err := p.reserve(cfg, creation)
	if err != nil {
		return nil, err
	}
	files, err := seed(asNodes(made))
	if err != nil {
		return nil, err
	}
	p.list(cfg.Name, made)
	g, gctx := errgroup.WithContext(ctx)
	for _, n := range made {
		g.Go(func() error {
			if err := n.writeFiles(files[n.name]); err != nil {
				return err
			}
			return p.begin(gctx, Call{Method: "Boot", Cluster: cfg.Name, Node: n.name})
		})
	}
	return asNodes(made), g.Wait()
}

// reserve reserves the name and the addresses of a cluster. Its nodes are not listed yet.
func (p *Provider) reserve(cfg config.Cluster, creation string) ([]*Node, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.find(cfg.Name) != nil {
		return nil, fmt.Errorf("cluster %s %w", cfg.Name, provider.ErrExists)
	}
	c := &cluster{name: cfg.Name, subnet: p.freeSubnet(), creation: creation}
	var nodes []*Node
	for i := range cfg.Nodes {
		nodes = append(nodes, p.newNode(cfg, i, c.subnet, creation))
	}
	p.clusters = append(p.clusters, c)
	return nodes, nil
}

// addresses returns the addresses of the i-th node, in the families and the order of the pod
// subnets.
func addresses(cfg config.Cluster, i int, subnet byte) []netip.Addr {
	four := netip.AddrFrom4([4]byte{10, 89, subnet, byte(2 + i)})
	var list []netip.Addr
	for _, p := range cfg.Networking.PodSubnets() {
		if p.Addr().Is4() {
			list = append(list, four)
		} else {
			list = append(list, netip.AddrFrom16([16]byte{0: 0xfd, 1: 0x89, 13: subnet, 15: byte(2 + i)}))
		}
	}
	if len(list) == 0 {
		list = append(list, four)
	}
	return list
}

func (p *Provider) newNode(cfg config.Cluster, i int, subnet byte, creation string) *Node {
	versions := p.Versions
	if versions == (provider.Versions{}) {
		versions = Versions
	}
	return &Node{
		provider: p, cluster: cfg.Name, name: cfg.NodeNames()[i], role: cfg.Nodes[i].Role,
		ips: addresses(cfg, i, subnet), versions: versions, creation: creation,
		files: map[string]provider.File{}, locked: make(chan struct{}, 1), gone: make(chan struct{}),
	}
}

// freeSubnet returns the first subnet that no cluster uses. The caller must hold the lock.
func (p *Provider) freeSubnet() byte {
	var i byte
	for slices.ContainsFunc(p.clusters, func(c *cluster) bool { return c.subnet == i }) {
		i++
	}
	return i
}

func (p *Provider) list(name string, nodes []*Node) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if c := p.find(name); c != nil {
		c.nodes = nodes
	}
}

// find returns the cluster of that name, or nil. The caller must hold the lock.
func (p *Provider) find(name string) *cluster {
	for _, c := range p.clusters {
		if c.name == name {
			return c
		}
	}
	return nil
}

// Nodes lists the nodes of a cluster, control planes first.
func (p *Provider) Nodes(ctx context.Context, name string) ([]provider.Node, error) {
	if err := p.begin(ctx, Call{Method: "Nodes", Cluster: name}); err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	c := p.find(name)
	if c == nil {
		return nil, nil
	}
	nodes := slices.Clone(c.nodes)
	sort.SliceStable(nodes, func(i, j int) bool {
		return nodes[i].role == config.ControlPlane && nodes[j].role != config.ControlPlane
	})
	return asNodes(nodes), nil
}

func asNodes(list []*Node) []provider.Node {
	var nodes []provider.Node
	for _, n := range list {
		nodes = append(nodes, n)
	}
	return nodes
}

// Delete deletes a cluster, or what a creation has created of it. After that, the nodes do not
// answer.
func (p *Provider) Delete(ctx context.Context, name, creation string) error {
	if err := p.begin(ctx, Call{Method: "Delete", Cluster: name}); err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	c := p.find(name)
	if c == nil {
		return nil
	}
	all := creation == "" || creation == c.creation
	c.nodes = slices.DeleteFunc(c.nodes, func(n *Node) bool {
		gone := all || n.creation == creation
		if gone {
			n.remove()
		}
		return gone
	})
	if all {
		p.clusters = slices.DeleteFunc(p.clusters, func(other *cluster) bool { return other == c })
	}
	return nil
}

// Clusters lists the names of the clusters, sorted, including those without nodes.
func (p *Provider) Clusters(ctx context.Context) ([]string, error) {
	if err := p.begin(ctx, Call{Method: "Clusters"}); err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	var names []string
	for _, c := range p.clusters {
		names = append(names, c.name)
	}
	slices.Sort(names)
	return names, nil
}
