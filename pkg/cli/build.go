package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/mkube/mkube/pkg/nodeimage"
)

func (a app) buildCommand() *cobra.Command {
	return group("build", "Build the node image", a.buildNodeImageCommand())
}

// buildOptions are the flags of build node-image.
type buildOptions struct {
	nodeimage.Options
	progress string
	verbose  bool
}

func (a app) buildNodeImageCommand() *cobra.Command {
	var o buildOptions
	cmd := &cobra.Command{
		Use:   "node-image",
		Short: "Build the node image from source",
		Long: `Build the node image from source, without a container registry, load it into the
Docker daemon, and print its name. The build needs a clone of mkube, Go, and
mmdebstrap for the base image. Each part of the image is cached, and rebuilt
only if its sources have changed.

With --bundle, the build writes a file instead: everything that the image adds
to its base. mkube create cluster --provider vagrant unpacks this bundle on
virtual machines. A bundle needs no Docker daemon, unless --base-image is set.`,
		Example: `  mkube build node-image
  mkube build node-image --bundle node.tar
  mkube build node-image --kubernetes-version v1.36.4
  mkube build node-image --base-image debian:bookworm-slim`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.onConsole(cmd, o.progress, func(ctx context.Context, s *console) error { return a.buildNodeImage(ctx, s, o) })
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.KubernetesVersion, "kubernetes-version", "", "Kubernetes release to build (default "+kubernetesVersion+", the release that the sources pin)")
	f.StringVar(&o.BaseImage, "base-image", "", "Debian or Ubuntu image of the Docker daemon to use as the base (default: a base that mmdebstrap makes)")
	f.StringVar(&o.Tag, "image", "", "name of the node image (default "+nodeimage.Name("VERSION")+")")
	f.StringVar(&o.Bundle, "bundle", "", "write a bundle for virtual machines to this file, instead of building an image")
	f.StringVar(&o.Source, "source", "node-image", "folder with the sources: node-image in a clone of mkube")
	f.StringVar(&o.Cache, "cache", "", "folder of the build cache (default mkube/node-image in the user's cache folder)")
	progressFlag(cmd, &o.progress)
	f.BoolVarP(&o.verbose, "verbose", "v", false, "show the output of the build tools")
	return cmd
}

func (a app) buildNodeImage(ctx context.Context, s *console, o buildOptions) error {
	if o.KubernetesVersion != "" {
		version, err := releaseOf(o.KubernetesVersion)
		if err != nil {
			return &usageError{err: err}
		}
		o.KubernetesVersion = version
	}
	if o.Bundle != "" && o.Tag != "" {
		return &usageError{err: errors.New("--bundle and --image cannot be combined: --bundle writes a file instead of an image")}
	}
	if o.Bundle == "" || o.BaseImage != "" { // a bundle alone must build without Docker
		e, err := a.engine()
		if err != nil {
			return err
		}
		o.Daemon = e
	}
	if o.verbose {
		o.Log = s.renderer
	}
	result, err := a.build(ctx, o.Options, s.recorder.On)
	if err != nil {
		return err
	}
	s.table()
	if !result.Fresh {
		there := "the daemon already has this image"
		if o.Bundle != "" {
			there = "the file already holds this bundle"
		}
		fmt.Fprintf(s.people(), "\nNothing has changed: %s.\n", there)
	}
	_, err = fmt.Fprintln(a.out, result.Tag)
	return err
}
