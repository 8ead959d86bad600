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

// Delete removes all containers of a cluster with their volumes at the same time, and then its
// network. It removes everything that existed when it began, and what the engine creates later for
// the same commands. It removes nothing of a cluster with the same name that another command
// creates in the meantime.
func (p *Provider) Delete(ctx context.Context, cluster, creation string) error {
	found, err := p.inventory(ctx, cluster, creation)
	if err != nil {
		return err
	}
	if err := p.removeContainers(ctx, found.containers); err != nil {
		return err
	}
	// A command that deletes its own creation has waited for all of its requests.
	if err := p.removeLate(ctx, cluster, found, creation == "" && found.unfinished()); err != nil {
		return err
	}
	return p.removeNetworks(ctx, found.networks)
}

// An inventory lists what the engine has of a cluster.
type inventory struct {
	containers []container.Summary
	volumes    []*volume.Volume
	networks   []network.Summary
}

// inventory lists what the engine has of a cluster, from one creation, or from all if creation is
// empty.
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

// creations returns the creations in the labels of the inventory. They are not unique.
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

// unfinished reports whether a command was killed before the engine started what it created.
func (i inventory) unfinished() bool {
	return len(i.containers) == 0 && len(i.volumes)+len(i.networks) > 0 ||
		slices.ContainsFunc(i.containers, func(c container.Summary) bool { return c.State == "created" })
}

// lateLimit is the maximum time that the engine needs for the last requests of a killed command. A
// busy engine takes most of a second to create a container.
const lateLimit = time.Second

// removeLate removes the containers that the engine has created since the inventory, and the
// volumes that are not removed with a container. The engine carries out the last requests of a
// killed command too. If unfinished, or while a volume is in use, removeLate waits for them until
// lateLimit has passed without a new container.
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
		// A volume is in use as soon as the engine creates its container, which is listed later.
		err = p.removeVolumes(ctx, found.volumes)
		if err == nil && !unfinished || time.Since(last) > lateLimit {
			return err
		}
		if err := pause(ctx); err != nil {
			return err
		}
	}
}

// pause waits between two looks at what the engine does for a killed command. It is short compared
// to the limits here, and long enough not to load the engine.
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

// removeContainer removes a container and its anonymous volumes. If the container does not exist,
// it returns nil.
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

// removeLimit is the maximum time to wait for a removal that another command has requested.
const removeLimit = 30 * time.Second

// awaitRemoval waits until the engine has finished the removal of a container that another command
// requested, successfully or not. The engine continues the removal of a killed command, and refuses
// another one until it ends ("removal of container ... is already in progress"). awaitRemoval
// reports whether there is time left to try again.
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

// removeNetwork removes a network. It first disconnects the containers that are still in it: they
// are the user's, for example a registry, and not part of the cluster.
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

// Remove removes the container of a node, and the volumes that are mounted there.
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
		if err := p.removeVolume(ctx, m.Name); err != nil {
			errs = append(errs, fmt.Errorf("removing volume %s: %w", m.Name, err))
		}
	}
	return errors.Join(errs...)
}

// removeVolume removes a volume of a container that was removed. If another command has requested
// that removal, the engine forgets the container first and releases its volumes afterwards. Until
// then, the volume is in use.
func (p *Provider) removeVolume(ctx context.Context, name string) error {
	limited, cancel := context.WithTimeout(ctx, lateLimit)
	defer cancel()
	for {
		err := p.client.VolumeRemove(ctx, name, true)
		if err == nil || errdefs.IsNotFound(err) {
			return nil
		}
		if !errdefs.IsConflict(err) || pause(limited) != nil {
			return err
		}
	}
}
