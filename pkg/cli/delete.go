package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/spf13/cobra"

	"github.com/mkube/mkube/pkg/bootstrap"
	"github.com/mkube/mkube/pkg/kubeconfig"
)

func (a app) deleteCommand() *cobra.Command {
	return group("delete", "Delete clusters or nodes", a.deleteClusterCommand(), a.deleteClustersCommand(), a.deleteNodeCommand())
}

func (a app) deleteClusterCommand() *cobra.Command {
	var name, file string
	cmd := &cobra.Command{
		Use:   "cluster [NAME]",
		Short: "Delete a cluster",
		Long: `Delete a cluster: its nodes with all their data, its network, and its entry in
your kubeconfig. This also deletes what a killed create left behind. Deleting a
cluster that does not exist succeeds.`,
		Example: `  mkube delete cluster
  mkube delete cluster --name blue`,
		Args: func(cmd *cobra.Command, args []string) error {
			switch {
			case len(args) > 1:
				return usagef(cmd, "%s takes one name, not %d: mkube delete clusters takes several", cmd.CommandPath(), len(args))
			case len(args) == 1 && name != "" && name != args[0]:
				return usagef(cmd, "two names are given, %q and %q: give one", name, args[0])
			}
			return nil
		},
		ValidArgsFunction: a.completeClusters,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				name = args[0]
			}
			return a.deleteClusters(cmd.Context(), []string{a.clusterName(name)}, file)
		},
	}
	a.nameFlag(cmd, &name)
	kubeconfigFlag(cmd, &file)
	return cmd
}

func (a app) deleteClustersCommand() *cobra.Command {
	var all bool
	var file string
	cmd := &cobra.Command{
		Use:   "clusters [NAME...] [--all]",
		Short: "Delete several clusters",
		Example: `  mkube delete clusters blue green
  mkube delete clusters --all`,
		Args: func(cmd *cobra.Command, args []string) error {
			switch {
			case all && len(args) > 0:
				return usagef(cmd, "names and --all cannot be combined")
			case !all && len(args) == 0:
				return usagef(cmd, "%s needs names or --all", cmd.CommandPath())
			}
			return nil
		},
		ValidArgsFunction: a.completeClusters,
		RunE: func(cmd *cobra.Command, args []string) error {
			if all {
				return a.deleteAll(cmd.Context(), file)
			}
			return a.deleteClusters(cmd.Context(), args, file)
		},
	}
	cmd.Flags().BoolVarP(&all, "all", "A", false, "delete all clusters")
	kubeconfigFlag(cmd, &file)
	return cmd
}

func (a app) deleteAll(ctx context.Context, file string) error {
	p, err := a.provider()
	if err != nil {
		return err
	}
	names, err := p.Clusters(ctx)
	if err != nil {
		return err
	}
	if len(names) == 0 {
		a.tell("No mkube clusters found.")
		return nil
	}
	return a.deleteClusters(ctx, names, file)
}

// deleteClusters deletes clusters at the same time, and prints the results in order.
func (a app) deleteClusters(ctx context.Context, names []string, file string) error {
	p, err := a.provider()
	if err != nil {
		return err
	}
	existing, err := p.Clusters(ctx)
	if err != nil {
		return err
	}
	names = unique(names)
	errs := make([]error, len(names))
	var wait sync.WaitGroup
	for i, name := range names {
		wait.Go(func() {
			// A cluster that is not listed may still have an entry in a kubeconfig.
			errs[i] = bootstrap.Delete(ctx, p, name, kubeconfig.Paths(file, a.getenv, a.home))
		})
	}
	wait.Wait()
	for i, name := range names {
		switch {
		case errs[i] != nil:
			errs[i] = fmt.Errorf("deleting cluster %q: %w", name, errs[i])
		case slices.Contains(existing, name):
			a.tell("Deleted cluster %q.", name)
		default:
			a.tell("Cluster %q does not exist.", name)
		}
	}
	return errors.Join(errs...)
}

// unique returns a list without duplicates.
func unique(list []string) []string {
	var once []string
	for _, s := range list {
		if !slices.Contains(once, s) {
			once = append(once, s)
		}
	}
	return once
}
