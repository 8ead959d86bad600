package provider

import (
	"context"

	"github.com/mkube/mkube/pkg/config"
)

// A Placer is a provider whose nodes may be on another machine than mkube.
type Placer interface {
	// Place returns cfg with all that depends on where the nodes will be: the addresses
	// at which ports are published, and the names by which this machine reaches the API
	// server. The warnings are what will not work from this machine, a line each. The
	// error joins all fields that cannot work there at all. It makes nothing.
	Place(ctx context.Context, cfg config.Cluster) (placed config.Cluster, warnings []string, err error)
}

// Place is cfg where p's nodes will be, see Placer. Nodes of other providers are on this
// machine.
func Place(ctx context.Context, p Provider, cfg config.Cluster) (config.Cluster, []string, error) {
	if placer, ok := As[Placer](p); ok {
		return placer.Place(ctx, cfg)
	}
	return cfg.PublishedAt(config.Loopback), nil, nil
}
