package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/mkube/mkube/pkg/learn/inspect"
	"github.com/mkube/mkube/pkg/suggest"
)

// treeOptions are the flags of tree.
type treeOptions struct{ cluster, namespace, format string }

func (a app) treeCommand() *cobra.Command {
	var o treeOptions
	cmd := &cobra.Command{
		Use:   "tree KIND/NAME",
		Short: "Show an object and the objects that it owns",
		Long: `Show an object, the objects that it owns, and the objects that these own: a
Deployment, its ReplicaSets, their Pods. Ownership comes from ownerReferences.
When an object is deleted, the garbage collector deletes the objects below it.

tree searches all kinds that the API server can list, including custom
resources. KIND is a plural, singular or short name, as in kubectl, and may
include the API group: deploy/web, deployments.apps/web, node/mkube-worker.`,
		Example: `  mkube tree deployment/web
  mkube tree ds/kube-proxy -n kube-system
  mkube tree node/mkube-control-plane --name blue -o json`,
		Args: objectArgs,
		RunE: func(cmd *cobra.Command, args []string) error { return a.tree(cmd.Context(), o, args) },
	}
	a.nameFlag(cmd, &o.cluster)
	namespaceFlag(cmd, &o.namespace)
	outputFlag(cmd, &o.format, formatJSON)
	return cmd
}

func namespaceFlag(cmd *cobra.Command, namespace *string) {
	cmd.Flags().StringVarP(namespace, "namespace", "n", "default", "namespace of the object")
}

// objectArgs requires KIND/NAME, or KIND NAME, which kubectl accepts, too.
func objectArgs(cmd *cobra.Command, args []string) error {
	kind, name := object(args)
	if len(args) == 0 || len(args) > 2 || kind == "" || name == "" || strings.Contains(name, "/") {
		return usagef(cmd, "%s needs one object as KIND/NAME, such as deployment/web", cmd.CommandPath())
	}
	return nil
}

func object(args []string) (kind, name string) {
	kind, name, _ = strings.Cut(strings.Join(args, "/"), "/")
	return kind, name
}

func (a app) tree(ctx context.Context, o treeOptions, args []string) error {
	p, err := a.provider()
	if err != nil {
		return err
	}
	c, err := a.openCluster(ctx, p, a.clusterName(o.cluster))
	if err != nil {
		return err
	}
	kind, name := object(args)
	root, missing, err := inspect.Tree(ctx, c.API, kind, name, o.namespace)
	if err != nil {
		return meant(err)
	}
	if missing != "" {
		a.tell("Warning: %s", missing)
	}
	if len(root.Owners) > 0 && o.format == "" {
		a.tell("%s/%s is itself owned by %s.", root.Kind, root.Name, strings.Join(root.Owners, ", "))
	}
	return a.print(o.format, root, func() { fmt.Fprint(a.out, root.Text()) })
}

// meant adds to the error about an unknown word the word that was probably meant.
func meant(err error) error {
	var unknown *inspect.UnknownError
	if !errors.As(err, &unknown) {
		return err
	}
	return fmt.Errorf("%w%s", err, suggest.DidYouMean(unknown.Word, unknown.Candidates))
}
