// Package stages builds a cluster one component at a time, and removes components again. It
// checks what works at a stage, and records what each stage adds.
package stages

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/mkube/mkube/pkg/bootstrap"
	"github.com/mkube/mkube/pkg/cluster"
	"github.com/mkube/mkube/pkg/component"
	"github.com/mkube/mkube/pkg/config"
	"github.com/mkube/mkube/pkg/provider"
	"github.com/mkube/mkube/pkg/state"
)

// State is the state of a component of a cluster.
type State string

// The states of a component.
const (
	// Ready means that it does all its work.
	Ready State = "ready"
	// NotReady means that it is up, and does not do all its work.
	NotReady State = "not ready"
	// Later means that it has not come up yet.
	Later State = "later"
)

// A Status is a component of a cluster and its state.
type Status struct {
	component.Component
	State State
	// Reason is the reason why it is not ready, "" in the other states.
	Reason string
}

// probeLimit is the maximum time for the probes of one component.
const probeLimit = 5 * time.Second

// List returns all components of a cluster with their current states. It probes them at the
// same time.
func List(ctx context.Context, c *cluster.Cluster) ([]Status, error) {
	there := len(bootstrap.Built(c))
	var list []Status
	for _, comp := range bootstrap.Components(c.Config) {
		list = append(list, Status{Component: comp, State: Later})
	}
	var wait sync.WaitGroup
	for i := range list[:there] {
		s := &list[i]
		wait.Go(func() {
			s.State = Ready
			if err := stands(ctx, c, s.Component); err != nil {
				s.State, s.Reason = NotReady, err.Error()
			}
		})
	}
	wait.Wait()
	return list, ctx.Err()
}

// stands returns nil if a component is ready on all its nodes.
func stands(ctx context.Context, c *cluster.Cluster, comp component.Component) error {
	if comp.Ready == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, probeLimit)
	defer cancel()
	for _, n := range comp.Nodes(c) {
		if err := comp.Ready(ctx, c, n); err != nil {
			return err
		}
	}
	return nil
}

// Create creates a cluster like bootstrap.Create. If o.Until is set, Create also takes a snapshot,
// which SnapshotAt returns later. A snapshot that fails is only a warning, because the cluster is
// as requested.
func Create(ctx context.Context, p provider.Provider, cfg config.Cluster, o bootstrap.Options) (*cluster.Cluster, error) {
	c, err := bootstrap.Create(ctx, p, cfg, o)
	if c == nil || c.Stage == "" {
		return c, err
	}
	if unwritten := (*bootstrap.KubeconfigError)(nil); err != nil && !errors.As(err, &unwritten) {
		return c, err
	}
	if snapErr := snapshot(ctx, p, c, c.Stage); snapErr != nil && o.Warn != nil {
		o.Warn(fmt.Sprintf("mkube diff does not know this stage: %v", snapErr))
	}
	return c, err
}

// CompleteError is the error of Next if the cluster already has all its components. Last is the
// name of the last one.
type CompleteError struct{ Cluster, Last string }

func (e *CompleteError) Error() string {
	return fmt.Sprintf("cluster %q is complete: %s is its last component; mkube stage back --name %[1]s removes it again", e.Cluster, e.Last)
}

// Next brings up the next component of a cluster. If until is not "", it brings up all components
// up to and including that one. It returns their names. Components that came up before an error
// stay. If no component is left, the error is a *CompleteError. While another command changes the
// cluster, the error is a *state.BusyError.
func Next(ctx context.Context, p provider.Provider, name, until string, o bootstrap.Options) ([]string, error) {
	release, err := state.Hold(ctx, p, name, "stage next")
	if err != nil {
		return nil, err
	}
	defer release()
	c, err := state.Open(ctx, p, name)
	if err != nil {
		return nil, err
	}
	bootstrap.WarnOfLeftovers(c, o)
	next, err := following(c, until)
	if err != nil {
		return nil, err
	}
	ctx, cancel := o.Limit(ctx)
	defer cancel()
	bootstrap.Announce(next, o)
	up := component.Up{Cluster: c, On: o.On}
	var names []string
	for _, comp := range next {
		if err := up.Do(ctx, comp, component.Signals{}); err != nil {
			return names, err
		}
		if err := errors.Join(setStage(ctx, c, comp.Name), snapshot(ctx, p, c, comp.Name)); err != nil {
			return names, err
		}
		names = append(names, comp.Name)
	}
	return names, nil
}

// following returns the components of a cluster that are not up yet, up to and including the one
// named until. If until is "", it returns only the next one.
func following(c *cluster.Cluster, until string) (component.Graph, error) {
	all := bootstrap.Components(c.Config)
	there := len(bootstrap.Built(c))
	if there == len(all) {
		return nil, &CompleteError{c.Config.Name, all[there-1].Name}
	}
	if until == "" {
		until = all[there].Name
	}
	g, err := all.Until(until)
	if err != nil {
		return nil, err
	}
	if len(g) <= there {
		return nil, fmt.Errorf("%s is already up: the next component is %s", until, all[there].Name)
	}
	return g[there:], nil
}

// setStage records on all control planes which component is the last one.
func setStage(ctx context.Context, c *cluster.Cluster, last string) error {
	if all := bootstrap.Components(c.Config); last == all[len(all)-1].Name {
		last = "" // a complete cluster has no stage file
	}
	return state.SetStage(ctx, c, last)
}

// Back removes the last component of a cluster, with its files, its objects and what it has left
// on the nodes, and returns its name. After an error, it may be called again. While another
// command changes the cluster, the error is a *state.BusyError.
func Back(ctx context.Context, p provider.Provider, name string) (string, error) {
	release, err := state.Hold(ctx, p, name, "stage back")
	if err != nil {
		return "", err
	}
	defer release()
	c, err := state.Open(ctx, p, name)
	if err != nil {
		return "", err
	}
	there := bootstrap.Built(c)
	last := there[len(there)-1]
	if len(there) == 1 {
		return "", fmt.Errorf("%s is the first component: mkube delete cluster --name %s deletes the nodes", last.Name, name)
	}
	rest := there[:len(there)-1]
	if err := (component.Down{Cluster: c, Rest: rest}).Do(ctx, last); err != nil {
		return "", fmt.Errorf("removing %s: %w", last.Name, err)
	}
	return last.Name, setStage(ctx, c, rest[len(rest)-1].Name)
}
