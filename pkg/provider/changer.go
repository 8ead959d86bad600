package provider

import (
	"context"

	"github.com/mkube/mkube/pkg/config"
)

// A Changer is a Provider that can change the nodes of a cluster that is up. It is
// asked for by As.
type Changer interface {
	// Add makes and boots the i-th node of cfg; others may exist. seed is called with
	// that node alone. On an error Add leaves what it made: Remove takes it away.
	Add(ctx context.Context, cfg config.Cluster, i int, seed Seed) error
	// Remove takes one node away. One that is not there is no error.
	Remove(ctx context.Context, cluster, node string) error
}
