package provider

import "context"

// A Stopper is a Provider that can stop a cluster's nodes without losing them. It is
// asked for by As.
type Stopper interface {
	// Stop stops all nodes of a cluster, the first control plane after the others: while
	// that one runs, it can be seen whether a command is at work on the cluster. Nodes that
	// do not run are no error.
	Stop(ctx context.Context, cluster string) error
}

// A Starter is a Provider that can start what its Stop stopped. It is asked for by As.
type Starter interface {
	// Start boots the nodes of these names, for no names all of the cluster, that do not
	// run. It does not wait for what runs on them.
	Start(ctx context.Context, cluster string, nodes ...string) error
}
