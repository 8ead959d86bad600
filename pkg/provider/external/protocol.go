package external

import (
	"net/netip"

	"github.com/mkube/mkube/pkg/config"
	"github.com/mkube/mkube/pkg/provider"
)

// Version is the version of the protocol. A program refuses versions that it does not support.
const Version = 1

// Request is the first line of a program's standard input.
type Request struct {
	Protocol int `json:"protocol"`
	// Method is check, create, nodes, delete, run, endpoint or logs, which every program supports,
	// or add, remove, stop or start.
	Method string `json:"method"`
	// Cluster is the name of the cluster. Dir is a folder for the program's data about it. The
	// folder exists, except for check, and is removed with the cluster.
	Cluster string `json:"cluster"`
	Dir     string `json:"dir"`
	// Config is the requested cluster, for check, create and add.
	Config *config.Cluster `json:"config,omitempty"`
	// Names are the names of its nodes, in their order.
	Names []string `json:"names,omitempty"`
	// Index is the index of the node to add.
	Index int `json:"index,omitempty"`
	// Node is the name of a node, for remove, run, endpoint and logs. For start, it is the only
	// node to start, "" for all.
	Node string `json:"node,omitempty"`
	// Args, Env and TTY are a command, for run. Its input follows the line.
	Args []string `json:"args,omitempty"`
	Env  []string `json:"env,omitempty"`
	TTY  bool     `json:"tty,omitempty"`
	// Port is a TCP port of the node, for endpoint.
	Port int `json:"port,omitempty"`
}

// Reply is one line of a program's standard output. Each line has one of the fields.
type Reply struct {
	// Nodes are all nodes, for nodes, or the nodes that are about to boot, for create and add.
	Nodes []Node `json:"nodes,omitempty"`
	// Stdout and Stderr are output of the command or the log, encoded in base64.
	Stdout []byte `json:"stdout,omitempty"`
	Stderr []byte `json:"stderr,omitempty"`
	// Exit is the command's exit code.
	Exit *int `json:"exit,omitempty"`
	// Endpoint is a host:port.
	Endpoint string `json:"endpoint,omitempty"`
	// Warning is a problem that may keep the cluster from coming up, for check, with the next step
	// for the user.
	Warning string `json:"warning,omitempty"`
	// Error is the cause of a failure, with the next step for the user.
	Error string `json:"error,omitempty"`
}

// Node is a node as a program reports it.
type Node struct {
	Name      string            `json:"name"`
	Role      config.Role       `json:"role"`
	Addresses []netip.Addr      `json:"addresses"`
	Versions  provider.Versions `json:"versions"`
}

// Seed is the second line of the input of create and add. mkube writes it when it has received the
// nodes.
type Seed struct {
	// Files are the files that must be on each node before any process runs there: a tar archive
	// for each node, to unpack at the root, encoded in base64.
	Files map[string][]byte `json:"files"`
}
