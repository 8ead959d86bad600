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
	"github.com/mkube/mkube/pkg/component/storage"
	"github.com/mkube/mkube/pkg/config"
	"github.com/mkube/mkube/pkg/names"
	"github.com/mkube/mkube/pkg/provider"
	"github.com/mkube/mkube/pkg/state"
)

// Names of the progress steps of a change that are not components.
const (
	stepRepair     = "repair"
	stepMember     = "etcd member"
	stepNeighbours = "other nodes"
)

// AddNode adds a node to a running cluster and returns the name of the node. If want.Image is
// empty, the node gets the image of the cluster's first node. If AddNode fails, it restores the
// previous state of the cluster, unless o.Retain is set. While another command changes the
// cluster, the error is a *state.BusyError.
func AddNode(ctx context.Context, p provider.Provider, name string, want config.Node, o Options) (string, error) {
	changer, err := changerOf(p)
	if err != nil {
		return "", err
	}
	a := addition{p: p, changer: changer, want: want, o: o, creation: provider.NewCreation("add node")}
	ctx, cancel := o.Limit(ctx)
	defer cancel()
	// The first look at the cluster and its host is without the lock, because it may take seconds
	// and changes nothing.
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
	if err := a.open(ctx, name); err != nil { // another command may have changed it in the meantime
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

// placeFor returns the configuration of a cluster with a new node, and the index of that node. The
// node gets the first free index of its role. If no index is free, it is appended. An error means
// that the cluster cannot have the node.
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

// alone returns a configuration with only its i-th node, for the preflight checks of the host. The
// resources of the other nodes are in use already.
func alone(cfg config.Cluster, i int) config.Cluster {
	n := cfg.Nodes[i]
	n.Name = cfg.NodeNames()[i] // the name may depend on the node's index
	cfg.Nodes = []config.Node{n}
	cfg.Networking.APIServerPort = 0
	return cfg
}

// An addition is one run of AddNode.
type addition struct {
	p       provider.Provider
	changer provider.Changer
	want    config.Node
	o       Options
	// creation marks everything that this run creates, see provider.NewCreation.
	creation string
	// before is the cluster without the node. cfg is its configuration with the node at index i.
	before *cluster.Cluster
	cfg    config.Cluster
	i      int
	name   string
	// member is the node, from the moment when etcd learns of it. joined is set once the provider
	// has created the node.
	member provider.Node
	joined bool
}

// open reads the cluster and chooses the index and the name of the node.
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
	if slices.Contains(graph.Names(), names.LocalPathProvisioner) {
		if err := storage.CreateFolders(ctx, c, c.Node(a.name)); err != nil {
			return err
		}
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

// join records on all control planes that the new node has joined. Until then, the node is a
// stray. Without that distinction, a node that a killed AddNode left could lack components, and
// start would wait for them in vain.
func join(ctx context.Context, c *cluster.Cluster) error {
	c.Joining = ""
	files, err := state.ConfigFiles(c)
	if err != nil {
		return err
	}
	return writeToControlPlanes(ctx, c, files)
}

// writeToControlPlanes writes files to all control planes at the same time.
func writeToControlPlanes(ctx context.Context, c *cluster.Cluster, files []provider.File) error {
	g, ctx := errgroup.WithContext(ctx)
	for _, n := range c.ControlPlanes() {
		g.Go(func() error { return provider.WriteFiles(ctx, n, files) })
	}
	return g.Wait()
}

// boot creates the node. If the node is a member of etcd, the other members learn of it before it
// starts.
func (a *addition) boot(ctx context.Context, graph component.Graph) (*cluster.Cluster, error) {
	var c *cluster.Cluster
	var added provider.Node
	err := step(a.o, stepNodes, func() (err error) {
		added, err = a.changer.Add(copying(ctx, a.o), a.cfg, a.i, a.creation, func(made []provider.Node) (map[string][]provider.File, error) {
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
		return err
	})
	if err != nil {
		return nil, err
	}
	c.Nodes, _ = state.InOrder(a.cfg, append(slices.Clone(a.before.Nodes), added))
	return c, nil
}

// undo deletes what the addition has created, and nothing else. It does not stop when ctx is
// canceled.
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
		// The object is deleted after the node, because a kubelet that still starts registers its
		// node again.
		errs = append(errs, deleteObject(ctx, a.before, a.name))
	}
	errs = append(errs, updateOtherNodes(ctx, a.before, graph, ""))
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("removing node %s again: %w; mkube delete node %[1]s tries again", a.name, err)
	}
	return nil
}

// onlyOn returns a copy of a graph whose components come up only on the named node.
func onlyOn(g component.Graph, name string) component.Graph {
	g = slices.Clone(g)
	for i, c := range g {
		g[i].On = func(cl *cluster.Cluster) []provider.Node {
			return slices.DeleteFunc(slices.Clone(c.Nodes(cl)), func(n provider.Node) bool { return n.Name() != name })
		}
	}
	return g
}

// updateOtherNodes updates what nodes know about each other: the configuration, the routes to
// pods, and the servers of the load balancer. It skips the node named except, which already knows
// it. It continues after an error, and returns all errors.
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
