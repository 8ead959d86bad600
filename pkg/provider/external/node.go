package external

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"

	"github.com/mkube/mkube/pkg/config"
	"github.com/mkube/mkube/pkg/provider"
)

// node is a node that a program has reported.
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

// IP returns the first address, the zero Addr if the program has reported none.
func (n *node) IP() netip.Addr {
	if len(n.known.Addresses) == 0 {
		return netip.Addr{}
	}
	return n.known.Addresses[0]
}

// request returns a request about this node.
func (n *node) request(method string) Request {
	r := n.provider.request(method, n.cluster)
	r.Node = n.Name()
	return r
}

// Run runs a command with the program.
func (n *node) Run(ctx context.Context, cmd provider.Cmd) error {
	err := provider.Supervise(ctx, cmd, n.run)
	if exit := (*provider.ExitError)(nil); err == nil || errors.As(err, &exit) {
		return err
	}
	return fmt.Errorf("running %s on %s: %w", cmd.Args[0], n.Name(), err)
}

func (n *node) run(ctx context.Context, cmd provider.Cmd) error {
	r := n.request("run")
	r.Args, r.Env, r.TTY = cmd.Args, cmd.Env, cmd.TTY
	var exit *int
	stderr := &tail{limit: stderrLimit}
	if cmd.Stderr == nil {
		cmd.Stderr = stderr
	}
	err := n.provider.call(ctx, r, cmd.Stdin, func(reply Reply) error {
		if reply.Exit != nil {
			exit = reply.Exit
		}
		return errors.Join(write(cmd.Stdout, reply.Stdout), write(cmd.Stderr, reply.Stderr))
	})
	switch {
	case err != nil:
	case exit == nil:
		err = n.provider.failed(r.Method, errors.New("it ended without an exit code"))
	case *exit < 0 || *exit > 255:
		err = n.provider.failed(r.Method, fmt.Errorf("its exit code %d is not between 0 and 255", *exit))
	case *exit > 0:
		return &provider.ExitError{Node: n.Name(), Args: cmd.Args, Code: *exit, Stderr: string(stderr.data)}
	}
	return err
}

func write(w io.Writer, data []byte) error {
	if w == nil || len(data) == 0 {
		return nil
	}
	_, err := w.Write(data)
	return err
}

// Endpoint returns the endpoint that the program reports.
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
	if err := endpointError(endpoint); err != nil {
		return "", n.provider.failed(r.Method, err)
	}
	return endpoint, nil
}

// Logs writes the console output of the node that the program returns.
func (n *node) Logs(ctx context.Context, w io.Writer) error {
	return n.provider.call(ctx, n.request("logs"), nil, func(reply Reply) error { return write(w, reply.Stdout) })
}
