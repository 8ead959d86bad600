package provider

import "context"

// A Stopper is a Provider that can stop a cluster's nodes without losing them. Callers find it with
// As.
type Stopper interface {
	// Stop stops all nodes of a cluster, and the first control plane after the others: as long as
	// that one runs, other commands can see whether a command is at work on the cluster. Stop skips
	// nodes that do not run.
	Stop(ctx context.Context, cluster string) error
}

// A Starter is a Provider that can start the nodes that its Stop stopped. Callers find it with As.
type Starter interface {
	// Start boots the nodes with these names that do not run. Without names, it boots all nodes of
	// the cluster that do not run. It does not wait for the processes on them.
	Start(ctx context.Context, cluster string, nodes ...string) error
}
