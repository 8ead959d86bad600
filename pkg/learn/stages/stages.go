// Package stages builds a cluster one component at a time, and removes components again. It checks what works
// at a stage, and records what each stage adds.
package stages

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/mkube/mkube/pkg/config"

	"github.com/mkube/mkube/pkg/bootstrap"

	"github.com/mkube/mkube/pkg/cluster"
	"github.com/mkube/mkube/pkg/component"
	"github.com/mkube/mkube/pkg/provider"
	"github.com/mkube/mkube/pkg/state"
)

// State is how a component of a cluster stands.
type State string

// The states of a component.
const (
	// Ready does all that it should.
	Ready State = "ready"
	// NotReady should, and does not.
	NotReady State = "not ready"
	// Later has not come up yet.
	Later State = "later"
)

// A Status is a component of a cluster and how it stands.
type Status struct {
	component.Component
	State State
	// Reason is why it is not ready.
	Reason string
}

// probeLimit is how long a component may take to say how it is.
const probeLimit = 5 * time.Second

// List returns all components of a cluster with how each stands now, all asked at once.
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

// stands is nil for a component that is ready on all its nodes.
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

// Create creates a cluster like bootstrap.Create, and records what is on one that stops at a stage,
// for SnapshotAt. A snapshot that fails is a warning: the cluster is as it was asked for.
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

// CompleteError says that a cluster has all its components.
type CompleteError struct{ Cluster, Last string }

func (e *CompleteError) Error() string {
	return fmt.Sprintf("cluster %q is complete: %s was its last component, and none comes after it; mkube stage back --name %[1]s takes that away again", e.Cluster, e.Last)
}

// Next brings up the components of a cluster that come after those it has, until and
// with one of them, "" for the next one alone, and returns their names. What came up
// before an error stays. While another command changes the cluster, the error is a
// *state.BusyError.
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
	if o.Wait > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, o.Wait)
		defer cancel()
	}
	bootstrap.Announce(next, o)
	up := component.Up{Cluster: c, On: o.On}
	var names []string
	for _, comp := range next {
		if err := up.Do(ctx, comp, component.Turn{}); err != nil {
			return names, err
		}
		if err := errors.Join(setStage(ctx, c, comp.Name), snapshot(ctx, p, c, comp.Name)); err != nil {
			return names, err
		}
		names = append(names, comp.Name)
	}
	return names, nil
}

// following are the components after those that a cluster has, until one.
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
		return nil, fmt.Errorf("%s is there already: the next component is %s", until, all[there].Name)
	}
	return g[there:], nil
}

// setStage writes down on all control planes which component is the last one.
func setStage(ctx context.Context, c *cluster.Cluster, last string) error {
	if all := bootstrap.Components(c.Config); last == all[len(all)-1].Name {
		last = ""
	}
	return state.SetStage(ctx, c, last)
}

// Back takes the last component of a cluster away again, with its files, its objects
// and what it has left, and returns its name. After an error it may be tried again.
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
		return "", fmt.Errorf("%s is the first component: mkube delete cluster --name %s takes the nodes away", last.Name, name)
	}
	rest := there[:len(there)-1]
	if err := (component.Down{Cluster: c, Rest: rest}).Do(ctx, last); err != nil {
		return "", fmt.Errorf("taking %s away: %w", last.Name, err)
	}
	return last.Name, setStage(ctx, c, rest[len(rest)-1].Name)
}
