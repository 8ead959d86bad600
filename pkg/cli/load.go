package cli

import (
	"context"
	"errors"
	"fmt"
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
	name     string
	nodes    []string
	progress string
}

func (a app) loadFlags(cmd *cobra.Command, o *loadOptions) {
	a.nameFlag(cmd, &o.name)
	cmd.Flags().StringSliceVar(&o.nodes, "nodes", nil, "nodes to load into, separated by commas (default: all nodes that run pods)")
	// This fails only for an unknown flag or a second registration.
	_ = cmd.RegisterFlagCompletionFunc("nodes", a.completeNodeList)
	progressFlag(cmd, &o.progress)
}

func (a app) loadImageCommand() *cobra.Command {
	var o loadOptions
	cmd := &cobra.Command{
		Use: "image IMAGE...", Aliases: []string{"docker-image"},
		Short: "Load images of the Docker daemon into the nodes",
		Long: `Load images of the Docker daemon into the nodes of a cluster, so that its pods
can use them without a registry. An IMAGE is a name, a name with a digest, or an
ID. Nodes that already have the same image are skipped.

Kubernetes pulls an image with the tag "latest" from a registry by default. To
use a loaded one, set "imagePullPolicy: IfNotPresent".`,
		Example: `  mkube load image web:1 worker:1
  mkube load image web:1 --name blue --nodes control-plane`,
		Args: someArgs("at least one image"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.onConsole(cmd, o.progress, func(ctx context.Context, s *console) error { return a.loadImages(ctx, s, args, o) })
		},
	}
	a.loadFlags(cmd, &o)
	return cmd
}

func (a app) loadImages(ctx context.Context, s *console, images []string, o loadOptions) error {
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
			s.note(fmt.Sprintf("%s already has %s.", n.Name(), strings.Join(there, ", ")))
		}
	}
	start := time.Now()
	have, err := plan.Run(ctx, e, s.recorder.On)
	if len(have) > 0 {
		fmt.Fprintf(s.people(), "Loaded %s into %s in %.1f s.\n", strings.Join(plan.Images, ", "), strings.Join(have, ", "), time.Since(start).Seconds())
	}
	return err
}

func (a app) loadArchiveCommand() *cobra.Command {
	var o loadOptions
	cmd := &cobra.Command{
		Use: "archive FILE...", Aliases: []string{"image-archive"},
		Short: "Load image archives into the nodes",
		Long: `Load image archives into the nodes of a cluster. An archive is a tar file with
the output of docker save or an OCI layout, or the folder of an OCI layout. A
file may be compressed by gzip, zstd or bzip2. "-" reads standard input.

A node gets the images for its own platform. It gives an image without a name
its ID as the name.`,
		Example: `  mkube load archive images.tar
  docker save web:1 | mkube load archive -`,
		Args: someArgs(`at least one file, or "-" for standard input`),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.onConsole(cmd, o.progress, func(ctx context.Context, s *console) error { return a.loadArchives(ctx, s, args, o) })
		},
	}
	a.loadFlags(cmd, &o)
	return cmd
}

func (a app) loadArchives(ctx context.Context, s *console, files []string, o loadOptions) error {
	archives, err := a.openAll(files)
	if err != nil {
		return err
	}
	defer closeAll(archives)
	nodes, err := a.chosenNodes(ctx, o)
	if err != nil {
		return err
	}
	start := time.Now()
	var results strings.Builder // they follow the display of the steps
	err = transfer.LoadArchives(ctx, archives, nodes, s.recorder.On, func(archive *transfer.Archive, l transfer.Loaded) {
		what := append(slices.Clone(l.Names), l.Unnamed...)
		fmt.Fprintf(&results, "Loaded %s from %s into %s in %.1f s.\n", strings.Join(what, ", "), archive.Name, strings.Join(l.Nodes, ", "), time.Since(start).Seconds())
		for _, id := range l.Unnamed {
			fmt.Fprintf(&results, "%s has no name in %s: pods use it by this ID.\n", id, archive.Name)
		}
		start = time.Now()
	})
	fmt.Fprint(s.people(), results.String())
	return err
}

// openAll opens files. The error names all files that it could not open.
func (a app) openAll(files []string) ([]*transfer.Archive, error) {
	var list []*transfer.Archive
	var errs []error
	for _, file := range files {
		open := transfer.OpenArchive
		if file == "-" {
			open = func(string) (*transfer.Archive, error) { return a.standardInput() }
		}
		archive, err := open(file)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		list = append(list, archive)
	}
	if err := errors.Join(errs...); err != nil {
		closeAll(list)
		return nil, err
	}
	return list, nil
}

// standardInput returns the archive in standard input.
func (a app) standardInput() (*transfer.Archive, error) {
	if _, ok := terminal(a.in); ok {
		return nil, errors.New("standard input is a terminal: pipe an archive into the command")
	}
	return transfer.NewArchive("standard input", a.in)
}

func closeAll(list []*transfer.Archive) {
	for _, archive := range list {
		_ = archive.Close() // closing a file that was only read loses nothing
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
