package fake

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"time"

	"github.com/mkube/mkube/pkg/provider"
)

// HostPrograms returns programs of this host, for nodes that must run the commands of
// providertest. Only stat and mkube-test, which is a script of the seed, use the files of the
// node. The caller may change the map.
func HostPrograms() map[string]Program {
	return map[string]Program{
		"grep": onHost, "head": onHost, "printf": onHost, "sh": onHost, "sleep": onHost, "true": onHost,
		"stat": stat, "/usr/local/bin/mkube-test": script,
	}
}

// onHost runs a command on the host. If ctx is canceled, it kills the process group of the
// command.
func onHost(ctx context.Context, _ *Node, cmd provider.Cmd) (int, error) {
	over := ctx
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	cmd.Stdout, cmd.Stderr = provider.EndingOn(cmd.Stdout, cancel), provider.EndingOn(cmd.Stderr, cancel)
	c := exec.CommandContext(ctx, cmd.Args[0], cmd.Args[1:]...)
	c.Env = append(os.Environ(), cmd.Env...)
	// A child in another process group may keep the output open. Run does not wait longer for it.
	c.WaitDelay = time.Second
	killGroup(c)
	err := runOnHost(c, cmd)
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) && ctx.Err() == nil {
		return exit.ExitCode(), nil
	}
	if over.Err() == nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return 0, errors.Join(over.Err(), err)
}

// runOnHost runs a command with its streams, or on a terminal.
func runOnHost(c *exec.Cmd, cmd provider.Cmd) error {
	if cmd.TTY {
		return onTerminal(c, cmd.Stdin, cmd.Stdout)
	}
	c.Stdout, c.Stderr = cmd.Stdout, cmd.Stderr
	// With this pipe, the end of the command does not wait for the end of its input.
	stdin, err := c.StdinPipe()
	if err != nil {
		return err
	}
	if err := c.Start(); err != nil {
		return err
	}
	go func() {
		// Errors are ignored: they mean that the command has ended without reading on.
		_, _ = io.Copy(stdin, cmd.Stdin)
		_ = stdin.Close()
	}()
	return c.Wait()
}

// script runs a file of the node in the shell of the host.
func script(ctx context.Context, n *Node, cmd provider.Cmd) (int, error) {
	f, ok := n.File(cmd.Args[0])
	if !ok || f.Mode.Perm()&0o111 == 0 {
		return 126, nil
	}
	cmd.Args = []string{"sh", "-c", string(f.Data)}
	return onHost(ctx, n, cmd)
}

// stat implements stat -c "%a %u:%g %F" for a file of the node, and for /tmp, which every node
// has.
func stat(_ context.Context, n *Node, cmd provider.Cmd) (int, error) {
	path := cmd.Args[len(cmd.Args)-1]
	f, ok := n.File(path)
	switch {
	case path == "/tmp":
		fmt.Fprintln(cmd.Stdout, "1777 0:0 directory")
	case !ok:
		fmt.Fprintf(cmd.Stderr, "stat: cannot stat '%s': No such file or directory\n", path)
		return 1, nil
	case f.Mode.IsDir():
		fmt.Fprintf(cmd.Stdout, "%o 0:0 directory\n", f.Mode.Perm())
	case len(f.Data) == 0:
		fmt.Fprintf(cmd.Stdout, "%o 0:0 regular empty file\n", f.Mode.Perm())
	default:
		fmt.Fprintf(cmd.Stdout, "%o 0:0 regular file\n", f.Mode.Perm())
	}
	return 0, nil
}
