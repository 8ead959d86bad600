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

// notYetLimit is how long what must not work yet may take to do so. What would work
// does within a second or two.
const notYetLimit = 5 * time.Second

// A Finding is whether what a component is there for works as it must at the stage that
// a cluster is at.
type Finding struct {
	Component, Claim string
	// Must is whether it must work; if not, it must not work yet.
	Must bool
	// Works is whether it does, and Reason why not.
	Works  bool
	Reason string
}

// OK reports whether it is as it must be.
func (f Finding) OK() bool { return f.Must == f.Works }

// Check tries what every component of a cluster is there for: what works by the
// components that it has must, and nothing else may. All is tried at once, and leaves
// nothing. It takes some seconds; what must work and does not is tried for as long as wait.
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

// works says whether a component can do in this cluster what it is there for: without
// kube-proxy no name resolves through a Service.
func works(cfg config.Cluster, comp component.Component) bool {
	return comp.Name != names.CoreDNS && comp.Name != names.MetricsServer || cfg.Networking.KubeProxyMode != config.ProxyNone
}
