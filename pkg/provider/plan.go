package provider

import (
	"bytes"
	"context"
	"io"

	"github.com/alessio/shellescape"

	"github.com/mkube/mkube/pkg/config"
)

// A Planner is a Provider that can say in shell lines what Create would do. It is asked
// for by As.
type Planner interface {
	// Plan is how the nodes of cfg would be made. It makes nothing.
	Plan(ctx context.Context, cfg config.Cluster) (Plan, error)
}

// A Plan is nodes that there are not, and the shell lines that make them.
type Plan struct {
	// Nodes have names and addresses; what is run on them is not.
	Nodes []Node
	// Make makes the nodes, Start boots them. Between the two, Put is what unpacks an
	// archive, its standard input, into a node.
	Make, Start []string
	Put         func(Node) string
}

// Script is a node on which nothing is run: commands are written to w, each as a shell
// line that runs it, with all of its input, secrets too. Their output is empty. The node must have the
// method Command, see Trace.
func Script(n Node, w io.Writer) Node { return &scriptNode{n, w} }

type scriptNode struct {
	Node
	w io.Writer
}

func (n *scriptNode) unwrap() any { return n.Node }

func (n *scriptNode) Run(_ context.Context, cmd Cmd) error {
	pipe := ""
	if cmd.Stdin != nil {
		data, err := io.ReadAll(cmd.Stdin)
		if err != nil {
			return err
		}
		cmd.Stdin = bytes.NewReader(data)
		pipe = Echo(data) + " | "
	}
	host, _ := As[interface{ Command(Cmd) []string }](n.Node)
	_, err := io.WriteString(n.w, pipe+shellescape.QuoteCommand(host.Command(cmd))+"\n")
	return err
}

// Echo is a shell command that writes data.
func Echo(data []byte) string {
	if _, err := unarchive(data); err == nil && len(data) > 0 {
		return "echo " + pack(data) + " | base64 -d | gunzip"
	}
	return "printf %s " + shellescape.Quote(string(data))
}
