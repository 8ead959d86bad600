package cli

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/mkube/mkube/pkg/bootstrap"
	"github.com/mkube/mkube/pkg/learn/override"
	"github.com/mkube/mkube/pkg/provider"
	"github.com/mkube/mkube/pkg/state"
)

// runOptions are the flags of run.
type runOptions struct {
	cluster, binary, progress string
	wait                      time.Duration
	verbose                   bool
}

func (a app) runCommand() *cobra.Command {
	var o runOptions
	cmd := &cobra.Command{
		Use:   "run COMPONENT [--binary FILE [-- ARG...]]",
		Short: "Run your own program in place of a component",
		Long: `Replace the program of a component that is a static pod, such as kube-scheduler,
with your own, on every node that runs the component. Your program gets the
component's flags (mkube explain shows them), or the arguments after --, and can
read the component's kubeconfig. It must be linked statically (CGO_ENABLED=0).
Its health is not probed.

To restore the component's own program, run the command without --binary.`,
		Example: `  mkube run kube-scheduler --binary ./my-scheduler
  mkube run kube-scheduler --binary ./my-scheduler -- --kubeconfig=/etc/kubernetes/scheduler.conf
  mkube run kube-scheduler`,
		Args: func(cmd *cobra.Command, args []string) error {
			before := len(args)
			if dash := cmd.ArgsLenAtDash(); dash >= 0 {
				before = dash
			}
			if before != 1 {
				return usagef(cmd, "%s needs one component: mkube explain lists them", cmd.CommandPath())
			}
			if len(args) > 1 && o.binary == "" {
				return usagef(cmd, "arguments require a program of your own: set --binary")
			}
			return knownComponent(cmd, args[0])
		},
		ValidArgsFunction: completeComponents,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.onConsole(cmd, o.progress, func(ctx context.Context, s *console) error { return a.runOwn(ctx, s, o, args) })
		},
	}
	a.nameFlag(cmd, &o.cluster)
	cmd.Flags().StringVar(&o.binary, "binary", "", "program to run in place of the component's own (default: the component's own program)")
	limitFlag(cmd, &o.wait, "wait", programLimit, "maximum time until the program runs")
	progressFlag(cmd, &o.progress)
	cmd.Flags().BoolVarP(&o.verbose, "verbose", "v", false, "show every command that runs on the nodes")
	return cmd
}

func (a app) runOwn(ctx context.Context, s *console, o runOptions, args []string) error {
	p, err := a.provider()
	if err != nil {
		return err
	}
	if o.verbose {
		p = s.traced(p)
	}
	var own *override.Program
	if o.binary != "" {
		data, err := os.ReadFile(o.binary)
		if err != nil {
			return fmt.Errorf("--binary: %w", err)
		}
		own = &override.Program{Binary: data}
		if len(args) > 1 {
			own.Args = args[1:]
		}
	}
	name := a.clusterName(o.cluster)
	if err := override.Run(ctx, p, name, args[0], own, bootstrap.Options{Wait: o.wait, On: s.recorder.On}); err != nil {
		return err
	}
	if own == nil {
		fmt.Fprintf(s.people(), "%s runs its own program again.\n", args[0])
		return nil
	}
	node, err := firstControlPlane(ctx, p, name)
	if err != nil {
		return err
	}
	fmt.Fprintf(s.people(), "Your %s runs. To see its output: mkube kubectl%s -- --namespace kube-system logs %[1]s-%[3]s\n\nTo restore the component's own program: mkube run %[1]s%[2]s\n", args[0], a.forName(name), node)
	return nil
}

// firstControlPlane returns the name of a cluster's first control plane, which the configuration
// may set.
func firstControlPlane(ctx context.Context, p provider.Provider, cluster string) (string, error) {
	nodes, err := state.Nodes(ctx, p, cluster)
	if err != nil {
		return "", err
	}
	n, err := state.ControlPlane(ctx, nodes)
	if err != nil {
		return "", err
	}
	return n.Name(), nil
}
