package provider

import (
	"context"

	"github.com/mkube/mkube/pkg/config"
)

// A Placer is a Provider that may create nodes on another host than that of mkube.
type Placer interface {
	// Place returns cfg with everything that depends on the place of the nodes: the addresses at
	// which ports are published, and the names by which this host reaches the API server. Each
	// warning is one line about something that will not work from this host. The error joins an
	// error for each field that cannot work there at all. Place creates nothing.
	Place(ctx context.Context, cfg config.Cluster) (placed config.Cluster, warnings []string, err error)
}

// Place returns cfg for the place of p's nodes, see Placer. If p is not a Placer, its nodes are on
// this host.
func Place(ctx context.Context, p Provider, cfg config.Cluster) (config.Cluster, []string, error) {
	if placer, ok := As[Placer](p); ok {
		return placer.Place(ctx, cfg)
	}
	return cfg.PublishedAt(config.Loopback), nil, nil
}
