package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/mkube/mkube/pkg/learn/inspect"
)

func (h host) traceCommand() *cobra.Command {
	return group("trace", "Tell how a pod came to run", h.tracePodCommand())
}

func (h host) tracePodCommand() *cobra.Command {
	var o treeOptions
	cmd := &cobra.Command{
		Use:   "pod NAME",
		Short: "Tell how a pod came to run, step by step",
		Long: `Tell a pod's way from the first request to Running: who did what, when, and how
long after the step before. Each step says how it is known:

  audit        the API server's log of who asked for what; it is small, and
               forgets what is some days old
  event        Kubernetes' events, which last an hour
  containerd   the runtime of the pod's node
  object       the pod and its owners themselves, to the second

Of a pod that does not run, it shows how far it got, and who should come next.
Times are UTC.`,
		Example: `  mkube trace pod web-5d44f75545-rrvdw
  mkube trace pod coredns-7d4cbc8b8c-9xcg2 -n kube-system --name blue -o json`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usagef(cmd, "%s needs the name of one pod: mkube kubectl -- get pods lists them", cmd.CommandPath())
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error { return h.tracePod(cmd.Context(), o, args[0]) },
	}
	h.nameFlag(cmd, &o.cluster)
	namespaceFlag(cmd, &o.namespace)
	outputFlag(cmd, &o.format, formatJSON)
	return cmd
}

func (h host) tracePod(ctx context.Context, o treeOptions, pod string) error {
	p, err := h.provider()
	if err != nil {
		return err
	}
	c, err := h.openCluster(ctx, p, h.clusterName(o.cluster))
	if err != nil {
		return err
	}
	trace, err := inspect.TracePod(ctx, c.API, c.Nodes, o.namespace, pod)
	if err != nil {
		return meant(err)
	}
	return h.print(o.format, trace, func() { fmt.Fprint(h.out, trace.Text()) })
}
