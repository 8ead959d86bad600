package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/mkube/mkube/pkg/bootstrap"
	"github.com/mkube/mkube/pkg/config"
	"github.com/mkube/mkube/pkg/kubeconfig"
	"github.com/mkube/mkube/pkg/nodeimage"
	"github.com/mkube/mkube/pkg/provider"
	"github.com/mkube/mkube/pkg/state"
)

func (a app) createCommand() *cobra.Command {
	return group("create", "Create a cluster", a.createClusterCommand())
}

// createOptions are the flags of create cluster.
type createOptions struct {
	name, config, image, kubernetesVersion string
	controlPlanes, workers                 int
	counted                                bool // set if --control-planes or --workers is set
	wait                                   time.Duration
	retain, noSwitchContext, verbose       bool
	dryRun                                 bool
	kubeconfig, progress                   string
	addons                                 []string
	until                                  string
	ignoreOptions
	providerOptions
}

func (a app) createClusterCommand() *cobra.Command {
	var o createOptions
	cmd := &cobra.Command{
		Use:   "cluster",
		Short: "Create a Kubernetes cluster",
		Long: `Create a Kubernetes cluster and wait until it is usable: every component is
healthy, every node is Ready, and DNS names resolve. Then add the cluster to
your kubeconfig as the context mkube-NAME.

The flag --name overrides the configuration file, and --addon adds to it.
--image, --kubernetes-version, --cpus and --memory apply to the nodes for which
the file sets no value. Do not use --control-planes or --workers with
a file that lists nodes.

If the cluster does not come up, or you press Ctrl-C, create deletes what it
made, unless --retain is set. All messages go to standard error. Only --dry-run
writes to standard output.`,
		Example: `  mkube create cluster
  mkube create cluster --name blue --kubernetes-version v1.36.4
  mkube create cluster --control-planes 3 --workers 2
  mkube create cluster --config cluster.yaml --wait 2m
  mkube create cluster --addon metrics-server
  mkube create cluster --until kubelet     # and then mkube stage
  mkube create cluster --provider vagrant --cpus 2 --memory 2048
  mkube create cluster --config - --progress json < cluster.yaml`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := knownComponent(cmd, o.until); err != nil {
				return err
			}
			o.counted = cmd.Flags().Changed("control-planes") || cmd.Flags().Changed("workers")
			if o.dryRun {
				return a.dryRun(cmd.Context(), o)
			}
			return a.onConsole(cmd, o.progress, func(ctx context.Context, s *console) error { return a.createCluster(ctx, s, o) })
		},
	}
	a.nameFlag(cmd, &o.name)
	f := cmd.Flags()
	f.StringVar(&o.config, "config", "", `configuration file of the cluster; "-" reads standard input`)
	f.IntVar(&o.controlPlanes, "control-planes", 1, "number of control planes, if the configuration file lists no nodes; several control planes get a load balancer")
	f.IntVar(&o.workers, "workers", 0, "number of workers, if the configuration file lists no nodes (default 0)")
	f.StringVar(&o.image, "image", "", "node image of the nodes; a value in the configuration file takes precedence; with --provider vagrant, the file of a bundle (default "+nodeimage.Name("VERSION")+")")
	f.StringVar(&o.kubernetesVersion, "kubernetes-version", "", "Kubernetes release of the default node image; cannot be combined with --image (default "+kubernetesVersion+")")
	f.StringSliceVar(&o.addons, "addon", nil, "addon in addition to those of the configuration file: "+alternatives(config.Addons())+"; may be repeated")
	// This fails only for an unknown flag or a second registration.
	_ = cmd.RegisterFlagCompletionFunc("addon", completeAddons)
	a.providerFlags(cmd, &o.providerOptions)
	f.DurationVar(&o.wait, "wait", usableLimit, "maximum time until the cluster is usable; 0 returns as soon as the API server is ready")
	f.BoolVar(&o.retain, "retain", false, "keep the nodes if the cluster does not come up")
	ignoreFlag(cmd, &o.ignoreOptions)
	untilFlag(cmd, &o.until, "all components")
	kubeconfigFlag(cmd, &o.kubeconfig)
	f.BoolVar(&o.noSwitchContext, "no-switch-context", false, "keep kubectl's current context")
	f.BoolVar(&o.dryRun, "dry-run", false, "create nothing; print a script that would create the cluster (for virtual machines, their Vagrantfile); the script contains private keys, except on a terminal")
	progressFlag(cmd, &o.progress)
	f.BoolVarP(&o.verbose, "verbose", "v", false, "show every command that runs on the nodes")
	return cmd
}

// placed returns the configuration of a cluster, the provider that creates it, and warnings.
func (a app) placed(ctx context.Context, o createOptions) (cfg config.Cluster, p provider.Provider, warnings []string, err error) {
	if cfg, err = a.clusterConfig(o); err != nil {
		return cfg, nil, nil, &usageError{err: err}
	}
	if cfg.Proxy == nil {
		if cfg.Proxy, warnings, err = a.environmentProxy(); err != nil {
			return cfg, nil, nil, &usageError{err: err}
		}
	}
	warnings = append(cfg.Warnings(), warnings...)
	if p, err = a.chosen(o.providerOptions); err != nil {
		return cfg, nil, nil, err
	}
	cfg, placing, err := provider.Place(ctx, p, cfg)
	if err != nil {
		return cfg, nil, nil, &usageError{err: err}
	}
	return cfg, p, append(warnings, placing...), nil
}

// dryRun prints what createCluster would do.
func (a app) dryRun(ctx context.Context, o createOptions) error {
	cfg, p, warnings, err := a.placed(ctx, o)
	if err != nil {
		return err
	}
	warn := func(line string) { fmt.Fprintln(a.err, "Warning: "+line) }
	for _, w := range warnings {
		warn(w)
	}
	// Only the chosen provider can print a script or a preview, so combined providers do not help.
	if e, ok := p.(*multiProvider); ok {
		if p, err = e.maker(); err != nil {
			return err
		}
	}
	ignored, err := o.ignored()
	if err != nil {
		return err
	}
	_, toTerminal := terminal(a.out)
	return bootstrap.DryRun(ctx, p, cfg, bootstrap.Options{
		Until: o.until, IgnorePreflightErrors: ignored, Warn: warn, HideSecrets: toTerminal,
	}, a.out)
}

func (a app) createCluster(ctx context.Context, s *console, o createOptions) error {
	cfg, p, warnings, err := a.placed(ctx, o)
	if err != nil {
		return err
	}
	for _, w := range warnings {
		s.warn(w)
	}
	if o.verbose {
		p = s.traced(p)
	}
	start := time.Now()
	if err := a.bringUp(ctx, s, p, cfg, o); err != nil {
		printErrors(s.words(), err, ctx.Err() != nil)
		unwritten := (*bootstrap.KubeconfigError)(nil)
		if s.began() && !errors.Is(err, provider.ErrExists) && !errors.As(err, &unwritten) {
			a.aftermath(ctx, s, p, cfg.Name, o.retain)
		}
		return silent(codeOf(ctx, err))
	}
	s.table()
	a.greet(s, cfg.Name, o, time.Since(start))
	return nil
}

// bringUp creates the cluster. After Ctrl-C, it prints a message immediately. The message ends the
// board, because the board hides the cursor and a second Ctrl-C would leave it hidden.
func (a app) bringUp(ctx context.Context, s *console, p provider.Provider, cfg config.Cluster, o createOptions) error {
	defer onInterrupt(ctx, func() {
		if o.retain {
			fmt.Fprintln(s.words(), "Interrupted.")
			return
		}
		fmt.Fprintln(s.words(), "Interrupted: cleaning up. To stop the cleanup, press Ctrl-C again; mkube delete cluster finishes it.")
	})()
	ignored, err := o.ignored()
	if err != nil {
		return err
	}
	_, err = a.create(ctx, p, cfg, bootstrap.Options{
		Wait: o.wait, Retain: o.retain, Until: o.until, SwitchContext: !o.noSwitchContext,
		Kubeconfig: kubeconfig.Paths(o.kubeconfig, a.getenv, a.home),
		On:         s.recorder.On, Warn: s.warn, IgnorePreflightErrors: ignored,
	})
	return err
}

// greet prints that the cluster is up, and one next command.
func (a app) greet(s *console, name string, o createOptions, took time.Duration) {
	if o.until != "" {
		fmt.Fprintf(s.people(), "\nCluster %q is built up to %s after %.1f s. See what is there and what comes next:\n\n  mkube stage%s\n", name, o.until, took.Seconds(), a.forName(name))
		return
	}
	state, rest := "is ready", ""
	if o.wait == 0 {
		state, rest = "has an API server", "; the other components are still starting"
	}
	fmt.Fprintf(s.people(), "\nCluster %q %s after %.1f s%s. Try it:\n\n  %s\n", name, state, took.Seconds(), rest, a.next(name, o.kubeconfig))
}

func (a app) next(name, file string) string {
	if _, err := a.lookPath("kubectl"); err != nil {
		return "mkube kubectl" + a.forName(name) + " -- get pods -A"
	}
	next := "kubectl cluster-info --context " + state.ContextName(name)
	if file != "" {
		next += " --kubeconfig " + file
	}
	return next
}

// aftermath prints what is left of a cluster that did not come up.
func (a app) aftermath(ctx context.Context, s *console, p provider.Provider, name string, retained bool) {
	remove := "mkube delete cluster --name " + name
	if retained {
		fmt.Fprintf(s.words(), "The nodes of cluster %q are kept: mkube export logs --name %s collects their logs, %s deletes them.\n", name, name, remove)
		return
	}
	interrupted := ctx.Err() != nil
	// ctx may have ended, but the list is worth some more seconds.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	switch left, err := p.Clusters(ctx); {
	case err != nil:
		fmt.Fprintf(s.words(), "Cannot list what is left of cluster %q (%v): %s deletes it.\n", name, err, remove)
	case slices.Contains(left, name):
		fmt.Fprintf(s.words(), "Parts of cluster %q are left: %s deletes them.\n", name, remove)
	case interrupted, !s.got():
		fmt.Fprintf(s.words(), "Nothing of cluster %q is left.\n", name)
	default:
		fmt.Fprintf(s.words(), "Nothing of cluster %q is left; --retain keeps the nodes of a cluster that does not come up.\n", name)
	}
}

// onInterrupt calls f as soon as ctx ends, unless done was called before. If f was called, done
// waits for it.
func onInterrupt(ctx context.Context, f func()) (done func()) {
	finished := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(finished)
		f()
	})
	return func() {
		if !stop() {
			<-finished
		}
	}
}
