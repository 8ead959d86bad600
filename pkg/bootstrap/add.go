package bootstrap

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/mkube/mkube/pkg/cluster"
	"github.com/mkube/mkube/pkg/component"
	"github.com/mkube/mkube/pkg/component/etcd"
	"github.com/mkube/mkube/pkg/config"
	"github.com/mkube/mkube/pkg/names"
	"github.com/mkube/mkube/pkg/provider"
	"github.com/mkube/mkube/pkg/state"
)

// Steps of a change that are no component.
const (
	stepRepair     = "repair"
	stepMember     = "etcd member"
	stepNeighbours = "other nodes"
)

// AddNode adds a node to a cluster that is up, and returns its name. An empty image
// is that of the cluster's first node. When it fails and is not told to retain, the
// cluster is as before. While another command changes the cluster, the error is a
// *state.BusyError.
func AddNode(ctx context.Context, p provider.Provider, name string, want config.Node, o Options) (string, error) {
	changer, err := changerOf(p)
	if err != nil {
		return "", err
	}
	a := addition{p: p, changer: changer, want: want, o: o, creation: provider.NewCreation("add node")}
	ctx, cancel := o.Limit(ctx)
	defer cancel()
	// The host is looked at without the lock: it may take seconds, and changes nothing.
	if err := a.open(ctx, name); err != nil {
		return "", err
	}
	if err := preflight(ctx, p, alone(a.cfg, a.i), o); err != nil {
		return "", err
	}
	release, err := state.Attempt{Cluster: name, By: a.creation}.Hold(ctx, a.before.Nodes)
	if err != nil {
		return "", err
	}
	defer release()
	if err := a.open(ctx, name); err != nil { // another command may have changed it meanwhile
		return "", err
	}
	if err := a.repair(ctx); err != nil {
		return "", err
	}
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
		return nil, errors.New("this provider cannot change the nodes of a running cluster: create another cluster")
	}
	return changer, nil
}

// placeFor finds the place of a new node, the first free one of its role or else a
// new one at the end, and puts the node there.
func placeFor(c *cluster.Cluster, want config.Node) (config.Cluster, int, error) {
	cfg := c.Config
	if want.Role == config.ControlPlane && c.LoadBalancer() == nil {
		return cfg, 0, fmt.Errorf("cluster %q has no load balancer, which a second control plane requires: create a cluster with --control-planes 3", cfg.Name)
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
	n := cfg.Nodes[i]
	n.Name = cfg.NodeNames()[i] // which its place among the others may decide
	cfg.Nodes = []config.Node{n}
	cfg.Networking.APIServerPort = 0
	return cfg
}

// An addition is one node on its way into a cluster.
type addition struct {
	p       provider.Provider
	changer provider.Changer
	want    config.Node
	o       Options
	// creation is what everything that is made carries.
	creation string
	// before is the cluster, and cfg its configuration with the node in its i-th place.
	before *cluster.Cluster
	cfg    config.Cluster
	i      int
	name   string
	// member is the node, once etcd was told of it; joined says that the node was made.
	member provider.Node
	joined bool
}

// open reads the cluster, and finds the place of the node.
func (a *addition) open(ctx context.Context, cluster string) (err error) {
	if a.before, err = state.Open(ctx, a.p, cluster); err != nil {
		return err
	}
	if a.cfg, a.i, err = placeFor(a.before, a.want); err != nil {
		return err
	}
	a.name = a.cfg.NodeNames()[a.i]
	return nil
}

func (a *addition) do(ctx context.Context) error {
	graph := graphUntil(a.before.Stage, a.cfg)
	announce(graph, a.o)
	c, err := a.boot(ctx, graph)
	if err != nil {
		return err
	}
	if err := step(a.o, stepNeighbours, func() error { return updateOtherNodes(ctx, c, graph, a.name) }); err != nil {
		return err
	}
	up := component.Up{Cluster: c, On: a.o.On, Files: true, Started: startsAtBoot(graph)}
	if err := run(ctx, onlyOn(graph, a.name), up.Do, a.o); err != nil {
		return err
	}
	return join(ctx, c)
}

// join writes down on all control planes that the new node has joined. Before that it is a
// stray: what an add that was killed has left may lack components, and start would wait for
// them in vain.
func join(ctx context.Context, c *cluster.Cluster) error {
	c.Joining = ""
	files, err := state.ConfigFiles(c)
	if err != nil {
		return err
	}
	g, ctx := errgroup.WithContext(ctx)
	for _, n := range c.ControlPlanes() {
		g.Go(func() error { return provider.WriteFiles(ctx, n, files) })
	}
	return g.Wait()
}

// boot makes the node. A member of etcd is announced to the others before it starts.
func (a *addition) boot(ctx context.Context, graph component.Graph) (*cluster.Cluster, error) {
	var c *cluster.Cluster
	err := step(a.o, stepNodes, func() error {
		return a.changer.Add(ctx, a.cfg, a.i, a.creation, func(made []provider.Node) (map[string][]provider.File, error) {
			a.joined = true
			c = cluster.New(a.cfg, append(slices.Clone(a.before.Nodes), made...), a.before.PKI)
			c.Joining, c.Stage = a.name, a.before.Stage
			c.Gone = slices.DeleteFunc(slices.Clone(a.before.Gone), func(name string) bool { return name == a.name })
			if made[0].Role() == config.ControlPlane && slices.Contains(graph.Names(), names.Etcd) {
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
	c.Nodes, _ = state.InOrder(a.cfg, nodes)
	return c, nil
}

// undo deletes what the addition has made, and nothing else.
func (a *addition) undo(ctx context.Context) error {
	if !a.joined {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanLimit)
	defer cancel()
	graph := graphUntil(a.before.Stage, a.before.Config)
	var errs []error
	if a.member != nil {
		errs = append(errs, etcd.RemoveMember(ctx, a.before.ControlPlanes(), a.member))
	}
	errs = append(errs, a.p.Delete(ctx, a.cfg.Name, a.creation))
	if slices.Contains(graph.Names(), names.NodeRegistration) {
		// Only now: a kubelet that still starts registers its node again.
		errs = append(errs, deleteObject(ctx, a.before, a.name))
	}
	errs = append(errs, updateOtherNodes(ctx, a.before, graph, ""))
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("removing node %s again: %w; mkube delete node %[1]s tries again", a.name, err)
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

// updateOtherNodes updates what nodes know about each other, on all nodes except one that
// already knows it: the configuration, the routes to pods, the servers of the load balancer.
func updateOtherNodes(ctx context.Context, c *cluster.Cluster, graph component.Graph, except string) error {
	files, err := state.ConfigFiles(c)
	if err != nil {
		return err
	}
	var errs []error
	for _, n := range c.ControlPlanes() {
		if n.Name() != except {
			errs = append(errs, provider.WriteFiles(ctx, n, files))
		}
	}
	up := component.Up{Cluster: c}
	for _, comp := range graph {
		if !comp.Neighbors {
			continue
		}
		comp.Manifest = nil // the kubelet would restart a running pod
		for _, n := range comp.Nodes(c) {
			if n.Name() != except {
				errs = append(errs, up.Start(ctx, comp, n))
			}
		}
	}
	return errors.Join(errs...)
}
