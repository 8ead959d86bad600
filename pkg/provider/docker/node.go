package docker

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"strconv"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/client"
	"github.com/docker/docker/pkg/stdcopy"
	"github.com/docker/go-connections/nat"

	"github.com/mkube/mkube/pkg/config"
	"github.com/mkube/mkube/pkg/provider"
)

// node is a node that is a container.
type node struct {
	client   *client.Client
	id, name string
	role     config.Role
	ips      []netip.Addr // the preferred one first
	versions provider.Versions
	attached *network.EndpointIPAMConfig // set only while the node is created
	parts    string                      // see nodeImage; set only while the node is created
	creation string                      // set only while the node is created
	network  string                      // name or ID of its network; set only while the node is created
	free     *freePorts                  // set only while the node is created
}

var _ provider.Node = (*node)(nil)

func (n *node) Name() string                { return n.name }
func (n *node) Role() config.Role           { return n.role }
func (n *node) IP() netip.Addr              { return first(n.ips) }
func (n *node) IPs() []netip.Addr           { return slices.Clone(n.ips) }
func (n *node) Versions() provider.Versions { return n.versions }

// first returns the first address. If there is none, it returns the zero Addr: then someone has
// changed the labels of the node.
func first(ips []netip.Addr) netip.Addr {
	if len(ips) == 0 {
		return netip.Addr{}
	}
	return ips[0]
}

// Run runs a command with an exec of the engine. provider.Supervise ends it, because the engine
// cannot.
func (n *node) Run(ctx context.Context, cmd provider.Cmd) error {
	err := provider.Supervise(ctx, cmd, n.exec)
	if exit := (*provider.ExitError)(nil); err == nil || errors.As(err, &exit) || errors.Is(err, provider.ErrNotRunning) {
		return err
	}
	return fmt.Errorf("running %s on %s: %w", cmd.Args[0], n.name, err)
}

// exec runs a command. If ctx ends first, the command keeps running.
func (n *node) exec(ctx context.Context, cmd provider.Cmd) error {
	exec, err := n.client.ContainerExecCreate(ctx, n.id, container.ExecOptions{
		Cmd: cmd.Args, Env: cmd.Env, Tty: cmd.TTY,
		AttachStdin: cmd.Stdin != nil, AttachStdout: true, AttachStderr: true,
	})
	if errdefs.IsConflict(err) {
		return fmt.Errorf("node %s %w: mkube start cluster starts all nodes of its cluster (%w)", n.name, provider.ErrNotRunning, err)
	}
	if err != nil {
		return err
	}
	conn, err := n.client.ContainerExecAttach(ctx, exec.ID, container.ExecAttachOptions{Tty: cmd.TTY})
	if err != nil {
		return err
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, conn.Close)
	defer stop()
	running, ended := context.WithCancel(ctx)
	defer ended()
	go cmd.Resize(running, func(size provider.TerminalSize) {
		// The next size corrects one that fails.
		_ = n.client.ContainerExecResize(running, exec.ID, container.ResizeOptions{Width: uint(size.Columns), Height: uint(size.Rows)})
	})
	stderr := &tail{limit: 4096} // bytes, a screenful
	if err := stream(conn, cmd, stderr); err != nil {
		return errors.Join(ctx.Err(), err)
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	result, err := n.client.ContainerExecInspect(ctx, exec.ID)
	if err != nil {
		return err
	}
	if result.ExitCode != 0 {
		return &provider.ExitError{Node: n.name, Args: cmd.Args, Code: result.ExitCode, Stderr: stderr.String()}
	}
	return nil
}

// Command returns the docker command that does the same in a shell.
func (n *node) Command(cmd provider.Cmd) []string {
	args := []string{"docker", "exec"}
	if cmd.Stdin != nil {
		args = append(args, "--interactive")
	}
	if cmd.TTY {
		args = append(args, "--tty")
	}
	for _, env := range cmd.Env {
		args = append(args, "--env", env)
	}
	return append(append(args, n.name), cmd.Args...)
}

// stream copies a command's input and output until the output ends.
func stream(conn types.HijackedResponse, cmd provider.Cmd, stderr *tail) error {
	if cmd.Stdin != nil {
		go func() {
			// Both fail only if the command has ended without reading all input.
			_, _ = io.Copy(conn.Conn, cmd.Stdin)
			_ = conn.CloseWrite()
		}()
	}
	stdout := orDiscard(cmd.Stdout)
	if cmd.TTY {
		_, err := io.Copy(stdout, conn.Reader)
		return err
	}
	var errOut io.Writer = stderr
	if cmd.Stderr != nil {
		errOut = cmd.Stderr
	}
	_, err := stdcopy.StdCopy(stdout, errOut, conn.Reader)
	return err
}

func orDiscard(w io.Writer) io.Writer {
	if w == nil {
		return io.Discard
	}
	return w
}

// tail keeps the last bytes that are written to it, limit at most.
type tail struct {
	bytes.Buffer
	limit int
}

func (t *tail) Write(p []byte) (int, error) {
	t.Buffer.Write(p)
	if over := t.Len() - t.limit; over > 0 {
		t.Next(over)
	}
	return len(p), nil
}

// Endpoint returns the address at which this host reaches a port that the daemon publishes. A port
// that is not published has the node's own address, which works if the daemon is local and on
// Linux. The bindings in the container's configuration take precedence: they are in order, and they
// are there while the node is stopped.
func (n *node) Endpoint(ctx context.Context, port int) (string, error) {
	inspect, err := n.client.ContainerInspect(ctx, n.id)
	if err != nil {
		return "", fmt.Errorf("inspecting %s: %w", n.name, err)
	}
	key := nat.Port(strconv.Itoa(port) + "/tcp")
	for _, ports := range []nat.PortMap{inspect.HostConfig.PortBindings, inspect.NetworkSettings.Ports} {
		if bound := ports[key]; len(bound) > 0 && bound[0].HostPort != "" && bound[0].HostPort != "0" {
			return net.JoinHostPort(placeOf(ctx, n.client).reached(bound[0].HostIP), bound[0].HostPort), nil
		}
	}
	return net.JoinHostPort(n.IP().String(), strconv.Itoa(port)), nil
}

// Logs writes the console of the node, which is the output of its container.
func (n *node) Logs(ctx context.Context, w io.Writer) error {
	logs, err := n.client.ContainerLogs(ctx, n.id, container.LogsOptions{ShowStdout: true, ShowStderr: true})
	if err != nil {
		return fmt.Errorf("reading the console of %s: %w", n.name, err)
	}
	defer logs.Close()
	_, err = io.Copy(w, logs) // with a terminal, the output is one stream
	return err
}
