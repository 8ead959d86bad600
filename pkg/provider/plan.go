package provider

import (
	"bytes"
	"context"
	"io"

	"github.com/alessio/shellescape"

	"github.com/mkube/mkube/pkg/config"
)

// A Planner is a Provider that can describe in shell lines what Create would do. Callers find it
// with As.
type Planner interface {
	// Plan returns how Create would create the nodes of cfg. It creates nothing.
	Plan(ctx context.Context, cfg config.Cluster) (Plan, error)
}

// A Plan lists nodes that do not exist yet, and the shell lines that create them.
type Plan struct {
	// Nodes have names and addresses. The plan does not contain the commands that mkube runs on
	// them.
	Nodes []Node
	// Make lists the lines that create the nodes, and Start those that boot them. Between the two,
	// the line that Put returns unpacks an archive, its standard input, into a node.
	Make, Start []string
	Put         func(Node) string
}

// Script returns a node that runs nothing. It writes each command to w as a shell line that runs
// the command with all of its input. With hide, a command whose input contains secrets becomes a
// comment without that input, as in Trace. The output of a command is empty. The node must have the
// method Command, see Trace.
func Script(n Node, w io.Writer, hide bool) Node { return &scriptNode{n, w, hide} }

type scriptNode struct {
	Node
	w    io.Writer
	hide bool
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
		if n.hide && confidential(data) {
			_, err := io.WriteString(n.w, entry(n.Node, &cmd))
			return err
		}
		pipe = Echo(data) + " | "
	}
	host, _ := As[interface{ Command(Cmd) []string }](n.Node) // it has the method, see Script
	_, err := io.WriteString(n.w, pipe+shellescape.QuoteCommand(host.Command(cmd))+"\n")
	return err
}

// Echo returns a shell command that writes data.
func Echo(data []byte) string {
	if _, err := unarchive(data); err == nil && len(data) > 0 {
		return "echo " + pack(data) + " | base64 -d | gunzip"
	}
	return "printf %s " + shellescape.Quote(string(data))
}
