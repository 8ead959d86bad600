package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

func (c conformance) kubeconfig() string { return filepath.Join(c.out, "kubeconfig") }

// kubectl returns the path of the copy of the node image's kubectl.
func (c conformance) kubectl() string { return filepath.Join(c.out, "kubectl") }

// create creates the cluster, unless one was kept, and loads the images.
func (c conformance) create(ctx context.Context, p programs, images []image) error {
	out, err := c.command(ctx, "get", "clusters").Output()
	if err != nil {
		return fmt.Errorf("looking for cluster %s: %w", clusterName, err)
	}
	if slices.Contains(strings.Fields(string(out)), clusterName) {
		c.say("Cluster %s is there already: taking it.", clusterName)
	} else if err := c.do(ctx, "create", "cluster", "--config", c.config, "--image", c.image, "--progress", "plain", "--kubeconfig", c.kubeconfig()); err != nil {
		return err
	}
	if err := c.save(ctx, c.kubeconfig(), 0o600, "get", "kubeconfig"); err != nil {
		return err
	}
	if err := c.save(ctx, c.kubectl(), 0o755, "exec", "control-plane", "--", "cat", "/usr/local/bin/kubectl"); err != nil {
		return err
	}
	return errors.Join(c.load(ctx, images), c.serve(ctx, p, images))
}

// load loads the images into the nodes as one archive, without a file.
func (c conformance) load(ctx context.Context, images []image) error {
	reader, writer := io.Pipe()
	go func() { writer.CloseWithError(writeArchive(writer, images)) }()
	cmd := c.command(ctx, "load", "archive", "-")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = reader, c.log, c.log
	err := cmd.Run()
	reader.CloseWithError(context.Canceled) // ends the writer if the archive was not read to the end
	if err != nil {
		return fmt.Errorf("loading the images: %w", err)
	}
	return nil
}

// delete deletes everything that create created.
func (c conformance) delete(ctx context.Context) error {
	return errors.Join(c.stopRegistry(ctx), c.do(ctx, "delete", "cluster", "--kubeconfig", c.kubeconfig()))
}

// command returns a command of mkube for the cluster.
func (c conformance) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, c.mkube, args...)
	cmd.Dir = folder // paths in the configuration are relative to it
	cmd.Env = append(os.Environ(), "MKUBE_CLUSTER_NAME="+clusterName)
	return cmd
}

func (c conformance) do(ctx context.Context, args ...string) error {
	cmd := c.command(ctx, args...)
	cmd.Stdout, cmd.Stderr = c.log, c.log
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("running mkube %s %s: %w", args[0], args[1], err)
	}
	return nil
}

// save writes the output of mkube into a file.
func (c conformance) save(ctx context.Context, file string, mode os.FileMode, args ...string) error {
	out, err := os.OpenFile(file, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, mode)
	if err != nil {
		return err
	}
	cmd := c.command(ctx, args...)
	cmd.Stdout, cmd.Stderr = out, c.log
	if err := cmd.Run(); err != nil {
		out.Close()
		return fmt.Errorf("running mkube %s: %w", strings.Join(args, " "), err)
	}
	return out.Close()
}
