package cli

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/mkube/mkube/pkg/config"
)

// completeClusters completes the name of an existing cluster.
func (a app) completeClusters(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	p, err := a.provider()
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	names, err := p.Clusters(cmd.Context())
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return subtract(names, args), cobra.ShellCompDirectiveNoFileComp
}

// completeNodes completes one node of the cluster that the flag --name selects. After that, it
// completes files.
func (a app) completeNodes(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveDefault
	}
	return a.nodeNames(cmd), cobra.ShellCompDirectiveNoFileComp
}

// completeNodeList completes a list of nodes that are separated by commas.
func (a app) completeNodeList(cmd *cobra.Command, _ []string, begun string) ([]string, cobra.ShellCompDirective) {
	before := listed(begun)
	var list []string
	for _, name := range subtract(a.nodeNames(cmd), strings.Split(before, ",")) {
		list = append(list, before+name)
	}
	return list, cobra.ShellCompDirectiveNoFileComp
}

// completeAddons completes a list of addons that are separated by commas.
func completeAddons(_ *cobra.Command, _ []string, begun string) ([]string, cobra.ShellCompDirective) {
	before := listed(begun)
	var list []string
	for _, name := range subtract(config.Addons(), strings.Split(before, ",")) {
		list = append(list, before+name)
	}
	return list, cobra.ShellCompDirectiveNoFileComp
}

// listed returns a list up to and including its last comma.
func listed(list string) string { return list[:strings.LastIndexByte(list, ',')+1] }

func (a app) nodeNames(cmd *cobra.Command) []string {
	p, err := a.provider()
	if err != nil {
		return nil
	}
	// If the command has no such flag, name is empty, which is the default cluster.
	name, _ := cmd.Flags().GetString("name")
	nodes, err := p.Nodes(cmd.Context(), a.clusterName(name))
	if err != nil {
		return nil
	}
	var names []string
	for _, n := range nodes {
		names = append(names, n.Name())
	}
	return names
}

// subtract returns the elements of a list that another list lacks.
func subtract(list, other []string) []string {
	var rest []string
	for _, s := range list {
		found := false
		for _, o := range other {
			found = found || s == o
		}
		if !found {
			rest = append(rest, s)
		}
	}
	return rest
}
