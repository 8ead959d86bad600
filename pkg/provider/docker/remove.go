package docker

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/volume"
)

// Delete removes the containers of a cluster with their volumes, all at once, then
// its network. It removes what was there when it began, and what the engine makes later for
// the commands that made that; nothing of a cluster of the same name that somebody makes
// meanwhile.
func (p *Provider) Delete(ctx context.Context, cluster, creation string) error {
	found, err := p.inventory(ctx, cluster, creation)
	if err != nil {
		return err
	}
	if err := p.removeContainers(ctx, found.containers); err != nil {
		return err
	}
	// Whoever deletes a creation of its own has waited for all that it asked for.
	if err := p.removeLate(ctx, cluster, found, creation == "" && found.unfinished()); err != nil {
		return err
	}
	return p.removeNetworks(ctx, found.networks)
}

// inventory is what the engine has of a cluster.
type inventory struct {
	containers []container.Summary
	volumes    []*volume.Volume
	networks   []network.Summary
}

// inventory lists what there is of a cluster, of one creation or of all.
func (p *Provider) inventory(ctx context.Context, cluster, creation string) (i inventory, err error) {
	labelled := byCreation(cluster, creation)
	if i.containers, err = p.client.ContainerList(ctx, container.ListOptions{All: true, Filters: labelled}); err != nil {
		return i, fmt.Errorf("listing the nodes of %s: %w", cluster, err)
	}
	volumes, err := p.client.VolumeList(ctx, volume.ListOptions{Filters: labelled})
	if err != nil {
		return i, fmt.Errorf("listing the volumes of %s: %w", cluster, err)
	}
	i.volumes = volumes.Volumes
	if i.networks, err = p.client.NetworkList(ctx, network.ListOptions{Filters: labelled}); err != nil {
		return i, fmt.Errorf("listing the networks of %s: %w", cluster, err)
	}
	return i, nil
}

// creations are the commands that made all this.
func (i inventory) creations() []string {
	var list []string
	for _, c := range i.containers {
		list = append(list, c.Labels[labelCreation])
	}
	for _, v := range i.volumes {
		list = append(list, v.Labels[labelCreation])
	}
	for _, n := range i.networks {
		list = append(list, n.Labels[labelCreation])
	}
	return slices.DeleteFunc(list, func(creation string) bool { return creation == "" })
}

// unfinished reports whether a command was killed before the engine had started what it made.
func (i inventory) unfinished() bool {
	return len(i.containers) == 0 && len(i.volumes)+len(i.networks) > 0 ||
		slices.ContainsFunc(i.containers, func(c container.Summary) bool { return c.State == "created" })
}

// lateLimit is how long the engine may take for what a command asked for before it was killed.
// A container takes most of a second where the engine is busy.
const lateLimit = time.Second

// removeLate removes the containers that the engine has made since it was listed, and the
// volumes that go with no container. An engine carries out the last requests of a command that
// was killed all the same, the unfinished one's for a while.
func (p *Provider) removeLate(ctx context.Context, cluster string, found inventory, unfinished bool) error {
	creations, last := found.creations(), time.Now()
	for {
		late, err := p.client.ContainerList(ctx, container.ListOptions{All: true, Filters: byCluster(cluster)})
		if err != nil {
			return fmt.Errorf("listing the nodes of %s: %w", cluster, err)
		}
		late = slices.DeleteFunc(late, func(c container.Summary) bool { return !slices.Contains(creations, c.Labels[labelCreation]) })
		if err := p.removeContainers(ctx, late); err != nil {
			return err
		}
		if len(late) > 0 {
			last = time.Now()
		}
		// Volumes are in use until the containers come that they were made for.
		err = p.removeVolumes(ctx, found.volumes)
		if err == nil && !unfinished || time.Since(last) > lateLimit {
			return err
		}
		if err := pause(ctx); err != nil {
			return err
		}
	}
}

// pause is between two looks at what the engine does for a command that was killed.
func pause(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(100 * time.Millisecond):
		return nil
	}
}

func (p *Provider) removeContainers(ctx context.Context, list []container.Summary) error {
	return each(list, "removing", func(id string) error { return p.removeContainer(ctx, id) })
}

// removeContainer removes a container and its anonymous volumes. One that does not exist is no
// error.
func (p *Provider) removeContainer(ctx context.Context, id string) error {
	limited, cancel := context.WithTimeout(ctx, removeLimit)
	defer cancel()
	for {
		err := p.client.ContainerRemove(ctx, id, container.RemoveOptions{RemoveVolumes: true, Force: true})
		if err == nil || errdefs.IsNotFound(err) {
			return nil
		}
		if !errdefs.IsConflict(err) || !p.awaitRemoval(limited, id) {
			return err
		}
	}
}

// removeLimit is how long the engine may take for a removal that it was asked for before.
const removeLimit = 30 * time.Second

// awaitRemoval waits until the engine has removed a container for somebody else, or has failed
// to: it carries on with the removal of a command that was killed, and refuses another until
// then ("removal of container ... is already in progress"). It reports whether there is time
// left to ask again.
func (p *Provider) awaitRemoval(ctx context.Context, id string) bool {
	removed, failed := p.client.ContainerWait(ctx, id, container.WaitConditionRemoved)
	select {
	case <-removed:
	case err := <-failed:
		if errdefs.IsNotFound(err) {
			return true
		}
	}
	return pause(ctx) == nil
}

func (p *Provider) removeVolumes(ctx context.Context, list []*volume.Volume) error {
	var errs []error
	for _, v := range list {
		if err := p.client.VolumeRemove(ctx, v.Name, true); err != nil && !errdefs.IsNotFound(err) {
			errs = append(errs, fmt.Errorf("removing volume %s: %w", v.Name, err))
		}
	}
	return errors.Join(errs...)
}

func (p *Provider) removeNetworks(ctx context.Context, list []network.Summary) error {
	var errs []error
	for _, n := range list {
		if err := p.removeNetwork(ctx, n.ID); err != nil && !errdefs.IsNotFound(err) {
			errs = append(errs, fmt.Errorf("removing network %s: %w", n.Name, err))
		}
	}
	return errors.Join(errs...)
}

// removeNetwork disconnects what is still there: containers of the user's, such as a
// registry, that are not the cluster's to remove.
func (p *Provider) removeNetwork(ctx context.Context, id string) error {
	inspect, err := p.client.NetworkInspect(ctx, id, network.InspectOptions{})
	if err != nil {
		return err
	}
	for container := range inspect.Containers {
		if err := p.client.NetworkDisconnect(ctx, id, container, true); err != nil && !errdefs.IsNotFound(err) {
			return err
		}
	}
	return p.client.NetworkRemove(ctx, id)
}

// Remove removes a container and the volumes that are mounted there.
func (p *Provider) Remove(ctx context.Context, cluster, node string) error {
	inspect, err := p.client.ContainerInspect(ctx, node)
	if errdefs.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("inspecting %s: %w", node, err)
	}
	if inspect.Config.Labels[labelCluster] != cluster {
		return fmt.Errorf("%s is not a node of cluster %s", node, cluster)
	}
	if err := p.removeContainer(ctx, inspect.ID); err != nil {
		return fmt.Errorf("removing %s: %w", node, err)
	}
	var errs []error
	for _, m := range inspect.Mounts {
		if m.Type != "volume" {
			continue
		}
		if err := p.client.VolumeRemove(ctx, m.Name, true); err != nil && !errdefs.IsNotFound(err) {
			errs = append(errs, fmt.Errorf("removing volume %s: %w", m.Name, err))
		}
	}
	return errors.Join(errs...)
}
