package external

import (
	"net/netip"

	"github.com/mkube/mkube/pkg/config"
	"github.com/mkube/mkube/pkg/provider"
)

// Version is the protocol's: a program refuses one that it does not know.
const Version = 1

// Request is the first line of a program's standard input.
type Request struct {
	Protocol int `json:"protocol"`
	// Method is check, create, nodes, delete, run, endpoint or logs, which every program
	// knows, or add, remove, stop or start.
	Method string `json:"method"`
	// Cluster is the cluster's name, and Dir a folder for what the program wants to keep of
	// it. It is there, save for check, and goes with the cluster.
	Cluster string `json:"cluster"`
	Dir     string `json:"dir"`
	// Config is the cluster as it was asked for, of check, create and add.
	Config *config.Cluster `json:"config,omitempty"`
	// Names are those of its nodes, in their order.
	Names []string `json:"names,omitempty"`
	// Index is the number of the node to add.
	Index int `json:"index,omitempty"`
	// Node is a node's name, of remove, run, endpoint and logs. Of start it is the only node
	// to start, "" for all.
	Node string `json:"node,omitempty"`
	// Args, Env and TTY are a command, of run. What follows the line is its input.
	Args []string `json:"args,omitempty"`
	Env  []string `json:"env,omitempty"`
	TTY  bool     `json:"tty,omitempty"`
	// Port is a TCP port of the node, of endpoint.
	Port int `json:"port,omitempty"`
}

// Reply is one line of a program's standard output. Each has one of the fields.
type Reply struct {
	// Nodes are all nodes, of nodes; those that are about to boot, of create and add.
	Nodes []Node `json:"nodes,omitempty"`
	// Stdout and Stderr are output of the command or the log, in base64.
	Stdout []byte `json:"stdout,omitempty"`
	Stderr []byte `json:"stderr,omitempty"`
	// Exit is the command's exit code.
	Exit *int `json:"exit,omitempty"`
	// Endpoint is a host:port.
	Endpoint string `json:"endpoint,omitempty"`
	// Warning is what may keep the cluster from coming up, of check, with the next step
	// for the user.
	Warning string `json:"warning,omitempty"`
	// Error is what went wrong, with the next step for the user.
	Error string `json:"error,omitempty"`
}

// Node is a node as a program tells of it.
type Node struct {
	Name      string            `json:"name"`
	Role      config.Role       `json:"role"`
	Addresses []netip.Addr      `json:"addresses"`
	Versions  provider.Versions `json:"versions"`
}

// Seed is the second line of the input of create and add, once the nodes were told.
type Seed struct {
	// Files are what is to lie in each node before anything runs there: a tar archive to
	// unpack at the root, in base64.
	Files map[string][]byte `json:"files"`
}
