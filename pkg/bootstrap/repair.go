package bootstrap

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/mkube/mkube/pkg/cluster"
	"github.com/mkube/mkube/pkg/component/etcd"
	"github.com/mkube/mkube/pkg/config"
	"github.com/mkube/mkube/pkg/names"
	"github.com/mkube/mkube/pkg/progress"
	"github.com/mkube/mkube/pkg/provider"
)

// repair removes what killed runs of AddNode left, because the new node needs their indexes and
// addresses. The caller holds the cluster's lock, so none of those runs is still in progress.
func (a *addition) repair(ctx context.Context) error {
	c, g := a.before, graphUntil(a.before.Stage, a.before.Config)
	if slices.Contains(g.Names(), names.Etcd) && len(c.ControlPlanes()) > 1 {
		if err := etcd.RemoveUnknown(ctx, c.ControlPlanes()); err != nil {
			return err
		}
	}
	if len(c.Strays) == 0 {
		return nil
	}
	event(a.o, progress.Event{Step: stepRepair, State: progress.Pending, Short: "delete what an add that was ended has left"})
	return step(a.o, stepRepair, func() error {
		for _, n := range c.Strays {
			if err := removeStray(ctx, a.changer, c, n); err != nil {
				return fmt.Errorf("deleting node %s, which an interrupted mkube add node left behind: %w", n.Name(), err)
			}
		}
		c.Strays = nil
		return nil
	})
}

// removeStray removes a node that has not joined the cluster. It continues after an error, and
// returns all errors.
func removeStray(ctx context.Context, changer provider.Changer, c *cluster.Cluster, n provider.Node) error {
	there := Built(c).Names()
	var errs []error
	if n.Role() == config.ControlPlane && slices.Contains(there, names.Etcd) {
		errs = append(errs, etcd.RemoveMember(ctx, c.ControlPlanes(), n))
	}
	errs = append(errs, changer.Remove(ctx, c.Config.Name, n.Name()))
	if slices.Contains(there, names.NodeRegistration) {
		errs = append(errs, deleteObject(ctx, c, n.Name())) // after the node, see undo
	}
	return errors.Join(errs...)
}
