// Package cloudcontrollermanager is mkube's cloud controller manager. It runs the cloud controllers
// of the Kubernetes library k8s.io/cloud-provider with mkube as the cloud. On each node, it runs a
// speaker, which holds addresses of Services.
package cloudcontrollermanager

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
	cloudprovider "k8s.io/cloud-provider"
	"k8s.io/cloud-provider/app"
	"k8s.io/cloud-provider/app/config"
	"k8s.io/cloud-provider/names"
	"k8s.io/cloud-provider/options"
	cliflag "k8s.io/component-base/cli/flag"
	"k8s.io/klog/v2"

	"github.com/mkube/mkube/images/cloud-controller-manager/cloud"
	"github.com/mkube/mkube/images/cloud-controller-manager/link"
)

// NewCommand returns the command cloud-controller-manager. It runs the controllers and the speaker of
// this node. Its subcommand speaker runs only the speaker.
func NewCommand() *cobra.Command {
	o, err := options.NewCloudControllerManagerOptions()
	if err != nil { // only if the defaults of the library are invalid
		klog.Fatalf("Creating the options: %v", err)
	}
	// There are no webhooks. With these two options set, the library would generate a certificate for
	// webhooks at each start.
	o.Webhook, o.WebhookServing = nil, nil
	n := new(node)
	flags := cliflag.NamedFlagSets{}
	n.addFlags(flags.FlagSet("node"))
	stop := make(chan struct{})
	cmd := app.NewCloudControllerManagerCommand(o, n.cloud, controllers(), names.CCMControllerAliases(), flags, stop)
	run := cmd.RunE
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		n.kubeconfig = o.Generic.ClientConnection.Kubeconfig
		return together(
			func(ctx context.Context) error {
				context.AfterFunc(ctx, func() { close(stop) })
				return run(cmd, args)
			},
			n.speak,
		)
	}
	cmd.AddCommand(speakerCommand())
	return cmd
}

// speakerCommand returns the command speaker, for nodes that are not control planes.
func speakerCommand() *cobra.Command {
	n := new(node)
	cmd := &cobra.Command{
		Use:   "speaker",
		Short: "Hold the addresses of Services that are assigned to this node",
		Args:  cobra.NoArgs,
		RunE:  func(*cobra.Command, []string) error { return together(n.speak) },
	}
	n.addFlags(cmd.Flags())
	cmd.Flags().StringVar(&n.kubeconfig, "kubeconfig", "", "Path to kubeconfig file with authorization and API server location information.")
	return cmd
}

// controllers returns the controllers of the library, except the one for routes, because the cloud has
// no routes.
func controllers() map[string]app.ControllerInitFuncConstructor {
	list := map[string]app.ControllerInitFuncConstructor{}
	for _, name := range []string{names.CloudNodeController, names.CloudNodeLifecycleController, names.ServiceLBController} {
		list[name] = app.DefaultInitFuncConstructors[name]
	}
	return list
}

// cloud returns the cloud. The library calls it after it has parsed the flags.
func (n *node) cloud(c *config.CompletedConfig) cloudprovider.Interface {
	if name := c.ComponentConfig.KubeCloudShared.CloudProvider.Name; name != cloud.Name {
		klog.Fatalf("There is no cloud provider %q here: --cloud-provider must be %s", name, cloud.Name)
	}
	l, err := n.link()
	if err != nil {
		klog.Fatalf("Finding the cluster's network: %v", err)
	}
	return cloud.New(c.ComponentConfig.KubeCloudShared.ClusterName, l.Pools())
}

func (n *node) link() (*link.Link, error) {
	address, err := netip.ParseAddr(n.ip)
	if err != nil {
		return nil, fmt.Errorf("--node-ip must be the node's address: %w", err)
	}
	return link.Find(address)
}

// together runs parts concurrently until the first one ends, or until SIGTERM or SIGINT. It returns
// when all parts have ended, with the errors of all parts.
func together(parts ...func(context.Context) error) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	errs := make(chan error)
	for _, part := range parts {
		go func() { errs <- part(ctx) }()
	}
	var all []error
	for range parts {
		all = append(all, <-errs)
		stop()
	}
	return errors.Join(all...)
}
