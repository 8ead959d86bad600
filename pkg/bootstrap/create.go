package bootstrap

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/mkube/mkube/pkg/cluster"
	"github.com/mkube/mkube/pkg/component"
	"github.com/mkube/mkube/pkg/config"
	"github.com/mkube/mkube/pkg/kubeconfig"
	"github.com/mkube/mkube/pkg/names"
	"github.com/mkube/mkube/pkg/progress"
	"github.com/mkube/mkube/pkg/provider"
	"github.com/mkube/mkube/pkg/state"
)

// Options are how a cluster is created.
type Options struct {
	// Wait is how long the cluster may take until it is usable. 0 means to return as
	// soon as its API server is ready, whatever becomes of the rest.
	Wait time.Duration
	// Retain keeps what there is of a cluster that did not come up.
	Retain bool
	// Kubeconfig are the files that the cluster's entry goes into, see
	// kubeconfig.Paths. None means to write no entry.
	Kubeconfig []string
	// SwitchContext makes the new cluster kubectl's current one.
	SwitchContext bool
	// Until is the last component that comes up. "" means all.
	Until string
	// IgnorePreflightErrors are the checks whose errors are warnings only.
	IgnorePreflightErrors provider.Ignored
	// On gives word of what happens. Nil is no word.
	On progress.Func
	// Warn is called with a line for each thing that is wrong and does not keep the
	// command from its work. Nil is nobody.
	Warn func(line string)
}

// Limit returns a context that ends after Wait. Without Wait, it has no time limit.
func (o Options) Limit(ctx context.Context) (context.Context, context.CancelFunc) {
	if o.Wait > 0 {
		return context.WithTimeout(ctx, o.Wait)
	}
	return context.WithCancel(ctx)
}

// apiServerLimit is how long the API server may take when nothing else is waited
// for.
const apiServerLimit = 5 * time.Minute

// Steps that are no component.
const (
	stepNodes      = "nodes"
	stepKubeconfig = "kubeconfig"
)

// Create makes a cluster of a valid configuration with all defaults set. When it
// fails, or its context ends, it leaves nothing behind unless told to.
func Create(ctx context.Context, p provider.Provider, cfg config.Cluster, o Options) (*cluster.Cluster, error) {
	if o.Until != "" {
		if _, err := Components(cfg).Until(o.Until); err != nil {
			return nil, err
		}
	}
	if err := refuse(ctx, p, cfg, o); err != nil {
		return nil, err
	}
	creation := provider.NewCreation("create cluster")
	c, err := create(ctx, p, cfg, creation, o)
	unwritten := (*KubeconfigError)(nil)
	if err == nil || o.Retain || errors.As(err, &unwritten) {
		return c, err
	}
	if errors.Is(err, provider.ErrExists) {
		err = fmt.Errorf("cluster %q cannot be created: %w: choose another name with --name", cfg.Name, err)
	}
	if cleanErr := cleanUp(ctx, p, cfg.Name, creation); cleanErr != nil {
		err = errors.Join(err, fmt.Errorf("cleaning up: %w; mkube delete cluster --name %s tries again", cleanErr, cfg.Name))
	}
	return nil, err
}

// KubeconfigError says that a cluster is up, and that its entry could not be written into
// the user's kubeconfig.
type KubeconfigError struct {
	Cluster string
	Err     error
}

func (e *KubeconfigError) Error() string {
	return fmt.Sprintf("%v; the cluster is up: mkube export kubeconfig --name %s writes its entry", e.Err, e.Cluster)
}

// Unwrap is what went wrong.
func (e *KubeconfigError) Unwrap() error { return e.Err }

// refuse finds what would keep the cluster from coming up, before anything is made.
func refuse(ctx context.Context, p provider.Provider, cfg config.Cluster, o Options) error {
	checked := preflight(ctx, p, cfg, o)
	existing, err := p.Clusters(ctx)
	// A cluster of the name has the ports that are taken, too: it is the reason to give.
	if !slices.Contains(existing, cfg.Name) {
		return cmp.Or(checked, err)
	}
	nodes, err := p.Nodes(ctx, cfg.Name)
	if err != nil {
		return err
	}
	if by := state.Holder(ctx, nodes); by != "" {
		return fmt.Errorf("cluster %q already exists, and %s is at work on it: choose another name with --name", cfg.Name, by)
	}
	return fmt.Errorf("cluster %q already exists: choose another name with --name, or delete it first: mkube delete cluster --name %[1]s", cfg.Name)
}

// cleanLimit is how long the clean-up after an error may take: an emulated machine needs
// most of a minute to stop.
const cleanLimit = 2 * time.Minute

// cleanUp deletes what a creation has made, and nothing else. It outlives a cancelled
// command.
func cleanUp(ctx context.Context, p provider.Provider, cluster, creation string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanLimit)
	defer cancel()
	return p.Delete(ctx, cluster, creation)
}

func create(ctx context.Context, p provider.Provider, cfg config.Cluster, creation string, o Options) (*cluster.Cluster, error) {
	ctx, cancel := o.Limit(ctx)
	defer cancel()
	graph := graphUntil(o.Until, cfg)
	announce(graph, o)
	c, err := boot(ctx, p, cfg, creation, graph, o)
	if errors.Is(err, context.DeadlineExceeded) {
		err = fmt.Errorf("the nodes did not boot within %s: %w", o.Wait, err)
	}
	if err != nil {
		return nil, err
	}
	release, err := bringUp(ctx, c, graph, creation, o)
	defer release()
	if err != nil {
		return c, err
	}
	if err := writeKubeconfig(ctx, c, o); err != nil {
		return c, &KubeconfigError{cfg.Name, err}
	}
	return c, nil
}

// bringUp brings the components up. Meanwhile it takes the cluster's lock, which is to be
// released also after an error.
func bringUp(ctx context.Context, c *cluster.Cluster, graph component.Graph, creation string, o Options) (release func(), err error) {
	atBoot := startsAtBoot(graph)
	up := component.Up{Cluster: c, On: o.On, Files: true, Started: atBoot}
	up.NoWait = func(c component.Component) bool { return c.Background }
	if o.Wait == 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, apiServerLimit)
		defer cancel()
		up.NoWait = func(c component.Component) bool { return !atBoot(c) }
	}
	release = func() {}
	var upErr error
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		r, err := state.Attempt{Cluster: c.Config.Name, By: creation, Creates: true}.Hold(gctx, c.Nodes)
		if err == nil {
			release = r
		}
		return err
	})
	g.Go(func() error {
		upErr = run(gctx, graph, up.Do, o)
		return upErr
	})
	err = g.Wait()
	if ctx.Err() != nil && upErr != nil {
		err = upErr // which names what was late; that there is no lock yet is no news
	}
	return release, err
}

// run brings the graph up; components that never began are said to be skipped.
func run(ctx context.Context, graph component.Graph, up component.Step, o Options) error {
	var begun sync.Map
	err := graph.Run(ctx, func(ctx context.Context, c component.Component, turn component.Signals) error {
		begun.Store(c.Name, true)
		return up(ctx, c, turn)
	})
	if err == nil {
		return nil
	}
	for _, c := range graph {
		if _, ok := begun.Load(c.Name); !ok {
			event(o, progress.Event{Step: c.Name, State: progress.Skipped})
		}
	}
	return err
}

// startsAtBoot tells which components a node starts by itself: those that say so, and
// the chain up to the API server, whose links wait for each other. The others would
// only crash and back off until there is an API server.
func startsAtBoot(g component.Graph) func(component.Component) bool {
	chain, err := g.Until(names.KubeAPIServer)
	if err != nil {
		chain = g // it ends before that
	}
	return func(c component.Component) bool {
		return c.AtBoot || slices.Contains(chain.Names(), c.Name)
	}
}

// announce tells of all steps before the first begins.
func announce(g component.Graph, o Options) {
	event(o, progress.Event{Step: stepNodes, State: progress.Pending, Short: "machines that boot"})
	Announce(g, o)
	if len(o.Kubeconfig) > 0 {
		event(o, progress.Event{Step: stepKubeconfig, State: progress.Pending, Short: "the entry for kubectl", Needs: g.Names()})
	}
}

// Announce tells of the steps that are components. What they need beside each
// other is there.
func Announce(g component.Graph, o Options) {
	for _, c := range g {
		needs := c.Waits()
		needs = slices.DeleteFunc(needs, func(need string) bool { return !slices.Contains(g.Names(), need) })
		if len(needs) == 0 && g[0].Name == names.Containerd {
			needs = []string{stepNodes}
		}
		event(o, progress.Event{Step: c.Name, State: progress.Pending, Short: c.Short, Needs: needs})
	}
}

func event(o Options, e progress.Event) {
	if o.On != nil {
		e.Time = time.Now()
		o.On(e)
	}
}

// step runs f between the events that begin and end it.
func step(o Options, name string, f func() error) error {
	start := time.Now()
	event(o, progress.Event{Step: name, State: progress.Running})
	err := f()
	e := progress.Event{Step: name, State: progress.Done, Elapsed: time.Since(start)}
	if err != nil {
		e.State, e.Detail = progress.Failed, err.Error()
	}
	event(o, e)
	return err
}

// boot makes the keys and the nodes. Every component's files are rendered before
// any node boots, and lie in the nodes when they do: nothing waits for a second
// round of copying.
func boot(ctx context.Context, p provider.Provider, cfg config.Cluster, creation string, graph component.Graph, o Options) (c *cluster.Cluster, err error) {
	err = step(o, stepNodes, func() error {
		keys, err := cluster.NewPKI(time.Now())
		if err != nil {
			return err
		}
		nodes, err := p.Create(ctx, cfg, creation, func(nodes []provider.Node) (map[string][]provider.File, error) {
			c := cluster.New(cfg, nodes, keys)
			c.Stage = o.Until
			files, err := render(c, graph)
			if err != nil {
				return nil, err
			}
			for _, n := range c.ControlPlanes() {
				files[n.Name()] = append(files[n.Name()], provider.File{Path: state.CreatingPath, Data: []byte(creation + "\n")})
			}
			return files, nil
		})
		if err != nil {
			return err
		}
		c = cluster.New(cfg, nodes, keys)
		c.Stage = o.Until
		return nil
	})
	return c, err
}

// render is the files of all components by node.
func render(c *cluster.Cluster, graph component.Graph) (map[string][]provider.File, error) {
	files := map[string][]provider.File{}
	atBoot := startsAtBoot(graph)
	for _, comp := range graph {
		for _, n := range comp.Nodes(c) {
			list, err := comp.RenderFiles(c, n)
			if err != nil {
				return nil, fmt.Errorf("rendering the files of %s: %w", comp.Name, err)
			}
			if comp.Manifest != nil && atBoot(comp) {
				manifest, err := comp.Manifest(c, n)
				if err != nil {
					return nil, fmt.Errorf("rendering the manifest of %s: %w", comp.Name, err)
				}
				list = append(list, manifest)
			}
			files[n.Name()] = over(files[n.Name()], list)
		}
	}
	state, err := state.Files(c)
	if err != nil {
		return nil, err
	}
	for _, n := range c.ControlPlanes() {
		files[n.Name()] = append(files[n.Name()], state...)
	}
	return files, nil
}

// over is files with others that take the place of those with the same path.
func over(files, others []provider.File) []provider.File {
	for _, f := range others {
		files = slices.DeleteFunc(files, func(old provider.File) bool { return old.Path == f.Path })
		files = append(files, f)
	}
	return files
}

func writeKubeconfig(ctx context.Context, c *cluster.Cluster, o Options) error {
	if len(o.Kubeconfig) == 0 {
		return nil
	}
	return step(o, stepKubeconfig, func() error {
		entry, err := state.Entry(ctx, c)
		if err != nil {
			return err
		}
		_, err = kubeconfig.Merge(ctx, o.Kubeconfig, entry, o.SwitchContext)
		return err
	})
}
