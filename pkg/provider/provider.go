// Package provider is the seam between mkube and what nodes are made of: a
// Provider makes Nodes, and a node runs commands.
package provider

import (
	"context"
	"io"
	"io/fs"
	"net/netip"

	"github.com/mkube/mkube/pkg/config"
)

// A Provider makes, finds and deletes nodes. Its methods may be called at once
// from many goroutines.
type Provider interface {
	// Check names everything about the host that would keep cfg's cluster from
	// coming up, as joined errors. It changes nothing.
	Check(ctx context.Context, cfg config.Cluster) error
	// Create makes cfg's nodes and boots them all at once. Before the first boots,
	// seed is called once with all nodes, whose names and addresses are known by
	// then; the files it returns, by node name, are in place before anything runs.
	// On an error Create leaves what it made: Delete takes it away.
	Create(ctx context.Context, cfg config.Cluster, seed Seed) ([]Node, error)
	// Nodes lists the nodes of a cluster, control planes first. No node is no error.
	Nodes(ctx context.Context, cluster string) ([]Node, error)
	// Delete takes away all that is labelled as the cluster's, also what an
	// interrupted Create left. Nothing there is no error.
	Delete(ctx context.Context, cluster string) error
	// Clusters lists the names of the clusters, sorted.
	Clusters(ctx context.Context) ([]string, error)
}

// Seed gives the files that are to lie in each node before it boots.
type Seed func(nodes []Node) (map[string][]File, error)

// A Node is one machine of a cluster. Name, Role and IP are known, not asked:
// they do no I/O. Its methods may be called at once from many goroutines.
type Node interface {
	Name() string
	Role() config.Role
	// IP is the node's address on the cluster's network, of the family that the cluster
	// prefers; IPs are all, that one first.
	IP() netip.Addr
	IPs() []netip.Addr
	// Versions are those of what the node's image holds.
	Versions() Versions
	// Run runs a command on the node and waits for it. An exit code other than 0 is
	// an *ExitError. A cancelled Run may leave the command running.
	Run(ctx context.Context, cmd Cmd) error
	// Endpoint is the host:port at which the host reaches that TCP port of the node.
	Endpoint(ctx context.Context, port int) (string, error)
	// Logs writes the node's console since its boot, for when Run is of no use.
	Logs(ctx context.Context, w io.Writer) error
}

// Cmd is a command to run on a node.
type Cmd struct {
	// Args is the program and its arguments. No shell reads them.
	Args []string
	// Env are further variables, as KEY=value.
	Env []string
	// Stdin is nil for no input, Stdout and Stderr nil to throw output away. When
	// Stderr is nil, its end is kept for the ExitError.
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	// TTY gives the command a terminal; its output is then all on Stdout.
	TTY bool
}

// File is a file to put on a node.
type File struct {
	// Path is absolute. Missing folders above it are made, with mode 0755.
	Path string
	Data []byte
	// Mode is the permission bits; 0 means 0644.
	Mode fs.FileMode
}
