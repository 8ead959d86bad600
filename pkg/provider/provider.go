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
	// coming up, and as warnings what only may. It changes nothing.
	Check(ctx context.Context, cfg config.Cluster) []Problem
	// Create makes cfg's nodes and boots them all at once. Before the first boots,
	// seed is called once with all nodes, whose names and addresses are known by
	// then; the files it returns, by node name, are in place before anything runs.
	// Everything that Create makes carries the creation, see NewCreation. On an error
	// Create leaves what it made: Delete with that creation deletes it. Where there is a
	// cluster of the name already, the error is ErrExists and nothing was made. Of several
	// Creates of one name at the same time, at most one succeeds.
	Create(ctx context.Context, cfg config.Cluster, creation string, seed Seed) ([]Node, error)
	// Nodes lists the nodes of a cluster, control planes first. No node is no error.
	Nodes(ctx context.Context, cluster string) ([]Node, error)
	// Delete deletes what carries both the cluster's name and the creation: what one
	// Create or Add has made. A creation of "" means everything of the cluster, also what
	// an interrupted Create left. What is made after Delete began may stay. Nothing there
	// is no error.
	Delete(ctx context.Context, cluster, creation string) error
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
	// an *ExitError. When ctx ends, so does the command with all that it has started, by
	// SIGTERM and a second later by SIGKILL; Run returns after that, or after some seconds
	// where the node does not answer. The same holds when its output cannot be written.
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
	// Sizes are the sizes that the terminal changes to while the command runs. Nil means that it keeps its
	// size. A provider that cannot change a terminal ignores them.
	Sizes <-chan TerminalSize
	// Guarded ends the command also when this process is killed, or loses its connection to
	// the node. It costs a second command on the node, so it is for commands that may take
	// long: those that a user gives.
	Guarded bool
}

// TerminalSize is the size of a terminal in characters.
type TerminalSize struct{ Columns, Rows int }

// Resize calls set with each of a command's Sizes until the context ends.
func (c Cmd) Resize(ctx context.Context, set func(TerminalSize)) {
	for {
		select {
		case <-ctx.Done():
			return
		case size, more := <-c.Sizes: // from a nil channel nothing comes
			if !more {
				return
			}
			set(size)
		}
	}
}

// File is a file to put on a node.
type File struct {
	// Path is absolute. Missing folders above it are made, with mode 0755.
	Path string
	Data []byte
	// Mode is the permission bits; 0 means 0644.
	Mode fs.FileMode
}
