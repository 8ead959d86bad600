package bootstrap

import (
	"context"
	"errors"
	"time"

	"github.com/mkube/mkube/pkg/kubeconfig"
	"github.com/mkube/mkube/pkg/provider"
	"github.com/mkube/mkube/pkg/state"
)

// Delete deletes a cluster: its nodes, everything that they left, and its entries in the
// kubeconfig files. Deleting a cluster that does not exist succeeds. While another command changes
// the cluster, the error is a *state.BusyError and nothing is deleted.
func Delete(ctx context.Context, p provider.Provider, name string, kubeconfigs []string) error {
	release, err := holdToDelete(ctx, p, name)
	if err != nil {
		return err
	}
	defer release()
	return errors.Join(
		p.Delete(ctx, name, ""),
		kubeconfig.Remove(ctx, kubeconfigs, state.ContextName(name)),
	)
}

// deleteLockLimit is the time limit for the lock of a cluster that is to be deleted. It is short
// because a cluster with hanging nodes must be deletable, too.
const deleteLockLimit = 5 * time.Second

// holdToDelete takes the lock of a cluster, if a control plane can grant it. It does not wait for
// a create that has no lock yet, because that create may have been killed.
func holdToDelete(ctx context.Context, p provider.Provider, name string) (release func(), err error) {
	release = func() {}
	nodes, err := p.Nodes(ctx, name)
	if err != nil {
		return release, err
	}
	limited, cancel := context.WithTimeout(ctx, deleteLockLimit)
	defer cancel()
	held, err := state.Attempt{Cluster: name, By: provider.NewCreation("delete cluster"), Creates: true}.Hold(limited, nodes)
	if busy := (*state.BusyError)(nil); errors.As(err, &busy) {
		return release, err
	}
	if err != nil {
		// Without a lock, delete anyway, unless the command was interrupted.
		return release, ctx.Err()
	}
	return held, nil
}
