package provider

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"

	"github.com/alessio/shellescape"

	"github.com/mkube/mkube/pkg/config"
)

// Trace returns the provider p, but writes to w every command that runs on its nodes, and every
// Create, Delete, Add and Remove, before it happens. A command is written as a line that does the same when it
// is pasted into a shell, if the node has a method
//
//	// Command returns the program and the arguments that run cmd from the host.
//	Command(cmd Cmd) []string
//
// and otherwise as a comment. Small input of a command is written with it. Larger input, and files
// that only root may read, are named but not shown, and neither are other secrets, see Redact. Each entry is one Write, and entries are not
// written concurrently. Errors of w are ignored.
//
// Abilities of a provider or node beyond its interface are found with As.
func Trace(p Provider, w io.Writer) Provider {
	traced := &tracedProvider{p, &tracer{w: w}}
	if c, ok := As[Changer](p); ok {
		return &tracedChanger{traced, c}
	}
	return traced
}

// As returns v as a T, or the value that v wraps, as Trace does, as a T. If neither is a T, ok is
// false. It finds the optional abilities of providers and nodes.
func As[T any](v any) (t T, ok bool) {
	for {
		if t, ok = v.(T); ok {
			return t, true
		}
		u, wrapped := v.(interface{ unwrap() any })
		if !wrapped {
			return t, false
		}
		v = u.unwrap()
	}
}

type tracer struct {
	mu sync.Mutex
	w  io.Writer
}

func (t *tracer) write(entry string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	_, _ = io.WriteString(t.w, entry) // see Trace
}

type tracedProvider struct {
	Provider
	trace *tracer
}

func (p *tracedProvider) unwrap() any { return p.Provider }

func (p *tracedProvider) Create(ctx context.Context, cfg config.Cluster, creation string, seed Seed) ([]Node, error) {
	p.trace.write(fmt.Sprintf("# create the nodes of cluster %s: %s\n", cfg.Name, strings.Join(cfg.NodeNames(), ", ")))
	nodes, err := p.Provider.Create(ctx, cfg, creation, p.seed(seed))
	return p.traced(nodes), err
}

// seed returns a Seed that writes which files the nodes get.
func (p *tracedProvider) seed(seed Seed) Seed {
	return func(nodes []Node) (map[string][]File, error) {
		files, err := seed(p.traced(nodes))
		for _, n := range nodes {
			p.trace.write(fmt.Sprintf("# on %s before it boots: %s\n", n.Name(), list(files[n.Name()])))
		}
		return files, err
	}
}

func (p *tracedProvider) Nodes(ctx context.Context, cluster string) ([]Node, error) {
	nodes, err := p.Provider.Nodes(ctx, cluster)
	return p.traced(nodes), err
}

func (p *tracedProvider) Delete(ctx context.Context, cluster, creation string) error {
	what := "cluster " + cluster
	if creation != "" {
		what += ": what was made by " + creation
	}
	p.trace.write("# delete " + what + "\n")
	return p.Provider.Delete(ctx, cluster, creation)
}

func (p *tracedProvider) traced(nodes []Node) []Node {
	var list []Node
	for _, n := range nodes {
		list = append(list, &tracedNode{n, p.trace})
	}
	return list
}

// tracedChanger traces a provider that is a Changer.
type tracedChanger struct {
	*tracedProvider
	changer Changer
}

func (c *tracedChanger) Add(ctx context.Context, cfg config.Cluster, i int, creation string, seed Seed) (Node, error) {
	c.trace.write(fmt.Sprintf("# create node %s of cluster %s\n", cfg.NodeNames()[i], cfg.Name))
	n, err := c.changer.Add(ctx, cfg, i, creation, c.seed(seed))
	if err != nil {
		return nil, err
	}
	return &tracedNode{n, c.trace}, nil
}

func (c *tracedChanger) Remove(ctx context.Context, cluster, node string) error {
	c.trace.write(fmt.Sprintf("# delete node %s of cluster %s\n", node, cluster))
	return c.changer.Remove(ctx, cluster, node)
}

type tracedNode struct {
	Node
	trace *tracer
}

func (n *tracedNode) unwrap() any { return n.Node }

func (n *tracedNode) Run(ctx context.Context, cmd Cmd) error {
	n.trace.write(entry(n.Node, &cmd))
	return n.Node.Run(ctx, cmd)
}

// entry returns the text that is written for a command. It may replace cmd.Stdin by an equal
// reader.
func entry(n Node, cmd *Cmd) string {
	mark, line := "", ""
	if host, ok := As[interface{ Command(Cmd) []string }](n); ok {
		args := host.Command(*cmd)
		safe := redactArgs(args)
		line = shellescape.QuoteCommand(safe)
		if !slices.Equal(args, safe) {
			mark = "without its secrets: " // if it were pasted, it would not work
		}
	} else {
		mark, line = "on "+n.Name()+": ", shellescape.QuoteCommand(redactArgs(slices.Concat(cmd.Env, cmd.Args)))
	}
	if cmd.Stdin == nil {
		return text(mark, line)
	}
	note, pipe := shown(peek(cmd))
	if note != "" {
		note = comment(note)
	}
	if pipe == "" && mark == "" {
		return note + comment(line) // if it were pasted, it would wait for its input
	}
	return note + text(mark, pipe+line)
}

// text returns a line to paste if mark is empty, otherwise a comment that starts with the mark.
func text(mark, line string) string {
	if mark == "" {
		return line + "\n"
	}
	return comment(mark + line)
}

func comment(s string) string { return "# " + strings.ReplaceAll(s, "\n", "\n# ") + "\n" }
