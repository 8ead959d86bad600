package fake

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"sync"

	"github.com/mkube/mkube/pkg/config"
	"github.com/mkube/mkube/pkg/provider"
)

// Node is a node in memory.
type Node struct {
	provider      *Provider
	cluster, name string
	role          config.Role
	ips           []netip.Addr
	versions      provider.Versions
	creation      string
	// locked has room for one holder of the lock. gone is closed when the node is removed.
	locked chan struct{}
	gone   chan struct{}

	mu      sync.Mutex
	files   map[string]provider.File
	removed bool
	stopped bool
}

var _ provider.Node = (*Node)(nil)

// Name returns the name, see config.Cluster.NodeNames.
func (n *Node) Name() string { return n.name }

// Role returns the role from the configuration.
func (n *Node) Role() config.Role { return n.role }

// IP returns the first address. Nothing listens there.
func (n *Node) IP() netip.Addr { return n.ips[0] }

// IPs returns the addresses.
func (n *Node) IPs() []netip.Addr { return slices.Clone(n.ips) }

// Versions returns the versions of the provider.
func (n *Node) Versions() provider.Versions { return n.versions }

// Run runs tar, cat, rm, flock, or one of the provider's programs. For any other command, it calls
// the provider's Answer.
func (n *Node) Run(ctx context.Context, cmd provider.Cmd) error {
	if err := n.begin(ctx, Call{Method: "Run", Args: cmd.Args}); err != nil {
		return err
	}
	var stderr bytes.Buffer
	if cmd.Stderr == nil {
		cmd.Stderr = &stderr
	}
	if cmd.Stdout == nil {
		cmd.Stdout = io.Discard
	}
	if cmd.Stdin == nil {
		cmd.Stdin = new(bytes.Buffer)
	}
	code, err := n.program(cmd.Args)(ctx, n, cmd)
	if err != nil {
		return fmt.Errorf("running %s on %s: %w", cmd.Args[0], n.name, err)
	}
	if code != 0 {
		return &provider.ExitError{Node: n.name, Args: cmd.Args, Code: code, Stderr: stderr.String()}
	}
	return nil
}

func (n *Node) program(args []string) Program {
	if program, ok := n.provider.Programs[args[0]]; ok {
		return program
	}
	switch args[0] {
	case "tar":
		return tarProgram
	case "cat":
		return cat
	case "rm":
		return remove
	case "flock":
		return flock
	}
	return answer
}

// answer runs a command that the provider's Answer handles.
func answer(_ context.Context, n *Node, cmd provider.Cmd) (int, error) {
	if n.provider.Answer != nil {
		if stdout, code, handled := n.provider.Answer(cmd.Args); handled {
			_, err := io.WriteString(cmd.Stdout, stdout)
			return code, err
		}
	}
	fmt.Fprintf(cmd.Stderr, "%s: command not found\n", cmd.Args[0])
	return 127, nil
}

// Endpoint returns the result of the provider's Published.
func (n *Node) Endpoint(ctx context.Context, port int) (string, error) {
	if err := n.begin(ctx, Call{Method: "Endpoint"}); err != nil {
		return "", err
	}
	if n.provider.Published != nil {
		return n.provider.Published(n, port)
	}
	return net.JoinHostPort(n.IP().String(), strconv.Itoa(port)), nil
}

// Logs writes one line.
func (n *Node) Logs(ctx context.Context, w io.Writer) error {
	if err := n.begin(ctx, Call{Method: "Logs"}); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "%s has booted\n", n.name)
	return err
}

func (n *Node) begin(ctx context.Context, c Call) error {
	c.Cluster, c.Node = n.cluster, n.name
	if err := n.provider.begin(ctx, c); err != nil {
		return err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.removed {
		return fmt.Errorf("no such node: %s", n.name)
	}
	if n.stopped && c.Method == "Run" {
		return fmt.Errorf("node %s %w: mkube start cluster starts it", n.name, provider.ErrNotRunning)
	}
	return nil
}

func (n *Node) power(on bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.stopped = !on
}

func (n *Node) remove() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if !n.removed {
		close(n.gone)
	}
	n.removed = true
}

// Files returns the files and folders of the node by absolute path. A folder has its type in its
// mode, and no data. The caller may change the map, but not the data.
func (n *Node) Files() map[string]provider.File {
	n.mu.Lock()
	defer n.mu.Unlock()
	return maps.Clone(n.files)
}

// File returns one of the node's files. ok is false if it does not exist.
func (n *Node) File(path string) (f provider.File, ok bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	f, ok = n.files[path]
	return f, ok
}
