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

// node is a container.
type node struct {
	client   *client.Client
	id, name string
	role     config.Role
	ips      []netip.Addr // the preferred one first
	versions provider.Versions
	attached *network.EndpointIPAMConfig // known only while the node is made
	parts    string                      // see nodeImage; known only while the node is made
	creation string                      // known only while the node is made
	network  string                      // its network's name or ID; known only while the node is made
	free     *freePorts                  // known only while the node is made
}

var _ provider.Node = (*node)(nil)

func (n *node) Name() string                { return n.name }
func (n *node) Role() config.Role           { return n.role }
func (n *node) IP() netip.Addr              { return first(n.ips) }
func (n *node) IPs() []netip.Addr           { return slices.Clone(n.ips) }
func (n *node) Versions() provider.Versions { return n.versions }

// first is the zero Addr for none, which is a node whose labels were tampered with.
func first(ips []netip.Addr) netip.Addr {
	if len(ips) == 0 {
		return netip.Addr{}
	}
	return ips[0]
}

// Run runs a command by an exec of the engine, which has no way to end one.
func (n *node) Run(ctx context.Context, cmd provider.Cmd) error {
	err := provider.Supervise(ctx, cmd, n.exec)
	if exit := (*provider.ExitError)(nil); err == nil || errors.As(err, &exit) || errors.Is(err, provider.ErrNotRunning) {
		return err
	}
	return fmt.Errorf("running %s on %s: %w", cmd.Args[0], n.name, err)
}

// exec runs a command. A cancelled one is left behind.
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
		// A size that does not get through is corrected by the next one.
		_ = n.client.ContainerExecResize(running, exec.ID, container.ResizeOptions{Width: uint(size.Columns), Height: uint(size.Rows)})
	})
	stderr := &tail{limit: 4096}
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

// Command is the docker command that does the same from a shell.
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

// stream carries a command's input and output until its output ends.
func stream(conn types.HijackedResponse, cmd provider.Cmd, stderr *tail) error {
	if cmd.Stdin != nil {
		go func() {
			// An error here is that of a command that ended without reading on.
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

// tail keeps the last bytes written to it.
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

// Endpoint is where this machine reaches the address that the daemon published the port
// at; a port that is not published is reached at the node's own address, which works
// where the daemon is a local one on Linux. What the container was made with comes first:
// it is in order, and there while the node is stopped.
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

func (n *node) Logs(ctx context.Context, w io.Writer) error {
	logs, err := n.client.ContainerLogs(ctx, n.id, container.LogsOptions{ShowStdout: true, ShowStderr: true})
	if err != nil {
		return fmt.Errorf("reading the console of %s: %w", n.name, err)
	}
	defer logs.Close()
	_, err = io.Copy(w, logs) // a terminal's output is one stream
	return err
}
