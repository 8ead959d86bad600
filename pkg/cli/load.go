package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/mkube/mkube/pkg/cluster"
	"github.com/mkube/mkube/pkg/provider"
	"github.com/mkube/mkube/pkg/transfer"
)

func (a app) loadCommand() *cobra.Command {
	return group("load", "Load images into the nodes of a cluster", a.loadImageCommand(), a.loadArchiveCommand())
}

// loadOptions are the flags of load.
type loadOptions struct {
	name  string
	nodes []string
}

func (a app) loadFlags(cmd *cobra.Command, o *loadOptions) {
	a.nameFlag(cmd, &o.name)
	cmd.Flags().StringSliceVar(&o.nodes, "nodes", nil, "nodes to load into, separated by commas (default: all nodes that run pods)")
	// This fails only for an unknown flag or a second registration.
	_ = cmd.RegisterFlagCompletionFunc("nodes", a.completeNodeList)
}

func (a app) loadImageCommand() *cobra.Command {
	var o loadOptions
	cmd := &cobra.Command{
		Use: "image IMAGE...", Aliases: []string{"docker-image"},
		Short: "Load images of the Docker daemon into the nodes",
		Long: `Load images of the Docker daemon into the nodes of a cluster, so that its pods
can use them without a registry. Nodes that already have the same image are
skipped.

Kubernetes pulls an image with the tag "latest" from a registry by default. To
use a loaded one, set "imagePullPolicy: IfNotPresent".`,
		Example: `  mkube load image web:1 worker:1
  mkube load image web:1 --name blue --nodes control-plane`,
		Args: someArgs("at least one image"),
		RunE: func(cmd *cobra.Command, args []string) error { return a.loadImages(cmd.Context(), args, o) },
	}
	a.loadFlags(cmd, &o)
	return cmd
}

func (a app) loadImages(ctx context.Context, images []string, o loadOptions) error {
	nodes, err := a.chosenNodes(ctx, o)
	if err != nil {
		return err
	}
	e, err := a.engine()
	if err != nil {
		return err
	}
	plan, err := transfer.PlanLoad(ctx, e, images, nodes)
	if err != nil {
		return err
	}
	for _, n := range nodes {
		if there := plan.Present[n.Name()]; len(there) > 0 {
			a.tell("%s already has %s.", n.Name(), strings.Join(there, ", "))
		}
	}
	if len(plan.Images) == 0 {
		return nil
	}
	return a.timed(strings.Join(plan.Images, ", "), plan.Nodes, func() error { return plan.Run(ctx, e) })
}

// timed prints what is loaded into which nodes, and how long it took.
func (a app) timed(what string, nodes []provider.Node, load func() error) error {
	var names []string
	for _, n := range nodes {
		names = append(names, n.Name())
	}
	a.tell("Loading %s into %s ...", what, strings.Join(names, ", "))
	start := time.Now()
	if err := load(); err != nil {
		return err
	}
	a.tell("Loaded in %.1f s.", time.Since(start).Seconds())
	return nil
}

func (a app) loadArchiveCommand() *cobra.Command {
	var o loadOptions
	cmd := &cobra.Command{
		Use: "archive FILE...", Aliases: []string{"image-archive"},
		Short: "Load image archives into the nodes",
		Long: `Load image archives into the nodes of a cluster. An archive is a tar or tar.gz
file with the output of docker save or an OCI layout. "-" reads standard input.`,
		Example: `  mkube load archive images.tar
  docker save web:1 | mkube load archive -`,
		Args: someArgs(`at least one file, or "-" for standard input`),
		RunE: func(cmd *cobra.Command, args []string) error { return a.loadArchives(cmd.Context(), args, o) },
	}
	a.loadFlags(cmd, &o)
	return cmd
}

func (a app) loadArchives(ctx context.Context, files []string, o loadOptions) error {
	archives, err := a.openAll(files)
	if err != nil {
		return err
	}
	defer closeAll(archives)
	nodes, err := a.chosenNodes(ctx, o)
	if err != nil {
		return err
	}
	for i, archive := range archives {
		what := files[i]
		if what == "-" {
			what = "standard input"
		}
		err := a.timed(what, nodes, func() error { return transfer.LoadArchive(ctx, archive, nodes) })
		if err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
	}
	return nil
}

// openAll opens files. The error names all files that it could not open.
func (a app) openAll(files []string) ([]io.ReadCloser, error) {
	var list []io.ReadCloser
	var errs []error
	for _, file := range files {
		if file == "-" {
			list = append(list, io.NopCloser(a.in))
			continue
		}
		f, err := os.Open(file)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		list = append(list, f)
	}
	if err := errors.Join(errs...); err != nil {
		closeAll(list)
		return nil, err
	}
	return list, nil
}

func closeAll(list []io.ReadCloser) {
	for _, c := range list {
		_ = c.Close() // closing a file that was only read loses nothing
	}
}

// chosenNodes returns the nodes that the flags select. By default, these are all nodes that run
// pods.
func (a app) chosenNodes(ctx context.Context, o loadOptions) ([]provider.Node, error) {
	name := a.clusterName(o.name)
	nodes, err := a.nodes(ctx, name)
	nodes = cluster.KubernetesNodes(nodes)
	if err != nil || len(o.nodes) == 0 {
		return nodes, err
	}
	var chosen []provider.Node
	var errs []error
	for _, want := range unique(o.nodes) {
		n, err := nodeCalled(nodes, name, want)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		if !slices.Contains(chosen, n) {
			chosen = append(chosen, n)
		}
	}
	return chosen, errors.Join(errs...)
}

// nodeCalled returns a node of a cluster by its full name, or by the part after the cluster's
// name.
func nodeCalled(nodes []provider.Node, cluster, name string) (provider.Node, error) {
	var names []string
	for _, n := range nodes {
		if n.Name() == name || n.Name() == cluster+"-"+name {
			return n, nil
		}
		names = append(names, n.Name())
	}
	return nil, fmt.Errorf("cluster %q has no node %q; its nodes are %s", cluster, name, strings.Join(names, ", "))
}
