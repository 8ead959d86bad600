package bootstrap

import (
	"context"
	"errors"

	"github.com/mkube/mkube/pkg/kubeconfig"
	"github.com/mkube/mkube/pkg/provider"
)

// Delete takes a cluster away: its nodes, what they left, and its entries in the
// kubeconfig files. What is not there is no error.
func Delete(ctx context.Context, p provider.Provider, name string, kubeconfigs []string) error {
	return errors.Join(
		p.Delete(ctx, name),
		kubeconfig.Remove(ctx, kubeconfigs, ContextName(name)),
	)
}
