package provider

import "context"

// A Stopper is a Provider that can stop a cluster's nodes without losing them. It is
// asked for by As.
type Stopper interface {
	// Stop stops all nodes of a cluster. Nodes that do not run are no error.
	Stop(ctx context.Context, cluster string) error
}

// A Starter is a Provider that can start what its Stop stopped. It is asked for by As.
type Starter interface {
	// Start boots all nodes of a cluster that do not run. It does not wait for what
	// runs on them.
	Start(ctx context.Context, cluster string) error
}
