package cli

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/mkube/mkube/pkg/bootstrap"
	"github.com/mkube/mkube/pkg/config"
)

func (h host) addCommand() *cobra.Command {
	return group("add", "Add a node to a cluster", h.addNodeCommand())
}

// addOptions are the flags of add node.
type addOptions struct {
	cluster, role, image, progress string
	labels                         map[string]string
	wait                           time.Duration
	retain, verbose                bool
	ignoreOptions
}

func (h host) addNodeCommand() *cobra.Command {
	var o addOptions
	cmd := &cobra.Command{
		Use:   "node",
		Short: "Add a node to a cluster that is up",
		Long: `Add makes one more node, waits until it is Ready, and prints its name. A
control plane joins etcd; that takes a cluster with a load balancer, as one
created with several control planes has. When the node does not come up, or you
press Ctrl-C, the cluster is as it was before.`,
		Example: `  mkube add node
  mkube add node --role control-plane --name blue
  mkube add node --label example.com/tier=front`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			role := config.Role(o.role)
			if role != config.Worker && role != config.ControlPlane {
				return usagef(cmd, "--role must be %s or %s, not %q", config.Worker, config.ControlPlane, o.role)
			}
			return h.onStage(cmd, o.progress, func(ctx context.Context, s *stage) error { return h.addNode(ctx, s, o) })
		},
	}
	h.nameFlag(cmd, &o.cluster)
	f := cmd.Flags()
	f.StringVar(&o.role, "role", string(config.Worker), "what the node is for: worker or control-plane")
	_ = cmd.RegisterFlagCompletionFunc("role", cobra.FixedCompletions([]string{string(config.Worker), string(config.ControlPlane)}, cobra.ShellCompDirectiveNoFileComp))
	f.StringVar(&o.image, "image", "", "the node image (default that of the cluster's first node)")
	f.StringToStringVar(&o.labels, "label", nil, "a label of the Kubernetes node, as KEY=VALUE; may be repeated")
	f.DurationVar(&o.wait, "wait", 5*time.Minute, "how long it may take until the node is Ready")
	f.BoolVar(&o.retain, "retain", false, "keep a node that does not come up, until the next mkube add node")
	ignoreFlag(cmd, &o.ignoreOptions)
	progressFlag(cmd, &o.progress)
	f.BoolVarP(&o.verbose, "verbose", "v", false, "show every command that is run on the nodes")
	return cmd
}

func (h host) addNode(ctx context.Context, s *stage, o addOptions) error {
	p, err := h.provider()
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
	node, err := bootstrap.AddNode(ctx, p, h.clusterName(o.cluster), config.Node{Role: config.Role(o.role), Image: o.image, Labels: o.labels},
		bootstrap.Options{Wait: o.wait, Retain: o.retain, On: s.recorder.On, Warn: s.warn, IgnorePreflightErrors: ignored})
	if err != nil {
		return err
	}
	fmt.Fprintf(s.people(), "Node %s is Ready after %.1f s.\n", node, time.Since(start).Seconds())
	_, err = fmt.Fprintln(h.out, node)
	return err
}

// removeOptions are the flags of delete node.
type removeOptions struct {
	cluster, progress string
	drain             time.Duration
	verbose           bool
}

func (h host) deleteNodeCommand() *cobra.Command {
	var o removeOptions
	cmd := &cobra.Command{
		Use:   "node NAME",
		Short: "Delete a node of a cluster",
		Long: `Delete drains the node, so that its pods go elsewhere, takes it out of the
cluster (a control plane out of etcd as well), and removes it. A node that does
not run is not drained. When a pod may not be evicted the node stays, cordoned.`,
		Example: `  mkube delete node worker2
  mkube delete node blue-control-plane3 --name blue --drain 5m`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usagef(cmd, "%s needs the name of one node: mkube get nodes lists them", cmd.CommandPath())
			}
			return nil
		},
		ValidArgsFunction: h.completeNodes,
		RunE: func(cmd *cobra.Command, args []string) error {
			return h.onStage(cmd, o.progress, func(ctx context.Context, s *stage) error { return h.deleteNode(ctx, s, args[0], o) })
		},
	}
	h.nameFlag(cmd, &o.cluster)
	cmd.Flags().DurationVar(&o.drain, "drain", 2*time.Minute, "how long its pods may take to go elsewhere; 0 does not ask them")
	progressFlag(cmd, &o.progress)
	cmd.Flags().BoolVarP(&o.verbose, "verbose", "v", false, "show every command that is run on the nodes")
	return cmd
}

func (h host) deleteNode(ctx context.Context, s *stage, node string, o removeOptions) error {
	name := h.clusterName(o.cluster)
	p, err := h.provider()
	if err != nil {
		return err
	}
	if o.verbose {
		p = s.traced(p)
	}
	deleted, err := bootstrap.RemoveNode(ctx, p, name, node, bootstrap.RemoveOptions{Drain: o.drain, Options: bootstrap.Options{On: s.recorder.On}})
	if err != nil {
		return err
	}
	fmt.Fprintf(s.people(), "Deleted node %s.\n", deleted)
	return nil
}
