package bootstrap

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/mkube/mkube/pkg/cluster"
	"github.com/mkube/mkube/pkg/component"
	"github.com/mkube/mkube/pkg/component/etcd"
	"github.com/mkube/mkube/pkg/config"
	"github.com/mkube/mkube/pkg/provider"
)

// Steps of a change that are no component.
const (
	stepMember     = "etcd member"
	stepNeighbours = "other nodes"
)

// AddNode adds a node to a cluster that is up, and returns its name. An empty image
// is that of the cluster's first node. When it fails and is not told to retain, the
// cluster is as before.
func AddNode(ctx context.Context, p provider.Provider, name string, want config.Node, o Options) (string, error) {
	changer, err := changerOf(p)
	if err != nil {
		return "", err
	}
	before, err := Open(ctx, p, name)
	if err != nil {
		return "", err
	}
	cfg, i, err := placeFor(before, want)
	if err != nil {
		return "", err
	}
	if err := p.Check(ctx, alone(cfg, i)); err != nil {
		return "", err
	}
	if o.Wait > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, o.Wait)
		defer cancel()
	}
	a := addition{p: p, changer: changer, before: before, cfg: cfg, i: i, name: cfg.NodeNames()[i], o: o}
	if err := a.do(ctx); err != nil {
		if !o.Retain {
			err = errors.Join(err, a.undo(ctx))
		}
		return "", err
	}
	return a.name, nil
}

func changerOf(p provider.Provider) (provider.Changer, error) {
	changer, ok := provider.As[provider.Changer](p)
	if !ok {
		return nil, errors.New("this provider cannot change the nodes of a cluster that is up: create another cluster")
	}
	return changer, nil
}

// placeFor finds the place of a new node, the first free one of its role or else a
// new one at the end, and puts the node there.
func placeFor(c *cluster.Cluster, want config.Node) (config.Cluster, int, error) {
	cfg := c.Config
	if want.Role == config.ControlPlane && c.LoadBalancer() == nil {
		return cfg, 0, fmt.Errorf("cluster %q has no load balancer to lead to a second control plane: create one with --control-planes 3", cfg.Name)
	}
	if want.Image == "" {
		want.Image = cfg.Nodes[0].Image
	}
	names := cfg.NodeNames()
	i := 0
	for i < len(names) && (cfg.Nodes[i].Role != want.Role || c.Node(names[i]) != nil) {
		i++
	}
	cfg.Nodes = slices.Clone(cfg.Nodes)
	if i == len(names) {
		cfg.Nodes = append(cfg.Nodes, config.Node{})
	}
	cfg.Nodes[i] = want
	cfg = cfg.Default()
	return cfg, i, cfg.Validate()
}

// alone is a configuration with only its i-th node, for a look at whether the host
// has room for it: what the others take is taken already.
func alone(cfg config.Cluster, i int) config.Cluster {
	cfg.Nodes = cfg.Nodes[i : i+1]
	cfg.Networking.APIServerPort = 0
	return cfg
}

// An addition is one node on its way into a cluster.
type addition struct {
	p       provider.Provider
	changer provider.Changer
	before  *cluster.Cluster
	cfg     config.Cluster
	i       int
	name    string
	o       Options
	member  provider.Node // the node, once etcd was told of it
}

func (a *addition) do(ctx context.Context) error {
	graph := built(a.before.Stage, a.cfg)
	announce(graph, a.o)
	c, err := a.boot(ctx, graph)
	if err != nil {
		return err
	}
	if err := step(a.o, stepNeighbours, func() error { return tellNeighbours(ctx, c, graph, a.name) }); err != nil {
		return err
	}
	up := component.Up{Cluster: c, On: a.o.On, Files: true, Started: startsAtBoot(graph)}
	return run(ctx, onlyOn(graph, a.name), up.Do, a.o)
}

// boot makes the node. A member of etcd is announced to the others before it starts.
func (a *addition) boot(ctx context.Context, graph component.Graph) (*cluster.Cluster, error) {
	var c *cluster.Cluster
	err := step(a.o, stepNodes, func() error {
		return a.changer.Add(ctx, a.cfg, a.i, func(made []provider.Node) (map[string][]provider.File, error) {
			c = cluster.New(a.cfg, append(slices.Clone(a.before.Nodes), made...), a.before.PKI)
			c.Joining, c.Stage = a.name, a.before.Stage
			if made[0].Role() == config.ControlPlane && slices.Contains(graph.Names(), "etcd") {
				a.member = made[0]
				if err := etcd.AddMember(ctx, a.before.ControlPlanes(), made[0]); err != nil {
					return nil, err
				}
			}
			files, err := render(c, graph)
			return map[string][]provider.File{a.name: files[a.name]}, err
		})
	})
	if err != nil {
		return nil, err
	}
	// Listed by the provider, the nodes are what commands are traced on.
	nodes, err := a.p.Nodes(ctx, a.cfg.Name)
	if err != nil {
		return nil, err
	}
	c.Nodes = inOrder(a.cfg, nodes)
	return c, nil
}

// undo takes back what an addition has done so far.
func (a *addition) undo(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
	defer cancel()
	var errs []error
	if a.member != nil {
		errs = append(errs, etcd.RemoveMember(ctx, a.before.ControlPlanes(), a.member))
	}
	if slices.Contains(built(a.before.Stage, a.before.Config).Names(), "node-registration") {
		errs = append(errs, deleteObject(ctx, a.before, a.name))
	}
	errs = append(errs, a.changer.Remove(ctx, a.cfg.Name, a.name), tellNeighbours(ctx, a.before, built(a.before.Stage, a.before.Config), ""))
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("taking node %s away again: %w; mkube delete node %[1]s tries again", a.name, err)
	}
	return nil
}

// onlyOn is a graph that comes up on one node only.
func onlyOn(g component.Graph, name string) component.Graph {
	g = slices.Clone(g)
	for i, c := range g {
		g[i].On = func(cl *cluster.Cluster) []provider.Node {
			return slices.DeleteFunc(slices.Clone(c.Nodes(cl)), func(n provider.Node) bool { return n.Name() != name })
		}
	}
	return g
}

// tellNeighbours brings what nodes know of each other up to date on all but one, which
// knows it: the configuration, routes to pods, the load balancer's servers.
func tellNeighbours(ctx context.Context, c *cluster.Cluster, graph component.Graph, but string) error {
	file, err := configFile(c.Config)
	if err != nil {
		return err
	}
	var errs []error
	for _, n := range c.ControlPlanes() {
		if n.Name() != but {
			errs = append(errs, provider.WriteFiles(ctx, n, []provider.File{file}))
		}
	}
	up := component.Up{Cluster: c}
	for _, comp := range graph {
		if !comp.Neighbours {
			continue
		}
		comp.Manifest = nil // a pod that runs would be made anew
		for _, n := range comp.Nodes(c) {
			if n.Name() != but {
				errs = append(errs, up.Start(ctx, comp, n))
			}
		}
	}
	return errors.Join(errs...)
}
