package docker

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/docker/docker/api/types/container"

	"github.com/mkube/mkube/pkg/provider"
)

var (
	_ provider.Stopper = (*Provider)(nil)
	_ provider.Starter = (*Provider)(nil)
)

// Stop stops the containers of a cluster, as docker stop does, and the first control plane last.
func (p *Provider) Stop(ctx context.Context, cluster string) error {
	list, err := p.containers(ctx, cluster)
	if err != nil || len(list) == 0 {
		return err
	}
	stop := func(id string) error { return p.client.ContainerStop(ctx, id, container.StopOptions{}) }
	return errors.Join(each(list[1:], "stopping", stop), each(list[:1], "stopping", stop))
}

// Start starts the containers of a cluster, or only those with the given names, as docker start
// does. It waits for a container that is about to stop, and then starts it again.
func (p *Provider) Start(ctx context.Context, cluster string, nodes ...string) error {
	list, err := p.containers(ctx, cluster)
	if err != nil {
		return err
	}
	if len(nodes) > 0 {
		list = slices.DeleteFunc(list, func(s container.Summary) bool { return !slices.Contains(nodes, containerName(s.Names)) })
	}
	running := map[string]*node{}
	for _, s := range list {
		if s.State == "running" {
			running[s.ID] = &node{client: p.client, id: s.ID, name: containerName(s.Names)}
		}
	}
	return each(list, "starting", func(id string) error {
		if n := running[id]; n != nil {
			if err := n.awaitStop(ctx); err != nil {
				return err
			}
		}
		return lostTask(p.client.ContainerStart(ctx, id, container.StartOptions{}))
	})
}

// lostTask adds the remedy to an error of an engine that was killed while it started a container,
// after containerd had created the task and before the engine had recorded that.
func lostTask(err error) error {
	if err != nil && strings.Contains(err.Error(), "task ") && strings.Contains(err.Error(), ": already exists") {
		return fmt.Errorf("%w: the engine was killed while it started this container; restart the engine and its containerd, for example with systemctl restart containerd docker", err)
	}
	return err
}

// stays is a script that fails on a node that shuts down. systemd is in the state "stopping" or has
// that job, until systemd-shutdown, which ends the remaining processes, replaces it as process 1.
const stays = `case "$(systemctl is-system-running; systemctl list-jobs)" in *stopping*|*halt.target*) exit 1 ;; esac 2>/dev/null
read -r name </proc/1/comm && [ "$name" != systemd-shutdow ]`

// stopLimit is longer than the time that the engine gives a container to stop.
const stopLimit = 15 * time.Second

// awaitStop waits for the end of a container that is about to stop. The engine finishes the stop of
// a killed command, and a container that still runs cannot be started.
func (n *node) awaitStop(ctx context.Context) error {
	limited, cancel := context.WithTimeout(ctx, stopLimit)
	defer cancel()
	if n.exec(limited, provider.Cmd{Args: []string{"sh", "-c", stays}}) == nil {
		return nil
	}
	stopped, failed := n.client.ContainerWait(limited, n.id, container.WaitConditionNotRunning)
	select {
	case <-stopped:
		return nil
	case err := <-failed:
		if ctx.Err() == nil && limited.Err() != nil {
			return nil // it hangs, or stays was wrong: the next wait finds out
		}
		return err
	}
}

// each calls do for all containers concurrently, and joins the errors.
func each(list []container.Summary, doing string, do func(id string) error) error {
	errs := make([]error, len(list))
	var wait sync.WaitGroup
	for i, c := range list {
		wait.Go(func() {
			if err := do(c.ID); err != nil {
				errs[i] = fmt.Errorf("%s %s: %w", doing, containerName(c.Names), err)
			}
		})
	}
	wait.Wait()
	return errors.Join(errs...)
}
