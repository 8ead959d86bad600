package cli

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/mkube/mkube/pkg/bootstrap"
	"github.com/mkube/mkube/pkg/kubeconfig"
)

func (a app) renewCommand() *cobra.Command {
	return group("renew", "Renew the certificates of a cluster", a.renewCertificatesCommand())
}

// renewOptions are the flags of renew certificates.
type renewOptions struct {
	cluster, kubeconfig, progress string
	wait                          time.Duration
	verbose                       bool
}

func (a app) renewCertificatesCommand() *cobra.Command {
	var o renewOptions
	cmd := &cobra.Command{
		Use:   "certificates",
		Short: "Replace the certificates of a running cluster by new ones",
		Long: `Issue new certificates, which are valid for one year, for all components of a
running cluster, restart the components, and wait until they are ready. If your
kubeconfig has an entry of the cluster, it gets a new client certificate.

The certificates may have expired already. An authority that ends before the
new certificates gets a new certificate, too, and pods that trust it restart.
Its key stays the same, as do service account tokens and certificates that you
have issued yourself. Several control planes restart one after the other if all
of them work.

"mkube start cluster" does the same if less than 30 days are left.`,
		Example: `  mkube renew certificates
  mkube renew certificates --name blue --kubeconfig blue.yaml`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.onConsole(cmd, o.progress, func(ctx context.Context, s *console) error { return a.renewCertificates(ctx, s, o) })
		},
	}
	a.nameFlag(cmd, &o.cluster)
	kubeconfigFlag(cmd, &o.kubeconfig)
	limitFlag(cmd, &o.wait, "wait", usableLimit, "maximum time until the components are ready")
	progressFlag(cmd, &o.progress)
	cmd.Flags().BoolVarP(&o.verbose, "verbose", "v", false, "show every command that runs on the nodes")
	return cmd
}

func (a app) renewCertificates(ctx context.Context, s *console, o renewOptions) error {
	p, err := a.provider()
	if err != nil {
		return err
	}
	if o.verbose {
		p = s.traced(p)
	}
	name, start := a.clusterName(o.cluster), time.Now()
	err = bootstrap.RenewCertificates(ctx, p, name, bootstrap.Options{
		Wait: o.wait, Kubeconfig: kubeconfig.Paths(o.kubeconfig, a.getenv, a.home), On: s.recorder.On, Warn: s.warn,
	})
	if err != nil {
		return err
	}
	fmt.Fprintf(s.people(), "Cluster %q has new certificates after %.1f s. A kubeconfig in another file gets one by mkube export kubeconfig%s --kubeconfig FILE.\n", name, time.Since(start).Seconds(), a.forName(name))
	return nil
}
