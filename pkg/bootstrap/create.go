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

// Options are the settings of an operation on a cluster. An operation ignores those that do not
// apply to it.
type Options struct {
	// Wait is the time limit until the cluster is usable. If 0, Create returns as soon as the API
	// server is ready, and does not wait for the other components.
	Wait time.Duration
	// Retain keeps a cluster or a node that did not come up, instead of deleting it.
	Retain bool
	// Kubeconfig lists the files for the cluster's entry, see kubeconfig.Paths. If empty, no entry
	// is written.
	Kubeconfig []string
	// SwitchContext makes the new cluster the current context of kubectl.
	SwitchContext bool
	// Until is the last component that comes up. If empty, all components come up.
	Until string
	// HideSecrets is set if DryRun must not write the cluster's keys.
	HideSecrets bool
	// IgnorePreflightErrors lists the checks whose errors become warnings.
	IgnorePreflightErrors provider.Ignored
	// On receives the progress events. If nil, nobody receives them.
	On progress.Func
	// Warn receives one line for each problem that does not stop the command. If nil, the warnings
	// are dropped.
	Warn func(line string)
}

// Limit returns a context that ends after Wait. Without Wait, it has no time limit.
func (o Options) Limit(ctx context.Context) (context.Context, context.CancelFunc) {
	if o.Wait > 0 {
		return context.WithTimeout(ctx, o.Wait)
	}
	return context.WithCancel(ctx)
}

// UsableLimit is the default time limit until a cluster is usable, or a node or stage is ready. All
// components share it: none has a limit of its own. It is also the limit for the API server if
// Options.Wait is 0. A create takes seconds; on emulated virtual machines, it takes minutes.
const UsableLimit = 5 * time.Minute

// Names of the progress steps that are not components.
const (
	stepNodes      = "nodes"
	stepKubeconfig = "kubeconfig"
)

// Create creates a cluster. The configuration must be valid, with all defaults set. If Create
// fails or ctx ends, it deletes what it created, unless o.Retain is set. If only the entry in the
// kubeconfig failed, the cluster stays, and the error is a *KubeconfigError.
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

// KubeconfigError is the error of Create if the cluster is up, but its entry could not be written
// into the user's kubeconfig.
type KubeconfigError struct {
	Cluster string
	Err     error
}

func (e *KubeconfigError) Error() string {
	return fmt.Sprintf("%v; the cluster is up: mkube export kubeconfig --name %s writes its entry", e.Err, e.Cluster)
}

// Unwrap returns the reason.
func (e *KubeconfigError) Unwrap() error { return e.Err }

// refuse returns an error if the cluster cannot come up. It runs before anything is created.
func refuse(ctx context.Context, p provider.Provider, cfg config.Cluster, o Options) error {
	checked := preflight(ctx, p, cfg, o)
	existing, err := p.Clusters(ctx)
	// A cluster with this name also uses the ports, so report the cluster instead of the ports.
	if !slices.Contains(existing, cfg.Name) {
		return cmp.Or(checked, err)
	}
	return taken(ctx, p, cfg.Name)
}

// taken returns the error for a cluster that exists already.
func taken(ctx context.Context, p provider.Provider, name string) error {
	nodes, err := p.Nodes(ctx, name)
	if err != nil {
		return err
	}
	if by := state.Holder(ctx, nodes); by != "" {
		return fmt.Errorf("cluster %q already exists, and %s is at work on it: choose another name with --name", name, by)
	}
	return fmt.Errorf("cluster %q already exists: choose another name with --name, or delete it first: mkube delete cluster --name %[1]s", name)
}

// cleanLimit is the time limit of the cleanup after an error. An emulated machine takes most of a
// minute to stop.
const cleanLimit = 2 * time.Minute

// cleanUp deletes what a creation has created, and nothing else. It does not stop when ctx is
// canceled.
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

// bringUp brings up the components and takes the lock of the cluster at the same time. The caller
// must call release, also after an error.
func bringUp(ctx context.Context, c *cluster.Cluster, graph component.Graph, creation string, o Options) (release func(), err error) {
	atBoot := startsAtBoot(graph)
	up := component.Up{Cluster: c, On: o.On, Files: true, Started: atBoot}
	up.NoWait = func(c component.Component) bool { return c.Background }
	if o.Wait == 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, UsableLimit)
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
		err = upErr // it names the late component; the missing lock is only a consequence
	}
	return release, err
}

// run brings up the graph. After an error, it reports the components that never began as skipped.
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

// startsAtBoot returns a function that reports whether a node starts a component at boot, without
// mkube. These are the components with AtBoot, and those up to the API server, which wait for each
// other. The others would only crash and back off until the API server serves.
func startsAtBoot(g component.Graph) func(component.Component) bool {
	chain, err := g.Until(names.KubeAPIServer)
	if err != nil {
		chain = g // the graph ends before the API server
	}
	return func(c component.Component) bool {
		return c.AtBoot || slices.Contains(chain.Names(), c.Name)
	}
}

// announce emits an event for each step of a create before the first step begins.
func announce(g component.Graph, o Options) {
	event(o, progress.Event{Step: stepNodes, State: progress.Pending, Short: "machines that boot"})
	Announce(g, o)
	if len(o.Kubeconfig) > 0 {
		event(o, progress.Event{Step: stepKubeconfig, State: progress.Pending, Short: "the entry for kubectl", Needs: g.Names()})
	}
}

// Announce emits an event for each component. Needs lists only components of the graph, because
// those that it lacks are up already.
func Announce(g component.Graph, o Options) { announceAfter(stepNodes, g, o) }

// announceAfter is Announce for components that come after a step that is not a component.
func announceAfter(first string, g component.Graph, o Options) {
	for _, c := range g {
		needs := c.Waits()
		needs = slices.DeleteFunc(needs, func(need string) bool { return !slices.Contains(g.Names(), need) })
		if len(needs) == 0 && g[0].Name == names.Containerd {
			needs = []string{first}
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

// step runs f, and emits an event before and after it.
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

// boot creates the keys and the nodes. It renders the files of all components before a node boots,
// and the nodes have them when they boot. So no component waits for a second round of copying.
func boot(ctx context.Context, p provider.Provider, cfg config.Cluster, creation string, graph component.Graph, o Options) (c *cluster.Cluster, err error) {
	err = step(o, stepNodes, func() error {
		keys, err := cluster.NewPKI(time.Now())
		if err != nil {
			return err
		}
		nodes, err := p.Create(copying(ctx, o), cfg, creation, func(nodes []provider.Node) (map[string][]provider.File, error) {
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

// copying returns a context with which a provider reports what it copies to new nodes.
func copying(ctx context.Context, o Options) context.Context {
	return provider.WithCopies(ctx, &progress.Meter{On: o.On, Steps: []string{stepNodes}, Detail: "copying the node image"})
}

// render returns the files of all components by the name of the node. Control planes also get the
// files of package state.
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

// over returns files with others appended. A file of others replaces a file with the same path.
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
		entry, err := state.Entry(ctx, c, false)
		if err != nil {
			return err
		}
		_, err = kubeconfig.Merge(ctx, o.Kubeconfig, entry, o.SwitchContext)
		return err
	})
}
