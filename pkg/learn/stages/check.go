package stages

import (
	"context"
	"sync"
	"time"

	"github.com/mkube/mkube/pkg/bootstrap"
	"github.com/mkube/mkube/pkg/cluster"
	"github.com/mkube/mkube/pkg/component"
	"github.com/mkube/mkube/pkg/config"
	"github.com/mkube/mkube/pkg/names"
	"github.com/mkube/mkube/pkg/provider"
	"github.com/mkube/mkube/pkg/state"
)

// notYetLimit is the time within which an effect that must not work yet would show. An effect
// that works takes a second or two.
const notYetLimit = 5 * time.Second

// A Finding is the result of trying the effect of a component, at the stage of a cluster.
type Finding struct {
	Component, Claim string
	// Must reports whether the effect must work. If false, it must not work yet.
	Must bool
	// Works reports whether it works, and Reason is the reason if it does not.
	Works  bool
	Reason string
}

// OK reports whether the result is as it must be.
func (f Finding) OK() bool { return f.Must == f.Works }

// Check tries the effects of all components of a cluster, at the same time. The effects of the
// components that are up must work, and no others. It retries an effect that must work for at
// most wait. It takes some seconds, and deletes everything that it creates.
func Check(ctx context.Context, p provider.Provider, name string, wait time.Duration) ([]Finding, error) {
	c, err := state.Open(ctx, p, name)
	if err != nil {
		return nil, err
	}
	there := len(bootstrap.Built(c))
	all := bootstrap.Components(c.Config)
	list := make([]Finding, len(all))
	var tried sync.WaitGroup
	for i, comp := range all {
		f := &list[i]
		*f = Finding{Component: comp.Name, Claim: comp.Effect.Claim, Must: i < there && works(c.Config, comp)}
		limit := notYetLimit
		if f.Must {
			limit = wait
		}
		tried.Go(func() { try(ctx, c, comp, limit, f) })
	}
	tried.Wait()
	return list, ctx.Err()
}

func try(ctx context.Context, c *cluster.Cluster, comp component.Component, limit time.Duration, f *Finding) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	err := comp.Effect.Try(ctx, c)
	f.Works = err == nil
	if err != nil {
		f.Reason = err.Error()
	}
}

// works reports whether the effect of a component can work with a configuration. Without
// kube-proxy, no name resolves through a Service.
func works(cfg config.Cluster, comp component.Component) bool {
	return comp.Name != names.CoreDNS && comp.Name != names.MetricsServer || cfg.Networking.KubeProxyMode != config.ProxyNone
}
