package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/mkube/mkube/pkg/provider"
	"github.com/mkube/mkube/pkg/state"
)

func (a app) kubectlCommand() *cobra.Command {
	var name string
	cmd := &cobra.Command{
		Use:   "kubectl [--name NAME] -- ARG...",
		Short: "Run kubectl on a cluster's control plane",
		Long: `Run kubectl on a cluster's control plane, as the cluster's administrator, and
exit with kubectl's exit code. You need no kubectl of your own, and the version
always matches the cluster.

kubectl reads the files of the node, not yours: pass manifests on standard
input.`,
		Example: `  mkube kubectl -- get pods -A
  mkube kubectl -- apply -f - < web.yaml
  mkube kubectl --name blue -- logs deploy/web`,
		Args: someArgs("arguments for kubectl"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.kubectl(cmd.Context(), a.clusterName(name), args)
		},
	}
	// All words from the first argument on are kubectl's, also without a "--".
	cmd.Flags().SetInterspersed(false)
	a.nameFlag(cmd, &name)
	return cmd
}

func (a app) kubectl(ctx context.Context, name string, args []string) error {
	nodes, err := a.nodes(ctx, name)
	if err != nil {
		return err
	}
	n, err := state.ControlPlane(ctx, nodes)
	if err != nil {
		return err
	}
	return a.runOn(ctx, n, state.Kubectl(provider.Cmd{}, args...))
}
