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

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	dockerimage "github.com/docker/docker/api/types/image"
	"github.com/docker/docker/client"
	"github.com/docker/go-connections/nat"

	"github.com/mkube/mkube/pkg/provider/docker"
)

// The registry next to the nodes, see docs/local-registry.md. Its name is the one in certs.d.
const (
	registryName  = "conformance-registry"
	registryImage = "mkube/registry:conformance"
	registryPort  = nat.Port("5000/tcp")
)

// pulled lists the images that specs pull although the nodes have them: for an image volume, and
// for the servers of certificates for pods.
var pulled = []string{"kitten", "agnhost"}

// serve starts the registry and pushes the images that specs pull.
func (c conformance) serve(ctx context.Context, p programs, images []image) error {
	rootfs, err := c.layer(ctx, p, "registry", filepath.Join("images", "registry"))
	if err != nil {
		return err
	}
	address, err := c.startRegistry(ctx, rootfs)
	if err != nil {
		return fmt.Errorf("starting the registry: %w", err)
	}
	if out, err := exec.CommandContext(ctx, "tar", "--extract", "--file", rootfs, "--directory", c.out, "./crane").CombinedOutput(); err != nil {
		return fmt.Errorf("unpacking crane: %w\n%s", err, out)
	}
	for _, i := range images {
		if !slices.Contains(pulled, i.short()) {
			continue
		}
		if err := c.push(ctx, i, address); err != nil {
			return fmt.Errorf("pushing %s: %w", i.name, err)
		}
	}
	return nil
}

// push pushes an image to the registry.
func (c conformance) push(ctx context.Context, i image, address string) error {
	file := filepath.Join(c.out, "pushed.tar")
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	defer os.Remove(file)
	if err := errors.Join(writeArchive(f, []image{i}), f.Close()); err != nil {
		return err
	}
	to := strings.Replace(i.name, "registry.k8s.io", address, 1)
	if out, err := exec.CommandContext(ctx, filepath.Join(c.out, "crane"), "push", file, to).CombinedOutput(); err != nil {
		return fmt.Errorf("%w\n%s", err, out)
	}
	return nil
}

// startRegistry runs a new registry on the cluster's network, and returns the address at which the
// host reaches it.
func (c conformance) startRegistry(ctx context.Context, rootfs string) (string, error) {
	if err := c.stopRegistry(ctx); err != nil {
		return "", err
	}
	d, err := docker.Dial()
	if err != nil {
		return "", err
	}
	defer d.Close()
	if err := importRegistry(ctx, d, rootfs); err != nil {
		return "", err
	}
	made, err := d.ContainerCreate(ctx,
		&container.Config{Image: registryImage, ExposedPorts: nat.PortSet{registryPort: {}}},
		&container.HostConfig{
			NetworkMode:  container.NetworkMode("mkube-" + clusterName),
			PortBindings: nat.PortMap{registryPort: {{HostIP: "127.0.0.1"}}},
		}, nil, nil, registryName)
	if err != nil {
		return "", err
	}
	if err := d.ContainerStart(ctx, made.ID, container.StartOptions{}); err != nil {
		return "", err
	}
	inspect, err := d.ContainerInspect(ctx, made.ID)
	if err != nil {
		return "", err
	}
	bound := inspect.NetworkSettings.Ports[registryPort]
	if len(bound) == 0 {
		return "", fmt.Errorf("port %s of %s is not published", registryPort, registryName)
	}
	return "127.0.0.1:" + bound[0].HostPort, nil
}

func importRegistry(ctx context.Context, d *client.Client, rootfs string) error {
	f, err := os.Open(rootfs)
	if err != nil {
		return err
	}
	defer f.Close()
	out, err := d.ImageImport(ctx, dockerimage.ImportSource{Source: f, SourceName: "-"}, registryImage, dockerimage.ImportOptions{
		Changes: []string{`CMD ["/crane", "registry", "serve", "--address", ":5000"]`},
	})
	if err != nil {
		return err
	}
	defer out.Close()
	_, err = io.Copy(io.Discard, out)
	return err
}

// stopRegistry removes the registry and its image, if they exist.
func (c conformance) stopRegistry(ctx context.Context) error {
	d, err := docker.Dial()
	if err != nil {
		return err
	}
	defer d.Close()
	err = d.ContainerRemove(ctx, registryName, container.RemoveOptions{Force: true, RemoveVolumes: true})
	if err != nil && !errdefs.IsNotFound(err) {
		return fmt.Errorf("removing the registry: %w", err)
	}
	_, err = d.ImageRemove(ctx, registryImage, dockerimage.RemoveOptions{PruneChildren: true})
	if err != nil && !errdefs.IsNotFound(err) {
		return fmt.Errorf("removing the registry's image: %w", err)
	}
	return nil
}
