package cli

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/mkube/mkube/pkg/bootstrap"
	"github.com/mkube/mkube/pkg/config"
)

func (a app) addCommand() *cobra.Command {
	return group("add", "Add a node to a cluster", a.addNodeCommand())
}

// addOptions are the flags of add node.
type addOptions struct {
	cluster, role, image, progress string
	labels                         map[string]string
	wait                           time.Duration
	retain, verbose                bool
	ignoreOptions
}

func (a app) addNodeCommand() *cobra.Command {
	var o addOptions
	cmd := &cobra.Command{
		Use:   "node",
		Short: "Add a node to a running cluster",
		Long: `Add a node to a running cluster, wait until the node is Ready, and print its
name. A control plane also joins etcd. You can add one only to a cluster with
a load balancer. A cluster that is created with several control planes has one.

If the node does not come up, or you press Ctrl-C, add deletes it, unless
--retain is set.`,
		Example: `  mkube add node
  mkube add node --role control-plane --name blue
  mkube add node --label example.com/tier=front`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			role := config.Role(o.role)
			if role != config.Worker && role != config.ControlPlane {
				return usagef(cmd, "--role must be %s or %s, not %q", config.Worker, config.ControlPlane, o.role)
			}
			return a.onConsole(cmd, o.progress, func(ctx context.Context, s *console) error { return a.addNode(ctx, s, o) })
		},
	}
	a.nameFlag(cmd, &o.cluster)
	f := cmd.Flags()
	f.StringVar(&o.role, "role", string(config.Worker), "role of the node: worker or control-plane")
	// This fails only for an unknown flag or a second registration.
	_ = cmd.RegisterFlagCompletionFunc("role", cobra.FixedCompletions([]string{string(config.Worker), string(config.ControlPlane)}, cobra.ShellCompDirectiveNoFileComp))
	f.StringVar(&o.image, "image", "", "node image (default: the image of the cluster's first node)")
	f.StringToStringVar(&o.labels, "label", nil, "label of the Kubernetes node, as KEY=VALUE; may be repeated")
	limitFlag(cmd, &o.wait, "wait", usableLimit, "maximum time until the node is Ready")
	f.BoolVar(&o.retain, "retain", false, "keep a node that does not come up; the next mkube add node deletes it")
	ignoreFlag(cmd, &o.ignoreOptions)
	progressFlag(cmd, &o.progress)
	f.BoolVarP(&o.verbose, "verbose", "v", false, "show every command that runs on the nodes")
	return cmd
}

func (a app) addNode(ctx context.Context, s *console, o addOptions) error {
	p, err := a.provider()
	if err != nil {
		return err
	}
	if o.verbose {
		p = s.traced(p)
	}
	ignored, err := o.ignored()
	if err != nil {
		return err
	}
	start := time.Now()
	node, err := bootstrap.AddNode(ctx, p, a.clusterName(o.cluster), config.Node{Role: config.Role(o.role), Image: o.image, Labels: o.labels},
		bootstrap.Options{Wait: o.wait, Retain: o.retain, On: s.recorder.On, Warn: s.warn, IgnorePreflightErrors: ignored})
	if err != nil {
		return err
	}
	fmt.Fprintf(s.people(), "Node %s is Ready after %.1f s.\n", node, time.Since(start).Seconds())
	_, err = fmt.Fprintln(a.out, node)
	return err
}

// removeOptions are the flags of delete node.
type removeOptions struct {
	cluster, progress string
	drain             time.Duration
	verbose           bool
}

func (a app) deleteNodeCommand() *cobra.Command {
	var o removeOptions
	cmd := &cobra.Command{
		Use:   "node NAME",
		Short: "Remove a node from a cluster",
		Long: `Drain a node, and delete it. A control plane is also removed from etcd. A node
that does not run is not drained. If a pod cannot be evicted, the node stays in
the cluster, cordoned.

The files of volumes on the node are deleted with it. A warning lists their
claims first.`,
		Example: `  mkube delete node worker2
  mkube delete node blue-control-plane3 --name blue --drain 5m`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usagef(cmd, "%s needs the name of one node: mkube get nodes lists them", cmd.CommandPath())
			}
			return nil
		},
		ValidArgsFunction: a.completeNodes,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.onConsole(cmd, o.progress, func(ctx context.Context, s *console) error { return a.deleteNode(ctx, s, args[0], o) })
		},
	}
	a.nameFlag(cmd, &o.cluster)
	limitFlag(cmd, &o.drain, "drain", drainLimit, "maximum time to drain the node; 0 skips draining")
	progressFlag(cmd, &o.progress)
	cmd.Flags().BoolVarP(&o.verbose, "verbose", "v", false, "show every command that runs on the nodes")
	return cmd
}

func (a app) deleteNode(ctx context.Context, s *console, node string, o removeOptions) error {
	name := a.clusterName(o.cluster)
	p, err := a.provider()
	if err != nil {
		return err
	}
	if o.verbose {
		p = s.traced(p)
	}
	deleted, err := bootstrap.RemoveNode(ctx, p, name, node, bootstrap.RemoveOptions{Drain: o.drain, Options: bootstrap.Options{On: s.recorder.On, Warn: s.warn}})
	if err != nil {
		return err
	}
	fmt.Fprintf(s.people(), "Deleted node %s.\n", deleted)
	return nil
}
