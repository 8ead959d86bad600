package provider

import (
	"context"

	"github.com/mkube/mkube/pkg/config"
)

// A Changer is a Provider that can change the nodes of a cluster that is up. It is
// asked for by As.
type Changer interface {
	// Add makes and boots the i-th node of cfg; others may exist. seed is called with
	// that node alone. What Add makes carries the creation, as with Create. On an error Add
	// leaves what it made: Delete with that creation deletes it. Where there is a node of
	// the name already, the error is ErrExists, seed was not called and nothing was made.
	Add(ctx context.Context, cfg config.Cluster, i int, creation string, seed Seed) error
	// Remove takes one node away. One that is not there is no error.
	Remove(ctx context.Context, cluster, node string) error
}
