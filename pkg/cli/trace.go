package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/mkube/mkube/pkg/learn/inspect"
)

func (a app) traceCommand() *cobra.Command {
	return group("trace", "Show how a pod came to run", a.tracePodCommand())
}

func (a app) tracePodCommand() *cobra.Command {
	var o treeOptions
	cmd := &cobra.Command{
		Use:   "pod NAME",
		Short: "Show how a pod came to run, step by step",
		Long: `Show how a pod came to run, from the first request to Running: which component
did what, when, and how long after the previous step. Each step names its
source:

  audit        the API server's audit log, which keeps the last 30 MB
  event        Kubernetes events, which are kept for an hour
  containerd   the container runtime of the pod's node
  object       the pod and its owners, with times in whole seconds

For a pod that does not run, trace shows how far it got, and which component
should act next. Times are UTC.`,
		Example: `  mkube trace pod web-5d44f75545-rrvdw
  mkube trace pod coredns-7d4cbc8b8c-9xcg2 -n kube-system --name blue -o json`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usagef(cmd, "%s needs the name of one pod: mkube kubectl -- get pods lists them", cmd.CommandPath())
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error { return a.tracePod(cmd.Context(), o, args[0]) },
	}
	a.nameFlag(cmd, &o.cluster)
	namespaceFlag(cmd, &o.namespace)
	outputFlag(cmd, &o.format, formatJSON)
	return cmd
}

func (a app) tracePod(ctx context.Context, o treeOptions, pod string) error {
	p, err := a.provider()
	if err != nil {
		return err
	}
	c, err := a.openCluster(ctx, p, a.clusterName(o.cluster))
	if err != nil {
		return err
	}
	trace, err := inspect.TracePod(ctx, c.API, c.Nodes, o.namespace, pod)
	if err != nil {
		return meant(err)
	}
	return a.print(o.format, trace, func() { fmt.Fprint(a.out, trace.Text()) })
}
