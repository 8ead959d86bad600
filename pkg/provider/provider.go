// Package provider is the interface between mkube and the engines that create nodes: a Provider
// creates Nodes, and a node runs commands.
package provider

import (
	"context"
	"io"
	"io/fs"
	"net/netip"

	"github.com/mkube/mkube/pkg/config"
)

// A Provider creates, finds and deletes nodes. Its methods are safe for concurrent use.
type Provider interface {
	// Check returns everything about the host that would keep cfg's cluster from coming up, and as
	// warnings what may keep it from that. It changes nothing.
	Check(ctx context.Context, cfg config.Cluster) []Problem
	// Create creates cfg's nodes and boots all of them at the same time. Before the first node
	// boots, Create calls seed once with all nodes. Their names and addresses are known by then.
	// The files that seed returns, by node name, are in place before any process runs.
	//
	// Everything that Create creates carries the creation, see NewCreation. After an error, Create
	// leaves what it created: Delete with that creation deletes it. If a cluster with the name
	// exists already, the error is ErrExists, and nothing was created. Of several concurrent
	// Creates of one name, at most one succeeds.
	Create(ctx context.Context, cfg config.Cluster, creation string, seed Seed) ([]Node, error)
	// Nodes returns the nodes of a cluster, control planes first. If there are none, the error is
	// nil.
	Nodes(ctx context.Context, cluster string) ([]Node, error)
	// Delete deletes everything that carries both the cluster's name and the creation: what one
	// Create or Add has created. If the creation is empty, Delete deletes everything of the
	// cluster, including what an interrupted Create left. What is created after Delete began may
	// stay. If there is nothing to delete, the error is nil.
	Delete(ctx context.Context, cluster, creation string) error
	// Clusters returns the sorted names of the clusters.
	Clusters(ctx context.Context) ([]string, error)
}

// Seed returns the files that must be on each node before it boots, by node name.
type Seed func(nodes []Node) (map[string][]File, error)

// A Node is one machine of a cluster. Name, Role, IP, IPs and Versions return known facts, without
// I/O. All methods are safe for concurrent use.
type Node interface {
	Name() string
	Role() config.Role
	// IP returns the node's address on the cluster's network, of the family that the cluster
	// prefers. IPs returns all addresses, that one first.
	IP() netip.Addr
	IPs() []netip.Addr
	// Versions returns the versions of what the node's image contains.
	Versions() Versions
	// Run runs a command on the node and waits for it. If the exit code is not 0, the error is an
	// *ExitError. When ctx ends, the command ends too, with every process that it has started: by
	// SIGTERM (SIGHUP if it has a terminal), and a second later by SIGKILL. Run returns after that,
	// or after some seconds if the node does not answer. The command ends in the same way if its
	// output cannot be written.
	Run(ctx context.Context, cmd Cmd) error
	// Endpoint returns the host:port at which the host reaches this TCP port of the node.
	Endpoint(ctx context.Context, port int) (string, error)
	// Logs writes the console output of the node since its boot, for the case that Run does not
	// work.
	Logs(ctx context.Context, w io.Writer) error
}

// Cmd is a command that runs on a node.
type Cmd struct {
	// Args is the program and its arguments. No shell interprets them.
	Args []string
	// Env lists additional environment variables, as KEY=value.
	Env []string
	// If Stdin is nil, the command has no input. If Stdout or Stderr is nil, that output is
	// discarded, but the end of Stderr is kept for the ExitError.
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	// TTY is set to run the command on a terminal. All its output is then on Stdout.
	TTY bool
	// Sizes receives each new size of the terminal while the command runs. If nil, the terminal
	// keeps its size. A provider that cannot resize a terminal ignores Sizes.
	Sizes <-chan TerminalSize
	// Guarded is set to end the command also when this process is killed or loses its connection to
	// the node. It costs a second command on the node. So it is for commands that may run long,
	// which are the commands of users.
	Guarded bool
}

// TerminalSize is the size of a terminal in characters.
type TerminalSize struct{ Columns, Rows int }

// Resize calls set with each of the command's Sizes, until the context ends or Sizes is closed.
func (c Cmd) Resize(ctx context.Context, set func(TerminalSize)) {
	for {
		select {
		case <-ctx.Done():
			return
		case size, more := <-c.Sizes: // a nil channel never delivers
			if !more {
				return
			}
			set(size)
		}
	}
}

// File is a file that mkube writes to a node.
type File struct {
	// Path is absolute. Missing folders above it are created with mode 0755.
	Path string
	Data []byte
	// Mode is the permission bits. If 0, they are 0644. With fs.ModeDir, the file is a folder, and
	// Data is empty. A folder that exists on a running node keeps its mode.
	Mode fs.FileMode
}
