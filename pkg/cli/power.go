package cli

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/mkube/mkube/pkg/bootstrap"
	"github.com/mkube/mkube/pkg/kubeconfig"
)

func (a app) stopCommand() *cobra.Command {
	return group("stop", "Stop a cluster", a.stopClusterCommand())
}

func (a app) startCommand() *cobra.Command {
	return group("start", "Start a stopped cluster", a.startClusterCommand())
}

func (a app) stopClusterCommand() *cobra.Command {
	var name string
	cmd := &cobra.Command{
		Use:   "cluster",
		Short: "Stop the nodes of a cluster",
		Long: `Stop a cluster's nodes. The nodes keep all their data. They use no CPU or memory
until you start them with "mkube start cluster".`,
		Example: `  mkube stop cluster
  mkube stop cluster --name blue`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			name := a.clusterName(name)
			p, err := a.provider()
			if err != nil {
				return err
			}
			if err := bootstrap.Stop(cmd.Context(), p, name); err != nil {
				return err
			}
			a.tell("Stopped cluster %q: mkube start cluster%s starts it again.", name, a.forName(name))
			return nil
		},
	}
	a.nameFlag(cmd, &name)
	return cmd
}

// startOptions are the flags of start cluster.
type startOptions struct {
	cluster, progress string
	wait              time.Duration
	verbose           bool
}

func (a app) startClusterCommand() *cobra.Command {
	var o startOptions
	cmd := &cobra.Command{
		Use:   "cluster",
		Short: "Start the nodes of a stopped cluster",
		Long: `Start the nodes of a stopped cluster, and wait until all its components are
ready again. If the cluster is already running, start only checks that they are
ready.

If the certificates of the cluster have expired, or expire within 30 days, start
renews them first, as "mkube renew certificates" does.`,
		Example: `  mkube start cluster
  mkube start cluster --name blue --wait 2m`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.onConsole(cmd, o.progress, func(ctx context.Context, s *console) error { return a.startCluster(ctx, s, o) })
		},
	}
	a.nameFlag(cmd, &o.cluster)
	f := cmd.Flags()
	limitFlag(cmd, &o.wait, "wait", usableLimit, "maximum time until the cluster is usable; 0 waits only for the nodes")
	progressFlag(cmd, &o.progress)
	f.BoolVarP(&o.verbose, "verbose", "v", false, "show every command that runs on the nodes")
	return cmd
}

func (a app) startCluster(ctx context.Context, s *console, o startOptions) error {
	p, err := a.provider()
	if err != nil {
		return err
	}
	if o.verbose {
		p = s.traced(p)
	}
	name, start := a.clusterName(o.cluster), time.Now()
	err = bootstrap.Start(ctx, p, name, bootstrap.Options{
		Wait: o.wait, Kubeconfig: kubeconfig.Paths("", a.getenv, a.home), On: s.recorder.On, Warn: s.warn,
	})
	if err != nil {
		return err
	}
	fmt.Fprintf(s.people(), "Cluster %q is up after %.1f s.\n", name, time.Since(start).Seconds())
	return nil
}
