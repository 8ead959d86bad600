package bootstrap

import (
	"context"

	"github.com/mkube/mkube/pkg/config"
	"github.com/mkube/mkube/pkg/kubeconfig"
	"github.com/mkube/mkube/pkg/provider"
	"github.com/mkube/mkube/pkg/state"
)

// preflight checks everything that can be known before anything is created: the host, and the
// kubeconfig if an entry is to be written. It passes warnings to o.Warn, and returns the errors
// that are not ignored.
func preflight(ctx context.Context, p provider.Provider, cfg config.Cluster, o Options) error {
	problems := p.Check(ctx, cfg)
	if len(o.Kubeconfig) > 0 {
		problems = append(problems, provider.Refuse(provider.CheckKubeconfig, kubeconfig.Check(ctx, o.Kubeconfig, state.ContextName(cfg.Name)))...)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	warnings, err := o.IgnorePreflightErrors.Sort(problems)
	for _, w := range warnings {
		if o.Warn != nil {
			o.Warn(w)
		}
	}
	return err
}
