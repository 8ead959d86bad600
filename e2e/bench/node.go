package main

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/docker/docker/api/types"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/client"

	"github.com/mkube/mkube/pkg/provider"
	"github.com/mkube/mkube/pkg/provider/docker"
)

// extractBinary copies the multi-call binary out of a node image.
func extractBinary(ctx context.Context, image string) (file string, cleanUp func(), err error) {
	c, err := docker.Dial()
	if err != nil {
		return "", nil, err
	}
	made, err := c.ContainerCreate(ctx, &container.Config{Image: image}, nil, nil, nil, "")
	if err != nil {
		return "", nil, fmt.Errorf("looking into %s: %w", image, err)
	}
	defer func() {
		err = errors.Join(err, c.ContainerRemove(context.WithoutCancel(ctx), made.ID, container.RemoveOptions{RemoveVolumes: true, Force: true}))
	}()
	stat, err := c.ContainerStatPath(ctx, made.ID, "/usr/local/bin/kube-apiserver")
	if err != nil {
		return "", nil, err
	}
	dir, err := os.MkdirTemp("", "mkube-bench-")
	if err != nil {
		return "", nil, err
	}
	cleanUp = func() { os.RemoveAll(dir) }
	file = filepath.Join(dir, "kubernetes")
	if err := copyOut(ctx, c, made.ID, path.Join(path.Dir(stat.LinkTarget), "kubernetes"), file); err != nil {
		cleanUp()
		return "", nil, err
	}
	return file, cleanUp, nil
}

func copyOut(ctx context.Context, c *client.Client, id, from, to string) error {
	archive, _, err := c.CopyFromContainer(ctx, id, from)
	if err != nil {
		return err
	}
	defer archive.Close()
	files := tar.NewReader(archive)
	if _, err := files.Next(); err != nil {
		return err
	}
	out, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY, 0o755)
	if err != nil {
		return err
	}
	if _, err := io.Copy(out, files); err != nil {
		out.Close()
		return err
	}
	return out.Close()
}

// imageSize returns the size that docker images shows.
func imageSize(ctx context.Context, image string) (int64, error) {
	c, err := docker.Dial()
	if err != nil {
		return 0, err
	}
	inspect, err := c.ImageInspect(ctx, image)
	return inspect.Size, err
}

// look measures the new node: its disk immediately, and its memory and processor time while it is
// idle.
func (b bench) look(ctx context.Context, f *figures) error {
	c, err := docker.Dial()
	if err != nil {
		return err
	}
	nodes, err := docker.New(c).Nodes(ctx, clusterName)
	if err != nil || len(nodes) != 1 {
		return fmt.Errorf("finding the node: %d nodes, %w", len(nodes), err)
	}
	if f.varSize, err = varSize(ctx, c, nodes[0]); err != nil {
		return err
	}
	if b.idle == 0 {
		return nil
	}
	return f.watch(ctx, c, nodes[0].Name(), b.idle)
}

// varSize returns the size of the node's /var, without etcd's data and without the preloaded
// images. Those are mounts of the image, which all nodes share.
func varSize(ctx context.Context, c *client.Client, n provider.Node) (int64, error) {
	inspect, err := c.ContainerInspect(ctx, n.Name())
	if err != nil {
		return 0, err
	}
	var volume string
	for _, m := range inspect.Mounts {
		if m.Destination == "/var" {
			volume = m.Name
		}
	}
	usage, err := c.DiskUsage(ctx, types.DiskUsageOptions{Types: []types.DiskUsageObject{types.VolumeObject}})
	if err != nil {
		return 0, err
	}
	etcd, err := provider.Output(ctx, n, "du", "--summarize", "--block-size=1", "/var/lib/etcd")
	if err != nil {
		return 0, err
	}
	size, _, _ := strings.Cut(string(etcd), "\t")
	without, err := strconv.ParseInt(size, 10, 64)
	if err != nil {
		return 0, err
	}
	for _, v := range usage.Volumes {
		if v.Name == volume && v.UsageData != nil {
			return v.UsageData.Size - without, nil
		}
	}
	return 0, fmt.Errorf("the daemon does not know the volume of %s", n.Name())
}

// watch lets the node settle, and then measures it for the same time.
func (f *figures) watch(ctx context.Context, c *client.Client, name string, idle time.Duration) error {
	if err := pause(ctx, idle); err != nil {
		return err
	}
	before, err := usage(ctx, c, name)
	if err != nil {
		return err
	}
	start := time.Now()
	if err := pause(ctx, idle); err != nil {
		return err
	}
	after, err := usage(ctx, c, name)
	if err != nil {
		return err
	}
	f.idleMemory = after.memory
	f.idleCPU = (after.cpu - before.cpu).Seconds() / time.Since(start).Seconds()
	return nil
}

// pause waits, because the measurement is over a period of time.
func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
