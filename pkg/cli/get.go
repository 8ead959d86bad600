package cli

import (
	"context"
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/mkube/mkube/pkg/config"
	"github.com/mkube/mkube/pkg/provider"
	"github.com/mkube/mkube/pkg/state"
)

func (a app) getCommand() *cobra.Command {
	return group("get", "Print clusters, nodes or a kubeconfig", a.getClustersCommand(), a.getNodesCommand(), a.getKubeconfigCommand())
}

// clusterItem is a cluster as JSON and YAML.
type clusterItem struct {
	Name string `json:"name"`
}

func (a app) getClustersCommand() *cobra.Command {
	var format string
	cmd := &cobra.Command{
		Use: "clusters", Aliases: []string{"cluster"},
		Short: "Print the names of the clusters",
		Example: `  mkube get clusters
  mkube get clusters -o json`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.getClusters(cmd.Context(), format) },
	}
	outputFlag(cmd, &format, formatJSON, formatYAML, formatName)
	return cmd
}

func (a app) getClusters(ctx context.Context, format string) error {
	p, err := a.provider()
	if err != nil {
		return err
	}
	names, err := p.Clusters(ctx)
	if err != nil {
		return err
	}
	items := []clusterItem{} // an empty list, and not null, in JSON
	for _, name := range names {
		items = append(items, clusterItem{name})
	}
	if len(items) == 0 {
		a.tell("No mkube clusters found.")
	}
	return a.print(format, items, func() {
		for _, name := range names {
			fmt.Fprintln(a.out, name)
		}
	})
}

// nodeItem is a node as JSON and YAML.
type nodeItem struct {
	Name              string      `json:"name"`
	Cluster           string      `json:"cluster"`
	Role              config.Role `json:"role"`
	Address           string      `json:"address"`
	KubernetesVersion string      `json:"kubernetesVersion"`
}

func (a app) getNodesCommand() *cobra.Command {
	var name, format string
	var all bool
	cmd := &cobra.Command{
		Use: "nodes", Aliases: []string{"node"},
		Short: "Print the nodes of a cluster",
		Long: `Print the names of a cluster's nodes, one per line, control planes first. With
-o wide, print a table with roles, addresses and versions. If certificates on a
running node have expired, or expire within 30 days, get nodes prints a warning.`,
		Example: `  mkube get nodes
  mkube get nodes --name blue -o wide`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.getNodes(cmd.Context(), name, all, format)
		},
	}
	a.nameFlag(cmd, &name)
	cmd.Flags().BoolVarP(&all, "all-clusters", "A", false, "print the nodes of all clusters")
	outputFlag(cmd, &format, formatWide, formatJSON, formatYAML, formatName)
	return cmd
}

func (a app) getNodes(ctx context.Context, name string, all bool, format string) error {
	p, err := a.provider()
	if err != nil {
		return err
	}
	names := []string{a.clusterName(name)}
	if all {
		if names, err = p.Clusters(ctx); err != nil {
			return err
		}
	}
	items, err := a.nodeItems(ctx, p, names)
	if err != nil {
		return err
	}
	switch {
	case len(items) == 0 && all:
		a.tell("No mkube nodes found.")
	case len(items) == 0:
		a.tell("No mkube nodes found for cluster %q.", names[0])
	}
	return a.print(format, items, func() { a.nodeTable(items, format == formatWide) })
}

// nodeItems returns the nodes of clusters, and warns of certificates that expire.
func (a app) nodeItems(ctx context.Context, p provider.Provider, clusters []string) ([]nodeItem, error) {
	items := []nodeItem{} // an empty list, and not null, in JSON
	for _, cluster := range clusters {
		nodes, err := p.Nodes(ctx, cluster)
		if err != nil {
			return nil, err
		}
		a.warnOfExpiry(ctx, cluster, nodes)
		for _, n := range nodes {
			items = append(items, nodeItem{n.Name(), cluster, n.Role(), n.IP().String(), n.Versions().Kubernetes})
		}
	}
	return items, nil
}

func (a app) nodeTable(items []nodeItem, wide bool) {
	if !wide {
		for _, n := range items {
			fmt.Fprintln(a.out, n.Name)
		}
		return
	}
	if len(items) == 0 {
		return
	}
	w := tabwriter.NewWriter(a.out, 0, 0, 3, ' ', 0)
	fmt.Fprintln(w, "NAME\tROLE\tADDRESS\tVERSION")
	for _, n := range items {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", n.Name, n.Role, n.Address, n.KubernetesVersion)
	}
	_ = w.Flush() // as all writing to standard output here
}

func (a app) getKubeconfigCommand() *cobra.Command {
	var name string
	var internal bool
	cmd := &cobra.Command{
		Use:   "kubeconfig",
		Short: "Print the kubeconfig of a cluster",
		Example: `  mkube get kubeconfig > blue.yaml
  mkube get kubeconfig --name blue --internal`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.getKubeconfig(cmd.Context(), a.clusterName(name), internal)
		},
	}
	a.nameFlag(cmd, &name)
	internalFlag(cmd, &internal)
	return cmd
}

func internalFlag(cmd *cobra.Command, internal *bool) {
	cmd.Flags().BoolVar(internal, "internal", false, "use the API server's address on the cluster's network, for clients in containers on that network")
}

func (a app) getKubeconfig(ctx context.Context, name string, internal bool) error {
	c, _, err := a.opened(ctx, name)
	if err != nil {
		return err
	}
	entry, err := state.Entry(ctx, c, internal)
	if err != nil {
		return err
	}
	data, err := entry.YAML()
	if err != nil {
		return err
	}
	_, err = a.out.Write(data)
	return err
}

// nodes returns the nodes of a cluster that must exist.
func (a app) nodes(ctx context.Context, name string) ([]provider.Node, error) {
	p, err := a.provider()
	if err != nil {
		return nil, err
	}
	return state.Nodes(ctx, p, name)
}
