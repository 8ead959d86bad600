package state

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/mkube/mkube/pkg/cluster"
	"github.com/mkube/mkube/pkg/config"
	"github.com/mkube/mkube/pkg/provider"
)

// BusyError says that another command is changing a cluster.
type BusyError struct {
	Cluster string
	// By is the command, as provider.NewCreation names it.
	By string
}

func (e *BusyError) Error() string {
	return fmt.Sprintf("%s is at work on cluster %q: wait until it has finished, or stop it", e.By, e.Cluster)
}

// LockPath is where the lock of a cluster is on each of its control planes. The file itself says
// nothing: it is locked while a process holds it (flock(2)), and then has the holder's
// name in it. /run is empty after a boot.
const LockPath = "/run/mkube.lock"

// CreatingPath is there from before the first boot of a control plane until the create
// that made it has the lock.
const CreatingPath = stateDir + "/creating"

const (
	// exitBusy is EX_TEMPFAIL of sysexits.h.
	exitBusy = 75
	// lockLimit is how long a node may take to give its lock: an emulated machine needs
	// seconds to start a process. The wait for another holder, a second, is part of it.
	lockLimit = 20 * time.Second
	// releaseLimit is how long a node may take to say that it has released its lock.
	releaseLimit = 5 * time.Second
)

// lockScript holds a lock as long as its input is open, and the engine closes that when
// mkube ends, also by kill -9. $1 is who asks for it; $2 is "new" for a command that must
// wait for a create. It is one line, as the arguments of a process should be.
const lockScript = `[ "$2" != new ] || [ ! -e ` + CreatingPath + ` ] || [ "$(ps -o etimes= -p 1)" -ge 15 ] || { cat ` + CreatingPath + `; exit 75; }; ` +
	`rm -f ` + CreatingPath + `; printf '%s\n' "$1" >` + LockPath + `; echo held; cat >/dev/null`

// An Attempt is one command's wish to change a cluster alone.
type Attempt struct {
	Cluster, By string
	// Creates says that the command may come before a create that has just booted the
	// nodes and does not have their lock yet: it is that create, or does not care.
	Creates bool
}

// Hold takes the lock of a cluster for a command such as "break", so that no other
// command of any user or machine changes the cluster until release is called. When the
// process ends, however it ends, the lock is released. Where another command has the
// lock, the error is a *BusyError.
func Hold(ctx context.Context, p provider.Provider, cluster, command string) (release func(), err error) {
	nodes, err := Nodes(ctx, p, cluster)
	if err != nil {
		return nil, err
	}
	return Attempt{Cluster: cluster, By: provider.NewCreation(command)}.Hold(ctx, nodes)
}

// Hold takes the lock on each control plane that runs, in order, so that of two commands
// one gets all. Holding several, it survives a control plane that is removed or stopped.
func (a Attempt) Hold(ctx context.Context, nodes []provider.Node) (release func(), err error) {
	var held []func()
	release = func() {
		for _, r := range slices.Backward(held) {
			r()
		}
	}
	var errs []error
	for _, n := range nodes {
		if n.Role() != config.ControlPlane {
			continue
		}
		r, err := a.holdOn(ctx, n)
		if busy := (*BusyError)(nil); errors.As(err, &busy) {
			release()
			return nil, err
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("locking cluster %q: %w", a.Cluster, err))
			continue
		}
		held = append(held, r)
	}
	if len(held) == 0 {
		return nil, cmp.Or(errors.Join(errs...), NoControlPlane(nodes))
	}
	return release, nil
}

// holdOn takes the lock of one node.
func (a Attempt) holdOn(ctx context.Context, n provider.Node) (release func(), err error) {
	// An interrupted command keeps the lock until it has cleaned up.
	alive, cancel := context.WithCancel(context.WithoutCancel(ctx))
	input, life := io.Pipe()
	output := &firstLine{line: make(chan string, 1)}
	ended := make(chan error, 1)
	go func() {
		ended <- n.Run(alive, provider.Cmd{Args: a.command(), Stdin: input, Stdout: output})
	}()
	release = func() {
		_ = life.Close() // a pipe's has no error
		select {
		case err := <-ended:
			_ = err // the lock is released however its holder ended
		case <-time.After(releaseLimit): // the node is gone, or hangs
		}
		cancel()
	}
	select {
	case line := <-output.line:
		if line == "held" {
			return release, nil
		}
		err = &BusyError{a.Cluster, line}
	case err = <-ended:
		ended <- nil
		if provider.ExitCode(err) == exitBusy {
			err = &BusyError{a.Cluster, a.busy(ctx, n, output)}
		}
	case <-ctx.Done():
		err = ctx.Err()
	case <-time.After(lockLimit):
		err = fmt.Errorf("%s does not answer within %s", n.Name(), lockLimit)
	}
	release()
	if err == nil {
		err = fmt.Errorf("%s did not grant the lock", n.Name())
	}
	return nil, err
}

// busy names who kept the lock from being taken.
func (a Attempt) busy(ctx context.Context, n provider.Node, output *firstLine) string {
	select {
	case by := <-output.line:
		return by
	default:
		return holderOn(ctx, n)
	}
}

// command is what runs on the node, see flock(1).
func (a Attempt) command() []string {
	mode := "new"
	if a.Creates {
		mode = "any"
	}
	return []string{"flock", "--wait", "1", "--conflict-exit-code", fmt.Sprint(exitBusy), LockPath, "sh", "-c", lockScript, "sh", a.By, mode}
}

// holderOn names who holds the lock of a node.
func holderOn(ctx context.Context, n provider.Node) string {
	out, err := provider.Output(ctx, n, "cat", LockPath)
	if by := strings.TrimSpace(string(out)); err == nil && by != "" {
		return by
	}
	return "another mkube command"
}

// AtWork says whether a command changes a cluster at this moment.
func AtWork(ctx context.Context, c *cluster.Cluster) bool { return Holder(ctx, c.Nodes) != "" }

// Holder names who holds the lock of a cluster now, "" for nobody.
func Holder(ctx context.Context, nodes []provider.Node) string {
	for _, n := range nodes {
		if n.Role() != config.ControlPlane {
			continue
		}
		_, err := provider.Output(ctx, n, "flock", "--nonblock", "--conflict-exit-code", fmt.Sprint(exitBusy), LockPath, "true")
		if provider.ExitCode(err) == exitBusy {
			return holderOn(ctx, n)
		}
	}
	return ""
}

// firstLine sends the first line that is written to it.
type firstLine struct {
	line chan string
	data []byte
	sent bool
}

func (f *firstLine) Write(p []byte) (int, error) {
	if f.sent {
		return len(p), nil
	}
	f.data = append(f.data, p...)
	if line, _, ok := bytes.Cut(f.data, []byte("\n")); ok {
		f.sent = true
		f.line <- string(line)
	}
	return len(p), nil
}
