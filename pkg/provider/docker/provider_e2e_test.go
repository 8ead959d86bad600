//go:build e2e

package docker_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/volume"
	"github.com/docker/docker/client"

	"github.com/mkube/mkube/internal/testing/providertest"
	"github.com/mkube/mkube/pkg/provider/docker"
)

// image is the node image, which the daemon must have.
const image = "mkube/node:v1.37.2"

// TestProvider needs a Docker daemon. It leaves no container, network or volume there.
func TestProvider(t *testing.T) {
	c, err := docker.Dial()
	if err != nil {
		t.Fatal(err)
	}
	volumes := volumesOf(t, c)
	// Registered first, so that it runs after the clean-up of providertest.
	t.Cleanup(func() { wantNothing(t, c, volumes) })
	providertest.Run(t, docker.New(c), image)
}

// wantNothing checks that the test's clusters have left nothing.
func wantNothing(t *testing.T, c *client.Client, volumes []string) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	containers, err := c.ContainerList(ctx, container.ListOptions{All: true, Filters: filters.NewArgs(filters.Arg("name", "^/?tests-"))})
	if err != nil {
		t.Error(err)
	}
	for _, left := range containers {
		t.Errorf("container %v is left", left.Names)
	}
	networks, err := c.NetworkList(ctx, network.ListOptions{})
	if err != nil {
		t.Error(err)
	}
	for _, left := range networks {
		if strings.HasPrefix(left.Name, "mkube-tests-") {
			t.Errorf("network %s is left", left.Name)
		}
	}
	// Other users may work on the same daemon. But a volume that is new, and that no container
	// uses, is most likely from this test.
	for _, name := range volumesOf(t, c) {
		if !slices.Contains(volumes, name) {
			t.Errorf("volume %s is left", name)
		}
	}
}

// volumesOf returns the volumes that no container uses.
func volumesOf(t *testing.T, c *client.Client) []string {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	list, err := c.VolumeList(ctx, volume.ListOptions{Filters: filters.NewArgs(filters.Arg("dangling", "true"))})
	if err != nil {
		t.Error(err)
	}
	var names []string
	for _, v := range list.Volumes {
		names = append(names, v.Name)
	}
	return names
}
