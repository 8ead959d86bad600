package cli

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/mkube/mkube/pkg/provider"
	"github.com/mkube/mkube/pkg/state"
)

func (a app) execCommand() *cobra.Command {
	var name string
	cmd := &cobra.Command{
		Use:   "exec NODE -- COMMAND [ARG...]",
		Short: "Run a command on a node",
		Long: `Run a command on a node, as root, and exit with the command's exit code. NODE is
the name of a node, or the part of it after the cluster's name, such as
control-plane.

If standard input and output are terminals, the command gets a terminal. Input
from a pipe or file is passed on to the command. When mkube ends, for whatever
reason, the command and all its child processes end as well.`,
		Example: `  mkube exec control-plane -- crictl ps
  mkube exec mkube-control-plane -- journalctl --unit kubelet --follow
  mkube exec control-plane --name blue -- bash`,
		ValidArgsFunction: a.completeNodes,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 && cmd.ArgsLenAtDash() > 1 {
				return usagef(cmd, "%s takes one node before the --, not %d", cmd.CommandPath(), cmd.ArgsLenAtDash())
			}
			if len(args) < 2 {
				return usagef(cmd, "%s needs a node and a command", cmd.CommandPath())
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			n, err := a.anyNode(cmd.Context(), name, args[0])
			if err != nil {
				return err
			}
			return a.runOn(cmd.Context(), n, provider.Cmd{Args: args[1:]})
		},
	}
	a.nameFlag(cmd, &name)
	acceptHabits(cmd)
	return cmd
}

// acceptHabits accepts the flags -it of "docker exec" and "kubectl exec". They have no effect
// here, because input is always passed on and a terminal is detected.
func acceptHabits(cmd *cobra.Command) {
	cmd.Flags().BoolP("stdin", "i", false, "")
	cmd.Flags().BoolP("tty", "t", false, "")
	for _, name := range []string{"stdin", "tty"} {
		cmd.Flags().Lookup(name).Hidden = true
	}
}

// anyNode returns the node that name means. A full name determines its cluster, unless the flag
// --name selects one.
func (a app) anyNode(ctx context.Context, cluster, name string) (provider.Node, error) {
	p, err := a.provider()
	if err != nil {
		return nil, err
	}
	if cluster == "" {
		clusters, err := p.Clusters(ctx)
		if err != nil {
			return nil, err
		}
		for _, c := range slices.DeleteFunc(clusters, func(c string) bool { return !strings.HasPrefix(name, c+"-") }) {
			nodes, err := p.Nodes(ctx, c)
			if err != nil {
				return nil, err
			}
			if n, err := nodeCalled(nodes, c, name); err == nil {
				return n, nil
			}
		}
	}
	cluster = a.clusterName(cluster)
	nodes, err := state.Nodes(ctx, p, cluster)
	if err != nil {
		return nil, err
	}
	return nodeCalled(nodes, cluster, name)
}

// errNoReader is the cause of a canceled context if nobody reads standard output any more.
var errNoReader = errors.New("nobody reads standard output")

// runOn runs a command on a node with the user's input and output, and exits with its exit code.
func (a app) runOn(ctx context.Context, n provider.Node, cmd provider.Cmd) error {
	cmd.Stdout, cmd.Stderr, cmd.Guarded = a.out, a.err, true
	ctx, cancel := whileRead(ctx, a.out)
	defer cancel()
	err := a.onTerminal(&cmd, func() error { return n.Run(ctx, cmd) })
	if err != nil && errors.Is(context.Cause(ctx), errNoReader) {
		return silent(BrokenPipe)
	}
	var exit *provider.ExitError
	if errors.As(err, &exit) {
		return silent(exit.Code)
	}
	return err
}
