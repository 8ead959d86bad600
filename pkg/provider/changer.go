package provider

import (
	"context"

	"github.com/mkube/mkube/pkg/config"
)

// A Changer is a Provider that can change the nodes of a running cluster. Callers find it with As.
type Changer interface {
	// Add creates and boots the i-th node of cfg, and returns it; other nodes may exist. It calls
	// seed with that node alone. What Add creates carries the creation, as with Create. After an error, Add leaves
	// what it created: Delete with that creation deletes it. If a node with the name exists
	// already, the error is ErrExists: Add has not called seed, and has created nothing.
	Add(ctx context.Context, cfg config.Cluster, i int, creation string, seed Seed) (Node, error)
	// Remove removes one node. If the node does not exist, Remove returns nil.
	Remove(ctx context.Context, cluster, node string) error
}
