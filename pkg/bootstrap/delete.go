package bootstrap

import (
	"context"
	"errors"
	"time"

	"github.com/mkube/mkube/pkg/kubeconfig"
	"github.com/mkube/mkube/pkg/provider"
	"github.com/mkube/mkube/pkg/state"
)

// Delete deletes a cluster: its nodes, what they left, and its entries in the kubeconfig
// files. What is not there is no error. While another command changes the cluster, the
// error is a *state.BusyError and nothing is deleted.
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

// deleteLockLimit is how long a cluster that is to be deleted may take to give its lock:
// one whose nodes hang must be deletable, too.
const deleteLockLimit = 5 * time.Second

// holdToDelete takes the lock of a cluster where a control plane can give it. A create
// that was killed before it had the lock is waited for by nobody.
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
		return release, ctx.Err()
	}
	return held, nil
}
