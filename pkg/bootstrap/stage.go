package bootstrap

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/mkube/mkube/pkg/cluster"
	"github.com/mkube/mkube/pkg/component"
	"github.com/mkube/mkube/pkg/config"
	"github.com/mkube/mkube/pkg/provider"
)

// built are the components of a cluster up to a stage, "" for all. A stage that there
// is not is taken for all: Create has looked.
func built(stage string, cfg config.Cluster) component.Graph {
	all := Components(cfg)
	if g, err := all.Until(stage); err == nil {
		return g
	}
	return all
}

// Built are the components that a cluster is meant to have by now.
func Built(c *cluster.Cluster) component.Graph { return built(c.Stage, c.Config) }

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

// A Stage is a component of a cluster and how it stands.
type Stage struct {
	component.Component
	State State
	// Reason is why it is not ready.
	Reason string
}

// probeLimit is how long a component may take to say how it is.
const probeLimit = 5 * time.Second

// Stages are all components of a cluster with how each stands now, all asked at once.
func Stages(ctx context.Context, c *cluster.Cluster) ([]Stage, error) {
	there := len(built(c.Stage, c.Config))
	var list []Stage
	for _, comp := range Components(c.Config) {
		list = append(list, Stage{Component: comp, State: Later})
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

// CompleteError says that a cluster has all its components.
type CompleteError struct{ Cluster, Last string }

func (e *CompleteError) Error() string {
	return fmt.Sprintf("cluster %q is complete: %s was its last component, and none comes after it; mkube stage back --name %[1]s takes that away again", e.Cluster, e.Last)
}

// Next brings up the components of a cluster that come after those it has, until and
// with one of them, "" for the next one alone, and returns their names. What came up
// before an error stays. While another command changes the cluster, the error is a
// *BusyError.
func Next(ctx context.Context, p provider.Provider, name, until string, o Options) ([]string, error) {
	release, err := Hold(ctx, p, name, "stage next")
	if err != nil {
		return nil, err
	}
	defer release()
	c, err := Open(ctx, p, name)
	if err != nil {
		return nil, err
	}
	warnOfLeftovers(c, o)
	next, err := following(c, until)
	if err != nil {
		return nil, err
	}
	if o.Wait > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, o.Wait)
		defer cancel()
	}
	announceComponents(next, o)
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
	all := Components(c.Config)
	there := len(built(c.Stage, c.Config))
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
	if all := Components(c.Config); last == all[len(all)-1].Name {
		last = ""
	}
	c.Stage = last
	var errs []error
	for _, n := range c.ControlPlanes() {
		if last != "" {
			errs = append(errs, provider.WriteFiles(ctx, n, []provider.File{{Path: stagePath, Data: []byte(last + "\n")}}))
			continue
		}
		_, err := provider.Output(ctx, n, "rm", "-f", stagePath)
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// Back takes the last component of a cluster away again, with its files, its objects
// and what it has left, and returns its name. After an error it may be tried again.
func Back(ctx context.Context, p provider.Provider, name string) (string, error) {
	release, err := Hold(ctx, p, name, "stage back")
	if err != nil {
		return "", err
	}
	defer release()
	c, err := Open(ctx, p, name)
	if err != nil {
		return "", err
	}
	there := built(c.Stage, c.Config)
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
