package external

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"

	"github.com/mkube/mkube/pkg/config"
	"github.com/mkube/mkube/pkg/provider"
)

// node is a node that a program has told of.
type node struct {
	provider *Provider
	cluster  string
	known    Node
}

var _ provider.Node = (*node)(nil)

func (n *node) Name() string                { return n.known.Name }
func (n *node) Role() config.Role           { return n.known.Role }
func (n *node) IPs() []netip.Addr           { return slices.Clone(n.known.Addresses) }
func (n *node) Versions() provider.Versions { return n.known.Versions }

// IP is the zero Addr where the program told of none.
func (n *node) IP() netip.Addr {
	if len(n.known.Addresses) == 0 {
		return netip.Addr{}
	}
	return n.known.Addresses[0]
}

// request is one of this node.
func (n *node) request(method string) Request {
	r := n.provider.request(method, n.cluster)
	r.Node = n.Name()
	return r
}

// Run asks the program to run a command. One that is cancelled may go on.
func (n *node) Run(ctx context.Context, cmd provider.Cmd) error {
	r := n.request("run")
	r.Args, r.Env, r.TTY = cmd.Args, cmd.Env, cmd.TTY
	code := -1
	var tail []byte
	err := n.provider.call(ctx, r, cmd.Stdin, func(reply Reply) error {
		if reply.Exit != nil {
			code = *reply.Exit
		}
		if cmd.Stderr == nil {
			tail = append(tail, reply.Stderr...)
			tail = tail[max(0, len(tail)-4096):]
		}
		return errors.Join(write(cmd.Stdout, reply.Stdout), write(cmd.Stderr, reply.Stderr))
	})
	switch {
	case err != nil:
		return fmt.Errorf("running %s on %s: %w", cmd.Args[0], n.Name(), err)
	case code == -1:
		return fmt.Errorf("running %s on %s: its exit code was not told", cmd.Args[0], n.Name())
	case code != 0:
		return &provider.ExitError{Node: n.Name(), Args: cmd.Args, Code: code, Stderr: string(tail)}
	}
	return nil
}

func write(w io.Writer, data []byte) error {
	if w == nil || len(data) == 0 {
		return nil
	}
	_, err := w.Write(data)
	return err
}

// Endpoint asks the program.
func (n *node) Endpoint(ctx context.Context, port int) (string, error) {
	r := n.request("endpoint")
	r.Port = port
	var endpoint string
	err := n.provider.call(ctx, r, nil, func(reply Reply) error {
		endpoint = reply.Endpoint
		return nil
	})
	if err != nil {
		return "", err
	}
	if _, _, err := net.SplitHostPort(endpoint); err != nil {
		return "", fmt.Errorf("the provider of %s has no endpoint of port %d: %w", n.Name(), port, err)
	}
	return endpoint, nil
}

// Logs asks the program for the node's console.
func (n *node) Logs(ctx context.Context, w io.Writer) error {
	return n.provider.call(ctx, n.request("logs"), nil, func(reply Reply) error { return write(w, reply.Stdout) })
}
