package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/mkube/mkube/pkg/nodeimage"
)

func (h host) buildCommand() *cobra.Command {
	return group("build", "Build the node image", h.buildNodeImageCommand())
}

// buildOptions are the flags of build node-image.
type buildOptions struct {
	nodeimage.Options
	progress string
	verbose  bool
}

func (h host) buildNodeImageCommand() *cobra.Command {
	var o buildOptions
	cmd := &cobra.Command{
		Use:   "node-image",
		Short: "Build the image that nodes are made of",
		Long: `Build the node image from source, without a container registry, into the Docker
daemon, and print its name. It needs a clone of mkube, Go, and mmdebstrap for
the base. Each part is kept in a cache: what did not change is not built again.

With --bundle, all that the image holds beside its base goes into a file, which
mkube create cluster --provider vagrant puts into machines. The Docker daemon
gets nothing then, and need not be there.`,
		Example: `  mkube build node-image
  mkube build node-image --bundle node.tar
  mkube build node-image --kubernetes-version v1.36.1
  mkube build node-image --base-image debian:bookworm-slim`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return h.onStage(cmd, o.progress, func(ctx context.Context, s *stage) error { return h.buildNodeImage(ctx, s, o) })
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.KubernetesVersion, "kubernetes-version", "", "the Kubernetes release (default the one pinned in the sources, "+kubernetesVersion+")")
	f.StringVar(&o.BaseImage, "base-image", "", "an image of the Docker daemon, Debian or Ubuntu, to begin with (default none: mmdebstrap makes the base)")
	f.StringVar(&o.Tag, "image", "", "the name of the image (default "+nodeimage.Name("VERSION")+")")
	f.StringVar(&o.Bundle, "bundle", "", "the file to write a bundle for virtual machines to, instead of an image")
	f.StringVar(&o.Source, "source", "node-image", "the folder with the sources: node-image of a clone of mkube")
	f.StringVar(&o.Cache, "cache", "", "the folder in which built parts are kept (default mkube/node-image in the user's cache folder)")
	progressFlag(cmd, &o.progress)
	f.BoolVarP(&o.verbose, "verbose", "v", false, "show what the build tools print")
	return cmd
}

func (h host) buildNodeImage(ctx context.Context, s *stage, o buildOptions) error {
	if o.KubernetesVersion != "" {
		version, err := releaseOf(o.KubernetesVersion)
		if err != nil {
			return &usageError{err: err}
		}
		o.KubernetesVersion = version
	}
	if o.Bundle != "" && o.Tag != "" {
		return &usageError{err: errors.New("--bundle and --image exclude each other: a bundle is a file, and no image is made")}
	}
	if o.Bundle == "" || o.BaseImage != "" { // without Docker, machines are all the more wanted
		e, err := h.engine()
		if err != nil {
			return err
		}
		o.Daemon = e
	}
	if o.verbose {
		o.Log = s.renderer
	}
	result, err := h.build(ctx, o.Options, s.recorder.On)
	if err != nil {
		return err
	}
	s.table()
	if !result.Fresh {
		there := "the daemon has this image"
		if o.Bundle != "" {
			there = "the file holds this very bundle"
		}
		fmt.Fprintf(s.people(), "\nNothing has changed: %s already.\n", there)
	}
	_, err = fmt.Fprintln(h.out, result.Tag)
	return err
}
