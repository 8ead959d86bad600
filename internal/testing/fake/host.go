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

// HostPrograms are programs of this host, for nodes that must run what package
// providertest asks of them: with the files of a node only stat and mkube-test, a script
// of the seed's, have to do. The caller may change the map.
func HostPrograms() map[string]Program {
	return map[string]Program{
		"grep": onHost, "head": onHost, "printf": onHost, "sh": onHost, "sleep": onHost, "true": onHost,
		"stat": stat, "/usr/local/bin/mkube-test": script,
	}
}

// onHost runs a command on the host. A cancelled one is killed with its process group.
func onHost(ctx context.Context, _ *Node, cmd provider.Cmd) (int, error) {
	over := ctx
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	cmd.Stdout, cmd.Stderr = provider.EndingOn(cmd.Stdout, cancel), provider.EndingOn(cmd.Stderr, cancel)
	c := exec.CommandContext(ctx, cmd.Args[0], cmd.Args[1:]...)
	c.Env = append(os.Environ(), cmd.Env...)
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

// runOnHost runs a command between its streams, or on a terminal.
func runOnHost(c *exec.Cmd, cmd provider.Cmd) error {
	if cmd.TTY {
		return onTerminal(c, cmd.Stdin, cmd.Stdout)
	}
	c.Stdout, c.Stderr = cmd.Stdout, cmd.Stderr
	// The command's end does not wait for that of its input.
	stdin, err := c.StdinPipe()
	if err != nil {
		return err
	}
	if err := c.Start(); err != nil {
		return err
	}
	go func() {
		// An error here is that of a command that ended without reading on.
		_, _ = io.Copy(stdin, cmd.Stdin)
		_ = stdin.Close()
	}()
	return c.Wait()
}

// script runs a file of the node's in the host's shell.
func script(ctx context.Context, n *Node, cmd provider.Cmd) (int, error) {
	f, ok := n.File(cmd.Args[0])
	if !ok || f.Mode.Perm()&0o111 == 0 {
		return 126, nil
	}
	cmd.Args = []string{"sh", "-c", string(f.Data)}
	return onHost(ctx, n, cmd)
}

// stat is stat -c "%a %u:%g %F" of one of the node's files, and of the /tmp that every
// node has.
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
